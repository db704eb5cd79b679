"""A server that finds a database of an older version: it keeps a copy of it, brings it up to date,
and goes on; killed on the way, or on a full disk, it leaves one version or the other, and whole."""

import json
import os
import random
import sqlite3
import subprocess
from contextlib import closing, suppress

import pytest

from chatservice.engines.sqlite import integrity
from chatservice.engines.sqlite.schema import VERSION
from chatservice.entries import Entry, FileMark
from chatservice.grammar import jsonclient
from tests.durability.asking import answer, follow, say
from tests.durability.starting import launch, refused
from tests.engines.test_upgrades import VERSION_1, dump
from tests.servers import PATIENCE, Output

LAB = 2
"""The number of the room lab in the database of version 1."""

BLOCKS = 10_000
"""So many more blocks make the upgrade take half a second, and so to be killed in the middle."""


@pytest.fixture
def folder(tmp_path):
    """Return the folder of a server, with a database of version 1."""
    (tmp_path / "chat-data").mkdir()
    with closing(sqlite3.connect(tmp_path / "chat-data" / "chat.sqlite")) as db:
        db.executescript(VERSION_1)
        db.execute("PRAGMA journal_mode = WAL")
    return tmp_path


def make_long(path):
    """Add much talk to lab."""
    with closing(sqlite3.connect(path)) as db:
        (last,) = db.execute("SELECT max(last) FROM block WHERE log = ?", (LAB,)).fetchone()
        for _ in range(BLOCKS):
            texts = [f"{at} é" * 5 for at in range(last + 1, last + 11)]
            entries = [["message", 1_800_000_000_000, "eve", text, None] for text in texts]
            row = (LAB, last + 1, last + 10, json.dumps(entries).encode())
            db.execute("INSERT INTO block (log, first, last, entries) VALUES (?, ?, ?, ?)", row)
            last += 10
        db.commit()


def version_of(path):
    """Return a database's version. It is whole, and nothing but a reader touches it."""
    assert integrity.fault(integrity.open_reader(path)) is None
    with closing(integrity.open_reader(path)) as db:
        return db.execute("PRAGMA user_version").fetchone()[0]


def files(path):
    """Return what there is of a database, but for what SQLite keeps beside each."""
    found = {it.name for it in path.parent.glob(f"{path.name}*")}
    return {it for it in found if not it.endswith(("-wal", "-shm"))}


def kept(path, log):
    """Return what version 1 kept of a log, by position."""
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT first, entries FROM block WHERE log = ?", (log,)).fetchall()
    found = {}
    for first, data in rows:
        for at, (kind, time, who, text, file) in enumerate(json.loads(data), first):
            found[at] = Entry(kind, time, who, text, file and FileMark(*file))
    return found


def shown(bare, room="lab"):
    """Join a room, and return all that the server shows of it."""
    found = {}
    for event in follow(bare, room=room):
        position, entry, _ = jsonclient.parse_entry(event)
        found[position] = entry
    return found


def unread(bare, last):
    """Return what the server shows of an inbox, up to its last position."""
    found = {}
    while last not in found:
        position, entry, _ = jsonclient.parse_entry(bare.event("private"))
        found[position] = entry
    return found


