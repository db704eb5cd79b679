"""The reach of a token: every command, in both formats, from a session that used one."""

import hashlib
import itertools
import json

import pytest

from chatservice.grammar.commands import COMMANDS
from chatservice.grammar.commandtypes import ArgType, Format
from tests.protocols.test_rights import VALUES, ok
from tests.servers import RawAdminClient

SECRETS = ("said-elsewhere", "said-privately", "private-file", "file-elsewhere", "topic-elsewhere")
"""Texts in the inbox of the token's owner, among their files, and in another room."""

MEANING = {
    "room": ("vault", "other", "OTHER", "3", "lobby", "1", "@", "nowhere", "", "vault/../other"),
    "to": ("victim", "alice", "@victim"),
    "name": ("private-file", "file-elsewhere", "other/file-elsewhere", "@/private-file"),
    "user": ("victim", "alice", "10.0.0.0/8"),
}
"""Values of arguments that mean something outside of the one room."""

ANYBODYS = {"help", "login", "signup", "hello"}
"""Commands that ask for nothing that a token could give: they are refused, or need a password."""


@pytest.fixture
def house(start_server, connect):
    """Return a server, and what to log in with: alice's token for the room vault. She has more, and
    may do more, elsewhere; so her `observer` sees what happens there."""
    server = start_server("--room", "vault", "--room", "other", commands_burst=10**6)
    alice, victim = connect(server), connect(server)
    for bot, name in ((alice, "alice"), (victim, "victim")):
        ok(bot, do="hello", name=name)
        ok(bot, do="register", password="pass-word")
        for room in ("lobby", "other", "vault"):
            ok(bot, do="join", room=room)
    for place, name in (({"to": "alice"}, "private-file"), ({"room": "other"}, "file-elsewhere")):
        victim.ask(do="put", size=9, name=name, **place)
        carrier = connect(server)
        carrier.send(f"PUT {victim.event('ok')['ticket']}")
        carrier.send_raw(b"some-file")
        carrier.expect("= ")
    ok(victim, do="say", room="other", text="said-elsewhere")
    ok(victim, do="msg", to="alice", text="said-privately")
    ok(victim, do="topic", room="other", text="topic-elsewhere")
    alice.ask(do="token", label="bot", room="vault", id="token")
    while (found := alice.event()).get("id") != "token":
        pass
    return server, found["token"], victim


def shapes(command, format):
    """Yield arguments for a command: each in turn that may mean something elsewhere is given all
    that it could mean, beside nothing and beside one other such argument."""
    args = list(command.arguments(format))
    given = {a.name: VALUES.get(a.name, "x") for a in args if not a.is_optional(format)}
    if command.name != "topic":  # without a text it shows what there is
        given |= {a.name: VALUES[a.name] for a in args if a.name == "text"}
    telling = [a.name for a in args if a.name in MEANING]
    for some in itertools.chain([()], *(itertools.combinations(telling, n) for n in (1, 2, 3))):
        for values in itertools.product(*(MEANING[name] for name in some)):
            yield {**given, **dict(zip(some, values, strict=True))}


def stays_inside(command, args):
    """Return whether a request means the room of the token, or no room and nobody."""
    if command.name in ANYBODYS:
        return True
    return args.get("room", "vault") == "vault" and "to" not in args


def test_programs(house, connect):
    """No command reaches anything outside of its room, with any arguments."""
    server, token, victim = house
    for command in COMMANDS.values():
        if not command.formats & Format.JSON or command.name == "quit":
            continue
        bot = connect(server)
        bot.ask(do="hello", name="alice", password=token, after=0)
        welcome = bot.event()
        assert (welcome["event"], welcome["inbox"]) == ("ok", 0)
        ok(bot, do="join", room="vault")
        for args in shapes(command, Format.JSON):
            before = len(bot.seen)
            bot.ask(do=command.name, **args, id="it")
            while (answer := bot.event()).get("id") != "it":
                pass
            if not stays_inside(command, args):
                assert answer["event"] == "error", (command.name, args, answer)
            assert not leaked(bot.seen[before:], args), (command.name, args, answer)
        bot.close()
    assert nothing_happened(victim)


