"""The past by CHATHISTORY (https://ircv3.net/specs/extensions/chathistory), how far it is read, and
what is said about it: reactions, typing, redactions."""

import time
from datetime import UTC, datetime

import pytest

from tests.irc.test_registration import register
from tests.servers import RawClient

CAPS = "batch message-tags server-time standard-replies draft/chathistory"
PLAYED = f"{CAPS} draft/event-playback"


@pytest.fixture
def past(server, join_irc):
    """Return a program that has said nine texts in the room lab, and the times of these."""
    program = RawClient(server.port)
    program.ask(do="hello", name="prog")
    program.event("ok")
    program.ask(do="join", room="lab")
    program.event("ok")
    times = []
    for at in range(1, 10):
        program.ask(do="say", room="lab", text=f"text {at}")
        times.append(program.event("message")["time"])
        while datetime.fromisoformat(times[-1]).timestamp() + 0.002 > time.time():
            pass  # the next one has another time
    yield program, times
    program.close()


def page(client, asked):
    """Ask for a page, check its batch, and return the texts in it."""
    client.send(f"CHATHISTORY {asked}")
    begin = client.until("BATCH")
    assert begin.params[1:] == ("chathistory", asked.split()[1])
    found = []
    while (it := client.message()).command != "BATCH":
        assert it.tags["batch"] == begin.params[0][1:]
        assert {"msgid", "time"} <= set(it.tags)
        found.append(it)
    return found


PAGES = {
    "LATEST #lab * 3": "789",
    "LATEST #lab * 100": "123456789",
    "LATEST #lab msgid=lab-7 5": "89",
    "LATEST #lab timestamp=T7 5": "89",
    "BEFORE #lab msgid=lab-4 2": "23",
    "BEFORE #lab timestamp=T4 2": "23",
    "BEFORE #lab msgid=lab-1 2": "",
    "BEFORE #lab timestamp=2001-01-01T00:00:00.000Z 2": "",
    "AFTER #lab msgid=lab-4 2": "56",
    "AFTER #lab timestamp=T4 2": "56",
    "AFTER #lab msgid=lab-9 2": "",
    "AFTER #lab timestamp=2001-01-01T00:00:00.000Z 2": "12",
    "AROUND #lab msgid=lab-4 3": "345",
    "AROUND #lab timestamp=T4 3": "345",
    "BETWEEN #lab msgid=lab-2 msgid=lab-7 3": "345",
    "BETWEEN #lab msgid=lab-7 msgid=lab-2 3": "456",
    "BETWEEN #lab timestamp=T2 timestamp=T5 9": "34",
    "BETWEEN #lab timestamp=T5 timestamp=T2 9": "34",
}


def test_pages(server, join_irc, past):
    """Each page is what was asked for, oldest first, by ids and by times; a client that was there
    is sent the same ids as live. One that asks for the past is shown nothing of it unasked."""
    bob = join_irc(server, "bob", CAPS)
    bob.send("JOIN #lab")
    bob.until("366")
    assert bob.settled() == []
    _, times = past
    assert times == sorted(set(times)), "two texts have the same time"
    for asked, texts in PAGES.items():
        for at, moment in enumerate(times, 1):
            asked = asked.replace(f"timestamp=T{at}", f"timestamp={moment}")
        found = page(bob, asked)
        assert "".join(it.params[1][-1] for it in found) == texts, asked
        assert all(it.tags["msgid"] == f"lab-{it.params[1][-1]}" for it in found)


def test_long_pages_are_whole(start_server, join_irc):
    """A page that takes several replies of the server has as many entries as were asked for:
    clients take fewer for the beginning."""
    server = start_server("--room", "lab", answer_bytes=2000)
    program = RawClient(server.port)
    program.ask(do="hello", name="prog")
    program.ask(do="join", room="lab")
    for at in range(200):
        program.ask(do="say", room="lab", text=f"text {at}")
    while program.event("message")["text"] != "text 199":
        pass
    bob = join_irc(server, "bob", CAPS)
    bob.send("JOIN #lab")
    bob.until("366")
    told = [it.params[1] for it in page(bob, "LATEST #lab * 150")]
    assert told == [f"text {at}" for at in range(50, 200)]
    told = [it.params[1] for it in page(bob, "AFTER #lab msgid=lab-10 150")]
    assert told == [f"text {at}" for at in range(10, 160)]
    program.close()


