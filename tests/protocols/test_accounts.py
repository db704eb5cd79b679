"""Accounts in both formats: registration, several sessions of one user, passwords, tokens."""

import re
import threading

import pytest

from tests.servers import RawAdminClient


def hello(connect, server, name, password=None, **more):
    """Open a program's connection, and return it with the answer to its `hello`."""
    bare = connect(server)
    bare.ask(do="hello", id="hello", name=name, **({"password": password} if password else {}))
    answer = bare.event()
    assert answer["id"] == "hello"
    return bare, answer


def asks(bare, do, **fields):
    """Make a request and return its answer, or the code that it was refused with."""
    bare.ask(do=do, id=do, **fields)
    while (found := bare.event()).get("id") != do:
        pass
    return found["code"] if found["event"] == "error" else found


@pytest.fixture
def program(server, connect):
    """Return a function that opens a program's connection, and is somebody."""

    def program_(name, password=None, at=server):
        bare, answer = hello(connect, at, name, password)
        assert answer["event"] == "ok", answer
        return bare

    return program_


def typed(connect, server, *lines):
    """Type lines on a connection of its own, and return what is answered, up to the end."""
    bare = connect(server)
    bare.expect("* Welcome")
    bare.send(*lines, "/quit")
    return bare.rest().decode()


def test_sessions_of_one_user_each_read_for_themselves(program, server, connect):
    """Each has its own place in rooms and inbox; one that leaves takes nothing from the others."""
    first = program("bob")
    assert asks(first, "register", password="pw")["event"] == "ok"
    second = program("bob", "pw")
    third = connect(server)
    third.expect("* Welcome")
    third.send("/login bob pw", "/join lab")
    third.expect("* You are in lab")
    alice = program("alice")
    asks(alice, "join", room="lab")
    at = [asks(alice, "say", room="lab", text=text)["seq"] for text in "abc"]
    asks(first, "join", room="lab", after=at[0])
    asks(second, "join", room="lab", after=at[1])
    assert [first.event("message")["text"] for _ in "bc"] == ["b", "c"]
    assert second.event("message")["text"] == "c"
    third.expect("alice: c")
    assert asks(alice, "who", room="lab")["users"] == [
        {"name": "alice", "away": "", "idle": 0},
        {"name": "bob", "away": "", "idle": 0},
    ]
    asks(alice, "msg", to="bob", text="to all of you")
    for bare in (first, second):
        assert bare.event("private")["text"] == "to all of you"
    third.expect("alice -> you: to all of you")
    second.send('{"do":"quit"}')
    second.rest()
    asks(alice, "say", room="lab", text="d")
    assert first.event("message")["text"] == "d"
    third.expect("alice: d")
    first.ask(do="say", room="lab", text="mine")
    third.expect("bob: mine")


def test_a_password_is_changed(program, server, connect):
    """With the old one; what came in with that ends, but for the one that asks, and tokens stay."""
    bob = program("bob")
    assert asks(bob, "password", old="a", new="b") == "not-allowed"
    asks(bob, "register", password="old")
    token = asks(bob, "token", label="ci")["token"]
    other, bot = program("bob", "old"), program("bob", token)
    assert asks(bob, "password", old="wrong", new="new") == "wrong-password"
    assert asks(bob, "password", old="old", new="") == "bad-argument"
    assert asks(bob, "password", old="old", new="new word")["event"] == "ok"
    assert other.event("notice")["text"].startswith("Your password was changed")
    assert other.rest() == b""
    assert asks(bot, "rooms")["event"] == "ok"
    assert hello(connect, server, "bob", "old")[1]["code"] == "wrong-password"
    assert hello(connect, server, "bob", "new word")[1]["event"] == "ok"
    server.stop()
    server.start()
    assert hello(connect, server, "bob", "old")[1]["code"] == "wrong-password"
    assert hello(connect, server, "bob", "new word")[1]["event"] == "ok"
    assert hello(connect, server, "bob", token)[1]["event"] == "ok"


