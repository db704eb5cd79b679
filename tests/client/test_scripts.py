"""The client in scripts: one action, and an exit status."""

import hashlib
import json
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from chatservice.client.clientoptions import ExitStatus
from chatservice.client.settings import RememberedServer as Remembered
from chatservice.client.settings import Settings
from tests import forkserver
from tests.client.driving import config_of, places_of
from tests.forkserver import ForkedProcess, Program
from tests.servers import CLIENT, CLIENT_CODE, PATIENCE, Output, environment


@pytest.fixture
def anna(server, connect):
    """Return somebody who reads in the lab."""
    bare = connect(server, "anna")
    bare.send("/join lab")
    bare.expect("* You are in lab")
    return bare


def apart(folder: Path, *arguments: str, stdin: bytes = b"") -> tuple[int, bytes, bytes]:
    """Run the program away from any terminal. Return its status, and what it wrote: to standard
    output, and to standard error."""
    folder.mkdir(exist_ok=True)
    program = Program(CLIENT_CODE, arguments, folder, environment(**places_of(folder)))
    return forkserver.run(program, stdin, PATIENCE)


# -- talk ------------------------------------------------------------------------------------------


def test_saying_something(server, anna, tmp_path):
    """The text is stored when the program ends, and there is no output."""
    place = ("bot", "127.0.0.1", str(server.port), "--room", "lab")
    assert apart(tmp_path / "bot", *place, "--say", "build failed") == (0, b"", b"")
    assert anna.expect("bot: ") == "bot: build failed"
    anna.expect("* bot left")


def test_standard_input_is_one_message(server, anna, piped):
    """All of its lines have one position."""
    client = piped(server, "bot", "--room", "lab", "--say", "-")
    assert client.finish("one", "", "/two") == []
    assert client.wait() == 0
    anna.send("/history")
    seen = [anna.expect("bot: ") for _ in range(3)] + [anna.expect("#1] bot:") for _ in range(3)]
    assert [line.partition("bot: ")[2] for line in seen] == ["one", "", "/two"] * 2


def test_a_private_message(server, anna, piped):
    """Only its recipient gets it."""
    client = piped(server, "bot", "--to", "anna", "--say", "psst")
    assert client.finish() == []
    assert anna.expect("bot -> ") == "bot -> you: psst"


def test_a_connection_that_breaks_does_no_harm(server, anna, piped, wire):
    """A message without acknowledgement is said once."""
    net = wire(server)
    net.deaf_to = b'{"event":"ok","id":3'
    client = piped(net, "bot", "--room", "lab", "--say", "once")
    anna.expect("bot: once")
    net.deaf_to = None
    net.cut()
    assert client.finish() == []
    assert client.wait() == 0
    anna.send("/history")
    anna.expect("#1] bot: once")
    anna.send("/search once")
    anna.expect("once")
    assert anna.seen.count("bot: once") == 3


# -- files -----------------------------------------------------------------------------------------


def test_a_file_goes_up_and_comes_down(server, anna, piped, tmp_path):
    """The output is the path of the file."""
    payload = bytes(range(256)) * 5000
    (tmp_path / "report.pdf").write_bytes(payload)
    sender = piped(server, "bot", "--room", "lab", "--put", str(tmp_path / "report.pdf"))
    assert sender.finish() == []
    assert sender.wait() == 0
    anna.expect("* bot shared report.pdf (1.3 MB)")
    reader = piped(server, "bot", "--room", "lab", "--get", "report.pdf")
    assert reader.finish() == ["report.pdf"]
    again = piped(server, "bot", "--room", "lab", "--get", "report.pdf", "--downloads", "in/here")
    assert again.finish() == ["in/here/report.pdf"]
    for place in (reader.folder / "report.pdf", again.folder / "in/here/report.pdf"):
        assert hashlib.sha256(place.read_bytes()).digest() == hashlib.sha256(payload).digest()


def test_a_folder_that_cannot_be_written(server, tmp_path):
    """Its status is another one than that of a refusal."""
    (server.files / "a").write_text("x")
    (tmp_path / "file").write_text("")
    place = ("bot", "127.0.0.1", str(server.port), "--downloads", str(tmp_path / "file"))
    ended, output, errors = apart(tmp_path / "bot", *place, "--get", "a")
    assert (ended, output) == (ExitStatus.CANNOT_CREATE, b"")
    assert b"cannot be written" in errors


