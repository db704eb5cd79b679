"""Harmful texts from operators. An order is shown to others, kept in the record, and logged."""

import json
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from chatservice import names
from chatservice.grammar.commands import COMMANDS
from chatservice.grammar.commandtypes import ArgType, Format
from tests.harm.checks import check_json, check_text, steering
from tests.harm.conftest import WatchedServer, fresh
from tests.harm.corpus import cases
from tests.servers import RawAdminClient, RawClient

SHAPES = ("{}", "victim{}", "fe80::%{}/64", "10.0.0.0/8{}", "::ffff:10.0.0.1%{}", "1h{}", "@{}")
"""Shapes in which a text stands for a name, an address, or a time."""

NOT_HERE = {"quit", "hello", "close", "owner", "remove", "delete", "put"}
"""Commands after which others have nothing to look at any more."""

TEXTS = {
    name: text
    for name, text in {**cases("texts.txt"), "forged": "\x1b[2J\n* forged x"}.items()
    if text.isascii() or text == text.encode(errors="replace").decode()
}
"""The corpus without half surrogate pairs: a line with one is refused as a whole."""


def shapes(text: str) -> tuple[str, ...]:
    """Return the shapes that a text takes: itself, and two others, which texts take in turn."""
    at = zlib.crc32(text.encode(errors="surrogatepass"))
    others = SHAPES[1:]
    return SHAPES[0], others[at % len(others)], others[(at + 1) % len(others)]


def orders(room: str, text: str) -> Iterator[dict[str, Any]]:
    """Iterate over requests with a text, in its shapes, in one of their fields."""
    good = {"user": "victim", "name": "victim", "to": "victim", "text": "why", "time": "1h"}
    for command in COMMANDS.values():
        if command.name in NOT_HERE or not command.formats & Format.JSON:
            continue
        args = [a for a in command.arguments(Format.JSON) if a.type is not ArgType.FLAG]
        for arg in args:
            if arg.type.json_type is not str or arg.name == "room":
                continue
            needed = {
                it.name: good.get(it.name, 1 if it.type.json_type is int else "public")
                for it in args
                if not it.is_optional(Format.JSON)
            }
            there = {"room": room} if any(it.name == "room" for it in args) else {}
            for shape in shapes(text):
                yield {"do": command.name, **needed, **there, arg.name: shape.format(text)}


def safe(it: Any) -> bool:
    """Return whether nothing in an object steers a terminal, but for line ends in what was said."""
    if isinstance(it, dict):
        return all(safe(value) for name, value in it.items() if name != "id")
    if isinstance(it, list):
        return all(map(safe, it))
    return not (isinstance(it, str) and steering(it))


@pytest.mark.long
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_orders(house: WatchedServer, text: str) -> None:
    """Nothing that steers a terminal reaches the operator, the people and programs in the room, the
    record, or the rules. The log is looked at in the end."""
    room = fresh()
    admin, typing = RawAdminClient(house), RawAdminClient(house)
    admin.ask(do="create", room=room, id="made")
    while admin.event().get("id") != "made":
        pass
    program, person = RawClient(house.port), RawClient(house.port)
    program.ask(do="hello", name=fresh())
    program.ask(do="join", room=room)
    person.send(fresh(), f"/join {room}", "/who")
    person.expect(f"in {room}:")
    seen = []
    for at, request in enumerate(orders(room, text)):
        line = json.dumps({**request, "id": at})
        if len(line) > names.LINE_BYTES:  # it is refused as a whole, and its `id` with it
            continue
        admin.send(line)
        while (answer := admin.event()).get("id") != at:
            seen.append(answer)
        seen.append(answer)
        assert answer.get("code") != "server-error", (request, answer)
    for do in ("rules", "record"):
        admin.ask(do=do, room=room, limit=100, id=do)
        while (answer := admin.event()).get("id") != do:
            seen.append(answer)
        seen.append(answer)
    typing.send(f"/join {room}", "/rules", "/record 100", "/quit")
    check_text(typing.rest())
    for bare in (program, person):
        bare.end()
    seen += check_json(program.rest())
    check_text(person.seen.encode() + person.rest())
    assert not [it for it in seen if not safe(it)]
    for bare in (admin, typing, program, person):
        bare.close()
