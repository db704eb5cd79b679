"""Machines of a cluster, each with a nats-server and a node, on loopback or on networks of their
own."""

import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

import nats

from tests.cluster.natsservers import NatsServers
from tests.cluster.troubles import OwnDisk, WrongClock, run
from tests.servers import PATIENCE, Server

STREAM = "CHAT"

SAME = [
    "room",
    "rule",
    "deed",
    "annotation",
    "account",
    "member",
    "token",
    "push",
    "code",
    "block",
    "said",
]
"""The tables that are the same on all nodes, and at a server that runs alone."""

OF_CLUSTER = ["shared_file", "claim", "node", "moved"]
"""The tables that nodes have beside, which are the same on all of them."""


class Place(NamedTuple):
    """The addresses of a machine, for clients (`outer`) and for the other machines (`inner`), and
    the command with which programs start there."""

    outer: str = "127.0.0.1"
    inner: str = "127.0.0.1"
    wrapper: tuple[str, ...] = ()


class Loopback:
    """Machines that are all this one."""

    def places(self, count):
        """Return places for so many machines."""
        return [Place() for _ in range(count)]

    def remove(self):
        """Undo it."""


class Networks:
    """Machines with a network namespace each, a network between them, which can be cut, and another
    one to the clients. Needs root, and `ip` of iproute2."""

    def __init__(self):
        run = os.getpid() % 10_000
        self._net = run % 120
        self._front, self._back = f"cf{run}", f"cb{run}"
        self._made = []

    @staticmethod
    def possible():
        """Return whether networks can be made here."""
        return os.geteuid() == 0 and shutil.which("ip") is not None

    def places(self, count):
        """Return places for so many machines."""
        for bridge in (self._front, self._back):
            ip("link", "add", bridge, "type", "bridge")
            ip("link", "set", bridge, "up")
        ip("addr", "add", f"10.232.{2 * self._net}.254/24", "dev", self._front)
        return [self._place(number) for number in range(count)]

    def _place(self, number):
        name = f"{self._back}m{number}"
        ip("netns", "add", name)
        self._made.append(name)
        ip("-n", name, "link", "set", "lo", "up")
        found = []
        for at, bridge in enumerate((self._front, self._back)):
            address = f"10.232.{2 * self._net + at}.{number + 1}"
            ends = "type", "veth", "peer", "name", f"eth{at}", "netns", name
            ip("link", "add", f"{bridge}p{number}", *ends)
            ip("link", "set", f"{bridge}p{number}", "master", bridge, "up")
            ip("-n", name, "addr", "add", f"{address}/24", "dev", f"eth{at}")
            ip("-n", name, "link", "set", f"eth{at}", "up")
            found.append(address)
        return Place(*found, ("ip", "netns", "exec", name))

    def cut(self, number):
        """Let a machine reach no other one, without a sign. Clients reach it as before."""
        ip("link", "set", f"{self._back}p{number}", "down")

    def part(self, *numbers):
        """Let some machines not reach each other; they and the rest do."""
        for number in numbers:
            isolated = "type", "bridge_slave", "isolated", "on"
            ip("link", "set", "dev", f"{self._back}p{number}", *isolated)

    def heal(self):
        """Undo all cuts."""
        for number in range(len(self._made)):
            isolated = "type", "bridge_slave", "isolated", "off"
            ip("link", "set", "dev", f"{self._back}p{number}", *isolated)
            ip("link", "set", f"{self._back}p{number}", "up")

    def remove(self):
        """Undo it."""
        for number, name in enumerate(self._made):
            ip("netns", "del", name)
            for bridge in (self._front, self._back):
                with suppress(subprocess.CalledProcessError):  # it went with its machine
                    ip("link", "del", f"{bridge}p{number}")
        for bridge in (self._front, self._back):
            ip("link", "del", bridge)


def ip(*args):
    """Run `ip`."""
    run("ip", *args)


class Node(Server):
    """A node on a machine. Its clock can be set."""

    def __init__(self, folder, place, *options):
        folder.mkdir(exist_ok=True)
        self.clock = WrongClock(folder.parent, f"{folder.name}.clock")
        self.host, self.wrapper = place.outer, (*place.wrapper, *self.clock.wrapper)
        super().__init__(folder, *options)


