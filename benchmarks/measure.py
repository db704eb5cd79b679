"""Measurements of each kind of work: once, against one server, started for it."""

import contextlib
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import files, load, machine, peers, visits
from benchmarks import floods as flooding
from benchmarks.peers import Peer, Running

Measured = dict[str, float]
"""The figures of one run, by name. A name ends in its unit, if it has one."""


@dataclass(frozen=True)
class Setting:
    """The parameters of a measurement.

    `seconds` is the length of each measurement, after a warm-up. Servers store their data below
    `folder`. `quick` means smaller numbers, for rows that take long. If `profile` names a file,
    py-spy records the server into it.
    """

    seconds: float
    folder: Path
    server_core: int
    load_core: int
    quick: bool = False
    profile: str | None = None


Measure = Callable[[Peer, Setting], Measured]

# -- talk ------------------------------------------------------------------------------------------


TURN = {"throughput": 0.25, "latency": 1.0}
"""Seconds of one server's turn, by scenario."""

_OWN: Mapping[str, str] = {}
"""No protocols: each server has its usual one."""


@dataclass(frozen=True)
class Talk:
    """A scenario of the load generator with talk and nothing else."""

    scenario: str
    rooms: int
    options: Mapping[str, float | str]

    def __call__(self, peer: Peer, setting: Setting) -> Measured:
        """Measure it against one server."""
        with serving(peer, setting, self.rooms) as server:
            report = _play(self.scenario, server, setting, **self.options)
        figures = self._merged([report["result"]])
        figures["others_busy"] = report["stop"]["others_busy"]
        if self.scenario == "latency":
            figures["commit_us"] = machine.commit_seconds(setting.folder) * 1e6
        return figures

    def in_turns(
        self, servers: Mapping[str, Peer], setting: Setting, protocols: Mapping[str, str] = _OWN
    ) -> dict[str, Measured]:
        """Measure it against several servers, by label, which run at once and talk in turns.

        All of them then share the same background load of the machine. The clients of a server
        speak that of the `protocols` with its label, or else its usual one.
        """
        turn = TURN[self.scenario]
        options = {**self.options, "seconds": turn, "warm": min(turn, 0.5)}
        reports: dict[str, list[load.Report]] = {label: [] for label in servers}
        with contextlib.ExitStack() as stack:
            loads = {}
            for label, peer in servers.items():
                server = stack.enter_context(serving(peer, setting, self.rooms))
                server = replace(server, protocol=protocols.get(label, server.protocol))
                playing = load.Turns(self.scenario, server, setting.load_core, **options)
                loads[label] = stack.enter_context(contextlib.closing(playing))
            for number in range(max(1, round(setting.seconds / turn))):
                for label in rotated(list(servers), number):
                    reports[label].append(loads[label].play())
        return {label: self._merged(of) for label, of in reports.items()}

    def _merged(self, reports: Sequence[load.Report]) -> Measured:
        """Return the figures of all turns together: the sum of counts, the median of the others."""
        astray = sum(report.get("bytes_astray", 0) for report in reports)
        if astray:
            raise RuntimeError(f"{astray} bytes too many or too few came")
        figures = {
            name: statistics.median(report[name] for report in reports)
            for name in _numbers(reports[0])
        }
        deliveries = "deliveries" if "deliveries" in figures else "received"
        for name in {deliveries, "server_cpu_s", "seconds"} & set(figures):
            figures[name] = sum(report[name] for report in reports)
        figures["cpu_ns_per_delivery"] = figures["server_cpu_s"] / figures[deliveries] * 1e9
        if "deliveries" in figures:
            figures["deliveries_per_s"] = figures["deliveries"] / figures["seconds"]
        return figures


def rotated(labels: Sequence[str], number: int) -> Sequence[str]:
    """Return the labels, with another one first each time, so that drift favours none."""
    first = number % len(labels)
    return [*labels[first:], *labels[:first]]


def throughput(rooms: int, readers: int, senders: int, window: int) -> Talk:
    """Measure deliveries while each sender keeps `window` messages in flight: said, and not yet
    received by every reader of their room."""
    options = {"rooms": rooms, "readers": readers, "senders": senders, "window": window}
    return Talk("throughput", rooms, options)


def latency(readers: int, rate: float) -> Talk:
    """Measure the delay to `readers` for one speaker at `rate` messages a second, and its cost."""
    return Talk("latency", 1, {"readers": readers, "rate": rate})


def _numbers(report: load.Report) -> Measured:
    return {name: value for name, value in report.items() if name != "stage"}


