"""Capabilities (https://ircv3.net/irc/): each changes what it should, and nothing else."""

import re

import pytest

from tests.irc.test_registration import register

EVERY = (
    "account-tag away-notify batch cap-notify echo-message extended-join invite-notify "
    "labeled-response message-tags multi-prefix server-time standard-replies userhost-in-names"
)
TIME = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z")


@pytest.fixture
def lab(server, connect):
    """Return a registered person in the room lab."""
    register(connect, server, "anna")
    anna = connect(server)
    anna.send("/login anna secret-1", "/join lab")
    anna.expect("You are in lab")
    return anna


TAGS = {
    "": set(),
    "server-time": {"time"},
    "message-tags": {"msgid"},
    "account-tag": {"account"},
    "server-time message-tags account-tag": {"time", "msgid", "account"},
}


@pytest.mark.parametrize("caps", TAGS)
def test_tags(server, join_irc, lab, caps):
    """An entry has the tags that were asked for; its id is the room and its position. Entries of
    one moment have them, too. A reply has the id of the other entry
    (https://ircv3.net/specs/client-tags/reply)."""
    bob = join_irc(server, "bob", caps)
    bob.send("JOIN #lab")
    bob.until("366")
    lab.send("hello", "/me waves")
    found = [bob.until("PRIVMSG") for _ in range(2)]
    lab.send("/reply #1 yes")  # once it is stored
    found.append(bob.until("PRIVMSG"))
    for at, it in enumerate(found, 1):
        tags = {name: it.tags[name] for name in it.tags if name not in ("", "+draft/reply")}
        assert set(tags) == TAGS[caps]
        assert tags.get("msgid", f"lab-{at}") == f"lab-{at}"
        assert tags.get("account", "anna") == "anna"
        assert "time" not in tags or TIME.fullmatch(tags["time"])
    is_tagged = "message-tags" in caps
    assert found[2].tags.get("+draft/reply") == ("lab-1" if is_tagged else None)
    assert found[2].params[1] == ("yes" if is_tagged else "anna: yes")


def test_reactions_are_tags(server, join_irc, lab):
    """A reaction is a TAGMSG (https://ircv3.net/specs/client-tags/react), for those who know
    tags."""
    bob = join_irc(server, "bob", "message-tags")
    bob.send("JOIN #lab")
    bob.until("366")
    lab.send("hello", "/react #1 +1", "/react #1 +1")
    found = bob.until("TAGMSG")
    assert (found.tags["+draft/react"], found.tags["+draft/reply"]) == ("+1", "lab-1")
    assert bob.until("TAGMSG").tags["+draft/unreact"] == "+1"


def test_who_joins_and_who_is_away(server, join_irc, lab):
    """extended-join and account-tag tell registered users from guests; away-notify and
    invite-notify tell what others are told by nobody; userhost-in-names shows sources."""
    rich, poor = join_irc(server, "rich", EVERY), join_irc(server, "poor")
    rich.send("JOIN #made")
    assert rich.until("JOIN").params == ("#made", "*", "rich")
    assert rich.until("353").params[3] == "@rich!~u@chat"
    poor.send("JOIN #made")
    poor.until("366")
    lab.send("/join made", "/away lunch")
    assert rich.until("JOIN", "#made", "anna", "anna").tags[""] == "anna!~u@chat"
    assert rich.until("AWAY").params == ("lunch",)
    assert poor.until("JOIN", "#made").params == ("#made",)
    lab.send("/leave", "/join made")
    assert rich.until("JOIN", "#made", "anna", "anna").tags[""] == "anna!~u@chat"
    assert rich.message().params == ("away",)  # who comes in is away
    lab.send("/away", "hello")
    assert rich.until("AWAY").params == ()
    poor.until("JOIN", "#made")
    assert poor.message().command == "PRIVMSG"
    rich.send("INVITE bob #made", "JOIN #lab")
    rich.until("366", "#lab")
    poor.send("INVITE bob #made")
    assert poor.message().command == "482"


