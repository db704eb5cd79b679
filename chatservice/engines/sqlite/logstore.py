"""Logs in SQLite: the port `LogStore`. One thread has the database."""

import sqlite3
import sys
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any, NoReturn, TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatservice.domain.log import Block
from chatservice.domain.ports.engine_ports import Change, Follower, not_stored
from chatservice.domain.ports.log_ports import Appended, Draft, SearchQuery, SearchResult
from chatservice.domain.ports.room_ports import TopicChanged
from chatservice.engines import blocks, placing
from chatservice.engines.annotationrules import edited_by
from chatservice.engines.registry import Registry
from chatservice.engines.sqlite import entryreading, integrity
from chatservice.engines.sqlite.annotationtable import SqlAnnotations, pinned, states
from chatservice.engines.sqlite.entryages import Clocks, EntryAges
from chatservice.engines.sqlite.filetable import FileTable
from chatservice.engines.sqlite.schema import UP_TO, VERSION, open_database, open_reader
from chatservice.engines.sqlite.search import Indexer, Searcher, index_path
from chatservice.engines.sqlite.sqltables import SqlTables
from chatservice.engines.sqlite.threads import WorkerThread
from chatservice.entries import Entry, EntryState, Run
from chatservice.limits import Limits
from chatservice.replies import CountInfo

T = TypeVar("T")


