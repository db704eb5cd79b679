"""Starting a server that is expected not to get far."""

import resource
import subprocess
from pathlib import Path

from tests.servers import PATIENCE, TWISTD, environment


def launch(folder: Path, largest: int | None = None) -> "subprocess.Popen[bytes]":
    """Start a server on the data in `folder`/chat-data. It can write no file beyond `largest`
    bytes, where that is given: a disk that is full then."""

    def limit() -> None:
        if largest is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

    return subprocess.Popen(
        [*TWISTD, "-n", "--pidfile=", "chat", "--interface", "127.0.0.1", "--port", "0"]
        + ["--data", str(folder / "chat-data")],
        cwd=folder,
        env=environment(PYTHONDONTWRITEBYTECODE="1"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=limit,
    )


def refused(folder: Path, largest: int | None = None) -> str:
    """Start a server that ends by itself, and return the sentence that it says why in: the last
    line, behind which its status is 1, and before which there is no traceback."""
    process = launch(folder, largest)
    said = process.communicate(timeout=PATIENCE)[0].decode()
    assert process.returncode == 1, said
    assert "Traceback" not in said, said
    return said.splitlines()[-1].partition("chat: ")[2]
