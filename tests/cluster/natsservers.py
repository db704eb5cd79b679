"""Real nats-servers: one, or three that are one cluster."""

import json
import random
import socket
import subprocess
import time
from contextlib import ExitStack, closing, suppress
from urllib.request import urlopen

LOOPBACK = "127.0.0.1"


_PORTS = range(10_000, 32_000)
"""Below those that Linux gives to clients (32768 to 60999). A server that starts again finds its
port free: no client has it, and none that tries to reach it reaches itself."""


def free_ports(number):
    """Return ports that nobody listens on."""
    found = []
    with ExitStack() as opened:
        while len(found) < number:
            tried = opened.enter_context(closing(socket.socket()))
            port = random.SystemRandom().choice(_PORTS)  # the same in no two processes
            with suppress(OSError):
                tried.bind((LOOPBACK, port))
                found.append(port)
    return found


class NatsServer:
    """A nats-server of its own, with a log that syncs each write. `more` is what its configuration
    has beside. Nodes reach it at `host`, the tests at `outer`; `wrapper` is a command that starts
    it, and `http` the port of its monitoring, if it is to be a certain one."""

    def __init__(
        self,
        path,
        sync="always",
        more="",
        wait=True,
        jetstream="",
        host=LOOPBACK,
        outer=LOOPBACK,
        wrapper=(),
        http=0,
    ):
        self.path = path
        self.host = host
        self.wrapper = wrapper
        self.port, free = free_ports(2)
        self.http = http or free
        self.monitoring = f"http://{outer}:{self.http}"
        self.config = path / "nats.conf"
        listen = host if host == outer else "0.0.0.0"
        self.config.write_text(
            f'listen: "{listen}:{self.port}"\nhttp: "{listen}:{self.http}"\n'
            f'jetstream {{ store_dir: "{path}/log", sync_interval: {sync}, {jetstream} }}\n{more}\n'
        )
        self.start(wait)

    def start(self, wait=True):
        """Start it, and return when it answers; at once without `wait`."""
        self.process = subprocess.Popen(
            [*self.wrapper, "nats-server", "--config", self.config],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        if wait:
            self.wait()

    def wait(self):
        """Return when it answers."""
        until = time.monotonic() + 30
        while not self.is_healthy():
            assert self.process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)

    def is_healthy(self):
        """Return whether it answers that it is well."""
        try:
            with urlopen(f"{self.monitoring}/healthz", timeout=5):
                return True
        except OSError:
            return False

    def wait_until_up(self):
        """Return when its monitoring answers: it may still look for the others."""
        until = time.monotonic() + 30
        while True:
            try:
                with urlopen(f"{self.monitoring}/varz", timeout=5):
                    return
            except OSError:
                assert time.monotonic() < until
                time.sleep(0.02)

    def streams(self):
        """Return the names of its streams."""
        with urlopen(f"{self.monitoring}/jsz?accounts=1&streams=1", timeout=5) as answer:
            accounts = json.load(answer).get("account_details", ())
        return {it["name"] for account in accounts for it in account.get("stream_detail", ())}

    def kill(self):
        """Kill it, and return when it is gone."""
        self.process.kill()
        self.process.wait()

    def url(self, stream):
        """Return the value of --engine for a log with that name."""
        return f"nats://{self.host}:{self.port}/{stream}?http={self.http}"


class NatsServers:
    """Three servers that are one cluster of NATS, in folders of `path`."""

    def __init__(self, path, places):
        routes = list(zip(places, free_ports(3), strict=True))
        all_ = ", ".join(f'"nats://{place.inner}:{port}"' for place, port in routes)
        self.all = []
        for at, (place, port) in enumerate(routes):
            folder = path / f"n{at}"
            folder.mkdir(exist_ok=True)
            more = (
                f'server_name: n{at}\ncluster {{ name: chat, listen: "{place.inner}:{port}", '
                f"routes: [{all_}] }}"
            )
            self.all.append(
                NatsServer(
                    folder,
                    more=more,
                    wait=False,
                    host=place.inner,
                    outer=place.outer,
                    wrapper=place.wrapper,
                )
            )
        for server in self.all:
            server.wait()

    def url(self, stream):
        """Return the value of --engine for a log with that name."""
        where = ",".join(f"{it.host}:{it.port}" for it in self.all)
        return f"nats://{where}/{stream}?http={self.all[0].http}"

    def kill(self):
        """Kill them all."""
        for server in self.all:
            server.kill()
