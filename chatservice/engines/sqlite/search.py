"""Search: the index (FTS5), the indexer that follows the log, and what answers `search`.

The index is a database of its own beside the log, and can be made again from that at any time. An
entry's row is its log's number and its position: a room is a range of rows, and the newest come
first without sorting. FTS5 finds 20 of a million in less than a millisecond, a prefix in a fifth of
a second (docs/performance.md).

The indexer works in small steps, in a thread of its own, and rests for most of the time while there
is talk: behind a flood it lags, and catches up at leisure. Entries that are not in the index yet
are put into one in memory when somebody asks, and both are asked the same question. So the answer
is the same, however far the index is behind.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from unicodedata import normalize

from twisted.logger import Logger

from chatservice.domain.ports import SearchResult
from chatservice.engines import blocks, queries
from chatservice.engines.sqlite import entryreading, integrity, permissions
from chatservice.engines.sqlite.integrity import HANDLER_STEPS, open_reader
from chatservice.engines.sqlite.schema import UP_TO
from chatservice.engines.sqlite.threads import PoliteThread
from chatservice.entries import Entry, Kind, Run
from chatservice.errors import Code, Refusal
from chatservice.limits import Limits

VERSION = 5
_TOKENS = '"unicode61 remove_diacritics 2"'
ENTRIES = f"CREATE VIRTUAL TABLE entry USING fts5(text, tokenize = {_TOKENS});"
_TABLES = f"""
{ENTRIES}
-- The block up to which entries are in the index, as it is in the log, so that an index of another
-- log is known as one. One row.
CREATE TABLE reached (block INTEGER, log INTEGER, first INTEGER, time INTEGER);
INSERT INTO reached VALUES (0, 0, 0, 0);
-- The last of what was erased (engines/sqlite/schema.py) of which nothing is left here. One row.
CREATE TABLE forgotten (id INTEGER);
INSERT INTO forgotten VALUES (0);
-- Up to where entries of a log were taken out again.
CREATE TABLE ended (log INTEGER PRIMARY KEY, position INTEGER NOT NULL);
PRAGMA user_version = {VERSION};
"""
ASK = (
    "SELECT rowid FROM entry WHERE entry MATCH ? AND rowid BETWEEN ? AND ?"
    " AND rowid NOT IN (SELECT value FROM json_each(?))"
    " ORDER BY rowid DESC LIMIT ?"
)
_NEW_TEXT = (
    "SELECT text, (SELECT id FROM block WHERE block.log = annotation.log AND last >= about"
    " ORDER BY last LIMIT 1) FROM annotation WHERE log = ? AND kind = 'edit' AND about = ?"
)
"""Finds what an entry says that was edited, and the number of its block."""

_ADD = "INSERT INTO entry (rowid, text) SELECT value ->> 0, value ->> 1 FROM json_each(?)"
"""All rows of a step in one call: a call for each would ask for Python's lock each time."""

FILES = ("", "-wal", "-shm")
"""The endings of the names of a database's files."""

POSITIONS = 40
"""Bits of a row's number that are the position: a trillion entries a room."""

STEP_ENTRIES = 1000
"""Rows put in at a time, about: a few milliseconds, and one of them of the reactor's."""


def index_path(path: Path) -> Path:
    """Return where the index of the log at `path` is."""
    return path.with_name("search.sqlite")


def add(db: sqlite3.Connection, rows: list[tuple[int, str]]) -> None:
    """Put rows into a table of entries, in the order of their numbers: that is the fastest."""
    rows.sort()
    for at in range(0, len(rows), STEP_ENTRIES):  # what makes JSON has Python's lock all the while
        part = rows[at : at + STEP_ENTRIES]
        db.execute(_ADD, (json.dumps(part, ensure_ascii=False),))


def number(log: int, position: int) -> int:
    """Return the number of an entry's row."""
    return log << POSITIONS | position


def rows_of(log: int, runs: Iterable[tuple[int, Run]]) -> Iterator[tuple[int, str]]:
    """Iterate over the rows of searchable entries. They are in NFC, as queries are: FTS5 splits a
    Hangul syllable in NFD into its letters."""
    for position, text in queries.searchable(runs):
        yield number(log, position), normalize("NFC", text)


