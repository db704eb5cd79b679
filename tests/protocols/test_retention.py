"""Retention: `--keep`."""

import sqlite3
import time
from contextlib import closing

import pytest

from tests.servers import PATIENCE, Server


def history(bare, enough):
    """Ask for the entries of the lobby, until there are few enough of them; return those."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        bare.ask(do="history", room="lobby", limit=1000)
        entries = bare.event("ok")["entries"]
        if len(entries) <= enough:
            return entries
    raise AssertionError(f"there are still {len(entries)}")


def program(server, connect):
    """Return a program that is in the lobby."""
    bare = connect(server)
    bare.ask(do="hello", name="bot")
    bare.event("ok")
    bare.ask(do="join", room="lobby")
    bare.event("ok")
    return bare


def first(bot):
    """Return the position of the oldest entry that is kept."""
    bot.ask(do="history", room="lobby", after=0, limit=1)
    return bot.event("ok")["entries"][0]["seq"]


def old_talk(server, connect):
    """Let two things be said more than an hour ago, and stop the server. By the time that passed,
    that is: what the entries say of it does not matter."""
    alice = connect(server, "alice")
    alice.send("one", "two", "/who")
    alice.expect("* 1 in lobby")
    server.stop()
    db = sqlite3.connect(server.data / "chat.sqlite")
    db.execute("UPDATE aged SET now = now - 4000000")
    db.commit()
    db.close()


def test_what_is_old_goes_and_positions_go_on(tmp_path, start_server, connect):
    """All that is older than an hour goes; what is said then has a position of its own, also after
    another restart, and who comes back from before gets what is left."""
    old_talk(start_server(folder=tmp_path), connect)

    server = start_server("--keep", "1h", folder=tmp_path)
    bot = program(server, connect)
    history(bot, enough=0)
    bot.ask(do="say", room="lobby", text="three")
    assert bot.event("ok")["seq"] == 3
    server.stop()

    server = start_server("--keep", "1h", folder=tmp_path)
    bot = program(server, connect)
    bot.ask(do="join", room="lobby", after=0)
    bot.event("ok")
    assert bot.event("message")["text"] == "three"
    bot.ask(do="say", room="lobby", text="four")
    assert bot.event("ok")["seq"] == 4
    bot.ask(do="search", room="lobby", text="two")
    assert bot.event("ok")["entries"] == []


def test_an_emptied_room_goes_on_where_it_stood(tmp_path, start_server, connect):
    """Nothing is left of it but its last position."""
    old_talk(start_server(folder=tmp_path), connect)
    server = start_server("--keep", "1h", folder=tmp_path)
    bot = program(server, connect)
    history(bot, enough=0)
    server.stop()
    server = start_server(folder=tmp_path)
    bot = program(server, connect)
    bot.ask(do="join", room="lobby", after=1)
    assert bot.event("ok")["seq"] == 2
    bot.ask(do="say", room="lobby", text="three")
    assert bot.event("ok")["seq"] == 3


def test_the_oldest_goes_where_there_is_too_much(tmp_path, start_server, connect):
    """Beyond the size that is kept, as much goes as is too much, and not more."""
    server: Server = start_server(folder=tmp_path)
    alice = connect(server, "alice")
    for _ in range(40):
        alice.send(*("x" * 5000 for _ in range(20)))
        alice.send("/who")
        alice.expect("* 1 in lobby")
    server.stop()
    server = start_server("--keep", "2MB", folder=tmp_path)
    bot = program(server, connect)
    while (oldest := first(bot)) <= 400:  # of 5 kB each
        pass
    assert oldest < 700
    bot.ask(do="history", room="lobby", limit=1)
    assert bot.event("ok")["entries"][-1]["seq"] == 800


# -- clocks that are wrong -------------------------------------------------------------------------

YEAR = 31_557_600


@pytest.fixture
def clock(tmp_path, monkeypatch):
    """Return a function that sets the clock of servers started later, also while they run: so many
    seconds ahead."""
    ahead = tmp_path / "ahead"
    before = (
        "import time; right = time.time; "
        f"time.time = lambda: right() + float(open({str(ahead)!r}).read()); "
    )
    monkeypatch.setattr(Server, "before", before)

    def set_(seconds):
        new = ahead.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(ahead)

    set_(0)
    return set_


def texts(bot):
    """Return what is kept of what was said in the lobby."""
    bot.ask(do="history", room="lobby", limit=1000)
    return [it["text"] for it in bot.event("ok")["entries"]]


def looked(server, bot, times=5):
    """Wait until the server has looked for old entries several times, and has said so."""
    for _ in range(times):
        bot.ask(do="who", room="lobby")
        bot.event("ok")
        server.log.expect("looked")


def looks_often(start_server, tmp_path, *options):
    """Start a server that looks all the time for what is too old, and says so in its log."""
    told = (
        "from chatservice.engines.sqlite.retention import Retention; look = Retention._look; "
        "Retention._look = lambda self: (self.log.info('looked'), look(self))[1]; "
    )
    class_ = Server.before
    Server.before = class_ + told
    try:
        return start_server(*options, folder=tmp_path / "house", keep_seconds=0.05)
    finally:
        Server.before = class_


@pytest.mark.parametrize("ahead", [YEAR, -50 * YEAR], ids=["a year ahead", "in 1976"])
def test_a_clock_that_jumps_ends_nothing(tmp_path, start_server, connect, clock, ahead):
    """The clock may be wrong while the server runs, when it starts, or when an entry is stored. A
    recent entry stays, and one that is an hour old by the time that passed goes, with any dates."""
    server = looks_often(start_server, tmp_path, "--keep", "1h")
    bot = program(server, connect)
    for at, seconds in enumerate((0, ahead, 0)):
        clock(seconds)
        bot.ask(do="say", room="lobby", text=f"text {at}")
        bot.event("ok")
        looked(server, bot)
    clock(ahead)
    looked(server, bot)
    assert texts(bot) == ["text 0", "text 1", "text 2"]
    server.stop()

    server = looks_often(start_server, tmp_path, "--keep", "1h")
    bot = program(server, connect)
    looked(server, bot)
    assert texts(bot) == ["text 0", "text 1", "text 2"]
    clock(0)
    looked(server, bot)
    server.stop()
    with closing(sqlite3.connect(server.data / "chat.sqlite")) as db, db:
        db.execute("UPDATE aged SET now = now - 4000000")

    server = looks_often(start_server, tmp_path, "--keep", "1h")
    bot = program(server, connect)
    history(bot, enough=0)
    bot.ask(do="say", room="lobby", text="new")
    bot.event("ok")
    looked(server, bot)
    assert texts(bot) == ["new"]


def test_an_older_database_with_an_entry_in_the_future(tmp_path, start_server, connect):
    """An entry dated in the future holds up no other entry, in a database in which only dates tell
    ages."""
    server = start_server(folder=tmp_path)
    bot = program(server, connect)
    for text in ("old", "dated in the future", "old, too", "new"):
        bot.ask(do="say", room="lobby", text=text)
        bot.event("ok")
    server.stop()
    with closing(sqlite3.connect(server.data / "chat.sqlite")) as db, db:
        ids = [id_ for (id_,) in db.execute("SELECT id FROM block WHERE log > 0 ORDER BY id")]
        for id_, hours in zip(ids, (-4, 24 * 365, -3, 0), strict=True):
            change = "UPDATE block SET time = time + ? WHERE id = ?"
            db.execute(change, (hours * 3_600_000, id_))
        db.execute("DELETE FROM aged")
        db.execute("DELETE FROM passed")
    server = start_server("--keep", "1h", folder=tmp_path)
    bot = program(server, connect)
    assert [it["text"] for it in history(bot, enough=1)] == ["new"]
