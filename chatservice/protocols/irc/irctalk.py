"""Talk: what is said in channels and to users, and being away."""

from collections.abc import Awaitable
from typing import Any

from chatservice import names, replies
from chatservice.domain.dispatch import dispatch
from chatservice.entries import COPY_KINDS, Entry, Kind
from chatservice.errors import Code, Refusal
from chatservice.grammar.commands import COMMANDS, SAY
from chatservice.grammar.commandtypes import Request
from chatservice.grammar.irc import IrcMessage, parse_talk
from chatservice.grammar.ircformat import (
    CHANNEL,
    SERVER,
    Caps,
    encode_run,
    parse_message_id,
    sentence,
)
from chatservice.grammar.ircnumerics import Numeric, Purpose
from chatservice.grammar.irctexts import ACTION, parse_ctcp, without_formatting
from chatservice.protocols.irc.ircplaces import note_place
from chatservice.protocols.irc.ircservices import is_service, serve
from chatservice.protocols.irc.ircsession import IrcSession

MOST_TARGETS = 4
"""Targets of one message."""


def message_(it: IrcSession, message: IrcMessage) -> Awaitable[None] | None:
    """Run `PRIVMSG` or `NOTICE`."""
    if not message.param(0):
        it.count()
        it.numeric(Numeric.NORECIPIENT, f"Name who is to get it: {message.command} #lab :hello.")
        return None
    if not message.param(1):
        it.count()
        it.numeric(Numeric.NOTEXTTOSEND, "There is nothing in that to be seen; type a text.")
        return None
    targets = message.param(0).split(",")
    if len(targets) > MOST_TARGETS:
        it.count()
        told = f"One message goes to {MOST_TARGETS} at most; it is not sent."
        it.numeric(Numeric.TOOMANYTARGETS, message.param(0)[:64], told)
        return None
    if all(target.startswith(CHANNEL) for target in targets):  # talk does not wait
        for target in targets:
            _try_say(it, target, message)
        return None
    return _send(it, targets, message)


def _try_say(it: IrcSession, target: str, message: IrcMessage) -> None:
    text = _text(it, target, message)
    try:
        if text is not None:
            _say(it, target, message, text)
    except Refusal as refusal:
        _refused(it, target, message.command, refusal)


def _refused(it: IrcSession, target: str, command: str, refusal: Refusal) -> None:
    if refusal.code is Code.BAD_ARGUMENT:  # there is nothing to be seen
        it.numeric(Numeric.NOTEXTTOSEND, sentence(refusal.sentence))
    else:
        it.refused(refusal, Purpose.SPEAK, target[:64], command)


async def _send(it: IrcSession, targets: list[str], message: IrcMessage) -> None:
    for target in targets:
        if target.startswith(CHANNEL):
            _try_say(it, target, message)
        elif is_service(target):
            await serve(it, message.param(1))
        elif (text := _text(it, target, message)) is not None:
            try:
                await _tell(it, target, text, message)
            except Refusal as refusal:
                _refused(it, target, message.command, refusal)


def _text(it: IrcSession, target: str, message: IrcMessage) -> str | None:
    """Return the text of a message as it is stored, without formatting; None for CTCP, but for
    actions."""
    text = message.param(1)
    ctcp = parse_ctcp(text)
    if ctcp is None:
        return names.clean(without_formatting(text))
    if ctcp.command == ACTION:
        return names.clean(without_formatting(ctcp.text))
    it.count()
    if message.command != "NOTICE":
        _refuse_ctcp(it, target, ctcp.command)
    return None


def _kind(message: IrcMessage) -> Kind:
    """Return the kind of the entry that a message makes in a room."""
    if message.command == "NOTICE":
        return Kind.NOTICE
    return Kind.ACTION if message.param(1).startswith("\x01") else Kind.MESSAGE


def _refuse_ctcp(it: IrcSession, target: str, command: str) -> None:
    """Say that only actions are carried: a request would reveal what a user's client is."""
    told = "CTCP is not carried here, but for actions (/me)."
    if command == "DCC":
        told = "DCC is not carried here; share the file in a channel instead, over HTTP."
    if target.startswith(CHANNEL):
        it.numeric(Numeric.CANNOTSENDTOCHAN, target[:64], told)
    else:
        it.fail("PRIVMSG", "CTCP_REFUSED", target[:64], told)


class _Said:
    """A text on its way, which is echoed with its label when it is stored, or refused."""

    __slots__ = ("entry", "label", "room", "session")

    def __init__(self, session: IrcSession, entry: Entry, room: str, label: str) -> None:
        self.session, self.entry, self.room, self.label = session, entry, room, label

    def stored(self, result: int | Exception) -> None:
        """The engine has answered."""
        it = self.session
        if isinstance(result, Refusal):
            where = CHANNEL + self.room
            it.later(self.label, lambda: _refused(it, where, "PRIVMSG", result))
        elif isinstance(result, int) and it.has(Caps.ECHO_MESSAGE):
            it.later(self.label, lambda: echo(it, result, self.entry, self.room))
        elif self.label:
            it.later(self.label, lambda: None)


