"""Bytes that a thread moves between sockets and files."""

import errno
import os
import socket
import threading
from selectors import EVENT_READ
from unittest.mock import Mock

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from chatservice.engines.sqlite.readers import OpenFile
from chatservice.engines.sqlite.transferthread import PIECE_BYTES, PIECES, TransferThread
from chatservice.entries import FileMark
from chatservice.errors import Code, Refusal
from tests.engines.test_uploads import DATA, SHA256, Stored, declared, failing
from tests.servers import PATIENCE

LARGE = os.urandom(PIECES * PIECE_BYTES + 1000)


@pytest.fixture
def ends():
    """Return the server's end of a connection, which does not block, and the client's."""
    here, there = socket.socketpair()
    here.setblocking(False)
    with here, there:
        yield here, there


@pytest.fixture
def stored(tmp_path):
    """Return an empty file store."""
    stored = Stored(tmp_path)
    yield stored
    stored.close()


# -- a file to a socket ------------------------------------------------------------------------


@pytest.fixture
def opened(tmp_path):
    """Return an open file with the content `LARGE`."""
    path = tmp_path / "a"
    path.write_bytes(LARGE)
    file = OpenFile("lab", FileMark("a", len(LARGE), "", 1), path.open("rb"), None, None)
    yield file
    file.close()


def sent(file, ends):
    """Send all of a file; return what arrives, also of one that cannot be sent whole."""
    here, there = ends
    there.setblocking(False)
    came, error, over = b"", None, False
    while not over:
        try:
            over = file._send(here.fileno())
        except OSError as caught:
            over, error = True, str(caught)
        try:
            while data := there.recv(1 << 20):
                came += data
        except BlockingIOError:
            pass
    return came, error


def test_a_file_is_sent(opened, ends):
    """As much at a time as the socket takes."""
    assert sent(opened, ends) == (LARGE, None)
    assert opened.left == 0


def test_the_end_of_a_file_that_has_changed_is_not_sent(opened, ends, tmp_path):
    """So nobody takes for whole what is of two contents."""
    with (tmp_path / "a").open("r+b") as file:
        file.write(b"other")
    os.utime(tmp_path / "a", (1, 1))
    came, error = sent(opened, ends)
    assert error == "it has changed"
    assert 0 < opened.left == len(LARGE) - len(came)


def test_a_file_that_has_become_shorter(opened, ends, tmp_path):
    """Sending ends where the file does, though it had promised more."""
    os.truncate(tmp_path / "a", 1000)
    assert sent(opened, ends) == (LARGE[:1000], "it is shorter than it was")


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS])
def test_a_file_is_sent_where_the_system_cannot(opened, ends, monkeypatch, number):
    """Some file systems have no `sendfile`: then the bytes are read and written."""

    def sendfile(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "sendfile", sendfile)
    assert sent(opened, ends) == (LARGE, None)


def test_other_errors_of_sending(opened, ends):
    """They are told."""
    ends[1].close()
    with pytest.raises(ConnectionError):
        opened._send(ends[0].fileno())


@pytest.mark.parametrize("there", [0, 4096, 65536])
def test_the_reactor_waits_for_no_disk(opened, monkeypatch, there):
    """Of a piece whose middle is no longer in memory only the part before it is read at once."""
    read = os.preadv

    def preadv(file, buffers, at, flags):
        if not there:
            raise BlockingIOError
        assert flags == os.RWF_NOWAIT
        return read(file, [memoryview(buffers[0])[:there]], at)

    monkeypatch.setattr(os, "preadv", preadv)
    monkeypatch.setattr(os, "pread", None)
    assert opened._read_cached(65536) == (LARGE[:there] or None)
    assert opened.left == len(LARGE) - there
    assert opened._read_cached(opened.left) is None  # the last ones: has it changed?


@pytest_twisted.ensureDeferred
async def test_a_download_ends_while_its_socket_is_full(stored, ends):
    """The thread is done with both at once, and the file is closed."""
    (stored.path / "SharedFiles" / "lab").mkdir()
    (stored.path / "SharedFiles" / "lab" / "a").write_bytes(LARGE)
    reader = await stored.folders.open("lab", "a")
    sending = reader.send(ends[0].fileno())
    while reader.left == len(LARGE):
        await deferToThread(ends[1].recv, 1)
    assert reader.left
    reader.close()
    await sending
    assert reader._file.closed


# -- a socket to a file ------------------------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_an_upload_from_a_socket(stored, ends):
    """The bytes that came before are stored first, then those that come, as many as are wanted."""
    upload = await stored.folders.receive(declared(), 0)
    upload.write(DATA[:1000])
    receiving = upload.receive(ends[0].fileno(), len(DATA) - 1001)
    assert upload.receive(ends[0].fileno(), 1) is None  # one at a time
    await deferToThread(ends[1].sendall, DATA[1000:] + b"/quit\n")
    assert await receiving == len(DATA) - 1001
    rest = ends[0].recv(100)
    assert rest == DATA[-1:] + b"/quit\n"
    upload.write(rest[:1])
    assert (await upload.finish()).sha256 == SHA256


