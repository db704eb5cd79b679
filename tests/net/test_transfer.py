"""Transfers that end at an awkward moment, on a server in this process: a test can hold up what it
waits for, and see what it still holds."""

import contextlib
import os
import socket
import struct

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater
from twisted.internet.threads import deferToThread

from chatservice.domain.chat import Chat
from chatservice.domain.files import ActiveUpload
from chatservice.engines.sqlite.engine import SqliteEngine
from chatservice.eventloop import ReactorLoop
from chatservice.events import EndReason
from chatservice.limits import Limits
from chatservice.net import outlet
from chatservice.net.transfer import CHUNK_BYTES
from chatservice.protocols.factory import ChatFactory
from chatservice.testing import MemoryServer
from tests.servers import PATIENCE, RawClient, descriptors

DATA = os.urandom(1_000_000)


class Inside:
    """A server with the rooms lobby and lab, and what it reports to its operator."""

    def __init__(self, path):
        self.path = path
        self.reports = []
        self.engine = SqliteEngine(reactor, path, path / "files")
        self.files = self.engine.files
        self.chat = Chat(
            self.engine,
            reactor.seconds,
            ReactorLoop(reactor),
            lambda form, **what: self.reports.append(form.format(**what)),
            limits=Limits(uploads=1),
        )
        self.factory = ChatFactory(reactor)
        self.factory.chat = self.chat
        self._opened = []

    async def start(self):
        """Listen."""
        await self.engine.start()
        await self.chat.open(["lab"])
        self._port = reactor.listenTCP(0, self.factory, interface="127.0.0.1")

    async def stop(self):
        """Stop listening, and close all."""
        await self._port.stopListening()
        for bare in self._opened:
            bare.close()
        await self.factory.when_empty(10)
        await self.engine.stop()

    async def connect(self, *lines):
        """Open a connection that reads little at a time, and say something on it; return its two
        ends."""
        known = set(self.factory.connections)
        bare = await deferToThread(RawClient, self._port.getHost().port)
        self._opened.append(bare)
        await until(lambda: self.factory.connections - known)
        (connection,) = self.factory.connections - known
        connection.transport.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        bare.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        bare.send(*lines)
        return bare, connection

    async def program(self, name="bot"):
        """Open a connection of a program in lab."""
        bare, _ = await self.connect()
        for fields in ({"do": "hello", "name": name}, {"do": "join", "room": "lab"}):
            assert (await asked(bare, **fields))["event"] == "ok"
        return bare

    def descriptors(self):
        """Return which files of its folders are open."""
        folder = str(self.path / "files")
        opened = (it for it in descriptors("self") if it.startswith(folder))
        return [it for it in opened if not it.endswith("/.lock")]

    def holds_nothing(self):
        """Return whether no transfer is under way, and no room is reserved for one."""
        files = self.chat.files
        return not (files.transfers._under_way or files.quotas.reservations or self.descriptors())


@pytest.fixture
def inside(tmp_path):
    """Return such a server."""
    inside = Inside(tmp_path)
    pytest_twisted.blockon(Deferred.fromCoroutine(inside.start()))
    yield inside
    pytest_twisted.blockon(Deferred.fromCoroutine(inside.stop()))


async def until(holds):
    """Wait until something holds."""
    patience = reactor.seconds() + PATIENCE
    while not (found := holds()):
        assert reactor.seconds() < patience, "it does not come to that"
        await deferLater(reactor, 0.01)
    return found


class Putting:
    """Holds up the sharing of an upload until the test says `go_on`."""

    def __init__(self, inside, monkeypatch):
        self.waits = False
        self.go_on = Deferred()
        self._put = inside.files._partials._put
        monkeypatch.setattr(inside.files._partials, "_put", self._put_later)

    async def _put_later(self, *args):
        self.waits = True
        await self.go_on
        return await self._put(*args)


async def asked(program, **fields):
    """Ask for something as a program, and return the answer."""
    program.ask(**fields, id="asked")
    while (answer := await deferToThread(program.event)).get("id") != "asked":
        pass
    return answer


async def ticket(program, **fields):
    """Ask for a ticket for the file `a` in lab."""
    return (await asked(program, room="lab", name="a", **fields))["ticket"]


def cut(bare):
    """Break a connection, as a machine does that loses its power and comes back."""
    bare.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    bare.close()


