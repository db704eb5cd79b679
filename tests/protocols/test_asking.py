"""Passwords are asked for: of a person, on a line of their own, unseen over telnet."""

import shutil

import pexpect
import pytest

from chatservice.grammar.telnet import DO, DONT, ECHO, HIDE, IAC, SHOW
from tests.running import PATIENCE


@pytest.fixture
def person(server, connect):
    """Return a function that opens a connection, waits to be greeted, and types lines, each once
    the former one was answered."""

    def person_(*lines):
        bare = connect(server)
        bare.expect("* Welcome")
        for line in lines:
            bare.send(line)
            bare.line()
        return bare

    return person_


@pytest.fixture
def bob(server, connect):
    """Register bob, whose password has a space in it, and the room vault."""
    bare = connect(server, "bob")
    bare.send("/register")
    assert bare.line() == "* Type a password to log in with:"
    bare.send("my  word")
    assert bare.line() == "* Type it once more:"
    bare.send("my  word")
    assert bare.line() == "* bob is your name from now on; /login bob PASSWORD brings you back."
    bare.send("/create vault sesame")
    bare.expect("* You are in vault")
    bare.close()


def test_a_registered_name_in_place_of_a_guests(bob, person):
    """Its password is asked for; nothing, or /cancel, gives up, and another name can be typed."""
    other = person("BOB")
    assert other.seen.endswith(
        "* BOB is registered; type its password, or nothing to take another name:\n"
    )
    other.send("")
    assert other.line() == "* Nothing was done."
    other.send("bob")
    other.expect("type its password")
    other.send("/cancel")
    assert other.line() == "* Nothing was done."
    other.send("bob")
    other.expect("type its password")
    other.send("wrong")
    assert other.line() == "! That is not bob's password; try again."
    other.send("bob")
    other.expect("type its password")
    other.send("my  word")
    assert other.line() == "* You are bob."
    other.send("hello", "/who")
    other.expect("* 1 in lobby: bob")


def test_commands_without_their_password(bob, person):
    """Each is asked for what it lacks, and for a new password twice."""
    typed = person("/login bob")
    assert typed.seen.endswith("* Type the password of bob:\n")
    typed.send("my  word")
    typed.expect("* What you type")
    typed.send("/password")
    assert typed.line() == "* Type the password that you have:"
    typed.send("my  word")
    assert typed.line() == "* Type the new one:"
    typed.send("new")
    assert typed.line() == "* Type it once more:"
    typed.send("knew")
    assert typed.line() == "! The two differ; nothing was done."
    typed.send("/password my")
    assert typed.line() == "* Type the new one:"
    typed.send("x" * 257)
    assert typed.line().startswith("! A password has at most 256 characters")
    typed.send("/who")
    assert typed.line() == "* 1 in lobby: bob"
    new = person("/signup carol")
    assert new.seen.endswith("* Type a password for carol:\n")
    new.send("pw")
    assert new.line() == "* Type it once more:"
    new.send("pw")
    assert new.line() == "* You are carol."
    new.expect("* What you type")
    new.send("/join vault")
    assert new.line() == "* vault has a password; type it:"
    new.send("wrong")
    assert new.line() == "! That is not vault's password; try again."
    new.send("/join vault")
    new.line()
    new.send("sesame")
    assert new.line() == "* You are in vault, alone for now."


def test_an_invitation_code_is_asked_for_too(start_server, connect):
    """Behind the password, where one registers by invitation."""
    server = start_server("--registration", "invited")
    guest = connect(server, "dora")
    guest.send("/register")
    guest.line()
    guest.send("pw")
    guest.line()
    guest.send("pw")
    assert guest.line() == "* Type your invitation code:"
    guest.send("none")
    assert guest.line().startswith("! One registers by invitation here")


def test_what_others_say_comes_meanwhile(bob, person, server, connect):
    """Who is asked is not deaf; what they type is said to nobody."""
    dora, eve = connect(server, "dora"), connect(server, "eve")
    dora.expect("eve came in")
    dora.send("/register")
    dora.line()
    eve.send("hello dora")
    assert dora.line() == "eve: hello dora"
    dora.send("s3cret")
    dora.line()
    dora.send("s3cret", "hello eve")
    dora.expect("* dora is your name")
    eve.expect("dora: hello eve")
    assert "s3cret" not in eve.seen


