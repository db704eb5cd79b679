"""The promises about logs (the port `LogStore`)."""

import pytest_twisted

from chatservice.domain.ports.log_ports import BlockReplaced, SearchQuery
from chatservice.domain.ports.room_ports import TopicChanged
from chatservice.entries import FileMark, Kind, Run
from chatservice.errors import Code
from tests.contract.conftest import NOW, append, at_once, code_of, room, say, texts


@pytest_twisted.ensureDeferred
async def test_positions_are_dense_in_each_log(engine):
    """They begin with 1, and a run takes as many as it has texts."""
    lab, den = await room(engine), await room(engine, "den")
    assert await append(engine, say(lab, "a", "b"), say(den, "x"), say(lab, "c")) == [1, 1, 3]
    assert await append(engine, say(den, "y"), say(lab, "d")) == [2, 4]
    assert await texts(engine, lab) == ["a", "b", "c", "d"]
    assert await texts(engine, den) == ["x", "y"]
    assert (await engine.logs.last(lab), await engine.logs.last(den)) == (4, 2)
    assert await engine.logs.last(await room(engine, "new")) == 0


@pytest_twisted.ensureDeferred
async def test_batches_given_at_once_keep_their_order(engine):
    """Each is stored as a whole, in the order in which they are given."""
    lab = await room(engine)
    batches = [append(engine, say(lab, f"{at}a"), say(lab, f"{at}b")) for at in range(20)]
    assert await at_once(*batches) == [[2 * at + 1, 2 * at + 2] for at in range(20)]
    assert await texts(engine, lab) == [f"{at}{it}" for at in range(20) for it in "ab"]


@pytest_twisted.ensureDeferred
async def test_a_key_is_stored_once(engine):
    """Its repetition has the first position, also within a batch. It is one writer's, in a log."""
    lab, den = await room(engine), await room(engine, "den")
    mine = [say(lab, text, key="k", writer="alice") for text in ("a", "again")]
    appended = await engine.logs.append([*mine, say(lab, "b", key="k", writer="bob")], {})
    assert (list(appended.positions), set(appended.repeated)) == ([1, 1, 2], {1})
    appended = await engine.logs.append([mine[0], say(den, "c", key="k", writer="alice")], {})
    assert (list(appended.positions), set(appended.repeated)) == ([1, 1], {0})
    assert await texts(engine, lab) == ["a", "b"]
    assert await engine.logs.position_of_key(lab, "bob", "k") == 2
    assert await engine.logs.position_of_key(lab, "bob", "other") is None


@pytest_twisted.ensureDeferred
async def test_a_copy_goes_with_its_original(engine):
    """It is stored where its original is, and not where that was stored before: then its position
    is that of its own key, or 0."""
    mine, hers, his = [(await engine.accounts.register(it, "", None, NOW)).inbox for it in "abc"]

    def sent(log, key, own_key):
        original = say(log, "x", key=key, writer="a")
        original.copy = say(mine, "x", key=own_key, writer="a")
        return original, original.copy

    keyless = sent(hers, None, None)
    appended = await engine.logs.append(
        [*keyless, *sent(hers, "k", "k b"), *sent(his, "k", None)], {}
    )
    assert (list(appended.positions), set(appended.repeated)) == ([1, 1, 2, 2, 1, 3], set())
    again = [*sent(hers, "k", "k b"), *sent(his, "k", None), *sent(his, "new", None)]
    appended = await engine.logs.append(again, {})
    assert (list(appended.positions), set(appended.repeated)) == ([2, 2, 1, 0, 2, 4], {0, 1, 2, 3})
    assert [len(await texts(engine, log)) for log in (mine, hers, his)] == [4, 2, 2]


