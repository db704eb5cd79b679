"""MONITOR: to be told when single users come and go
(https://ircv3.net/specs/extensions/monitor)."""

from collections.abc import Iterable

from chatservice import names
from chatservice.grammar.irc import IrcMessage
from chatservice.grammar.ircformat import source
from chatservice.grammar.ircnumerics import Numeric
from chatservice.grammar.irctexts import packed
from chatservice.protocols.irc.ircqueries import find_user
from chatservice.protocols.irc.ircsession import MONITORED, IrcSession

_LINE = 350
"""Bytes of names in one line. The client's nick, of at most 32 characters, comes before."""


def monitor(it: IrcSession, message: IrcMessage) -> None:
    """Run `MONITOR`: watch users (`+`), no more (`-`), none (`C`), list them (`L`), or tell who of
    them is here (`S`)."""
    it.count()
    verb = message.param(0).upper()
    given = [name for name in message.param(1).split(",") if name]
    if verb == "+":
        _watch(it, given)
    elif verb == "-":
        for name in given:
            _stop(it, names.key(name))
    elif verb == "C":
        for key in tuple(it.monitored):
            _stop(it, key)
    elif verb == "L":
        _show(it, Numeric.MONLIST, it.monitored.values())
        it.numeric(Numeric.ENDOFMONLIST, "This is all.")
    elif verb == "S":
        _tell(it, list(it.monitored.values()))
    else:
        it.numeric(Numeric.NEEDMOREPARAMS, "MONITOR", "Give +, - and names; or C, L or S.")


def _watch(it: IrcSession, given: list[str]) -> None:
    new = []
    for at, name in enumerate(given):
        key = names.key(name)
        if key in it.monitored:
            continue
        if len(it.monitored) >= MONITORED:
            told = "You watch as many users as may be; take some out."
            rest = next(packed(given[at:], _LINE, ","))
            it.numeric(Numeric.MONLISTFULL, str(MONITORED), rest, told)
            break
        it.monitored = {**it.monitored, key: name[: names.NAME_CHARACTERS]}
        it.chat.users.watching.watch(it.session, key)
        new.append(name)
    _tell(it, new)


def _stop(it: IrcSession, key: str) -> None:
    if key in it.monitored:
        it.monitored = {other: name for other, name in it.monitored.items() if other != key}
        it.chat.users.watching.stop(it.session, key)


def _tell(it: IrcSession, watched: list[str]) -> None:
    """Tell who is here and who is not."""
    found = [(name, find_user(it, name)) for name in watched]
    _show(it, Numeric.MONONLINE, [source(user.name) for _, user in found if user is not None])
    _show(it, Numeric.MONOFFLINE, [name for name, user in found if user is None])


def _show(it: IrcSession, number: str, names_: Iterable[str]) -> None:
    """Show names, as many in a line as fit."""
    for line in packed(names_, _LINE, ","):
        it.numeric(number, line)


MONITOR_HANDLERS = {"MONITOR": monitor}