def stalled(readers: int, stopped: int, rate: float, text: int) -> Measure:
    """Measure the cost of `stopped` readers, who read nothing, for the `readers` others and the
    server. Then check that they get everything when they read on."""

    def measure(peer: Peer, setting: Setting) -> Measured:
        with serving(peer, setting) as server:
            report = _play(
                "stalled", server, setting, readers=readers, stalled=stopped, rate=rate, text=text
            )
        figures = {
            "without_p50_us": report["without"]["p50_us"],
            "without_p99_us": report["without"]["p99_us"],
            "memory_before": report["flood"]["memory_before"],
            "memory_full": report["flood"]["memory"],
            "reached": report["flood"]["reached"] / readers,
        }
        if "with" not in report:  # nobody hears anything any more
            return figures
        with_them, after = report["with"], report["after"]
        return {
            **figures,
            "p50_us": with_them["p50_us"],
            "p99_us": with_them["p99_us"],
            "load_busy": with_them["load_busy"],
            "memory_during": with_them["memory"],
            "memory_after": after["memory"],
            "complete": after["complete"] / stopped,
            "cut": after["cut"] / stopped,
            "others_busy": report["stop"]["others_busy"],
        }

    return measure


# -- many connections ------------------------------------------------------------------------------

THREADS = 2000
"""Connections for a server with a thread for each."""


