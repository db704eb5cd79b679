"""The measured servers: this one, and alternatives for talk and for files.

Each measurement starts a server of its own, on its own port, pinned to one core. The other servers
are configured for speed; `environment` adds what a configuration cannot.
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
"""Seconds after which a server that does not answer counts as failed."""


@dataclass(frozen=True)
class Running:
    """A server called `name` that listens on `port` of the loopback, as process `pid`.

    `protocol` is the protocol that the load generator speaks to it; `opening` is the number of
    connections that may wait to be accepted. Its data are in `folder`; its log goes to `log`.
    """

    name: str
    pid: int
    port: int
    protocol: str
    opening: int
    folder: Path
    log: Path


class Peer(Protocol):
    """A kind of server."""

    name: str
    protocol: str
    opening: int

    def version(self) -> str | None:
        """Return its version, or None if it is not installed."""

    def command(self, folder: Path, port: int, rooms: Sequence[str]) -> list[str]:
        """Return the command line. Its data go to `folder`; `rooms` are to exist."""

    def environment(self) -> dict[str, str]:
        """Return additional environment variables."""


CHECKOUT = Path(__file__).parents[1]


class Chatservice:
    """This server, from the code in `checkout`. It stores messages, as it does for users."""

    name = "chatservice"
    protocol = "text"
    opening = 40  # Twisted's listen backlog is 50

    STARTING = """\
import os, sys
checkout = sys.argv.pop(1)
others = [x for x in sys.path if not os.path.isdir(os.path.join(x, "chatservice"))]
sys.path[:] = [checkout, *others]
from twisted.scripts.twistd import run
run()
"""
    """Starts twistd with that checkout alone on the path. Another one may be installed."""

    def __init__(self, checkout: Path = CHECKOUT) -> None:
        self._checkout = str(checkout)

    def version(self) -> str | None:
        """Return its version."""
        from chatservice import __version__

        return __version__

    def command(self, folder: Path, port: int, rooms: Sequence[str]) -> list[str]:
        """Return the command line."""
        twistd = [sys.executable, "-c", self.STARTING, self._checkout]
        options = ["--interface", "127.0.0.1", "--port", str(port), "--data", str(folder / "data")]
        return [*twistd, "-n", "--pidfile=", "chat", *options, *(f"--room={x}" for x in rooms)]

    def environment(self) -> dict[str, str]:
        """Return the path of its code, for the processes that it starts."""
        return {"PYTHONPATH": self._checkout}


class InspIRCd:
    """InspIRCd, in C++, one thread: the fastest IRC server in Debian."""

    name = "inspircd"
    protocol = "irc"
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
        """Return the command line."""
        config = folder / "inspircd.conf"
        config.write_text(self.CONFIG.format(port=port, folder=folder))
        as_root = ["--runasroot"] if os.geteuid() == 0 else []
        return [_program("inspircd") or "", "--nofork", f"--config={config}", *as_root]

    def environment(self) -> dict[str, str]:
        """Return additional environment variables.

        It spends up to half its time in malloc, and less without glibc's "fast bins".
        """
        return {**_without_delay(), "GLIBC_TUNABLES": "glibc.malloc.mxfast=0"}


class NgIRCd:
    """ngIRCd, in C, one thread."""

    name = "ngircd"
    protocol = "irc"
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
        """Return the command line."""
        config = folder / "ngircd.conf"
        config.write_text(self.CONFIG.format(port=port))
        return [_program("ngircd") or "", "--nodaemon", "--config", str(config)]

    def environment(self) -> dict[str, str]:
        """Return additional environment variables."""
        return _without_delay()


class Redis:
    """Redis pub/sub: a room is a channel. It stores nothing, and keeps slow readers."""

    name = "redis"
    protocol = "redis"
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
        """Return the command line."""
        options = [word for name, values in self.OPTIONS.items() for word in (name, *values)]
        where = ["--port", str(port), "--dir", str(folder)]
        return [_program("redis-server") or "", *where, *options]

    def environment(self) -> dict[str, str]:
        """Return no additional environment variables."""
        return {}


class Nats:
    """NATS core, without JetStream: a room is a subject."""

    name = "nats"
    protocol = "nats"
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
        """Return the command line."""
        config = folder / "nats.conf"
        config.write_text(self.CONFIG.format(port=port))
        return [_program("nats-server") or "", "--config", str(config)]

    def environment(self) -> dict[str, str]:
        """Return no additional environment variables."""
        return {}


class Threaded:
    """The simplest chat server: a thread for each connection, a lock, and `sendall`."""

    name = "threaded"
    protocol = "text"
    opening = 100

    def version(self) -> str | None:
        """Return its version."""
        return f"Python {sys.version.split()[0]}"

    def command(self, folder: Path, port: int, rooms: Sequence[str]) -> list[str]:
        """Return the command line."""
        return [sys.executable, "-m", "benchmarks.threaded", str(port)]

    def environment(self) -> dict[str, str]:
        """Return no additional environment variables."""
        return {}


class Plain:
    """The plain copy of a file through a socket, with SHA-256: the baseline for transfers."""

    name = "plain"
    protocol = "plain"
    opening = 1

    def version(self) -> str | None:
        """Return its version."""
        return f"Python {sys.version.split()[0]}"

    def command(self, folder: Path, port: int, rooms: Sequence[str]) -> list[str]:
        """Return the command line."""
        return [sys.executable, "-m", "benchmarks.plain", str(port), str(folder)]

    def environment(self) -> dict[str, str]:
        """Return no additional environment variables."""
        return {}


class Scp:
    """OpenSSH's sshd, for `scp`, with a host key and one user's key.

    Everything is in the server's folder. It reads neither the system's nor the user's
    configuration, so OpenSSH chooses its default ciphers.
    """

    name = "scp"
    protocol = "scp"
    opening = 1

    NEEDED = ("sshd", "ssh", "scp", "ssh-keygen", "unshare")
    SEPARATION = "/run/sshd"
    """A folder that Debian's sshd needs as root. Only the system's own service makes it."""

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
        """Return the command line. Make the keys and configuration that it needs."""
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
        """Return no additional environment variables."""
        return {}


class Nginx:
    """nginx, one process, plain HTTP. It sends with `sendfile`, and neither hashes nor syncs.

    Uploads use its WebDAV module, which Debian's package has.
    """

    name = "nginx"
    protocol = "http"
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
        """Return the command line."""
        (folder / "files").mkdir()
        config = folder / "nginx.conf"
        config.write_text(self.CONFIG.format(port=port, folder=folder))
        return [_program("nginx") or "", "-p", str(folder), "-c", str(config)]

    def environment(self) -> dict[str, str]:
        """Return no additional environment variables."""
        return {}


class Nchan:
    """nginx with nchan, one process: a room is a channel of WebSockets. It keeps messages in memory
    for a moment, and stores nothing."""

    name = "nchan"
    protocol = "nchan"
    opening = 400  # nginx's listen backlog is 511

    MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")

    CONFIG = """\
