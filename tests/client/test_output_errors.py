"""Output that cannot be written is noticed, wherever it is, with a status and a sentence."""

import os
import subprocess

import pytest

from chatservice.client.clientoptions import ExitStatus
from tests.client.driving import places_of
from tests.servers import CLIENT, PATIENCE, environment

ACTIONS = {
    "rooms": ("--rooms",),
    "who": ("--who", "--json"),
    "get": ("--get", "notes.txt"),
    "follow": ("--follow", "--after", "0"),
    "talk": (),
    "help": ("--help",),
    "completion": ("--completion", "bash"),
}


def closed_pipe():
    """Return the writing end of a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def run(server, folder, arguments, output, said=b"hello\n"):
    """Run the client with something as its standard output, a descriptor; None closes it."""
    folder.mkdir(exist_ok=True)
    alone = {"--help", "--completion"} & set(arguments)
    place = () if alone else ("bot", "127.0.0.1", str(server.port))
    done = subprocess.run(
        [*CLIENT, *place, *arguments],
        cwd=folder,
        env=environment(**places_of(folder)),
        input=said,
        stdout=output,
        stderr=subprocess.PIPE,
        preexec_fn=(lambda: os.close(1)) if output is None else None,
        timeout=PATIENCE,
    )
    if output is not None:
        os.close(output)
    return done.returncode, done.stderr.decode()


@pytest.fixture
def talk(server, connect):
    """Let something be in the lobby: a line, and a file."""
    (server.files / "notes.txt").write_text("notes")
    anna = connect(server, "anna")
    anna.send("hello", "/who")
    anna.expect("* 1 in lobby")


@pytest.mark.parametrize("arguments", ACTIONS.values(), ids=ACTIONS)
def test_a_full_disk(server, talk, tmp_path, arguments):
    """The output is `/dev/full`."""
    full = os.open("/dev/full", os.O_WRONLY)
    status, error = run(server, tmp_path / "at", arguments, full)
    assert status == ExitStatus.UNWRITABLE
    assert error.startswith("chat-client: Standard output cannot be written (No space left")
    assert error.count("\n") == 1


@pytest.mark.parametrize("action", [it for it in ACTIONS if it != "talk"])
def test_closed_output(server, talk, tmp_path, action):
    """The shell's `>&-` closes it. A user may talk without output (`test_pipes.py`)."""
    status, error = run(server, tmp_path / "at", ACTIONS[action], None)
    assert status == ExitStatus.UNWRITABLE
    assert error.startswith("chat-client: Standard output cannot be written (")


@pytest.mark.parametrize("arguments", ACTIONS.values(), ids=ACTIONS)
def test_a_pipe_without_a_reader(server, talk, tmp_path, arguments):
    """Following ends without an error: `grep -m1` has what it wants."""
    status, error = run(server, tmp_path / "at", arguments, closed_pipe())
    if "--follow" in arguments:
        assert (status, error) == (0, "")
    else:
        assert status == ExitStatus.UNWRITABLE
        assert error.startswith("chat-client: Standard output cannot be written (Broken pipe")
