"""What was said where: the index of the rooms' logs, and asking it.

The index is a database of its own beside the first, and can be made again from it at any time. It
follows the log in small steps, in a thread of its own, and takes a tenth of one core at most while
there is talk: behind a flood it lags, and catches up at leisure. So what it does not have yet is
looked through as it is, as far back as is quick, and both are asked the same question.

An entry's row is its log's number and its position: a room is a range of rows, and the newest come
first without sorting. FTS5 finds 20 of a million in less than a millisecond, a prefix in a fifth of
a second (docs/performance.md).
"""

import json
import re
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path

from twisted.logger import Logger

from chatservice import limits
from chatservice.domain.ports import Found
from chatservice.entries import Entry, Kind, Run
from chatservice.errors import Code, Refusal
from chatservice.storage import blocks
from chatservice.storage.schema import open_reader

VERSION = 1
_TOKENS = '"unicode61 remove_diacritics 2"'
_ENTRIES = f"CREATE VIRTUAL TABLE entry USING fts5(text, tokenize = {_TOKENS});"
_TABLES = f"""
{_ENTRIES}
-- The block up to which entries are in the index, as it is in the log, so that an index of another
-- log is known as one. One row.
CREATE TABLE reached (block INTEGER, log INTEGER, first INTEGER, time INTEGER);
INSERT INTO reached VALUES (0, 0, 0, 0);
-- Up to where entries of a log were taken out again.
CREATE TABLE ended (log INTEGER PRIMARY KEY, position INTEGER NOT NULL);
PRAGMA user_version = {VERSION};
"""
_ASK = (
    "SELECT rowid FROM entry WHERE entry MATCH ? AND rowid BETWEEN ? AND ?"
    " ORDER BY rowid DESC LIMIT ?"
)
_ADD = "INSERT INTO entry (rowid, text) SELECT value ->> 0, value ->> 1 FROM json_each(?)"
"""All rows of a step in one call: a call for each would ask for Python's lock each time."""

_POSITIONS = 40
"""Bits of a row's number that are the position: a trillion entries a room."""

STEP_BLOCKS = 64
STEP_ENTRIES = 1000
"""What is taken in at a time, about: a few milliseconds, and one of them of the reactor's."""

TROUBLE_SECONDS = 30.0
"""How long the indexer waits where its disk fails."""

GATHERING_SECONDS = 0.2
"""How long what is new is gathered first: a commit for each entry would be one too many."""

SHARE = 9
"""While there is talk, the indexer rests so many times as long as it works."""

DEADLINE_SECONDS = 2.0
"""A search that takes longer is given up."""

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


def _row(log: int, position: int) -> int:
    return log << _POSITIONS | position


def _rows(log: int, runs: Iterable[tuple[int, Run]]) -> Iterator[tuple[int, str]]:
    for first, run in runs:
        if run.kind in (Kind.MESSAGE, Kind.ACTION, Kind.TOPIC, Kind.REMOVED):
            for position, text in enumerate(run.texts, first):
                yield _row(log, position), text
        elif run.file is not None:
            yield _row(log, first), run.file.name


def _open_index(path: Path, log: sqlite3.Connection) -> sqlite3.Connection:
    """Open the index, or make it again if it is damaged, of another version, or of another log."""
    with suppress(sqlite3.DatabaseError):
        db = _connect(path)
        if _fits(db, log):
            return db
        db.close()
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    db = _connect(path)
    db.executescript(f"BEGIN; {_TABLES} COMMIT;")
    return db


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = OFF")  # what a power cut takes away is made again
    return db


def _fits(db: sqlite3.Connection, log: sqlite3.Connection) -> bool:
    if db.execute("PRAGMA user_version").fetchone()[0] != VERSION:
        return False
    block, *rest = db.execute("SELECT block, log, first, time FROM reached").fetchone()
    there = log.execute("SELECT log, first, time FROM block WHERE id = ?", (block,)).fetchone()
    if there is not None:
        return bool(list(there) == rest)
    newest, oldest = log.execute("SELECT max(id), min(id) FROM block").fetchone()
    return bool(block == 0 or (oldest is not None and block < oldest <= newest))


