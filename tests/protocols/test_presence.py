"""Presence on a real server: who is idle, and when somebody was here last."""

import re


def test_idle_users(start_server, connect):
    """`/who` tells it, in both formats, and `/seen` of one user."""
    server = start_server("--room", "lab", presence_seconds=0.2)
    alice, bot = connect(server, "alice"), connect(server)
    bot.ask(do="hello", name="bot")
    bot.event("ok")
    idle = 0
    while not idle:  # it counts whole seconds
        bot.ask(do="who", room="lobby")
        ((idle, name),) = [(it["idle"], it["name"]) for it in bot.event("ok")["users"]]
    assert name == "alice"
    bob = connect(server, "bob")
    bob.send("/who", "/seen alice", "/seen")
    assert re.match(r"\* 2 in lobby: alice \(idle \d+ s\), bob", bob.line())
    assert re.match(r"\* alice is here, and idle for \d+ s\.", bob.line())
    assert bob.line() == "* bob is here."
    alice.send("/away lunch")
    alice.expect("You are away")
    bob.send("/seen ALICE")
    assert bob.line() == "* alice is away: lunch"
    bot.ask(do="seen", user="alice")
    seen = bot.event("ok")
    assert (seen["state"], seen["text"], seen["time"], seen["shown"]) == (
        "away",
        "lunch",
        None,
        None,
    )


def test_when_somebody_was_here_last(server, connect):
    """It outlives the server, which stores it for those who are here as well when it stops. A user
    may hide it."""
    alice, carol, bob = (connect(server, name) for name in ("alice", "carol", "bob"))
    for bare in (alice, carol):
        bare.send("/register pw")
        bare.expect("your name from now on")
    alice.send("/seen off")
    assert alice.line() == "* alice is here."
    assert alice.line() == "* Others do not see when you were here last; /seen on changes that."
    bob.send("/seen off", "/seen nobody", "/seen a b")
    assert bob.expect("! ") == "! /seen is for registered names; /register first."
    assert bob.line().startswith("! Nobody called nobody is here")
    assert bob.line().startswith("! That is one word too many: /seen [on | off] [USER]")
    server.stop()
    server.start()
    bob = connect(server, "bob")
    bob.send("/seen carol", "/seen alice")
    assert re.fullmatch(r"\* carol was here last on \d{4}-\d\d-\d\d \d\d:\d\dZ\.", bob.line())
    assert bob.line() == "* alice is not here."
    alice = connect(server)
    alice.send("/login alice pw", "/seen on", "/quit")
    assert "* Others see when you were here last; /seen off changes that." in alice.rest().decode()
    bob.expect("alice left")
    bob.send("/seen alice")
    assert bob.line().startswith("* alice was here last on")
