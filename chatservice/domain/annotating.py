"""Annotations: entries about other entries, which change how these are shown.

The engine decides whether the other entry is still there, and keeps what counts of its annotations.
"""

from collections.abc import Sequence
from contextlib import suppress

from chatservice import names
from chatservice.domain.history import HistoryReader
from chatservice.domain.log import reread_if_erased
from chatservice.domain.model import Room, Session
from chatservice.domain.paging import page
from chatservice.domain.ports.log_ports import Draft, no_entry
from chatservice.domain.rooms import Rooms, Services
from chatservice.entries import TALK, Entry, Kind
from chatservice.errors import Code, Refusal


class Annotator:
    """Edits of what was said, reactions to it, and pins."""

    def __init__(self, services: Services, rooms: Rooms, history: HistoryReader) -> None:
        self._history = history
        self._logs, self._accounts = services.engine.logs, services.engine.accounts
        self._publisher, self._rights = services.publisher, services.rights
        self._now, self._limits = services.now, services.limits
        self._slow_mode = rooms.slow_mode

    async def edit(
        self, session: Session, room: Room, position: int, text: str, key: str | None = None
    ) -> int:
        """Give an entry of the user's own another text. Return the position of the edit.

        Raises `Refusal` (no-such-entry, not-allowed, bad-argument, too-many, too-fast, not-stored).
        """
        (text,) = names.clean_talk((text,))
        entry = (await self._logs.entries_at(room.log.id, (position,))).get(position)
        if entry is None or entry.kind == Kind.GONE:
            raise no_entry(position)
        account = await self._accounts.account(session.require_user().key)
        created = account.created if account is not None else None
        self._rights.check_speak(session, room)
        user = session.require_user()
        if not self._rights.owns_entry(session, room, position, entry, created):
            raise Refusal(
                Code.NOT_ALLOWED,
                "#{position} is not yours: you can edit what you said last, or what you said under "
                "your registered name.",
                position=position,
            )
        if entry.kind not in TALK:
            raise Refusal(
                Code.BAD_ARGUMENT,
                "#{position} is no message; only a message can be edited.",
                position=position,
            )
        self._slow_mode.count(user, room)
        draft = self._draft(session, room, Kind.EDIT, text, position, key)
        return await self._publisher.record_and_wait(draft)

    async def react(
        self, session: Session, room: Room, position: int, word: str, key: str | None = None
    ) -> tuple[int, bool]:
        """React with a word to an entry, or take that back. Return the position of the reaction,
        and whether it counts now.

        Raises `Refusal` (no-such-entry, bad-argument, too-many, too-fast, not-stored).
        """
        word = names.reaction(word)
        self._rights.check_speak(session, room)
        self._slow_mode.count(session.require_user(), room)
        draft = self._draft(session, room, Kind.REACTION, word, position, key)
        seq = await self._publisher.record_and_wait(draft)
        return seq, draft.run.kind == Kind.REACTION

    async def pin(
        self, session: Session, room: Room, position: int, pinned: bool, key: str | None = None
    ) -> int:
        """Pin an entry, or take the pin off. Return the position of the new entry.

        Raises `Refusal` (no-such-entry, bad-argument, too-many, not-stored).
        """
        kind = Kind.PINNED if pinned else Kind.UNPINNED
        draft = self._draft(session, room, kind, "", position, key)
        return await self._publisher.record_and_wait(draft)

    async def pins(self, room: Room) -> tuple[Sequence[tuple[int, Entry]], bool]:
        """Return the pinned entries of a room, with their positions, and whether older ones are
        left out of a reply."""
        return await reread_if_erased((room.log,), lambda: self._pins(room))

    async def _pins(self, room: Room) -> tuple[Sequence[tuple[int, Entry]], bool]:
        log = room.log.id
        there = await self._logs.entries_at(log, await self._logs.pinned(log))
        newest = sorted(there.items(), reverse=True)
        size, most = (lambda pair: pair[1].encoded_size), self._limits.answer_bytes
        shown = page(newest, size, self._limits.pins, most)[::-1]
        rows = [row async for row in self._history.with_states(room.log, shown)]
        return rows, len(shown) < len(newest)

    def _draft(
        self, session: Session, room: Room, kind: Kind, text: str, about: int, key: str | None
    ) -> Draft:
        if not about:  # which means no entry
            raise no_entry(about)
        user = session.require_user()
        run = user.run(kind, self._now(), (text,))._replace(about=about)
        return Draft(room.log, run, session.author_cursor(room.log), key, writer=user.id)

    async def former_texts(self, room: Room, position: int) -> Sequence[tuple[int, Entry]]:
        """Return an entry as it was at first, and its edits, oldest first, with their positions.
        Raises `Refusal` (no-such-entry)."""
        log = room.log
        found = await reread_if_erased((log,), lambda: self._logs.edits(log.id, position))
        if not found:
            raise no_entry(position)
        return found

    async def erased_with(self, room: Room, position: int) -> tuple[int, Entry]:
        """Return the position and the entry that are erased with the one at a position: in the
        place of an edit, the entry that was edited, if it is still there. Raises `Refusal`
        (no-such-entry)."""
        entry = await self._history.entry_at(room, position)
        if entry.kind == Kind.EDIT:
            with suppress(Refusal):
                return entry.about, await self._history.entry_at(room, entry.about)
        return position, entry
