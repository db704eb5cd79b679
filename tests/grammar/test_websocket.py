"""The frames of a WebSocket and its handshake (RFC 6455).

The cases are those of Autobahn's test suite, by its numbers: 1 to 7, 9 and 10. Each is read whole,
and chopped into single bytes.
"""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatservice.grammar import websocket
from chatservice.grammar.websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    BinaryMessage,
    Close,
    CloseCode,
    Event,
    Fragment,
    FrameReader,
    Ping,
    Pong,
    TextMessage,
    WebSocketError,
)
from tests.websocketframes import (
    ServerFrame,
    client_frame,
    client_header,
    fragmented,
    server_frames,
)

LIMIT = 1 << 20
GREEK = "Hello-µ@ßöäüàá-UTF-8!!".encode()
WORD = "κόσμε".encode()

either_kind = pytest.mark.parametrize("opcode", [TEXT, BINARY], ids=["text", "binary"])


def read(*pieces: bytes, limit: int = LIMIT) -> list[Event | CloseCode]:
    """Return the events of some pieces of input. An error is the last one, as its code."""
    reader = FrameReader(limit)
    found: list[Event | CloseCode] = []
    try:
        for piece in pieces:
            reader.feed(piece)
            for event in reader.events():
                found.append(event)  # also those before an error
    except WebSocketError as error:
        found.append(error.code)
    return found


def chop(data: bytes, size: int = 1) -> list[bytes]:
    """Return pieces of a size."""
    return [data[at : at + size] for at in range(0, len(data), size)]


def read_both_ways(data: bytes, limit: int = LIMIT) -> list[Event | CloseCode]:
    """Return the events of some input, which are the same at once and byte by byte."""
    found = read(data, limit=limit)
    assert read(*chop(data), limit=limit) == found
    return found


def message(opcode: int, data: bytes) -> Event:
    """Return the event of a whole message."""
    return TextMessage(data) if opcode == TEXT else BinaryMessage(data)


def kept_bytes(reader: FrameReader) -> int:
    """Return the bytes in all attributes of a reader."""
    values = (getattr(reader, name) for name in reader.__slots__)
    return sum(len(it) for it in values if isinstance(it, bytes | bytearray))


# -- 1: payloads -----------------------------------------------------------------------------------

SIZES = [0, 1, 125, 126, 127, 128, 65535, 65536]
CHOPS = [1, 997, 65000]


@either_kind
@pytest.mark.parametrize("size", SIZES)
def test_payloads(opcode, size):
    """1.1, 1.2: messages of every form of a length come through, however their bytes arrive."""
    data = (b"*" if opcode == TEXT else b"\xfe") * size
    sent = client_frame(data, opcode)
    assert read(sent) == [message(opcode, data)]
    for pieces in CHOPS:
        assert read(*chop(sent, pieces)) == [message(opcode, data)]


@either_kind
@pytest.mark.parametrize("size", SIZES)
def test_payloads_to_a_client(opcode, size):
    """1.1, 1.2: a server's frame is not masked, and its length has the shortest form."""
    data = b"*" * size
    assert list(server_frames(websocket.frame(data, opcode))) == [ServerFrame(opcode, data)]


def test_the_examples_of_the_rfc():
    """5.7 of the RFC: frames of both sides, byte by byte."""
    hello = bytes.fromhex("81 85 37 fa 21 3d 7f 9f 4d 51 58")
    assert read_both_ways(hello) == [TextMessage(b"Hello")]
    assert read_both_ways(bytes.fromhex("8a 85 37 fa 21 3d 7f 9f 4d 51 58")) == [Pong(b"Hello")]
    assert websocket.frame(b"Hello") == bytes.fromhex("81 05 48 65 6c 6c 6f")
    assert websocket.ping(b"Hello") == bytes.fromhex("89 05 48 65 6c 6c 6f")
    assert websocket.frame(bytes(256), BINARY) == bytes.fromhex("82 7e 01 00") + bytes(256)
    big = bytes.fromhex("82 7f 00 00 00 00 00 01 00 00") + bytes(65536)
    assert websocket.frame(bytes(65536), BINARY) == big


