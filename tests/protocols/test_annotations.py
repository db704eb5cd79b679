"""Replies, edits and reactions, as people and programs see them."""

import pytest


@pytest.fixture
def people(server, connect):
    """Return a function that lets somebody into lab, on a bare connection."""

    def people_(name):
        bare = connect(server, name)
        bare.send("/join lab", "/who")
        bare.expect(" in lab: ")
        return bare

    return people_


@pytest.fixture
def bot(server, connect):
    """Return a program in lab."""
    bot = connect(server)
    bot.ask(do="hello", name="bot", id=1)
    bot.ask(do="join", room="lab", id=2)
    while bot.event("ok")["id"] != 2:
        pass
    return bot


def answer(bot, **request):
    """Return the answer to a request."""
    bot.ask(id="asked", **request)
    while (found := bot.event()).get("id") != "asked":
        pass
    return found


def listed(bare):
    """Return the history of a person, without the times."""
    bare.send("/history", "/topic")
    lines = []
    while not (line := bare.line()).startswith("* "):
        lines.append(line[:1] + line.partition("Z ")[2])
    return lines


def test_people_reply_and_edit(people):
    """Those present read the reply with a quote, and each line of a new text with its author; the
    history shows what the entries say now."""
    alice, bob = people("alice"), people("bob")
    alice.expect("bob came in")
    alice.send("is the build green, and since when?")
    bob.expect("alice: is the build")
    bob.send("/reply #1 yes, sicne noon")
    quoted = 'bob (to alice #1 "is the build green, and..."): '
    assert alice.line() == quoted + "yes, sicne noon"
    bob.send("/edit yes, since noon")
    assert bob.line() == "* #2 is edited."
    assert alice.line() == "bob (edited #2): yes, since noon"
    assert listed(alice) == [
        "[#1] alice: is the build green, and since when?",
        quoted.replace("bob (", "[#2] bob (").replace("):", ", edited):") + "yes, since noon",
    ]
    alice.send("/erase #1")
    assert alice.expect("is erased").startswith("* #1 is erased: is the build green")
    bob.expect("* alice erased #1")
    assert listed(bob) == [
        "[#1] * what alice said was erased",
        "[#2] bob (to #1, edited): yes, since noon",
        "[#4] * alice erased #1",
    ]


def test_programs_reply_and_edit(people, bot):
    """The events tell what they are about; the history has the present state, in fields that other
    clients pass over, and lists no edit."""
    alice = people("alice")
    alice.send("hello")
    hello = bot.event("message")
    assert "about" not in hello
    assert answer(bot, do="say", room="lab", text="hi", about=1, key="k")["seq"] == 2
    reply = bot.event("message")
    assert (reply["about"], reply["quote"]) == (1, {"from": "alice", "text": "hello"})
    assert alice.expect("bot") == 'bot (to alice #1 "hello"): hi'
    done = answer(bot, do="edit", room="lab", position=2, text="hi\nthere", key="k2")
    assert (done["event"], done["seq"]) == ("ok", 3)
    assert answer(bot, do="edit", room="lab", position=2, text="hi\nthere", key="k2")["seq"] == 3
    assert [alice.line(), alice.line()] == ["bot (edited #2): hi", "bot (edited #2): there"]
    first, second = answer(bot, do="history", room="lab")["entries"]
    assert first == hello
    assert second == {**reply, "text": "hi\nthere", "edited": second["edited"]}
    assert second["edited"]["seq"] == 3
    found = answer(bot, do="search", room="lab", text="there")
    assert found["entries"] == [second]


def test_an_edit_is_an_event(bot):
    """It has the entry's position and the new text; a program sees its own, too."""
    answer(bot, do="say", room="lab", text="helo")
    answer(bot, do="edit", room="lab", text="hello")
    bot.ask(do="join", room="lab", after=0)
    assert bot.event("message")["text"] == "hello"
    edit = bot.event("edit")
    assert (edit["room"], edit["seq"], edit["from"], edit["about"], edit["text"]) == (
        *("lab", 2, "bot"),
        *(1, "hello"),
    )


