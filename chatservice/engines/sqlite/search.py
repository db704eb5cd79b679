"""Search: the index (FTS5), the indexer that follows the log, and what answers `search`.

The index is a database of its own beside the log, and can be made again from that at any time. An
entry's row is its log's number and its position: a log is a range of rows, and the newest come
first without sorting. Inboxes are in it as rooms are,
but for those of guests, which are looked through. FTS5 finds 20 of a million in less than a
millisecond, a prefix in a fifth of a second (docs/performance.md).

The indexer works in small steps, in a thread of its own, and rests for most of the time while there
is talk: behind a flood it lags, and catches up at leisure. Entries that are not in the index yet
are put into one in memory when somebody asks, and both are asked the same question. So the answer
is the same, however far the index is behind.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from functools import lru_cache
from heapq import merge
from itertools import islice
from math import inf
from operator import itemgetter
from pathlib import Path
from unicodedata import normalize

from twisted.logger import Logger

from chatservice import names
from chatservice.domain.ports.log_ports import FAR_FUTURE, Match, SearchQuery, SearchResult
from chatservice.engines import blocks, queries
from chatservice.engines.sqlite import entryreading, integrity, permissions
from chatservice.engines.sqlite.integrity import HANDLER_STEPS, open_reader
from chatservice.engines.sqlite.schema import UP_TO
from chatservice.engines.sqlite.threads import PoliteThread
from chatservice.entries import Kind, Run
from chatservice.errors import Code, Refusal
from chatservice.limits import Limits

VERSION = 7
_TOKENS = '"unicode61 remove_diacritics 2"'
ENTRIES = (
    f"CREATE VIRTUAL TABLE entry USING fts5(text, marks, time UNINDEXED, tokenize = {_TOKENS});"
)
"""`marks` are words for what is not text: whose an entry is, whom it was sent to, whether it is a
file, and whether it mentions everybody. `time` is in milliseconds since 1970."""
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
ASK = "SELECT rowid FROM entry WHERE entry MATCH ? AND rowid <= ?{times} ORDER BY rowid DESC"
"""Finds rows, the last ones first. It looks at times only if it has to: they are in no index."""

_TIMES = " AND time >= ? AND time < ?"
_TIME = "SELECT c2 FROM entry_content WHERE id = ?"
"""Finds the time of a row in FTS5's own table of contents."""

_BLOCKS_OF = (
    "SELECT value, (SELECT id FROM block WHERE log = ?1 AND last >= value ORDER BY last LIMIT 1)"
    " FROM json_each(?2)"
)
"""Finds the numbers of the blocks of entries."""
_BLOCKS_OF_EDITED = (
    "SELECT about, (SELECT id FROM block WHERE block.log = annotation.log AND last >= about"
    " ORDER BY last LIMIT 1) FROM annotation WHERE log = ? AND kind = 'edit'"
    " AND about IN (SELECT value FROM json_each(?))"
)
"""Finds the numbers of the blocks of entries that were edited."""

_ADD = (
    "INSERT INTO entry (rowid, text, marks, time)"
    " SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?)"
)
"""All rows of a step in one call: a call for each would ask for Python's lock each time."""

FILES = ("", "-wal", "-shm")
"""The endings of the names of a database's files."""

POSITIONS = 40
"""Bits of a row's number that are the position: a trillion entries a room."""

Row = tuple[int, str, str, int]
"""A row of the index: its number, text, marks and time."""

STEP_ENTRIES = 1000
"""Rows put in at a time, about: a few milliseconds, and one of them of the reactor's."""


def index_path(path: Path) -> Path:
    """Return where the index of the log at `path` is."""
    return path.with_name("search.sqlite")


def add(db: sqlite3.Connection, rows: list[Row]) -> None:
    """Put rows into a table of entries, in the order of their numbers: that is the fastest."""
    rows.sort()
    for at in range(0, len(rows), STEP_ENTRIES):  # what makes JSON has Python's lock all the while
        part = rows[at : at + STEP_ENTRIES]
        db.execute(_ADD, (json.dumps(part, ensure_ascii=False),))


def number(log: int, position: int) -> int:
    """Return the number of an entry's row. That of a guest's inbox is never stored: their logs have
    numbers of 63 bits, and are all the log 0 here. A query has one of them at most."""
    return max(log, 0) << POSITIONS | position


def rows_of(log: int, runs: Iterable[tuple[int, Run]]) -> Iterator[Row]:
    """Iterate over the rows of searchable entries. They are in NFC, as queries are: FTS5 splits a
    Hangul syllable in NFD into its letters."""
    last, marked = None, ""
    for position, text, run in queries.searchable(runs):
        if run is not last:
            last, marked = run, _marks(run.who, run.to, run.file is not None)
        to_all = "@" in text and names.is_mentioned(names.EVERYBODY, text)
        marks = f"{marked} {_mark('all')}" if to_all else marked
        yield number(log, position), normalize("NFC", text), marks, run.time


