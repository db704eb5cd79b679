"""Addresses of browsers. A browser opens connections ahead and says nothing on them; a greeting
there would be taken for the response to its next request, which then fails."""

import re
from collections import OrderedDict
from collections.abc import Callable

from chatservice.domain.addresses import limit_key

REMEMBERED_SECONDS = 300.0
"""Seconds for which an address is remembered: Chromium keeps a used connection as long."""

REMEMBERED = 10_000
"""Addresses that are remembered: 1 MB. Beyond that, the one that was noted first is forgotten."""


def is_browser(fetch_mode: str, user_agent: str) -> bool:
    """Return whether a request is a browser's, by the values of its headers Sec-Fetch-Mode and
    User-Agent, which are empty if there are none. Plain requests to other names than localhost have
    no Sec-Fetch-Mode; the User-Agent of every browser begins with Mozilla (RFC 9110, 10.1.5)."""
    return bool(fetch_mode) or user_agent.startswith("Mozilla/")


def is_head_of_browser(head: bytes) -> bool:
    """Return whether a head of a request, of which the end may be missing, is a browser's."""
    found = {name.lower(): value for name, value in _SIGNS.findall(head)}
    return is_browser(*(found.get(name, b"").decode("latin-1") for name in _NAMES))


_NAMES = (b"sec-fetch-mode", b"user-agent")
_SIGNS = re.compile(rb"(?i)\n(sec-fetch-mode|user-agent):[ \t]*([^\r\n]+)")


class BrowserAddresses:
    """The addresses whose browsers spoke HTTP in the last five minutes; an IPv6 address stands for
    its /64, a household. `seconds` tells the time."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._noted_at: OrderedDict[str, float] = OrderedDict()

    def note(self, address: str) -> None:
        """A browser at an address has spoken HTTP just now. An empty one, of this machine, is left
        out."""
        if key := limit_key(address, ()):
            self._noted_at[key] = self._seconds()
            self._noted_at.move_to_end(key)
            if len(self._noted_at) > REMEMBERED:
                self._noted_at.popitem(last=False)

    def knows(self, address: str) -> bool:
        """Return whether a browser at an address has spoken HTTP lately."""
        noted_at = self._noted_at.get(limit_key(address, ()))
        return noted_at is not None and noted_at + REMEMBERED_SECONDS > self._seconds()