@pytest_twisted.ensureDeferred
async def test_the_input_ends_before_the_file(stored, ends):
    """That is no error; the caller sees how much has come."""
    upload = await stored.folders.receive(declared(), 0)
    receiving = upload.receive(ends[0].fileno(), len(DATA))
    ends[1].sendall(DATA[:1000])
    ends[1].shutdown(socket.SHUT_WR)
    assert await receiving == 1000
    assert await upload.receive(ends[0].fileno(), len(DATA)) == 0
    await upload.stop()
    assert await stored.folders.have(declared()) == 1000


@pytest_twisted.ensureDeferred
async def test_an_upload_stops_while_its_socket_is_read(stored, ends):
    """The bytes that came are kept, none is lost between, and it goes on."""
    upload = await stored.folders.receive(declared(), 0)
    receiving = upload.receive(ends[0].fileno(), len(DATA))
    ends[1].sendall(DATA[:1000])
    while upload.have < 1000:
        await deferToThread(lambda: None)
    stopping = Deferred.fromCoroutine(upload.stop())
    assert await receiving == 1000
    await stopping
    ends[1].sendall(b"no longer taken")
    assert await stored.folders.have(declared()) == 1000
    again = await stored.folders.receive(declared(), 1000)
    again.write(DATA[1000:])
    assert (await again.finish()).sha256 == SHA256


@pytest_twisted.ensureDeferred
async def test_a_disk_that_takes_nothing_more(stored, ends):
    """The number of bytes that came is right, and the others are left to the caller."""
    upload = await stored.folders.receive(declared(), 0)
    upload._file.close()
    upload._file = Mock(write=failing)
    receiving = upload.receive(ends[0].fileno(), len(DATA))
    ends[1].sendall(DATA[:1000])
    assert await receiving == 1000
    assert upload.receive(ends[0].fileno(), len(DATA)) is None
    with pytest.raises(Refusal) as caught:
        await upload.finish()
    assert caught.value.code is Code.NOT_STORED


@pytest_twisted.ensureDeferred
async def test_what_comes_from_a_socket_is_served_as_it_comes(stored, ends):
    """A reader who waits is told, though more is wanted of the socket."""
    upload = await stored.folders.receive(declared(), 0)
    receiving = upload.receive(ends[0].fileno(), len(DATA))
    # The thread has looked for bytes once: when it first looks for a reader who waits, it ends.
    await upload._thread.move(ends[1].fileno(), EVENT_READ, lambda: True)
    reader = stored.folders.arriving("lab", "a")
    assert await reader.read(5000) == b""
    more = reader.more()
    ends[1].sendall(DATA[:1000])
    await more
    assert await reader.read(5000) == DATA[:1000]
    assert await receiving == 1000
    reader.close()
    upload.refuse()


@pytest_twisted.ensureDeferred
async def test_what_comes_while_its_reader_looks_is_served(stored, ends, monkeypatch):
    """A reader finds nothing new; before it waits, all that its sender sends for now has come."""
    upload = await stored.folders.receive(declared(), 0)
    receiving = upload.receive(ends[0].fileno(), len(DATA))
    # The thread has looked for bytes once: when it first looks for a reader who waits, it ends.
    await upload._thread.move(ends[1].fileno(), EVENT_READ, lambda: True)
    reader = stored.folders.arriving("lab", "a")
    assert await reader.read(5000) == b""
    look = reader._there

    def look_for_long():
        there, stepped = look(), threading.Event()
        ends[1].sendall(DATA[:1000])
        while upload.have < 1000:
            pass
        upload._thread._ask(stepped.set)  # the thread is done with the step, too
        assert stepped.wait(PATIENCE)
        return there

    monkeypatch.setattr(reader, "_there", look_for_long)
    more = reader.more()
    monkeypatch.undo()
    await more.addTimeout(PATIENCE, reactor)
    assert await reader.read(5000) == DATA[:1000]
    reader.close()
    upload.refuse()
    await receiving


# -- the thread --------------------------------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_moves_end_with_a_result_or_an_error(ends):
    """A step is called while the socket is ready, and when it is to end; and others go on. A socket
    that is moved already is refused, and the thread goes on."""
    thread, steps = TransferThread(reactor, "test"), iter([None, None, 3])
    assert await thread.move(ends[0].fileno(), EVENT_READ, lambda: 5) == 5
    with pytest.raises(ZeroDivisionError):
        await thread.move(ends[0].fileno(), EVENT_READ, lambda: 1 // 0)
    with pytest.raises(OSError, match="Bad file"):
        await thread.move(1_000_000, EVENT_READ, lambda: 5)
    answer = thread.move(ends[0].fileno(), EVENT_READ, lambda: next(steps))
    with pytest.raises(KeyError):
        await thread.move(ends[0].fileno(), EVENT_READ, lambda: 5)
    thread.hurry(ends[0].fileno())
    thread.hurry(ends[0].fileno())
    assert await answer == 3
    thread.hurry(ends[0].fileno())  # it has ended
    waiting = thread.move(ends[0].fileno(), EVENT_READ, lambda: None)
    thread.stop()
    assert isinstance(waiting, Deferred)
    assert not waiting.called
