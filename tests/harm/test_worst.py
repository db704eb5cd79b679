"""Hostile lines: what a line costs grows no faster than the line."""

import random

import pytest

from tests.harm.worst import QUESTIONS, Case, Meter, cases

SHORT, LONG = 512, 8192
STEEPER = 4
"""So many times more than its length may a long line cost. What costs the square of its length
costs 16 times more, here."""

ALL = list(cases())
ASKED = [case for case in ALL if case.before in QUESTIONS.values()]
SOME = random.Random(11).sample([it for it in ALL if it.before not in QUESTIONS.values()], 500)
"""Of the thousands that there are, always the same ones; `python -m tests.harm.worst` tries all."""


@pytest.fixture(scope="module")
def meter():
    """Return a server of which it is known how long it is busy."""
    meter = Meter()
    yield meter
    meter.close()


def cost(meter: Meter, case: Case, size: int) -> float:
    """Return the least of several costs, less of them for a line that costs nothing to speak of."""
    return min(meter.seconds(case, size) for _ in range(3))


@pytest.mark.parametrize("some", [ASKED, SOME], ids=["questions", "commands"])
def test_no_line_costs_more_than_its_length(meter, some):
    """Of every question, and of commands in both dialects: with sixteen times the bytes it costs at
    most sixty-four times as much, on whatever machine."""
    empty = Case("nothing", b"", lambda size: b"/help quit")
    least = cost(meter, empty, 0)
    steep = [
        case.name
        for case in some
        if cost(meter, case, LONG) > STEEPER * LONG / SHORT * max(cost(meter, case, SHORT), least)
    ]
    assert steep == []
