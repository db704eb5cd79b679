"""A run of `chat-client` with a user, or a pipe, at its screen: log in, talk, leave."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, TimeoutError

from chatservice import names
from chatservice.client import clientoptions, clientpasswords, typedlines
from chatservice.client.clientoptions import DEFAULT_HOST, DEFAULT_PORT, ClientOptions, ExitStatus
from chatservice.client.connectors import server_address
from chatservice.client.controller import Controller
from chatservice.client.jsonconnection import BadReply, Lost, NotAChatServer
from chatservice.client.screen import InputEnded, Screen
from chatservice.client.scripts import GOODBYE_SECONDS, OUTAGE_SECONDS
from chatservice.client.settings import RememberedServer, Settings, fill_in, with_known_tls
from chatservice.errors import Code, Refusal

NAME = "Your name: "
PASSWORD = "Password: "
ROOM = "Room (its name or number, NEW for a new one, Enter for the lobby): "
WELCOME = "What you type is said to everybody here; /help lists the commands."

_QUERIES = frozenset({None, "help", "rooms", "who", "topic", "history", "files", "link"})
"""Commands after which the user is asked for a room again; None stands for a refused line."""

_ROOMS_LISTED = 12
"""Rooms that are listed above the question for a room: half a terminal of 24 lines."""


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
        self._logged_in = False
        self._first_start = False
        self._status = ExitStatus.DONE

    async def run(self) -> ExitStatus:
        """Talk until the user leaves. Return the exit status."""
        self._screen.start(self.interrupt)
        try:
            await self._until_interrupted(self._talk())
            await self._until_interrupted(self._finish())
        finally:
            await self._close()
            await self._screen.close()
        return clientoptions.status_of_output(self._screen.write_error, self._status)

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

    async def _talk(self) -> None:
        try:
            password = clientpasswords.given_password(self._options.password_file)
            await self._choose_server()
            screen, options = self._screen, self._options
            controller = Controller(self._reactor, screen, options, self._dismissed, self._scripted)
            await controller.session.open_connection()
            self._controller = controller
            try:
                await self._log_in(controller, password)
            finally:
                self._screen.end_question()
            self._logged_in = True
            self._remember_server()
            controller.transfers.resume_unfinished()
            await self._join_first_room(controller)
            if self._first_start and self._screen.first_hint:
                self._screen.notify(self._screen.first_hint)
            if self._screen.shows_all_rooms and controller.session.state.registered:
                await controller.session.rooms.join_kept()
                self._screen.show_rooms()
            while not controller.leaving:
                await controller.run_line(await self._screen.read_line())
        except InputEnded:
            if self._controller is None and not self._screen.interactive:
                self._status = ExitStatus.REFUSED
        except Refusal as refusal:
            self._fail(refusal.sentence, clientoptions.status_of(refusal))
        except Lost as lost:
            self._fail(str(lost), clientoptions.status_of(lost))

    # -- name and server -------------------------------------------------------------------------

    async def _choose_server(self) -> None:
        """Complete the options with a name, a host and a port, and the TLS settings known for
        them."""
        known = self._recall_servers()
        last = known[0] if known else None
        if last is not None:
            where = f"{last.name} at {server_address(last.host, last.port)}"
            self._screen.notify(f"Press Enter alone to be {where} again.")
        name = await self._ask_name(self._options.name, last.name if last is not None else "")
        offered = next((it for it in known if it.name == name), last)
        host, number = await self._ask_address(offered)
        if offered is not None and (offered.host, offered.port) == (host, number):
            self._options = with_known_tls(self._options, offered)
        self._options = replace(self._options, name=name, host=host, port=number)

    def _recall_servers(self) -> Sequence[RememberedServer]:
        """Take the last server from the settings, unless the command line names one. With `--ask`,
        return the known servers instead."""
        try:
            servers = self._settings.servers() if self._settings is not None else []
        except Refusal as refusal:
            self._screen.refuse(refusal)
            self._settings = None
            return ()
        self._first_start = not servers
        if self._options.ask:
            return servers
        recalled = fill_in(self._options, servers)
        if recalled is not self._options:
            self._options = recalled
            where = f"{recalled.host}:{recalled.port} as {recalled.name}"
            self._screen.notify(f"Going to {where}; --ask asks.")
        return ()

    async def _ask_name(self, given: str | None, offered: str = "") -> str:
        """Return a valid name: the `given` one, a typed one, or for an empty line the `offered`
        one. Raises `Refusal` if nobody can be asked for another."""
        while True:
            text = given if given is not None else await self._screen.read_line(NAME) or offered
            try:
                return names.user(text)
            except Refusal as refusal:
                if self._scripted:
                    raise
                self._screen.refuse(refusal)
                given = None

    async def _ask_address(self, offered: RememberedServer | None) -> tuple[str, int]:
        """Return the server's host and port. An empty line takes those of the `offered` server, or
        the default ones."""
        host, number = self._options.host, self._options.port
        usual = (offered.host, offered.port) if offered else (DEFAULT_HOST, DEFAULT_PORT)
        if host is None:
            host = "" if self._scripted else await self._screen.read_line(f"Host [{usual[0]}]: ")
        while number is None:
            text = "" if self._scripted else await self._screen.read_line(f"Port [{usual[1]}]: ")
            try:
                number = clientoptions.port(text.strip() or str(usual[1]))
            except ValueError as error:
                self._screen.refuse(Refusal(Code.BAD_ARGUMENT, str(error)))
        return host.strip() or usual[0], number

    def _remember_server(self) -> None:
        """Remember the server, the name and the room. An error is shown, and does no harm."""
        if self._settings is None or self._controller is None or not self._logged_in:
            return
        state, options = self._controller.session.state, self._options
        server = RememberedServer(
            host=options.host or "",
            port=options.port or 0,
            name=state.name,
            room=state.current_room or options.room,
            tls=options.tls,
            trust=options.trust,
        )
        try:
            self._settings.remember(server)
        except Refusal as refusal:
            self._settings = None
            self._screen.refuse(refusal)

    # -- logging in ------------------------------------------------------------------------------

    async def _log_in(self, controller: Controller, given: str | None) -> None:
        """Log in with the password that was `given`, one of the keyring, or a typed one, and ask
        for another name or password until the server accepts them.

        Raises `Lost` if the server cannot be reached, and for a script, `Refusal` if the server
        refuses the name or the password.
        """
        name, password, recalled, broke = self._options.name or "", given, None, False
        while True:
            try:
                controller.answered(await controller.session.log_in(name, password))
                break
            except (NotAChatServer, BadReply):
                raise
            except Lost:
                if broke:  # the first time, the user may have taken too long to answer
                    raise
                broke = True
                await controller.session.open_connection()
            except Refusal as refusal:
                broke = False
                was_given = given is not None and password == given
                if refusal.code is Code.TLS_NEEDED or (self._scripted and was_given):
                    raise
                if refusal.code is Code.PASSWORD_NEEDED and not password and not recalled:
                    password = recalled = await controller.keyring.recall(name)
                    if password is not None:
                        continue
                password = await self._ask_password(name, refusal, bool(password))
                if password is None:
                    name, recalled = await self._ask_name(None), None
        if password not in (None, given, recalled):
            await controller.save_password(password)

    async def _ask_password(self, name: str, refusal: Refusal, tried: bool) -> str | None:
        """Return a password to try, or None if a password does not help, or the user cancels. For
        a script, raise the refusal then."""
        answer = None
        needed, wrong = refusal.code is Code.PASSWORD_NEEDED, refusal.code is Code.WRONG_PASSWORD
        if needed or wrong or (tried and refusal.code is Code.SLOW_DOWN):
            if needed:
                hint = f"{name} is a registered name; press Enter alone to take another."
                self._screen.notify(hint)
            else:
                self._screen.refuse(refusal)
            answer = await self._screen.ask(PASSWORD, hidden=True)
        if answer is None:
            if self._scripted:
                raise clientpasswords.no_password(name) if needed else refusal
            if not (tried and needed):
                self._screen.refuse(refusal)
            self._screen.end_question()
        return answer

    # -- the first room --------------------------------------------------------------------------

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
            await self._list_rooms(controller)
            await self._ask_room(controller)
            if not controller.leaving:
                self._screen.notify(WELCOME)

    async def _list_rooms(self, controller: Controller) -> None:
        """Show the rooms with most users, as many as leave the question on the screen."""
        try:
            reply = await controller.session.ask("rooms")
        except Refusal as refusal:
            self._screen.refuse(refusal)
            return
        most = sorted(reply.rooms, key=lambda room: room.users, reverse=True)[:_ROOMS_LISTED]
        shown = tuple(sorted(most, key=lambda room: room.number))
        self._screen.show_reply(replace(reply, rooms=shown))
        if len(reply.rooms) > _ROOMS_LISTED:
            more = len(reply.rooms) - _ROOMS_LISTED
            self._screen.notify(f"and {more} more; /rooms lists all of them.")

    async def _ask_room(self, controller: Controller) -> None:
        """Ask in the lobby for a room, and join it.

        A line that cannot be a room's name is run as usual: users who just begin to talk are heard
        in the lobby, and are not asked again.
        """
        while not controller.leaving:
            line = await self._screen.read_line(ROOM)
            if not line.strip():
                return
            if typedlines.could_be_room(line):
                if await controller.join(line.strip(), bare=line.strip()):
                    return
            elif await controller.run_line(line) not in _QUERIES:
                return

    # -- leaving ---------------------------------------------------------------------------------

    def _fail(self, sentence: str, status: ExitStatus = ExitStatus.REFUSED) -> None:
        self._status = status
        self._screen.refuse(Refusal(Code.SERVER_ERROR, sentence))

    def _dismissed(self, why: Lost) -> None:
        self._fail(str(why), clientoptions.status_of(why))
        self.interrupt()

    async def _finish(self) -> None:
        """Wait until all texts are stored and all transfers are finished."""
        if self._controller is None or self._interrupted or self._status:
            return
        transfers = self._controller.transfers
        if transfers.count and self._screen.interactive:
            self._screen.notify(
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
        self._screen.tell_read()
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
