"""IRC inside TLS: the same table of protocols is asked again there."""

import pytest

from tests.irc.clients import IrcClient
from tests.tls import TLS


@pytest.mark.parametrize("options", [("--tls", "auto"), ("--tls", "auto", "--tls-only")])
def test_irc_over_tls(start_server, options):
    """A client registers, and talks to one in plain, unless the server takes TLS only: that one is
    told so in its own protocol."""
    server = start_server("--room", "lab", *options)
    secure = IrcClient(server)
    secure.socket = TLS.wrap_socket(secure.socket, server_hostname="127.0.0.1")
    secure.send("NICK ann", "USER a 0 * :a", "JOIN #lab")
    secure.until("366")
    plain = IrcClient(server)
    plain.send("NICK bob", "USER b 0 * :b", "JOIN #lab", "PRIVMSG #lab :hello")
    if len(options) == 2:
        assert secure.until("PRIVMSG").params == ("#lab", "hello")
    else:
        assert "Only TLS is spoken here" in plain.message().params[0]
    secure.close()
    plain.close()
