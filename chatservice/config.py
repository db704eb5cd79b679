"""`--config chat.toml`: options and limits in a file.

Options stand at its top level, by their long names. The command line overrides them, and changes of
them take effect at the next start. Limits (`chatservice.limits`) stand in the table `[limits]`, and
take effect as soon as the file is read again.
"""

import difflib
import ipaddress
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from chatservice import names
from chatservice.limits import NAMES, Limits

Value = int | float | tuple[str, ...]

AT_START = frozenset(
    {
        *("accepting", "hashes", "keep_seconds", "keepalive_idle_seconds"),
        *("keepalive_interval_seconds", "keepalive_probes"),
    }
)
"""The limits that are only read when the server starts."""

OPTIONS = {
    "free_bytes": "free",
    "partial_seconds": "partial",
    "recent_lines": "recent-lines",
    "room_bytes": "room-files",
    "uploads": "uploads",
    "user_bytes": "user-files",
}
"""The limits that are set by an option instead."""

SHOWN = OPTIONS | {"file_bytes": "max-file"}
"""The limits that are shown by the name of an option. `file_bytes` may be set as a limit, too."""

FIXED = frozenset(
    {
        *("name_characters", "name_marks", "marks", "phrase_characters", "file_name_bytes"),
        *("password_characters", "text_lines"),
    }
)
"""Former limits that are fixed now: servers and clients share them (`chatservice.names`)."""

RENAMED = {
    "shelf_files": "listed_files",
    "unfinished_share": "partial_share",
    "unfinished_uploads": "partial_uploads",
    "unfinished_uploads_of_all": "partial_uploads_of_all",
}
"""Limits by their former names, which files may still have."""

MAX_NUMBER = 1 << 53
"""The largest number: up to it, TOML's are exact everywhere."""

RANGES: Mapping[str, tuple[float, float]] = {
    "line_bytes": (512, 1 << 20),
    "connections": (0, MAX_NUMBER),
    "messages_per_second": (0, MAX_NUMBER),
    "failures_free": (0, MAX_NUMBER),
    "failures_free_an_address": (0, MAX_NUMBER),
    "failures_longest": (0, 3600),
    "greeting_seconds": (0.05, 60),
    "keepalive_idle_seconds": (1, 32_767),
    "keepalive_interval_seconds": (1, 32_767),
    "keepalive_probes": (1, 127),
    "unanswered_seconds": (1, 86_400),
    "news_seconds": (0, 60),
    "turn_seconds": (0, 1),
}
"""The least and the greatest value of a limit. The others begin at 1, or fractions at 0.001."""

_DEFAULTS = Limits()

FILE_BYTES = 1 << 20
"""The largest file: each option and limit takes a few lines."""

VALUE_BYTES = 4096
"""The longest value on a command line: PATH_MAX of Linux (limits.h)."""

PART_BYTES = 255
"""The longest part of a path: NAME_MAX of Linux's usual file systems (limits.h)."""

_SHOWN = 80
"""Characters of a wrong value that a sentence quotes."""

_SENTENCE = 1000
"""Characters of the longest sentence about an option."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Characters that could control a terminal, and that no value needs."""


class ConfigError(Exception):
    """An error in the file, as one sentence that names the file and the key."""


def as_sentence(sentence: str) -> str:
    """Return a sentence about an option that any terminal can show.

    It has no control characters, is not too long, and ends with a full stop.
    """
    sentence = names.one_line(names.shorten(sentence, _SENTENCE)).rstrip()
    return sentence if sentence.endswith(".") else f"{sentence}."


def shorten(text: str) -> str:
    """Return the beginning of a value, for a sentence that quotes it."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _quoted(value: Any) -> str:
    """Return the beginning of a value in Python's notation."""
    try:
        return shorten(repr(value))
    except (ValueError, RecursionError):  # thousands of digits, or of brackets
        return "such a value"


def check_value(option: str, value: str, is_path: bool = False) -> None:
    """Raise `ConfigError` for a value that no option can have, or no file system takes."""
    if _CONTROL.search(value):
        raise ConfigError(f"{option} has a control character in it; leave it out.")
    encoded = os.fsencode(value)
    if len(encoded) > VALUE_BYTES:
        raise ConfigError(f"{option} has more than {VALUE_BYTES} bytes; give less.")
    if is_path and any(len(part) > PART_BYTES for part in encoded.split(b"/")):
        raise ConfigError(f"{option} has a name of more than {PART_BYTES} bytes in it; shorten it.")


