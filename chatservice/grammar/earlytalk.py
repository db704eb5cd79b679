"""The newest talk of a room as HTML, for the first response of the page.

It has the classes of the page's own rows (`page/talk.js`), which take its place. All text of users
passes through `attribute`.
"""

import re
from collections.abc import Sequence
from html import escape
from itertools import pairwise

from chatservice.entries import SAID, Entry

MOST_BYTES = 16_384
"""The most bytes of rows: a tenth of a second on a slow phone's network (1.6 Mbit/s)."""

_MARKS = re.compile(
    r"`([^`\n]+)`"
    r"|\*\*(?=[^\s*])([^*\n]+)(?<=\S)\*\*"
    r"|(?<![\w*])\*(?=[^\s*])([^*\n]+)(?<=\S)\*(?![\w*])"
    r"|~~(?=[^\s~])([^~\n]+)(?<=\S)~~"
)
"""The plainest marks that `page/markdown.js` knows. Nothing else is formatted before the modules
are there. Each part ends where the next mark begins, so that the time is linear in the text."""

_TAGS = b"code", b"strong", b"em", b"s"
_FENCE = "```"


def html(room: str, entries: Sequence[Entry]) -> bytes:
    """Return the part of the page that shows entries of a room, oldest first. If they are long,
    only the newest ones are shown."""
    said = [None, *(it for it in entries if it.kind in SAID)]
    left, rows = MOST_BYTES, []
    for above, entry in reversed(list(pairwise(said))):
        assert entry is not None
        row = _row(entry, above)
        left -= len(row)
        if left < 0:
            break
        rows.append(row)
    return (
        b'<div class="early app"><div class="side"></div><main class="center"><header class="bar">'
        b'<div class="bar-words"><h1 class="room" dir="auto">%b</h1></div></header>'
        b'<div class="talk"><div class="log"><div class="rows">%b</div></div></div>'
        b'<div class="composer"><div class="composer-box"></div></div><div class="typists"></div>'
        b'</main><div class="panel"></div></div>'
    ) % (attribute(room), b"".join(reversed(rows)))


def attribute(text: str) -> bytes:
    """Return a text for HTML, also between quotation marks."""
    return escape(text).encode(errors="replace")


def _row(entry: Entry, above: Entry | None) -> bytes:
    if above is not None and above.who == entry.who:
        kind, gutter, head = b"row grouped", b"", b""
    else:
        kind = b"row"
        gutter = b'<span class="avatar">%b</span>' % attribute(entry.who[:1].upper())
        head = b'<div class="head"><span class="name" dir="auto">%b</span></div>'
        head %= attribute(entry.who)
    text = attribute(entry.file.name) if entry.file else _formatted(entry.text)
    return (
        b'<div class="%b"><div class="gutter">%b</div><div class="body">%b'
        b'<div class="text" dir="auto">%b</div></div></div>'
    ) % (kind, gutter, head, text)


def _formatted(text: str) -> bytes:
    """Return a text as HTML, with what its marks mean. Code of several lines is left as typed."""
    parts: list[bytes] = []
    end = 0
    for match in () if _FENCE in text else _MARKS.finditer(text):
        kind = match.lastindex or 0
        tag = _TAGS[kind - 1]
        parts.append(attribute(text[end : match.start()]))
        parts.append(b"<%b>%b</%b>" % (tag, attribute(match[kind]), tag))
        end = match.end()
    return b"".join((*parts, attribute(text[end:])))
