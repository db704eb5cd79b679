"""Lines that cannot be done are answered as the specifications say, none is dropped silently, and
the connection goes on (https://modern.ircdocs.horse/#numerics,
https://ircv3.net/specs/extensions/standard-replies)."""

from chatservice.domain.model import FREE_COMMANDS
from tests.irc.test_registration import register
from tests.test_chatctl import chatctl

BARE = {
    "AUTHENTICATE": "461",
    "AWAY": "305",
    "BATCH": "FAIL",
    "CAP": "410",
    "CHATHISTORY": "FAIL",
    "INVITE": "461",
    "ISON": "303",
    "JOIN": "461",
    "KICK": "461",
    "KNOCK": "461",
    "MARKREAD": "FAIL",
    "MODE": "461",
    "MONITOR": "461",
    "NAMES": "366",
    "NICK": "431",
    "NICKSERV": "461",
    "NOTICE": "411",
    "NS": "461",
    "OPER": "461",
    "PART": "461",
    "PASS": "462",
    "PING": "461",
    "PRIVMSG": "411",
    "REDACT": "461",
    "REGISTER": "FAIL",
    "REHASH": "481",
    "SETNAME": "FAIL",
    "TAGMSG": "411",
    "TOPIC": "461",
    "USER": "462",
    "USERHOST": "302",
    "WHO": "315",
    "WHOIS": "431",
    "WHOWAS": "431",
}
"""Commands without their parameters. All others need none."""

ERRORS = {
    "JOIN :": "403",
    "JOIN #": "403",
    "JOIN lab": "403",
    "JOIN &lab": "403",
    "JOIN #2": "403",
    "JOIN #a+b": "403",
    "JOIN #" + "a" * 33: "403",
    "PART #nosuch": "403",
    "PART #lab": "442",
    "PART #lab,#nosuch": "442 403",
    "TOPIC #nosuch": "403",
    "TOPIC #lab :new": "442",
    "TOPIC #made": "331",
    "KICK #lab": "461",
    "KICK #lab bob": "482",
    "KICK #nosuch bob": "403",
    "KICK #made eve": "441",
    "KICK #made nosuch": "401",
    "INVITE bob": "461",
    "INVITE bob #lab": "482",
    "INVITE bob #made": "443",
    "INVITE nosuch #made": "401",
    "MODE #lab +m": "482",
    "MODE #lab +o": "461",
    "MODE #nosuch": "403",
    "MODE #made +z": "472",
    "MODE #made +zy": "472 472",
    "MODE #made +o nosuch": "401",
    "MODE #made +b nosuch!x@y": "FAIL",
    "MODE bob +z": "501",
    "MODE eve +B": "502",
    "MODE nosuch": "401",
    "NAMES #nosuch": "366",
    "LIST #nosuch": "321 323",
    "WHO #nosuch": "315",
    "WHOIS nosuch": "401 318",
    "WHOWAS nosuch": "406 369",
    "PRIVMSG #lab": "412",
    "PRIVMSG #lab :": "412",
    "PRIVMSG #lobby :\u200b": "404",
    "PRIVMSG #lab :hello": "404",
    "PRIVMSG #nosuch :hello": "403",
    "PRIVMSG nosuch :hello": "401",
    "PRIVMSG a,b,c,d,eve :hello": "407",
    "PRIVMSG eve :\x02": "412",
    "PRIVMSG #lab :\x01VERSION\x01": "404",
    "PRIVMSG eve :\x01DCC SEND x 1 2 3\x01": "FAIL",
    "JOIN #new " + "x" * 300: "525",
    "MODE #lab -n": "324",
    "MODE #lab -t": "324",
    "MODE #lab +nt": "",
    "NOSUCH": "421",
    "lowercase": "421",
    "PING :": "409",
    "VERSION nosuch": "402",
    "TIME nosuch": "402",
    "INFO nosuch": "402",
    "MOTD nosuch": "402",
    "LUSERS * nosuch": "402",
    "MOTD server": "422",
    "HELP nosuch": "524",
    "HELPOP nosuch": "524",
    "NICK #lab": "432",
    "NICK eve": "433",
    "CAP REQ :nosuch batch": "CAP",
    "CAP NOSUCH": "410",
    "AUTHENTICATE NOSUCH": "908 904",
    "MARKREAD #nosuch": "FAIL",
    "REDACT #nosuch x-1": "FAIL",
    "BATCH +1 nosuch #lab": "FAIL",
    "REGISTER * * :": "FAIL",
    ":forged": "FAIL",
    "PRIVMSG #lab :" + "x" * 500: "417",
    "@" + "x" * 5000 + " PING x": "417",
}
"""Lines with something wrong in them, and the answers."""


