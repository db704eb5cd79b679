"""Completions that Tab offers for the beginning of a word."""

import pytest

from chatservice.client.tabcompletion import CompletionTarget, WordKind, completion_target

CASES = {
    "/jo": CompletionTarget(WordKind.COMMAND, "jo"),
    "/": CompletionTarget(WordKind.COMMAND, ""),
    "/usr": CompletionTarget(WordKind.PATH, "/usr"),
    "/usr/lo": CompletionTarget(WordKind.PATH, "/usr/lo"),
    "/join l": CompletionTarget(WordKind.ROOM, "l"),
    "/join lab pass": None,
    "/who ": CompletionTarget(WordKind.ROOM, ""),
    "/msg bo": CompletionTarget(WordKind.USER, "bo"),
    "/msg bob hello car": CompletionTarget(WordKind.USER, "car"),
    "/kick bo": CompletionTarget(WordKind.USER, "bo"),
    "/help jo": CompletionTarget(WordKind.HELP_TOPIC, "jo"),
    "/get my rep": CompletionTarget(WordKind.FILE, "my rep"),
    "/put ~/my doc": CompletionTarget(WordKind.PATH, "~/my doc"),
    "/put a.pdf @bo": CompletionTarget(WordKind.USER, "bo"),
    "/access hi": CompletionTarget(WordKind.CHOICE, "hi", ("public", "hidden", "invited")),
    "/PUT x": CompletionTarget(WordKind.PATH, "x"),
    "/login an": None,
    "join l": CompletionTarget(WordKind.ROOM, "l"),
    "-goto l": CompletionTarget(WordKind.ROOM, "l"),
    "-pr bo": CompletionTarget(WordKind.USER, "bo"),
    "download re": CompletionTarget(WordKind.FILE, "re"),
    "-file doc/re": CompletionTarget(WordKind.PATH, "doc/re"),
    "transfer doc/re @bo": CompletionTarget(WordKind.USER, "bo"),
    "@bo": CompletionTarget(WordKind.USER, "bo"),
    "./re": CompletionTarget(WordKind.PATH, "./re"),
    "~/re": CompletionTarget(WordKind.PATH, "~/re"),
    "bo": CompletionTarget(WordKind.ADDRESSEE, "bo"),
    "as bo": CompletionTarget(WordKind.USER, "bo"),
    "hi @bo": CompletionTarget(WordKind.USER, "bo"),
    "/say hi @bo": CompletionTarget(WordKind.USER, "bo"),
    "/me hugs @": CompletionTarget(WordKind.USER, ""),
    "as bob ": None,
    "": None,
}


@pytest.mark.parametrize("line", CASES)
def test_targets_of_completion(line):
    """The kind depends on the table of commands and on the place of the word."""
    assert completion_target(line) == CASES[line]
