"""Reactions, typing and erasing: tags, and REDACT."""

from chatservice import replies
from chatservice.errors import Refusal
from chatservice.grammar.irc import IrcMessage
from chatservice.grammar.ircformat import CHANNEL, Caps, parse_message_id, sentence
from chatservice.grammar.ircnumerics import Numeric, Purpose
from chatservice.protocols.irc.ircsession import IrcSession
from chatservice.protocols.irc.irctalk import echo

REACTIONS = ("+draft/react", "+draft/unreact")
TYPING = "+typing"


async def tagmsg(it: IrcSession, message: IrcMessage) -> None:
    """Run `TAGMSG`: react to an entry (https://ircv3.net/specs/client-tags/react), or type
    (https://ircv3.net/specs/client-tags/typing). All other tags are ignored, and to a user it
    tells nothing."""
    target, tags = message.param(0), message.tags
    if not target:
        it.count()
        it.numeric(Numeric.NORECIPIENT, "Name a channel: TAGMSG #lab.")
        return
    word = next((tags[name] for name in REACTIONS if tags.get(name)), "")
    try:
        if word and not target.startswith(CHANNEL):
            it.count()
            it.fail("TAGMSG", "CANNOT_REACT", target[:64], "Reactions are for channels alone.")
        elif word:
            await _react(it, target, word, tags.get("+draft/reply", ""))
        elif tags.get(TYPING) == "active" and target.startswith(CHANNEL):
            await it.ask("typing", room=it.room(target).name)
        else:
            it.count()
    except Refusal as refusal:
        it.refused(refusal, Purpose.SPEAK, target[:64], "TAGMSG")


async def _react(it: IrcSession, target: str, word: str, id_: str) -> None:
    """React, or take a reaction back: both are the same request, as in the other formats."""
    room, found = it.room(target), parse_message_id(id_)
    if found is None or found[0] != room.name:
        it.count()
        it.fail("TAGMSG", "INVALID_MSGID", target[:64], "There is no such message in that channel.")
        return
    reply: replies.Annotated = await it.ask("react", room=room.name, position=found[1], word=word)
    if it.has(Caps.ECHO_MESSAGE):
        entry = await it.chat.history.entry_at(room, reply.seq)
        echo(it, reply.seq, entry, room.name)


async def redact(it: IrcSession, message: IrcMessage) -> None:
    """Run `REDACT` (https://ircv3.net/specs/extensions/message-redaction)."""
    target, id_ = message.param(0), message.param(1)
    found = parse_message_id(id_)
    if not id_:
        it.count()
        it.numeric(Numeric.NEEDMOREPARAMS, "REDACT", "Name a channel and a message's id.")
        return
    try:
        place = it.room(target).name if target.startswith(CHANNEL) else "@"
        if found is None or found[0] != place:
            it.count()
            told = "There is no such message there."
            it.fail("REDACT", "UNKNOWN_MSGID", target[:64], id_[:64], told)
            return
        await it.ask("erase", room=place, position=found[1])
    except Refusal as refusal:
        code = _FAULTS.get(refusal.code, "REDACT_FORBIDDEN")
        it.connection.factory.count(refusal)
        about = (target[:64],) if code == "INVALID_TARGET" else (target[:64], id_[:64])
        it.fail("REDACT", code, *about, sentence(refusal.sentence))


_FAULTS = {
    "no-such-entry": "UNKNOWN_MSGID",
    "no-such-room": "INVALID_TARGET",
}

ANNOTATION_MESSAGES = {"TAGMSG": tagmsg, "REDACT": redact}
