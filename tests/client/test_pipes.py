"""Clients in pipes: scripts, and dialogues of plain lines."""

import shlex
import signal
import socket
import subprocess
import threading

import pytest

from chatservice.client.clientoptions import ExitStatus
from tests.client.driving import Piped
from tests.servers import CLIENT, PATIENCE, environment


def test_a_script_says_its_lines_and_ends(server, connect, piped):
    """All lines of a pipe are said in the lobby, and the status is 0."""
    anna = connect(server, "anna")
    client = piped(server, "bot")
    client.finish("build failed", "see the log")
    assert client.wait() == 0
    assert anna.expect("bot: build") == "bot: build failed"
    assert anna.line() == "bot: see the log"


def test_a_script_goes_to_its_room(server, connect, piped):
    """With --room, all lines are said in that room."""
    anna = connect(server, "anna")
    anna.send("/join lab")
    anna.expect("* You are in lab")
    piped(server, "bot", "--room", "lab").finish("done")
    assert anna.expect("bot: ") == "bot: done"


def test_a_script_whose_room_is_not_there_says_nothing(server, connect, piped):
    """It shows the reason, and ends with status 1. Its lines are not said elsewhere."""
    anna = connect(server, "anna")
    client = piped(server, "bot", "--room", "nowhere")
    shown = client.finish("secret")
    assert client.wait() == 1
    assert any(line.startswith("! There is no room nowhere") for line in shown)
    anna.send("/history")
    assert anna.expect("* Nothing there")


def test_lines_after_a_failed_join_are_not_said(server, connect, piped):
    """After a failed join, a script is refused until it is in a room that it asked for."""
    anna = connect(server, "anna")
    shown = piped(server, "bot").finish("/join nowhere", "secret", "/join lobby", "open")
    assert any(line.startswith("! Not done") for line in shown)
    assert anna.expect("bot: ") == "bot: open"


def test_only_the_talk_of_others_is_shown(server, connect, piped):
    """Messages of others look as on a bare connection; the user's own are not repeated."""
    anna = connect(server, "anna")
    client = piped(server, "bot")
    anna.expect("* bot came in")
    client.type("one", "/me waves", "two")
    anna.expect("bot: two")
    anna.send("hello", "/me nods", "@bot psst")
    client.expect(r"^anna: hello$")
    client.expect(r"^~ anna nods$")
    client.expect(r"^anna -> you: psst$")
    shown = client.finish()
    assert not [line for line in shown if "bot:" in line or "~ bot" in line]


def test_the_words_of_other_programs_work(server, connect, piped):
    """`-pr`, `@NAME`, `-goto`, `create`, `join NUMBER`, `access server files`, `exit` and `bye`."""
    anna = connect(server, "anna")
    client = piped(server, "bot")
    client.type("-pr anna hey", "@anna Hello, how are you?")
    assert anna.expect("bot ->") == "bot -> you: hey"
    assert anna.expect("bot ->") == "bot -> you: Hello, how are you?"
    client.type("-goto lab", "join 1", "create", "exit", "access server files", "help", "bye")
    for line in (
        r"^\* You are in lab, alone",
        r"^\* You are in lobby with anna",
        r"^\* You are in room\d+, alone",
        r"^\* You are in lobby with anna",
        r"^\* 0 files in lobby",
        r"^\* /join ROOM",
    ):
        client.expect(line)
    assert client.wait() == 0
    anna.expect("* bot left")


def test_a_pipe_is_in_one_room_at_a_time(server, connect, piped):
    """Joining a room leaves the one before, and its talk is not shown any more."""
    anna = connect(server, "anna")
    client = piped(server, "bot", "--room", "lobby")
    anna.expect("* bot came in")
    client.type("/join lab")
    anna.expect("* bot left")
    anna.send("unheard", "/join lab")
    client.expect("anna came in")
    client.type("/leave")
    anna.expect("* bot left")
    shown = client.finish("/leave")
    assert "anna: unheard" not in shown
    assert any(line.startswith("! You are in the lobby") for line in shown)


