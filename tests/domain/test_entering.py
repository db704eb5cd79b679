"""Rooms: who may come in, and who sees them."""

from chatservice.errors import Code
from chatservice.events import PutOut, UserAway, UserJoined, UserLeft, UserRenamed


def rooms(member):
    """Return the names of the rooms that somebody is shown."""
    return [it.room for it in member.do("rooms").rooms]


def test_everybody_comes_into_a_public_room(world, alice):
    """The reply tells who is there, and they are told who comes and goes."""
    bob = world.guest("bob")
    joined = bob.do("join", room="studio")
    assert (joined.room, joined.users, joined.seq) == ("studio", ("alice",), 0)
    assert [it.who for it in alice.events(UserJoined)] == ["bob"]
    bob.do("leave", room="studio")
    assert [it.who for it in alice.events(UserLeft)] == ["bob"]
    assert bob.code("leave", room="studio") is Code.NOT_IN_ROOM


def test_a_room_with_a_password(world, alice):
    """It takes the right one. The owner, and those who are inside, need none."""
    alice.do("access", room="studio", access="public", password="sesame")
    bob = world.guest("bob")
    refusal = bob.ask("join", room="studio").refusal
    assert (refusal.code, refusal.params) == (Code.PASSWORD_NEEDED, {"room": "studio"})
    assert bob.code("join", room="studio", password="salami") is Code.WRONG_PASSWORD
    assert bob.do("join", room="studio", password="sesame").users == ("alice",)
    assert bob.do("join", room="studio", after=0).room == "studio"
    alice.do("leave", room="studio")
    assert alice.do("join", room="studio").room == "studio"


def test_a_password_that_is_taken_away(world, alice):
    """Setting the access without one opens the room."""
    alice.do("access", room="studio", access="public", password="sesame")
    alice.do("access", room="studio", access="public")
    assert world.guest("bob").do("join", room="studio").room == "studio"


def test_a_hidden_room_is_not_listed_but_open(world, alice):
    """Strangers are not shown it, and its number does not tell them its name."""
    alice.do("access", room="studio", access="hidden")
    bob, number = world.guest("bob"), str(world.room("studio").number)
    assert "studio" not in rooms(bob)
    assert bob.code("join", room=number) is Code.NO_SUCH_ROOM
    assert bob.do("join", room="studio").room == "studio"
    assert "studio" in rooms(bob)
    assert alice.do("join", room=number).room == "studio"


def test_a_room_by_invitation(world, alice):
    """The invited come in and are told so privately. Without the invitation they do not."""
    alice.do("access", room="studio", access="invited")
    bob, eve = world.guest("bob"), world.guest("eve")
    assert bob.code("join", room="studio") is Code.NOT_ALLOWED
    alice.do("invite", room="studio", user="bob")
    assert [(log, it.who) for log, it in bob.peer.entries] == [("@", "alice")]
    assert "studio" in rooms(bob)
    assert bob.do("join", room="studio").users == ("alice",)
    assert eve.code("join", room="studio") is Code.NOT_ALLOWED
    bob.do("leave", room="studio")
    alice.do("uninvite", room="studio", user="bob")
    assert bob.code("join", room="studio") is Code.NOT_ALLOWED


def test_an_invitation_stands_for_the_password(world, alice):
    """An invited user is not asked for it."""
    alice.do("access", room="studio", access="public", password="sesame")
    bob = world.guest("bob")
    alice.do("invite", room="studio", user="bob")
    assert bob.do("join", room="studio").room == "studio"


def test_a_ban_keeps_a_user_out_until_it_is_over(world, alice):
    """It puts them out, refuses them, and ends by itself or by `unban`."""
    bob = world.guest("bob", "studio")
    alice.do("ban", room="studio", user="bob", time="10m", text="spam")
    assert [(it.room, it.what) for it in bob.events(PutOut)] == [("studio", "ban")]
    refusal = bob.ask("join", room="studio").refusal
    assert (refusal.code, refusal.params["place"]) == (Code.BANNED, "studio")
    world.wait(601)
    assert bob.do("join", room="studio").room == "studio"
    alice.do("ban", room="studio", user="bob")
    world.wait(10_000_000)
    assert bob.code("join", room="studio") is Code.BANNED
    alice.do("unban", room="studio", user="bob")
    assert bob.do("join", room="studio").room == "studio"


