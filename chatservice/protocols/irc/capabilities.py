"""Capabilities: what a client asks for, and what this server has (https://ircv3.net/specs/
extensions/capability-negotiation)."""

from collections.abc import Mapping

from chatservice.grammar.irc import LINE_BYTES, IrcMessage, render
from chatservice.grammar.ircformat import SERVER, Caps
from chatservice.grammar.ircnumerics import Numeric
from chatservice.grammar.irctexts import packed
from chatservice.protocols.irc.ircmultiline import LIMITS as MULTILINE_LIMITS
from chatservice.protocols.irc.ircsession import IrcSession
from chatservice.protocols.irc.registration import PendingRegistration, complete

OFFERED: Mapping[str, str] = {
    Caps.ACCOUNT_NOTIFY: "",
    Caps.ACCOUNT_TAG: "",
    Caps.AWAY_NOTIFY: "",
    Caps.BATCH: "",
    Caps.CAP_NOTIFY: "",
    Caps.CHATHISTORY: "",
    Caps.EVENT_PLAYBACK: "",
    Caps.MESSAGE_REDACTION: "",
    Caps.READ_MARKER: "",
    Caps.REGISTRATION: "before-connect",
    Caps.ECHO_MESSAGE: "",
    Caps.EXTENDED_JOIN: "",
    Caps.EXTENDED_MONITOR: "",
    Caps.INVITE_NOTIFY: "",
    Caps.LABELED_RESPONSE: "",
    Caps.MESSAGE_TAGS: "",
    Caps.MULTILINE: MULTILINE_LIMITS,
    Caps.MULTI_PREFIX: "",
    Caps.SASL: "PLAIN",
    Caps.SERVER_TIME: "",
    Caps.SETNAME: "",
    Caps.STANDARD_REPLIES: "",
    Caps.USERHOST_IN_NAMES: "",
}
"""The capabilities of this server, with their values."""


def _offered(it: IrcSession) -> Mapping[str, str]:
    """Return those that work here: `REGISTER` has no place for an invitation code."""
    if it.chat.accounts.takes_everybody:
        return OFFERED
    return {name: value for name, value in OFFERED.items() if name != Caps.REGISTRATION}


VALUES_SINCE = 302
"""The version of the negotiation since which values are shown."""


async def cap(it: IrcSession, message: IrcMessage) -> None:
    """Run `CAP`. Before the registration it waits for `CAP END`."""
    it.count()
    verb = message.param(0).upper()
    state: PendingRegistration | None = it.registering
    if verb in ("LS", "REQ") and state is not None:
        state.negotiating = True
    if verb == "LS":
        version = message.param(1)
        values = version.isdecimal() and len(version) < 9 and int(version) >= VALUES_SINCE
        if values:
            it.use(it.caps | {Caps.CAP_NOTIFY})
        shown = [
            f"{name}={value}" if value and values else name for name, value in _offered(it).items()
        ]
        if values and (policy := it.transport_security):
            shown.append(f"sts={policy}")
        _show(it, "LS", shown, bool(values))
    elif verb == "LIST":
        _show(it, "LIST", sorted(it.caps), True)
    elif verb == "REQ":
        _request(it, message.param(1))
    elif verb == "END":
        if state is not None:
            state.negotiating = False
            await complete(it, state)
    else:
        shown_verb = message.param(0)[:32]
        it.numeric(Numeric.INVALIDCAPCMD, shown_verb, "CAP has LS, LIST, REQ and END.")


def _show(it: IrcSession, verb: str, shown: list[str], several: bool) -> None:
    """Answer with names of capabilities; in `several` lines, if the client understands that."""
    more = render(SERVER, "CAP", it.nick, verb, "*")
    most = LINE_BYTES - len(f"{more} :".encode())  # pydle 1.2 logs in only if it is one line
    *lines, last = list(packed(shown, most)) if several and shown else [" ".join(shown)]
    for line in lines:
        it.put(f"{more} :{line}")
    it.put(f"{render(SERVER, 'CAP', it.nick, verb)} :{last}")


def _request(it: IrcSession, asked: str) -> None:
    """Agree on all that is asked for, or on nothing of it."""
    wanted = asked.split()
    caps, offered = set(it.caps), _offered(it)
    for name in wanted:
        if name.removeprefix("-") not in offered:
            it.reply("CAP", it.nick, "NAK", " ".join(wanted))
            return
        if name.startswith("-"):
            caps.discard(name[1:])
        else:
            caps.add(name)
    it.reply("CAP", it.nick, "ACK", " ".join(wanted))
    it.use(frozenset(caps))


CAPABILITY_HANDLERS = {"CAP": cap}