def test_each_has_its_answer(server, join_irc):
    """A line that cannot be done is answered with the numbers of the specifications, or with FAIL
    where they have none. Nothing is done, and the connection goes on."""
    eve, bob = join_irc(server, "eve"), join_irc(server, "bob", "standard-replies")
    bob.send("JOIN #made")
    bob.until("366")
    for line, answers in {**BARE, **ERRORS}.items():
        bob.send(line)
        assert [it.command for it in bob.settled()] == answers.split(), line[:60]
    assert eve.settled() == []


UNASKED = (
    "CHATHISTORY LATEST #lab msgid=x 5",
    "CHATHISTORY LATEST #nosuch * 5",
    "CHATHISTORY LATEST ~ * 5",
    "JOIN #~",
    "KICK #nosuch bob",
    "KNOCK #nosuch",
    "MARKREAD #nosuch",
    "MARKREAD ~",
    "MODE #nosuch",
    "NAMES #nosuch",
    "PART #nosuch",
    "PRIVMSG #nosuch :x",
    "TOPIC #nosuch",
    "WHO #nosuch",
)
"""Lines about a room or a user that cannot be: no request is made of them."""


def test_each_is_counted(start_server, join_irc):
    """A line that comes to nothing takes its part of the commands in a second, as all others do."""
    server = start_server("--room", "lab", commands_per_second=0.4, commands_burst=1)
    for at, line in enumerate(UNASKED):
        client = join_irc(server, f"n{at}")
        client.send(*[line] * (FREE_COMMANDS + 2))
        while not client.until("NOTICE").params[-1].startswith("Not so fast"):
            pass


def test_rooms_that_one_may_not_enter(start_server, join_irc, connect):
    """A channel for invited users only has 473, one more than may be joined 405, and a name that
    may not come to the server 465, before its end (https://modern.ircdocs.horse/#numerics)."""
    server = start_server("--room", "lab", "--room", "one", "--room", "two", rooms_joined=2)
    owner, bob = join_irc(server, "owner"), join_irc(server, "bob", "standard-replies")
    owner.send("JOIN #den", "MODE #den +i")
    owner.until("MODE")
    bob.send("JOIN #den", "JOIN #lab,#lobby,#one,#two", "JOIN 0", "JOIN #lab")
    entered = ["JOIN", "353", "366"]
    found = [it.command for it in bob.settled()]
    assert found == ["473", *entered * 2, "405", "405", "PART", "PART", *entered]
    bob.send("JOIN " + ",".join(["#a+"] * 100), "PART " + ",".join(["#a+"] * 100))
    assert [it.command for it in bob.settled()] == ["403"] * 200
    register(connect, server, "boss")
    assert chatctl(server.data, "operator", "boss")[0] == 0
    boss = join_irc(server, "boss", secret="secret-1")
    boss.send("JOIN #lobby", "MODE #lobby +b eve")
    boss.until("MODE", "+b")
    eve = join_irc(server)
    eve.send("NICK eve", "USER e 0 * :e")
    assert [eve.message().command for _ in range(2)] == ["465", "ERROR"]