def test_a_private_file(server, anna, tmp_path, piped):
    """The one user it is for fetches it with `@/`."""
    (tmp_path / "note.txt").write_text("for you")
    assert piped(server, "bot", "--to", "anna", "--put", str(tmp_path / "note.txt")).finish() == []
    anna.expect("* bot sent you note.txt")


def test_a_transfer_goes_on_when_the_connection_breaks(server, piped, wire):
    """The rest is sent, and not all of it again."""
    net = wire(server)
    net.bytes_a_second = 20_000_000
    (server.files / "lab").mkdir(exist_ok=True)
    (server.files / "lab" / "big.bin").write_bytes(bytes(20_000_000))
    client = piped(net, "bot", "--room", "lab", "--get", "big.bin")
    net.wait_down(5_000_000)
    net.cut()
    net.bytes_a_second = None
    assert client.finish() == ["big.bin"]
    assert client.wait() == 0
    assert net.count_down < 39_000_000


def test_resuming_an_upload(server, piped, wire, tmp_path):
    """The first attempt was killed, and the second one sends only the rest."""
    (tmp_path / "big.bin").write_bytes(bytes(20_000_000))
    net = wire(server)
    net.bytes_a_second = 10_000_000
    client = piped(net, "bot", "--room", "lab", "--put", str(tmp_path / "big.bin"))
    net.wait_up(9_000_000)
    client.process.kill()
    client.wait()
    before, net.bytes_a_second = net.count_up, None
    client = piped(net, "bot", "--room", "lab", "--put", str(tmp_path / "big.bin"))
    assert client.finish() == []
    assert client.wait() == 0
    assert (server.files / "lab" / "big.bin").read_bytes() == bytes(20_000_000)
    assert net.count_up - before < 19_000_000


# -- looking around --------------------------------------------------------------------------------


def test_listing_users_and_rooms(server, anna, piped):
    """Each has a line with tabs, or an object."""
    anna.send("/topic tests and more", "/away for lunch")
    anna.expect("* ")
    assert piped(server, "bot", "--room", "lab", "--who").finish() == ["anna\tfor lunch"]
    assert piped(server, "bot", "--rooms").finish() == ["lobby\t0", "lab\t1\ttests and more"]
    lines = piped(server, "bot", "--rooms", "--json").finish()
    assert [json.loads(line)["room"] for line in lines] == ["lobby", "lab"]
    lines = piped(server, "bot", "--room", "2", "--who", "--json").finish()
    assert [json.loads(line) for line in lines] == [
        {"name": "anna", "away": "for lunch", "idle": 0}
    ]


# -- following -------------------------------------------------------------------------------------


def test_following_from_a_position(server, anna, piped):
    """Earlier entries come first, then new ones; Ctrl+C ends it."""
    anna.send("one", "two", "three", "/history")
    anna.expect("#3]")
    client = piped(server, "bot", "--room", "lab", "--follow", "--json", "--after", "1")
    events = [json.loads(client.expect("seq").string) for _ in range(2)]
    anna.send("four")
    events.append(json.loads(client.expect("four").string))
    assert [(it["event"], it["seq"], it["from"], it["text"]) for it in events] == [
        ("message", 2, "anna", "two"),
        ("message", 3, "anna", "three"),
        ("message", 4, "anna", "four"),
    ]
    client.process.send_signal(signal.SIGINT)
    assert client.wait() == 0
    assert len(client.shown) == 3


def test_following_as_text(server, anna, piped):
    """The lines that history has, with times and positions."""
    client = piped(server, "bot", "--room", "lab", "--follow")
    anna.expect("* bot came in")
    anna.send("hello", "/topic tests")
    client.expect(r"^\[.*Z #1\] anna: hello$")
    client.expect(r"^\[.*Z #2\] \* anna set the topic: tests$")


def test_following_a_long_history(server, anna, piped):
    """There are more entries than a reply has, and the connection breaks."""
    anna.send(*(f"message {n}" for n in range(2500)), "/history 1")
    anna.expect("message 2499")
    client = piped(server, "bot", "--room", "lab", "--follow", "--json", "--after", "0")
    client.expect("message 2499")
    anna.send("live")
    client.expect("live")
    positions = [json.loads(line)["seq"] for line in client.output.lines]
    assert positions == list(range(1, 2502))


