"""Text in the columns of a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import wcswidth

from chatservice.client.wrapping import isolated, screen_rows, shortened, width, wrapped

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
HEBREW = "\u05e9\u05dc\u05d5\u05dd"

WORDS = st.lists(
    st.sampled_from(
        [
            "a",
            "word",
            "of",
            "several",
            "letters",
            "你好",
            "e\u0301t\u00e9",
            FAMILY,
            HEBREW,
            "❤\ufe0f",
        ]
    ),
    min_size=1,
    max_size=40,
)


def rows_of(text, columns=40, indent=4):
    """Return the rows of a text."""
    fragments = wrapped([("", text)], columns, indent)
    return "".join(piece for _, piece in fragments).removesuffix("\n").split("\n")


@given(WORDS, st.integers(24, 100), st.integers(0, 6))
def test_no_row_is_too_wide_and_nothing_is_lost(words, columns, indent):
    """This holds for any text: wide characters, accents, joined characters, Hebrew."""
    text = " ".join(words)
    rows = rows_of(text, columns, indent)
    assert all(wcswidth(row) <= columns for row in rows)
    plain = [row.strip(" ").replace("\u2068", "").replace("\u2069", "") for row in rows]
    assert "".join(plain).replace(" ", "") == text.replace(" ", "")
    assert all(row.startswith(" " * indent) for row in rows[1:])


def test_a_line_is_broken_between_words():
    """Spaces at a break are dropped, and further rows are indented."""
    assert rows_of("the quick brown fox jumps", columns=12, indent=2) == [
        "the quick",
        "  brown fox",
        "  jumps",
    ]


def test_wide_text_without_spaces_is_broken():
    """Chinese has no spaces, for example."""
    assert rows_of("你好你好你好", columns=8, indent=0) == ["你好你好", "你好"]


def test_a_long_word_stays_whole():
    """The terminal wraps a word that is longer than a row, and so keeps it whole when it is copied.
    The text after it goes on where it ends."""
    url = "https://example.com/" + "x" * 50
    assert rows_of(f"see {url} there", columns=40, indent=2) == ["see", f"{url} there"]
    rows = rows_of(f"see {url} and then more", columns=40, indent=2)
    assert rows == ["see", f"{url} and then", "  more"]


def test_styles_stay_with_their_text():
    """This also holds for a break within a piece of one style."""
    made = wrapped([("name", "anna"), ("", ": one two three")], 12, 2)
    assert ("name", "anna") in made
    assert "".join(text for _, text in made) == "anna: one\n  two three\n"


def test_directions_end_where_a_text_ends():
    """Text from right to left is isolated in each of its rows; other text is unchanged."""
    made = wrapped([("", "* "), ("name", HEBREW), ("", f" says {HEBREW} 1, 2")], 80, 2)
    text = "".join(piece for _, piece in made)
    assert f"* \u2068{HEBREW}\u2069" in text
    assert text.count("\u2068") == text.count("\u2069") == 2
    for row in rows_of(f"{HEBREW} " * 30):
        assert row.count("\u2068") == row.count("\u2069") == 1
    assert isolated("plain, é, 你好") == "plain, é, 你好"


def test_a_tab_takes_columns():
    """A tab always takes the same number of columns."""
    assert "\t" not in rows_of("a\tb")[0]


@given(st.text(max_size=60), st.integers(1, 30))
def test_shortened_text_fits(text, columns):
    """The short form fits by every way of counting columns."""
    assert width(shortened(text, columns)) <= max(columns, 1)


@pytest.mark.parametrize(
    ("text", "columns"), [("abc", 3), ("你好", 4), ("e\u0301", 1), (FAMILY, 6)]
)
def test_widths(text, columns):
    """Widths that terminals agree on, and the wider width otherwise."""
    assert width(text) == columns


@given(WORDS, st.integers(6, 60))
def test_rows_of_the_screen_are_never_too_wide(words, columns):
    """A word that is longer than a row goes on in the next one, and nothing is lost."""
    text = "".join(words)
    rows = screen_rows([("", text), ("", "\n")], columns)
    assert all(sum(width(span.text) for span in row) <= columns for row in rows)
    assert "".join(span.text for row in rows for span in row) == text


def test_a_link_is_whole_in_each_of_its_rows():
    """A URL that takes several rows leads to the same place in all of them."""
    url = "https://example.org/" + "x" * 40
    rows = screen_rows([("", "see "), ("class:link", url), ("", "\n")], 20)
    linked = [span for row in rows for span in row if span.link]
    assert {span.link for span in linked} == {url}
    assert "".join(span.text for span in linked) == url
    assert len(rows) == 4
