"""A guest's belongings stay with them under another name, and belong to nobody after them."""

import hashlib

import pytest

from chatservice.errors import Code
from tests.protocols.test_moderation import ask, code, ok

DATA = b"x" * 100_000
HALF = b"y" * 100_000
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def enter(server, connect):
    """Return a function that opens a JSON connection of a user, who joins a room, if one is named,
    and registers, if asked to."""

    def open_(name, room=None, register=False, **more):
        bot = connect(server)
        ok(bot, do="hello", name=name, **more)
        if register:
            ok(bot, do="register", password="pass-word")
        if room is not None:
            ok(bot, do="join", room=room)
        return bot

    return open_


@pytest.fixture
def owner(enter):
    """Return a registered user who owns the room studio and is in it."""
    bot = enter("founder", register=True)
    ok(bot, do="create", room="studio")
    return bot


def quit_(bot):
    """Leave, and wait until that is done."""
    ok(bot, do="quit")
    bot.rest()


def put(server, connect, bot, data=DATA, **where):
    """Send a file."""
    answer = ok(bot, do="put", size=len(data), sha256=hashlib.sha256(data).hexdigest(), **where)
    if not answer["stored"]:
        carrier = connect(server)
        carrier.send(f"PUT {answer['ticket']}")
        carrier.send_raw(data)
        carrier.expect("= ")


def half_sent(server, connect, bot, name="half"):
    """Send half of a file to studio, and break off."""
    sha256 = hashlib.sha256(HALF).hexdigest()
    asked = ok(bot, do="put", room="studio", name=name, size=len(HALF), sha256=sha256)
    carrier = connect(server)
    carrier.send(f"PUT {asked['ticket']}")
    carrier.send_raw(HALF[:50_000])
    carrier.end()
    carrier.expect("half-way")


# -- another name ----------------------------------------------------------------------------------


def test_a_renamed_guest_has_all_that_was_theirs(server, connect, enter):
    """Files and messages for them, their room, what they are away for, their upload that stopped
    half-way, and their session."""
    ann, bob = enter("ann"), enter("bob")
    token = ok(ann, do="nick", name="ann2")["token"]
    ok(ann, do="create", room="studio")
    put(server, connect, bob, to="ann2", name="for-ann.txt")
    ok(bob, do="msg", to="ann2", text="before")
    ok(ann, do="away", text="at lunch")
    half_sent(server, connect, ann)
    put(server, connect, ann, b"mine", room="studio", name="mine.txt")

    assert ok(ann, do="nick", name="anna")["name"] == "anna"
    ok(bob, do="join", room="studio")
    users = ok(bob, do="who", room="studio")["users"]
    assert {"name": "anna", "away": "at lunch", "idle": 0} in users
    assert [it["name"] for it in ok(ann, do="files", room="@")["files"]] == ["for-ann.txt"]
    ok(bob, do="msg", to="anna", text="behind")
    assert [ann.event("private")["text"] for _ in range(1)] == ["behind"]
    (half,) = ok(ann, do="transfers")["transfers"]
    assert (half["name"], half["stopped"], half["done"]) == ("half", True, 50_000)
    sha256 = hashlib.sha256(HALF).hexdigest()
    again = ok(ann, do="put", room="studio", name="half", size=len(HALF), sha256=sha256)
    assert again["offset"] == 50_000
    ok(ann, do="slow", room="studio", seconds=0)  # they own it
    ok(ann, do="remove", room="studio", name="mine.txt")
    again = connect(server)
    assert ok(again, do="hello", name="anna", token=token)["name"] == "anna"
    assert [it["name"] for it in ok(again, do="files", room="@")["files"]] == ["for-ann.txt"]
    assert code(bob, do="msg", to="ann2", text="hi") == Code.NO_SUCH_USER


def test_a_file_on_its_way_to_or_from_who_is_renamed(server, connect, enter):
    """It arrives: a ticket, and what is sent for it, are for the user and not for the name."""
    ann, bob = enter("ann"), enter("bob")
    asked = ok(bob, do="put", to="ann", name="a.txt", size=len(DATA), sha256=SHA256)
    carrier = connect(server)
    carrier.send(f"PUT {asked['ticket']}")
    carrier.send_raw(DATA[:50_000])
    while not ok(bob, do="transfers")["transfers"]:
        pass
    ok(ann, do="nick", name="anna")
    ok(bob, do="nick", name="robert")
    assert ok(bob, do="transfers")["transfers"][0]["name"] == "a.txt"
    carrier.send_raw(DATA[50_000:])
    carrier.expect(f"= {len(DATA)}")
    event = ann.event("file")
    assert (event["from"], event["name"]) == ("robert", "a.txt")
    fetched = connect(server)
    fetched.send(f"GET {ok(ann, do='get', room='@', name='a.txt')['ticket']}")
    assert fetched.rest() == DATA


