"""Opening the database: a new one is made whole, and a damaged or foreign one is left alone."""

import os
import random
import re
import shutil
import sqlite3
from contextlib import closing

import pytest

from chatservice.engines import blocks
from chatservice.engines.sqlite import integrity
from chatservice.engines.sqlite.rescue import main as rescue
from chatservice.engines.sqlite.schema import TABLES, VERSION, open_database, open_reader
from chatservice.entries import Kind, Run
from chatservice.errors import Refusal

LOGS, BLOCKS = 3, 150
PAGE = 4096


def fill(path, blocks_=BLOCKS, size=100):
    """Make a database with talk of `LOGS` rooms in so many blocks of up to `size` entries."""
    chance, last = random.Random(1), [0] * (LOGS + 1)
    with closing(open_database(path)) as db:
        db.execute("BEGIN")
        for number in range(1, LOGS + 1):
            db.execute("INSERT INTO log (created) VALUES (0)")
            row = (number, f"room{number}", f"room{number}")
            db.execute("INSERT INTO room (log, key, name) VALUES (?, ?, ?)", row)
        for at in range(blocks_):
            log = chance.randint(1, LOGS)
            texts = [f"text {at} of some length" for _ in range(chance.choice([1, 2, size]))]
            first, last[log] = last[log] + 1, last[log] + len(texts)
            data = blocks.pack([(first, Run(Kind.MESSAGE, at, "alice", texts))])
            db.execute(
                "INSERT INTO block (log, first, last, time, entries) VALUES (?, ?, ?, ?, ?)",
                (log, first, last[log], at, data),
            )
            db.execute("INSERT INTO said VALUES (?, 'alice', ?, ?, ?)", (log, f"k{at}", first, at))
        db.execute("COMMIT")


def refused(path):
    """Open a database that cannot be used. Return why; nothing was changed."""
    before = {it: (path.parent / it).read_bytes() for it in files(path)}
    with pytest.raises(Refusal) as caught:
        open_database(path)
    assert {it: (path.parent / it).read_bytes() for it in before} == before
    assert set(files(path)) - before.keys() <= {f"{path.name}-shm", f"{path.name}-wal"}
    return caught.value.sentence


def files(path):
    """Return what there is of a database, but for what SQLite makes anew as it likes."""
    return [it for it in os.listdir(path.parent) if not it.endswith("-shm")]


@pytest.fixture
def path(tmp_path):
    """Return where the database is to be."""
    return tmp_path / "chat.sqlite"


# -- a new one -------------------------------------------------------------------------------------


def test_a_new_database_is_ours_and_durable(path):
    """It says whose it is, and is written so that a commit survives a power cut."""
    (path.parent / "chat.sqlite.new").write_text("left by one that was killed while it was made")
    with closing(open_database(path)) as db:
        for name, value in (
            ("application_id", integrity.APPLICATION_ID),
            ("user_version", VERSION),
            ("journal_mode", "wal"),
            ("synchronous", 2),
        ):
            assert db.execute(f"PRAGMA {name}").fetchone() == (value,)
    assert files(path) == ["chat.sqlite"]
    assert integrity.fault(integrity.open_reader(path)) is None


def free_in_first_page(path):
    """Return the free bytes of the first page, if it has the SQL of all tables, or else 0."""
    page = path.read_bytes()[:PAGE]
    cells, content = (int.from_bytes(page[at : at + 2], "big") for at in (103, 105))
    is_leaf = page[100] == 13  # else the tables are told on other pages (sqlite.org/fileformat)
    return (content - 108 - 2 * cells) * is_leaf


@pytest.mark.parametrize("older", [False, True])
def test_all_tables_are_told_by_the_first_page(path, older):
    """A rescue finds them while that page can be read. An upgrade makes room for what it adds: the
    last version that was released had the statements with spaces, and lacked tables."""
    if older:
        lacks = r"CREATE \w+ (annotation|member|member_log) [^;]*;"
        spaced = re.sub(lacks, "", re.sub(r"\s+", " ", re.sub("--.*", "", TABLES)))
        with closing(sqlite3.connect(path)) as db:
            db.executescript(spaced)
            db.execute(f"PRAGMA application_id = {integrity.APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {VERSION - 1}")
    open_database(path).close()
    assert free_in_first_page(path), (
        "The SQL of the tables does not fit into one page any more, so a rescue may lose all with "
        "one of several pages. Shorten it (upgrades.shortened), or give the new table a database "
        "of its own."
    )


def test_a_database_is_made_whole_or_not_at_all(path, monkeypatch):
    """If its creation is interrupted there is no database, and the next start makes it."""
    monkeypatch.setattr(
        "chatservice.engines.sqlite.schema._SQL", "CREATE TABLE log (id); nonsense;"
    )
    with pytest.raises(Refusal):
        open_database(path)
    assert not path.exists()
    monkeypatch.undo()
    open_database(path).close()