def open_index(path: Path, log: sqlite3.Connection, anew: bool = False) -> sqlite3.Connection:
    """Open the index. Make it again if it is damaged, of another version, or of another log; or in
    any case (`anew`)."""
    with suppress(sqlite3.DatabaseError):
        db = _connect(path)
        if not anew and _fits(db, log):
            return db
        db.close()
    for suffix in FILES:
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    db = _connect(path)
    db.executescript(f"BEGIN; {_TABLES} COMMIT;")
    # Entries that were erased before this moment never come in.
    (erased,) = log.execute("SELECT coalesce(max(id), 0) FROM erased").fetchone()
    db.execute("UPDATE forgotten SET id = ?", (erased,))
    return db


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether it is SQLite's error for a file that is no database, or no longer one."""
    return integrity.is_error(error, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _connect(path: Path) -> sqlite3.Connection:
    permissions.make_file(path)
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")  # what a power cut takes is read again
    return db


def _fits(db: sqlite3.Connection, log: sqlite3.Connection) -> bool:
    if db.execute("PRAGMA user_version").fetchone()[0] != VERSION:
        return False
    db.execute("SELECT id FROM forgotten").fetchone()
    block, of, *rest = db.execute("SELECT block, log, first, time FROM reached").fetchone()
    there = log.execute("SELECT first, time, log FROM block WHERE id = ?", (block,)).fetchone()
    was_a_guests = of < 0  # it went with the guest, or got another number when they registered
    if there is not None:
        return bool([*there[:2]] == rest and (there[2] == of or was_a_guests))
    if was_a_guests:
        return True
    (ended,) = log.execute("SELECT coalesce(max(ended), 0) FROM log WHERE id = ?", (of,)).fetchone()
    if rest[0] <= ended:  # its room was removed
        return True
    (oldest,) = log.execute("SELECT min(id) FROM block").fetchone()
    return bool(block == 0 or (oldest is not None and block < oldest))  # it is no longer kept


STEP_BLOCKS = 64
"""Taken in at a time, at most: with a few entries each, a few milliseconds."""

TROUBLE_SECONDS = 30.0
"""Seconds that the indexer waits after an error of the disk."""

GATHERING_SECONDS = 2.0
"""Seconds for which new entries are gathered: a commit for each would be one too many."""

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
        self._thread = PoliteThread(target=self._work, name="chat-indexer")

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
                    self.log.failure("the search index could not be brought up to date")
                    self._stopped.wait(TROUBLE_SECONDS)
                self._new.set()

    def _begin_again(self) -> None:
        self.log.info("the search index is damaged, and is made again")
        self._db.close()
        self._db = open_index(self._path, self._log, anew=True)
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
        changed = self._changed()  # after the blocks: what changes since then is found next time
        edited = self._edited(changed, last[0] if last else reached)
        ended = self._ended() if self._some_ended else []
        if not (last or ended or changed):
            return self._merge()
        some_erased = len(edited) < len(changed)
        if some_erased:  # until all of it is merged, what is deleted is written over
            self._db.execute("PRAGMA secure_delete = ON")
        with self._db:
            self._db.execute("BEGIN")
            add(self._db, rows)
            if last:
                sql = "UPDATE reached SET (block, log, first, time) = (?, ?, ?, ?)"
                self._db.execute(sql, last)
            for log, position in ended:
                self._take_out(log, position)
            self._forget(changed, some_erased)
            add(self._db, [row for row in edited if row is not None])
        return True

    def _changed(self) -> list[tuple[int, int, int]]:
        """Return the next entries whose text was erased or edited: id, log and position."""
        sql = "SELECT id, log, position FROM erased WHERE id > ? ORDER BY id LIMIT ?"
        return self._log.execute(sql, (self._taken_out, STEP_BLOCKS)).fetchall()

    def _edited(
        self, changed: list[tuple[int, int, int]], reached: int
    ) -> list[tuple[int, str] | None]:
        """Return the new rows of entries that were edited: None for one whose block is not in the
        index yet, because it comes with its new text."""
        rows: list[tuple[int, str] | None] = []
        for _, log, position in changed:
            found = self._log.execute(_NEW_TEXT, (log, position)).fetchone()
            if found is not None:
                text, block = found
                row = (number(log, position), normalize("NFC", text))
                rows.append(row if block is not None and block <= reached else None)
        return rows

    def _forget(self, changed: list[tuple[int, int, int]], some_erased: bool) -> None:
        """Remove the rows of entries. The rest of the words of erased ones goes as the index is
        merged."""
        if changed:
            rows = [(number(log, position),) for _, log, position in changed]
            self._db.executemany("DELETE FROM entry WHERE rowid = ?", rows)
            self._taken_out = changed[-1][0]
        if some_erased:
            self._merging = -MERGE_PAGES  # negative, at first: all of it (FTS5, "merge")
        elif changed and not self._merging:
            self._db.execute("UPDATE forgotten SET id = ?", (self._taken_out,))

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
            runs = blocks.unpack(first, data)
            return list(rows_of(log, entryreading.edited(self._log, log, runs)))
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


def terms(words: str) -> str:
    """Return a question to FTS5 for what somebody typed. Raises `Refusal` (bad-argument).

    All words must be there; `"quoted words"` as they stand there, one behind the other; a `*` at
    the end stands for any rest of a word. Nothing that is typed is FTS5's own syntax.
    """
    found = queries.terms(words.replace("\0", " "))
    return " ".join(f'"{text}"' + "*" * begins for text, begins in found)


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
        self._log.set_progress_handler(self._late, HANDLER_STEPS)

    def close(self) -> None:
        """Be done with it."""
        self._log.close()

    def _late(self) -> bool:
        return time.monotonic() > self._until

    def search(
        self, log: int, words: str, between: tuple[int, int], limit: int, until: float
    ) -> SearchResult:
        """Return the last `limit` entries of a log between two positions that have all these words.

        `until` is when to give it up, by the clock of `time.monotonic`. Raises `Refusal`
        (bad-argument, too-slow).
        """
        question = terms(normalize("NFC", words))
        self._until = until
        try:
            return self._found(log, question, between, limit)
        except sqlite3.OperationalError as error:
            if not integrity.is_error(error, sqlite3.SQLITE_INTERRUPT):
                raise
        except TimeoutError:
            pass
        raise Refusal(
            Code.TOO_SLOW, "That takes too long now; search for a rarer word as well, or later."
        )

    def _found(self, log: int, question: str, between: tuple[int, int], limit: int) -> SearchResult:
        after, before = between
        if limit <= 0 or before - after <= 1:
            return SearchResult([], False)
        among = (question, number(log, after + 1), number(log, before - 1))
        reached, asked, changed = self._ask_index(log, among, limit)
        fresh, pending = self._not_indexed(log, reached, before)
        fresh = [*{**dict(fresh), **dict(self._edited(log, changed, reached))}.items()]
        rows = sorted({*self._ask_fresh(fresh, among, limit), *asked})[-limit:]
        positions = [row & ((1 << POSITIONS) - 1) for row in rows]
        return SearchResult(list(self._entries(log, positions)), pending)

    def _ask_index(
        self, log: int, among: tuple[str, int, int], limit: int
    ) -> tuple[int, list[int], list[int]]:
        """Return the last block that is in the index, and rows that fit; as of an empty one, where
        it cannot be used. Return too the positions of entries that have changed since then."""
        try:
            with closing(open_reader(self._index)) as db:
                db.set_progress_handler(self._late, HANDLER_STEPS)
                db.execute("BEGIN")  # all of it as of the same moment
                (reached,) = db.execute("SELECT block FROM reached").fetchone()
                (forgotten,) = db.execute("SELECT id FROM forgotten").fetchone()
                changed = self._changed(log, forgotten)
                without = json.dumps([number(log, position) for position in changed])
                rows = db.execute(ASK, (*among, without, limit))
                return reached, [row for (row,) in rows], changed
        except sqlite3.DatabaseError as error:
            if integrity.is_error(error, sqlite3.SQLITE_INTERRUPT):
                raise
            if is_damage(error):
                self._damaged()
            return 0, [], []

    def _changed(self, log: int, forgotten: int) -> list[int]:
        """Return the positions of erased and edited entries that may still be in the index as they
        were. They have changed in the log before that was answered, so no search finds them so from
        then on."""
        sql = "SELECT position FROM erased WHERE log = ? AND id > ?"
        return [position for (position,) in self._log.execute(sql, (log, forgotten))]

    def _edited(self, log: int, changed: list[int], reached: int) -> Iterator[tuple[int, str]]:
        """Iterate over the new rows of changed entries, of those that are in the index and were
        edited."""
        for position in changed:
            found = self._log.execute(_NEW_TEXT, (log, position)).fetchone()
            if found is not None and found[1] is not None and found[1] <= reached:
                yield number(log, position), normalize("NFC", found[0])

    def _not_indexed(
        self, log: int, reached: int, before: int
    ) -> tuple[list[tuple[int, str]], bool]:
        """Return the rows of the newest entries that are not in the index, and whether there are
        more than are looked through."""
        rows: list[tuple[int, str]] = []
        room = self._limits.scan_bytes
        sql = f"SELECT id, first, entries FROM block WHERE {UP_TO}"
        with closing(self._log.execute(sql, (log, before - 1))) as newest:
            for id_, first, data in newest:
                if id_ <= reached:
                    break
                if len(rows) >= self._limits.scan_entries or room <= 0:
                    return rows, True
                runs = blocks.unpack(first, data)
                rows += rows_of(log, entryreading.edited(self._log, log, runs))
                room -= len(data)
        return rows, False

    def _ask_fresh(
        self, rows: list[tuple[int, str]], among: tuple[str, int, int], limit: int
    ) -> list[int]:
        if not rows:
            return []
        with closing(sqlite3.connect(":memory:")) as db:
            db.set_progress_handler(self._late, HANDLER_STEPS)
            db.execute(ENTRIES)
            add(db, rows)
            return [row for (row,) in db.execute(ASK, (*among, "[]", limit))]

    def _entries(self, log: int, positions: list[int]) -> Iterator[tuple[int, Entry]]:
        """Read entries from the log; leave out those that are gone."""
        with entryreading.at_one_moment(self._log):
            found = [*entryreading.entries_at(self._log, log, positions)]
        if self._late():
            raise TimeoutError
        return ((position, entry) for position, entry in found if entry.kind != Kind.GONE)
