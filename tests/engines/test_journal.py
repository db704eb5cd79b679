"""Group commit: durable first, then told; what arrives meanwhile goes together."""

import pytest
import pytest_twisted
from twisted.internet import reactor

from chatservice.domain.log import BlockCache, Cursor, Log
from chatservice.engines.sqlite.journal import Journal
from chatservice.engines.sqlite.logstore import LogStore
from chatservice.errors import Code, Refusal
from tests.engines.test_logstore import say


class Watcher:
    """A reader that notes what it could have read when it was woken, and what was stored then."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.reader = self

    def wake(self, cursors: tuple[Cursor, ...]) -> None:
        """Read everything."""
        for cursor in cursors:
            while cursor.position < cursor.log.last:
                block = cursor.log.since(cursor.position)
                self.seen += [entry.text for _, entry in block.entries(cursor.position)]
                cursor.pass_over(block.last)


@pytest.fixture
def store(tmp_path):
    """Return an open store that counts its commits; its thread is running."""
    store = LogStore(reactor, tmp_path / "chat.sqlite")
    store.batches = []
    append = store.append
    store.append = lambda batch, shown: (store.batches.append(len(batch)), append(batch, shown))[1]
    store.start()
    yield store
    store.close()


@pytest_twisted.ensureDeferred
async def test_what_arrives_together_is_committed_together(store):
    """A thousand messages take a handful of commits, and all are shown in their order."""
    journal, log, watcher = Journal(store, reactor), Log(1, "lab", 0, BlockCache()), Watcher()
    Cursor(log, watcher)
    for at in range(1000):
        journal.record(say(log, str(at)))
    assert watcher.seen == []  # nothing is shown before it is stored
    await journal.settled()
    assert watcher.seen == [str(at) for at in range(1000)]
    assert len(store.batches) < 5


@pytest_twisted.ensureDeferred
async def test_a_commit_that_fails_is_shown_to_nobody(store):
    """Who wrote is told so, nobody sees it, and the next message is stored as if nothing was."""
    journal, log, watcher = Journal(store, reactor), Log(1, "lab", 0, BlockCache()), Watcher()
    Cursor(log, watcher)
    with pytest.raises(Refusal) as caught:
        await journal.stored(say(log, "\ud800"))
    assert caught.value.code is Code.NOT_STORED
    assert await journal.stored(say(log, "fine")) == 1
    await journal.settled()
    assert watcher.seen == ["fine"]


@pytest_twisted.ensureDeferred
async def test_one_writer_who_cannot_be_told_hurts_no_other(store):
    """An error in answering one writer reaches neither the others nor the readers."""
    journal, log, watcher = Journal(store, reactor), Log(1, "lab", 0, BlockCache()), Watcher()
    Cursor(log, watcher)
    bad = say(log, "a")

    def fail(result):
        raise RuntimeError("gone")

    bad.done = fail
    journal.record(bad)
    assert await journal.stored(say(log, "b")) == 2
    await journal.settled()
    assert watcher.seen == ["a", "b"]


@pytest_twisted.ensureDeferred
async def test_a_repetition_is_answered_and_not_shown_again(store):
    """The second time a key comes it gets the first one's position."""
    journal, log, watcher = Journal(store, reactor), Log(1, "lab", 0, BlockCache()), Watcher()
    Cursor(log, watcher)
    assert await journal.stored(say(log, "a", "k")) == 1
    assert await journal.stored(say(log, "a", "k")) == 1
    await journal.settled()
    assert watcher.seen == ["a"]
