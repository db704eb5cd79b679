"""Commands about accounts, and the operators' commands for the whole server."""

from collections.abc import Mapping

from chatservice import replies
from chatservice.domain.chat import Arguments, Chat, Handler
from chatservice.domain.model import Session
from chatservice.errors import Code, Message, Refusal


async def _register(chat: Chat, session: Session, args: Arguments) -> replies.Done:
    user = session.require_user()
    guest = user.id
    await chat.accounts.register(session, args["password"], args.get("code"))
    await chat.moderation.carry_over(user, guest)
    name = user.name
    return replies.Done(
        Message(
            "{name} is your name from now on; `login {name} PASSWORD` brings you back.", name=name
        )
    )


async def _hello(chat: Chat, session: Session, args: Arguments) -> replies.Welcome:
    if session.from_admin_socket:
        return _entered(chat, session, await chat.users.enter_as_operator(session))
    if session.user is not None:
        raise Refusal(
            Code.BAD_ARGUMENT, "You are {user}; `nick` changes that.", user=session.user.name
        )
    given = args["name"], args.get("password"), args.get("token"), args.get("after")
    return _entered(chat, session, await chat.users.enter(session, *given))


async def _login(chat: Chat, session: Session, args: Arguments) -> replies.Welcome:
    welcome = await chat.users.enter(session, args["name"], args["password"])
    return _entered(chat, session, welcome)


async def _signup(chat: Chat, session: Session, args: Arguments) -> replies.Welcome:
    name, password = args["name"], args["password"]
    welcome = await chat.accounts.sign_up(session, name, password, args.get("code"))
    return _entered(chat, session, welcome)


def _entered(chat: Chat, session: Session, welcome: replies.Welcome) -> replies.Welcome:
    """Put a session that is always in one room into the lobby, or into the only room that it may
    be in, unless it is in one."""
    if not session.traits.many_rooms and session.current_room is None:
        chat.rooms.put_in(session, session.only_room or chat.rooms.lobby)
    return welcome


async def _quit(chat: Chat, session: Session, args: Arguments) -> replies.Done:
    await chat.publisher.settled(session)
    chat.users.leave(session, args.get("text", ""))
    return replies.Done()


async def _password(chat: Chat, session: Session, args: Arguments) -> replies.Done:
    await chat.accounts.change_password(session, args["old"], args["new"])
    return replies.Done("Your password is changed.")


async def _token(chat: Chat, session: Session, args: Arguments) -> replies.NewToken:
    return await chat.accounts.create_token(session, args["label"], args.get("room"))


async def _tokens(chat: Chat, session: Session, args: Arguments) -> replies.TokenList:
    return replies.TokenList(await chat.accounts.list_tokens(session))


async def _revoke(chat: Chat, session: Session, args: Arguments) -> replies.Done:
    ended = await chat.accounts.revoke_token(session, args["label"])
    connections = "1 connection" if ended == 1 else f"{ended} connections"
    return replies.Done(f"{args['label']} is good no more; {connections} ended.")


async def _account(chat: Chat, session: Session, args: Arguments) -> replies.NewPassword:
    return await chat.accounts.create(session, args["name"], args.get("password"))


async def _reset(chat: Chat, session: Session, args: Arguments) -> replies.NewPassword:
    return await chat.accounts.reset_password(session, args["name"], args.get("password"))


async def _code(chat: Chat, session: Session, args: Arguments) -> replies.InvitationCode:
    return replies.InvitationCode(await chat.accounts.create_code(session))


async def _uncode(chat: Chat, session: Session, args: Arguments) -> replies.Done:
    await chat.accounts.revoke_code(session, args["code"])
    return replies.Done("The code is good no more.")


async def _unregister(chat: Chat, session: Session, args: Arguments) -> replies.Done:
    erase = _erase(args)
    name, mark = await chat.accounts.delete(session, args["name"], erase)
    what = "what it said is erased" if erase else f"what it said is {mark}'s now"
    return replies.Done(f"The account {name} is deleted, and {what}.")


async def _destroy(chat: Chat, session: Session, args: Arguments) -> replies.Done:
    room, by = chat.rooms.find(args["room"]), session.require_user().name
    name = room.name
    if _erase(args):
        await chat.rooms.remove(room, by)
        return replies.Done(f"The room {name} is deleted, with all that was said in it.")
    await chat.rooms.retire(room, by)
    return replies.Done(f"The room {name} is deleted; what was said stays in {room.name}, closed.")


def _erase(args: Arguments) -> bool:
    if args.get("erase", "erase") != "erase":
        raise Refusal(Code.BAD_ARGUMENT, "After the name, only the word erase is allowed.")
    return "erase" in args


async def _operator(chat: Chat, session: Session, args: Arguments) -> replies.Done:
    if args.get("off", "off") != "off":
        raise Refusal(Code.BAD_ARGUMENT, "After the name, only the word off is allowed.")
    name = await chat.accounts.set_operator(session, args["name"], "off" not in args)
    return replies.Done(f"{name} runs the server" + (" no more." if "off" in args else "."))


async def _operators(chat: Chat, session: Session, args: Arguments) -> replies.OperatorList:
    return replies.OperatorList(await chat.accounts.operators())


async def _status(chat: Chat, session: Session, args: Arguments) -> replies.ServerStatus:
    return await chat.overview.status()


def _users(chat: Chat, session: Session, args: Arguments) -> replies.UserList:
    return chat.overview.users(args.get("filter", ""), args.get("after", ""))


async def _accounts(chat: Chat, session: Session, args: Arguments) -> replies.AccountList:
    return await chat.overview.accounts(args.get("filter", ""), args.get("after", ""))


async def _backup(chat: Chat, session: Session, args: Arguments) -> replies.BackupMade:
    return await chat.overview.backup(session, args["dir"])


ACCOUNT_HANDLERS: Mapping[str, Handler] = {
    "hello": _hello,
    "quit": _quit,
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
    "uncode": _uncode,
    "unregister": _unregister,
    "destroy": _destroy,
    "operator": _operator,
    "operators": _operators,
    "backup": _backup,
    "status": _status,
    "users": _users,
    "accounts": _accounts,
}
