"""Compile the C programs here when they are needed."""

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path


def compiled(source: str, *options: str) -> Path:
    """Return what a C file of this folder compiles to, made anew where it has changed.

    It is kept outside of the checkout, below the system's folder for temporary files.
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