def test_a_program_is_asked_nothing(bob, server, connect):
    """Neither who speaks first, nor who sends more behind its line: none of it is a password, none
    is lost, and what is refused is said at once."""
    script = connect(server)
    script.send("bob", "my  word", "/login bob", "dora", "/register", "said", "/who", "/quit")
    said = script.rest().decode()
    assert "! bob is a registered name; /login bob PASSWORD" in said
    assert "! A name is made of" in said
    assert said.count("! PASSWORD is missing") == 2
    assert "* 1 in lobby: dora" in said
    slow = connect(server)
    slow.expect("* Welcome")
    slow.send("bob", "dora", "/register", "hello", "/who")
    assert slow.line().startswith("! bob is a registered name")
    assert slow.line() == "* You are dora."
    slow.expect("! PASSWORD is missing")
    assert slow.line() == "* 1 in lobby: dora"
    slow.send("/history")
    slow.expect("dora: said")
    slow.expect("dora: hello")


def test_telnet_is_told_to_hide_it(bob, server, connect):
    """Who ends lines as telnet does, or has sent its commands, is; who has not is sent none. What
    telnet answers is no part of a password, and the end of the hiding is told whatever happens."""
    plain = connect(server)
    plain.expect("* Welcome")
    plain.send("bob")
    plain.send(plain.line() and "")
    plain.send("dora")
    plain.expect("* What you type")
    assert "\xff" not in plain.seen
    prompt = b"* bob is registered; type its password, or nothing to take another name:\r\n"
    for first in (b"bob\r\n", bytes((IAC, DO, 3)) + b"bob\n"):
        for answer, then in (
            (b"my  word", b"* You are bob."),
            (b"", b"* Nothing was done."),
            (b"x" * 300, b"! A password has at most"),
            (b"\xff\xfb\x1fmx\x7fy  worrx\x08\x08d", b"* You are bob."),
        ):
            telnet = connect(server)
            telnet.expect("* Welcome")
            telnet.send_raw(first)
            wanted = HIDE + prompt
            before = telnet.read(len(wanted) + (0 if first[0] != IAC else 3))
            assert before.endswith(wanted)
            telnet.send_raw(bytes((IAC, DO, ECHO)) + answer + b"\r\n")
            wanted = SHOW + then
            if answer.startswith(b"\xff"):
                wanted = bytes((IAC, 254, 31)) + wanted
            assert telnet.read(len(wanted)) == wanted
            telnet.send_raw(bytes((IAC, DONT, ECHO)) + b"/quit\r\n")
            assert bytes((IAC,)) not in telnet.rest()


def test_it_is_not_on_the_screen_of_the_real_program(bob, server):
    """Type it in telnet, on a terminal: it is read, and nowhere to be seen; what is typed before
    and after is."""
    if shutil.which("telnet") is None:
        pytest.skip("telnet is not installed")
    telnet = pexpect.spawn(
        "telnet", ["127.0.0.1", str(server.port)], encoding="utf-8", timeout=PATIENCE
    )
    screen = []

    class Screen:
        def write(self, text):
            screen.append(text)

        def flush(self):
            pass

    telnet.logfile_read = Screen()
    telnet.expect_exact("* Welcome. Type your name; /help lists the commands.\r\n")
    telnet.sendline("bob")
    telnet.expect_exact("type its password, or nothing to take another name:\r\n")
    telnet.waitnoecho(PATIENCE)
    telnet.sendline("my  word")
    telnet.expect_exact("* You are bob.\r\n")
    telnet.expect_exact("* What you type is said to everybody here")
    telnet.sendline("/password")
    telnet.expect_exact("* Type the password that you have:\r\n")
    telnet.sendline("my  word")
    telnet.expect_exact("* Type the new one:\r\n")
    telnet.sendline("an0ther")
    telnet.expect_exact("* Type it once more:\r\n")
    telnet.sendline("an0ther")
    telnet.expect_exact("* Your password is changed.\r\n")
    telnet.sendline("seen again")
    telnet.expect_exact("seen again\r\n")
    telnet.sendline("/quit")
    telnet.expect_exact("* Goodbye.\r\n")
    telnet.expect(pexpect.EOF)
    shown = "".join(screen)
    assert "bob\r\n" in shown
    assert "word" not in shown.replace("password", "")
    assert "an0ther" not in shown
    assert "\xff" not in shown
