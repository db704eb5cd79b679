"""Time from a key to the screen of `chat-client` in a busy room: `python -m benchmarks.typing
[--rate 500] [--keys 300] [--inline] [--size 24x80]`.

A server and the client run as users run them, the client on a pseudo-terminal. Another
client says `--rate` lines a second in the room. Meanwhile keys are pressed at a typist's pace. The
time ends when the client's output has the letter. The letters are of an alphabet of their own, and
each occurs once in a line, so none is taken for another.
"""

import argparse
import fcntl
import json
import os
import pty
import random
import select
import socket
import statistics
import struct
import sys
import tempfile
import termios
import threading
import time
from pathlib import Path

from benchmarks import machine, peers

LETTERS = "абвгдежзийклмнопрстуфхцчшщъыьэюя"

PAUSE = 0.12
"""Average seconds between two keys: a hundred words a minute."""

ROOM = "busy"


class Client:
    """`chat-client` on a pseudo-terminal."""

    def __init__(self, port: int, folder: Path, inline: bool, size: tuple[int, int]) -> None:
        more = ["--inline"] if inline else []
        arguments = ["-m", "chatservice.client.main", "typist", "127.0.0.1", str(port)]
        path = os.pathsep.join(map(os.path.abspath, sys.path))
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.environ |= {
                "PYTHONPATH": path,
                "TERM": "xterm-256color",
                "CHAT_CLIENT_STATE": str(folder / "state"),
            }
            os.execv(sys.executable, [sys.executable, *arguments, "--room", ROOM, *more])
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        self.written = 0

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self._terminal, keys.encode())

    def until(self, text: str) -> float:
        """Wait until the client writes `text`. Return the time, in seconds."""
        wanted, seen = text.encode(), b""
        deadline = time.perf_counter() + peers.PATIENCE
        while wanted not in seen:
            if not select.select([self._terminal], [], [], deadline - time.perf_counter())[0]:
                raise RuntimeError(f"{text!r} was not written; the last was {seen[-500:]!r}")
            data = os.read(self._terminal, 1 << 16)
            self.written += len(data)
            seen = seen[-len(wanted) :] + data
        return time.perf_counter()

    def read_for(self, seconds: float) -> None:
        """Read the client's output for some seconds."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            if select.select([self._terminal], [], [], left)[0]:
                self.written += len(os.read(self._terminal, 1 << 16))

    def close(self) -> None:
        """Leave."""
        self.press("\x03")
        os.close(self._terminal)
        os.waitpid(self.pid, 0)


def talk(port: int, rate: int, stop: threading.Event) -> None:
    """Say `rate` lines a second in the room, until `stop` is set."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for request in ({"do": "hello", "name": "talker"}, {"do": "join", "room": ROOM}):
            connection.sendall(json.dumps(request).encode() + b"\n")
        reader = threading.Thread(target=_read_all, args=(connection,), daemon=True)
        reader.start()
        begun, said = time.perf_counter(), 0
        while not stop.wait(0.01):
            due = round((time.perf_counter() - begun) * rate)
            lines = (
                {"do": "say", "room": ROOM, "text": f"line {number} of what is said in a busy room"}
                for number in range(said, due)
            )
            connection.sendall(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
            said = due


def _read_all(connection: socket.socket) -> None:
    try:
        while connection.recv(1 << 16):
            pass
    except OSError:
        return


def delays(client: Client, count: int) -> list[float]:
    """Press `count` keys. Return the seconds that each took to the screen."""
    taken = []
    for number in range(count):
        if number % len(LETTERS) == 0:
            client.press("\x15")  # an empty line
            client.read_for(0.2)
        letter = LETTERS[number % len(LETTERS)]
        pressed = time.perf_counter()
        client.press(letter)
        taken.append(client.until(letter) - pressed)
        client.read_for(random.uniform(0.5, 1.5) * PAUSE)
    return taken


def measure(
    rate: int, count: int, folder: Path, core: int, inline: bool, size: tuple[int, int]
) -> None:
    """Print the delays of `count` keys beside `rate` messages a second. The server is on `core`."""
    with peers.running(peers.PEERS["chatservice"], folder, core, [ROOM]) as server:
        client = Client(server.port, folder, inline, size)
        client.until(f"You are in {ROOM}")
        stop = threading.Event()
        talking = threading.Thread(target=talk, args=(server.port, rate, stop))
        if rate:
            talking.start()
            client.until(" of what is said")
        before = machine.cpu_seconds(client.pid)
        begun = time.perf_counter()
        taken = delays(client, count)
        used = (machine.cpu_seconds(client.pid) - before) / (time.perf_counter() - begun)
        stop.set()
        if rate:
            talking.join()
        client.close()
    print(f"{rate:5} messages/s: {_summary(taken)}; the client used {used:.0%} of a core")


def _summary(taken: list[float]) -> str:
    ordered = sorted(taken)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    milliseconds = [1e3 * value for value in (statistics.median(ordered), p99, ordered[-1])]
    return "a key takes {:.1f} ms (median), {:.1f} (p99), {:.1f} at most".format(*milliseconds)


def main() -> None:
    """Measure without talk, and then with it."""
    parser = argparse.ArgumentParser(prog="benchmarks.typing", description=__doc__)
    parser.add_argument("--rate", type=int, default=500, help="messages a second [%(default)s]")
    parser.add_argument("--keys", type=int, default=300, help="keys to press [%(default)s]")
    parser.add_argument("--inline", action="store_true", help="measure the inline screen")
    parser.add_argument("--size", default="24x80", help="rows and columns [%(default)s]")
    options = parser.parse_args()
    rows, columns = map(int, options.size.split("x"))
    here, there = machine.cores()
    os.sched_setaffinity(0, {there})  # the client and its terminal share what the server has not
    with machine.alone():
        for rate in (0, options.rate):
            with tempfile.TemporaryDirectory() as folder:
                measure(rate, options.keys, Path(folder), here, options.inline, (rows, columns))


if __name__ == "__main__":
    main()
