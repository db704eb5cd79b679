"""Finding what was said: by the index, and in what is not in it yet."""

import random
import sqlite3
from contextlib import closing, suppress
from math import inf

import pytest
import pytest_twisted
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.internet import reactor

from chatservice.domain.log import BlockCache, Log
from chatservice.domain.ports.log_ports import Draft, SearchQuery
from chatservice.engines.sqlite.entryages import Clocks
from chatservice.engines.sqlite.logstore import LogStore
from chatservice.engines.sqlite.schema import open_reader
from chatservice.engines.sqlite.search import Indexer, Searcher, index_path, question
from chatservice.entries import FileMark, Kind, Run
from chatservice.errors import Code, Refusal
from chatservice.limits import Limits
from tests.servers import PATIENCE

UNHURRIED = Limits(search_seconds=PATIENCE)
"""Searches have time, however busy the machine is."""

TAILS = BlockCache()
SAID = [
    "The build is GREEN again",
    "la crème brûlée",
    "deploying build-42, to production",
    "привет, мир",
    "AND OR NOT NEAR(*) col:on",
]
QUESTIONS = {
    "build": [0, 2],
    "BUILD green": [0],
    "green build": [0],
    '"green build"': [],
    '"build is green"': [0],
    "creme": [1],
    "Brûlée crème": [1],
    "deploy": [],
    "deploy*": [2],
    "42": [2],
    "МИР": [3],
    "and or": [4],
    "near(": [4],
    "col:on": [4],
    "nothing": [],
}


@pytest.fixture
def clock():
    """Return what the time is, in a list."""
    return [1e9]


@pytest.fixture
def store(tmp_path, clock):
    """Return an empty store, which does all at once."""
    clocks = Clocks(lambda: clock[0], lambda: clock[0])
    store = LogStore(reactor, tmp_path / "chat.sqlite", clocks, UNHURRIED)
    yield store
    store.close()


async def passes(store, clock, seconds):
    """Let time pass behind what is there."""
    await store.note_age(last=True)
    clock[0] += seconds


@pytest.fixture
def index(tmp_path, store):
    """Return an indexer that does nothing by itself."""
    indexer = Indexer(tmp_path / "chat.sqlite", index_path(tmp_path / "chat.sqlite"), Limits())
    yield indexer
    indexer.stop()


async def room(store, name="lab"):
    """Make a room and return its log."""
    row = await store.rooms.create(name, None, 0, None)
    return Log(row.number, row.name, 0, TAILS)


def catch_up(index):
    """Bring the index up to date."""
    while index.step():
        pass


async def positions(store, log, words, before=1 << 40, limit=20):
    """Return where a search finds something."""
    found = await store.search(SearchQuery(words, {log.id: before}, limit))
    assert not found.pending
    return [it.position for it in found.matches]


@pytest.mark.parametrize("up_to", range(len(SAID) + 1))
@pytest_twisted.ensureDeferred
async def test_the_index_and_what_is_not_in_it_are_asked_alike(store, index, up_to):
    """However far the index has come, the same is found."""
    log = await room(store)
    for at, text in enumerate(SAID):
        if at == up_to:
            catch_up(index)
        await store.append([Draft(log, Run(Kind.MESSAGE, 0, "alice", [text]))], {})
    for words, found in QUESTIONS.items():
        assert await positions(store, log, words) == [at + 1 for at in found], words


@pytest_twisted.ensureDeferred
async def test_only_the_log_that_is_asked_for_is_searched(store, index):
    """Not another room, and no inbox but one's own. That of a guest is not in the index, and comes
    into it with the account."""
    lab, den, guest = await room(store), await room(store, "den"), Log(-1, "@", 0, TAILS)
    account = await store.accounts.register("bob", "hash", None, 0)
    inbox = Log(account.inbox, "@", 0, TAILS)
    for log in (lab, den, inbox, guest):
        await store.append([Draft(log, Run(Kind.MESSAGE, 0, "alice", ["secret", "x"]))], {})
    for _ in range(2):
        for log in (lab, den, inbox, guest):
            assert await positions(store, log, "secret") == [1]
        catch_up(index)
    counted = "SELECT count(*) FROM entry WHERE entry MATCH 'secret'"
    assert index._db.execute(counted).fetchone() == (3,)
    carol = await store.accounts.register("carol", "hash", -1, 0, guest=".guests/1")
    for _ in range(2):
        assert await positions(store, Log(carol.inbox, "@", 0, TAILS), "secret") == [1]
        catch_up(index)
    assert index._db.execute(counted).fetchone() == (4,)
    await store.accounts.delete("bob", "deleted-1")
    index.nudge(ended=True)
    catch_up(index)
    assert index._db.execute(counted).fetchone() == (3,)


