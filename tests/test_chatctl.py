"""The admin socket, and `chatctl`, which uses it."""

import json
import os
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pexpect
import pytest

from chatservice import names
from tests import forkserver
from tests.forkserver import Program
from tests.servers import PATIENCE, RawAdminClient, environment

CHATCTL = [sys.executable, "-m", "chatservice.chatctl"]
CHATCTL_CODE = "from chatservice.chatctl import run; run()"


def chatctl(data, *words, typed=""):
    """Run `chatctl`; return its status, what it says, and what it says is wrong."""
    program = Program(CHATCTL_CODE, ["--data", str(data), *words], Path.cwd(), environment())
    status, said, wrong = forkserver.run(program, typed.encode(), PATIENCE)
    assert b"Traceback" not in wrong
    return status, said.decode(), wrong.decode()


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
    bob.expect("* An operator changed your password.")
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
        (["rest", "bob"], "There is no command rest; did you mean reset?"),
        (["reset"], "NAME is missing: chatctl reset NAME [PASSWORD]"),
        (["exit"], "exit is for people in the chat only."),
        (["history"], "Say in which room: chatctl --room ROOM ..."),
        (["nick", "bob"], "nick is for people in the chat only."),
        (["operator", "bob", "of"], "After the name, only the word off is allowed."),
        (
            ["--room", "lobby", "kick", "bob"],
            "Nobody called bob is here; chatctl who lists who is here.",
        ),
    ):
        assert chatctl(server.data, *words) == (1, "", f"chatctl: {sentence}\n")


HOSTILE = (
    ["broadcast", "x" * 8192],
    ["broadcast", "x" * 100_000],
    ["broadcast", b"\xff"],
    [b"\xff"],
    [b"--\xff"],
    ["--data", b"\xff", "rooms"],
    ["\x1b[2J"],
    ["--\x1b[2J", "rooms"],
    ["reset", "\x1b[2J"],
    ["reset", "x" * 5000],
    ["--data", "\x1b[2J", "rooms"],
    ["--data", "x" * 5000, "rooms"],
    ["--data", "a/" * 3000, "rooms"],
    ["--data"],
    ["--data=", "rooms"],
    ["--room", "rooms"],
    ["--room", "lab", "rooms"],
    ["--room", "none", "history"],
    ["--room", "\x1b[2J", "history"],
    ["--json=1", "rooms"],
    ["--timeout", "0", "rooms"],
    ["--timeout", "soon", "rooms"],
    ["rooms", "--nonsense"],
    [],
    [""],
    [" "],
    ["/"],
    ["//"],
    ["--"],
    ["put", "x", "3"],
    ["get", "x"],
    ["say", "x"],
    ["hello"],
    ["quit"],
    ["kick"],
    ["--room", "lab", "kick"],
    ["history", "#x"],
    ["--room", "lab", "slow", "-1"],
    ["--room", "lab", "slow", "9" * 30],
    ["--room", "lab", "erase", "7"],
    ["uncode", "nonsense"],
    ["help", "nonsense"],
    ["account", "a\nb"],
    ["topic", "x"],
)


