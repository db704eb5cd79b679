"""Commands about entries that are there: edits, reactions, pins; and erasing."""

from collections.abc import Mapping

from chatservice import names, replies
from chatservice.domain.chat import Arguments, Chat, Handler
from chatservice.domain.ignoring import heard_entries
from chatservice.domain.model import Session
from chatservice.entries import Entry
from chatservice.errors import Code, Refusal


async def _edit(chat: Chat, session: Session, args: Arguments) -> replies.Annotated:
    room, position = chat.rooms.resolve(session, args.get("room")), args.get("position")
    if position is None:
        position = chat.last_said(session, room)
    seq = await chat.annotator.edit(session, room, position, args["text"], args.get("key"))
    return replies.Annotated(f"#{position} is edited.", seq)


async def _react(chat: Chat, session: Session, args: Arguments) -> replies.Annotated:
    room, position = chat.rooms.resolve(session, args.get("room")), args["position"]
    seq, counts = await chat.annotator.react(session, room, position, args["word"], args.get("key"))
    done = "is on" if counts else "is taken off"
    return replies.Annotated(f"{names.reaction(args['word'])} {done} #{position}.", seq)


async def _pin(chat: Chat, session: Session, args: Arguments) -> replies.Annotated:
    return await _pinned(chat, session, args, True)


async def _unpin(chat: Chat, session: Session, args: Arguments) -> replies.Annotated:
    return await _pinned(chat, session, args, False)


async def _pinned(chat: Chat, session: Session, args: Arguments, pinned: bool) -> replies.Annotated:
    room, position = chat.rooms.resolve(session, args.get("room")), args["position"]
    seq = await chat.annotator.pin(session, room, position, pinned, args.get("key"))
    return replies.Annotated(f"#{position} is {'' if pinned else 'no longer '}pinned.", seq)


async def _pins(chat: Chat, session: Session, args: Arguments) -> replies.PinList:
    room = chat.rooms.resolve(session, args.get("room"))
    entries, more = await chat.annotator.pins(room)
    return replies.PinList(room.name, heard_entries(entries, session.ignored), more)


async def _edits(chat: Chat, session: Session, args: Arguments) -> replies.EditList:
    room = chat.rooms.resolve(session, args.get("room"))
    found = await chat.annotator.former_texts(room, args["position"])
    return replies.EditList(room.name, tuple(found))


async def _erase(chat: Chat, session: Session, args: Arguments) -> replies.Erased:
    place, position = args.get("room"), args.get("position")
    if place is not None and place.startswith("@"):
        if position is None:
            sentence = "Name its position: `history @` shows those of your inbox."
            raise Refusal(Code.BAD_ARGUMENT, sentence)
        return _erased(position, await chat.moderation.erase_private(session, position))
    room = chat.rooms.resolve(session, place)
    if position is None:
        position = chat.last_said(session, room)
    position, entry = await chat.annotator.erased_with(room, position)
    await chat.moderation.erase(session, room, position, entry)
    return _erased(position, entry)


def _erased(position: int, entry: Entry) -> replies.Erased:
    was = entry.file.name if entry.file is not None else names.one_line(entry.text)
    was = was if len(was) <= _ERASED else f"{was[:_ERASED]}..."
    return replies.Erased(f"#{position} is erased: {was}", position)


_ERASED = 60
"""Characters shown of an erased entry: one line of a terminal."""


ANNOTATION_HANDLERS: Mapping[str, Handler] = {
    "edit": _edit,
    "react": _react,
    "pin": _pin,
    "unpin": _unpin,
    "pins": _pins,
    "edits": _edits,
    "erase": _erase,
}
