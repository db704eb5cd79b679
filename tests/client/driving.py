"""The real client driven as people and scripts drive it: through pipes, and on a terminal; and a
network between it and the server that can be cut."""

import contextlib
import os
import re
import signal
import socket
import struct
import termios
import threading
import time
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

import pexpect
import pyte
from wcwidth import wcwidth

from tests.forkserver import ForkedOnTerminal, ForkedProcess, Program
from tests.servers import CLIENT, CLIENT_CODE, PATIENCE, Output, environment


def state_of(folder: Path) -> Path:
    """Return where a client that runs in `folder` remembers its transfers."""
    return folder.with_name(f"{folder.name}-state")


def config_of(folder: Path) -> Path:
    """Return where a client that runs in `folder` has its settings."""
    return folder.with_name(f"{folder.name}-config")


def places_of(folder: Path) -> dict[str, str]:
    """Return the environment variables of a client that runs in `folder`, and nowhere else."""
    return {
        "CHAT_CLIENT_STATE": str(state_of(folder)),
        "CHAT_CLIENT_CONFIG": str(config_of(folder)),
    }


class Piped:
    """`chat-client` with pipes on both sides."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        program = Program(CLIENT_CODE, arguments, folder, environment(**places_of(folder)))
        self.process = ForkedProcess(program, typed=True)
        self.output = Output(self.process.stdout)

    def type(self, *lines: str | bytes) -> None:
        """Type lines."""
        for line in lines:
            data = line.encode() if isinstance(line, str) else line
            self.process.stdin.write(data + b"\n")
        self.process.stdin.flush()

    def expect(self, pattern: str) -> re.Match[str]:
        """Wait for a further line in which the regular expression `pattern` is found."""
        return self.output.expect(pattern)

    def finish(self, *lines: str | bytes) -> list[str]:
        """Type lines, end the input, and return all lines that were shown once it has ended."""
        self.type(*lines)
        self.process.stdin.close()
        self.wait()
        return self.shown

    @property
    def shown(self) -> list[str]:
        """All lines that were shown. It must have ended."""
        self.output._thread.join(PATIENCE)
        with contextlib.suppress(AssertionError):
            self.output.expect(r"(?!)")
        return self.output.lines

    def wait(self) -> int:
        """Return its status, once it has ended."""
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        """End it."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()


_TIME = re.compile(r"\d\d:\d\d ")


def untimed(row: str) -> str:
    """Return a row without the time it begins with, if it begins with one."""
    return _TIME.sub("", row, count=1) if _TIME.match(row) else row


class _Screen(pyte.HistoryScreen):
    """A terminal that also answers requests, such as one for the cursor's position, and counts its
    bells."""

    answer: Callable[[str], object]
    rung = 0

    def write_process_input(self, data: str) -> None:
        """Answer the program."""
        self.answer(data)

    def bell(self, *args: object) -> None:
        """Ring."""
        self.rung += 1

    def draw(self, data: str) -> None:
        """Show text, but for the signs that have no width and are no accents (joiners, isolates):
        pyte would leave out all that follows one."""
        super().draw("".join(c for c in data if wcwidth(c) != 0 or unicodedata.combining(c)))


