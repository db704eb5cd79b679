"""Replies and edits: who may make them, of which entries, and what others are shown."""

import pytest

from chatservice.entries import Kind, Quote
from chatservice.errors import Code
from tests.domain.harness import Gate, MemoryChat


def shown(member, **args):
    """Return positions and texts of the history of studio."""
    return [(at, it.text) for at, it in member.do("history", room="studio", **args).entries]


def reply(member, about, text="yes"):
    """Return the outcome of a reply in studio."""
    return member.ask("say", room="studio", text=text, about=about)


def edit(member, position=None, text="new", room="studio"):
    """Return the outcome of an edit."""
    where = {} if position is None else {"position": position}
    return member.ask("edit", room=room, text=text, **where)


def test_a_reply(world, alice, bob):
    """It is a message with a quote, and counts as what its author said last."""
    alice.say("is it green?", "studio")
    assert reply(bob, 1).reply == 2
    (_, entry) = alice.peer.entries[-1]
    assert (entry.kind, entry.about, entry.quote) == (
        *(Kind.MESSAGE, 1),
        Quote("alice", "is it green?"),
    )
    ((_, listed),) = alice.do("history", room="studio", limit=1).entries
    assert (listed.about, listed.quote) == (1, Quote("alice", "is it green?"))
    assert edit(bob, text="no").reply.seq == 3


def test_a_reply_to_what_is_not_there(world, alice, bob):
    """It is refused, and shown to nobody: also to a topic, to an edit, to what was erased, and to
    what is said in another room that one may not read."""
    alice.say("one", "studio")
    alice.do("topic", room="studio", text="plans")
    alice.do("access", room="studio", access="invited")
    alice.do("edit", room="studio", position=1, text="two")
    alice.say("three", "studio")
    alice.do("erase", room="studio", position=4)
    before = len(bob.peer.entries)
    for about in (2, 3, 4, 99, 10**18):
        assert reply(bob, about).code is Code.NO_SUCH_ENTRY, about
    assert len(bob.peer.entries) == before
    eve = world.guest("eve", "lab")
    assert eve.code("say", room="lab", text="so?", about=1) is Code.NO_SUCH_ENTRY
    assert eve.code("say", room="studio", text="so?", about=1) is Code.NOT_IN_ROOM


def test_an_edit(world, alice, bob):
    """The history and a search show the new text and tell that it was edited. Those present are
    shown the edit."""
    bob.say("helo", "studio")
    bob.say("other", "studio")
    assert edit(bob, text="another").reply.seq == 3
    assert edit(bob, text="and another").reply.seq == 4
    alice.say("hm", "studio")
    assert shown(alice) == [(1, "helo"), (2, "and another"), (5, "hm")]
    entries = dict(alice.do("history", room="studio").entries)
    assert (entries[1].state, entries[2].state.edit, entries[5].state) == (None, 4, None)
    ((_, found),) = alice.do("search", room="studio", text="and").entries
    assert (found.text, found.state.edit) == ("and another", 4)
    assert alice.do("search", room="studio", text="helo").entries
    edits = [it for _, it in alice.peer.entries if it.kind is Kind.EDIT]
    assert [(it.who, it.about, it.text) for it in edits] == [
        *(("bob", 2, "another"), ("bob", 2, "and another"))
    ]
    assert shown(alice, limit=2) == [(2, "and another"), (5, "hm")]
    assert shown(alice, after=2, limit=1) == [(5, "hm")]


def test_only_ones_own(world, alice, bob):
    """A guest edits what they said last on this connection, a registered user all that they said
    since they registered; nobody edits what somebody else said, not even an operator."""
    alice.say("mine", "studio")
    bob.say("first", "studio")
    bob.say("last", "studio")
    root = world.operator()
    root.do("join", room="studio")
    for member, position in ((bob, 1), (bob, 2), (alice, 3), (root, 1), (root, 2)):
        assert edit(member, position).code is Code.NOT_ALLOWED, (member.name, position)
    assert edit(bob, 3).reply
    alice.say("other", "studio")
    assert edit(alice, 1).reply
    assert edit(world.again("alice", "studio"), 1, "newer").reply
    world.wait(1)
    bob.do("register", password="secret")
    assert edit(bob, 2).code is Code.NOT_ALLOWED
    bob.do("quit")
    again = world.guest("bobby", "studio")
    assert again.code("edit", room="studio", text="new") is Code.NO_SUCH_ENTRY
    assert shown(alice)[:3] == [(1, "newer"), (2, "first"), (3, "new")]


