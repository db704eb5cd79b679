"""Asking a person for passwords, each on a line of its own."""

import re
from collections.abc import Callable
from typing import Any

from chatservice import names
from chatservice.errors import Code, Refusal
from chatservice.grammar.commandtypes import Request
from chatservice.grammar.prompts import REPEAT, Prompt, passwords_differ, with_give_up_hint


class PromptDialog:
    """Questions to a person, one line each. An empty line, or `/cancel`, gives up.

    Nothing else ends them: after an impossible answer they are asked again. `write` shows a line,
    `hide` says whether typed text is hidden from now on, and `done` gets the request with its
    answers.
    """

    __slots__ = (
        *("_again", "_args", "_done", "_first", "_hide", "_questions", "_write"),
        *("asked", "request"),
    )

    def __init__(
        self,
        request: Request,
        asked: tuple[Prompt, ...],
        write: Callable[[str], None],
        hide: Callable[[bool], None],
        done: Callable[["PromptDialog", Request], None],
    ) -> None:
        self.request = request
        self.asked = asked
        self._again = False
        self._write = write
        self._hide = hide
        self._done = done
        self._begin()

    def restart(self, refusal: Refusal) -> None:
        """Ask all questions again; after a wrong invitation code, only for that."""
        self._again = True
        code = tuple(it for it in self.asked if it.arg == "code")
        if refusal.code is Code.BAD_CODE and code:
            self._questions = code
            self.ask()
        else:
            self._begin()

    def _begin(self) -> None:
        self._args: dict[str, Any] = dict(self.request.args)
        self._questions = self.asked
        self._first: str | None = None
        self.ask()

    def ask(self) -> None:
        """Ask the next question."""
        question = self._questions[0]
        self._hide(question.hidden)
        text = question.text if self._first is None else REPEAT
        self._write(f"* {with_give_up_hint(text) if self._again else text}")

    def answer(self, text: str) -> bool:
        """Take an answer. Return whether another one is needed. Raises `Refusal` for an impossible
        one."""
        question = self._questions[0]
        if question.hidden:
            text = _erased(text)
        if not text or text.strip() == "/cancel":
            self._hide(False)
            self._write("* Nothing was done.")
            return False
        try:
            if question.hidden:
                names.password(text)
            if self._first is not None and self._first != text:
                raise passwords_differ()
        except Refusal:
            self._hide(False)
            raise
        if question.twice and self._first is None:
            self._first = text
            self.ask()
            return True
        self._first = None
        self._args[question.arg] = text
        self._questions = self._questions[1:]
        if self._questions:
            self.ask()
            return True
        self._hide(False)
        self._done(self, Request(self.request.command, self._args))
        return False


def _erased(text: str) -> str:
    """Return a line without erased characters: some telnet programs leave the erasing to the
    server."""
    if not _ERASES.search(text):
        return text
    left: list[str] = []
    for character in text:
        if character not in "\x08\x7f":
            left.append(character)
        elif left:
            left.pop()
    return "".join(left)


_ERASES = re.compile("[\x08\x7f]")
"""Backspace and DEL."""