@pytest_twisted.ensureDeferred
async def test_copies_are_sent_to_the_mark_of_a_deleted_account(engine):
    """They stay their senders', also where the account's own entries are erased."""
    lab = await room(engine)
    sent = say(lab, "for you", who="carol", kind=Kind.SENT)
    sent.run = sent.run._replace(to="Alice")
    await append(engine, sent, say(lab, "mine"))
    reached = 0
    while reached is not None:
        reached = await engine.logs.reassign("alice", "someone", True, reached)
    found = [entry for block in await engine.logs.read(lab, 0, 9) for _, entry in block.entries()]
    assert [(it.who, it.to, it.text) for it in found] == [
        ("carol", "someone", "for you"),
        ("someone", "", ""),
    ]


@pytest_twisted.ensureDeferred
async def test_what_is_refused_never_appears(case, engine, notes):
    """A refused batch leaves no text, key or topic, and uses up no position."""
    lab = await room(engine)
    topic = say(lab, "topic", kind=Kind.TOPIC)
    async with case.failing():
        for refused in [say(lab, "no", key="k", writer="alice")], [say(lab, "no"), topic]:
            try:
                await engine.logs.append(refused, {})
            except Exception:
                continue
            raise AssertionError("it was stored")
    assert notes.of(TopicChanged) == []
    assert await engine.logs.position_of_key(lab, "alice", "k") is None
    assert await append(engine, say(lab, "yes", key="k", writer="alice")) == [1]
    assert await texts(engine, lab) == ["yes"]


@pytest_twisted.ensureDeferred
async def test_a_batch_is_all_or_nothing(engine):
    """One entry that cannot be stored fails the whole batch."""
    lab = await room(engine)
    try:
        await engine.logs.append([say(lab, "a"), say(lab, "\ud800")], {})
    except Exception:
        assert await texts(engine, lab) == []
    assert await append(engine, say(lab, "b")) == [1]


@pytest_twisted.ensureDeferred
async def test_entries_are_read_as_they_were_given(engine):
    """Entries keep their kind, time, writer, text and file, and whether the writer was
    registered."""
    lab = await room(engine)
    run = Run(Kind.FILE, 5, "bob", file=FileMark("a.txt", 3, "ab" * 32, 2), registered=True)
    draft = say(lab, "")
    draft.run = run
    await append(engine, draft, say(lab, "\u2603 snow", kind=Kind.ACTION))
    (block,) = await engine.logs.read(lab, 0, 9)
    (_, file), (_, action) = block.entries()
    assert file.as_run() == run
    assert (action.kind, action.who, action.text) == (Kind.ACTION, "alice", "\u2603 snow")
    assert not action.registered


@pytest_twisted.ensureDeferred
async def test_reading_forwards_and_backwards(engine):
    """It begins at a position, and ends with the block that reaches the limit."""
    lab = await room(engine)
    for at in range(10):
        await append(engine, say(lab, f"{at}a", f"{at}b"))
    forwards = await engine.logs.read(lab, 3, 4)
    assert forwards[0].first <= 4 <= forwards[0].last
    assert forwards[-1].last >= 6
    assert forwards[-1].last <= 9
    backwards = await engine.logs.read_back(lab, 18, 4)
    assert [block.first for block in backwards] == sorted(block.first for block in backwards)
    assert backwards[-1].last >= 17
    assert backwards[0].first <= 15
    assert backwards[0].first >= 11
    assert list(await engine.logs.read(lab, 20, 9)) == []
    assert list(await engine.logs.read_back(lab, 1, 9)) == []


@pytest_twisted.ensureDeferred
async def test_an_erased_entry_is_gone(engine, notes):
    """Reading and searching no longer find it; the follower is told before the answer."""
    lab = await room(engine)
    await append(engine, say(lab, "one", "secret", "three"))
    erasing = engine.logs.erase(lab, 2)
    assert await erasing is True
    (change,) = notes.of(BlockReplaced)
    assert change.log == lab
    for block in change.block, *await engine.logs.read(lab, 0, 9):
        assert [entry.text for _, entry in block.entries()] == ["one", "", "three"]
        assert [entry.kind for _, entry in block.entries()][1] == Kind.GONE
    assert list((await engine.logs.search(SearchQuery("secret", {lab: 9}, 9))).matches) == []
    assert await engine.logs.erase(lab, 7) is False


