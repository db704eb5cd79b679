"""Dispatch: the order of requests, rate limits, refusals, and rights that change during a wait."""

import subprocess
import sys
from importlib import import_module

import pytest

from chatservice.domain.handlers import HANDLERS
from chatservice.errors import Code, Refusal
from chatservice.events import Notice
from chatservice.grammar.commands import COMMANDS
from chatservice.grammar.commandtypes import ArgType, Right
from tests.domain.harness import Gate, MemoryChat
from tests.servers import ROOT


class RecordedFlow:
    """Notes why the reading of a connection is paused, and for how long."""

    def __init__(self):
        self.reasons = []
        self.seconds = 0.0

    def pause_reading(self, reason):
        """Note a reason."""
        self.reasons.append(reason)

    def resume_reading(self, reason):
        """Note that there is that reason no more, if there was."""
        self.reasons = [it for it in self.reasons if it != reason]

    def slow_down(self, seconds):
        """Note for how long."""
        self.seconds = max(self.seconds, seconds)


def test_no_reactor_is_needed():
    """A chat runs in a process in which Twisted has no reactor."""
    program = (
        "import sys; from tests.domain.harness import MemoryChat\n"
        "MemoryChat().guest('bob', 'lab').say('hello')\n"
        "assert 'twisted.internet.reactor' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


# -- order -----------------------------------------------------------------------------------------


def test_a_request_waits_for_the_talk_before_it(world, bob):
    """A user who asks for the past sees their own words in it."""
    gate = Gate(world.engine.logs, "append")
    saying = [bob.begin("say", room="studio", text=text) for text in ("one", "two")]
    history = bob.begin("history", room="studio")
    leaving = bob.begin("leave", room="studio")
    world.settle()
    assert not any(it.known for it in (history, leaving))
    gate.open()
    world.settle()
    assert [it.reply for it in saying] == [1, 2]
    assert [it.text for _, it in history.reply.entries] == ["one", "two"]
    assert leaving.known
    assert bob.session not in world.room("studio").sessions


def test_nobody_waits_for_the_talk_of_others(world, alice, bob):
    """Another session's request is answered meanwhile."""
    gate = Gate(world.engine.logs, "append")
    saying = bob.begin("say", room="studio", text="hello")
    assert alice.do("history", room="studio").entries == ()
    assert alice.do("rooms").rooms
    gate.open()
    world.settle()
    assert saying.reply == 1


def test_talk_that_waits_with_a_request_is_refused_as_a_whole(world, bob):
    """If the disk refuses what was said before, the request behind it is done all the same."""
    world.engine.failing = True
    saying = bob.begin("say", room="studio", text="lost")
    history = bob.begin("history", room="studio")
    world.settle()
    assert saying.code is Code.NOT_STORED
    assert history.reply.entries == ()
    world.loop.failures.clear()


def test_quitting_waits_for_what_was_said(world, alice, bob):
    """The farewell comes behind it."""
    gate = Gate(world.engine.logs, "append")
    bob.begin("say", room="studio", text="one more thing")
    quitting = bob.begin("quit", text="bye")
    world.settle()
    assert bob.session.user is not None
    gate.open()
    world.settle()
    assert quitting.known
    assert alice.texts == ["one more thing"]
    assert bob.session.user is None


# -- rights, asked again ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "port", "method", "args"),
    [
        ("history", "logs", "read_back", {}),
        ("search", "logs", "search", {"text": "secret"}),
        ("files", "files", "files", {}),
        ("versions", "files", "versions", {"name": "a.txt"}),
        ("link", "files", "open", {"name": "a.txt"}),
        ("get", "files", "open", {"name": "a.txt"}),
    ],
)
def test_a_right_that_goes_while_something_is_read(world, alice, bob, command, port, method, args):
    """A user who is banned meanwhile gets nothing of what they asked for."""
    bob.say("secret", "studio")
    world.upload(bob.do("put", room="studio", name="a.txt", size=3).ticket, b"abc")
    gate = Gate(getattr(world.engine, port), method)
    reading = bob.begin(command, room="studio", **args)
    alice.do("ban", room="studio", user="bob")
    assert not reading.known
    gate.open()
    assert reading.code is Code.BANNED


def test_a_moderator_who_is_one_no_longer_when_their_turn_comes(world, alice, bob):
    """Changes of a room are made one after another, and each is checked when it is made."""
    mia = world.registered("mia", "studio")
    alice.do("op", room="studio", user="mia")
    gate = Gate(world.engine.rooms, "change_rules")
    demoting = alice.begin("deop", room="studio", user="mia")
    banning = mia.begin("ban", room="studio", user="bob")
    gate.open()
    world.settle()
    assert demoting.known
    assert banning.code is Code.NOT_ALLOWED
    assert bob.say("still here", "studio") == 1


