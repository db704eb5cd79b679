"""The media type of an answer, by the header Accept (RFC 9110, 12.5.1)."""

import re
from collections.abc import Sequence

_RANGE = re.compile(r"\s*([^\s;,]+)\s*(?:;([^,]*))?")
_QUALITY = re.compile(r"(?:^|;)\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*(?:;|$)", re.IGNORECASE)

MOST_RANGES = 64
"""Ranges of an Accept that are looked at: browsers send ten."""


def preferred(accept: str, offers: Sequence[str]) -> str:
    """Return the offer that a client likes best; of equally good ones the first. One that accepts
    none of them gets the first, too: a refusal for that would help nobody.

    `offers` are media types, at least one. `accept` is the header's value, or an empty string.
    """
    ranges = [
        (found[1].lower(), _quality(found[2] or ""))
        for found in map(_RANGE.fullmatch, accept.split(",")[:MOST_RANGES])
        if found is not None
    ]
    return max(offers, key=lambda offer: _liking(offer, ranges))


def _quality(parameters: str) -> float:
    found = _QUALITY.search(parameters)
    return min(float(found[1]), 1.0) if found else 1.0


def _liking(offer: str, ranges: list[tuple[str, float]]) -> float:
    """Return the quality of the most specific range that has an offer."""
    for form in (offer, f"{offer.partition('/')[0]}/*", "*/*"):
        for type_, quality in ranges:
            if type_ == form:
                return quality
    return 0.0 if ranges else 1.0