def test_commands_mean_the_current_room(server, piped):
    """/who, /topic, /history and /files need no room."""
    shown = piped(server, "bot", "--room", "lab").finish(
        "said here", "/topic tests", "/topic", "/who", "/history", "/files", "/files lobby"
    )
    assert "* Topic of lab: tests" in shown
    assert "* 1 in lab: bot" in shown
    assert any(line.endswith("#1] bot: said here") for line in shown)
    assert "* 0 files in lab, 0 bytes" in shown
    assert "* 0 files in lobby, 0 bytes" in shown


def test_everything_missing_is_asked_for(server, tmp_path):
    """Name, host, port and room are asked for in that order, and wrong answers are asked again."""
    client = Piped(tmp_path / "asked")
    client.expect(r"^Your name: $")
    client.type("bad name!")
    client.expect(r"^! A name is made of letters")
    client.expect(r"^Your name: $")
    client.type("anna")
    client.expect(r"^Host \[localhost\]: $")
    client.type("127.0.0.1")
    client.expect(r"^Port \[5555\]: $")
    client.type("http")
    client.expect(r"^! A port is a number")
    client.expect(r"^Port \[5555\]: $")
    client.type(str(server.port))
    client.expect(r"^\* You are anna")
    client.expect(r"^\* +2 lab \(0 here\)")
    client.expect(r"^Room .*: $")
    client.type("nowhere")
    client.expect(r"^! There is no room nowhere")
    client.expect(r"^Room .*: $")
    client.type("2")
    client.expect(r"^\* You are in lab")
    client.finish("bye")
    assert client.wait() == 0


@pytest.mark.parametrize(
    ("answer", "room"),
    [("", None), ("lab", "lab"), ("2", "lab"), ("NEW den", "den"), ("NEW", r"room\d+")],
)
def test_answers_to_which_room(server, tmp_path, answer, room):
    """A name, a number, NEW, NEW with a name, and Enter for the lobby."""
    client = Piped(tmp_path / "asked")
    client.type("anna", "127.0.0.1", str(server.port), answer)
    if room is not None:
        client.expect(rf"^\* You are in {room}, alone")
    client.expect(r"^\* What you type is said to everybody here")
    client.type("/who")
    client.expect(rf"^\* 1 in {room or 'lobby'}: anna")
    client.kill()


def test_talk_instead_of_a_room_is_heard_in_the_lobby(server, connect, tmp_path):
    """At the question for a room, talk and commands work, and talk of the lobby is shown."""
    bob = connect(server, "bob")
    client = Piped(tmp_path / "asked")
    client.type("anna", "127.0.0.1", str(server.port))
    client.expect(r"^Room")
    bob.send("anybody new?")
    client.expect(r"^bob: anybody new\?$")
    client.type("/help")
    client.expect(r"^\* /join")
    client.expect(r"^Room")
    client.type("hello everybody")
    assert bob.expect("anna: ") == "anna: hello everybody"
    client.type("hello")
    assert bob.expect("anna: ") == "anna: hello"
    client.kill()


def test_a_name_that_is_taken_is_asked_again(server, connect, tmp_path):
    """The server's sentence is shown, and another name is accepted."""
    connect(server, "anna")
    client = Piped(tmp_path / "asked")
    client.type("anna", "127.0.0.1", str(server.port))
    client.expect(r"^! anna is taken")
    client.expect(r"^Your name: $")
    client.type("otto")
    client.expect(r"^\* You are otto")
    client.kill()


def test_a_script_whose_name_is_taken_ends(server, connect, piped):
    """Its lines are not taken as names. It ends with status 1."""
    connect(server, "anna")
    client = piped(server, "anna")
    assert any("taken" in line for line in client.finish("hello"))
    assert client.wait() == 1


def test_a_registered_name_wants_its_password(server, piped, tmp_path):
    """The password is asked for, and asked for again while it is wrong."""
    piped(server, "anna").finish("/register sesame")
    client = Piped(tmp_path / "asked")
    client.type("anna", "127.0.0.1", str(server.port))
    client.expect(r"^Password: $")
    client.type("wrong")
    client.expect(r"^! That is not anna's password")
    client.expect(r"^Password: $")
    client.type("sesame")
    client.expect(r"^\* You are anna")
    client.kill()


