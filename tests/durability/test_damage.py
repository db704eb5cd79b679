"""A database that was damaged is recognised at the start and said so plainly, and nothing of it is
changed: a real server, on real files."""

import re
import shlex
import signal
import subprocess

import pytest

from chatservice.engines.sqlite.integrity import AT_ONCE_BYTES
from tests.durability.asking import history, joined, say
from tests.durability.starting import refused
from tests.engines.test_schema import PAGE, fill
from tests.servers import PATIENCE, environment


@pytest.fixture
def stopped(start_server, connect):
    """Return a server that has stored some talk, and was stopped."""
    server = start_server("--room", "lab")
    alice = joined(connect(server), "alice")
    for number in range(20):
        say(alice, f"{number}" + "x" * 2000)
    server.stop()
    return server


def cut(data):
    """Its second half is gone."""
    return data[: len(data) // 2]


def zeroed(data):
    """A page in the middle was never written."""
    return data[: 5 * PAGE] + bytes(PAGE) + data[6 * PAGE :]


def overwritten(data):
    """Its newest page holds something else."""
    return data[:-PAGE] + b"something else  " * (PAGE // 16)


def headless(data):
    """Overwrite the header that marks the file as a database."""
    return bytes(100) + data[100:]


def emptied(data):
    """A copy failed."""
    return b""


def replaced(data):
    """It is another file altogether."""
    return b"Dear diary, today I replaced a database by a text.\n" * 100


@pytest.mark.parametrize("damage", [cut, zeroed, overwritten, headless, emptied, replaced])
def test_a_damaged_database_is_said(stopped, damage):
    """One sentence, which says what to do, and a status other than 0; the file stays as it is. With
    a copy in its place, the server starts."""
    path = stopped.data / "chat.sqlite"
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    sentence = refused(stopped.folder)
    assert sentence.startswith(f"The database {path} cannot be used, it is ")
    assert "put a copy of it in its place" in sentence
    assert path.read_bytes() == damage(whole)
    path.write_bytes(whole)
    stopped.start()


def test_the_command_that_the_sentence_names(stopped, connect):
    """Typed as it stands there, it saves what can be read, and a server starts with that."""
    path = stopped.data / "chat.sqlite"
    path.write_bytes(overwritten(path.read_bytes()))
    command = re.search("`(.*)`", refused(stopped.folder))[1]
    subprocess.run(
        shlex.split(command), cwd=stopped.folder, env=environment(), check=True, timeout=PATIENCE
    )
    (stopped.folder / "saved.sqlite").rename(path)
    stopped.start()
    alice = joined(connect(stopped), "alice")
    saved = history(alice)
    assert len(saved) >= 15
    assert say(alice, "again")["seq"] > max(saved)


@pytest.mark.parametrize("damaged", [True, False])
def test_a_large_database_is_checked_while_it_is_used(stopped, connect, damaged):
    """The server starts at once, and tells its operator when it has found the damage, or that there
    is none; what can be read is read, and talk goes on."""
    path = stopped.data / "chat.sqlite"
    path.unlink()
    fill(path, 1_000, 5_000)
    assert path.stat().st_size > AT_ONCE_BYTES
    if damaged:
        with path.open("r+b") as file:
            file.seek(AT_ONCE_BYTES // 2 // PAGE * PAGE)
            file.write(bytes(PAGE))
    stopped.start()
    if damaged:
        sentence = rf"The database {path} is damaged \(.*; stop the server, and put a copy"
        stopped.log.expect(f"#critical. {sentence}")
    else:
        stopped.log.expect(f"#info. all of {path} was read, and it is whole")
    alice = joined(connect(stopped), "alice", "room2")
    assert say(alice, "it goes on", "room2")["event"] == "ok"
    assert stopped.stop() == -signal.SIGTERM
