"""`/help` tells little at first, the rest by topic, and only what the asker may do."""

import re

from chatservice.grammar.commands import COMMANDS
from chatservice.grammar.commandtypes import Right
from chatservice.grammar.help import TOPICS
from tests.servers import RawAdminClient

MODERATION = [row.name for row in COMMANDS.values() if row.needs in (Right.MODERATE, Right.OWN)]
SERVER = [row.name for row in COMMANDS.values() if row.needs is Right.OPERATE]


def told(bare, *lines):
    """Send lines, and return the answers to them, and the commands in those."""
    bare.send(*lines, "/topic")
    text = []
    while not (line := bare.line()).startswith(("* Topic of", "* lobby has no topic")):
        text.append(line)
    return text, re.findall(r"^\* /([a-z]+)", "\n".join(text), re.MULTILINE)


def test_at_first_a_few_that_matter(server, connect):
    """Ten commands, and how to learn of the others; it fits a terminal of 80 columns."""
    text, commands = told(connect(server, "alice"), "/help")
    assert len(text) <= 12
    assert max(map(len, text)) < 80
    assert {"join", "create", "rooms", "who", "msg", "files", "quit"} <= set(commands)
    assert not {*MODERATION, *SERVER} & set(commands)
    assert "talking, rooms, files, names, all" in "\n".join(text)


def test_before_one_has_a_name(server, connect):
    """Only commands that can be typed then are told."""
    bare = connect(server)
    bare.expect("* Welcome")
    bare.send("/help", "/help all", "/quit")
    text = bare.rest().decode().splitlines()
    first, every = text[:4], text[4:-1]
    assert first[0] == "* Type your name to come in."
    assert [line.split(" ")[1] for line in first[1:]] == ["/signup", "/login", "/quit"]
    assert sorted(line.split(" ")[1] for line in every) == ["/help", "/login", "/quit", "/signup"]


def test_by_topic(server, connect):
    """Each topic lists its commands, in any case. A command's own help is found by its name, also
    with its slash."""
    alice = connect(server, "alice")
    for topic in ("talking", "rooms", "FILES", "names"):
        _, commands = told(alice, f"/help {topic}")
        assert set(commands) <= set(TOPICS[topic.lower()])
        assert len(commands) > 2
    for topic in ("moderation", "server"):
        text, _ = told(alice, f"/help {topic}")
        assert text == ["! You may use none of those commands here; /help lists others."]
    text, _ = told(alice, "/help /rooms", "/help join")
    assert text[0].startswith("* /rooms")
    assert not [line for line in text if line.startswith("* /create")]
    assert any(line.startswith("* /join ROOM [PASSWORD] - ") for line in text)


def test_only_what_one_may_do(server, connect):
    """A guest, a room's owner and an operator see different commands, in both formats; so does a
    guest who has registered meanwhile."""
    alice = connect(server, "alice")
    _, of_guest = told(alice, "/help all")
    assert not {*MODERATION, *SERVER, "password", "token", "signup"} & set(of_guest)
    assert {"say", "put", "register"} <= set(of_guest)
    alice.send("/register pw", "/create hers")
    alice.expect("* You are in hers")
    alice.send("/help all", "/help moderation", "/exit")
    owned = alice.expect("* You are in lobby") and alice.seen
    assert all(f"* /{name}" in owned for name in MODERATION)
    assert "* /token LABEL" in owned
    assert not any(f"* /{name}" in owned for name in SERVER)
    assert "register" not in told(alice, "/help")[1]
    bot = connect(server)
    bot.ask(do="hello", name="bot")
    bot.ask(do="help", id=1)
    bot.event("ok")
    lines = "\n".join(bot.event("ok")["lines"])
    assert "/nick" in lines
    assert "/kick" not in lines
    bot.ask(do="create", room="its")
    bot.event("ok")
    bot.ask(do="help", id=2)
    assert "/kick" in "\n".join(bot.event("ok")["lines"])


def test_a_program_in_no_room_is_told_what_it_may_do_in_one(server, connect):
    """It learns of talk and files before its first `join`, and of nothing else."""
    bot = connect(server)
    bot.ask(do="hello", name="bot")
    bot.ask(do="help", id=1)
    bot.ask(do="sya", id=2)
    bot.event("ok")
    told = set(re.findall(r"^/([a-z]+)", "\n".join(bot.event("ok")["lines"]), re.MULTILINE))
    assert {"say", "put", "topic", "react", "register"} <= told
    assert not {*MODERATION, *SERVER, "password", "signup"} & told
    assert bot.event("error")["message"].endswith('did you mean "say"?')


def test_who_is_muted_is_not_told_to_speak(server, connect):
    """Help offers no command that the user may not use now."""
    owner, eve = connect(server, "owner"), connect(server, "eve")
    owner.send("/create den")
    owner.expect("* You are in den")
    eve.send("/join den")
    owner.expect("eve came in")
    owner.send("/mute eve")
    eve.expect("muted eve")
    eve.send("/help talking", "/who")
    eve.expect("in den")
    assert "* /say" not in eve.seen
    assert "* /history" in eve.seen


def test_a_mistyped_command_suggests_only_what_one_may_do(server, connect):
    """In both formats: a guest is told of no command of moderators, and an owner is. An operator is
    told of all, also before the first command."""
    bot, alice = connect(server), connect(server, "alice")
    alice.send("/back", "/kik bob", "/create hers", "/kik bob")
    assert alice.expect("! ") == "! There is no command /back; /help lists those there are."
    assert "/kick" not in alice.expect("! ")
    assert alice.expect("! ") == "! There is no command /kik; did you mean /kick?"
    bot.ask(do="hello", name="bot")
    bot.event("ok")
    for do, hint in (("bakup", "lists those"), ("kik", "lists those"), ("jion", '"join"?')):
        bot.ask(do=do)
        assert hint in bot.event("error")["message"]
    operator = RawAdminClient(server)
    operator.send("/bakup")
    assert operator.expect("! ") == "! There is no command /bakup; did you mean /backup?"
