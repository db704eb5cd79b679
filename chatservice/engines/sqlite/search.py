"""Search: the index first, and then the entries that are not in it yet.

Both get the same query, so the answer is complete, however far the index is behind.
"""

import json
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from unicodedata import normalize

from chatservice.domain.ports import SearchResult
from chatservice.engines.sqlite import blocks
from chatservice.engines.sqlite.integrity import open_reader
from chatservice.engines.sqlite.searchindex import (
    ASK,
    ENTRIES,
    POSITIONS,
    add,
    is_damage,
    is_error,
    number,
    rows_of,
)
from chatservice.entries import Entry, Kind, Run
from chatservice.errors import Code, Refusal
from chatservice.limits import Limits

_HANDLER_STEPS = 10_000
"""Steps of SQLite's machine between two looks at the clock: a millisecond or less."""


def terms(words: str) -> str:
    """Return a question to FTS5 for what somebody typed. Raises `Refusal` (bad-argument).

    All words must be there; `"quoted words"` as they stand there, one behind the other; a `*` at
    the end stands for any rest of a word. Nothing that is typed is FTS5's own syntax.
    """
    found = []
    for quoted, word in re.findall(r'"([^"]*)"|([^\s"]+)', words.replace("\0", " ")):
        term = quoted or word
        if any(c.isalnum() for c in term):
            found.append('"' + term + '"' + ("*" if word.endswith("*") else ""))
    if not found:
        raise Refusal(Code.BAD_ARGUMENT, "There is no word in that; say what to search for.")
    return " ".join(found)


class Searcher:
    """Searches the index in `index`, and the log at `path`, for one thread at a time.

    Calls `damaged` if the index is damaged. It opens the index for each search, because it may be
    made again.
    """

    def __init__(
        self, path: Path, index: Path, damaged: Callable[[], None], limits: Limits
    ) -> None:
        self._limits = limits
        self._log = open_reader(path)
        self._index = index
        self._damaged = damaged
        self._until = 0.0
        self._log.set_progress_handler(self._late, _HANDLER_STEPS)

    def close(self) -> None:
        """Be done with it."""
        self._log.close()

    def _late(self) -> bool:
        return time.monotonic() > self._until

    def search(self, log: int, words: str, before: int, limit: int, until: float) -> SearchResult:
        """Return the last `limit` entries of a log before a position that have all these words.

        `until` is when to give it up, by the clock of `time.monotonic`. Raises `Refusal`
        (bad-argument, too-slow).
        """
        question = terms(normalize("NFC", words))
        self._until = until
        try:
            return self._found(log, question, before, limit)
        except sqlite3.OperationalError as error:
            if not is_error(error, sqlite3.SQLITE_INTERRUPT):
                raise
        except TimeoutError:
            pass
        raise Refusal(
            Code.TOO_SLOW, "That takes too long now; search for a rarer word as well, or later."
        )

    def _found(self, log: int, question: str, before: int, limit: int) -> SearchResult:
        if limit <= 0 or before <= 0:
            return SearchResult([], False)
        among = (question, number(log, 0), number(log, before - 1))
        reached, asked = self._ask_index(log, among, limit)
        fresh, pending = self._not_indexed(log, reached, before)
        rows = sorted({*self._ask_fresh(fresh, among, limit), *asked})[-limit:]
        positions = [row & ((1 << POSITIONS) - 1) for row in rows]
        return SearchResult(list(self._entries(log, positions)), pending)

    def _ask_index(
        self, log: int, among: tuple[str, int, int], limit: int
    ) -> tuple[int, list[int]]:
        """Return the last block that is in the index, and rows that fit; as of an empty one, where
        it cannot be used."""
        try:
            with closing(open_reader(self._index)) as db:
                db.set_progress_handler(self._late, _HANDLER_STEPS)
                db.execute("BEGIN")  # all of it as of the same moment
                (reached,) = db.execute("SELECT block FROM reached").fetchone()
                (forgotten,) = db.execute("SELECT id FROM forgotten").fetchone()
                asking = (*among, json.dumps(self._erased(log, forgotten)), limit)
                return reached, [row for (row,) in db.execute(ASK, asking)]
        except sqlite3.DatabaseError as error:
            if is_error(error, sqlite3.SQLITE_INTERRUPT):
                raise
            if is_damage(error):
                self._damaged()
            return 0, []

    def _erased(self, log: int, forgotten: int) -> list[int]:
        """Return the rows of erased entries that may still be in the index. They have left the log
        before `/erase` was answered, so no search finds them from then on."""
        sql = "SELECT position FROM erased WHERE log = ? AND id > ?"
        found = self._log.execute(sql, (log, forgotten))
        return [number(log, position) for (position,) in found]

    def _not_indexed(
        self, log: int, reached: int, before: int
    ) -> tuple[list[tuple[int, str]], bool]:
        """Return the rows of the newest entries that are not in the index, and whether there are
        more than are looked through."""
        rows: list[tuple[int, str]] = []
        room = self._limits.scan_bytes
        # From the block on in which the entry before `before` is, which is looked up: to walk there
        # from the end would take the longer the longer the log is.
        sql = (
            "SELECT id, first, entries FROM block WHERE log = ?1 AND last <= coalesce("
            "(SELECT last FROM block WHERE log = ?1 AND last >= ?2 ORDER BY last LIMIT 1), ?2)"
            " ORDER BY last DESC"
        )
        with closing(self._log.execute(sql, (log, before - 1))) as newest:
            for id_, first, data in newest:
                if id_ <= reached:
                    break
                if len(rows) >= self._limits.scan_entries or room <= 0:
                    return rows, True
                rows += rows_of(log, blocks.unpack(first, data))
                room -= len(data)
        return rows, False

    def _ask_fresh(
        self, rows: list[tuple[int, str]], among: tuple[str, int, int], limit: int
    ) -> list[int]:
        if not rows:
            return []
        with closing(sqlite3.connect(":memory:")) as db:
            db.set_progress_handler(self._late, _HANDLER_STEPS)
            db.execute(ENTRIES)
            add(db, rows)
            return [row for (row,) in db.execute(ASK, (*among, "[]", limit))]

    def _entries(self, log: int, positions: list[int]) -> Iterator[tuple[int, Entry]]:
        """Read entries from the log; leave out those that are gone."""
        runs: list[tuple[int, Run]] = []
        last = 0
        sql = (
            "SELECT last, first, entries FROM block WHERE log = ? AND last >= ?"
            " ORDER BY last LIMIT 1"
        )
        for position in positions:
            if position > last:
                row = self._log.execute(sql, (log, position)).fetchone()
                if row is None:
                    return
                last, runs = row[0], blocks.unpack(*row[1:])
                if self._late():
                    raise TimeoutError
            for first, run in runs:
                at = position - first
                if 0 <= at < len(run.texts) and run.kind is not Kind.GONE:
                    yield position, Entry(run.kind, run.time, run.who, run.texts[at], run.file)