FAULTS = {
    "CHATHISTORY": ("UNKNOWN_COMMAND",),
    "CHATHISTORY NOSUCH #lab * 5": ("UNKNOWN_COMMAND", "NOSUCH"),
    "CHATHISTORY LATEST #lab *": ("NEED_MORE_PARAMS", "LATEST"),
    "CHATHISTORY BETWEEN #lab msgid=lab-1 5": ("NEED_MORE_PARAMS", "BETWEEN"),
    "CHATHISTORY LATEST #nosuch * 5": ("INVALID_TARGET", "LATEST", "#nosuch"),
    "CHATHISTORY LATEST #hidden * 5": ("INVALID_TARGET", "LATEST", "#hidden"),
    "CHATHISTORY LATEST #lab * x": ("INVALID_PARAMS", "LATEST", "x"),
    "CHATHISTORY LATEST #lab * 0": ("INVALID_PARAMS", "LATEST", "0"),
    "CHATHISTORY BEFORE #lab nosuch 5": ("INVALID_PARAMS", "BEFORE", "nosuch"),
    "CHATHISTORY BEFORE #lab timestamp=soon 5": ("INVALID_PARAMS", "BEFORE", "timestamp=soon"),
    "CHATHISTORY BEFORE #lab msgid=x 5": ("INVALID_MSGREFTYPE", "BEFORE", "msgid=x"),
    "CHATHISTORY BEFORE #lab msgid=other-1 5": ("INVALID_MSGREFTYPE", "BEFORE"),
    "CHATHISTORY TARGETS x y 5": ("INVALID_PARAMS", "TARGETS", "x"),
    "CHATHISTORY TARGETS": ("NEED_MORE_PARAMS", "TARGETS"),
}


def test_pages_that_cannot_be(server, join_irc, connect):
    """Each fault has its code, and a room that is not to be seen is as one that is not there."""
    owner = connect(server, "owner")
    owner.send("/create hidden", "/access hidden", "secret")
    owner.expect("hid the room")
    bob = join_irc(server, "bob", CAPS)
    for line, fault in FAULTS.items():
        bob.send(line)
        found = bob.until("FAIL").params
        assert found[: len(fault) + 1] == ("CHATHISTORY", *fault), line
    assert bob.settled() == []


def test_playback(server, join_irc, past, connect):
    """With event-playback there are topics, reactions, edits and erasures among the talk, in the
    form that they had; without it there is only talk, as it is now, and notices."""
    anna = connect(server, "anna")
    anna.send("/join lab", "/topic new", "/react #9 +1", "helo", "/edit hello", "oops", "/erase")
    anna.expect("#14 is erased")
    plain = join_irc(server, "plain", CAPS)
    played = join_irc(server, "played", f"{PLAYED} draft/message-redaction")
    for each in (plain, played):
        each.send("JOIN #lab")
        each.until("366")
    found = page(played, "LATEST #lab * 7")
    assert [(it.command, *it.params[1:]) for it in found] == [
        ("PRIVMSG", "text 9"),
        ("TOPIC", "new"),
        ("TAGMSG",),
        ("PRIVMSG", "hello"),
        ("PRIVMSG", "* hello"),
        ("NOTICE", "* (this was erased)"),
        ("REDACT", "lab-14"),
    ]
    assert found[4].tags["+draft/reply"] == "lab-12"
    found = [(it.command, it.params[1]) for it in page(plain, "LATEST #lab * 20")]
    assert found[-3:] == [
        ("PRIVMSG", "hello"),
        ("NOTICE", "* (this was erased)"),
        ("NOTICE", "* erased #14"),
    ]
    assert {command for command, _ in found} == {"PRIVMSG", "NOTICE"}


def test_private_talk_has_a_past_of_both_sides(server, join_irc, connect):
    """The words of both sides are one conversation, and TARGETS lists it."""
    register(connect, server, "carla")
    carla = join_irc(server, "carla", CAPS, secret="secret-1")
    anna = connect(server, "anna")
    carla.send("PRIVMSG anna :hello", "JOIN #lab", "PRIVMSG #lab :here")
    anna.expect("carla -> you: hello")
    anna.send("@carla hello yourself")
    carla.until("PRIVMSG", "hello yourself")
    found = page(carla, "LATEST anna * 5")
    assert [(it.tags[""], *it.params) for it in found] == [
        ("carla!~u@chat", "anna", "hello"),
        ("anna!~u@chat", "carla", "hello yourself"),
    ]
    span = "timestamp=2001-01-01T00:00:00Z timestamp=2999-01-01T00:00:00Z"
    carla.send(f"CHATHISTORY TARGETS {span} 10")
    assert carla.until("BATCH").params[1] == "draft/chathistory-targets"
    assert {carla.message().params[1] for _ in range(2)} == {"anna", "#lab"}