@pytest_twisted.ensureDeferred
async def test_the_past_of_an_account_is_reassigned(engine, notes):
    """Its entries and topics become those of a mark, or are erased; nobody else's change."""
    lab, den = await room(engine), await room(engine, "den")
    await append(engine, say(lab, "mine"), say(lab, "bob's", who="bob"))
    await append(engine, say(den, "about", kind=Kind.TOPIC))
    reached = 0
    while reached is not None:
        reached = await engine.logs.reassign("alice", "someone", False, reached)
    found = [entry for block in await engine.logs.read(lab, 0, 9) for _, entry in block.entries()]
    assert [(it.who, it.text) for it in found] == [("someone", "mine"), ("bob", "bob's")]
    assert {it.log for it in notes.of(BlockReplaced)} == {lab, den}
    reached = 0
    while reached is not None:
        reached = await engine.logs.reassign("someone", "nobody", True, reached)
    assert await texts(engine, lab) == ["", "bob's"]
    assert notes.of(TopicChanged)[-1] == TopicChanged(den, "")


@pytest_twisted.ensureDeferred
async def test_a_topic_is_told_with_its_commit(engine, notes):
    """The last topic of a batch is the room's, and the follower is told it."""
    lab = await room(engine)
    await append(engine, *(say(lab, text, kind=Kind.TOPIC) for text in ("old", "new")))
    assert notes.of(TopicChanged)[-1] == TopicChanged(lab, "new")


@pytest_twisted.ensureDeferred
async def test_searching(engine):
    """A search takes words in any case and order, phrases, and beginnings of words, and finds the
    last entries."""
    lab, den = await room(engine), await room(engine, "den")
    said = ["The quick brown fox", "a brown FOX and a quick dog", "Caf\u00e9 au lait", "quicker"]
    await append(engine, *(say(lab, text) for text in said), say(den, "quick"))

    async def found(words, before=99, limit=9):
        result = await engine.logs.search(SearchQuery(words, {lab: before}, limit))
        return [it.position for it in result.matches]

    assert await found("QUICK fox") == [1, 2]
    assert await found('"quick brown"') == [1]
    assert await found("quick*") == [1, 2, 4]
    assert await found("cafe") == [3]
    assert await found("quick", before=2) == [1]
    assert await found("brown", limit=1) == [2]
    assert await found("nothing") == []
    assert await found("quick", before=0) == await found("quick", limit=0) == []
    await append(engine, say(lab, "built", kind=Kind.NOTICE), say(lab, "done", kind=Kind.ACTION))
    assert await found("built") + await found("done") == [5, 6]
    for words in ("!?", ""):
        query = SearchQuery(words, {lab: 99}, 9)
        assert await code_of(engine.logs.search(query)) == Code.BAD_ARGUMENT


GUEST = -((1 << 62) + 7)
"""The number of a guest's inbox."""


def at_time(draft, time, **changes):
    """Return a draft whose run has another time, and other fields."""
    draft.run = draft.run._replace(time=time, **changes)
    return draft


@pytest_twisted.ensureDeferred
async def test_searching_several_logs(engine):
    """The last entries of all together come in the order of their times, each with its log. Each
    log is searched up to a position of its own. Guests' inboxes are logs as well."""
    lab, den, other = [await room(engine, name) for name in ("lab", "den", "other")]
    for time, log in enumerate((lab, den, GUEST, lab, other, den)):
        await append(engine, at_time(say(log, f"cat {time}"), NOW + time))

    async def found(logs, limit=9):
        result = await engine.logs.search(SearchQuery("cat", logs, limit))
        return [(it.log, it.position, it.entry.text) for it in result.matches]

    cats = [
        (lab, 1, "cat 0"),
        (den, 1, "cat 1"),
        (GUEST, 1, "cat 2"),
        (lab, 2, "cat 3"),
        (den, 2, "cat 5"),
    ]
    assert await found({lab: 9, den: 9, GUEST: 9}) == cats
    assert await found({den: 9, GUEST: 9, lab: 9}, limit=2) == cats[-2:]
    assert await found({lab: 2, den: 2}) == cats[:2]
    assert await found({}) == await found({lab: 1}) == []