# -- 2: pings and pongs ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload", [b"", b"Hello, world!", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", b"\xfe" * 125]
)
def test_pings(payload):
    """2.1 to 2.4, 2.6: a ping has up to 125 bytes of any kind, and its pong has the same."""
    (ping,) = read_both_ways(client_frame(payload, PING))
    assert ping == Ping(payload)
    assert list(server_frames(websocket.pong(ping.payload))) == [ServerFrame(PONG, payload)]
    assert list(server_frames(websocket.ping(payload))) == [ServerFrame(PING, payload)]


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
@pytest.mark.parametrize("length_bytes", [2, 8])
def test_control_frames_are_small(opcode, length_bytes):
    """2.5, 7.3.6: a control frame of 126 bytes is refused, before its length has come."""
    sent = client_frame(b"\xfe" * 126, opcode, length_bytes=length_bytes)
    assert read_both_ways(sent) == [CloseCode.PROTOCOL_ERROR]
    assert read(sent[:2]) == [CloseCode.PROTOCOL_ERROR]


def test_pongs_without_a_ping():
    """2.7 to 2.9: a pong that nobody asked for is no error, and hides no ping after it."""
    sent = client_frame(b"", PONG) + client_frame(b"unasked", PONG) + client_frame(b"asked", PING)
    assert read_both_ways(sent) == [Pong(b""), Pong(b"unasked"), Ping(b"asked")]


def test_many_pings():
    """2.10, 2.11: ten pings in one piece are ten events, in their order."""
    payloads = [b"payload-%d" % at for at in range(10)]
    sent = b"".join(client_frame(payload, PING) for payload in payloads)
    assert read_both_ways(sent) == [Ping(payload) for payload in payloads]


# -- 3, 4: reserved bits and opcodes ---------------------------------------------------------------


@pytest.mark.parametrize("reserved", range(1, 8))
@pytest.mark.parametrize("opcode", [TEXT, BINARY, CLOSE, PING, PONG])
def test_reserved_bits(reserved, opcode):
    """3.1 to 3.7: without an extension no reserved bit may be set. What came before is read, and
    what comes after is not."""
    hello, bad = client_frame(b"Hello"), client_frame(b"", opcode, reserved=reserved)
    assert read_both_ways(hello + bad + hello) == [TextMessage(b"Hello"), CloseCode.PROTOCOL_ERROR]


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
@pytest.mark.parametrize("payload", [b"", b"Hello, world!"])
def test_reserved_opcodes(opcode, payload):
    """4.1, 4.2: an opcode that the RFC reserves is refused, with a payload and without."""
    sent = client_frame(b"Hello") + client_frame(payload, opcode) + client_frame(b"", PING)
    assert read_both_ways(sent) == [TextMessage(b"Hello"), CloseCode.PROTOCOL_ERROR]


def test_a_client_masks_its_frames():
    """5.1 of the RFC: a frame without a mask is refused."""
    assert read_both_ways(client_frame(b"Hello", key=None)) == [CloseCode.PROTOCOL_ERROR]


@pytest.mark.parametrize(("size", "length_bytes"), [(0, 2), (125, 2), (0, 8), (126, 8), (65535, 8)])
def test_lengths_have_their_shortest_form(size, length_bytes):
    """5.2 of the RFC: a longer form than the length needs is refused."""
    sent = client_header(size, length_bytes=length_bytes)
    assert read_both_ways(sent) == [CloseCode.PROTOCOL_ERROR]


@pytest.mark.parametrize("size", [1 << 63, (1 << 64) - 1])
def test_the_highest_bit_of_a_length(size):
    """5.2 of the RFC: the most significant bit of a length of 64 bits is 0."""
    assert read_both_ways(client_header(size)) == [CloseCode.PROTOCOL_ERROR]


# -- 5: fragments ----------------------------------------------------------------------------------


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
def test_control_frames_are_not_fragmented(opcode):
    """5.1, 5.2: a control frame that is not its last is refused at once."""
    sent = fragmented([b"fragment1", b"fragment2"], opcode)
    assert read_both_ways(sent) == [CloseCode.PROTOCOL_ERROR]
    assert read(sent[:2]) == [CloseCode.PROTOCOL_ERROR]


@either_kind
def test_fragments(opcode):
    """5.3 to 5.5: a message of two fragments comes once, when it is whole."""
    sent = fragmented([b"fragment1", b"fragment2"], opcode)
    assert read_both_ways(sent) == [Fragment(), message(opcode, b"fragment1fragment2")]