class OnTerminal:
    """`chat-client` on a terminal, and what one sees there. `program` is what runs there. Its
    screen is the `inline` one, or the full one."""

    program: tuple[str, ...] = tuple(CLIENT)

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        size: tuple[int, int] = (24, 80),
        inline: bool = True,
        **variables: str,
    ) -> None:
        arguments += ("--inline",) if inline and self.program == tuple(CLIENT) else ()
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._rows, columns = size
        self._screen = _Screen(columns, self._rows, history=10_000)
        self._stream = pyte.ByteStream(self._screen)
        variables = {"TERM": "xterm-256color", **places_of(folder)} | variables
        self.process = self._start(arguments, variables, size)
        self._screen.answer = self.process.send
        self.received = b""

    def _start(
        self, arguments: Sequence[str], variables: dict[str, str], size: tuple[int, int]
    ) -> ForkedOnTerminal | pexpect.spawn:
        """Start the program. A fork cannot have a locale and paths of its own."""
        where = environment(**variables)
        own = any(it.startswith(("L", "PYTHON")) for it in variables)
        if self.program == tuple(CLIENT) and not own:
            program = Program(CLIENT_CODE, arguments, self.folder, where)
            return ForkedOnTerminal(program, size, PATIENCE)
        return pexpect.spawn(
            self.program[0],
            [*self.program[1:], *arguments],
            cwd=str(self.folder),
            env=where,
            dimensions=size,
            timeout=PATIENCE,
        )

    def press(self, keys: str) -> None:
        """Press keys."""
        self.process.send(keys)

    def type(self, line: str) -> None:
        """Type a line, and Enter."""
        self.press(line + "\r")

    def paste(self, text: str) -> None:
        """Paste a text as terminals do: between two marks, with the key Enter for each line end."""
        self.press("\x1b[200~" + text.replace("\n", "\r") + "\x1b[201~")

    def resize(self, rows: int, columns: int) -> None:
        """Be of another size."""
        self._rows = rows
        self._screen.resize(rows, columns)
        self.process.setwinsize(rows, columns)

    @property
    def echoes(self) -> bool:
        """True while the terminal itself shows what one types, a line at a time."""
        return bool(termios.tcgetattr(self.process.fileno())[3] & termios.ECHO)

    @property
    def rung(self) -> int:
        """Return the number of times that the bell rang."""
        return self._screen.rung

    def style_of(self, text: str, row: str) -> str:
        """Return the colour of `text` in the last row seen that has `row` in it, and what else is
        special about how it looks, in words."""
        for y in reversed(range(self._screen.lines)):
            if row in self._screen.display[y]:
                it = self._screen.buffer[y][self._screen.display[y].index(text)]
                ways = ("bold", "reverse", "underscore")
                return " ".join([it.fg, *(way for way in ways if getattr(it, way))])
        raise AssertionError(f"{row!r} cannot be seen: {self.rows}")

    @property
    def rows(self) -> list[str]:
        """The rows that can be seen, without the spaces behind them."""
        return [row.rstrip() for row in self._screen.display]

    @property
    def all_rows(self) -> list[str]:
        """The visible rows, after those that scrolled off the top."""
        gone = [
            "".join(row[x].data for x in range(self._screen.columns)).rstrip()
            for row in self._screen.history.top
        ]
        return gone + self.rows

    @property
    def bottom(self) -> str:
        """The row in which one types."""
        rows = self.rows  # a resized terminal may not have moved its cursor yet
        return rows[min(self._screen.cursor.y, len(rows) - 1)]

    def until(self, seen: Callable[["OnTerminal"], bool], what: str) -> None:
        """Wait until `seen` is true of the screen, as long as that goes on changing: a file of many
        gigabytes takes its time."""
        began = changed = time.monotonic()
        while not seen(self):
            now = time.monotonic()
            if now > changed + PATIENCE or now > began + 10 * PATIENCE:
                raise AssertionError(f"{what} was not seen; what was: {self.all_rows}")
            with contextlib.suppress(pexpect.TIMEOUT):
                try:
                    self._feed(self.process.read_nonblocking(65536, timeout=1))
                    changed = time.monotonic()
                except pexpect.EOF:
                    if not seen(self):
                        raise AssertionError(f"it ended: {self.all_rows}") from None

    def _feed(self, data: bytes) -> None:
        self.received += data
        self._stream.feed(data)

    def see(self, row: str) -> None:
        """Wait until a row is just that, but for its time."""
        self.until(lambda it: row in map(untimed, it.all_rows), repr(row))

    def see_in(self, text: str) -> None:
        """Wait until a row has that in it."""
        self.until(lambda it: any(text in row for row in it.all_rows), repr(text))

    def see_input(self, text: str) -> None:
        """Wait until the line of input has just that in it."""
        self.until(lambda it: it.bottom == f"> {text}".rstrip(), f"the input {text!r}")

    def see_question(self, beginning: str) -> None:
        """Wait until one types behind a question that begins so."""
        self.until(lambda it: it.bottom.startswith(beginning), f"the question {beginning!r}")

    def wait(self) -> int | None:
        """Return its status, once it has ended; None if a signal ended it."""
        while True:
            try:
                self._feed(self.process.read_nonblocking(65536, timeout=PATIENCE))
            except pexpect.EOF:
                break
        self.process.wait()
        return self.process.exitstatus

    def kill(self) -> None:
        """End it."""
        if self.process.isalive():
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.close(force=True)