@pytest_twisted.ensureDeferred
async def test_many_rooms_before_and_behind_the_index(store, index):
    """A search of several logs finds the newest of all together, however far the index has come."""
    logs = [await room(store, f"r{at}") for at in range(20)]
    for time in range(60):
        if time == 30:
            catch_up(index)
        run = Run(Kind.MESSAGE, time, "alice", [f"word {time}"])
        await store.append([Draft(logs[time % 20], run)], {})
    query = SearchQuery("word", {log.id: 99 for log in logs}, 40)
    for _ in range(2):
        found = await store.search(query)
        assert [it.entry.text for it in found.matches] == [f"word {at}" for at in range(20, 60)]
        assert not found.pending
        catch_up(index)


@pytest.mark.parametrize("words", ["word", "wor*", "word say*", "rare"])
@pytest_twisted.ensureDeferred
async def test_any_rooms_of_many(store, index, words, monkeypatch):
    """The answer is the same, however many rows of other rooms lie between, and however early the
    question is asked anew behind them."""
    chance, said = random.Random(1), []
    logs = [await room(store, f"r{at}") for at in range(9)]
    for time in range(200):
        log = chance.choice(logs)
        text = chance.choice(["a word to say", "the word said", "rare", "nothing"])
        await store.append([Draft(log, Run(Kind.MESSAGE, time, "alice", [text]))], {})
        said.append((log, text))
    catch_up(index)
    fits = {"word": "word", "wor*": "word", "word say*": "to say", "rare": "rare"}[words]
    for passed in (0, 2, 100):
        monkeypatch.setattr("chatservice.engines.sqlite.search.PASSED_ROWS", passed)
        some, limit = chance.sample(logs, passed % 7 + 1), chance.randint(1, 30)
        query = SearchQuery(
            words, {log.id: 999 for log in some}, limit, since=chance.choice([0, 9])
        )
        times = [at for at, (log, text) in enumerate(said) if log in some and fits in text]
        wanted = [at for at in times if at >= query.since][-limit:]
        assert [it.entry.time for it in (await store.search(query)).matches] == wanted


@pytest_twisted.ensureDeferred
async def test_the_newest_come_and_one_can_page_back(store, index):
    """The last ones that fit, oldest first; `before` goes on from there."""
    log = await room(store)
    await store.append([Draft(log, Run(Kind.MESSAGE, 0, "alice", ["a word"] * 9))], {})
    catch_up(index)
    await store.append([Draft(log, Run(Kind.MESSAGE, 0, "alice", ["a word"] * 3))], {})
    assert await positions(store, log, "word", limit=5) == [8, 9, 10, 11, 12]
    assert await positions(store, log, "word", before=8, limit=5) == [3, 4, 5, 6, 7]
    assert await positions(store, log, "word", before=3, limit=5) == [1, 2]


@pytest_twisted.ensureDeferred
async def test_files_and_topics_are_found_by_their_names(store, index):
    """Every kind of entry is found by its visible text."""
    log = await room(store)
    runs = [
        Run(Kind.TOPIC, 0, "alice", ["quarterly figures"]),
        Run(Kind.FILE, 0, "alice", file=FileMark("figures 2026.csv", 1, "ab" * 32)),
        Run(Kind.REMOVED, 0, "alice", ["figures 2026.csv"]),
    ]
    await store.append([Draft(log, run) for run in runs], {})
    for _ in range(2):
        assert await positions(store, log, "figures") == [1, 2, 3]
        assert await positions(store, log, "csv") == [2, 3]
        catch_up(index)


