"""`chat-client`: the program."""

import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, NoReturn

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.python.failure import Failure

from chatservice import names
from chatservice.client import clientpasswords, login, system
from chatservice.client.clientoptions import (
    ClientOptions,
    ExitStatus,
    make_parser,
    parse,
    status_of,
)
from chatservice.client.clientpasswords import PasswordFileError
from chatservice.client.connectors import server_address, unreachable
from chatservice.client.controller import Controller
from chatservice.client.jsonconnection import Lost
from chatservice.client.pipescreen import PipeScreen
from chatservice.client.screen import InputEnded, Screen
from chatservice.client.scripts import OutageWatch, Script
from chatservice.client.settings import (
    RememberedServer,
    Settings,
    fill_in,
    settings_folder,
    with_known_tls,
)
from chatservice.client.shellcompletion import completion_script
from chatservice.client.system import output_error
from chatservice.clocks import use_monotonic
from chatservice.errors import Code, Refusal
from chatservice.events import Notice
from chatservice.grammar import textformat
from chatservice.output import write_all

GOODBYE_SECONDS = 2.0
"""How long who leaves at once waits for the server to have stored what was said."""

DUMB_TERMINALS = ("dumb", "unknown", "")
"""What `TERM` is where a line that was written can not be changed any more."""

WELCOME = "What you type is said to everybody here; /help lists the commands."


class ChatProgram:
    """One run of the program. `scripted` says that nothing may be asked. With `settings`, where one
    was is remembered there."""

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
        """Talk until one leaves. Return the exit status."""
        self._screen.start(self.interrupt)
        try:
            await self._until_interrupted(self._talk())
            await self._until_interrupted(self._finish())
        finally:
            await self._close()
            await self._screen.close()
        if self._screen.write_error is not None:
            _complain(output_error(self._screen.write_error))
            return ExitStatus.UNWRITABLE
        return self._status

    async def _until_interrupted(self, work: Any) -> None:
        self._work = Deferred.fromCoroutine(work)
        with suppress(CancelledError):
            await self._work

    def interrupt(self) -> None:
        """Leave at once. What calls this may be the very work that is to end: it returns first."""
        if not self._interrupted:
            self._interrupted = True
            self._reactor.callLater(0, self._stop_working)

    def _stop_working(self) -> None:
        if self._work is not None:
            self._work.cancel()

    # -- arriving --------------------------------------------------------------------------------

    async def _talk(self) -> None:
        try:
            controller = await self._log_in()
            await self._join_first_room(controller)
            while not controller.leaving:
                await controller.run_line(await self._screen.read_line())
        except InputEnded:
            if self._controller is None and not self._screen.interactive:
                self._status = ExitStatus.REFUSED
        except PasswordFileError as refusal:
            self._fail(refusal.sentence, ExitStatus.NO_INPUT)
        except Refusal as refusal:
            self._fail(refusal.sentence, status_of(refusal))
        except Lost as lost:
            self._fail(str(lost), status_of(lost))

    async def _log_in(self) -> Controller:
        screen, scripted = self._screen, self._scripted
        password = clientpasswords.given_password(self._options.password_file)
        self._recall_server()
        known = self._known
        first = known[0].name if known else None
        if first is not None:
            where = f"{first} at {server_address(known[0].host, known[0].port)}"
            screen.show(
                textformat.event(Notice(names.clean(f"Enter alone is as the last time: {where}")))
            )
        name = await login.ask_name(screen, self._options.name, scripted, first)
        offered = next((it for it in known if it.name == name), known[0] if known else None)
        host, port = await login.ask_address(screen, self._options, scripted, offered)
        if offered is not None and (offered.host, offered.port) == (host, port):
            self._options = with_known_tls(self._options, offered)
        controller = Controller(
            self._reactor, screen, self._options, host, port, self._ended_because, scripted
        )
        try:
            await controller.session.open_connection()
        except Lost as lost:
            raise unreachable(host, port, lost) from None
        self._controller = controller
        await login.log_in(controller, screen, name, scripted, password)
        self._server = RememberedServer(
            host, port, "", None, self._options.tls, self._options.trust
        )
        self._remember_server()
        controller.transfers.resume_unfinished()
        return controller

    def _recall_server(self) -> None:
        """Go where one was last, unless the command line says more."""
        if self._settings is None:
            return
        try:
            servers = self._settings.servers()
        except Refusal as refusal:
            self._screen.show(textformat.refusal(refusal))
            self._settings = None
            return
        if self._options.ask:
            self._known = servers
            return
        recalled = fill_in(self._options, servers)
        if recalled is not self._options:
            self._options = recalled
            where = f"{recalled.host}:{recalled.port} as {recalled.name}"
            self._screen.show(
                textformat.event(Notice(names.clean(f"Going to {where}; --ask asks.")))
            )

    def _remember_server(self) -> None:
        """Remember where one is. Who cannot is told, and that is all."""
        if self._settings is None or self._controller is None or self._server is None:
            return
        here = self._controller.session.state
        room = here.current_room or self._options.room
        try:
            self._settings.remember(replace(self._server, name=here.name, room=room))
        except Refusal as refusal:
            self._settings = None
            self._screen.show(textformat.refusal(refusal))

    async def _join_first_room(self, controller: Controller) -> None:
        if self._options.room is not None and await controller.join(self._options.room):
            return
        if self._options.room is not None and self._scripted:
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
        self._screen.show(textformat.refusal(Refusal(Code.SERVER_ERROR, sentence)))

    def _ended_because(self, sentence: str) -> None:
        self._fail(sentence)
        self.interrupt()

    async def _finish(self) -> None:
        """Wait until all that was said is stored, and all files have moved."""
        if self._controller is None or self._interrupted or self._status:
            return
        transfers = self._controller.transfers
        if transfers.count and self._screen.interactive:
            self._controller.notify(
                f"Waiting for {_count(transfers.count, 'file')}; Ctrl+C leaves now."
            )
        watching = OutageWatch(self._reactor, self._controller.session, self._server_stays_away)
        watching.start()
        try:
            await transfers.when_finished()
            await self._controller.session.all_acknowledged()
        finally:
            watching.stop()

    def _server_stays_away(self) -> None:
        self._fail("The server does not come back.", ExitStatus.UNAVAILABLE)
        self.interrupt()

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


