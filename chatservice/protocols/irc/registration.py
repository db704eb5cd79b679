"""Registration: NICK, USER and PASS in any order, SASL, and the lines that welcome a client.
`VERSION` shows some of these again."""

import binascii
from base64 import b64decode
from collections.abc import Iterator

from chatservice import __version__, names
from chatservice.domain.dispatch import count_request
from chatservice.errors import Code, Refusal
from chatservice.grammar.commands import COMMANDS
from chatservice.grammar.commandtypes import Rate, Request
from chatservice.grammar.irc import IrcMessage, cut
from chatservice.grammar.ircformat import BOT_MODE, SERVER, Caps, sentence, source
from chatservice.grammar.ircnumerics import Numeric, Purpose
from chatservice.grammar.irctexts import without_formatting
from chatservice.grammar.webroutes import FILEHOST
from chatservice.protocols.irc.channels import come_back, enter_kept
from chatservice.protocols.irc.ircqueries import lusers, motd, of_this_server
from chatservice.protocols.irc.ircsession import MONITORED, IrcSession
from chatservice.protocols.irc.irctalk import MOST_TARGETS

MODES = 20
"""Modes in one command that clients may count on; as many as a line has are done. A number is told
because some clients do not know the form without one."""

CLIENT_TAGS = ("draft/react", "draft/unreact", "draft/reply", "reply", "typing")
"""The client-only tags that are carried, without their sign; all others are dropped."""

NETWORK = "chatservice"
"""The network's name, which clients show."""

SASL_BYTES = 400
"""Bytes of one AUTHENTICATE; a shorter one is the last (https://ircv3.net/specs/extensions/
sasl-3.1)."""

THE_END = 1 << 59
"""A position behind all entries: a client that asks for the past itself begins at the end."""

MOST_SASL = 4096
"""Characters of all of them: a name and a password are much shorter."""


class PendingRegistration:
    """The state of a connection that is not registered yet: what the client has said so far.
    `negotiating` waits for `CAP END`."""

    __slots__ = ("negotiating", "nick", "password", "real_name", "user")

    def __init__(self) -> None:
        self.nick = self.password = self.real_name = ""
        self.user = self.negotiating = False


async def complete(it: IrcSession, state: PendingRegistration) -> None:
    """Register a client that has said all that is needed."""
    if not (state.nick and state.user) or state.negotiating:
        return
    if it.session.user is None:
        name, password = state.nick, state.password or None
        if password is not None and ":" in password:
            name, _, password = password.partition(":")
        try:
            await _enter(it, name, password)
        except Refusal as refusal:
            state.nick = state.password = ""
            purpose = Purpose.OTHER if password else Purpose.NAME
            it.refused(refusal, purpose, name[:64], "NICK")
            if refusal.code is Code.BANNED:
                it.quit(sentence(refusal.sentence))
            return
    if state.real_name and it.session.only_room is None:  # else it may say only what is for a room
        it.chat.real_names.set(it.session, state.real_name)
    await _welcome(it)


async def _enter(it: IrcSession, name: str, password: str | None) -> None:
    """Be a user: a guest, or with a password or a token a registered one."""
    after = THE_END if it.has(Caps.CHATHISTORY) else None
    await it.ask("hello", name=name, password=password, after=after)
    it.connection.logged_in()


async def _welcome(it: IrcSession) -> None:
    it.numeric(Numeric.WELCOME, f"Welcome, {it.nick}.")
    it.numeric(Numeric.YOURHOST, f"This is chatservice {__version__}.")
    it.numeric(Numeric.CREATED, "It keeps what is said: /list shows the rooms.")
    it.numeric(Numeric.MYINFO, "server", __version__, f"{BOT_MODE}o", "bikmnost", "bko")
    _show_supported(it)
    lusers(it)
    motd(it)
    it.flush()
    it.begin()
    it.session.wake()
    await enter_kept(it)


def _show_supported(it: IrcSession) -> None:
    for words in _supported(it):
        it.numeric(Numeric.ISUPPORT, *words, "are supported here")


def version(it: IrcSession) -> None:
    """Answer `VERSION`, with what is supported."""
    it.numeric(Numeric.VERSION, f"chatservice-{__version__}", SERVER, "keeps what is said")
    _show_supported(it)


