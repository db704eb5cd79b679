"""Lengths of time, as people type them."""

import re

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def parse_duration(time: str) -> int:
    """Return the seconds of a word of the type `TIME`: `1h30m`, `30min`."""
    parts = re.findall(r"([0-9]+)([a-z])[a-z]*", time)
    return sum(int(count) * _SECONDS[unit] for count, unit in parts)


_UNITS = re.compile(r"(?:sec|second|min|minute|hour|hr|day|week|month|year)s?\b")
_COUNTS = re.compile(
    r"(?:an?|one|two|three|four|five|six|seven|eight|nine|ten|twelve|half|some|few|several) +"
)


def looks_like_a_time(text: str) -> bool:
    """Return whether a text that begins with no `TIME` may be meant to begin with one.

    Examples: `60`, `-5m`, `for 2 hours`, `an hour`, `PT1H`.
    """
    text = re.sub("^(?:for|in|until|till) +", "", text[:64].strip().casefold())
    bare = re.sub(r"^(?:pt?(?=[0-9])|\W+)", "", text)
    while found := _COUNTS.match(text):
        text = text[found.end() :]
        if _UNITS.match(text):
            return True
    return bare[:1].isnumeric()
