"""The promises about rooms (the port `RoomStore`)."""

import pytest_twisted
from twisted.internet.defer import Deferred

from chatservice.domain.model import guest_id
from chatservice.domain.ports.account_ports import AccountChanged, Token
from chatservice.domain.ports.room_ports import (
    ModerationRecord,
    RoomBounds,
    RoomChanged,
    RoomRemoved,
    RoomRetired,
    RoomRow,
    RulesChanged,
)
from chatservice.domain.rules import Access, Rule, RuleKind
from chatservice.entries import Kind
from chatservice.errors import Code
from tests.contract.conftest import NOW, Notes, append, at_once, code_of, room, say, texts

BAN = Rule(RuleKind.BANNED, "eve", 0, "alice", NOW)
MODERATOR = Rule(RuleKind.MODERATOR, "bob", 0, "alice", NOW)


@pytest_twisted.ensureDeferred
async def test_a_room_is_made(engine, notes):
    """The follower is told before the answer."""
    made = await engine.rooms.create("Lab", "hash", NOW, "Alice")
    assert notes.changes == [made]
    assert (made.name, made.password, made.last, made.access) == ("Lab", "hash", 0, Access.PUBLIC)
    assert [(it.kind, it.subject) for it in made.rules] == [(RuleKind.OWNER, "alice")]


@pytest_twisted.ensureDeferred
async def test_one_of_two_rooms_of_a_name_is_made(engine):
    """Of two rooms with equal or look-alike names one is made, also when both are made at once."""
    names = ["lab", "LAB", "l\u0430b", "1ab"]
    found = await at_once(*(engine.rooms.create(name, None, NOW, None) for name in names))
    assert isinstance(found[0], RoomRow)
    assert found[1:] == [Code.ROOM_EXISTS] * 3


@pytest_twisted.ensureDeferred
async def test_the_last_place_is_given_once(engine):
    """The bounds hold for many that come at once: for all rooms, and for those without an owner."""
    await room(engine, "owned", owner="alice")
    bounds = RoomBounds(rooms=9, unowned=2)
    making = (engine.rooms.create(f"r{at}", None, NOW, None, bounds) for at in range(5))
    found = await at_once(*making)
    assert found[2:] == [Code.TOO_MANY] * 3
    bounds = RoomBounds(rooms=4)
    making = (engine.rooms.create(f"s{at}", None, NOW, None, bounds) for at in range(5))
    found = await at_once(*making)
    assert isinstance(found[0], RoomRow)
    assert found[1:] == [Code.BAD_ARGUMENT] * 4


@pytest_twisted.ensureDeferred
async def test_numbers_and_names(engine):
    """Without a name a room is called after its number. No number is given twice, nor one that is
    another room's name; a name can be another room's number only if that is allowed."""
    first = await engine.rooms.create(None, None, NOW, None)
    assert first.name == f"room{first.number}"
    named = await engine.rooms.create(f"room{first.number + 2}", None, NOW, None)
    assert named.number == first.number + 2
    taken = RoomBounds(numbered=False)
    lab = await room(engine)
    assert lab > named.number
    asked = engine.rooms.create(f"room{lab}", None, NOW, None, taken)
    assert await code_of(asked) == Code.ROOM_EXISTS
    await engine.rooms.remove(lab)
    assert await room(engine) > lab


@pytest_twisted.ensureDeferred
async def test_settings_and_rules(engine, notes):
    """The follower is told each change before its answer, and a new follower all of them."""
    lab = await room(engine, owner="alice")
    await engine.rooms.configure(RoomChanged(lab, "hash", Access.HIDDEN, True, 30))
    assert notes.changes[-1] == RoomChanged(lab, "hash", Access.HIDDEN, True, 30)
    await engine.rooms.change_rules(RulesChanged(lab, (BAN, MODERATOR)))
    await engine.rooms.change_rules(RulesChanged(lab, (BAN._replace(until=NOW + 1),), (MODERATOR,)))
    assert [change.dropped for change in notes.of(RulesChanged)] == [(), (MODERATOR,)]
    await append(engine, say(lab, "about", kind=Kind.TOPIC))
    await engine.follow(later := Notes())
    (row,) = later.of(RoomRow)
    assert (row.topic, row.password, row.access, row.frozen, row.slow, row.last) == (
        *("about", "hash", Access.HIDDEN, True, 30, 1),
    )
    assert {(it.kind, it.until) for it in row.rules} == {
        (RuleKind.OWNER, 0),
        (RuleKind.BANNED, NOW + 1),
    }


@pytest_twisted.ensureDeferred
async def test_what_is_refused_is_not_told(case, engine, notes):
    """A change that is not stored is never told, not even to a new follower."""
    lab = await room(engine)
    told = list(notes.changes)
    async with case.failing():
        for refused in (
            engine.rooms.create("den", None, NOW, None),
            engine.rooms.configure(RoomChanged(lab, "hash", Access.CLOSED, True, 1)),
            engine.rooms.change_rules(RulesChanged(lab, [BAN])),
            engine.rooms.retire(lab, "deleted-1"),
            engine.rooms.remove(lab),
        ):
            assert await code_of(refused) == Code.NOT_STORED
    assert notes.changes == told
    await engine.follow(later := Notes())
    (row,) = later.of(RoomRow)
    assert (row.name, row.password, row.access, list(row.rules)) == (
        *("lab", None, Access.PUBLIC, []),
    )
    assert await room(engine, "den") > lab


