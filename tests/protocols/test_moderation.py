"""Keeping order in a room: over real connections, and through a restart."""

import contextlib
import sqlite3

import pytest

from chatservice.errors import Code
from tests.servers import RawAdminClient, RawClient

SECRET = "unrepeatable"


def ask(bot, **asked):
    """Ask, and return the answer."""
    bot.ask(**asked, id="it")
    while (found := bot.event()).get("id") != "it":
        pass
    return found


def ok(bot, **asked):
    """Ask for what is done, and return the answer."""
    found = ask(bot, **asked)
    assert found["event"] == "ok", found
    return found


def code(bot, **asked):
    """Ask for what is refused, and return the code."""
    return ask(bot, **asked).get("code")


@pytest.fixture
def enter(server, connect):
    """Return a function that opens a JSON connection of a user, who joins a room, if one is named,
    and registers, if asked to."""

    def open_(name, room=None, register=False):
        bot = connect(server)
        ok(bot, do="hello", name=name)
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


def test_put_out(server, connect, owner):
    """A person is in the lobby then, is told why, and can come back; the others see it."""
    eve = connect(server, "eve")
    eve.send("/join studio")
    eve.expect("You are in studio")
    owner.ask(do="kick", room="studio", user="EVE", text="too loud")
    assert eve.expect("put eve out") == "* founder put eve out: too loud"
    told = owner.event("moderated")
    assert [told[it] for it in ("room", "from", "what", "user", "text")] == [
        *("studio", "founder", "kick", "eve", "too loud")
    ]
    left = owner.event("left")
    assert (left["reason"], left["text"], left["by"]) == ("out", "too loud", "founder")
    eve.send("hello lobby", "/join studio")
    eve.expect("You are in studio")
    assert code(owner, do="kick", room="studio", user="nobody") == Code.NO_SUCH_USER
    assert code(owner, do="kick", room="studio", user="founder") == Code.NOT_ALLOWED


def test_kept_out(server, connect, enter, owner):
    """By name or by address, for good or for a time; also for tickets that were handed out."""
    eve = enter("eve", "studio")
    ticket = ok(eve, do="put", room="studio", name="a", size=1)["ticket"]
    told = ok(owner, do="ban", room="studio", user="eve", text="rude")
    assert told["text"].startswith("eve is kept out of studio; they come from 127.0.0.1.")
    assert code(eve, do="join", room="studio") == Code.BANNED
    assert code(eve, do="history", room="studio") == Code.BANNED
    carrier = connect(server)
    carrier.send_raw(f"PUT {ticket}\nx".encode())
    assert "banned" in carrier.line()
    ok(owner, do="unban", room="studio", user="eve")
    ok(eve, do="join", room="studio")
    ok(owner, do="ban", room="studio", user="127.0.0.0/8", time="1h")
    assert code(eve, do="join", room="studio") == Code.BANNED
    rules = ok(owner, do="rules", room="studio")["rules"]
    assert [(it["what"], it["user"]) for it in rules] == [
        ("owner", "founder"),
        ("banned", "127.0.0.0/8"),
    ]
    assert 3500 < rules[1]["left"] <= 3600
    ok(owner, do="unban", room="studio", user="127.0.0.0/8")
    ok(owner, do="ban", room="studio", user="eve", time="1s")
    while code(eve, do="join", room="studio") == Code.BANNED:
        pass


def test_kept_quiet(enter, owner):
    """Muted users, all users but moderators in a frozen room, and all in slow mode until their
    turn."""
    eve = enter("eve", "studio")
    say = {"do": "say", "room": "studio", "text": "x"}
    ok(owner, do="mute", room="studio", user="eve", time="1s")
    assert code(eve, **say) == Code.NOT_ALLOWED
    assert ok(eve, do="history", room="studio")["entries"] == []
    while code(eve, **say) == Code.NOT_ALLOWED:
        pass
    ok(owner, do="freeze", room="studio")
    assert code(eve, **say) == Code.NOT_ALLOWED
    ok(owner, **say)
    ok(owner, do="op", room="studio", user="eve")  # a guest, for as long as they are here
    ok(eve, **say)
    ok(owner, do="deop", room="studio", user="eve")
    ok(owner, do="unfreeze", room="studio")
    ok(owner, do="slow", room="studio", seconds=60)
    ok(eve, **say)
    assert code(eve, **say) == Code.TOO_FAST
    ok(owner, **say), ok(owner, **say)
    ok(owner, do="slow", room="studio", seconds=0)
    ok(eve, **say)


