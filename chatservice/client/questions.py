"""Questions for the arguments that a command lacks, such as a password."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from chatservice import names
from chatservice.client.screen import Screen
from chatservice.errors import PASSWORD_REFUSED, PASSWORD_RELATED, Code, Refusal
from chatservice.grammar.commands import Request
from chatservice.grammar.prompts import (
    PASSWORDS_DIFFER,
    REPEAT,
    Prompt,
    code_prompt,
    prompts_for,
    room_prompt,
    without_current_passwords,
)


class CommandDialog:
    """Questions to the user at `screen` for one request. `refused` shows a refusal.

    From the first question to `end`, each typed line is an answer, or is dropped.
    """

    def __init__(self, screen: Screen, refused: Callable[[Refusal], None]) -> None:
        self._screen = screen
        self._refused = refused

    async def complete(self, request: Request) -> Request | None:
        """Return a request with all that it lacked, or None if the user cancels."""
        return await self._answered(request, tuple(prompts_for(request, False)))

    async def retry(self, request: Request, refusal: Refusal) -> Request | None:
        """Show a refusal and ask again for the argument that was wrong. Return the new request.

        Return None if no argument can help, or the user cancels.
        """
        asked = tuple(self._helpful(request, refusal)) if self._screen.can_ask else ()
        if refusal.code is not Code.PASSWORD_NEEDED or not asked:
            self._refused(refusal)
        if not asked:
            return None
        found = await self._answered(request, asked)
        if found is None and refusal.code is Code.PASSWORD_NEEDED:
            self._refused(refusal)
        return found

    def _helpful(self, request: Request, refusal: Refusal) -> Iterable[Prompt]:
        """Yield the questions that can help after a refusal."""
        command = request.command.name
        if command == "join":
            if refusal.code in PASSWORD_RELATED:
                yield room_prompt(request.args["room"])
        elif refusal.code is Code.BAD_CODE and command in ("register", "signup"):
            yield code_prompt()
        elif refusal.code in PASSWORD_REFUSED:
            yield from prompts_for(without_current_passwords(request), False)

    async def _answered(self, request: Request, asked: Iterable[Prompt]) -> Request | None:
        args = dict(request.args)
        for question in asked:
            answer = await self._answer(question)
            if answer is None:
                return None
            args[question.arg] = answer
        return replace(request, args=args)

    async def _answer(self, question: Prompt) -> str | None:
        """Return the answer to a question, or None if it is cancelled."""
        while True:
            answer = await self._screen.ask(f"{question.text} ", question.hidden)
            if answer is None:
                return None
            try:
                if question.hidden:
                    names.password(answer)
                if not question.twice:
                    return answer
                once_more = await self._screen.ask(f"{REPEAT} ", True)
                if once_more is None or once_more == answer:
                    return once_more
                raise PASSWORDS_DIFFER
            except Refusal as refusal:
                self._refused(refusal)

    def end(self) -> None:
        """Read typed lines as usual again."""
        self._screen.end_question()