@pytest_twisted.ensureDeferred
async def test_what_was_let_go_is_found_no_more(store, index, clock):
    """Neither before the index has noticed nor after."""
    log = await room(store)
    await store.append([Draft(log, Run(Kind.MESSAGE, 0, "alice", ["old word"]))], {})
    await passes(store, clock, 2000)
    await store.append([Draft(log, Run(Kind.MESSAGE, 0, "alice", ["new word"]))], {})
    await passes(store, clock, 0)
    catch_up(index)
    assert await store.end_some(1000, None)
    assert not await store.end_some(1000, None)
    index.nudge(ended=True)
    for _ in range(2):
        assert await positions(store, log, "word") == [2]
        catch_up(index)
    assert index._db.execute("SELECT count(*) FROM entry").fetchone() == (1,)


@pytest_twisted.ensureDeferred
async def test_what_is_said_after_a_guest_has_gone_is_found(store, index):
    """Though what went with the guest was the newest that there was."""
    log, guest = await room(store), Log(-1, "@", 0, TAILS)
    await store.append([Draft(guest, Run(Kind.PRIVATE, 0, "alice", ["psst"]))], {})
    catch_up(index)
    await store.drop_inbox(-1)
    await store.append([Draft(log, Run(Kind.MESSAGE, 0, "alice", ["a word"]))], {})
    for _ in range(2):
        assert await positions(store, log, "word") == [1]
        catch_up(index)


@pytest_twisted.ensureDeferred
async def test_an_index_outlives_a_guest(tmp_path):
    """That the last thing it took in has gone with a guest is no reason to begin again."""
    path = tmp_path / "chat.sqlite"
    store = LogStore(reactor, path, limits=UNHURRIED)
    log, guest = await room(store), Log(-1, "@", 0, TAILS)
    await store.append([Draft(log, Run(Kind.MESSAGE, 0, "alice", ["a word"]))], {})
    await store.append([Draft(guest, Run(Kind.PRIVATE, 0, "alice", ["psst"]))], {})
    indexer = Indexer(path, index_path(path), Limits())
    catch_up(indexer)
    indexer.stop()
    store.close()
    store = LogStore(reactor, path, limits=UNHURRIED)
    indexer = Indexer(path, index_path(path), Limits())
    assert indexer._db.execute("SELECT count(*) FROM entry").fetchone() == (1,)
    indexer.stop()
    store.close()


@pytest.mark.parametrize("trouble", ["gone", "damaged", "of another log"])
@pytest_twisted.ensureDeferred
async def test_an_index_that_does_not_fit_is_made_again(tmp_path, trouble):
    """It is gone, damaged, or of a log that was put back to an older copy: it is made anew."""
    path = tmp_path / "chat.sqlite"
    store = LogStore(reactor, path, limits=UNHURRIED)
    log = await room(store)
    await store.append([Draft(log, Run(Kind.MESSAGE, 5, "alice", ["first words"]))], {})
    indexer = Indexer(path, index_path(path), Limits())
    catch_up(indexer)
    indexer.stop()
    store.close()
    if trouble == "gone":
        index_path(path).unlink()
    elif trouble == "damaged":
        index_path(path).write_bytes(b"not a database, but a text" * 1000)
    else:
        for file in tmp_path.glob("chat.sqlite*"):
            file.unlink()
        store = LogStore(reactor, path, limits=UNHURRIED)
        log = await room(store)
        await store.append([Draft(log, Run(Kind.MESSAGE, 6, "alice", ["other words"]))], {})
        store.close()
    store = LogStore(reactor, path, limits=UNHURRIED)
    indexer = Indexer(path, index_path(path), Limits())
    catch_up(indexer)
    assert await positions(store, log, "words") == [1]
    assert await positions(store, log, "first") == ([] if trouble == "of another log" else [1])
    indexer.stop()
    store.close()


@given(st.text(max_size=30))
@example('"')
@example('""')
@example('a"b*')
@example("* - ^")
@example("\x00")
@example("a AND (")
def test_whatever_is_typed_is_a_question_or_refused(tmp_path_factory, words):
    """Nothing that is typed is taken for the index's own syntax."""
    try:
        asked = question(SearchQuery(words, {}, 0))
    except Refusal as refusal:
        assert refusal.code is Code.BAD_ARGUMENT
    else:
        asking(tmp_path_factory).execute("SELECT * FROM entry WHERE entry MATCH ?", (asked,))


def asking(factory, made=[]):  # noqa: B006 - one for all examples
    """Return a connection to an empty index."""
    if not made:
        folder = factory.mktemp("index")
        LogStore(reactor, folder / "chat.sqlite").close()
        made.append(open_reader(index_path(folder / "chat.sqlite")))
    return made[0]