def test_a_token_is_good_in_place_of_a_password(program, server, connect):
    """It works in both formats, for its own account, and for nothing that needs a password."""
    bob = program("bob")
    assert asks(bob, "token", label="ci") == "not-allowed"
    asks(bob, "register", password="pw")
    made = asks(bob, "token", label="ci")
    assert (made["label"], made["room"]) == ("ci", None)
    assert asks(bob, "token", label="ci") == "token-exists"
    assert asks(bob, "token", label="a b") == "bad-name"
    assert asks(bob, "token", label="x", room="nowhere") == "no-such-room"
    asks(bob, "token", label="deploy", room="lab")
    assert [(it["label"], it["room"]) for it in asks(bob, "tokens")["tokens"]] == [
        ("ci", None),
        ("deploy", "lab"),
    ]
    bot = program("BOB", made["token"])
    said = typed(connect, server, f"/login bob {made['token']}", "/who")
    assert "* You are bob." in said
    for do, fields in (
        ("token", {"label": "more"}),
        ("revoke", {"label": "ci"}),
        ("password", {"old": made["token"], "new": "x"}),
    ):
        assert asks(bot, do, **fields) == "not-allowed"
    eve = program("eve")
    asks(eve, "register", password="pw")
    assert hello(connect, server, "eve", made["token"])[1]["code"] == "wrong-password"
    assert hello(connect, server, "bob", made["token"] + "x")[1]["code"] == "wrong-password"


def test_a_token_that_is_revoked_while_it_is_used(program, server, connect):
    """Revoking a token ends its sessions at once, also one that took over such a session. Others
    stay."""
    bob = program("bob")
    asks(bob, "register", password="pw")
    one, two = asks(bob, "token", label="one")["token"], asks(bob, "token", label="two")["token"]
    first, other = program("bob", one), program("bob", two)
    bot = connect(server)
    bot.ask(do="hello", id=1, name="bob", password=one)
    session = bot.event()["token"]
    again = connect(server)
    again.ask(do="hello", id=1, name="bob", token=session)
    assert again.event()["event"] == "ok"
    asks(again, "join", room="lab")
    carol = program("carol")
    asks(carol, "join", room="lab")
    assert asks(bob, "revoke", label="one")["text"] == "one is good no more; 2 connections ended."
    for bare in (first, again):
        assert "was revoked" in bare.event("notice")["text"]
        assert bare.rest() == b""
    assert carol.event("left")["from"] == "bob"
    assert asks(bob, "revoke", label="one") == "no-such-token"
    assert hello(connect, server, "bob", one)[1]["code"] == "wrong-password"
    late = connect(server)
    late.ask(do="hello", id=1, name="bob", token=session)
    assert late.event()["code"] == "password-needed"
    assert asks(other, "rooms")["event"] == "ok"


def test_a_token_for_one_room(program, server, connect):
    """A token for a room works in that room alone, in both formats, also after a takeover."""
    bob = program("bob")
    asks(bob, "register", password="pw")
    asks(bob, "create", room="vault", password="secret")
    token = asks(bob, "token", label="x", room="vault")["token"]
    bot = connect(server)
    bot.ask(do="hello", id=1, name="bob", password=token)
    session = bot.event()["token"]
    again = connect(server)
    again.ask(do="hello", id=1, name="bob", token=session)
    assert again.event()["event"] == "ok"
    assert asks(again, "join", room="lab") == "not-allowed"
    assert asks(again, "msg", to="bob", text="x") == "not-allowed"
    assert asks(again, "nick", name="rob") == "not-allowed"
    assert asks(again, "join", room="vault")["event"] == "ok"
    assert asks(again, "say", room="vault", text="done")["event"] == "ok"
    said = typed(connect, server, f"/login bob {token}", "/join lab", "/who", "hi")
    assert "* You are in vault" in said
    assert "! Your token is for the room vault only" in said
    said = typed(connect, server, "guest", f"/login bob {token}", "/who")
    assert "! That token is for the room vault only" in said
    assert "* 1 in lobby: guest" in said


def test_who_may_register(start_server, connect):
    """Registration is open, by code, or closed; a refusal says which."""
    closed = start_server("--registration", "closed")
    said = typed(connect, closed, "alice", "/register pw", "/signup bob pw")
    assert "! Only operators register names here; ask one of them." in said
    assert said.count("! ") == 2
    assert "! You are alice; /register keeps that name." not in typed(
        connect, closed, "/signup bob pw"
    )
    invited = start_server("--registration", "invited")
    said = typed(connect, invited, "alice", "/register pw", "/register pw abcd-efgh-ijkm")
    assert said.count("! Registering takes an invitation code here; put it behind the") == 1
    assert said.count("! That code is not good, or not any more; ask for another.") == 1


def test_sign_up(program, server, connect):
    """A name is registered and taken in one; nobody else's, nor one that looks like it."""
    program("alice")
    said = typed(connect, server, "/signup bob pw", "/who", "/signup rob pw")
    assert "* You are bob." in said
    assert "* 1 in lobby: bob" in said
    assert "! You are bob; /register keeps that name." in said
    for name, code in (
        ("BOB", "already-registered"),
        ("b0b", "name-taken"),
        ("alice", "name-taken"),
        ("a1ice", "name-taken"),
        ("operator", "name-taken"),
        ("Server", "name-taken"),
        ("0perator", "name-taken"),
        ("a b", "bad-name"),
    ):
        assert asks(connect(server), "signup", name=name, password="pw") == code, name
    bare = connect(server)
    assert asks(bare, "signup", name="carol", password="pw")["registered"]
    assert asks(bare, "register", password="pw") == "already-registered"
    assert hello(connect, server, "carol", "pw")[1]["event"] == "ok"


