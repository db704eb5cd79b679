"""Commands of operators, for the whole server."""

from collections.abc import Mapping

from chatservice import names, replies
from chatservice.domain.chat import Arguments, Chat, Handler
from chatservice.domain.model import Session
from chatservice.errors import Code, Refusal
from chatservice.events import Notice


async def _unregister(chat: Chat, session: Session, args: Arguments) -> replies.Done:
    _check_word(args, "erase")
    name, mark = await chat.accounts.delete(session, args["name"], "erase" in args)
    what = "what it said is erased" if "erase" in args else f"what it said is {mark}'s now"
    return replies.Done(f"The account {name} is deleted, and {what}.")


async def _destroy(chat: Chat, session: Session, args: Arguments) -> replies.Done:
    room, by = chat.rooms.find(args["room"]), session.require_user().name
    name = room.name
    _check_word(args, "erase")
    if "erase" in args:
        await chat.rooms.remove(room, by)
        return replies.Done(f"The room {name} is deleted, with all that was said in it.")
    await chat.rooms.retire(room, by)
    return replies.Done(f"The room {name} is deleted; what was said stays in {room.name}, closed.")


async def _operator(chat: Chat, session: Session, args: Arguments) -> replies.Done:
    _check_word(args, "off")
    return await chat.accounts.set_operator(session, args["name"], "off" not in args)


def _check_word(args: Arguments, word: str) -> None:
    """Raise `Refusal` (bad-argument) if an optional word is another one."""
    if args.get(word, word) != word:
        raise Refusal(
            Code.BAD_ARGUMENT, "After the name, only the word {word} is allowed.", word=word
        )


def _broadcast(chat: Chat, session: Session, args: Arguments) -> replies.Done:
    by, text = session.require_user().name, names.phrase(args["text"], needed=True)
    told = chat.users.broadcast(Notice(f"{by} tells all: {text}"))
    return replies.Done("1 connection was told." if told == 1 else f"{told} connections were told.")


OPERATOR_HANDLERS: Mapping[str, Handler] = {
    "users": lambda chat, session, args: chat.overview.users(**args),
    "accounts": lambda chat, session, args: chat.overview.accounts(**args),
    "backup": lambda chat, session, args: chat.overview.backup(session, **args),
    "status": lambda chat, session, args: chat.overview.status(),
    "cluster": lambda chat, session, args: chat.overview.cluster(),
    "broadcast": _broadcast,
    "account": lambda chat, session, args: chat.accounts.create(session, **args),
    "reset": lambda chat, session, args: chat.accounts.reset_password(session, **args),
    "code": lambda chat, session, args: chat.accounts.create_code(session),
    "uncode": lambda chat, session, args: chat.accounts.revoke_code(session, **args),
    "unregister": _unregister,
    "destroy": _destroy,
    "operator": _operator,
    "operators": lambda chat, session, args: chat.accounts.operators(),
}
"""Methods of the domain that return a reply take the arguments as the table of commands names
them."""
