"""`--config`: options and limits in a file, and what is said of a file that is wrong."""

import os
import signal
import subprocess

import pytest
from twisted.python import usage

from chatservice import config, names
from chatservice.limits import NAMES, Limits
from chatservice.options import Options
from tests.servers import PATIENCE, TWISTD, environment


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a file and returns its path."""

    def write(*lines):
        path = tmp_path / "chat.toml"
        path.write_text("\n".join(lines))
        return str(path)

    return write


def parsed(path, *arguments):
    """Return what the options are, with that file."""
    options = Options()
    options.parseOptions(["--config", path, *arguments])
    return options


def test_options_and_limits_are_read(write):
    """By the names that they have everywhere else."""
    options = parsed(
        write(
            'port = [5555, "5556"]',
            "slash-only = true",
            'keep = ["90d", "20GB"]',
            'max-file = "2GB"',
            "uploads = 3",
            "[limits]",
            "name_seconds = 5",
            "connections = 100",
            'trusted = ["10.0.0.7", "fd00::/8"]',
        )
    )
    assert options["ports"] == [5555, 5556]
    assert options["slash-only"]
    assert (options["keep-seconds"], options["keep-bytes"]) == (90 * 86400, 20 * 10**9)
    assert options["limits"] == {
        "file_bytes": 2 * 10**9,
        "uploads": 3,
        "name_seconds": 5.0,
        "connections": 100,
        "trusted": ("10.0.0.7", "fd00::/8"),
    }
    assert isinstance(options["limits"]["name_seconds"], float)


@pytest.mark.parametrize("arguments", [["--port", "1"], ["-p", "1"], ["--por=1"], ["-p1"]])
def test_the_command_line_comes_first(write, arguments):
    """An option on the command line overrides the same option in the file, and no other one."""
    options = parsed(write("port = [5555, 5556]", 'room = "lab"'), *arguments)
    assert options["ports"] == [1]
    assert options["rooms"] == ["lab"]


def test_an_option_of_the_file_may_need_one_of_the_command_line(write):
    """Options are checked against each other only when file and command line are both read."""
    assert parsed(write('listen = "unix:x"'))["ports"] == []
    assert parsed(write('interface = "127.0.0.1"'), "--port", "7")["ports"] == [7]


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["port ="], "chat.toml is not TOML (Invalid value (at end of document))."),
        (["prot = 5555"], "chat.toml: there is no option prot; the nearest one is port."),
        (["config = 'x'"], "chat.toml: there is no option config."),
        (["port = 'http'"], "chat.toml: --port takes a number from 0 to 65535, not http."),
        (["port = 1.5"], "chat.toml: port is text or a number, not 1.5."),
        (["slash-only = 1"], "chat.toml: slash-only is true or false, not 1."),
        (["limits = 3"], "chat.toml: limits is a table; write [limits], and below it one limit"),
        (["[limits]", "rooms = true"], "chat.toml: rooms is a number, not True."),
        (["[limits]", "rooms = 'many'"], "chat.toml: rooms is a number, not 'many'."),
        (["[limits]", "rooms = 1.5"], "chat.toml: rooms is a whole number, not 1.5."),
        (["[limits]", "rooms = 0"], "chat.toml: rooms goes from 1 on, and is not 0."),
        (["[limits]", "name_seconds = nan"], "name_seconds goes from 0.001 on, and is not nan."),
        (["[limits]", "name_seconds = inf"], "name_seconds goes from 0.001 on, and is not inf."),
        (["[limits]", "line_bytes = 9"], "line_bytes goes from 512 to 1048576, and is not 9."),
        (["[limits]", "nam_seconds = 9"], "no limit nam_seconds; the nearest one is name_seconds."),
        (["[limits]", "uploads = 9"], "chat.toml: uploads is the option uploads, above [limits]."),
        (["[limits]", "trusted = 'all'"], "trusted is a list of addresses"),
        (["[limits]", "trusted = ['all']"], "trusted has 'all', which is no address"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(write, lines, sentence):
    """It names the file and the key."""
    with pytest.raises(usage.UsageError) as caught:
        parsed(write(*lines))
    assert sentence in str(caught.value)
    assert str(caught.value).endswith(".")


DEEP = "[" * 5000 + "]" * 5000
HOSTILE = (
    "\x1b[2J\x07\n* forged",
    "x" * 5000,
    "a\x00b",
    "\u202eabc",
    "/" + "y/" * 3000,
    "9" * 5000,
)


def is_one_safe_sentence(text):
    """Return whether a text can be shown anywhere, and is no longer than a person reads."""
    return text.endswith(".") and len(text) <= 1100 and names.one_line(text) == text


@pytest.mark.parametrize(
    "content",
    [
        b"data = 'a\0b'",
        b'data = "\\u0000"',
        b'data = "\\u001b[2J\\u0007"',
        b'"\\u001b[2J" = 1',
        b'room = "\\u202eabc"',
        b"\x1b[2J = 1",
        b"\xff\xfe",
        f"data = '{'x' * 5000}'".encode(),
        f"{'x' * 500_000} = 1".encode(),
        f"x = {DEEP}".encode(),
        f"port = {DEEP[4600:5400]}".encode(),
        f"port = {'9' * 5000}".encode(),
        f"port = 0x{'f' * 5000}".encode(),
        f"[limits]\nrooms = 0x{'f' * 5000}".encode(),
        f"[limits]\nrooms = {DEEP[4600:5400]}".encode(),
        b"[limits]\ntrusted = [[1]]",
        b"[limits]\ntrusted = [7]",
        b'[limits]\ntrusted = ["\\u001b[2J"]',
        b'[limits]\nrooms = "\\u001b[2J"',
        b'[limits]\n"\\u001b[2J" = 1',
        b"x" * (1 << 20) + b"y",
    ],
    ids=lambda content: repr(content[:24]),
)
def test_a_hostile_file_is_told_in_one_sentence(tmp_path, content):
    """Without its raw bytes, however long or deep it is, and with the file's own name."""
    path = tmp_path / "chat.toml"
    path.write_bytes(content)
    with pytest.raises(usage.UsageError) as caught:
        parsed(str(path))
    assert is_one_safe_sentence(str(caught.value))
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("option", [it.rstrip("=") for it in Options().longOpt if it[-1] == "="])
def test_hostile_values_on_the_command_line_are_told_in_one_sentence(option):
    """Whichever option has them; as its name, too."""
    for value in HOSTILE:
        for arguments in ([f"--{option}", value], [f"--{option}{value}"]):
            with pytest.raises(usage.UsageError) as caught:
                Options().parseOptions(arguments)
            assert is_one_safe_sentence(str(caught.value)), arguments


