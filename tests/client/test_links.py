"""URLs in talk become links only if they are safe in an escape sequence."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatservice.client.links import (
    LINK_CHARACTERS,
    copying,
    hyperlink,
    knows_osc,
    urls,
    with_links,
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see https://example.org/a?b=c#d.", ["https://example.org/a?b=c#d"]),
        ("(https://en.wikipedia.org/wiki/A_(b))", ["https://en.wikipedia.org/wiki/A_(b)"]),
        ("HTTP://EXAMPLE.ORG, and https://b.c!", ["HTTP://EXAMPLE.ORG", "https://b.c"]),
        ("https://a.b/\x1b]8;;evil", ["https://a.b/"]),
        ("https://a.b/\u202eevil \x07", ["https://a.b/"]),
        ("javascript:alert(1) file:///etc/passwd ftp://a.b", []),
        ("https://", []),
        (f"https://a.b/{'x' * LINK_CHARACTERS}", []),
        ("nothing", []),
        ("", []),
    ],
)
def test_urls_are_found(text, found):
    """Only the web's schemes count. A sign that ends the sentence does not belong to the URL."""
    assert urls(text) == found


@given(st.text(alphabet=st.sampled_from("https://a.b?()!\x1b\x07\x9c\u202e \\;\n"), max_size=60))
def test_no_control_character_gets_into_a_link(text):
    """The pieces of any text are that text again, and a link is plain ASCII."""
    pieces = list(with_links(text))
    assert "".join(piece for piece, _ in pieces) == text
    for url in urls(text):
        assert url.isascii()
        assert url.isprintable()
        assert " " not in url
        assert hyperlink(url, "x").count("\x1b") == 4


@given(st.text(max_size=200))
def test_a_copy_is_base64(text):
    """Nothing of a text is in the sequence as it is."""
    sequence = copying(text)
    assert sequence.startswith("\x1b]52;c;")
    assert base64.b64decode(sequence[7:-2]) == text.encode(errors="replace")


def test_terminals_that_would_print_the_sequence_get_none():
    """The Linux console and old terminals are left alone."""
    assert knows_osc("xterm-256color")
    assert knows_osc("tmux-256color")
    assert not knows_osc("linux")
    assert not knows_osc("vt100")
