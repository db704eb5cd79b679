"""A front end for people: one line of input at the bottom, and all that comes above it."""

import asyncio
from collections.abc import Callable, Sequence

from prompt_toolkit import PromptSession
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.patch_stdout import StdoutProxy
from twisted.internet.defer import Deferred, DeferredQueue

from chatservice import names
from chatservice.client.cursor import Unread
from chatservice.client.screen import InputEnded, Standing
from chatservice.errors import Refusal
from chatservice.grammar import shown, typed
from chatservice.grammar.commands import Request

PROMPT = "> "
REDRAW_SECONDS = 0.05
"""How long lines are gathered before the screen is drawn again: quicker than an eye, and few enough
times a second to keep up with a busy room."""

SECRETS = (
    *("/login", "/register", "/signup", "/password", "/reset", "/account"),
    *("/join", "/create", "/access"),
)
"""Commands that may hold a password, and are not remembered."""


class Terminal:
    """A `chatservice.client.screen.Screen` on a terminal, for the asyncio reactor."""

    interactive = True

    def __init__(self) -> None:
        self._lines: DeferredQueue[str | None] = DeferredQueue()
        self._prompt = PROMPT
        self._hidden = False
        self._session: PromptSession[str] = PromptSession(
            lambda: self._prompt,
            is_password=Condition(lambda: self._hidden),
            history=_History(self),
        )
        self._output = StdoutProxy(REDRAW_SECONDS, raw=True)
        self._typing: Deferred[None] | None = None
        self._task: asyncio.Future[None] | None = None
        self._interrupted: Callable[[], None] = lambda: None

    @property
    def secret(self) -> bool:
        """Whether what is typed now is a password."""
        return self._hidden

    def start(self, interrupted: Callable[[], None]) -> None:
        """Show the line of input."""
        self._interrupted = interrupted
        self._task = asyncio.ensure_future(self._type())
        self._typing = Deferred.fromFuture(self._task)

    async def _type(self) -> None:
        """Take a line after the other, until `close` or Ctrl+C."""
        while True:
            try:
                line = await self._session.prompt_async(handle_sigint=False)
            except EOFError:
                self._lines.put(None)
            except KeyboardInterrupt:
                self._interrupted()
                return
            else:
                self._prompt, self._hidden = PROMPT, False
                self._lines.put(line)

    def show(self, lines: bytes) -> None:
        """Show lines above the line of input."""
        self._output.write(names.clean(lines.decode(errors="replace")))
        self._output.flush()

    def status(self, text: str) -> None:
        """Show how the transfers stand, below the line of input."""
        self._session.bottom_toolbar = names.clean(text) or None
        self._session.app.invalidate()

    def rooms(self, standings: Sequence[Standing]) -> None:
        """One is told where one is when one comes there."""

    def switched(self, unread: Unread) -> None:
        """What is unread is shown like all else."""

    def said(self, key: str, request: Request, connected: bool) -> None:
        """What one typed stands above already."""

    def settled(self, key: str, stored: bool) -> None:
        """A refusal is shown when it comes."""

    async def line(self, prompt: str = "", hidden: bool = False) -> str:
        """Return the next line."""
        while True:
            self._prompt, self._hidden = prompt or PROMPT, hidden
            self._session.app.invalidate()
            line = await self._lines.get()
            if line is None:
                raise InputEnded
            try:
                return typed.decode(line.encode(errors="surrogatepass"))
            except Refusal as refusal:
                self.show(shown.refusal(refusal))

    async def close(self) -> None:
        """Take the line of input away, with all that was to be shown above it shown."""
        self._output.close()
        if self._task is not None and self._typing is not None:
            self._task.cancel()
            await self._typing.addErrback(lambda failure: failure.trap(asyncio.CancelledError))


class _History(InMemoryHistory):
    """Remembers what was typed, without passwords."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__()
        self._terminal = terminal

    def append_string(self, string: str) -> None:
        """Remember a line."""
        if not (self._terminal.secret or string.startswith(SECRETS)):
            super().append_string(string)
