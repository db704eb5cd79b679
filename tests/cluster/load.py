"""Clients under which a cluster works while something fails: writers, who say again what was not
acknowledged, and readers, who go on by position. Both move on to another node where their own is
silent."""

import json
import socket
import threading
import time
from contextlib import suppress

from tests.servers import PATIENCE, RawClient

SILENCE = 4.0
"""Seconds without an answer after which a client moves on to another node."""

PAUSE = 0.01
"""Seconds from one text of a writer to the next: the load is that of faults, not of speed."""

ROOM = "lobby"


class Connection(RawClient):
    """The connection of a program to a node, which has entered, and is in the room."""

    def __init__(self, node, name, token, after):
        self.socket = socket.create_connection((node.host, node.port), SILENCE)
        self._seen, self._buffer = [], b""
        try:
            self.ask(do="hello", name=name, id=0, **({"token": token} if token else {}))
            self.token = self.answer(0)["token"]
            self.ask(do="join", room=ROOM, id=0, after=after)
            self.last = self.answer(0)["seq"]
        except BaseException:
            self.close()
            raise

    def answer(self, id_, each=lambda event: None):
        """Return the answer to a request; give all events before it to a function. Raises
        `ConnectionError` if it is a refusal of what everybody may do."""
        while (event := self.event()).get("id") != id_:
            each(event)
        self._seen.clear()
        if id_ == 0 and event["event"] == "error":
            raise ConnectionError(event["message"])
        return event


class _Client(threading.Thread):
    """A client, in a thread. It is at the `at`th node."""

    def __init__(self, nodes, name, at, after):
        super().__init__(name=name, daemon=True)
        self._nodes = nodes
        self._at = at
        self._token = None
        self._connection = None
        self.position = after

    def connected(self):
        """Return its connection; make one if there is none. Raises `OSError` and the like."""
        if self._connection is None:
            node = self._nodes[self._at % len(self._nodes)]
            self._connection = Connection(node, self.name, self._token, self.position)
            self._token = self._connection.token
        return self._connection

    def move_on(self):
        """Leave the node, for the next one."""
        self.leave()
        self._at += 1
        time.sleep(0.1)

    def leave(self):
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


_FAILURES = OSError, AssertionError, json.JSONDecodeError
"""The ways in which a connection fails: it is refused or ends, or nothing comes in time."""


class Writer(_Client):
    """Says one text after another, each with a key, until it is told to stop."""

    def __init__(self, load, nodes, name, at):
        super().__init__(nodes, name, at, load.begin)
        self._load = load

    def run(self):
        """Say texts."""
        number = 0
        while not self._load.stopping:
            self._say(f"{self.name}-{number}")
            number += 1
            time.sleep(PAUSE)
        self.leave()

    def _say(self, text):
        """Say a text until it is stored, or refused while it is sure that it was given to no node
        before."""
        began, given = time.monotonic(), False
        while True:
            try:
                connection = self.connected()
                given, unknown = True, given
                connection.ask(do="say", room=ROOM, text=text, key=text, id=text)
                answer = connection.answer(text)
            except _FAILURES:
                self.move_on()
                continue
            if answer["event"] == "ok":
                self._load.acknowledge(text, answer["seq"], time.monotonic() - began)
                return
            if answer["code"] == "not-stored" and not unknown:
                self._load.refuse(text)
                self.move_on()
                return
            self.move_on()


class Talker(_Client):
    """Says a text now and then, and does not wait for the answer to say the next one; says nothing
    twice. So it has texts that are refused, and some of which it does not know."""

    def __init__(self, load, nodes, name, at):
        super().__init__(nodes, name, at, load.begin)
        self._load = load
        self._open = set()

    def run(self):
        """Say texts."""
        number = 0
        while not self._load.stopping or self._open:
            try:
                connection = self.connected()
                connection.socket.settimeout(0.2)
                if not self._load.stopping:
                    text = f"{self.name}-{number}"
                    number += 1
                    self._open.add(text)
                    connection.ask(do="say", room=ROOM, text=text, key=text, id=text)
                with suppress(TimeoutError):
                    while True:
                        self._take(connection.event())
            except _FAILURES:
                self._load.forget(self._open)
                self._open.clear()
                self.move_on()
        self.leave()

    def _take(self, event):
        text = event.get("id")
        if text in self._open:
            self._open.remove(text)
            if event["event"] == "ok":
                self._load.acknowledge(text, event["seq"])
            else:
                self._load.refuse(text)


