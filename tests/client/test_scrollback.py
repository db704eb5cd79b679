"""A window of a room's log, and the place in it that one looks at."""

from hypothesis import given
from hypothesis import strategies as st

from chatservice.client import scrollback
from chatservice.client.clientstate import Incoming
from chatservice.client.folding import Folded, folded, folded_line
from chatservice.client.scrollback import ITEMS_IN_BACKGROUND, ITEMS_KEPT, SLACK, Scrollback
from chatservice.entries import Entry, Kind
from chatservice.events import UserJoined, UserLeft


def said(position, text="x"):
    """Return a message at a position of the log."""
    return Incoming(Entry(Kind.MESSAGE, position * 1000, "bob", text), "lab", position)


def talk(*positions, rows=None):
    """Return a scrollback with messages."""
    it = Scrollback()
    for position in positions:
        it.add(said(position), position)
    return it


def page(first, last):
    """Return a page of the history."""
    return [said(position) for position in range(first, last + 1)]


def positions(it):
    """Return the positions of the entries in the window."""
    return [each.position for each in it.items]


def one(at):
    """Return that each item has one row."""
    return 1


def test_the_newest_is_at_the_bottom():
    """The view follows what comes, and shows as much as fits."""
    it = talk(1, 2, 3)
    assert [line.item for line in it.lines(2, one)] == [1, 2]
    it.add(said(4), 4)
    assert [line.item for line in it.lines(2, one)] == [2, 3]
    assert [line.item for line in it.lines(9, one)] == [0, 1, 2, 3]


def test_a_day_of_talk_takes_no_more_memory_than_a_window():
    """Of 100,000 entries only the newest are kept; the others can be read again."""
    it = talk(*range(1, 100_001))
    assert len(it.items) <= ITEMS_KEPT + SLACK
    assert it.last_position == 100_000
    assert it.has_older
    it.to_background()
    assert len(it.items) == ITEMS_IN_BACKGROUND


def test_long_texts_are_bounded_in_bytes():
    """Entries of 8 KiB push out earlier ones than short ones do."""
    it = Scrollback()
    for position in range(1, 500):
        it.add(said(position, "x" * 8000), position)
    assert sum(each.size for each in it.items) <= scrollback.BYTES_KEPT
    assert it.last_position == 499


def test_what_one_reads_stays_while_others_talk():
    """New entries move nothing while the view is further up. A window that is full takes no more;
    at the end, it is read anew."""
    it = talk(*range(1, 101))
    it.scroll(50, 10, one)
    shown = it.lines(10, one)
    for position in range(101, ITEMS_KEPT + 500):
        it.add(said(position), position)
    assert it.lines(10, one) == shown
    assert not it.at_end
    it.to_end()
    assert it.items == []
    it.add_older(page(1400, 1499))
    it.add(said(1500), 1500)
    assert positions(it) == list(range(1400, 1501))


def test_older_pages_come_before_and_newer_ones_behind():
    """The window moves through the log without a gap and without an entry twice."""
    it = talk(5000)
    while it.first_position > 2000:
        before = it.first_position
        it.add_older(page(before - 100, before - 1))
        it.to_top(10, one)
    assert len(it.items) <= ITEMS_KEPT + SLACK + 100
    assert not it.at_end
    while not it.at_end:
        it.add_newer(page(it.last_position + 1, it.last_position + 100), 5000)
    assert positions(it) == list(range(it.first_position, it.last_position + 1))


def test_an_entry_is_not_shown_twice():
    """A page and live talk may overlap."""
    it = talk(10, 11)
    it.add_older(page(5, 10))
    assert not it.add(said(11), 11)
    assert positions(it) == [5, 6, 7, 8, 9, 10, 11]


def test_an_empty_page_is_the_beginning():
    """There is nothing more to ask for."""
    it = talk(1)
    it.add_older([])
    assert not it.has_older


