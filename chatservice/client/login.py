"""What is asked because the command line does not say it: who one is, where, and which room."""

from dataclasses import replace

from chatservice import names
from chatservice.client import typedlines
from chatservice.client.clientoptions import ClientOptions, port
from chatservice.client.controller import Controller
from chatservice.client.jsonconnection import BadAnswer, Lost, NotAChatServer
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
"""Commands that do not tell where one wants to be; nor does what was refused."""


async def ask_name(
    screen: Screen, given: str | None, scripted: bool, offered: str | None = None
) -> str:
    """Return a name that a user can have; the one that is `offered`, for who types none. Raises
    `Refusal` for one that a script gave."""
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
    """Return the server's host and port; those of the server that is `offered`, or the usual ones,
    for who types none."""
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
    controller: Controller, screen: Screen, wanted: str, scripted: bool, given: str | None = None
) -> None:
    """Say who one is until the server agrees; first with the password that was `given`, if one was.
    Raises `Refusal` for the name and the password that a script gave, and `Lost` where the server
    cannot be reached."""
    try:
        await _log_in(controller, screen, wanted, scripted, given)
    finally:
        screen.end_question()


async def _log_in(
    controller: Controller, screen: Screen, wanted: str, scripted: bool, given: str | None
) -> None:
    password, broke, recalled = given, False, None
    while True:
        try:
            controller.answered(await controller.session.sign_in(wanted, password))
            if password not in (None, given, recalled):
                await controller.save_password(password)
            return
        except (NotAChatServer, BadAnswer):
            raise
        except Lost:
            if broke:  # it was not just that somebody took long to answer
                raise
            broke = True
            await controller.session.open_connection()
        except Refusal as refusal:
            broke = False
            was_given = password is not None and password == given
            if refusal.code is Code.TLS_NEEDED or (scripted and was_given):
                raise
            asked = password
            if asked is None and refusal.code is Code.PASSWORD_NEEDED and recalled is None:
                password = recalled = await controller.keyring.recall(wanted)
                if password is not None:
                    continue
            password = await _ask_password(controller, screen, wanted, refusal, asked is not None)
            if password is None:
                if scripted:
                    raise
                if asked is None or refusal.code is not Code.PASSWORD_NEEDED:
                    controller.refused(refusal)
                screen.end_question()
                wanted, recalled = await ask_name(screen, None, scripted), None


async def _ask_password(
    controller: Controller, screen: Screen, wanted: str, refusal: Refusal, tried: bool
) -> str | None:
    """Return a password to try, if that is what is missing, and somebody knows it. `tried` says
    that one was tried before."""
    if refusal.code is Code.PASSWORD_NEEDED:
        controller.notify(f"{wanted} is a registered name; Enter alone takes another one.")
    elif refusal.code is Code.WRONG_PASSWORD or (tried and refusal.code is Code.SLOW_DOWN):
        controller.refused(refusal)
    else:
        return None
    answer = await screen.read_line(PASSWORD, hidden=True, hold=True)
    return None if is_cancelled(answer) else answer


async def ask_room(controller: Controller, screen: Screen) -> None:
    """Ask which room to go to, from the lobby, and go there.

    What cannot be a room is talk, or a command: somebody who does not care about rooms and begins
    to talk is heard in the lobby, and is asked no more.
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
    """Show the rooms, as many as leave the question in sight: those first in which most are."""
    try:
        it = await controller.session.ask("rooms")
    except Refusal as refusal:
        controller.refused(refusal)
        return
    rooms = sorted(it.rooms, key=lambda room: room.users, reverse=True)[:_LISTED]
    controller.answered(replace(it, rooms=tuple(sorted(rooms, key=lambda room: room.number))))
    if len(it.rooms) > _LISTED:
        controller.notify(f"and {len(it.rooms) - _LISTED} more; /rooms lists all of them.")


_LISTED = 12
"""Rooms that are listed above the question for one: half a terminal of 24 lines."""
