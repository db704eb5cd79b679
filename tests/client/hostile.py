"""A server that means no good: it speaks the protocol, and answers what a test wants."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from typing import Any

from tests.servers import PATIENCE

Fields = dict[str, Any]
Answer = Fields | Callable[[Fields], Fields]

HONEST: dict[str, Answer] = {
    "hello": lambda it: {"name": it["name"], "registered": False, "token": "t", "inbox": 0},
    "join": {"room": "lobby", "number": 1, "topic": "", "users": [], "seq": 0},
    "rooms": {"rooms": []},
    "quit": {"text": ""},
    "history": {"room": "lobby", "entries": []},
}
"""The answer to each request, unless a test wants something else."""


class Hostile:
    """It answers a request with the fields that `answers` has for it, and a connection that begins
    with `GET TICKET` with `content`, chunk by chunk. `asked` is all that was asked."""

    def __init__(self, **answers: Answer) -> None:
        self.answers = HONEST | answers
        self.content: list[bytes] = []
        self.asked: list[Fields] = []
        self.sent = 0
        self._connections: list[socket.socket] = []
        self._changed = threading.Condition()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection = self._listening.accept()[0]
                self._connections.append(connection)
                threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection.makefile("rb") as lines:
            for line in lines:
                if line.startswith(b"GET "):
                    for chunk in self.content:
                        connection.sendall(chunk)
                        self.sent += len(chunk)
                    break
                self._answer(connection, json.loads(line))
            connection.shutdown(socket.SHUT_WR)

    def _answer(self, connection: socket.socket, asked: Fields) -> None:
        answer = self.answers.get(asked["do"], {"event": "error", "code": "x", "message": "No."})
        fields = answer(asked) if callable(answer) else answer
        data = json.dumps({"event": "ok", "id": asked["id"], **fields}).encode()
        connection.sendall(data + b"\n")
        with self._changed:
            self.asked.append(asked)
            self._changed.notify_all()

    def wait_for(self, command: str) -> Fields:
        """Wait until that was asked, and answered. Return what was asked."""
        with self._changed:
            found = self._changed.wait_for(
                lambda: [it for it in self.asked if it["do"] == command], PATIENCE
            )
        assert found, f"{command} was not asked"
        return found[0]

    def tell(self, *events: Any) -> None:
        """Send objects that answer nothing, on the first connection."""
        data = b"".join(json.dumps(it).encode() + b"\n" for it in events)
        self.send(data)

    def send(self, data: bytes) -> None:
        """Send bytes on the first connection."""
        self._connections[0].sendall(data)

    def close(self) -> None:
        """Be gone."""
        self._listening.close()
        for each in self._connections:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
