"""The answers to an IRC client: lines with the label of their command, numerics, and failures."""

from collections.abc import Callable
from typing import Any

from chatservice.errors import Refusal
from chatservice.grammar.irc import render, with_tag
from chatservice.grammar.ircformat import SERVER, Caps, sentence, source
from chatservice.grammar.ircnumerics import ERRORS, WITH_TARGET, Numeric, Purpose
from chatservice.names import one_line
from chatservice.protocols.chatsession import ChatSession

LABEL_BYTES = 64
"""Bytes of a label (labeled-response, Client requirements)."""

SHOWN = 64
"""Characters of a client's words in an error: a channel or a command has fewer."""


class Answer:
    """The lines that answer one command, and its `label`
    (https://ircv3.net/specs/extensions/labeled-response)."""

    __slots__ = ("batch", "label", "lines", "size")

    def __init__(self, label: str) -> None:
        self.label = label
        self.lines: list[str] = []
        self.batch = self.size = 0

    def take(self, last: bool) -> bytes:
        """Return the lines that are ready. Those of a command with a label are a batch, if there
        are several, and an `ACK` stands for none."""
        lines, self.lines, self.size = self.lines, [], 0
        if self.label:
            lines = self._labelled(lines, last)
        return "".join(f"{line}\r\n" for line in lines).encode()

    def _labelled(self, lines: list[str], last: bool) -> list[str]:
        if last and not self.batch and len(lines) <= 1:
            return [with_tag(it, "label", self.label) for it in lines or [render(SERVER, "ACK")]]
        if not self.batch:
            self.batch = 1
            opening = render(SERVER, "BATCH", "+label", "labeled-response")
            begin = [with_tag(opening, "label", self.label)]
        else:
            begin = []
        end = [render(SERVER, "BATCH", "-label")] if last else []
        return [*begin, *(in_batch(it, "label") for it in lines), *end]


def in_batch(line: str, reference: str) -> str:
    """Return a line as a part of a batch, unless it is in another one, within."""
    tags = line.partition(" ")[0] if line[0] == "@" else ""
    return line if "@batch=" in tags or ";batch=" in tags else with_tag(line, "batch", reference)


class AnsweringSession(ChatSession):
    """A session that answers in IRC. `caps` are the capabilities that were agreed on.

    An answer may have words of the client in it, or of others; each parameter passes
    `names.one_line`, so none of it steers a terminal.
    """

    __slots__ = ("_answer", "caps")

    caps: frozenset[str]
    _answer: Answer | None

    @property
    def nick(self) -> str:
        """The client's nick, or `*` before it has one."""
        user = self._session.user
        return user.name if user is not None else "*"

    def has(self, cap: str) -> bool:
        """Return whether the client has agreed on a capability."""
        return cap in self.caps

    def put(self, line: str) -> None:
        """Answer with a line, or write it, if no command is being answered."""
        answer = self._answer
        if answer is None:
            self._write(f"{line}\r\n".encode())
            return
        answer.lines.append(line)
        answer.size += len(line)
        if answer.size > self._chat.limits.write_bytes:
            self.flush()

    def reply(self, command: str, *params: str) -> None:
        """Answer with a message of the server's."""
        self.put(render(SERVER, command, *map(one_line, params)))

    def own(self, command: str, *params: str) -> None:
        """Answer with a message that has the user as its source."""
        self.put(render(source(self.nick), command, *map(one_line, params)))

    def numeric(self, number: str, *params: str) -> None:
        """Answer with a numeric."""
        self.put(render(SERVER, number, self.nick, *map(one_line, params)))

    def logged_in(self, before: str) -> None:
        """Tell the client which account it is logged in to, and its nick if it had another one
        before."""
        told = f"You are logged in as {self.nick}."
        self.numeric(Numeric.LOGGEDIN, source(self.nick), self.nick, told)
        if before not in ("*", self.nick):
            self.put(render(source(before), "NICK", self.nick))

    def fail(self, command: str, code: str, *params: str) -> None:
        """Answer with a failure, for which there is no numeric. The last parameter is a
        sentence."""
        if self.has(Caps.STANDARD_REPLIES):
            self.reply("FAIL", command, code, *params)
        else:
            self.reply("NOTICE", self.nick, params[-1])

    @property
    def label(self) -> str:
        """The label of the command that is being answered, or an empty string."""
        return self._answer.label if self._answer is not None else ""

    @label.setter
    def label(self, label: str) -> None:
        if self._answer is not None:
            self._answer.label = label

    def later(self, label: str, call: Callable[[], None]) -> None:
        """Answer with what `call` puts, apart from the command that is being answered now."""
        before, self._answer = self._answer, Answer(label)
        try:
            call()
        finally:
            self._finish()
            self._answer = before

    def flush(self) -> None:
        """Write the answer as far as it is there: what follows must not come before it."""
        if self._answer is not None and self._answer.lines:
            self._write(self._answer.take(last=False))

    def _finish(self, _: Any = None) -> None:
        """The command is answered."""
        answer, self._answer = self._answer, None
        if answer is not None and (data := answer.take(last=True)):
            self._write(data)

    def refused(self, refusal: Refusal, purpose: Purpose, target: str, command: str) -> None:
        """Answer with the numeric of a refusal, or with its code."""
        self._connection.factory.count(refusal)
        told = sentence(refusal.sentence)
        number = ERRORS[purpose].get(refusal.code)
        if number is None:
            self.fail(command, refusal.code.upper().replace("-", "_"), target or "*", told)
        elif number in WITH_TARGET:
            self.numeric(number, target or "*", told)
        else:
            self.numeric(number, told)