def test_an_empty_password_asks_for_another_name(server, piped, tmp_path):
    """Enter instead of a password asks for another name."""
    piped(server, "anna").finish("/register sesame")
    client = Piped(tmp_path / "asked")
    client.type("anna", "127.0.0.1", str(server.port), "", "otto")
    client.expect(r"^\* You are otto")
    client.kill()


def test_login_and_nick_change_the_user(server, piped):
    """`/nick` and `/login` work at any time."""
    piped(server, "anna").finish("/register sesame")
    shown = piped(server, "bot").finish("/nick otto", "/who", "/login anna sesame", "/who")
    assert "* 1 in lobby: otto" in shown
    assert "* 1 in lobby: anna" in shown


def test_a_private_message_waits_and_carries_its_time(server, connect, piped):
    """A registered user sees at login the private messages that came meanwhile."""
    anna = piped(server, "anna")
    anna.finish("/register sesame")
    connect(server, "bob").send("@anna call me")
    client = piped(server, "anna")
    client.type("sesame")
    client.expect(r"bob -> you: call me$")
    assert client.finish()


def test_private_messages_of_another_connection(server, piped):
    """Each connection of a user shows what was sent on the other, and not what was typed there."""
    piped(server, "bob").finish("/register sesame")
    piped(server, "anna").finish("/register sesame")
    here, there = piped(server, "anna"), piped(server, "anna")
    for client in (here, there):
        client.type("sesame")
        client.expect("You are in")
    here.type("@bob one")
    there.expect(r"^anna -> bob: one$")
    there.type("@bob two")
    here.expect(r"^anna -> bob: two$")
    (here.folder / "a.txt").write_text("abc")
    here.type("/put a.txt @bob")
    there.expect(r"^\* anna sent bob a\.txt \(3 bytes\)$")
    shown = here.finish("/history @")
    assert [line for line in shown if line == "anna -> bob: one"] == []
    assert sum("sent bob a.txt" in line for line in shown) == 1  # in the history
    assert not (there.folder / "anna").exists()


def test_a_server_that_is_not_there(tmp_path, server, piped):
    """An unreachable server gives one sentence and its own exit status."""
    server.stop()
    client = piped(server, "anna")
    shown = client.finish()
    assert client.wait() == ExitStatus.UNAVAILABLE
    assert len(shown) == 1
    assert "cannot be reached" in shown[0]