class Indexer:
    """Keeps the index of the log at `path`, in `index`, up to date. `nudge` tells it that there is
    something new."""

    log = Logger()

    def __init__(self, path: Path, index: Path) -> None:
        self._log = open_reader(path)
        self._db = _open_index(index, self._log)
        self._new = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="chat-indexer", daemon=True)

    def start(self) -> None:
        """Begin to follow the log."""
        self._new.set()
        self._thread.start()

    def nudge(self) -> None:
        """There is something new in the log."""
        if not self._new.is_set():
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
        while not self._stopped.is_set():
            self._new.wait()
            self._stopped.wait(GATHERING_SECONDS)
            self._new.clear()
            try:
                self._catch_up()
            except sqlite3.Error:
                self.log.failure("the index for /search could not be brought up to date")
                self._stopped.wait(TROUBLE_SECONDS)
                self._new.set()

    def _catch_up(self) -> None:
        more = True
        while more and not self._stopped.is_set():
            began = time.monotonic()
            more = self.step()
            if self._new.is_set():
                self._stopped.wait(SHARE * (time.monotonic() - began))

    def step(self) -> bool:
        """Take in some blocks, and take out some entries that are no longer kept. Return whether
        there may be more to do."""
        (reached,) = self._db.execute("SELECT block FROM reached").fetchone()
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
                    rows += _rows(last[1], blocks.unpack(last[2], data))
                if len(rows) >= STEP_ENTRIES:
                    break
        ended = self._ended()
        if not (last or ended):
            return False
        with self._db:
            self._db.execute("BEGIN")
            if rows:
                self._db.execute(_ADD, (json.dumps(sorted(rows), ensure_ascii=False),))
            if last:
                sql = "UPDATE reached SET (block, log, first, time) = (?, ?, ?, ?)"
                self._db.execute(sql, last)
            for log, position in ended:
                self._take_out(log, position)
        return True

    def _ended(self) -> list[tuple[int, int]]:
        """Return logs of which entries are to be taken out, with the last position of these."""
        known = dict(self._db.execute("SELECT log, position FROM ended"))
        found = self._log.execute("SELECT id, ended FROM log WHERE ended > 0").fetchall()
        return [(log, ended) for log, ended in found if known.get(log, 0) < ended][:1]

    def _take_out(self, log: int, position: int) -> None:
        """Take some of the entries up to `position` out, and note it when all are."""
        among = (_row(log, 0), _row(log, position), limits.SCAN_ENTRIES // 10)
        gone = self._db.execute(
            "DELETE FROM entry WHERE rowid IN"
            " (SELECT rowid FROM entry WHERE rowid BETWEEN ? AND ? ORDER BY rowid LIMIT ?)",
            among,
        ).rowcount
        if gone < among[2]:
            self._db.execute("REPLACE INTO ended VALUES (?, ?)", (log, position))


class Searcher:
    """Asks the index in `index`, and the log at `path`, for one thread at a time."""

    def __init__(self, path: Path, index: Path) -> None:
        self._log = open_reader(path)
        self._index = open_reader(index)
        self._until = 0.0
        for db in (self._log, self._index):
            db.set_progress_handler(self._late, _HANDLER_STEPS)

    def close(self) -> None:
        """Be done with it."""
        self._log.close()
        self._index.close()

    def _late(self) -> bool:
        return time.monotonic() > self._until

    def search(self, log: int, words: str, before: int, limit: int) -> Found:
        """Return the last `limit` entries of a log before a position that have all these words.

        Raises `Refusal` (bad-argument, too-slow).
        """
        question = terms(words)
        self._until = time.monotonic() + DEADLINE_SECONDS
        try:
            return self._found(log, question, before, limit)
        except sqlite3.OperationalError as error:
            if "interrupted" not in str(error):
                raise
            raise Refusal(
                Code.TOO_SLOW, "That would take too long; search for a rarer word as well."
            ) from None

    def _found(self, log: int, question: str, before: int, limit: int) -> Found:
        (reached,) = self._index.execute("SELECT block FROM reached").fetchone()
        fresh, pending = self._not_indexed(log, reached, before)
        rows = self._ask_fresh(log, fresh, question, before, limit)
        if len(rows) < limit:
            among = (_row(log, 0), _row(log, before - 1), limit - len(rows))
            asked = self._index.execute(_ASK, (question, *among))
            rows += [row for (row,) in asked.fetchall() if row not in rows]
        positions = sorted(row & ((1 << _POSITIONS) - 1) for row in rows)
        return Found(list(self._entries(log, positions)), pending)

    def _not_indexed(
        self, log: int, reached: int, before: int
    ) -> tuple[list[tuple[int, str]], bool]:
        """Return the rows of the newest entries that are not in the index, and whether there are
        more than are looked through."""
        rows: list[tuple[int, str]] = []
        sql = "SELECT id, first, entries FROM block WHERE log = ? AND first < ? ORDER BY last DESC"
        with closing(self._log.execute(sql, (log, before))) as newest:
            for id_, first, data in newest:
                if id_ <= reached:
                    break
                if len(rows) >= limits.SCAN_ENTRIES:
                    return rows, True
                rows += _rows(log, blocks.unpack(first, data))
        return rows, False

    def _ask_fresh(
        self, log: int, rows: list[tuple[int, str]], question: str, before: int, limit: int
    ) -> list[int]:
        if not rows:
            return []
        with closing(sqlite3.connect(":memory:")) as db:
            db.set_progress_handler(self._late, _HANDLER_STEPS)
            db.execute(_ENTRIES)
            db.execute(_ADD, (json.dumps(sorted(rows), ensure_ascii=False),))
            among = (_row(log, 0), _row(log, before - 1), limit)
            return [row for (row,) in db.execute(_ASK, (question, *among))]

    def _entries(self, log: int, positions: list[int]) -> Iterator[tuple[int, Entry]]:
        """Read entries from the log. What is not there any more is left out."""
        block: dict[int, Entry] = {}
        sql = "SELECT first, entries FROM block WHERE log = ? AND last >= ? ORDER BY last LIMIT 1"
        for position in positions:
            if position not in block:
                row = self._log.execute(sql, (log, position)).fetchone()
                runs = blocks.unpack(*row) if row is not None else []
                block = {at: entry for first, run in runs for at, entry in run.entries(first)}
            if position in block:
                yield position, block[position]


def index_path(path: Path) -> Path:
    """Return where the index of the log at `path` is."""
    return path.with_name("search.sqlite")
