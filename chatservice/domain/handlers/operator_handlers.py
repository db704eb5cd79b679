"""Looking after the server."""

from collections.abc import Mapping

from chatservice import replies
from chatservice.domain.chat import Chat
from chatservice.domain.handlers.handler import Arguments, Handler
from chatservice.domain.model import Session


async def _status(chat: Chat, session: Session, args: Arguments) -> replies.ServerStatus:
    return await chat.overview.status()


def _users(chat: Chat, session: Session, args: Arguments) -> replies.UserList:
    return chat.overview.users(args.get("filter", ""), args.get("after", ""))


async def _accounts(chat: Chat, session: Session, args: Arguments) -> replies.AccountList:
    return await chat.overview.accounts(args.get("filter", ""), args.get("after", ""))


async def _backup(chat: Chat, session: Session, args: Arguments) -> replies.BackupMade:
    return await chat.overview.backup(session, args["dir"])


OPERATOR_HANDLERS: Mapping[str, Handler] = {
    "backup": _backup,
    "status": _status,
    "users": _users,
    "accounts": _accounts,
}
