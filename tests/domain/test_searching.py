"""Searching rooms and inboxes: filters, and what somebody may be shown."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatservice.domain.ports.log_ports import FAR_FUTURE, SearchQuery
from chatservice.domain.searching import parse
from chatservice.errors import Code, Refusal
from tests.domain.harness import START, Gate, MemoryChat

NOW = 1_700_000_000_000
DAY = 86_400_000
NOVEMBER = 1_793_491_200_000
"""The first of November 2026, in milliseconds."""


@pytest.mark.parametrize(
    ("text", "words", "filters", "room"),
    [
        ("green build", "green build", {}, None),
        ("from:Alice build", "build", {"who": "alice"}, None),
        ("build FROM:@alice", "build", {"who": "alice"}, None),
        ("in:lab x in:12", "x", {}, "12"),
        ("has:file", "", {"files": True}, None),
        ("x before:2026-11-01", "x", {"until": NOVEMBER}, None),
        ("x after:2026-11-01T02:00+02:00", "x", {"since": NOVEMBER}, None),
        ("x after:2026-10-31T23:59:59.999Z", "x", {"since": NOVEMBER - 1}, None),
        ("x after:7d before:1h30m", "x", {"since": NOW - 7 * DAY, "until": NOW - 5_400_000}, None),
        ('"from:alice" "in:" a:b http://x', '"from:alice" "in:" a:b http://x', {}, None),
    ],
)
def test_filters_stand_among_the_words(text, words, filters, room):
    """A word with the name of a filter is one, in any case and place; one in quotes is none."""
    assert parse(text, NOW) == (SearchQuery(words, {}, 0, **filters), room)


@pytest.mark.parametrize(
    ("text", "example"),
    [
        ("from:", "from:alice"),
        ('from:"alice"', "from:alice"),
        ("from:a/b", "from:alice"),
        (f"from:{'x' * 5000}", "from:alice"),
        ("in:*", "in:lab"),
        ("in:@", "in:lab"),
        ("has:link", "has:file"),
        ("before:yesterday", "before:2026-11-01"),
        ("before:2026-13-01", "before:2026-11-01"),
        ("after:99999-01-01", "after:7d"),
        ("after:\x1b[2J", "after:7d"),
    ],
)
def test_a_filter_that_is_not_understood_is_refused(text, example):
    """One sentence names it, and gives an example."""
    with pytest.raises(Refusal) as caught:
        parse(f"word {text}", NOW)
    assert caught.value.code is Code.BAD_ARGUMENT
    assert f"write it like {example}, or in quotes" in caught.value.sentence
    assert len(caught.value.sentence) < 200


@given(st.text())
def test_any_text_is_a_search_or_refused(text):
    """Nothing else comes of it."""
    try:
        query, _ = parse(text, NOW)
    except Refusal as refusal:
        assert refusal.code is Code.BAD_ARGUMENT
    else:
        assert query.until <= FAR_FUTURE
        assert '"' not in query.words.replace('"', "", 2 * (query.words.count('"') // 2))


@given(st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30)))
def test_any_time_can_be_given(moment):
    """A time without a zone is UTC, as in the answers."""
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    query, _ = parse(f"x before:{moment.isoformat()}", NOW)
    wanted = moment.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    assert query.until == wanted // timedelta(milliseconds=1)


@pytest.fixture
def alice(world):
    """Return alice, who is registered, and owns the room studio."""
    alice = world.registered("alice", "lab")
    alice.do("create", room="studio")
    return alice


def found(member, text, room="*", **args):
    """Return what a search finds: rooms and texts, or names of files."""
    reply = member.do("search", room=room, text=text, **args)
    entries = [it.file.name if it.file is not None else it.text for _, it in reply.entries]
    return list(zip(reply.logs, entries, strict=True))


def test_all_rooms_that_one_may_read(world, alice):
    """Those that are open, and those that one is in; oldest first, with their rooms."""
    bob, eve = world.guest("bob", "lab"), world.guest("eve")
    for name, how in (("den", {"password": "pw"}), ("cave", {})):
        bob.do("create", room=name, **how)
    bob.do("access", room="cave", access="hidden")
    for at, room in enumerate(("lab", "den", "cave", "lab")):
        world.wait(1)
        bob.say(f"cat {at}", room)
    alice.say("cat by alice", "studio")
    assert found(bob, "cat") == [
        *(("lab", "cat 0"), ("den", "cat 1"), ("cave", "cat 2"), ("lab", "cat 3")),
        ("studio", "cat by alice"),
    ]
    assert found(eve, "cat", limit=2) == [("lab", "cat 3"), ("studio", "cat by alice")]
    assert found(eve, "from:bob") == [("lab", "cat 0"), ("lab", "cat 3")]
    assert found(eve, "in:studio cat") == [("studio", "cat by alice")]
    assert eve.code("search", room="*", text="in:den cat") is Code.NOT_IN_ROOM
    assert eve.code("search", room="lab", text="in:cave cat") is Code.NOT_IN_ROOM
    assert eve.code("search", room="lab", text="in:nowhere cat") is Code.NO_SUCH_ROOM
    assert eve.code("search", room="*", text="cat", before=3) is Code.BAD_ARGUMENT
    root = world.operator()
    assert ("den", "cat 1") in found(root, "in:den cat", room="lab")
    assert ("den", "cat 1") not in found(root, "cat")


def test_ones_inbox(world, alice):
    """Both sides of it, by words and by user; nobody else's."""
    bob, carol = world.guest("bob"), world.guest("carol")
    alice.do("msg", to="bob", text="the green one")
    bob.do("msg", to="alice", text="green, really?")
    carol.do("msg", to="alice", text="mine is green", notice=True)
    world.upload(alice.do("put", to="carol", name="green.txt", size=3).ticket, b"abc")
    assert [it for _, it in found(alice, "GREEN", "@")] == [
        *("the green one", "green, really?", "mine is green", "green.txt")
    ]
    assert [it for _, it in found(alice, "green", "@Bob")] == ["the green one", "green, really?"]
    assert [it for _, it in found(alice, "", "@bob")] == ["the green one", "green, really?"]
    assert [it for _, it in found(alice, "from:alice has:file", "@")] == ["green.txt"]
    assert [it for _, it in found(bob, "green", "@")] == ["the green one", "green, really?"]
    assert found(bob, "green") == []
    assert alice.do("search", room="@bob", text="green").room == "@bob"