@either_kind
def test_pings_between_fragments(opcode):
    """5.6 to 5.8, 5.19, 5.20: pings and pongs between fragments come at once; the message is
    whole."""
    between = client_frame(b"ping", PING) + client_frame(b"pong", PONG)
    sent = fragmented([b"fragment%d" % at for at in range(1, 6)], opcode, between)
    whole = message(opcode, b"fragment1fragment2fragment3fragment4fragment5")
    assert read_both_ways(sent) == [Fragment(), Ping(b"ping"), Pong(b"pong")] * 4 + [whole]


def test_a_close_between_fragments():
    """5.5 of the RFC: a client may close before its message is whole. Nothing of it remains."""
    sent = fragmented([b"fragment1", b"fragment2"], between=client_frame(b"", CLOSE))
    assert read_both_ways(sent) == [Fragment(), Close(None, "")]


@pytest.mark.parametrize("final", [True, False])
@pytest.mark.parametrize("before", [b"", client_frame(b"Hello"), fragmented([b"Hel", b"lo"])])
def test_nothing_to_continue(final, before):
    """5.9 to 5.14: a continuation is refused where no message has begun, or one has ended."""
    sent = before + client_frame(b"non-continuation", CONTINUATION, final=final)
    assert read_both_ways(sent)[-1] == CloseCode.PROTOCOL_ERROR


def test_a_message_ends_once():
    """5.15: after the last fragment, a further one is refused."""
    sent = fragmented([b"fragment1", b"fragment2"]) + fragmented([b"3", b"4"], CONTINUATION)
    whole = TextMessage(b"fragment1fragment2")
    assert read_both_ways(sent) == [Fragment(), whole, CloseCode.PROTOCOL_ERROR]


@either_kind
@pytest.mark.parametrize("final", [True, False])
def test_a_message_within_a_message(opcode, final):
    """5.16 to 5.18: a message cannot begin before the last one has ended."""
    sent = client_frame(b"fragment1", final=False) + client_frame(b"2", opcode, final=final)
    assert read_both_ways(sent) == [Fragment(), CloseCode.PROTOCOL_ERROR]


# -- 6: UTF-8 --------------------------------------------------------------------------------------


@pytest.mark.parametrize("pieces", [[b""], [b"", b"", b""], [b"", b"middle frame payload", b""]])
def test_empty_fragments(pieces):
    """6.1: a message and its fragments may be empty."""
    fragments = [Fragment()] * (len(pieces) - 1)
    assert read_both_ways(fragmented(pieces)) == [*fragments, TextMessage(b"".join(pieces))]


@pytest.mark.parametrize("size", [1, 2, 3, 11, 100])
def test_characters_cut_by_fragments(size):
    """6.2: a fragment may end within a character."""
    *_, last = read_both_ways(fragmented(chop(GREEK, size)))
    assert last == TextMessage(GREEK)


VALID = {
    "6.5": ["ceba e1bdb9 cf83 cebc ceb5"],
    "6.6": ["ce ba", "ceba e1 bd b9", "ceba e1bdb9 cf83"],
    "6.7": ["00", "c280", "e0a080", "f0908080"],
    "6.9": ["7f", "dfbf", "efbfbf", "f48fbfbf"],
    "6.11": ["ed9fbf", "ee8080", "efbfbd", "f48fbfbf"],
    "6.22": [
        *("efbfbe", "efbfbf", "f09fbfbe", "f09fbfbf", "f0afbfbe", "f0bfbfbf", "f18fbfbe"),
        *("f28fbfbf", "f38fbfbe", "f3bfbfbf", "f48fbfbe", "f48fbfbf"),
    ],
    "6.23": ["efbfb9", "efbfba", "efbfbb", "efbfbc", "efbfbd", "efbfbe", "efbfbf"],
}
INVALID = {
    "6.3": ["ceba e1bdb9 cf83 cebc ceb5 eda080 656469746564"],
    "6.6": ["ce", "ceba e1", "ceba e1 bd", "ceba e1bdb9 cf", "ceba e1bdb9 cf83 ce"],
    "6.8": ["f888808080", "fc8480808080"],
    "6.10": ["f7bfbfbf", "fbbfbfbfbf", "fdbfbfbfbfbf"],
    "6.11": ["f4908080"],
    "6.12": ["80", "bf"],
    "6.13": ["8080", "80bf", "80bf80", "80bf80bf", "80bf80bf80", bytes(range(0x80, 0xC0)).hex()],
    "6.14": [
        *(bytes(it for lead in range(0xC0, 0xE0) for it in (lead, 0x20)).hex(), "c220"),
        *("e020", "e120", "ef20", "f020", "f420", "f820", "fb20", "fc20", "fd20"),
    ],
    "6.15": ["c0", "e080", "f08080", "f8808080", "fc80808080", "df", "efbf", "f7bfbf", "fbbfbfbf"],
    "6.16": ["c0e080f08080f8808080fc80808080dfefbff7bfbffbbfbfbffdbfbfbfbf"],
    "6.17": ["fe", "ff", "fefeffff"],
    "6.18": ["c0af", "e080af", "f08080af", "f8808080af", "fc80808080af"],
    "6.19": ["c1bf", "e09fbf", "f08fbfbf", "f887bfbfbf", "fc83bfbfbfbf"],
    "6.20": ["c080", "e08080", "f0808080", "f880808080", "fc8080808080"],
    "6.21": [
        *("eda080", "edadbf", "edae80", "edafbf", "edb080", "edbe80", "edbfbf"),
        *("eda080edb080", "eda080edbfbf", "edadbfedb080", "edafbfedbfbf"),
    ],
}


