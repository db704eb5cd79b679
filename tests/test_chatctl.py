"""The operator's door, and `chatctl`, which goes through it."""

import signal
import stat
import subprocess
import sys

import pexpect
import pytest

from tests.running import PATIENCE, Door, environment

CHATCTL = [sys.executable, "-m", "chatservice.chatctl"]


def chatctl(data, *words, typed=""):
    """Run `chatctl`; return its status, what it says, and what it says is wrong."""
    done = subprocess.run(
        [*CHATCTL, "--data", str(data), *words],
        input=typed,
        capture_output=True,
        timeout=PATIENCE,
        text=True,
        env=environment(),
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def refusal(connect, server, name, password):
    """Return the code with which a name and a password are refused, or None."""
    bare = connect(server)
    bare.ask(do="hello", name=name, password=password)
    return bare.event().get("code")


def test_a_password_is_reset_while_the_server_runs(server, connect):
    """The server makes one up, or takes one; sessions and tokens of the account are ended."""
    bob = connect(server, "bob")
    bob.send("/register old", "/token ci")
    token = bob.expect("* ci: ").split()[-1]
    bot = connect(server)
    bot.ask(do="hello", name="bob", password=token)
    assert bot.event()["event"] == "ok"
    status, said, wrong = chatctl(server.data, "reset", "BOB")
    assert (status, wrong) == (0, "")
    assert said.startswith("* bob's password is now ")
    bob.expect("* Your password was changed by who runs the server.")
    assert bob.rest() == b""
    assert bot.event("notice")
    assert bot.rest() == b""
    assert refusal(connect, server, "bob", "old") == "wrong-password"
    assert refusal(connect, server, "bob", token) == "wrong-password"
    assert refusal(connect, server, "bob", said.split()[-1]) is None
    assert chatctl(server.data, "reset", "bob", "chosen")[0] == 0
    assert refusal(connect, server, "bob", "chosen") is None
    assert chatctl(server.data, "reset", "bob", "-", typed="read in\n")[0] == 0
    assert refusal(connect, server, "bob", "read in") is None


def test_a_password_is_asked_for_where_nobody_sees_it(server, connect):
    """On a terminal, twice; two that differ change nothing."""
    bob = connect(server, "bob")
    bob.send("/register old")
    bob.expect("* bob is your name")
    for again, status in (("other", 1), ("a word", 0)):
        asked = pexpect.spawn(
            CHATCTL[0],
            [*CHATCTL[1:], "--data", str(server.data), "reset", "bob", "-"],
            env=environment(),
            encoding="utf-8",
            timeout=PATIENCE,
        )
        asked.expect_exact("Password: ")
        asked.sendline("a word")
        asked.expect_exact("Once more: ")
        asked.sendline(again)
        asked.expect(pexpect.EOF)
        asked.close()
        assert asked.exitstatus == status
        assert "a word" not in asked.before
    assert refusal(connect, server, "bob", "a word") is None


def test_what_is_refused_is_said_and_the_status_tells(server):
    """On the standard error, in one sentence, with the status 1."""
    for words, sentence in (
        (["reset", "nobody"], "nobody is not a registered name."),
        (["reset", "operator"], "operator is not a registered name."),
        (["rest", "bob"], "There is no command /rest; did you mean /reset?"),
        (["reset"], "NAME is missing: /reset NAME [PASSWORD]"),
        (["exit"], "exit is for people in the chat only."),
        (["history"], "Say in which room: chatctl --room ROOM ..."),
        (["nick", "bob"], "Here you are the operator; come in elsewhere to be somebody."),
        (["operator", "bob", "of"], "Behind the name stands nothing, or the word off."),
    ):
        assert chatctl(server.data, *words) == (1, "", f"chatctl: {sentence}\n")


def test_everything_that_is_typed_in_the_chat_can_be_told(server, connect):
    """Accounts, codes, operators, a word to all, what is for a room, and help."""
    carol = connect(server, "carol")
    assert chatctl(server.data, "account", "bob", "pw") == (0, "* bob has that password now.\n", "")
    assert refusal(connect, server, "bob", "pw") is None
    assert chatctl(server.data, "account", "BOB")[2].startswith("chatctl: BOB is registered")
    assert "lets one person register" in chatctl(server.data, "code")[1]
    assert chatctl(server.data, "operator", "bob")[1] == "* bob runs the server.\n"
    assert chatctl(server.data, "operators")[1] == "* The server is run by bob\n"
    bob = connect(server)
    bob.expect("* Welcome")
    bob.send("/login bob pw", "/operators")
    bob.expect("* The server is run by bob")
    assert chatctl(server.data, "operator", "bob", "off")[0] == 0
    bob.send("/operators", "/code")
    assert bob.expect("! ").startswith("! /operators is for who runs the server")
    assert bob.expect("! ").startswith("! /code is for who runs the server")
    assert chatctl(server.data, "broadcast", "Back", "at noon")[0] == 0
    assert carol.expect("tells all") == "* operator tells all: Back at noon"
    carol.send("hi there")
    bob.expect("carol: hi there")
    assert "carol: hi there" in chatctl(server.data, "--room", "lobby", "history")[1]
    assert "/reset NAME [PASSWORD]" in chatctl(server.data, "help")[1]


def test_several_at_once(server):
    """Also as the first that ever come through the door."""
    asked = [
        subprocess.Popen([*CHATCTL, "--data", str(server.data), "rooms"], env=environment())
        for _ in range(6)
    ]
    assert [each.wait(PATIENCE) for each in asked] == [0] * 6


def test_without_a_server_it_says_so(server, tmp_path):
    """Where there never was one, where one was stopped, and where one was killed."""
    sentence = "chatctl: No server is running on {}; start it, or name its directory with --data.\n"
    for how in (None, signal.SIGTERM, signal.SIGKILL):
        where = tmp_path / "nothing" if how is None else server.data
        if how is not None:
            server.stop(how)
        assert chatctl(where, "rooms") == (1, "", sentence.format(where))
        if how is not None:
            server.start()
            assert chatctl(where, "rooms")[0] == 0


def test_the_door_is_the_owners_alone(start_server, tmp_path):
    """From the first moment on; however deep the directory lies; a word of warning is in the log
    where others can write to that."""
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    (deep / "chat-data").mkdir()
    (deep / "chat-data").chmod(0o775)
    server = start_server(folder=deep)
    assert any("others can write to" in line for line in server.log.lines)
    mode = (server.data / "operator").stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600
    assert chatctl(server.data, "rooms")[0] == 0
    server.stop()
    assert not (server.data / "operator").exists()


def test_both_dialects_are_spoken_there(server, connect):
    """A person is the operator at once, and what waits for the operator is shown to them, not to a
    program; nobody else can be called so, or so that it looks like it."""
    alice = connect(server, "alice")
    alice.send("/msg operator help!")
    alice.expect("! Nobody called operator is here")
    assert chatctl(server.data, "rooms")[0] == 0
    alice.send("/msg operator help!")
    alice.expect("* operator is away (not here now), and will see it later.")
    assert chatctl(server.data, "rooms")[0] == 0
    person = Door(server)
    person.send("/who")
    person.expect("alice -> you: help!")
    assert alice.expect("operator") == "* operator came in"
    person.send("hello", "/nick eve", "/login alice x", "/quit")
    person.expect("! Here you are the operator")
    assert "2 in lobby: alice, operator" in person.seen
    assert alice.expect("operator:") == "operator: hello"
    eve = connect(server)
    eve.expect("* Welcome")
    for name in ("operator", "OPERATOR", "0perator", "server", "Sеrver"):
        eve.send(name)
        assert eve.line().endswith("type another name.")
    eve.send("/login operator x")
    assert eve.line().startswith("! operator speaks for the server")


@pytest.mark.parametrize("line", ["hello", "", '{"do":"rooms","id":1}'])
def test_who_waits_at_the_door_is_greeted(server, line):
    """As the operator, and not asked for a name."""
    door = Door(server)
    assert door.line() == "* Welcome, operator. /help lists the commands."
    door.send(line, *(["/who"] if not line.startswith("{") else []))
    door.expect('"ok"' if line.startswith("{") else "* 1 in lobby: operator")
