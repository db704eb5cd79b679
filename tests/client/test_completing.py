"""What Tab takes the beginning of a word for."""

import pytest

from chatservice.client.completing import Sort, Wanted, wanted

CASES = {
    "/jo": Wanted(Sort.COMMAND, "jo"),
    "/": Wanted(Sort.COMMAND, ""),
    "/usr": Wanted(Sort.PATH, "/usr"),
    "/usr/lo": Wanted(Sort.PATH, "/usr/lo"),
    "/join l": Wanted(Sort.ROOM, "l"),
    "/join lab pass": None,
    "/who ": Wanted(Sort.ROOM, ""),
    "/msg bo": Wanted(Sort.USER, "bo"),
    "/msg bob hello car": Wanted(Sort.USER, "car"),
    "/kick bo": Wanted(Sort.USER, "bo"),
    "/help jo": Wanted(Sort.EXPLAINED, "jo"),
    "/get my rep": Wanted(Sort.FILE, "my rep"),
    "/put ~/my doc": Wanted(Sort.PATH, "~/my doc"),
    "/put a.pdf @bo": Wanted(Sort.USER, "bo"),
    "/access hi": Wanted(Sort.CHOICE, "hi", ("public", "hidden", "invited")),
    "/PUT x": Wanted(Sort.PATH, "x"),
    "/login an": None,
    "join l": Wanted(Sort.ROOM, "l"),
    "-goto l": Wanted(Sort.ROOM, "l"),
    "-pr bo": Wanted(Sort.USER, "bo"),
    "download re": Wanted(Sort.FILE, "re"),
    "-file doc/re": Wanted(Sort.PATH, "doc/re"),
    "transfer doc/re @bo": Wanted(Sort.USER, "bo"),
    "@bo": Wanted(Sort.USER, "bo"),
    "./re": Wanted(Sort.PATH, "./re"),
    "~/re": Wanted(Sort.PATH, "~/re"),
    "bo": Wanted(Sort.ADDRESSED, "bo"),
    "as bo": Wanted(Sort.USER, "bo"),
    "hi @bo": Wanted(Sort.USER, "bo"),
    "/say hi @bo": Wanted(Sort.USER, "bo"),
    "/me hugs @": Wanted(Sort.USER, ""),
    "as bob ": None,
    "": None,
}


@pytest.mark.parametrize("line", CASES)
def test_what_could_complete_a_line(line):
    """It is told by the table of commands, and by where the word stands."""
    assert wanted(line) == CASES[line]