def test_only_talk(world, alice, bob):
    """A file, a topic, an edit, and what is gone are not edited."""
    alice.say("one", "studio")
    alice.do("topic", room="studio", text="plans")
    edit(alice, 1)
    alice.say("two", "studio")
    alice.do("erase", room="studio", position=4)
    ticket = alice.do("put", room="studio", name="a.txt", size=3)
    world.upload(ticket.ticket, b"abc")
    assert edit(alice, 2).code is Code.BAD_ARGUMENT
    assert edit(alice, 3).code is Code.BAD_ARGUMENT
    assert edit(alice, 4).code is Code.NO_SUCH_ENTRY
    assert edit(alice, 6).code is Code.BAD_ARGUMENT
    assert edit(alice, 99).code is Code.NO_SUCH_ENTRY
    assert edit(alice, 10**18).code is Code.NO_SUCH_ENTRY
    assert shown(alice)[0] == (1, "new")


def test_a_bad_new_text(world, alice, bob):
    """One that says nothing is refused, and so is one with too many lines. Others are cleaned, and
    may have several lines."""
    alice.say("one", "studio")
    assert edit(alice, 1, " \u200b").code is Code.BAD_ARGUMENT
    assert edit(alice, 1, "").code is Code.BAD_ARGUMENT
    assert edit(alice, 1, "x\n" * 500).code is Code.TOO_LONG
    assert edit(alice, 1, "a\nb\x1b[2J").reply
    assert shown(bob) == [(1, "a\nb\ufffd[2J")]


def test_who_may_not_speak_does_not_edit(world, alice, bob):
    """A muted user, one who has left, one in a frozen room; in slow mode an edit counts as a
    message."""
    bob.say("one", "studio")
    alice.do("mute", room="studio", user="bob")
    assert edit(bob, 1).code is Code.NOT_ALLOWED
    assert reply(bob, 1).code is Code.NOT_ALLOWED
    alice.do("unmute", room="studio", user="bob")
    alice.do("freeze", room="studio")
    assert edit(bob, 1).code is Code.NOT_ALLOWED
    alice.do("unfreeze", room="studio")
    alice.do("slow", room="studio", seconds=30)
    assert edit(bob, 1).reply
    assert edit(bob, 1).code is Code.TOO_FAST
    world.wait(30)
    bob.do("leave", room="studio")
    assert edit(bob, 1).code is Code.NOT_IN_ROOM


def test_a_right_is_asked_again_after_the_wait(world, alice, bob):
    """A user who is muted while the entry is read does not edit it."""
    bob.say("one", "studio")
    gate = Gate(world.engine.logs, "entries_at")
    editing = bob.begin("edit", room="studio", position=1, text="two")
    world.settle()
    alice.do("mute", room="studio", user="bob")
    gate.open()
    world.settle()
    assert editing.code is Code.NOT_ALLOWED
    assert shown(alice) == [(1, "one")]


def test_former_texts_are_for_moderators(world, alice, bob):
    """Until the entry is erased; others are refused, and come to see none by reading again."""
    bob.say("secret", "studio")
    edit(bob, text="secrets")
    edit(bob, text="hello")
    found = alice.do("edits", room="studio", position=1).entries
    assert [(at, it.text) for at, it in found] == [(1, "secret"), (2, "secrets"), (3, "hello")]
    assert bob.code("edits", room="studio", position=1) is Code.NOT_ALLOWED
    late = world.guest("late")
    late.do("join", room="studio", after=0)
    late.session.wake()
    assert late.texts == ["hello"] * 3
    assert alice.code("edits", room="studio", position=99) is Code.NO_SUCH_ENTRY
    alice.do("erase", room="studio", position=1)
    assert [it.text for _, it in alice.do("edits", room="studio", position=1).entries] == [""]


def test_an_edit_is_erased_with_its_entry(world, alice, bob):
    """The answer and those present are told of the entry; no former text comes back, and the
    history has one line in its place."""
    bob.say("secret", "studio")
    reply(alice, 1, "what?")
    edit(bob, 1, "secrets")
    assert alice.do("erase", room="studio", position=3).position == 1
    assert alice.peer.entries[-1][1].text == "1"
    entries = alice.do("history", room="studio").entries
    assert [(at, it.kind, it.text) for at, it in entries] == [
        *((1, Kind.GONE, ""), (2, Kind.MESSAGE, "what?"), (4, Kind.ERASED, "1"))
    ]
    assert dict(entries)[2].quote is None


