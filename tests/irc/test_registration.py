"""Registration (https://modern.ircdocs.horse/#connection-registration): in any order, with the
errors that the specifications give, and SASL."""

import pytest

from tests.irc.clients import IrcClient, plain
from tests.test_chatctl import chatctl

ORDERS = {
    "nick first": ["NICK ann", "USER ann 0 * :Ann"],
    "user first, as EPIC does": ["USER ann 0 * :Ann", "NICK ann"],
    "a password that nobody asked for": ["PASS ann:nosuch", "NICK ann", "USER ann 0 * :Ann"],
    "with capabilities": ["CAP LS 302", "NICK ann", "USER ann 0 * :Ann", "CAP END"],
    "capabilities alone": ["CAP LS 302", "CAP REQ :batch", "CAP END", "USER a 0 * a", "NICK ann"],
    "as irssi does": ["CAP LS 302", "JOIN :", "CAP END", "NICK ann", "USER a 0 * :a"],
}


@pytest.mark.parametrize("order", ORDERS)
def test_it_is_complete_in_any_order(server, join_irc, order):
    """A nick and a user, and the end of a negotiation that was begun, bring 001 to 005, which are
    said once, and what the server is."""
    ann = join_irc(server)
    ann.send(*ORDERS[order])
    if "nobody" in order:  # the name is not registered, and no password makes it so
        ann.until("401")
        ann.send("NICK ann")
    assert ann.until("001").params[0] == "ann"
    assert [ann.message().command for _ in range(7)] == ["002", "003", "004", *["005"] * 4]
    ann.until("422")
    assert ann.settled() == []


def test_isupport_is_true(server, join_irc):
    """Each word that has a number has that of the limit."""
    ann = join_irc(server)
    ann.send("NICK ann", "USER ann 0 * :Ann")
    words = [word for _ in range(4) for word in ann.until("005").params]
    told = dict(word.partition("=")[::2] for word in words)
    for word in ("UTF8ONLY", "WHOX", "SAFELIST"):
        assert told[word] == ""
    for word, value in {
        "CASEMAPPING": "ascii",
        "CHANTYPES": "#",
        "PREFIX": "(o)@",
        "CHANMODES": "b,k,,imnst",
        "ELIST": "MU",
        "NETWORK": "chatservice",
        "MSGREFTYPES": "msgid,timestamp",
        "MONITOR": "100",
        "CHANLIMIT": "#:100",
        "MAXLIST": "b:1000",
        "BOT": "B",
        "MODES": "20",
    }.items():
        assert told[word] == value
    assert told["TARGMAX"].startswith("PRIVMSG:4,NOTICE:4,")
    ann.until("422")
    ann.send(f"NICK {'a' * (int(told['NICKLEN']) + 1)}", f"NICK {'a' * int(told['NICKLEN'])}")
    assert [it.command for it in ann.settled()] == ["432", "NICK"]
    name = "#" + "r" * (int(told["CHANNELLEN"]) - 1)
    ann.send(f"JOIN {name}x", f"JOIN {name}", f"TOPIC {name} :{'t' * int(told['TOPICLEN'])}")
    found = [it.command for it in ann.settled()]
    assert found == ["403", "JOIN", "353", "366", "TOPIC"]
    ann.send("AWAY :" + "x" * int(told["AWAYLEN"]), f"WHOIS {'a' * int(told['NICKLEN'])}")
    assert len(ann.until("301").params[2]) == int(told["AWAYLEN"]) == int(told["KICKLEN"])


def test_commands_before_it(server, join_irc):
    """They are refused with 451, an unknown one too, and the connection goes on."""
    ann = join_irc(server)
    ann.send("NICK ann", "JOIN #lab", "PRIVMSG #lab :hello", "NOSUCH", "PING x")
    assert [ann.message().command for _ in range(4)] == ["451", "451", "451", "PONG"]
    ann.send("USER a 0 * :a")
    ann.until("001")


NICKS = {
    "NICK": "431",
    "NICK :": "431",
    "NICK a|b": "432",
    "NICK #lab": "432",
    "NICK server": "433",
    "NICK BOB": "433",
    "NICK carla": "433",
    "USER ann": "461",
    "USER a 0 * :a": "462",
    "PASS x": "462",
}


@pytest.mark.parametrize("line", NICKS)
def test_nicks_that_cannot_be(server, join_irc, connect, line):
    """Each refusal has its number, before the registration (but for what is fine there) and behind
    it; a registered name is taken without its password, so clients try another one."""
    connect(server, "bob")
    carla = connect(server, "carla")
    carla.send("/register", "secret-1", "secret-1")
    carla.expect("carla is your name")
    ann, new = join_irc(server, "ann"), join_irc(server)
    ann.send(line)
    found = ann.message()
    assert found.command == (NICKS[line] if line != "USER ann" else "462")
    new.send("CAP LS 302")
    while new.until("CAP").params[2] == "*":
        pass  # there is more
    new.send("USER n 0 * :n" if "NICK" in line else "NICK new", "CAP END", line)
    if NICKS[line] != "462":
        assert new.message().command == NICKS[line]
    if "PASS" not in line:  # which would be wrong for a name that is not registered
        new.send("NICK other", "USER o 0 * :o")
        new.until("422")


