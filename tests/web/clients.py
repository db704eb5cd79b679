"""Clients of HTTP and WebSocket over bare sockets, which can do what real ones never would."""

import json
from typing import Any, NamedTuple

from tests.servers import RawClient
from tests.websocketframes import client_frame

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
"""The key of RFC 6455, 1.3."""


class Response(NamedTuple):
    """A response of HTTP; the names of its headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class HttpClient(RawClient):
    """A connection that speaks HTTP."""

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> Response:
        """Send a request, and return its response. An underscore stands for a hyphen. On a busy
        machine the client may have been greeted, if it was slow to speak first."""
        self.ask_for(method, path, body, **headers)
        while b"\n" not in self._buffer:
            self._buffer += self._receive()
        if self._buffer.startswith(b"* Welcome"):
            RawClient.line(self)
        return self.response(method)

    def ask_for(self, method: str, path: str, body: bytes = b"", **headers: str) -> None:
        """Send a request."""
        told = {"Host": f"127.0.0.1:{self.socket.getpeername()[1]}"}
        if body:
            told["Content-Length"] = str(len(body))
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"{method} {path} HTTP/1.1", *(f"{n}: {v}" for n, v in told.items() if v), "", ""]
        self.send_raw("\r\n".join(lines).encode() + body)

    def response(self, method: str = "GET") -> Response:
        """Wait for a response."""
        status = int(RawClient.line(self).split(" ")[1])
        headers = {}
        while (line := RawClient.line(self).rstrip("\r")) != "":
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        size = 0 if method == "HEAD" else int(headers.get("content-length", 0))
        return Response(status, headers, self.bytes(size))

    def bytes(self, size: int) -> bytes:
        """Wait for so many bytes, and return them."""
        while len(self._buffer) < size:
            self._buffer += self._receive()
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data


class WebSocketClient(HttpClient):
    """A WebSocket; `headers` are further ones of its handshake."""

    def __init__(self, port: int, **headers: str) -> None:
        super().__init__(port)
        told = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Key": KEY}
        told |= {"Sec_WebSocket_Version": "13", **headers}
        self.handshake = self.request("GET", "/ws", **told)

    def tell(self, **fields: Any) -> None:
        """Send an object."""
        self.send_raw(client_frame(json.dumps(fields).encode()))

    def frame(self) -> tuple[int, bytes]:
        """Wait for a frame: its opcode and its payload."""
        first, size = self.bytes(2)
        if size >= 126:
            size = int.from_bytes(self.bytes(2 if size == 126 else 8), "big")
        return first & 0x0F, self.bytes(size)

    def object(self) -> dict[str, Any]:
        """Wait for an object."""
        opcode, payload = self.frame()
        assert opcode == 1, (opcode, payload)
        found: dict[str, Any] = json.loads(payload)
        return found

    def until(self, **fields: Any) -> dict[str, Any]:
        """Wait for an object with these fields."""
        while True:
            it = self.object()
            if it.items() >= fields.items():
                return it

    def close_code(self) -> int:
        """Wait for a close frame, and return its code."""
        while True:
            opcode, payload = self.frame()
            if opcode == 8:
                return int.from_bytes(payload[:2], "big")
