"""Header fields of HTTP that concern files."""

import re
from email.message import Message
from hashlib import sha256
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatservice.errors import Code, Refusal
from chatservice.grammar import httpfields
from chatservice.grammar.httpfields import ByteRange, SentPart

SIZES = st.integers(1, 1 << 50)
HEX = sha256(b"that").hexdigest()
TAG = httpfields.entity_tag(HEX)


@given(SIZES, st.data())
def test_a_range_is_that_part_of_the_file(size, data):
    """First and last byte, an open end, and a number of last bytes all give a part inside."""
    first = data.draw(st.integers(0, size - 1))
    last = data.draw(st.integers(first, 2 * size))
    assert httpfields.byte_range(f"bytes={first}-{last}", size) == (first, min(last + 1, size))
    assert httpfields.byte_range(f"bytes={first}-", size) == (first, size)
    assert httpfields.byte_range(f"bytes=-{last + 1}", size) == (max(0, size - last - 1), size)


@given(SIZES, st.integers(0, 1 << 50))
def test_a_range_behind_the_end_is_refused(size, more):
    """A range that begins behind the last byte, and one of no last bytes, is refused."""
    for text in (f"bytes={size + more}-", f"bytes={size + more}-{size + more}", "bytes=-0"):
        with pytest.raises(Refusal) as refused:
            httpfields.byte_range(text, size)
        assert refused.value.code is Code.BAD_OFFSET


@pytest.mark.parametrize(
    "text",
    [
        *("", "bytes", "bytes=", "bytes=-", "bytes=5-2", "bytes=1-2,4-5", "bytes=a-b", "lines=1-2"),
        *("bytes=1-2-3", "bytes=--1", "bytes=1 - 2", f"bytes={'9' * 30}-"),
    ],
)
def test_all_of_the_file_where_there_is_no_range(text):
    """Several ranges, and what is no range of bytes, ask for the whole file."""
    assert httpfields.byte_range(text, 10) is None


def test_an_empty_file_has_no_parts():
    """A range of an empty file is answered with all of it."""
    assert httpfields.byte_range("bytes=0-", 0) is None
    assert httpfields.byte_range("bytes=-5", 0) is None


@given(st.text(max_size=40), st.integers(0, 100))
def test_any_range_is_a_part_or_refused(text, size):
    """No text breaks it, and each part is inside of the file."""
    try:
        span = httpfields.byte_range(text, size)
    except Refusal as refusal:
        assert refusal.code is Code.BAD_OFFSET
    else:
        assert span is None or 0 <= span.start < span.end <= size


@given(SIZES, st.data())
def test_a_part_that_is_sent_is_told_by_what_is_written_of_it(size, data):
    """A Content-Range that is written is read again as an offset and a size."""
    offset = data.draw(st.integers(0, size - 1))
    text = httpfields.content_range(ByteRange(offset, size), size)
    assert httpfields.sent_part(text) == SentPart(offset, size)


def test_without_a_content_range_all_is_sent():
    """A body without Content-Range is no part."""
    assert httpfields.sent_part("") is None
    assert httpfields.unsatisfied(7) == "bytes */7"


@pytest.mark.parametrize(
    "text",
    ["bytes 1-2/*", "bytes */9", "bytes 0-5/9", "bytes 8-7/8", "bytes 0-8", "lines 0-8/9", "?"],
)
def test_only_the_rest_of_a_file_is_taken(text):
    """A part that does not reach to the end, or does not tell the size, is refused."""
    with pytest.raises(Refusal) as refused:
        httpfields.sent_part(text)
    assert refused.value.code is Code.BAD_ARGUMENT


def test_a_tag_that_is_known():
    """If-None-Match has one tag of several, weak ones too, or a star."""
    for text in (TAG, f'"other", {TAG}', f"W/{TAG}", "*"):
        assert httpfields.is_known(text, TAG)
    for text in ("", '"other"', HEX, f'"{HEX}x"'):
        assert not httpfields.is_known(text, TAG)


def test_a_range_holds_for_the_same_file_only():
    """If-Range takes the same strong tag; a date and a weak tag do not tell enough."""
    assert httpfields.range_holds("", TAG)
    assert httpfields.range_holds(TAG, TAG)
    for text in (f"W/{TAG}", '"other"', "Sat, 29 Oct 1994 19:43:31 GMT"):
        assert not httpfields.range_holds(text, TAG)


@given(st.binary(max_size=20))
def test_a_digest_is_read_as_it_was_written(data):
    """A Repr-Digest gives the SHA-256 that it was made of, also beside others."""
    digest = sha256(data).hexdigest()
    text = httpfields.repr_digest(digest)
    for written in (text, f"md5=:AA==:, {text}", f"{text};p=1, sha-512=:AA==:"):
        assert httpfields.sha256_of(written) == digest


@pytest.mark.parametrize("text", ["", "md5=:AA==:", "sha-512=:AA==:", "nothing"])
def test_other_digests_are_passed_over(text):
    """Without a SHA-256 there is nothing to check."""
    assert httpfields.sha256_of(text) is None


@pytest.mark.parametrize(
    "text", ["sha-256=AA==", "sha-256=:AA==:", "sha-256=::", "sha-256=:?:", f"sha-256={HEX}"]
)
def test_a_broken_digest_is_refused(text):
    """A SHA-256 that is none is not passed over: its client believes that it is checked."""
    with pytest.raises(Refusal) as refused:
        httpfields.sha256_of(text)
    assert refused.value.code is Code.BAD_ARGUMENT


@given(st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=40))
def test_a_name_comes_back_out_of_a_content_disposition(name):
    """Another reader finds the same name, and no name ends the field or adds one."""
    text = httpfields.disposition(name, inline=False)
    assert text.isascii()
    assert re.fullmatch(r'attachment; filename="[^"\\%]*"(; filename\*=UTF-8\'\'[^\s";,]*)?', text)
    read = Message()
    read["Content-Disposition"] = text
    whole = text.rpartition("filename*=")
    if whole[1]:
        read.replace_header("Content-Disposition", f"attachment; filename*={whole[2]}")
    assert read.get_filename() == name.strip() or read.get_filename() == name


def test_plain_names_stay_plain():
    """A plain name is written once; a browser may show what is inline."""
    assert httpfields.disposition("a report.pdf", False) == 'attachment; filename="a report.pdf"'
    assert (
        httpfields.disposition('50% "né".png', True)
        == "inline; filename=\"50_ _n__.png\"; filename*=UTF-8''50%25%20%22n%C3%A9%22.png"
    )


def test_only_listed_types_are_shown():
    """Pictures, sound and video are shown; what may have scripts is not."""
    assert httpfields.inline_type("a.PNG") == "image/png"
    assert httpfields.inline_type("talk.webm") == "video/webm"
    for name in ("a.svg", "a.html", "a.pdf", "a.xml", "png", "a.png.js", "a"):
        assert httpfields.inline_type(name) is None


def test_the_page_shows_what_the_server_lets_a_browser_show():
    """Each end of a name that the page has a preview for has a type that a browser shows."""
    source = (files("chatservice") / "page" / "talk.js").read_text()
    found = re.findall(r"^const (?:PICTURES|SOUNDS|VIDEOS) = /[^(]*\((.*?)\)", source, re.MULTILINE)
    assert len(found) == 3
    for end in "|".join(found).replace("jpe?g", "jpg|jpeg").split("|"):
        assert httpfields.inline_type(f"a.{end}"), end