def register(connect, server, name, secret="secret-1"):
    """Register a name, and go."""
    person = connect(server, name)
    person.send("/register", secret, secret, "/quit")
    person.expect("is your name from now on")
    person.rest()


def test_sasl(server, join_irc, connect):
    """PLAIN logs in, tells the account (900) before the client is welcomed by its name, and puts
    it into the rooms that it keeps."""
    register(connect, server, "carla")
    first = IrcClient(server, "carla", secret="secret-1")
    assert "900 carla carla!~u@chat carla" in first.seen
    assert first.seen.index(" 900 ") < first.seen.index(" 903 ") < first.seen.index(" 001 carla")
    first.send("JOIN #lab")
    first.until("366", "#lab")
    first.close()
    again = join_irc(server)
    again.send("CAP REQ sasl", "NICK somebody", "USER c 0 * :c", "AUTHENTICATE PLAIN")
    again.until("AUTHENTICATE", "+")
    again.send(f"AUTHENTICATE {plain('carla', 'secret-1')}", "CAP END")
    assert again.until("001").params[0] == "carla"
    again.until("366", "#lab")
    again.send("AUTHENTICATE PLAIN", "NICK other")
    assert again.until("907").params[0] == "carla"
    assert "You are logged in as carla" in again.until("NOTICE").params[1]


def test_sasl_with_a_token(server, join_irc, connect):
    """A token of the account's logs in, in the place of a password, also with PASS, until it is
    revoked: that ends the connections which came in with it."""
    register(connect, server, "carla")
    carla = connect(server)
    carla.send("/login carla secret-1", "/token phone")
    token = carla.expect("* phone: ").removeprefix("* phone: ")
    bouncer = join_irc(server, "carla", secret=token)
    assert "903 carla" in bouncer.seen
    other = join_irc(server)
    other.send(f"PASS carla:{token}", "NICK x", "USER x 0 * :x")
    assert other.until("001").params[0] == "carla"
    carla.send("/revoke phone")
    bouncer.until("ERROR")
    other.until("ERROR")
    late = join_irc(server)
    late.send("CAP REQ sasl", "AUTHENTICATE PLAIN", f"AUTHENTICATE {plain('carla', token)}")
    late.until("904")


BAD = b"PRIVMSG #lab :caf\xe9 \xff\xff \xff\xfb\x01 \xff\xf4"


@pytest.mark.parametrize("caps", ["", "standard-replies"])
@pytest.mark.parametrize("cut", [len(BAD), 20, 24])
def test_lines_that_are_not_utf8(server, join_irc, caps, cut):
    """Latin-1, with bytes that telnet would have for itself, is refused as a whole, and the client
    is told what to do (https://ircv3.net/specs/extensions/utf8-only)."""
    ann, bob = join_irc(server, "ann", caps), join_irc(server, "bob")
    for each in (bob, ann):
        each.send("JOIN #lab")
        each.until("366")
    ann.send_raw(BAD[:cut])
    ann.send_raw(BAD[cut:] + b"\r\nPRIVMSG #lab :caf\xc3\xa9\r\n")
    told = ann.message()
    assert told.params[-1] == "That line is not UTF-8; set your client's character set to UTF-8."
    assert (told.command, told.params[1]) == (
        ("FAIL", "INVALID_UTF8") if caps else ("NOTICE", told.params[-1])
    )
    assert bob.until("PRIVMSG").params == ("#lab", "café")
    new = join_irc(server)
    new.send_raw(b"NICK new\r\nUSER new 0 * :\xff\xfb\x01\r\nUSER new 0 * :new\r\n")
    new.until("NOTICE")
    new.until("001")


def test_sasl_that_fails(server, join_irc, connect):
    """A wrong password, another form, another mechanism, too much, and an end by the client have
    numbers of their own, and a good one may follow."""
    register(connect, server, "carla")
    it = join_irc(server)
    it.send("CAP REQ sasl", "AUTHENTICATE EXTERNAL")
    assert [it.message().command for _ in range(3)] == ["CAP", "908", "904"]
    for sent, number in {
        plain("carla", "wrong"): "904",
        "bm90aGluZw==": "904",
        "!": "904",
        "*": "906",
        "a" * 401: "905",
    }.items():
        it.send("AUTHENTICATE PLAIN", f"AUTHENTICATE {sent}")
        it.until("AUTHENTICATE")
        assert it.message().command == number, sent
    it.send("AUTHENTICATE PLAIN", f"AUTHENTICATE {plain('carla', 'secret-1')}", "CAP END")
    it.until("903")
    it.send("NICK x", "USER x 0 * :x")
    assert it.until("001").params[0] == "carla"


