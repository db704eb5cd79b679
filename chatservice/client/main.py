"""The program `chat-client`: it sets up the process, and talks until the user leaves."""

import asyncio
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, NoReturn

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.task import deferLater, react

from chatservice import names
from chatservice.client import clientpasswords, login, system
from chatservice.client.clientoptions import (
    ClientOptions,
    ExitStatus,
    completion_script,
    make_parser,
    parse,
    status_of,
)
from chatservice.client.connectors import server_address
from chatservice.client.controller import Controller
from chatservice.client.jsonconnection import Lost
from chatservice.client.pipescreen import PipeScreen
from chatservice.client.screen import InputEnded, Screen
from chatservice.client.scripts import GOODBYE_SECONDS, OUTAGE_SECONDS, Script
from chatservice.client.settings import (
    RememberedServer,
    Settings,
    fill_in,
    settings_folder,
    with_known_tls,
)
from chatservice.client.system import complain, output_error
from chatservice.clocks import use_monotonic
from chatservice.errors import Code, Refusal
from chatservice.output import write_all

DUMB_TERMINALS = ("dumb", "unknown", "")
"""Values of `TERM` for terminals on which a written line cannot be changed."""

WELCOME = "What you type is said to everybody here; /help lists the commands."


class ChatProgram:
    """One run of the program, with a user or a script at its `screen`.

    With `scripted`, it asks no questions. With `settings`, it remembers the server and the room.
    """

    def __init__(
        self,
        reactor: Any,
        options: ClientOptions,
        screen: Screen,
        scripted: bool,
        settings: Settings | None = None,
    ) -> None:
        self._reactor = reactor
        self._options = options
        self._screen = screen
        self._scripted = scripted
        self._settings = settings
        self._controller: Controller | None = None
        self._work: Deferred[None] | None = None
        self._interrupted = False
        self._server: RememberedServer | None = None
        self._known: Sequence[RememberedServer] = ()
        self._status = ExitStatus.DONE

    async def run(self) -> int:
        """Talk until the user leaves. Return the exit status."""
        self._screen.start(self.interrupt)
        try:
            await self._until_interrupted(self._talk())
            await self._until_interrupted(self._finish())
        finally:
            await self._close()
            await self._screen.close()
        return _status_of_output(self._screen.write_error, self._status)

    async def _until_interrupted(self, work: Any) -> None:
        self._work = Deferred.fromCoroutine(work)
        with suppress(CancelledError):
            await self._work

    def interrupt(self) -> None:
        """Leave at once, but after the caller returns: it may be part of the work that ends."""
        if not self._interrupted:
            self._interrupted = True
            self._reactor.callLater(0, self._stop_working)

    def _stop_working(self) -> None:
        if self._work is not None:
            self._work.cancel()

    # -- logging in ------------------------------------------------------------------------------

    async def _talk(self) -> None:
        try:
            controller = await self._log_in()
            await self._join_first_room(controller)
            while not controller.leaving:
                await controller.run_line(await self._screen.read_line())
        except InputEnded:
            if self._controller is None and not self._screen.interactive:
                self._status = ExitStatus.REFUSED
        except Refusal as refusal:
            self._fail(refusal.sentence, status_of(refusal))
        except Lost as lost:
            self._fail(str(lost), status_of(lost))

    async def _log_in(self) -> Controller:
        screen, scripted = self._screen, self._scripted
        password = clientpasswords.given_password(self._options.password_file)
        self._recall_server()
        name, host, port = await self._ask_name_and_address()
        options = self._options
        controller = Controller(
            self._reactor, screen, options, host, port, self._dismissed, scripted
        )
        await controller.session.open_connection()
        self._controller = controller
        await login.log_in(controller, screen, name, scripted, password)
        self._server = RememberedServer(host, port, "", None, options.tls, options.trust)
        self._remember_server()
        controller.transfers.resume_unfinished()
        return controller

    async def _ask_name_and_address(self) -> tuple[str, str, int]:
        """Return the name, the host and the port, and use the TLS settings known for them."""
        screen, scripted, known = self._screen, self._scripted, self._known
        last = known[0] if known else None
        if last is not None:
            where = f"{last.name} at {server_address(last.host, last.port)}"
            self._screen.notify(f"Press Enter alone to be {where} again.")
        last_name = last.name if last is not None else None
        name = await login.ask_name(screen, self._options.name, scripted, last_name)
        offered = next((it for it in known if it.name == name), last)
        host, port = await login.ask_address(screen, self._options, scripted, offered)
        if offered is not None and (offered.host, offered.port) == (host, port):
            self._options = with_known_tls(self._options, offered)
        return name, host, port

    def _recall_server(self) -> None:
        """Take the last server from the settings, unless the command line names one."""
        if self._settings is None:
            return
        try:
            servers = self._settings.servers()
        except Refusal as refusal:
            self._screen.refuse(refusal)
            self._settings = None
            return
        if self._options.ask:
            self._known = servers
            return
        recalled = fill_in(self._options, servers)
        if recalled is not self._options:
            self._options = recalled
            where = f"{recalled.host}:{recalled.port} as {recalled.name}"
            self._screen.notify(f"Going to {where}; --ask asks.")

    def _remember_server(self) -> None:
        """Remember the server, the name and the room. An error is shown, and does no harm."""
        if self._settings is None or self._controller is None or self._server is None:
            return
        state = self._controller.session.state
        room = state.current_room or self._options.room
        try:
            self._settings.remember(replace(self._server, name=state.name, room=room))
        except Refusal as refusal:
            self._settings = None
            self._screen.refuse(refusal)

    async def _join_first_room(self, controller: Controller) -> None:
        room = self._options.room
        if room is not None and await controller.join(room):
            return
        if room is not None and self._scripted:
            self._status = ExitStatus.REFUSED
            controller.leaving = True
            return
        await controller.join(names.LOBBY)
        if not self._scripted:
            await login.ask_room(controller, self._screen)
            if not controller.leaving:
                controller.notify(WELCOME)

    # -- leaving ---------------------------------------------------------------------------------

    def _fail(self, sentence: str, status: ExitStatus = ExitStatus.REFUSED) -> None:
        self._status = status
        self._screen.refuse(Refusal(Code.SERVER_ERROR, sentence))

    def _dismissed(self, why: Lost) -> None:
        self._fail(str(why), status_of(why))
        self.interrupt()

    async def _finish(self) -> None:
        """Wait until all texts are stored and all transfers are finished."""
        if self._controller is None or self._interrupted or self._status:
            return
        transfers = self._controller.transfers
        if transfers.count and self._screen.interactive:
            self._controller.notify(
                f"Waiting for {_count(transfers.count, 'file')}; Ctrl+C leaves now."
            )
        self._controller.session.end_after_outage(OUTAGE_SECONDS)
        await transfers.when_finished()
        await self._controller.session.all_acknowledged()

    async def _close(self) -> None:
        if self._controller is None:
            return
        self._remember_server()
        self._controller.transfers.stop()
        closing = Deferred.fromCoroutine(self._controller.session.close(self._controller.farewell))
        closing.addTimeout(GOODBYE_SECONDS, self._reactor)
        with suppress(CancelledError, TimeoutError):
            await closing
        unsaid = len(self._controller.session.state.unacknowledged)
        if unsaid:
            status = self._status or ExitStatus.UNAVAILABLE
            self._fail(f"{_count(unsaid, 'line')} may not have reached the server.", status)


