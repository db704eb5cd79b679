"""Whatever happens, each reader of a log reads everything, once, in order."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, rule

from chatservice import limits
from chatservice.domain.log import Block, Cursor, Log
from chatservice.entries import Entry, Kind


def block(first: int, count: int) -> Block:
    """Return `count` messages that say their own positions."""
    positions = range(first, first + count)
    return Block(positions, [Entry(Kind.MESSAGE, 0, "alice", str(p)) for p in positions])


class Reading:
    """A reader that takes what there is whenever it is told to, from memory or from storage."""

    def __init__(self, log: Log, stored: list[Block], after: int | None) -> None:
        self.got: list[int] = []
        self.woken = 0
        self.cursor = Cursor(log, self, after)
        self._stored = stored

    def wake(self, cursor: Cursor) -> None:
        """Count."""
        self.woken += 1

    def tell(self, event: object) -> None:
        """Events are not what this is about."""

    def end(self, sentence: str) -> None:
        """Nor is this."""

    def read(self) -> None:
        """Take everything behind the cursor, as a feed does."""
        cursor = self.cursor
        while (blocks := cursor.log.since(cursor.position)) != ():
            if blocks is None:
                blocks = [one for one in self._stored if one.last > cursor.position][:2]
            for one in blocks:
                self.got += [position for position, _ in one.after(cursor.position)]
                cursor.pass_over(one.last)


class Log_(RuleBasedStateMachine):
    """Writers, and readers that come, stall and read on, in any interleaving."""

    readers = Bundle("readers")

    def __init__(self) -> None:
        super().__init__()
        self.log = Log(1, "lab", 0)
        self.stored: list[Block] = []

    @rule(count=st.integers(1, 5), gap=st.integers(0, 2), big=st.booleans())
    def write(self, count: int, gap: int, big: bool) -> None:
        """Store some entries; positions need not be dense."""
        new = block(self.log.last + 1 + gap, 3000 if big else count)
        self.stored.append(new)
        self.log.extend(new)

    @rule(target=readers, back=st.none() | st.integers(0, 3000))
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
        everything = [p for one in self.stored for p in one.positions if p > reading.start]
        assert reading.got == everything


TestLog = Log_.TestCase
TestLog.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@given(st.lists(st.integers(1, 300), max_size=30))
def test_memory_is_bounded(counts):
    """However long a log becomes, what is held of it is bounded, and every reader is woken."""
    log = Log(1, "lab", 0)
    reading = Reading(log, [], None)
    for count in counts:
        log.extend(block(log.last + 1, count))
    assert (log.last - log.memory_from - 300) * 128 <= limits.TAIL_BYTES
    assert reading.woken == len(counts)


def test_everybody_at_one_cursor_is_handed_the_same_bytes():
    """A block is rendered once a dialect, and not for dialects that nobody reads."""
    calls = []

    def render(position: int, entry: Entry, log: str) -> bytes:
        calls.append(position)
        return b"%d\n" % position

    one = block(1, 3)
    assert one.joined(render, "lab") is one.joined(render, "lab")
    assert calls == [1, 2, 3]


def test_a_reader_may_not_start_in_the_future():
    """After its data was put back to an older copy, a server does not make readers wait for
    positions that are still to come."""
    log = Log(1, "lab", 5)
    assert Reading(log, [], 99).cursor.position == 5
