"""Hostile lines: what a line costs grows no faster than the line."""

import random

import pytest

from tests.harm.linecost import QUESTIONS, Case, CostMeter, cases

SHORT, LONG = 512, 8192
STEEPER = 4
"""A long line may cost so many times more than its length. A cost that grows with the square of the
length is 16 times as high here."""

ALL = list(cases())
ASKED = [case for case in ALL if case.before in QUESTIONS.values()]
SOME = random.Random(11).sample([it for it in ALL if it.before not in QUESTIONS.values()], 500)
"""Some of thousands, always the same ones; `python -m tests.harm.linecost` tries all."""


@pytest.fixture(scope="module")
def meter():
    """Return a server of which it is known how long it is busy."""
    meter = CostMeter()
    yield meter
    meter.close()


PAIRS = 12
"""A case is measured so often before it counts as steep. Other load on the machine only adds to a
measure, so one pair with a cheap long line is proof enough."""


def is_steep(meter: CostMeter, case: Case, least: float) -> bool:
    """Return whether a long line costs more than its length allows, in every pair of measures.
    Costs below `least` seconds count as `least`."""
    most = STEEPER * LONG / SHORT
    return all(
        meter.seconds(case, LONG) > most * max(meter.seconds(case, SHORT), least)
        for _ in range(PAIRS)
    )


@pytest.mark.parametrize("some", [ASKED, SOME], ids=["questions", "commands"])
def test_no_line_costs_more_than_its_length(meter, some):
    """Of every question, and of commands in both formats: with sixteen times the bytes it costs at
    most sixty-four times as much, on any machine."""
    empty = Case("nothing", b"", lambda size: b"/help quit")
    least = min(meter.seconds(empty, 0) for _ in range(PAIRS))
    assert [case.name for case in some if is_steep(meter, case, least)] == []