def idle(connections: int, each: int, protocols: Sequence[str] = ("json", "text")) -> Measure:
    """Measure the cost of idle connections, in rooms of `each`, and the rate of joins.

    The clients of this server speak JSON: a text client is in a room before it asks for one, which
    the other servers do not do. The memory is measured with text clients, too; or everything with
    those of the `protocols`.
    """

    def measure(peer: Peer, setting: Setting) -> Measured:
        most = THREADS if peer.name == "threaded" else connections
        most = min(most, machine.raise_limits() - 200)  # some files are open beside them
        rooms = (most // 10 if setting.quick else most) // each
        figures: Measured = {}
        for protocol in protocols if peer.name == "chatservice" else (peer.protocol,):
            with serving(peer, setting, rooms) as server:
                spoken = replace(server, protocol=protocol)
                stages = _play("idle", spoken, setting, rooms=rooms, readers=each)
            report = stages["result"]
            count = report["connections"]
            grown = (report["memory_joined"] - report["memory_before"]) / count
            figures["connections"] = count
            busy = stages["stop"]["others_busy"]
            figures["others_busy"] = max(figures.get("others_busy", 0), busy)
            figures[f"{protocol}_bytes_per_connection"] = grown
            figures["bytes_per_connection"] = max(figures.get("bytes_per_connection", 0), grown)
            if report["joining_s"]:
                figures["introduced_per_s"] = count / report["introducing_s"]
                figures["joined_per_s"] = count / report["joining_s"]
                figures["cpu_us_per_join"] = report["joining_cpu_s"] / count * 1e6
                figures["load_busy"] = report["load_busy"]
        return figures

    return measure


# -- files -----------------------------------------------------------------------------------------

GIB = 1 << 30
SMALL = 64 << 20
"""Bytes of a file that is moved repeatedly."""

UPLOADS = 7
"""Uploads of one measurement. Their median counts."""

LINGER = 5.0
"""Seconds that a server's processes for a transfer may take to end after it."""


def file_up(peer: Peer, setting: Setting) -> Measured:
    """Measure an upload: hashed, written and synced, if the server does that."""
    path, size = payload(setting, GIB // (8 if setting.quick else 4))
    measured = []
    with serving(peer, setting) as server, files.client(server) as client:
        for _ in range(UPLOADS):
            measured.append(upload(server, setting, client.send, path, size))
    return middle(measured)


def upload(
    server: Running, setting: Setting, send: Callable[[Path, int], None], path: Path, size: int
) -> Measured:
    """Measure one upload by `send`."""
    os.sync()  # so that earlier writes do not delay this
    warm(path, setting)
    return timed(server, size, lambda: send(path, size))


def middle(measured: Sequence[Measured]) -> Measured:
    """Return the median of each figure."""
    return {name: statistics.median(one[name] for one in measured) for name in measured[0]}


def file_down(peer: Peer, setting: Setting) -> Measured:
    """Measure repeated downloads of a file that the server has."""
    with serving(peer, setting) as server:
        return repeated_downloads(server, setting)


def repeated_downloads(server: Running, setting: Setting) -> Measured:
    """Measure repeated downloads of a file that this server has, in the protocol it speaks."""
    path, size = payload(setting, GIB // (8 if setting.quick else 1))
    with files.client(server) as client:
        client.provide(path, size)
        os.sync()
        return timed(server, size, lambda: client.fetch(size), setting.seconds)


def warm(path: Path, setting: Setting) -> None:
    """Write twice the data of the next upload, and delete it, so that its memory was in use.

    On a virtual machine the first use of a page can cost ten times as much as the next one. So can
    a page that was free for some seconds, because the host may have taken it back.
    """
    # The kernel keeps some of what is freed for the core that did so.
    os.sched_setaffinity(0, {setting.server_core})
    try:
        with tempfile.TemporaryFile(dir=setting.folder) as scratch:
            for _ in range(2):
                with path.open("rb") as source:
                    shutil.copyfileobj(source, scratch, files.PIECE)
    finally:
        os.sched_setaffinity(0, {setting.load_core})


def timed(server: Running, size: int, move: Callable[[], None], at_least: float = 0.0) -> Measured:
    """Measure a transfer of `size` bytes, repeated for `at_least` seconds.

    The child processes of a server or a client count as part of it.
    """
    there = machine.children(server.pid)
    watches = [
        machine.Watch(server.pid, machine.family_cpu_seconds),
        machine.Watch(os.getpid(), machine.cpu_seconds_and_ended),
    ]
    memory = machine.Peak(server.pid) if server.name == "chatservice" else None
    cpu, own = machine.family_cpu_seconds(server.pid), machine.cpu_seconds_and_ended(os.getpid())
    start, moved, seconds = time.monotonic(), 0, 0.0
    while not moved or seconds < at_least:
        move()
        moved += size
        seconds = time.monotonic() - start
    own = machine.cpu_seconds_and_ended(os.getpid()) - own
    _wait_for_children(server.pid, there)
    figures = {
        "bytes_per_s": moved / seconds,
        "cpu_ms_per_gib": (machine.family_cpu_seconds(server.pid) - cpu) * 1e3 * GIB / moved,
        "load_busy": own / seconds,
        "others_busy": max(watch.others() for watch in watches),
    }
    if memory is not None:
        figures["memory_growth"] = memory.growth()
    return figures


def _wait_for_children(pid: int, but: set[int]) -> None:
    """Wait until all children but those have ended: only then is their CPU time known."""
    limit = time.monotonic() + LINGER
    while machine.children(pid) - but and time.monotonic() < limit:
        time.sleep(0.01)


def talk_beside_files(readers: int, rate: float, moving: int) -> Measure:
    """Measure the delay of talk during transfers at full speed over `moving` further connections,
    and without them."""

    def measure(peer: Peer, setting: Setting) -> Measured:
        path, _ = payload(setting, SMALL)
        with serving(peer, setting, 2) as server:
            alone = _play("latency", server, setting, readers=readers, rate=rate)
        with (
            serving(peer, setting, 2) as server,
            files.transfers(moving, server.port, "r001", path) as moved,
        ):
            before, start = moved.bytes, time.monotonic()
            beside = _play("latency", server, setting, readers=readers, rate=rate)["result"]
            speed = (moved.bytes - before) / (time.monotonic() - start)
        return {
            **_numbers(beside),
            "without_p50_us": alone["result"]["p50_us"],
            "without_p99_us": alone["result"]["p99_us"],
            "bytes_per_s": speed,
            "others_busy": alone["stop"]["others_busy"],
        }

    return measure


def talk_beside_pages(readers: int, rate: float, a_minute: float) -> Measure:
    """Measure the delay of talk while the page is loaded so often, and without that."""

    def measure(peer: Peer, setting: Setting) -> Measured:
        with serving(peer, setting) as server:
            alone = _play("latency", server, setting, readers=readers, rate=rate)
        with (
            serving(peer, setting) as server,
            visits.visits(server.port, a_minute) as visited,
        ):
            before, start = visited.count, time.monotonic()
            beside = _play("latency", server, setting, readers=readers, rate=rate)
            minutes = (time.monotonic() - start) / 60
            loads = (visited.count - before) / minutes
        if loads < 0.95 * a_minute:
            raise RuntimeError(f"the page was loaded {loads:.0f} times a minute, not {a_minute:g}")
        return {
            **_numbers(beside["result"]),
            "without_p50_us": alone["result"]["p50_us"],
            "without_p99_us": alone["result"]["p99_us"],
            "without_server_busy": alone["result"]["server_busy"],
            "loads_per_minute": loads,
            "others_busy": alone["stop"]["others_busy"],
        }

    return measure


def payload(setting: Setting, size: int) -> tuple[Path, int]:
    """Return a file of random bytes and its size. It is made once, and stays in the page cache."""
    path = setting.folder / f"payload-{size}"
    if not path.exists():
        piece = random.randbytes(1 << 20)
        with path.open("wb") as file:
            for number in range(size >> 20):
                file.write(number.to_bytes(8, "big") + piece[8:])
    return path, size


# -- floods ----------------------------------------------------------------------------------------


def floods(readers: int, rate: float) -> Measure:
    """Measure the delay of talk during each kind of flood, and without one; and check that the
    server's memory does not grow."""

    def measure(peer: Peer, setting: Setting) -> Measured:
        figures: Measured = {}
        for kind in (None, *flooding.KINDS):
            with serving(peer, setting) as server:
                figures |= _flooded(kind, server, setting, readers, rate)
        for figure in ("p99_us", "memory_growth"):
            figures[f"worst_{figure}"] = max(figures[f"{kind}_{figure}"] for kind in flooding.KINDS)
        return figures

    return measure


def _flooded(
    kind: str | None, server: Running, setting: Setting, readers: int, rate: float
) -> Measured:
    """Measure beside one kind of flood, or beside none. The flood begins with the measurement."""
    options: dict[str, Any] = {"seconds": setting.seconds, "readers": readers, "rate": rate}
    if kind is None:
        alone = load.run("latency", server, setting.load_core, **options)
        figures = {f"without_{name}": x for name, x in _numbers(alone["result"]).items()}
        return {**figures, "others_busy": alone["stop"]["others_busy"]}
    flooding.register_owner(server.port)
    with flooding.flooded(kind, server.port, "r000") as flood:
        watching: list[flooding.Memory] = []

        def begin() -> None:
            flood.begin.set()
            watching.append(flooding.Memory(server.pid))

        beside = load.run("latency", server, setting.load_core, begin, **options)["result"]
        early, late = watching[0].halves()
    return {
        f"{kind}_p50_us": beside["p50_us"],
        f"{kind}_p99_us": beside["p99_us"],
        f"{kind}_complete": beside["received"] / beside["expected"],
        f"{kind}_requests_per_s": flood.requests / setting.seconds,
        f"{kind}_memory": early,
        f"{kind}_memory_growth": late / early,
    }


# -- a long past -----------------------------------------------------------------------------------


def start(entries: int) -> Measure:
    """Measure the start with so many stored entries, none of them in the system's cache, until the
    first greeting; and the memory that they take."""

    def measure(peer: Peer, setting: Setting) -> Measured:
        figures: Measured = {"entries": entries // 100 if setting.quick else entries}
        for prefix, stored in (("empty_", 0), ("", figures["entries"])):
            folder = _past(setting, int(stored))
            begun = time.monotonic()
            with peers.running(peer, folder, setting.server_core, ()) as server:
                with files.connect(server.port) as connection:
                    connection.recv(1)
                figures[f"{prefix}start_s"] = time.monotonic() - begun
                figures[f"{prefix}memory"] = machine.resident_bytes(server.pid)
        return figures

    return measure


def _past(setting: Setting, entries: int) -> Path:
    """Return a server's folder whose database has `entries` entries. It is made once."""
    folder = setting.folder / f"past-{entries}"
    database = folder / "data" / "chat.sqlite"
    if not database.exists():
        database.parent.mkdir(parents=True)
        making = [sys.executable, "-m", "benchmarks.history", str(database), str(entries)]
        subprocess.run(making, check=True)
    os.sync()  # only what is on the disk can be dropped
    with database.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return folder


# -- what they have in common ----------------------------------------------------------------------


@contextlib.contextmanager
def serving(peer: Peer, setting: Setting, rooms: int = 1) -> Iterator[Running]:
    """Run a server with an empty database and `rooms` rooms."""
    names = [f"r{number:03}" for number in range(rooms)]
    with (
        tempfile.TemporaryDirectory(dir=setting.folder) as folder,
        peers.running(peer, Path(folder), setting.server_core, names) as server,
    ):
        yield server


def _play(
    scenario: str, server: Running, setting: Setting, **options: float | str
) -> dict[str, load.Report]:
    """Play a scenario of the load generator against a server."""

    def started() -> None:
        if setting.profile and server.name == "chatservice":
            record(server.pid, setting.profile, setting.seconds)

    options = {"seconds": setting.seconds, **options}
    return load.run(scenario, server, setting.load_core, started, **options)


def record(pid: int, file: str, seconds: float) -> None:
    """Let py-spy record a process for some seconds, in the background.

    The suffix of `file` chooses raw stacks (.txt), speedscope (.json) or a flame graph (.svg).
    """
    form = {".txt": "raw", ".json": "speedscope"}.get(Path(file).suffix, "flamegraph")
    py_spy = str(Path(sys.executable).with_name("py-spy"))
    subprocess.Popen(
        [py_spy, "record", "--pid", str(pid), "--duration", str(max(1, round(seconds)))]
        + ["--output", file, "--format", form, "--rate", "200"],
        stdout=subprocess.DEVNULL,
    )