def test_following_over_a_broken_connection(server, anna, piped, wire):
    """Messages from the time of the break arrive, once."""
    net = wire(server)
    client = piped(net, "bot", "--room", "lab", "--follow", "--json")
    anna.expect("* bot came in")
    anna.send("before")
    client.expect("before")
    net.down = True
    net.cut()
    anna.expect("* bot left")
    anna.send("meanwhile", "/who")
    anna.expect("* 1 in lab")
    net.down = False
    client.expect("meanwhile")
    anna.send("after")
    client.expect("after")
    assert [json.loads(line)["text"] for line in client.output.lines] == [
        "before",
        "meanwhile",
        "after",
    ]


def test_following_ends_when_its_reader_does(server, anna, tmp_path):
    """`chat-client --follow | grep -m1 x` ends with grep, also where nobody says anything more."""
    process = subprocess.Popen(
        [*CLIENT, "bot", "127.0.0.1", str(server.port), "--room", "lab", "--follow"],
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        env=environment(**places_of(tmp_path)),
    )
    anna.expect("* bot came in")
    anna.send("here it is")
    assert b"here it is" in process.stdout.readline()
    process.stdout.close()
    assert process.wait(PATIENCE) == 0


def test_a_reader_who_has_gone(server, anna, tmp_path):
    """`chat-client --follow | head -1` ends quietly."""
    client = subprocess.Popen(
        [*CLIENT, "bot", "127.0.0.1", str(server.port), "--room", "lab", "--follow"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env=environment(**places_of(tmp_path)),
    )
    anna.expect("* bot came in")
    client.stdout.close()
    anna.send("hello?")
    assert client.wait(PATIENCE) == 0
    assert client.stderr.read() == b""
    client.stderr.close()


# -- what can go wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("--room", "nowhere", "--say", "hi"), ExitStatus.REFUSED, "There is no room nowhere"),
        (("--room", "lab", "--get", "nothing"), ExitStatus.REFUSED, "There is no file nothing"),
        (("--to", "nobody", "--say", "hi"), ExitStatus.REFUSED, "nobody"),
        (("--room", "nowhere", "--follow"), ExitStatus.REFUSED, "There is no room nowhere"),
        (("--put", "nothing"), ExitStatus.NO_INPUT, "There is no file nothing"),
        (("--say", "-"), ExitStatus.DATA, "There is nothing on standard input to say"),
        (
            ("--say", "hi", "--password-file", "nothing"),
            ExitStatus.NO_INPUT,
            "nothing cannot be read",
        ),
        (("--say", "hi", "--follow"), ExitStatus.USAGE, "not allowed with"),
        (("--say", "hi", "--after", "3"), ExitStatus.USAGE, "--after belongs to --follow"),
        (("--follow", "--after", "x"), ExitStatus.USAGE, "A position is a number"),
    ],
)
def test_errors(server, tmp_path, arguments, status, sentence):
    """A status tells the reason, and so does a sentence on standard error."""
    place = ("bot", "127.0.0.1", str(server.port))
    ended, output, errors = apart(tmp_path / "bot", *place, *arguments)
    assert (ended, output) == (status, b"")
    assert sentence in errors.decode()
    assert "Traceback" not in errors.decode()


def test_no_server(server, tmp_path):
    """Its status is not that of a refusal."""
    server.stop()
    place = ("bot", "127.0.0.1", str(server.port))
    ended, output, errors = apart(tmp_path / "bot", *place, "--say", "hi")
    assert (ended, output) == (ExitStatus.UNAVAILABLE, b"")
    assert "cannot be reached" in errors.decode()


