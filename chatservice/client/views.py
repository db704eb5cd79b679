"""The views of a full screen, one for each room and each private talk: its scrollback and its
half-typed line. Talk that is not there yet is read from the server. The view of private talk is
called `@` and the partner's name; its positions are those of the inbox."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from prompt_toolkit.document import Document
from twisted.internet.defer import Deferred

from chatservice.client.annotatedentry import annotated
from chatservice.client.clientsession import ClientSession
from chatservice.client.clientstate import INBOX, Incoming
from chatservice.client.jsonconnection import Lost
from chatservice.client.lineeditor import InputHistory
from chatservice.client.scrollback import Content, Place, Scrollback
from chatservice.client.wrapping import Span
from chatservice.entries import Entry, Kind
from chatservice.errors import Code, Refusal

PAGE_ENTRIES = 100
"""Entries of the history that are asked for at once: two screens of fifty rows."""

PLACES_KEPT = 50
"""Places to which one can go back."""


@dataclass(slots=True)
class View:
    """The view of one room: its scrollback, the half-typed line with the earlier lines, and rows
    that are drawn."""

    talk: Scrollback = field(default_factory=Scrollback)
    typed: Document = field(default_factory=Document)
    history: InputHistory | None = None
    drawn: dict[int, tuple[Content, list[list[Span]]]] = field(default_factory=dict)
    loading: bool = False
    unread_behind: int | None = None


class Visited(NamedTuple):
    """A place that the user left: the room, and the position of the entry at the bottom, or 0 for
    the newest."""

    room: str
    position: int


class Views:
    """The views of all rooms. `changed` is called when one has new rows, `refused` shows a refusal.

    shown: the room whose view is shown; empty before the first room.
    """

    def __init__(self, changed: Callable[[], None], refused: Callable[[Refusal], None]) -> None:
        self.session: ClientSession | None = None
        self.shown = ""
        self._views: dict[str, View] = {}
        self._changed = changed
        self._refused = refused
        self._visited: list[Visited] = []

    def of(self, room: str) -> View:
        """Return the view of a room; it is made when first asked for."""
        view = self._views.get(room)
        if view is None:
            view = self._views[room] = View()
        return view

    @property
    def current(self) -> View:
        """The view that is shown."""
        return self.of(self.shown)

    def turn_to(self, room: str, typed: Document) -> Document:
        """Show the view of another room. Take the half-typed line, and return that of the view."""
        before, view = self.current, self.of(room)
        if not self.shown:  # what was shown before the first room stays to be seen
            view.talk, view.typed = before.talk, typed
        else:
            before.typed = typed
            before.talk.to_background()
            before.talk.mark_unread()
            before.unread_behind = None
            before.drawn.clear()
        self.shown = room
        view.talk.to_foreground()
        kept = {room, *self._places}
        self._views = {it: of for it, of in self._views.items() if it in kept}
        return view.typed

    def mark_unread_behind(self, room: str, position: int | None) -> None:
        """Let the entries of a room behind a position be unread, or none."""
        view = self.of(room)
        view.unread_behind = position
        view.talk.mark_unread_behind(position)

    @property
    def _places(self) -> set[str]:
        places = self.session.state.places if self.session is not None else []
        return {it.room for it in places}

    def forget_drawn(self) -> None:
        """Let all rows be drawn anew."""
        for view in self._views.values():
            view.drawn.clear()

    def erase(self, room: str, position: int) -> None:
        """Show that an entry was erased, in its place."""
        entry = self._entry_at(room, position)
        if entry is not None:
            gone = Entry(Kind.GONE, entry.time, entry.who)
            self.of(room).talk.rewrite(position, gone)

    def erase_private(self, position: int) -> None:
        """Show that an entry of the inbox was erased, in its place in the view of its partner."""
        for place in self._places:
            if place.startswith(INBOX):
                self.erase(place, position)

    def annotate(self, room: str, incoming: Incoming) -> bool:
        """Show an annotation in the place of the entry that it is about. Return whether that is
        enough; else it is shown by itself, as every pin is, too."""
        by = incoming.item
        if not isinstance(by, Entry) or not by.about:
            return False
        entry = self._entry_at(room, by.about)
        changed = annotated(entry, by, incoming.position) if entry is not None else None
        if changed is not None:
            self.of(room).talk.rewrite(by.about, changed)
        return changed is not None and by.kind not in (Kind.PINNED, Kind.UNPINNED)

    def _entry_at(self, room: str, position: int) -> Entry | None:
        """Return the entry at a position of a room, if it is in the room's view."""
        talk = self.of(room).talk
        at = talk.index_of(position)
        content = talk.items[at].content if at is not None else None
        entry = content.item if isinstance(content, Incoming) else None
        return entry if isinstance(entry, Entry) else None

    # -- reading from the server -----------------------------------------------------------------

    def load_older(self) -> None:
        """Ask for the entries before those of the shown view."""
        talk = self.current.talk
        if talk.has_older:
            first = talk.first_position
            self._load(talk.add_older, lambda: talk.first_position, before=first or None)

    def load_newer(self) -> None:
        """Ask for the entries behind those of the shown view."""
        talk, room, last = self.current.talk, self.shown, self.current.talk.last_position
        add = lambda page: talk.add_newer(page, self._end(room))  # noqa: E731
        self._load(add, lambda: talk.last_position, after=last)

    def _end(self, room: str) -> int:
        if self.session is None:
            return 0
        if room.startswith(INBOX):
            return self.session.state.inbox_position
        state = self.session.state.rooms.get(room)
        return state.position if state is not None else 0

    def _load(
        self,
        add: Callable[[Sequence[Incoming]], None],
        edge: Callable[[], int],
        **where: Any,
    ) -> None:
        """Ask for a page of the shown room's history. Add it, if the position at that `edge` of the
        window is still the same: the user may have gone elsewhere."""
        view, room = self.current, self.shown
        if view.loading or self.session is None or room not in self._places:
            return

        async def load() -> None:
            try:
                page = await self._page(room, **where)
                if edge() == was:
                    add(page)
                if view.unread_behind is not None:
                    view.talk.mark_unread_behind(view.unread_behind)
            except Refusal:  # one may not read it
                view.talk.has_older = False
            finally:
                view.loading = False
            self._changed()

        view.loading, was = True, edge()
        _run(load())

    async def _page(self, room: str, limit: int = PAGE_ENTRIES, **where: Any) -> list[Incoming]:
        """Return a page of a room's history. Raises `Refusal` and `Lost`."""
        if self.session is None:
            return []
        found = await self.session.ask("history", room=room, limit=limit, **where)
        log = INBOX if room.startswith(INBOX) else room
        return [Incoming(entry, log, position) for position, entry in found.entries]

    # -- going elsewhere ------------------------------------------------------------------------

    def go_to(self, position: int, room: str, switch: Callable[[str], None]) -> None:
        """Show and select the entry at a position of a room, or the next one. `switch(room)` makes
        another room current."""
        self._remember()
        if room != self.shown:
            switch(room)
        _run(self._select(self.of(room), room, position))

    def go_to_unread(self) -> None:
        """Show the first entry that was unread when the user turned to the room."""
        behind = self.current.unread_behind
        if behind is None:
            sentence = "Nothing was unread when you came to this room."
            self._refused(Refusal(Code.NO_SUCH_ENTRY, sentence))
            return
        self._remember()
        _run(self._show(self.current, self.shown, behind + 1))

    def go_to_time(self, time: float) -> None:
        """Show and select the first entry of the shown room since a time (seconds since 1970)."""
        self._remember()
        _run(self._go_to_time(self.current, self.shown, round(time * 1000)))

    def go_to_mention(self) -> None:
        """Show and select the last entry that names the user, before the selected one."""
        self._remember()
        _run(self._go_to_mention(self.current, self.shown))

    def go_back(self, switch: Callable[[str], None]) -> None:
        """Show the place that the user left last. `switch(room)` makes another room current."""
        self._visited = [it for it in self._visited if it.room in self._places]
        if not self._visited:
            return
        room, position = self._visited.pop()
        if room != self.shown:
            switch(room)
        _run(self._return(self.of(room), room, position))

    def _remember(self) -> None:
        talk = self.current.talk
        at = talk.index(talk.place.serial) if talk.place is not None else None
        above = talk.items[: at + 1] if at is not None else []
        position = next((it.position for it in reversed(above) if it.position), 0)
        self._visited = [*self._visited[-PLACES_KEPT:], Visited(self.shown, position)]

    async def _reach(self, view: View, room: str, position: int) -> int | None:
        """Have the entry at a position in a view, or the next one. Return its item's serial number;
        None if there is none, and the user is told why."""
        talk = view.talk
        if position > self._end(room):
            sentence = f"There is no entry #{position} here yet."
            self._refused(Refusal(Code.NO_SUCH_ENTRY, sentence))
            return None
        try:
            if talk.index_of(position) is None:
                before = position + PAGE_ENTRIES // 2
                talk.replace(await self._page(room, before=before), self._end(room))
                view.drawn.clear()
                if view.unread_behind is not None:
                    talk.mark_unread_behind(view.unread_behind)
        except Refusal as refusal:
            self._refused(refusal)
        return next((it.serial for it in talk.items if it.position >= position), None)

    async def _show(self, view: View, room: str, position: int) -> int | None:
        """Show an entry in the middle of a view. Return its item's serial number, or None."""
        found = await self._reach(view, room, position)
        if found is not None:
            view.talk.sought = found
        self._changed()
        return found

    async def _select(self, view: View, room: str, position: int) -> None:
        found = await self._show(view, room, position)
        if found is not None:
            view.talk.selected = found

    async def _return(self, view: View, room: str, position: int) -> None:
        """Show a place that the user has left: with an entry at the bottom, or the newest."""
        found = await self._reach(view, room, position) if position else None
        if found is None:
            view.talk.to_end()
        else:
            view.talk.place = Place(found)
        view.talk.selected = None
        self._changed()

    async def _go_to_time(self, view: View, room: str, time: int) -> None:
        """Find the first entry since a time by halving the log."""
        low, high = 0, self._end(room)
        try:
            while low < high:
                middle = (low + high) // 2
                page = await self._page(room, limit=1, after=middle)
                entry: Any = page[0].item if page else None
                if entry is None or entry.time >= time:
                    high = middle
                else:
                    low = page[0].position
        except Refusal as refusal:
            self._refused(refusal)
            return
        await self._select(view, room, low + 1)

    async def _go_to_mention(self, view: View, room: str) -> None:
        assert self.session is not None
        talk = view.talk
        at = talk.index(talk.selected) if talk.selected is not None else None
        before = talk.items[at].position if at is not None else None
        try:
            found = await self.session.ask(
                "search", room=room, text=self.session.state.name, before=before or None, limit=1
            )
        except Refusal as refusal:
            self._refused(refusal)
            return
        if found.entries:
            await self._select(view, room, found.entries[-1][0])
        else:
            self._refused(Refusal(Code.NO_SUCH_ENTRY, "No earlier message here names you."))


def _run(work: Any) -> None:
    """Do something that waits for the server. `Lost` means that the user is leaving."""
    Deferred.fromCoroutine(work).addErrback(lambda failure: failure.trap(Lost) and None)
