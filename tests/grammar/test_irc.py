"""Messages of IRC: every line becomes a message or a refusal, and what is rendered is one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatservice.errors import Code, Refusal
from chatservice.grammar import irc
from chatservice.grammar.irc import IrcMessage, parse, render, render_tags
from chatservice.grammar.irctexts import (
    Ctcp,
    packed,
    parse_ctcp,
    pieces,
    split_text,
    without_formatting,
)

LINES = {
    b"NICK alice": IrcMessage("NICK", ("alice",)),
    b"nick :alice": IrcMessage("NICK", ("alice",)),
    b":mallory!m@x PRIVMSG #lab :hello there": IrcMessage("PRIVMSG", ("#lab", "hello there")),
    b"PRIVMSG #lab ::) x": IrcMessage("PRIVMSG", ("#lab", ":) x")),
    b"PRIVMSG #lab :": IrcMessage("PRIVMSG", ("#lab", "")),
    b"  JOIN   #a,#b  key ": IrcMessage("JOIN", ("#a,#b", "key")),
    b"JOIN :": IrcMessage("JOIN", ("",)),
    b"USER a 0 * :a b : c": IrcMessage("USER", ("a", "0", "*", "a b : c")),
    b"PRIVMSG #lab a:b :c": IrcMessage("PRIVMSG", ("#lab", "a:b", "c")),
    b"@label=1 PING x": IrcMessage("PING", ("x",), {"label": "1"}),
    b"@a=\\:\\s\\\\\\r\\n\\b\\;+c/d;a=2;=x :s TAGMSG #lab": IrcMessage(
        "TAGMSG", ("#lab",), {"a": "2", "+c/d": ""}
    ),
    b"X " + b"p " * 20: IrcMessage("X", ("p",) * 14 + ("p p p p p p",)),
    b"X " + b"p " * 14 + b":q r": IrcMessage("X", ("p",) * 14 + ("q r",)),
}


@pytest.mark.parametrize(("line", "message"), LINES.items(), ids=lambda it: repr(it)[:40])
def test_lines_are_messages(line, message):
    """Sources are dropped, blanks do not count, and the last parameter takes the rest."""
    assert parse(line) == message


REFUSED = {
    b"\xff\xfe": Code.BAD_LINE,
    b"PRIVMSG #lab :caf\xe9": Code.BAD_LINE,
    b"@a=\xe9 PING x": Code.BAD_LINE,
    b"PRIVMSG #lab :a\0b": Code.BAD_LINE,
    b":mallory": Code.BAD_LINE,
    b"@a=b": Code.BAD_LINE,
    b"   ": Code.BAD_LINE,
    b":": Code.BAD_LINE,
    b"PING " + b"x" * 506: Code.TOO_LONG,
    b"@" + b"a" * 4095 + b" PING x": Code.TOO_LONG,
}


@pytest.mark.parametrize(("line", "code"), REFUSED.items(), ids=lambda it: repr(it)[:30])
def test_lines_that_are_no_messages(line, code):
    """They are refused by what is wrong: the character set, a NUL, no command, too many bytes."""
    with pytest.raises(Refusal) as refused:
        parse(line)
    assert refused.value.code is code


def test_the_longest_lines():
    """A message has 512 bytes with its CR LF, and the tags before it 4096 more."""
    assert parse(b"@" + b"a" * 4094 + b" PING " + b"x" * 505).params == ("x" * 505,)


@given(st.binary(max_size=300))
def test_any_bytes(line):
    """Nothing else than a message or a refusal comes out."""
    try:
        message = parse(line)
    except Refusal:
        return
    assert message.command == message.command.upper()
    assert len(message.params) <= irc.MOST_PARAMETERS
    assert all(" " not in it and it[:1] != ":" for it in message.params[:-1])


WORDS = st.text(st.characters(exclude_characters=" \r\n\0", codec="utf-8"), min_size=1, max_size=9)
MIDDLES = WORDS.filter(lambda it: it[0] != ":")
LASTS = st.text(st.characters(exclude_characters="\r\n\0", codec="utf-8"), max_size=30)
TAGS = st.dictionaries(
    st.from_regex(r"\A\+?[a-z.]{0,4}/?[a-z-]{1,8}\Z"),
    st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=9),
    max_size=4,
)


@given(st.lists(MIDDLES, max_size=13), LASTS, TAGS)
def test_what_is_rendered_is_parsed(words, last, tags):
    """Any parameters and tags come back as they were."""
    line = render_tags(tags.items()) + render("alice!~u@chat", "PRIVMSG", *words, last)
    assert parse(line.encode()) == IrcMessage("PRIVMSG", (*words, last), tags)


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=9), max_size=5), TAGS)
def test_nothing_forges_a_line(params, tags):
    """Any parameters become one line, with as many parameters."""
    line = render_tags(tags.items()) + render("server", "NOTICE", *params)
    assert not set(line) & set("\r\n\0")
    message = parse(line.encode())
    assert message.command == "NOTICE"
    assert len(message.params) == len(params)


STARTS = (b"PRIVMSG #lab :", b"PRIVMSG #b :", b"PRIVMSG  #lab :", b"PRIVMSG #a,#b :", b"JOIN ")


@given(
    st.lists(
        st.tuples(st.sampled_from(STARTS), st.binary(max_size=9)).map(b"".join)
        | st.just(b"PRIVMSG #lab :hello :there"),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from([b"\n", b"\r\n"]),
)
def test_plain_talk_is_what_single_lines_are(lines, end):
    """A chunk that is taken as a whole has the messages that its lines have."""
    chunk = end.join(lines) + end
    found = irc.parse_talk(chunk)
    if found is not None:
        messages = [parse(line.removesuffix(b"\r")) for line in chunk.split(b"\n")[:-1]]
        assert messages == [IrcMessage("PRIVMSG", (found[0], text)) for text in found[1]]


def test_chunks_that_are_plain_talk():
    """Lines to one channel are, of printable ASCII; anything else is looked at by itself."""
    plain = b"PRIVMSG #lab :one\r\nPRIVMSG #lab :two :three\r\n"
    assert irc.parse_talk(plain) == ("#lab", ["one", "two :three"])
    for other in (b"PRIVMSG #lab : \n", b"PRIVMSG bob :x\n", b"PRIVMSG #lab x\n"):
        assert irc.parse_talk(other) is None
    for more in (b"PING x", b"PRIVMSG #labs :x", b"PRIVMSG #lab :\x01x", b"@a PRIVMSG #lab :x"):
        assert irc.parse_talk(plain + more + b"\n") is None


def test_formatting_is_taken_out():
    """Colours with and without numbers, hexadecimal ones, and the switches; nothing else."""
    text = "\x02a\x02\x0304,12b\x03c\x034d\x04ff0000e\x1d\x1f\x1e\x11\x16\x0f, 1\x03,2"
    assert without_formatting(text) == "abcde, 1,2"
    assert without_formatting("a\tb\x07") == "a\tb\x07"


def test_ctcp():
    """A request begins with 0x01; the other one, at its end, may be missing."""
    assert parse_ctcp("\x01ACTION waves\x01") == Ctcp("ACTION", "waves")
    assert parse_ctcp("\x01version") == Ctcp("VERSION", "")
    assert parse_ctcp("hello\x01") is None


@given(st.text(st.characters(codec="utf-8"), max_size=60), st.integers(4, 20))
def test_split_texts_lose_nothing(text, most):
    """Pieces fit, have something in them, and are the text, but for single spaces at the splits."""
    pieces = list(split_text(text, most))
    assert all(0 < len(piece.encode()) <= most for piece in pieces)
    assert "".join(pieces).replace(" ", "") == text.replace("\n", "").replace(" ", "")


@given(
    st.text(st.characters(exclude_characters="\n", codec="utf-8"), max_size=60), st.integers(4, 20)
)
def test_pieces_make_the_line_again(text, most):
    """Pieces fit, and are the line if they are put together."""
    found = list(pieces(text, most))
    assert all(len(piece.encode()) <= most for piece in found)
    assert "".join(found) == text


def test_splits_are_at_spaces_and_between_characters():
    """A word stays whole if it can, and so does a character."""
    assert list(split_text("aa bb cc", 5)) == ["aa bb", "cc"]
    assert list(split_text("a\U0001f389\U0001f389", 6)) == ["a\U0001f389", "\U0001f389"]
    assert list(split_text("a\n\nb", 4)) == ["a", " ", "b"]


def test_words_in_lines():
    """A line has as many words as fit, whole; one that is too long has a line of its own."""
    assert list(packed(["a", "bb", "é", "ccc"], 4)) == ["a bb", "é", "ccc"]
    assert list(packed(["aaaaaa", "b"], 4, ",")) == ["aaaaaa", "b"]
    assert list(packed([], 4)) == []
