"""Which server has which certificate: what was seen first, remembered in the user's state folder.

A line for each server, which people may edit: `localhost:5555 AB:CD:...`, the SHA-256 of its
certificate, or `verified` where an authority that this system trusts vouched for it. Blank lines
and comments, from a `#` to the end of the line, are kept. Whatever else stands there is not passed
over: it may be what keeps somebody else's certificate out, so then nobody is believed.
"""

import os
import re
import stat
from pathlib import Path

from chatservice.client import system
from chatservice.client.writing import write_whole

VERIFIED = "verified"

NAME = "known-servers"

MOST_BYTES = 1 << 20
"""A file that is larger is none of ours: 10,000 servers take that."""

_BOM = "\ufeff"

_LABEL = re.compile(r"\s*(?:sha-?256\s+)?fingerprint\s*=", re.IGNORECASE)
"""The label that openssl puts before a fingerprint; its versions differ."""


class Unclear(Exception):
    """The file cannot be read or understood, so nobody knows which servers are known. Its text is a
    sentence."""


def fingerprint(text: str) -> str:
    """Return a SHA-256 fingerprint, however it is written, as `openssl x509 -fingerprint -sha256`
    shows it, too. Raises `ValueError`, whose text is a sentence."""
    digits = re.sub(r"[\s:]", "", _LABEL.sub("", text, count=1)).upper()
    if not re.fullmatch("[0-9A-F]{64}", digits):
        raise ValueError("A SHA-256 fingerprint has 64 hexadecimal digits, in pairs: AB:CD:...")
    return ":".join(re.findall("..", digits))


def place_of(host: str, port: int) -> str:
    """Return what a server is called in the file."""
    return f"[{host.lower()}]:{port}" if ":" in host else f"{host.lower()}:{port}"


class Known:
    """What is remembered in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME

    def of(self, place: str) -> str | None:
        """Return the fingerprint of the server at `place`, or `VERIFIED`; None if it is not known.
        Raises `Unclear`."""
        meanings = map(self._meaning, *self._numbered())
        found = {what for where, what in list(meanings) if where == place}
        if len(found) > 1:
            raise self._unclear(f"{place} stands there more than once; leave one line")
        return found.pop() if found else None

    def remember(self, place: str, what: str) -> None:
        """Remember it in place of what was known. All other lines stay as they are. Raises
        `Unclear`, and `OSError`; then the file is as it was."""
        numbers, lines = self._numbered()
        others = [
            line
            for number, line in zip(numbers, lines, strict=True)
            if self._meaning(number, line)[0] != place
        ]
        target = Path(os.path.realpath(self.path))  # a link stays one
        write_whole(target, "".join(f"{line}\n" for line in [*others, f"{place} {what}"]))

    def warning(self, place: str) -> str | None:
        """Return what to tell somebody who talks to a server without TLS, if there is something."""
        try:
            if self.of(place) is None:
                return None
        except Unclear as unclear:
            return str(unclear)
        return (
            f"{place} was talked to over TLS before, and is not now: everybody on the way can read "
            "along. --tls talks over TLS."
        )

    def _numbered(self) -> tuple[range, list[str]]:
        lines = self._text().removeprefix(_BOM).splitlines()
        return range(1, len(lines) + 1), lines

    def _text(self) -> str:
        """Return what is in the file; nothing, if there is none."""
        try:
            # A pipe that nobody writes to would be waited for.
            descriptor = os.open(self.path, system.flags("O_RDONLY", "O_NONBLOCK"))
        except FileNotFoundError:
            if self.path.is_symlink():
                raise self._unclear("it is a link that leads nowhere") from None
            return ""
        except OSError as error:
            raise self._unclear(error.strerror or "for no known reason") from None
        try:
            with open(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise self._unclear("it is no plain file")
                data = file.read(MOST_BYTES + 1)
        except OSError as error:
            raise self._unclear(error.strerror or "for no known reason") from None
        if len(data) > MOST_BYTES:
            raise self._unclear("it is far too large")
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise self._unclear("it is not UTF-8") from None

    def _meaning(self, number: int, line: str) -> tuple[str, str]:
        """Return the place and what is known of it; two empty strings for a line without."""
        words = line.partition("#")[0].split(None, 1)
        if not words:
            return "", ""
        where, what = words[0], words[-1]
        if what.strip().casefold() == VERIFIED:
            return where.lower(), VERIFIED
        try:
            return where.lower(), fingerprint(what)
        except ValueError:
            raise self._unclear(f"line {number} is no `HOST:PORT FINGERPRINT`") from None

    def _unclear(self, why: str) -> Unclear:
        return Unclear(
            f"{self.path}, which says what servers are known, cannot be understood ({why}); "
            "correct it, or move it away to begin anew."
        )
