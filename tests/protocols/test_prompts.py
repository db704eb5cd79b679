"""Passwords are asked for: of a person, on a line of their own, unseen over telnet."""

import shutil

import pexpect
import pytest

from chatservice.grammar.telnet import DO, DONT, ECHO, HIDE_INPUT, IAC, SHOW_INPUT
from tests.servers import PATIENCE, RawAdminClient


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
    assert other.line().endswith("type its password, or nothing to take another name:")
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
    assert typed.line() == "* Type the password that you have, or nothing to give up:"
    typed.send("")
    assert typed.line() == "* Nothing was done."
    typed.send("/password my")
    assert typed.line() == "* Type the new one:"
    typed.send("x" * 257)
    assert typed.line().startswith("! A password has at most 256 characters")
    assert typed.line() == "* Type the new one, or nothing to give up:"
    typed.send("/cancel")
    assert typed.line() == "* Nothing was done."
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
    assert new.line() == "* vault has a password; type it, or nothing to give up:"
    new.send("sesame")
    assert new.line() == "* You are in vault, alone for now."


@pytest.mark.parametrize("typed", ["/login bob wrong", "/join vault wrong"])
def test_what_is_pasted_behind_a_wrong_password(bob, server, connect, typed):
    """It may be the right one, and answers the question that follows: it is no name and no talk,
    for a guest and for a new connection."""
    listener = connect(server, "listener")
    pasted = connect(server) if "login" in typed else connect(server, "eve")
    if "login" in typed:
        pasted.expect("* Welcome")
    pasted.send(typed, "not my word", "s3cret too")
    for _ in range(3):
        pasted.expect("! That is not")
    pasted.send("")
    pasted.expect("* Nothing was done.")
    pasted.send("dora", "/who")
    pasted.expect("in lobby")
    listener.send("/who")
    listener.expect("in lobby")
    assert "s3cret" not in listener.seen
    assert "word" not in listener.seen


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
    for wrong in ("none", "again"):
        guest.send(wrong)
        assert guest.line() == "! That code is not good, or not any more; ask for another."
        assert guest.line() == "* Type your invitation code, or nothing to give up:"
    operator = RawAdminClient(server)
    operator.ask(do="code", id=1)
    guest.send(operator.event("ok")["code"])
    assert guest.line().startswith("* dora is your name")


def test_what_others_say_comes_meanwhile(bob, person, server, connect):
    """A user who is asked for a password still reads the others, and says nothing to them."""
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


WRONG = [
    b"wrong",
    b"x" * 257,
    b"x" * 9000,
    b"caf\xe9",
    b"a\0b",
    b"/who",
    b"/quit",
    b"bye",
    b"@dora hi",
]
"""Answers that are no good: one password is as wrong as another."""

ASKED = {
    "a name": (["bob"], "! That is not bob's password", "* You are bob."),
    "/login": (["/login bob"], "! That is not bob's password", "* You are bob."),
    "/login, typed": (["/login bob no"], "! That is not bob's password", "* You are bob."),
    "/join": (["eve", "/join vault"], "! That is not vault's", "* You are in vault"),
    "/join, typed": (["eve", "/join vault no"], "! That is not vault's", "* You are in vault"),
    "join": (["eve", "join vault"], "! That is not vault's", "* You are in vault"),
}
"""Lines that are typed until a password is asked for, the refusal of a wrong one, and the answer to
the right one."""


@pytest.mark.parametrize(("typed", "refused", "done"), ASKED.values(), ids=ASKED)
def test_what_answers_a_question_is_nothing_else(bob, server, connect, typed, refused, done):
    """After an impossible or wrong password the server asks again. None of the answers is a name, a
    command or talk, and the right one still works."""
    reader = connect(server)
    reader.send("dora", "/who")
    reader.expect("* 1 in lobby: dora")
    person = connect(server)
    person.expect("* Welcome")
    person.send(*typed)
    if "no" in typed[-1]:
        person.expect(refused)
    person.expect("type it" if "vault" in typed[-1] else "password")
    for answer in WRONG:
        person.send(answer)
        assert person.expect("! ").startswith(("! That", "! A password has", "! A line has"))
        assert person.expect("* ").endswith((", or nothing to give up:", "take another name:"))
    person.send("sesame" if "vault" in done else "my  word")
    assert person.expect("* You are").startswith(done)
    person.send("/quit")
    person.rest()
    reader.send("/quit")
    seen = reader.rest().decode()
    for said in ("wrong", "xxx", "sesame", "my  word", "hi", "caf"):
        assert said not in seen


def test_new_passwords_are_asked_for_again(bob, server, connect):
    """With /register, /signup and /password: if the two differ, the old one is wrong, or the answer
    is impossible; until one is good, or the user gives up."""
    reader = connect(server)
    reader.send("dora", "/who")
    reader.expect("* 1 in lobby: dora")
    eve = connect(server, "eve")
    for answers in (["one", "other"], ["x" * 300], [b"caf\xe9"], ["y" * 8300]):
        eve.send("/register")
        assert eve.line() == "* Type a password to log in with:"
        eve.send(*answers)
        eve.expect("! ")
        eve.expect("Type a password to log in with")
        eve.send("")
        assert eve.expect("* Nothing") == "* Nothing was done."
    eve.send("/register", "one", "other", "good", "good")
    eve.expect("* eve is your name from now on")
    eve.send("/password", "bad", "new", "new")
    eve.expect("! That is not the password that you have; try again.")
    assert eve.line() == "* Type the password that you have, or nothing to give up:"
    eve.send("good", "new", "new")
    eve.expect("* Your password is changed.")
    eve.send("/password wrong newer")
    eve.expect("! That is not the password that you have")
    assert eve.line() == "* Type the password that you have:"
    eve.send("new")
    eve.expect("* Your password is changed.")
    new = connect(server)
    new.expect("* Welcome")
    new.send("/signup frank", "one", "other")
    new.expect("! The two differ")
    new.send("good", "good")
    new.expect("* You are frank.")
    reader.send("/quit")
    seen = reader.rest().decode()
    assert not [line for line in seen.splitlines() if ": " in line and not line.startswith("* ")]