def _say(it: IrcSession, target: str, message: IrcMessage, text: str) -> None:
    """Say a text in a channel."""
    room, kind, user = it.room(target), _kind(message), it.user
    args: dict[str, Any] = {"room": room.name, "text": text}
    if kind is Kind.NOTICE:
        args["notice"] = True
    entry = Entry(kind, 0, user.name, text, registered=user.registered)
    if kind is not Kind.ACTION and (about := _about(message, room.name)):
        args["about"] = about
        entry = entry._replace(about=about)
    said = _Said(it, entry, room.name, it.label)
    request = Request(COMMANDS["me" if kind is Kind.ACTION else "say"], args)
    dispatch(it.chat, it.session, request, said.stored)
    it.connection.factory.timeslices.note_talk()
    note_place(it, room.name)
    said.entry = entry._replace(time=it.session.active)
    it.label = ""  # it is answered when it is stored


def say_all(it: IrcSession, lines: bytes) -> bool:
    """Say several lines at once, if they are plain talk in one channel that needs no echo. Return
    whether they are said; otherwise each is taken by itself."""
    found = parse_talk(lines) if not it.has(Caps.ECHO_MESSAGE) else None
    room = it.find_room(found[0]) if found is not None else None
    if found is None or room is None:
        return False
    said = _Said(it, Entry(Kind.MESSAGE, 0, it.nick), room.name, "")
    request = Request(SAY, {"room": room.name, "texts": found[1]})
    try:
        dispatch(it.chat, it.session, request, said.stored)
    except Refusal:  # one by one, each has a refusal of its own
        return False
    it.connection.factory.timeslices.note_talk()
    note_place(it, room.name)
    return True


def _about(message: IrcMessage, room: str) -> int:
    """Return the position in a room that a message replies to, or 0."""
    found = parse_message_id(message.tags.get("+draft/reply", "") or message.tags.get("+reply", ""))
    return found[1] if found is not None and found[0] == room else 0


def echo(it: IrcSession, position: int, entry: Entry, log: str) -> None:
    """Answer with an entry of the client's own."""
    encoded = encode_run(it.style.of_entries(), it.nick, False, position, entry.as_run(), log)
    for line in encoded.decode().split("\r\n")[:-1]:
        it.put(line)


async def _tell(it: IrcSession, target: str, text: str, message: IrcMessage) -> None:
    """Send a private message, notice or action."""
    kind = _kind(message)
    flags = {"notice": kind is Kind.NOTICE or None, "action": kind is Kind.ACTION or None}
    reply: replies.PrivateSent = await it.ask("msg", to=target, text=text, **flags)
    note_place(it, f"@{reply.to}")
    if it.has(Caps.ECHO_MESSAGE):
        user, sent = it.user, COPY_KINDS.get(kind, Kind.SENT)
        entry = Entry(sent, it.chat.now(), user.name, text, None, user.registered, to=reply.to)
        echo(it, reply.copy or reply.seq, entry, "@")
    if reply.away and kind is not Kind.NOTICE:
        it.numeric(Numeric.AWAY, reply.to, reply.away)


async def away(it: IrcSession, message: IrcMessage) -> None:
    """Run `AWAY`: be away for a reason, or back without one."""
    text = message.param(0)
    await it.ask("away", text=text)
    if it.user.away:
        it.numeric(Numeric.NOWAWAY, "You are away.")
    else:
        it.numeric(Numeric.UNAWAY, "You are back.")


async def quit_(it: IrcSession, message: IrcMessage) -> None:
    """Run `QUIT`, with a last word."""
    await it.ask("quit", text=message.param(0))
    it.quit("Goodbye.")


async def ping(it: IrcSession, message: IrcMessage) -> None:
    """Run `PING`. Its answer comes behind all that happened before."""
    it.count()
    if not message.params:
        it.numeric(Numeric.NEEDMOREPARAMS, "PING", "Give a word that comes back.")
        return
    if not message.params[0]:
        it.numeric(Numeric.NOORIGIN, "Give a word that comes back.")
        return
    if it.session.unstored:
        await it.chat.publisher.settled(it.session)
    for room in it.session.rooms:
        room.log.send_events()
    it.reply("PONG", SERVER, message.params[0])


TALK_HANDLERS = {
    "PRIVMSG": message_,
    "NOTICE": message_,
    "AWAY": away,
    "QUIT": quit_,
    "PING": ping,
}