def leaked(seen, args):
    """Return the secrets in the output, except for those of the input: a refusal quotes them."""
    given = [secret for secret in SECRETS if any(secret in str(it) for it in args.values())]
    return [secret for secret in SECRETS if secret in seen and secret not in given]


def nothing_happened(victim):
    """Return whether nobody saw anything of alice outside of the room vault."""
    victim.ask(do="history", room="vault", limit=1000, id="last")
    seen = []
    while (found := victim.event()).get("id") != "last":
        seen.append(found)
    return all(it.get("room") == "vault" or it["event"] == "ok" for it in seen)


def typed(command, args):
    """Return the line that gives a command, with these arguments in their order."""
    words = [f"/{command.name}"]
    for arg in command.arguments(Format.TEXT):
        if arg.name in args and arg.type is not ArgType.FLAG:
            words.append(f"{arg.type.mark}{args[arg.name]}")
    return " ".join(words)


def test_people(house, connect):
    """The same, typed: `/leave` and `/exit` do not lead into the lobby, and the user's own files
    stay out of reach."""
    server, token, victim = house
    for command in COMMANDS.values():
        if not command.formats & Format.TEXT or command.name in ("quit", "put"):
            continue
        one = connect(server)
        one.send(f"/login alice {token}")
        for args in shapes(command, Format.TEXT):
            before = len(one.seen)
            one.send(typed(command, args), "/help nothing")
            if command.name == "exit":
                one.rest()
                break
            one.expect("! There is no such command")
            seen = one.seen[before:]
            assert "You are in lobby" not in seen, (command.name, args)
            assert not leaked(seen, args), (command.name, args, seen)
        one.close()
    assert nothing_happened(victim)


def test_a_password_lifts_the_limits_of_a_token(house, connect):
    """A session that came in with a token has all rights of its user after `login`; not by a token
    or a wrong password, and who came in with the password is told that they are so already."""
    _, token, victim = house
    bot = connect(house[0])
    ok(bot, do="hello", name="alice", password=token, after=0)
    for wrong in ({"password": token}, {"password": "pass-wrod"}):
        bot.ask(do="login", name="alice", **wrong)
        assert bot.event("error")["code"] in ("name-taken", "wrong-password")
    bot.ask(do="history", room="other")
    assert bot.event("error")["code"] == "not-allowed"
    ok(bot, do="login", name="alice", password="pass-word")
    for fields in (
        {"do": "history", "room": "other"},
        {"do": "tokens"},
        {"do": "history", "room": "@"},
    ):
        ok(bot, **fields)
    ok(victim, do="msg", to="alice", text="for all of alice")
    assert bot.event("private")["text"] == "for all of alice"
    bot.ask(do="login", name="alice", password="pass-word")
    assert bot.event("error")["code"] == "name-taken"
    carrier = connect(house[0])  # the token itself is good for as little as before
    ok(carrier, do="hello", name="alice", password=token, after=0)
    carrier.ask(do="history", room="other")
    assert carrier.event("error")["code"] == "not-allowed"


def test_a_token_for_one_room_does_not_end_the_membership(house, connect):
    """Its program leaves alone: the user keeps the room, and their own program stays in it."""
    server, token, _victim = house
    bot, own = connect(server), connect(server)
    ok(bot, do="hello", name="alice", password=token)
    ok(bot, do="join", room="vault")
    ok(own, do="hello", name="alice", password="pass-word")
    ok(own, do="join", room="vault")
    ok(bot, do="leave", room="vault")
    ok(own, do="say", room="vault", text="still here")
    own.ask(do="unread", id="kept")
    while (found := own.event()).get("id") != "kept":
        pass
    assert "vault" in [it["room"] for it in found["rooms"]]


BY_PASSWORD = {
    "password": {"old": "pass-word", "new": "x"},
    "token": {"label": "more"},
    "revoke": {"label": "ops"},
    "reset": {"name": "boss"},
    "account": {"name": "new", "password": "pw"},
    "code": {},
    "operator": {"name": "victim"},
    "owner": {"room": "mine", "user": "victim"},
}
"""Commands that an operator may give, and with a token may not."""


