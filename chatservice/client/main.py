"""`chat-client`: the program."""

import asyncio
import os
import sys
from contextlib import suppress
from typing import Any, NoReturn

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from chatservice import names
from chatservice.client import asking
from chatservice.client.connection import Lost
from chatservice.client.options import Options, parse
from chatservice.client.person import Person
from chatservice.client.screen import InputEnded, Screen
from chatservice.errors import Code, Refusal
from chatservice.grammar import shown

GOODBYE_SECONDS = 2.0
"""How long who leaves at once waits for the server to have stored what was said."""

ALONE_SECONDS = 60.0
"""How long who has said everything waits for a server that is not there."""

DUMB = ("dumb", "unknown", "")
"""What `TERM` is where a line that was written can not be changed any more."""

WELCOME = "What you type is said to everybody here; /help lists the commands."


class Client:
    """One run of the program. `scripted` says that nothing may be asked."""

    def __init__(self, reactor: Any, options: Options, screen: Screen, scripted: bool) -> None:
        self._reactor = reactor
        self._options = options
        self._screen = screen
        self._scripted = scripted
        self._person: Person | None = None
        self._working: Deferred[None] | None = None
        self._at_once = False
        self._alone = 0
        self._status = 0

    async def run(self) -> int:
        """Talk until one leaves. Return the exit status."""
        self._screen.start(self.interrupt)
        try:
            await self._until_interrupted(self._talk())
            await self._until_interrupted(self._finish())
        finally:
            await self._leave()
            await self._screen.close()
        return self._status

    async def _until_interrupted(self, work: Any) -> None:
        self._working = Deferred.fromCoroutine(work)
        with suppress(CancelledError):
            await self._working

    def interrupt(self) -> None:
        """Leave at once. What calls this may be the very work that is to end: it returns first."""
        if not self._at_once:
            self._at_once = True
            self._reactor.callLater(0, self._stop_working)

    def _stop_working(self) -> None:
        if self._working is not None:
            self._working.cancel()

    # -- arriving --------------------------------------------------------------------------------

    async def _talk(self) -> None:
        try:
            person = await self._arrive()
            await self._find_room(person)
            while not person.leaving:
                await person.obey(await self._screen.line())
        except InputEnded:
            if self._person is None and not self._screen.interactive:
                self._status = 1
        except Refusal as refusal:
            self._fail(refusal.sentence)
        except Lost as lost:
            self._fail(str(lost))

    async def _arrive(self) -> Person:
        screen, scripted = self._screen, self._scripted
        name = await asking.name(screen, self._options.name, scripted)
        host, port = await asking.place(screen, self._options, scripted)
        person = Person(
            self._reactor, screen, self._options, host, port, self._ended_because, scripted
        )
        try:
            await person.session.open()
        except Lost as lost:
            raise Lost(
                f"{host}:{port} cannot be reached ({lost}); check the host and the port."
            ) from None
        self._person = person
        await asking.enter(person, screen, name, scripted)
        person.transfers.go_on()
        return person

    async def _find_room(self, person: Person) -> None:
        if self._options.room is not None and await person.go(self._options.room):
            return
        if self._options.room is not None and self._scripted:
            self._status = 1
            person.leaving = True
            return
        await person.go(names.LOBBY)
        if not self._scripted:
            await asking.room(person, self._screen)
            if not person.leaving:
                person.tell(WELCOME)

    # -- leaving ---------------------------------------------------------------------------------

    def _fail(self, sentence: str) -> None:
        self._status = 1
        self._screen.show(shown.refusal(Refusal(Code.SERVER_ERROR, sentence)))

    def _ended_because(self, sentence: str) -> None:
        self._fail(sentence)
        self.interrupt()

    async def _finish(self) -> None:
        """Wait until all that was said is stored, and all files have moved."""
        if self._person is None or self._at_once or self._status:
            return
        transfers = self._person.transfers
        if transfers.count and self._screen.interactive:
            self._person.tell(f"Waiting for {_count(transfers.count, 'file')}; Ctrl+C leaves now.")
        watching = LoopingCall(self._look_for_server, self._person)
        watching.clock = self._reactor
        watching.start(ALONE_SECONDS / 4)
        try:
            await transfers.finished()
            await self._person.session.acknowledged()
        finally:
            watching.stop()

    def _look_for_server(self, person: Person) -> None:
        self._alone = 0 if person.session.connected else self._alone + 1
        if self._alone > 4:
            self._fail("The server does not come back.")
            self.interrupt()

    async def _leave(self) -> None:
        if self._person is None:
            return
        self._person.transfers.stop()
        closing = Deferred.fromCoroutine(self._person.session.close(self._person.farewell))
        closing.addTimeout(GOODBYE_SECONDS, self._reactor)
        with suppress(CancelledError, TimeoutError):
            await closing
        unsaid = len(self._person.session.conversation.unacknowledged)
        if unsaid:
            self._fail(f"{_count(unsaid, 'line')} may not have reached the server.")


def _count(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")


def _screen(reactor: Any, options: Options, at_terminal: bool) -> Screen:
    if at_terminal:
        from chatservice.client.terminal import Terminal

        return Terminal(options.bell)
    from chatservice.client.plain import Plain

    return Plain(reactor, stdin=0, stdout=1)


def run(arguments: list[str] | None = None) -> NoReturn:
    """Run the program: the entry point of `chat-client`. Ends with its exit status."""
    options = parse(arguments)
    _open_closed()
    types = os.isatty(0)
    at_terminal = types and os.isatty(1) and os.environ.get("TERM", DUMB[0]) not in DUMB
    if at_terminal:  # the one reactor on which the line of input can be edited
        from twisted.internet import asyncioreactor

        asyncio.set_event_loop(loop := asyncio.new_event_loop())
        asyncioreactor.install(loop)
    from twisted.internet import reactor

    scripted = not types and options.name is not None
    client = Client(reactor, options, _screen(reactor, options, at_terminal), scripted)
    sys.exit(_run_reactor(reactor, client))


def _open_closed() -> None:
    """Where somebody has closed input or output, put something there: else the next thing that is
    opened would be taken for it."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest number that is free


def _run_reactor(reactor: Any, client: Client) -> int:
    statuses: list[int] = []
    ended: Deferred[None] = Deferred()

    def crashed(failure: Failure) -> None:
        statuses.append(70)  # EX_SOFTWARE of sysexits.h
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
