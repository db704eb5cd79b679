"""Questions about users and the server, which change nothing."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

from chatservice import __version__, replies
from chatservice.domain.model import Room, User
from chatservice.errors import Refusal
from chatservice.grammar.irc import IrcMessage
from chatservice.grammar.ircformat import BOT_MODE, CHANNEL, SERVER, USER_AT_HOST, channel
from chatservice.grammar.ircnumerics import Numeric
from chatservice.grammar.irctexts import packed
from chatservice.protocols.irc.channels import prefix
from chatservice.protocols.irc.ircsession import Handler, IrcSession

_USER, _, _HOST = USER_AT_HOST.partition("@")


def motd(it: IrcSession) -> None:
    """Show the message of the day: the server has none."""
    it.numeric(Numeric.NOMOTD, "There is no message of the day.")


def lusers(it: IrcSession) -> None:
    """Show how many are here."""
    chat = it.chat
    here = len(chat.users.by_key)  # not those alone who are seen: each client asks as it comes
    users = here + len(chat.users.elsewhere.by_key)  # those at two nodes count twice
    rooms = sum(room.is_open for room in chat.rooms.by_key.values())
    it.numeric(Numeric.LUSERCLIENT, f"There are {users} users on 1 server")
    it.numeric(Numeric.LUSERCHANNELS, str(rooms), "public channels")
    it.numeric(Numeric.LUSERME, f"I have {here} users and 1 server")
    it.numeric(Numeric.GLOBALUSERS, str(users), str(users), f"Users now: {users}")


def of_this_server(answer: Callable[[IrcSession], None], at: int = 0) -> Handler:
    """Return the handler of a question about a server, which the parameter `at` names: this one, by
    its name, as the server of a user, or without any."""

    def run(it: IrcSession, message: IrcMessage) -> None:
        it.count()
        target = message.param(at)
        if target in ("", SERVER) or find_user(it, target) is not None:
            answer(it)
        else:
            it.numeric(Numeric.NOSUCHSERVER, target[:64], "There is no such server.")

    return run


def time(it: IrcSession) -> None:
    """Answer `TIME`."""
    it.numeric(Numeric.TIME, SERVER, _moment(it.chat.now()))


def _moment(time: int) -> str:
    """Return a time (milliseconds since 1970) in words."""
    return f"{datetime.fromtimestamp(time // 1000, UTC):%Y-%m-%d %H:%M:%S}Z"


def info(it: IrcSession) -> None:
    """Answer `INFO`."""
    it.numeric(Numeric.INFO, f"chatservice {__version__}: rooms, files and history.")
    it.numeric(Numeric.ENDOFINFO, "This is all.")


def help_(it: IrcSession, message: IrcMessage) -> None:
    """Run `HELP`: list the commands."""
    it.count()
    subject = message.param(0)[:32] or "index"
    known = sorted(it.handlers)
    if subject != "index" and subject.upper() not in known:
        it.numeric(Numeric.HELPNOTFOUND, subject, "There is no help on that; HELP lists commands.")
        return
    it.numeric(Numeric.HELPSTART, subject, "These commands are known here:")
    for at in range(0, len(known), 12):
        it.numeric(Numeric.HELPTXT, subject, " ".join(known[at : at + 12]))
    it.numeric(Numeric.ENDOFHELP, subject, "This is all.")


# -- users -----------------------------------------------------------------------------------------


def find_user(it: IrcSession, name: str) -> User | None:
    """Return a user who is here, or None."""
    found = it.chat.users.find(name)
    return found if found is not None and found.visible else None


def _real_name(it: IrcSession, user: User) -> str:
    """Return a user's real name; the nick of one without, or of one whom the client ignores."""
    return user.name if user.key in it.session.ignored else user.real_name or user.name


def _common(it: IrcSession, user: User) -> Iterator[Room]:
    """Iterate over the rooms of a user that the client may know of."""
    return (room for room in user.rooms if it.chat.rights.may_see(it.session, room))


def ison(it: IrcSession, message: IrcMessage) -> None:
    """Run `ISON`."""
    it.count()
    asked = " ".join(message.params).split()
    found = (find_user(it, name) for name in asked)
    it.numeric(Numeric.ISON, " ".join(user.name for user in found if user is not None))


def userhost(it: IrcSession, message: IrcMessage) -> None:
    """Run `USERHOST`."""
    it.count()
    found = (find_user(it, name) for name in message.params[:5])
    it.numeric(Numeric.USERHOST, " ".join(_userhost(it, user) for user in found if user))


def _userhost(it: IrcSession, user: User) -> str:
    operator = "*" if it.chat.rights.is_operator(user) else ""
    return f"{user.name}{operator}={'-' if user.away else '+'}{USER_AT_HOST}"


