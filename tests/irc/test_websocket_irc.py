"""IRC over WebSocket (https://ircv3.net/specs/extensions/websocket): with each subprotocol, and
without one, as browsers' clients come."""

import pytest

from tests.web.clients import HttpClient, WebSocketClient
from tests.websocketframes import client_frame

KINDS = {"text.ircv3.net": 1, "binary.ircv3.net": 2, "": 1}


class IrcFrames(WebSocketClient):
    """A client that sends and gets messages of IRC in frames."""

    def __init__(self, port: int, subprotocol: str, **headers: str) -> None:
        asked = subprotocol and f"other, {subprotocol}"
        super().__init__(port, Sec_WebSocket_Protocol=asked, **headers)
        self.opcode = KINDS[subprotocol]

    def say(self, *lines: str) -> None:
        """Send messages, a frame each."""
        self.send_raw(b"".join(client_frame(line.encode(), self.opcode) for line in lines))

    def expect_line(self, text: str) -> str:
        """Wait for a message that contains a text. A frame has one message, and no line end."""
        while True:
            opcode, payload = self.frame()
            assert opcode == self.opcode
            assert not set(payload) & set(b"\r\n")
            if text in payload.decode():
                return payload.decode()


@pytest.mark.parametrize("subprotocol", KINDS)
def test_irc_in_frames(server, connect, subprotocol):
    """A client registers and talks both ways: rooms, private messages, events, answers."""
    anna = connect(server, "anna")  # before somebody at this address speaks HTTP
    bob = IrcFrames(server.port, subprotocol)
    assert bob.handshake.status == 101
    assert bob.handshake.headers.get("sec-websocket-protocol", "") == subprotocol
    bob.say("CAP LS 302", "NICK bob", "USER b 0 * :b", "CAP REQ :server-time", "CAP END")
    bob.expect_line(" 001 bob ")
    bob.say("JOIN #lab\r\n")
    bob.expect_line(" 366 bob #lab")
    anna.send("/join lab", "one", "/me two", "@bob three")
    assert bob.expect_line("JOIN") == ":anna!~u@chat JOIN #lab"
    assert bob.expect_line("PRIVMSG #lab").endswith(" :anna!~u@chat PRIVMSG #lab :one")
    bob.expect_line("\x01ACTION two\x01")
    assert bob.expect_line("PRIVMSG bob").endswith(":anna!~u@chat PRIVMSG bob :three")
    bob.say("PRIVMSG #lab :hello", "PRIVMSG anna :back", "QUIT :bye")
    assert anna.expect("bob: ") == "bob: hello"
    assert anna.expect("bob ->") == "bob -> you: back"
    assert bob.expect_line("ERROR") == "ERROR Goodbye."
    assert bob.close_code() == 1000
    assert anna.expect("left") == "* bob left (bye)"
    bob.close()


def test_links_behind_a_proxy(start_server):
    """A link begins with the address by which the client's own page came, which a proxy tells."""
    server = start_server("--room", "lab", trusted=("127.0.0.1",))
    page = {"Host": "chat.local:444", "Origin": "https://chat.local:444"}
    proxy = {"X_Forwarded_Proto": "https", "X_Forwarded_For": "192.0.2.7"}
    bob = IrcFrames(server.port, "", **page, **proxy)
    bob.say("NICK bob", "USER b 0 * :b", "JOIN #lab")
    bob.expect_line(" 366 ")
    assert HttpClient(server.port).request("PUT", "/lab/a", b"1234").status == 201
    assert bob.expect_line("NOTICE").endswith(": https://chat.local:444/lab/a")
    bob.close()


def test_json_is_as_before(server):
    """Without a subprotocol, and with an object first, the format is JSON."""
    bare = WebSocketClient(server.port, Sec_WebSocket_Protocol="chat")
    assert "sec-websocket-protocol" not in bare.handshake.headers
    bare.tell(do="hello", name="prog", id=1)
    assert bare.until(id=1)["event"] == "ok"
    bare.close()