def test_partners_of_long_ago(start_server, join_irc, connect):
    """TARGETS reads on in the inbox, behind its last page, as far as the times go back."""
    server = start_server(history_entries=2)
    register(connect, server, "carla")
    for name in ("anna", "bob"):
        person = connect(server, name)
        person.send(*(f"@carla {at}" for at in range(3)), "/who")
        person.expect("in lobby")
    carla = join_irc(server, "carla", CAPS, secret="secret-1")
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    for since, partners in (("2001-01-01T00:00:00Z", ["anna", "bob"]), (now, [])):
        carla.send(f"CHATHISTORY TARGETS timestamp={since} timestamp=2999-01-01T00:00:00Z 10")
        carla.until("BATCH")
        told = [it.params[1] for it in carla.settled() if it.command == "CHATHISTORY"]
        assert told == partners


def test_read_markers(server, join_irc, connect, past):
    """The read position of a user is the same on all their clients, which are told. A text that is
    shown is not read by that (https://ircv3.net/specs/extensions/read-marker)."""
    program, times = past
    register(connect, server, "carla")
    caps = f"{CAPS} draft/read-marker"
    one = join_irc(server, "carla", caps, secret="secret-1")
    one.send("JOIN #lab")
    assert one.until("MARKREAD", "#lab").params[1] == f"timestamp={times[-1]}"
    one.until("366")
    other = join_irc(server, "carla", caps, secret="secret-1")
    other.until("366", "#lab")
    program.ask(do="say", room="lab", text="news")
    moment = program.event("message")["time"]
    for each in (one, other):
        each.until("PRIVMSG", "#lab", "news")
    one.send(
        "MARKREAD #lab", f"MARKREAD #lab timestamp={moment}", f"MARKREAD #lab timestamp={times[0]}"
    )
    told = [it.params[1] for it in one.settled()]
    assert told == [f"timestamp={it}" for it in (times[-1], moment, moment)]
    assert other.until("MARKREAD").params == ("#lab", f"timestamp={moment}")
    one.send("MARKREAD", "MARKREAD #lab timestamp=x", "MARKREAD #nosuch", "MARKREAD anna")
    assert [it.params[0] for it in one.settled()] == ["MARKREAD"] * 3 + ["anna"]


def test_read_markers_of_private_talk(server, join_irc, connect):
    """The read position of talk with one user is told to all clients of a user, and is another
    one for each partner; without such news it is that of what was shown (https://ircv3.net/specs/extensions/read-marker)."""
    register(connect, server, "carla")
    caps = f"{CAPS} draft/read-marker"
    one, other = (join_irc(server, "carla", caps, secret="secret-1") for _ in range(2))
    one.send("MARKREAD anna")
    assert one.until("MARKREAD", "anna").params == ("anna", "*")
    anna, ben = connect(server, "anna"), connect(server, "ben")
    anna.send("@carla one")
    first = one.until("PRIVMSG").tags["time"]
    ben.send("@carla two")
    second = one.until("PRIVMSG").tags["time"]
    one.send(f"MARKREAD anna timestamp={first}", "MARKREAD Anna")
    for name in ("anna", "Anna"):
        assert one.until("MARKREAD", name).params[1] == f"timestamp={first}"
    assert other.until("MARKREAD", "anna").params[1] == f"timestamp={first}"
    other.send(f"MARKREAD ben timestamp={second}", "MARKREAD anna")
    assert other.until("MARKREAD", "ben").params[1] == f"timestamp={second}"
    assert other.until("MARKREAD", "anna").params[1] == f"timestamp={first}"
    assert one.until("MARKREAD").params == ("ben", f"timestamp={second}")
    one.send(f"MARKREAD ben timestamp={first}")
    assert one.until("MARKREAD").params == ("ben", f"timestamp={second}")
    assert "MARKREAD" not in {it.command for it in other.settled()}


