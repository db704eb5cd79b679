"""What each command does, whichever dialect it came in: the table of commands, in deeds.

An action answers at once or later. What a dialect does in its own way stands in that dialect:
`hello` and `quit`, the bytes of `put` and `get`, and `say` and `me`, which are many and whose
answers are not waited for.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from chatservice import answers, limits, names
from chatservice.domain.chat import Chat
from chatservice.domain.moderation import no_entry
from chatservice.domain.places import Room, Session
from chatservice.domain.ports import Done
from chatservice.domain.rights import Role
from chatservice.domain.rules import Access, What
from chatservice.domain.tickets import Download
from chatservice.entries import Entry, Kind
from chatservice.errors import Code, Refusal
from chatservice.events import Notice
from chatservice.grammar.commands import Request, help_lines, seconds

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
                *(room.name, room.number, room.topic, len(room.users())),
                *(bool(room.password), room.access),
            )
            for room in sorted(chat.rooms.by_key.values(), key=lambda room: room.number)
            if chat.rights.sees(session, room)
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
    right = Download(outgoing.shelf, mark.name, mark.version, mark.sha256, user)
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


async def _kick(chat: Chat, session: Session, args: Args) -> answers.Done:
    room = chat.rooms.of(session, args.get("room"))
    await chat.moderation.kick(session, room, args["user"], _reason(args))
    return answers.Done()


async def _ban(chat: Chat, session: Session, args: Args) -> answers.Done:
    room = chat.rooms.of(session, args.get("room"))
    until = _until(chat, args)
    told = await chat.moderation.ban(session, room, args["user"], until, _reason(args))
    return answers.Done(told)


async def _mute(chat: Chat, session: Session, args: Args) -> answers.Done:
    room = chat.rooms.of(session, args.get("room"))
    until = _until(chat, args)
    await chat.moderation.mute(session, room, args["user"], until, _reason(args))
    return answers.Done()


def _reason(args: Args) -> str:
    return names.phrase(args.get("text", ""))


def _until(chat: Chat, args: Args) -> int:
    """When a time that begins now is over, in milliseconds since 1970; 0 if none was given."""
    time = args.get("time")
    return chat.now() + 1000 * seconds(time) if time is not None else 0


def _undoing(what: What) -> Action:
    async def undo(chat: Chat, session: Session, args: Args) -> answers.Done:
        room = chat.rooms.of(session, args.get("room"))
        await chat.moderation.undo(session, room, what, args["user"])
        return answers.Done()

    return undo


def _promoting(what: What) -> Action:
    async def promote(chat: Chat, session: Session, args: Args) -> answers.Done:
        room = chat.rooms.of(session, args.get("room"))
        await chat.moderation.promote(session, room, args["user"], what)
        return answers.Done()

    return promote


async def _invite(chat: Chat, session: Session, args: Args) -> answers.Done:
    room = chat.rooms.of(session, args.get("room"))
    await chat.moderation.invite(session, room, args["user"])
    return answers.Done()


async def _freeze(chat: Chat, session: Session, args: Args) -> answers.Done:
    room = chat.rooms.of(session, args.get("room"))
    await chat.moderation.set(session, room, "freeze", frozen=True)
    return answers.Done()


async def _unfreeze(chat: Chat, session: Session, args: Args) -> answers.Done:
    room = chat.rooms.of(session, args.get("room"))
    await chat.moderation.set(session, room, "unfreeze", frozen=False)
    return answers.Done()


async def _slow(chat: Chat, session: Session, args: Args) -> answers.Done:
    room, every = chat.rooms.of(session, args.get("room")), args["seconds"]
    if every > limits.SLOW_SECONDS:
        raise Refusal(
            Code.BAD_ARGUMENT, f"At most {limits.SLOW_SECONDS} seconds; /freeze ends all talk."
        )
    await chat.moderation.set(session, room, f"slow {every}", slow=every)
    return answers.Done()


async def _access(chat: Chat, session: Session, args: Args) -> answers.Done:
    room, password = chat.rooms.of(session, args.get("room")), args.get("password")
    if args["access"] not in (Access.PUBLIC, Access.HIDDEN, Access.INVITED):
        raise Refusal(Code.BAD_ARGUMENT, "A room is public, hidden or invited; say which.")
    access = Access(args["access"])
    hashed = await chat.rooms.hashed(password, session.user) if password is not None else None
    did = f"access {access}" + (" with a password" if hashed else "")
    await chat.moderation.set(session, room, did, access=access, password=hashed)
    return answers.Done()


async def _close(chat: Chat, session: Session, args: Args) -> answers.Done:
    room = chat.rooms.of(session, args.get("room"))
    await chat.moderation.set(session, room, "close", access=Access.CLOSED)
    return answers.Done(f"{room.name} is closed.")


async def _erase(chat: Chat, session: Session, args: Args) -> answers.Done:
    room, position = chat.rooms.of(session, args.get("room")), args["position"]
    found = await chat.history(room, position - 1, position + 1, 1)
    if not found or found[0][0] != position:
        raise no_entry(position)
    await chat.moderation.erase(session, room, position, found[0][1])
    return answers.Done(f"#{position} is erased.")


def _rules(chat: Chat, session: Session, args: Args) -> answers.RoomRules:
    room, now = chat.rooms.of(session, args.get("room")), chat.now()
    moderates = chat.rights.role(session.needs_user(), room) >= Role.MODERATOR
    shown = [
        answers.RuleInfo(
            *(it.what, it.whom, (it.until - now + 999) // 1000 if it.until else None, it.who)
        )
        for it in room.rules.all(now)
        if moderates or it.what in (What.OWNER, What.MODERATOR)
    ]
    shown += [
        answers.RuleInfo(room.guests[user.guest], user.name, None, user.name)
        for user in room.users()
        if user.guest in room.guests
    ]
    shown.sort(key=lambda it: (list(What).index(What(it.what)), it.user))
    how = (room.access, room.password is not None, room.frozen, room.slow)
    return answers.RoomRules(room.name, *how, tuple(shown))


async def _record(chat: Chat, session: Session, args: Args) -> answers.Record:
    room = chat.rooms.of(session, args.get("room"))
    deeds = await chat.moderation.record(room, min(args.get("limit", 20), limits.RECORD_DEEDS))
    return answers.Record(room.name, tuple(answers.DeedInfo(*deed) for deed in deeds))


def _broadcast(chat: Chat, session: Session, args: Args) -> answers.Done:
    by, text = session.needs_user().name, names.phrase(args["text"])
    told = chat.people.tell_all(Notice(f"{by} tells all: {text}"))
    return answers.Done(f"{told} connections were told.")


async def _register(chat: Chat, session: Session, args: Args) -> answers.Done:
    user = session.needs_user()
    guest = user.guest
    await chat.accounts.register(session, args["password"], args.get("code"))
    await chat.moderation.registered(user, guest)
    name = user.name
    return answers.Done(f"{name} is your name from now on; /login {name} PASSWORD brings you back.")


async def _login(chat: Chat, session: Session, args: Args) -> answers.Welcome:
    return await chat.people.enter(session, args["name"], args["password"])


async def _signup(chat: Chat, session: Session, args: Args) -> answers.Welcome:
    name, password = args["name"], args["password"]
    return await chat.accounts.sign_up(session, name, password, args.get("code"))


async def _password(chat: Chat, session: Session, args: Args) -> answers.Done:
    await chat.accounts.change_password(session, args["old"], args["new"])
    return answers.Done("Your password is changed.")


async def _token(chat: Chat, session: Session, args: Args) -> answers.MadeToken:
    return await chat.accounts.token(session, args["label"], args.get("room"))


async def _tokens(chat: Chat, session: Session, args: Args) -> answers.TokenList:
    return answers.TokenList(await chat.accounts.tokens(session))


async def _revoke(chat: Chat, session: Session, args: Args) -> answers.Done:
    ended = await chat.accounts.revoke(session, args["label"])
    connections = "1 connection" if ended == 1 else f"{ended} connections"
    return answers.Done(f"{args['label']} is good no more; {connections} ended.")


async def _account(chat: Chat, session: Session, args: Args) -> answers.Password:
    return await chat.accounts.make(session, args["name"], args.get("password"))


async def _reset(chat: Chat, session: Session, args: Args) -> answers.Password:
    return await chat.accounts.reset(session, args["name"], args.get("password"))


async def _code(chat: Chat, session: Session, args: Args) -> answers.Invitation:
    return answers.Invitation(await chat.accounts.code(session))


async def _operator(chat: Chat, session: Session, args: Args) -> answers.Done:
    if args.get("off", "off") != "off":
        raise Refusal(Code.BAD_ARGUMENT, "Behind the name stands nothing, or the word off.")
    name = await chat.accounts.set_operator(session, args["name"], "off" not in args)
    return answers.Done(f"{name} runs the server" + (" no more." if "off" in args else "."))


async def _operators(chat: Chat, session: Session, args: Args) -> answers.Operators:
    return answers.Operators(await chat.accounts.operators())


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
    "kick": _kick,
    "ban": _ban,
    "unban": _undoing(What.BANNED),
    "mute": _mute,
    "unmute": _undoing(What.MUTED),
    "freeze": _freeze,
    "unfreeze": _unfreeze,
    "slow": _slow,
    "erase": _erase,
    "invite": _invite,
    "uninvite": _undoing(What.INVITED),
    "op": _promoting(What.MODERATOR),
    "deop": _undoing(What.MODERATOR),
    "owner": _promoting(What.OWNER),
    "access": _access,
    "close": _close,
    "rules": _rules,
    "record": _record,
    "broadcast": _broadcast,
    "register": _register,
    "signup": _signup,
    "login": _login,
    "password": _password,
    "token": _token,
    "tokens": _tokens,
    "revoke": _revoke,
    "account": _account,
    "reset": _reset,
    "code": _code,
    "operator": _operator,
    "operators": _operators,
    "nick": _nick,
    "help": _help,
}
"""Each command's action, but for those that a dialect does in its own way."""