class Way:
    """One way of a connection: `count` bytes went it. It is `busy` while bytes have come that the
    other end does not take."""

    def __init__(self, up: bool, source: socket.socket) -> None:
        self._up = up
        self.source = source
        self.count = 0
        self.busy = self.ended = False

    def __str__(self) -> str:
        now = "it has ended" if self.ended else "nobody takes more" if self.busy else "no more came"
        return f"{self.count} {'up' if self._up else 'down'} ({now})"


class Wire:
    """A network between a client and a server: it can be cut, be down, be slow, and lose what comes
    back, all of it or what begins with `deaf_to`. `bytes_a_second` is how much it lets through each
    way, on each connection. While `through` is not set, nothing comes back. While it `is_late`, a
    client's first words arrive when the server has taken it for a person, and greeted it."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.down = False
        self.deaf = False
        self.is_late = False
        self.bytes_a_second: int | None = None
        self.sent_up: list[bytes] = []
        self.count_up = 0
        self.count_down = 0
        self.deaf_to: bytes | None = None
        self.through = threading.Event()
        self.through.set()
        self._ways: list[Way] = []
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._hanging: list[socket.socket] = []
        self._changed = threading.Condition()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listening.accept()[0]
                if not self.down:
                    with contextlib.suppress(OSError):
                        self._carry(client, socket.create_connection(("127.0.0.1", self._to)))
                        continue
                client.close()

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        for end in (client, server):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        self._pairs.append((client, server))
        if self.is_late:
            server.recv(1, socket.MSG_PEEK)
        for arguments in ((client, server, True), (server, client, False)):
            threading.Thread(target=self._pump, args=arguments, daemon=True).start()

    def _pump(self, here: socket.socket, there: socket.socket, up: bool) -> None:
        way = Way(up, here)
        self._ways.append(way)
        with contextlib.suppress(OSError):
            while data := here.recv(1 << 16):
                way.busy = True
                if not up:
                    self.through.wait()
                if up or not self._lost(data):
                    there.sendall(data)
                self._note(data, up, way)
                rate = self.bytes_a_second  # the test may change it at any moment
                if rate is not None:
                    time.sleep(len(data) / rate)
        way.ended = True
        with contextlib.suppress(OSError):
            there.shutdown(socket.SHUT_WR)

    def _note(self, data: bytes, up: bool, way: Way) -> None:
        with self._changed:
            way.count, way.busy = way.count + len(data), False
            if up:
                self.sent_up.append(data)
                self.count_up += len(data)
            else:
                self.count_down += len(data)
            self._changed.notify_all()

    def _lost(self, data: bytes) -> bool:
        return self.deaf or (self.deaf_to is not None and data.startswith(self.deaf_to))

    def wait_for(self, text: str) -> None:
        """Wait until `text` went from a client to the server."""
        self._wait(lambda: text.encode() in b"".join(self.sent_up), repr(text))

    def wait_up(self, count: int) -> None:
        """Wait until so many bytes went from clients to the server."""
        self._wait(lambda: self.count_up >= count, f"{count} bytes up")

    def wait_down(self, count: int) -> None:
        """Wait until so many bytes went from the server to clients."""
        self._wait(lambda: self.count_down >= count, f"{count} bytes down")

    def _wait(self, seen: Callable[[], bool], what: str) -> None:
        with self._changed:
            found = self._changed.wait_for(seen, PATIENCE)
            assert found, f"{what} did not come; what came: {', '.join(map(str, self._ways))}"

    def cut(self) -> None:
        """Break all connections there are, on both sides."""
        self._break(both=True)

    def cut_busiest(self) -> None:
        """Break the connection on which most went to the server, and leave the others."""
        counts = {way.source: way.count for way in self._ways}
        busiest = max(self._pairs, key=lambda pair: counts[pair[0]])
        others, self._pairs = [it for it in self._pairs if it is not busiest], [busiest]
        self._break(both=True)
        self._pairs = others

    def leave_hanging(self) -> None:
        """Break all connections there are, so that only the clients notice."""
        self._break(both=False)

    def _break(self, both: bool) -> None:
        pairs, self._pairs = self._pairs, []
        for client, server in pairs:
            for end in (client, server) if both else (client,):
                reset = struct.pack("ii", 1, 0)
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RD)
                end.close()
            self._hanging += [] if both else [server]

    def close(self) -> None:
        """Be gone."""
        self.through.set()
        self._listening.close()
        self.cut()
        for end in self._hanging:
            end.close()