class Reader(_Client):
    """Reads the room, and notes what it sees."""

    def __init__(self, load, nodes, name, at):
        super().__init__(nodes, name, at, load.begin)
        self.seen = []
        self.until = None

    def run(self):
        """Read until a position is reached."""
        while self.until is None or self.position < self.until:
            try:
                self._read()
            except _FAILURES:
                self.move_on()
        self.leave()

    def _read(self):
        connection = self.connected()
        connection.socket.settimeout(0.5)
        with suppress(TimeoutError):
            self._take(connection.event())
            return
        # Nothing comes: because nothing is said, or because the node is stopped.
        connection.socket.settimeout(SILENCE)
        connection.ask(do="rooms", id="there?")
        connection.answer("there?", self._take)

    def _take(self, event):
        if event["event"] == "message":
            self.seen.append((event["seq"], event["text"]))
            self.position = event["seq"]


class Load:
    """Writers, talkers and readers at all nodes, and what they were told. `tag` begins their names;
    readers begin behind the position `begin`."""

    def __init__(self, nodes, tag, begin):
        self.begin = begin
        self.stopping = False
        self.acknowledged = {}
        self.refused, self.unknown = set(), set()
        self.longest_wait = self.longest_gap = 0.0
        self._changed = threading.Condition()
        self._latest = time.monotonic()
        self.writers = [Writer(self, nodes, f"{tag}w{at}", at) for at in range(6)]
        self.writers += [Talker(self, nodes, f"{tag}t{at}", at) for at in range(3)]
        self.readers = [Reader(self, nodes, f"{tag}r{at}", at) for at in range(3)]
        for it in (*self.writers, *self.readers):
            it.start()

    def acknowledge(self, text, position, waited=0.0):
        """Note that a text is stored, and how long a writer waited for that."""
        with self._changed:
            now = time.monotonic()
            self.longest_gap = max(self.longest_gap, now - self._latest)
            self.longest_wait = max(self.longest_wait, waited)
            self._latest = now
            self.acknowledged[text] = position
            self._changed.notify_all()

    def refuse(self, text):
        """Note that a text is refused."""
        with self._changed:
            self.refused.add(text)

    def forget(self, texts):
        """Note that nobody knows of texts whether they are stored."""
        with self._changed:
            self.unknown.update(texts)

    def count_from_now(self):
        """Measure how long the writing stands still from now on: there is a quorum again."""
        with self._changed:
            self._latest = time.monotonic()
            self.longest_gap = self.longest_wait = 0.0

    def wait_for_more(self, count, seconds):
        """Return when so many more texts are stored."""
        with self._changed:
            enough = len(self.acknowledged) + count
            assert self._changed.wait_for(lambda: len(self.acknowledged) >= enough, seconds)

    def stop(self):
        """Let the writers end, when each text is stored or refused; and the readers, when they have
        seen all of them."""
        self.stopping = True
        for it in self.writers:
            it.join()
        last = max(self.acknowledged.values())
        for it in self.readers:
            it.until = last
        for it in self.readers:
            it.join()


def entered(node, name):
    """Return a connection to a node, as soon as that lets somebody in."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            connection = Connection(node, name, None, None)
            connection.socket.settimeout(PATIENCE)
            return connection
        except _FAILURES:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def history(node, name, after):
    """Return the positions and texts of the room behind a position, as a node shows them."""
    connection, found = entered(node, name), []
    while True:
        position = found[-1][0] if found else after
        connection.ask(do="history", room=ROOM, after=position, limit=1000, id="h")
        page = connection.answer("h")
        new = [(it["seq"], it["text"]) for it in page["entries"] if it["event"] == "message"]
        found += new
        if not new:
            connection.close()
            return found