@pytest_twisted.ensureDeferred
async def test_the_server_ends_a_connection_that_fetches(inside):
    """The file is let go at once, also where the client reads nothing: it cannot be told why."""
    (inside.path / "files" / "a").write_bytes(DATA)
    bare, connection = await inside.connect("alice", "/get a")
    await deferToThread(bare.expect, "= 1000000 ")
    assert len(inside.descriptors()) == 1
    connection.end("You are to go.", EndReason.STOPPING)
    await until(lambda: connection not in inside.factory.connections)
    assert inside.holds_nothing()
    with pytest.raises((ConnectionError, AssertionError)):
        await deferToThread(bare.read, len(DATA))


@pytest_twisted.ensureDeferred
async def test_a_file_is_read_in_larger_pieces_than_lines(inside):
    """Each read is a turn of the reactor, and small ones make a file slow over TLS, where the
    engine cannot take it from the socket."""
    bare, connection = await inside.connect("alice", "/put a 3")
    await until(lambda: connection.transfer)
    assert connection.transport.bufferSize == CHUNK_BYTES
    bare.send_raw(b"abc")
    await until(lambda: not connection.transfer)
    assert connection.transport.bufferSize == Limits().read_bytes


@pytest_twisted.ensureDeferred
async def test_the_server_ends_a_connection_that_follows_an_upload(inside):
    """Also while it waits for what has not come yet."""
    program = await inside.program()
    up, _ = await inside.connect(f"PUT {await ticket(program, do='put', size=9, sha256='0' * 64)}")
    await until(lambda: inside.chat.files.transfers._under_way)
    words = f"GET {await ticket(program, do='get', arriving=True)}"
    _down, connection = await inside.connect(words)
    await until(lambda: connection.transfer)
    connection.transport.abortConnection()
    await until(lambda: connection not in inside.factory.connections)
    (transfer,) = inside.chat.files.transfers._under_way
    assert transfer.is_upload
    cut(up)
    await until(inside.holds_nothing)


@pytest.mark.parametrize("lends", [True, False], ids=["the socket is lent", "no socket is lent"])
@pytest.mark.parametrize("words", ["alice\n/get a", "GET TICKET"], ids=["person", "carrier"])
@pytest_twisted.ensureDeferred
async def test_what_is_still_on_its_way_was_not_fetched(inside, monkeypatch, words, lends):
    """A connection breaks while a file is on its way, and nobody has fetched it. A transport that
    lends no socket, as that of TLS, has all of the file in its buffer then."""
    if not lends:
        monkeypatch.setattr(outlet, "lend_socket", lambda transport: None)
    (inside.path / "files" / "a").write_bytes(DATA[:200_000])
    if "TICKET" in words:
        bare, _ = await inside.connect("bob", "/link a")
        ticket = (await deferToThread(bare.expect, "echo GET")).split()[2]
        words = words.replace("TICKET", ticket)
    bare, connection = await inside.connect(*words.split("\n"))
    await until(lambda: connection.transfer and connection.transfer._reader.left < 200_000)
    if not lends:
        await until(lambda: connection.transfer._reader.left == 0)
        await until(lambda: not connection.transfer._chunks)
    cut(bare)
    await until(lambda: connection not in inside.factory.connections)
    assert inside.holds_nothing()
    assert not [report for report in inside.reports if "fetched" in report]


@pytest.mark.parametrize("is_alone", [False, True], ids=["person", "carrier"])
@pytest_twisted.ensureDeferred
async def test_an_engine_fails_to_take_the_bytes(inside, monkeypatch, is_alone):
    """The upload fails, with a word, and the connection ends."""

    async def receive(*args):
        raise OSError("no such socket")

    monkeypatch.setattr(ActiveUpload, "receive", receive)
    lines = ["alice", "/put a 1000000"]
    if is_alone:
        lines = [f"PUT {await ticket(await inside.program(), do='put', size=len(DATA))}"]
    bare, connection = await inside.connect(*lines)
    with contextlib.suppress(OSError):
        await deferToThread(bare.send_raw, DATA[:200_000])
    await deferToThread(bare.expect, "! Something went wrong in the server")
    cut(bare)
    await until(lambda: connection not in inside.factory.connections)
    await until(inside.holds_nothing)


