"""Push messages: who is told of what, and when."""

import json
from types import SimpleNamespace

import pytest

from chatservice.domain.pushing import TEXT_CHARACTERS
from tests.domain.harness import MemoryChat

BROWSER = {"endpoint": "https://push.example/1", "p256dh": "public", "auth": "secret"}


class Sent:
    """The port `PushService`, which keeps what it is to send, if it is `wanted`."""

    def __init__(self, public_key="key"):
        self.public_key = public_key
        self.news = []

    def check(self, endpoint, public, secret):
        """Take any subscription."""

    def send(self, subscription, payload, wanted):
        """Keep a payload."""
        if wanted():
            self.news.append(json.loads(payload))

    def take(self):
        """Return where, from whom and what was sent since the last time."""
        news, self.news = self.news, []
        return [(it["room"], it["from"], it["text"]) for it in news]


@pytest.fixture
def world():
    """Return a chat in which bob, who keeps lab, is away, has a browser, and eve talks."""
    chat = MemoryChat()
    sent = chat.chat.pushing.service = Sent()
    bob = chat.registered("Bob", "lab")
    bob.do("push", **BROWSER)
    bob.do("quit")
    chat.settle()
    made = SimpleNamespace(chat=chat, sent=sent, eve=chat.guest("eve", "lab"))
    yield made
    assert chat.loop.failures == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        *(("bob", True), ("Hey, BOB!", True), ("bob.", True), ("(bob)...", True), ("a\nbob", True)),
        *(("bobby", False), ("bob-2", False), ("-bob", False), ("@room", False), ("hello", False)),
    ],
)
def test_mentions(world, text, told):
    """A name counts as a word of its own, as it does for what is unread."""
    world.eve.say(text)
    assert world.sent.take() == [("lab", "eve", text.replace("\n", " "))] * told


@pytest.mark.parametrize(
    "name", ["b.o-b", "bob2.", "\u0939\u093f\u0928\u094d\u0926\u0940", "STRA\u00dfE"]
)
def test_names_with_other_characters(name):
    """Also a name with marks, or with letters that lower case changes, is found in a text."""
    chat = MemoryChat()
    sent = chat.chat.pushing.service = Sent()
    bob = chat.registered(name, "lab")
    bob.do("push", **BROWSER)
    bob.do("quit")
    eve = chat.guest("eve", "lab")
    eve.say(f"so {name}, come")
    assert [it[2] for it in sent.take()] == [f"so {name}, come"]


def test_where_it_is_told_of(world):
    """Only in rooms that the user keeps, and may still enter; of private talk always, unless the
    user is banned from the server."""
    root = world.chat.operator()
    world.eve.do("join", room="lobby")
    world.eve.say("bob", room="lobby")
    assert world.sent.take() == []
    root.do("ban", room="lab", user="bob")
    world.eve.say("bob?")
    assert world.sent.take() == []
    world.eve.do("msg", to="bob", text="psst")
    assert world.sent.take() == [("@eve", "eve", "psst")]
    root.do("ban", room="lobby", user="bob")
    world.chat.wait(10)
    world.eve.do("msg", to="bob", text="psst again")
    assert world.sent.take() == []


def test_one_message_a_pause(world):
    """Of one place the first entry is told at once, and then the newest one after each pause; other
    places do not wait. What is long is cut."""
    for at in range(5):
        world.eve.say(f"bob {at}")
    world.eve.do("msg", to="bob", text="x" * 999)
    cut = "x" * (TEXT_CHARACTERS - 1) + "\u2026"
    assert world.sent.take() == [("lab", "eve", "bob 0"), ("@eve", "eve", cut)]
    world.chat.wait(world.chat.limits.push_pause_seconds)
    assert world.sent.take() == [("lab", "eve", "bob 4")]
    world.chat.wait(60)
    assert world.sent.take() == []
    assert world.chat.chat.pushing._paused == {}


def test_users_who_are_here_or_ignore(world):
    """Somebody who did something lately, on any connection, is not told, nor of users whom they
    ignore; single requests of HTTP are none."""
    world.chat.again("bob", visible=False)
    world.eve.say("bob, there?")
    assert len(world.sent.take()) == 1
    world.chat.wait(10)
    bob = world.chat.again("bob")
    world.eve.say("bob!")
    assert world.sent.take() == []
    world.chat.wait(world.chat.limits.push_idle_seconds + 1)
    world.eve.say("bob, asleep?")
    assert world.sent.take() == [("lab", "eve", "bob, asleep?")]
    bob.do("ignore", user="eve")
    world.chat.wait(world.chat.limits.push_idle_seconds + 10)
    world.eve.say("bob, please")
    assert world.sent.take() == []


def test_one_node_tells(world):
    """Of several nodes, the one tells at which the browser subscribed, wherever it was said."""
    there = MemoryChat(beside=world.chat)
    sent = there.chat.pushing.service = Sent("another key")
    world.eve.say("bob, here")
    world.chat.wait(10)
    ann = there.guest("ann", "lab")
    ann.say("bob, there")
    world.chat.settle()
    assert [it[2] for it in world.sent.take()] == ["bob, here", "bob, there"]
    assert sent.take() == []