def _make_screen(reactor: Any, options: ClientOptions, at_terminal: bool) -> Screen:
    if at_terminal:
        from chatservice.client.terminalscreen import TerminalScreen

        return TerminalScreen(options.bell)
    return PipeScreen(reactor, stdin=0, stdout=1)


def run(arguments: list[str] | None = None) -> NoReturn:
    """Run the program: the entry point of `chat-client`. Ends with its exit status."""
    shows = _open_closed()
    options = parse(arguments)
    if options.completion is not None:
        sys.exit(_print(completion_script(make_parser(), options.completion).encode()))
    if not shows and options.action is None:  # one may talk without looking
        os.dup2(os.open(os.devnull, os.O_RDWR), 1)
    settings = Settings(settings_folder())
    types = os.isatty(0)
    able = os.environ.get("TERM", DUMB_TERMINALS[0]) not in DUMB_TERMINALS
    at_terminal = system.POSIX and types and os.isatty(1) and able and options.action is None
    if at_terminal:  # the one reactor on which the line of input can be edited
        from twisted.internet import asyncioreactor

        asyncio.set_event_loop(loop := asyncio.new_event_loop())
        asyncioreactor.install(loop)
    from twisted.internet import reactor

    use_monotonic(reactor)
    if options.action is not None:
        sys.exit(_run_reactor(reactor, Script(reactor, options, settings)))
    scripted = not types and options.name is not None
    remembering = settings if at_terminal else None
    screen = _make_screen(reactor, options, at_terminal)
    client = ChatProgram(reactor, options, screen, scripted, remembering)
    sys.exit(_run_reactor(reactor, client))


def _open_closed() -> bool:
    """Where somebody has closed input or output, put something there: else the next thing that is
    opened would be taken for it. Return whether there is standard output; if not, to write there
    fails."""
    shows = True
    for descriptor, how in ((0, os.O_RDWR), (1, os.O_RDONLY), (2, os.O_RDWR)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, how)  # it gets the lowest number that is free
            shows = shows and descriptor != 1
    return shows


def _print(data: bytes) -> ExitStatus:
    """Write to standard output. Return the exit status."""
    why = write_all(1, data)
    if why is None:
        return ExitStatus.DONE
    _complain(output_error(why))
    return ExitStatus.UNWRITABLE


def _complain(sentence: str) -> None:
    write_all(2, f"chat-client: {names.clean(sentence)}\n".encode())


def _run_reactor(reactor: Any, client: ChatProgram | Script) -> int:
    statuses: list[int] = []
    ended: Deferred[None] = Deferred()

    def crashed(failure: Failure) -> None:
        statuses.append(ExitStatus.SOFTWARE)
        failure.printTraceback(file=sys.stderr)

    def stop(_: Any) -> None:
        ended.callback(None)
        if not stopping:
            reactor.stop()

    stopping: list[bool] = []

    def interrupted() -> "Deferred[None]":
        stopping.append(True)
        client.interrupt()
        return ended

    def begin() -> None:
        running = Deferred.fromCoroutine(client.run())
        running.addCallbacks(statuses.append, crashed).addBoth(stop)

    reactor.addSystemEventTrigger("before", "shutdown", interrupted)
    reactor.callWhenRunning(begin)
    reactor.run()
    return statuses[0] if statuses else 0


if __name__ == "__main__":
    run()