load_module {module};
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr crit;
worker_rlimit_nofile 20000;
events {{ worker_connections 20000; }}
http {{
  access_log off;
  tcp_nodelay on;
  nchan_max_reserved_memory 1g;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/unused;
  fastcgi_temp_path {folder}/unused;
  uwsgi_temp_path {folder}/unused;
  scgi_temp_path {folder}/unused;
  server {{
    listen 127.0.0.1:{port};
    location ~ /rooms/(.+)$ {{
      nchan_pubsub websocket;
      nchan_channel_id $1;
      nchan_message_buffer_length 2000;
      nchan_message_timeout 10s;
    }}
  }}
}}
"""

    def version(self) -> str | None:
        """Return nginx's version, if it has nchan."""
        if not self.MODULE.exists():
            return None
        return _version(["nginx", "-v"], r"nginx/(\d[\d.]*)")

    def command(self, folder: Path, port: int, rooms: Sequence[str]) -> list[str]:
        """Return the command line."""
        config = folder / "nginx.conf"
        config.write_text(self.CONFIG.format(port=port, folder=folder, module=self.MODULE))
        return [_program("nginx") or "", "-p", str(folder), "-c", str(config)]

    def environment(self) -> dict[str, str]:
        """Return no additional environment variables."""
        return {}


CHATS = ("chatservice", "inspircd", "ngircd", "threaded")
"""The servers for talk."""

BROKERS = ("redis", "nats")
"""Message brokers. They fan messages out, and have neither users nor history."""

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
        Nchan(),
    )
}


@contextlib.contextmanager
def running(peer: Peer, folder: Path, core: int, rooms: Sequence[str]) -> Iterator[Running]:
    """Run a server on that core, with its data in `folder`. It listens already."""
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
        yield Running(peer.name, process.pid, port, peer.protocol, peer.opening, folder, log)
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
    """Return environment variables that give a program TCP_NODELAY on all connections."""
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
