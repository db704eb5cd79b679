"""Times as people type them, in the machine's zone."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatservice.client.dates import parsed_time

NOW = datetime(2026, 11, 21, 12, 30)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-11-20", datetime(2026, 11, 20)),
        ("2026-11-20  14:05", datetime(2026, 11, 20, 14, 5)),
        ("20.11.2026", datetime(2026, 11, 20)),
        ("today", datetime(2026, 11, 21)),
        ("Yesterday", datetime(2026, 11, 20)),
        ("9:15", datetime(2026, 11, 21, 9, 15)),
        ("14:30", datetime(2026, 11, 20, 14, 30)),
    ],
)
def test_times(text, meant):
    """A day is its beginning; a time is the last one."""
    assert parsed_time(text, NOW) == meant.timestamp()


@pytest.mark.parametrize("text", ["", "never", "25:00", "2026-13-01", "12", "-5", "9" * 50])
def test_no_times(text):
    """Anything else means no time."""
    assert parsed_time(text, NOW) is None


@given(st.text(max_size=30))
def test_any_text(text):
    """No text is an error."""
    parsed_time(text, NOW)
