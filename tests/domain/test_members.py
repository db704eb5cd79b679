"""The rooms that users keep, their read positions, and what is unread."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatservice.domain.model import SCRIPT
from chatservice.errors import Code
from chatservice.events import PutOut, ReadMoved, UserLeft
from chatservice.names import EVERYBODY
from chatservice.replies import RoomMember
from tests.domain.harness import Gate, MemoryChat


def unread(member, **args):
    """Return what is unread for a member: pairs of entries and mentions, by rooms."""
    return {it.room: (it.unread, it.mentions) for it in member.do("unread", **args).rooms}


def kept(world, name):
    """Return the names of the rooms that an account keeps, in storage."""
    rows = world.now(world.engine.members.of_account(name))
    return [world.chat.rooms.by_number[it.room].name for it in rows]


def read(world, name, room="lab"):
    """Return the stored read position of an account in a room."""
    number = world.room(room).number
    rows = world.now(world.engine.members.of_account(name))
    return next(it.read for it in rows if it.room == number)


def person(world, name, *rooms):
    """Return a registered person, who has an interactive connection, in the last of the rooms."""
    member = world.member(person=True)
    member.do("login", name=name, password="secret")
    for room in rooms:
        member.do("join", room=room)
    return member


def gone(world, member):
    """End a member's connection."""
    member.do("quit")
    world.wait(1)


# -- kept rooms ------------------------------------------------------------------------------------


def test_a_room_is_kept_while_its_member_is_away(world):
    """Sessions come and go, the membership stays, and others see when they were here last; `leave`
    ends it."""
    bob, alice = world.registered("bob", "lab"), world.guest("alice", "lab")
    gone(world, bob)
    who = alice.do("who", room="lab")
    assert [it.name for it in who.users] == ["alice"]
    assert who.members == (RoomMember("bob", False, alice.do("seen", user="bob").time),)
    assert who.members[0].time
    bob = world.again("bob")
    assert alice.do("who", room="lab").members == (RoomMember("bob", False),)
    assert bob.session.rooms == ()
    assert [it.room for it in bob.do("rooms").rooms if it.member] == ["lab"]
    bob.do("leave", room="lab")
    assert alice.do("who", room="lab").members == ()
    assert kept(world, "bob") == []
    assert bob.code("leave", room="lab") is Code.NOT_IN_ROOM


def test_to_leave_a_room_is_to_leave_it_everywhere(world):
    """Programs and people on other connections go, and are told; others see one departure. A script
    stays, because it would say its next lines in the lobby."""
    bob, alice = world.registered("bob", "lab"), world.guest("alice", "lab")
    phone, laptop = person(world, "bob", "lab"), world.again("bob", "lab")
    bob.do("leave", room="lab")
    world.wait(1)
    assert [it.what for it in phone.events(PutOut)] == ["leave"]
    assert [it.what for it in laptop.events(PutOut)] == ["leave"]
    assert [room.name for room in phone.session.rooms] == ["lobby"]
    assert laptop.session.rooms == ()
    assert [(it.who, it.reason) for it in alice.events(UserLeft)] == [("bob", "left")]
    script = world.member(person=True)
    script.session.traits = SCRIPT
    script.do("login", name="bob", password="secret")
    for member in (script, phone):
        member.do("join", room="lab")
    phone.do("leave", room="lab")
    assert [room.name for room in script.session.rooms] == ["lab"]


def test_to_go_out_of_a_room_is_not_to_leave_it(world):
    """A person who moves on, or goes out to stay a member, keeps the rooms. The lobby is kept from
    the first entry."""
    world.registered("bob")
    bob = person(world, "bob", "lab")
    assert [room.name for room in bob.session.rooms] == ["lab"]
    bob.do("leave", room="lab", keep=True)
    assert bob.session.current_room is world.chat.rooms.lobby
    assert kept(world, "bob") == ["lobby", "lab"]
    assert bob.do("leave", room="lab").text == "You keep lab no longer."
    assert kept(world, "bob") == ["lobby"]
    assert bob.code("leave", room="lobby") is Code.BAD_ARGUMENT
    assert bob.code("leave", room="lab", keep=True) is Code.NOT_IN_ROOM