def test_by_time_and_file(world, alice):
    """Filters narrow a search down; with a user or `has:file`, no word is needed."""
    world.upload(alice.do("put", room="lab", name="plan b.txt", size=3).ticket, b"abc")
    world.wait(3600)
    alice.say("the plan is good")
    world.wait(60)
    alice.do("topic", room="lab", text="plans")
    assert found(alice, "plan", "lab") == [("lab", "plan b.txt"), ("lab", "the plan is good")]
    assert found(alice, "plan after:30m", "lab") == [("lab", "the plan is good")]
    assert found(alice, "plan* before:1m", "lab") == [("lab", "plan b.txt")]
    half = datetime.fromtimestamp(START + 1800, UTC).isoformat()
    assert found(alice, f"has:file before:{half}", "lab") == [("lab", "plan b.txt")]
    assert found(alice, f"has:file after:{half}", "lab") == []
    for text in ("", "?!", "after:1h", "from:alice ?!"):
        assert alice.code("search", room="lab", text=text) is Code.BAD_ARGUMENT, text


READS = pytest.mark.parametrize("read", ["search", "states"])
"""The two methods with which a search reads, in their order."""


@READS
def test_rights_are_asked_again_after_the_search(world, alice, read):
    """A room that is closed meanwhile is left out of a search of all; one that was asked for is
    refused."""
    bob, eve = world.guest("bob", "studio"), world.guest("eve")
    bob.say("cat", "studio"), alice.say("cat")
    gate = Gate(world.engine.logs, read, answers=True)
    every, one = (
        eve.begin("search", room="*", text="cat"),
        bob.begin("search", room="lab", text="cat in:studio"),
    )
    alice.do("access", room="studio", access="invited", password="pw")
    alice.do("ban", room="studio", user="bob")
    gate.open()
    world.settle()
    assert every.reply.rooms == ("lab",)
    assert one.code is Code.BANNED


@READS
def test_erased_and_ignored_entries_are_not_found(world, alice, read):
    """Nor are those that are erased while the search is under way."""
    bob = world.guest("bob", "lab")
    alice.say("cat one"), bob.say("cat two"), alice.say("cat three")
    gate = Gate(world.engine.logs, read, answers=True)
    searching = bob.begin("search", room="*", text="cat")
    alice.do("erase", room="lab", position=1)
    gate.open()
    world.settle()
    assert [it.text for _, it in searching.reply.entries] == ["cat two", "cat three"]
    bob.do("ignore", user="alice")
    assert found(bob, "cat") == [("lab", "cat two")]


@pytest.mark.parametrize(("command", "reads"), [("edit", 1), ("erase", 20)])
def test_a_search_ends_while_others_change_what_they_said(world, alice, command, reads):
    """It does not wait for the end of a flood: of edits, or of erasures."""
    bob, search, asked = world.registered("bob", "lab"), world.engine.logs.search, []
    for _ in range(30):
        bob.say("cat")

    async def searching(query):
        """Change an entry while the search is under way."""
        asked.append(query)
        text = {"text": "cats"} if command == "edit" else {}
        bob.do(command, room="lab", position=len(asked), **text)
        return await search(query)

    world.engine.logs.search = searching
    outcome = alice.ask("search", room="*", text="cat*")
    assert len(asked) == reads
    if command == "edit":
        assert len(outcome.reply.entries) == 20
    else:
        assert outcome.code is Code.TOO_SLOW


def test_a_token_for_one_room_searches_only_that(world, alice):
    """It does not tell which other rooms there are."""
    alice.say("cat"), alice.say("cat", "studio")
    token = alice.do("token", label="ci", room="studio").token
    program = world.again("alice", "studio", password=token)
    assert found(program, "cat", "studio") == [("studio", "cat")]
    assert found(program, "cat in:studio", "studio") == [("studio", "cat")]
    for room, text in (("*", "cat"), ("@", "cat"), ("lab", "cat"), ("studio", "cat in:lab")):
        refusal = program.ask("search", room=room, text=text).refusal
        assert refusal.code is Code.NOT_ALLOWED, (room, text)
    told = {
        program.ask("search", room="studio", text=f"x in:{it}").refusal.sentence
        for it in ("lab", "no")
    }
    assert len(told) == 1


def test_a_search_of_all_has_bounds_for_all_together():
    """The limits on rows and on bytes hold for the reply."""
    world = MemoryChat(answer_bytes=1000)
    bob = world.guest("bob", "lab", "lobby")
    for _ in range(3):
        bob.say("cat " + "x" * 300), bob.say("cat " + "x" * 300, "lobby")
    reply = bob.do("search", room="*", text="cat")
    assert reply.more
    assert 0 < len(reply.entries) == len(reply.rooms) < 6