@pytest.mark.parametrize("registered", [False, True], ids=["guest", "registered"])
def test_the_same_name_in_another_case(server, connect, enter, registered):
    """It is theirs already, so they can have it; others are told, and it stays."""
    ann, bob = enter("ann", "lab", register=registered), enter("bob", "lab")
    assert ok(ann, do="nick", name="Ann")["name"] == "Ann"
    event = bob.event("renamed")
    assert (event["from"], event["name"]) == ("ann", "Ann")
    assert code(ann, do="nick", name="Ann") == Code.NAME_TAKEN
    assert "Ann" in [it["name"] for it in ok(bob, do="who", room="lab")["users"]]
    assert code(bob, do="nick", name="ANN") == (
        Code.PASSWORD_NEEDED if registered else Code.NAME_TAKEN
    )
    if registered:
        server.stop()
        server.start()
        back = connect(server)
        assert ok(back, do="hello", name="ann", password="pass-word")["name"] == "Ann"


def test_a_name_that_is_given_up_is_free(enter):
    """The old name and its look-alikes are free; the new ones are not."""
    ann, bob = enter("ann"), enter("bob")
    ok(ann, do="nick", name="carol")
    assert code(bob, do="nick", name="car0l") == Code.NAME_TAKEN
    ok(bob, do="nick", name="ann")
    assert code(ann, do="nick", name="ann") == Code.NAME_TAKEN


def test_a_mute_follows_a_guest(server, enter, owner):
    """It holds under any name, and for the old name too, while it lasts. It can be lifted under
    either."""
    eve = enter("eve", "studio")
    ok(owner, do="mute", room="studio", user="eve")
    ok(eve, do="nick", name="evil")
    assert code(eve, do="say", room="studio", text="pills") == Code.NOT_ALLOWED
    muted = [it["user"] for it in ok(owner, do="rules", room="studio")["rules"]]
    assert sorted(muted) == ["eve", "evil", "founder"]
    ok(owner, do="unmute", room="studio", user="evil")
    ok(eve, do="say", room="studio", text="sorry")
    ok(eve, do="nick", name="eve")
    ok(eve, do="say", room="studio", text="sorry again")
    ok(owner, do="mute", room="studio", user="eve")
    ok(eve, do="nick", name="evil")
    ok(owner, do="unmute", room="studio", user="eve")
    ok(eve, do="say", room="studio", text="thanks")


def test_a_mute_follows_who_logs_in_or_out(enter, owner):
    """Neither /login nor leaving an account by /nick lifts it, nor does /register."""
    enter("alice", register=True)
    eve = enter("eve", "studio")
    ok(owner, do="mute", room="studio", user="eve")
    ok(eve, do="login", name="alice", password="pass-word")
    assert code(eve, do="say", room="studio", text="pills") == Code.NOT_ALLOWED
    ok(eve, do="nick", name="guest")
    assert code(eve, do="say", room="studio", text="pills") == Code.NOT_ALLOWED
    ok(eve, do="register", password="pass-word")
    assert code(eve, do="say", room="studio", text="pills") == Code.NOT_ALLOWED


def test_a_ban_follows_a_guest(enter, owner):
    """They are kept out under the next name as well."""
    eve = enter("eve", "studio")
    ok(owner, do="ban", room="studio", user="eve")
    ok(eve, do="nick", name="evil")
    assert code(eve, do="join", room="studio") == Code.BANNED


def test_slow_mode_follows_a_guest(enter, owner):
    """Another name is no other turn."""
    eve = enter("eve", "studio")
    ok(owner, do="slow", room="studio", seconds=3600)
    ok(eve, do="say", room="studio", text="one")
    ok(eve, do="nick", name="evil")
    assert code(eve, do="say", room="studio", text="two") == Code.TOO_FAST
    ok(eve, do="register", password="pass-word")
    assert code(eve, do="say", room="studio", text="two") == Code.TOO_FAST


def test_who_is_ignored_stays_so(enter):
    """Under the next name; who takes the one that they had is heard."""
    eve, bob = enter("eve", "lab"), enter("bob", "lab")
    ok(bob, do="ignore", user="eve")
    ok(eve, do="nick", name="evil")
    other = enter("eve", "lab")
    ok(eve, do="say", room="lab", text="pills")
    ok(other, do="say", room="lab", text="hello")
    assert bob.event("message")["text"] == "hello"
    ok(bob, do="ignore", user="evil")
    ok(eve, do="say", room="lab", text="sorry")
    assert bob.event("message")["text"] == "sorry"