def test_guests_are_members_while_they_are_there(world):
    """A guest who registers keeps the rooms that they are in, under the name of then."""
    bob = world.guest("bob", "lab")
    assert [it.room for it in bob.do("rooms").rooms if it.member] == ["lab"]
    assert unread(bob) == {}
    bob.do("register", password="secret")
    assert kept(world, "bob") == ["lab"]
    bob.do("nick", name="BOB")
    assert [it.name for it in bob.do("who", room="lab").members] == ["BOB"]
    assert list(unread(bob)) == ["lab", "@"]


def test_a_guest_keeps_rooms_while_connected(world):
    """Another room, and `keep`, do not end it: what comes meanwhile is unread. `leave` ends it. A
    guest who registers goes on keeping them all."""
    bob, bot = world.guest("bob", person=True), world.guest("bot", "lab")
    alice = world.guest("alice", "lab")
    alice.do("create", room="den")
    for room in ("lobby", "lab", "den", "lobby"):
        bob.do("join", room=room)
    assert bot.do("read", room="lab", position=0).position == 0
    alice.do("say", room="lab", text="hello bob")
    assert unread(bob) == {"lobby": (0, 0), "lab": (1, 1), "den": (0, 0)}
    assert unread(bot) == {"lab": (1, 0)}
    assert [it.text for _, it in bob.do("unread", room="lab").entries] == ["hello bob"]
    bob.do("leave", room="den")
    assert unread(bob) == {"lobby": (0, 0), "lab": (0, 0)}
    assert bob.code("leave", room="den") is Code.NOT_IN_ROOM
    bot.do("leave", room="lab", keep=True)
    bot.do("register", password="secret")
    assert unread(bot)["lab"] == (1, 0)
    for room in ("lab", "lobby", "lab"):
        bob.do("join", room=room)
    bob.do("leave", room="lab")
    assert list(unread(bob)) == ["lobby"]
    bob.do("quit")
    assert unread(world.guest("bob")) == {}


def test_who_logs_in_within_a_room_keeps_it(world):
    """A guest in the lab logs in: the room is the account's from then on. Under a guest's name it
    is so no longer."""
    world.registered("bob")
    guest = world.guest("somebody", "lab")
    guest.do("login", name="bob", password="secret")
    assert kept(world, "bob") == ["lab"]
    guest.do("nick", name="somebody")
    assert unread(guest) == {}
    assert kept(world, "bob") == ["lab"]


def test_no_more_rooms_are_kept_than_may_be():
    """The room that is one too many is not joined, nor made; after leaving one it is."""
    world = MemoryChat(kept_rooms=2)
    bob = world.registered("bob", "lobby", "lab")
    world.guest("alice").do("create", room="attic")
    assert bob.ask("join", room="attic").refusal.params == {"limit": 2}
    assert bob.code("create", room="cellar") is Code.TOO_MANY
    assert "cellar" not in world.chat.rooms.by_key
    bob.do("join", room="lab")
    bob.do("leave", room="lab")
    bob.do("join", room="attic")
    assert kept(world, "bob") == ["lobby", "attic"]


def test_a_ban_ends_the_membership(world):
    """Also of a user who is away. When the ban has ended, they have to join again."""
    root, bob = world.operator(), world.registered("bob", "lab")
    root.do("join", room="lab")
    gone(world, world.registered("carol", "lab"))
    for name in ("bob", "carol"):
        root.do("ban", room="lab", user=name)
    assert [it.name for it in root.do("who", room="lab").members] == ["root"]
    assert list(unread(bob)) == ["@"]
    root.do("unban", room="lab", user="bob")
    assert list(unread(bob)) == ["@"]
    bob.do("join", room="lab")
    assert list(unread(bob)) == ["lab", "@"]


