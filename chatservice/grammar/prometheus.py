"""Prometheus's text format 0.0.4: families of samples, as a monitoring server reads them.

The format is a line a sample, so a writer is shorter than the use of a library, and operators need
to install nothing. The tests read it with the parser of prometheus-client.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Family(NamedTuple):
    """A metric: its `name`, its `kind` (counter, gauge or histogram), a sentence about it, and the
    ends of its lines after the name, as `{code="too-fast"}`, with their values."""

    name: str
    kind: str
    help: str
    samples: Mapping[str, float]


def single(name: str, kind: str, help: str, value: float) -> Family:
    """Return a metric with one value."""
    return Family(name, kind, help, {"": value})


def labelled(
    name: str, kind: str, help: str, label: str, values: Iterable[tuple[str, float]]
) -> Family:
    """Return a metric with a value for each value of a label."""
    return Family(name, kind, help, {_labels(label, key): value for key, value in values})


def histogram(
    name: str, help: str, bounds: Sequence[float], cumulated: Sequence[int], total: float
) -> Family:
    """Return a histogram. `cumulated` has the number of observations within each bound, and then
    that of all; `total` is their sum."""
    pairs = zip((*map(str, bounds), "+Inf"), cumulated, strict=True)
    samples = {f"_bucket{_labels('le', bound)}": float(count) for bound, count in pairs}
    return Family(
        name, "histogram", help, {**samples, "_sum": total, "_count": float(cumulated[-1])}
    )


def encode(families: Iterable[Family]) -> bytes:
    """Return families as the body of an answer."""
    return "".join(line for family in families for line in _lines(family)).encode()


def _lines(family: Family) -> Iterable[str]:
    text = family.help.replace("\\", r"\\").replace("\n", r"\n")
    yield f"# HELP {family.name} {text}\n# TYPE {family.name} {family.kind}\n"
    for end, value in family.samples.items():
        yield f"{family.name}{end} {_number(value)}\n"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _labels(name: str, value: str) -> str:
    escaped = value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
    return f'{{{name}="{escaped}"}}'
