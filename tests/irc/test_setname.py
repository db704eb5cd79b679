"""Real names (https://ircv3.net/specs/extensions/setname, https://modern.ircdocs.horse/#user-message)."""

import pytest

from tests.irc.test_registration import register


@pytest.fixture
def named(server, join_irc):
    """Return a function that connects a client with a nick and a real name, in the room lab."""

    def join(name, real_name, caps=""):
        client = join_irc(server)
        client.send(f"CAP REQ :{caps}", f"NICK {name}", f"USER {name} 0 * :{real_name}")
        client.send("CAP END", "JOIN #lab")
        client.until("366")
        return client

    return join


def shown(client, name):
    """Return the real name of a user as WHOIS (311), WHO (352) and WHOX (354) show it."""
    client.send(f"WHOIS {name}", f"WHO {name}", f"WHO {name} %r")
    told = {it.command: it.params[-1] for it in client.settled()}
    assert told["352"] == f"0 {told['311']}"
    assert told["354"] == told["311"]
    return told["311"]


def test_the_real_name_of_a_user(named, connect, server):
    """That of USER is shown in WHOIS, WHO and extended-join, safe for a terminal, and cut to what
    NAMELEN says. People who type, and clients that give none, have their name."""
    ann = named("ann", "ann", "extended-join")
    assert "NAMELEN=100" in ann.seen
    named("bob", "  Bob \x02the\x02 \x1b[31mBuilder ")
    assert ann.until("JOIN", "#lab", "*").params[2] == "Bob the \ufffd[31mBuilder"
    assert shown(ann, "bob") == "Bob the \ufffd[31mBuilder"
    named("long", "a" + "\u00e9" * 60)
    assert shown(ann, "long") == "a" + "\u00e9" * 49
    named("none", " \u200b")
    assert shown(ann, "none") == "none"
    carl = connect(server, "carl")
    carl.send("/join lab")
    assert ann.until("JOIN", "#lab", "*", "carl")
    assert shown(ann, "carl") == "carl"


def test_setname(server, join_irc):
    """Those with the capability who share a room are told once, the user as well; nobody else is,
    nor is a client answered that has not asked for it."""
    rich, poor = join_irc(server, "rich", "setname"), join_irc(server, "poor")
    bob = join_irc(server, "bob", "setname labeled-response batch")
    far = join_irc(server, "far", "setname")
    for each in (rich, poor, bob):
        each.send("JOIN #lab", "JOIN #made")
        each.until("366", "#made")
    bob.settled()
    bob.send("@label=x SETNAME :Bob the Builder", "NICK rob", "SETNAME rob", "WHOIS rob")
    told = bob.until("SETNAME")
    assert (told.params, told.tags["label"]) == (("Bob the Builder",), "x")
    assert bob.until("SETNAME").params == bob.until("311").params[-1:] == ("rob",)
    found = [it for it in rich.settled() if it.command == "SETNAME"]
    assert [(it.tags[""], it.params) for it in found] == [
        ("bob!~u@chat", ("Bob the Builder",)),
        ("rob!~u@chat", ("rob",)),
    ]
    poor.send("SETNAME :Poor Boy")
    assert "SETNAME" not in {it.command for it in poor.settled() + far.settled()}
    assert rich.until("SETNAME").params == ("Poor Boy",)
    assert shown(far, "poor") == "Poor Boy"


def test_what_is_no_real_name(server, join_irc):
    """One without anything to be seen, or longer than NAMELEN, is refused, and changes nothing."""
    bob = join_irc(server, "bob", "setname standard-replies")
    bob.send("SETNAME", "SETNAME :", "SETNAME :\u200b \x02", "SETNAME :" + "\u00e9" * 51)
    found = bob.settled()
    assert [it.params[:2] for it in found] == [("SETNAME", "INVALID_REALNAME")] * 4
    assert {it.command for it in found} == {"FAIL"}
    bob.send("SETNAME :" + "\u00e9" * 50)
    assert bob.until("SETNAME").params == ("\u00e9" * 50,)


def test_a_user_on_several_clients(server, join_irc, connect, named):
    """The real name said last is that of all; a client that logs in later brings its own. The other
    clients of the user are told, also without a room in common."""
    register(connect, server, "carla")
    one = join_irc(server, "carla", "setname", secret="secret-1")
    ann = join_irc(server, "ann")
    two = named("guest", "Carla Two")
    two.send("OPER carla secret-1")
    two.until("491")
    assert shown(ann, "carla") == "Carla Two"
    two.send("SETNAME :Carla")
    assert one.until("SETNAME").params == ("Carla",)
    one.send("SETNAME :Carla One")
    assert one.until("SETNAME").params == ("Carla One",)
    assert shown(ann, "carla") == "Carla One"


def test_watched_users(server, join_irc):
    """With extended-monitor it is told of watched users without a room in common
    (https://ircv3.net/specs/extensions/extended-monitor)."""
    bob = join_irc(server, "bob")
    watching = [join_irc(server, f"w{at}", caps) for at, caps in enumerate(WATCHING)]
    for each in watching:
        each.send("MONITOR + bob")
        each.until("730")
    bob.send("SETNAME :Bob")
    bob.settled()
    assert ["SETNAME" in {it.command for it in each.settled()} for each in watching] == [
        True,
        False,
        False,
    ]


WATCHING = ("setname extended-monitor", "setname", "extended-monitor")


def test_a_token_for_a_room_gives_no_name(server, join_irc, connect):
    """A client with a token that is for a room alone changes nothing that others are shown
    elsewhere."""
    register(connect, server, "carla")
    carla = connect(server)
    carla.send("/login carla secret-1", "/join lab", "/token bot lab")
    token = carla.expect("* bot").rpartition(": ")[2]
    bot = join_irc(server)
    bot.send("CAP REQ :standard-replies", f"PASS carla:{token}", "NICK carla", "USER x 0 * :Spam")
    bot.send("CAP END", "SETNAME :Spam")
    assert bot.until("FAIL").params[:2] == ("SETNAME", "CANNOT_CHANGE_REALNAME")
    assert shown(bot, "carla") == "carla"