@pytest.mark.parametrize(
    "arguments",
    [
        ["--listen", "unix:" + "x" * 4000],
        ["--listen", "what:ever"],
        ["--listen", "ssl:0:privateKey=none.pem"],
        ["--interface", "nowhere.invalid:1"],
        ["--interface", "x" * 300],
        ["--tls", "none.pem"],
        ["--tls", "fifo"],
        ["--tls", "."],
        ["--tls", "/dev/zero"],
        ["--tls", "/".join(["y" * 250] * 16)],
        ["--data", "/".join(["y" * 250] * 16)],
        ["--data", "loop/x"],
        ["--data", "/dev/null"],
        ["--files", "loop"],
        ["--auth", "none:x"],
        ["--auth", "sshkey:\udcff"],
        ["--auth", ":"],
        ["--config", "fifo/x"],
        ["--config", "."],
        ["--config", "/dev/zero"],
        ["--room", "\udcff"],
        ["--nonsense\udcff"],
        ["rest\udcff"],
    ],
    ids=lambda arguments: " ".join(arguments)[:30].encode(errors="replace").decode(),
)
def test_what_cannot_be_used_ends_the_start_with_a_sentence(tmp_path, arguments):
    """A path, a certificate, an endpoint, or a checker: no traceback, no waiting, no raw bytes."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    done = subprocess.run(
        [*TWISTD, "-n", "--pidfile=", "chat", "--port", "0", *arguments],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 1
    said = (done.stdout + done.stderr).decode()
    assert "Traceback" not in said
    last = said.rstrip("\n").rpartition("\n")[2]
    assert is_one_safe_sentence(last), last


def test_every_limit_may_be_set_to_its_default(write):
    """The defaults are within their own ranges, and of their own types."""
    lines = [
        f"{name} = {list(value) if isinstance(value, tuple) else value}"
        for name in NAMES
        if name not in config.OPTIONS
        for value in [getattr(Limits(), name)]
    ]
    assert Limits(**parsed(write("[limits]", *lines))["limits"]) == Limits()


def test_a_server_takes_the_lines_that_clients_send():
    """Unless its operator says otherwise."""
    assert Limits().line_bytes == names.LINE_BYTES


def test_a_fixed_limit_is_refused_in_a_sentence(write):
    """It was a limit in earlier versions."""
    with pytest.raises(usage.UsageError, match=r"name_characters is fixed now; take it out"):
        parsed(write("[limits]", "name_characters = 40"))


def test_a_renamed_limit_is_still_read(write):
    """An operator's file from before needs no change."""
    found = parsed(write("[limits]", "unfinished_uploads = 3", "shelf_files = 4"))["limits"]
    assert (found["partial_uploads"], found["listed_files"]) == (3, 4)