def read(path: str) -> tuple[dict[str, Any], dict[str, Value]]:
    """Return the options and the limits of a file. Raises `ConfigError`."""
    try:
        with open(path, "rb") as file:
            data = file.read(FILE_BYTES + 1)
        if len(data) > FILE_BYTES:
            raise ConfigError(f"{path} has more than {FILE_BYTES} bytes; name a file of options.")
        found = tomllib.loads(data.decode())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}).") from None
    except RecursionError:
        raise ConfigError(
            f"{path} is not TOML that can be read (brackets in too many brackets)."
        ) from None
    except ValueError as error:  # of TOML, of UTF-8, and of numbers with thousands of digits
        raise ConfigError(f"{path} is not TOML ({shorten(str(error))}).") from None
    table = found.pop("limits", {})
    if not isinstance(table, dict):
        raise ConfigError(
            f"{path}: limits is a table; write [limits], and below it one limit a line."
        )
    table = {RENAMED.get(key, key): value for key, value in table.items()}
    known = [name for name in NAMES if name not in OPTIONS]
    for key in table:
        if key in FIXED:
            raise ConfigError(f"{path}: {key} is fixed now; take it out of [limits].")
        if key in OPTIONS:
            raise ConfigError(f"{path}: {key} is the option {OPTIONS[key]}, above [limits].")
        if key not in known:
            raise ConfigError(
                f"{path}: there is no limit {shorten(key)}{closest_hint(key, known)}."
            )
    return found, {key: _checked(path, key, value) for key, value in table.items()}


def closest_hint(key: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that names the closest known key, or an empty string."""
    found = difflib.get_close_matches(key[:_SHOWN], list(known), 1)
    return f"; the nearest one is {found[0]}" if found else ""


def _checked(path: str, key: str, value: Any) -> Value:
    kind = type(getattr(_DEFAULTS, key))
    if kind is tuple:
        return _networks(path, key, value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigError(f"{path}: {key} is a number, not {_quoted(value)}.")
    if kind is int and not isinstance(value, int):
        raise ConfigError(f"{path}: {key} is a whole number, not {_quoted(value)}.")
    least, most = RANGES.get(key, (1 if kind is int else 0.001, MAX_NUMBER))
    if not least <= value <= most:
        to = f" to {most}" if most < MAX_NUMBER else " on"
        raise ConfigError(f"{path}: {key} goes from {least}{to}, and is not {_quoted(value)}.")
    return kind(value)  # type: ignore[no-any-return]


def _networks(path: str, key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ConfigError(
            f'{path}: {key} is a list of addresses, as ["127.0.0.0/8"], not {_quoted(value)}.'
        )
    for each in value:
        try:
            ipaddress.ip_network(each if isinstance(each, str) else "")
        except ValueError:
            raise ConfigError(
                f"{path}: {key} has {_quoted(each)}, which is no address, nor a network as "
                "10.0.0.0/8."
            ) from None
    return tuple(value)


def arguments(path: str, options: Mapping[str, Any], known: Mapping[str, bool]) -> Iterator[str]:
    """Yield the options of a file as arguments of a command line. Raises `ConfigError`.

    `known` has all options by name; True marks one with a value.
    """
    for key, value in options.items():
        if key not in known:
            raise ConfigError(
                f"{path}: there is no option {shorten(key)}{closest_hint(key, known)}."
            )
        if not known[key]:
            if not isinstance(value, bool):
                raise ConfigError(f"{path}: {key} is true or false, not {_quoted(value)}.")
            if value:
                yield f"--{key}"
            continue
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, bool) or not isinstance(each, (str, int)):
                raise ConfigError(f"{path}: {key} is text or a number, not {_quoted(each)}.")
            try:
                yield f"--{key}={each}"
            except ValueError:  # a number with thousands of digits, written in hexadecimal
                raise ConfigError(f"{path}: {key} is too large a number.") from None
