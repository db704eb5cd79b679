"""The interface of a front end: it shows what happens, and takes lines from the user."""

from abc import abstractmethod
from collections.abc import Callable, Sequence

from chatservice import names, replies
from chatservice.client.clientsession import ClientSession
from chatservice.client.clientstate import Incoming, Unread
from chatservice.client.owncommands import OwnCommand
from chatservice.client.transferconnection import Progress
from chatservice.errors import Refusal
from chatservice.events import Notice
from chatservice.grammar import textformat
from chatservice.grammar.commandtypes import Request

CANCEL = "/cancel"
"""The line that cancels a question, as an empty line does."""


class InputEnded(Exception):
    """No further line will come."""


class Screen:
    """A front end. But for `read_line`, a method does nothing where none overrides it.

    interactive: a user sits at it, sees the state of transfers, and stays in several rooms.
    can_ask: somebody there can answer questions.
    write_error: the reason why nothing can be shown any more, else None.
    key_help: the lines of `/help keys`.
    own_commands: the commands that the front end has of its own, by name.
    first_hint: a sentence for those who start the program for the first time, or empty.
    shows_all_rooms: entries of all joined rooms are shown as they come, each in its own view.
    typed_in: the view in which the last line was typed; empty for the present one.
    """

    shows_all_rooms = False
    first_hint = ""
    typed_in = ""
    own_commands: dict[str, OwnCommand] = {}
    interactive: bool
    can_ask: bool
    write_error: str | None
    key_help: tuple[str, ...]

    def start(self, interrupted: Callable[[], None]) -> None:
        """Begin to take lines. It calls `interrupted` when the user wants to leave at once."""

    def attach(self, session: ClientSession, switch: Callable[[str], None]) -> None:
        """Use the session for what is shown beside the talk, and for completion. `switch(room)`
        makes a joined room the current one."""

    def show(self, lines: bytes) -> None:
        """Show lines in the text format (`chatservice.grammar.textformat`)."""

    def notify(self, sentence: str) -> None:
        """Show a sentence of the client itself."""
        self.show(textformat.event(Notice(names.clean(sentence))))

    def refuse(self, refusal: Refusal) -> None:
        """Show a refusal."""
        self.show(textformat.refusal(refusal))

    def show_incoming(self, incoming: Incoming) -> None:
        """Show an entry or an event."""

    def show_reply(self, it: replies.Reply) -> None:
        """Show the reply to a command."""

    @abstractmethod
    async def read_line(self, prompt: str = "", hidden: bool = False, hold: bool = False) -> str:
        """Return the next line, or with a `prompt` the answer to that question.

        A `hidden` answer is not visible. With `hold`, the question stays until the next one, or
        until `end_question`. Lines that are no text are refused. Raises `InputEnded`.
        """

    async def ask(self, question: str, hidden: bool = False) -> str | None:
        """Return the answer to a question that is held; None if the user cancels it with an empty
        line, or with `CANCEL`. Raises `InputEnded`."""
        answer = await self.read_line(question, hidden, hold=True)
        return None if not answer or answer.strip().casefold() == CANCEL else answer

    def end_question(self) -> None:
        """End a question that was held, and drop lines typed after its answer.

        They may be the same password once more, and must not become talk.
        """

    def show_transfers(self, under_way: Sequence[Progress], waiting: int, now: float) -> None:
        """Show the transfers at `now` (seconds), and the number of those that wait."""

    def show_rooms(self) -> None:
        """Show the joined rooms again: they, or their unread counts, have changed."""

    def show_switch(self, unread: Unread) -> None:
        """Tell that another room is the current one. Its unread entries follow one by one."""
        count = f"; {unread.unread} unread" if unread.unread else ""
        self.notify(f"You are in {unread.room}{count}.")

    def mark_unread(self, room: str, position: int) -> None:
        """Mark the entries of a room as unread, from a position on."""

    def forget_behind(self, room: str, position: int) -> None:
        """Remove the entries of a room behind a position: its log has others there now."""

    def show_pending(self, key: str, request: Request) -> None:
        """Show a text, identified by `key`, that waits to be stored."""

    def resolve_pending(self, key: str, stored: bool, position: int = 0) -> None:
        """Show a pending text as stored at a position, or as refused."""

    def tell_read(self) -> None:
        """Tell the server how far the user has read, as far as it does not know that yet."""

    async def close(self) -> None:
        """Restore the terminal."""
