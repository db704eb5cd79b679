"""A few questions to a server in JSON, and their answers."""

import json
from collections.abc import Iterator
from typing import Any

from tests.servers import RawClient


def joined(bare: RawClient, name: str, room: str = "lab") -> RawClient:
    """Give a new connection its name, and have a room shown to it from now on."""
    bare.ask(do="hello", name=name)
    bare.ask(do="join", room=room, id="join")
    answer(bare, "join")
    return bare


def answer(bare: RawClient, id_: Any) -> dict[str, Any]:
    """Wait for the answer to the request with that id, passing over all else."""
    while (event := bare.event()).get("id") != id_:
        pass
    return event


def say(bare: RawClient, text: str, room: str = "lab") -> dict[str, Any]:
    """Say something, with itself as its key, and return the answer."""
    bare.ask(do="say", room=room, text=text, key=text, id=text)
    return answer(bare, text)


def history(bare: RawClient, room: str = "lab") -> dict[int, str]:
    """Return what was said in a room, up to a thousand entries of it, by position."""
    bare.ask(do="history", room=room, limit=1000, id="history")
    entries = answer(bare, "history")["entries"]
    return {entry["seq"]: entry["text"] for entry in entries if entry["event"] == "message"}


def follow(bare: RawClient, after: int = 0, room: str = "lab") -> Iterator[dict[str, Any]]:
    """Join a room on a new connection that has its name, and iterate over all that is in its log
    behind a position, however long it is."""
    bare.ask(do="join", room=room, after=after, id="follow")
    last, position = None, 0
    for line in bare.socket.makefile("rb"):
        if line.startswith(b"* Welcome"):  # on a busy machine, one may be slow to speak first
            continue
        event = json.loads(line)
        if event.get("id") == "follow":
            last = event["seq"]
        elif "seq" in event:
            assert event["seq"] > position
            position = event["seq"]
            yield event
        if position == last:
            return
