"""The commands of names and accounts: to register, to log in, and to go; and help."""

from functools import partial

from chatservice import replies
from chatservice.grammar.commandtypes import (
    Alias,
    Arg,
    ArgType,
    Command,
    Format,
    PasswordKind,
    Rate,
    Right,
)
from chatservice.grammar.table.rowparts import ACCOUNT, creating

_CODE = Arg("code", "an invitation code, where the server asks for one", optional=True)
_NEW_PASSWORD = Arg("password", "the password to log in with", secret=PasswordKind.NEW)
_for_anybody = partial(Command, needs=Right.NOTHING)
_for_accounts = partial(Command, needs=Right.ACCOUNT, changes=True, password_only=True)
_for_browsers = partial(Command, needs=Right.ACCOUNT, formats=Format.JSON)
_ENDPOINT = Arg("endpoint", "the address that the browser's push service gave it (RFC 8030)")
_entering = partial(Command, rates=(Rate.COMMANDS, Rate.JOINS))

ACCOUNT_COMMANDS = (
    creating("register", "registers your name", (_NEW_PASSWORD, _CODE)),
    creating(
        "signup",
        "registers a name, and takes it",
        (Arg("name", "the name to register"), _NEW_PASSWORD, _CODE),
        reply=replies.Welcome,
        needs=Right.NOTHING,
    ),
    _entering(
        "login",
        "takes your registered name",
        (ACCOUNT, Arg("password", "its password, or a token", secret=PasswordKind.CURRENT)),
        reply=replies.Welcome,
        needs=Right.NOTHING,
    ),
    _for_accounts(
        "password",
        "changes your password, and ends your other connections that used it",
        (
            Arg("old", "your current password", secret=PasswordKind.CURRENT),
            Arg("new", "your new password", secret=PasswordKind.NEW),
        ),
    ),
    _for_accounts(
        "token",
        "makes a token: a password for a program; for one room, if you name it",
        (
            Arg("label", "your name for the token"),
            Arg("room", "the only room that it is good for", optional=True),
        ),
        reply=replies.NewToken,
    ),
    Command("tokens", "lists your tokens", reply=replies.TokenList, needs=Right.ACCOUNT),
    _for_accounts(
        "revoke",
        "revokes a token, and ends the connections that used it",
        (Arg("label", "the token's label"),),
    ),
    _for_browsers(
        "pushkey", "tells the server's key for the Push API (RFC 8292)", reply=replies.PushKey
    ),
    _for_browsers(
        "push",
        "tells a browser of private talk and mentions while you are not here",
        (
            _ENDPOINT,
            Arg("p256dh", "its public key, in base64url"),
            Arg("auth", "its secret, in base64url"),
        ),
        changes=True,
    ),
    _for_browsers("unpush", "tells a browser no more", (_ENDPOINT,), changes=True),
    _entering("nick", "changes your name", (Arg("name", "the new name"),), reply=replies.Welcome),
    _for_anybody(
        "help",
        "lists commands, or explains one",
        (Arg("command", "a command, a topic, or all", optional=True),),
        (Alias("help"),),
        reply=replies.Help,
    ),
    _for_anybody(
        "quit",
        "ends the connection",
        (Arg("text", "a last word", ArgType.REST, True),),
        (Alias("quit"), Alias("bye")),
        rates=(),
    ),
)