def test_unread_begins_where_one_left():
    """The mark stands before the first entry that came after it, or behind a position."""
    it = talk(1, 2)
    it.mark_unread()
    it.add(said(3), 3)
    assert it.items[2].serial == it.unread_from
    it.mark_unread_behind(1)
    assert it.items[1].serial == it.unread_from
    it.mark_unread_behind(3)
    it.add(said(4), 4)
    assert it.items[3].serial == it.unread_from


def test_a_rewound_log_and_an_erased_entry():
    """Entries that are no longer there go; an erased one is replaced in its place."""
    it = talk(1, 2, 3)
    it.rewrite(2, Entry(Kind.GONE, 2000, "bob"))
    assert it.items[1].content.item.kind == Kind.GONE
    it.forget_behind(2)
    assert positions(it) == [1, 2]


def test_arrivals_are_folded():
    """Those that follow each other are one item, which counts them; talk ends it, and so does the
    mark of unread entries."""
    it = talk(1)
    for event in (UserJoined("lab", "carl"), UserLeft("lab", "carl"), UserJoined("lab", "dora")):
        it.add(Incoming(event, "lab"), 1.0, fold=True)
    assert len(it.items) == 2
    assert it.items[1].content == Folded(2, 1, ("carl", "dora"))
    assert folded_line(it.items[1].content) == "+2 came, 1 left: carl, dora"
    it.add(said(2), 2)
    it.add(Incoming(UserJoined("lab", "emil"), "lab"), 1.0, fold=True)
    it.mark_unread()
    it.add(Incoming(UserJoined("lab", "fred"), "lab"), 1.0, fold=True)
    assert len(it.items) == 5


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abcdefghijklmnop")), max_size=60))
def test_folded_arrivals_are_counted(events):
    """The counts are right for any number of users; the names are bounded."""
    it = Folded()
    for arrived, who in events:
        it = folded(it, UserJoined("lab", who) if arrived else UserLeft("lab", who))
    assert it.came == sum(arrived for arrived, _ in events)
    assert it.came + it.left == len(events)
    assert len(it.names) <= 10


HEIGHTS = st.integers(1, 12)
ROWS = st.lists(st.integers(1, 5), min_size=1, max_size=12)


@given(ROWS, HEIGHTS, st.lists(st.integers(-20, 20), max_size=8))
def test_the_view_is_always_full_and_in_order(counts, height, moves):
    """Wherever one scrolls, the rows are consecutive ones, and as many as there are fit."""
    it = talk(*range(1, len(counts) + 1))
    every = [(at, row) for at, count in enumerate(counts) for row in range(count)]
    for by in moves:
        it.scroll(by, height, counts.__getitem__)
        lines = [tuple(line) for line in it.lines(height, counts.__getitem__)]
        assert len(lines) == min(height, len(every))
        first = every.index(lines[0])
        assert lines == every[first : first + len(lines)]


@given(ROWS, HEIGHTS, st.integers(0, 40), st.integers(0, 40))
def test_scrolling_up_and_down_again_is_where_one_was(counts, height, before, by):
    """As long as neither end is reached on the way, the same rows are seen again."""
    it = talk(*range(1, len(counts) + 1))
    rows = counts.__getitem__
    it.scroll(before, height, rows)
    shown = it.lines(height, rows)
    it.scroll(by, height, rows)
    moved = it.lines(height, rows)
    flat = [tuple(line) for line in shown]
    every = [(at, row) for at, count in enumerate(counts) for row in range(count)]
    distance = every.index(flat[0]) - every.index(tuple(moved[0]))
    it.scroll(-distance, height, rows)
    assert it.lines(height, rows) == shown


@given(ROWS, HEIGHTS, st.integers(0, 40), st.integers(0, 11))
def test_a_selected_item_is_revealed(counts, height, before, which):
    """All its rows are seen, or as many as fit."""
    it = talk(*range(1, len(counts) + 1))
    at = which % len(counts)
    it.scroll(before, height, counts.__getitem__)
    it.reveal(it.items[at].serial, height, counts.__getitem__)
    shown = [line for line in it.lines(height, counts.__getitem__) if line.item == at]
    assert len(shown) == min(counts[at], height)