def test_no_chat_server(tmp_path):
    """Its status is not that of a refusal."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection = listening.accept()[0]
            connection.recv(100)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()
        place = ("bot", "127.0.0.1", str(listening.getsockname()[1]))
        ended, output, errors = apart(tmp_path / "bot", *place, "--say", "hi")
    assert (ended, output) == (ExitStatus.PROTOCOL, b"")
    assert "not a chat server" in errors.decode()


def test_a_server_that_does_not_come_back(server, anna, tmp_path, wire):
    """The client waits for it, but not for ever."""
    net = wire(server)
    net.deaf_to = b'{"event":"ok","id":3'
    code = f"from chatservice.client import scripts; scripts.OUTAGE_SECONDS = 0.5; {CLIENT_CODE}"
    arguments = ["bot", "127.0.0.1", str(net.port), "--room", "lab", "--say", "hi"]
    process = ForkedProcess(Program(code, arguments, tmp_path, environment(**places_of(tmp_path))))
    output = Output(process.stdout)
    anna.expect("bot: hi")
    net.down = True
    net.cut()
    output.expect("^chat-client: The server does not come back.$")
    assert process.wait(PATIENCE) == ExitStatus.UNAVAILABLE


# -- passwords -------------------------------------------------------------------------------------


@pytest.fixture
def registered(server, connect):
    """Let carl be a registered name, with the password sesame."""
    carl = connect(server, "carl")
    carl.send("/register sesame", "/quit")
    carl.expect("* carl is your name")


def test_a_password_from_a_file_or_the_environment(server, registered, anna, tmp_path, monkeypatch):
    """The command line does not have it, because everybody can see that."""
    place = ("carl", "127.0.0.1", str(server.port), "--room", "lab")
    (tmp_path / "password").write_text("sesame\nanother line\n")
    file = ("--password-file", str(tmp_path / "password"))
    assert apart(tmp_path / "bot", *place, "--say", "one", *file) == (0, b"", b"")
    assert anna.expect("carl: ") == "carl: one"
    monkeypatch.setenv("CHAT_PASSWORD", "sesame")
    assert apart(tmp_path / "bot", *place, "--say", "two") == (0, b"", b"")
    assert anna.expect("carl: ") == "carl: two"
    monkeypatch.setenv("CHAT_PASSWORD", "wrong")
    ended, output, errors = apart(tmp_path / "bot", *place, "--say", "three")
    assert (ended, output) == (ExitStatus.NO_PERMISSION, b"")
    assert b"password" in errors
    ended, output, errors = apart(tmp_path / "bot", *place, stdin=b"three\n")
    assert ended == ExitStatus.NO_PERMISSION
    monkeypatch.delenv("CHAT_PASSWORD")
    ended, output, errors = apart(tmp_path / "bot", *place, "--say", "three")
    assert (ended, output) == (ExitStatus.NO_PERMISSION, b"")
    assert errors.startswith(b"chat-client: carl needs a password; ")
    assert b"--password-file" in errors
    assert b"CHAT_PASSWORD" in errors


def test_a_password_is_asked_for_on_the_terminal(server, registered, anna, terminal):
    """The terminal does not show it."""
    client = terminal("carl", "127.0.0.1", str(server.port), "--room", "lab", "--say", "hi")
    client.see("Password of carl:")
    client.type("sesame")
    assert client.wait() == 0
    assert anna.expect("carl: ") == "carl: hi"
    assert not any("sesame" in row for row in client.all_rows)


# -- what a person sees ----------------------------------------------------------------------------


def test_progress_on_a_terminal(server, wire, terminal, tmp_path):
    """One line shows it, and is gone in the end."""
    net = wire(server)
    net.bytes_a_second = 5_000_000
    (tmp_path / "big.bin").write_bytes(bytes(5_000_000))
    place = ("bot", "127.0.0.1", str(net.port))
    client = terminal(*place, "--put", str(tmp_path / "big.bin"))
    client.until(lambda it: any("big.bin [" in row for row in it.rows), "the progress")
    net.bytes_a_second = None
    assert client.wait() == 0
    assert [row for row in client.all_rows if row] == ["big.bin (5.0 MB) is sent."]


def test_remembered_server_and_name(server, anna, tmp_path):
    """The room is not remembered for scripts, because their texts must not depend on that."""
    folder = tmp_path / "bot"
    settings = Settings(config_of(folder))
    settings.remember(Remembered("127.0.0.1", server.port, "bot", "lab"))
    before = settings.path.read_bytes()
    assert apart(folder, "--say", "in the lobby") == (0, b"", b"")
    assert apart(folder, "--room", "lab", "--say", "here") == (0, b"", b"")
    assert anna.expect("bot: ") == "bot: here"
    assert settings.path.read_bytes() == before
    settings.path.write_text("{")
    ended, output, errors = apart(folder, "--say", "hi")
    assert (ended, output) == (ExitStatus.CONFIG, b"")
    assert b"settings.json cannot be understood" in errors
