"""Logs and readers: each reader reads everything, once and in order, whatever happens."""

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, rule

from chatservice.domain.figures import Deliveries
from chatservice.domain.log import Block, BlockCache, Cursor, EventBatch, Log, wake
from chatservice.entries import Kind, Quote, Run
from chatservice.events import UserJoined
from chatservice.grammar import textformat
from chatservice.limits import Limits


def block(first: int, count: int) -> Block:
    """Return `count` messages that say their own positions, in runs of up to four."""
    runs = []
    for start in range(first, first + count, 4):
        texts = [str(p) for p in range(start, min(start + 4, first + count))]
        runs.append((start, Run(Kind.MESSAGE, 0, "alice", texts)))
    return Block(runs)


class Reading:
    """A reader that takes what there is whenever it is told to, from memory or from storage."""

    def __init__(self, log: Log, stored: list[Block], after: int | None) -> None:
        self.got: list[int] = []
        self.told: list[str] = []
        self.woken = 0
        self.ignored: frozenset[str] = frozenset()
        self.peer = self
        self.cursor = Cursor(log, self, after)
        self._stored = stored

    def wake(self, cursors: tuple[Cursor, ...]) -> int:
        """Count, and write 10 bytes."""
        self.woken += len(list(cursors))
        return 10

    def tell(self, news: EventBatch) -> None:
        """Note what happened."""
        self.told += news.encoded(lambda event: event.who.encode()).decode()

    def read(self) -> None:
        """Take everything behind the cursor, as a feed does."""
        cursor = self.cursor
        while cursor.position < cursor.log.last:
            found = cursor.log.block_after(cursor.position)
            if found is None:
                found = next(one for one in self._stored if one.last > cursor.position)
            self.got += [position for position, _ in found.entries(cursor.position)]
            cursor.advance(found.last)


class LogMachine(RuleBasedStateMachine):
    """Writers, and readers that come, stall and read on, in any interleaving."""

    readers = Bundle("readers")

    def __init__(self) -> None:
        super().__init__()
        tails = BlockCache(Limits(tail_bytes=20_000))
        self.log, self.other = Log(1, "lab", 0, tails), Log(2, "den", 0, tails)
        self.stored: list[Block] = []

    @rule(count=st.integers(1, 5), gap=st.integers(0, 2), big=st.booleans())
    def write(self, count: int, gap: int, big: bool) -> None:
        """Store some entries; positions need not be dense."""
        new = block(self.log.last + 1 + gap, 100 if big else count)
        self.stored.append(new)
        self.log.extend(new)

    @rule(count=st.integers(1, 200))
    def write_elsewhere(self, count: int) -> None:
        """Append to another room, which takes its share of the memory."""
        self.other.extend(block(self.other.last + 1, count))

    @rule(target=readers, back=st.none() | st.integers(0, 300))
    def come(self, back: int | None) -> Reading:
        """A reader comes, to read from now on or from some way back."""
        after = None if back is None else max(0, self.log.last - back)
        reading = Reading(self.log, self.stored, after)
        reading.start = reading.cursor.position
        return reading

    @rule(reading=readers)
    def read_on(self, reading: Reading) -> None:
        """A reader takes what there is: everything since it came, once, in order."""
        reading.read()
        everything = [p for one in self.stored for p, _ in one.entries(reading.start)]
        assert reading.got == everything


TestLog = LogMachine.TestCase
TestLog.settings = settings(max_examples=60, stateful_step_count=30)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 300)), max_size=30))
def test_memory_is_bounded(blocks):
    """However long logs become, what is held of all of them together is bounded."""
    tails = BlockCache(Limits(tail_bytes=10_000))
    logs = Log(1, "lab", 0, tails), Log(2, "den", 0, tails)
    for which, count in blocks:
        logs[which].extend(block(logs[which].last + 1, count))
    held = [len(_positions(log)) for log in logs]
    newest = blocks[-1][1] if blocks else 0
    assert sum(held) * 64 <= 10_000 or sum(held) == newest


