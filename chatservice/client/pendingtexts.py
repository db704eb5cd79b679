"""What was typed and is not stored yet: shown as waiting, above the line of input."""

from chatservice.client.rendering import RowRenderer
from chatservice.client.wrapping import Fragments
from chatservice.entries import Kind
from chatservice.grammar.commands import Request

MOST_SHOWN = 3
"""How much of it is seen at once."""

PROMPT = "> "
"""What stands before a line that is typed."""

_KINDS = {"say": Kind.MESSAGE, "me": Kind.ACTION, "msg": Kind.PRIVATE}


class PendingTexts:
    """What one said, in its order, until it is stored. `look` makes the rows."""

    def __init__(self, look: RowRenderer) -> None:
        self._look = look
        self._said: dict[str, Request] = {}

    def add(self, key: str, request: Request) -> None:
        """Something was said, with a key."""
        self._said[key] = request

    def room(self, key: str) -> str | None:
        """Return the room that something is said in with `key`; None for what is said to one."""
        request = self._said.get(key)
        return request.args.get("room") if request is not None else None

    def resolve(self, key: str, stored: bool) -> Fragments:
        """Return the rows of what was said with `key`: as others see it, or as it was typed if it
        is not `stored`. It waits no longer."""
        request = self._said.pop(key, None)
        if request is None:
            return []
        if not stored:
            return self._look.echo(PROMPT, _typed(request))
        kind = _KINDS[request.command.name]
        return self._look.own(request.args["text"], kind, request.args.get("to"))

    def rows(self, typed: list[str]) -> Fragments:
        """Return the rows that show what waits, and behind it the lines that were `typed` and are
        not obeyed yet."""
        waiting = [request.args["text"] for request in self._said.values()] + typed
        rows = Fragments()
        for text in waiting[:MOST_SHOWN]:
            rows += self._look.pending_text(text)
        if len(waiting) > MOST_SHOWN:
            rows += self._look.pending_text(f"and {len(waiting) - MOST_SHOWN} more")
        return rows


def _typed(request: Request) -> str:
    """Return what says that, as it can be typed again."""
    text: str = request.args["text"]
    match request.command.name:
        case "me":
            return f"/me {text}"
        case "msg":
            return f"@{request.args['to']} {text}"
    return text
