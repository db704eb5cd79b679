"""Acknowledged entries survive `kill -9` at any moment under load, and shown entries were stored.

A real server is killed again and again, and always goes on with the same data.
"""

import contextlib
import hashlib
import os
import random
import signal
import sqlite3
import threading
from collections.abc import Callable

import pytest

from tests.durability.asking import answer, follow
from tests.durability.crowd import ROOM, Bot, Clerk, One, Person, Program, Progress, Shown, text_of
from tests.servers import RawClient, Server

MOST = 2_000
"""The messages of a writer in one round, if it is not killed before."""


class Crowd:
    """All clients: writers and readers in both formats, and a clerk."""

    def __init__(self) -> None:
        self.progress = Progress()
        self.bots = [Bot(name, self.progress) for name in ("ant", "bee")]
        self.pourers = [Person("cat", self.progress, 50), Person("dog", self.progress, 500)]
        self.programs = [Program("eve", self.progress), *self.bots]
        self.people = [Person("fox", self.progress), *self.pourers]
        self.clerk = Clerk("gnu", self.progress)
        self.all: list[One] = [*self.programs, *self.people, self.clerk]

    def begin(self, server: Server) -> None:
        """Let them all connect and go on."""
        for writer in (*self.bots, *self.pourers):
            writer.most = writer.said + MOST
        for one in self.all:
            one.begin(server)

    def wait(self) -> None:
        """Wait until all of them have noticed that the server is gone."""
        for one in self.all:
            one.wait()
        assert [error for one in self.all for error in one.errors] == []

    def seen(self) -> int:
        """The highest position that anybody knows of."""
        positions = [bot.acknowledged.values() for bot in self.bots]
        return max(
            0, *(program.last for program in self.programs), *map(max, filter(None, positions))
        )


# -- moments ---------------------------------------------------------------------------------------


def in_full_swing(server: Server, crowd: Crowd, chance: random.Random) -> None:
    """Kill it after so many acknowledgements and lines shown, when many more are on their way."""
    crowd.progress.wait(chance.randint(1, 6 * MOST))
    kill(server)


def soon(server: Server, crowd: Crowd, chance: random.Random) -> None:
    """Kill it while most of them are just coming in."""
    crowd.progress.wait(chance.randint(1, 50))
    kill(server)


def while_stopping(server: Server, crowd: Crowd, chance: random.Random) -> None:
    """Kill it when it was asked to end, and is telling everybody."""
    crowd.progress.wait(chance.randint(1, 3 * MOST))
    server.process.send_signal(signal.SIGTERM)
    if chance.random() < 0.5:
        server.log.expect("SIGTERM")
    kill(server)


def while_starting(server: Server, crowd: Crowd, chance: random.Random) -> None:
    """Kill it in full swing, and then again before or when it listens."""
    in_full_swing(server, crowd, chance)
    killing = threading.Timer(chance.uniform(0.1, 0.8), lambda: server.process.kill())
    killing.start()
    try:
        server.start()
    except AssertionError:  # it did not get as far as listening
        assert "Traceback" not in "".join(server.log.lines)
        server.kill()
    else:
        kill(server)
    killing.join()


def kill(server: Server) -> None:
    """End it at once. Up to then it had no error to report."""
    server.kill()
    with pytest.raises(AssertionError, match="did not come"):
        server.log.expect("Traceback|#error|#critical")


MOMENTS = [in_full_swing, while_stopping, while_starting, soon]


# -- what must hold --------------------------------------------------------------------------------


Log = dict[int, Shown]


def read_log(server: Server) -> Log:
    """Return all that was said in the room, by position, as the server shows it from the
    beginning."""
    with contextlib.closing(RawClient(server.port)) as bare:
        bare.ask(do="hello", name="auditor")
        return {
            event["seq"]: Shown(event["from"], event["text"])
            for event in follow(bare)
            if event["event"] == "message"
        }


