"""Channels and talk, both ways: IRC clients, people who type, and programs see the same names,
joins, parts, topics, kicks and words."""

import time

import pytest

from tests.irc.test_registration import register
from tests.servers import RawClient


@pytest.fixture
def lab(server, join_irc, connect):
    """Return an IRC client, a person and a program in the room lab."""
    anna = connect(server, "anna")
    anna.send("/join lab")
    anna.expect("You are in lab")
    program = RawClient(server.port)
    program.ask(do="hello", name="prog")
    program.event("ok")
    program.ask(do="join", room="lab")
    program.event("ok")
    anna.expect("prog came in")
    bob = join_irc(server, "bob")
    bob.send("JOIN #Lab")
    yield bob, anna, program
    program.close()


def test_all_see_each_other(lab):
    """The names of a channel, who comes, what is said to all and to one, and who goes."""
    bob, anna, program = lab
    assert bob.until("JOIN").params == ("#lab",)
    assert bob.until("353").params[2:] == ("#lab", "anna prog bob")
    assert anna.line() == "* bob came in"
    assert program.event("joined")["from"] == "bob"
    bob.until("366")
    anna.send("hello, bob", "/me waves", "@bob psst")
    program.ask(do="say", room="lab", text="done", notice=True)
    said = [bob.message() for _ in range(4)]
    assert {(it.tags[""], it.command, *it.params) for it in said} == {
        ("anna!~u@chat", "PRIVMSG", "#lab", "hello, bob"),
        ("anna!~u@chat", "PRIVMSG", "#lab", "\x01ACTION waves\x01"),
        ("anna!~u@chat", "PRIVMSG", "bob", "psst"),
        ("prog!~u@chat", "NOTICE", "#lab", "done"),
    }
    anna.expect("-prog- done")
    bob.send("PRIVMSG #lab :hi", "PRIVMSG #lab :\x01ACTION nods\x01", "NOTICE #lab :beep")
    bob.send("PRIVMSG anna :back", "PRIVMSG anna :\x01ACTION hugs\x01", "NOTICE anna :robot")
    told = ["bob: hi", "~ bob nods", "-bob- beep"]
    told += ["bob -> you: back", "~ bob -> you: hugs", "-bob -> you- robot"]
    assert sorted(anna.line() for _ in told) == sorted(told)
    assert program.event("message")["text"] == "hello, bob"
    bob.send("PART #lab")
    assert bob.until("PART").params == ("#lab",)
    assert anna.line() == "* bob left"
    bob.send("JOIN #lab", "QUIT :so long")
    assert bob.until("ERROR").params
    assert anna.line() == "* bob came in"
    assert anna.line() == "* bob left (so long)"


def test_moderators_keep_their_sign(server, join_irc):
    """A moderator who comes in is shown with a mode, as names have a sign
    (https://modern.ircdocs.horse/#mode-message); nobody else is. A refusal names commands that
    users of IRC type."""
    owner, bob, other = (join_irc(server, name) for name in ("olga", "bob", "omar"))
    for client in (owner, bob):
        client.send("JOIN #club")
        client.until("366")
    owner.send("PART #club", "JOIN #club")
    assert owner.until("353").params[3] == "bob @olga"
    other.send("JOIN #club", "MODE #club +m")
    told = "Only moderators of club may do that; /names lists them."
    assert other.until("482").params == ("omar", "#club", told)
    bob.until("PART")
    came = [bob.message() for _ in range(3)]
    assert [(it.tags[""], it.command, *it.params) for it in came] == [
        ("olga!~u@chat", "JOIN", "#club"),
        ("server", "MODE", "#club", "+o", "olga"),
        ("omar!~u@chat", "JOIN", "#club"),
    ]
    assert bob.settled() == []


