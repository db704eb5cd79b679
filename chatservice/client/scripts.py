"""The actions for scripts: `chat-client` does one thing, and ends with an exit status.

Only the result goes to standard output. Errors go to standard error. So does progress, if that is a
terminal.
"""

import getpass
import json
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, TimeoutError

from chatservice import names
from chatservice.client.clientoptions import (
    DEFAULT_HOST,
    DEFAULT_PORT,
    ClientOptions,
    ExitStatus,
    status_of,
)
from chatservice.client.clientpasswords import (
    Keyring,
    ask_password,
    given_password,
    no_password,
)
from chatservice.client.clientstate import INBOX
from chatservice.client.connectors import WARNING, server_address
from chatservice.client.filetransfers import open_for_upload, shortest_path
from chatservice.client.jsonconnection import Lost
from chatservice.client.library import Client, connect
from chatservice.client.settings import Settings, fill_in
from chatservice.client.system import READER_GONE, complain, output_error, watch_pipe_reader
from chatservice.client.wrapping import shortened
from chatservice.entries import Entry
from chatservice.errors import PASSWORD_REFUSED, Code, Refusal
from chatservice.grammar import jsonlines, textformat, textparser
from chatservice.output import write_all

OUTAGE_SECONDS = 60.0
"""Seconds for which a leaving client waits for a server that is away."""

GOODBYE_SECONDS = 2.0
"""Seconds for which a leaving client waits for the server to store all texts and close."""

STDIN = "-"
"""The text that means standard input."""


class ScriptEnd(Exception):
    """The end of a script with a status, and a sentence if it is not empty."""

    def __init__(self, status: ExitStatus, sentence: str = "") -> None:
        super().__init__(status, sentence)
        self.status = status
        self.sentence = sentence