def test_what_is_quoted_goes_with_its_entry(world, alice, bob):
    """A reader that comes later gets no quote of an entry that was erased or edited, from memory
    either."""
    bob.say("secret one", "studio")
    reply(alice, 1, "what?")
    bob.say("secret two", "studio")
    reply(alice, 3, "and?")
    edit(bob, 3, "nothing")
    alice.do("erase", room="studio", position=1)
    late = world.guest("late")
    late.do("join", room="studio", after=0)
    late.session.wake()
    assert not [it for _, it in late.peer.entries if it.quote and "secret" in it.quote.text]
    assert [it.quote for _, it in late.peer.entries if it.about == 3] == [None] * 2


def test_two_nodes(world, alice, bob):
    """An edit on one node is shown on the other one, which has the new text too."""
    other = MemoryChat(beside=world)
    carol = other.guest("carol", "studio")
    bob.say("one", "studio")
    reply(alice, 1)
    edit(bob, text="two")
    assert [(it.kind, it.text) for _, it in carol.peer.entries] == [
        *((Kind.MESSAGE, "one"), (Kind.MESSAGE, "yes")),
        (Kind.EDIT, "two"),
    ]
    late = other.guest("late")
    late.do("join", room="studio", after=0)
    late.session.wake()
    assert late.texts == ["two", "yes", "two"]
    assert [it.quote for _, it in late.peer.entries] == [None] * 3
    assert shown(carol) == [(1, "two"), (2, "yes")]


def test_an_ignored_users_reply(world, alice, bob):
    """The history leaves it out, and the quote of what an ignored user said."""
    bob.say("spam", "studio")
    reply(alice, 1, "stop")
    carol = world.guest("carol", "studio")
    carol.do("ignore", user="bob")
    ((at, entry),) = carol.do("history", room="studio").entries
    assert (at, entry.about, entry.quote) == (2, 1, None)


def react(member, position, word="+1"):
    """Return the outcome of a reaction in studio."""
    return member.ask("react", room="studio", position=position, word=word)


def reactions(member, position):
    """Return the reactions to an entry, as the history shows them."""
    entries = dict(member.do("history", room="studio").entries)
    state = entries[position].state
    return [tuple(it) for it in state.reactions] if state is not None else []


def test_reactions(world, alice, bob):
    """They are shown to those present, and counted in the history, which does not list them. The
    same again takes one back."""
    alice.say("green?", "studio")
    assert react(bob, 1, "\U0001f44d").reply.text == "\U0001f44d is on #1."
    assert react(alice, 1, "\U0001f44d").reply.seq == 3
    assert reactions(alice, 1) == [("\U0001f44d", 2, ("bob", "alice"))]
    assert react(bob, 1, "\U0001f44d").reply.text == "\U0001f44d is taken off #1."
    assert reactions(alice, 1) == [("\U0001f44d", 1, ("alice",))]
    assert shown(bob) == [(1, "green?")]
    kinds = [(it.kind, it.who, it.about) for _, it in alice.peer.entries[1:]]
    assert kinds == [
        *((Kind.REACTION, "bob", 1), (Kind.REACTION, "alice", 1)),
        (Kind.REACTION_REMOVED, "bob", 1),
    ]
    ((_, found),) = bob.do("search", room="studio", text="green").entries
    assert found.state.reactions[0].total == 1


def test_a_repeated_reaction(world, alice, bob):
    """One with the same key is done once."""
    alice.say("green?", "studio")
    for _ in range(2):
        assert bob.do("react", room="studio", position=1, word="+1", key="k").seq == 2
    assert reactions(alice, 1) == [("+1", 1, ("bob",))]


@pytest.mark.parametrize(
    "word",
    ["", " ", "a b", "x" * 41, "x" * 1000, "\U0001f44d" * 11, "\x1b[2J", "a\n", "\u202e", "\u200b"],
)
def test_what_is_no_word(world, alice, bob, word):
    """It is refused, and shown to nobody."""
    alice.say("green?", "studio")
    assert react(bob, 1, word).code is Code.BAD_ARGUMENT
    assert len(alice.peer.entries) == 1


