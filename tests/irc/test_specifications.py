"""Everything that the server offers to IRC clients has a test and a specification: each numeric,
each capability, each token of ISUPPORT, and each command."""

import re
from pathlib import Path

import pytest

from chatservice.grammar.ircnumerics import Numeric
from chatservice.protocols.irc.capabilities import OFFERED
from chatservice.protocols.irc.ircdoor import IrcClientSession

ROOT = Path(__file__).parents[2]
HERE = Path(__file__)
TESTS = "\n".join(it.read_text() for it in HERE.parent.glob("test_*.py") if it != HERE)
SOURCES = "\n".join(it.read_text() for it in (ROOT / "chatservice").rglob("*.py"))
DOCUMENT = (ROOT / "docs" / "irc.md").read_text()
NUMERICS = {number: name for name, number in vars(Numeric).items() if name.isupper()}

MODERN = "https://modern.ircdocs.horse/"
IRCV3 = "https://ircv3.net/specs/extensions/"

SPECIFIED = {
    **dict.fromkeys(("335", "501"), f"{IRCV3}bot-mode"),
    "354": f"{IRCV3}whox",
    "410": f"{IRCV3}capability-negotiation",
    **dict.fromkeys(("730", "731", "732", "733", "734"), f"{IRCV3}monitor"),
    **dict.fromkeys(("900", "903", "904", "905", "906", "907", "908"), f"{IRCV3}sasl-3.1"),
}
"""The specifications of numerics that do not stand in Modern IRC alone."""

CLIENT_TAGS = ("react", "reply", "typing")
"""The client tags that have a meaning here (https://ircv3.net/specs/client-tags/)."""


@pytest.mark.parametrize("number", NUMERICS)
def test_each_numeric_is_sent_tested_and_specified(number):
    """No number is there that is never sent, and each that is sent is expected by a test, beside
    the address of its specification."""
    assert re.search(rf"Numeric\.{NUMERICS[number]}\b", SOURCES), "it is never sent"
    assert re.search(rf"\b{number}\b", TESTS), "no test names it"
    assert SPECIFIED.get(number, MODERN) in TESTS + DOCUMENT


@pytest.mark.parametrize("name", OFFERED)
def test_each_capability_is_tested_and_specified(name):
    """A test asks for it, and the document links to its specification."""
    assert re.search(rf"[ :\"]{re.escape(name)}[ \"]", TESTS), "no test asks for it"
    short = name.removeprefix("draft/").removesuffix("-3.1")
    found = re.search(rf"\[`{name}`\]\((https://ircv3\.net/specs/extensions/[^)]*)\)", DOCUMENT)
    assert found, "no line of the document has its specification"
    assert short in found[1] or (short, found[1][len(IRCV3) :]) in OTHER_PAGES


OTHER_PAGES = {("cap-notify", "capability-negotiation"), ("event-playback", "chathistory")}
"""Capabilities that are specified on the page of another one."""


def test_each_token_is_tested(server, join_irc):
    """A test names each word of ISUPPORT (https://modern.ircdocs.horse/#rplisupport-005)."""
    client = join_irc(server, "ann")
    words = re.findall(r" 005 ann (.*) :are supported here", client.seen)
    names = {word.partition("=")[0] for line in words for word in line.split()}
    assert len(names) > 20
    missing = {name for name in names if not re.search(rf"\b{re.escape(name)}\b", TESTS)}
    assert not missing


def test_each_command_is_tested_and_documented():
    """A test sends each command, and the document has it in its list."""
    for command in IrcClientSession.handlers:
        assert re.search(rf"\"(@\S+ )?{command}\b", TESTS), command
        assert f"`{command}`" in DOCUMENT, command
    for tag in CLIENT_TAGS:
        assert f"https://ircv3.net/specs/client-tags/{tag}" in TESTS, tag