class LogStore:
    """The database at `path`. Raises `Refusal`, with a sentence for the operator.

    A change that the disk refuses is refused to its caller (not-stored). `files`, `rooms`,
    `accounts` and `members` are its other tables. `forget_files` deletes the files of a removed
    room. Each change is an operation with a name, which is run by `commit`. What is stored of
    guests ends with the process, unless `keeps_guests`.
    """

    keeps_guests = False

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        path: Path,
        clocks: Clocks = Clocks(),  # noqa: B008
        limits: Limits | None = None,
        forget_files: Callable[[str], Awaitable[None]] = lambda folder: succeed(None),
    ) -> None:
        self._limits = limits = limits or Limits()
        self._reactor = reactor
        self._closed = False
        self._db = open_database(path, self.keeps_guests)
        self._last = _last_positions(self._db)
        self._ages = EntryAges(self._db, self._commit, clocks, limits)
        self._unnoted: set[int] = set()
        # The new inboxes of guests who registered just now, in the database's thread.
        self._moved: dict[int, int] = {}
        self._blocks_unnoted = 0
        self._thread = WorkerThread(reactor, "chat-database")
        self._reader = open_reader(path)
        self._reading = WorkerThread(reactor, "chat-history", by_turns=limits)
        self.file_table = FileTable(
            self._db, self._thread.do, self._look, self._change, self._execute_each
        )
        self._tables = SqlTables(self._db, self._commit, self._last_of, self._moved)
        self._annotations = SqlAnnotations(self._db, limits)
        self._places = placing.Places(
            *(self._last, self._last_of, self._said, self._keep_key, self._annotations.decide),
            moved=self._moved,
        )
        self._operations: dict[str, Callable[..., Any]] = {
            "append": self._append,
            "erase": self._erase,
            "reassign": self._reassign,
            "drop_inbox": self._forget,
        }
        look = self._thread.do
        self._registry = Registry(
            *(self._tables, self.commit, self._empty_log, forget_files, look, limits)
        )
        self.rooms, self.accounts = self._registry.rooms, self._registry.accounts
        self.members, self.pushes = self._registry.members, self._registry.pushes
        self._changed = self._registry.changed
        self._stored = self._registry.stored
        self._indexer = Indexer(path, index_path(path), limits)
        self._searcher = Searcher(path, index_path(path), self._indexer.make_again, limits)
        self._searching = WorkerThread(reactor, "chat-search", by_turns=limits)

    def take_over(self, path: Path) -> None:
        """Take over the content of the database at `path`, all of it or nothing, in place of what
        is here. In any thread, before `start` and `load`."""
        with closing(sqlite3.connect(path)) as other:
            other.backup(self._db)

    def load(self) -> None:
        """Load again into memory what the database has, before `start`."""
        self._last.clear()
        self._last.update(_last_positions(self._db))
        self._ages.load()
        self._registry.load()

    def start(self) -> None:
        """From now on, leave the database to its threads."""
        for thread in (self._thread, self._reading, self._searching):
            thread.start()
        self._indexer.start()
        self._thread.do(self._orphans).addCallback(lambda logs: [*map(self._empty_log, logs)])

    def close(self) -> None:
        """Finish the remaining jobs, and close the database."""
        self._closed = True
        self._indexer.stop()
        for thread in (self._searching, self._reading):
            thread.stop(drop=True)  # nobody waits for an answer any more
        self._thread.stop()
        self._note()
        with suppress(sqlite3.Error):
            self._ages.note(last=True)
        self._searcher.close()
        self._reader.close()
        self._db.close()

    # -- in the reactor's thread -----------------------------------------------------------------

    async def follow(self, follower: Follower) -> None:
        """Tell a follower the rooms and operators there are, and all changes from now on."""
        last = await self._thread.do(self._last_of_each, tuple(self.rooms.rows))
        self._registry.followers.clear()  # there is one, of one node
        await self._registry.follow(follower, last)

    def ended(self, positions: Mapping[int, int]) -> None:
        """Tell the follower up to which positions entries are no longer kept."""
        for follower in self._registry.followers:
            follower.ended(positions)

    def append(self, batch: Sequence[Draft], read: Mapping[int, int]) -> "Deferred[Appended]":
        self.accounts.note_read(read)
        return self.commit("append", batch, read).addCallback(self._tell)

    def _tell(self, done: tuple[T, Sequence[Change]]) -> T:
        """Tell the follower of changes, and return the result."""
        result, changes = done
        for change in changes:
            self._changed(change)
        return result

    def read(self, log: int, after: int, limit: int) -> Awaitable[Sequence[Block]]:
        """The entries behind a position.

        A guest's inbox is read where it is written, since it is moved when the guest registers.
        """
        if log < 0:
            return self._thread.do(self._read_moved, log, after, limit)
        return self._reading.do(self._read, self._reader, log, after, limit)

    def read_back(self, log: int, before: int, limit: int) -> Awaitable[Sequence[Block]]:
        return self._reading.do(self._read_back, log, before, limit)

    def entries_at(self, log: int, positions: Collection[int]) -> Awaitable[Mapping[int, Entry]]:
        return self._reading.do(self._entries_at, log, positions)

    def states(self, log: int, positions: Collection[int]) -> Awaitable[Mapping[int, EntryState]]:
        return self._look(states, log, positions, self._limits.reaction_names)

    def pinned(self, log: int) -> Awaitable[Sequence[int]]:
        return self._look(pinned, log)

    def edits(self, log: int, position: int) -> Awaitable[Sequence[tuple[int, Entry]]]:
        return self._reading.do(self._edits, log, position)

    def search(self, query: SearchQuery) -> Awaitable[SearchResult]:
        until = monotonic() + self._limits.search_seconds
        return self._searching.do(self._searcher.search, query, until)

    def note_age(self, last: bool = False) -> "Deferred[None]":
        """Note the ages of entries, if it is time for that, or the `last` time."""
        return self._thread.do(self._ages.note, last)

    def end_some(self, seconds: float | None, size: int | None) -> "Deferred[Mapping[int, int]]":
        """Let some of the oldest entries go, if they were stored more than so many seconds ago or
        the database has more than `size` bytes. Answer up to which position they went, by the
        numbers of their logs."""
        return self._thread.do(self._end_some, seconds, size)

    async def erase(self, log: int, position: int) -> bool:
        found: bool = self._tell(await self.commit("erase", log, position))
        if found:
            await self._empty_wal()
        return found

    def entries(self) -> "Deferred[int]":
        """Count the entries that are kept, of all logs but guests' inboxes."""
        return self._reading.do(_kept, self._reader, self._last.copy())

    def unread(self) -> "Deferred[int]":
        """Count the blocks that are not in the index of the search yet."""
        return self._reading.do(self._indexer.behind, self._reader)

    def last(self, log: int) -> Awaitable[int]:
        return self._thread.do(self._last_of, log)

    def position_of_key(self, log: int, writer: str, key: str) -> Awaitable[int | None]:
        return self._thread.do(self._said, log, writer, key)

    def drop_inbox(self, log: int) -> Awaitable[None]:
        return self.commit("drop_inbox", log).addErrback(lambda failure: None)

    async def _empty_wal(self) -> None:
        """Remove erased text from the write-ahead log too; later, if a reader is in the way."""
        if not (self._closed or await self._thread.do(integrity.emptied, self._db)):
            again = self._reactor.callLater
            again(integrity.AGAIN_SECONDS, lambda: Deferred.fromCoroutine(self._empty_wal()))

    async def reassign(self, key: str, mark: str, erase: bool, after: int) -> int | None:
        reached = await self._thread.do(self._end_of_some, after)
        if reached is not None:
            args = key, mark, erase, after, reached
            self._tell(await self.commit("reassign", *args))
        elif erase:
            await self._empty_wal()
        return reached

    def _empty_log(self, log: int) -> None:
        """Delete all entries of an unused log, in small steps, between which other jobs run. The
        next start deletes the rest."""

        def go_on(more: bool) -> None:
            if more:
                self._empty_log(log)

        self._thread.do(self._empty_some, log).addCallback(go_on).addErrback(
            lambda failure: self.log.failure("a removed room's log is not emptied", failure)
        )

    def backlog(self) -> Sequence[CountInfo]:
        """Return what waits to be stored, beside batches."""
        return ()

    def _look(self, job: Callable[..., T], *args: Any) -> "Deferred[T]":
        return self._reading.do(job, self._reader, *args)

    def commit(self, name: str, *args: Any) -> "Deferred[Any]":
        """Run an operation in one commit, by its name: one of the logs', or a method of the tables.
        Answer with its result."""
        return self._change(self._operation(name), *args).addCallback(self._stored, name, args)

    def _operation(self, name: str) -> Callable[..., Any]:
        found = self._operations.get(name)
        return found if found is not None else getattr(self._tables, name)

    def _change(self, job: Callable[..., T], *args: Any) -> "Deferred[T]":
        return self._thread.do(job, *args).addErrback(self._refused)

    def _refused(self, failure: Failure) -> NoReturn:
        failure.trap(sqlite3.Error)
        self.log.error("the database refused a change: {why}", why=failure.getErrorMessage())
        raise not_stored()

    # -- in the database's thread ----------------------------------------------------------------

    @contextmanager
    def _commit(self) -> Iterator[None]:
        """All of it is stored, or nothing; within another one, with that one's rest."""
        if self._db.in_transaction:
            with self._savepoint():
                yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._last.clear()  # read again what is there now
            if isinstance(error, sqlite3.OperationalError):
                # Overwrite what the commit has left in the write-ahead log. If all of it got there,
                # and only the disk's answer is missing, it would be there again after a crash.
                with suppress(sqlite3.Error):
                    self._db.execute(f"PRAGMA user_version = {VERSION}")
            raise

    @contextmanager
    def _savepoint(self) -> Iterator[None]:
        self._db.execute("SAVEPOINT operation")
        try:
            yield
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK TO operation")
            self._last.clear()
            raise
        finally:
            if self._db.in_transaction:
                self._db.execute("RELEASE operation")

    def _execute_each(self, sql: str, rows: Iterable[Sequence[Any]]) -> int:
        """Execute a statement with each of the rows. Return the number of the row it made last."""
        with self._commit():
            last = None
            for row in rows:
                last = self._db.execute(sql, row).lastrowid
        return last or 0

    def _append(
        self, batch: Sequence[Draft], read: Mapping[int, int]
    ) -> tuple[Appended, Sequence[Change]]:
        self._annotations.begin_batch()
        with self._commit():
            appended, places, topics = placing.place(batch, self._places)
            changes: list[Change] = [TopicChanged(*it) for it in topics]
            for log, topic in topics:
                self._db.execute("UPDATE room SET topic = ? WHERE log = ?", (topic, log))
            self._db.executemany(
                "INSERT INTO block (log, first, last, time, entries) VALUES (?, ?, ?, ?, ?)",
                (
                    (log, runs[0][0], self._last[log], runs[-1][1].time, blocks.pack(runs))
                    for log, runs in places.items()
                ),
            )
            if appended.about:
                changes += self._annotations.edited(places)
            if read:
                sql = "UPDATE account SET shown = max(shown, ?) WHERE inbox = ?"
                self._db.executemany(sql, [(position, log) for log, position in read.items()])
        self._indexer.nudge()
        self._unnoted.update(places)
        self._blocks_unnoted += len(places)
        if self._blocks_unnoted >= self._limits.note_blocks:
            self._note()
        return appended, changes

    def _note(self) -> None:
        """Note the last position of each log that got entries since the last time."""
        self._blocks_unnoted = 0  # if it fails: not at once again
        sql = (
            "UPDATE log SET last = ?, noted = (SELECT coalesce(max(id), 0) FROM block) WHERE id = ?"
        )
        notes = [(self._last_of(log), log) for log in self._unnoted if log > 0]
        with suppress(sqlite3.Error):
            with self._commit():
                self._db.executemany(sql, notes)
            self._unnoted.clear()

    def _said(self, log: int, writer: str, key: str) -> int | None:
        row = self._db.execute(
            "SELECT position FROM said WHERE log = ? AND who = ? AND key = ?",
            (log, writer, key),
        ).fetchone()
        return row[0] if row is not None else None

    def _now(self) -> int:
        """Return the time that keys are kept with, in milliseconds."""
        return self._ages.now()

    def _keep_key(self, log: int, writer: str, key: str, position: int) -> None:
        now = self._now()
        self._db.execute(
            "INSERT INTO said VALUES (?, ?, ?, ?, ?)",
            (log, writer, key, position, now),
        )
        if position % 256 == 0:
            old = now - round(self._limits.key_seconds * 1000)
            self._db.execute("DELETE FROM said WHERE time < ?", (old,))

    def _last_of(self, log: int) -> int:
        last = self._last.get(log)
        if last is None:
            (last,) = self._db.execute(
                "SELECT max(coalesce((SELECT max(last) FROM block WHERE log = ?1), 0),"
                " coalesce((SELECT max(ended, last) FROM log WHERE id = ?1), 0))",
                (log,),
            ).fetchone()
            self._last[log] = last
        return int(last)

    def _last_of_each(self, logs: Sequence[int]) -> dict[int, int]:
        return {log: self._last_of(log) for log in logs}

    def _forget(self, log: int) -> None:
        self._last.pop(log, None)
        with self._commit():
            for table in ("block", "said"):
                self._db.execute(f"DELETE FROM {table} WHERE log = ?", (log,))

    def _orphans(self) -> list[int]:
        """Return the logs whose room is removed, and which are not empty yet."""
        sql = (
            "SELECT id FROM log WHERE id NOT IN (SELECT log FROM room)"
            " AND id NOT IN (SELECT inbox FROM account)"
            " AND (EXISTS (SELECT 1 FROM block WHERE block.log = log.id)"
            " OR EXISTS (SELECT 1 FROM said WHERE said.log = log.id)"
            " OR EXISTS (SELECT 1 FROM annotation WHERE annotation.log = log.id))"
        )
        return [log for (log,) in self._db.execute(sql)]

    def _empty_some(self, log: int) -> bool:
        """Delete some of a log. Return whether there is more."""
        gone = 0
        with self._commit():
            for sql in (
                "DELETE FROM block WHERE id IN (SELECT id FROM block WHERE log = ?1 LIMIT ?2)",
                "DELETE FROM said WHERE (log, who, key) IN"
                " (SELECT log, who, key FROM said WHERE log = ?1 LIMIT ?2)",
                "DELETE FROM annotation WHERE (log, kind, about, word, user, position) IN"
                " (SELECT log, kind, about, word, user, position FROM annotation"
                " WHERE log = ?1 LIMIT ?2)",
            ):
                gone += self._db.execute(sql, (log, self._limits.end_blocks)).rowcount
        if gone:
            return True
        self._last.pop(log, None)
        self._unnoted.discard(log)
        self._indexer.nudge(ended=True)
        return False

    def _end_some(self, seconds: float | None, size: int | None) -> dict[int, int]:
        aged = self._ages.older_than(seconds) if seconds is not None else 0
        over = self._used() - size if size is not None else 0
        # Guests' inboxes go with them: their positions are nowhere else.
        sql = "SELECT id, log, last, length(entries) FROM block WHERE +log > 0 ORDER BY id LIMIT ?"
        newest, ended, room = 0, dict[int, int](), self._limits.end_bytes
        for id_, log, last, length in self._db.execute(sql, (self._limits.end_blocks,)).fetchall():
            if room <= 0 or (id_ > aged and over <= 0):
                break
            newest, ended[log] = id_, last
            over -= length
            room -= length
        if newest:
            with self._commit():
                self._db.executemany(
                    "UPDATE log SET ended = max(ended, ?) WHERE id = ?",
                    ((last, log) for log, last in ended.items()),
                )
                self._db.execute("DELETE FROM block WHERE id <= ? AND +log > 0", (newest,))
                for log, last in ended.items():
                    self._annotations.ended(log, last)
                self._ages.forget(newest)
            self._indexer.nudge(ended=True)
        return ended

    def _erase(self, log: int, position: int) -> tuple[bool, Sequence[Change]]:
        gone = entryreading.erased_with(self._db, log, position)
        if not gone:
            return False, ()
        sql = "SELECT id, first, entries FROM block WHERE log = ? AND last >= ? ORDER BY last"
        were = [(at, it.as_run()) for at, it in entryreading.stored_entries(self._db, log, gone)]
        with self._commit():
            for one in gone:
                id_, first, data = self._db.execute(sql, (log, one)).fetchone()
                runs = blocks.without(blocks.unpack(first, data), one)
                self._replace(id_, log, runs, [one])
            self._annotations.erased(log, gone)
            self._annotations.reassign(log, were, None)
            changes = self._annotations.replaced(log, gone, gone)
        self._indexer.nudge()
        return True, changes

    def _replace(
        self, id_: int, log: int, runs: Sequence[tuple[int, Run]], erased: Iterable[int]
    ) -> None:
        """Replace the entries of a block, of which some are erased."""
        self._db.execute("UPDATE block SET entries = ? WHERE id = ?", (blocks.pack(runs), id_))
        sql = "INSERT OR REPLACE INTO erased (log, position) VALUES (?, ?)"
        self._db.executemany(sql, [(log, position) for position in erased])

    def _renamed(self, log: int, positions: Iterable[int], but: Sequence[int]) -> None:
        """Note for the index that entries have the name of another user, `but` some."""
        sql = (
            "INSERT OR REPLACE INTO erased (log, position, renamed) VALUES (?1, ?2, coalesce("
            "(SELECT renamed FROM erased WHERE log = ?1 AND position = ?2), 1))"
        )
        self._db.executemany(sql, [(log, at) for at in {*positions} - {*but}])

    def _end_of_some(self, after: int) -> int | None:
        rows = self._some_blocks(after)
        return rows[-1][0] if rows else None

    def _some_blocks(self, after: int) -> list[tuple[int, int, int, bytes]]:
        """Return the next blocks behind one: number, log, first position and entries; so many as
        are dealt with in one step."""
        sql = "SELECT id, log, first, entries FROM block WHERE id > ? ORDER BY id LIMIT ?"
        rows, room = [], self._limits.end_bytes
        with closing(self._db.execute(sql, (after, self._limits.end_blocks))) as found:
            for row in found:
                rows.append(row)
                room -= len(row[3])
                if room <= 0:
                    break
        return rows

    def _reassign(
        self, key: str, mark: str, erase: bool, after: int, reached: int
    ) -> tuple[None, Sequence[Change]]:
        sql = "SELECT id, log, first, entries FROM block WHERE id > ? AND id <= ? ORDER BY id"
        rows = self._db.execute(sql, (after, reached)).fetchall()
        changed: list[Change] = []
        topics: list[tuple[int, str]] = []
        with self._commit():
            for id_, log, first, data in rows:
                runs = blocks.unpack(first, data)
                new, gone = blocks.renamed(runs, key, mark, erase)
                if new is None:
                    continue
                if erase:
                    topics += [(log, text) for text in blocks.topics(runs, key)]
                theirs = blocks.runs_of(runs, key)
                edited = edited_by(theirs) if erase else set[int]()  # maybe under a former name
                self._replace(id_, log, new, {*gone, *edited})
                self._renamed(log, blocks.positions(blocks.runs_with(runs, key)), gone)
                self._annotations.reassign(log, theirs, None if erase else mark)
                self._annotations.erased(log, gone)
                positions = {*blocks.positions(theirs), *edited}
                changed += self._annotations.replaced(log, (first, *edited), positions)
            sql = "UPDATE room SET topic = '' WHERE log = ? AND topic = ?"
            changed += [
                TopicChanged(it[0], "") for it in topics if self._db.execute(sql, it).rowcount
            ]
        self._indexer.nudge()
        return None, changed

    def _used(self) -> int:
        pages, free, size = (
            self._db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    # -- in the reading thread -------------------------------------------------------------------

    def _read_moved(self, log: int, after: int, limit: int) -> list[Block]:
        return self._read(self._db, self._moved.get(log, log), after, limit)

    def _read(self, db: sqlite3.Connection, log: int, after: int, limit: int) -> list[Block]:
        sql = "SELECT first, last, entries FROM block WHERE log = ? AND last > ? ORDER BY last"
        return self._blocks(db, sql, log, after, limit)

    def _read_back(self, log: int, before: int, limit: int) -> list[Block]:
        sql = f"SELECT first, last, entries FROM block WHERE {UP_TO}"
        return self._blocks(self._reader, sql, log, before - 1, limit, before - 1)

    def _blocks(
        self,
        db: sqlite3.Connection,
        sql: str,
        log: int,
        position: int,
        limit: int,
        newest: int = sys.maxsize,
    ) -> list[Block]:
        """Return blocks of about `limit` entries up to the `newest`, or of about `replay_bytes`,
        but one at least, in order.

        No more rows are looked at than that, however long the log is.
        """
        found: list[entryreading.Runs] = []
        room = self._limits.replay_bytes
        with entryreading.at_one_moment(db):
            with closing(db.execute(sql, (log, position))) as rows:
                for first, last, data in rows:
                    found.append(blocks.unpack(first, data))
                    limit -= min(last, newest) + 1 - first
                    room -= len(data)
                    if limit <= 0 or room <= 0:
                        break
            found.sort(key=lambda runs: runs[0][0])
            return [*map(Block, entryreading.shown(db, log, found))]

    def _entries_at(self, log: int, positions: Collection[int]) -> Mapping[int, Entry]:
        with entryreading.at_one_moment(self._reader):
            return dict(entryreading.entries_at(self._reader, log, positions))

    def _edits(self, log: int, position: int) -> Sequence[tuple[int, Entry]]:
        with entryreading.at_one_moment(self._reader):
            edits = entryreading.edits(self._reader, log, position)
            return [*entryreading.stored_entries(self._reader, log, (position, *edits))]


def _kept(db: sqlite3.Connection, last: Mapping[int, int]) -> int:
    """Return how many entries are kept; `last` has the last positions of logs, where known."""
    rows = db.execute("SELECT id, ended, last FROM log")
    return sum(max(last.get(id_, noted) - ended, 0) for id_, ended, noted in rows)


def _last_positions(db: sqlite3.Connection) -> dict[int, int]:
    """Return the last position of each log, as it was noted, or as the blocks since then say.

    A start with ten million entries would else read a page of the index for each room, here and
    there on the disk: 2.5 to 4.3 s for 1000 rooms (docs/performance.md).
    """
    (noted,) = db.execute("SELECT coalesce(max(noted), 0) FROM log").fetchone()
    found = dict(db.execute("SELECT id, max(last, ended) FROM log").fetchall())
    sql = "SELECT log, max(last) FROM block NOT INDEXED WHERE id > ? GROUP BY log"
    found.update(db.execute(sql, (noted,)).fetchall())
    return found
