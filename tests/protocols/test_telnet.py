"""Telnet: the real program, and its negotiation, which never reaches the text."""

import re
import shutil
import time

import pexpect
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatservice.grammar.telnet import DO, DONT, IAC, SB, SE, WILL, WONT, take_line
from tests.servers import PATIENCE

NEGOTIATION = (
    bytes((IAC, DO, 1, IAC, WILL, 31, IAC, DONT, 3, IAC, WONT, 10, IAC, DO, 10))
    + bytes((IAC, SB, 31, 0, 10, 0, 13, IAC, IAC, IAC, SE))
    + bytes((IAC, 241, IAC, 249))
)
"""Offers, demands and refusals of options (10 is a line feed, too), a window of 10 columns, a NOP
and a "go ahead"."""

ANSWERED = bytes((IAC, WONT, 1, IAC, DONT, 31, IAC, WONT, 10))


def test_the_real_program(server, connect):
    """Talk goes both ways, in any script; /quit brings one home."""
    if shutil.which("telnet") is None:
        pytest.skip("telnet is not installed")
    bob = connect(server, "bob")
    telnet = pexpect.spawn(
        "telnet", ["127.0.0.1", str(server.port)], encoding="utf-8", timeout=PATIENCE
    )
    telnet.expect_exact("* Welcome. Type your name; /help lists the commands.\r\n")
    telnet.sendline("tess")
    telnet.expect_exact("* You are tess.\r\n")
    telnet.expect_exact("* What you type is said to everybody here")
    assert bob.line() == "* tess came in"
    telnet.sendline("grüße, 漢字 🎉")
    assert bob.line() == "tess: grüße, 漢字 🎉"
    bob.send("ебать копать ÿ")
    telnet.expect_exact("bob: ебать копать ÿ\r\n")
    telnet.sendline("/join lab")
    telnet.expect_exact("* You are in lab, alone for now.\r\n")
    telnet.sendline("/quit see you")
    telnet.expect_exact("* Goodbye.\r\n")
    telnet.expect("Connection closed by foreign host")
    telnet.expect(pexpect.EOF)
    assert bob.expect("left") == "* tess left"


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_negotiation_never_reaches_the_text(server, connect, size):
    """Negotiation is removed at any place and any cut, every option is declined, and a file stays
    as it is."""
    bob, telnet = connect(server, "bob"), connect(server)
    file = NEGOTIATION + b"\xff\n\xff\xff\r\n"
    data = NEGOTIATION + b"te" + NEGOTIATION + b"ss\r\nhel" + NEGOTIATION + b"lo\r" + b"\n"
    data += b"/put x %d\r\n" % len(file) + file + b"/get x\r\n" + NEGOTIATION + b"/quit\r\n"
    for at in range(0, len(data), size):
        telnet.send_raw(data[at : at + size])
    said = telnet.rest()
    mark = re.search(rb"= [^\n]* x\n", said)[0]
    assert said.replace(ANSWERED, b"").endswith(mark + mark + file + b"* Goodbye.\n")
    assert said.startswith(ANSWERED)
    assert [bob.line() for _ in range(2)] == ["* tess came in", "tess: hello"]
    assert bob.line().startswith("* tess shared x (")
    assert bob.line() == "* tess left"
    assert (server.files / "x").read_bytes() == file


def test_a_negotiation_in_pieces(server, connect):
    """It says nothing, however the network cuts it: so the user is greeted."""
    nvt = connect(server)
    for byte in b"\xff\xfb\x1f\xff\xfd\x01":
        nvt.send_raw(bytes((byte,)))
        time.sleep(0.02)
    assert nvt.read(6) == b"\xff\xfe\x1f\xff\xfc\x01"
    nvt.expect("* Welcome")


def test_an_endless_negotiation(server, connect):
    """An endless negotiation is refused as a line that is too long, and the connection goes on."""
    telnet = connect(server, "tess")
    telnet.send_raw(bytes((IAC, SB)) + b"\n" * 100_000)
    telnet.expect("! A line has at most 8192 bytes")
    telnet.send_raw(b"x\n/who\n")
    telnet.expect("* 1 in lobby: tess")


PARAMETERS = st.binary().map(lambda data: data.replace(b"\xff", b"\xff\xff"))
COMMANDS = st.one_of(
    st.tuples(st.sampled_from([DO, DONT, WILL, WONT]), st.integers(0, 255)).map(bytes),
    st.integers(SE, 249).map(lambda it: bytes((it,))),
    PARAMETERS.map(lambda it: bytes((SB,)) + it + bytes((IAC, SE))),
).map(lambda it: bytes((IAC,)) + it)
TEXTS = st.text(st.characters(exclude_characters="\n", codec="utf-8")).map(str.encode)
PIECES = st.lists(st.tuples(TEXTS, st.lists(COMMANDS, max_size=3)), max_size=5)


@given(PIECES, st.binary())
@example([(b"a", [bytes((IAC, SB, 31, IAC, IAC, SE, 10, IAC, SE))])], b"")
def test_a_line_is_what_stands_between_commands(pieces, behind):
    """No command stays in a line or ends it, with a chunk's end at any byte; the following bytes
    stay."""
    data = b"".join(text + b"".join(commands) for text, commands in pieces) + b"\n"
    found = take_line(data + behind)
    assert (found.line, found.end) == (b"".join(text for text, _ in pieces), len(data))
    assert found.complete
    for cut in range(len(data)):
        begun = take_line(data[:cut])
        assert not begun.complete
        rest = take_line(begun.line + data[begun.end :])
        assert (rest.line, begun.reply + rest.reply) == (found.line, found.reply)
    asked = [it for _, commands in pieces for it in commands if it[1] in (DO, WILL)]
    turned = {DO: WONT, WILL: DONT}
    assert found.reply == b"".join(bytes((IAC, turned[it[1]], it[2])) for it in asked)


@given(st.binary(), st.binary())
def test_any_bytes_at_all(data, behind):
    """They are a line or not yet one; what comes behind never changes which."""
    found = take_line(data)
    if found.complete:
        assert data[found.end - 1] == 10
        assert take_line(data + behind) == found
    assert IAC not in found.line