@pytest_twisted.ensureDeferred
async def test_it_is_too_late_to_cancel(inside, monkeypatch):
    """An upload that is just being shared cannot be cancelled: the server says so, and the file can
    be removed."""
    putting = Putting(inside, monkeypatch)
    program = await inside.program()
    up, _ = await inside.connect(f"PUT {await ticket(program, do='put', size=5)}")
    up.send_raw(b"hello")
    await until(lambda: putting.waits)
    said = await asked(program, do="cancel", name="a")
    assert said["code"] == "no-such-file"
    assert said["message"] == (
        'All of a has come, and is being stored; "remove a" removes it then.'
    )
    putting.go_on.callback(None)
    assert (await deferToThread(up.expect, "= ")).startswith("= 5 ")
    assert (inside.path / "files" / "lab" / "a").read_bytes() == b"hello"
    assert (await asked(program, do="cancel", name="a"))["message"].startswith("No a of yours is")
    assert (await asked(program, do="remove", room="lab", name="a"))["event"] == "ok"


@pytest_twisted.ensureDeferred
async def test_a_guest_leaves_while_their_file_is_being_stored(inside, monkeypatch):
    """It goes too, and so does the folder; who sent it is told."""
    bob, _ = await inside.connect("bob")
    await until(lambda: "bob" in inside.chat.users.by_key)
    putting = Putting(inside, monkeypatch)
    alice, _ = await inside.connect("alice")
    alice.send_raw(b"/put a 5 @bob\nhello")
    await until(lambda: putting.waits)
    cut(bob)
    await until(lambda: "bob" not in inside.chat.users.by_key)
    putting.go_on.callback(None)
    said = await deferToThread(alice.expect, "! ")
    assert said.startswith("! bob has left, and what is sent to a guest goes with them")
    assert not list((inside.path / "files" / ".guests").iterdir())
    assert inside.holds_nothing()


@pytest.mark.parametrize("works", [True, False], ids=["begins", "fails"])
@pytest.mark.parametrize("noticed", [True, False], ids=["noticed", "unnoticed"])
@pytest_twisted.ensureDeferred
async def test_a_connection_is_lost_while_its_upload_begins(inside, monkeypatch, works, noticed):
    """Nothing stays open or reserved, no matter how far the start came; the next upload works."""
    beginning, waiting = Deferred(), []
    receive = inside.files.receive

    async def receive_later(*args):
        waiting.append(args)
        await beginning
        return await receive(*args)

    monkeypatch.setattr(inside.files, "receive", receive_later)
    bare, connection = await inside.connect("alice", "/put a 5", "hel")
    await until(lambda: waiting)
    assert len(inside.chat.files.quotas.reservations) == 1
    if noticed:  # a connection that waits is not read
        connection.transport.abortConnection()
        await until(lambda: connection not in inside.factory.connections)
    else:
        cut(bare)
    if works:
        beginning.callback(None)
    else:
        beginning.errback(OSError(28, "No space left on device"))
    await until(inside.holds_nothing)
    monkeypatch.undo()
    again, _ = await inside.connect("bob")
    again.send_raw(b"/put a 5\nhello")
    assert (await deferToThread(again.expect, "= ")).startswith("= 5 ")
    await until(lambda: not list((inside.path / "files" / ".partial").iterdir()))


def entered(server, name):
    """Return a client in memory that has given its name and reads on."""
    client = server.connect()
    client.send(name.encode() + b"\n")
    server.clock.advance(1)
    return client


@pytest.fixture
def memory():
    """Return a server in memory, whose clock the test moves on."""
    clock = Clock()
    server = MemoryServer(clock)
    server.clock = clock
    return server


def test_a_download_that_is_read_goes_on(memory):
    """However slowly; beside it, one that nobody reads ends."""
    reader, stalled = entered(memory, "reader"), entered(memory, "stalled")
    reader.send(b"/put a 1000000\n" + DATA)
    memory.clock.advance(1)
    for client in (reader, stalled):
        client.stall()
        client.send(b"/get a 0\n")
    while memory.chat.files.transfers._under_way:
        reader.read_on()
        reader.stall()
        memory.clock.advance(Limits().stalled_seconds)
    reader.read_on()
    assert reader.received.endswith(DATA)
    assert not stalled.open
    reader.send(b"/who\n")
    memory.clock.advance(1)
    assert b"1 in lobby: reader" in reader.received


def test_who_types_a_file_has_time(memory):
    """Of a short one, a few bytes now and then are enough."""
    alice = entered(memory, "alice")
    alice.send(b"/put x 40\n")
    for _ in range(40):
        memory.clock.advance(Limits().stalled_seconds - 1)
        alice.send(b"x")
    memory.clock.advance(1)
    assert alice.received.startswith(b"= 40 ")
