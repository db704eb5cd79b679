"""The server as its operator meets it: options, errors at the start, and the end."""

import os
import signal
import socket
import subprocess
import sys

import pytest

from tests.servers import PATIENCE, ROOT, TWISTD, Output, RawClient, Server, environment


def fails(folder, *options):
    """Start a server that cannot, and return its status and the last line that it wrote."""
    done = subprocess.run(
        [*TWISTD, "-n", "--pidfile=", "chat", *options],
        cwd=folder,
        env=environment(),
        capture_output=True,
        timeout=PATIENCE,
    )
    return done.returncode, done.stderr.decode() + done.stdout.decode()


def test_a_taken_port_is_said_in_one_sentence(tmp_path):
    """The server does not start beside another; it says why, and its status is not 0."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, said = fails(tmp_path, "--interface", "127.0.0.1", "--port", str(port))
    assert status == 1
    assert f"chat: cannot listen on tcp:{port}:interface=127.0.0.1" in said
    assert "(Address already in use); name another one." in said
    assert "Traceback" not in said


@pytest.mark.parametrize("option", ["--data", "--files"])
def test_a_directory_that_cannot_be_written_is_said(tmp_path, option):
    """A file stands where the directory should be; so it is even for root."""
    (tmp_path / "file").write_text("x")
    status, said = fails(tmp_path, "--port", "0", option, str(tmp_path / "file" / "below"))
    assert status == 1
    assert "cannot be written" in said
    assert "Traceback" not in said


def test_a_damaged_database_is_said(tmp_path):
    """It is never silently replaced."""
    (tmp_path / "chat-data").mkdir()
    (tmp_path / "chat-data" / "chat.sqlite").write_bytes(b"nonsense" * 1000)
    status, said = fails(tmp_path, "--port", "0")
    assert status == 1
    assert "chat.sqlite cannot be used" in said


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        ('Refusal(Code.NOT_STORED, "The log of the cluster has no quorum.")', "has no quorum."),
        ('OSError(5, "Input/output error")', "(Input/output error); name another directory."),
    ],
)
def test_storage_that_fails_late_is_said(tmp_path, error, sentence):
    """The status is not 0 either when the engine fails once the reactor runs."""
    (tmp_path / "chat.tac").write_text(
        "from twisted.application.service import Application\n"
        "from twisted.internet import reactor, task\n"
        "from chatservice.engines.sqlite.engine import SqliteEngine\n"
        "from chatservice.errors import Code, Refusal\n"
        "from chatservice.options import Options\n"
        "from chatservice.service import ChatService\n"
        "async def start(self):\n"
        "    await task.deferLater(reactor, 0.01)\n"
        f"    raise {error}\n"
        "SqliteEngine.start = start\n"
        "options = Options()\n"
        "options.parseOptions(['--port', '0', '--interface', '127.0.0.1'])\n"
        "application = Application('chat')\n"
        "ChatService(options, reactor).setServiceParent(application)\n"
    )
    done = subprocess.run(
        [*TWISTD, "-n", "--pidfile=", "-y", "chat.tac"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        timeout=PATIENCE,
    )
    said = done.stderr.decode() + done.stdout.decode()
    assert done.returncode == 1
    assert sentence in said
    assert "Traceback" not in said


def test_two_servers_do_not_share_their_data(tmp_path, server):
    """The second one does not start, and says why."""
    status, said = fails(tmp_path, "--port", "0", "--data", str(server.data))
    assert status == 1
    assert "Another server is using" in said


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--port", "70000"], "--port takes a number from 0 to 65535, not 70000."),
        (["--port", "http"], "--port takes a number from 0 to 65535, not http."),
        (
            ["--metrics-from", "ops"],
            "--metrics-from takes an address, or a network as 10.0.0.0/8, not ops.",
        ),
        (["--room", "a b"], "--room a b: A room's name is made of letters"),
        (["--keep", "90"], "--keep takes a time, such as 90d, or a size, such as 20GB, not 90."),
        (["--listen", "nonsense:1"], "cannot listen on nonsense:1"),
        (["--interface", "192.0.2.1", "--port", "0"], "Cannot assign requested address"),
    ],
)
def test_wrong_options_are_said(tmp_path, options, sentence):
    """The last line of the output says what is wrong with an option."""
    status, said = fails(tmp_path, *options)
    assert status == 1
    assert sentence in said
    assert "Traceback" not in said


def test_one_server_listens_in_many_places(start_server, tmp_path, connect):
    """`--port` and `--listen` may be repeated; everybody is in the same rooms."""
    server = start_server("--port", "0", "--listen", f"unix:{tmp_path}/chat.sock")
    second = int(server.log.expect(r"listening on 127\.0\.0\.1:(\d+)")[1])
    server.log.expect("listening on .*chat.sock")
    alice = connect(server, "alice")
    bob = RawClient(second)
    bob.send("bob", "hello from another port")
    alice.expect("bob: hello from another port")
    with socket.socket(socket.AF_UNIX) as pipe:
        pipe.connect(f"{tmp_path}/chat.sock")
        pipe.sendall(b"carol\nhello from a pipe\n")
        alice.expect("carol: hello from a pipe")
    bob.close()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly_and_keeps_what_it_accepted(server, connect, how):
    """Everybody is told, and after a restart all is there.

    Having ended cleanly, twistd dies of the signal that it got, as a shell or systemd expects.
    """
    alice, bob = connect(server, "alice"), connect(server, "bob")
    alice.send(*(f"message {at}" for at in range(50)))
    bob.expect("message 49")
    assert server.stop(how) == -how
    for each in (alice, bob):
        each.expect("* The server is stopping")
    server.start()
    again = connect(server, "alice")
    again.send("/history 50")
    assert again.expect("message 0").endswith("#1] alice: message 0")
    again.expect("#50] alice: message 49")


def test_it_ends_although_somebody_does_not_read(server, connect):
    """A reader whose window is full holds nothing up."""
    alice, idle = connect(server, "alice"), connect(server, "idle")
    idle.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 17)
    alice.send(*(["x" * 8000] * 2000))
    alice.send("/history 1")
    alice.expect("alice: x")
    assert server.stop() == -signal.SIGTERM
    server.log.expect("Server Shut Down")


def test_the_terminal_shows_what_happens(server, connect):
    """The log has a line for each arrival, departure, new room and transfer."""
    alice = connect(server, "alice")
    server.log.expect(r"alice connected from 127\.0\.0\.1:\d+$")
    alice.send("/create den", "/put a.txt 3", "abc/get a.txt")
    server.log.expect("alice made room den$")
    server.log.expect(r"alice shared a.txt \(3 bytes\) with den$")
    server.log.expect(r"alice fetched a.txt \(3 bytes\)$")
    alice.send("/quit")
    server.log.expect("alice left")


def test_the_tac_file_starts_the_same_service(tmp_path):
    """`twistd -ny tac/chat.tac` is the server too; here its port is changed in a copy."""
    tac = (ROOT / "tac" / "chat.tac").read_text()
    assert '"5555"' in tac
    (tmp_path / "chat.tac").write_text(tac.replace('"5555"', '"0"'))
    process = subprocess.Popen(
        [*TWISTD, "-n", "--pidfile=", "-y", "chat.tac"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
    )
    try:
        port = int(Output(process.stdout).expect(r"listening on .*:(\d+)")[1])
        bare = RawClient(port)
        bare.send("alice", "/rooms")
        bare.expect("lobby (1 here)")
        bare.close()
    finally:
        process.terminate()
        assert process.wait(PATIENCE) == -signal.SIGTERM


@pytest.mark.long
@pytest.mark.parametrize("how", ["wheel", "editable"])
def test_it_can_be_installed(tmp_path, how):
    """From a wheel and with `pip install -e .`, `twistd chat` and `chat-client` are there."""
    python = tmp_path / "env" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "env"], check=True)
    # A copy, so that building leaves nothing in the checkout.
    files = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).split("\n")
    for name in filter(None, files):
        (tmp_path / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "copy" / name).write_bytes((ROOT / name).read_bytes())
    pip = [python, "-m", "pip", "-q"]
    if how == "wheel":
        wheel = [*pip, "wheel", "--no-deps", "-w", tmp_path / "dist", tmp_path / "copy"]
        subprocess.run(wheel, check=True)
        subprocess.run([*pip, "install", *(tmp_path / "dist").iterdir()], check=True)
    else:
        subprocess.run([*pip, "install", "-e", tmp_path / "copy"], check=True)
    plain = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    for command in (["twistd", "chat", "--help"], ["chat-client", "--help"]):
        said = subprocess.run(
            [python.with_name(command[0]), *command[1:]],
            cwd=tmp_path,
            env=plain,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert "--room" in said


class WithoutNats(Server):
    """A server on a machine that has no nats-py."""

    before = "import sys; sys.modules['nats'] = None; "


def test_one_server_needs_no_nats(tmp_path):
    """It starts, stores and stops without nats-py; --engine asks for that in one sentence."""
    server = WithoutNats(tmp_path)
    client = RawClient(server.port)
    client.ask(do="hello", name="bot")
    client.ask(do="join", room="lobby")
    client.ask(do="say", room="lobby", text="hello")
    assert client.event("message")["text"] == "hello"
    client.close()
    server.stop()
    code = f"{WithoutNats.before}{TWISTD[-1]}"
    done = subprocess.run(
        [*TWISTD[:-1], code, "-n", "--pidfile=", "chat", "--engine", "nats://127.0.0.1"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 1
    said = (done.stdout + done.stderr).decode()
    assert "--engine needs nats-py, which is not installed; install it with pip." in said
    assert "Traceback" not in said
