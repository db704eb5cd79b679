"""Commands about accounts, and the operators' commands for the whole server."""

from collections.abc import Awaitable, Mapping

from chatservice import replies
from chatservice.domain.chat import Arguments, Chat, Handler
from chatservice.domain.model import Session
from chatservice.errors import Code, Message, Refusal


async def _register(chat: Chat, session: Session, args: Arguments) -> replies.Done:
    user = session.require_user()
    guest = user.id
    await chat.accounts.register(session, **args)
    await chat.moderation.carry_over(user, guest)
    told = "{name} is your name from now on; `login {name} PASSWORD` brings you back."
    return replies.Done(Message(told, name=user.name))


async def _hello(chat: Chat, session: Session, args: Arguments) -> replies.Welcome:
    if session.traits.admin:
        return await _entered(chat, session, chat.users.enter_as_operator(session))
    if session.user is not None:
        raise Refusal(
            Code.BAD_ARGUMENT, "You are {user}; `nick` changes that.", user=session.user.name
        )
    return await _entered(chat, session, chat.users.enter(session, **args))


async def _entered(
    chat: Chat, session: Session, entering: Awaitable[replies.Welcome]
) -> replies.Welcome:
    """Put a session that is always in one room into the lobby, or into the only room that it may
    be in, unless it is in one."""
    welcome = await entering
    if not session.traits.many_rooms and session.current_room is None:
        chat.rooms.put_in(session, session.only_room or chat.rooms.lobby)
    return welcome


def _quit(chat: Chat, session: Session, args: Arguments) -> replies.Done:
    chat.users.leave(session, args.get("text", ""))
    return replies.Done()


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


ACCOUNT_HANDLERS: Mapping[str, Handler] = {
    "hello": _hello,
    "login": lambda chat, session, args: _entered(chat, session, chat.users.enter(session, **args)),
    "signup": lambda chat, session, args: _entered(
        chat, session, chat.accounts.sign_up(session, **args)
    ),
    "quit": _quit,
    "register": _register,
    "password": lambda chat, session, args: chat.accounts.change_password(session, **args),
    "token": lambda chat, session, args: chat.accounts.create_token(session, **args),
    "tokens": lambda chat, session, args: chat.accounts.list_tokens(session),
    "revoke": lambda chat, session, args: chat.accounts.revoke_token(session, **args),
    "account": lambda chat, session, args: chat.accounts.create(session, **args),
    "reset": lambda chat, session, args: chat.accounts.reset_password(session, **args),
    "code": lambda chat, session, args: chat.accounts.create_code(session),
    "uncode": lambda chat, session, args: chat.accounts.revoke_code(session, **args),
    "unregister": _unregister,
    "destroy": _destroy,
    "operator": _operator,
    "operators": lambda chat, session, args: chat.accounts.operators(),
    "backup": lambda chat, session, args: chat.overview.backup(session, **args),
    "status": lambda chat, session, args: chat.overview.status(),
    "users": lambda chat, session, args: chat.overview.users(**args),
    "accounts": lambda chat, session, args: chat.overview.accounts(**args),
}
"""Methods of the domain that return a reply take the arguments as the table of commands names
them."""