def _supported(it: IrcSession) -> Iterator[list[str]]:
    """Iterate over the lines of ISUPPORT (https://modern.ircdocs.horse/#rplisupport-005)."""
    limits = it.chat.limits
    words = [
        f"NETWORK={NETWORK}",
        "CASEMAPPING=ascii",
        "UTF8ONLY",
        "CHANTYPES=#",
        "PREFIX=(o)@",
        "CHANMODES=b,k,,imnst",
        f"NICKLEN={names.NAME_CHARACTERS}",
        f"NAMELEN={names.REAL_NAME_BYTES}",
        f"CHANNELLEN={names.NAME_CHARACTERS + 1}",
        f"TOPICLEN={names.PHRASE_CHARACTERS}",
        f"KICKLEN={names.PHRASE_CHARACTERS}",
        f"AWAYLEN={names.PHRASE_CHARACTERS}",
        f"CHANLIMIT=#:{limits.rooms_joined}",
        f"MODES={MODES}",
        f"MAXLIST=b:{limits.rules}",
        f"TARGMAX=PRIVMSG:{MOST_TARGETS},NOTICE:{MOST_TARGETS},JOIN:,PART:,NAMES:,KICK:,WHOIS:1",
        f"BOT={BOT_MODE}",
        "WHOX",
        "SAFELIST",
        "ELIST=MU",
        f"CHATHISTORY={limits.history_entries}",
        "MSGREFTYPES=msgid,timestamp",
        f"MONITOR={MONITORED}",
        f"CLIENTTAGDENY=*,{','.join(f'-{name}' for name in CLIENT_TAGS)}",
    ]
    for at in range(0, len(words), 12):
        yield words[at : at + 12]
    for name in ("soju.im/FILEHOST", "draft/FILEHOST") if it.web else ():
        yield [f"{name}={it.web}{FILEHOST}"]  # which may be long


# -- commands --------------------------------------------------------------------------------------


async def nick(it: IrcSession, message: IrcMessage) -> None:
    """Run `NICK`: the name of a new connection, or another one."""
    wanted, state = message.param(0), it.registering
    if not wanted:
        it.count()
        it.numeric(Numeric.NONICKNAMEGIVEN, "Give a nick: NICK alice.")
    elif isinstance(state, PendingRegistration):
        it.count()
        await _first_nick(it, state, wanted)
    else:
        await _another_nick(it, wanted)


async def _first_nick(it: IrcSession, state: PendingRegistration, wanted: str) -> None:
    try:
        state.nick = names.user(wanted)
    except Refusal as refusal:
        it.refused(refusal, Purpose.NAME, wanted[:64], "NICK")
        return
    await complete(it, state)


async def _another_nick(it: IrcSession, wanted: str) -> None:
    user, before = it.user, it.nick
    if user.registered and names.key(wanted) != user.key:
        it.count()
        told = f"You are logged in as {user.name}, and that is your nick."
        it.fail("NICK", "NICKNAME_RESERVED", wanted[:64], told)
        return
    if wanted == before:
        it.count()
        return
    try:
        await it.ask("nick", name=wanted)
    except Refusal as refusal:
        it.refused(refusal, Purpose.NAME, wanted[:64], "NICK")
        return
    it.put(f":{source(before)} NICK {it.nick}")


async def user(it: IrcSession, message: IrcMessage) -> None:
    """Run `USER`. Of its parameters only the last one is kept, the real name."""
    it.count()
    state = it.registering
    if not isinstance(state, PendingRegistration):
        it.numeric(Numeric.ALREADYREGISTERED, "You are registered already.")
    elif len(message.params) < 4:
        it.numeric(Numeric.NEEDMOREPARAMS, "USER", "Give four: USER alice 0 * :Alice.")
    else:
        state.user = True
        whole = _real_name(message.param(3))
        state.real_name = _real_name(cut(whole, names.REAL_NAME_BYTES))
        await complete(it, state)


