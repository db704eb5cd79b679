"""OPER, REHASH and KNOCK (https://modern.ircdocs.horse/), account-notify and STS
(https://ircv3.net/specs/extensions/account-notify, .../sts), and commands beside them."""

import time

import pytest

from tests.irc.clients import IrcClient
from tests.irc.test_registration import register
from tests.test_chatctl import chatctl
from tests.tls import TLS, CertificateAuthority


@pytest.fixture
def boss(start_server, connect, tmp_path):
    """Return a server with a configuration file, whose operator is the registered user boss."""
    config = tmp_path / "chat.toml"
    config.write_text("[limits]\nhistory_entries = 100\n")
    server = start_server("--room", "lab", "--config", str(config))
    register(connect, server, "boss")
    assert chatctl(server.data, "operator", "boss")[0] == 0
    return server, config


def test_oper_and_rehash(boss, join_irc):
    """OPER logs in an operator (381), with errors for a wrong password (464), also of one who is
    logged in, and for others (491); REHASH (382) reads the configuration file, for operators alone
    (481) (https://modern.ircdocs.horse/#oper-message)."""
    server, config = boss
    bob = join_irc(server, "bob")
    bob.send("OPER boss", "OPER boss wrong", "OPER nosuch x", "REHASH")
    assert [bob.message().command for _ in range(4)] == ["461", "464", "464", "481"]
    bob.send("NS REGISTER secret-1", "OPER bob secret-1")
    bob.until("491")
    ann = join_irc(server, "ann")
    ann.send("OPER boss secret-1")
    assert ann.until("900").params[2] == "boss"
    ann.until("381")
    ann.settled()  # boss is in the rooms that boss keeps
    ann.send("USERHOST boss bob")
    assert ann.until("302").params[1] == "boss*=+~u@chat bob=+~u@chat"
    config.write_text("[limits]\nhistory_entries = 7\n")
    ann.send("OPER boss wrong", "OPER boss secret-1", "MODE boss", "REHASH", "WHOIS boss")
    told = [it for it in ann.settled() if it.command in ("464", "381", "221", "382", "313")]
    assert [it.command for it in told] == ["464", "381", "221", "382", "313"]
    assert told[2].params[1] == "+o"
    new = join_irc(server)
    new.send("NICK new", "USER new 0 * :new")
    while "CHATHISTORY=7" not in new.until("005").params:
        pass


def test_knock(server, join_irc, connect):
    """The moderators in a channel with a password, or for invited users, are told (711), with the
    words of who knocks. A channel that is open (713), also if it is not listed, that one is in
    (714), or that is not there, has another number."""
    owner, bob = join_irc(server, "owner"), join_irc(server, "bob")
    owner.send("JOIN #den secret")
    owner.until("366")
    bob.send("KNOCK", "KNOCK #nosuch", "KNOCK #lab", "JOIN #lab", "KNOCK #lab", "KNOCK #den")
    numbers = [it.command for it in bob.settled() if it.command.isdigit()]
    assert [it for it in numbers if it > "4"] == ["461", "403", "713", "714", "711"]
    assert owner.until("PRIVMSG", "owner").params[1] == "* bob asks to be let into #den"
    owner.send("JOIN #club,#late", "MODE #club +i", "MODE #late +s")
    owner.until("MODE", "#late")
    bob.send("KNOCK #club :let me in", "KNOCK #late")
    assert [it.command for it in bob.settled()] == ["711", "713"]
    told = "* bob asks to be let into #club: let me in"
    assert owner.until("PRIVMSG", "owner").params[1] == told
    owner.send("PART #den")
    owner.until("PART")
    bob.send("KNOCK #den")
    assert bob.message().command in ("480", "403")  # without its owner, who is a guest, it may go


def test_whowas(server, join_irc, connect):
    """Of a registered user who is gone, WHOWAS tells when they were here (314, 312, 369); of
    others nothing (406)."""
    register(connect, server, "carla")
    server.log.expect("carla left")
    bob = join_irc(server, "bob")
    bob.send("WHOWAS", "WHOWAS carla", "WHOWAS nosuch")
    found = bob.settled()
    commands = [it.command for it in found]
    assert commands == ["431", "314", "312", "369", "406", "369"]
    assert found[2].params[3].startswith(time.strftime("%Y-", time.gmtime()))


def test_accounts_are_told(server, join_irc, connect):
    """A guest who registers is told of as an account, to those who asked for that, once a room."""
    rich, poor = join_irc(server, "rich", "account-notify"), join_irc(server, "poor")
    guest = connect(server, "gina")
    guest.send("/join lab")
    guest.expect("You are in lab")
    for each in (rich, poor):
        each.send("JOIN #lab")
        each.until("366")
    guest.send("/register", "secret-1", "secret-1", "hello")
    assert poor.until("PRIVMSG").params[1] == "hello"
    told = [rich.until("ACCOUNT"), rich.message()]
    assert (told[0].tags[""], told[0].params) == ("gina!~u@chat", ("gina",))
    assert told[1].command == "PRIVMSG"
    assert "ACCOUNT" not in poor.seen


def offered(client):
    """Return the capabilities of an answer to `CAP LS 302`, which may have several lines."""
    shown = []
    while (it := client.until("CAP", "LS")).params[2] == "*":
        shown += it.params[-1].split()
    return [*shown, *it.params[-1].split()]


def test_sts(start_server, tmp_path):
    """Only where the operator asks for it, clients are told to use TLS: in plain its port, and over
    TLS for how long; nobody can ask for it, and old clients see nothing."""
    pem = tmp_path / "chat.pem"
    authority = CertificateAuthority(tmp_path)
    pem.write_bytes(b"".join(authority.certify("127.0.0.1")))
    for options, plain, secure in (
        (("--irc-sts", "30d"), "sts=port={}", "sts=duration=2592000"),
        ((), "", ""),
    ):
        server = start_server("--tls", str(pem), *options)
        for policy, tls in ((plain, False), (secure, True)):
            client = IrcClient(server)
            if tls:
                client.socket = TLS.wrap_socket(client.socket, server_hostname="127.0.0.1")
            client.send("CAP LS 302", "CAP REQ sts", "CAP LS")
            shown = offered(client)
            told = [it for it in shown if it.startswith("sts")]
            assert told == [policy.format(server.port)] * bool(policy)
            assert client.until("CAP").params[1] == "NAK"
            assert "sts" not in client.until("CAP").params[-1].split()
            client.close()