def test_a_program_catches_up_in_two_ways(people, bot):
    """A history with annotations has what joining again with `after` brings: all entries, in order,
    and of an erased edit its place. So a program that reads page by page misses none."""
    alice = people("alice")
    answer(bot, do="say", room="lab", text="helo")
    answer(bot, do="edit", room="lab", text="hello")
    for word in ("+1", "ok", "+1"):
        answer(bot, do="react", room="lab", position=1, word=word)
    answer(bot, do="say", room="lab", text="oops", about=1)
    answer(bot, do="edit", room="lab", text="ouch")
    answer(bot, do="erase", room="lab", position=7)
    alice.expect("* bot erased #6")
    bot.ask(do="join", room="lab", after=0)
    events = [bot.event() for _ in range(9)]
    joined = events.pop(0)
    kinds = [
        "message",
        "edit",
        "reaction",
        "reaction",
        "reaction-removed",
        "gone",
        "gone",
        "erased",
    ]
    assert (joined["seq"], [it["event"] for it in events]) == (8, kinds)
    every = {"do": "history", "room": "lab", "annotations": True}
    assert answer(bot, **every, after=0)["entries"] == events
    assert answer(bot, **every)["entries"] == events
    pages = [answer(bot, **every, after=at, limit=1)["entries"] for at in range(9)]
    assert pages == [*([it] for it in events), []]
    plain = answer(bot, do="history", room="lab", annotations=False)["entries"]
    assert [it["seq"] for it in plain] == [1, 6, 8]


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"do": "history", "annotations": "yes"}, "bad-argument"),
        ({"do": "say", "text": "hi", "about": 99}, "no-such-entry"),
        ({"do": "say", "text": "hi", "about": 10**18}, "no-such-entry"),
        ({"do": "say", "text": "hi", "about": 1 << 62}, "bad-argument"),
        ({"do": "say", "text": "hi", "about": -1}, "bad-argument"),
        ({"do": "say", "text": "hi", "about": "1"}, "bad-argument"),
        ({"do": "say", "text": "hi", "about": True}, "bad-argument"),
        ({"do": "say", "text": " ", "about": 1}, "bad-argument"),
        ({"do": "edit", "position": 1, "text": ""}, "bad-argument"),
        ({"do": "edit", "position": 1}, "bad-argument"),
        ({"do": "edit", "position": 99, "text": "x"}, "no-such-entry"),
        ({"do": "edit", "position": 10**18, "text": "x"}, "no-such-entry"),
        ({"do": "edit", "position": 1 << 62, "text": "x"}, "bad-argument"),
        ({"do": "edits", "position": 1}, "not-allowed"),
    ],
    ids=str,
)
def test_bad_requests(bot, request_, code):
    """Each is refused, and nothing is shown."""
    answer(bot, do="say", room="lab", text="one")
    assert answer(bot, room="lab", **request_)["code"] == code
    assert len(answer(bot, do="history", room="lab")["entries"]) == 1


def test_typed_nonsense(people):
    """It gets an answer, and is said to nobody."""
    alice, eve = people("alice"), people("eve")
    alice.send("one")
    eve.expect("alice: one")
    for typed, start in (
        ("/reply 1 x", "! #ABOUT must be a position"),
        ("/edit #-1 x", "! [#POSITION] must be a position"),
        (f"/edit #{10**20} x", "! [#POSITION] must be a position"),
        ("/reply #1", "! TEXT is missing"),
        ("/reply #99 x", "! There is no entry #99"),
        ("/edit", "! TEXT is missing"),
        ("/edit #1 x", "! #1 is not yours"),
        ("/edit x", "! You have said nothing in lab since you came"),
        ("/edits #1", "! Only moderators of lab"),
        ("/react #1", "! WORD is missing"),
        ("/react #1 two words", "! That is one word too many"),
        ("/react #1 " + "x" * 1000, "! A reaction is an emoji or a short word"),
        ("/react #99 +1", "! There is no entry #99"),
    ):
        eve.send(typed)
        assert eve.line().startswith(start), typed
    assert listed(eve) == ["[#1] alice: one"]