class Script:
    """One run of the program with the action of `options`."""

    def __init__(self, reactor: Any, options: ClientOptions, settings: Settings) -> None:
        self._reactor = reactor
        self._options = options
        self._settings = settings
        self._working: Deferred[None] | None = None
        self._is_terminal = os.isatty(2)
        self._shows_progress = False

    def interrupt(self) -> None:
        """Stop the action."""
        if self._working is not None:
            self._reactor.callLater(0, self._working.cancel)

    async def run(self) -> int:
        """Run the action and return the exit status."""
        self._working = Deferred.fromCoroutine(self._do())
        try:
            await self._working
        except ScriptEnd as end:
            status, sentence = end.status, end.sentence
        except (Refusal, Lost) as error:
            status = status_of(error)
            sentence = error.sentence if isinstance(error, Refusal) else str(error)
        except CancelledError:
            status, sentence = ExitStatus.INTERRUPTED, ""
            if self._options.follow:  # following a room ends that way
                status = ExitStatus.DONE
        else:
            status, sentence = ExitStatus.DONE, ""
        self._show_progress("")
        if sentence:
            complain(sentence)
        return status

    async def _do(self) -> None:
        text, path = self._text(), self._file()
        client = await self._log_in()
        if not self._options.follow:
            client.session.end_after_outage(OUTAGE_SECONDS)
        try:
            await self._act(client, text, path)
        finally:
            closing = client.close().addTimeout(GOODBYE_SECONDS, self._reactor)
            with suppress(Lost, CancelledError, TimeoutError):
                await closing

    # -- actions ---------------------------------------------------------------------------------

    async def _act(self, client: Client, text: str, path: Path) -> None:
        options = self._options
        room = options.room or names.LOBBY
        if options.say is not None and options.to is not None:
            await client.msg(options.to, text)
        elif options.say is not None:
            await client.say(room, text)
        elif options.put is not None:
            await client.put(path, room=None if options.to else room, to=options.to)
        elif options.get is not None:
            owner = await self._file_owner(client)
            path = await client.get(owner, options.get, options.downloads or ".")
            self._write(os.fsencode(shortest_path(path)) + b"\n")
        elif options.follow:
            await self._follow(client, room)
        elif options.who:
            self._list(await client.who(room), lambda it: (it.name, it.away))
        else:
            self._list(await client.rooms(), lambda it: (it.room, str(it.users), it.topic))

    def _text(self) -> str:
        """Return the text to say, or an empty text for other actions."""
        if self._options.say != STDIN:
            text = self._options.say or ""
            if self._options.say is not None and not names.is_visible(text):
                raise ScriptEnd(
                    ExitStatus.DATA, "There is nothing in that to be seen; give a text."
                )
            return text
        try:
            text = textparser.decode(sys.stdin.buffer.read()).removesuffix("\n")
        except Refusal as refusal:
            raise ScriptEnd(ExitStatus.DATA, refusal.sentence) from None
        if not names.is_visible(text):
            raise ScriptEnd(ExitStatus.DATA, "There is nothing on standard input to say.")
        return text

    def _file(self) -> Path:
        """Return the path of the file to send, and check that it can be read."""
        path = Path(self._options.put or "")
        if self._options.put is not None:
            try:
                open_for_upload(path).close()
            except Refusal as refusal:
                raise ScriptEnd(ExitStatus.NO_INPUT, refusal.sentence) from None
        return path

    async def _file_owner(self, client: Client) -> str:
        """Return the room whose files are meant; `@` means the user's."""
        room = self._options.room or names.LOBBY
        return room if room == INBOX else await client.join(room)

    async def _follow(self, client: Client, room: str) -> None:
        if room != INBOX:
            room = await client.join(room)
        watch = watch_pipe_reader(self._reactor, 1, self.interrupt)
        try:
            async for position, entry in client.follow(room, self._options.after):
                self._write(self._rendered(position, entry, room))
        finally:
            watch.stopReading()

    def _rendered(self, position: int, entry: Entry, room: str) -> bytes:
        if self._options.json:
            return jsonlines.line(jsonlines.entry_fields(position, entry, room))
        return textformat.replayed(position, entry.as_run(), room)

    def _list(self, rows: Iterable[Any], columns: Callable[[Any], Iterable[str]]) -> None:
        """Print rows: columns with tabs between, or JSON objects with all fields."""
        for row in rows:
            if self._options.json:
                text = json.dumps(asdict(row), ensure_ascii=False)
            else:
                text = "\t".join(columns(row)).rstrip("\t")
            self._write(f"{names.clean(text)}\n".encode())

    def _write(self, data: bytes) -> None:
        why = write_all(1, data)
        if why == READER_GONE and self._options.follow:  # `grep -m1` has what it wants
            raise ScriptEnd(ExitStatus.DONE)
        if why is not None:
            raise ScriptEnd(ExitStatus.UNWRITABLE, output_error(why))

    # -- logging in ------------------------------------------------------------------------------

    async def _log_in(self) -> Client:
        """Connect and log in. If the server needs a password, look for one, and ask for another
        one while it is wrong."""
        options = self._completed()
        host, port = options.host or DEFAULT_HOST, options.port or DEFAULT_PORT
        name = options.name or _login()
        how: dict[str, Any] = {"tls": options.tls, "trust": options.trust, "told": self._tell}
        how |= {"progress": self._show_progress, "reactor": self._reactor}
        password, asked = given_password(options.password_file), False
        while True:
            try:
                return await connect(name, host, port, password=password, **how)
            except Refusal as refusal:
                if asked and refusal.code in PASSWORD_REFUSED:
                    self._tell(refusal.sentence)
                elif refusal.code is not Code.PASSWORD_NEEDED or password is not None:
                    raise
                keyring = Keyring(self._reactor, server_address(host, port), options.tls)
                kept = await keyring.recall(name) if password is None else None
                password, asked = kept or await ask_password(self._reactor, name), True
                if password is None:
                    raise no_password(name) from None

    def _completed(self) -> ClientOptions:
        """Return the options, with missing values from the settings."""
        if self._options.host is not None:
            return self._options
        try:
            servers = self._settings.servers()
        except Refusal as refusal:
            raise ScriptEnd(ExitStatus.CONFIG, refusal.sentence) from None
        return fill_in(self._options, servers)

    # -- sentences and progress ------------------------------------------------------------------

    def _tell(self, sentence: str) -> None:
        if self._is_terminal or sentence.startswith(WARNING):
            self._show_progress("")
            write_all(2, f"{sentence}\n".encode())

    def _show_progress(self, lines: str) -> None:
        """Show the progress of a transfer on one line, again and again."""
        if self._is_terminal and (lines or self._shows_progress):
            line = shortened(names.clean(lines).partition("\n")[0], 79)
            write_all(2, f"\r\x1b[K{line}".encode())
            self._shows_progress = bool(lines)


def _login() -> str:
    """Return the user's name on this machine."""
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):
        raise ScriptEnd(ExitStatus.USAGE, "Who are you? Give a NAME.") from None
