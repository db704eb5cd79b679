"""The admin socket in the data directory, and the client of it that `chatctl` uses.

The file system's permissions decide who may open it, and so who operates the server.

A server that hangs or ends, or another program that answers there, is reported in one sentence
after a bounded time.
"""

import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from chatservice import names
from chatservice.errors import Code, Refusal
from chatservice.grammar import jsonclient
from chatservice.grammar.commandtypes import Request

NAME = "operator"
"""The socket's name in the data directory."""

_ADDRESS_BYTES = 103
"""Bytes of a socket's address that fit everywhere (sockaddr_un: 108 on Linux, 104 elsewhere)."""

MAX_REPLY_BYTES = 64 << 20
"""Bytes of the longest reply that is read: many times the longest one that a server sends."""

_READ = 1 << 16

Fields = dict[str, Any]


def address(data: Path) -> str:
    """Return the address of the admin socket of the server with that data directory.

    A path that is too long for a socket's address is given relative to the directory, which stays
    open while this process lasts. Raises `OSError`.
    """
    path = str(data / NAME)
    if len(os.fsencode(path)) <= _ADDRESS_BYTES or not hasattr(os, "O_PATH"):
        return path
    return f"/proc/self/fd/{os.open(data, os.O_PATH | os.O_DIRECTORY)}/{NAME}"


class AdminClient:
    """A connection to the server with the data directory `data`, for a `with` statement.

    After `timeout` seconds of silence, the server is given up. `on_notice` is called with each
    notice that comes before a reply. Raises `Refusal` with a sentence of what to do.
    """

    def __init__(self, data: Path, timeout: float, on_notice: Callable[[str], None]) -> None:
        self._data = data
        self._timeout = timeout
        self._on_notice = on_notice
        self._last_id = 0
        self._buffer = b""
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout)
        try:
            self._socket.connect(address(data))
        except BaseException as error:
            self._socket.close()
            if isinstance(error, (OSError, ValueError)):
                raise self._cannot_connect(error) from None
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def request(self, request: Request) -> Fields:
        """Return the reply as the object that came. Raises `Refusal` if the server refuses."""
        self._last_id += 1
        asked = Request(request.command, request.args, self._last_id)
        try:
            self._socket.sendall(jsonclient.encode_request(asked))
            while True:
                answer = self._read_object()
                event, id_ = answer.get("event"), answer.get("id")
                if event == "notice":
                    self._on_notice(str(answer.get("text", "")))
                elif event == "error" and id_ in (None, self._last_id):
                    # No id: the line was too long for the server to read its id.
                    raise _refused(answer)
                elif event == "ok" and id_ == self._last_id:
                    return answer
        except TimeoutError:
            raise self._error(
                "The server at {data} said nothing for {timeout:g} seconds; see whether it "
                "still runs. What was asked may be done all the same."
            ) from None
        except OSError as error:
            raise self._connection_lost(error.strerror or str(error)) from None

    def _read_object(self) -> Fields:
        """Wait for the next object."""
        while True:
            line = self._read_line()
            if not line.startswith(b"{"):  # a client that is slow to begin is greeted
                if line.startswith((b"* ", b"! ")) or not line.strip():
                    continue
                raise self._not_a_server()
            try:
                found = json.loads(line)
            except (ValueError, RecursionError):
                raise self._not_a_server() from None
            if not isinstance(found, dict):
                raise self._not_a_server()
            return found

    def _read_line(self) -> bytes:
        """Wait for the next line. A line that comes in drops gets no more time than silence."""
        until = time.monotonic() + self._timeout
        pieces = [self._buffer]
        length = len(self._buffer)
        while b"\n" not in pieces[-1]:
            if length > MAX_REPLY_BYTES:
                raise self._not_a_server()
            if len(pieces) > 1 and time.monotonic() > until and length < names.LINE_BYTES:
                raise TimeoutError
            data = self._socket.recv(_READ)
            if not data:
                raise self._connection_lost("it has ended")
            pieces.append(data)
            length += len(data)
        line, _, self._buffer = b"".join(pieces).partition(b"\n")
        return line

    def _error(self, sentence: str, code: Code = Code.SERVER_ERROR, why: object = "") -> Refusal:
        values = {"data": self._data, "socket": self._data / NAME, "timeout": self._timeout}
        return Refusal(code, sentence, **values, why=why)

    def _cannot_connect(self, error: Exception) -> Refusal:
        if isinstance(error, PermissionError):
            sentence = "You may not use {socket}; be the user that the server runs as."
            return self._error(sentence, Code.NOT_ALLOWED)
        if isinstance(error, (FileNotFoundError, ConnectionRefusedError, NotADirectoryError)):
            return self._error(
                "No server is running on {data}; start it, or name its directory with --data."
            )
        if isinstance(error, TimeoutError | BlockingIOError):
            return self._error("The server at {data} takes nobody in; see whether it still runs.")
        why = getattr(error, "strerror", None) or error
        return self._error("{data} is no server's directory ({why}).", why=why)

    def _connection_lost(self, why: str) -> Refusal:
        return self._error(
            "The server at {data} did not answer ({why}); what was asked may be done all the same.",
            why=why,
        )

    def _not_a_server(self) -> Refusal:
        return self._error(
            "What answers at {socket} is no chat server; name the directory of one with --data."
        )


def _refused(answer: Fields) -> Refusal:
    code, message = answer.get("code"), answer.get("message")
    known = Code(code) if code in list(Code) else Code.SERVER_ERROR
    if not isinstance(message, str) or not message:
        return Refusal(known, "It was refused.")
    return Refusal(known, "{message}", message=jsonclient.slashed(message, answer))
