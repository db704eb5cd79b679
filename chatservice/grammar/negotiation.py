"""The media type of an answer, by the header Accept (RFC 9110, 12.5.1), and its coding."""

import re
from collections.abc import Sequence
from functools import lru_cache

_RANGE = re.compile(r"\s*([^\s;,]+)\s*(?:;([^,]*))?")
_QUALITY = re.compile(r"(?:^|;)\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*(?:;|$)", re.IGNORECASE)

MOST_RANGES = 64
"""Ranges of an Accept that are looked at: browsers send ten."""


def preferred(accept: str, offers: Sequence[str]) -> str:
    """Return the offer that a client likes best; of equally good ones the first. One that accepts
    none of them gets the first, too: a refusal for that would help nobody.

    `offers` are media types, at least one. `accept` is the header's value, or an empty string.
    """
    ranges = _ranges(accept)
    return max(offers, key=lambda offer: _liking(offer, ranges))


def names(accept: str, media_type: str) -> bool:
    """Return whether an Accept names a media type, and not only all types."""
    return dict(_ranges(accept)).get(media_type, 0.0) > 0


def takes_gzip(accept_encoding: str) -> bool:
    """Return whether a body may be compressed, by the header Accept-Encoding (12.5.3)."""
    found = dict(_ranges(accept_encoding))
    return found.get("gzip", found.get("*", 0.0)) > 0


def _ranges(value: str) -> tuple[tuple[str, float], ...]:
    """Return the ranges of a header, in lower case, each with its quality."""
    return (_ranges_again if len(value) <= _SHORT else _read_ranges)(value)


_SHORT = 256
"""Characters of the longest header whose ranges are kept, so that all kept ones take 1 MB."""


def _read_ranges(value: str) -> tuple[tuple[str, float], ...]:
    return tuple(
        (found[1].lower(), _quality(found[2] or ""))
        for found in map(_RANGE.fullmatch, value.split(",")[:MOST_RANGES])
        if found is not None
    )


_ranges_again = lru_cache(256)(_read_ranges)


def _quality(parameters: str) -> float:
    found = _QUALITY.search(parameters)
    return min(float(found[1]), 1.0) if found else 1.0


def _liking(offer: str, ranges: Sequence[tuple[str, float]]) -> float:
    """Return the quality of the most specific range that has an offer."""
    for form in (offer, f"{offer.partition('/')[0]}/*", "*/*"):
        for type_, quality in ranges:
            if type_ == form:
                return quality
    return 0.0 if ranges else 1.0
