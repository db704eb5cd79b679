"""MONITOR (https://ircv3.net/specs/extensions/monitor), and floods of talk."""

from tests.irc.test_registration import register

WIDE = [chr(0x4E00 + at) * 32 for at in range(12)]
"""The longest names, of three bytes a character."""


def test_long_names_are_whole(server, join_irc):
    """Names that do not fit into one line of 512 bytes come in several: of those whom a client
    watches, and of the channels of a user."""
    ann = join_irc(server, "ann")
    for at in range(0, len(WIDE), 3):
        ann.send(f"MONITOR + {','.join(WIDE[at : at + 3])}", f"JOIN #{WIDE[at]}")
    ann.settled()
    ann.send("MONITOR L", "MONITOR S", "WHOIS ann")
    told = ann.settled()
    for number in ("732", "731"):
        listed = [name for it in told if it.command == number for name in it.params[1].split(",")]
        assert listed == WIDE
    channels = [name for it in told if it.command == "319" for name in it.params[2].split()]
    assert channels == [f"@#{name}" for name in WIDE[::3]]


def test_watched_users(server, join_irc, connect):
    """A client is told who of its list is here, and then who comes, goes, or has another name, also
    without a room in common."""
    ann = join_irc(server, "ann")
    connect(server, "carl")
    ann.send("MONITOR + bob,carl", "MONITOR L", "MONITOR S")
    assert ann.until("730").params[1] == "carl!~u@chat"
    assert ann.until("731").params[1] == "bob"
    assert ann.until("732").params[1] == "bob,carl"
    assert [it.command for it in ann.settled()] == ["733", "730", "731"]
    bob = join_irc(server, "bob")
    assert ann.until("730").params[1] == "bob!~u@chat"
    bob.send("NICK rob")
    assert ann.until("731").params[1] == "bob"
    bob.send("NICK bob", "QUIT")
    assert ann.until("730").params[1] == "bob!~u@chat"
    assert ann.until("731").params[1] == "bob"
    ann.send("MONITOR - bob,nosuch", "MONITOR L", "MONITOR C", "MONITOR L", "MONITOR", "MONITOR +")
    told = ann.settled()
    assert [(it.command, *it.params[1:2]) for it in told[:3]] == [
        ("732", "carl"),
        ("733", "This is all."),
        ("733", "This is all."),
    ]
    assert told[3].command == "461"
    join_irc(server, "bob")
    assert ann.settled() == []


def test_a_user_on_several_connections_is_told_once(server, join_irc, connect):
    """A user comes with the first connection, and goes with the last."""
    register(connect, server, "carla")
    ann = join_irc(server, "ann")
    ann.send("MONITOR + Carla")
    ann.until("731")
    one = join_irc(server, "carla", secret="secret-1")
    assert ann.until("730").params[1] == "carla!~u@chat"
    other = join_irc(server, "carla", secret="secret-1")
    one.send("QUIT")
    one.rest()
    assert ann.settled() == []
    other.send("QUIT")
    assert ann.until("731").params[1] == "carla"


def test_away_and_accounts_of_watched_users(server, join_irc, connect):
    """extended-monitor tells of watched users in other rooms that they are away, back or
    registered, and of those in one's own rooms once; with the capabilities of these alone
    (https://ircv3.net/specs/extensions/extended-monitor)."""
    every = "extended-monitor away-notify account-notify"
    rich, poor = join_irc(server, "rich", every), join_irc(server, "poor", every[17:])
    near, bare = join_irc(server, "near", every), join_irc(server, "bare", "extended-monitor")
    gina = join_irc(server, "gina")
    gina.send("JOIN #lab")
    gina.until("366")
    near.send("JOIN #lab")
    near.until("366")
    for each in (rich, poor, near, bare):
        each.send("MONITOR + gina")
        each.until("730")
    gina.send("AWAY :lunch", "AWAY", "NS REGISTER secret-1")
    gina.until("900")
    for each, told in ((rich, True), (near, True), (poor, False), (bare, False)):
        found = [(it.tags[""], it.command, *it.params) for it in each.settled()]
        source = "gina!~u@chat"
        assert found == told * [
            (source, "AWAY", "lunch"),
            (source, "AWAY"),
            (source, "ACCOUNT", "gina"),
        ]


def test_lists_are_bounded(server, join_irc):
    """A list that would be too long is refused from there on."""
    ann = join_irc(server, "ann")
    for at in range(0, 100, 20):
        ann.send("MONITOR + " + ",".join(f"user{at + it}" for it in range(20)))
    ann.send("MONITOR + one,two")
    assert ann.until("734").params[1:3] == ("100", "one,two")


def test_floods_arrive_whole(server, join_irc, connect):
    """Thousands of lines in one chunk, among them some that are refused or are no talk, come in
    order; and so do those of a client that is echoed."""
    anna = connect(server, "anna")
    anna.send("/join lab")
    anna.expect("You are in lab")
    for name, caps in (("bob", ""), ("carl", "echo-message message-tags")):
        bob = join_irc(server, name, caps)
        bob.send("JOIN #lab")
        bob.until("366")
        anna.expect(f"{name} came in")
        lines = [f"PRIVMSG #lab :line {at}" for at in range(3000)]
        lines[1000:1000] = ["PRIVMSG #nosuch :x", "PING half"]
        bob.send(*lines)
        bob.send("PING end")
        for at in range(3000):
            assert anna.line() == f"{name}: line {at}"
        told = [it.params[-1] for it in bob.settled() if it.command != "403"]
        echoed = [f"line {at}" for at in range(3000)] if caps else []
        assert [it for it in told if it.startswith("line")] == echoed
        assert {"half", "end"} <= set(told)
