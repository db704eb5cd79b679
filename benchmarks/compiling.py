"""Compile the C programs here when they are needed."""

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path


def compiled(source: str, *options: str) -> Path:
    """Compile a C file of this folder, unless that was done since its last change.

    The result is kept below the system's folder for temporary files. Return its path.
    """
    path = Path(__file__).with_name(source)
    folder = Path(tempfile.gettempdir()) / f"chatservice-benchmarks-{os.getuid()}"
    made = folder / f"{path.stem}-{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"
    if not made.exists():
        folder.mkdir(mode=0o700, exist_ok=True)
        fresh = made.with_suffix(f".{os.getpid()}")
        subprocess.run(["cc", "-O2", "-Wall", "-Wextra", *options, "-o", fresh, path], check=True)
        fresh.rename(made)
    return made