def setname(it: IrcSession, message: IrcMessage) -> None:
    """Run `SETNAME`: take another real name (https://ircv3.net/specs/extensions/setname)."""
    count_request(it.chat, it.session, _TOLD_TO_ALL)
    real_name = _real_name(message.param(0))
    if not real_name or len(real_name.encode()) > names.REAL_NAME_BYTES:
        told = f"Give a name that can be seen, of at most {names.REAL_NAME_BYTES} bytes."
        it.fail("SETNAME", "INVALID_REALNAME", told)
        return
    try:
        it.chat.check(it.session, Request(COMMANDS["away"], {}))
    except Refusal as refusal:  # the client came in with a token that is for a room
        it.connection.factory.count(refusal)
        it.fail("SETNAME", "CANNOT_CHANGE_REALNAME", sentence(refusal.sentence))
        return
    it.chat.real_names.set(it.session, real_name)
    if it.has(Caps.SETNAME):
        it.own("SETNAME", real_name)


def _real_name(text: str) -> str:
    return names.real_name(without_formatting(text))


_TOLD_TO_ALL = (Rate.COMMANDS, Rate.JOINS)
"""The rate limits of a real name, which is told to others as a new nick is."""


def password(it: IrcSession, message: IrcMessage) -> None:
    """Run `PASS`: a password or a token, or a name, a colon, and that."""
    it.count()
    state = it.registering
    if not isinstance(state, PendingRegistration):
        it.numeric(Numeric.ALREADYREGISTERED, "You are registered already.")
    elif not message.param(0):
        it.numeric(Numeric.NEEDMOREPARAMS, "PASS", "Give a password, or NAME:PASSWORD.")
    else:
        state.password = message.param(0)


async def authenticate(it: IrcSession, message: IrcMessage) -> None:
    """Run `AUTHENTICATE`: SASL with PLAIN (RFC 4616), the password or a token."""
    it.count()
    given = message.param(0)
    if it.session.user is not None and it.user.registered:
        it.numeric(Numeric.SASLALREADY, "You are logged in already.")
    elif not given:
        it.numeric(Numeric.NEEDMOREPARAMS, "AUTHENTICATE", "Name a mechanism: PLAIN.")
    elif given == "*":
        it.sasl = None
        it.numeric(Numeric.SASLABORTED, "The login is aborted.")
    elif it.sasl is None:
        if given.upper() == "PLAIN":
            it.sasl = ""
            it.put("AUTHENTICATE +")
        else:
            it.numeric(Numeric.SASLMECHS, "PLAIN", "is the mechanism here.")
            it.numeric(Numeric.SASLFAIL, "There is no such mechanism.")
    elif len(given) > SASL_BYTES or len(it.sasl) + len(given) > MOST_SASL:
        it.sasl = None
        it.numeric(Numeric.SASLTOOLONG, "That is too long.")
    elif len(given) == SASL_BYTES:
        it.sasl += given
    else:
        response, it.sasl = it.sasl + (given if given != "+" else ""), None
        await _login(it, response)


async def _login(it: IrcSession, response: str) -> None:
    try:
        identity, name, secret = b64decode(response, validate=True).decode().split("\0")
    except (binascii.Error, ValueError):
        it.numeric(Numeric.SASLFAIL, "That is not the form of PLAIN.")
        return
    if identity not in ("", name):
        it.numeric(Numeric.SASLFAIL, "You can only be who you log in as.")
        return
    await login(it, name, secret)


async def login(it: IrcSession, name: str, secret: str) -> bool:
    """Log in, and answer as SASL does. Return whether that went well."""
    before = it.nick
    try:
        if it.session.user is None:
            await _enter(it, name, secret)
        else:
            await it.ask("login", name=name, password=secret)
    except Refusal as refusal:
        it.connection.factory.count(refusal)
        it.numeric(Numeric.SASLFAIL, sentence(refusal.sentence))
        return False
    it.logged_in(before)
    it.numeric(Numeric.SASLSUCCESS, "You are logged in.")
    if it.registering is None:
        await come_back(it)
    return True


def pong(it: IrcSession, message: IrcMessage) -> None:
    """Run `PONG`, which answers nothing."""
    count_request(it.chat, it.session)


REGISTRATION_HANDLERS = {
    "NICK": nick,
    "USER": user,
    "SETNAME": setname,
    "PASS": password,
    "AUTHENTICATE": authenticate,
    "PONG": pong,
    "VERSION": of_this_server(version),
}
