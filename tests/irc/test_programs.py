"""WeeChat and irssi, as Debian has them, connect, join and talk, and show what others do."""

import pytest

from tests.irc.programs import Irssi, WeeChat
from tests.irc.test_registration import register


@pytest.fixture
def run(tmp_path):
    """Return a function that starts a client in a folder of its own."""
    started = []

    def start(kind, *args):
        started.append(kind(tmp_path / f"client{len(started)}", *args))
        return started[-1]

    yield start
    for each in started:
        each.close()


def test_weechat(server, run, connect):
    """Joins, talk both ways, topics, private messages, renames and departures are in the windows
    where its user looks for them."""
    anna = connect(server, "anna")
    anna.send("/join lab")
    anna.expect("You are in lab")
    weechat = run(WeeChat, server.port, "wendy")
    weechat.expect("Welcome, wendy")
    weechat.type("/join #lab")
    assert anna.line() == "* wendy came in"
    weechat.expect("wendy.*has joined #lab")
    anna.send("hello from nc", "/me waves", "/topic green", "@wendy psst")
    weechat.expect(r"anna\thello from nc")
    weechat.expect(r"\*\tanna waves")
    weechat.expect("anna.*topic.*green")
    weechat.expect(r"anna\tpsst")
    weechat.type("/msg #lab hello from weechat")
    assert anna.expect("wendy: ") == "wendy: hello from weechat"
    weechat.type("/me nods", "irc.chat.#lab")
    assert anna.line() == "~ wendy nods"
    weechat.type("/msg anna back")
    assert anna.line() == "wendy -> you: back"
    anna.send("/nick ann", "/quit")
    weechat.expect("anna is now known as ann")
    weechat.expect("ann.* has quit")
    weechat.type("/part #lab", "irc.chat.#lab")
    weechat.expect("wendy.* has left #lab")


def test_irssi(server, run, connect):
    """The same."""
    anna = connect(server, "anna")
    anna.send("/join lab")
    anna.expect("You are in lab")
    irssi = run(Irssi, server.port, "ida")
    irssi.expect("Welcome, ida")
    irssi.type("/join #lab")
    assert anna.line() == "* ida came in"
    irssi.expect("ida.* has joined #lab")
    anna.send("hello from nc", "/me waves", "/topic green", "@ida psst")
    irssi.expect("< ?anna> hello from nc")
    irssi.expect(r"\* anna waves")
    irssi.expect("anna changed the topic of #lab to: green")
    irssi.expect("< ?anna> psst")
    irssi.type("/msg #lab hello from irssi")
    irssi.type("/msg anna back")
    told = sorted([anna.expect("ida"), anna.line()])
    assert told == ["ida -> you: back", "ida: hello from irssi"]
    anna.send("/nick ann", "/quit")
    irssi.expect("anna is now known as ann")
    irssi.expect("ann.* has quit")
    irssi.type("/window goto #lab")
    irssi.type("/part #lab")
    irssi.expect("ida.* has left #lab")


def test_one_user_with_two_clients(server, run, connect):
    """Both log in with SASL and are put into the user's rooms. Each shows the other's words, edits,
    links to files and kicks. What is said while both are away is shown by the one that comes back
    first, once."""
    register(connect, server, "wendy")
    anna = connect(server, "anna")
    anna.send("/register secret-2", "/create den")
    anna.expect("You are in den")
    sasl = ("sasl_username wendy", "sasl_password secret-1")
    weechat = run(WeeChat, server.port, "wendy", *sasl)
    weechat.expect("You are logged in")
    weechat.type("/join #den")
    weechat.expect("wendy.*has joined #den")
    irssi = run(Irssi, server.port, "wendy", "secret-1")
    irssi.expect("wendy.* has joined #den")
    weechat.type("/msg #den from weechat")
    irssi.expect("< ?wendy> from weechat")
    irssi.type("/msg #den from irssi")
    weechat.expect(r"wendy\tfrom irssi")
    irssi.type("/msg anna for anna alone")
    weechat.expect(r"wendy\tfor anna alone")
    carl = connect(server, "carl")
    carl.send("/join den")
    anna.expect("carl came in")
    anna.send("wrong", "/edit right", "/put notes.txt 3", "abc", "/kick carl too loud")
    link = f"http://127.0.0.1:{server.port}/den/notes.txt"
    for client in (weechat, irssi):
        client.expect(r"@anna(>|\t).*\* right")
        client.expect(f"shared notes.txt .3 bytes.: {link}")
        client.expect("carl.*too loud")
        client.type("/disconnect")
    anna.expect("wendy left")
    anna.send("said meanwhile", "@wendy this waits")
    anna.expect("wendy")
    weechat.type("/connect chat")
    weechat.expect(r"@anna\tsaid meanwhile")
    weechat.expect(r"anna\tthis waits")
    irssi.type("/connect chat")
    irssi.expect(r"(?s)\[chat.#den.log\].*Log closed.*wendy.* has joined #den")
    anna.send("said now")
    weechat.expect(r"@anna\tsaid now")
    irssi.expect("<@anna> said now")
    assert weechat.shown().count("anna\tsaid meanwhile") == 1
    assert "said meanwhile" not in irssi.shown()
    for client in (weechat, irssi):
        client.type("/disconnect")
    anna.expect("wendy left")
    anna.send("said later", "/who")
    anna.expect(" in den:")
    irssi.type("/connect chat")
    irssi.expect("<@anna> said later")
    weechat.type("/connect chat")
    weechat.expect(r"(?s)said now.*wendy.*has joined #den")
    irssi.type("/msg #den all is read")
    weechat.expect(r"wendy\tall is read")
    assert "said later" not in weechat.shown()