def test_what_was_rendered_counts_for_the_memory_too():
    """The encoded bytes count: a format may make a hundred times as much of a text as was sent."""
    tails = BlockCache(Limits(tail_bytes=100_000))
    log = Log(1, "lab", 0, tails)
    kept = []
    for at in range(1, 60):
        log.extend(block(at, 1))
        kept.append(log.newest)
        log.newest.encoded(lambda *_: bytes(9_000), "lab")
        assert tails.size <= 100_000
    assert log.newest is kept[-1]
    assert log.memory_from > 40
    assert all(each.cache is None for each in kept[:40])
    kept[0].encoded_runs(
        lambda *_: bytes(10**6), "lab"
    )  # somebody still reads there; it is not held
    assert log.newest is kept[-1]


def test_what_replaces_a_block_counts_in_its_place():
    """The erased text is gone, and the text that is there now is counted."""
    tails = BlockCache(Limits(tail_bytes=100_000))
    log = Log(1, "lab", 0, tails)
    log.extend(block(1, 2))
    log.newest.encoded(lambda *_: bytes(50_000), "lab")
    log.replace(block(1, 2))
    assert tails.size == log.newest.memory_size < 1_000


def _positions(log: Log) -> list[int]:
    """Return the positions of what a log has in memory."""
    found, at = [], log.memory_from
    while at < log.last and (one := log.block_after(at)) is not None:
        found += [position for position, _ in one.entries(at)]
        at = one.last
    return found


def test_a_reader_of_many_logs_is_woken_once():
    """So that it gets all that is new with one write."""
    tails = BlockCache()
    logs = [Log(number, "lab", 0, tails) for number in range(3)]
    reading = Reading(logs[0], [], None)
    woken = []
    reading.wake = lambda cursors: woken.append({cursor.log for cursor in cursors}) or 0
    Cursor(logs[1], reading)
    for log in logs:
        log.extend(block(1, 2))
    wake(logs, Deliveries())
    assert woken == [{logs[0], logs[1]}]


def test_what_is_written_at_once_is_counted():
    """The entries and bytes of the newest block, for each reader that was written just these."""
    tails = BlockCache()
    log, other = Log(1, "lab", 0, tails), Log(2, "ops", 0, tails)
    readers = [Reading(log, [], None) for _ in range(3)]
    readers[2].wake = lambda cursors: 0
    deliveries = Deliveries()
    log.extend(block(1, 5))
    wake([log], deliveries)
    assert (deliveries.entries, deliveries.bytes) == (10, 20)
    log.extend(block(6, 1))
    other.extend(block(1, 1))
    wake([log, other], deliveries)
    assert (deliveries.entries, deliveries.bytes) == (12, 40)


def test_news_are_told_to_those_who_were_there():
    """Each event to who was there when it happened, together, and before what was said after it."""
    log = Log(1, "lab", 0, BlockCache())
    early = Reading(log, [], None)
    log.announce(UserJoined("lab", "a"))
    late = Reading(log, [], None)
    log.announce(UserJoined("lab", "b"))
    assert early.told == []
    log.extend(block(1, 1))
    wake([log], Deliveries())
    assert (early.told, late.told) == (["a", "b"], ["b"])
    log.announce(UserJoined("lab", "c"))
    log.announce(UserJoined("lab", "d"), but=late.cursor)
    log.announce(UserJoined("lab", "e"))
    log.send_events()
    assert (early.told, late.told) == (["a", "b", "c", "d", "e"], ["b", "c", "e"])


def test_everybody_at_one_cursor_is_handed_the_same_bytes():
    """A block is encoded once for each format that somebody reads."""
    calls = []

    def render(first: int, run: Run, log: str) -> bytes:
        calls.append(first)
        return b"%d\n" % first

    one = block(1, 9)
    assert one.encoded(render, "lab") is one.encoded(render, "lab")
    assert calls == [1, 5, 9]


def test_a_reader_may_not_start_in_the_future():
    """After its data was put back to an older copy, a server does not make readers wait for
    positions that are still to come."""
    log = Log(1, "lab", 5, BlockCache())
    assert Reading(log, [], 99).cursor.position == 5


def test_what_is_no_longer_kept_is_let_go():
    """Of all logs, in the order in which it came; a guest's inbox stays, and stops nobody."""
    tails = BlockCache()
    lab, den, guest = Log(1, "lab", 0, tails), Log(2, "den", 0, tails), Log(-1, "@", 0, tails)
    for log, it in (
        (guest, block(1, 2)),
        (lab, block(1, 2)),
        (den, block(1, 3)),
        (lab, block(3, 2)),
    ):
        log.extend(it)
    tails.drop_expired({1: 2})
    assert (lab.memory_from, den.memory_from, guest.memory_from) == (2, 0, 0)
    tails.drop_expired({1: 4, 2: 3})
    assert (lab.memory_from, den.memory_from, guest.memory_from) == (4, 3, 0)
    assert lab.newest is None
    assert guest.block_after(0) is guest.newest
    lab.extend(block(5, 1))
    assert lab.block_after(4) is lab.newest