def cases(table: dict[str, list[str]]) -> list[object]:
    """Return the rows of a table, each with its number."""
    return [
        pytest.param(bytes.fromhex(text), id=f"{number}-{text[:30]}")
        for number, texts in table.items()
        for text in texts
    ]


@pytest.mark.parametrize("text", cases(VALID))
def test_utf8(text):
    """6.5 to 6.23: every character comes through, in a frame and in fragments of a byte."""
    assert read_both_ways(client_frame(text)) == [TextMessage(text)]
    assert read_both_ways(fragmented(chop(text)))[-1] == TextMessage(text)


@pytest.mark.parametrize("text", cases(INVALID))
def test_what_is_not_utf8(text):
    """6.3 to 6.21: anything else is refused, in a frame and in fragments of a byte."""
    assert read_both_ways(client_frame(text)) == [CloseCode.NOT_UTF8]
    assert read_both_ways(fragmented(chop(text)))[-1] == CloseCode.NOT_UTF8


@pytest.mark.parametrize("bad", ["f490", "80", "c0", "e080", "f5", "eda080"])
def test_text_fails_within_its_message(bad):
    """6.4: a fragment that cannot be UTF-8 is refused before the message is whole. The code points
    of surrogates are found by their third byte, and the others by their second one."""
    begun = client_frame(WORD, final=False)
    sent = begun + client_frame(bytes.fromhex(bad), CONTINUATION, final=False)
    assert read_both_ways(sent) == [Fragment(), CloseCode.NOT_UTF8]


def test_binary_is_not_checked():
    """6 is about text alone: a binary message may have any bytes, in fragments, too."""
    data = bytes(range(256))
    assert read_both_ways(fragmented(chop(data, 50), BINARY))[-1] == BinaryMessage(data)


def test_each_message_is_checked_anew():
    """A check of one message counts for no other, also where a binary one is between."""
    sent = fragmented(chop(WORD)) + fragmented(chop(b"\xff\xff"), BINARY) + client_frame(b"\x80")
    found = [it for it in read_both_ways(sent) if it != Fragment()]
    assert found == [TextMessage(WORD), BinaryMessage(b"\xff\xff"), CloseCode.NOT_UTF8]


# -- 7: closing ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "late",
    [
        client_frame(b"late"),
        client_frame(b"late", PING),
        client_frame(b"", CLOSE),
        client_frame(b"", reserved=7),
    ],
)
def test_nothing_comes_after_a_close(late):
    """7.1: what comes after a close frame is dropped, be it in the same piece or later."""
    sent = client_frame(b"Hello") + client_frame(b"\x03\xe8bye", CLOSE)
    assert read_both_ways(sent + late) == [TextMessage(b"Hello"), Close(1000, "bye")]
    assert read(sent, late, late) == [TextMessage(b"Hello"), Close(1000, "bye")]


