"""URLs in talk, checked so that they can stand in an escape sequence, and what terminals do with
them: hyperlinks (OSC 8), and copying (OSC 52)."""

import base64
import os
import re
from collections.abc import Iterator

LINK_CHARACTERS = 2000
"""Longest URL that becomes a link: longer ones are cut by browsers and terminals."""

COPY_BYTES = 74_994
"""Most bytes that are copied: xterm takes 100,000 characters of base64."""

_URL = re.compile(r"https?://[A-Za-z0-9\[][A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]*", re.IGNORECASE)
"""Only characters that a URL may have (RFC 3986), so no control character and no space."""

_BEHIND = ".,;:!?'\""
"""Signs at the end of a URL that belong to the sentence around it."""

_KNOWING = (
    *("xterm", "tmux", "screen", "rxvt", "alacritty", "foot", "kitty", "wezterm", "konsole", "vte"),
    *("gnome", "st-", "contour", "ghostty", "mlterm", "iterm"),
)
"""Terminals that know OSC sequences, or pass them over. The Linux console would print them."""


def knows_osc(term: str | None = None) -> bool:
    """Return whether a terminal, by its `TERM`, knows OSC sequences or passes them over."""
    return (os.environ.get("TERM", "") if term is None else term).startswith(_KNOWING)


def with_links(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the pieces of a text, each with whether it is a URL."""
    at = 0
    for found in _URL.finditer(text) if "://" in text else ():
        url = _trimmed(found[0])
        if len(url) > LINK_CHARACTERS:
            continue
        if found.start() > at:
            yield text[at : found.start()], False
        yield url, True
        at = found.start() + len(url)
    if at < len(text) or not text:
        yield text[at:], False


def _trimmed(url: str) -> str:
    """Return a URL without the signs at its end that belong to the sentence."""
    while url[-1] in _BEHIND or (url[-1] == ")" and url.count("(") < url.count(")")):
        url = url[:-1]
    return url


def urls(text: str) -> list[str]:
    """Return the URLs in a text."""
    return [piece for piece, is_link in with_links(text) if is_link]


def hyperlink(url: str, text: str) -> str:
    """Return `text` as a link to a checked URL, for a terminal (OSC 8)."""
    return f"\x1b]8;;{url}\x1b\\{text}\x1b]8;;\x1b\\"


def copying(text: str) -> str:
    """Return the sequence that puts a text into the terminal's clipboard (OSC 52)."""
    data = text.encode(errors="replace")[:COPY_BYTES]
    return f"\x1b]52;c;{base64.b64encode(data).decode()}\x1b\\"
