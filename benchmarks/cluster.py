"""Several nodes beside one server: `python -m benchmarks.cluster`.

The log is on three servers of NATS, which sync each write. They, and all nodes, share one core, so
compare CPU a delivery and not deliveries. Connections take the nodes in turns, so each room has
readers at each of them.
"""

import argparse
import contextlib
import json
import os
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from benchmarks import load, machine, peers
from benchmarks.peers import Running

Figures = dict[str, float]

ALONE = "one server"
LAYOUTS: Mapping[str, int] = {ALONE: 0, "1 node": 1, "2 nodes": 2, "4 nodes": 4}
"""Numbers of nodes; 0 is a server without a log of NATS."""

SERVERS = 3
"""Servers of the log, each with a copy."""


class Node(peers.Chatservice):
    """A node of a cluster with that `engine`."""

    def __init__(self, engine: str) -> None:
        super().__init__()
        self._engine = engine

    def command(self, folder: Path, port: int, rooms: Sequence[str]) -> list[str]:
        """Return the command line."""
        return [*super().command(folder, port, rooms), "--engine", self._engine]


@dataclass(frozen=True)
class LogServers:
    """The servers of a log: the value of `--engine`, their processes, and their monitoring."""

    engine: str
    pids: Sequence[int]
    http: Sequence[int]

    def cpu(self) -> float:
        """Return their CPU time in seconds."""
        return sum(map(machine.cpu_seconds, self.pids))

    def stored(self) -> int:
        """Return the bytes of the log, of one copy."""
        with urlopen(f"http://127.0.0.1:{self.http[0]}/jsz") as answer:
            return int(json.load(answer)["bytes"])


def _free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as opened:
        found = [opened.enter_context(contextlib.closing(socket.socket())) for _ in range(number)]
        for each in found:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in found]


@contextlib.contextmanager
def log_servers(folder: Path, core: int) -> Iterator[LogServers]:
    """Run the servers of a log on a core, with their data in `folder`."""
    ports, routes = _free_ports(SERVERS), _free_ports(SERVERS)
    http = _free_ports(1)[0]
    started = []
    for number, (port, route) in enumerate(zip(ports, routes, strict=True)):
        config = folder / f"n{number}.conf"
        others = ", ".join(f'"nats://127.0.0.1:{it}"' for it in routes if it != route)
        config.write_text(
            f'server_name: n{number}\nlisten: "127.0.0.{number + 1}:{port}"\n'
            f'http: "127.0.0.{number + 1}:{http}"\nmax_payload: 2MB\n'
            f'jetstream {{ store_dir: "{folder}/n{number}", sync_interval: always }}\n'
            f'cluster {{ name: chat, listen: "127.0.0.1:{route}", routes: [{others}] }}\n'
        )
        command = ["nats-server", "--config", str(config), "--log", str(folder / f"n{number}.log")]
        started.append(subprocess.Popen(["taskset", "--cpu-list", str(core), *command]))
    try:
        for number in range(SERVERS):
            _wait_until_healthy(f"http://127.0.0.{number + 1}:{http}/healthz")
        servers = ",".join(f"127.0.0.{number + 1}:{port}" for number, port in enumerate(ports))
        yield LogServers(f"nats://{servers}?http={http}", [it.pid for it in started], [http])
    finally:
        for each in started:
            each.kill()
            each.wait()


def _wait_until_healthy(url: str) -> None:
    limit = time.monotonic() + peers.PATIENCE
    while time.monotonic() < limit:
        with contextlib.suppress(OSError), urlopen(url, timeout=5):
            return
        time.sleep(0.05)
    raise RuntimeError(f"{url} does not answer")


@dataclass(frozen=True)
class Cluster:
    """Nodes that run, and the servers of their log; or one server without these."""

    nodes: Sequence[Running]
    log: LogServers | None
    setting: "Setting"

    def play(self, scenario: str, **options: float | str) -> Figures:
        """Play a scenario of the load generator. Return its result, with the CPU time of the log's
        servers in `log_cpu_s`."""
        found, cpu = self.play_at(self.nodes, self.log.pids if self.log else (), scenario, options)
        return {**found, "log_cpu_s": cpu}

    def play_at(
        self,
        nodes: Sequence[Running],
        others: Sequence[int],
        scenario: str,
        options: Mapping[str, float | str],
    ) -> tuple[Figures, float]:
        """Play a scenario with clients at some nodes. Return its result, and the CPU time of other
        processes meanwhile."""
        cpu: list[float] = []

        def count() -> None:
            cpu.append(sum(map(machine.cpu_seconds, others)))

        ports, pids = (",".join(map(str, it)) for it in zip(*_ids(nodes), strict=True))
        chosen = {"port": ports, "pid": pids, "seconds": self.setting.seconds, **options}
        found = load.run(scenario, nodes[0], self.setting.load_core, count, count, **chosen)
        figures = {name: value for name, value in found["result"].items() if name != "stage"}
        return figures, cpu[-1] - cpu[0]