def test_an_operators_token(server, connect):
    """It is good for what operators do, but for none of what would outlast it: it makes, changes
    and ends nothing that lets anybody in or puts them in charge."""
    admin, boss, victim = RawAdminClient(server), connect(server), connect(server)
    for bot, name in ((boss, "boss"), (victim, "victim")):
        ok(bot, do="hello", name=name)
        ok(bot, do="register", password="pass-word")
    ok(admin, do="operator", name="boss")
    ok(boss, do="create", room="mine")
    boss.ask(do="token", label="ops", id="token")
    while (found := boss.event()).get("id") != "token":
        pass
    bot = connect(server)
    ok(bot, do="hello", name="boss", password=found["token"])
    for name, args in BY_PASSWORD.items():
        bot.ask(do=name, **args, id="it")
        while (answer := bot.event()).get("id") != "it":
            pass
        assert answer["code"] == "not-allowed", (name, answer)
    ok(bot, do="operators")
    ok(bot, do="broadcast", text="hello")
    typing = connect(server)
    typing.send(f"/login boss {found['token']}", "/reset boss", "/operator victim", "/code")
    typing.end()
    assert typing.rest().decode().count("A token is not good for that") == 3
    for name, args in BY_PASSWORD.items():
        ok(boss, do=name, **args)


def test_a_known_file_is_not_copied_from_another_room(house, connect):
    """A `put` with the SHA-256 of a file that only others of the user's sessions may read asks for
    the bytes, as if there were no such file."""
    server, token, _ = house
    sha = hashlib.sha256(b"some-file").hexdigest()
    bot = connect(server)
    ok(bot, do="hello", name="alice", password=token)
    ok(bot, do="join", room="vault")
    bot.ask(do="put", room="vault", name="mine", size=9, sha256=sha, id=1)
    while (answer := bot.event()).get("id") != 1:
        pass
    assert answer["ticket"] is not None, answer


def test_transfers_of_another_room_are_not_seen(house, connect):
    """Neither listed nor cancelled: those of the same user to another room."""
    server, token, _ = house
    alice = connect(server)
    ok(alice, do="hello", name="alice", password="pass-word")
    ok(alice, do="join", room="other")
    alice.ask(do="put", room="other", name="big", size=99, sha256="0" * 64, id=1)
    while (answer := alice.event()).get("id") != 1:
        pass
    carrier = connect(server)
    carrier.send(f"PUT {answer['ticket']}")
    carrier.send_raw(b"part")
    alice.ask(do="transfers", id="t")
    while not (found := json.loads(alice.line())).get("transfers"):
        alice.ask(do="transfers", id="t")
    bot = connect(server)
    ok(bot, do="hello", name="alice", password=token)
    bot.ask(do="transfers", id="t")
    assert bot.event("ok")["transfers"] == []
    bot.ask(do="cancel", name="big", id="c")
    assert bot.event("error")["code"] == "no-such-file"
    assert [it["name"] for it in found["transfers"]] == ["big"]


@pytest.mark.parametrize("why", ["ban", "close"])
def test_the_room_is_not_to_be_entered_any_more(house, connect, why):
    """A user who may not join the only room of their token cannot log in with it."""
    server, token, _ = house
    admin = RawAdminClient(server)
    ok(admin, do=why, room="vault", **({"user": "alice"} if why == "ban" else {}))
    bot = connect(server)
    bot.ask(do="hello", name="alice", password=token)
    assert bot.event()["code"] == {"ban": "banned", "close": "not-allowed"}[why]
    one = connect(server)
    one.send(f"/login alice {token}", "/who", "hello")
    one.end()
    assert "Type your name first" in one.rest().decode()


def test_put_out_of_the_only_room(house, connect):
    """A text client removed from the only room of its token is not in the lobby then: its
    connection ends, and says so."""
    server, token, _ = house
    one = connect(server)
    one.expect("* Welcome")
    one.send(f"/login alice {token}")
    one.expect("* What you type")
    ok(RawAdminClient(server), do="kick", room="vault", user="alice")
    assert "* operator has put you off vault." in one.rest().decode()
