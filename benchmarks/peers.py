"""The servers that are measured: this one, and what else one might use, for talk or for files.

Each is started afresh for each measurement, on a port of its own, pinned to one core. The IRC
servers are at their best: everything is off that would slow them down, and what they lack is given
to them from outside (`environment`).
"""

import contextlib
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks import compiling

PATIENCE = 60.0
"""Seconds after which a server that does not answer is taken not to do so any more."""


@dataclass(frozen=True)
class Running:
    """A server called `name` that listens on `port` of the loopback, as process `pid`.

    `dialect` is the protocol that the load generator speaks to it; `opening` is the number of
    connections that may wait to be accepted. Its data are in `folder`; its log goes to `log`.
    """

    name: str
    pid: int
    port: int
    dialect: str
    opening: int
    folder: Path
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


CHECKOUT = Path(__file__).parents[1]


class Chatservice:
    """This one, as users run it: with storing on. Its code is that of `checkout`."""

    name = "chatservice"
    dialect = "text"
    opening = 40  # Twisted's listen backlog is 50

    STARTING = """\
import os, sys
checkout = sys.argv.pop(1)
others = [x for x in sys.path if not os.path.isdir(os.path.join(x, "chatservice"))]
sys.path[:] = [checkout, *others]
from twisted.scripts.twistd import run
run()
"""
    """An environment may have another checkout installed. Twisted would find its plugin, too."""

    def __init__(self, checkout: Path = CHECKOUT) -> None:
        self._checkout = str(checkout)

    def version(self) -> str | None:
        """Return its version."""
        from chatservice import __version__

        return __version__

    def command(self, folder: Path, port: int, rooms: Sequence[str]) -> list[str]:
        """Return what starts it."""
        twistd = [sys.executable, "-c", self.STARTING, self._checkout]
        options = ["--interface", "127.0.0.1", "--port", str(port), "--data", str(folder / "data")]
        return [*twistd, "-n", "--pidfile=", "chat", *options, *(f"--room={x}" for x in rooms)]

    def environment(self) -> dict[str, str]:
        """Return what it needs in its environment: its code, for the programs that it starts."""
        return {"PYTHONPATH": self._checkout}


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


class Redis:
    """Redis pub/sub: a room is a channel. It persists nothing, and never cuts a slow reader."""

    name = "redis"
    dialect = "redis"
    opening = 400  # its listen backlog is 511

    OPTIONS: Mapping[str, Sequence[str]] = {
        "--bind": ["127.0.0.1"],
        "--protected-mode": ["no"],
        "--save": [""],
        "--appendonly": ["no"],
        "--client-output-buffer-limit": ["pubsub", "0", "0", "0"],
        "--maxclients": ["20000"],
    }

    def version(self) -> str | None:
        """Return its version."""
        return _version(["redis-server", "--version"], r"v=(\d[\d.]*)")

    def command(self, folder: Path, port: int, rooms: Sequence[str]) -> list[str]:
        """Return what starts it."""
        options = [word for name, values in self.OPTIONS.items() for word in (name, *values)]
        where = ["--port", str(port), "--dir", str(folder)]
        return [_program("redis-server") or "", *where, *options]

    def environment(self) -> dict[str, str]:
        """Return what it needs in its environment: nothing."""
        return {}


class Nats:
    """NATS core, without JetStream: a room is a subject."""

    name = "nats"
    dialect = "nats"
    opening = 400

    CONFIG = """\
listen: "127.0.0.1:{port}"
max_connections: 20000
ping_interval: "24h"
"""

    def version(self) -> str | None:
        """Return its version."""
        return _version(["nats-server", "--version"], r"v(\d[\d.]*)")

    def command(self, folder: Path, port: int, rooms: Sequence[str]) -> list[str]:
        """Return what starts it."""
        config = folder / "nats.conf"
        config.write_text(self.CONFIG.format(port=port))
        return [_program("nats-server") or "", "--config", str(config)]

    def environment(self) -> dict[str, str]:
        """Return what it needs in its environment: nothing."""
        return {}


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
    dialect = "plain"
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