def test_another_kind_of_server(tmp_path, server, piped):
    """Another kind of server is reported in a sentence."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection = listening.accept()[0]
        connection.recv(100)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    threading.Thread(target=serve, daemon=True).start()
    server.port = listening.getsockname()[1]
    client = piped(server, "anna")
    assert any("not a chat server" in line for line in client.finish())
    assert client.wait() == ExitStatus.PROTOCOL
    listening.close()


@pytest.mark.parametrize("line", [b"caf\xe9", b"a\0b", b"x" * 9000, b"y" * (2 << 20), b"/nope"])
def test_a_line_that_cannot_be_said_is_refused(server, connect, piped, line):
    """It is refused with a sentence. The lines after it are said."""
    anna = connect(server, "anna")
    shown = piped(server, "bot").finish(line, "after")
    assert len([each for each in shown if each.startswith("! ")]) == 1
    assert anna.expect("bot: ") == "bot: after"


def test_a_last_line_without_an_end_is_said(server, connect, piped):
    """`printf hello | chat-client` says hello."""
    anna = connect(server, "anna")
    client = piped(server, "bot")
    client.process.stdin.write(b"hello")
    client.finish()  # end of its input
    assert anna.expect("bot: ") == "bot: hello"


def test_many_lines_are_all_said_in_their_order(server, connect, piped):
    """A script may say thousands of lines at once."""
    anna = connect(server, "anna")
    piped(server, "bot").finish(*(f"line {n}" for n in range(3000)))
    for n in range(3000):
        assert anna.expect("bot: ") == f"bot: line {n}"


def test_interrupted_it_ends_cleanly(server, connect, piped):
    """SIGINT and SIGTERM end it with status 0 and without a traceback."""
    for how in (signal.SIGINT, signal.SIGTERM):
        client = piped(server, f"bot{how}")
        client.expect(r"You are in lobby")
        client.process.send_signal(how)
        assert client.wait() == 0
        assert not any("Traceback" in line for line in client.shown)


def test_ignored_users_are_not_shown(server, connect, piped):
    """/ignore hides the talk of a user, until it is given again."""
    anna, bob = connect(server, "anna"), connect(server, "bob")
    client = piped(server, "bot")
    anna.expect("* bot came in")
    client.type("/ignore anna")
    client.expect("You do not hear anna")
    anna.send("unheard")
    bob.expect("anna: unheard")
    bob.send("heard")
    client.expect("bob: heard")
    assert "anna: unheard" not in client.finish()


def test_nothing_reaches_the_terminal_as_a_control_sequence(server, connect, piped):
    """Messages cannot control a terminal."""
    anna = connect(server, "anna")
    client = piped(server, "bot")
    anna.expect("* bot came in")
    anna.send("\x1b[2Jhello\x07")
    line = client.expect("hello").string
    assert line.isprintable()


def test_help_tells_of_files_as_they_are_here(server, piped):
    """`/help` says that `/put` takes a path."""
    shown = piped(server, "bot").finish("help", "/help put", "/put")
    assert len([line for line in shown if line.startswith("* /put PATH [@USER]")]) == 2
    assert not any("NAME SIZE" in line for line in shown)
    assert any(line.startswith("! PATH is missing: /put PATH [@USER]") for line in shown)


@pytest.mark.parametrize("room", ["a b", "", "l\udcffb", "9" * 200])
def test_a_room_that_cannot_be(server, piped, room):
    """An impossible --room gives a sentence, and status 1."""
    client = piped(server, "bot", "--room", room)
    shown = client.finish("secret")
    assert client.wait() == 1
    assert [line[:2] for line in shown] == ["* ", "! "]


@pytest.mark.parametrize("closing", ["<&-", ">&-", "<&- >&-", "</dev/null", ">/dev/null"])
def test_without_input_or_output(server, connect, tmp_path, closing):
    """Without input the client ends. Without a reader of its output it still says its lines."""
    anna = connect(server, "anna")
    command = f"{shlex.join(CLIENT)} bot 127.0.0.1 {server.port} {closing}"
    ended = subprocess.run(
        ["bash", "-c", command],
        input=b"hello\n",
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env=environment(),
        timeout=PATIENCE,
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
    anna.expect("* bot came in")
    if "<" not in closing:
        anna.expect("bot: hello")


def test_lines_from_a_file(server, connect, tmp_path):
    """Input and output may be files."""
    anna = connect(server, "anna")
    (tmp_path / "in").write_text("hello\n/who\n")
    with (tmp_path / "in").open() as lines, (tmp_path / "out").open("w") as shown:
        subprocess.run(
            [*CLIENT, "bot", "127.0.0.1", str(server.port)],
            stdin=lines,
            stdout=shown,
            cwd=tmp_path,
            env=environment(),
            timeout=PATIENCE,
            check=True,
        )
    anna.expect("bot: hello")
    assert "* 2 in lobby: anna, bot\n" in (tmp_path / "out").read_text()


def test_a_reader_who_has_gone(server, tmp_path):
    """When nobody reads the output any more, it ends with a status and a sentence: later lines were
    not said."""
    client = subprocess.Popen(
        [*CLIENT, "bot", "127.0.0.1", str(server.port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env=environment(),
    )
    assert client.stdout.readline() == b"* You are bot.\n"
    client.stdout.close()
    client.stdin.write(b"/who\n")
    client.stdin.flush()  # and not closed: it is not the end of input that ends it
    assert client.wait(PATIENCE) == 74
    assert client.stderr.read().startswith(b"chat-client: Standard output cannot be written (")
    client.stdin.close()
    client.stderr.close()