@dataclass(frozen=True)
class Tagged:
    """A format with capabilities."""

    capabilities: frozenset[str]

    def __call__(self, first: int, run: Run, log: str) -> bytes:
        """Encode a run."""
        return repr((first, run.texts, sorted(self.capabilities))).encode()


def test_formats_are_values() -> None:
    """Equal ones share their bytes. Of many, a block keeps the newest ones, within its memory."""
    one, size = block(1, 2), block(1, 2).memory_size
    for encoded in (one.encoded, one.encoded_runs):
        first = encoded(Tagged(frozenset({"time", "tags"})), "lab")
        assert encoded(Tagged(frozenset({"tags", "time"})), "lab") is first
        assert encoded(Tagged(frozenset({"time"})), "lab") != first
        for at in range(1000):
            last = encoded(Tagged(frozenset({str(at)})), "lab")
        assert encoded(Tagged(frozenset({"999"})), "lab") is last
    assert one.memory_size - size < 64 * 1000


def quoting(first: int, about: int, text: str = "x") -> Block:
    """Return a block with a reply that quotes the entry at a position."""
    run = Run(Kind.MESSAGE, 0, "bob", ["re"], about=about, quote=Quote("alice", text))
    return Block([(first, run)])


def shown(log: Log) -> bytes:
    """Return what a log has in memory, as people read it."""
    blocks = [it for it in log._blocks if it is not None]
    return b"".join(it.encoded(textformat.run, "lab") for it in blocks)


def test_quotes_go_with_what_they_quote():
    """Also where their bytes were made already; other quotes stay."""
    log = Log(1, "lab", 0, BlockCache())
    log.extend(Block([(1, Run(Kind.MESSAGE, 0, "alice", ["secret", "hello"]))]))
    for first, about in ((3, 1), (4, 2), (5, 1)):
        log.extend(block := quoting(first, about, ("secret", "hello")[about - 1]))
        log.note_others(block)
    assert shown(log).count(b"secret") == 3
    size = log.cache.size
    log.replace(Block([(1, Run(Kind.MESSAGE, 0, "alice", ["changed", "hello"]))]), [1])
    assert b"secret" not in shown(log)
    assert shown(log).count(b'#2 "hello"') == 1
    assert log.newest is not None
    assert log.newest.runs[0][1].quote is None
    assert 0 < log.cache.size < size
    log.end(1)
    assert shown(log).count(b'#2 "hello"') == 1
    log.end(2)
    assert shown(log).count(b"hello") == 1


def test_former_edits_have_the_newest_text():
    """Those that are in memory, however many; the edits of another entry stay as they are."""
    log = Log(1, "lab", 0, BlockCache())
    log.extend(Block([(1, Run(Kind.MESSAGE, 0, "alice", ["secret", "hello"]))]))
    for first, about in ((3, 1), (4, 2), (5, 1)):
        edit = Run(Kind.EDIT, 0, "alice", ["secret" if about == 1 else "hi"], about=about)
        log.extend(block := Block([(first, edit)]))
        log.note_others(block)
    log.replace(Block([(1, Run(Kind.MESSAGE, 0, "alice", ["new", "hi"]))]), [1])
    blocks = [it for it in log._blocks if it is not None]
    texts = [entry.text for block in blocks for _, entry in block.entries()]
    assert texts == ["new", "hi", "new", "hi", "new"]


def test_quotes_are_forgotten_with_their_blocks():
    """A log remembers nothing of what it has no longer in memory."""
    log = Log(1, "lab", 0, BlockCache(Limits(tail_bytes=2000)))
    for first in range(1, 200):
        log.extend(block := quoting(first, first % 7))
        log.note_others(block)
    assert log._others is not None
    quoted = [at for found in log._others.values() for at in found]
    assert sorted(quoted) == [it.first for it in log._blocks if it is not None]
    for about in range(7):
        log.replace(quoting(500, 1), [about])
    assert log._others == {}
