"""The ages of entries, by the time that really passed, not by the clock.

Entries carry the time of the system's clock, which can be wrong: an hour ahead for a minute, or in
1970 until the network is up. A wrong clock must neither hurry nor stop retention. So the server
counts time while it runs, whatever the clock shows, and notes the newest block of each time.

While it does not run, only the clock tells how much time has passed. The part of it that did not
pass for sure is a gap after the newest block of then, and is doubted. The blocks before it grow
older by it slowly, `TAKEN_OVER` times as fast as time passes. If the clock is set back, that is
taken off again. Entries after the gap do not grow older by it.
"""

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import astuple, dataclass
from functools import reduce
from typing import Any, NamedTuple

from twisted.logger import Logger

from chatservice.limits import Limits

TAKEN_OVER = 24.0
"""A day in an hour. A clock that was wrong for a minute hurries nothing by more than 24 minutes;
behind a week without the server, the ages are right again after seven hours."""

GAP_SECONDS = 1.0
"""The clock has to differ by so much for a gap. Below that it is only set right by the network."""

TOLD_SECONDS = 3600.0
"""Beyond that the log tells that the clock was set, or the server was away."""

SETTLED_SECONDS = 86_400.0
"""A clock that went back has to go as time passes for so long until that is believed."""

_GAPS = 200
"""Gaps that are known. Beyond that the two oldest are one; what lies between is younger for it."""

_EPOCH = 1_000_000_000_001
"""The least time in milliseconds. It need not fit any clock, but by it damage is seen."""