def whois(it: IrcSession, message: IrcMessage) -> None:
    """Run `WHOIS`."""
    it.count()
    name = message.params[-1] if message.params else ""
    if not name:
        it.numeric(Numeric.NONICKNAMEGIVEN, "Name a user: WHOIS bob.")
        return
    user = find_user(it, name)
    if user is None:
        it.numeric(Numeric.NOSUCHNICK, name[:64], "Nobody of that name is here.")
        it.numeric(Numeric.ENDOFWHOIS, name[:64], "is all.")
        return
    it.numeric(Numeric.WHOISUSER, user.name, _USER, _HOST, "*", _real_name(it, user))
    it.numeric(Numeric.WHOISSERVER, user.name, SERVER, "chatservice")
    if it.chat.rights.is_operator(user):
        it.numeric(Numeric.WHOISOPERATOR, user.name, "runs this server")
    if user.bot:
        it.numeric(Numeric.WHOISBOT, user.name, "is a bot")
    if user.registered:
        it.numeric(Numeric.WHOISACCOUNT, user.name, user.name, "is logged in as")
    rooms = (prefix(it, room, user) + channel(room.name) for room in _common(it, user))
    for line in packed(rooms, _CHANNELS):
        it.numeric(Numeric.WHOISCHANNELS, user.name, line)
    if user.away and user.key not in it.session.ignored:
        it.numeric(Numeric.AWAY, user.name, user.away)
    if idle := it.chat.presence.idle_seconds(user):
        it.numeric(Numeric.WHOISIDLE, user.name, str(idle), "seconds idle")
    it.numeric(Numeric.ENDOFWHOIS, user.name, "is all.")


_CHANNELS = 230
"""Bytes of channels in one line of `WHOIS`. Two nicks, each of at most 32 characters, come before.
"""


async def whowas(it: IrcSession, message: IrcMessage) -> None:
    """Run `WHOWAS`, of a registered user: nothing is kept of guests who are gone."""
    name = message.param(0)[:64]
    if not name:
        it.count()
        it.numeric(Numeric.NONICKNAMEGIVEN, "Name a user: WHOWAS bob.")
        return
    try:
        seen: replies.Seen = await it.ask("seen", user=name)
    except Refusal as refusal:
        it.connection.factory.count(refusal)
        it.numeric(Numeric.WASNOSUCHNICK, name, "Nothing is known of that name.")
    else:
        it.numeric(Numeric.WHOWASUSER, seen.user, _USER, _HOST, "*", seen.user)
        if seen.time is not None:
            it.numeric(Numeric.WHOISSERVER, seen.user, SERVER, f"{_moment(seen.time)}, last seen")
    it.numeric(Numeric.ENDOFWHOWAS, name, "is all.")


def who(it: IrcSession, message: IrcMessage) -> None:
    """Run `WHO`, of a channel or of one user, with the fields of WHOX
    (https://ircv3.net/specs/extensions/whox)."""
    mask = message.param(0)
    fields, token = _fields(message.param(1))
    room: Room | None = None
    if mask.startswith(CHANNEL):
        try:
            room = it.room(mask)
            it.check("who", room=room.name)
            room.log.send_events()
            users = list(room.users())
        except Refusal:
            users = []
    else:
        it.count()
        user = find_user(it, mask)
        users = [user] if user is not None else []
    for user in users:
        if fields:
            shown = (_FIELDS[each](it, user, room, token) for each in _FIELDS if each in fields)
            it.numeric(Numeric.WHOSPCRPL, *shown)
        else:
            flags = _flags(it, user, room)
            where = channel(room.name) if room is not None else "*"
            last = f"0 {_real_name(it, user)}"
            parts = (where, _USER, _HOST, SERVER, user.name, flags, last)
            it.numeric(Numeric.WHOREPLY, *parts)
    it.numeric(Numeric.ENDOFWHO, mask[:64] or "*", "is all.")


def _fields(text: str) -> tuple[str, str]:
    """Return the fields and the token of WHOX, or empty strings."""
    _, percent, asked = text.partition("%")
    fields, _, token = asked.partition(",")
    return (fields if percent else "", token[:3] or "0")


def _flags(it: IrcSession, user: User, room: Room | None) -> str:
    away = "G" if user.away else "H"
    operator = "*" if it.chat.rights.is_operator(user) else ""
    bot = BOT_MODE if user.bot else ""
    return away + operator + bot + (prefix(it, room, user) if room is not None else "")


_FIELDS: Mapping[str, Callable[[IrcSession, User, Room | None, str], str]] = {
    "t": lambda it, user, room, token: token,
    "c": lambda it, user, room, token: channel(room.name) if room is not None else "*",
    "u": lambda it, user, room, token: _USER,
    "i": lambda it, user, room, token: "255.255.255.255",
    "h": lambda it, user, room, token: _HOST,
    "s": lambda it, user, room, token: SERVER,
    "n": lambda it, user, room, token: user.name,
    "f": lambda it, user, room, token: _flags(it, user, room),
    "d": lambda it, user, room, token: "0",
    "l": lambda it, user, room, token: str(it.chat.presence.idle_seconds(user)),
    "a": lambda it, user, room, token: user.name if user.registered else "0",
    "o": lambda it, user, room, token: "n/a",
    "r": lambda it, user, room, token: _real_name(it, user),
}
"""The fields of WHOX, in their order."""

QUERY_HANDLERS = {
    "MOTD": of_this_server(motd),
    "LUSERS": of_this_server(lusers, 1),
    "TIME": of_this_server(time),
    "INFO": of_this_server(info),
    "HELP": help_,
    "HELPOP": help_,
    "ISON": ison,
    "USERHOST": userhost,
    "WHOIS": whois,
    "WHOWAS": whowas,
    "WHO": who,
}