def test_a_ban_of_addresses(world, alice):
    """It is for everybody from there, under any name, and for nobody else."""
    near, far = world.guest("near", "studio", address="10.1.2.3"), world.guest("far", "studio")
    alice.do("ban", room="studio", user="10.1.0.0/16")
    assert near.events(PutOut)
    assert not far.events(PutOut)
    assert world.guest("other", address="10.1.9.9").code("join", room="studio") is Code.BANNED
    assert world.guest("third", address="10.2.0.1").do("join", room="studio").room == "studio"


def test_a_ban_from_the_lobby_is_for_the_server(world):
    """The user is put off the server, and neither name nor address comes back."""
    root = world.operator()
    eve = world.guest("eve", "lobby", address="10.1.2.3")
    root.do("ban", room="lobby", user="eve")
    assert eve.peer.ended is not None
    assert world.member().code("hello", name="eve") is Code.BANNED
    root.do("ban", room="lobby", user="10.1.2.3")
    assert world.member("10.1.2.3").code("hello", name="other") is Code.BANNED
    assert world.member("10.1.2.4").do("hello", name="other").name == "other"


def test_a_closed_room_keeps_what_is_in_it(world, alice):
    """Users are put out and not let in. The owner comes in, and opens it again."""
    bob = world.guest("bob", "studio")
    bob.say("before", "studio")
    alice.do("close", room="studio")
    assert bob.session not in world.room("studio").sessions
    assert bob.code("join", room="studio") is Code.NOT_ALLOWED
    assert bob.code("history", room="studio") is Code.NOT_IN_ROOM
    assert [it.text for _, it in alice.do("history", room="studio").entries] == ["before"]
    alice.do("access", room="studio", access="public")
    assert bob.do("join", room="studio", after=0).seq == 1


def test_the_lobby_stays_open(world):
    """Not even an operator may close it, hide it, or give it a password."""
    root = world.operator()
    for command, args in (
        ("close", {}),
        ("access", {"access": "hidden"}),
        ("access", {"access": "public", "password": "sesame"}),
        ("destroy", {}),
    ):
        assert root.code(command, room="lobby", **args) is Code.NOT_ALLOWED


def test_names_of_rooms(world, alice):
    """A name is given once, whatever its case, and so is one that looks like it."""
    bob = world.guest("bob")
    for name, code in (
        ("studio", Code.ROOM_EXISTS),
        ("STUDIO", Code.ROOM_EXISTS),
        ("stud\N{CYRILLIC SMALL LETTER BYELORUSSIAN-UKRAINIAN I}o", Code.ROOM_EXISTS),
        ("a b", Code.BAD_NAME),
        ("", Code.BAD_NAME),
        ("deleted-7", Code.BAD_NAME),
    ):
        assert bob.code("create", room=name) is code, name
    assert bob.do("join", room="STUDIO").room == "studio"
    assert bob.code("join", room="nowhere") is Code.NO_SUCH_ROOM


def test_a_person_is_in_one_room(world, alice):
    """Joining another room leaves the first; leaving leads to the lobby."""
    bob = world.guest("bob", person=True)
    assert bob.session.current_room is world.room("lobby")
    bob.do("join", room="studio")
    assert [room.name for room in bob.session.rooms] == ["studio"]
    assert bob.do("leave").room == "lobby"
    assert bob.code("leave") is Code.BAD_ARGUMENT
    alice.do("join", room="lab")
    assert [room.name for room in alice.session.rooms] == ["studio", "lab"]


