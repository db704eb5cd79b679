"""NickServ: the words that many clients send by themselves to log in, or to register."""

from collections.abc import Mapping

from chatservice import names
from chatservice.errors import Code, Refusal
from chatservice.grammar.irc import IrcMessage, render
from chatservice.grammar.ircformat import sentence, source
from chatservice.grammar.ircnumerics import Numeric
from chatservice.protocols.irc.channels import come_back
from chatservice.protocols.irc.ircsession import IrcSession

SERVICE = "NickServ"
"""The name of the service. It is a reserved name: users of IRC tell it their passwords."""

_HELP = "I know: IDENTIFY [NAME] PASSWORD, and REGISTER PASSWORD [CODE]."


def is_service(target: str) -> bool:
    """Return whether a message is for the service."""
    return names.key(target) == names.key(SERVICE)


async def serve(it: IrcSession, text: str) -> None:
    """Do what a message asks of the service."""
    verb, *words = text.split() or [""]
    if verb.upper() in ("IDENTIFY", "LOGIN") and 1 <= len(words) <= 2:
        await _identify(it, words[-1], words[0] if len(words) == 2 else it.nick)
    elif verb.upper() == "REGISTER" and words:
        await _register(it, words)
    else:
        it.count()
        _say(it, _HELP)


def _say(it: IrcSession, text: str) -> None:
    it.put(render(source(SERVICE), "NOTICE", it.nick, names.one_line(text)))


async def _identify(it: IrcSession, password: str, name: str) -> None:
    before = it.nick
    try:
        await it.ask("login", name=name, password=password)
    except Refusal as refusal:
        _say(it, sentence(refusal.sentence))
        return
    it.logged_in(before)
    await come_back(it)


async def _register(it: IrcSession, words: list[str]) -> None:
    """Register with a password, and an invitation code where one is needed. Elsewhere clients put
    an e-mail address there, which is not kept."""
    before, needs_code = it.nick, it.chat.accounts.needs_invitation
    code = words[1] if needs_code and len(words) > 1 else None
    try:
        await it.ask("register", password=words[0], code=code)
    except Refusal as refusal:
        _say(it, sentence(refusal.sentence))
        return
    it.logged_in(before)
    _say(it, f"{it.nick} is registered: log in with SASL, or with IDENTIFY.")


async def nickserv(it: IrcSession, message: IrcMessage) -> None:
    """Run `NS` or `NICKSERV`."""
    if message.params:
        await serve(it, " ".join(message.params))
    else:
        it.count()
        it.numeric(Numeric.NEEDMOREPARAMS, message.command, _HELP)


async def register(it: IrcSession, message: IrcMessage) -> None:
    """Run `REGISTER`: keep the client's nick, also before its registration is complete
    (https://ircv3.net/specs/extensions/account-registration)."""
    account, password = message.param(0), message.param(2)
    before, early = it.nick, it.session.user is None
    name = it.registering.nick if early else it.nick
    if not password:
        it.count()
        it.fail("REGISTER", "NEED_MORE_PARAMS", "Give three: REGISTER * * PASSWORD.")
    elif not name:
        it.count()
        it.fail("REGISTER", "NEED_NICK", account[:64], "Give a nick first: NICK alice.")
    elif account != "*" and names.key(account) != names.key(name):
        it.count()
        told = "An account has the name of its nick; take that nick first."
        it.fail("REGISTER", "ACCOUNT_NAME_MUST_BE_NICK", account[:64], told)
    elif not early and it.user.registered:
        it.count()
        told = f"You are logged in as {it.nick}."
        it.fail("REGISTER", "ALREADY_AUTHENTICATED", it.nick, told)
    else:
        try:
            if early:
                await it.ask("signup", name=name, password=password)
                it.connection.logged_in()
            else:
                await it.ask("register", password=password)
        except Refusal as refusal:
            it.connection.factory.count(refusal)
            code = _FAULTS.get(refusal.code, "TEMPORARILY_UNAVAILABLE")
            it.fail("REGISTER", code, name, sentence(refusal.sentence))
            return
        it.logged_in(before)
        it.reply("REGISTER", "SUCCESS", it.nick, f"{it.nick} is your name from now on.")


_FAULTS: Mapping[Code, str] = {
    Code.ALREADY_REGISTERED: "ACCOUNT_EXISTS",
    Code.NAME_TAKEN: "ACCOUNT_EXISTS",
    Code.BAD_NAME: "BAD_ACCOUNT_NAME",
    Code.BAD_ARGUMENT: "WEAK_PASSWORD",
}

SERVICE_HANDLERS = {"NS": nickserv, "NICKSERV": nickserv, "REGISTER": register}