def test_echoes_and_labels(server, join_irc, lab):
    """A text comes back when it is stored, with the label of its command, and only there;
    several lines are a batch, and none is an ACK."""
    bob = join_irc(server, "bob", EVERY)
    bob.send("@label=j JOIN #lab")
    begin = bob.until("BATCH")
    assert (begin.tags["label"], begin.params[1]) == ("j", "labeled-response")
    inside = [bob.message() for _ in range(4)]
    assert [it.command for it in inside] == ["JOIN", "353", "366", "BATCH"]
    assert [it.tags.get("batch") for it in inside] == [begin.params[0][1:]] * 3 + [None]
    bob.send(
        "@label=a PRIVMSG #lab :hello",
        "PRIVMSG #lab :again",
        "@label=b PRIVMSG anna :psst",
        "@label=c NOTICE nosuch :x",
        "@label=d PING x",
        "@label=e PONG x",
        "@label=f PRIVMSG #lab :\u200b",
    )
    found = bob.settled()
    by_label = {it.tags["label"]: (it.command, *it.params) for it in found if "label" in it.tags}
    assert by_label["a"] == ("PRIVMSG", "#lab", "hello")
    assert by_label["b"] == ("PRIVMSG", "anna", "psst")
    assert by_label["c"][0] == "401"
    assert by_label["d"] == ("PONG", "server", "x")
    assert by_label["e"] == ("ACK",)
    assert by_label["f"][0] == "412"
    assert [it.params[1] for it in found if it.command == "PRIVMSG" and "label" not in it.tags] == [
        "again"
    ]
    told = [it for it in found if it.params[-1:] == ("hello",)]
    assert len(told) == 1
    assert told[0].tags["msgid"] == "lab-1"
    assert lab.expect("bob: ") == "bob: hello"


def test_without_echoes_nothing_comes_back(server, join_irc, lab):
    """A label alone has an ACK, and one's own words do not come."""
    bob = join_irc(server, "bob", "labeled-response batch")
    bob.send("JOIN #lab", "@label=1 PRIVMSG #lab :hello", "PRIVMSG anna :psst")
    bob.until("366")
    found = bob.until("ACK")
    assert found.tags["label"] == "1"
    assert bob.settled() == []
    lab.expect("psst")


def test_clients_of_one_user(server, join_irc, lab):
    """Several clients of a user see what each of them says, in rooms and in private; and one that
    leaves a room takes the others along."""
    one = join_irc(server, "anna", "message-tags", secret="secret-1")
    other = join_irc(server, "anna", "echo-message", secret="secret-1")
    for each in (one, other):
        each.until("366", "#lab")
    bob = join_irc(server, "bob")
    one.send("PRIVMSG #lab :from one", "PRIVMSG bob :psst")
    for command, params in (("PRIVMSG", ("#lab", "from one")), ("PRIVMSG", ("bob", "psst"))):
        found = other.until(command)
        assert (found.tags[""], found.params) == ("anna!~u@chat", params)
    assert bob.until("PRIVMSG").params == ("bob", "psst")
    one.send("PART #lab")
    assert other.until("PART").params == ("#lab",)
    assert one.until("PART").params == ("#lab",)
    assert [it.command for it in one.settled()] == []


def test_unread_comes_once(server, join_irc, connect):
    """A registered user comes back into their rooms, and is shown what was said meanwhile, and what
    came for them alone; the next time, and on another client, nothing of it. Without server-time,
    it begins with its time."""
    register(connect, server, "carla")
    first = join_irc(server, "carla", secret="secret-1")
    first.send("JOIN #lab", "PRIVMSG #lab :before")
    first.until("366")
    first.settled()
    first.send("QUIT")
    first.rest()
    anna = connect(server, "anna")
    anna.send("/join lab", "while you were away", "@carla psst", "/history")
    anna.expect("#2]")
    again = join_irc(server, "carla", "server-time", secret="secret-1")
    found = [again.until("PRIVMSG"), again.until("PRIVMSG")]
    assert {it.params for it in found} == {("carla", "psst"), ("#lab", "while you were away")}
    assert all(TIME.fullmatch(it.tags["time"]) for it in found)
    again.settled()
    again.send("QUIT")
    again.rest()
    anna.send("once more", "/history")
    anna.expect("#3]")
    third = join_irc(server, "carla", secret="secret-1")
    told = third.until("PRIVMSG").params[1]
    assert re.fullmatch(r"\[[-0-9]{10} [0-9:]{8}Z #3\] once more", told)
    assert third.settled() == []
    fourth = join_irc(server, "carla", secret="secret-1")
    assert "PRIVMSG" not in {it.command for it in fourth.settled()}