@lru_cache(maxsize=1000)  # a few users say most of it
def _marks(who: str, to: str, is_file: bool) -> str:
    """Return the marks of a run's entries. A name is in hexadecimal, so that it is one word, and
    that of no other name."""
    marks = [_mark("who", names.key(who))]
    if to:
        marks += _mark("sent"), _mark("to", names.key(to))
    return " ".join([*marks, *(_mark("file") for _ in range(is_file))])


def _mark(what: str, key: str = "") -> str:
    return f"{what}{key.encode().hex()}"


def _rows_of_all(
    db: sqlite3.Connection, unindexed: Mapping[int, Sequence[tuple[int, Run]]]
) -> Iterator[Row]:
    """Iterate over the rows of entries of several logs, with their newest texts. To ask for these
    once a log and not once a block takes a quarter off the time."""
    for log, runs in unindexed.items():
        yield from rows_of(log, entryreading.edited(db, log, runs))


def _edited(
    db: sqlite3.Connection, changed: Iterable[tuple[int, int]], sql: str = _BLOCKS_OF_EDITED
) -> dict[int, dict[int, int | None]]:
    """Return those of the changed entries, by log and position, that were edited and not erased
    (`sql` selects them), each with the number of its block; None if that is no longer kept."""
    of_logs: dict[int, list[int]] = {}
    for log, position in changed:
        of_logs.setdefault(log, []).append(position)
    return {
        log: dict(db.execute(sql, (log, json.dumps(it))).fetchall()) for log, it in of_logs.items()
    }


def _edited_rows(
    db: sqlite3.Connection, edited: Mapping[int, Mapping[int, int | None]], reached: int
) -> Iterator[Row]:
    """Iterate over the new rows of edited entries. One whose block is not in the index yet has
    none: it comes with its new text."""
    for log, found in edited.items():
        there = sorted(at for at, block in found.items() if block is not None and block <= reached)
        for first in range(0, len(there), STEP_BLOCKS):  # many are in one block
            for at, entry in entryreading.plain_entries(
                db, log, there[first : first + STEP_BLOCKS]
            ):
                yield from rows_of(log, [(at, entry.as_run())])


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
    integrity.overwrite(db)
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
            " EXISTS (SELECT 1 FROM log WHERE log.id = block.log AND log.ended < block.last)"
            " FROM block WHERE id > ? ORDER BY id LIMIT ?"
        )
        unindexed: dict[int, list[tuple[int, Run]]] = {}
        last, count = None, 0
        with closing(self._log.execute(sql, (reached, STEP_BLOCKS))) as new:
            for *last, data, is_kept in new:
                if is_kept:  # a guest's inbox is not, and no room that was removed
                    runs = self._readable(last[1], last[2], data)
                    unindexed.setdefault(last[1], []).extend(runs)
                    count += sum(len(run.texts) for _, run in runs)
                if count >= STEP_ENTRIES:
                    break
        rows = list(_rows_of_all(self._log, unindexed))
        changed = self._changed()  # after the blocks: what changes since then is found next time
        places = [(log, position) for _, log, position, renamed in changed if not renamed]
        edited = _edited(self._log, places)
        renamed = [(log, position) for _, log, position, renamed in changed if renamed]
        reached = last[0] if last else reached
        new_rows = list(_edited_rows(self._log, edited, reached))
        new_rows += _edited_rows(self._log, _edited(self._log, renamed, _BLOCKS_OF), reached)
        ended = self._ended() if self._some_ended else []
        if not (last or ended or changed):
            return self._merge()
        # A name that is no longer a user's is erased, too.
        some_erased = sum(map(len, edited.values())) < len(changed)
        with self._db:
            self._db.execute("BEGIN")
            add(self._db, rows)
            if last:
                sql = "UPDATE reached SET (block, log, first, time) = (?, ?, ?, ?)"
                self._db.execute(sql, last)
            for log, position in ended:
                self._take_out(log, position)
            self._forget(changed, some_erased)
            add(self._db, new_rows)
        return True

    def _changed(self) -> list[tuple[int, int, int, int]]:
        """Return the next entries that were erased, edited or renamed: id, log, position, and
        whether only a name has changed."""
        sql = "SELECT id, log, position, renamed FROM erased WHERE id > ? ORDER BY id LIMIT ?"
        return self._log.execute(sql, (self._taken_out, STEP_BLOCKS)).fetchall()

    def _forget(self, changed: list[tuple[int, int, int, int]], some_erased: bool) -> None:
        """Remove the rows of entries. The rest of the words of erased ones goes as the index is
        merged."""
        if changed:
            rows = [(number(log, position),) for _, log, position, _ in changed]
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
                self._uncleaned = True
        elif self._uncleaned:  # the words are still in the write-ahead log
            self._uncleaned = not integrity.emptied(self._db)
            if self._uncleaned:
                self._stopped.wait(integrity.AGAIN_SECONDS)
        return bool(self._merging) or self._uncleaned

    def _readable(self, log: int, first: int, data: bytes) -> list[tuple[int, Run]]:
        """Return the runs of a block; none of one that is damaged, which is for others to say."""
        try:
            return blocks.unpack(first, data)
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


