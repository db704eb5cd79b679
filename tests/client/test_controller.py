"""Decisions about a typed line before anything is done."""

import pytest

from chatservice.client.controller import CLIENT_HELP, ROOMS_HELP, client_help
from chatservice.client.typedlines import could_be_room


@pytest.mark.parametrize("line", ["lab", " lab ", "2", "nowhere", "Überraum", "hello"])
def test_what_can_be_a_room(line):
    """One word that is nothing else."""
    assert could_be_room(line)


@pytest.mark.parametrize(
    "line",
    ["hello everybody", "/join lab", "@bob hi", "help", "quit", "bye", "NEW", "NEW den", "create"]
    + ["-goto lab", "//x", "/nope", __file__, "exit"],
)
def test_what_cannot_be_a_room(line):
    """Talk of several words, every command, and the path of a file."""
    assert not could_be_room(line)


def test_help_of_another_command_is_the_servers():
    """Only the two that are done otherwise here are put right."""
    lines = ("/join ROOM - moves", "/put NAME SIZE - uploads", "/get NAME - downloads")
    shown = client_help(lines)
    assert shown[0] == lines[0]
    assert shown[1].startswith("/put PATH")
    assert client_help(("/join ROOM - moves", "  ROOM - its name")) == [
        "/join ROOM - moves",
        "  ROOM - its name",
    ]


def test_help_where_one_may_be_in_several_rooms():
    """Joining and leaving are explained as they work there, with the usual arguments."""
    lines = ("/join ROOM - moves", "/leave - leaves", "/who - lists")
    shown = client_help(lines, CLIENT_HELP | ROOMS_HELP)
    assert shown == [ROOMS_HELP["/join"], ROOMS_HELP["/leave"], "/who - lists"]
    assert client_help(("/join ROOM - moves", "  ROOM - its name"), ROOMS_HELP) == [
        ROOMS_HELP["/join"],
        "  ROOM - its name",
    ]