def test_so_many_are_ignored_and_no_more(start_server, connect):
    """The list that is gathered for a connection has a bound."""
    bot = connect(start_server(ignored=3))
    ok(bot, do="hello", name="bot")
    for at in range(3):
        ok(bot, do="ignore", user=f"u{at}")
    assert code(bot, do="ignore", user="u3") == Code.TOO_MANY
    ok(bot, do="ignore", user="u0")
    ok(bot, do="ignore", user="u3")


# -- after them ------------------------------------------------------------------------------------


def test_an_invitation_is_a_guests_own(server, enter, owner):
    """It goes with them to their next name and to their account, and not to who takes the name."""
    ok(owner, do="access", room="studio", access="invited")
    dan = enter("dan")
    ok(owner, do="invite", room="studio", user="dan")
    ok(dan, do="nick", name="daniel")
    other = enter("dan")
    assert code(other, do="join", room="studio") == Code.NOT_ALLOWED
    ok(dan, do="join", room="studio")
    ok(dan, do="leave", room="studio")
    quit_(dan)
    late = enter("daniel")
    assert code(late, do="join", room="studio") == Code.NOT_ALLOWED
    ok(owner, do="invite", room="studio", user="daniel")
    ok(late, do="register", password="pass-word")
    quit_(late)
    server.stop()
    server.start()
    ok(enter("daniel", password="pass-word"), do="join", room="studio")


def test_a_key_is_a_guests_own(server, connect, enter):
    """A stranger who takes the name has their own message stored. A guest who comes again with
    their token does not have one stored twice, also after a restart and after /register."""
    bot = connect(server)
    token = ok(bot, do="hello", name="bot")["token"]
    ok(bot, do="join", room="lab")
    said = {"do": "say", "room": "lab", "text": "mine", "key": "1"}
    first = ok(bot, **said)["seq"]
    ok(bot, do="nick", name="robot")
    assert ok(bot, **said)["seq"] == first
    quit_(bot)
    other = enter("bot", "lab")
    assert ok(other, **{**said, "text": "another's"})["seq"] > first
    assert ok(other, do="history", room="lab", limit=1)["entries"][0]["text"] == "another's"
    server.stop()
    server.start()
    back = connect(server)
    assert ok(back, do="hello", name="robot", token=token)["token"] == token
    ok(back, do="join", room="lab")
    assert ok(back, **said)["seq"] == first
    ok(back, do="register", password="pass-word")
    assert ok(back, **said)["seq"] == first
    quit_(back)
    assert ok(enter("robot", "lab", password="pass-word"), **said)["seq"] == first


def test_files_are_a_guests_own(server, connect, enter, owner):
    """A stranger who takes the name can neither remove them, nor see or drop incomplete uploads.
    The guest, registered meanwhile, can."""
    dan = enter("dan", "studio")
    put(server, connect, dan, room="studio", name="a.txt")
    half_sent(server, connect, dan)
    ok(dan, do="register", password="pass-word")
    ok(dan, do="remove", room="studio", name="a.txt")
    assert len(ok(dan, do="transfers")["transfers"]) == 1
    eve = enter("eve", "studio")
    put(server, connect, eve, room="studio", name="b.txt")
    half_sent(server, connect, eve, "other")
    quit_(eve)
    other = enter("eve", "studio")
    assert code(other, do="remove", room="studio", name="b.txt") == Code.NOT_YOURS
    assert ok(other, do="transfers")["transfers"] == []
    assert code(other, do="cancel", name="other") == Code.NO_SUCH_FILE
    ok(other, do="register", password="pass-word")
    assert code(other, do="remove", room="studio", name="b.txt") == Code.NOT_YOURS


def test_a_room_is_a_guests_own(enter):
    """A stranger who takes the name of its owner does not own it; neither does a moderator's
    successor moderate."""
    dan, mod = enter("dan"), enter("mod")
    ok(dan, do="create", room="den")
    ok(mod, do="join", room="den")
    ok(dan, do="op", room="den", user="mod")
    ok(mod, do="freeze", room="den")
    ok(dan, do="say", room="den", text="so that it stays")
    for bot in (dan, mod):
        quit_(bot)
    for name in ("dan", "mod"):
        assert code(enter(name, "den"), do="unfreeze", room="den") == Code.NOT_ALLOWED


def test_away_and_ignored_end_with_the_guest(enter):
    """A stranger who takes the name is here, and hears all."""
    dan, bob = enter("dan", "lab"), enter("bob", "lab")
    ok(dan, do="away", text="out")
    ok(dan, do="ignore", user="bob")
    quit_(dan)
    dan = enter("dan", "lab")
    assert ok(bob, do="msg", to="dan", text="hi")["away"] == ""
    ok(bob, do="say", room="lab", text="hello")
    assert dan.event("message")["text"] == "hello"
    assert ask(bob, do="who", room="lab")["event"] == "ok"
