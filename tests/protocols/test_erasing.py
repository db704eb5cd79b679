"""What is erased is gone when that is acknowledged: for everybody, and however they ask."""

import sqlite3
from contextlib import closing, suppress

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from chatservice.domain.chat import _as_it_is
from chatservice.domain.log import Block, Log, Tails
from chatservice.entries import Kind, Run
from tests.running import Bare

WORD = "xylophone"


def program(server, connect, name):
    """Return a program that is in the lobby; one called `owner` may erase."""
    bot = connect(server)
    bot.ask(do="hello", name=name)
    bot.event("ok")
    if name == "owner":
        answer(bot, do="register", password="open sesame")
    answer(bot, do="join", room="lobby")
    return bot


def answer(bot: Bare, **fields):
    """Ask for something, and return the answer."""
    bot.ask(**fields, id="asked")
    while (event := bot.event()).get("id") != "asked":
        pass
    return event


def found(bot, words, **more):
    """Return where a search finds something."""
    entries = answer(bot, do="search", room="lobby", text=words, **more)["entries"]
    return [it["seq"] for it in entries]


def say(bot, text):
    """Say something, and return its position."""
    return answer(bot, do="say", room="lobby", text=text)["seq"]


def is_indexed(server, word):
    """Return whether the index on the disk would find a word."""
    sql = "SELECT count(*) FROM entry WHERE entry MATCH ?"
    path = server.data / "search.sqlite"
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return bool(db.execute(sql, (word,)).fetchone()[0])
    return False


@pytest.mark.parametrize("indexed", [False, True], ids=["just said", "in the index"])
def test_a_search_confirms_nothing_that_is_erased(server, connect, indexed):
    """From the acknowledgement on, neither the words nor parts of them find anything, in whatever
    search, while what was said before with the same words is found as if there had been nothing
    else."""
    owner, other = program(server, connect, "owner"), program(server, connect, "other")
    for turn in range(5):
        kept = say(owner, f"a {WORD}{turn}")
        erased = [say(owner, f"my {WORD}{turn} is {secret}") for secret in ("red", "blue")]
        while indexed and not is_indexed(server, f"blue AND {WORD}{turn}"):
            answer(other, do="who", room="lobby")
        for position in erased:
            assert answer(owner, do="erase", room="lobby", position=position)["event"] == "ok"
            assert position not in found(other, f"{WORD}{turn}")
        assert found(other, f"{WORD}{turn}", limit=1) == [kept]
        assert found(other, "my*") == found(other, "blue") == []
        assert found(other, f"{WORD}*", limit=turn + 1)[-1] == kept


def test_searches_under_way_are_asked_again(server, connect):
    """However many search while something is erased: no answer that comes behind the
    acknowledgement has it."""
    owner = program(server, connect, "owner")
    others = [program(server, connect, f"other{number}") for number in range(8)]
    for turn in range(20):
        position = say(owner, f"{WORD}{turn}")
        for other in others:
            other.ask(do="search", room="lobby", text=f"{WORD}{turn}", id="before")
        answer(owner, do="erase", room="lobby", position=position)
        for other in others:
            assert found(other, f"{WORD}{turn}") == []


def holds(server, word):
    """Return the files of the data directory in which a word stands."""
    return {path.name for path in server.data.glob("*.sqlite*") if word in path.read_bytes()}


def test_nothing_of_it_stays_on_the_disk(server, connect):
    """Neither in the database, nor in the index, nor in what is beside them: also where the server
    is killed before the index is through with it."""
    owner = program(server, connect, "owner")
    for turn in range(3):
        word = f"{WORD}{turn}"
        position = say(owner, word)
        while not is_indexed(server, word):
            answer(owner, do="who", room="lobby")
        answer(owner, do="erase", room="lobby", position=position)
        assert not holds(server, word.encode()) & {"chat.sqlite", "chat.sqlite-wal"}
        if turn:
            owner.close()
            server.kill()
            server.start()
            owner = program(server, connect, f"owner{turn}")
            answer(owner, do="login", name="owner", password="open sesame")
        while holds(server, word.encode()):
            say(owner, "something else")


@pytest_twisted.ensureDeferred
async def test_what_was_read_before_and_comes_after():
    """A search whose thread has read the words already, but whose answer is on its way while they
    are erased, is asked once more."""
    log = Log(1, "lab", 0, Tails())
    answers = [Deferred(), Deferred()]
    asked = iter(answers)
    reading = Deferred.fromCoroutine(_as_it_is(log, lambda: next(asked)))
    log.replace(Block([(1, Run(Kind.GONE, 0, "alice"))]))
    answers[0].callback("the words")
    assert not reading.called
    answers[1].callback("nothing")
    assert await reading == "nothing"
