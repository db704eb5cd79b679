"""The commands of operators of the server."""

from functools import partial

from chatservice import replies
from chatservice.grammar.commandtypes import Arg, ArgType, Command, Right
from chatservice.grammar.table.rowparts import ACCOUNT, AFTER, TEXT

_ERASE = Arg("erase", "the word erase", optional=True, choices=("erase",))
_for_operators = partial(Command, needs=Right.OPERATE, changes=True, password_only=True)
_showing_operators = partial(Command, needs=Right.OPERATE)

OPERATOR_COMMANDS = (
    _showing_operators(
        "users",
        "lists all users who are here, with their rooms and addresses",
        (
            Arg("filter", "guest, registered, away, or a name with * in it", ArgType.REST, True),
            AFTER,
        ),
        reply=replies.UserList,
    ),
    _showing_operators(
        "accounts",
        "lists the registered names",
        (
            Arg(
                "filter", "here, gone, operator, token, or a name with * in it", ArgType.REST, True
            ),
            AFTER,
        ),
        reply=replies.AccountList,
    ),
    Command(
        "backup",
        "copies the database, the files and the TLS key of the running server, and checks the copy",
        (Arg("dir", "a new directory on the server's machine; the whole path", ArgType.REST),),
        reply=replies.BackupMade,
        needs=Right.ADMIN_SOCKET,
    ),
    _showing_operators(
        "status",
        "shows the server's state: connections, users, rooms, disk, queues, refusals",
        reply=replies.ServerStatus,
    ),
    _showing_operators(
        "cluster",
        "shows the nodes of a cluster, how far they are, and whether its log can be written to",
        reply=replies.ClusterStatus,
    ),
    Command(
        "broadcast",
        "sends a notice to everybody on the server",
        (TEXT,),
        needs=Right.OPERATE,
        changes=True,
    ),
    _for_operators(
        "account",
        "registers a name for somebody; without a password, the server makes one",
        (Arg("name", "the name"), Arg("password", "the password to log in with", optional=True)),
        reply=replies.NewPassword,
    ),
    _for_operators(
        "reset",
        "changes the password of a registered name, and ends its tokens and connections",
        (
            ACCOUNT,
            Arg("password", "the new one; the server makes one if it is left out", optional=True),
        ),
        reply=replies.NewPassword,
    ),
    _for_operators(
        "code",
        "makes an invitation code, with which one person can register",
        reply=replies.InvitationCode,
    ),
    _for_operators(
        "uncode", "takes back an invitation code that nobody has used", (Arg("code", "the code"),)
    ),
    _for_operators(
        "unregister",
        "deletes an account: what it said stays, as of deleted-N; with erase, it is erased",
        (ACCOUNT, _ERASE),
    ),
    _for_operators(
        "destroy",
        "deletes a room: what was said stays in the closed room deleted-N; with erase, it goes",
        (Arg("room", "the room"), _ERASE),
    ),
    _for_operators(
        "operator",
        "makes a registered name an operator of the server; with off, no longer",
        (ACCOUNT, Arg("off", "the word off", optional=True, choices=("off",))),
    ),
    _showing_operators(
        "operators",
        "lists the registered names that operate the server",
        reply=replies.OperatorList,
    ),
)
