"""Draw the results: `python -m benchmarks.picture RESULTS.json OUT.svg`.

Bars, a panel for each figure of a row. Each panel has a scale of its own, which begins at 0. If
less is better, a bar that would leave no room for the others is cut, with a gap in it.
"""

import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path

from benchmarks.report import Results, medians
from benchmarks.rows import OURS, ROWS, Medians

WIDTH, MARGIN, GAP = 860, 24, 36
COLUMN = (WIDTH - 2 * MARGIN - GAP) // 2
LABEL, NUMBER = 84, 74
"""Widths of a server's name before its bar, and of the number behind it."""

BAR, STEP = 14, 20
HEADING, BELOW = 30, 16
GAP_SIZE = f'width="5" height="{BAR}"'

STYLE = """
  text { font-family: "Segoe UI", Helvetica, Arial, "DejaVu Sans", sans-serif; fill: #1f2328; }
  text { font-size: 12px; }
  .title { font-size: 16px; font-weight: 600; }
  .heading { font-weight: 600; }
  .quiet { fill: #59636e; }
  .page { fill: #ffffff; stroke: #d1d9e0; }
  rect.gap { stroke: none; }
  .bar { fill: #afb8c1; }
  .ours { fill: #1f6feb; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .quiet { fill: #9198a1; }
    .page { fill: #0d1117; stroke: #3d444d; }
    .bar { fill: #565e68; }
    .ours { fill: #4493f8; }
  }
"""


@dataclass(frozen=True)
class Panel:
    """One figure of a row: its heading, the format of its numbers, and what is better."""

    row: str
    figure: str
    heading: str
    written: Callable[[float], str]
    more_is_better: bool = False

    @property
    def title(self) -> str:
        """The heading, and what is better."""
        return f"{self.heading}, {'more' if self.more_is_better else 'less'} is better"


def _rate(value: float) -> str:
    return f"{value / 1e6:.1f} M/s" if value >= 1e6 else f"{value / 1e3:.0f} k/s"


def _nanoseconds(value: float) -> str:
    return f"{value:.0f} ns" if value < 1e4 else f"{value / 1e3:.1f} us"


def _milliseconds(value: float) -> str:
    return f"{value / 1e3:.1f} ms"


def _kibibytes(value: float) -> str:
    return f"{value / 1024:.1f} KiB"


def _gigabytes(value: float) -> str:
    return f"{value / 1e9:.2f} GB/s"


def _talk(row: str, what: str) -> list[Panel]:
    return [
        Panel(row, "deliveries_per_s", f"{what}: lines delivered", _rate, more_is_better=True),
        Panel(row, "cpu_ns_per_delivery", "CPU for each", _nanoseconds),
    ]


PANELS = [
    *_talk("1x100", "1 room of 100"),
    *_talk("1x1000", "1 room of 1000"),
    *_talk("100x10", "100 rooms of 10"),
    *_talk("1-in-flight", "1 message at a time"),
    Panel("20-a-second", "p99_us", "20 messages/s to 1000: p99", _milliseconds),
    Panel("20-a-second", "cpu_ns_per_delivery", "CPU for each", _nanoseconds),
    Panel("idle", "bytes_per_connection", "memory of an idle connection", _kibibytes),
    Panel("file-up", "bytes_per_s", "a file to the server", _gigabytes, more_is_better=True),
]


def picture(results: Results) -> str:
    """Return an SVG of everything in `PANELS` that was measured."""
    found = {row: medians(runs) for row, runs in results["rows"].items() if row in ROWS}
    drawn = [it for it in PANELS if any(it.figure in of for of in found.get(it.row, {}).values())]
    parts: list[str] = []
    top = MARGIN + 44
    for first in range(0, len(drawn), 2):
        pair = drawn[first : first + 2]
        for column, panel in enumerate(pair):
            parts += _panel(panel, found[panel.row], MARGIN + column * (COLUMN + GAP), top)
        top += HEADING + BELOW + STEP * max(len(found[panel.row]) for panel in pair)
    height = top + MARGIN - BELOW
    facts = results["machine"]
    about = (
        f"{facts['cpu']}, one core for the server and one for the load; Python {facts['python']}, "
        f"Twisted {facts['twisted']}; median of {results['runs']}"
    )
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="img" aria-label="chatservice beside other servers">',
        f"<style>{STYLE}</style>",
        f'<rect class="page" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>',
        _text(MARGIN, MARGIN + 8, "title", "chatservice, which stores everything, beside others"),
        _text(MARGIN, MARGIN + 28, "quiet", about),
    ]
    return "\n".join([*head, *parts, "</svg>"]) + "\n"


def _panel(panel: Panel, found: Medians, left: int, top: int) -> Iterable[str]:
    values = {name: of[panel.figure] for name, of in found.items() if panel.figure in of}
    longest = _longest(panel, sorted([0.0, *values.values()]))
    scale = (COLUMN - LABEL - NUMBER) / longest
    yield _text(left, top + 16, "heading", panel.title)
    for number, (name, value) in enumerate(values.items()):
        y = top + HEADING + number * STEP
        width = max(1.0, min(value, longest) * scale)
        kind = "bar ours" if name == OURS else "bar"
        yield _text(left, y + 11, "", name)
        yield (
            f'<rect class="{kind}" x="{left + LABEL}" y="{y}" width="{width:.1f}" '
            f'height="{BAR}" rx="2"/>'
        )
        if value > longest:
            yield f'<rect class="page gap" x="{left + LABEL + width - 24:.1f}" y="{y}" {GAP_SIZE}/>'
        yield _text(left + LABEL + width + 6, y + 11, "", panel.written(value))


def _longest(panel: Panel, values: list[float]) -> float:
    """Return the value of the longest bar."""
    second, largest = values[-2:]
    cut = largest > 5 * second > 0 and not panel.more_is_better
    return 1.3 * second if cut else largest


def _text(x: float, y: float, kind: str, text: str) -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{named}>{escape(text)}</text>'


def main() -> None:
    """Read the results, and write the picture."""
    if len(sys.argv) != 3:
        raise SystemExit("usage: python -m benchmarks.picture RESULTS.json OUT.svg")
    results = json.loads(Path(sys.argv[1]).read_text())
    Path(sys.argv[2]).write_text(picture(results))


if __name__ == "__main__":
    main()