def test_of_two_who_sign_up_at_once_one_does(server, connect):
    """Of two equal or look-alike names one is refused, and its user can take another."""
    for names in (("dora", "DORA"), ("flora", "fl0ra"), ("mimi", "rnirni")):
        bares = [connect(server) for _ in range(6)]
        for at, bare in enumerate(bares):
            bare.ask(do="signup", id=1, name=names[at % 2], password="pw")
        events = [bare.event() for bare in bares]
        assert [event["event"] for event in events].count("ok") == 1, events
        assert {event.get("code") for event in events} <= {
            None,
            "name-taken",
            "already-registered",
        }


def test_no_guests(start_server, connect):
    """Nobody comes in without a password, and nobody is told which names there are."""
    server = start_server("--no-guests")
    bare = connect(server)
    assert asks(bare, "signup", name="alice", password="pw")["event"] == "ok"
    bob = connect(server)
    assert asks(bob, "rooms") == "name-needed"
    refused = []
    for name in ("alice", "nobody"):
        for password in (None, "wrong"):
            event = hello(connect, server, name, password)[1]
            refused.append((event["code"], event["message"].replace(name, "NAME")))
    assert refused[:2] == refused[2:]
    assert [code for code, _ in refused[:2]] == ["password-needed", "wrong-password"]
    assert asks(bare, "nick", name="guest") == "password-needed"
    said = typed(connect, server, "/login alice pw", "/who")
    assert "* 1 in lobby: alice" in said
    script = connect(server)
    script.send("alice", "hello", "/quit")
    said = script.rest().decode()
    assert said.startswith("! Only registered users may enter here: /login alice PASSWORD.")
    assert "wrong" not in said


def test_nothing_secret_is_in_the_log(start_server, connect):
    """Neither passwords nor tokens nor codes, given or made up, taken or refused."""
    server = start_server("--registration", "invited")
    admin = RawAdminClient(server)
    code = asks(admin, "code")["code"]
    bob = connect(server)
    assert asks(bob, "signup", name="bob", password="pa55word", code=code)["event"] == "ok"
    token = asks(bob, "token", label="ci")["token"]
    hello(connect, server, "bob", "wr0ngword")
    hello(connect, server, "bob", token)
    asks(bob, "password", old="wr0ngword", new="x")
    asks(bob, "password", old="pa55word", new="an0therword")
    made = asks(admin, "reset", name="bob")["password"]
    assert "You are bob" in typed(connect, server, "/login bob wr0ngword", made, "/who")
    server.stop()
    server.process.wait()
    server.log.expect("Server Shut Down")
    log = "\n".join(server.log.lines)
    for secret in (code, "pa55word", token, "wr0ngword", "an0therword", made):
        assert secret not in log
    stored = b"".join(it.read_bytes() for it in server.data.glob("chat.sqlite*"))
    for secret in (code, "pa55word", token, "an0therword", made):
        assert secret.encode() not in stored


def test_a_code_is_good_once(start_server, connect):
    """Of any number who use it at once, one registers; a name that is refused leaves it good."""
    server = start_server("--registration", "invited")
    operator = RawAdminClient(server)
    for _ in range(3):
        code = asks(operator, "code")["code"]
        assert re.fullmatch("[a-z2-9]{4}(-[a-z2-9]{4}){2}", code)
        bares = [connect(server) for _ in range(6)]
        start = threading.Barrier(len(bares))

        def sign_up(bare, at, code=code, start=start):
            start.wait()
            bare.ask(do="signup", id=1, name=f"{code[:4]}-{at}x", password="pw", code=code)

        threads = [threading.Thread(target=sign_up, args=it[::-1]) for it in enumerate(bares)]
        for thread in threads:
            thread.start()
        events = [bare.event() for bare in bares]
        for thread in threads:
            thread.join()
        assert sorted(it.get("code", "ok") for it in events) == ["bad-code"] * 5 + ["ok"]
    code = asks(operator, "code")["code"]
    taken = next(it["name"] for it in events if it["event"] == "ok")
    assert asks(connect(server), "signup", name=taken, password="pw", code=code) == (
        "already-registered"
    )
    guest = connect(server, "guest")
    guest.send(f"/register pw {code}", f"/register pw {code}")
    guest.expect("* guest is your name from now on")
    guest.expect("! guest is registered already.")
