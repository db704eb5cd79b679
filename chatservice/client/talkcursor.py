"""The cursor in the talk: one entry is selected, and keys do something with it."""

import os
import subprocess
import sys
from collections.abc import Callable

from chatservice import names
from chatservice.client import links
from chatservice.client.clientstate import INBOX, Incoming
from chatservice.client.scrollback import Item
from chatservice.client.talkpane import TalkPane
from chatservice.client.views import Views
from chatservice.entries import TALK, Entry, Kind
from chatservice.grammar.textformat import quoted_name


class TalkCursor:
    """The selected entry of the view that is shown.

    `send` sends an escape sequence to the terminal. `tell` shows a sentence. `submit` runs a line
    as if it were typed, and `begin` puts one into the line of input.
    """

    def __init__(
        self,
        views: Views,
        pane: TalkPane,
        send: Callable[[str], None],
        tell: Callable[[str], None],
        submit: Callable[[str], None],
        begin: Callable[[str], None],
    ) -> None:
        self._views = views
        self._pane = pane
        self._send = send
        self._tell = tell
        self._submit = submit
        self._begin = begin

    @property
    def active(self) -> bool:
        """True while an entry is selected."""
        return self._views.current.talk.selected is not None

    @property
    def _selected(self) -> Item | None:
        talk = self._views.current.talk
        at = talk.index(talk.selected) if talk.selected is not None else None
        return talk.items[at] if at is not None else None

    @property
    def entry(self) -> Entry | None:
        """The selected entry."""
        item = self._selected
        content = item.content if item is not None else None
        return _entry(content) if content is not None else None

    def select(self, item: Item | None) -> None:
        """Select an item, if it is an entry."""
        if item is not None and item.position:
            self._views.current.talk.selected = item.serial

    def move(self, by: int) -> None:
        """Select the entry that is so many entries further down, or up if `by` is negative. Without
        a selected one, select the last that is visible."""
        talk = self._views.current.talk
        lines = talk.lines(self._pane.height, self._pane.row_count)
        if not lines:
            return
        at = talk.index(talk.selected) if talk.selected is not None else None
        if at is None:
            candidates = [n for n in range(lines[-1].item, -1, -1) if talk.items[n].position]
        else:
            way = range(at + 1, len(talk.items)) if by > 0 else range(at - 1, -1, -1)
            candidates = [n for n in way if talk.items[n].position]
        if candidates:
            found = candidates[min(abs(by), len(candidates)) - 1 if at is not None else 0]
            talk.selected = talk.items[found].serial
            self._pane.reveal(talk.selected)

    def leave(self) -> None:
        """Select nothing."""
        self._views.current.talk.selected = None

    # -- what can be done with it ----------------------------------------------------------------

    def copy(self) -> None:
        """Copy the text, without the name and the time before it."""
        entry = self.entry
        if entry is not None:
            text = entry.file.name if entry.file is not None else entry.text
            self._send(links.copying(text))
            self._tell("Copied, if your terminal takes it; p shows the text alone.")
            self.leave()

    def plain(self) -> list[str]:
        """Return the lines of the text alone, to be selected with the mouse."""
        entry = self.entry
        if entry is None:
            return []
        return (entry.file.name if entry.file is not None else entry.text).split("\n")

    def open(self) -> None:
        """Open the first URL of the text, or fetch the file that the entry is about."""
        entry = self.entry
        if entry is None:
            return
        self.leave()
        if entry.file is not None:
            self._submit(f"/get {quoted_name(entry.file.name)}")
            return
        urls = links.urls(entry.text)
        if not urls:
            self._tell("There is no link in that message.")
        elif _opened(urls[0]):
            self._tell(f"Opened {urls[0]}")
        else:
            self._send(links.copying(urls[0]))
            self._tell(f"Copied, if your terminal takes it: {urls[0]}")

    def reply(self) -> None:
        """Begin a reply to the entry."""
        self._in_room("/reply #{} ")

    def react(self) -> None:
        """Begin a reaction to the entry."""
        self._in_room("/react #{} ")

    def edit(self) -> None:
        """Begin an edit of the entry, with its present text."""
        entry = self.entry
        if entry is not None and entry.file is None:
            self._in_room("/edit #{} " + entry.text.replace("{", "{{").replace("}", "}}"))

    def edit_last(self) -> bool:
        """Begin an edit of the user's last message that is there. Return whether there is one."""
        talk, session = self._views.current.talk, self._views.session
        if self._views.shown.startswith(INBOX):
            return False
        own = names.key(session.state.name) if session is not None else ""
        for item in reversed(talk.items):
            entry = _entry(item.content)
            if entry is not None and entry.kind in TALK and names.key(entry.who) == own:
                self._begin(f"/edit #{item.position} {entry.text}")
                return True
        return False

    def go_to_replied(self) -> None:
        """Show the entry that the selected one replies to."""
        entry = self.entry
        if entry is not None and entry.about:
            self._views.go_to(entry.about, self._views.shown, lambda room: None)

    def erase(self) -> None:
        """Begin the command that erases the entry; Enter runs it."""
        self._with_position("/erase #{}")

    def _in_room(self, form: str) -> None:
        if self._views.shown.startswith(INBOX):
            self._tell("Only messages in rooms have replies, reactions and edits.")
            self.leave()
            return
        self._with_position(form)

    def _with_position(self, form: str) -> None:
        item = self._selected
        if item is not None and item.position:
            self._begin(form.format(item.position))
            self.leave()


def _entry(content: object) -> Entry | None:
    is_entry = isinstance(content, Incoming) and isinstance(content.item, Entry)
    entry = content.item if is_entry else None  # type: ignore[attr-defined]
    return entry if isinstance(entry, Entry) and entry.kind != Kind.GONE else None


def _opened(url: str) -> bool:
    """Open a checked URL in the user's browser, if this is the user's desktop. Return whether."""
    program = "open" if sys.platform == "darwin" else "xdg-open"
    if sys.platform != "darwin" and not ({"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys()):
        return False
    nothing = subprocess.DEVNULL
    try:
        subprocess.Popen(
            [program, url], stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True
        )
    except OSError:
        return False
    return True
