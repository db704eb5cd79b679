"""The database: what was stored is there, in its order, once."""

import shutil

import pytest
import pytest_twisted
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import reactor

from chatservice import names
from chatservice.domain.log import BlockCache, Log
from chatservice.domain.ports.log_ports import Draft
from chatservice.domain.ports.room_ports import RoomRow
from chatservice.engines import blocks
from chatservice.engines.sqlite.logstore import LogStore
from chatservice.entries import FileMark, Kind, Run
from chatservice.errors import Code, Refusal
from chatservice.limits import Limits
from tests.contract.conftest import Notes
from tests.grammar.test_jsonlines import RUNS

TAILS = BlockCache()


def say(log: Log, text: str, key: str | None = None) -> Draft:
    """Return a message on its way into a log."""
    return Draft(log, Run(Kind.MESSAGE, 1_700_000_000_000, "alice", (text,)), key=key)


async def rooms(store: LogStore) -> list[RoomRow]:
    """Return the rooms that a follower is told."""
    await store.follow(notes := Notes())
    return notes.of(RoomRow)


@pytest.fixture
def store(tmp_path):
    """Return an open store; its thread is running."""
    store = LogStore(reactor, tmp_path / "chat.sqlite")
    store.start()
    yield store
    store.close()


CLEAN = st.builds(
    lambda run, about, to: run._replace(
        texts=list(names.clean_all(run.texts)), about=about, to=to, quote=None
    ),
    RUNS,
    st.integers(0, 1 << 60),
    st.sampled_from(("", "bob", "Zoë")),
)


@given(st.integers(1, 1 << 60), st.lists(st.tuples(CLEAN, st.integers(0, 3)), min_size=1))
def test_runs_come_back_as_they_were_packed(start, runs):
    """A stored run has all fields and positions of its entries, in no format of a protocol."""
    block, first = [], start
    for run, gap in runs:
        block.append((first, run))
        first += len(run.texts) + gap
    assert blocks.unpack(start, blocks.pack(block)) == block


def test_what_cannot_be_stored_is_not_stored_as_something_else():
    """A text that no gate can have let through is refused."""
    with pytest.raises(ValueError, match="001E"):
        blocks.pack([(1, Run(Kind.MESSAGE, 0, "alice", ["one\x1etwo"]))])


@pytest_twisted.ensureDeferred
async def test_positions_are_a_logs_own_and_only_increase(store):
    """Two logs in one batch each count for themselves, and go on in the next."""
    lab, lobby = Log(2, "lab", 0, TAILS), Log(1, "lobby", 0, TAILS)
    first = await store.append([say(lab, "a"), say(lobby, "b"), say(lab, "c")], {})
    second = await store.append([say(lab, "d")], {})
    assert (first.positions, second.positions) == ([1, 1, 2], [3])
    found = await store.read(2, 0, 100)
    assert [e.text for one in found for _, e in one.entries(0)] == ["a", "c", "d"]
    found = await store.read(2, 1, 100)
    assert [(p, e.text) for one in found for p, e in one.entries(1)] == [(2, "c"), (3, "d")]


@pytest_twisted.ensureDeferred
async def test_positions_go_on_after_a_kill(tmp_path):
    """Positions go on from the last entry: noted before or after the last note, moved from a
    guest's inbox, or deleted."""
    limits = Limits(note_blocks=4, end_blocks=3)
    store = LogStore(reactor, tmp_path / "chat.sqlite", limits=limits)
    logs = [
        Log((await store.rooms.create(name, None, 0, None)).number, name, 0, TAILS)
        for name in "abc"
    ]
    inbox, texts = Log(-1, "@", 0, TAILS), dict.fromkeys([log.id for log in logs], 0)
    await store.append([say(inbox, "psst")], {})
    for at in range(9):
        for log in logs[: 1 + at % 3]:
            await store.append([say(log, "text")], {})
            texts[log.id] += 1
            if at == 5 and log is logs[2]:
                await store.end_some(None, 0)
        if at == 7:
            account = await store.accounts.register("Alice", "hash", inbox.id, 0)
        killed = tmp_path / f"killed-{at}"
        killed.mkdir()
        for file in tmp_path.glob("chat.sqlite*"):
            shutil.copy(file, killed)
        left = LogStore(reactor, killed / "chat.sqlite", limits=limits)
        assert {row.number: row.last for row in await rooms(left)} == texts
        left.close()
        left = LogStore(reactor, killed / "chat.sqlite", limits=limits)  # this one was closed
        assert {row.number: row.last for row in await rooms(left)} == texts
        if at >= 7:
            assert await left.last(account.inbox) == 1
        left.close()
    store.close()


