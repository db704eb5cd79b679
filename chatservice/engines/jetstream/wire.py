"""Operations as the log keeps them: JSON, in which each value that is no plain one has its type.

A message of the log is one node's: operations that are made together, in this order. What is read
from the log makes values of the types listed here and of no others.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, NamedTuple

from chatservice.domain.ports.account_ports import Account, Token
from chatservice.domain.ports.log_ports import Draft
from chatservice.domain.ports.member_ports import Membership
from chatservice.domain.ports.push_ports import PushSubscription
from chatservice.domain.ports.room_ports import ModerationRecord, RoomRow, RulesChanged
from chatservice.domain.rules import Access, Rule, RuleKind
from chatservice.entries import FileMark, Kind, Run

FORMAT = 1
"""The newest format that this version knows. A new kind of operation, or another argument of one,
is a new format. Nodes of two versions run side by side, so a node writes the newest format that all
nodes read (`ClusterTables.nodes`), and ends at a message of a format that it does not know."""


def _fields(cls: Any) -> Sequence[str]:
    return [it.name for it in fields(cls)] if is_dataclass(cls) else cls._fields


_TYPES: Mapping[str, type[Any]] = {
    it.__name__: it
    for it in (
        *(Account, Access, FileMark, Kind, Membership, ModerationRecord, PushSubscription),
        *(RoomRow, Rule, RuleKind, RulesChanged, Run, Token),
    )
}
_FIELDS = {name: _fields(it) for name, it in _TYPES.items() if not issubclass(it, Enum)}
_SEQUENCE, _MAPPING, _DRAFT, _COPY = "", "{}", "Draft", "Copy"
"""The tags of arrays: of a sequence, of a mapping's items, of a draft, and of a draft that is the
copy of the one before it."""

_dumps = json.JSONEncoder(separators=(",", ":")).encode


class Operation(NamedTuple):
    """A change: the `name` of a method of the log store or its tables, and its arguments. One that
    was decided in memory was decided when its part of the state had the number `seen`."""

    name: str
    args: Sequence[Any]
    seen: int = 0


class LogMessage(NamedTuple):
    """A message of the log: operations of the `node` with that id, its `number`th."""

    node: str
    number: int
    operations: Sequence[Operation]


class LogId(NamedTuple):
    """A log, as far as an engine takes it from a draft."""

    id: int


class WrongMessage(Exception):
    """Bytes that are not a message of this format."""


def encode(node: str, number: int, operations: Sequence[str], format_: int = FORMAT) -> bytes:
    """Return a message of operations that `encode_operation` has encoded."""
    return f'[{format_},"{node}",{number},[{",".join(operations)}]]'.encode()


def encode_operation(operation: Operation) -> str:
    """Return an operation as JSON."""
    name, args, seen = operation
    return _dumps([name, seen, [_plain(arg) for arg in args]])


def decode(data: bytes, newest: int = FORMAT) -> LogMessage:
    """Return a message, of the `newest` format at most. Raises `WrongMessage`."""
    try:
        version, node, number, operations = json.loads(data)
        if not 1 <= version <= newest:
            raise WrongMessage(f"it has the format {version}")
        found = [
            Operation(name, [_value(it) for it in args], seen) for name, seen, args in operations
        ]
        return LogMessage(str(node), int(number), found)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise WrongMessage(f"it is damaged ({type(error).__name__})") from error


def _plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    cls: Any = type(value)
    if value is None or cls in (str, int, bool, float):
        return value
    if cls is Draft:
        return [_DRAFT, *_plain_draft(value)]
    if isinstance(value, Enum):
        return [cls.__name__, value.value]
    if cls.__name__ in _TYPES and _TYPES[cls.__name__] is cls:
        return [cls.__name__, *[_plain(getattr(value, name)) for name in _FIELDS[cls.__name__]]]
    if isinstance(value, Mapping):
        return [_MAPPING, *[[_plain(key), _plain(it)] for key, it in value.items()]]
    return [_SEQUENCE, *_plain_items(value)]


def _plain_draft(draft: Draft) -> Sequence[Any]:
    return draft.log.id, _plain(draft.run), draft.key, draft.writer


def _plain_items(items: Sequence[Any]) -> list[Any]:
    """Return the items of a sequence. A draft that is the copy of the one before it has a tag."""
    found, copy = [], None
    for item in items:
        if copy is not None and item is copy:
            found.append([_COPY, *_plain_draft(item)])
        else:
            found.append(_plain(item))
        copy = item.copy if type(item) is Draft else None
    return found


def _value(plain: Any) -> Any:
    """Return the value of what `_plain` made."""
    if not isinstance(plain, list):
        return plain
    tag, rest = plain[0], plain[1:]
    if tag == _SEQUENCE:
        return _sequence(rest)
    if tag == _MAPPING:
        return {_value(key): _value(it) for key, it in rest}
    if tag in (_DRAFT, _COPY):
        log, run, key, writer = rest
        logs: Any = LogId(int(log))
        return Draft(logs, _value(run), key=key, writer=writer)
    return _TYPES[tag](*map(_value, rest))


def _sequence(items: Sequence[Any]) -> tuple[Any, ...]:
    found: list[Any] = []
    for item in items:
        value = _value(item)
        if isinstance(item, list) and item[0] == _COPY:
            found[-1].copy = value
        found.append(value)
    return tuple(found)