def test_an_answer_waits_where_passwords_are_tried_too_often(start_server, connect):
    """`slow-down` is no end of the question either: what is typed next is no name."""
    server = start_server(trusted=("192.0.2.1/32",), checks_an_address=0)
    operator = RawAdminClient(server)
    operator.ask(do="account", name="owner", password="pw")
    operator.event("ok")
    person = connect(server)
    person.expect("* Welcome")
    person.send("owner")
    person.expect("type its password")
    person.send("pw")
    assert person.expect("! ").startswith("! Many passwords are being looked at")
    assert person.line().endswith("type its password, or nothing to take another name:")
    person.send("pw", "", "/who", "eve", "/who")
    person.expect("* 1 in lobby: eve")


def test_a_room_that_closes_while_its_password_is_asked_for(bob, server, connect):
    """The user is told so; typed lines, then and next, are said nowhere."""
    owner, eve = connect(server), connect(server, "eve")
    owner.expect("* Welcome")
    owner.send("bob", "my  word", "/join vault")
    owner.expect("* You are in vault")
    eve.send("/join vault")
    eve.expect("* vault has a password")
    owner.send("/close")
    owner.expect("vault is closed")
    eve.send("sesame")
    eve.expect("! vault is closed")
    eve.send("sesame")
    eve.expect("! vault is closed")
    eve.send("", "/history")
    assert eve.expect("* Nothing there") == "* Nothing there in lobby"


def test_what_is_pasted_is_answers_too(bob, server, connect):
    """A name and its password in one piece, behind the greeting, are what they would be one by one;
    so are a room's, and one that is wrong."""
    pasted = connect(server)
    pasted.expect("* Welcome")
    pasted.send("bob", "wrong", "my  word", "/who", "/exit")
    pasted.expect("! That is not bob's password")
    pasted.expect("* 1 in lobby: bob")
    pasted = connect(server, "eve")
    pasted.send("/join vault", "wrong", "sesame", "/who")
    pasted.expect("* 1 in vault: eve")


def test_a_program_is_asked_nothing_and_says_nothing_secret(bob, server, connect):
    """For one that speaks first, a name or a command that lacks its password is refused; a line
    behind that may be the password, and is neither a name nor said. A command goes on."""
    reader = connect(server)
    reader.send("dora", "/who")
    reader.expect("* 1 in lobby: dora")
    for lines in (
        ["bob", "my  word", "sesame"],
        ["bob", "sesame", "sesame2"],
        ["/login bob", "sesame", "hello"],
        ["/login bob wrong", "sesame"],
        ["/signup frank", "sesame", "sesame"],
        ["eve", "/register", "sesame", "/me sesame", "/topic sesame"],
        ["eve", "/login bob", "sesame"],
        ["eve", "/join vault", "sesame"],
        ["eve", "/join vault wrong", "sesame"],
    ):
        script = connect(server)
        script.send(*lines)
        script.end()
        said = script.rest().decode()
        assert "sesame" not in said
        assert "! Not " in said
    script = connect(server)
    script.send("bob", "sesame", "/login bob my", "/login bob word", "/help quit", "/quit")
    script.rest()
    reader.send("/quit")
    seen = reader.rest().decode()
    assert "sesame" not in seen
    assert "hello" not in seen
    script = connect(server)
    script.send("eve", "/register", "pw", "/register pw", "said", "/history")
    assert script.line() == "! PASSWORD is missing: /register PASSWORD [CODE]"
    assert script.line().startswith("! Not taken: it may be the password")
    assert script.line().startswith("* eve is your name from now on")
    assert script.line().endswith("] eve: said")


def test_telnet_is_told_to_hide_it(bob, server, connect):
    """Clients with telnet's line ends or commands are told to hide the password, others are not.
    Telnet's answers are no part of the password, and the hiding always ends."""
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
            wanted = HIDE_INPUT + prompt
            before = telnet.read(len(wanted) + (0 if first[0] != IAC else 3))
            assert before.endswith(wanted)
            telnet.send_raw(bytes((IAC, DO, ECHO)) + answer + b"\r\n")
            wanted = SHOW_INPUT + then
            asks_again = then.startswith(b"!")
            if answer.startswith(b"\xff"):
                wanted = bytes((IAC, 254, 31)) + wanted
            assert telnet.read(len(wanted)) == wanted
            telnet.send_raw(bytes((IAC, DONT, ECHO)) + (b"\r\n" * asks_again) + b"/quit\r\n")
            rest = telnet.rest()
            assert (HIDE_INPUT + prompt in rest) == asks_again
            assert bytes((IAC,)) not in rest.replace(HIDE_INPUT, b"").replace(SHOW_INPUT, b"")


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
