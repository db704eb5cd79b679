"""Which server has which certificate: what was seen first, remembered in the user's state folder.

A line for each server, which people may read and remove: `localhost:5555 AB:CD:...`, the SHA-256
of its certificate, or `VERIFIED` where an authority that this system trusts vouched for it.
"""

import re
from pathlib import Path

from chatservice.client.writing import write_whole

VERIFIED = "verified"

NAME = "known-servers"


def fingerprint(text: str) -> str:
    """Return a SHA-256 fingerprint, however it is written, as `openssl x509 -fingerprint` shows it.
    Raises `ValueError`, whose text is a sentence."""
    digits = re.sub(r"[\s:]", "", text).upper()
    if not re.fullmatch("[0-9A-F]{64}", digits):
        raise ValueError("A SHA-256 fingerprint has 64 hexadecimal digits, in pairs: AB:CD:...")
    return ":".join(re.findall("..", digits))


class Known:
    """What is remembered in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME

    def of(self, place: str) -> str | None:
        """Return the fingerprint of the server at `place`, or `VERIFIED`; None if it is not known.
        Raises `OSError` where that cannot be read: then nobody knows whether it is known."""
        return next((what for where, what in self._lines() if where == place), None)

    def _lines(self) -> list[tuple[str, str]]:
        try:
            text = self.path.read_text(errors="replace")
        except FileNotFoundError:
            return []
        parts = [line.split() for line in text.splitlines()]
        return [(it[0], it[1]) for it in parts if len(it) == 2]

    def remember(self, place: str, what: str) -> None:
        """Remember it in place of what was known. Raises `OSError`."""
        lines = [it for it in self._lines() if it[0] != place] + [(place, what)]
        write_whole(self.path, "".join(f"{where} {it}\n" for where, it in lines))
