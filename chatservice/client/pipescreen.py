"""A front end of plain lines, for pipes: prompts on lines of their own, no escape codes."""

import os
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import DeferredQueue

from chatservice import names, replies
from chatservice.client import system
from chatservice.client.clientstate import Incoming
from chatservice.client.screen import InputEnded, Screen
from chatservice.entries import Entry
from chatservice.errors import Code, Refusal
from chatservice.grammar import textformat, textparser
from chatservice.output import write_all

LINE_BYTES = 1 << 20
"""Longest line that is read. It is far more than the server accepts, and bounds the memory."""

LINES_AHEAD = 100
"""Lines that are read ahead."""


class PipeScreen(Screen):
    """A `Screen` on two file descriptors, without a status line and without pending texts."""

    interactive = False
    key_help = ()

    def __init__(self, reactor: Any, stdin: int, stdout: int) -> None:
        make = system.DescriptorInput if system.POSIX else system.ThreadInput
        self._input = make(reactor, stdin, self._data_received)
        self._stdin = stdin
        self._stdout = stdout
        self._lines: DeferredQueue[bytes | None] = DeferredQueue()
        self._buffer = b""
        self._skipping = False
        self._input_over = False
        self._interrupted: Callable[[], None] = lambda: None
        self._echo_settings: Any = None
        self._question_held = False
        self.write_error: str | None = None
        self.can_ask = os.isatty(stdin)

    def start(self, interrupted: Callable[[], None]) -> None:
        """Begin to read."""
        self._interrupted = interrupted
        self._input.startReading()

    # -- output ----------------------------------------------------------------------------------

    def show(self, lines: bytes) -> None:
        """Write lines at once."""
        self._write(names.clean(lines.decode(errors="replace")).encode())

    def show_incoming(self, incoming: Incoming) -> None:
        """Write an entry or an event."""
        if not isinstance(incoming.item, Entry):
            self.show(textformat.event(incoming.item))
            return
        render = textformat.replayed if incoming.late else textformat.run
        self.show(render(incoming.position, incoming.item.as_run(), incoming.log))

    def show_reply(self, it: replies.Reply) -> None:
        """Write a reply."""
        self.show(textformat.reply(it))

    def _write(self, data: bytes) -> None:
        """Write all bytes. End the program if nobody reads them."""
        if self.write_error is None:
            self.write_error = write_all(self._stdout, data)
            if self.write_error is not None:
                self._interrupted()

    # -- input -----------------------------------------------------------------------------------

    def _data_received(self, data: bytes) -> None:
        """Take bytes of the input; no bytes are its end."""
        if not data:
            self._ended()
            return
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._line_received(line)
        if len(self._buffer) > LINE_BYTES:
            self._skipping, self._buffer = True, b""
        if len(self._lines.pending) > LINES_AHEAD:
            self._input.stopReading()

    def _line_received(self, line: bytes) -> None:
        if self._skipping or len(line) > LINE_BYTES:
            self._skipping = False
            sentence = f"A line has at most {LINE_BYTES} bytes; send a shorter one."
            self.refuse(Refusal(Code.TOO_LONG, sentence))
        else:
            self._lines.put(line.removesuffix(b"\r"))

    def _ended(self) -> None:
        if self._buffer:
            self._line_received(self._buffer)
        self._input_over = True
        self._lines.put(None)

    async def read_line(self, prompt: str = "", hidden: bool = False, hold: bool = False) -> str:
        """Return the next line."""
        while True:
            if prompt:
                self._write(f"{prompt}\n".encode())
            if hidden and self._echo_settings is None:
                self._echo_settings = system.hide_typing(self._stdin)
            self._question_held = hold
            try:
                line = await self._lines.get()
            finally:
                if not hold:
                    self._restore_echo()
            if not (self._input_over or self._lines.pending):
                self._input.startReading()
            if line is None:
                self._lines.put(None)
                raise InputEnded
            try:
                return textparser.decode(line)
            except Refusal as refusal:
                self.refuse(refusal)

    def end_question(self) -> None:
        """Show typed text again. On a terminal, drop lines typed meanwhile."""
        if self._question_held and self.can_ask:
            self._lines.pending[:] = [line for line in self._lines.pending if line is None]
            self._buffer = b""
            system.discard_typed(self._stdin)
        self._question_held = False
        self._restore_echo()

    def _restore_echo(self) -> None:
        before, self._echo_settings = self._echo_settings, None
        system.show_typing(self._stdin, before)

    async def close(self) -> None:
        """Stop reading."""
        self._restore_echo()
        self._input.stopReading()
