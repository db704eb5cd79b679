"""Abilities of file systems: some know no second names of a file, or take two names for one."""

import os
import re
import secrets
import unicodedata
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_MOUNTS = Path("/proc/self/mountinfo")

_SHARED = re.compile(r"nfs4?|cifs|smb3?|smbfs|9p|afs|ceph|glusterfs|lustre|virtiofs|fuse(\..*)?")
"""Kinds that other machines may use at the same time. Of one in user space (`fuse`), sshfs among
them, only its own program knows."""


class FolderFeatures(NamedTuple):
    """The abilities of a folder: `links`, that a file can have a second name (vfat, exFAT and sshfs
    know none), and `exact`, that `a` and `A` are two names (vfat and exFAT, and macOS, take them
    for one)."""

    links: bool = True
    exact: bool = True


def tried(folder: Path) -> FolderFeatures:
    """Return what can be done in a folder, having tried it. Raises `OSError` where not even a file
    can be made there and get another name."""
    name = f"try-{secrets.token_hex(8)}"
    first, second = folder / name, folder / f"{name}-again"
    first.touch(0o600, exist_ok=False)
    try:
        exact = not os.path.lexists(folder / name.upper())
        try:
            os.link(first, second)
        except OSError:
            links = False
            os.rename(first, second)
        else:
            links = os.stat(second).st_nlink == 2
    finally:
        for each in (first, second):
            with suppress(FileNotFoundError):
                each.unlink()
    return FolderFeatures(links, exact)


def spelled(folder: Path, name: str, exact: bool) -> str:
    """Return a name as a folder has it, or unchanged if it is not there.

    The folder may have its accents apart from their letters (NFD), as macOS gives names, or
    composed (NFC); and in another case, if names are not `exact`.
    """
    forms = (name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD")))
    name = next((form for form in forms if os.path.lexists(folder / form)), name)
    if exact or not os.path.lexists(folder / name):
        return name
    with os.scandir(folder) as entries:
        there = [entry.name for entry in entries if entry.name.casefold() == name.casefold()]
    return name if name in there or not there else there[0]


def kind(folder: Path) -> str:
    """Return what kind of file system a folder is on, as the system calls it; empty where it does
    not tell."""
    try:
        lines = _MOUNTS.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return ""
    place = Path(os.path.realpath(folder))
    found = [("", "")]
    for line in lines:
        mount, _, rest = line.partition(" - ")  # proc(5): the fifth field is where it is mounted
        where = re.sub(r"\\([0-7]{3})", lambda it: chr(int(it[1], 8)), mount.split(" ")[4])
        if place.is_relative_to(where):
            found.append((where, rest.split(" ")[0]))
    found.reverse()  # the last of those at one place covers the others
    return max(found, key=lambda it: len(it[0]))[1]


def is_shared(kind_: str) -> bool:
    """Return whether other machines may use a file system of that kind, too."""
    return re.fullmatch(_SHARED, kind_) is not None
