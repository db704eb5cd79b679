"""A cursor feeding a transport: what the real sockets of other tests seldom meet."""

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from chatservice.domain.figures import Deliveries
from chatservice.domain.log import Block, BlockCache, Cursor, Log
from chatservice.entries import Kind, Quote, Run
from chatservice.grammar import textformat
from chatservice.limits import Limits
from chatservice.net.delivery import EntryFormat, Subscription


class Behind:
    """A feed whose cursor stands before what is in memory: its connection, and its storage, which
    answers when it is told to."""

    limits = Limits()

    peer = "here"
    ignored: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.deliveries = Deliveries()
        self.transport = StringTransport()
        self.reactor = Clock()
        self.reads: list[Deferred] = []
        format_ = EntryFormat(textformat.run, textformat.run, textformat.event)
        self.feed = self.peer = Subscription(self.transport, format_, self, self.reactor)
        self.feed.start()
        self.log = Log(1, "lab", 2, BlockCache())
        self.feed.wake((Cursor(self.log, self, after=0),))

    def replay(self, log, after):
        """Answer later."""
        self.reads.append(Deferred())
        return self.reads[-1]

    def answer(self):
        """Let the storage answer the last question."""
        run = Run(Kind.MESSAGE, 0, "alice", ["one", "two"])
        self.reads[-1].callback([Block([(1, run)])])


def test_what_is_behind_is_read_from_storage():
    """It is written when it comes, and counted."""
    behind = Behind()
    behind.answer()
    written = b"alice: one\nalice: two\n"
    assert behind.transport.value() == written
    assert (behind.deliveries.entries, behind.deliveries.bytes) == (2, len(written))


def test_nothing_gets_between_the_bytes_of_a_file():
    """Entries from storage are not written during a download, and are read again after it."""
    behind = Behind()
    behind.feed.pause()
    behind.answer()
    assert behind.transport.value() == b""
    behind.feed.start()
    behind.answer()
    assert behind.transport.value() == b"alice: one\nalice: two\n"


def test_a_transport_that_has_filled_up_gets_no_more():
    """Nor is anything written to one that cannot take it; it comes when there is room, once."""
    behind = Behind()
    behind.feed.pauseProducing()
    behind.answer()
    assert behind.transport.value() == b""
    behind.feed.resumeProducing()
    behind.answer()
    assert behind.transport.value() == b"alice: one\nalice: two\n"


def test_a_fast_reader_catches_up_a_piece_a_turn():
    """The other connections have their turns in between, however fast one reads."""
    behind = Behind()
    for at in range(3, 23):
        run = Run(Kind.MESSAGE, 0, "alice", ["x" * (behind.limits.write_bytes // 2)])
        behind.log.extend(Block([(at, run)]))
    behind.answer()
    assert len(behind.transport.value()) < 3 * behind.limits.write_bytes
    behind.reactor.advance(0)
    assert len(behind.transport.value().splitlines()) == 22


def test_an_ignored_user_is_not_quoted():
    """A reply of somebody else is shown to who ignores them, without the quote."""
    behind = Behind()
    behind.ignored = frozenset({"eve"})
    behind.answer()
    quote = Quote("Eve", "spam")
    runs = [(3, Run(Kind.MESSAGE, 0, "bob", ["stop"], about=1, quote=quote))]
    runs.append((4, Run(Kind.MESSAGE, 0, "bob", ["ok"], about=2, quote=Quote("alice", "two"))))
    behind.log.extend(Block(runs))
    behind.feed.wake(tuple(behind.log.cursors.values()))
    behind.reactor.advance(0)
    shown = behind.transport.value().decode().split("\n")
    assert shown[2:] == ["bob (to #1): stop", 'bob (to alice #2 "two"): ok', ""]
