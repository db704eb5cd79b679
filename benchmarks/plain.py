"""The plain copy of a file through a socket: the baseline for transfers.

`PUT SIZE` and SIZE bytes: the server hashes, writes and syncs them, and answers the SHA-256.
`GET`: the server reads, hashes and sends the last file.
"""

import hashlib
import os
import socket
import sys
from pathlib import Path

PIECE = 1 << 18


def put(connection: socket.socket, size: int, path: Path) -> None:
    """Receive a file."""
    digest, buffer = hashlib.sha256(), memoryview(bytearray(PIECE))
    with path.open("wb", buffering=0) as file:
        while size and (got := connection.recv_into(buffer, min(size, PIECE))):
            digest.update(buffer[:got])
            file.write(buffer[:got])
            size -= got
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
    connection.sendall(digest.hexdigest().encode() + b"\n")


def get(connection: socket.socket, path: Path) -> None:
    """Send a file."""
    digest, buffer = hashlib.sha256(), memoryview(bytearray(PIECE))
    with path.open("rb", buffering=0) as file:
        while got := file.readinto(buffer):
            digest.update(buffer[:got])
            connection.sendall(buffer[:got])


def main() -> None:
    """Listen, and serve one connection after another."""
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    listening = socket.create_server(("127.0.0.1", port))
    number = 0
    while True:
        connection, _ = listening.accept()
        with connection:
            words = _first_line(connection).split()
            if words[:1] == [b"PUT"]:
                number += 1  # keep earlier files, as any server does
                put(connection, int(words[1]), folder / f"file{number}")
            elif words[:1] == [b"GET"]:
                get(connection, folder / f"file{number}")


def _first_line(connection: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n") and (byte := connection.recv(1)):
        line += byte
    return line


if __name__ == "__main__":
    main()
