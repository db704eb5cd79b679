"""The servers that are measured: this one, and what else one might use.

Each is started afresh for each measurement, on a port of its own, pinned to one core. The IRC
servers are at their best: everything is off that would slow them down, and what they lack is given
to them from outside (`environment`).
"""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks import compiling

PATIENCE = 60.0
"""Seconds after which a server that does not answer is taken not to do so any more."""


@dataclass(frozen=True)
class Running:
    """A server called `name` that listens on `port` of the loopback, as process `pid`.

    `dialect` is how the load speaks to it; `opening` is how many connections may wait for it
    to take them. What it writes to its log goes to `log`.
    """

    name: str
    pid: int
    port: int
    dialect: str
    opening: int
    log: Path


class Peer(Protocol):
    """A kind of server."""

    name: str
    dialect: str
    opening: int

    def version(self) -> str | None:
        """Return its version, or None if it is not installed."""

    def command(self, folder: Path, port: int, rooms: Sequence[str]) -> list[str]:
        """Return what starts it, with what it keeps in `folder` and the rooms there are to be."""

    def environment(self) -> dict[str, str]:
        """Return what it needs in its environment."""


class Chatservice:
    """This one, as users run it: with storing on."""

    name = "chatservice"
    dialect = "text"
    opening = 40  # Twisted's listen backlog is 50

    def version(self) -> str | None:
        """Return its version."""
        from chatservice import __version__

        return __version__

    def command(self, folder: Path, port: int, rooms: Sequence[str]) -> list[str]:
        """Return what starts it."""
        twistd = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()"]
        options = ["--interface", "127.0.0.1", "--port", str(port), "--data", str(folder / "data")]
        return [*twistd, "-n", "--pidfile=", "chat", *options, *(f"--room={x}" for x in rooms)]

    def environment(self) -> dict[str, str]:
        """Return what it needs in its environment: nothing."""
        return {}


class InspIRCd:
    """InspIRCd: C++, one thread; the fastest IRC server that Debian has."""

    name = "inspircd"
    dialect = "irc"
    opening = 1000

    CONFIG = """\
<server name="irc.example.net" description="benchmark" network="benchmark">
<admin name="nobody" nick="nobody" email="nobody@example.net">
<bind address="127.0.0.1" port="{port}" type="clients">
<connect name="all" allow="*" timeout="3600" pingfreq="24h" fakelag="no" commandrate="1000000000"
  threshold="1000000" localmax="1000000" globalmax="1000000" limit="1000000" maxconnwarn="no"
  recvq="1M" softsendq="1M" hardsendq="1M" resolvehostnames="no" useident="no" modes="">
<cidr ipv4clone="32" ipv6clone="128">
<performance netbuffersize="65534" somaxconn="4096" softlimit="1000000" quietbursts="yes">
<options defaultmodes="n">
<pid file="{folder}/inspircd.pid">
<log method="file" type="* -USERINPUT -USEROUTPUT" level="default" target="{folder}/ircd.log">
"""

    def version(self) -> str | None:
        """Return its version."""
        return _version(["inspircd", "--version"], r"InspIRCd-(\d[\d.]*)")

    def command(self, folder: Path, port: int, rooms: Sequence[str]) -> list[str]:
        """Return what starts it."""
        config = folder / "inspircd.conf"
        config.write_text(self.CONFIG.format(port=port, folder=folder))
        as_root = ["--runasroot"] if os.geteuid() == 0 else []
        return [_program("inspircd") or "", "--nofork", f"--config={config}", *as_root]

    def environment(self) -> dict[str, str]:
        """Return what it needs in its environment.

        It spends up to half its time in malloc; without glibc's "fast bins" that is less.
        """
        return {**_without_delay(), "GLIBC_TUNABLES": "glibc.malloc.mxfast=0"}


