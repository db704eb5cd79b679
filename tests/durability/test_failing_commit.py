"""A commit that raises, with the real database and its real errors: none of it is there, and what
comes next goes on where the log stood."""

import sqlite3
from contextlib import closing, contextmanager

import pytest
import pytest_twisted
from twisted.internet import reactor

from chatservice.domain.log import BlockCache, Cursor, Log
from chatservice.domain.publisher import Publisher
from chatservice.engines.sqlite.logstore import LogStore
from chatservice.errors import Code, Refusal
from chatservice.eventloop import ReactorLoop
from tests.domain.test_publisher import Watcher
from tests.engines.test_logstore import say

ORPHAN = """
CREATE TABLE orphan (log INTEGER REFERENCES log(id) DEFERRABLE INITIALLY DEFERRED);
CREATE TRIGGER wreck AFTER INSERT ON block BEGIN INSERT INTO orphan VALUES (-1); END;
"""
"""Makes each commit that adds a block fail at its very end, where the foreign key is checked."""


@contextmanager
def at_the_end(db):
    """COMMIT itself raises, and leaves the transaction open."""
    db.execute("PRAGMA foreign_keys = ON")
    db.executescript(ORPHAN)
    yield
    db.executescript("DROP TRIGGER wreck; DROP TABLE orphan;")


@contextmanager
def half_way(db):
    """The database may not grow: SQLite ends the transaction by itself (SQLITE_FULL)."""
    db.execute("PRAGMA max_page_count = 1")
    yield
    db.execute("PRAGMA max_page_count = 1000000")


@contextmanager
def before_it_begins(db):
    """Somebody else writes and does not end: BEGIN raises."""
    db.execute("PRAGMA busy_timeout = 0")
    ((_, _, path),) = db.execute("PRAGMA database_list")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@pytest.mark.parametrize("cause", [at_the_end, half_way, before_it_begins])
@pytest_twisted.ensureDeferred
async def test_a_commit_that_raises(tmp_path, cause):
    """All of the batch is refused and shown to nobody. Then the same keys are taken as new ones,
    positions go on without a gap, and a restart finds exactly what was acknowledged."""
    store = LogStore(reactor, tmp_path / "chat.sqlite")
    row = await store.rooms.create("lab", None, 0, None)
    publisher, log, watcher = (
        Publisher(store, ReactorLoop(reactor), reactor.seconds),
        Log(row.number, "lab", 0, BlockCache()),
        Watcher(),
    )
    Cursor(log, watcher)
    inbox = Log(-1, "@", 0, BlockCache())
    kept = [await publisher.record_and_wait(say(log, "a", "first"))]
    with cause(store._db):
        big = "b" * 100_000  # more than fits into the pages there are
        drafts = [say(log, big, "key"), say(log, "c"), say(inbox, big, "key")]
        for refused in [publisher.record_and_wait(draft) for draft in drafts]:
            with pytest.raises(Refusal) as caught:
                await refused
            assert caught.value.code is Code.NOT_STORED
        assert log.last == 1
    kept.append(await publisher.record_and_wait(say(log, "b", "key")))
    kept.append(await publisher.record_and_wait(say(log, "d")))
    assert await publisher.record_and_wait(say(log, "a", "first")) == 1
    assert await publisher.record_and_wait(say(inbox, "e", "key")) == 1
    await publisher.settled()
    assert kept == [1, 2, 3]
    assert watcher.seen == ["a", "b", "d"]
    store.close()

    store = LogStore(reactor, tmp_path / "chat.sqlite")
    found = [
        entry.text for block in await store.read(log.id, 0, 99) for _, entry in block.entries()
    ]
    assert found == ["a", "b", "d"]
    assert (await store.append([say(log, "f")], {})).positions == [4]
    store.close()
