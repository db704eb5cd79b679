"""A room's history as a file: JSON lines, or Markdown."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from chatservice import replies
from chatservice.entries import Entry, Kind
from chatservice.grammar import jsonlines, textformat

_SPECIAL = re.compile(r"[\\`*_{}\[\]<>()#+\-.!|~&]")
"""Characters with a meaning in Markdown, or in the HTML that it becomes."""


def json_lines(it: replies.History) -> bytes:
    """Encode entries in the JSON format, a line each."""
    rows = (jsonlines.entry_fields(at, one, it.room) for at, one in it.entries)
    return b"".join(map(jsonlines.line, rows))


class MarkdownExport:
    """A Markdown page: the room is its title, and each day has a heading. Times are UTC."""

    def __init__(self) -> None:
        self._day: str | None = None

    def encode(self, it: replies.History) -> bytes:
        """Encode the next entries of the room."""
        return "".join(f"{line}\n" for line in self._lines(it)).encode()

    def _lines(self, it: replies.History) -> Iterator[str]:
        if self._day is None:
            self._day = ""
            yield f"# {_safe(it.room)}"
        for at, one in it.entries:
            moment = datetime.fromtimestamp(one.time // 1000, UTC)
            if self._day != (day := f"{moment:%Y-%m-%d}"):
                self._day = day
                yield ""
                yield f"## {day}"
                yield ""
            yield f"- {moment:%H:%M:%S} #{at} {_said(one, it.room)}"


def _said(it: Entry, room: str) -> str:
    """Return the text of an entry's list item. Line breaks stay line breaks."""
    notes, _ = textformat.notes(it)
    if it.kind in (Kind.MESSAGE, Kind.PRIVATE):
        text = f"**{_safe(it.who)}**{_safe(notes)}: {_safe(it.text)}"
    elif it.kind == Kind.NOTICE:
        text = f"**{_safe(f'-{it.who}-')}**{_safe(notes)} {_safe(it.text)}"
    elif it.kind == Kind.ACTION:
        text = f"*{_safe(it.who)}{_safe(notes)} {_safe(it.text)}*"
    elif it.kind == Kind.FILE and it.file is not None:
        text = (
            f"**{_safe(it.who)}** shared {_safe(it.file.name)} ({textformat.size(it.file.size)}, "
            f"SHA-256 {it.file.sha256})"
        )
    else:
        lines = textformat.replayed(0, it.as_run(), room).decode().rstrip("\n").split("\n")
        text = "\n".join(_safe(line.partition("] * ")[2]) for line in lines)
    if told := textformat.state_text(it):
        text += f"\n*{_safe(told)}*"
    return text.replace("\n", "  \n  ")


def _safe(text: str) -> str:
    """Escape a text, so that none of it is markup."""
    return _SPECIAL.sub(r"\\\g<0>", text)