class NgIRCd:
    """ngIRCd: C, one thread, small."""

    name = "ngircd"
    dialect = "irc"
    opening = 8  # its listen backlog is 10

    CONFIG = """\
[Global]
Name = irc.example.net
Info = benchmark
Listen = 127.0.0.1
Ports = {port}
MotdPhrase = benchmark
[Limits]
MaxConnections = 0
MaxConnectionsIP = 0
MaxJoins = 0
MaxPenaltyTime = 0
PingTimeout = 86400
[Options]
DNS = no
Ident = no
PAM = no
[SSL]
"""

    def version(self) -> str | None:
        """Return its version."""
        return _version(["ngircd", "--version"], r"ngIRCd (\d[\d.]*)")

    def command(self, folder: Path, port: int, rooms: Sequence[str]) -> list[str]:
        """Return what starts it."""
        config = folder / "ngircd.conf"
        config.write_text(self.CONFIG.format(port=port))
        return [_program("ngircd") or "", "--nodaemon", "--config", str(config)]

    def environment(self) -> dict[str, str]:
        """Return what it needs in its environment."""
        return _without_delay()


class Threaded:
    """A thread a connection, a lock, and `sendall` to each: what everyone writes first."""

    name = "threaded"
    dialect = "text"
    opening = 100

    def version(self) -> str | None:
        """Return its version."""
        return f"Python {sys.version.split()[0]}"

    def command(self, folder: Path, port: int, rooms: Sequence[str]) -> list[str]:
        """Return what starts it."""
        return [sys.executable, "-m", "benchmarks.threaded", str(port)]

    def environment(self) -> dict[str, str]:
        """Return what it needs in its environment: nothing."""
        return {}


class Plain:
    """A copy of a file through a socket, with SHA-256: what moving a file costs by itself."""

    name = "plain"
    dialect = ""
    opening = 1

    def version(self) -> str | None:
        """Return its version."""
        return f"Python {sys.version.split()[0]}"

    def command(self, folder: Path, port: int, rooms: Sequence[str]) -> list[str]:
        """Return what starts it."""
        return [sys.executable, "-m", "benchmarks.plain", str(port), str(folder)]

    def environment(self) -> dict[str, str]:
        """Return what it needs in its environment: nothing."""
        return {}


CHATS = ("chatservice", "inspircd", "ngircd", "threaded")
"""The servers for talk."""

PEERS: dict[str, Peer] = {
    peer.name: peer for peer in (Chatservice(), InspIRCd(), NgIRCd(), Threaded(), Plain())
}


@contextlib.contextmanager
def running(peer: Peer, folder: Path, core: int, rooms: Sequence[str]) -> Iterator[Running]:
    """Run a server on that core, with what it keeps in `folder`. It listens when this begins."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = os.pathsep.join(map(os.path.abspath, sys.path))  # the server runs in another directory
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            peer.command(folder, port, rooms),
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path, **peer.environment()},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        os.sched_setaffinity(process.pid, {core})
        _wait_until_it_answers(process, port, log)
        yield Running(peer.name, process.pid, port, peer.dialect, peer.opening, log)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_it_answers(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    limit = time.monotonic() + PATIENCE
    while time.monotonic() < limit and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.01)
    said = log.read_text(errors="replace").strip().splitlines()[-5:]
    raise RuntimeError("it does not listen; the last it said:\n    " + "\n    ".join(said))


def _without_delay() -> dict[str, str]:
    """Return what gives a program TCP_NODELAY that does not ask for it."""
    return {"LD_PRELOAD": str(compiling.compiled("nodelay.c", "-shared", "-fPIC"))}


def _program(name: str) -> str | None:
    """Return the path of a daemon; those are not always on a user's path."""
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin")))


def _version(command: list[str], pattern: str) -> str | None:
    program = _program(command[0])
    if program is None:
        return None
    asked = subprocess.run(
        [program, *command[1:]], capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    found = re.search(pattern, asked.stdout + asked.stderr)
    return found[1] if found else "?"
