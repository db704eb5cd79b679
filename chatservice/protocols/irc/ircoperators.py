"""Those who run the server, and those who moderate: OPER, REHASH and KNOCK."""

from chatservice import names
from chatservice.domain.model import Room
from chatservice.domain.rules import Access
from chatservice.errors import Code, Refusal
from chatservice.grammar.irc import IrcMessage
from chatservice.grammar.ircformat import channel, sentence
from chatservice.grammar.ircnumerics import Numeric, Purpose
from chatservice.grammar.irctexts import without_formatting
from chatservice.protocols.irc.channels import come_back, prefix
from chatservice.protocols.irc.ircsession import IrcSession

_KNOCKED_AT = 5
"""Moderators who are told of a knock."""


async def oper(it: IrcSession, message: IrcMessage) -> None:
    """Run `OPER`: log in as an operator, with the password, even if the client is one already."""
    name, password = message.param(0), message.param(1)
    if not password:
        it.count()
        it.numeric(Numeric.NEEDMOREPARAMS, "OPER", "Give your name and your password.")
        return
    before = it.nick
    try:
        await it.ask("login", name=name, password=password)
        it.logged_in(before)
    except Refusal as refusal:
        # That one is logged in already is said of a password that is right.
        if refusal.code is not Code.NAME_TAKEN or names.key(name) != it.user.key:
            it.connection.factory.count(refusal)
            it.numeric(Numeric.PASSWDMISMATCH, sentence(refusal.sentence))
            return
    if it.chat.rights.is_operator(it.user):
        it.numeric(Numeric.YOUREOPER, "You run this server.")
    else:
        it.numeric(Numeric.NOOPERHOST, f"{it.nick} is no operator; one of them has to say so.")
    if it.nick != before:  # it has logged in just now
        await come_back(it)


def rehash(it: IrcSession, message: IrcMessage) -> None:
    """Run `REHASH`: read the configuration file again, for an operator."""
    try:
        it.check("status")
    except Refusal as refusal:
        it.connection.factory.count(refusal)
        it.numeric(Numeric.NOPRIVILEGES, "Only an operator can do that; log in as one with OPER.")
        return
    it.connection.factory.reload()
    it.numeric(Numeric.REHASHING, "--config", "is read again; the log tells if it is wrong.")


async def knock(it: IrcSession, message: IrcMessage) -> None:
    """Run `KNOCK`: ask the moderators in a channel to be let in, by private messages of the
    user's. A channel that lists do not show is known to one who has its name, as to `JOIN`."""
    name = message.param(0)
    if not name:
        it.count()
        it.numeric(Numeric.NEEDMOREPARAMS, "KNOCK", "Name a channel: KNOCK #lab.")
        return
    try:
        room = it.find_room(name) or it.room(name)
        where = channel(room.name)
        if room in it.session.rooms:
            it.count()
            it.numeric(Numeric.KNOCKONCHAN, where, "You are there.")
            return
        if room.access is Access.CLOSED:
            it.count()
            it.numeric(Numeric.CANNOTKNOCK, where, "It is closed.")
            return
        if _is_free(room):
            it.count()
            it.numeric(Numeric.CHANOPEN, where, "It is open; JOIN it.")
            return
        told = [user for user in room.users() if prefix(it, room, user)][:_KNOCKED_AT]
        text, why = f"* {it.nick} asks to be let into {where}", without_formatting(message.param(1))
        for user in told:
            await it.ask("msg", to=user.name, text=f"{text}: {why}" if why.strip() else text)
        if told:
            it.numeric(Numeric.KNOCKDLVR, where, "Its moderators are told.")
        else:
            it.count()
            it.numeric(Numeric.CANNOTKNOCK, where, "No moderator is there now; try again later.")
    except Refusal as refusal:
        it.refused(refusal, Purpose.ACT, name[:64], "KNOCK")


def _is_free(room: Room) -> bool:
    """Return whether everybody may come in who knows the room's name."""
    return room.password is None and room.access in (Access.PUBLIC, Access.HIDDEN)


OPERATOR_HANDLERS = {"OPER": oper, "REHASH": rehash, "KNOCK": knock}
