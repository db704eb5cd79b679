"""Print the results as one table: `python -m benchmarks.report RESULTS.json`."""

import json
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.rows import OURS, ROWS, Figures, Medians, Row, Target

Results = Mapping[str, Any]

LOAD_BUSY = 0.9
"""Above this share of its core, the load generator was the bottleneck, not the server."""

OTHERS_BUSY = 0.05
"""Above this share of a core used by other programs, a run is not reliable."""

NOTES = f"""\
x: divided by what inspircd has, or plain. CPU: the server's, for each delivery or each GiB.
load: how much of its core the load generator used; * above {LOAD_BUSY:.0%}: it was the bound, and
throughput is judged by CPU. others: what else ran on a core; ! above {OTHERS_BUSY:.0%} in
every run: measure again."""


def table(results: Results) -> str:
    """Return all results as a table, and then each target with a verdict."""
    lines = [("row", "server", "result", "x", "CPU", "x", "load", "others")]
    verdicts = []
    for name, runs in results["rows"].items():
        row, found = ROWS[name], medians(runs)
        base = found.get(row.base, {})
        for server, figures in found.items():
            cost = next((x for x in _COSTS if x in figures), "")
            lines.append(
                (
                    name,
                    server,
                    row.shown(figures),
                    _ratio(row.main, figures, base),
                    _COSTS[cost].format(figures[cost]) if cost else "",
                    _ratio(cost, figures, base),
                    _share(figures, "load_busy", LOAD_BUSY, "*"),
                    _share(figures, "others_busy", OTHERS_BUSY, "!"),
                )
            )
        lines += [
            (name, server, "not installed", *[""] * 5)
            for server, version in results["versions"].items()
            if version is None and server in row.against
        ]
        verdicts += [(name, *verdict(row, target, found)) for target in row.targets]
    return "\n".join([*_about(results), "", *_aligned(lines), "", NOTES, "", *_aligned(verdicts)])


_COSTS = {"cpu_ns_per_delivery": "{:.0f} ns", "cpu_ms_per_gib": "{:.0f} ms/GiB"}


def medians(runs: Mapping[str, Sequence[Figures]]) -> Medians:
    """Return the median of each figure, by server. Undisturbed runs count, if there are any."""
    found = {}
    for server, measured in runs.items():
        calm = [run for run in measured if run.get("others_busy", 0) <= OTHERS_BUSY] or measured
        found[server] = {
            figure: statistics.median(run[figure] for run in calm if figure in run)
            for figure in {figure: None for run in calm for figure in run}
        }
    return found


def verdict(row: Row, target: Target, found: Medians) -> tuple[str, str, str]:
    """Return a row's target, the value reached, and the verdict."""
    value, how = target.value, ""
    bound = any(found.get(x, {}).get("load_busy", 0) > LOAD_BUSY for x in (row.base, OURS))
    if target.by_cpu and bound:
        value, how = target.by_cpu, " by CPU"
    try:
        reached = value(found)
    except (KeyError, ZeroDivisionError):
        return target.text, "-", "not measured"
    met = reached >= target.bound if target.at_least else reached <= target.bound
    return target.text, f"{reached:.4g}{how}", "met" if met else "NOT MET"


def _about(results: Results) -> Iterable[str]:
    for facts in (results["machine"], results["versions"]):
        yield ", ".join(f"{name}: {fact}" for name, fact in facts.items() if fact is not None)
    yield f"runs: {results['runs']}, seconds: {results['seconds']}, quick: {results['quick']}"


def _ratio(figure: str, one: Figures, other: Figures) -> str:
    if figure not in one or not other.get(figure):
        return ""
    return f"{one[figure] / other[figure]:.2f}"


def _share(figures: Figures, name: str, bound: float, mark: str) -> str:
    share = figures.get(name)
    return "" if share is None else f"{share:.0%}{mark if share > bound else ''}"


def _aligned(lines: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (text.ljust(width) for text, width in zip(line, widths, strict=True))
        yield "  ".join(cells).rstrip()


if __name__ == "__main__":
    print(table(json.loads(Path(sys.argv[1]).read_text())))