def test_an_update_names_the_changed_limits():
    """Limits that are not set any more return to their defaults."""
    limits = Limits()
    assert limits.update(Limits(rooms=5, name_seconds=7.0)) == ["rooms", "name_seconds"]
    assert limits.update(Limits(rooms=6, name_seconds=7.0)) == ["rooms"]
    assert limits.update(Limits()) == ["rooms", "name_seconds"]
    assert limits == Limits()


@pytest.mark.parametrize("lines", [["[limits]", "roms = 5"], None])
def test_a_wrong_file_ends_the_program_at_the_start(tmp_path, write, lines):
    """With that sentence and a status; and so does one that is not there."""
    path = write(*lines) if lines else str(tmp_path / "none.toml")
    done = subprocess.run(
        [*TWISTD, "-n", "--pidfile=", "chat", "--config", path, "--port", "0"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 1
    said = done.stdout.decode() + done.stderr.decode()
    assert (
        f"{path}: there is no limit roms" if lines else f"{path} cannot be read (No such"
    ) in said
    assert "Traceback" not in said


def test_sighup_reads_it_again_and_drops_nobody(start_server, connect, write):
    """Limits and bounds of uploads apply at once, and removed ones return to their defaults. A
    wrong file changes nothing, and the log names options that need a restart."""
    path = write("[limits]", "rooms_joined = 1")
    server = start_server("--config", path, "--room", "lab")
    bot = connect(server)
    bot.ask(do="hello", name="bot")
    bot.event("ok")
    bot.ask(do="join", room="lobby")
    bot.event("ok")
    bot.ask(do="join", room="lab")
    assert "You are in 1 rooms already" in bot.event("error")["message"]

    def again(*lines, told):
        write(*lines)
        server.process.send_signal(signal.SIGHUP)
        server.log.expect(told)

    again("[limits]", "rooms_joined = many", told="is not TOML .* Nothing was changed")
    again("[limits]", "rooms_joined = 0", told="rooms_joined goes from 1 on.* Nothing was changed")
    bot.ask(do="join", room="lab")
    assert "You are in 1 rooms already" in bot.event("error")["message"]
    again(
        'max-file = "1MB"',
        "keep = '9d'",
        told="read again; max-file = 1000000; rooms_joined = 100$",
    )
    server.log.expect("from the next start on: keep-seconds")
    bot.ask(do="join", room="lab")
    bot.event("ok")
    bot.ask(do="put", room="lab", name="x", size=2_000_000)
    assert bot.event("error")["code"] == "too-large"
    again("[limits]", "accepting = 5", told="read again; accepting = 5; max-file = [0-9]+$")
    server.log.expect("from the next start on: accepting")
    bot.ask(do="put", room="lab", name="x", size=2_000_000)
    assert bot.event("ok")["ticket"]


def test_the_file_is_found_again_from_elsewhere(start_server, tmp_path):
    """`twistd` may go to another directory once it has read it."""
    folder = tmp_path / "server"
    folder.mkdir()
    (folder / "chat.toml").write_text("")
    server = start_server("--config", "chat.toml", folder=folder)
    options = Options()
    options.parseOptions(["--config", str(folder / "chat.toml")])
    assert options.arguments[-1] == str(folder / "chat.toml")
    server.process.send_signal(signal.SIGHUP)
    server.log.expect(f"{folder}/chat.toml was read again")
    assert server.stop() == -signal.SIGTERM


def test_sighup_without_a_file_changes_nothing(server, connect):
    """The server says so, and goes on."""
    alice = connect(server, "alice")
    server.process.send_signal(signal.SIGHUP)
    server.log.expect("SIGHUP changes nothing: there is no file of --config")
    alice.send("/who")
    alice.expect("alice")
    assert server.stop() == -signal.SIGTERM
