"""The ways in for programs: bare lines, WebSocket and HTTP. Each has the interface of a bare
connection that speaks the JSON format, so that one test goes through all of them."""

import json
import re
from base64 import b64encode
from contextlib import suppress
from typing import Any
from urllib.parse import quote, unquote

from chatservice import names
from tests.harm.checks import check_object, check_plain
from tests.servers import RawClient
from tests.web.clients import HttpClient, Response, WebSocketClient
from tests.websocketframes import client_frame, server_frames

_DO = re.compile(rb'\{"do": ?"([a-z]+)"')


class Plain(RawClient):
    """A program on a bare connection."""

    @staticmethod
    def goes_on_after(line: bytes) -> bool:
        """Return whether a line, however bad, does not end the connection."""
        return True


class Framed(WebSocketClient):
    """A program on a WebSocket: each line is a message."""

    @staticmethod
    def goes_on_after(line: bytes) -> bool:
        """Return whether a line, however bad, does not end the connection (RFC 6455, 7.4.1)."""
        return len(line) <= names.LINE_BYTES and line.decode(errors="ignore").encode() == line

    def __init__(self, port: int) -> None:
        super().__init__(port)
        assert self.handshake.status == 101

    def send(self, *lines: str | bytes) -> None:
        """Send lines, each as a message."""
        data = (it.encode() if isinstance(it, str) else it for it in lines)
        self.send_raw(b"".join(client_frame(it) for it in data))

    def line(self) -> str:
        """Wait for a message, and return it."""
        while (frame := self.frame())[0] == 9:
            pass
        assert frame[0] == 1, frame
        line = frame[1].decode()
        self._seen.append(f"{line}\n")
        return line

    def rest(self) -> bytes:
        """Return all messages until the server ends the connection, as lines. It closes last."""
        frames = list(server_frames(super().rest()))
        assert [it.opcode for it in frames[:-1] if it.opcode not in (1, 9)] == []
        assert frames[-1].opcode == 8
        return b"".join(it.payload + b"\n" for it in frames if it.opcode == 1)


class Posted(HttpClient):
    """A program that sends requests of HTTP: each line is a body, and each response a line. It
    connects anew where the server ends a connection, as every client of HTTP does."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._port = port
        self._answers: list[str] = []
        self._query = ""
        self._known: dict[str, str] = {}

    @staticmethod
    def goes_on_after(line: bytes) -> bool:
        """Return whether a line does not end the connection, and with it the session: a body that
        is refused before it has come does."""
        return len(line) <= names.LINE_BYTES

    def send(self, *lines: str | bytes) -> None:
        """Send lines, each as a request of what it asks for, and wait for the responses."""
        for it in lines:
            line = it.encode() if isinstance(it, str) else it
            do, asked = _DO.match(line), dict[str, Any]()
            with suppress(ValueError):
                asked = json.loads(line)
            command = do[1].decode() if do else "say"
            if command == "hello" and asked.keys() <= {"do", "name", "id"}:
                query = "?name=" + quote(asked["name"], errors="surrogatepass")
                answer = self.request("GET", f"/api/v1/session{query}")
                if answer.status == 200:
                    self._query = query
            else:
                query = "" if "name" in asked or self._known else self._query
                told = {"Content_Type": "application/json", **self._known}
                answer = self.request("POST", f"/api/v1/do/{command}{query}", line, **told)
            self._answers.append(answer_line(answer, asked.get("id")))
            if answer.headers.get("connection") == "close":
                self.close()
                self.socket, self._buffer = HttpClient(self._port).socket, b""
            if command == "register" and answer.status == 200:
                name = unquote(self._query.removeprefix("?name="))
                known = f"{name}:{asked['password']}"
                self._known = {"Authorization": f"Basic {b64encode(known.encode()).decode()}"}

    def line(self) -> str:
        """Return the response to the next request, as a line."""
        self._seen.append(f"{self._answers[0]}\n")
        return self._answers.pop(0)

    def rest(self) -> bytes:
        """Return the responses to all requests, as lines. The connection ends after them."""
        lines = b"".join(f"{self.line()}\n".encode() for _ in tuple(self._answers))
        assert super().rest() == b""
        return lines


def answer_line(answer: Response, id_: Any = None) -> str:
    """Return a response as a line of the JSON format, after a check of its form."""
    kind = answer.headers["content-type"]
    assert "x-content-type-options" in answer.headers
    if kind.startswith("text/plain"):
        check_plain(answer.body)
        told: dict[str, Any] = {"message": answer.body.decode()}
    elif kind.startswith(("text/html", "application/octet-stream")):
        told = {"message": "the page, or a file"}
    else:
        assert kind in ("application/json", "application/problem+json"), kind
        assert answer.body.endswith(b"\n")
        assert answer.body.count(b"\n") == 1
        told = json.loads(answer.body)
        if kind != "application/json":
            told["message"] = told["detail"]
    event = "ok" if answer.status < 400 else "error"
    check_object(json.dumps({**told, "event": event}))
    return json.dumps({**told, "event": event, "id": id_})


class Followed(HttpClient):
    """A reader of a stream of HTTP, as text or as JSON lines."""

    def __init__(self, port: int, path: str, accept: str) -> None:
        super().__init__(port)
        self.ask_for("GET", path, Accept=accept)
        assert self.response().status == 200
        self._text = b""

    def line(self) -> str:
        """Wait for a line of the stream, and return it."""
        while b"\n" not in self._text:
            size = int(RawClient.line(self), 16)
            self._text += self.bytes(size)
            assert self.bytes(2) == b"\r\n"
        line, _, self._text = self._text.partition(b"\n")
        return line.decode() or self.line()  # a blank line shows that the stream is alive


DOORS = {"lines": Plain, "WebSocket": Framed, "HTTP": Posted}
"""The ways in, by their names."""
