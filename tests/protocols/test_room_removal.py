"""A room goes for good, and all of it with it: over real connections, through a restart."""

import hashlib
import sqlite3

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from chatservice.errors import Code, Refusal
from tests.net.test_transfer import Inside, asked, until


@pytest.fixture
def start(tmp_path):
    """Return a function that starts a server in this process; after a `stop`, on the same data."""
    started = []

    async def start_():
        inside = Inside(tmp_path)
        await inside.start()
        started.append(inside)
        return inside

    yield start_
    pytest_twisted.blockon(Deferred.fromCoroutine(started[-1].stop()))


def rows(path, table, log):
    """Return how many rows of a table are of a log."""
    with sqlite3.connect(path / "chat.sqlite") as db:
        return db.execute(f"SELECT count(*) FROM {table} WHERE log = ?", (log,)).fetchone()[0]


async def with_talk(inside):
    """Make the room den, with talk, a topic, a rule, a token and a file; return its owner, a JSON
    client in it."""
    owner = await inside.program("founder")
    await asked(owner, do="register", password="pass-word")
    await asked(owner, do="create", room="den")
    for at in range(300):
        await asked(owner, do="say", room="den", text=f"unrepeatable {at}", key=f"k{at}")
    await asked(owner, do="topic", room="den", text="all about it")
    await asked(owner, do="mute", room="den", user="eve")
    await asked(owner, do="token", room="den", label="bot")
    put = await asked(owner, do="put", room="den", name="a.txt", size=2)
    carrier, _ = await inside.connect(f"PUT {put['ticket']}")
    carrier.send_raw(b"hi")
    await deferToThread(carrier.expect, "= 2")
    return owner


@pytest_twisted.ensureDeferred
async def test_all_of_it_goes(start, tmp_path):
    """Database, files and search have nothing of it, and its name is free. Its number is never
    given again, also after a restart."""
    inside = await start()
    owner = await with_talk(inside)
    room = inside.chat.rooms.find("den")
    log, folder = room.number, tmp_path / "files" / "den"
    assert folder.exists()
    await inside.chat.rooms.remove(room, "operator")
    assert not folder.exists()
    tables = ("room", "rule", "deed", "token", "block", "said", "erased")
    await until(lambda: not sum(rows(tmp_path, table, log) for table in tables))
    assert (await asked(owner, do="history", room="den"))["code"] == Code.NO_SUCH_ROOM
    assert (await asked(owner, do="tokens"))["tokens"] == []
    await inside.stop()

    inside = await start()
    bot = await inside.program("other")
    made = await asked(bot, do="create", room="den")
    assert (made["event"], made["topic"], made["seq"]) == ("ok", "", 0)
    assert made["number"] > log
    assert (await asked(bot, do="files", room="den"))["files"] == []
    assert (await asked(bot, do="search", room="den", text="unrepeatable"))["entries"] == []


@pytest_twisted.ensureDeferred
async def test_who_is_in_it(start):
    """People are in the lobby then and are told why; programs are told; what they say to it is
    refused; a token for it alone ends."""
    inside = await start()
    owner = await with_talk(inside)
    token = (await asked(owner, do="token", room="den", label="alone"))["token"]
    person, _ = await inside.connect()
    await deferToThread(person.expect, "* Welcome")
    person.send("eve")
    await deferToThread(person.expect, "What you type")
    person.send("/join den")
    await deferToThread(person.expect, "You are in den")
    bound, _ = await inside.connect()
    await asked(bound, do="hello", name="founder", password=token)
    await asked(bound, do="join", room="den")
    await inside.chat.rooms.remove(inside.chat.rooms.find("den"), "operator")
    await deferToThread(person.expect, "* operator removed the room")
    person.send("/who")
    await deferToThread(person.expect, "in lobby: eve")
    while (event := await deferToThread(owner.event)).get("event") != "moderated":
        pass
    assert (event["room"], event["what"]) == ("den", "remove")
    said = await asked(owner, do="say", room="den", text="hello")
    assert said["code"] == Code.NO_SUCH_ROOM
    await deferToThread(bound.expect, "your token was for it alone")


@pytest_twisted.ensureDeferred
async def test_an_upload_under_way(start, tmp_path):
    """It ends, its sender is told why, and nothing of it is kept; neither is what is sent for a
    ticket from before."""
    inside = await start()
    owner = await with_talk(inside)
    sha256 = hashlib.sha256(b"x" * 1000).hexdigest()
    tickets = [
        (await asked(owner, do="put", room="den", name=name, size=1000, sha256=sha256))["ticket"]
        for name in ("one", "two")
    ]
    carrier, _ = await inside.connect(f"PUT {tickets[0]}")
    carrier.send_raw(b"x" * 500)
    await until(lambda: inside.chat.files.transfers._under_way)
    await inside.chat.rooms.remove(inside.chat.rooms.find("den"), "operator")
    await deferToThread(carrier.expect, "! den was removed meanwhile")
    late, _ = await inside.connect(f"PUT {tickets[1]}")
    late.send_raw(b"x" * 1000)
    await deferToThread(late.expect, "den was removed")
    await until(inside.holds_nothing)
    await until(lambda: not [*(tmp_path / "files" / ".partial").iterdir()])
    assert not (tmp_path / "files" / "den").exists()


@pytest_twisted.ensureDeferred
async def test_the_lobby_stays(start):
    """And what is removed already is not removed twice."""
    inside = await start()
    rooms = inside.chat.rooms
    with pytest.raises(Refusal) as refused:
        await rooms.remove(rooms.lobby, "operator")
    assert refused.value.code is Code.NOT_ALLOWED
    lab = rooms.find("lab")
    await rooms.remove(lab, "operator")
    with pytest.raises(Refusal) as refused:
        await rooms.remove(lab, "operator")
    assert refused.value.code is Code.NO_SUCH_ROOM


@pytest_twisted.ensureDeferred
async def test_a_log_that_was_not_emptied_in_time(start, tmp_path, monkeypatch):
    """The next start goes on with it."""
    inside = await start()
    await with_talk(inside)
    room = inside.chat.rooms.find("den")
    monkeypatch.setattr(inside.engine.rooms, "_unused", lambda log: None)
    await inside.chat.rooms.remove(room, "operator")
    await inside.stop()
    assert rows(tmp_path, "block", room.number)
    assert rows(tmp_path, "said", room.number)

    await start()
    await until(lambda: not rows(tmp_path, "block", room.number))
    await until(lambda: not rows(tmp_path, "said", room.number))
