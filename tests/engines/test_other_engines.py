"""Reads during writes, moves and deletions: nothing is missed, and nothing comes early."""

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import Clock

from chatservice.domain.chat import Chat
from chatservice.domain.log import BlockCache, Log
from chatservice.domain.ports.account_ports import GuestRegistered
from chatservice.domain.ports.log_ports import Draft
from chatservice.engines.sqlite.engine import SqliteEngine
from chatservice.engines.sqlite.entryages import Clocks, really_passed
from chatservice.engines.sqlite.retention import Retention
from chatservice.entries import Kind, Run
from chatservice.eventloop import ReactorLoop


@pytest.fixture
def engine(tmp_path):
    """Return an engine; its threads run."""
    engine = SqliteEngine(reactor, tmp_path, tmp_path / "files")
    pytest_twisted.blockon(Deferred.fromCoroutine(engine.start()))
    yield engine
    pytest_twisted.blockon(Deferred.fromCoroutine(engine.stop()))


@pytest.fixture
def chat(engine):
    """Return a chat with a lobby."""
    chat = Chat(engine, lambda: 1000.0, ReactorLoop(reactor), lambda *args, **kwargs: None)
    pytest_twisted.blockon(Deferred.fromCoroutine(chat.open()))
    return chat


class InboxFollower:
    """Follows an engine, and gives a log the number of the account that its guest has now."""

    def __init__(self, inbox):
        self._inbox = inbox

    def changed(self, change):
        """Note what the engine says."""
        if isinstance(change, GuestRegistered):
            assert self._inbox.id == change.inbox
            self._inbox.id = change.account.inbox


def said(log, *texts):
    """Return messages on their way into a log."""
    return Draft(log, Run(Kind.MESSAGE, 1000, "alice", texts))


def shown(blocks):
    """Return the texts that a reader of these blocks sees."""
    return [entry.text for block in blocks for _, entry in block.entries()]


@pytest_twisted.ensureDeferred
async def test_who_reads_the_past_is_not_ahead_of_the_present(engine, chat):
    """An entry that is stored but not acknowledged is shown to nobody: otherwise its author would
    get it back."""
    log = chat.rooms.lobby.log
    await chat.publisher.record_and_wait(said(log, "one"))
    await engine.logs.append([said(log, "two")], {})  # and nobody is told
    assert shown(await chat.replay(log, 0)) == ["one"]


@pytest_twisted.ensureDeferred
async def test_a_guests_inbox_is_read_while_it_becomes_their_own(engine, chat):
    """It gets another number meanwhile, and nothing is missed, whichever comes first."""
    for turn in range(20):
        inbox = Log(-1 - turn, "@", 0, BlockCache())
        await engine.follow(InboxFollower(inbox))
        await chat.publisher.record_and_wait(said(inbox, "psst"))
        what = [
            lambda inbox=inbox: chat.replay(inbox, 0),
            lambda inbox=inbox, turn=turn: engine.logs.accounts.register(
                f"u{turn}", "hash", inbox.id, 0
            ),
        ]
        doing = [Deferred.fromCoroutine(each()) for each in (what if turn % 2 else what[::-1])]
        done = await gatherResults(doing)
        assert shown(done[0] if turn % 2 else done[1]) == ["psst"]
        assert inbox.id > 0


@pytest_twisted.ensureDeferred
async def test_what_is_no_longer_kept_is_not_in_memory_either(engine, chat, monkeypatch):
    """A reader from an old position gets only the entries still kept, without a restart of the
    server."""
    log, clock = chat.rooms.lobby.log, Clock()
    await chat.publisher.record_and_wait(said(log, "old", "older"))
    await engine.logs.note_age(last=True)
    engine.logs._ages._clocks = Clocks(passed=lambda: really_passed() + 1000)
    await chat.publisher.record_and_wait(said(log, "new"))
    gone = Deferred()

    told = engine.logs.ended

    def ended(positions):
        told(positions)
        gone.callback(positions)

    monkeypatch.setattr(engine.logs, "ended", ended)

    keeping = Retention(clock, engine.logs, 500.0, None)
    keeping.start()
    assert await gone == {log.id: 2}
    keeping.stop()
    assert log.memory_from == 2
    assert log.block_after(0) is None
    assert shown(await chat.replay(log, 0)) == ["new"]
    assert shown([log.block_after(2)]) == ["new"]