@pytest_twisted.ensureDeferred
async def test_a_removed_room_leaves_nothing(engine, notes):
    """No entries, records or tokens are left, and after the answer its name is free."""
    lab = await room(engine)
    await append(engine, say(lab, "text", key="k", writer="x"))
    await engine.rooms.add_record(lab, ModerationRecord(NOW, "alice", "ban eve"))
    await engine.accounts.register("alice", "hash", None, NOW)
    await engine.accounts.add_token("ab" * 32, Token("alice", "bot", lab, NOW))
    await engine.rooms.remove(lab)
    assert notes.changes[-1] == RoomRemoved(lab)
    assert await engine.accounts.token("ab" * 32) is None
    assert await room(engine) != lab
    await engine.follow(later := Notes())
    assert [row.name for row in later.of(RoomRow)] == ["lab"]


@pytest_twisted.ensureDeferred
async def test_a_retired_room_keeps_what_was_said(engine, notes):
    """It is closed and has no rules; its entries stay, and its name is free."""
    lab = await room(engine, owner="alice")
    await append(engine, say(lab, "text"))
    await engine.rooms.retire(lab, "deleted-1")
    assert notes.changes[-1] == RoomRetired(lab, "deleted-1")
    assert await texts(engine, lab) == ["text"]
    await room(engine)
    await engine.follow(later := Notes())
    row = next(row for row in later.of(RoomRow) if row.number == lab)
    assert (row.name, row.access, list(row.rules)) == ("deleted-1", Access.CLOSED, [])


@pytest_twisted.ensureDeferred
async def test_one_at_a_time_changes_a_room(engine):
    """The second change waits until the first has ended; a change of another room does not."""
    lab, den = await room(engine), await room(engine, "den")
    order, leave = [], Deferred()

    async def change(number, name, until=None):
        async with engine.rooms.exclusive(number):
            order.append(name)
            if until is not None:
                await until

    doing = [
        Deferred.fromCoroutine(change(*it))
        for it in ((lab, "first", leave), (lab, "second"), (den, "other"))
    ]
    assert order == ["first", "other"]
    leave.callback(None)
    for one in doing:
        await one
    assert order == ["first", "other", "second"]


@pytest_twisted.ensureDeferred
async def test_an_action_is_stored_with_what_it_changes(engine, notes):
    """It is told with the change, or alone. The rules of guests are told, and not stored."""
    lab = await room(engine)
    ban = ModerationRecord(NOW, "alice", "ban", "eve", "spam", "for 60 s")
    of_guest = BAN._replace(subject=guest_id(7))
    await engine.rooms.change_rules(RulesChanged(lab, (BAN, of_guest), record=ban))
    await engine.rooms.configure(RoomChanged(lab, None, Access.PUBLIC, False, 5, ban))
    kick = ModerationRecord(NOW, "alice", "kick", "eve", put_out=guest_id(7))
    await engine.rooms.change_rules(RulesChanged(lab, record=kick))
    assert notes.changes[-3:] == [
        RulesChanged(lab, (BAN, of_guest), (), ban),
        RoomChanged(lab, None, Access.PUBLIC, False, 5, ban),
        RulesChanged(lab, (), (), kick),
    ]
    found = [(it.time, it.who, it.text) for it in await engine.rooms.records(lab, 5)]
    assert found[1:] == [
        (NOW, "alice", "ban eve for 60 s: spam"),
        (NOW, "alice", "kick eve"),
    ]
    await engine.follow(later := Notes())
    assert [list(row.rules) for row in later.of(RoomRow)] == [[BAN]]


@pytest_twisted.ensureDeferred
async def test_a_lock_shows_the_changes_of_its_last_holder(case, engine, notes):
    """The next holder has been told all changes of the holder before, and nobody else's come while
    they hold the lock. A change that fails does not keep the lock."""
    lab, seen = await room(engine), []

    async def change():
        async with engine.rooms.exclusive(lab):
            before = len(notes.of(RulesChanged))
            await engine.rooms.change_rules(RulesChanged(lab, [BAN]))
            await engine.rooms.change_rules(RulesChanged(lab, [], [BAN]))
            seen.append((before, len(notes.of(RulesChanged))))

    async with case.failing():
        assert await at_once(change(), change()) == [Code.NOT_STORED] * 2
    await at_once(*(change() for _ in range(5)))
    assert seen == [(2 * at, 2 * at + 2) for at in range(5)]


@pytest_twisted.ensureDeferred
async def test_records_are_kept_in_order(engine):
    """The last records are returned, in order."""
    lab = await room(engine)
    for at in range(5):
        await engine.rooms.add_record(lab, ModerationRecord(NOW + at, "alice", f"did {at}"))
    assert [it.what for it in await engine.rooms.records(lab, 2)] == ["did 3", "did 4"]


@pytest_twisted.ensureDeferred
async def test_following_has_no_gap(engine):
    """A follower is told all that exists, and all changes while it begins."""
    notes = Notes()
    await engine.accounts.register("alice", "hash", None, NOW)
    await engine.accounts.set_operator("alice", True)
    making = [engine.rooms.create(f"r{at}", None, NOW, None) for at in range(10)]
    await at_once(*making[:5], engine.follow(notes), *making[5:])
    assert sorted({row.name for row in notes.of(RoomRow)}) == [f"r{at}" for at in range(10)]
    assert [it.key for it in notes.of(AccountChanged)] == ["alice"]
