"""How long to wait before one tries again."""

import random
from collections.abc import Callable, Iterator

FIRST_PAUSE, LONGEST_PAUSE, GROWTH = 0.5, 30.0, 1.6
"""In seconds. A short break is over at once; and a server that comes back after a long one, with
all its users, is asked no more than twice a minute by each."""


def pauses(chance: Callable[[], float] = random.random) -> Iterator[float]:
    """Return how long to wait before each attempt, for ever: longer and longer, and not quite
    regular, so that not everybody comes back at once. `chance` gives numbers from 0 to 1."""
    pause = FIRST_PAUSE
    while True:
        yield pause * (0.75 + chance() / 2)
        pause = min(pause * GROWTH, LONGEST_PAUSE)
