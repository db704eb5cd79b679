"""Group commit: durable first, then told; what arrives meanwhile goes together."""

import pytest
import pytest_twisted
from twisted.internet import reactor

from chatservice.domain.log import BlockCache, Cursor, Log
from chatservice.domain.publisher import Publisher
from chatservice.engines.sqlite.logstore import LogStore
from chatservice.errors import Code, Refusal
from chatservice.eventloop import ReactorLoop
from tests.engines.test_logstore import say


class Watcher:
    """A reader that notes what it could have read when it was woken, and what was stored then."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.peer = self

    def wake(self, cursors: tuple[Cursor, ...]) -> int:
        """Read everything."""
        for cursor in cursors:
            while cursor.position < cursor.log.last:
                block = cursor.log.block_after(cursor.position)
                self.seen += [entry.text for _, entry in block.entries(cursor.position)]
                cursor.advance(block.last)
        return 0


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
    publisher, log, watcher = (
        Publisher(store, ReactorLoop(reactor), reactor.seconds),
        Log(1, "lab", 0, BlockCache()),
        Watcher(),
    )
    Cursor(log, watcher)
    for at in range(1000):
        publisher.record(say(log, str(at)))
    assert watcher.seen == []  # nothing is shown before it is stored
    await publisher.settled()
    assert watcher.seen == [str(at) for at in range(1000)]
    assert len(store.batches) < 5


@pytest_twisted.ensureDeferred
async def test_a_commit_that_fails_is_shown_to_nobody(store):
    """The author is refused, nobody sees the entry, and the next one is stored as usual."""
    publisher, log, watcher = (
        Publisher(store, ReactorLoop(reactor), reactor.seconds),
        Log(1, "lab", 0, BlockCache()),
        Watcher(),
    )
    Cursor(log, watcher)
    with pytest.raises(Refusal) as caught:
        await publisher.record_and_wait(say(log, "\ud800"))
    assert caught.value.code is Code.NOT_STORED
    assert await publisher.record_and_wait(say(log, "fine")) == 1
    await publisher.settled()
    assert watcher.seen == ["fine"]


@pytest_twisted.ensureDeferred
async def test_one_writer_who_cannot_be_told_hurts_no_other(store):
    """An error in answering one writer reaches neither the others nor the readers."""
    publisher, log, watcher = (
        Publisher(store, ReactorLoop(reactor), reactor.seconds),
        Log(1, "lab", 0, BlockCache()),
        Watcher(),
    )
    Cursor(log, watcher)
    bad = say(log, "a")

    def fail(result):
        raise RuntimeError("gone")

    bad.on_stored = fail
    publisher.record(bad)
    assert await publisher.record_and_wait(say(log, "b")) == 2
    await publisher.settled()
    assert watcher.seen == ["a", "b"]


@pytest_twisted.ensureDeferred
async def test_a_repetition_is_answered_and_not_shown_again(store):
    """A repeated key gets the position of the first entry."""
    publisher, log, watcher = (
        Publisher(store, ReactorLoop(reactor), reactor.seconds),
        Log(1, "lab", 0, BlockCache()),
        Watcher(),
    )
    Cursor(log, watcher)
    assert await publisher.record_and_wait(say(log, "a", "k")) == 1
    assert await publisher.record_and_wait(say(log, "a", "k")) == 1
    await publisher.settled()
    assert watcher.seen == ["a"]


@pytest_twisted.ensureDeferred
async def test_a_session_waits_for_its_own_talk_only(store):
    """A session that has said nothing waits for nobody else's commit; one that has said something
    waits until that is stored."""
    publisher, log = (
        Publisher(store, ReactorLoop(reactor), reactor.seconds),
        Log(1, "lab", 0, BlockCache()),
    )
    talker, listener = Watcher(), Watcher()
    draft = say(log, "a")
    draft.speaker = Cursor(log, talker)
    publisher.record(draft)
    settled = publisher.settled(talker)
    assert publisher.settled(listener).called
    assert not settled.called
    await settled
    assert draft.speaker.last_said == 1