def test_a_reaction_to_what_is_not_there(world, alice, bob):
    """It is refused, also to a topic, to another reaction, and to what is gone."""
    alice.say("one", "studio")
    alice.do("topic", room="studio", text="plans")
    react(bob, 1)
    alice.say("two", "studio")
    alice.do("erase", room="studio", position=4)
    for position in (0, 2, 3, 4, 99, 10**18):
        assert react(alice, position).code is Code.NO_SUCH_ENTRY


def test_who_may_not_speak_does_not_react(world, alice, bob):
    """A muted user, one elsewhere, one in a frozen room; in slow mode a reaction is a message."""
    alice.say("one", "studio")
    alice.do("mute", room="studio", user="bob")
    assert react(bob, 1).code is Code.NOT_ALLOWED
    alice.do("unmute", room="studio", user="bob")
    alice.do("freeze", room="studio")
    assert react(bob, 1).code is Code.NOT_ALLOWED
    alice.do("unfreeze", room="studio")
    assert react(world.guest("eve"), 1).code is Code.NOT_IN_ROOM
    alice.do("slow", room="studio", seconds=30)
    assert react(bob, 1).reply
    assert react(bob, 1).code is Code.TOO_FAST


def test_an_ignored_users_reactions(world, alice, bob):
    """The history does not count them."""
    alice.say("one", "studio")
    react(bob, 1)
    react(bob, 1, "no")
    react(alice, 1)
    carol = world.guest("carol", "studio")
    carol.do("ignore", user="bob")
    assert reactions(carol, 1) == [("+1", 1, ("alice",))]


def test_a_page_of_many_reactions():
    """A page is cut by their size, too."""
    world = MemoryChat(answer_bytes=3000)
    bob = world.guest("bob", "lab")
    for _ in range(5):
        bob.say("x")
    for at in range(1, 6):
        for word in range(9):
            bob.do("react", room="lab", position=at, word=f"w{word}")
    found = bob.do("history", room="lab")
    assert found.more
    assert [at for at, _ in found.entries][-1] == 5
    assert 0 < len(found.entries) < 5


def test_pins(world, alice, bob):
    """Moderators pin entries, and need not be in the room for that; everybody there is shown it,
    and whoever may read the room can list them."""
    bob.say("rules: be kind", "studio")
    bob.say("hello", "studio")
    assert bob.code("pin", room="studio", position=1) is Code.NOT_ALLOWED
    alice.do("leave", room="studio")
    assert alice.do("pin", room="studio", position=1).text == "#1 is pinned."
    assert alice.code("pin", room="studio", position=1) is Code.BAD_ARGUMENT
    for position in (0, 3, 99, 10**18):
        assert alice.code("pin", room="studio", position=position) is Code.NO_SUCH_ENTRY
    eve = world.guest("eve")
    ((at, entry),) = eve.do("pins", room="studio").entries
    assert (at, entry.text, entry.state.pinned) == (1, "rules: be kind", True)
    assert [(it.kind, it.about) for _, it in bob.peer.entries[2:]] == [(Kind.PINNED, 1)]
    assert bob.code("unpin", room="studio", position=1) is Code.NOT_ALLOWED
    alice.do("unpin", room="studio", position=1)
    assert eve.do("pins", room="studio").entries == ()
    assert alice.code("unpin", room="studio", position=1) is Code.BAD_ARGUMENT
    assert shown(bob) == [(1, "rules: be kind"), (2, "hello")]


@pytest.mark.parametrize("command", ["pins", "edits"])
def test_what_is_erased_while_it_is_read(world, alice, bob, command):
    """It is not shown once that is answered."""
    bob.say("secret", "studio")
    alice.do("pin", room="studio", position=1)
    gate = Gate(world.engine.logs, "states" if command == "pins" else "edits", answers=True)
    args = {"position": 1} if command == "edits" else {}
    asked = alice.begin(command, room="studio", **args)
    world.settle()
    alice.do("erase", room="studio", position=1)
    gate.open()
    world.settle()
    assert "secret" not in [it.text for _, it in asked.reply.entries]


def test_long_pins():
    """A reply has the newest that fit, and says so."""
    world = MemoryChat(answer_bytes=1500)
    root = world.operator()
    root.do("join", room="lab")
    for at in range(1, 6):
        root.say("x" * 300)
        root.do("pin", room="lab", position=2 * at - 1)
    found = root.do("pins", room="lab")
    assert found.more
    assert [at for at, _ in found.entries] == [7, 9]
