"""Looking after the server."""

from collections.abc import Mapping

from chatservice import answers
from chatservice.domain.actions.kinds import Action, Args
from chatservice.domain.chat import Chat
from chatservice.domain.places import Session


async def _status(chat: Chat, session: Session, args: Args) -> answers.Status:
    return await chat.overview.status()


def _users(chat: Chat, session: Session, args: Args) -> answers.UserList:
    return chat.overview.users(args.get("filter", ""), args.get("after", ""))


async def _accounts(chat: Chat, session: Session, args: Args) -> answers.AccountList:
    return await chat.overview.accounts(args.get("filter", ""), args.get("after", ""))


async def _backup(chat: Chat, session: Session, args: Args) -> answers.Backup:
    return await chat.overview.backup(session, args["dir"])


OPERATING: Mapping[str, Action] = {
    "backup": _backup,
    "status": _status,
    "users": _users,
    "accounts": _accounts,
}
