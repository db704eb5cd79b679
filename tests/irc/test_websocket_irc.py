"""IRC over WebSocket (https://ircv3.net/specs/extensions/websocket): with each subprotocol, and
without one, as browsers' clients come."""

import pytest

from tests.web.clients import WebSocketClient
from tests.websocketframes import client_frame

KINDS = {"text.ircv3.net": 1, "binary.ircv3.net": 2, "": 1}


class IrcFrames(WebSocketClient):
    """A client that sends and gets messages of IRC in frames."""

    def __init__(self, port: int, subprotocol: str) -> None:
        super().__init__(port, Sec_WebSocket_Protocol=subprotocol and f"other, {subprotocol}")
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


def test_json_is_as_before(server):
    """Without a subprotocol, and with an object first, the format is JSON."""
    bare = WebSocketClient(server.port, Sec_WebSocket_Protocol="chat")
    assert "sec-websocket-protocol" not in bare.handshake.headers
    bare.tell(do="hello", name="prog", id=1)
    assert bare.until(id=1)["event"] == "ok"
    bare.close()
