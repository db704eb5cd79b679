"""Modes: the settings of channels, and the rules for single users, as IRC has them."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from chatservice import names
from chatservice.domain.model import Room, SessionTraits
from chatservice.domain.rules import Access
from chatservice.errors import Refusal
from chatservice.grammar.irc import IrcMessage
from chatservice.grammar.ircformat import BOT_MODE, CHANNEL, ban_mask, channel
from chatservice.grammar.ircnumerics import Numeric, Purpose
from chatservice.protocols.irc.channels import act
from chatservice.protocols.irc.ircqueries import find_user
from chatservice.protocols.irc.ircsession import IrcSession

_MUTE = "m:"
"""The beginning of a ban that is a mute, as in InspIRCd and Ergo."""


async def mode(it: IrcSession, message: IrcMessage) -> None:
    """Run `MODE`: show or change the modes of a channel."""
    where = message.param(0)
    if not where.startswith(CHANNEL):
        it.count()
        _of_user(it, where, message.param(1))
        return
    try:
        room = it.room(where)
    except Refusal as refusal:
        it.refused(refusal, Purpose.ACT, where[:64], "MODE")
        return
    if len(message.params) == 1:
        it.count()
        it.numeric(Numeric.CHANNELMODEIS, channel(room.name), _modes(room))
        return
    params = list(message.params[2:])
    on = True
    for sign in message.param(1):
        if sign in "+-":
            on = sign == "+"
        elif not await _change(it, room, sign, on, params):
            return


def _modes(room: Room) -> str:
    signs = {
        "i": room.access is Access.INVITED,
        "k": room.password is not None,
        "m": room.frozen,
        "s": room.access is not Access.PUBLIC,
    }
    return "+nt" + "".join(sign for sign, is_on in signs.items() if is_on)


def _of_user(it: IrcSession, whom: str, asked: str) -> None:
    """Show the modes of the user's own nick, or change them: a program is a bot (`B`)
    (https://ircv3.net/specs/extensions/bot-mode)."""
    if not whom:
        it.numeric(Numeric.NEEDMOREPARAMS, "MODE", "Name a channel: MODE #lab.")
    elif find_user(it, whom) is None:
        it.numeric(Numeric.NOSUCHNICK, whom[:64], "Nobody of that name is here.")
    elif names.key(whom) != it.user.key:
        it.numeric(Numeric.USERSDONTMATCH, "You can only see and change your own modes.")
    elif not set(asked) - _SET_BY_CLIENTS:
        operator = "o" if it.chat.rights.is_operator(it.user) else ""
        it.numeric(Numeric.UMODEIS, f"+{BOT_MODE if it.session.traits.bot else ''}{operator}")
    else:
        _change_own(it, asked)


_SET_BY_CLIENTS = frozenset("+-iw")
"""Modes that clients set by themselves as they come in, as irssi sets `i`. Nothing follows from
them, so what holds is shown."""


def _change_own(it: IrcSession, asked: str) -> None:
    on, known = True, True
    for sign in asked:
        if sign in "+-":
            on = sign == "+"
        elif sign != BOT_MODE:
            known = known and sign in _SET_BY_CLIENTS
        elif it.session.traits.bot is not on:
            it.session.traits = _marked(it.session.traits, on)
            it.chat.users.elsewhere.note(it.user)
            it.own("MODE", it.nick, f"{'+' if on else '-'}{BOT_MODE}")
    if not known:
        told = f"There is no such mode of yours; {BOT_MODE} is, for bots."
        it.numeric(Numeric.UMODEUNKNOWNFLAG, told)


@lru_cache(maxsize=256)
def _marked(traits: SessionTraits, bot: bool) -> SessionTraits:
    """Return the traits of a session that is a bot's, or none: one object for equal ones."""
    return replace(traits, bot=bot)


async def _change(it: IrcSession, room: Room, sign: str, on: bool, params: list[str]) -> bool:
    """Change a mode. Return whether to go on with the next one."""
    where = channel(room.name)
    if sign == "b" and not params:
        await _show_bans(it, room)
    elif sign in _WITH_PARAMETER and not params and not (sign == "k" and not on):
        it.count()
        it.numeric(Numeric.NEEDMOREPARAMS, "MODE", f"{sign} needs a parameter.")
    elif sign == "m":
        return await act(it, "freeze" if on else "unfreeze", where)
    elif sign == "o":
        return await act(it, "op" if on else "deop", where, user=params.pop(0))
    elif sign == "b":
        return await _ban(it, where, params.pop(0), on)
    elif sign in _ACCESS:
        key = params.pop(0) if sign == "k" and params else None
        return await act(it, "access", where, **_ACCESS[sign](room, on, key))
    elif sign in "nt":
        it.count()  # nobody outside speaks in any room, and who may speak sets the topic
        if not on:  # which cannot be: show what holds
            it.numeric(Numeric.CHANNELMODEIS, where, _modes(room))
    else:
        it.count()
        it.numeric(Numeric.UNKNOWNMODE, sign, "There is no such mode; b, i, k, m, o and s are.")
    return True


_WITH_PARAMETER = "bko"


def _invited(room: Room, on: bool, key: str | None) -> dict[str, Any]:
    return {"access": Access.INVITED if on else Access.PUBLIC}


def _hidden(room: Room, on: bool, key: str | None) -> dict[str, Any]:
    if room.access is Access.INVITED:  # which is hidden, too
        return {"access": Access.INVITED}
    return {"access": Access.HIDDEN if on else Access.PUBLIC}


def _with_key(room: Room, on: bool, key: str | None) -> dict[str, Any]:
    access = Access.PUBLIC if room.access is Access.CLOSED else room.access
    return {"access": access, "password": key if on else None}


_ACCESS: dict[str, Callable[[Room, bool, str | None], dict[str, Any]]] = {
    "i": _invited,
    "s": _hidden,
    "k": _with_key,
}
"""The arguments of `access` by the mode that is changed. A password goes with the other two, as the
command has it."""


async def _ban(it: IrcSession, where: str, mask: str, on: bool) -> bool:
    """Ban a nick or a range of addresses, or mute a nick (`m:`); or lift that."""
    muted = mask.startswith(_MUTE)
    whom = parse_mask(mask.removeprefix(_MUTE))
    if whom is None:
        it.count()
        told = "Ban a nick (bob!*@*) or a range of addresses (*!*@10.1.0.0/16)."
        it.fail("MODE", "INVALID_MASK", mask[:64], told)
        return True
    command = ("mute" if on else "unmute") if muted else ("ban" if on else "unban")
    return await act(it, command, where, user=whom)


_MASK = re.compile(r"([^!@*?]+)(?:!\*)?(?:@\*)?|(?:\*!\*@)([0-9A-Fa-f.:]+(?:/[0-9]+)?)")


def parse_mask(mask: str) -> str | None:
    """Return the nick or the range of addresses that a mask stands for; None if it is neither."""
    found = _MASK.fullmatch(mask)
    return (found[1] or found[2]) if found is not None else None


async def _show_bans(it: IrcSession, room: Room) -> None:
    where = channel(room.name)
    reply = await it.ask("rules", room=room.name)
    for rule in reply.rules:
        if rule.what in ("banned", "muted"):
            mask = ban_mask(rule.user)
            shown = mask if rule.what == "banned" else _MUTE + mask
            it.numeric(Numeric.BANLIST, where, shown, rule.who)
    it.numeric(Numeric.ENDOFBANLIST, where, "is all.")


MODE_HANDLERS = {"MODE": mode}
