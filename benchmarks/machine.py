"""The machine: its cores, limits, clocks, and the facts that belong beside a number."""

import contextlib
import datetime
import fcntl
import os
import platform
import resource
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def cores() -> tuple[int, int]:
    """Return the core for the server (the first) and the one for the load (the last)."""
    there = sorted(os.sched_getaffinity(0))
    if len(there) < 2:
        raise SystemExit("benchmarks: two cores are needed, one for the server, one for the load.")
    return there[0], there[-1]


def raise_limits() -> int:
    """Raise the limit of open files to the hard limit, and return that."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def go_first() -> None:
    """Put this process and all that it starts before the other programs of the machine.

    Linux shares a core between sessions first, and between processes then (sched(7), "autogroup"):
    so this needs a session of its own, with its own niceness. It takes root's rights.
    """
    with contextlib.suppress(PermissionError):  # it leads a process group: its session is its own
        os.setsid()
    Path("/proc/self/autogroup").write_text("-15")


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Hold the lock that keeps two measurements on this machine apart."""
    path = Path(tempfile.gettempdir()) / "chatservice-benchmarks.lock"
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("  waiting for another benchmark's measurement", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of all threads of a process, to the nanosecond."""
    return time.clock_gettime((~pid << 3) | 2)  # as clock_getcpuclockid(3) makes it


def cpu_seconds_and_ended(pid: int) -> float:
    """Return `cpu_seconds` of a process, with its ended children."""
    return cpu_seconds(pid) + sum(_ticks(pid)[2:]) / os.sysconf("SC_CLK_TCK")


def family_cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and all its descendants, ended or not."""
    ticks, living = 0, children(pid)
    while living:
        child = living.pop()
        with contextlib.suppress(OSError):  # it has just ended
            ticks += sum(_ticks(child))
            living |= children(child)
    return cpu_seconds_and_ended(pid) + ticks / os.sysconf("SC_CLK_TCK")


def children(pid: int) -> set[int]:
    """Return the ids of the children of a process that it has not waited for."""
    found: set[int] = set()
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # the thread has just ended
            found.update(map(int, path.read_text().split()))
    return found


def _ticks(pid: int) -> list[int]:
    """Return user and system time of a process, and then of its ended children, in ticks."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return [int(field) for field in fields[11:15]]


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process."""
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def busy_seconds(core: int) -> float:
    """Return the seconds that a core has been busy since the machine started."""
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{core} "):
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, line.split()[1:9])
            return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
    raise LookupError(f"there is no core {core}")


class Watch:
    """Measures from now on who uses the core that a process is pinned to.

    `cpu` returns the CPU time of that process; all other use of the core is by `others`.
    """

    def __init__(self, pid: int, cpu: Callable[[int], float] = cpu_seconds) -> None:
        self._pid, self._cpu = pid, cpu
        [self._core] = os.sched_getaffinity(pid)
        self._start, self._before = time.monotonic(), self._used_by_others()

    def _used_by_others(self) -> float:
        return busy_seconds(self._core) - self._cpu(self._pid)

    def others(self) -> float:
        """Return the share of the core's time that others have used, from 0 to 1."""
        used = self._used_by_others() - self._before
        return max(0.0, used / (time.monotonic() - self._start))


class Peak:
    """Measures the peak of a process's resident memory, from now on."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # the kernel forgets what was before
        self._before = self._bytes()

    def _bytes(self) -> int:
        for line in Path(f"/proc/{self._pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise LookupError(f"there is no peak of {self._pid}")

    def growth(self) -> int:
        """Return how many bytes the peak is above the beginning."""
        return self._bytes() - self._before


def commit_seconds(folder: Path, times: int = 100) -> float:
    """Return the median time of a commit of one row on the disk that holds `folder`, in seconds.

    The database uses WAL and synchronous=FULL, so a commit is on the disk when it returns.
    """
    with tempfile.TemporaryDirectory(dir=folder) as place:
        database = sqlite3.connect(Path(place) / "commits.sqlite", isolation_level=None)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("CREATE TABLE lines (line BLOB)")
        taken = []
        for _ in range(times):
            start = time.perf_counter()
            database.execute("INSERT INTO lines VALUES (?)", (bytes(100),))
            taken.append(time.perf_counter() - start)
        database.close()
    return statistics.median(taken)


def facts(folder: Path) -> dict[str, Any]:
    """Return facts for readers of the numbers. The servers store their data in `folder`."""
    import twisted

    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "twisted": twisted.__version__,
        "sqlite": sqlite3.sqlite_version,
        "commit_ms": round(commit_seconds(folder) * 1e3, 3),
    }


def _cpu_model() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
