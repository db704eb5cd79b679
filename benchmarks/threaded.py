"""The simplest chat server: a thread for each connection, a lock, and `sendall` to each reader.

The first line is a name; then come `/join ROOM` and talk. It stores nothing.
"""

import socket
import sys
import threading

rooms: dict[str, set[socket.socket]] = {}
lock = threading.Lock()


def serve(connection: socket.socket) -> None:
    """Serve one connection until it ends."""
    room = "lobby"
    try:
        with connection, connection.makefile("rb") as lines:
            name = lines.readline().decode().strip()
            for line in lines:
                if line.startswith(b"/join "):
                    enter(connection, room, room := line[6:].decode().strip())
                    connection.sendall(f"* You are in {room}.\n".encode())
                else:
                    tell(connection, room, f"{name}: ".encode() + line)
    except OSError:
        pass  # the connection broke
    finally:
        with lock:
            rooms.get(room, set()).discard(connection)


def enter(connection: socket.socket, old: str, new: str) -> None:
    """Move from one room to another."""
    with lock:
        rooms.get(old, set()).discard(connection)
        rooms.setdefault(new, set()).add(connection)


def tell(speaker: socket.socket, room: str, line: bytes) -> None:
    """Send a line to everybody in the room except its author."""
    with lock:
        for connection in rooms.get(room, ()):
            if connection is not speaker:
                connection.sendall(line)


def main() -> None:
    """Listen on the port of the command line."""
    threading.stack_size(256 << 10)
    listening = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=1024)
    while True:
        connection, _ = listening.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
