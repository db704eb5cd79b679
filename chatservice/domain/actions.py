"""What each command does, whichever dialect it came in: the table of commands, in deeds.

An action answers at once or later. What a dialect does in its own way stands in that dialect:
`hello` and `quit`, the bytes of `put` and `get`, and `say` and `me`, which are many and whose
answers are not waited for.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from chatservice import answers, limits, names
from chatservice.domain.chat import Chat
from chatservice.domain.places import Room, Session
from chatservice.domain.ports import Done
from chatservice.domain.tickets import Download
from chatservice.entries import Entry, Kind
from chatservice.errors import Code, Refusal
from chatservice.grammar.commands import Request, help_lines

Args = Mapping[str, Any]
Action = Callable[[Chat, Session, Args], answers.Answer | Awaitable[answers.Answer]]


def talk(chat: Chat, session: Session, request: Request, done: Done | None = None) -> None:
    """`say` and `me`. `done` gets the position, once the entry is stored."""
    room = chat.rooms.of(session, request.args.get("room"))
    kind = Kind.ACTION if request.command.name == "me" else Kind.MESSAGE
    chat.say(session, room, kind, (request.args["text"],), request.args.get("key"), done)


def joined(room: Room, session: Session) -> answers.Joined:
    """What one is told of a room that one has come into."""
    others = tuple(user.name for user in room.users() if user is not session.user)
    return answers.Joined(room.name, room.number, room.topic, others, room.log.last)


async def _join(chat: Chat, session: Session, args: Args) -> answers.Joined:
    room = await chat.rooms.join(session, args["room"], args.get("password"), args.get("after"))
    return joined(room, session)


async def _create(chat: Chat, session: Session, args: Args) -> answers.Joined:
    user = session.needs_user()
    room = await chat.rooms.make(args.get("room"), args.get("password"), user)
    chat.rooms.place(session, room)
    return joined(room, session)


def leave(chat: Chat, session: Session, args: Args) -> answers.Answer:
    """`leave`: a person is in the lobby then."""
    room = chat.rooms.of(session, args.get("room"))
    chat.rooms.leave(session, room)
    return joined(session.here, session) if session.here is not None else answers.Done()


def _rooms(chat: Chat, session: Session, args: Args) -> answers.RoomList:
    return answers.RoomList(
        tuple(
            answers.RoomInfo(
                room.name, room.number, room.topic, len(room.users()), bool(room.password)
            )
            for room in sorted(chat.rooms.by_key.values(), key=lambda room: room.number)
        )
    )


def _who(chat: Chat, session: Session, args: Args) -> answers.Members:
    room = chat.rooms.of(session, args.get("room"))
    room.log.tell_news()  # who left is seen to leave before they are missing here
    users = sorted(room.users(), key=lambda user: user.key)
    return answers.Members(room.name, tuple(answers.Member(u.name, u.away) for u in users))


async def _topic(chat: Chat, session: Session, args: Args) -> answers.Topic:
    room = chat.rooms.of(session, args.get("room"))
    if "text" in args:
        await chat.set_topic(session, room, args["text"])
    return answers.Topic(room.name, room.topic)


async def _msg(chat: Chat, session: Session, args: Args) -> answers.Private:
    seq = await chat.write_to(session, args["to"], args["text"], args.get("key"))
    return answers.Private(seq, args["to"], chat.people.away(args["to"]))


def _away(chat: Chat, session: Session, args: Args) -> answers.Done:
    user = session.needs_user()
    user.away = names.phrase(args.get("text", ""))
    return answers.Done("You are away." if user.away else "You are back.")


def _ignore(chat: Chat, session: Session, args: Args) -> answers.Done:
    name = names.user(args["user"])
    key = names.key(name)
    session.ignored ^= {key}
    if key not in session.ignored:
        return answers.Done(f"You hear {name} again.")
    return answers.Done(f"You do not hear {name} any more; /ignore {name} again to hear them.")


async def _history(chat: Chat, session: Session, args: Args) -> answers.History:
    room = chat.rooms.of(session, args.get("room"))
    after, before = args.get("after"), args.get("before")
    limit = args.get("limit", 20 if after is None else limits.HISTORY_ENTRIES)
    entries = await chat.history(room, after, before, limit)
    return answers.History(room.name, _heard(session, entries))


def _heard(session: Session, entries: Iterable[tuple[int, Entry]]) -> tuple[tuple[int, Entry], ...]:
    return tuple(one for one in entries if names.key(one[1].who) not in session.ignored)


async def _search(chat: Chat, session: Session, args: Args) -> answers.Matches:
    room = chat.rooms.of(session, args.get("room"))
    found = await chat.search(room, args["text"], args.get("before"), args.get("limit", 20))
    return answers.Matches(room.name, _heard(session, found.entries), found.pending)


def _skip(chat: Chat, session: Session, args: Args) -> answers.Done:
    room = chat.rooms.of(session, args.get("room"))
    cursor = session.needs_room(room)
    position, last = cursor.position, room.log.last
    cursor.pass_over(last)
    if position == last:
        return answers.Done("You are up to date.")
    return answers.Done(f"You are up to date now; /history #{position} shows what you skipped.")


async def _files(chat: Chat, session: Session, args: Args) -> answers.FileList:
    shelf = chat.files.shelf(session, args.get("room"))
    name = "@" if args.get("room") == "@" else chat.rooms.of(session, args.get("room")).name
    brief, after = args.get("brief", False), args.get("after", "")
    found = await chat.files.shelves.files(shelf, after, 0 if brief else limits.SHELF_FILES)
    files = tuple(found.files)
    more = 0 if brief else found.following - len(files)
    return answers.FileList(name, found.all, found.bytes, files, brief, more)


async def _versions(chat: Chat, session: Session, args: Args) -> answers.Versions:
    shelf = chat.files.shelf(session, args.get("room"))
    name = "@" if args.get("room") == "@" else chat.rooms.of(session, args.get("room")).name
    found = await chat.files.shelves.versions(shelf, names.file(args["name"]))
    return answers.Versions(name, tuple(found))


async def link(chat: Chat, session: Session, args: Args) -> answers.GetTicket:
    """`link`, and `get` in JSON: a ticket for a file."""
    user = session.needs_user()
    room, name = args.get("room"), args["name"]
    outgoing = chat.files.arriving(session, room, name) if args.get("arriving") else None
    if outgoing is None:
        outgoing = await chat.files.open(session, room, name, args.get("version"))
    outgoing.close()
    mark = outgoing.mark
    right = Download(outgoing.shelf, mark.name, mark.version, mark.sha256, user.name, user.key)
    return answers.GetTicket(
        chat.files.issue(right), mark.name, mark.size, mark.sha256, mark.version
    )


async def put_ticket(chat: Chat, session: Session, args: Args) -> answers.PutTicket:
    """`put` in JSON: a ticket for an upload, unless the content is here already."""
    upload = await chat.files.upload(
        session, args.get("room"), args.get("to"), args["name"], args["size"], args.get("sha256")
    )
    if await chat.files.already_here(session, upload):
        return answers.PutTicket(None, upload.size, True)
    return answers.PutTicket(chat.files.issue(upload), await chat.files.have(upload))


async def _remove(chat: Chat, session: Session, args: Args) -> answers.Done:
    name, version = args["name"], args.get("version")
    await chat.files.remove(session, args.get("room"), name, version)
    which = name if version is None else f"{name} #{version}"
    return answers.Done(f"{which} is off the shelf.")


async def _transfers(chat: Chat, session: Session, args: Args) -> answers.TransferList:
    return answers.TransferList(tuple(await chat.files.under_way(session)))


async def _cancel(chat: Chat, session: Session, args: Args) -> answers.Done:
    count = await chat.files.cancel(session, args["name"])
    transfers = "1 transfer" if count == 1 else f"{count} transfers"
    return answers.Done(f"{transfers} of {args['name']} cancelled.")


async def _register(chat: Chat, session: Session, args: Args) -> answers.Done:
    await chat.people.register(session, args["password"])
    name = session.needs_user().name
    return answers.Done(f"{name} is your name from now on; /login {name} PASSWORD brings you back.")


async def _login(chat: Chat, session: Session, args: Args) -> answers.Welcome:
    return await chat.people.enter(session, args["name"], args["password"])


async def _nick(chat: Chat, session: Session, args: Args) -> answers.Welcome:
    return await chat.people.enter(session, args["name"])


def _help(chat: Chat, session: Session, args: Args) -> answers.Help:
    lines = help_lines(args.get("command"))
    if not lines:
        raise Refusal(
            Code.UNKNOWN_COMMAND, "There is no such command; /help lists those there are."
        )
    return answers.Help(lines)


ACTIONS: Mapping[str, Action] = {
    "join": _join,
    "create": _create,
    "leave": leave,
    "rooms": _rooms,
    "who": _who,
    "topic": _topic,
    "msg": _msg,
    "away": _away,
    "ignore": _ignore,
    "history": _history,
    "search": _search,
    "skip": _skip,
    "files": _files,
    "versions": _versions,
    "link": link,
    "remove": _remove,
    "transfers": _transfers,
    "cancel": _cancel,
    "register": _register,
    "login": _login,
    "nick": _nick,
    "help": _help,
}
"""Each command's action, but for those that a dialect does in its own way."""