@pytest.mark.parametrize("how", ["close", "access"])
def test_who_may_not_come_in_any_more_is_no_member(world, how):
    """A closed room, or one by invitation, is kept by those who may still come in; the others are
    no members once they ask, or come back."""
    owner, bob = world.registered("olga"), world.registered("bob")
    owner.do("create", room="den")
    bob.do("join", room="den")
    carol = world.registered("carol", "den")
    gone(world, carol)
    bob.do("leave", room="den", keep=True)
    if how == "close":
        owner.do("close", room="den")
    else:
        owner.do("access", room="den", access="invited")
        owner.do("invite", room="den", user="carol")
    owner.say("secret", "den")
    for command in ("unread", "read"):
        assert bob.code(command, room="den", position=1) is Code.NOT_IN_ROOM
    assert list(unread(bob)) == ["@"]
    assert kept(world, "bob") == []
    carol = world.again("carol")
    assert list(unread(carol)) == (["den", "@"] if how == "access" else ["@"])
    assert list(unread(owner)) == ["den", "@"]


def test_a_kept_room_gives_no_right(world):
    """A member of a room with a password comes in with it. Until then they are told how much is
    unread there, and not what, nor whether it names them."""
    owner = world.registered("olga")
    owner.do("create", room="den", password="one")
    bob = world.registered("bob")
    bob.do("join", room="den", password="one")
    bob.do("leave", room="den", keep=True)
    owner.do("access", room="den", access="public", password="two")
    owner.say("bob: are you there?", "den")
    assert unread(bob) == {"den": (1, 0), "@": (0, 0)}
    reader = person(world, "bob")
    assert reader.code("unread", room="den") is Code.NOT_IN_ROOM
    assert bob.code("join", room="den", password="one") is Code.WRONG_PASSWORD
    bob.do("join", room="den", password="two")
    assert unread(bob)["den"] == (1, 1)


def test_rooms_and_accounts_that_go_take_memberships_along(world):
    """A room that is deleted, or retired, is nobody's; nor does an account come back with rooms."""
    root = world.operator()
    bob = world.registered("bob", "lab")
    for room in ("den", "attic"):
        root.do("create", room=room)
        bob.do("join", room=room)
    root.do("destroy", room="den", erase="erase")
    root.do("destroy", room="attic")
    assert list(unread(bob)) == ["lab", "@"]
    root.do("unregister", name="bob")
    assert world.registered("bob").do("unread").rooms[0].room == "@"


def test_a_ban_that_comes_meanwhile_wins(world):
    """The room is stored as kept when the ban comes: the join is refused, and nothing stays."""
    root, bob = world.operator(), world.registered("bob")
    gate = Gate(world.engine.members, "keep", answers=True)
    joining = bob.begin("join", room="lab")
    root.do("ban", room="lab", user="bob")
    gate.open()
    world.settle()
    assert joining.code is Code.BANNED
    assert kept(world, "bob") == []


def test_nothing_that_cannot_be_stored_is_kept(world):
    """While the disk is full a room cannot be joined for the first time, nor left for good; what is
    kept already can be entered."""
    bob = world.registered("bob", "lab")
    bob.do("leave", room="lab", keep=True)
    world.guest("alice").do("create", room="attic")
    world.engine.failing = True
    assert bob.code("join", room="attic") is Code.NOT_STORED
    bob.do("join", room="lab")
    assert bob.code("leave", room="lab") is Code.NOT_STORED
    world.engine.failing = False
    assert kept(world, "bob") == ["lab"]


def test_a_token_for_one_room_shows_that_room(world):
    """Its session is told neither of other rooms nor of the inbox, and marks nothing there."""
    bob = world.registered("bob", "lab", "lobby")
    token = bob.do("token", label="t", room="lab").token
    bot = world.again("bob", password=token)
    assert list(unread(bot)) == ["lab"]
    for room in ("lobby", "@"):
        assert bot.code("unread", room=room) is Code.NOT_ALLOWED
        assert bot.code("read", room=room, position=0) is Code.NOT_ALLOWED
    bob.do("msg", to="bob", text="to myself")
    bob.do("read", room="@", position=1)
    bob.do("unread", room="@", position=1)
    assert bot.events(ReadMoved) == []


