"""The display of a transfer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.utils import get_cwidth

from chatservice.client.transferconnection import Progress, shortened


def moving(name="report.pdf", size=3_000_000_000, begun=0):
    """Return a transfer that begins at second 100, with so many bytes there already."""
    it = Progress(name, size, "")
    it.begin(begun, 100.0)
    return it


def test_a_line_of_progress():
    """It has a bar, the percentage, the speed and the remaining time."""
    it = moving(size=4_000_000_000, begun=1_770_000_000)
    it.done += 30_000_000
    assert it.line(102.5) == "report.pdf [####------] 45%  12.0 MB/s  4 min left"


def test_bars_stand_below_each_other():
    """A name is as wide as it is told to be where there is room, and else shorter."""
    it = moving(size=4_000_000_000, begun=1_770_000_000)
    it.done += 30_000_000
    assert it.line(102.5, 80, 14).startswith("report.pdf     [####------] 45%")
    assert it.line(102.5, 40, 14) == "report.pdf   [##---] 45% 12.0 MB/s 4 min"


def test_the_speed_is_unknown_at_the_start():
    """The line leaves it out, and the remaining time while nothing moves."""
    it = moving(begun=1_500_000_000)
    assert it.line(100.0) == "report.pdf [#####-----] 50%"
    assert it.line(101.0) == "report.pdf [#####-----] 50%  0 bytes/s"


def test_earlier_bytes_do_not_count():
    """The speed of a resumed transfer is that of the new bytes."""
    it = moving(begun=2_000_000_000)
    it.done += 1_000_000
    assert it.rate(101.0) == 1_000_000


def test_only_the_last_seconds_count():
    """The speed follows a transfer that slows down or stops."""
    it = moving()
    for second in range(1, 60):
        it.done += 10_000_000 if second < 40 else 1_000_000
        rate = it.rate(100.0 + second)
    assert rate == 1_000_000
    for second in range(60, 70):
        rate = it.rate(100.0 + second)
    assert rate == 0


def test_a_resumed_transfer_is_measured_anew():
    """The time without a connection does not count."""
    it = moving()
    it.done = 5_000_000
    it.rate(101.0)
    it.begin(5_000_000, 500.0)
    it.done += 2_000_000
    assert it.rate(501.0) == 2_000_000


def test_an_empty_file():
    """It is complete, and nothing is divided by its size."""
    assert moving(size=0).line(101.0).startswith("report.pdf [##########] 100%")


@given(
    st.text(st.characters(categories=["L", "N", "Mn", "So", "Zs"]), min_size=1, max_size=255),
    st.integers(0, 1 << 50),
    st.floats(0, 1),
    st.floats(0.001, 1e6),
)
def test_a_line_fits_80_columns(name, size, part, seconds):
    """The line fits for any name, script and numbers."""
    it = moving(name, size)
    it.done = int(size * part)
    assert get_cwidth(it.line(100.0 + seconds)) <= 80


@pytest.mark.parametrize(
    ("name", "columns", "cut"),
    [
        ("report.pdf", 10, "report.pdf"),
        ("report.pdf", 9, "repo….pdf"),
        ("a long name of a report.pdf", 14, "a long …rt.pdf"),
        ("漢字漢字漢字", 8, "漢字…字"),
    ],
)
def test_names_are_cut_in_the_middle(name, columns, cut):
    """A cut name keeps its beginning and its extension."""
    found = shortened(name, columns)
    assert get_cwidth(found) <= columns
    assert found == cut