def test_a_server_takes_over_what_version_1_left(folder, start_server, connect):
    """Rooms with their topics, passwords and all entries where they stood; accounts, and what waits
    for them; their keys; what is known of files. The copy is the database as it was."""
    path = folder / "chat-data" / "chat.sqlite"
    old, (time_,) = dump(path), one(path, "SELECT mtime FROM file WHERE name = 'notes.txt'")
    rooms = {name: kept(path, log) for log, name in ((1, "lobby"), (LAB, "lab"), (3, "Küche"))}
    inboxes = {"bob": kept(path, 5), "Alice": kept(path, 4)}
    notes = folder / "chat-data" / "SharedFiles" / "lab" / "notes.txt"
    notes.parent.mkdir(parents=True)
    notes.write_bytes(b"hello\n")
    os.utime(notes, ns=(time_, time_))

    server = start_server(folder=folder)
    bot = connect(server)
    bot.ask(do="hello", name="bot")
    for name, entries in rooms.items():
        assert shown(bot, name) == entries
    bot.ask(do="join", room="secret", password="pssst", after=0, id="secret")
    assert bot.event("message")["text"] == "nobody else hears this"
    bot.ask(do="rooms", id="rooms")
    topics = {it["room"]: it["topic"] for it in answer(bot, "rooms")["rooms"]}
    assert topics == {"lobby": "", "lab": "measuring ½ of it", "Küche": "", "secret": ""}
    assert say(bot, "built")["seq"] == max(rooms["lab"]) + 1
    bot.ask(do="files", room="lab", id="files")
    assert [(it["name"], it["from"]) for it in answer(bot, "files")["files"]] == [
        ("notes.txt", "dave")
    ]
    for name, password in (("bob", "hunter2"), ("alice", "open sesame")):
        owner = connect(server)
        owner.ask(do="hello", name=name, password=password, after=0)
        entries = inboxes.pop("Alice" if name == "alice" else name)
        assert unread(owner, max(entries)) == entries
    owner.ask(do="join", room="lobby")
    owner.ask(do="say", room="lobby", text="again", key="last", id="again")
    assert answer(owner, "again")["seq"] == 1
    guest = connect(server)
    guest.ask(do="hello", name="bob")
    assert guest.event("error")["code"] == "password-needed"
    bot.ask(do="create", room="new", id="new")
    assert answer(bot, "new")["number"] == 7  # of no room or inbox that there was

    copy = path.with_name("chat.sqlite.version-1")
    assert any(line.endswith(f"as it was, it is kept in {copy}") for line in server.log.lines)
    assert dump(copy) == old


def one(path, sql):
    """Ask a database for one row."""
    with closing(sqlite3.connect(path)) as db:
        return db.execute(sql).fetchone()


@pytest.mark.parametrize("rounds", [5, pytest.param(40, marks=pytest.mark.long)])
def test_killed_while_it_is_upgraded(folder, start_server, connect, rounds):
    """At any moment the database is whole, in the old version or the new one. There is one copy; an
    unfinished one is never taken for it."""
    path = folder / "chat-data" / "chat.sqlite"
    make_long(path)
    whole, entries = path.read_bytes(), kept(path, LAB)
    chance = random.Random(seed := random.randrange(1 << 32))
    print(f"seed {seed}")
    found = []
    for at in range(rounds):
        process = launch(folder)
        log = Output(process.stdout)
        if at % 2:
            log.expect("upgrading")
        with suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0, 0.25) if at % 2 else chance.uniform(0.2, 0.8))
        process.kill()
        process.wait(PATIENCE)
        found.append(version_of(path))
        copies = files(path) - {"chat.sqlite", "chat.sqlite.copy"}
        assert copies <= {"chat.sqlite.version-1"}
        assert all(version_of(path.with_name(name)) == 1 for name in copies)
        if found[-1] == VERSION:
            for end in ("", "-wal", "-shm"):
                path.with_name(f"chat.sqlite{end}").unlink(missing_ok=True)
            path.write_bytes(whole)
    print(f"left at version {found}")
    server = start_server(folder=folder)
    reader = connect(server)
    reader.ask(do="hello", name="reader")
    assert shown(reader) == entries
    assert kept(path.with_name("chat.sqlite.version-1"), LAB) == entries
    assert files(path) == {"chat.sqlite", "chat.sqlite.version-1"}


def test_there_is_no_room_for_it(folder, start_server, connect):
    """Neither for the copy, nor, when there is a copy, for the rest: one sentence says so, and the
    database is as it was. When there is room it is upgraded, with the copy that there is."""
    path = folder / "chat-data" / "chat.sqlite"
    make_long(path)
    entries, old = kept(path, LAB), path.read_bytes()
    for largest, names in (
        (len(old) // 2, {"chat.sqlite"}),
        (len(old) + 4096, {"chat.sqlite", "chat.sqlite.version-1"}),
    ):
        sentence = refused(folder, largest)
        assert "of the older version 1: it could not be upgraded (" in sentence
        assert path.read_bytes() == old
        assert files(path) == names
    server = start_server(folder=folder)
    reader = connect(server)
    reader.ask(do="hello", name="reader")
    assert shown(reader) == entries
    assert files(path) == {"chat.sqlite", "chat.sqlite.version-1"}