def test_members_come_by_pages():
    """Each page of `who` has so many, and tells how many follow the last one."""
    world = MemoryChat(who_users=2)
    for name in ("ann", "bob", "cem"):
        gone(world, world.registered(name, "lab"))
    alice = world.guest("alice", "lab")
    first = alice.do("who", room="lab")
    assert ([it.name for it in first.members], first.more_members) == (["ann", "bob"], 1)
    rest = alice.do("who", room="lab", after="bob")
    assert ([it.name for it in rest.members], rest.more_members) == (["cem"], 0)


# -- read positions --------------------------------------------------------------------------------


def test_what_a_person_is_shown_is_read(world):
    """Of their room, while they are there; it is stored some seconds later, and when they go."""
    world.registered("bob")
    bob, alice = person(world, "bob", "lab"), world.guest("alice", "lab")
    alice.say("one")
    assert read(world, "bob") == 0
    world.wait(6)
    assert read(world, "bob") == 1
    alice.say("two")
    gone(world, bob)
    assert read(world, "bob") == 2
    alice.say("three")
    world.wait(6)
    assert unread(world.again("bob"))["lab"] == (1, 0)


def test_a_program_says_what_is_read(world):
    """Nothing is read before. It never goes back so, nor beyond the end; other sessions are told
    each move."""
    bob, alice = world.registered("bob", "lab"), world.guest("alice", "lab")
    other = world.again("bob")
    for text in ("one", "two", "three"):
        alice.say(text)
    assert unread(bob)["lab"] == (3, 0)
    assert bob.do("read", room="lab", position=2).position == 2
    assert bob.do("read", room="lab", position=1).position == 2
    assert unread(bob)["lab"] == (1, 0)
    assert bob.do("read", room="lab", position=99).position == 3
    assert other.events(ReadMoved) == [ReadMoved("lab", 2), ReadMoved("lab", 3)]
    assert bob.events(ReadMoved) == []
    world.wait(6)
    assert read(world, "bob") == 3


def test_a_room_can_be_made_unread_again(world):
    """From an entry on; until they come in again, what a person is shown there does not count."""
    world.registered("bob")
    bob, alice = person(world, "bob", "lab"), world.guest("alice", "lab")
    for text in ("one", "two", "three"):
        alice.say(text)
    world.wait(6)
    (row,) = bob.do("unread", position=2).rooms
    assert (row.room, row.read, row.last, row.unread) == ("lab", 1, 3, 2)
    alice.say("four")
    world.wait(6)
    assert unread(bob)["lab"] == (3, 0)
    bob.do("leave", room="lab", keep=True)
    bob.do("join", room="lab")
    bob.session.wake()
    world.wait(6)
    assert unread(bob)["lab"] == (0, 0)


def test_the_inbox_has_a_read_position_too(world):
    """All that was delivered is read, as before. It can be made unread, and then comes again."""
    bob, alice = world.registered("bob"), world.guest("alice")
    for text in ("one", "two"):
        alice.do("msg", to="bob", text=text)
    other = world.again("bob")
    bob.do("read", room="@", position=2)
    assert unread(bob, room="@") == {"@": (0, 0)}
    assert unread(bob, room="@", position=2) == {"@": (1, 0)}
    assert other.events(ReadMoved)[-1] == ReadMoved("@", 1)
    for each in (bob, other):
        gone(world, each)
    assert world.again("bob").session.inbox.position == 1


def test_read_positions_wait_for_a_disk_that_is_full(world):
    """They are stored once there is room. A user who comes back meanwhile has them."""
    bob, alice = world.registered("bob", "lab"), world.guest("alice", "lab")
    alice.say("one")
    world.engine.failing = True
    bob.do("read", room="lab", position=1)
    gone(world, bob)
    world.wait(20)
    assert unread(world.again("bob"))["lab"] == (0, 0)
    world.engine.failing = False
    world.wait(6)
    assert read(world, "bob") == 1