class Machines:
    """Three nats-servers that are one cluster, and as many nodes. With `own_disks`, each of these
    has one of its own, `server_disks` and `node_disks`."""

    def __init__(self, path, networks=None, own_disks=False):
        self.networks = networks or Loopback()
        self.nodes, self.server_disks, self.node_disks = [], [], []
        try:
            self.places = self.networks.places(3)
            if own_disks:
                self.server_disks = [OwnDisk(path / f"n{at}") for at in range(3)]
                self.node_disks = [OwnDisk(path / f"node{at}") for at in range(3)]
            self.servers = NatsServers(path, self.places)
            for number, place in enumerate(self.places):
                options = "--engine", self.servers.url(STREAM)
                self.nodes.append(Node(path / f"node{number}", place, *options))
        except BaseException:
            self.end()
            raise

    def end(self):
        """Kill all that runs, and remove the networks."""
        for node in self.nodes:
            node.kill()
        with suppress(AttributeError):  # it has no servers yet
            self.servers.kill()
        for disk in (*self.server_disks, *self.node_disks):
            disk.remove()
        self.networks.remove()

    def leader(self):
        """Return the number of the server that leads the log; wait until there is one."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            for server in self.servers.all:
                leader = (stream_of(server) or {}).get("cluster", {}).get("leader")
                if leader:
                    return int(leader.removeprefix("n"))
            time.sleep(0.05)
        raise AssertionError("the log has no leader")

    def make_leader(self, number):
        """Let a server lead the log."""
        while self.leader() != number:
            asyncio.run(self._step_down(number))
            time.sleep(0.5)

    async def _step_down(self, number):
        client = await nats.connect(self.servers.url("").partition("/?")[0].split(","))
        wish = json.dumps({"placement": {"preferred": f"n{number}"}}).encode()
        await client.request(f"$JS.API.STREAM.LEADER.STEPDOWN.{STREAM}", wish, timeout=5)
        await client.close()

    def followers(self):
        """Return the numbers of the two servers that follow the leader."""
        return [number for number in range(3) if number != self.leader()]

    def wait_until_whole(self):
        """Return when the leader has two servers that are up to date."""
        until = time.monotonic() + PATIENCE
        while True:
            found = stream_of(self.servers.all[self.leader()]) or {}
            replicas = found.get("cluster", {}).get("replicas", [])
            if len(replicas) == 2 and all(it["current"] for it in replicas):
                return
            assert time.monotonic() < until, found
            time.sleep(0.05)

    def wait_until_same(self):
        """Return the rows of each node, when all servers have all of the log and all nodes have
        applied it: see `rows`."""
        until = time.monotonic() + PATIENCE
        while True:
            logs = [stream_of(server) for server in self.servers.all]
            stored = {it["state"]["last_seq"] if it else None for it in logs}
            found = [rows(node.data) for node in self.nodes]
            if len(stored) == 1 and {applied for applied, _ in found} == stored:
                return [it for _, it in found]
            far = [applied for applied, _ in found]
            told = [node.log.so_far()[-1500:] for node in self.nodes]
            assert time.monotonic() < until, (far, stored, *told)
            time.sleep(0.1)


def stream_of(server):
    """Return what a nats-server tells of the log, or None if it does not answer."""
    try:
        with urlopen(f"{server.monitoring}/jsz?accounts=1&streams=1", timeout=1) as answer:
            told = json.load(answer)
    except (OSError, ValueError):
        return None
    for account in told.get("account_details", ()):
        for stream in account.get("stream_detail", ()):
            if stream["name"] == STREAM:
                return stream
    return None


def rows(data):
    """Return how far a node has applied the log, and all that it has stored that is not its own, as
    one state of its database."""
    with closing(sqlite3.connect(Path(data) / "chat.sqlite")) as db:
        db.execute("BEGIN")
        applied = db.execute("SELECT applied FROM cluster").fetchone()[0]
        return applied, rows_of(db, SAME + OF_CLUSTER)


def rows_of(db, tables):
    """Return all rows of tables of a database."""
    return {it: db.execute(f"SELECT * FROM {it}").fetchall() for it in tables}