def _ids(nodes: Sequence[Running]) -> Sequence[tuple[int, int]]:
    return [(node.port, node.pid) for node in nodes]


@dataclass(frozen=True)
class Setting:
    """The length of a measurement in seconds, the core of all servers, and that of the load."""

    seconds: float
    core: int
    load_core: int


@contextlib.contextmanager
def cluster(count: int, rooms: int, setting: Setting) -> Iterator[Cluster]:
    """Run so many nodes with that many rooms."""
    core = setting.core
    names = [f"r{number:03}" for number in range(rooms)]
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmarks-")))
        log = stack.enter_context(log_servers(folder, core)) if count else None
        nodes = []
        for number in range(max(count, 1)):
            place = folder / str(number)
            place.mkdir()
            peer = Node(log.engine) if log is not None else peers.Chatservice()
            nodes.append(stack.enter_context(peers.running(peer, place, core, names)))
        yield Cluster(nodes, log, setting)


# -- the rows --------------------------------------------------------------------------------------


def throughput(rooms: int, readers: int, senders: int, window: int) -> "Measure":
    """Measure deliveries, as `measure.throughput` does."""

    def measure(nodes: int, setting: Setting) -> Figures:
        options = {"rooms": rooms, "readers": readers, "senders": senders, "window": window}
        with cluster(nodes, rooms, setting) as it:
            found = it.play("throughput", **options)
        return {
            "deliveries_per_s": found["deliveries_per_s"],
            "cpu_ns": found["cpu_ns_per_delivery"],
            "log_cpu_ns": found["log_cpu_s"] / found["deliveries"] * 1e9,
        }

    return measure


def latency(rate: float) -> "Measure":
    """Measure the delay from one client to another, who is at another node if there is one."""

    def measure(nodes: int, setting: Setting) -> Figures:
        with cluster(nodes, 1, setting) as it:
            found = it.play("latency", readers=1, senders=0, rate=rate)
        return {"p50_us": found["p50_us"], "p99_us": found["p99_us"]}

    return measure


def applying(nodes: int, setting: Setting) -> Figures:
    """Measure the CPU time that a message costs a node where nobody reads it, at several rates."""
    figures: Figures = {}
    for rate in RATES:
        with cluster(nodes, 1, setting) as it:
            options: dict[str, float | str] = {"readers": 1, "senders": 0, "rate": rate}
            others = [node.pid for node in it.nodes[1:]]
            _, cpu = it.play_at(it.nodes[:1], others, "latency", options)
        figures[f"cpu_us_at_{rate}"] = cpu / (rate * setting.seconds) / len(others) * 1e6
    return figures


RATES = 10, 100, 1000, 10_000
"""Messages a second."""


def catching_up(nodes: int, setting: Setting) -> Figures:
    """Measure the start of an empty node, and the size of the log that it applies."""
    with cluster(nodes, 1, setting) as it:
        assert it.log is not None
        found = it.play("throughput", readers=11, senders=10, window=64)
        entries = _entries(it.nodes[0].port)
        with tempfile.TemporaryDirectory() as folder:
            begun = time.monotonic()
            with peers.running(Node(it.log.engine), Path(folder), setting.core, ()) as new:
                if _entries(new.port) != entries:
                    raise RuntimeError("the new node lacks entries")
                took = time.monotonic() - begun
                memory = machine.resident_bytes(new.pid)
        return {
            "entries": entries,
            "entries_per_s": entries / took,
            "memory": memory,
            "log_bytes_per_entry": it.log.stored() / entries,
            "said_per_s": found["messages_per_s"],
        }