def test_read_positions_are_stored_some_at_a_time():
    """No more than so many at once; the next follow some seconds later, and all when the server
    stops."""
    world = MemoryChat(read_batch=2)
    alice = world.guest("alice", "lab")
    names = ["ann", "bob", "cem", "dan", "eve"]
    readers = [world.registered(name, "lab") for name in names]
    alice.say("hello")
    for reader in readers:
        reader.do("read", room="lab", position=1)
    counts = []
    for _ in range(3):
        world.wait(5.5)
        counts.append(sum(read(world, name) for name in names))
    assert counts == [2, 4, 5]
    alice.say("bye")
    for reader in readers:
        reader.do("read", room="lab", position=2)
    world.now(world.chat.reading.save())
    assert {read(world, name) for name in names} == {2}


def test_a_read_position_moves_on_all_nodes():
    """Another node's sessions of the user are told when it is stored, and know the room."""
    here = MemoryChat()
    there = MemoryChat(beside=here)
    bob, alice = here.registered("bob"), here.guest("alice", "lab")
    other = there.again("bob")
    bob.do("join", room="lab")
    alice.say("hello")
    assert unread(other)["lab"] == (1, 0)
    bob.do("read", room="lab", position=1)
    here.wait(6)
    assert other.events(ReadMoved) == [ReadMoved("lab", 1)]
    assert unread(other)["lab"] == (0, 0)
    bob.do("leave", room="lab")
    assert list(unread(other)) == ["@"]


@pytest.mark.parametrize(
    ("command", "args", "code"),
    [
        ("read", {"room": "lobby", "position": 1}, Code.NOT_IN_ROOM),
        ("read", {"room": "nowhere", "position": 1}, Code.NO_SUCH_ROOM),
        ("unread", {"room": "lobby"}, Code.NOT_IN_ROOM),
        ("unread", {"room": "lobby", "position": 1}, Code.NOT_IN_ROOM),
        ("unread", {"room": "nowhere"}, Code.NO_SUCH_ROOM),
        ("unread", {"position": 1}, Code.BAD_ARGUMENT),
    ],
)
def test_what_cannot_be_marked_is_refused(world, command, args, code):
    """Rooms that the user does not keep, or that there are not, or that are not named."""
    assert world.registered("bob", "lab").code(command, **args) is code


# -- what is unread --------------------------------------------------------------------------------


def test_only_talk_of_others_counts(world):
    """Neither one's own words, nor topics, nor what an ignored user says; files do."""
    bob, alice = world.registered("bob", "lab"), world.guest("alice", "lab")
    noisy = world.guest("noisy", "lab")
    bob.do("ignore", user="noisy")
    alice.say("hello")
    bob.say("bob is my name")
    alice.do("topic", room="lab", text="bob's topic")
    noisy.say("bob! bob! bob!")
    alice.do("me", room="lab", text="waves to BOB.")
    world.upload(alice.do("put", room="lab", name="bob.txt", size=3).ticket, b"abc")
    assert unread(bob)["lab"] == (3, 1)


def test_a_mention_is_a_word_in_any_case(world):
    """A name within another one is none; an entry counts once."""
    bob, alice = world.registered("bob", "lab"), world.guest("alice", "lab")
    for text in ("Bob, bob and @bob", "(BOB)", "bob.", "bobby", "bob.by", "kebob", "b o b"):
        alice.say(text)
    assert unread(bob)["lab"] == (7, 3)


def test_moderators_mention_all(world):
    """`@room` names everybody if a moderator says it, and nobody otherwise."""
    root = world.operator()
    root.do("join", room="lab")
    bob, alice = world.registered("bob", "lab"), world.guest("alice", "lab")
    alice.say(f"{EVERYBODY} look at me")
    assert unread(bob)["lab"] == (1, 0)
    root.say(f"{EVERYBODY}: the server stops at noon")
    assert unread(bob)["lab"] == (2, 1)