@pytest.mark.parametrize("words", HOSTILE, ids=lambda words: repr(words)[:40])
def test_bad_arguments_are_told_in_one_sentence(server, words):
    """With a status, in words of the command line, without raw bytes; and never by waiting."""
    where = [] if b"--data" in map(os.fsencode, words) else ["--data", str(server.data)]
    done = subprocess.run(
        [*CHATCTL, *where, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        env=environment(),
    )
    said = done.stderr.decode()
    assert done.returncode in (1, 2), said
    assert done.stdout == b""
    assert said.startswith("chatctl: ")
    assert said.endswith(".\n") or "chatctl " in said.rpartition(": ")[2]
    assert said.count("\n") == 1
    assert names.one_line(said[:-1]) == said[:-1]
    assert len(said) < 1100
    assert not re.search(r"(?<![\w.])/[a-z]+\b(?!/)", said.replace(str(server.data), "DATA")), said
    assert '"room"' not in said


@pytest.mark.parametrize("words", [["reset", "bob", "-"], ["account", "carl", "-"]])
def test_no_password_is_none(server, connect, words):
    """At the end of the input none is made up: who writes `-` has one in mind."""
    bob = connect(server, "bob")
    bob.send("/register old")
    bob.expect("* bob is your name")
    for typed in ("", "\n"):
        status, said, wrong = chatctl(server.data, *words, typed=typed)
        assert (status, said) == (1, "")
        assert wrong == "chatctl: No password was given, so nothing was done.\n"


@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL])
def test_a_server_that_stands_still_is_given_up(server, how):
    """After a time chatctl gives up with a sentence; also if the server ends meanwhile."""
    asked = subprocess.Popen(
        [*CHATCTL, "--data", str(server.data), "--timeout", "1", "reset", "bob", "-"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        text=True,
    )
    server.process.send_signal(how)
    if how is signal.SIGKILL:
        server.process.wait(PATIENCE)
    _, wrong = asked.communicate("a password\n", PATIENCE)
    server.process.send_signal(signal.SIGCONT)
    assert asked.returncode == 1
    if how is signal.SIGSTOP:
        assert "said nothing for 1 seconds; see whether it still runs" in wrong
    else:
        assert "No server is running on" in wrong


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (b"", "did not answer (it has ended)"),
        (b"* Welcome\n", "did not answer (it has ended)"),
        (b"HTTP/1.1 400 Bad Request\r\n", "is no chat server"),
        (b"{\n", "is no chat server"),
        (b"[" * 100_000 + b"\n", "is no chat server"),
        (b'{"event":"ok"}\n', "did not answer (it has ended)"),
        (b'{"event":"ok","id":1}\n', "cannot be understood"),
        (b'{"event":"ok","id":1,"rooms":[7]}\n', "cannot be understood"),
        (b'{"event":"ok","id":1,"rooms":null}\n', "cannot be understood"),
        (b'{"event":"error"}\n', "It was refused."),
        (b'{"event":"error","code":7,"message":"\\u001b[2J"}\n', "\ufffd[2J"),
        (b"\xff" * 100_000, "did not answer (it has ended)"),
    ],
    ids=lambda it: repr(it)[:30],
)
def test_a_socket_that_is_no_servers_is_told(tmp_path, said, sentence):
    """The user gets one sentence, whatever the socket answers."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "operator"))
    listening.listen()

    def speak():
        other, _ = listening.accept()
        other.recv(1000)
        other.sendall(said)
        other.close()

    speaking = threading.Thread(target=speak)
    speaking.start()
    status, _, wrong = chatctl(tmp_path, "rooms")
    speaking.join()
    listening.close()
    assert status == 1
    assert sentence in wrong
    assert names.one_line(wrong[:-1]) == wrong[:-1]


def test_what_cannot_be_shown_is_told(server, connect):
    """With a status. A code that nobody saw is good no more; of a password it is said what to do;
    and where there is no standard output at all, nothing is done."""
    bob = connect(server, "bob")
    bob.send("/register old")
    bob.expect("* bob is your name")

    def full(*words, out="/dev/full"):
        with open(out, "w") as output:
            done = subprocess.run(
                [*CHATCTL, "--data", str(server.data), *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.PIPE,
                timeout=PATIENCE,
                env=environment(),
                text=True,
            )
        return done.returncode, done.stderr

    space = "chatctl: The standard output cannot be written to (No space left on device)."
    assert full("code") == (74, f"{space} The code is taken back.\n")
    server.log.expect("operator took an invitation code back")
    with closing(sqlite3.connect(server.data / "chat.sqlite")) as db:
        assert db.execute("SELECT count(*) FROM code").fetchone() == (0,)
    status, wrong = full("reset", "bob")
    assert status == 74
    assert wrong == (
        f"{space} bob has a password that nobody knows; chatctl reset bob makes another one.\n"
    )
    assert full("broadcast", "hello") == (74, f"{space} What was asked for is done.\n")
    assert full("help") == (74, f"{space}\n")
    closed = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *CHATCTL, "--data", str(server.data), "code"],
        capture_output=True,
        timeout=PATIENCE,
        env=environment(),
        text=True,
    )
    assert closed.returncode == 74
    assert closed.stderr == "chatctl: There is no standard output, so nothing was done.\n"
    with closing(sqlite3.connect(server.data / "chat.sqlite")) as db:
        assert db.execute("SELECT count(*) FROM code").fetchone() == (0,)


def test_a_code_can_be_taken_back(server):
    """Once; nobody registers with it then."""
    code = chatctl(server.data, "code")[1].split()[1]
    assert chatctl(server.data, "uncode", code) == (0, "* The code is good no more.\n", "")
    assert chatctl(server.data, "uncode", code)[0] == 1


def test_options_stand_anywhere_before_a_text(server, connect):
    """And one JSON object is the answer of any command, for programs."""
    carol = connect(server, "carol")
    status, said, _ = chatctl(server.data, "rooms", "--json")
    assert status == 0
    assert [it["room"] for it in json.loads(said)["rooms"]] == ["lobby", "lab"]
    assert chatctl(server.data, "history", "--room=lab")[0] == 0
    assert chatctl(server.data, "broadcast", "use", "--json", "there")[0] == 0
    carol.expect("tells all: use --json there")
    assert chatctl(server.data, "broadcast", "--", "--json", "here")[0] == 0
    carol.expect("tells all: --json here")
    assert json.loads(chatctl(server.data, "--json", "broadcast", "x")[1])["text"]


def test_help_needs_no_server(tmp_path):
    """It lists what can be given here, in its own words, and tells of one."""
    for words in (["--help"], ["help"]):
        status, said, _ = chatctl(tmp_path, *words)
        assert status == 0
        assert "  reset NAME [PASSWORD]" in said
        assert "\n  put " not in said
        assert max(map(len, said.splitlines())) <= 80
        assert not re.search(r" /[a-z]+(?![a-z/])", said)
    assert "chatctl --room ROOM kick USER [TEXT]" in chatctl(tmp_path, "help", "kick")[1]
    assert "chatctl --room ROOM kick USER [TEXT]" in chatctl(tmp_path, "kick", "--help")[1]
    assert chatctl(tmp_path, "--version")[1].startswith("chatctl ")


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
    assert bob.expect("! ").startswith("! Only operators may use /operators")
    assert bob.expect("! ").startswith("! Only operators may use /code")
    assert chatctl(server.data, "broadcast", "Back", "at noon")[0] == 0
    assert carol.expect("tells all") == "* operator tells all: Back at noon"
    carol.send("hi there")
    bob.expect("carol: hi there")
    assert "carol: hi there" in chatctl(server.data, "--room", "lobby", "history")[1]
    assert "reset NAME [PASSWORD]" in chatctl(server.data, "help")[1]


def test_several_at_once(server):
    """Also as the first that ever come through the socket."""
    asked = [
        subprocess.Popen([*CHATCTL, "--data", str(server.data), "rooms"], env=environment())
        for _ in range(6)
    ]
    assert [each.wait(PATIENCE) for each in asked] == [0] * 6


def test_without_a_server_it_says_so(server, tmp_path):
    """It says so if there never was a server, if one was stopped, and if one was killed."""
    sentence = "chatctl: No server is running on {}; start it, or name its directory with --data.\n"
    for how in (None, signal.SIGTERM, signal.SIGKILL):
        where = tmp_path / "nothing" if how is None else server.data
        if how is not None:
            server.stop(how)
        assert chatctl(where, "rooms") == (1, "", sentence.format(where))
        if how is not None:
            server.start()
            assert chatctl(where, "rooms")[0] == 0


def test_the_admin_socket_is_the_owners_alone(start_server, tmp_path):
    """From the first moment on; however deep the directory lies; a word of warning is in the log
    where others can write to that."""
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    (deep / "chat-data").mkdir()
    (deep / "chat-data").chmod(0o775)
    server = start_server(folder=deep)
    assert any("others on this machine could get at" in it for it in server.log.lines)
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
    person = RawAdminClient(server)
    person.send("/who")
    person.expect("alice -> you: help!")
    assert alice.expect("operator") == "* operator came in"
    person.send("hello", "/nick eve", "/login alice x", "/quit")
    person.expect("! Here you are the operator")
    assert "2 in lobby: alice, operator" in person.seen
    assert alice.expect("operator:") == "operator: hello"
    eve = connect(server)
    eve.expect("* Welcome")
    for name in ("operator", "OPERATOR", "0perator", "server", "Sеrver", "NickServ"):
        eve.send(name)
        assert eve.line().endswith("type another name.")
    eve.send("/login operator x")
    assert eve.line().startswith("! operator speaks for the server")


@pytest.mark.parametrize("line", ["hello", "", '{"do":"rooms","id":1}'])
def test_a_silent_operator_is_greeted(server, line):
    """As the operator, and not asked for a name."""
    admin = RawAdminClient(server)
    assert admin.line() == "* Welcome, operator. /help lists the commands."
    admin.send(line, *(["/who"] if not line.startswith("{") else []))
    admin.expect('"ok"' if line.startswith("{") else "* 1 in lobby: operator")


def test_the_operator_sees_how_the_server_is(server, connect):
    """Connections by their kind, who and what is here, the disk, what waits, what was refused; as
    lines, and as one JSON object."""
    alice, bot = connect(server, "alice"), connect(server)
    bot.ask(do="hello", name="bot")
    bot.event("ok")
    alice.send("/register sesame")
    alice.expect("* alice is your name")
    alice.send("one", "two", "/join lab", "three", "/who")
    alice.expect("in lab")
    bot.send('{"do":"say","room":"lobby","text":"' + "x" * 9000 + '"}')
    assert bot.event("error")["code"] == "too-long"
    (server.files / "dropped").write_bytes(b"12345")
    status, said, _ = chatctl(server.data, "status", "--json")
    found = json.loads(said)
    assert status == 0
    assert (found["users"], found["guests"], found["rooms"], found["entries"]) == (2, 1, 2, 3)
    kinds = {it["what"]: it["count"] for it in found["connections"]}
    assert kinds == {"people": 1, "programs": 1, "through the admin socket": 1}
    assert {"what": "too-long", "count": 1} in found["refused"]
    assert "* Refused since the start: 1 too-long" in chatctl(server.data, "status")[1]
    disk = {it["what"]: it["count"] for it in found["disk"]}
    assert disk["database"] > 4096
    assert disk["free"] > 0
    assert found["uptime"] >= 0
    assert {it["count"] for it in found["waiting"] if it["what"] == "entries to store"} == {0}
    lines = chatctl(server.data, "status")[1].splitlines()
    assert lines[0].startswith("* chatservice ")
    assert "* Users: 2 here, 1 of them guests; 1 registered" in lines
    assert "* Rooms: 2; entries kept: 3; files: 0" in lines
    assert any("too-long" in line for line in lines)
    alice.send("/status")
    assert alice.expect("! ").startswith("! Only operators may use /status")


def test_the_operator_sees_who_is_here_and_from_where(server, connect):
    """Without a room, all of them; filtered by what they are, or how they are called; in pieces
    that are put together again, however many they are."""
    alice, _bob = connect(server, "alice"), connect(server, "bob")
    alice.send("/register sesame", "/join lab", "/away lunch", "/who")
    alice.expect("in lab")
    lines = chatctl(server.data, "who")[1].splitlines()
    assert len(lines) == 2
    assert re.fullmatch(r"\* alice: in lab; from 127\.0\.0\.1:\d+; away: lunch", lines[0])
    assert re.fullmatch(r"\* bob \(guest\): in lobby; from 127\.0\.0\.1:\d+", lines[1])
    for words, found in (
        (["users", "guest"], ["bob"]),
        (["users", "away"], ["alice"]),
        (["users", "A*"], ["alice"]),
        (["users", "guest", "a*"], []),
        (["accounts"], ["alice"]),
        (["accounts", "here"], ["alice"]),
        (["accounts", "gone"], []),
        (["accounts", "operator"], []),
        (["accounts", "*c*"], ["alice"]),
    ):
        status, said, wrong = chatctl(server.data, *words, "--json")
        assert status == 0, wrong
        assert [it["name"] for it in json.loads(said)[words[0]]] == found
    assert chatctl(server.data, "who", "lab")[1].startswith("* 1 in lab: alice")
    rooms = json.loads(chatctl(server.data, "rooms", "empty", "--json")[1])["rooms"]
    assert rooms == []
    rooms = json.loads(chatctl(server.data, "rooms", "l*b", "used", "--json")[1])["rooms"]
    assert [it["room"] for it in rooms] == ["lab"]
    for words in (["rooms", "larg"], ["users", "bob"], ["accounts", "[*]*"], ["users", "**" * 99]):
        status, said, wrong = chatctl(server.data, *words)
        assert (status, "A filter is " in wrong) in ((1, True), (0, False)), (words, said, wrong)
    alice.send("/users")
    assert alice.expect("! ").startswith("! Only operators may use /users")


def test_long_lists_come_in_pieces(start_server, connect):
    """None is left out, or comes twice."""
    server = start_server(listed=2)
    for name in "abcde":
        connect(server, f"guest-{name}")
    said = chatctl(server.data, "who")[1]
    assert re.findall("guest-.", said) == [f"guest-{name}" for name in "abcde"]
    assert "more" not in said
    pieces = chatctl(server.data, "users", "--json")[1].splitlines()
    assert len(pieces) == 3