def test_nothing_comes_after_an_error():
    """7.1.7 of the RFC: once a client has failed, nothing that it sends is read. Nothing is kept,
    also not of a message that had begun."""
    reader = FrameReader(LIMIT)
    bad = client_frame(b"", CONTINUATION, reserved=1)
    reader.feed(client_frame(b"Hel", final=False) + bad + client_frame(b"late"))
    with pytest.raises(WebSocketError):
        list(reader.events())
    reader.feed(client_frame(b"later"))
    assert list(reader.events()) == []
    assert kept_bytes(reader) == 0


def test_a_close_without_a_code():
    """7.3.1: a close frame may be empty; the answer is, too."""
    (close,) = read_both_ways(client_frame(b"", CLOSE))
    assert close == Close(None, "")
    assert websocket.close_frame(close.code) == b"\x88\x00"


def test_half_a_code():
    """7.3.2: a close frame of one byte is refused."""
    for byte in range(256):
        assert read_both_ways(client_frame(bytes((byte,)), CLOSE)) == [CloseCode.PROTOCOL_ERROR]


@pytest.mark.parametrize("reason", ["", "Hello World!", "*" * 123, "µ" * 61])
def test_reasons(reason):
    """7.3.3 to 7.3.5: a close frame has a code, and may have a reason of up to 123 bytes."""
    sent = client_frame(b"\x03\xe8" + reason.encode(), CLOSE)
    assert read_both_ways(sent) == [Close(1000, reason)]


def test_a_reason_is_utf8():
    """7.5: a reason that is not UTF-8 is refused as such a text is."""
    sent = client_frame(b"\x03\xe8" + WORD + b"\xed\xa0\x80edited", CLOSE)
    assert read_both_ways(sent) == [CloseCode.NOT_UTF8]


REGISTERED = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014]
OF_OTHERS = [3000, 3999, 4000, 4999]


@pytest.mark.parametrize("code", REGISTERED + OF_OTHERS)
def test_codes(code):
    """7.7: codes that are registered, or of applications, are taken and echoed."""
    (close,) = read_both_ways(client_frame(code.to_bytes(2, "big"), CLOSE))
    assert close == Close(code, "")
    echo = ServerFrame(CLOSE, code.to_bytes(2, "big"))
    assert list(server_frames(websocket.close_frame(close.code))) == [echo]


def test_codes_that_nobody_sends():
    """7.9, 7.13: every other code is refused, whether there is a reason or not."""
    for code in {*range(1 << 16)} - {*REGISTERED, *range(3000, 5000)}:
        sent = client_frame(code.to_bytes(2, "big"), CLOSE)
        assert read(sent) == [CloseCode.PROTOCOL_ERROR]
    sent = client_frame(b"\x03\xedno status", CLOSE)
    assert read_both_ways(sent) == [CloseCode.PROTOCOL_ERROR]


@given(st.sampled_from(CloseCode), st.text("aµ€👍", max_size=10).map(lambda text: text * 15))
def test_close_frames_of_the_server(code, reason):
    """A close frame has as much of its reason as fits, in whole characters."""
    ((opcode, payload),) = server_frames(websocket.close_frame(code, reason))
    assert (opcode, payload[:2]) == (CLOSE, code.to_bytes(2, "big"))
    sent = payload[2:].decode()
    assert reason.startswith(sent)
    assert sent == reason or len(reason[: len(sent) + 1].encode()) > 123


# -- 9, 10: limits, and messages in many pieces ----------------------------------------------------


