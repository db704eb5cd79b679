"""The questions at the start: name, server, password and room, if the command line lacks them."""

from dataclasses import dataclass, replace

from chatservice import names
from chatservice.client import typedlines
from chatservice.client.clientoptions import ClientOptions, port
from chatservice.client.controller import Controller
from chatservice.client.jsonconnection import BadReply, Lost, NotAChatServer
from chatservice.client.questions import is_cancelled
from chatservice.client.screen import Screen
from chatservice.client.settings import RememberedServer
from chatservice.errors import Code, Refusal
from chatservice.grammar import textformat

NAME = "Your name: "
PASSWORD = "Password: "
DEFAULT_HOST, DEFAULT_PORT = "localhost", "5555"
ROOM = "Room (its name or number, NEW for a new one, Enter for the lobby): "

_QUERIES = frozenset({None, "help", "rooms", "who", "topic", "history", "files", "link"})
"""Commands after which the user is asked for a room again; None stands for a refused line."""

_ROOMS_LISTED = 12
"""Rooms that are listed above the question for a room: half a terminal of 24 lines."""


async def ask_name(
    screen: Screen, given: str | None, scripted: bool, offered: str | None = None
) -> str:
    """Return a valid name: the `given` one, a typed one, or for an empty line the `offered` one.

    With `scripted`, raises `Refusal` if the given name is not valid.
    """
    while True:
        text = given if given is not None else await screen.read_line(NAME) or offered or ""
        try:
            return names.user(text)
        except Refusal as refusal:
            if scripted:
                raise
            screen.show(textformat.refusal(refusal))
            given = None


async def ask_address(
    screen: Screen, options: ClientOptions, scripted: bool, offered: RememberedServer | None = None
) -> tuple[str, int]:
    """Return the server's host and port.

    An empty line takes those of the `offered` server, or the default ones.
    """
    host, number = options.host, options.port
    usual = (offered.host, str(offered.port)) if offered else (DEFAULT_HOST, DEFAULT_PORT)
    if host is None:
        host = DEFAULT_HOST if scripted else await screen.read_line(f"Host [{usual[0]}]: ")
    while number is None:
        text = DEFAULT_PORT if scripted else await screen.read_line(f"Port [{usual[1]}]: ")
        try:
            number = port(text.strip() or usual[1])
        except ValueError as error:
            screen.show(textformat.refusal(Refusal(Code.BAD_ARGUMENT, str(error))))
    return host.strip() or usual[0], number


async def log_in(
    controller: Controller, screen: Screen, name: str, scripted: bool, password: str | None = None
) -> None:
    """Log in, and ask for another name or password until the server accepts them.

    Raises `Lost` if the server cannot be reached, and with `scripted`, `Refusal` if the server
    refuses the name or the password.
    """
    try:
        await _Login(controller, screen, name, scripted, password, password).run()
    finally:
        screen.end_question()


@dataclass
class _Login:
    """Attempts to log in, each with another name or password."""

    _controller: Controller
    _screen: Screen
    _name: str
    _scripted: bool
    _given: str | None
    _password: str | None
    _recalled: str | None = None

    async def run(self) -> None:
        broke = False
        while True:
            try:
                await self._attempt()
                return
            except (NotAChatServer, BadReply):
                raise
            except Lost:
                if broke:  # the first time, the user may have taken too long to answer
                    raise
                broke = True
                await self._controller.session.open_connection()
            except Refusal as refusal:
                broke = False
                await self._change(refusal)

    async def _attempt(self) -> None:
        reply = await self._controller.session.log_in(self._name, self._password)
        self._controller.answered(reply)
        if self._password not in (None, self._given, self._recalled):
            await self._controller.save_password(self._password)

    async def _change(self, refusal: Refusal) -> None:
        """Take another password or name after a refusal. Raise it if nobody can be asked."""
        tried = self._password
        was_given = tried is not None and tried == self._given
        if refusal.code is Code.TLS_NEEDED or (self._scripted and was_given):
            raise refusal
        if tried is None and refusal.code is Code.PASSWORD_NEEDED and self._recalled is None:
            self._password = self._recalled = await self._controller.keyring.recall(self._name)
            if self._password is not None:
                return
        self._password = await self._ask_password(refusal, tried is not None)
        if self._password is None:
            await self._change_name(refusal, tried is not None)

    async def _ask_password(self, refusal: Refusal, tried: bool) -> str | None:
        """Return a password to try, or None if a password does not help, or the user cancels."""
        if refusal.code is Code.PASSWORD_NEEDED:
            sentence = f"{self._name} is a registered name; press Enter alone to take another."
            self._controller.notify(sentence)
        elif refusal.code is Code.WRONG_PASSWORD or (tried and refusal.code is Code.SLOW_DOWN):
            self._controller.refused(refusal)
        else:
            return None
        answer = await self._screen.read_line(PASSWORD, hidden=True, hold=True)
        return None if is_cancelled(answer) else answer

    async def _change_name(self, refusal: Refusal, tried: bool) -> None:
        if self._scripted:
            raise refusal
        if not tried or refusal.code is not Code.PASSWORD_NEEDED:
            self._controller.refused(refusal)
        self._screen.end_question()
        self._name = await ask_name(self._screen, None, self._scripted)
        self._recalled = None


async def ask_room(controller: Controller, screen: Screen) -> None:
    """Ask in the lobby for a room, and join it.

    A line that cannot be a room's name is run as usual: users who just begin to talk are heard in
    the lobby, and are not asked again.
    """
    await _list_rooms(controller)
    while not controller.leaving:
        line = await screen.read_line(ROOM)
        if not line.strip():
            return
        if typedlines.could_be_room(line):
            if await controller.join(line.strip(), bare=line.strip()):
                return
        elif await controller.run_line(line) not in _QUERIES:
            return


async def _list_rooms(controller: Controller) -> None:
    """Show the rooms with most users, as many as leave the question on the screen."""
    try:
        reply = await controller.session.ask("rooms")
    except Refusal as refusal:
        controller.refused(refusal)
        return
    rooms = sorted(reply.rooms, key=lambda room: room.users, reverse=True)[:_ROOMS_LISTED]
    controller.answered(replace(reply, rooms=tuple(sorted(rooms, key=lambda room: room.number))))
    more = len(reply.rooms) - _ROOMS_LISTED
    if more > 0:
        controller.notify(f"and {more} more; /rooms lists all of them.")