def test_topics_names_and_kicks(lab, server, join_irc):
    """All see a new topic, a new name, and a user who is put out, whoever did it."""
    bob, anna, _ = lab
    bob.until("366")
    bob.send("TOPIC #lab :from IRC", "TOPIC #lab")
    assert anna.expect("topic") == "* bob set the topic: from IRC"
    assert bob.until("TOPIC").params == ("#lab", "from IRC")
    assert bob.until("332").params[1:] == ("#lab", "from IRC")
    anna.send("/topic from text", "/nick ann")
    assert bob.until("TOPIC").params == ("#lab", "from text")
    found = bob.until("NICK")
    assert (found.tags[""], found.params) == ("anna!~u@chat", ("ann",))
    bob.send("NICK robert")
    assert bob.until("NICK").params == ("robert",)
    assert anna.expect("called") == "* bob is now called robert"
    mod = join_irc(server, "mod")
    mod.send("JOIN #made", "INVITE robert #made")
    assert "@mod" in mod.until("353").params[3]
    assert mod.until("341").params[1:] == ("robert", "#made")
    invited = bob.until("INVITE")
    assert (invited.tags[""], invited.params) == ("mod!~u@chat", ("robert", "#made"))
    assert "invited to made" in bob.until("PRIVMSG").params[1]
    bob.send("JOIN #made")
    anna.send("join made")
    bob.until("JOIN", "#made")
    mod.until("JOIN")
    mod.send("KICK #made ann :enough")
    kicked = bob.until("KICK")
    assert (kicked.tags[""], kicked.params) == ("mod!~u@chat", ("#made", "ann", "enough"))
    assert mod.until("KICK").params == ("#made", "ann", "enough")
    assert "because of mod: enough" in anna.expect("You are out of made")
    mod.send("KICK #made robert")
    assert bob.until("KICK").params[:2] == ("#made", "robert")


def test_who_set_a_topic(server, join_irc, connect):
    """A client that comes in is told the topic, who set it and when (333); also if that was long
    ago (https://modern.ircdocs.horse/#rpltopicwhotime-333)."""
    anna = connect(server, "anna")
    before = int(time.time())
    anna.send("/join lab", "/topic first", "/topic of anna", *["hello"] * 30, "/who")
    anna.expect(" in lab:")
    bob = join_irc(server, "bob")
    for _ in range(2):
        bob.send("JOIN #lab", "TOPIC #lab")
        told = [it for it in bob.settled() if it.command in ("332", "333")]
        assert [it.params[1:-1] for it in told] == [("#lab",), ("#lab", "anna")] * 2
        assert before <= int(told[1].params[3]) <= time.time()
        bob.send("PART #lab")
    bob.send("JOIN #lab", "TOPIC #lab :of bob", "TOPIC #lab")
    assert bob.until("333", "bob").params[1] == "#lab"


def test_who_quits_or_is_renamed_is_told_once(server, join_irc, connect):
    """However many channels are shared, QUIT and NICK come once, and who comes back is seen to."""
    ann, bob = join_irc(server, "ann"), join_irc(server, "bob")
    for each in (ann, bob):
        each.send("JOIN #a,#b,#c")
        each.until("366", "#c")
    ann.settled()
    bob.send("NICK rob", "PRIVMSG #b :I am rob", "QUIT :bye")
    bob.until("ERROR")
    rob = join_irc(server, "rob")
    rob.send("JOIN #a")
    rob.until("366")
    rob.send("PRIVMSG #a :done")
    found = []
    while (it := ann.message()).params[-1] != "done":
        found.append((it.command, *it.params))
    assert [it for it in found if it[0] in ("NICK", "QUIT", "JOIN", "PART")] == [
        ("NICK", "rob"),
        ("QUIT", "bye"),
        ("JOIN", "#a"),
    ]