def test_passwords_in_pass_and_to_nickserv(server, join_irc, connect):
    """`PASS NAME:PASSWORD` logs in, and so do the words that clients send to NickServ. A wrong
    password has 464, and nobody can take the name of NickServ to ask for them."""
    register(connect, server, "carla")
    it = join_irc(server)
    it.send("NICK Nickserv", "USER x 0 * :x")
    assert it.message().command == "433"
    it.send("PASS carla:wrong", "NICK x")
    assert it.message().command == "464"
    it.send("PASS carla:secret-1", "NICK x")
    assert it.until("001").params[0] == "carla"
    guest = join_irc(server, "guest")
    guest.send("PRIVMSG NickServ :IDENTIFY carla wrong", "NS IDENTIFY carla secret-1")
    told = guest.until("NOTICE")
    assert told.tags[""].startswith("NickServ!")
    assert "not carla's password" in told.params[1]
    assert guest.until("900").params[2] == "carla"
    assert guest.until("NICK").params == ("carla",)
    other = join_irc(server, "other")
    other.send("PRIVMSG nickserv :REGISTER secret-2 me@example.org", "PRIVMSG NickServ :what")
    assert other.until("900").params[2] == "other"
    assert "IDENTIFY" in other.until("NOTICE").params[1]


def test_registering_where_not_everybody_may(start_server, join_irc):
    """The capability is not offered where REGISTER cannot keep its word: it has no place for an
    invitation code. NickServ takes one, behind the password."""
    server = start_server("--registration", "invited")
    ann = join_irc(server, "ann")
    ann.send("CAP LS 302", "CAP REQ draft/account-registration", "NS REGISTER secret-1 x")
    *listed, answer, notice = ann.settled()
    assert "registration" not in " ".join(it.params[-1] for it in listed)
    assert answer.params[1] == "NAK"
    assert notice.params[1] == "That code is not good, or not any more; ask for another."
    code = chatctl(server.data, "code")[1].split()[1]
    ann.send(f"NS REGISTER secret-1 {code}")
    assert ann.until("900").params[2] == "ann"


LATE = {
    "NickServ": ("PRIVMSG NickServ :IDENTIFY carla secret-1",),
    "SASL": ("AUTHENTICATE PLAIN", f"AUTHENTICATE {plain('carla', 'secret-1')}"),
    "OPER": ("OPER carla secret-1",),
}


@pytest.mark.parametrize("how", LATE)
def test_who_logs_in_late_is_shown_what_waits(server, join_irc, connect, how):
    """A client that comes in as a guest, and then logs in, is put into the rooms that its user
    keeps, and shown what is unread there and the private messages that wait."""
    carla = connect(server, "carla")
    carla.send("/register secret-1", "/join lab", "/quit")
    carla.rest()
    anna = connect(server, "anna")
    anna.send("/join lab", "meanwhile", "@carla psst", "/history")
    anna.expect("meanwhile")
    guest = join_irc(server, "carla_")
    guest.send(*LATE[how])
    guest.until("NICK", "carla")
    told = dict(guest.until("PRIVMSG").params for _ in range(2))
    assert told.keys() == {"#lab", "carla"}
    assert told["#lab"].endswith("] meanwhile")
    assert told["carla"].endswith("psst")
    assert ":carla!~u@chat JOIN #lab\r" in guest.seen


CAPS = {
    "CAP LS": ("LS", "sasl server-time"),
    "CAP LS 302": ("LS", "sasl=PLAIN server-time"),
    "CAP LIST": ("LIST", ""),
    "CAP REQ :batch server-time": ("ACK", "batch server-time"),
    "CAP REQ :batch nosuch": ("NAK", "batch nosuch"),
    "CAP REQ :-batch": ("ACK", "-batch"),
}


@pytest.mark.parametrize("line", CAPS)
def test_capabilities(server, join_irc, line):
    """They are listed, with values for those who know version 302, and agreed on all at once or not
    at all (https://ircv3.net/specs/extensions/capability-negotiation)."""
    verb, names = CAPS[line]
    ann = join_irc(server, "ann")
    ann.send(line, "CAP LIST", "CAP NOSUCH")
    told = ann.until("CAP")
    shown = told.params[-1]
    while told.params[2] == "*":  # there is more
        told = ann.until("CAP")
        shown += " " + told.params[-1]
    assert told.params[1] == verb
    assert names in shown
    agreed = set(ann.until("CAP").params[-1].split())
    assert agreed == (
        {"batch", "server-time"} if line == "CAP REQ :batch server-time" else set()
    ) or (line == "CAP LS 302" and agreed == {"cap-notify"})
    ann.until("410")