def test_a_reader_sees_what_is_committed_and_changes_nothing(path):
    """It reads beside the writer, which does not wait for it."""
    fill(path)
    with closing(open_database(path)) as db, closing(open_reader(path)) as reader:
        db.execute("DELETE FROM said")
        assert reader.execute("SELECT count(*) FROM said").fetchone() == (0,)
        with pytest.raises(sqlite3.OperationalError):
            reader.execute("DELETE FROM block")


# -- damage ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["zeros", "garbage", "another page"])
def test_no_page_can_be_damaged_unseen(path, kind):
    """Whichever page holds something else than what was written there, it is seen at the start."""
    fill(path)
    whole = path.read_bytes()
    for at in range(0, len(whole), PAGE):
        other = (at + 7 * PAGE) % len(whole)
        page = {"zeros": bytes(PAGE), "garbage": random.randbytes(PAGE)}
        damage = page.get(kind, whole[other : other + PAGE])
        if damage == whole[at : at + PAGE]:  # both are empty
            continue
        path.write_bytes(whole[:at] + damage + whole[at + PAGE :])
        assert "cannot be used, it is damaged (" in refused(path), at // PAGE


def test_a_file_that_was_cut_off(path):
    """It is refused, with a cut at any place."""
    fill(path)
    whole = path.read_bytes()
    for size in range(1000, len(whole), 9_999):
        path.write_bytes(whole[:size])
        assert "cannot be used, it is damaged (" in refused(path)
        (path.parent / "chat.sqlite-wal").unlink(missing_ok=True)


def test_an_empty_file_is_no_new_database(path):
    """We never leave one behind, so somebody's copy failed: the server says so."""
    path.touch()
    assert refused(path).endswith("put a copy of it in its place, or remove it to begin anew.")
    with closing(sqlite3.connect(path)) as db:
        db.execute("VACUUM")  # one page, with nothing in it
    assert "it is empty" in refused(path)


@pytest.mark.parametrize("content", [b"#!/bin/sh\necho no database\n" * 400, b"\0" * 9000])
def test_a_file_that_is_no_database(path, content):
    """It is left as it is."""
    path.write_bytes(content)
    assert "(file is not a database)" in refused(path)