def test_modes(server, join_irc, connect):
    """Modes are the room's own settings and rules, for all who look: frozen, invited, hidden, with
    a password; moderators, bans and mutes."""
    mod, bob = join_irc(server, "mod"), join_irc(server, "bob")
    mod.send("JOIN #made")
    mod.until("366")
    bob.send("JOIN #made")
    bob.until("366")
    anna = connect(server, "anna")
    for line, shown in {
        "MODE #made +m": ("+m",),
        "MODE #made -m": ("-m",),
        "MODE #made +o bob": ("+o", "bob"),
        "MODE #made -o bob": ("-o", "bob"),
        "MODE #made +b m:bob": ("+b", "m:bob!*@*"),
        "MODE #made -b m:bob!*@*": ("-b", "m:bob!*@*"),
        "MODE #made +b eve!*@*": ("+b", "eve!*@*"),
        "MODE #made +b *!*@192.0.2.0/24": ("+b", "*!*@192.0.2.0/24"),
        "MODE #made +s": ("+s-ik", "*"),
        "MODE #made +i": ("+is-k", "*"),
        "MODE #made -i": ("-isk", "*"),
        "MODE #made +k door": ("+k-is", "*"),
    }.items():
        mod.send(line)
        for each in (mod, bob):
            found = each.until("MODE")
            assert (found.tags[""], *found.params) == ("mod!~u@chat", "#made", *shown), line
    mod.send("MODE #made", "MODE #made b", "MODE mod", "MODE bob", "MODE #made +z")
    told = mod.settled()
    assert [it.command for it in told] == ["324", "367", "367", "368", "221", "502", "472"]
    assert told[0].params[2] == "+ntk"
    anna.send("join made")
    anna.expect("has a password")
    eve = join_irc(server, "eve")
    eve.send("JOIN #made", "JOIN #made wrong", "JOIN #made door", "MODE #made +o eve")
    assert [it.command for it in eve.settled()] == ["474", "474", "474", "482"]
    carl = join_irc(server, "carl")
    carl.send("JOIN #made", "JOIN #made wrong", "JOIN #made door")
    assert [it.command for it in carl.settled()] == ["475", "475", "JOIN", "353", "366"]


def test_lines_that_are_none(server, join_irc):
    """Another character set and a NUL are refused, in words or as a standard reply
    (https://ircv3.net/specs/extensions/utf8-only)."""
    bob = join_irc(server, "bob")
    bob.send(b"PRIVMSG #lab :caf\xe9", b"PRIVMSG #lab :\0", "", "  ")
    assert "UTF-8" in bob.until("NOTICE").params[1]
    assert "NUL" in bob.until("NOTICE").params[1]
    bob.send("CAP REQ standard-replies", b"PRIVMSG #lab :caf\xe9")
    assert bob.until("FAIL").params[:2] == ("*", "INVALID_UTF8")
    assert bob.settled() == []


def test_what_is_said_has_no_formatting(lab):
    """Colours and the like are taken out, and what could steer a terminal is replaced."""
    bob, anna, _ = lab
    bob.send("PRIVMSG #lab :\x02bold\x02 \x0304,12red\x03 \x1b[2J")
    assert anna.expect("bob: ") == "bob: bold red \ufffd[2J"


def test_long_texts_are_split(lab):
    """A text of several lines, or one too long for a message, becomes several of at most 512 bytes,
    and no line of it looks like another message."""
    bob, _, program = lab
    bob.until("366")
    text = "first\nsecond :x\n\nPRIVMSG #lab :forged\n" + "\U0001f389" * 300 + " " + "word " * 200
    program.ask(do="say", room="lab", text=text.strip())
    program.ask(do="say", room="lab", text="end")
    found = []
    while (it := bob.message()).params[-1] != "end":
        assert (it.command, it.params[0], it.tags[""]) == ("PRIVMSG", "#lab", "prog!~u@chat")
        found.append(it.params[1])
    assert found[:4] == ["first", "second :x", " ", "PRIVMSG #lab :forged"]
    assert " ".join(found[4:]).replace(" ", "") == text.split("\n")[4].replace(" ", "")
    sizes = [len(line.encode()) + 1 for line in bob.seen.split("\n") if "prog!" in line]
    assert max(sizes) <= 512