def test_a_room_that_is_destroyed(world, alice):
    """Without `erase`, operators find its talk in a closed room; with it, nothing is left."""
    root, bob = world.operator(), world.guest("bob", "studio", person=True)
    bob.do("say", text="so long")
    kept = f"deleted-{world.room('studio').number}"
    alice.do("create", room="attic")
    root.do("destroy", room="studio")
    root.do("destroy", room="attic", erase="erase")
    assert bob.session.current_room is world.room("lobby")
    assert bob.code("join", room="studio") is Code.NO_SUCH_ROOM
    assert sorted(it.name for it in world.chat.rooms.by_key.values()) == [kept, "lab", "lobby"]
    assert bob.code("join", room=kept) is Code.NOT_ALLOWED
    assert [it.text for _, it in root.do("history", room=kept).entries] == ["so long"]


def test_those_who_stay_are_told_why_a_user_left(world, alice):
    """Only the room, or the server, or put out of the room. A user who is still connected
    elsewhere has not quit."""
    bob = world.registered("bob", "studio")
    bob.do("leave", room="studio")
    bob.do("join", room="studio")
    alice.do("kick", room="studio", user="bob")
    bob.do("join", room="studio")
    again = world.again("bob", "lab")
    bob.do("quit", text="bye")
    again.do("join", room="studio")
    again.do("quit", text="so long")
    told = [(it.reason, it.text) for it in alice.events(UserLeft)]
    assert told == [("left", ""), ("out", ""), ("left", "bye"), ("quit", "so long")]


def test_rooms_are_told_who_is_away(world, alice):
    """Once for each change. A reason that may not be shown is left out, as other texts are."""
    bob, carol = world.guest("bob", "studio"), world.guest("carol", "studio")
    carol.do("ignore", user="bob")
    alice.do("mute", room="studio", user="carol")
    for member, text in ((bob, "lunch"), (bob, "lunch"), (bob, ""), (carol, "buy pills")):
        member.do("away", text=text)
    told = [(it.room, it.who, it.text) for it in alice.events(UserAway)]
    assert told == [("studio", "bob", "lunch"), ("studio", "bob", ""), ("studio", "carol", "away")]
    assert [(it.who, it.text) for it in carol.events(UserAway)] == [("bob", "away"), ("bob", "")]
    assert [it.who for it in bob.events(UserAway)] == ["carol"]


def test_nobody_sees_a_session_without_presence(world, alice):
    """It joins, speaks and leaves, and is in no list. What is for the user waits in the inbox."""
    bob = world.registered("bob")
    world.chat.users.leave(bob.session)
    bob = world.again("bob", "studio", visible=False)
    root = world.operator()
    assert alice.do("who", room="studio").count == 1
    assert world.guest("carol").do("join", room="studio").users == ("alice",)
    assert [it.users for it in alice.do("rooms").rooms if it.room == "studio"] == [2]
    assert "bob" not in [it.name for it in root.do("users").users]
    assert bob.say("hello", "studio") == 1
    assert alice.do("msg", to="bob", text="psst").away == "not here now"
    bob.do("away", text="lunch")
    bob.do("nick", name="Bob")
    bob.do("quit", text="bye")
    assert [it.who for it in alice.events(UserJoined)] == ["carol"]
    assert alice.events(UserLeft) + alice.events(UserAway) + alice.events(UserRenamed) == []
    bob = world.again("bob")
    bob.session.wake()
    assert [it.text for _, it in bob.peer.entries] == ["psst"]


def test_a_user_with_and_without_presence(world, alice):
    """Others see one of them come and go, whatever the other does. Bans are for both."""
    world.registered("bob", "studio").do("quit")
    unseen, bob = world.again("bob", "studio", visible=False), world.again("bob", "studio")
    unseen.do("leave", room="studio")
    unseen.do("join", room="studio")
    bob.do("quit")
    assert [it.who for it in alice.events(UserJoined)] == ["bob", "bob"]
    assert [it.reason for it in alice.events(UserLeft)] == ["quit", "quit"]
    alice.do("ban", room="studio", user="bob")
    assert unseen.events(PutOut)
