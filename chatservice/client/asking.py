"""What is asked because the command line does not say it: who one is, where, and which room."""

from dataclasses import replace

from chatservice import names
from chatservice.client import sending
from chatservice.client.answering import given_up
from chatservice.client.connection import Lost, NotAChat, Strange
from chatservice.client.options import Options, port
from chatservice.client.person import Person
from chatservice.client.screen import Screen
from chatservice.client.settings import Server
from chatservice.errors import Code, Refusal
from chatservice.grammar import textformat, textparser

NAME = "Your name: "
PASSWORD = "Password: "
DEFAULT_HOST, DEFAULT_PORT = "localhost", "5555"
ROOM = "Room (its name or number, NEW for a new one, Enter for the lobby): "

_LOOKING = frozenset({None, "help", "rooms", "who", "topic", "history", "files", "link"})
"""Commands that do not tell where one wants to be; nor does what was refused."""


async def name(
    screen: Screen, given: str | None, scripted: bool, offered: str | None = None
) -> str:
    """Return a name that a user can have; the one that is `offered`, for who types none. Raises
    `Refusal` for one that a script gave."""
    while True:
        text = given if given is not None else await screen.line(NAME) or offered or ""
        try:
            return names.user(text)
        except Refusal as refusal:
            if scripted:
                raise
            screen.show(textformat.refusal(refusal))
            given = None


async def place(
    screen: Screen, options: Options, scripted: bool, offered: Server | None = None
) -> tuple[str, int]:
    """Return the server's host and port; those of the server that is `offered`, or the usual ones,
    for who types none."""
    host, number = options.host, options.port
    usual = (offered.host, str(offered.port)) if offered else (DEFAULT_HOST, DEFAULT_PORT)
    if host is None:
        host = DEFAULT_HOST if scripted else await screen.line(f"Host [{usual[0]}]: ")
    while number is None:
        text = DEFAULT_PORT if scripted else await screen.line(f"Port [{usual[1]}]: ")
        try:
            number = port(text.strip() or usual[1])
        except ValueError as error:
            screen.show(textformat.refusal(Refusal(Code.BAD_ARGUMENT, str(error))))
    return host.strip() or usual[0], number


async def enter(
    person: Person, screen: Screen, wanted: str, scripted: bool, given: str | None = None
) -> None:
    """Say who one is until the server agrees; first with the password that was `given`, if one was.
    Raises `Refusal` for the name and the password that a script gave, and `Lost` where the server
    cannot be reached."""
    try:
        await _enter(person, screen, wanted, scripted, given)
    finally:
        screen.unask()


async def _enter(
    person: Person, screen: Screen, wanted: str, scripted: bool, given: str | None
) -> None:
    password, broke, recalled = given, False, None
    while True:
        try:
            person.answered(await person.session.enter(wanted, password))
            if password not in (None, given, recalled):
                await person.keep_password(password)
            return
        except (NotAChat, Strange):
            raise
        except Lost:
            if broke:  # it was not just that somebody took long to answer
                raise
            broke = True
            await person.session.open()
        except Refusal as refusal:
            broke = False
            was_given = password is not None and password == given
            if refusal.code is Code.TLS_NEEDED or (scripted and was_given):
                raise
            asked = password
            if asked is None and refusal.code is Code.PASSWORD_NEEDED and recalled is None:
                password = recalled = await person.keyring.recall(wanted)
                if password is not None:
                    continue
            password = await _password(person, screen, wanted, refusal, asked is not None)
            if password is None:
                if scripted:
                    raise
                if asked is None or refusal.code is not Code.PASSWORD_NEEDED:
                    person.refused(refusal)
                screen.unask()
                wanted, recalled = await name(screen, None, scripted), None


async def _password(
    person: Person, screen: Screen, wanted: str, refusal: Refusal, tried: bool
) -> str | None:
    """Return a password to try, if that is what is missing, and somebody knows it. `tried` says
    that one was tried before."""
    if refusal.code is Code.PASSWORD_NEEDED:
        person.tell(f"{wanted} is a registered name; Enter alone takes another one.")
    elif refusal.code is Code.WRONG_PASSWORD or (tried and refusal.code is Code.SLOW_DOWN):
        person.refused(refusal)
    else:
        return None
    answer = await screen.line(PASSWORD, hidden=True, hold=True)
    return None if given_up(answer) else answer


async def room(person: Person, screen: Screen) -> None:
    """Ask which room to go to, from the lobby, and go there.

    What cannot be a room is talk, or a command: somebody who does not care about rooms and begins
    to talk is heard in the lobby, and is asked no more.
    """
    await _list(person)
    while not person.leaving:
        line = await screen.line(ROOM)
        if not line.strip():
            return
        if could_be_room(line):
            if await person.go(line.strip(), bare=line.strip()):
                return
        elif await person.obey(line) not in _LOOKING:
            return


async def _list(person: Person) -> None:
    """Show the rooms, as many as leave the question in sight: those first in which most are."""
    try:
        it = await person.session.ask("rooms")
    except Refusal as refusal:
        person.refused(refusal)
        return
    rooms = sorted(it.rooms, key=lambda room: room.users, reverse=True)[:_LISTED]
    person.answered(replace(it, rooms=tuple(sorted(rooms, key=lambda room: room.number))))
    if len(it.rooms) > _LISTED:
        person.tell(f"and {len(it.rooms) - _LISTED} more; /rooms lists all of them.")


_LISTED = 12
"""Rooms that are listed above the question for one: half a terminal of 24 lines."""


def could_be_room(line: str) -> bool:
    """Return whether a line can be meant as the name or the number of a room."""
    if len(line.split()) > 1:
        return False
    try:
        if sending.asked_for(line) is not None:
            return False
        request = textparser.parse(line.strip())
    except Refusal:
        return False
    return request is not None and request.args.get("text") == line.strip()
