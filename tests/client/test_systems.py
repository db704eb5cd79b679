"""The client and the library where there is not all that Linux has: on macOS, and on Windows."""

import pkgutil
import subprocess
import sys

import pytest

import chatservice.client
from tests.client.driving import places_of
from tests.servers import CLIENT_CODE, PATIENCE, environment

BLOCKED = """
import builtins, os, signal, socket
import platformdirs, prompt_toolkit, twisted.internet.asyncioreactor
import twisted.internet.epollreactor, twisted.internet.process, twisted.internet.unix

def import_(name, globals=None, *rest, _import=builtins.__import__, **more):
    of = (globals or {}).get("__name__", "")
    if name in ("fcntl", "termios", "resource", "pwd", "grp", "tty", "pty", "msvcrt"):
        if of.startswith("chatservice") or of == "__main__":
            raise ImportError(name)
    return _import(name, globals, *rest, **more)

builtins.__import__ = import_
for where, what in (
    *((os, name) for name in ("O_NOFOLLOW", "O_CLOEXEC", "O_NOCTTY", "O_DIRECTORY", "O_PATH")),
    *((os, name) for name in ("posix_fadvise", "fork")),
    *((signal, name) for name in ("SIGWINCH", "SIGTSTP", "SIGHUP")),
    *((socket, name) for name in ("AF_UNIX", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")),
    (socket, "TCP_USER_TIMEOUT"),
):
    delattr(where, what)
"""
"""Modules that are missing on Windows, made to be missing here for the code of this project."""


@pytest.fixture
def run(tmp_path):
    """Return a function that runs Python code with arguments and input, where much is missing."""

    def run_(code: str, *arguments: str, typed: str = "") -> str:
        done = subprocess.run(
            [sys.executable, "-c", BLOCKED + code, *arguments],
            input=typed,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment(**places_of(tmp_path)),
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout

    return run_


def test_every_module_is_imported(run):
    """None of the client's modules needs what only some systems have."""
    modules = [it.name for it in pkgutil.iter_modules(chatservice.client.__path__)]
    assert {"main", "library", "terminalscreen"} <= set(modules)
    imports = "".join(f"import chatservice.client.{name}\n" for name in modules)
    assert run(imports + "print('imported')") == "imported\n"


def test_talk_and_files(server, connect, run, tmp_path):
    """The client says a line, sends a file and saves one, in pipes and as a script."""
    anna = connect(server, "anna")
    (tmp_path / "report.txt").write_text("a report")
    (server.files / "image1.png").write_bytes(b"an image")
    where = ("bot", "127.0.0.1", str(server.port))
    typed = "hello anna\nreport.txt\ndownload image1.png\n"
    assert "is saved as bot" in run(CLIENT_CODE, *where, typed=typed)
    anna.expect("bot: hello anna")
    anna.expect("* bot shared report.txt")
    assert (tmp_path / "bot" / "image1.png").read_bytes() == b"an image"
    run(CLIENT_CODE, *where, "--say", "and so on")
    anna.expect("bot: and so on")
    assert run(CLIENT_CODE, *where, "--get", "report.txt", "--downloads", "rec").strip()
    assert (tmp_path / "rec" / "report.txt").read_text() == "a report"
    assert [it.name for it in (tmp_path / "rec").iterdir()] == ["report.txt"]  # nothing half done


def test_the_library_is_used(server, run):
    """A bot joins, says something, and reads it."""
    code = """
import sys
from twisted.internet.task import react
from twisted.internet.defer import ensureDeferred
from chatservice.client import connect

async def main(reactor):
    client = await connect("bot", "127.0.0.1", int(sys.argv[1]), reactor=reactor)
    room = await client.join("lobby")
    await client.say(room, "hello")
    async for position, entry in client.follow(room, 0):
        print(position, entry.text)
        break
    await client.close()

react(lambda reactor: ensureDeferred(main(reactor)))
"""
    assert run(code, str(server.port)) == "1 hello\n"