def test_a_user_who_is_muted_behind_a_line(world, alice, bob):
    """A line that was accepted before is stored; the next one is refused."""
    gate = Gate(world.engine.logs, "append")
    saying = bob.begin("say", room="studio", text="before")
    alice.do("mute", room="studio", user="bob")
    refused = bob.begin("say", room="studio", text="after")
    assert refused.code is Code.NOT_ALLOWED
    gate.open()
    world.settle()
    assert saying.reply == 1
    assert alice.texts == ["before"]


def test_a_connection_that_ends_during_a_login(world):
    """The name is free again, and the session has no user."""
    world.registered("alice")
    late = world.member()
    gate = Gate(world.engine.accounts, "account")
    entering = late.begin("hello", name="alice", password="secret")
    world.chat.users.leave(late.session)
    gate.open()
    world.settle()
    assert entering.code is Code.NAME_NEEDED
    assert late.session.user is None


# -- rates -----------------------------------------------------------------------------------------


def test_commands_beyond_the_rate_slow_the_connection_down():
    """It is read on after a while, and told so. The request itself is done."""
    world = MemoryChat(commands_per_second=1.0, commands_burst=2.0)
    bob = world.guest("bob")
    bob.session.flow, bob.session.free_commands = RecordedFlow(), 0
    for _ in range(6):
        assert bob.do("rooms").rooms
    assert bob.session.flow.seconds >= 2
    assert Notice in map(type, bob.peer.events)


def test_talk_beyond_the_rate():
    """Several messages at once are refused, and single ones slow the connection down."""
    world = MemoryChat(messages_per_second=1, messages_burst=3)
    bob = world.guest("bob", "lab")
    bob.session.flow = RecordedFlow()
    assert bob.code("say", room="lab", texts=["a", "b", "c", "d"]) is Code.TOO_FAST
    assert bob.do("say", room="lab", texts=["a", "b"]) == 1
    assert bob.session.flow.seconds == 0
    bob.say("c\nd")
    assert bob.session.flow.seconds > 0


def test_talk_that_is_not_stored_yet_has_a_limit():
    """A session with too much of it is not read until about half is stored."""
    world = MemoryChat(unstored_entries=4)
    bob = world.guest("bob", "lab")
    bob.session.flow = flow = RecordedFlow()
    gate = Gate(world.engine.logs, "append")
    saying = [bob.begin("say", room="lab", text=f"line {at}") for at in range(4)]
    world.settle()
    assert flow.reasons == ["unstored"]
    gate.open()
    world.settle()
    assert flow.reasons == []
    assert [it.reply for it in saying] == [1, 2, 3, 4]


# -- refusals --------------------------------------------------------------------------------------


def needs_name(command):
    """Return whether a command is for users with a name."""
    return COMMANDS[command].needs is not Right.NOTHING


SAMPLES = {
    ArgType.NUMBER: 1,
    ArgType.POSITION: 1,
    ArgType.VERSION: 1,
    ArgType.OFFSET: 0,
    ArgType.SHA256: "0" * 64,
    ArgType.TIME: "10m",
    ArgType.FLAG: True,
}


def sample(command):
    """Return arguments for a command, of the right types."""
    return {arg.name: SAMPLES.get(arg.type, "x") for arg in COMMANDS[command].args}


@pytest.mark.parametrize("command", sorted(it for it in HANDLERS if needs_name(it)))
def test_strangers_are_asked_for_their_names(world, command):
    """Every command needs one, but those that give one."""
    assert world.member().code(command, **sample(command)) is Code.NAME_NEEDED


@pytest.mark.parametrize("command", sorted(HANDLERS))
def test_every_command_answers_or_refuses(world, command):
    """A guest gets a reply, or a whole sentence. No other error is raised."""
    bob = world.guest("bob", "lab")
    outcome = bob.ask(command, **sample(command))
    try:
        assert outcome.reply is not None
    except Refusal as refusal:
        assert refusal.sentence.endswith(".")
        assert "{" not in refusal.sentence


@pytest.mark.parametrize(
    "group", ["room", "talk", "file", "annotation", "moderation", "operator", "account"]
)
def test_a_handler_is_in_the_module_that_is_called_as_that_of_its_row(group):
    """The name of one leads to the other. Talk has no handler, nor has what only people type
    and another command does."""
    rows = import_module(f"chatservice.grammar.table.{group}_commands")
    handlers = import_module(f"chatservice.domain.handlers.{group}_handlers")
    commands = getattr(rows, f"{group.upper()}_COMMANDS")
    handled = {row.name for row in commands if not row.talk} - {"exit"}
    assert set(getattr(handlers, f"{group.upper()}_HANDLERS")) == handled
