"""Fragments of streams that get far into the code: of both formats, of telnet, and of forbidden
characters. Fuzzing combines them."""

from chatservice.grammar.commands import COMMANDS
from tests.harm.corpus import cases

_WORDS = [command.name.encode() for command in COMMANDS.values()]
_SHAPES = [also.shape.encode() for command in COMMANDS.values() for also in command.aliases]
_FIELDS = sorted({arg.name.encode() for command in COMMANDS.values() for arg in command.args})

TOKENS: list[bytes] = [
    *(b"\n", b"\r\n", b"\r", b" ", b"/", b"//", b"@", b"#", b"+", b'"', b"\\", b"\0", b"\t"),
    *(b"{", b"}", b"[", b"]", b":", b",", b'":"', b'","', b'"}\n', b"null", b"true", b"-", b"1e9"),
    *(b"0", b"1", b"7", b"#1", b"+0", b"999999999999999999", b"ab" * 32, b"1d", b"2h"),
    *(
        b"anna",
        b"lobby",
        b"lab",
        b"room1",
        b"x",
        b"\xc3\xa9",
        b"\xe2\x80\xae",
        b"\x1b[2J",
        b"\xc2\x9b",
    ),
    *(b"\xff\xf1", b"\xff\xfb\x01", b"\xff\xfd\n", b"\xff\xfa", b"\xff\xf0", b"\xff\xff", b"\xff"),
    *(b"\xed\xa0\x80", b"\xc0\x80", b"\xf0\x9f", b"\\ud800", b"\\u0000", b"\\n", b"\xef\xbb\xbf"),
    *(b"GET ", b"PUT ", b"POST / HTTP/1.1\r\n", b"\x16\x03\x01", b"x" * 8200, b"\xcc\x81" * 40),
    *(b"/" + word + b" " for word in _WORDS),
    *(b'{"do":"' + word + b'","' for word in _WORDS),
    *(name + b'":"' for name in _FIELDS),
    *(b'"' + name + b'":' for name in _FIELDS),
    *_SHAPES,
    *(b'{"do":"hello","name":"eve","id":1}\n', b'{"do":"join","room":"lab","id":2}\n', b"eve\n"),
    *(b'{"do":"say","room":"lab","text":"', b"/put x 3\nabc", b"/put x 0\n", b"/get x\n"),
    *(b"/register pw\n", b"/login eve pw\n", b"/history\n", b"/search x*\n", b"/create y\n"),
]

SEEDS: list[bytes] = [
    *cases("streams.txt").values(),
    *cases("foreign.txt").values(),
    *cases("found.txt").values(),
    *(
        b"/say " + text.encode(errors="surrogatepass") + b"\n"
        for text in cases("texts.txt").values()
    ),
]