def question(query: SearchQuery) -> str:
    """Return a question to FTS5 for a query. Raises `Refusal` (bad-argument).

    All words must be there; `"quoted words"` as they stand there, one behind the other; a `*` at
    the end stands for any rest of a word. Nothing that is typed is FTS5's own syntax.
    """
    words = normalize("NFC", query.words.replace("\0", " "))
    found = queries.terms(query._replace(words=words))
    parts = []
    if found:
        words = " ".join(f'"{text}"' + "*" * begins for text, begins in found)
        parts.append(f"text : ({words})")
    if query.mentions:
        name = normalize("NFC", query.mentions)
        parts.append(f'(text : "{name}") OR (marks : {_mark("all")})')
    if query.who:
        parts.append(f"marks : {_mark('who', query.who)}")
    if query.other:
        came, sent = _mark("who", query.other), _mark("to", query.other)
        parts.append(f"marks : (({came} NOT {_mark('sent')}) OR {sent})")
    if query.files:
        parts.append(f"marks : {_mark('file')}")
    return " AND ".join(f"({part})" for part in parts)


PASSED_ROWS = 100
"""Rows of other logs that are passed over before the question is asked anew behind them: that takes
as long. One with a prefix is never asked anew: FTS5 gathers all its matches each time, in 25 ms for
100,000."""


def _last_rows(
    db: sqlite3.Connection, query: SearchQuery, asked: str, without: Collection[int]
) -> list[list[int]]:
    """Return the last rows of each log that fit, newest first, but none of `without`; the last log
    first."""
    by_time = query.since > 0 or query.until < FAR_FUTURE
    sql, times = ASK.format(times=_TIMES * by_time), (query.since, query.until) * by_time
    most = inf if any(it.begins for it in queries.terms(query)) else PASSED_ROWS
    ranges = sorted(
        ((number(log, query.after + 1), number(log, end - 1)) for log, end in query.logs.items()),
        reverse=True,
    )
    found: list[list[int]] = [[] for _ in ranges]
    at = 0
    while at < len(ranges):
        passed = 0
        for (row,) in db.execute(sql, (asked, ranges[at][1], *times)):
            while at < len(ranges) and (row < ranges[at][0] or len(found[at]) == query.limit):
                at += 1
            if at == len(ranges):
                break
            if row > ranges[at][1]:
                passed += 1
                if passed > most:
                    break
            elif row not in without:
                found[at].append(row)
        else:  # there are no more
            break
    return found