def matches(path, question):
    """Return how many rows of the index at `path` answer a question; none where it is damaged, or
    is being made again."""
    sql = "SELECT count(*) FROM entry WHERE entry MATCH ?"
    with suppress(sqlite3.DatabaseError), closing(open_reader(path)) as db:
        return db.execute(sql, (question,)).fetchone()[0]
    return 0


def damage(path):
    """Write nonsense over the words of an index, and leave what it says of itself as it is."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        sql = (
            "SELECT rootpage FROM sqlite_master"
            " WHERE name IN ('reached', 'forgotten', 'ended', 'entry_config')"
        )
        spared = {0, *(page - 1 for (page,) in db.execute(sql))}
        (size,) = db.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        for page in set(range(path.stat().st_size // size)) - spared:
            file.seek(page * size)
            file.write(b"?" * size)


@pytest_twisted.ensureDeferred
async def test_an_index_that_turns_out_to_be_damaged_is_made_again(tmp_path):
    """The search is answered all the same, and the server goes on."""
    path = tmp_path / "chat.sqlite"
    store = LogStore(reactor, path, limits=UNHURRIED)
    log = await room(store)
    await store.append([Draft(log, Run(Kind.MESSAGE, 5, "alice", ["first words"]))], {})
    store.start()
    while not matches(index_path(path), "words"):
        await store.search(SearchQuery("words", {log.id: 9}, 9))
    store.close()
    damage(index_path(path))
    assert not matches(index_path(path), "words")

    store = LogStore(reactor, path, limits=UNHURRIED)
    store.start()
    while not matches(index_path(path), "words"):
        assert await positions(store, log, "words") == [1]
    assert await positions(store, log, "words") == [1]
    store.close()


@pytest_twisted.ensureDeferred
async def test_a_search_that_is_too_late_is_given_up(tmp_path, store, index):
    """A search has its time limit in the index and in the entries that are not indexed yet."""
    log = await room(store)
    path = tmp_path / "chat.sqlite"
    searcher = Searcher(path, index_path(path), pytest.fail, Limits())
    texts, query = [f"a{at}" for at in range(2000)], SearchQuery("a*", {log.id: 1 << 40}, 9)
    await store.append([Draft(log, Run(Kind.MESSAGE, 0, "alice", texts))], {})
    for _ in range(2):
        with pytest.raises(Refusal) as caught:
            searcher.search(query, until=0.0)
        assert caught.value.code is Code.TOO_SLOW
        assert len(searcher.search(query, until=inf).matches) == 9
        catch_up(index)
    searcher.close()


@pytest_twisted.ensureDeferred
async def test_behind_a_flood_it_is_said_that_there_may_be_more(store, index):
    """The newest is looked through all the same; less of it, if that is asked for."""
    log = await room(store)
    texts = [f"word {at}" for at in range(Limits().scan_entries)]
    for _ in range(2):
        await store.append([Draft(log, Run(Kind.MESSAGE, 0, "alice", texts))], {})
    found = await store.search(SearchQuery("word 19999", {log.id: 1 << 40}, 9))
    assert [it.position for it in found.matches] == [2 * Limits().scan_entries]
    assert found.pending
    await store.append([Draft(log, Run(Kind.MESSAGE, 0, "alice", ["last"]))], {})
    for words, ends in (("last", [40_001]), ("word 19999", [])):
        found = await store.search(SearchQuery(words, {log.id: 1 << 40}, 9, scan=1))
        assert ([it.position for it in found.matches], found.pending) == (ends, True)
    catch_up(index)
    assert await positions(store, log, "word 19999") == [20_000, 40_000]


@pytest_twisted.ensureDeferred
async def test_what_ends_at_a_time_is_little(store, clock):
    """However much is too old: so that nobody waits."""
    log = await room(store)
    half = Run(Kind.MESSAGE, 1, "alice", ["x" * (Limits().end_bytes // 2)])
    for _ in range(5):
        await store.append([Draft(log, half)], {})
    await passes(store, clock, 3)
    steps = []
    while went := await store.end_some(2, None):
        steps.append(went[log.id])
    assert steps == [2, 4, 5]


@pytest_twisted.ensureDeferred
async def test_a_guests_inbox_ends_with_the_guest(store, clock):
    """And not before, since nothing but its entries says where it stands."""
    log, guest = await room(store), Log(-1, "@", 0, TAILS)
    psst = Draft(guest, Run(Kind.PRIVATE, 1, "alice", ["psst"]))
    await store.append([psst, Draft(log, Run(Kind.MESSAGE, 1, "alice", ["old"]))], {})
    await passes(store, clock, 3)
    assert await store.end_some(2, None) == {log.id: 1}
    assert await store.end_some(2, None) == {}
    assert len(await store.read(-1, 0, 9)) == 1
    assert (await store.append([psst], {})).positions == [2]


def annotate(log, about, text, kind=Kind.EDIT):
    """Return a draft about the entry at a position."""
    return Draft(log, Run(kind, 0, "alice", (text,), about=about), writer="alice")


@pytest.mark.parametrize("up_to", range(7))
@pytest_twisted.ensureDeferred
async def test_edited_entries_are_found_by_their_newest_texts(store, index, up_to):
    """However far the index has come, and in one that is made anew. Edits are no results."""
    log = await room(store)
    steps = [
        Draft(log, Run(Kind.MESSAGE, 0, "alice", ["old one", "old two", "old three"])),
        annotate(log, 2, "middle two"),
        annotate(log, 2, "new two"),
        Draft(log, Run(Kind.MESSAGE, 0, "alice", ["old four"])),
        annotate(log, 1, "new one"),
        annotate(log, 6, "new four"),
    ]
    for at, draft in enumerate(steps):
        if at == up_to:
            catch_up(index)
        await store.append([draft], {})
    for _ in range(3):
        assert await positions(store, log, "old") == [3]
        assert await positions(store, log, "middle") == []
        assert await positions(store, log, "new") == [1, 2, 6]
        assert await positions(store, log, "new", before=6) == [1, 2]
        found = (await store.search(SearchQuery("two", {log.id: 99}, 9))).matches
        assert [(at, it.text) for _, at, it in found] == [(2, "new two")]
        catch_up(index)
    index.make_again()
    index._begin_again()
    for _ in range(2):
        assert await positions(store, log, "old") == [3]
        assert await positions(store, log, "new") == [1, 2, 6]
        catch_up(index)
    assert index._db.execute("SELECT count(*) FROM entry").fetchone() == (4,)


@pytest_twisted.ensureDeferred
async def test_an_edited_entry_that_is_erased_is_found_no_more(store, index):
    """Nor is anything of it in the index, whether that knew the edit or not."""
    log = await room(store)
    await store.append([Draft(log, Run(Kind.MESSAGE, 0, "alice", ["old", "other"]))], {})
    catch_up(index)
    await store.append([annotate(log, 1, "secret")], {})
    catch_up(index)
    assert await positions(store, log, "secret") == [1]
    await store.append([annotate(log, 1, "secrets")], {})
    await store.erase(log.id, 1)
    for _ in range(2):
        assert await positions(store, log, "secret*") == await positions(store, log, "old") == []
        catch_up(index)
    assert index._db.execute("SELECT count(*) FROM entry").fetchone() == (1,)


@pytest.mark.parametrize("up_to", range(4))
@pytest_twisted.ensureDeferred
async def test_the_entries_of_a_deleted_account(store, index, tmp_path, up_to):
    """They are found under the mark, however far the index has come, and keep their newest texts.
    The index has the former name no more."""
    log = await room(store)
    runs = [
        Run(Kind.MESSAGE, 1, "alice", ["cat one", "cat two"]),
        Run(Kind.SENT, 2, "bob", ["cat three"], to="alice"),
    ]
    steps = [
        lambda: store.append([Draft(log, run) for run in runs], {}),
        lambda: store.append([annotate(log, 2, "cat too")], {}),
        lambda: store.reassign("alice", "deleted-1", False, 0),
    ]
    for at, step in enumerate(steps):
        if at == up_to:
            catch_up(index)
        await step()

    async def found(**narrowed):
        result = await store.search(SearchQuery("cat", {log.id: 99}, 9, **narrowed))
        return [(it.position, it.entry.text) for it in result.matches]

    assert await found() == [(1, "cat one"), (2, "cat too"), (3, "cat three")]
    assert await found(who="alice") == await found(other="alice") == []
    catch_up(index)
    for _ in range(2):
        assert await found() == [(1, "cat one"), (2, "cat too"), (3, "cat three")]
        assert await found(who="deleted-1") == [(1, "cat one"), (2, "cat too")]
        assert (3, "cat three") in await found(other="deleted-1")
        assert await found(who="alice") == await found(other="alice") == []
        index.make_again()
        index._begin_again()
        catch_up(index)


@pytest_twisted.ensureDeferred
async def test_the_index_forgets_the_name_of_a_deleted_account(store, index, tmp_path):
    """It is in none of its files, as nothing is of what was erased."""
    log = await room(store)
    await store.append([Draft(log, Run(Kind.MESSAGE, 1, "alice", ["cat"]))], {})
    catch_up(index)
    await store.reassign("alice", "deleted-1", False, 0)
    catch_up(index)
    kept = b"".join(it.read_bytes() for it in tmp_path.glob("search.sqlite*"))
    assert b"alice".hex().encode() not in kept


@pytest_twisted.ensureDeferred
async def test_nothing_of_an_edited_entry_stays_on_the_disk_once_it_is_erased(
    tmp_path, store, index
):
    """Former texts were there in many places: long ones, and words that the index has moved. An
    earlier erasure changes nothing."""
    log = await room(store)
    await store.append([Draft(log, Run(Kind.MESSAGE, 0, "alice", ["murmur"]))], {})
    await store.erase(log.id, 1)
    catch_up(index)
    for at in range(2, 22):
        await store.append([Draft(log, Run(Kind.MESSAGE, 0, "alice", [f"murmur{at}"]))], {})
    catch_up(index)
    for length in (200, 100, 5):
        for at in range(2, 22):
            await store.append([annotate(log, at, f"murmur{length} " * length * at)], {})
        catch_up(index)
    for at in range(2, 22):
        await store.append([annotate(log, at, "last")], {})
    catch_up(index)
    for at in range(2, 22):
        assert await store.erase(log.id, at)
    catch_up(index)
    files = [it.read_bytes() for it in tmp_path.rglob("*") if it.is_file()]
    assert not [data for data in files if b"murmur" in data]


@pytest_twisted.ensureDeferred
async def test_what_is_edited_and_let_go(store, index, clock):
    """Its reactions go with it. Edits that stay change nothing else, show no former text, and are
    erased together."""
    log = await room(store)
    await store.append([Draft(log, Run(Kind.MESSAGE, 0, "alice", ["old word"]))], {})
    await store.append([annotate(log, 1, "+1", Kind.REACTION)], {})
    await passes(store, clock, 2000)
    await store.append([annotate(log, 1, "former word")], {})
    await store.append([annotate(log, 1, "new word")], {})
    await passes(store, clock, 0)
    assert await store.end_some(1000, None) == {log.id: 2}
    kinds = store._db.execute("SELECT kind FROM annotation ORDER BY kind").fetchall()
    assert kinds == [("edit",), ("former",)]
    for _ in range(2):
        assert await positions(store, log, "word") == []
        index.nudge(ended=True)
        catch_up(index)
    stay = [it for block in await store.read(log.id, 0, 9) for it in block.entries()]
    assert [(at, it.kind, it.text) for at, it in stay] == [
        *((3, Kind.EDIT, "new word"), (4, Kind.EDIT, "new word"))
    ]
    assert await store.erase(log.id, 4)
    stay = [it for block in await store.read(log.id, 0, 9) for it in block.entries()]
    assert [(at, it.kind, it.text) for at, it in stay] == [(3, Kind.GONE, ""), (4, Kind.GONE, "")]
    assert store._db.execute("SELECT count(*) FROM annotation").fetchone() == (0,)


@pytest_twisted.ensureDeferred
async def test_the_annotations_of_a_removed_room_go_with_it(store):
    """Nothing is left of them."""
    log = await room(store)
    await store.append([Draft(log, Run(Kind.MESSAGE, 0, "alice", ["one"]))], {})
    await store.append([annotate(log, 1, "two"), annotate(log, 1, "+1", Kind.REACTION)], {})
    await store.rooms.remove(log.id)
    while store._thread.do(store._empty_some, log.id).result:
        pass
    assert store._db.execute("SELECT count(*) FROM annotation").fetchone() == (0,)