def _count(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")


def run(arguments: list[str] | None = None) -> NoReturn:
    """Run `chat-client` with the arguments of the command line, and exit with its status."""
    has_output = _open_closed_descriptors()
    options = parse(arguments)
    if options.completion is not None:
        script = completion_script(make_parser(), options.completion)
        sys.exit(_status_of_output(write_all(1, script.encode()), ExitStatus.DONE))
    settings = Settings(settings_folder())
    if options.action is not None:
        reactor = _install_reactor(at_terminal=False)
        _run_reactor(reactor, Script(reactor, options, settings))
    if not has_output:  # talking without looking is possible
        os.dup2(os.open(os.devnull, os.O_RDWR), 1)
    at_terminal = _is_terminal()
    reactor = _install_reactor(at_terminal)
    _run_reactor(reactor, _chat_program(reactor, options, settings, at_terminal))


def _is_terminal() -> bool:
    """Return whether a user sits at a terminal on which a line can be edited."""
    able = os.environ.get("TERM", DUMB_TERMINALS[0]) not in DUMB_TERMINALS
    return system.POSIX and able and os.isatty(0) and os.isatty(1)


def _install_reactor(at_terminal: bool) -> Any:
    """Return the reactor; on a terminal, the one that prompt_toolkit needs."""
    if at_terminal:
        from twisted.internet import asyncioreactor

        asyncio.set_event_loop(loop := asyncio.new_event_loop())
        asyncioreactor.install(loop)
    from twisted.internet import reactor

    use_monotonic(reactor)
    return reactor


def _chat_program(
    reactor: Any, options: ClientOptions, settings: Settings, at_terminal: bool
) -> ChatProgram:
    if at_terminal:
        from chatservice.client.terminalscreen import TerminalScreen

        return ChatProgram(reactor, options, TerminalScreen(options.bell), False, settings)
    scripted = not os.isatty(0) and options.name is not None
    return ChatProgram(reactor, options, PipeScreen(reactor, stdin=0, stdout=1), scripted)


def _open_closed_descriptors() -> bool:
    """Open the null device for each standard descriptor that is closed.

    Else the next file that is opened would become that descriptor. Return whether there is a
    standard output; if not, writing to it fails.
    """
    has_output = True
    for descriptor, how in ((0, os.O_RDWR), (1, os.O_RDONLY), (2, os.O_RDWR)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, how)  # it gets the lowest free number
            has_output = has_output and descriptor != 1
    return has_output


def _status_of_output(error: str | None, status: ExitStatus) -> ExitStatus:
    """Return the exit status. If the standard output cannot be written, say so."""
    if error is None:
        return status
    complain(output_error(error))
    return ExitStatus.UNWRITABLE


def _run_reactor(reactor: Any, program: ChatProgram | Script) -> NoReturn:
    """Run the program in the reactor, and exit with its status."""
    ended: Deferred[None] = Deferred()

    def interrupted() -> Deferred[None]:
        program.interrupt()
        return ended

    async def run(_: Any) -> NoReturn:
        await deferLater(reactor, 0)  # until the reactor runs
        try:
            status = await program.run()
        except Exception:
            traceback.print_exc()
            status = ExitStatus.SOFTWARE
        ended.callback(None)
        raise SystemExit(status)

    reactor.addSystemEventTrigger("before", "shutdown", interrupted)
    react(run, _reactor=reactor)


if __name__ == "__main__":
    run()
