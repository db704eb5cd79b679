"""The promises about the rooms that accounts keep, and their read positions (`MemberStore`)."""

import pytest_twisted

from chatservice.domain.ports.log_ports import SearchQuery
from chatservice.domain.ports.member_ports import MemberChanged, MemberPage, Membership, ReadChanged
from chatservice.domain.ports.room_ports import RulesChanged
from chatservice.domain.rules import Rule, RuleKind
from chatservice.errors import Code
from tests.contract.conftest import NOW, append, at_once, code_of, room, say


async def account(engine, name="bob"):
    """Make an account; return it."""
    return await engine.accounts.register(name, "h", None, NOW)


async def keep(engine, name, number, read=0, most=9):
    """Let an account keep a room."""
    await engine.members.keep(Membership(name, number, read, NOW), most)


async def rooms_of(engine, name="bob"):
    """Return the rooms that an account keeps, with their read positions."""
    return {it.room: it.read for it in await engine.members.of_account(name)}


@pytest_twisted.ensureDeferred
async def test_a_room_is_kept_until_it_is_dropped(engine, notes):
    """It is kept once, with the first read position, and the follower is told both changes."""
    await account(engine)
    lab, attic = await room(engine), await room(engine, "attic")
    await keep(engine, "bob", attic, read=1)
    await keep(engine, "bob", lab, read=3)
    await keep(engine, "bob", lab, read=9)
    assert await engine.members.of_account("bob") == [
        Membership("bob", lab, 3, NOW),
        Membership("bob", attic, 1, NOW),
    ]
    await engine.members.drop("bob", lab)
    assert await rooms_of(engine) == {attic: 1}
    assert notes.of(MemberChanged) == [
        MemberChanged("bob", attic, 1),
        MemberChanged("bob", lab, 3),
        MemberChanged("bob", lab, None),
    ]


@pytest_twisted.ensureDeferred
async def test_the_last_place_is_given_once(engine):
    """Of two rooms that are kept at once, the one too many is refused; one that is kept already is
    not."""
    await account(engine)
    numbers = [await room(engine, name) for name in ("lab", "attic", "cellar")]
    found = await at_once(*(keep(engine, "bob", number, most=2) for number in numbers))
    assert found == [None, None, Code.TOO_MANY]
    await keep(engine, "bob", numbers[0], most=2)
    assert list(await rooms_of(engine)) == numbers[:2]


@pytest_twisted.ensureDeferred
async def test_what_is_gone_is_not_kept(engine, notes):
    """Neither a room that there is not, nor by an account that there is not."""
    await account(engine)
    lab = await room(engine)
    await keep(engine, "nobody", lab)
    await keep(engine, "bob", lab + 99)
    assert await rooms_of(engine, "nobody") == await rooms_of(engine) == {}
    assert notes.of(MemberChanged) == []


@pytest_twisted.ensureDeferred
async def test_the_members_of_a_room_come_by_pages(engine):
    """They are in the order of their names' keys, each page with the number of those that follow;
    a new spelling of a name is shown."""
    lab = await room(engine)
    for name in ("dora", "Bob", "carol", "eve"):
        await account(engine, name)
        if name != "eve":
            await keep(engine, name.casefold(), lab)
    await engine.accounts.rename("carol", "CAROL")
    assert await engine.members.of_room(lab, "", 2) == MemberPage(["Bob", "CAROL"], 1)
    assert await engine.members.of_room(lab, "carol", 2) == MemberPage(["dora"], 0)
    assert await engine.members.of_room(lab, "dora", 2) == MemberPage([], 0)


@pytest_twisted.ensureDeferred
async def test_read_positions_move_forward_and_back(engine, notes):
    """Those of rooms and of the inbox are stored as they are given; what is not kept is left
    out."""
    bob = await account(engine)
    lab, attic = await room(engine), await room(engine, "attic")
    await keep(engine, "bob", lab, read=5)
    await append(engine, say(bob.inbox, "a", "b", "c"), read={bob.inbox: 3}.items())
    moved = {("bob", lab): 2, ("bob", bob.inbox): 1, ("bob", attic): 7}
    await engine.members.mark_read(moved)
    assert await rooms_of(engine) == {lab: 2}
    assert (await engine.accounts.account("bob")).read_position == 1
    assert notes.of(ReadChanged) == [ReadChanged(moved)]


@pytest_twisted.ensureDeferred
async def test_a_membership_ends_with_what_it_is_between(engine):
    """With the account, with a removed or retired room, and with a ban; a mute does not end it."""
    for name in ("bob", "carol", "dora"):
        await account(engine, name)
    names = ("lab", "attic", "cellar")
    lab, attic, cellar = [await room(engine, name) for name in names]
    for name in ("bob", "carol", "dora"):
        for number in (lab, attic, cellar):
            await keep(engine, name, number)
    muted = Rule(RuleKind.MUTED, "carol", 0, "op", NOW, "carol")
    banned = Rule(RuleKind.BANNED, "bob", 0, "op", NOW, "bob")
    await engine.rooms.change_rules(RulesChanged(lab, added=(muted, banned)))
    assert list(await rooms_of(engine, "bob")) == [attic, cellar]
    assert list(await rooms_of(engine, "carol")) == [lab, attic, cellar]
    await engine.rooms.remove(attic)
    await engine.rooms.retire(cellar, "deleted-7")
    assert await rooms_of(engine, "bob") == {}
    assert list(await rooms_of(engine, "carol")) == [lab]
    await engine.accounts.delete("dora", "deleted-8")
    assert await engine.members.of_room(lab, "", 9) == MemberPage(["carol"], 0)
    await account(engine, "dora")
    assert await rooms_of(engine, "dora") == {}


@pytest_twisted.ensureDeferred
async def test_a_full_disk_changes_nothing(case, notes):
    """Each change is refused, and nobody is told."""
    engine = case.engine
    await account(engine)
    lab, attic = await room(engine), await room(engine, "attic")
    await keep(engine, "bob", lab, read=1)
    notes.changes.clear()
    async with case.failing():
        for doing in (
            keep(engine, "bob", attic),
            engine.members.drop("bob", lab),
            engine.members.mark_read({("bob", lab): 9}),
        ):
            assert await code_of(doing) == Code.NOT_STORED
    assert await rooms_of(engine) == {lab: 1}
    assert notes.changes == []


@pytest_twisted.ensureDeferred
async def test_memberships_are_durable(durable):
    """They are there when the engine is opened again."""
    await account(durable.engine)
    lab = await room(durable.engine)
    await keep(durable.engine, "bob", lab, read=1)
    await durable.engine.members.mark_read({("bob", lab): 4})
    assert await rooms_of(await durable.reopen()) == {lab: 4}


@pytest_twisted.ensureDeferred
async def test_a_search_begins_behind_a_position(engine):
    """Entries up to that position are not found, however many words fit."""
    lab = await room(engine)
    await append(engine, say(lab, "red", "red", "blue", "red"))
    for after, positions in ((0, [1, 2, 4]), (1, [2, 4]), (2, [4]), (4, []), (9, [])):
        found = await engine.logs.search(SearchQuery("red", {lab: 9}, 9, after))
        assert [it.position for it in found.matches] == positions
