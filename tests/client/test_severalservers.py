"""Several servers that are one chat, in the place of one host."""

import pytest
import pytest_twisted

from chatservice.client.clientoptions import DEFAULT_PORT, parse
from chatservice.client.connectors import UntrustedServer
from chatservice.client.jsonconnection import Lost
from chatservice.client.severalservers import SeveralServers, servers_of


class Way:
    """A way to a server, whose `answer` is a connection or an error."""

    def __init__(self, answer):
        self.answer = answer
        self.asked = 0

    async def connect(self, make):
        """Connect, or raise the error."""
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_servers_are_named_with_their_ports():
    """One host may be several; what has no port has the one that stands behind it."""
    assert servers_of("a", 1) == [("a", 1)]
    assert servers_of("a:2, b,[::1]:3,10.0.0.1:4", 1) == [
        *(("a", 2), ("b", 1), ("::1", 3), ("10.0.0.1", 4))
    ]
    assert servers_of("::1", 1) == [("::1", 1)]
    assert parse(["alice", "a:1,b:2"]).port == DEFAULT_PORT
    assert parse(["alice", "a,b:2"]).port is None


@pytest_twisted.ensureDeferred
async def test_the_next_server_is_tried():
    """The one that could be reached last comes first; if none can, all reasons are told."""
    ways = one, other = Way("one"), Way("other")
    several = SeveralServers(ways)
    assert await several.connect(None) == "one"
    one.answer = Lost("one is gone.")
    assert [await several.connect(None) for _ in range(2)] == ["other", "other"]
    assert (one.asked, other.asked) == (2, 2)
    other.answer = Lost("other is gone.")
    with pytest.raises(Lost, match=r"other is gone\. one is gone\."):
        await several.connect(None)


@pytest_twisted.ensureDeferred
async def test_a_wrong_certificate_ends_the_search():
    """Nobody goes on to another server where somebody may be listening in."""
    other = Way("other")
    with pytest.raises(UntrustedServer):
        await SeveralServers([Way(UntrustedServer("It has changed.")), other]).connect(None)
    assert not other.asked