@either_kind
@pytest.mark.parametrize("size", [1 << 16, 1 << 18, LIMIT])
@pytest.mark.parametrize("fragment", [4096, 1 << 16, LIMIT])
def test_large_messages(opcode, size, fragment):
    """9.1 to 9.6: messages up to the limit come through, in fragments and pieces of any size."""
    data = b"\xce\xba" * (size // 2)
    sent = fragmented(chop(data, fragment), opcode)
    for pieces in (1460, 1 << 16):
        assert read(*chop(sent, pieces))[-1] == message(opcode, data)


@either_kind
def test_many_messages(opcode):
    """9.7, 9.8: many small messages in one piece come each once, in their order."""
    sent = b"".join(client_frame(b"%d" % at, opcode) for at in range(1000))
    assert read(sent) == [message(opcode, b"%d" % at) for at in range(1000)]


def test_a_message_in_fragments_of_one_size():
    """10.1: a message of 65536 bytes in fragments of 1300."""
    data = b"*" * 65536
    assert read(*chop(fragmented(chop(data, 1300)), 1300))[-1] == TextMessage(data)


@either_kind
def test_the_limit(opcode):
    """A message of exactly the limit is taken. One with a byte more is refused by its header."""
    assert read_both_ways(client_frame(b"*" * 200, opcode), limit=200) == [
        message(opcode, b"*" * 200)
    ]
    sent = client_header(201, opcode, length_bytes=2)
    assert read_both_ways(sent, limit=200) == [CloseCode.TOO_LARGE]
    huge = client_header((1 << 63) - 1, opcode)
    assert read_both_ways(huge, limit=200) == [CloseCode.TOO_LARGE]


def test_the_limit_counts_all_fragments():
    """The fragments of a message count together, those of two messages do not."""
    whole = fragmented([b"*" * 100, b"", b"*" * 100])
    sent = whole + whole + client_frame(b"*" * 100, final=False)
    *_, last = read_both_ways(sent, limit=200)
    assert last == Fragment()
    over = client_header(101, CONTINUATION, length_bytes=0)
    *_, last = read_both_ways(sent + over, limit=200)
    assert last == CloseCode.TOO_LARGE


def test_control_frames_do_not_count():
    """A ping may be larger than the rest of a message."""
    between = client_frame(b"*" * 125, PING)
    found = read_both_ways(fragmented([b"**", b"*"], between=between), limit=3)
    assert found == [Fragment(), Ping(b"*" * 125), TextMessage(b"***")]


def test_a_limit_that_changes():
    """A new limit holds from the next frame on, also for a message that has begun."""
    reader = FrameReader(10)
    reader.feed(client_frame(b"*" * 8, final=False))
    assert list(reader.events()) == [Fragment()]
    reader.limit = 7
    reader.feed(client_frame(b"", CONTINUATION))
    with pytest.raises(WebSocketError) as caught:
        list(reader.events())
    assert caught.value.code == CloseCode.TOO_LARGE
    assert caught.value.reason == "A message has at most 7 bytes."


def test_a_caller_may_stop_after_any_event():
    """Events that the caller has not taken yet come with the next call."""
    reader = FrameReader(LIMIT)
    reader.feed(b"".join(client_frame(b"%d" % at) for at in range(4)))
    assert next(reader.events()) == TextMessage(b"0")
    assert next(reader.events()) == TextMessage(b"1")
    reader.feed(client_frame(b"4"))
    assert list(reader.events()) == [TextMessage(b"%d" % at) for at in (2, 3, 4)]


@pytest.mark.parametrize("payload", [b"", b"*"])
def test_many_fragments_take_no_memory(payload):
    """Fragments without end are bounded by the limit, also where they are empty."""
    reader = FrameReader(8192)
    reader.feed(client_frame(b"", final=False))
    many = client_frame(payload, CONTINUATION, final=False) * 100
    list(reader.events())
    tracemalloc.start()
    try:
        for _ in range(80):
            reader.feed(many)
            for event in reader.events():
                assert event == Fragment()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 16384


# -- properties ------------------------------------------------------------------------------------

KEYS = st.binary(min_size=4, max_size=4)
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=300).map(str.encode)
MESSAGES = st.builds(TextMessage, TEXTS) | st.builds(BinaryMessage, st.binary(max_size=300))
CONTROLS = st.builds(Ping, st.binary(max_size=125)) | st.builds(Pong, st.binary(max_size=125))
OPCODES = {TextMessage: TEXT, BinaryMessage: BINARY, Ping: PING, Pong: PONG}


@st.composite
def cut(draw, data: bytes, most: int = 5) -> list[bytes]:
    """Return the pieces of some bytes, of which some may be empty."""
    cuts = draw(st.lists(st.integers(0, len(data)), max_size=most).map(sorted))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@st.composite