def _entries(port: int) -> int:
    """Return the number of entries in the room of a node."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b'{"do":"hello","name":"asker"}\n{"do":"join","room":"r000","id":1}\n')
        for line in client.makefile():
            answer = json.loads(line)
            if answer.get("id") == 1:
                return int(answer["seq"])
    raise RuntimeError("the node has ended")


def idle(nodes: int, setting: Setting) -> Figures:
    """Measure the memory of connections at one node, in rooms of 100: there, and what the other
    nodes keep of their users; and the rate of joins."""
    rooms = 50
    with cluster(nodes, rooms, setting) as it:
        others = [node.pid for node in it.nodes[1:]]
        peaks = [machine.Peak(pid) for pid in others]
        options: dict[str, float | str] = {"protocol": "json", "rooms": rooms, "readers": 100}
        found, cpu = it.play_at(it.nodes[:1], others, "idle", options)
        count = found["connections"]
        grown = [peak.growth() / count for peak in peaks]
        return {
            "bytes": (found["memory_joined"] - found["memory_before"]) / count,
            "bytes_elsewhere": statistics.mean(grown) if grown else 0.0,
            "cpu_us_elsewhere": cpu / count / max(len(others), 1) * 1e6,
            "named_per_s": count / found["introducing_s"],
            "joined_per_s": count / found["joining_s"] if found["joining_s"] else 0.0,
        }


Measure = Callable[[int, Setting], Figures]


@dataclass(frozen=True)
class Row:
    """A measurement, the layouts that it has, and how a figure of it is shown."""

    title: str
    measure: Measure
    shown: Mapping[str, str]
    layouts: Sequence[str] = tuple(LAYOUTS)


_TALK = {
    "deliveries_per_s": "{:,.0f}/s",
    "cpu_ns": "{:.0f} ns of CPU",
    "log_cpu_ns": "{:.0f} ns of the log's",
}

ROWS: Mapping[str, Row] = {
    "1x100": Row("1 room, 100 readers", throughput(1, 100, 10, 64), _TALK),
    "1x1000": Row("1 room, 1000 readers", throughput(1, 1000, 10, 64), _TALK),
    "1000x2": Row("1000 rooms, 2 readers each", throughput(1000, 2, 1, 4), _TALK),
    "1-in-flight": Row("1 message in flight, 100 readers", throughput(1, 100, 1, 1), _TALK),
    "latency": Row(
        "100 messages/s, from a client at one node to one at another",
        latency(100),
        {"p50_us": "p50 {:.0f} us", "p99_us": "p99 {:.0f} us"},
        (ALONE, "1 node", "2 nodes"),
    ),
    "applying": Row(
        "a message at a node where nobody reads it",
        applying,
        {f"cpu_us_at_{rate}": f"{{:.0f}} us of CPU at {rate:,}/s" for rate in RATES},
        ("2 nodes",),
    ),
    "idle": Row(
        "5000 connections at one node",
        idle,
        {
            "bytes": "{:.0f} bytes each",
            "bytes_elsewhere": "{:.0f} at another node",
            "cpu_us_elsewhere": "{:.0f} us of CPU there",
            "named_per_s": "{:.0f} named/s",
            "joined_per_s": "{:.0f} joined/s",
        },
        (ALONE, "2 nodes"),
    ),
    "catching-up": Row(
        "an empty node starts",
        catching_up,
        {
            "entries": "{:,.0f} entries",
            "entries_per_s": "{:,.0f}/s",
            "memory": "{:,.0f} bytes of memory",
            "log_bytes_per_entry": "{:.0f} bytes each in the log",
        },
        ("1 node",),
    ),
}


def _measured(row: Row, runs: int, setting: Setting) -> Mapping[str, Figures]:
    """Return the medians of a row by layout. The layouts take turns."""
    found: dict[str, list[Figures]] = {layout: [] for layout in row.layouts}
    for _ in range(runs):
        for layout in row.layouts:
            with machine.alone():
                found[layout].append(row.measure(LAYOUTS[layout], setting))
    return {
        layout: {name: statistics.median(it[name] for it in several) for name in several[0]}
        for layout, several in found.items()
    }


def _print(row: Row, medians: Mapping[str, Figures]) -> None:
    """Print a line for each layout, with the ratios to the first one."""
    print(f"\n{row.title}")
    base = medians[row.layouts[0]]
    for layout, figures in medians.items():
        shown = []
        for name, form in row.shown.items():
            ratio = f" ({figures[name] / base[name]:.2f} x)" if base[name] else ""
            shown.append(form.format(figures[name]) + (ratio if figures is not base else ""))
        print(f"  {layout:10}  {', '.join(shown)}", flush=True)


def main() -> None:
    """Measure the rows, and print them."""
    parser = argparse.ArgumentParser("python -m benchmarks.cluster", description=__doc__)
    parser.add_argument("--rows", default=",".join(ROWS), help=f"of {','.join(ROWS)} (all)")
    parser.add_argument("--runs", type=int, default=3, help="how often (3)")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement (3)")
    asked = parser.parse_args()
    chosen = asked.rows.split(",")
    for name in chosen:
        if name not in ROWS:
            parser.error(f"{name} is none of {', '.join(ROWS)}")
    machine.raise_limits()
    setting = Setting(asked.seconds, *machine.cores())
    os.sched_setaffinity(0, {setting.load_core})
    for name in chosen:
        _print(ROWS[name], _measured(ROWS[name], asked.runs, setting))


if __name__ == "__main__":
    main()