def _ask(
    db: sqlite3.Connection, query: SearchQuery, asked: str, without: Collection[int]
) -> dict[int, int]:
    """Return the last rows of all logs together that fit, with their times."""

    def timed(rows: Iterable[int]) -> Iterator[tuple[int, int]]:
        return ((db.execute(_TIME, (row,)).fetchone()[0], row) for row in rows)

    of_logs = [timed(rows) for rows in _last_rows(db, query, asked, without)]
    newest = merge(*of_logs, key=itemgetter(0), reverse=True)
    return {row: time_ for time_, row in islice(newest, query.limit)}


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

    def search(self, query: SearchQuery, until: float) -> SearchResult:
        """Return what a query asks for (`LogStore.search`).

        `until` is when to give it up, by the clock of `time.monotonic`. Raises `Refusal`
        (bad-argument, too-slow).
        """
        asked = question(query)
        self._until = until
        try:
            return self._found(query, asked)
        except sqlite3.OperationalError as error:
            if not integrity.is_error(error, sqlite3.SQLITE_INTERRUPT):
                raise
        except TimeoutError:
            pass
        raise Refusal(
            Code.TOO_SLOW, "That takes too long now; search for a rarer word as well, or later."
        )

    def _found(self, query: SearchQuery, asked: str) -> SearchResult:
        logs = {log: it for log, it in query.logs.items() if it - query.after > 1}
        if query.limit <= 0 or not logs:
            return SearchResult([], False)
        query = query._replace(logs=logs)
        reached, found, changed = self._ask_index(query, asked)
        fresh, pending = self._not_indexed(query, reached)
        for new in _edited_rows(self._log, _edited(self._log, changed), reached):
            if self._late():
                raise TimeoutError
            fresh.append(new)
        times = found | self._ask_fresh(fresh, query, asked)
        of_logs: dict[int, list[int]] = {}
        for row in sorted(times):
            of_logs.setdefault(row >> POSITIONS, []).append(row)
        rows = list(merge(*of_logs.values(), key=times.__getitem__))[-query.limit :]
        return SearchResult(self._matches(rows, query), pending)

    def _ask_index(
        self, query: SearchQuery, asked: str
    ) -> tuple[int, dict[int, int], list[tuple[int, int]]]:
        """Return the last block that is in the index, and rows that fit, with their times; as of an
        empty one, where it cannot be used. Return too the logs and positions of entries that have
        changed since then."""
        try:
            with closing(open_reader(self._index)) as db:
                db.set_progress_handler(self._late, HANDLER_STEPS)
                db.execute("BEGIN")  # all of it as of the same moment
                (reached,) = db.execute("SELECT block FROM reached").fetchone()
                (forgotten,) = db.execute("SELECT id FROM forgotten").fetchone()
                changed = self._changed(query, forgotten)
                without = {number(*place) for place in changed}
                return reached, _ask(db, query, asked, without), changed
        except sqlite3.DatabaseError as error:
            if integrity.is_error(error, sqlite3.SQLITE_INTERRUPT):
                raise
            if is_damage(error):
                self._damaged()
            return 0, {}, []

    def _changed(self, query: SearchQuery, forgotten: int) -> list[tuple[int, int]]:
        """Return the logs and positions of erased and edited entries that may still be in the index
        as they were. They have changed in the log before that was answered, so no search finds them
        so from then on."""
        sql = "SELECT EXISTS (SELECT 1 FROM erased WHERE id > ? AND NOT renamed)"
        if not self._log.execute(sql, (forgotten,)).fetchone()[0]:
            return []
        sql = "SELECT log, position FROM erased WHERE log = ? AND id > ? AND NOT renamed"
        return [it for log in query.logs for it in self._log.execute(sql, (log, forgotten))]

    def _not_indexed(self, query: SearchQuery, reached: int) -> tuple[list[Row], bool]:
        """Return the rows of the newest entries that are not in the index, and whether there are
        more than are looked through."""
        entries, room = self._limits.scan_entries, self._limits.scan_bytes
        entries = entries if query.scan is None else min(entries, query.scan)
        pending, unindexed = False, dict[int, list[tuple[int, Run]]]()
        sql = f"SELECT id, first, last, entries FROM block WHERE {UP_TO}"
        (newest_id,) = self._log.execute("SELECT coalesce(max(id), 0) FROM block").fetchone()
        for log, before in query.logs.items():
            if log > 0 and newest_id <= reached:  # as nearly always
                continue
            stored: list[list[tuple[int, Run]]] = []
            with closing(self._log.execute(sql, (log, before - 1))) as newest:
                for id_, first, last, data in newest:
                    if (log > 0 and id_ <= reached) or last <= query.after:
                        break
                    if entries <= 0 or room <= 0:
                        pending = True
                        break
                    stored.append(blocks.unpack(first, data))
                    entries -= last - first + 1
                    room -= len(data)
            if stored:
                unindexed[log] = [pair for runs in reversed(stored) for pair in runs]
        return list(_rows_of_all(self._log, unindexed)), pending

    def _ask_fresh(self, rows: list[Row], query: SearchQuery, asked: str) -> dict[int, int]:
        if not rows:
            return {}
        with closing(sqlite3.connect(":memory:")) as db:
            db.set_progress_handler(self._late, HANDLER_STEPS)
            db.execute(ENTRIES)
            add(db, [*{row[0]: row for row in rows}.values()])
            return _ask(db, query, asked, ())

    def _matches(self, rows: list[int], query: SearchQuery) -> list[Match]:
        """Read the entries of rows from the log. Leave out those that are gone, and those that
        belong to somebody else by now."""
        guest = min(query.logs)
        of_logs: dict[int, list[int]] = {}
        for row in rows:
            log = row >> POSITIONS or guest
            of_logs.setdefault(log, []).append(row & ((1 << POSITIONS) - 1))
        found: dict[int, Match] = {}
        for log, positions in of_logs.items():
            with entryreading.at_one_moment(self._log):
                entries = [*entryreading.entries_at(self._log, log, positions)]
            if self._late():
                raise TimeoutError
            for position, entry in entries:
                fits = queries.fits(entry, query) and queries.mentions(entry.text, query)
                if entry.kind != Kind.GONE and fits:
                    found[number(log, position)] = Match(log, position, entry)
        return [found[row] for row in rows if row in found]
