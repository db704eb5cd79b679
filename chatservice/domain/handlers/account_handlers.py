"""Commands of names and accounts: to register, to log in, and to go; and help."""

from collections.abc import Mapping
from functools import partial

from chatservice import replies
from chatservice.domain.chat import Arguments, Chat, Handler
from chatservice.domain.handlers.room_handlers import entered
from chatservice.domain.model import Session
from chatservice.errors import Code, Message, Refusal
from chatservice.grammar.help import TOPICS, help_lines, overview, told_commands


async def _register(chat: Chat, session: Session, args: Arguments) -> replies.Done:
    user = session.require_user()
    guest = user.id
    await chat.accounts.register(session, **args)
    await chat.moderation.carry_over(user, guest)
    told = "{name} is your name from now on; `login {name} PASSWORD` brings you back."
    return replies.Done(Message(told, name=user.name))


def _quit(chat: Chat, session: Session, args: Arguments) -> replies.Done:
    chat.users.leave(session, args.get("text", ""))
    return replies.Done()


def _help(chat: Chat, session: Session, args: Arguments) -> replies.Help:
    about = args.get("command")
    may = partial(chat.may_use, session)
    if about is None and not session.traits.many_rooms:
        return replies.Help(overview(may, session.user is not None))
    lines = help_lines(about, may)
    commands = told_commands(about, may) if session.traits.many_rooms else ()
    if not lines and about is not None and about.casefold() in TOPICS:
        sentence = "You may use none of those commands here; `help` lists others."
        raise Refusal(Code.NOT_ALLOWED, sentence)
    if not (lines or commands):
        raise Refusal(
            Code.UNKNOWN_COMMAND, "There is no such command; `help` lists those there are."
        )
    return replies.Help(lines, commands)


ACCOUNT_HANDLERS: Mapping[str, Handler] = {
    "register": _register,
    "signup": lambda chat, session, args: entered(
        chat, session, chat.accounts.sign_up(session, **args)
    ),
    "login": lambda chat, session, args: entered(chat, session, chat.users.enter(session, **args)),
    "password": lambda chat, session, args: chat.accounts.change_password(session, **args),
    "token": lambda chat, session, args: chat.accounts.create_token(session, **args),
    "tokens": lambda chat, session, args: chat.accounts.list_tokens(session),
    "pushkey": lambda chat, session, args: chat.pushing.key(),
    "push": lambda chat, session, args: chat.pushing.subscribe(session, **args),
    "unpush": lambda chat, session, args: chat.pushing.unsubscribe(session, **args),
    "revoke": lambda chat, session, args: chat.accounts.revoke_token(session, **args),
    "nick": lambda chat, session, args: chat.users.rename(session, **args),
    "help": _help,
    "quit": _quit,
}
"""Methods of the domain that return a reply take the arguments as the table of commands names
them."""
