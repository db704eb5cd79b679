"""The costs of hostile lines: every command and every question, in both formats, in one process.

    python -m tests.harm.linecost

prints the lines that keep a server's reactor busy for longest. Time of other threads does not
count: what storage does is taken out.
"""

import gc
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from twisted.internet.defer import Deferred, execute

from chatservice.engines.sqlite.longjobs import JobScheduler, finished
from chatservice.engines.sqlite.threads import BackgroundPool, WorkerThread
from chatservice.grammar.commands import COMMANDS
from chatservice.grammar.commandtypes import Arg, ArgType, Command, Format
from chatservice.testing import StallingTransport
from tests.harm.inprocess import InProcessServer

LONGEST = 8192
"""Bytes of a line: `names.LINE_BYTES`."""

ROUNDS = 5
"""Repetitions for the worst lines; the least cost counts."""

SHOWN = 30
"""The number of worst lines shown."""

Make = Callable[[int], str]


def _times(text: str) -> Make:
    return lambda size: text * (size // len(text.encode()))


HOSTILE: dict[str, Make] = {
    "letters": _times("a"),
    "words": _times("a "),
    "blanks": lambda size: " " * (size - 1) + "x",
    "digits": _times("9"),
    "erased": lambda size: "a" * (size // 2) + "\x08" * (size // 2),
    "erased in turn": _times("a\x7f"),
    "controls": _times("\x1b["),
    "accents": lambda size: "a" + "\u0301" * ((size - 1) // 2),
    "accents in disorder": lambda size: "a" + "\u0301\u0323" * ((size - 1) // 4),
    "accents by tens": _times("e" + "\u0301" * 31),
    "grows in NFKC": _times("\ufdfa"),
    "grows folded": _times("\u0390"),
    "jamo": _times("\u1112\u1161\u11ab"),
    "fillers": _times("\u3164"),
    "nothing visible": _times("\u200b"),
    "no bidi": _times("\u202e"),
    "doubles": _times("\u0430"),
    "encoded": lambda size: "%" + "25" * ((size - 1) // 2),
    "quotes": _times('"'),
    "quoted words": _times('"a" '),
    "backslashes": _times("\\"),
    "slashes": _times("a/"),
    "climbing": _times("../"),
    "marks": _times("@a #1 +1 "),
    "numbers": _times("1 "),
    "stars": _times("a* "),
    "apostrophes": _times("a'"),
    "dots": _times("1."),
    "colons": _times("a:"),
    "scope": lambda size: "fe80::%" + "a" * (size - 7),
    "prefix": lambda size: "::/" + "1" * (size - 3),
    "times": _times("1h"),
    "lines": _times("\n"),
    "emoji": _times("\U0001f469\u200d"),
}
"""Hostile texts of a given number of bytes."""

STREAMS: dict[str, Callable[[int], bytes]] = {
    "telnet doubled": lambda size: b"\xff\xff" * (size // 2),
    "telnet nothings": lambda size: b"a\xff\xf1" * (size // 3),
    "telnet offers": lambda size: b"\xff\xfd\x01" * (size // 3),
    "telnet subnegotiation": lambda size: b"\xff\xfa" + b"\xff\xff" * (size // 2),
    "not UTF-8": lambda size: b"\xc0" * size,
    "JSON arrays": lambda size: b'{"do":' + b"[" * (size - 6),
    "JSON closed arrays": lambda size: (
        b'{"do":"rooms","x":' + b"[" * (size // 16) + b"]" * (size // 16) + b"}"
    ),
    "JSON fields": lambda size: b'{"do":"rooms"' + b',"a":0' * ((size - 16) // 6) + b"}",
    "JSON escapes": lambda size: b'{"do":"' + b"\\u0041" * ((size - 16) // 6) + b'"}',
    "JSON pairs": lambda size: b'{"do":"' + b"\\ud83d\\ude00" * ((size - 16) // 12) + b'"}',
    "JSON number": lambda size: b'{"do":"rooms","id":' + b"9" * min(size - 24, 4300) + b"}",
    "JSON blanks": lambda size: b"{" + b" " * (size - 2) + b"}",
}
"""Hostile lines that are no argument of a command."""

GOOD: dict[str, Any] = {
    "room": "mine",
    "name": "x",
    "user": "anna",
    "to": "anna",
    "size": 1,
    "time": "1h",
    "text": "x",
    "access": "public",
    "seconds": 0,
    "limit": 1,
    "position": 1,
    "label": "x",
    "password": "pw",
    "old": "pw",
    "new": "pw",
    "code": "x",
    "key": "k",
    "after": 1,
    "before": 1,
    "sha256": "ab" * 32,
    "token": "x",
    "off": "off",
    "command": "who",
    "version": 1,
    "offset": 0,
    "brief": True,
    "arriving": True,
}
"""Valid values by the arguments' names; others get 1 or x."""

QUESTIONS: dict[str, bytes] = {
    "a name's password": b"owner\n",
    "/login": b"/login owner\n",
    "/signup": b"/signup dora\n",
    "/signup, once more": b"/signup dora\npw\n",
    "/register": b"eve\n/register\n",
    "/join": b"eve\n/join vault\n",
    "/password": b"/login owner\npw\n/password\n",
    "/password, the new one": b"/login owner\npw\n/password\npw\n",
}
"""Lines that lead to a prompt."""


@dataclass(frozen=True)
class Case:
    """A `line`, of a given number of bytes, and the lines to send `before` it, one
    after another."""

    name: str
    before: bytes
    line: Callable[[int], bytes]


def _good(arg: Arg) -> Any:
    return GOOD.get(arg.name, 1 if arg.type.json_type is int else "x")


def _typed(command: Command, at: int, make: Make) -> Callable[[int], bytes]:
    args = list(command.arguments(Format.TEXT))
    words = [f"{arg.type.mark}{_good(arg)}" for arg in args]

    def line(size: int) -> bytes:
        start = " ".join([f"/{command.name}", *words[:at], args[at].type.mark if args else ""])
        end = "".join(f" {word}" for word in words[at + 1 :])
        return (start + make(size - len(start) - len(end)) + end).encode()

    return line


def _asked(command: Command, arg: Arg, make: Make) -> Callable[[int], bytes]:
    def line(size: int) -> bytes:
        values = {a.name: _good(a) for a in command.arguments(Format.JSON)}
        start = len(json.dumps({"do": command.name, **values}, ensure_ascii=False))
        text = make(size - start)
        while True:
            it = {"do": command.name, **values, arg.name: text}
            data = json.dumps(it, ensure_ascii=False).encode()
            if len(data) <= size or not text:
                return data
            text = text[: min(len(text) - 1, len(text) * size // len(data))]

    return line


PERSONS = {"stranger": b"", "person": b"eve\n/create mine\n"}
PROGRAMS = {
    "program that is nobody": b'{"do":"quit"' + b"\n",
    "program": b'{"do":"hello","name":"eve"}\n{"do":"create","room":"mine"}\n',
}


def cases() -> Iterator[Case]:
    """Yield every command, argument and prompt with every hostile text."""
    for what, make in HOSTILE.items():
        if what == "lines":  # typed, that is no line
            continue
        for question, before in QUESTIONS.items():
            yield Case(f"{question}: {what}", before, lambda size, make=make: make(size).encode())
        for who, before in PERSONS.items():
            yield Case(f"{who}, {what}", before, lambda size, make=make: make(size).encode())
            for command in COMMANDS.values():
                if not command.formats & Format.TEXT:
                    continue
                args = [a for a in command.arguments(Format.TEXT) if a.type is not ArgType.FLAG]
                for at in range(len(args)):
                    name = f"{who}, /{command.name} {args[at].name}: {what}"
                    yield Case(name, before, _typed(command, at, make))
    for what, make in HOSTILE.items():
        for who, before in PROGRAMS.items():
            for command in COMMANDS.values():
                if command.formats & Format.JSON:
                    for arg in command.arguments(Format.JSON):
                        name = f"{who}, {command.name} {arg.name}: {what}"
                        yield Case(name, before, _asked(command, arg, make))
    for what, line in STREAMS.items():
        for who, before in (PERSONS | PROGRAMS).items():
            yield Case(f"{who}, {what}", before, line)


class CostMeter:
    """A server with the registered owner of the room vault, and a meter of what lines cost it."""

    def __init__(self) -> None:
        self._elsewhere = 0.0
        self.whole = InProcessServer()
        self._patches = [
            *(patch.object(it, "do", self._do) for it in (BackgroundPool, WorkerThread)),
            patch.object(
                JobScheduler, "do", lambda turns, job, last=False: self._do(finished, job)
            ),
        ]
        for it in self._patches:
            it.start()
        owner = self.whole.connect()
        for line in (b"/signup owner pw\n", b"/create vault pw\n"):
            owner.send(line)
            self.whole.settle()
        owner.cut()
        self.whole.settle()

    def close(self) -> None:
        """Stop the server."""
        for it in self._patches:
            it.stop()
        self.whole.close()

    def _do(self, job: Callable[..., Any], *args: Any) -> "Deferred[Any]":
        """Do the work of another thread, and do not count its time."""
        began = time.thread_time()
        done = execute(job, *args)
        self._elsewhere += time.thread_time() - began
        return done

    def seconds(self, case: Case, size: int = LONGEST) -> float:
        """Return the seconds for which a line keeps the reactor busy."""
        wire = self._ready(case)
        data = case.line(size) + b"\n"
        self._elsewhere = 0.0
        gc.disable()  # a collection would count for the line during which it happens to come
        try:
            began = time.thread_time()
            wire.send(data)
            for _ in range(3):
                self.whole.clock.advance(0.02)
            took = time.thread_time() - began - self._elsewhere
        finally:
            gc.enable()
        wire.cut()
        self.whole.settle()
        self.whole.anna.received = b""
        self.whole.logged.clear()
        return took

    def _ready(self, case: Case) -> StallingTransport:
        wire = self.whole.connect()
        self.whole.clock.advance(1)  # it is greeted: a person
        for line in case.before.splitlines(keepends=True):
            wire.send(line)
            self.whole.settle()
        return wire


def main() -> None:
    """Print the worst lines."""
    all_ = list(cases())
    found = [(seconds, case) for case, seconds in _measured(all_)]
    found.sort(key=lambda it: it[0], reverse=True)
    again = [case for _, case in found[: 2 * SHOWN] for _ in range(ROUNDS)]
    least: dict[str, float] = {}
    for case, seconds in _measured(again):
        least[case.name] = min(least.get(case.name, seconds), seconds)
    print(f"{len(all_)} lines of {LONGEST} bytes; the worst, in ms:")
    for name, seconds in sorted(least.items(), key=lambda it: it[1], reverse=True)[:SHOWN]:
        print(f"{seconds * 1000:8.2f}  {name}")


def _measured(all_: Sequence[Case]) -> Iterator[tuple[Case, float]]:
    for at in range(0, len(all_), 300):  # then a new server, so that what one keeps stays small
        meter = CostMeter()
        try:
            for case in all_[at : at + 300]:
                yield case, meter.seconds(case)
        finally:
            meter.close()


if __name__ == "__main__":
    main()