def really_passed() -> float:
    """Return seconds of a clock that nobody sets, and that goes on while the machine sleeps."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)  # Linux
    return time.monotonic() if boot is None else time.clock_gettime(boot)


class Clocks(NamedTuple):
    """The clocks that the time is taken from: `wall`, seconds since 1970, as the system is set, and
    `passed`, seconds since any moment."""

    wall: Callable[[], float] = time.time
    passed: Callable[[], float] = really_passed


@dataclass(slots=True)
class _Gap:
    """Seconds that passed between `block` and the next one, if the clock was right: `taken` over,
    still `doubted`, and taken `off` since the clock went back."""

    block: int
    doubted: float
    taken: float = 0.0
    off: float = 0.0

    def take_off(self, seconds: float) -> float:
        """Take off up to so many seconds; return the rest."""
        doubted = min(seconds, self.doubted)
        taken = min(seconds - doubted, self.taken)
        self.doubted -= doubted
        self.taken -= taken
        self.off += doubted + taken
        return seconds - doubted - taken

    def put_back(self, seconds: float) -> float:
        """Doubt again up to so many seconds that were taken off; return the rest."""
        back = min(seconds, self.off)
        self.off -= back
        self.doubted += back
        return seconds - back


class EntryAges:
    """The tables `passed` and `aged` of the database `db`, for its thread. Within `commit`, all is
    stored or nothing."""

    log = Logger()

    def __init__(
        self,
        db: sqlite3.Connection,
        commit: Callable[[], AbstractContextManager[None]],
        clocks: Clocks,
        limits: Limits,
    ) -> None:
        self._limits = limits
        self._db = db
        self._commit = commit
        self._clocks = clocks
        self.load()

    def load(self) -> None:
        """Load the time that the database has."""
        row = self._db.execute("SELECT state FROM passed").fetchone()
        state = json.loads(row[0]) if row is not None else self._begun()
        self._now: float = state["now"]
        self._wall: float = state["wall"]
        self._debt: float = state["debt"]
        self._jumped: float = state["jumped"]
        self._gaps = [_Gap(*each) for each in state["gaps"]]
        self._passed = self._clocks.passed()
        noted = "SELECT coalesce(max(block), 0), coalesce(max(now), 0) FROM aged"
        self._newest, self._noted = self._db.execute(noted).fetchone()
        self._go_on()

    def _begun(self) -> dict[str, Any]:
        """Begin with the dates of the present entries. An entry dated in the future, or before the
        one before it, counts as old as that one."""
        wall = round(self._clocks.wall() * 1000)
        newest = since = 0
        rows: list[tuple[int, int]] = []
        sql = "SELECT id, time FROM block WHERE +log > 0 ORDER BY id"
        for id_, at in self._db.execute(sql):
            if newest < at <= wall:
                newest = max(at, _EPOCH)
            if rows and newest < since + self._limits.age_seconds * 1000:
                rows[-1] = id_, newest
            elif newest:
                rows.append((id_, newest))
                since = newest
        began = newest or max(wall, _EPOCH)
        state: dict[str, Any] = {"now": began / 1000, "wall": (newest or wall) / 1000}
        state |= {"debt": 0.0, "jumped": 0.0, "gaps": []}
        with self._commit():
            self._db.executemany("INSERT OR IGNORE INTO aged (block, now) VALUES (?, ?)", rows)
            self._db.execute("INSERT INTO passed VALUES (?)", (json.dumps(state),))
        return state

    def _go_on(self) -> float:
        """Advance the counted time to now, and return it in seconds."""
        wall, passed = self._clocks.wall(), self._clocks.passed()
        went = max(passed - self._passed, 0.0)
        self._now += went
        self._passed = passed
        self._wall += went
        jumped = wall - self._wall
        if abs(jumped) >= GAP_SECONDS:
            self._wall = wall
            self._jump(jumped)
        self._settle()
        self._take_over(TAKEN_OVER * went)
        return self._now

    def _jump(self, seconds: float) -> None:
        """Let the clock have gone so far ahead, or back."""
        if abs(seconds) >= TOLD_SECONDS:
            self.log.warn(
                "the clock has gone {hours} h {where} beside the time that passed for sure; what "
                "is kept for a time follows that slowly, for the clock may be wrong",
                hours=f"{abs(seconds) / 3600:.1f}",
                where="ahead" if seconds > 0 else "back",
            )
        self._jumped = self._now
        if seconds < 0:  # what was doubted last is wrong first
            self._debt += reduce(lambda left, gap: gap.take_off(left), self._gaps[::-1], -seconds)
            return
        paid = min(seconds, self._debt)  # it was behind, and is right again
        self._debt -= paid
        left = reduce(lambda left, gap: gap.put_back(left), self._gaps, seconds - paid)
        if left >= GAP_SECONDS:
            self._gaps.append(_Gap(self._newest_block(), left))
        if len(self._gaps) > _GAPS:
            first, second, *rest = self._gaps
            merged = _Gap(first.block, first.doubted + second.doubted, first.taken + second.taken)
            self._gaps = [merged, *rest]

    def _settle(self) -> None:
        """Believe a clock that has gone as time passes, for so long: it was right to go back."""
        if self._now > self._jumped + SETTLED_SECONDS:
            for gap in self._gaps:
                gap.off = 0.0
            self._gaps = [gap for gap in self._gaps if gap.doubted or gap.taken]

    def _take_over(self, seconds: float) -> None:
        for gap in self._gaps:
            taken = min(seconds, gap.doubted)
            gap.doubted -= taken
            gap.taken += taken
            seconds -= taken

    def _newest_block(self) -> int:
        (newest,) = self._db.execute("SELECT coalesce(max(id), 0) FROM block").fetchone()
        return int(newest)

    def now(self) -> int:
        """Return the time, in milliseconds; it never goes back."""
        return round(self._go_on() * 1000)

    def note(self, last: bool = False) -> None:
        """Note the time, and the age of all present blocks. If there are no new ones, or the last
        note is recent, only the `last` time."""
        now, newest = self.now(), self._newest_block()
        due = newest > self._newest or any(gap.doubted for gap in self._gaps)
        if not (last or (due and now >= self._noted + self._limits.age_seconds * 1000)):
            return
        gaps = [astuple(gap) for gap in self._gaps]
        state: dict[str, Any] = {"now": self._now, "wall": self._wall}
        state |= {"debt": self._debt, "jumped": self._jumped, "gaps": gaps}
        with self._commit():
            self._db.execute("UPDATE passed SET state = ?", (json.dumps(state),))
            if newest > self._newest:
                self._db.execute("INSERT INTO aged (block, now) VALUES (?, ?)", (newest, now))
        self._newest, self._noted = max(newest, self._newest), now

    def older_than(self, seconds: float) -> int:
        """Return the newest block that was stored more than so many seconds ago, for sure; 0 for
        none."""
        before = self.now() - seconds * 1000
        sql = "SELECT block FROM aged WHERE block <= ? AND now < ? ORDER BY block DESC LIMIT 1"
        found, newest = 0, self._newest
        for gap in [*reversed(self._gaps), _Gap(0, 0.0)]:
            row = self._db.execute(sql, (newest, before)).fetchone()
            found = max(found, row[0] if row is not None else 0)
            newest = min(newest, gap.block)
            before += gap.taken * 1000
        return found

    def forget(self, block: int) -> None:
        """Forget the notes of blocks before that one, within the present commit."""
        self._db.execute("DELETE FROM aged WHERE block < ?", (block,))
        self._gaps = [gap for gap in self._gaps if gap.block >= block or gap.doubted or gap.off]