def test_edits_reactions_and_more_are_seen(lab):
    """Of what IRC has no message for, a notice tells, or an edited text marked with `*`."""
    bob, anna, _ = lab
    bob.until("366")
    anna.send("helo", "/edit hello", "/react #1 +1", "/reply #1 yes", "/erase")
    found = [bob.until("PRIVMSG").params[1], *(bob.message() for _ in range(3))]
    assert found[0] == "helo"
    assert (found[1].command, found[1].params[1]) == ("PRIVMSG", "* hello")
    assert (found[2].command, found[2].params[1]) == ("NOTICE", '* reacted with +1 to #1 "hello"')
    assert (found[3].command, found[3].params[1]) == ("PRIVMSG", "anna: yes")
    assert bob.until("NOTICE").params[1] == "* erased #4"


def test_questions(server, join_irc, connect):
    """WHO, WHOX (https://ircv3.net/specs/extensions/whox), WHOIS, ISON, USERHOST, LIST, and those
    about the server."""
    connect(server, "anna").send("/join lab", "/away lunch")
    bob = join_irc(server, "bob")
    bob.send("JOIN #lab")
    bob.until("366")
    bob.settled()
    bob.send("WHO #lab", "WHO #lab %tcuhnfar,42", "WHO anna", "WHOIS anna", "ISON anna nosuch bob")
    told = bob.settled()
    assert [it.command for it in told[:3]] == ["352", "352", "315"]
    assert told[0].params[1:] == ("#lab", "~u", "chat", "server", "anna", "G", "0 anna")
    assert told[3].params[1:] == ("42", "#lab", "~u", "chat", "anna", "G", "0", "anna")
    by_number = {it.command: it.params[1:] for it in told}
    assert by_number["311"] == ("anna", "~u", "chat", "*", "anna")
    assert by_number["319"] == ("anna", "#lab")
    assert by_number["301"] == ("anna", "lunch")
    assert by_number["303"] == ("anna bob",)
    assert by_number["318"][0] == "anna"
    assert "330" not in by_number  # she is a guest
    bob.send("USERHOST anna bob", "LIST", "LIST >1", "LIST #la*", "PRIVMSG anna :x", "AWAY :out")
    told = bob.settled()
    assert told[0].command == "302"
    assert told[0].params[1] == "anna=-~u@chat bob=+~u@chat"
    assert [it.command for it in told[1:5]] == ["321", "322", "322", "323"]
    listed = [it.params[1:3] for it in told if it.command == "322"]
    assert listed == [("#lab", "2"), ("#lobby", "0"), ("#lab", "2"), ("#lab", "2")]
    for asked, rooms in LISTS.items():
        bob.send(f"LIST {asked}")
        assert [it.params[1] for it in bob.settled() if it.command == "322"] == rooms, asked
    assert [it.command for it in told[-2:]] == ["301", "306"]
    bob.send("AWAY", "MOTD", "LUSERS", "VERSION", "TIME", "INFO", "HELP")
    found = [it.command for it in bob.settled()]
    assert found[:6] == ["305", "422", "251", "254", "255", "266"]
    assert {"351", "005", "391", "371", "374", "704", "705", "706"} <= set(found)


LISTS = {
    "#LAB,#nosuch": ["#lab"],
    "#la*,*by": ["#lab", "#lobby"],
    "#LAB,lobby,<1": ["#lobby"],
    ">0,<3": ["#lab"],
    "#l*,>2": [],
}
"""Words of LIST, and the rooms that it shows of lab with two users and lobby with none: with one of
the names, within all bounds (https://modern.ircdocs.horse/#elist-parameter)."""


def test_who_is_logged_in_and_idle(start_server, join_irc, connect):
    """WHOIS tells the account of a registered user (330), and for how long they are idle (317)
    (https://modern.ircdocs.horse/#rplwhoisidle-317)."""
    server = start_server("--room", "lab", presence_seconds=1)
    register(connect, server, "carla")
    join_irc(server, "carla", secret="secret-1")
    bob, found = join_irc(server, "bob"), set()
    while "317" not in found:
        bob.send("WHOIS carla")
        told = bob.settled()
        found = {it.command for it in told}
    assert {"330", "317"} <= found
    assert next(it.params[1:3] for it in told if it.command == "330") == ("carla", "carla")