def test_far_behind_all_counts_and_mentions_are_searched():
    """Beyond so many entries, all count; mentions there are found by the index, up to a bound."""
    world = MemoryChat(unread_entries=3, unread_mentions=4)
    root = world.operator()
    root.do("join", room="lab")
    bob, alice = world.registered("bob", "lab"), world.guest("alice", "lab")
    for text in ("bob", "x", "x", "kebob", "x bob"):
        alice.say(text)
    bob.say("bob says bob")
    root.say(EVERYBODY)
    assert unread(bob)["lab"] == (7, 3)
    for _ in range(5):
        alice.say("bob?")
    assert unread(bob)["lab"] == (12, 4)


def test_a_flooded_room_leaves_other_counts_exact():
    """Rooms with little are looked at first; the rows stay in the order of the numbers."""
    world = MemoryChat(unread_entries=5)
    world.registered("root", "lab").do("create", room="den")
    bob, alice = world.registered("bob", "lab", "den"), world.guest("alice", "lab", "den")
    for text in range(9):
        alice.do("say", room="lab", text=str(text))
    for member in (alice, bob, alice):
        member.do("say", room="den", text="hi")
    world.settle()
    rows = [(it.room, it.unread, it.exact) for it in bob.do("unread").rooms]
    assert rows == [("lab", 9, False), ("den", 2, True), ("@", 0, True)]


@given(
    said=st.lists(
        st.tuples(st.sampled_from(["alice", "bob"]), st.sampled_from(["hi", "BOB!", "kebob"])),
        max_size=8,
    ),
    at=st.integers(0, 9),
    looked_at=st.integers(1, 9),
)
def test_counts_are_exact_or_too_high(said, at, looked_at):
    """However few entries the server looks at: it counts each mention, and never too little. If it
    looks at all of them, it counts only the words of others."""
    world = MemoryChat(unread_entries=looked_at)
    people = {"bob": world.registered("bob", "lab"), "alice": world.guest("alice", "lab")}
    for who, text in said:
        people[who].say(text)
    mark = people["bob"].do("read", room="lab", position=at).position
    of_others = [text for who, text in said[mark:] if who == "alice"]
    (row,) = people["bob"].do("unread", room="lab").rooms
    assert row.mentions == of_others.count("BOB!")
    assert len(of_others) <= row.unread <= row.last - row.read
    assert row.exact == (looked_at >= len(said) - mark)
    if row.exact:
        assert row.unread == len(of_others)


def test_what_is_no_longer_kept_is_not_unread(world):
    """Neither an erased entry's words, nor entries that retention has ended."""
    bob, alice = world.registered("bob", "lab"), world.guest("alice", "lab")
    alice.say("bob: hello")
    alice.do("erase", room="lab")
    assert unread(bob)["lab"] == (0, 0)


def test_a_person_reads_what_is_unread_page_by_page():
    """`/unread ROOM` shows the first entries, which are read then; the next ones follow."""
    world = MemoryChat(unread_shown=2)
    bob, alice = world.registered("bob", "lab"), world.guest("alice", "lab")
    gone(world, bob)
    for text in ("one", "two", "three"):
        alice.say(text)
    bob = person(world, "bob")
    pages = [[it.text for _, it in bob.do("unread", room="lab").entries] for _ in range(3)]
    assert pages == [["one", "two"], ["three"], []]
    assert unread(bob)["lab"] == (0, 0)


def test_a_person_who_comes_in_is_shown_the_past():
    """All that is unread, up to a bound; or else the last lines; nothing to a script."""
    world = MemoryChat(unread_shown=3, recent_lines=2)
    alice = world.guest("alice", "lab")
    for text in ("one", "two", "three"):
        alice.say(text)
    world.registered("bob")
    bob = person(world, "bob", "lab")
    bob.session.wake()
    assert bob.texts == ["two", "three"]
    gone(world, bob)
    for text in ("4", "5", "6", "7"):
        alice.say(text)
    again = person(world, "bob", "lab")
    again.session.wake()
    assert again.texts == ["5", "6", "7"]
    script = world.again("bob", "lab")
    script.session.wake()
    assert script.texts == []