def test_a_paste_into_a_slow_room(server, connect, owner):
    """The first line is said, and for the others is told when."""
    ok(owner, do="slow", room="studio", seconds=60)
    eve = connect(server, "eve")
    eve.send("/join studio", "one", "two")
    assert eve.expect("! ") == (
        "! In studio you wait 60 s between two messages; say it again in 60 s."
    )
    assert owner.event("message")["text"] == "one"


@pytest.mark.parametrize("how", ["mute", "freeze"])
@pytest.mark.parametrize("lines", [1, 3])
def test_who_is_kept_quiet_and_types(server, connect, owner, how, lines):
    """Is told why for each line, stays connected, and is heard once they may speak again."""
    eve = connect(server, "eve")
    eve.send("/join studio")
    eve.expect("You are in studio")
    whom = {"user": "eve"} if how == "mute" else {}
    ok(owner, do=how, room="studio", **whom)
    eve.expect("* founder ")
    eve.send_raw(b"psst\n" * lines)
    for _ in range(lines):
        refused = eve.expect("! ")
        assert "You are muted in studio" in refused or "Only moderators may speak" in refused
    ok(owner, do=f"un{how}", room="studio", **whom)
    eve.expect("* founder ")
    eve.send("thank you")
    assert owner.event("message")["text"] == "thank you"


def test_who_is_let_in(enter, owner):
    """A hidden room is for who knows its name, another for who was invited, who needs no password
    either."""
    eve, bob = enter("eve"), enter("bob", register=True)
    ok(owner, do="access", room="studio", access="hidden")
    assert "studio" not in [it["room"] for it in ok(eve, do="rooms")["rooms"]]
    assert code(eve, do="join", room="3") == Code.NO_SUCH_ROOM
    assert code(eve, do="history", room="studio") == Code.NOT_IN_ROOM
    ok(eve, do="join", room="studio")
    ok(eve, do="leave", room="studio")
    ok(owner, do="access", room="studio", access="invited", password="pass-word")
    assert code(eve, do="join", room="studio", password="pass-word") == Code.NOT_ALLOWED
    ok(owner, do="invite", room="studio", user="bob")
    assert bob.event("private")["text"].startswith("You are invited to studio")
    ok(bob, do="join", room="studio")
    ok(owner, do="access", room="studio", access="public", password="pass-word")
    assert code(eve, do="join", room="studio") == Code.PASSWORD_NEEDED
    ok(eve, do="join", room="studio", password="pass-word")


def test_who_is_above(enter, owner):
    """Nobody acts on users of the same or a higher role. A room has one owner, who can give it away
    and close it."""
    bob, eve = enter("bob", "studio", register=True), enter("eve", "studio")
    ok(owner, do="op", room="studio", user="bob")
    ok(owner, do="op", room="studio", user="eve")
    bob.ask(do="kick", room="studio", user="founder")
    assert bob.event("error")["message"] == (
        "founder is the owner here; you may do that only to users with a lower role than yours."
    )
    assert code(bob, do="ban", room="studio", user="founder") == Code.NOT_ALLOWED
    assert code(bob, do="mute", room="studio", user="eve") == Code.NOT_ALLOWED
    assert code(owner, do="owner", room="studio", user="eve") == Code.NOT_ALLOWED
    ok(owner, do="owner", room="studio", user="bob")
    assert code(owner, do="close", room="studio") == Code.NOT_ALLOWED
    ok(bob, do="close", room="studio")
    assert code(eve, do="join", room="studio") is None  # a moderator may
    assert code(enter("carol"), do="join", room="studio") == Code.NOT_ALLOWED
    ok(bob, do="access", room="studio", access="public")
    ok(enter("dave"), do="join", room="studio")


def test_a_guest_who_registers_goes_on_with_their_room(server, connect, enter):
    """And after a restart it is still theirs, with all that holds there."""
    bot = enter("founder")
    ok(bot, do="create", room="studio")
    ok(bot, do="register", password="pass-word")
    ok(bot, do="slow", room="studio", seconds=5)
    ok(bot, do="mute", room="studio", user="eve")
    before = ok(bot, do="rules", room="studio")
    record = ok(bot, do="record", room="studio")["deeds"]
    assert [it["did"] for it in record] == ["slow 5", "mute eve"]
    server.kill()
    server.start()
    bot = connect(server)
    ok(bot, do="hello", name="founder", password="pass-word")
    after = ok(bot, do="rules", room="studio")
    assert {**after, "id": 0} == {**before, "id": 0}
    assert ok(bot, do="record", room="studio")["deeds"] == record


