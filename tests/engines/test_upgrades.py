"""From an older version of the database to this one: nothing is lost, and nothing half done."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from chatservice.engines import blocks
from chatservice.engines.sqlite import integrity, upgrades
from chatservice.engines.sqlite.schema import VERSION, open_database
from chatservice.entries import Entry, FileMark
from chatservice.errors import Refusal

VERSION_1 = Path(__file__).with_name("version_1.sql").read_text()


@pytest.fixture
def path(tmp_path):
    """Return a database of version 1."""
    path = tmp_path / "chat.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(VERSION_1)
        db.execute("PRAGMA journal_mode = WAL")
    return path


def dump(path):
    """Return all that a database holds, as SQL."""
    with closing(sqlite3.connect(path)) as db:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        return [version, *db.iterdump()]


def columns(db):
    """Return what each table and index is made of, however it was made."""
    names = db.execute("SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")
    return {name: db.execute(f"PRAGMA {kind}_xinfo({name})").fetchall() for kind, name in names}


def rows(db):
    """Return what is beside the entries."""
    wanted = ["log, key, name, topic, password FROM room", "* FROM said", "* FROM file"]
    wanted += ["key, name, password, inbox, shown FROM account", "id, created FROM log"]
    wanted.append("seq FROM sqlite_sequence WHERE name = 'log'")
    return {what: db.execute(f"SELECT {what}").fetchall() for what in wanted}


def entries_of_version_1(path):
    """Return all entries of rooms and registered users, with their log and position."""
    with closing(sqlite3.connect(path)) as db:
        kept = db.execute("SELECT log, first, entries FROM block WHERE log > 0").fetchall()
    found = {}
    for log, first, data in kept:
        for at, (kind, time, who, text, file) in enumerate(json.loads(data), first):
            found[log, at] = Entry(kind, time, who, text, file and FileMark(*file))
    return found


@pytest.mark.parametrize("version", range(3, VERSION))
def test_what_a_version_lacks_is_added(tmp_path, version):
    """Tables, columns and indices are then those of a new database."""
    path = tmp_path / "chat.sqlite"
    open_database(path).close()
    with closing(sqlite3.connect(path)) as db:
        wanted = columns(db)
        for lacks in ("INDEX deed_place", "TABLE code"):
            db.execute(f"DROP {lacks}")
        for lacks in ("operator", "seen", "shows_seen"):
            db.execute(f"ALTER TABLE account DROP COLUMN {lacks}")
        db.execute("CREATE INDEX file_who ON file (who, size)")
        db.execute(f"PRAGMA user_version = {version}")
    with closing(open_database(path)) as db:
        assert columns(db) == wanted
        assert db.execute("PRAGMA user_version").fetchone() == (VERSION,)


def test_version_1(path):
    """Entries keep their positions, and all else stays, except that entries of past guests belong
    to nobody. The tables are those of a new database."""
    before = entries_of_version_1(path)
    with closing(sqlite3.connect(path)) as old:
        others = rows(old)
    with closing(open_database(path)) as db, closing(open_database(path.parent / "new")) as new:
        after = {}
        for log, first, last, time, data in db.execute(
            "SELECT log, first, last, time, entries FROM block"
        ):
            runs = blocks.unpack(first, data)
            assert blocks.pack(runs) == data  # as today's program writes it
            found = {at: entry for start, run in runs for at, entry in run.entries(start)}
            assert list(found) == list(range(first, last + 1))
            assert found[last].time == time
            after |= {(log, at): entry for at, entry in found.items()}
        assert after == before
        assert columns(db) == columns(new)
        owners = {"Alice": "alice"}  # no other name is registered, of those that shared something
        others["* FROM file"] = [
            (*row[:2], 1, *row[2:], owners.get(row[-2], "")) for row in others["* FROM file"]
        ]
        others["* FROM said"] = [row for row in others["* FROM said"] if row[1] == "alice"]
        assert rows(db) == others
        assert db.execute("SELECT DISTINCT ended FROM log").fetchall() == [(0,)]
        assert db.execute("PRAGMA application_id").fetchone() == (integrity.APPLICATION_ID,)
    assert integrity.fault(integrity.open_reader(path)) is None


def test_what_was_alike_is_one_run(path):
    """Entries that one user said at once become one run; all others are runs of their own."""
    with closing(open_database(path)) as db:
        ((first, data),) = db.execute("SELECT first, entries FROM block WHERE log = 3")
    (_, said), (_, done), (_, last) = blocks.unpack(first, data)
    assert (said.who, len(said.texts), said.texts[11]) == (
        "carol",
        12,
        "Zeile 11: 日本語, עברית, é",
    )
    assert (done.kind, done.texts) == ("action", ["cooks"])
    assert (last.kind, last.texts) == ("message", ["/ a slash"])


def test_the_copy_is_the_database_as_it_was(path):
    """With what was only in the write-ahead log, and beside copies of before, which stay."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE room SET topic = 'in the log' WHERE log = 1")
        db.commit()
        (path.parent / "chat.sqlite.version-1").write_text("of another time")
        old = list(db.iterdump())
        copy = upgrades.keep_copy(path, 1)
    assert copy.name == "chat.sqlite.version-1.2"
    assert dump(copy) == [1, *old]
    assert upgrades.keep_copy(path, 1) == copy  # the same once more
    assert (path.parent / "chat.sqlite.version-1").read_text() == "of another time"
    assert not (path.parent / "chat.sqlite.copy").exists()


@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        ("UPDATE block SET entries = x'5b00' WHERE id = 9", r"damaged \(block 9 cannot be read\)"),
        ("UPDATE block SET entries = x'5b5d' WHERE id = 9", r"damaged \(block 9 has 0 entries\)"),
        (
            "UPDATE block SET entries = x'5b5b5d' WHERE id = 9",
            r"damaged \(block 9 cannot be read\)",
        ),
        ("DROP TABLE said", "it is another program's"),
    ],
)
def test_a_damaged_one_is_not_upgraded(path, sql, sentence):
    """It stays in version 1, for a program of that version, or for a rescue."""
    with closing(sqlite3.connect(path)) as db:
        db.execute(sql)
        db.commit()
    before = dump(path)
    with pytest.raises(Refusal, match=sentence):
        open_database(path)
    assert dump(path) == before
