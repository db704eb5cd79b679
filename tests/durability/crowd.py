"""People and programs under whose hands the server is killed, and what they noted.

Each has a thread and a connection of its own, and keeps what it knows over any number of servers:
what it said, what was acknowledged, what it was shown.
"""

import itertools
import json
import re
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from tests.servers import PATIENCE, Server

ROOM = "lab"


class Shown(NamedTuple):
    """Something that was said, as a reader is shown it."""

    who: str
    text: str


class Progress:
    """The progress of the crowd: how much was acknowledged, and how much was shown."""

    def __init__(self) -> None:
        self._count = 0
        self._more = threading.Condition()

    def made(self) -> None:
        """Count one more."""
        with self._more:
            self._count += 1
            self._more.notify_all()

    def wait(self, count: int) -> None:
        """Wait for so many more from now on."""
        with self._more:
            goal = self._count + count
            assert self._more.wait_for(lambda: self._count >= goal, PATIENCE), "nothing goes on"


class One(ABC):
    """One of them. `begin` connects and goes on until the connection ends, or `done` is said."""

    def __init__(self, name: str, progress: Progress) -> None:
        self.name = name
        self.errors: list[str] = []
        self._progress = progress

    def begin(self, server: Server) -> None:
        """Connect, and start its work."""
        self._thread = threading.Thread(target=self._run, args=(server.port,), daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Wait until the connection has ended, or there is nothing more to do."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), f"{self.name} still goes on"

    def _run(self, port: int) -> None:
        try:
            with (
                socket.create_connection(("127.0.0.1", port), PATIENCE) as self._socket,
                self._socket.makefile("rb") as stream,
            ):
                self._go_on(_whole_lines(stream))
        except ConnectionError:
            pass  # it was killed
        except Exception as error:
            self.errors.append(repr(error))

    @abstractmethod
    def _go_on(self, lines: Iterator[bytes]) -> None:
        """Talk until the connection ends; `lines` are those that come."""

    def _send(self, *lines: str) -> None:
        self._socket.sendall("".join(f"{line}\n" for line in lines).encode())


def _whole_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Iterate over lines; one that broke off counts for nothing."""
    return itertools.takewhile(lambda line: line.endswith(b"\n"), stream)


class Program(One):
    """Speaks JSON. Has the room shown from where it stopped; notes each position's entry."""

    def __init__(self, name: str, progress: Progress) -> None:
        super().__init__(name, progress)
        self.shown: dict[int, Shown] = {}
        self.last = 0
        self._proof: dict[str, str] = {}  # tokens that make a guest the same one again

    def _go_on(self, lines: Iterator[bytes]) -> None:
        self._ask(do="hello", name=self.name, **self._proof)
        self._ask(do="join", room=ROOM, after=self.last)
        self._begun()
        for line in lines:
            if line.startswith(b"* Welcome"):  # on a busy machine, one may be slow to speak first
                continue
            event = json.loads(line)
            if event["event"] == "message":
                if event["seq"] <= self.last:
                    self.errors.append(f"shown {event['seq']} after {self.last}")
                self.last = event["seq"]
                self.shown[self.last] = Shown(event["from"], event["text"])
            elif event["event"] == "error":
                self.errors.append(f"refused: {event}")
            elif event["event"] == "ok":
                if "token" in event:
                    self._proof = {"token": event["token"]}
                self._granted(event)
            self._progress.made()
            if self._is_done():
                return

    def _ask(self, **fields: Any) -> None:
        self._send(json.dumps(fields))

    def _begun(self) -> None:
        """Say what one says at first."""

    def _granted(self, answer: dict[str, Any]) -> None:
        """Take an `ok`."""

    def _is_done(self) -> bool:
        return False


class Bot(Program):
    """Says things with keys, many of them on their way at once; says again, after a broken
    connection, what was not acknowledged. Stops saying new things after `most` of them."""

    WINDOW = 200

    def __init__(self, name: str, progress: Progress) -> None:
        super().__init__(name, progress)
        self.said = 0
        self.acknowledged: dict[int, int] = {}
        self.most = 0

    def _say(self, number: int) -> None:
        key = f"{self.name}-{number}"
        self._ask(do="say", room=ROOM, text=text_of(self.name, number), key=key, id=number)

    def _begun(self) -> None:
        for number in range(self.said):
            if number not in self.acknowledged:
                self._say(number)
        self._say_more()

    def _say_more(self) -> None:
        while self.said < self.most and self.said - len(self.acknowledged) < self.WINDOW:
            self.said += 1  # first: what was half sent may be stored
            self._say(self.said - 1)

    def _granted(self, answer: dict[str, Any]) -> None:
        if "id" in answer:
            self.acknowledged[answer["id"]] = answer["seq"]
            if len(self.acknowledged) % 50 == 0:
                self._say_more()

    def _is_done(self) -> bool:
        return len(self.acknowledged) == self.said == self.most


class Person(One):
    """A text client that notes each line of talk. With `chunk` it sends so many lines at once and
    then `/who`, which is answered when all of them are stored. It stops after `most` lines."""

    AHEAD = 3

    def __init__(self, name: str, progress: Progress, chunk: int = 0) -> None:
        super().__init__(name, progress)
        self.shown: list[list[Shown]] = []
        self.said = 0
        self.acknowledged = 0
        self.most = 0
        self._chunk = chunk

    def _go_on(self, lines: Iterator[bytes]) -> None:
        self.shown.append([])
        asked = [self.said]
        self._send(self.name, f"/join {ROOM}", "/who")
        for line in lines:
            text = line.decode().rstrip("\n")
            if re.fullmatch(rf"\* \d+ in {ROOM}: .*", text):
                self.acknowledged = asked.pop(0)
                while self.said < self.most and len(asked) < self.AHEAD:
                    self.said += self._chunk
                    numbers = range(self.said - self._chunk, self.said)
                    asked.append(self.said)
                    self._send(*(text_of(self.name, number) for number in numbers), "/who")
            elif re.match("[a-z]", text):
                self.shown[-1].append(Shown(*text.split(": ", 1)))
            elif text.startswith("! "):
                self.errors.append(f"refused: {text}")
            self._progress.made()


def text_of(name: str, number: int) -> str:
    """Return the text that somebody says as their `number`th."""
    return f"{name} {number} " + "é" * (number % 50)


class Clerk(One):
    """Does, one thing after another, all else that is to last, and notes what was granted: rooms
    with their topics, letters to `keeper`, files with their content, and accounts."""

    PASSWORD = "open sesame"

    def __init__(self, name: str, progress: Progress) -> None:
        super().__init__(name, progress)
        self.topics: dict[str, str | None] = {}
        self.letters: dict[int, str] = {}
        self.files: dict[str, bytes] = {}
        self.accounts: list[str] = []
        self._step = 0

    def _go_on(self, lines: Iterator[bytes]) -> None:
        self._grant(lines, do="hello", name=self.name)
        self._grant(lines, do="join", room=ROOM)
        for _ in range(5):
            self._step += 1
            room, topic, letter = f"room-{self._step}", f"on {self._step}", f"letter {self._step}"
            self._grant(lines, do="create", room=room)
            self.topics[room] = None
            self._grant(lines, do="topic", room=room, text=topic)
            self.topics[room] = topic
            self._grant(lines, do="leave", room=room)
            answer = self._grant(lines, do="msg", to="keeper", text=letter, key=letter)
            self.letters[answer["seq"]] = letter
            self._share(lines, f"file {self._step}", letter.encode() * 1000)
        name = f"{self.name}-{self._step}"
        self._grant(lines, do="nick", name=name)
        self._grant(lines, do="register", password=self.PASSWORD)
        self.accounts.append(name)

    def _share(self, lines: Iterator[bytes], name: str, content: bytes) -> None:
        answer = self._grant(lines, do="put", room=ROOM, name=name, size=len(content))
        with socket.create_connection(self._socket.getpeername(), PATIENCE) as carrier:
            carrier.sendall(f"PUT {answer['ticket']}\n".encode() + content)
            if carrier.makefile("rb").read().startswith(b"= "):
                self.files[name] = content

    def _grant(self, lines: Iterator[bytes], **asked: Any) -> dict[str, Any]:
        """Ask for something, and return the answer."""
        self._send(json.dumps({**asked, "id": asked["do"]}))
        for line in lines:
            if line.startswith(b"* Welcome"):
                continue
            event: dict[str, Any] = json.loads(line)
            if event["event"] == "error":
                raise AssertionError(f"{asked} was refused: {event}")
            if event.get("id") == asked["do"]:
                self._progress.made()
                return event
        raise ConnectionResetError