def conversations(draw) -> tuple[list[bytes], list[Event]]:
    """Return what a client sends, in pieces, and the events that it means."""
    sent, expected = b"", []
    for event in draw(st.lists(MESSAGES | CONTROLS, max_size=6)):
        opcode = OPCODES[type(event)]
        pieces = draw(cut(event[0])) if opcode < CLOSE else [event[0]]
        for at, piece in enumerate(pieces, 1):
            last = at == len(pieces)
            frame = client_frame(piece, opcode, final=last, key=draw(KEYS))
            sent, opcode = sent + frame, CONTINUATION
            expected.append(event if last else Fragment())
            if not last:
                between = draw(st.lists(CONTROLS, max_size=1))
                sent += b"".join(client_frame(it[0], OPCODES[type(it)]) for it in between)
                expected += between
    return draw(cut(sent, 20)), expected


@given(conversations())
def test_any_fragments_and_any_pieces(conversation):
    """Messages, pings and pongs come through, however they are fragmented and cut."""
    pieces, expected = conversation
    assert read(*pieces) == expected


@given(st.binary(max_size=70_000), st.sampled_from([TEXT, BINARY]))
def test_frames_of_the_server(payload, opcode):
    """A client reads what the server wrote, also several frames in a row."""
    sent = websocket.frame(payload, opcode) + websocket.ping(payload[:125])
    assert list(server_frames(sent)) == [
        ServerFrame(opcode, payload),
        ServerFrame(PING, payload[:125]),
    ]


HEADERS = st.builds(
    client_header,
    st.integers(0, 125),
    st.sampled_from([TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG, 3]),
    st.booleans(),
    st.sampled_from([0, 0, 0, 0, 4]),
    st.sampled_from([True, True, True, False]),
    st.sampled_from([0, 0, 0, 2, 8]),
)
GARBAGE = st.lists(st.binary(max_size=100) | HEADERS, max_size=30)
CONTROL_FRAME = 2 + 4 + 125


@given(GARBAGE, st.integers(0, 300))
def test_garbage_only_breaks_the_protocol(pieces, limit):
    """Any bytes give events or the error. No more is kept than a message and a control frame, and
    nothing after the end."""
    reader, bound = FrameReader(limit), limit + CONTROL_FRAME
    for piece in pieces:
        reader.feed(piece)
        try:
            for event in reader.events():
                if isinstance(event, TextMessage | BinaryMessage):
                    assert len(event.data) <= limit
                if isinstance(event, TextMessage):
                    event.data.decode()
                if isinstance(event, Close):
                    bound = 0
        except WebSocketError as error:
            assert error.code in (1002, 1007, 1009)
            bound = 0
        assert kept_bytes(reader) <= bound


# -- the handshake ---------------------------------------------------------------------------------

GOOD_HEADERS = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def test_the_key_of_the_rfc():
    """1.3 of the RFC: its example of a key, and of the answer."""
    accepted = websocket.accept_key("dGhlIHNhbXBsZSBub25jZQ==")
    assert accepted == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"connection": "keep-alive, Upgrade", "upgrade": "WebSocket"},
        {"connection": "upgrade,keep-alive", "upgrade": "h2c, websocket"},
        {"sec-websocket-protocol": "chat", "sec-websocket-extensions": "permessage-deflate"},
    ],
)
def test_upgrades(changed):
    """The headers of browsers are taken, in any case, and extensions are passed over."""
    assert websocket.upgrade_refusal((GOOD_HEADERS | changed).get) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"connection": None},
        {"upgrade": None},
        {"connection": "keep-alive"},
        {"connection": "upgraded"},
        {"upgrade": "h2c"},
        {"sec-websocket-version": None},
        {"sec-websocket-version": "8"},
        {"sec-websocket-version": "13, 8"},
    ],
)
def test_no_upgrade_or_another_version(changed):
    """4.4 of the RFC: 426 says what to ask for, and which version."""
    refusal = websocket.upgrade_refusal((GOOD_HEADERS | changed).get)
    assert refusal.status == 426
    assert refusal.headers == {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
    }


@pytest.mark.parametrize(
    "key",
    [
        None,
        "",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ==\n",
        "dGhlIHNhbXBsZSBub25jZSE=",
        "dGhlIHNhbXBsZSBub25j",
        "dGhlIHNhbXBsZSBub25-ZQ==",
        "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ==",
    ],
)
def test_bad_keys(key):
    """4.2.1 of the RFC: a key is sixteen bytes in base64, and there is one."""
    refusal = websocket.upgrade_refusal((GOOD_HEADERS | {"sec-websocket-key": key}).get)
    assert (refusal.status, refusal.headers) == (400, {})
