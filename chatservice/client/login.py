"""The questions at the start: name, server, password and room, if the command line lacks them."""

from dataclasses import replace

from chatservice import names
from chatservice.client import typedlines
from chatservice.client.clientoptions import ClientOptions, port
from chatservice.client.controller import Controller
from chatservice.client.jsonconnection import BadReply, Lost, NotAChatServer
from chatservice.client.screen import Screen
from chatservice.client.settings import RememberedServer
from chatservice.errors import Code, Refusal

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
            screen.refuse(refusal)
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
            screen.refuse(Refusal(Code.BAD_ARGUMENT, str(error)))
    return host.strip() or usual[0], number


async def log_in(
    controller: Controller, screen: Screen, name: str, scripted: bool, given: str | None = None
) -> None:
    """Log in with the password that was `given`, one of the keyring, or a typed one, and ask for
    another name or password until the server accepts them.

    Raises `Lost` if the server cannot be reached, and with `scripted`, `Refusal` if the server
    refuses the name or the password.
    """
    password, recalled, broke = given, None, False
    try:
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
                if refusal.code is Code.TLS_NEEDED or (scripted and password and password == given):
                    raise
                if refusal.code is Code.PASSWORD_NEEDED and not password and not recalled:
                    password = recalled = await controller.keyring.recall(name)
                    if password is not None:
                        continue
                tried = password is not None
                password = await _ask_password(controller, screen, name, refusal, tried)
                if password is None:
                    if scripted:
                        raise
                    if not tried or refusal.code is not Code.PASSWORD_NEEDED:
                        controller.refused(refusal)
                    screen.end_question()
                    name, recalled = await ask_name(screen, None, scripted), None
        if password not in (None, given, recalled):
            await controller.save_password(password)
    finally:
        screen.end_question()


async def _ask_password(
    controller: Controller, screen: Screen, name: str, refusal: Refusal, tried: bool
) -> str | None:
    """Return a password to try, or None if a password does not help, or the user cancels."""
    if refusal.code is Code.PASSWORD_NEEDED:
        controller.notify(f"{name} is a registered name; press Enter alone to take another.")
    elif refusal.code is Code.WRONG_PASSWORD or (tried and refusal.code is Code.SLOW_DOWN):
        controller.refused(refusal)
    else:
        return None
    return await screen.ask(PASSWORD, hidden=True)


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
