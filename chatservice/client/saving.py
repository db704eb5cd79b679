"""A file on its way to the disk: under a hidden name at first, never over a file that is there."""

import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from chatservice import limits, names
from chatservice.errors import Code, Refusal


class Saving:
    """A file called `name` (as `names.file` lets pass) that is received into `folder`.

    Every method raises `Refusal` where the disk does not want what it is given.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = names.file(name)
        self.received = 0
        self._hash = hashlib.sha256()
        suffix = f".part-{secrets.token_hex(4)}"
        self._temporary = folder / f".{_cut(name, len(suffix) + 1)}{suffix}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = open(self._temporary, "xb", buffering=0)  # noqa: SIM115 - kept open
        except OSError as error:
            raise self._refusal(error) from None

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        try:
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise self._refusal(error) from None
        self._hash.update(data)
        self.received += len(data)

    @property
    def sha256(self) -> str:
        """The SHA-256 of what came so far."""
        return self._hash.hexdigest()

    def keep(self) -> Path:
        """Put the file on the disk under its name, or the next one that is free. Return where.

        It waits for the disk, so call it in a thread.
        """
        try:
            os.fsync(self._file.fileno())
            self._file.close()
            return self._name_it()
        except OSError as error:
            raise self._refusal(error) from None
        finally:
            self.discard()

    def _name_it(self) -> Path:
        for name in free_names(self._name):
            place = self._folder / name
            try:
                _give_name(self._temporary, place)
            except FileExistsError:
                continue
            return place
        raise AssertionError("there is always another name")

    def discard(self) -> None:
        """Leave nothing of it, unless it was kept."""
        self._file.close()
        self._temporary.unlink(missing_ok=True)

    def _refusal(self, error: OSError) -> Refusal:
        reason = error.strerror or str(error)
        return Refusal(
            Code.NOT_STORED,
            f"{self._folder}/{self._name} cannot be written ({reason}); nothing of it was kept.",
        )


def _give_name(temporary: Path, place: Path) -> None:
    """Name a file. Raises `FileExistsError`, and never replaces what is there."""
    try:
        os.link(temporary, place)
    except FileExistsError:
        raise
    except OSError:  # no links on this file system: take the name first, then put the file there
        os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        os.replace(temporary, place)


def free_names(name: str) -> Iterator[str]:
    """Return `report.pdf`, `report (2).pdf`, `report (3).pdf` and so on, none of them too long."""
    yield name
    stem, suffix = os.path.splitext(name)
    number = 2
    while True:
        end = f" ({number}){suffix}"
        yield _cut(stem, len(end.encode())) + end
        number += 1


def _cut(name: str, spare: int) -> str:
    """Return as much of a name as leaves `spare` bytes."""
    return name.encode()[: limits.FILE_NAME_BYTES - spare].decode(errors="ignore")