def check_talk(log: Log, before: Log, crowd: Crowd) -> None:
    """Compare what is in the log with what was there, and with what each of the crowd knows."""
    assert {at: log.get(at) for at in before} == before
    assert all(at > max(before, default=0) for at in log.keys() - before.keys())
    assert max(log, default=0) >= crowd.seen()
    assert len(set(log.values())) == len(log)
    for writer in (*crowd.bots, *crowd.pourers):
        texts = [text for who, text in log.values() if who == writer.name]
        assert texts == [text_of(writer.name, number) for number in range(len(texts))]
    for bot in crowd.bots:
        for number, position in bot.acknowledged.items():
            assert log[position] == (bot.name, text_of(bot.name, number))
    for pourer in crowd.pourers:
        stored = sum(who == pourer.name for who, _ in log.values())
        assert stored >= pourer.acknowledged
        pourer.said = pourer.acknowledged = stored  # without keys: go on behind what is there
    for program in crowd.programs:
        assert program.shown == {at: it for at, it in log.items() if at <= program.last}
    places = {it: at for at, it in log.items()}
    for person in crowd.people:
        for shown in filter(None, person.shown):
            between = range(places[shown[0]], places[shown[-1]] + 1)
            others = (it for at in between if (it := log.get(at)) and it.who != person.name)
            assert shown == list(others)
        person.shown.clear()


def check_rest(server: Server, clerk: Clerk) -> None:
    """Check that everything granted to the clerk is there: rooms, topics, letters, files, and the
    newest account and content."""
    with contextlib.closing(RawClient(server.port)) as bare:
        bare.ask(do="hello", name="keeper", password=Clerk.PASSWORD, after=0)
        letters = {}
        while clerk.letters.keys() - letters.keys():
            event = bare.event("private")
            letters[event["seq"]] = event["text"]
        assert letters | clerk.letters == letters
        assert list(letters) == sorted(letters)
        assert len(set(letters.values())) == len(letters)
        bare.ask(do="rooms", id="rooms")
        rooms = {it["room"]: it["topic"] for it in answer(bare, "rooms")["rooms"]}
        for room, topic in clerk.topics.items():
            assert room in rooms
            assert topic is None or rooms[room] == topic
        bare.ask(do="files", room=ROOM, id="files")
        files = {it["name"]: it["sha256"] for it in answer(bare, "files")["files"]}
        for name, content in clerk.files.items():
            assert files[name] == hashlib.sha256(content).hexdigest()
    if clerk.files:
        assert (server.files / ROOM / name).read_bytes() == content
    if clerk.accounts:
        with contextlib.closing(RawClient(server.port)) as bare:
            bare.ask(do="hello", name=clerk.accounts[-1], password=Clerk.PASSWORD)
            assert bare.event("ok")["registered"]


# -- the test --------------------------------------------------------------------------------------


@pytest.mark.parametrize("rounds", [4, pytest.param(32, marks=pytest.mark.long)])
def test_killed_at_any_moment(start_server: Callable[..., Server], rounds: int) -> None:
    """After each restart the log holds every acknowledged entry, in order, once; and all that
    anybody was shown; and positions have gone on increasing. In the end nothing is missing."""
    seed = int(os.environ.get("SEED", random.randrange(1 << 32)))
    print(f"SEED={seed} repeats the choices of this run, though not the speed of its machine")
    chance = random.Random(seed)
    server, crowd, log = start_server("--room", ROOM), Crowd(), Log()
    with contextlib.closing(RawClient(server.port)) as bare:
        bare.ask(do="hello", name="keeper")
        bare.ask(do="register", password=Clerk.PASSWORD, id="register")
        answer(bare, "register")
    for number in range(rounds):
        moment = MOMENTS[number % len(MOMENTS)]
        crowd.begin(server)
        moment(server, crowd, chance)
        crowd.wait()
        server.start()
        before, log = log, read_log(server)
        print(
            f"round {number}, {moment.__name__}: {len(log)} entries, {len(log) - len(before)} new"
        )
        check_talk(log, before, crowd)
        check_rest(server, crowd.clerk)
    for bot in crowd.bots:  # let them say again what was not acknowledged, and no more
        bot.most = bot.said
        bot.begin(server)
        bot.wait()
    before, log = log, read_log(server)
    check_talk(log, before, crowd)
    assert len([it for it in log.values() if it.who in ("ant", "bee")]) == sum(
        len(bot.acknowledged) for bot in crowd.bots
    )
    assert server.stop() == -signal.SIGTERM
    with contextlib.closing(sqlite3.connect(server.data / "chat.sqlite")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
