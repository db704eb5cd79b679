"""The server takes a client whose first words are late for a person, and greets it. That happens to
programs on a slow network, or on a busy machine."""

import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from chatservice.client.partialdownload import PartialDownload
from chatservice.client.transferconnection import DownloadProtocol, Progress, UploadProtocol
from chatservice.grammar.textformat import GREETING

CONTENTS = {
    "a large one": bytes(range(256)) * 4000,
    "an empty one": b"",
    "a list": b"* Welcome\n* and a list\n",
    "a part of a greeting": GREETING[:9],
    "a greeting": GREETING,
    "a record of a talk": GREETING + b"* You are anna.\n",
}


@pytest.fixture
def late(server, wire):
    """Return a network to the server on which first words are late."""
    net = wire(server)
    net.is_late = True
    return net


def test_it_talks(server, connect, piped, late):
    """A greeting before the first answer changes nothing; also when it comes back."""
    anna = connect(server, "anna")
    bot = piped(late, "bot")
    bot.type("hello")
    anna.expect("bot: hello")
    late.cut()
    bot.expect("Connected again")
    bot.type("here again")
    anna.expect("bot: here again")
    assert not [line for line in bot.finish() if line.startswith("! ")]


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
@pytest.mark.parametrize("is_late", [True, False], ids=["late", "in time"])
def test_a_file_goes_up_and_down(server, connect, piped, late, content, is_late):
    """It arrives whole, also if it begins as a greeting does."""
    bare, bot = connect(server, "carl"), piped(late, "bot", "--accept", "0")
    late.is_late = is_late
    bot.expect("You are in")
    (bot.folder / "it").write_bytes(content)
    bot.type("it")
    bare.expect("* bot shared it")
    assert (server.files / "it").read_bytes() == content
    bot.type("/get it")
    bot.expect(r"it \(.*\) is saved as bot/it, checked\.$")
    assert (bot.folder / "bot" / "it").read_bytes() == content
    assert not [line for line in bot.finish() if line.startswith("! ")]


def test_a_large_file_goes_up(server, connect, piped, late):
    """The client sends on while the greeting comes."""
    bot = piped(late, "bot")
    bot.expect("You are in")
    (bot.folder / "big").write_bytes(bytes(20_000_000))
    late.bytes_a_second = 20_000_000
    bot.type("big")
    bot.expect(r"^\* big .* is sent\.$")
    assert (server.files / "big").stat().st_size == 20_000_000


@pytest.mark.parametrize("up", [True, False], ids=["up", "down"])
def test_a_refused_transfer(tmp_path, up):
    """The refusal behind the greeting is told, and not the greeting."""
    progress, part = Progress("it", 500, ""), PartialDownload(tmp_path, "it", "")
    transfer: UploadProtocol | DownloadProtocol
    if up:
        transfer = UploadProtocol(Clock(), "ticket", io.BytesIO(bytes(500)), progress)
    else:
        transfer = DownloadProtocol(Clock(), "ticket", part, progress, GREETING)
    transfer.makeConnection(StringTransport())
    finished = transfer.begin()
    for piece in (GREETING[:9], GREETING[9:] + b"! No ", b"more.\n"):
        transfer.dataReceived(piece)
    transfer.connectionLost(Failure(ConnectionDone()))
    refusals: list[str] = []
    finished.addErrback(lambda failure: refusals.append(failure.value.sentence))
    assert refusals == ["No more."]
    part.discard()


@given(
    content=st.sampled_from(list(CONTENTS.values())[1:]) | st.binary(max_size=99),
    cuts=st.lists(st.integers(0, 200), max_size=5),
)
def test_a_greeting_in_any_pieces(tmp_path_factory, content, cuts):
    """It is left out of the bytes, and the progress says so."""
    sha256 = hashlib.sha256(content).hexdigest()
    part = PartialDownload(tmp_path_factory.mktemp("it"), "it", sha256)
    progress = Progress("it", len(content), sha256)
    download = DownloadProtocol(Clock(), "ticket", part, progress, GREETING)
    download.makeConnection(StringTransport())
    finished = download.begin()
    stream, at = GREETING + content, 0
    for cut in [*sorted(cuts), len(stream)]:
        download.dataReceived(stream[at:cut])
        at = max(at, cut)
    download.connectionLost(Failure(ConnectionDone()))
    assert finished.called
    assert part.sha256 == sha256
    assert progress.is_greeted
    part.discard()
