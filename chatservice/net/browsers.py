"""Addresses of browsers. A browser opens connections ahead and says nothing on them; a greeting
there would be taken for the response to its next request, which then fails."""

from collections import OrderedDict
from collections.abc import Callable

from chatservice.domain.addresses import limit_key

REMEMBERED_SECONDS = 300.0
"""Seconds for which an address is remembered: Chromium keeps a used connection as long."""

REMEMBERED = 10_000
"""Addresses that are remembered: 1 MB. Beyond that, the one that was noted first is forgotten."""


class BrowserAddresses:
    """The addresses that spoke HTTP in the last five minutes; an IPv6 address stands for its /64,
    a household. `seconds` tells the time."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._noted_at: OrderedDict[str, float] = OrderedDict()

    def note(self, address: str) -> None:
        """An address has spoken HTTP just now. An empty one, of this machine, is left out."""
        if key := limit_key(address, ()):
            self._noted_at[key] = self._seconds()
            self._noted_at.move_to_end(key)
            if len(self._noted_at) > REMEMBERED:
                self._noted_at.popitem(last=False)

    def knows(self, address: str) -> bool:
        """Return whether an address has spoken HTTP lately."""
        noted_at = self._noted_at.get(limit_key(address, ()))
        return noted_at is not None and noted_at + REMEMBERED_SECONDS > self._seconds()