@pytest_twisted.ensureDeferred
async def test_narrowing_a_search(engine):
    """Beside words, a query asks for an author, the other side of private talk, files, times
    and mentions."""
    lab = await room(engine)
    mark = FileMark("cat plan.txt", 3, "ab" * 32)
    await append(
        engine,
        at_time(say(lab, "cat one"), 1000),
        at_time(say(lab, "cat two", who="Bob.B"), 2000),
        at_time(say(lab, "cat three", kind=Kind.SENT), 3000, to="Bob.B"),
        at_time(say(lab, "cat four", who="bob-b", kind=Kind.PRIVATE), 4000),
        at_time(say(lab, "", who="bob.b", kind=Kind.FILE), 5000, file=mark),
    )

    async def found(words="cat", **narrowed):
        result = await engine.logs.search(SearchQuery(words, {lab: 99}, 9, **narrowed))
        return [it.position for it in result.matches]

    assert await found() == [1, 2, 3, 4, 5]
    assert await found(who="bob.b") == await found("", who="bob.b") == [2, 5]
    assert await found(who="bob-b") == [4]
    assert await found("bob") == await found(who="bob") == []
    assert await found("two", who="alice") == []
    assert await found(other="bob.b") == await found("", other="bob.b") == [2, 3, 5]
    assert await found(files=True) == await found("", files=True) == [5]
    assert await found("plan", files=True, who="bob.b") == [5]
    assert await found(since=2000, until=4000) == [2, 3]
    assert await found("", who="alice", since=1001) == [3]
    assert (
        await code_of(engine.logs.search(SearchQuery("!", {lab: 9}, 9, who="a")))
        == Code.BAD_ARGUMENT
    )
    texts = ("hi Bob.B!", "bob.bo", "@Room: lunch", "bob b", "mushroom")
    await append(engine, *(say(lab, text) for text in texts))
    assert await found("", mentions="bob.b") == [6, 8]
    assert await found("lunch", mentions="bob.b") == [8]
    assert await found("", mentions="bob.b", who="alice", after=6) == [8]


@pytest_twisted.ensureDeferred
async def test_the_inbox_of_an_account_is_searched(engine):
    """Also what came to it while its user was a guest."""
    await append(engine, say(-7, "cat one", kind=Kind.PRIVATE))
    account = await engine.accounts.register("bob", "", -7, NOW, guest=".guests/7")
    await append(engine, say(account.inbox, "cat two", kind=Kind.PRIVATE))
    result = await engine.logs.search(SearchQuery("cat", {account.inbox: 9}, 9))
    assert [(it.position, it.entry.text) for it in result.matches] == [
        (1, "cat one"),
        (2, "cat two"),
    ]


@pytest_twisted.ensureDeferred
async def test_a_search_by_author_after_their_account_was_deleted(engine):
    """Entries of the mark are not found under the former name."""
    lab = await room(engine)
    await append(engine, say(lab, "cat"))
    reached = 0
    while reached is not None:
        reached = await engine.logs.reassign("alice", "someone", False, reached)
    found = await engine.logs.search(SearchQuery("cat", {lab: 9}, 9, who="alice"))
    assert list(found.matches) == []


@pytest_twisted.ensureDeferred
async def test_the_inbox_of_a_guest_is_dropped(engine):
    """A dropped inbox leaves no entry and no key."""
    await append(engine, say(-7, "psst", key="k", writer="x"))
    assert await texts(engine, -7) == ["psst"]
    await engine.logs.drop_inbox(-7)
    assert await texts(engine, -7) == []
    assert await engine.logs.position_of_key(-7, "x", "k") is None
    assert await append(engine, say(-7, "new")) == [1]
