"""The ages of entries are right with any clock."""

import sqlite3
from contextlib import closing, contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatservice.engines.sqlite.entryages import TAKEN_OVER, Clocks, EntryAges
from chatservice.engines.sqlite.schema import TABLES
from chatservice.limits import Limits

HOUR, DAY, YEAR = 3600, 86_400, 31_557_600
START = 1_700_000_000


class World:
    """A database, and clocks, one of which can be wrong."""

    def __init__(self):
        self.real = 0.0
        self.ahead = 0.0
        self.db = sqlite3.connect(":memory:", isolation_level=None)
        self.db.executescript(TABLES)
        self.block = 0
        self.said = {}
        self.start()

    def start(self):
        """Start the server."""
        booted = self.real
        clocks = Clocks(lambda: START + self.real + self.ahead, lambda: self.real - booted)
        self.ages = EntryAges(self.db, self.commit, clocks, Limits())

    @contextmanager
    def commit(self):
        """Store all of it, or nothing."""
        self.db.execute("BEGIN")
        yield
        self.db.execute("COMMIT")

    def say(self):
        """Let something be said."""
        self.block += 1
        self.said[self.block] = self.real
        at = round((START + self.real + self.ahead) * 1000)
        row = (self.block, self.block, self.block, at)
        self.db.execute("INSERT INTO block VALUES (?, 1, ?, ?, ?, 'x')", row)
        self.ages.note()

    def run(self, seconds):
        """Let time pass while the server runs."""
        for _ in range(10):
            self.real += seconds / 10
            self.ages.note()

    def away(self, seconds):
        """Let time pass while it does not."""
        self.ages.note(last=True)
        self.real += seconds
        self.start()


STEPS = st.one_of(
    st.tuples(st.just("run"), st.sampled_from([60, HOUR, DAY, 30 * DAY])),
    st.tuples(st.just("away"), st.sampled_from([1, HOUR, DAY, 30 * DAY])),
    st.tuples(st.just("say"), st.none()),
)


@given(st.lists(STEPS, max_size=30))
def test_with_a_clock_that_is_right(steps):
    """A block that is told to be older than a time is at least so old. One that was stored while
    this server ran, and noted, is told as soon as it is."""
    world = World()
    for step, value in steps:
        getattr(world, step)(*([] if value is None else [value]))
        for keep in (HOUR, DAY, 90 * DAY):
            old = world.ages.older_than(keep)
            assert all(world.real - world.said[it] >= keep - 1 for it in world.said if it <= old)


@given(
    st.lists(
        st.one_of(
            STEPS, st.tuples(st.just("set"), st.sampled_from([YEAR, -50 * YEAR, HOUR, -DAY]))
        ),
        max_size=30,
    )
)
def test_a_clock_that_is_wrong_for_a_minute_hurries_nothing(steps):
    """It is set wrong for a minute at any time, also while the server starts, and as often as one
    likes: nothing goes by more than the minutes in which it was wrong."""
    world, wrong = World(), 0.0
    for step, value in steps:
        if step == "set":
            world.ages.note(last=True)
            world.ahead = value
            world.start()
            world.say()
            world.run(60)
            world.ages.note(last=True)
            world.ahead = 0
            world.start()
            wrong += 60
        else:
            getattr(world, step)(*([] if value is None else [value]))
        for keep in (HOUR, DAY, 90 * DAY):
            old = world.ages.older_than(keep)
            least = keep - 1 - (1 + TAKEN_OVER) * wrong
            assert all(world.real - world.said[it] >= least for it in world.said if it <= old)


@pytest.mark.parametrize("ahead", [0, YEAR, -YEAR, -50 * YEAR])
def test_whatever_the_clock_says_old_things_go(ahead):
    """While the server runs, time passes: with any clock, what is too old goes in the end, and not
    much later than it should."""
    world = World()
    world.ahead = ahead
    world.say()
    world.run(DAY)
    world.say()
    world.ahead = 0
    world.run(Limits().age_seconds * 20)
    world.say()
    world.run(90 * DAY)
    assert world.ages.older_than(90 * DAY) >= 1
    assert world.ages.older_than(89 * DAY) >= 2


def test_after_a_long_absence_the_ages_are_right_soon():
    """A month without the server is taken over in thirty hours, and not at once."""
    world = World()
    world.say()
    world.away(30 * DAY)
    assert world.ages.older_than(20 * DAY) == 0
    world.run(30 * HOUR)
    assert world.ages.older_than(30 * DAY) == 1


def test_a_database_from_before_begins_with_the_dates_of_its_entries():
    """Dates in the future, or before those of earlier entries, are left out."""
    world = World()
    for ago in (100 * DAY, 99 * DAY, -YEAR, 50 * YEAR, 50 * DAY, DAY):
        world.block += 1
        at = round((START - ago) * 1000)
        row = (world.block, world.block, world.block, at)
        world.db.execute("INSERT INTO block VALUES (?, 1, ?, ?, ?, 'x')", row)
    for table in ("passed", "aged"):
        world.db.execute(f"DELETE FROM {table}")
    world.start()
    world.run(HOUR)  # since the newest entry, a day has passed, if the clock is right
    found = [world.ages.older_than(days * DAY) for days in (101, 99.5, 98, 51, 40, 1.5)]
    assert found == [0, 1, 4, 4, 5, 5]


def test_few_notes_are_made():
    """However much is said, one in ten minutes, and none where nothing is said."""
    world = World()
    for _ in range(1000):
        world.say()
        world.real += 6
    world.run(YEAR)
    with closing(world.db) as db:
        assert db.execute("SELECT count(*) FROM aged").fetchone()[0] <= 12
