"""All that people who type, programs and IRC clients do is seen by the others, each in the way of
its format. (The page has its own tests.)"""

import pytest

from tests.servers import RawClient
from tests.web.clients import HttpClient

RICH = (
    "account-tag away-notify batch draft/message-redaction draft/multiline echo-message "
    "extended-join invite-notify labeled-response message-tags server-time standard-replies"
)
LONG = "word " * 150 + "end"


def heard(client, command):
    """Wait for a message with that command, and return its source and parameters."""
    found = client.until(command)
    return (found.tags[""].partition("!")[0], *found.params)


@pytest.fixture
def made(server, join_irc, connect):
    """Return those in the room made: a person who owns it, a program, a client of IRC that knows
    many capabilities, and one that knows none."""
    anna = connect(server, "anna")
    anna.send("/create made")
    anna.expect("made")
    program = RawClient(server.port)
    for request in ({"do": "hello", "name": "prog"}, {"do": "join", "room": "made"}):
        program.ask(**request)
        program.event("ok")
    program.ask(do="typing", show=True)
    program.event("ok")
    rich, poor = join_irc(server, "rich", RICH), join_irc(server, "poor")
    for each in (rich, poor):
        each.send("JOIN #made")
        each.until("366")
    rich.until("JOIN", "#made", "*", "poor")
    yield anna, program, rich, poor
    program.close()


def test_talk_of_the_others_is_seen_in_irc(server, made):
    """Words, actions, notices, edits, replies, reactions, pins, erasures, long texts and several
    lines. With capabilities they have forms of their own, and without they are plain lines."""
    anna, program, rich, poor = made
    anna.send("helo", "/me waves")
    program.ask(do="say", room="made", text="built", notice=True)
    for each in (rich, poor):
        assert heard(each, "PRIVMSG") == ("anna", "#made", "helo")
        assert heard(each, "PRIVMSG") == ("anna", "#made", "\x01ACTION waves\x01")
        assert heard(each, "NOTICE") == ("prog", "#made", "built")
    anna.send("/edit smiles", "/reply #1 yes", "/react #1 +1", "/react #1 +1", "/pin #1")
    for each in (rich, poor):
        assert heard(each, "PRIVMSG") == ("anna", "#made", "* smiles")
    answer = rich.until("PRIVMSG", "#made", "yes")
    assert answer.tags["+draft/reply"] == "made-1"
    assert rich.until("TAGMSG").tags["+draft/react"] == "+1"
    assert rich.until("TAGMSG").tags["+draft/unreact"] == "+1"
    assert heard(rich, "NOTICE") == ("anna", "#made", '* pinned #1 "helo"')
    assert heard(poor, "PRIVMSG") == ("anna", "#made", "anna: yes")
    told = ['* reacted with +1 to #1 "helo"', '* took +1 off #1 "helo"', '* pinned #1 "helo"']
    assert [poor.until("NOTICE").params[1] for _ in told] == told
    program.ask(do="say", room="made", text="one\ntwo", about=1)
    program.ask(do="say", room="made", text=LONG)
    program.ask(do="say", room="made", text="last")
    assert rich.until("BATCH").params[1:] == ("draft/multiline", "#made")
    assert [rich.message().params[1] for _ in range(2)] == ["one", "two"]
    rich.until("BATCH")
    pieces = []
    rich.until("BATCH")
    while (it := rich.message()).command != "BATCH":
        pieces.append(it.params[1])
    assert "".join(pieces) == LONG
    said = []
    while (it := poor.until("PRIVMSG")).params[1] != "last":
        said.append(it.params[1])
    assert said[:2] == ["anna: one", "two"]
    assert " ".join(said[2:]) == LONG
    anna.send("oops", "/erase")
    assert rich.until("REDACT").params == ("#made", "made-12")
    assert heard(poor, "NOTICE") == ("anna", "#made", "* erased #12")


def test_what_else_the_others_do_is_seen_in_irc(server, made):
    """Topics, files, names, being away, moderation, and what is for one user alone."""
    anna, program, rich, poor = made
    anna.send("/topic news", "/away lunch", "/away", "/freeze", "/mute poor", "/op rich")
    assert HttpClient(server.port).request("PUT", "/made/a%20b.txt", b"1234").status == 403
    for each in (rich, poor):
        assert heard(each, "TOPIC") == ("anna", "#made", "news")
    assert heard(rich, "AWAY") == ("anna", "lunch")
    assert heard(rich, "AWAY") == ("anna",)
    for each in (rich, poor):
        for mode in (("+m",), ("+b", "m:poor!*@*"), ("+o", "rich")):
            assert heard(each, "MODE") == ("anna", "#made", *mode)
    anna.send("/unfreeze", "/unmute poor")
    anna.send("/put notes.txt 4")
    anna.send_raw(b"1234")
    anna.expect("notes.txt")
    for each in (rich, poor):
        source, where, text = heard(each, "NOTICE")
        assert (source, where) == ("anna", "#made")
        assert text.startswith("* shared notes.txt (4 bytes): http://")
    anna.send("/remove notes.txt", "@rich psst", "@rich /me winks", "/nick ann", "/kick poor why")
    program.ask(do="msg", to="rich", text="beep", notice=True)
    program.ask(do="msg", to="rich", text="hums", action=True)
    anna.expect("put poor out")
    told = {
        ("anna", "NOTICE", "#made", "* removed the file notes.txt"),
        ("anna", "PRIVMSG", "rich", "psst"),
        ("anna", "PRIVMSG", "rich", "\x01ACTION winks\x01"),
        ("prog", "NOTICE", "rich", "beep"),
        ("prog", "PRIVMSG", "rich", "\x01ACTION hums\x01"),
        ("anna", "NICK", "ann"),
        ("ann", "KICK", "#made", "poor", "why"),
    }
    program.event("ok")
    program.event("ok")
    found = {(it.tags[""].partition("!")[0], it.command, *it.params) for it in rich.settled()}
    assert told <= found, told - found
    assert heard(poor, "KICK") == ("ann", "#made", "poor", "why")
    anna.send("/leave")
    assert heard(rich, "PART") == ("ann", "#made")
    program.close()
    assert heard(rich, "QUIT")[0] == "prog"


