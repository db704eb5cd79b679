"""The rights of every role for every command, in both formats, over real connections."""

import pytest

from chatservice.domain.rights import ROLE_RIGHTS, Role
from chatservice.errors import Code
from chatservice.grammar.commands import COMMANDS
from chatservice.grammar.commandtypes import ArgType, Format, Right
from tests.servers import RawAdminClient

VALUES = {
    "user": "victim",
    "to": "victim",
    "name": "nothing",
    "text": "x",
    "size": 1,
    "seconds": 0,
    "position": 999_999,
    "about": 999_999,
    "word": "x",
    "access": "public",
    "label": "x",
    "password": "pass-word",
    "old": "pass-word",
    "new": "pass-word",
    "command": "help",
    "dir": "not a whole path",
    "code": "abcd-efgh-ijkm",
    "room": "studio",
    "endpoint": "x",
    "p256dh": "x",
    "auth": "x",
}
"""The values of required arguments."""

REFUSED = {Code.NAME_NEEDED, Code.NOT_ALLOWED, Code.NOT_IN_ROOM, Code.BANNED}

MOVES = ("hello", "login", "signup", "nick", "quit", "exit", "leave", "join", "create", "register")
"""After these one is somebody else, or somewhere else: they need a name or nothing."""

KEPT = ("read",)
"""These need a room that one keeps."""

LAST = ("op", "deop", "access", "close", "owner", "destroy")
"""After these, others are not what they were."""

REGISTERED = (Role.MODERATOR, Role.OWNER)
"""The registered users of these tests."""


def commands(format):
    """Return the commands of a format, in an order in which they do not spoil each other."""
    names = [name for name, row in COMMANDS.items() if row.formats & format]
    names = [name for name in names if name not in (*MOVES, *KEPT, *LAST)]
    return [COMMANDS[name] for name in (*names, *LAST)]


def has(role, command):
    """Return whether the table lets a role give a command."""
    if command.needs is Right.ACCOUNT:
        return role in REGISTERED
    return command.needs in ROLE_RIGHTS[role]


def request(command):
    """Return the object that gives a command, with what it must have."""
    needed = [arg for arg in command.arguments(Format.JSON) if not arg.is_optional(Format.JSON)]
    room = {"room": "studio"} if command.name == "put" else {}
    return {"do": command.name, **room, **{arg.name: VALUES[arg.name] for arg in needed}}


def typed(command):
    """Return the line that gives a command, with what it must have."""
    needed = [arg for arg in command.arguments(Format.TEXT) if not arg.optional]
    words = [f"{a.type.mark}{VALUES[a.name]}" for a in needed if a.type is not ArgType.FLAG]
    return " ".join([f"/{command.name}", *words])


def ok(bot, **asked):
    """Ask for what is done."""
    bot.ask(**asked, id="ok")
    while (found := bot.event()).get("id") != "ok":
        pass
    assert found["event"] == "ok", found


@pytest.fixture
def lab(server, connect):
    """Return the owner of the room studio, in which the user victim is."""
    owner, victim = connect(server), connect(server)
    for bot, name in ((owner, "founder"), (victim, "victim")):
        ok(bot, do="hello", name=name)
        ok(bot, do="register", password="pass-word")
    ok(owner, do="create", room="studio")
    ok(victim, do="join", room="studio")
    return owner


RULED = {
    Role.BANNED: "ban",
    Role.LISTENER: "mute",
    Role.MODERATOR: "op",
    Role.OWNER: "owner",
}
"""The commands with which the owner gives somebody a role."""


def give(owner, role):
    """Give the user `one`, who is here, a role."""
    if role in RULED:
        ok(owner, do=RULED[role], room="studio", user="one")
    if role is Role.OUTSIDER:
        ok(owner, do="access", room="studio", access="hidden")


@pytest.mark.parametrize("role", Role, ids=lambda role: role.name)
def test_programs(server, connect, lab, role):
    """Each command is refused for the want of a right exactly where the table says so."""
    one, found = RawAdminClient(server) if role is Role.OPERATOR else connect(server), {}
    if role is Role.OPERATOR:
        ok(one, do="join", room="studio")
    elif role is not Role.STRANGER:
        ok(one, do="hello", name="one")
        if role in REGISTERED:
            ok(one, do="register", password="pass-word")
        if role >= Role.LISTENER:
            ok(one, do="join", room="studio")
        give(lab, role)
    for command in commands(Format.JSON):
        one.ask(**request(command), id=command.name)
        while (answer := one.event()).get("id") != command.name:
            pass
        found[command.name] = answer.get("code") not in REFUSED
        assert found[command.name] == has(role, command), (command.name, answer)
    print(f"\n{role.name}: {' '.join(name for name, may in found.items() if may)}")


@pytest.mark.parametrize(
    "role",
    [Role.STRANGER, Role.LISTENER, Role.SPEAKER, Role.MODERATOR, Role.OWNER, Role.OPERATOR],
    ids=lambda role: role.name,
)
def test_people(server, connect, lab, role):
    """The same, typed in the room."""
    admin = role is Role.OPERATOR
    one = (
        RawAdminClient(server)
        if admin
        else connect(server, None if role is Role.STRANGER else "one")
    )
    if role in REGISTERED:
        one.send("/register pass-word")
        one.expect("one is your name")
    if role is not Role.STRANGER:
        one.send("/join studio")
        one.expect("You are in studio")
        give(lab, role)
    for command in commands(Format.TEXT):
        if command.name in ("say", "put"):  # a line, and what comes behind it, is a program's
            continue
        one.send(typed(command), "/help nothing")
        seen = [one.line()]
        while "no such command" not in seen[-1]:
            seen.append(one.line())
        refused = any(line.startswith("! ") and is_a_right(line) for line in seen)
        assert refused != has(role, command), (command.name, seen)


def is_a_right(line):
    """Return whether a refusal is for the want of a right."""
    words = (
        *("Only moderators", "Only the owner", "Only operators", "You are muted"),
        *("Type your name first", "is for", "needs an account", "works on the server's"),
        "You are not in",
    )
    return any(word in line for word in words)
