"""Decisions about a typed line before anything is done."""

import pytest

from chatservice.client.controller import CLIENT_HELP, ROOMS_HELP, client_help
from chatservice.client.typedlines import could_be_room


@pytest.mark.parametrize("line", ["lab", " lab ", "2", "nowhere", "Überraum", "hello"])
def test_lines_that_can_be_a_room(line):
    """A single word that is nothing else can be a room."""
    assert could_be_room(line)


@pytest.mark.parametrize(
    "line",
    ["hello everybody", "/join lab", "@bob hi", "help", "quit", "bye", "NEW", "NEW den", "create"]
    + ["-goto lab", "//x", "/nope", __file__, "exit"],
)
def test_lines_that_cannot_be_a_room(line):
    """Talk of several words, commands and paths cannot be a room."""
    assert not could_be_room(line)


def test_help_of_another_command_is_the_servers():
    """Only the two commands that work differently here have help of their own."""
    lines = ("/join ROOM - moves", "/put NAME SIZE - uploads", "/get NAME - downloads")
    shown = client_help(lines)
    assert shown[0] == lines[0]
    assert shown[1].startswith("/put PATH")
    assert client_help(("/join ROOM - moves", "  ROOM - its name")) == [
        "/join ROOM - moves",
        "  ROOM - its name",
    ]


def test_help_with_several_rooms():
    """Joining and leaving are explained as they work on a terminal."""
    lines = ("/join ROOM - moves", "/leave - leaves", "/who - lists")
    shown = client_help(lines, CLIENT_HELP | ROOMS_HELP)
    assert shown == [ROOMS_HELP["/join"], ROOMS_HELP["/leave"], "/who - lists"]
    assert client_help(("/join ROOM - moves", "  ROOM - its name"), ROOMS_HELP) == [
        ROOMS_HELP["/join"],
        "  ROOM - its name",
    ]