def test_people_react(people):
    """Those present read who reacts, and how the entry begins; the history has a line below it."""
    alice, bob = people("alice"), people("bob")
    alice.send("green")
    bob.expect("alice: green")
    bob.send("/react #1 \U0001f44d")
    assert bob.line() == "* \U0001f44d is on #1."
    assert alice.expect("\U0001f44d") == '* bob: \U0001f44d on #1 "green"'
    assert listed(alice) == ["[#1] alice: green", "[#1] * \U0001f44d 1 (bob)"]
    bob.send("/react #1 \U0001f44d")
    assert bob.line() == "* \U0001f44d is taken off #1."
    assert alice.expect("\U0001f44d") == '* bob: \U0001f44d taken off #1 "green"'
    assert listed(alice) == ["[#1] alice: green"]


def test_programs_react(people, bot):
    """The events have the word; the history counts it, and names users."""
    alice = people("alice")
    alice.send("green")
    bot.event("message")
    assert answer(bot, do="react", room="lab", position=1, word="+1", key="k")["seq"] == 2
    assert answer(bot, do="react", room="lab", position=1, word="+1", key="k")["seq"] == 2
    alice.expect("bot: +1")
    (entry,) = answer(bot, do="history", room="lab")["entries"]
    assert entry["reactions"] == [{"word": "+1", "total": 1, "names": ["bot"]}]
    answer(bot, do="react", room="lab", position=1, word="+1")
    (entry,) = answer(bot, do="history", room="lab")["entries"]
    assert "reactions" not in entry
    bot.ask(do="join", room="lab", after=1)
    for event in ("reaction", "reaction-removed"):
        found = bot.event(event)
        assert (found["about"], found["word"], found["from"]) == (1, "+1", "bot")
        assert found["quote"] == {"from": "alice", "text": "green"}


def test_pins(people, bot):
    """The owner of a room pins what was said there, and takes the pin off."""
    bob = people("bob")
    bob.send("/create studio")
    bob.expect("You are in studio")
    answer(bot, do="join", room="studio")
    bob.expect("bot came in")
    bob.send("be kind", "/pin #1", "/pins")
    assert bob.line() == "* #1 is pinned."
    assert [bob.line().partition("Z ")[2] for _ in range(2)] == ["#1] bob: be kind", "#1] * pinned"]
    found = bot.event("pinned")
    assert (found["about"], found["quote"]) == (1, {"from": "bob", "text": "be kind"})
    (entry,) = answer(bot, do="pins", room="studio")["entries"]
    assert entry["pinned"] is True
    bob.send("/unpin #1", "/pins")
    assert bob.line() == "* #1 is no longer pinned."
    assert bob.line() == "* Nothing is pinned in studio"
    assert bot.event("unpinned")["about"] == 1


def test_typing(people, bot, server, connect):
    """Programs that asked for it are told who types; people, and other programs, are not."""
    alice, other = people("alice"), connect(server)
    other.ask(do="hello", name="other")
    other.ask(do="join", room="lab")
    answer(bot, do="typing", show=True)
    answer(other, do="typing", room="lab")
    found = bot.event("typing")
    assert found == {"event": "typing", "room": "lab", "from": "other"}
    assert answer(bot, do="typing", show="yes")["code"] == "bad-argument"
    answer(other, do="say", room="lab", text="hello")
    assert other.event("message")["text"] == "hello"
    assert alice.expect("hello") == "other: hello"
    assert "typing" not in alice.seen