class Scp:
    """OpenSSH's sshd, for `scp`: a key for it, one for whoever runs this, and nothing else.

    Everything is in the server's folder; neither the system's configuration nor the user's is
    read, so that ciphers are those OpenSSH chooses by itself.
    """

    name = "scp"
    dialect = "scp"
    opening = 1

    NEEDED = ("sshd", "ssh", "scp", "ssh-keygen", "unshare")
    SEPARATION = "/run/sshd"
    """A folder that Debian's sshd wants, if root runs it. Only the system's own makes it."""

    SERVER_CONFIG = """\
ListenAddress 127.0.0.1:{port}
HostKey "{folder}/host_key"
AuthorizedKeysFile "{folder}/key.pub"
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitUserRC no
Subsystem sftp internal-sftp
"""

    CLIENT_CONFIG = """\
Host 127.0.0.1
Port {port}
User {user}
IdentityFile "{folder}/key"
IdentitiesOnly yes
IdentityAgent none
UserKnownHostsFile "{folder}/known_hosts"
GlobalKnownHostsFile none
StrictHostKeyChecking yes
BatchMode yes
"""

    def version(self) -> str | None:
        """Return its version."""
        if not all(map(_program, self.NEEDED)):
            return None
        return _version(["ssh", "-V"], r"OpenSSH_(\S+?),? ")

    def command(self, folder: Path, port: int, rooms: Sequence[str]) -> list[str]:
        """Return what starts it, once there are its keys."""
        for name in ("host_key", "key"):
            making = [_program("ssh-keygen") or "", "-q", "-t", "ed25519", "-N", "", "-C", ""]
            subprocess.run([*making, "-f", str(folder / name)], check=True, timeout=PATIENCE)
        host_key = (folder / "host_key.pub").read_text()
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}")
        user = pwd.getpwuid(os.geteuid()).pw_name
        facts = {"port": port, "folder": folder, "user": user}
        config = folder / "sshd_config"
        config.write_text(self.SERVER_CONFIG.format(**facts))
        (folder / "ssh_config").write_text(self.CLIENT_CONFIG.format(**facts))
        command = [_program("sshd") or "", "-D", "-e", "-f", str(config)]
        if os.geteuid() != 0 or os.path.isdir(self.SEPARATION):
            return command
        # It gets a /run that nobody else sees, so that nothing is left in the system's.
        making_it = f'mount -t tmpfs none /run && mkdir -m 755 {self.SEPARATION} && exec "$@"'
        return [_program("unshare") or "", "--mount", "sh", "-c", making_it, "sh", *command]

    def environment(self) -> dict[str, str]:
        """Return what it needs in its environment: nothing."""
        return {}


class Nginx:
    """nginx, one process, plain HTTP: it sends with `sendfile`, and neither hashes nor syncs.

    Files are put there by its WebDAV module, which Debian's has.
    """

    name = "nginx"
    dialect = "http"
    opening = 1

    CONFIG = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  client_max_body_size 0;
  client_body_buffer_size 256k;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/unused;
  fastcgi_temp_path {folder}/unused;
  uwsgi_temp_path {folder}/unused;
  scgi_temp_path {folder}/unused;
  server {{
    listen 127.0.0.1:{port};
    root {folder}/files;
    dav_methods PUT;
  }}
}}
"""

    def version(self) -> str | None:
        """Return its version."""
        return _version(["nginx", "-v"], r"nginx/(\d[\d.]*)")

    def command(self, folder: Path, port: int, rooms: Sequence[str]) -> list[str]:
        """Return what starts it."""
        (folder / "files").mkdir()
        config = folder / "nginx.conf"
        config.write_text(self.CONFIG.format(port=port, folder=folder))
        return [_program("nginx") or "", "-p", str(folder), "-c", str(config)]

    def environment(self) -> dict[str, str]:
        """Return what it needs in its environment: nothing."""
        return {}


CHATS = ("chatservice", "inspircd", "ngircd", "threaded")
"""The servers for talk."""

BROKERS = ("redis", "nats")
"""Message brokers. They fan messages out and know neither users nor a past."""

FILES = ("chatservice", "plain", "scp", "nginx")
"""The servers for files."""

PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in (
        Chatservice(),
        InspIRCd(),
        NgIRCd(),
        Redis(),
        Nats(),
        Threaded(),
        Plain(),
        Scp(),
        Nginx(),
    )
}


@contextlib.contextmanager
def running(peer: Peer, folder: Path, core: int, rooms: Sequence[str]) -> Iterator[Running]:
    """Run a server on that core, with what it keeps in `folder`. It listens when this begins."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = os.pathsep.join(map(os.path.abspath, sys.path))  # the server runs in another directory
    log = folder / "log"
    own_cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})  # so that all its threads inherit it
    with log.open("wb") as output:
        process = subprocess.Popen(
            peer.command(folder, port, rooms),
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path, **peer.environment()},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    os.sched_setaffinity(0, own_cores)
    try:
        _wait_until_it_answers(process, port, log)
        yield Running(peer.name, process.pid, port, peer.dialect, peer.opening, folder, log)
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
    """Return the path of a daemon: a package's, the environment's, or the system's."""
    places = (os.environ.get("PATH", ""), str(Path(sys.executable).parent), "/usr/sbin")
    return shutil.which(name, path=os.pathsep.join(places))


def _version(command: list[str], pattern: str) -> str | None:
    program = _program(command[0])
    if program is None:
        return None
    asked = subprocess.run(
        [program, *command[1:]], capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    found = re.search(pattern, asked.stdout + asked.stderr)
    return found[1] if found else "?"
