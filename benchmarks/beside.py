"""Compare this checkout with another one: `python -m benchmarks --beside COMMIT-OR-PATH`.

Three servers take turns, row by row and run by run: the other checkout (`before`), the same one
again (`again`), and this one (`now`). The difference between the first two is noise.
Each runs from a copy, so the code can be edited meanwhile.
"""

import compileall
import shutil
import statistics
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import Chatservice, Peer
from benchmarks.rows import ROWS, Figures

HERE = Path(__file__).parents[1]

BEFORE, AGAIN, NOW = "before", "again", "now"

CODE = ("chatservice", "twisted")
"""The folders of a checkout that a server needs."""

SLOW = ("floods", "start-10M")
"""Rows that are compared only if `--rows` names them: each takes minutes."""

DEARER = 1.05
"""The bound for CPU and memory, as a multiple of the value before."""


@dataclass(frozen=True)
class Compared:
    """A figure that is compared. Up to `bound` times worse is always accepted."""

    written: str
    scale: float = 1.0
    more_is_better: bool = False
    bound: float = 1.0

    def worse(self, one: float, other: float) -> float:
        """Return how many times worse `one` is than `other`."""
        return other / one if self.more_is_better else one / other


_LATENESS = Compared("{:.2f} ms", 1e-3)

FIGURES = {
    "cpu_ns_per_delivery": Compared("{:.1f} ns", bound=DEARER),
    "cpu_us_per_join": Compared("{:.1f} us", bound=DEARER),
    "cpu_ms_per_gib": Compared("{:.0f} ms/GiB", bound=DEARER),
    "cpu_us_per_get": Compared("{:.1f} us", bound=DEARER),
    "new_cpu_us_per_get": Compared("{:.1f} us", bound=DEARER),
    "health_cpu_us_per_get": Compared("{:.1f} us", bound=DEARER),
    "page_cpu_us_per_get": Compared("{:.1f} us", bound=DEARER),
    "websocket_bytes_per_connection": Compared("{:.0f} bytes", bound=1.01),
    "irc_bytes_per_connection": Compared("{:.0f} bytes", bound=1.01),
    "text_bytes_per_connection": Compared("{:.0f} bytes", bound=1.01),
    "json_bytes_per_connection": Compared("{:.0f} bytes", bound=1.01),
    "memory_during": Compared("{:.1f} MB", 1e-6, bound=DEARER),
    "memory": Compared("{:.1f} MB", 1e-6, bound=DEARER),
    "deliveries_per_s": Compared("{:.3f} M/s", 1e-6, more_is_better=True),
    "joined_per_s": Compared("{:.0f} /s", more_is_better=True),
    "bytes_per_s": Compared("{:.3f} GB/s", 1e-9, more_is_better=True),
    "p50_us": _LATENESS,
    "p99_us": _LATENESS,
    "worst_p99_us": _LATENESS,
    "without_p99_us": _LATENESS,
    "start_s": Compared("{:.2f} s"),
}


def contenders(other: str, folder: Path) -> dict[str, Peer]:
    """Return the servers to compare, by label. `other` is a commit or a checkout's path.

    Copies of both checkouts are made in `folder`. Raises `SystemExit` if `other` is
    neither.
    """
    before, now = folder / BEFORE, folder / NOW
    for place in (before, now):
        place.mkdir()
    if Path(other).is_dir():
        _copy(Path(other), before)
    else:
        _extract(other, before)
    _copy(HERE, now)
    for place in (before, now):
        compileall.compile_dir(place, quiet=1)
    return {BEFORE: Chatservice(before), AGAIN: Chatservice(before), NOW: Chatservice(now)}


def table(rows: Mapping[str, Mapping[str, Sequence[Figures]]]) -> str:
    """Return the results, by row and label, as a table with a verdict for each figure."""
    lines: list[tuple[str, ...]] = [
        ("row", "figure", BEFORE, NOW, "now/before", "again/before", "single runs", "")
    ]
    for name, runs in rows.items():
        if BEFORE in runs and NOW in runs:
            lines += [line for figure in FIGURES for line in _line(name, figure, runs)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _line(
    row: str, figure: str, runs: Mapping[str, Sequence[Figures]]
) -> Iterable[tuple[str, ...]]:
    values = {label: [run[figure] for run in of if figure in run] for label, of in runs.items()}
    if not values[BEFORE] or not values[NOW]:
        return
    compared = FIGURES[figure]
    ratios = _ratios(values[NOW], values[BEFORE])
    control = _ratios(values.get(AGAIN, []), values[BEFORE])
    before, now = (
        compared.written.format(statistics.median(values[label]) * compared.scale)
        for label in (BEFORE, NOW)
    )
    yield (
        row,
        figure,
        before,
        now,
        f"{statistics.median(ratios):.3f}",
        f"{statistics.median(control):.3f}" if control else "-",
        f"{min(control):.2f}-{max(control):.2f}" if control else "-",
        _verdict(compared, ratios, control),
    )


def _ratios(ones: Sequence[float], others: Sequence[float]) -> list[float]:
    """Return the ratio of each run to the run beside it, which had the same background load."""
    return [one / other for one, other in zip(ones, others, strict=False) if other]


def _verdict(compared: Compared, ratios: Sequence[float], control: Sequence[float]) -> str:
    """Return `WORSE` if a figure is worse by more than its bound and by more than noise."""
    worse = compared.worse(statistics.median(ratios), 1)
    noise = statistics.median([max(ratio, 1 / ratio) for ratio in control]) if control else 1.0
    if worse <= max(compared.bound, noise):
        return "ok" if noise <= max(compared.bound, DEARER) else f"ok within +-{noise - 1:.0%}"
    return "WORSE"


def default_rows() -> list[str]:
    """Return the names of the rows that are compared by default."""
    return [name for name in ROWS if name not in SLOW]


def _extract(commit: str, folder: Path) -> None:
    archive = subprocess.run(
        ["git", "-C", str(HERE), "archive", commit, *CODE], stdout=subprocess.PIPE, check=False
    )
    if archive.returncode:
        raise SystemExit(f"benchmarks: {commit} is neither a folder nor a commit with {CODE}.")
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)


def _copy(checkout: Path, folder: Path) -> None:
    for name in CODE:
        shutil.copytree(
            checkout / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.cache")
        )
