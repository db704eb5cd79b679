"""Disks that are full or hang, and clocks that are wrong, for single servers and nodes."""

import struct
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path

_BLOCK = 64 << 10


class OwnDisk:
    """A disk of its own at a folder, of so many bytes: it can be full, and it can hang. Needs root,
    loop devices, and mkfs.ext4."""

    def __init__(self, folder, size=256 << 20):
        self._folder = folder
        self._ballast = folder / "ballast"
        image = folder.with_name(f"{folder.name}.disk")
        folder.mkdir(parents=True, exist_ok=True)
        with image.open("wb") as file:
            file.truncate(size)
        run("mkfs.ext4", "-q", "-m", "0", image)
        run("mount", "-o", "loop", image, folder)

    def fill(self):
        """Fill it up."""
        with suppress(OSError), self._ballast.open("ab", buffering=0) as file:
            while file.write(bytes(_BLOCK)):
                pass

    def free(self):
        """Make room again."""
        self._ballast.unlink()

    @contextmanager
    def hanging(self):
        """Let all writing to it wait meanwhile."""
        run("fsfreeze", "--freeze", self._folder)
        try:
            yield
        finally:
            run("fsfreeze", "--unfreeze", self._folder)

    def remove(self):
        """Undo it."""
        run("umount", "--lazy", self._folder)


def run(*command):
    """Run a program that makes or undoes a trouble."""
    subprocess.run(command, check=True, capture_output=True)


class WrongClock:
    """The clock of a program, which is right at first."""

    def __init__(self, folder, name):
        self._library = folder / "wrong_clock.so"
        self._file = folder / name
        self._file.write_bytes(bytes(8))
        if not self._library.exists():
            source = Path(__file__).with_name("wrong_clock.c")
            subprocess.run(["gcc", "-shared", "-fPIC", "-o", self._library, source], check=True)

    @property
    def wrapper(self):
        """The command that starts a program with this clock."""
        return ("env", f"LD_PRELOAD={self._library}", f"WRONG_CLOCK={self._file}")

    def set(self, seconds):
        """Let it be so much ahead."""
        with self._file.open("r+b", buffering=0) as file:
            file.write(struct.pack("=q", seconds))
