"""Keeping the index for /search up to date.

The indexer follows the log in small steps, in a thread of its own, and rests for most of the time
while there is talk: after a flood it lags, and catches up later. A search looks through entries
without an index as they are (`chatservice.engines.sqlite.search`).
"""

import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

from twisted.logger import Logger

from chatservice.engines.sqlite import blocks, integrity
from chatservice.engines.sqlite.integrity import open_reader
from chatservice.engines.sqlite.searchindex import (
    FILES,
    STEP_ENTRIES,
    add,
    is_damage,
    number,
    open_index,
    rows_of,
)
from chatservice.engines.sqlite.threads import give_way
from chatservice.limits import Limits

STEP_BLOCKS = 64
"""Taken in at a time, at most: with a few entries each, a few milliseconds."""

TROUBLE_SECONDS = 30.0
"""How long the indexer waits where its disk fails."""

GATHERING_SECONDS = 2.0
"""How long what is new is gathered first: a commit for each entry would be one too many."""

MERGE_PAGES = 100
"""Of the index that are written at a time while it is merged: a few milliseconds."""

SHARE = 24
"""While there is talk, the indexer rests so many times as long as it works."""


class Indexer:
    """Keeps the index of the log at `path`, in `index`, up to date. `nudge` tells it that there is
    something new."""

    log = Logger()

    def __init__(self, path: Path, index: Path, limits: Limits) -> None:
        self._limits = limits
        self._log = open_reader(path)
        self._path = index
        self._db = open_index(index, self._log)
        self._reached = 0
        self._some_ended = True  # there may have been some before this started
        self._again = False
        self._begin()
        self._new = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="chat-indexer", daemon=True)

    def _begin(self) -> None:
        """Begin with the index on the disk. Erased entries that were not merged away then are
        erased again."""
        (self._taken_out,) = self._db.execute("SELECT id FROM forgotten").fetchone()
        self._merging = 0
        self._uncleaned = False

    def start(self) -> None:
        """Begin to follow the log."""
        self._new.set()
        self._thread.start()

    def nudge(self, ended: bool = False) -> None:
        """There is something new in the log, or some of it is no longer kept."""
        if ended:
            self._some_ended = True
        if not self._new.is_set():
            self._new.set()

    def behind(self, log: sqlite3.Connection) -> int:
        """Return about how many blocks are not in the index yet. `log` is the caller's own."""
        (newest,) = log.execute("SELECT coalesce(max(id), 0) FROM block").fetchone()
        return max(int(newest) - self._reached, 0)

    def make_again(self) -> None:
        """The index is damaged: make it again."""
        self._again = True
        self._new.set()

    def stop(self) -> None:
        """Stop where it is, and close the index."""
        self._stopped.set()
        self._new.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._db.close()
        self._log.close()

    def _work(self) -> None:
        give_way()
        while not self._stopped.is_set():
            self._new.wait()
            self._stopped.wait(GATHERING_SECONDS)
            self._new.clear()
            try:
                if self._again:
                    self._begin_again()
                self._catch_up()
            except (sqlite3.Error, OSError) as error:
                if isinstance(error, sqlite3.Error) and is_damage(error) and not self._again:
                    self._again = True
                else:
                    self.log.failure("the index for /search could not be brought up to date")
                    self._stopped.wait(TROUBLE_SECONDS)
                self._new.set()

    def _begin_again(self) -> None:
        self.log.info("the index for /search is damaged, and is made again")
        self._db.close()
        for suffix in FILES:
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        self._db = open_index(self._path, self._log)
        self._begin()
        self._again = False

    def _catch_up(self) -> None:
        more = True
        while more and not self._stopped.is_set():
            began = time.monotonic()
            more = self.step()
            if self._new.is_set():
                self._stopped.wait(SHARE * (time.monotonic() - began))

    def step(self) -> bool:
        """Index some blocks, and remove some entries that are no longer kept. Return whether there
        may be more to do."""
        (reached,) = self._db.execute("SELECT block FROM reached").fetchone()
        self._reached = reached
        sql = (
            "SELECT id, log, first, time, entries,"
            " EXISTS (SELECT 1 FROM room WHERE room.log = block.log)"
            " FROM block WHERE id > ? ORDER BY id LIMIT ?"
        )
        rows: list[tuple[int, str]] = []
        last = None
        with closing(self._log.execute(sql, (reached, STEP_BLOCKS))) as new:
            for *last, data, of_a_room in new:
                if of_a_room:  # inboxes are private
                    rows += self._readable(last[1], last[2], data)
                if len(rows) >= STEP_ENTRIES:
                    break
        erased = self._erased()  # after the blocks: what is erased since then is found next time
        ended = self._ended() if self._some_ended else []
        if not (last or ended or erased):
            return self._merge()
        if erased:  # until all of it is merged, what is deleted is written over
            self._db.execute("PRAGMA secure_delete = ON")
        with self._db:
            self._db.execute("BEGIN")
            add(self._db, rows)
            if last:
                sql = "UPDATE reached SET (block, log, first, time) = (?, ?, ?, ?)"
                self._db.execute(sql, last)
            for log, position in ended:
                self._take_out(log, position)
            self._forget(erased)
        return True

    def _erased(self) -> list[tuple[int, int, int]]:
        """Return the next entries whose text was erased: id, log and position."""
        sql = "SELECT id, log, position FROM erased WHERE id > ? ORDER BY id LIMIT ?"
        return self._log.execute(sql, (self._taken_out, STEP_BLOCKS)).fetchall()

    def _forget(self, erased: list[tuple[int, int, int]]) -> None:
        """Remove entries. The rest of their words goes as the index is merged."""
        if erased:
            rows = [(number(log, position),) for _, log, position in erased]
            self._db.executemany("DELETE FROM entry WHERE rowid = ?", rows)
            self._taken_out = erased[-1][0]
            self._merging = -MERGE_PAGES  # negative, at first: all of it (FTS5, "merge")

    def _merge(self) -> bool:
        """Merge some of the index, so that removed entries disappear from it altogether."""
        if self._merging:
            before = self._db.total_changes
            sql = "INSERT INTO entry (entry, rank) VALUES ('merge', ?)"
            self._db.execute(sql, (self._merging,))
            self._merging = MERGE_PAGES if self._db.total_changes - before >= 2 else 0
            if not self._merging:
                self._db.execute("UPDATE forgotten SET id = ?", (self._taken_out,))
                self._db.execute("PRAGMA secure_delete = OFF")
                self._uncleaned = True
        elif self._uncleaned:  # the words are still in the write-ahead log
            self._uncleaned = not integrity.emptied(self._db)
            if self._uncleaned:
                self._stopped.wait(integrity.AGAIN_SECONDS)
        return bool(self._merging) or self._uncleaned

    def _readable(self, log: int, first: int, data: bytes) -> list[tuple[int, str]]:
        """Return the rows of a block; none of one that is damaged, which is for others to say."""
        try:
            return list(rows_of(log, blocks.unpack(first, data)))
        except ValueError:
            self.log.warn("a block of log {log} at {first} is damaged", log=log, first=first)
            return []

    def _ended(self) -> list[tuple[int, int]]:
        """Return a log of which entries are to be taken out, with the last position of these."""
        self._some_ended = False
        known = dict(self._db.execute("SELECT log, position FROM ended"))
        found = self._log.execute("SELECT id, ended FROM log WHERE ended > 0").fetchall()
        logs = [(log, ended) for log, ended in found if known.get(log, 0) < ended]
        if logs:
            self._some_ended = True
        return logs[:1]

    def _take_out(self, log: int, position: int) -> None:
        """Take some of the entries up to `position` out, and note it when all are."""
        among = (number(log, 0), number(log, position), self._limits.scan_entries // 10)
        gone = self._db.execute(
            "DELETE FROM entry WHERE rowid IN"
            " (SELECT rowid FROM entry WHERE rowid BETWEEN ? AND ? ORDER BY rowid LIMIT ?)",
            among,
        ).rowcount
        if gone < among[2]:
            self._db.execute("REPLACE INTO ended VALUES (?, ?)", (log, position))