def test_the_lobby_is_the_server(start_server, connect, enter, owner):
    """Nobody owns it; it cannot be closed."""
    assert code(owner, do="close", room="lobby") == Code.NOT_ALLOWED
    assert code(owner, do="kick", room="lobby", user="founder") == Code.NOT_ALLOWED


def test_what_was_said_is_erased(server, connect, enter, owner):
    """It is in no history, search, replay or file of the server's any more, before and after a
    restart; there is a mark in its place; who was there is told."""
    eve = enter("eve", "studio")
    first = ok(eve, do="say", room="studio", text="before")["seq"]
    wrong = ok(eve, do="say", room="studio", text=f"{SECRET} it")["seq"]
    ok(eve, do="say", room="studio", text="behind")
    while not ok(owner, do="search", room="studio", text=SECRET)["entries"]:
        pass
    assert code(eve, do="erase", room="studio", position=wrong) == Code.NOT_ALLOWED  # a guest
    ok(owner, do="erase", room="studio", position=wrong)
    assert eve.event("erased")["position"] == wrong
    gone = [("message", "before"), ("gone", None), ("message", "behind"), ("erased", None)]

    def shown(bot):
        entries = ok(bot, do="history", room="studio", after=first - 1)["entries"]
        found = [(it["event"], it.get("text")) for it in entries]
        return [it for it in found if it[0] != "topic"]

    assert shown(eve) == gone
    assert ok(eve, do="search", room="studio", text=SECRET)["entries"] == []
    late = enter("late")
    late.ask(do="join", room="studio", after=0)
    while (event := late.event())["event"] != "erased":
        assert event.get("text") != SECRET
    person = connect(server, "person")
    person.send("/join studio", "/history")
    assert person.expect("erased").endswith("* what eve said was erased")
    databases = [*server.data.glob("chat.sqlite*"), *server.data.glob("search.sqlite*")]
    while any(SECRET.encode() in path.read_bytes() for path in databases):
        pass  # the index is merged in the background
    server.stop()
    server.start()
    assert shown(enter_again(server, connect)) == gone


def enter_again(server, connect):
    """Return a JSON connection of somebody new."""
    bot = connect(server)
    ok(bot, do="hello", name="again")
    return bot


def test_one_erases_what_one_said_oneself(enter, owner):
    """Under a registered name; and nothing twice, and nothing that is not there."""
    said = ok(owner, do="say", room="studio", text=SECRET)["seq"]
    ok(owner, do="erase", room="studio", position=said)
    assert code(owner, do="erase", room="studio", position=said) == Code.NO_SUCH_ENTRY
    assert code(owner, do="erase", room="studio", position=0) == Code.NO_SUCH_ENTRY
    assert code(owner, do="erase", room="studio", position=1 << 50) == Code.NO_SUCH_ENTRY
    assert ok(owner, do="record", room="studio")["deeds"] == []


def test_operators_do_it_everywhere(server, connect, enter, owner):
    """In any room, over its owner; out of the lobby is off the server; all can be told at once."""
    operator = RawAdminClient(server)
    ok(operator, do="kick", room="studio", user="founder", text="a test")
    assert ok(operator, do="rooms")["rooms"][-1]["users"] == 0
    eve = connect(server, "eve")
    ok(operator, do="broadcast", text="we stop at five")
    assert eve.expect("tells all") == "* operator tells all: we stop at five"
    ok(operator, do="ban", room="lobby", user="eve")
    assert eve.rest().endswith(b"* operator has put you off this server.\n")
    again = connect(server)
    assert code(again, do="hello", name="eve") == Code.BANNED
    ok(operator, do="ban", room="lobby", user="127.0.0.1", time="1s")
    while code(again, do="hello", name="adam") == Code.BANNED:
        pass


def through_proxy(port, address, name):
    """Return a connection that a proxy says comes from an IPv6 address, which gives a name."""
    bare = RawClient(port)
    bare.send_raw(b"PROXY TCP6 %b 2001:db8::1 5000 5555\r\n" % address)
    bare.ask(do="hello", name=name, id="it")
    return bare


