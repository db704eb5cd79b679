"""BATCH: a text of several lines, which a client sends as one
(https://ircv3.net/specs/extensions/multiline)."""

from collections.abc import Awaitable

from chatservice import names
from chatservice.grammar.irc import IrcMessage
from chatservice.grammar.ircformat import CONCAT, Caps
from chatservice.protocols.irc.ircanswers import LABEL_BYTES, SHOWN
from chatservice.protocols.irc.ircsession import IrcSession
from chatservice.protocols.irc.irctalk import message_

MOST_BYTES = 4096
"""Bytes of such a text: half of what a line of the other formats may have."""

LIMITS = f"max-bytes={MOST_BYTES},max-lines={names.TEXT_LINES}"
"""The value of the capability."""


class OpenText:
    """A text that the client has begun: `reference` is its batch, and `tags` are those of its
    beginning. Once one of its lines is refused, it `failed`, and the others are dropped."""

    __slots__ = ("command", "failed", "lines", "reference", "tags", "target", "text")

    def __init__(self, reference: str, target: str, message: IrcMessage) -> None:
        self.reference, self.target, self.tags = reference, target, message.tags
        self.command, self.text = "PRIVMSG", ""
        self.lines = 0
        self.failed = False

    def take(self, message: IrcMessage) -> tuple[str, ...]:
        """Take a further line. Return what is wrong with it, and the parameters that tell of
        that; or nothing."""
        if message.param(0) != self.target or message.command not in ("PRIVMSG", "NOTICE"):
            others = self.target[:SHOWN] or "*", message.param(0)[:SHOWN] or "*"
            return "MULTILINE_INVALID_TARGET", *others
        before = "" if not self.lines or CONCAT in message.tags else "\n"
        self.command = message.command
        self.lines += 1
        self.text = f"{self.text}{before}{message.param(1)}"
        if len(self.text.encode()) > MOST_BYTES:
            return "MULTILINE_MAX_BYTES", str(MOST_BYTES)
        if self.lines > names.TEXT_LINES:
            return "MULTILINE_MAX_LINES", str(names.TEXT_LINES)
        return ()


def batch(it: IrcSession, message: IrcMessage) -> Awaitable[None] | None:
    """Run `BATCH`: begin a text, or say it. Its label is that of the beginning."""
    it.count()
    reference, text = message.param(0), it.open_text
    if reference[:1] == "+" and message.param(1) == Caps.MULTILINE and it.has(Caps.MULTILINE):
        it.open_text = OpenText(reference[1:], message.param(2), message)
        it.label = ""
        return None
    if not isinstance(text, OpenText) or reference != f"-{text.reference}":
        told = "There is no such batch, or its text was refused."
        it.fail("BATCH", "MULTILINE_INVALID", told)
        return None
    it.open_text = None
    if text.failed:
        return None
    if it.has(Caps.LABELED_RESPONSE):
        it.label = text.tags.get("label", "")[:LABEL_BYTES]
    return message_(it, IrcMessage(text.command, (text.target, text.text), text.tags))


def say(it: IrcSession, message: IrcMessage) -> Awaitable[None] | None:
    """Run `PRIVMSG` or `NOTICE`, which may be a line of a text that was begun."""
    reference, text = message.tags.get("batch"), it.open_text
    if not reference or not it.has(Caps.MULTILINE):
        return message_(it, message)
    it.count()
    fault: tuple[str, ...] = ("MULTILINE_INVALID",)
    if isinstance(text, OpenText) and text.reference == reference:
        if text.failed:
            return None
        fault = text.take(message)
        text.failed = bool(fault)
    if fault:
        told = "That text was not begun, is too long, or goes elsewhere; it is not said."
        it.fail("BATCH", *fault, told)
    return None


MULTILINE_HANDLERS = {"BATCH": batch, "PRIVMSG": say, "NOTICE": say}