def test_another_programs_database(path):
    """It may even have tables of the same names, and the version that we are at."""
    with closing(sqlite3.connect(path)) as db:
        db.executescript("CREATE TABLE log (id); CREATE TABLE room (log); PRAGMA user_version = 1;")
    assert "it is another program's" in refused(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {VERSION}")
    assert "it is another program's" in refused(path)


def test_a_newer_database_is_left_alone(path):
    """An older program does not touch what it may misunderstand."""
    open_database(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    assert "was written by a newer version of this program" in refused(path)


def test_a_table_is_missing(path):
    """A missing table is reported, and not made again, empty."""
    fill(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE account")
    assert "(the table account is missing)" in refused(path)


# -- beside a write-ahead log ----------------------------------------------------------------------


def crash(path):
    """Leave the database as a server does that is killed: what it wrote last is in the log."""
    fill(path)
    alive = path.with_name("alive.sqlite")
    path.rename(alive)
    with closing(open_database(alive)) as db:
        db.execute("UPDATE log SET created = 7")
        db.execute(
            "INSERT INTO block VALUES (NULL, 1, 999999, 999999, 0, ?)", (b"[]\n" + b"x" * 50_000,)
        )
        for end in ("", "-wal"):
            shutil.copy(f"{alive}{end}", f"{path}{end}")
    alive.unlink()


def test_after_a_crash_the_newest_is_in_the_log_beside_it(path):
    """It is taken in; without it, what there was before can still be used."""
    crash(path)
    shutil.copy(path, path.with_name("alone.sqlite"))
    for name, created in (("chat.sqlite", 7), ("alone.sqlite", 0)):
        with closing(open_database(path.with_name(name))) as db:
            assert db.execute("SELECT DISTINCT created FROM log").fetchall() == [(created,)]


@pytest.mark.parametrize("missing", [True, False], ids=["missing", "empty"])
def test_the_database_is_gone_and_its_log_is_there(path, missing):
    """SQLite would throw the log away, and begin anew. The server keeps it, so that the database
    can be put back."""
    crash(path)
    whole = path.read_bytes()
    path.unlink() if missing else path.write_bytes(b"")
    assert "put" in refused(path)
    path.write_bytes(whole)
    with closing(open_database(path)) as db:
        assert db.execute("SELECT DISTINCT created FROM log").fetchall() == [(7,)]


def test_a_copy_that_is_put_beside_the_log_of_another(path):
    """That log's pages would be mixed into it. The sentence names the files to remove; then the
    copy can be used."""
    other = path.with_name("copy.sqlite")
    fill(other, 40)
    crash(path)
    other.rename(path)
    sentence = refused(path)
    assert "if you put it there, remove chat.sqlite-wal, which is another one's; else" in sentence
    path.with_name("chat.sqlite-wal").unlink()
    open_database(path).close()


# -- what is too large to be read before the start -------------------------------------------------


@pytest.fixture
def glance(monkeypatch):
    """Take every database for a large one."""
    monkeypatch.setattr(integrity, "AT_ONCE_BYTES", 0)


def test_the_newest_of_a_large_database_is_looked_at(path, glance):
    """A block that is not what was stored, and one that is not in the index: positions would come
    twice."""
    fill(path)
    whole = path.read_bytes()
    for damage in ("entries || x'00'", "x'00' || entries", "'garbage'"):
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute(f"UPDATE block SET entries = CAST({damage} AS BLOB) WHERE id = {BLOCKS}")
        assert f"(block {BLOCKS} cannot be read)" in refused(path)
        path.write_bytes(whole)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        ((sql,),) = db.execute("SELECT sql FROM sqlite_master WHERE name = 'block_place'")
        db.execute("DROP INDEX block_place")
        db.execute(f"{sql} WHERE id < {BLOCKS - 10}")
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'block_place'", (sql,))
    assert re.search(r"\(block \d+ is missing in its index\)", refused(path))


def test_what_is_not_looked_at_is_found_by_the_whole_check(path, glance):
    """Any page: what the start lets pass, `check` finds."""
    fill(path)
    whole = path.read_bytes()
    passed = 0
    for at in range(0, len(whole), PAGE):
        path.write_bytes(whole[:at] + bytes(PAGE) + whole[at + PAGE :])
        try:
            integrity.examine(path, VERSION)
        except (Refusal, sqlite3.DatabaseError):
            continue
        passed += 1
        assert integrity.fault(integrity.open_reader(path)) is not None
    assert passed


# -- saving what can be saved ----------------------------------------------------------------------


@pytest.fixture
def stride(monkeypatch):
    """Try less hard than for a database of millions of blocks."""
    monkeypatch.setattr("chatservice.engines.sqlite.rescue._STRIDE", 2 * BLOCKS)


@pytest.mark.parametrize("kind", ["zeros", "garbage"])
def test_what_can_be_read_of_a_damaged_database_is_saved(path, kind, capsys, stride):
    """Whichever page is lost, all but the blocks in it is in the new one, which can be used."""
    fill(path)
    whole = path.read_bytes()
    lost = []
    for at in range(PAGE, len(whole), PAGE):
        damage = bytes(PAGE) if kind == "zeros" else random.randbytes(PAGE)
        path.write_bytes(whole[:at] + damage + whole[at + PAGE :])
        saved = path.with_name(f"saved{at}.sqlite")
        rescue([str(path), str(saved)])
        with closing(open_database(saved)) as db:
            (there,) = db.execute("SELECT count(*) FROM block").fetchone()
        lost.append(BLOCKS - there)
        assert f"{there} of block\n" in capsys.readouterr().out
    *others, all_ = sorted(lost)
    assert all_ == BLOCKS  # the root page was hit, by which all others are found
    assert max(others) <= 30


def test_what_can_be_read_is_saved_from_both_ends(path, stride):
    """After old blocks were deleted the first number is high; the rescue does not search for it."""
    fill(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE block SET id = id + 1000000")
        db.commit()
        db.execute("VACUUM")
    whole = path.read_bytes()
    for at in range(PAGE, len(whole), PAGE):
        path.write_bytes(whole[:at] + bytes(PAGE) + whole[at + PAGE :])
        saved = path.with_name(f"saved{at}.sqlite")
        rescue([str(path), str(saved)])
        with closing(open_database(saved)) as db:
            (there,) = db.execute("SELECT count(*) FROM block").fetchone()
        assert there in range(BLOCKS - 30, BLOCKS + 1) or there == 0


def test_what_is_left_of_a_database_that_was_cut_off_is_saved(path, stride):
    """Its first half holds about half of the blocks."""
    fill(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    saved = path.with_name("saved.sqlite")
    rescue([str(path), str(saved)])
    with closing(open_database(saved)) as db:
        (there,) = db.execute("SELECT count(*) FROM block").fetchone()
        assert there > BLOCKS / 4
        sql = "SELECT first, entries FROM block"
        assert all(blocks.unpack(first, data) for first, data in db.execute(sql))


def test_nothing_can_be_saved(path, tmp_path):
    """It says so if the first page is gone, or the other file exists already."""
    fill(path)
    (tmp_path / "there.sqlite").write_text("something")
    path.write_bytes(bytes(PAGE) + path.read_bytes()[PAGE:])
    with pytest.raises(SystemExit, match=r"Nothing was saved\. .* is damaged"):
        rescue([str(path), str(tmp_path / "new.sqlite")])
    assert not (tmp_path / "new.sqlite").exists()
    with pytest.raises(SystemExit, match="is there already; name another file"):
        rescue([str(path), str(tmp_path / "there.sqlite")])
    assert (tmp_path / "there.sqlite").read_text() == "something"