def test_an_address_within_ipv6(start_server):
    """An IPv4 address that comes mapped into IPv6 is that address: in the log, in what a moderator
    is told, and in bans, which hold it however they are written."""
    server = start_server("--listen", "haproxy:tcp:0:interface=127.0.0.1")
    port = int(server.log.expect(r"listening on 127\.0\.0\.1:(\d+)")[1])
    eve = through_proxy(port, b"::ffff:198.51.100.7", "eve")
    server.log.expect(r"eve connected from 198\.51\.100\.7:5000")
    admin = RawAdminClient(server)
    told = ok(admin, do="ban", room="lobby", user="eve")["text"]
    assert "they come from 198.51.100.7." in told
    for written in ("::ffff:198.51.100.7", "::ffff:198.51.100.0/120", "198.51.100.7"):
        kept = ok(admin, do="ban", room="lobby", user=written)["text"].split(" ")[0]
        assert kept in ("198.51.100.7/32", "198.51.100.0/24")
        other = through_proxy(port, b"::ffff:198.51.100.7", "other")
        assert other.event()["code"] == Code.BANNED
        ok(admin, do="unban", room="lobby", user=kept)
    other = through_proxy(port, b"::ffff:198.51.100.7", "other")
    assert other.event()["event"] == "ok"
    assert code(admin, do="ban", room="lobby", user="::ffff:0.0.0.0/96") == Code.BAD_ARGUMENT
    eve.close()


def test_a_user_who_is_called_as_an_address_is(server, connect, enter):
    """Nobody can take an address as a name any more. `@` before an old one bans the user; without
    it the ban is for the address."""
    one = connect(server)
    one.expect("* Welcome")
    one.send("8.8.8.8")
    assert "would be taken for an address" in one.line()
    one.send("/signup 8.8.8.8 pass-word")
    assert "would be taken for an address" in one.line()
    enter("eight", register=True)
    server.stop()
    with contextlib.closing(sqlite3.connect(server.data / "chat.sqlite")) as db:
        db.execute("UPDATE account SET name = '8.8.8.8', key = '8.8.8.8' WHERE key = 'eight'")
        db.commit()
    server.start()
    eight, admin = connect(server), RawAdminClient(server)
    ok(eight, do="hello", name="8.8.8.8", password="pass-word")
    ok(eight, do="join", room="lab")
    told = ok(admin, do="ban", room="lab", user="8.8.8.8")["text"]
    assert told == '8.8.8.8/32 is kept out of lab. "ban @8.8.8.8" is for the user.'
    ok(eight, do="say", room="lab", text="still here")
    ok(admin, do="ban", room="lab", user="@8.8.8.8")
    assert code(eight, do="join", room="lab") == Code.BANNED
    rules = ok(admin, do="rules", room="lab")["rules"]
    assert sorted(it["user"] for it in rules) == ["8.8.8.8", "8.8.8.8/32"]
    ok(admin, do="unban", room="lab", user="@8.8.8.8")
    ok(eight, do="join", room="lab")
    ok(admin, do="unban", room="lab", user="8.8.8.8")
    assert ok(admin, do="rules", room="lab")["rules"] == []


HOSTILE_ADDRESSES = ("fe80::%\x1b[2J\n* forged x/64", "fe80::%\x1b[2J", "10.0.0.0/8\n* forged")


@pytest.mark.parametrize("address", HOSTILE_ADDRESSES)
def test_an_address_that_would_steer_a_terminal(server, connect, owner, address):
    """It is none, so it is refused, and nobody is shown any of it."""
    one = connect(server, "one")
    one.send("/join studio")
    one.expect("You are in studio")
    for do in ("ban", "unban", "mute", "kick"):
        answer = ask(owner, do=do, room="studio", user=address)
        assert answer["event"] == "error"
        assert "\x1b" not in answer["message"]
    assert ok(owner, do="rules", room="studio")["rules"][1:] == []
    ok(owner, do="say", room="studio", text="last")
    one.expect("founder: last")
    assert "forged" not in one.seen


TIMES = ("60", "-5m", "2 hours", "1h30", "10M", "0m", "for 10m", "half an hour", "PT1H", "½h")


@pytest.mark.parametrize("command", ["/mute @eve", "/ban eve"])
def test_what_is_no_time_is_no_reason(server, connect, enter, owner, command):
    """A time that is not understood is refused, and does not make it for good."""
    enter("eve", "studio")
    one = connect(server)
    one.send("/login founder pass-word", "/join studio")
    for time in TIMES:
        one.send(f"{command} {time}")
        one.expect("! [TIME] must be a time, such as 10m, 1h30m or 7d")
    do, user = ("mute", "eve") if "mute" in command else ("ban", "eve")
    for time in (*TIMES, ""):
        assert code(owner, do=do, room="studio", user=user, time=time) == Code.BAD_ARGUMENT
    assert ok(owner, do="rules", room="studio")["rules"][1:] == []
    one.send(f"{command} 1h30min 3 strikes")
    assert one.expect("eve for").endswith("for 90 min: 3 strikes"), one.seen
    (rule,) = ok(owner, do="rules", room="studio")["rules"][1:]
    assert 5390 < rule["left"] <= 5400
