"""Any bytes, cut anywhere, mean something or are refused: of the grammar, of lines, of all of a
server. `python -m tests.harm.fuzz` looks for more, by what it reaches."""

import json
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chatservice import names
from chatservice.errors import Refusal
from chatservice.grammar import jsonlines, textparser
from chatservice.grammar.commandtypes import Format
from chatservice.net.linereader import LineReader
from tests.harm import fragments
from tests.harm.checks import height, steering
from tests.harm.corpus import each
from tests.harm.fragments import TOKENS
from tests.harm.inprocess import InProcessServer

STREAMS = st.lists(st.sampled_from(TOKENS) | st.binary(max_size=8), max_size=30).map(b"".join)
CUTS = st.lists(st.integers(0, 1 << 16), max_size=8)
BEFORE = st.sampled_from(fragments.BEFORE)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Cut bytes there."""
    ends = [0, *sorted(at % (len(data) + 1) for at in places), len(data)]
    return [data[start:end] for start, end in pairwise(ends)]


@given(STREAMS, st.booleans(), st.booleans())
def test_a_typed_line(data, bare_words, asks):
    """It is a request of the format, nothing at all, or refused in a sentence."""
    for line in data.split(b"\n"):
        try:
            text = textparser.decode(line)
            textparser.names_local_file(text)
            request = textparser.parse(text, bare_words, asks)
        except Refusal as refusal:
            assert refusal.sentence.endswith((".", "?", "]")) or ":" in refusal.sentence
            continue
        assert request is None or request.command.formats & Format.TEXT
        assert (request is None) == (not text.strip())


@given(STREAMS)
@example(b'{"do":"rooms","id":"\xed\xa0\x80"}')
def test_a_line_of_json(data):
    """It is a request of the format or refused, and what is quoted of it can be sent back."""
    for line in data.split(b"\n"):
        id_ = None
        try:
            asked = jsonlines.load(line)
            id_ = jsonlines.request_id(asked)
            request = jsonlines.parse_request(asked)
            assert request.command.formats & Format.JSON
            json.dumps(dict(request.args), ensure_ascii=False).encode()
        except Refusal as refusal:
            answer = json.loads(jsonlines.refusal(refusal, id_))
            assert not steering(answer["message"])
            assert "\n" not in answer["message"]


@given(
    st.text(
        st.characters(codec="utf-8") | st.sampled_from("\u0301\u200d\u1161\u20dd"), max_size=300
    )
)
def test_a_text(text):
    """Once clean, it steers nothing, no pile in it is high, and it stays as it is."""
    cleaned = names.clean(text)
    assert not steering(cleaned)
    assert height(cleaned) <= 30
    assert names.clean(cleaned) == cleaned


class Lines(LineReader):
    """A line reader that notes the results of a stream."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self._length = length
        self.found: list[bytes | None] = []
        self.answered = b""
        self.transport = self

    @property
    def MAX_LENGTH(self) -> int:  # type: ignore[override]
        """The length of the longest line."""
        return self._length

    def write(self, data: bytes) -> None:
        """Note an answer of telnet's."""
        self.answered += data

    def lineReceived(self, line: bytes) -> None:
        """Note a line."""
        self.found.append(line)

    def lineLengthExceeded(self, line: bytes) -> None:
        """Note that there was one."""
        self.found.append(None)


def lines_of(pieces: list[bytes], length: int) -> tuple[list[bytes | None], bytes, bytes]:
    """Return the results of pieces: lines, answers to telnet, and the incomplete rest."""
    lines = Lines(length)
    for piece in pieces:
        lines.dataReceived(piece)
    return lines.found, lines.answered, lines.take_rest()


@given(STREAMS, CUTS)
def test_lines_however_they_are_cut(data, places):
    """They are the same ones, and telnet is answered the same."""
    assert lines_of(cut(data, places), 1 << 20) == lines_of([data], 1 << 20)


@given(STREAMS.map(lambda data: data.replace(b"\xff", b"")), CUTS, st.integers(1, 20))
def test_long_lines_however_they_are_cut(data, places, length):
    """Long lines give the same results with any cuts, and too long ones are reported once each."""
    whole, cuts = lines_of([data], length), lines_of(cut(data, places), length)
    too_long = len(whole[2]) > length  # and nobody knew that this one would end
    assert cuts[0] == whole[0] + [None] * (len(cuts[0]) - len(whole[0]))
    assert len(cuts[0]) - len(whole[0]) <= too_long


@pytest.fixture(scope="module")
def whole():
    """Return a server in this process."""
    whole = InProcessServer()
    yield whole
    whole.close()


@settings(max_examples=200)
@given(data=STREAMS, places=CUTS, before=BEFORE)
def test_streams(whole, data, places, before):
    """A server answers in its lines, nobody else reads anything but lines, and nothing fails."""
    whole.drive(cut(data, places), before)


@pytest.mark.long
@settings(max_examples=12_000)
@given(data=STREAMS, places=CUTS, before=BEFORE)
def test_many_streams(whole, data, places, before):
    """The same, more often."""
    whole.drive(cut(data, places), before)


@settings(max_examples=200)
@given(st.lists(st.sampled_from(fragments.WEB) | st.binary(max_size=4), max_size=12), CUTS)
def test_streams_of_the_web(whole, parts, places):
    """The same for requests of HTTP and frames of a WebSocket."""
    for before in fragments.BEFORE[3:]:
        whole.drive(cut(b"".join(parts), places), before)


def test_seeds_of_the_web(whole):
    """The seeds of the search for more get an answer: they reach what they are for."""
    seeds = [it for it in fragments.SEEDS if b"Host: localhost\r\n" in it]
    assert len(seeds) > 200
    for seed in seeds:
        assert whole.drive([seed]).startswith(b"HTTP/1.1 "), seed


@pytest.mark.parametrize("data", each("found.txt", "streams.txt"))
@pytest.mark.parametrize("before", [b"", b"eve\n"], ids=["stranger", "person"])
def test_what_was_found_before(whole, data, before):
    """Whole, and a byte at a time where it is short."""
    whole.drive([data], before)
    if len(data) < 300:
        whole.drive(cut(data, list(range(len(data)))), before)