def test_reactions_typing_and_redactions(server, join_irc, past):
    """Tags react, reply and type (https://ircv3.net/specs/client-tags/typing), and REDACT erases,
    as in the other formats; those who know them are told in the same way."""
    program, _ = past
    caps = f"{CAPS} echo-message draft/message-redaction"
    ann, bob = join_irc(server, "ann", caps), join_irc(server, "bob", caps)
    for each in (ann, bob):
        each.send("JOIN #lab")
        each.until("366")
    program.ask(do="typing", show=True)
    ann.send("@+typing=active TAGMSG #lab")
    assert program.event("typing")["from"] == "ann"
    assert bob.until("TAGMSG").tags["+typing"] == "active"
    carried = "draft/react,-draft/unreact,-draft/reply,-reply,-typing"
    assert f" CLIENTTAGDENY=*,-{carried} " in ann.seen
    ann.send("@+draft/react=:);+draft/reply=lab-2 TAGMSG #lab")
    for each in (ann, bob):
        found = each.until("TAGMSG", "#lab")
        assert (found.tags["+draft/react"], found.tags["+draft/reply"]) == (":)", "lab-2")
    assert program.event("reaction")["about"] == 2
    ann.send("@+draft/reply=lab-3 PRIVMSG #lab :yes", "PRIVMSG #lab :oops")
    assert bob.until("PRIVMSG").tags["+draft/reply"] == "lab-3"
    assert program.event("message")["about"] == 3
    wrong = ann.until("PRIVMSG", "#lab", "oops").tags["msgid"]
    ann.send(f"REDACT #lab {wrong} :a mistake")
    for each in (ann, bob):
        assert each.until("REDACT").params == ("#lab", wrong)
    ann.send("REDACT #lab lab-1", "REDACT #lab lab-999", "REDACT #nosuch lab-1", "REDACT #lab")
    codes = ["REDACT_FORBIDDEN", "UNKNOWN_MSGID", "INVALID_TARGET"]
    assert [ann.until("FAIL").params[1] for _ in codes] == codes
    ann.until("461")
    ann.send("@+draft/react=:);+draft/reply=x TAGMSG #lab", "@+x=y TAGMSG #lab", "TAGMSG")
    assert [it.command for it in ann.settled()] == ["FAIL", "411"]


def test_redactions_in_private(server, join_irc, connect):
    """REDACT erases the user's own copy: each client of theirs is told in which talk, with the
    capability or by a notice, and pages of that talk have it. The other user keeps theirs."""
    register(connect, server, "carla")
    caps = f"{PLAYED} draft/message-redaction"
    one, other = (join_irc(server, "carla", caps, secret="secret-1") for _ in range(2))
    poor = join_irc(server, "carla", secret="secret-1")
    anna = join_irc(server, "anna", caps)
    one.send("PRIVMSG anna :a secret")
    anna.until("PRIVMSG", "a secret")
    anna.send("PRIVMSG carla :hush")
    one.until("PRIVMSG", "carla", "hush")
    for id_ in ("@-1", "@-2"):
        one.send(f"REDACT anna {id_}")
        for each in (one, other):
            found = each.until("REDACT")
            assert (found.tags[""], *found.params) == ("carla!~u@chat", "anna", id_)
        assert poor.until("NOTICE", "anna").params[1] == f"* erased #{id_[2:]}"
    told = [(it.command, *it.params) for it in page(one, "LATEST anna * 9")]
    assert [it for it in told if it[0] == "REDACT"] == [
        ("REDACT", "anna", "@-1"),
        ("REDACT", "anna", "@-2"),
    ]
    assert "secret" not in str(told)
    assert [it.params[1] for it in page(anna, "LATEST carla * 9")] == ["a secret", "hush"]


def test_what_private_talk_has_not(server, join_irc):
    """A reaction to a user is refused, and not dropped without a word."""
    ann, bob = join_irc(server, "ann", CAPS), join_irc(server, "bob", CAPS)
    ann.send("@+draft/react=:);+draft/reply=@-1 TAGMSG bob", "@+typing=active TAGMSG bob")
    assert [it.params[:3] for it in ann.settled()] == [("TAGMSG", "CANNOT_REACT", "bob")]
    assert bob.settled() == []


def test_registering_a_name(server, join_irc):
    """REGISTER keeps a nick, before the client is welcomed or later
    (https://ircv3.net/specs/extensions/account-registration)."""
    early = join_irc(server)
    early.send("CAP REQ :draft/account-registration standard-replies", "REGISTER * * secret-1")
    assert early.until("FAIL").params[1] == "NEED_NICK"
    early.send("NICK early", "USER e 0 * :e", "REGISTER * * secret-1", "CAP END")
    assert early.until("900").params[2] == "early"
    assert early.until("REGISTER").params[:2] == ("SUCCESS", "early")
    assert early.until("001").params[0] == "early"
    late = join_irc(server, "late", "standard-replies")
    late.send("REGISTER", "REGISTER other * x", "REGISTER late * secret-2", "REGISTER * * x")
    codes = ["NEED_MORE_PARAMS", "ACCOUNT_NAME_MUST_BE_NICK"]
    assert [late.until("FAIL").params[1] for _ in codes] == codes
    late.until("REGISTER", "SUCCESS", "late")
    assert late.until("FAIL").params[1:3] == ("ALREADY_AUTHENTICATED", "late")
