"""WeeChat and irssi, as Debian has them, connect, join and talk, and show what others do."""

import pytest

from tests.irc.programs import Irssi, WeeChat


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