def test_what_is_said_in_irc_is_seen_by_the_others(made):
    """Words, actions, notices, replies, reactions, several lines and erasures."""
    anna, program, rich, poor = made
    poor.send("PRIVMSG #made :hello", "PRIVMSG #made :\x01ACTION waves\x01", "NOTICE #made :beep")
    anna.expect("poor came in")
    assert [anna.line() for _ in range(3)] == ["poor: hello", "~ poor waves", "-poor- beep"]
    assert program.event("message")["text"] == "hello"
    assert program.event("action")["text"] == "waves"
    assert program.event("message")["notice"] is True
    rich.send("@+draft/reply=made-1 PRIVMSG #made :yes")
    rich.send("@+draft/reply=made-1;+draft/react=:) TAGMSG #made")
    rich.send("@+draft/reply=made-1;+draft/react=:) TAGMSG #made", "@+typing=active TAGMSG #made")
    rich.until("TAGMSG")
    answer = program.event("message")
    assert (answer["text"], answer["about"]) == ("yes", 1)
    assert program.event("reaction")["word"] == ":)"
    assert program.event("reaction-removed")["word"] == ":)"
    assert program.event("typing")["from"] == "rich"
    assert [anna.line() for _ in range(3)] == [
        'rich (to poor #1 "hello"): yes',
        '* rich: :) on #1 "hello"',
        '* rich: :) taken off #1 "hello"',
    ]
    rich.send("BATCH +1 draft/multiline #made", "@batch=1 PRIVMSG #made :one")
    rich.send("@batch=1 PRIVMSG #made :two", "BATCH -1")
    assert program.event("message")["text"] == "one\ntwo"
    assert [anna.line() for _ in range(2)] == ["rich: one", "rich: two"]
    rich.send("REDACT #made made-7")
    assert program.event("erased")["position"] == 7
    assert anna.line() == "* rich erased #7"


def test_what_else_irc_users_do_is_seen_by_the_others(made):
    """Topics, names, being away, moderation, coming and going, and what is for one user alone."""
    anna, program, rich, _ = made
    anna.send("/op rich")
    rich.until("MODE", "+o")
    rich.send("TOPIC #made :news", "AWAY :lunch", "AWAY", "NICK richard", "MODE #made +m")
    rich.send("MODE #made -m", "MODE #made +b m:poor", "MODE #made -b m:poor")
    assert program.event("topic")["text"] == "news"
    assert [program.event("away")["text"] for _ in range(2)] == ["lunch", ""]
    assert program.event("renamed")["name"] == "richard"
    done = ["freeze", "unfreeze", "mute", "unmute"]
    assert [program.event("moderated")["what"] for _ in done] == done
    shown = ["set the topic: news", "is now called richard", "lets only moderators speak"]
    for told in (*shown, "lets everybody speak again", "muted poor", "lets poor speak again"):
        anna.expect(told)
    rich.send("PRIVMSG anna :psst", "PRIVMSG anna :\x01ACTION winks\x01", "NOTICE anna :beep")
    for told in ("richard -> you: psst", "~ richard -> you: winks", "-richard -> you- beep"):
        assert anna.expect("you") == told
    rich.send("PRIVMSG prog :psst", "PRIVMSG prog :\x01ACTION winks\x01", "NOTICE prog :beep")
    rows = [program.event("private") for _ in range(3)]
    flags = [(it.get("action", False), it.get("notice", False)) for it in rows]
    assert flags == [(False, False), (True, False), (False, True)]
    rich.send("KICK #made poor :enough", "PART #made :for now", "JOIN #made", "QUIT :bye")
    assert program.event("left")["by"] == "richard"
    anna.expect("* poor was put out")
    anna.expect("richard left (for now)")
    anna.expect("richard came in")
    anna.expect("richard left (bye)")
    left = [program.event("left")["text"] for _ in range(2)]
    assert left == ["for now", "bye"]
