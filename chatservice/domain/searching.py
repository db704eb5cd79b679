"""Search: what a user looks for, in which rooms, and what of it they may be shown."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from chatservice import names, replies
from chatservice.domain.ignoring import heard_entry
from chatservice.domain.log import Log, reread_if_erased
from chatservice.domain.model import Room, Session
from chatservice.domain.paging import page
from chatservice.domain.ports.log_ports import Match, SearchQuery
from chatservice.domain.rooms import Rooms, Services
from chatservice.domain.users import Users
from chatservice.errors import Code, Refusal
from chatservice.grammar.commandtypes import ALL_ROOMS, ArgType, Right
from chatservice.grammar.durations import parse_duration

_EXAMPLES = {
    "from": "from:alice",
    "in": "in:lab",
    "before": "before:2026-11-01",
    "after": "after:7d",
    "has": "has:file",
}
"""The filters, each with an example."""


class ParsedSearch(NamedTuple):
    """A typed search: a query, yet without its logs, and the name of a room, or None."""

    query: SearchQuery
    room: str | None


def parse(text: str, now: int) -> ParsedSearch:
    """Return the search for a text of words and filters, such as `from:alice`. What stands in
    quotes is no filter. `now` is in milliseconds since 1970. Raises `Refusal` (bad-argument)."""
    words, filters = list[str](), dict[str, str]()
    for word in re.findall(r'"[^"]*"|[^\s"]+', text):
        name, colon, value = word.partition(":")
        if colon and name.casefold() in _EXAMPLES:
            filters[name.casefold()] = value
        else:
            words.append(word)
    query, room = SearchQuery(" ".join(words), {}, 0), None
    for name, value in filters.items():
        try:
            match name:
                case "from":
                    query = query._replace(who=names.key(names.user(value.removeprefix("@"))))
                case "in":
                    room = names.room(value) if not value.isdecimal() else value
                case "before":
                    query = query._replace(until=_time(value, now))
                case "after":
                    query = query._replace(since=_time(value, now))
                case _ if value.casefold() == "file":
                    query = query._replace(files=True)
                case _:
                    raise ValueError
        except (ValueError, OverflowError, Refusal):
            raise Refusal(
                Code.BAD_ARGUMENT,
                "{filter} is not understood; write it like {example}, or in quotes to search for "
                "that text.",
                filter=f"{name}:{value[:32]}",
                example=_EXAMPLES[name],
            ) from None
    return ParsedSearch(query, room)


def _time(value: str, now: int) -> int:
    """Return the time of a date, of a date and time (UTC if no zone is given), or of so long ago,
    in milliseconds since 1970. Raises `ValueError` and `OverflowError`."""
    if ArgType.TIME.pattern.fullmatch(value):
        return now - 1000 * parse_duration(value)
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


class Searching:
    """Searches rooms and inboxes for sessions."""

    def __init__(self, services: Services, rooms: Rooms, users: Users) -> None:
        self._logs, self._limits = services.engine.logs, services.limits
        self._rights, self._now = services.rights, services.now
        self._rooms, self._users = rooms, users

    async def search(
        self, session: Session, text: str, place: str | None, before: int | None, limit: int
    ) -> replies.SearchMatches:
        """Return the last entries that fit a text (`parse`). `place` is a room; `@` or `@USER` in
        the inbox; `ALL_ROOMS`; or None, the current room. Of one log, they are before the position
        `before`, if that is given. Raises `Refusal`."""
        query, room = parse(text, self._now())
        place = place if room is None else room
        if place is not None and place.startswith("@"):
            place, logs = names.conversation(place), [self._users.inbox(session.require_user())]
            query = query._replace(other=names.key(place[1:]))
        elif place == ALL_ROOMS:
            logs = [it.log for it in self.readable_rooms(session)]
        else:
            found = self._room(session, place)
            place, logs = found.name, [found.log]
        if before is not None and place == ALL_ROOMS:
            raise Refusal(
                Code.BAD_ARGUMENT,
                "Name one room with a position, or write before: and a time among the words.",
            )
        limit = min(limit, self._limits.search_entries)
        matches, more, pending = await self._found(query._replace(limit=limit), logs, before)
        if place == ALL_ROOMS:
            matches = self._readable(session, matches)
        elif not place.startswith("@"):
            self._room(session, place)  # that took a while
        ignored = session.ignored
        heard = [it for it in matches if names.key(it.entry.who) not in ignored]
        rooms = tuple(self._rooms.by_number[it.log].name for it in heard if place == ALL_ROOMS)
        entries = tuple((it.position, heard_entry(it.entry, ignored)) for it in heard)
        return replies.SearchMatches(place, entries, more, pending, rooms)

    def readable_rooms(self, session: Session) -> list[Room]:
        """Return the rooms that a session may read without entering them first: those where its
        user is, those that they keep, and those that are open to all."""
        user, rooms = session.require_user(), self._rooms.by_number.values()
        present = [room for it in user.sessions for room in it.rooms]
        all_ = (*present, *(room for room in rooms if room.is_open or user.keeps(room)))
        return [it for it in dict.fromkeys(all_) if self._rights.may_read(session, it)]

    def _room(self, session: Session, name: str | None) -> Room:
        """Return a room that a session may read. Raises `Refusal`. A token for one room does not
        tell which other rooms exist."""
        only = session.only_room
        try:
            room = self._rooms.resolve(session, name)
        except Refusal:
            if only is None:
                raise
            room = None
        if room is None or not self._rights.token_covers(session, room):
            raise Refusal(
                Code.NOT_ALLOWED,
                "Your token is for the room {only} only.",
                only=only.name if only is not None else "",
            )
        self._rights.check_in_room(session, room, Right.READ)
        return room

    async def _found(
        self, query: SearchQuery, logs: list[Log], before: int | None
    ) -> tuple[Sequence[Match], bool, bool]:
        """Return the last matches of a query in logs that fit into a reply, whether there are more,
        and whether the newest entries are not indexed yet."""

        async def search() -> tuple[Sequence[Match], bool, bool]:
            ends = {
                it.id: it.last + 1 if before is None else min(before, it.last + 1) for it in logs
            }
            found = await self._logs.search(query._replace(logs=ends))
            newest = self._page(found.matches)
            more = len(newest) < len(found.matches)
            return await self._with_states(newest), more, found.pending

        return await reread_if_erased(logs, search)

    def _readable(self, session: Session, matches: Sequence[Match]) -> Sequence[Match]:
        """Return the matches in rooms that a session may still read: a search takes a while."""
        rooms = {it.log: self._rooms.by_number.get(it.log) for it in matches}
        readable = {
            number
            for number, room in rooms.items()
            if room is not None and self._rights.may_read(session, room)
        }
        return [it for it in matches if it.log in readable]

    def _page(self, matches: Sequence[Match]) -> Sequence[Match]:
        """Return the last matches that fit into a reply."""
        size, most = (lambda it: it.entry.encoded_size), self._limits.answer_bytes
        return page(reversed(matches), size, len(matches), most)[::-1]

    async def _with_states(self, matches: Sequence[Match]) -> Sequence[Match]:
        """Return matches with the states of their entries."""
        of_logs: dict[int, list[int]] = {}
        for it in matches:
            of_logs.setdefault(it.log, []).append(it.position)
        states = {log: await self._logs.states(log, found) for log, found in of_logs.items()}
        return [
            it._replace(entry=it.entry._replace(state=states[it.log].get(it.position)))
            for it in matches
        ]
