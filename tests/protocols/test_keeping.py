"""Where an operator does not keep what was said for ever (`--keep`)."""

import sqlite3
import time

from tests.running import PATIENCE, Server


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


def old_talk(server, connect):
    """Let two things be said more than an hour ago, and stop the server."""
    alice = connect(server, "alice")
    alice.send("one", "two", "/who")
    alice.expect("* 1 in lobby")
    server.stop()
    db = sqlite3.connect(server.data / "chat.sqlite")
    db.execute("UPDATE block SET time = time - 4000000")
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
    left = history(bot, enough=400)  # of 5 kB each
    assert left[-1]["seq"] == 800
    assert len(left) > 100