@pytest_twisted.ensureDeferred
async def test_what_was_stored_is_there_after_a_restart(tmp_path):
    """Rooms, topics, accounts, entries and positions outlive the process."""
    store = LogStore(reactor, tmp_path / "chat.sqlite")
    row = await store.rooms.create("Lab", None, 0, None)
    log, mark = Log(row.number, "Lab", 0, TAILS), FileMark("a", 1, "ab" * 32)
    file = Draft(log, Run(Kind.FILE, 0, "bob", file=mark))
    topic = Draft(log, Run(Kind.TOPIC, 0, "bob", ("all about it",)))
    await store.append([say(log, "a"), file, topic], {})
    account = await store.accounts.register("Alice", "hash", -1, 0)
    await store.append([say(Log(account.inbox, "@", 0, TAILS), "psst")], {account.inbox: 1})
    store.close()

    store = LogStore(reactor, tmp_path / "chat.sqlite")
    (room,) = await rooms(store)
    assert (room.name, room.topic, room.last) == ("Lab", "all about it", 3)
    assert (await store.accounts.account("alice")).read_position == 1
    assert (await store.append([say(log, "b")], {})).positions == [4]
    (old, _) = await store.read(row.number, 0, 9)
    assert [entry.as_run() for _, entry in old.entries()] == [
        say(log, "a").run,
        file.run,
        topic.run,
    ]
    store.close()


@pytest_twisted.ensureDeferred
async def test_a_key_makes_a_repetition_harmless(store):
    """The same key of the same user in the same log is stored once, also within one batch."""
    lab, lobby = Log(2, "lab", 0, TAILS), Log(1, "lobby", 0, TAILS)
    one = await store.append([say(lab, "a", "k"), say(lab, "a", "k"), say(lobby, "a", "k")], {})
    two = await store.append([say(lab, "a", "k"), say(lab, "b")], {})
    assert (one.positions, one.repeated) == ([1, 1, 1], {1})
    assert (two.positions, two.repeated) == ([1, 2], {0})


@pytest_twisted.ensureDeferred
async def test_a_batch_that_fails_leaves_nothing(store):
    """A commit that raises stores none of its batch, and the next one goes on where it stood."""
    lab = Log(2, "lab", 0, TAILS)
    await store.append([say(lab, "a")], {})
    bad = Draft(lab, Run(Kind.MESSAGE, 0, "alice", ("\ud800",)))
    with pytest.raises(UnicodeEncodeError):
        await store.append([say(lab, "b"), bad], {})
    assert (await store.append([say(lab, "c")], {})).positions == [2]
    assert [e.text for one in await store.read(2, 0, 9) for _, e in one.entries()] == ["a", "c"]


@pytest_twisted.ensureDeferred
async def test_a_name_is_registered_once_and_a_room_made_once(store):
    """In any case of letters."""
    await store.rooms.create("lab", None, 0, None)
    await store.accounts.register("alice", "hash", -1, 0)
    for again, code in (
        (store.rooms.create("LAB", None, 0, None), Code.ROOM_EXISTS),
        (
            store.accounts.register("Alice", "other", -2, 0),
            Code.ALREADY_REGISTERED,
        ),
    ):
        with pytest.raises(Refusal) as caught:
            await again
        assert caught.value.code is code


@pytest_twisted.ensureDeferred
async def test_a_guests_inbox_goes_with_the_guest(tmp_path, store):
    """It is dropped when they leave, or becomes their own when they register."""
    gone, kept = Log(-1, "@", 0, TAILS), Log(-2, "@", 0, TAILS)
    await store.append([say(gone, "a"), say(kept, "b")], {})
    await store.drop_inbox(-1)
    account = await store.accounts.register("bob", "hash", kept.id, 0)
    assert await store.read(-1, 0, 9) == []
    (block,) = await store.read(account.inbox, 0, 9)
    assert [entry.text for _, entry in block.entries()] == ["b"]
    assert await store.last(account.inbox) == 1
