"""Answers of the HTTP API as plain text: the lines of the text format, for a terminal with curl.

The files are told with their paths, for curl, where the text format tells of `/get`.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from chatservice import replies
from chatservice.entries import FileMark, Run
from chatservice.errors import NAME_NEEDED, NOT_IN_ROOM, Message, Sentences
from chatservice.grammar import textformat
from chatservice.grammar.commandtypes import ALL_ROOMS
from chatservice.grammar.webroutes import API, file_path
from chatservice.names import one_line

SENTENCES: Sentences = {
    NAME_NEEDED: "Say who you are first: with curl by -u NAME, or send a token (Bearer).",
    "{name} is a registered name; `login {name} PASSWORD` if it is yours, or take another one.": (
        "{name} is a registered name; if it is yours, say so with a password or a token (with curl "
        "by -u {name}), or take another one."
    ),
    "Only registered users may enter here: `login {name} PASSWORD`.": (
        "Only registered users may enter here; say who you are, with curl by -u NAME."
    ),
    "{name} is registered already; `login`.": (
        "{name} is registered already; if it is yours, say so, with curl by -u {name}."
    ),
    "{name} is your name from now on; `login {name} PASSWORD` brings you back.": (
        "{name} is your name from now on; with curl, -u {name} says who you are."
    ),
    "`{command}` is for registered names; `register` first.": (
        "{command} is for registered users; say who you are, with curl by -u NAME."
    ),
    "`{command}` needs an account; log in with its name on another connection.": (
        "{command} needs an account; say who you are, with curl by -u NAME."
    ),
    "{room} has a password; `join {room} PASSWORD`.": (
        "{room} has a password; send it as a header, with curl by -H 'Room-Password: PASSWORD'."
    ),
    "There is a room {name} already; `join {name}` takes you there.": (
        "There is a room {name} already; use it, or take another name."
    ),
    "There is no version #{version} of {name} here; `versions {name}` lists those there are.": (
        "There is no version #{version} of {name} here; "
        f"{API}/do/versions lists those there are."
    ),
    "You are up to date now; `history #{position}` shows what you skipped.": (
        f"You are up to date now; {API}/do/history?after={{position}} shows what you skipped."
    ),
    NOT_IN_ROOM: f"You are not in {{room}}; PUT {API}/rooms/{{room}}/membership joins it.",
    "Registering takes an invitation code here; put it behind the password.": (
        "Registering takes an invitation code here; send it as the field code."
    ),
    "All of {name} has come, and is being stored; `remove {name}` removes it then.": (
        "All of {name} has come, and is being stored; DELETE removes it then."
    ),
    "Name its position: `history @` shows those of your inbox.": (
        f"Name its position: {API}/rooms/@/messages shows those of your inbox."
    ),
    "Your token is for the room {only} only; `quit` ends the connection.": (
        "Your token is for the room {only} only; use another one elsewhere."
    ),
}
"""The sentences that the HTTP API has of its own: a request says who asks, and joins nothing. They
name no commands in backquotes."""


def sentence(text: str) -> str:
    """Return a sentence in one line. Text of the user's in it is made safe here."""
    return one_line(text.worded(command, SENTENCES) if isinstance(text, Message) else text)


def command(text: str) -> str:
    """Show a command of a sentence: as its path, or in quotation marks with its arguments."""
    return f'"{text}"' if " " in text else f"{API}/do/{text}"


def run(first: int, it: Run, log: str) -> bytes:
    """Encode a run of entries, with times and positions. `log` is the room's name, or `@`."""
    rows = (_entry(position, entry, log) for position, entry in it.entries(first))
    return _encoded([line for lines in rows for line in lines])


def reply(it: replies.Reply) -> bytes:
    """Encode a reply of a type in `REPLIES`."""
    return _encoded(REPLIES[type(it)](it))


def shared(mark: FileMark, room: str) -> bytes:
    """Encode the answer to an upload into a room, or to one user: `room` is empty then."""
    version = f", version #{mark.version}" if mark.version > 1 else ""
    where = f": {file_path(room, mark.name)}" if room else ""
    return _encoded([f"* {mark.name} ({textformat.size(mark.size)}{version}) is shared{where}"])


def _encoded(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _entry(position: int, it: Any, log: str, room: str = "") -> list[str]:
    return textformat.replayed_entry(position, it, log, room, file_path)


def _entries(it: replies.History) -> list[str]:
    named = it.room == ALL_ROOMS
    rows = zip(it.entries, it.logs, strict=True)
    return [line for row, log in rows for line in _entry(*row, log, log if named else "")]


def _history(it: replies.History) -> list[str]:
    return (_entries(it) or [f"* Nothing there in {it.room}"]) + [_MORE] * it.more


_MORE = "* The rest is too long for one answer; ?after=POSITION shows what follows a position."


def _matches(it: replies.SearchMatches) -> list[str]:
    lines = _entries(it) or ["* Nothing has all these words"]
    return lines + [textformat.INDEX_PENDING] * it.pending


def _files(it: replies.FileList) -> list[str]:
    lines = _of_text(replace(it, files=(), more=0))
    for file in it.files:
        giver = f", from {file.who}" if file.who else ""
        path = file_path(it.room, file.name)
        lines.append(f"* {file.name} ({textformat.size(file.size)}{giver}): {path}")
    return lines + [f"* and {it.more} more: ?after=NAME shows those behind a name"] * (it.more > 0)


def _of_text(it: replies.Reply) -> list[str]:
    """Return the lines of a reply that the text format shows without slash commands."""
    return textformat.reply(it).decode().split("\n")[:-1]


REPLIES: Mapping[type, Callable[[Any], list[str]]] = {
    replies.History: _history,
    replies.PinList: _history,
    replies.EditList: _history,
    replies.SearchMatches: _matches,
    replies.FileList: _files,
    replies.Done: lambda it: [f"* {sentence(it.text)}"] if it.text else [],
    replies.Help: lambda it: [*it.lines],
    replies.Stored: lambda it: [f"#{it.seq}"],
    replies.PrivateSent: lambda it: [f"* Sent to {it.to}.", *_of_text(it)],
    **dict.fromkeys((replies.Annotated, replies.Erased), lambda it: [f"* {sentence(it.text)}"]),
    **dict.fromkeys(
        (
            *(replies.MemberList, replies.UnreadList, replies.Topic),
            *(replies.RoomRules, replies.ModerationLog, replies.ServerStatus),
            replies.ClusterStatus,
        ),
        _of_text,
    ),
}
"""The types of replies that have a form in plain text, and its lines."""
