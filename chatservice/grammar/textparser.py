"""The parser of the text format: typed lines to requests."""

import re
from typing import Any

from chatservice.errors import PASSWORD_RELATED, Code, Refusal
from chatservice.grammar.commands import COMMANDS, SAY, MayUse, closest_command
from chatservice.grammar.commandtypes import Alias, Arg, ArgType, Command, Format, Request
from chatservice.grammar.durations import looks_like_a_time
from chatservice.grammar.textformat import sentence
from chatservice.names import PLAINLY_VISIBLE, is_visible

_TEXT = Format.TEXT


def decode(line: bytes) -> str:
    """Return the text of a line. Raises `Refusal` (bad-line) if it is not UTF-8, or has a NUL."""
    if b"\0" in line:
        raise Refusal(Code.BAD_LINE, "That line has a NUL in it, so it is not text; not taken.")
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise Refusal(
            Code.BAD_LINE, "That line is not UTF-8; set your terminal to UTF-8 and send it again."
        ) from None


_ROOT = r"(?:[A-Za-z]:[\\/]|\\\\[^\s\\/]+[\\/])"
"""The root of a path on Windows: a drive, or a computer on the network."""

_LOCAL_PATH = re.compile(
    r"-file(?: .*)?|transfer"
    r"|(?:transfer (?=\S*[./\\])\S+"
    r"|/[^\s/]+/.*|(?:~[^\s/\\]*|\.{1,2})[/\\]\S*"
    rf"|[A-Za-z]:\\|{_ROOT}(?:\S+|.*\.\w{{1,8}})"
    rf"""|(["'])(?:{_ROOT}|/[^\s/]+/|(?:~|\.{{1,2}})[/\\])[^"']*\1)(?: @\S+)?""",
    re.DOTALL,
)


def names_local_file(line: str) -> bool:
    """Return whether a line names a file on the user's own machine, which only a client can send.

    Such a line is `-file PATH`, `transfer PATH`, or looks like nothing but a path. A path may
    contain spaces if it begins with a drive and ends in an extension, or if it is quoted.
    """
    return _LOCAL_PATH.fullmatch(line) is not None


def parse(
    line: str,
    bare_words: bool = True,
    may_prompt: bool = False,
    may: MayUse = lambda _: True,
) -> Request | None:
    """Return the request of a line, or None for an empty line. Talk is a request to `say`.

    With `bare_words`, the aliases of commands count too (`join lab`, `bye`). With `may_prompt`,
    passwords may be left out; the caller prompts for them. `may` filters the commands that the
    refusal of a mistyped one suggests.
    Raises `Refusal` (unknown-command, bad-argument).
    """
    if not line or line.isspace():
        return None
    if line[0] == "/":
        if line[1:2] == "/":
            return Request(SAY, {"text": line[1:]})
        word, _, rest = line[1:].partition(" ")
        return _request(_command(word, may), rest, may_prompt)
    if bare_words:
        found = _parse_alias(line)
        if found is not None:
            return found
    return Request(SAY, {"text": line})


def parse_talk(chunk: bytes, bare_words: bool = True) -> list[str] | None:
    """Return the lines of a chunk if all of them are plainly talk, or else None.

    `chunk` ends with a line end. It is decoded and searched as a whole, which costs less than line
    by line. `parse` would make a `say` of each line returned (tests/grammar/test_textparser.py).
    """
    if b"\0" in chunk:
        return None
    try:
        if b"\r" in chunk:
            chunk = chunk.replace(b"\r\n", b"\n")
        text = "\n" + chunk[:-1].decode()
    except UnicodeDecodeError:
        return None
    if (_NOT_TALK_BARE if bare_words else _NOT_TALK).search(text):
        return None
    lines = text[1:].split("\n")
    if not text.isascii() and _MAY_BE_NOTHING.search(text) and not all(map(is_visible, lines)):
        return None
    return lines


def _command(word: str, may: MayUse) -> Command:
    command = COMMANDS.get(word.casefold())
    if command is not None and command.formats & _TEXT:
        return command
    near = closest_command(word, _TEXT, may)
    hint = f"did you mean /{near}?" if near else "/help lists those there are."
    shown = word if len(word) <= 32 else word[:32] + "..."
    raise Refusal(
        Code.UNKNOWN_COMMAND, "There is no command /{shown}; {hint}", shown=shown, hint=hint
    )


def _request(command: Command, text: str, may_prompt: bool = False) -> Request:
    args = [arg for arg in command.arguments(_TEXT) if arg.type is not ArgType.FLAG]
    words = _Words(command, text)
    greedy = next((i for i, arg in enumerate(args) if arg.type.greedy), len(args))
    for arg in args[:greedy]:
        words.take_first(arg, may_prompt)
    if greedy < len(args):
        words.take_rest(args[greedy], args[greedy + 1 :], strip=len(args) > 1)
    else:
        words.check_end()
    if any(it.name == "action" for it in command.args) and "text" in words.values:
        _split_action(words.values)
    if "name" in words.values and any(it.name == "name" and it.type is ArgType.FILE for it in args):
        _split_room(command, words.values)
    return Request(command, words.values)


def _split_action(values: dict[str, Any]) -> None:
    """Take a text that begins with `/me` as what the user does."""
    word, _, text = values["text"].lstrip(" ").partition(" ")
    if word == "/me" and text.strip():
        values |= {"text": text, "action": True}


class _Words:
    """The text behind a command: arguments are taken from both ends of it into `values`. The rest
    between them is the value of an argument with spaces."""

    def __init__(self, command: Command, text: str) -> None:
        self._command = command
        self._text = text
        self.values: dict[str, Any] = {}

    def take_first(self, arg: Arg, may_prompt: bool) -> None:
        """Take the first word, if it fits. Raises `Refusal` if it does not, but must."""
        self._text = self._text.lstrip(" ")
        word, _, rest = self._text.partition(" ")
        if arg.type.pattern.fullmatch(word):
            self._set(arg, word, rest)
        elif not _may_be_left_out(arg, self._text, may_prompt):
            raise _bad_argument(self._command, arg, word)

    def _take_last(self, arg: Arg) -> None:
        self._text = self._text.rstrip(" ")
        rest, space, word = self._text.rpartition(" ")
        if space and arg.type.pattern.fullmatch(word):
            self._set(arg, word, rest)
        elif not arg.optional:
            raise _bad_argument(self._command, arg, word if space else "")

    def _set(self, arg: Arg, word: str, rest: str) -> None:
        self.values[arg.name] = arg.type.value(word)
        self._text = rest

    def take_rest(self, arg: Arg, behind: list[Arg], strip: bool) -> None:
        """Take all that the arguments `behind` leave. A file's name may be in quotes."""
        quoted = _QUOTED_NAME.fullmatch(self._text) if arg.type is ArgType.FILE else None
        if quoted is not None:
            self._text = f" {quoted[2] or ''}"
        for each in reversed(behind):
            self._take_last(each)
        if quoted is not None:
            self.check_end()
            self.values[arg.name] = quoted[1]
            return
        text = self._text.strip(" ") if strip or arg.type is ArgType.FILE else self._text
        if text:
            self.values[arg.name] = text
        elif not arg.optional:
            raise _bad_argument(self._command, arg, "")

    def check_end(self) -> None:
        """Raise `Refusal` if there is anything left."""
        if self._text.strip():
            usage = self._command.usage
            raise Refusal(Code.BAD_ARGUMENT, "That is one word too many: {usage}", usage=usage)


_QUOTED_NAME = re.compile(r' *"(.+)"(?: ([^"]*))?', re.DOTALL)


def _may_be_left_out(arg: Arg, rest: str, may_prompt: bool) -> bool:
    """Return whether `rest` may go without this argument. A mistyped time or position does not pass
    for the text that follows it."""
    if arg.type is ArgType.TIME:
        return not looks_like_a_time(rest)
    if arg.type is ArgType.POSITION and _NO_POSITION.match(rest):
        return False
    return arg.optional or (may_prompt and arg.secret is not None and not rest.partition(" ")[0])


_NO_POSITION = re.compile(r"#[-+]?[0-9]+(?!\S)")


def _bad_argument(command: Command, arg: Arg, word: str) -> Refusal:
    if not word:
        return Refusal(
            Code.BAD_ARGUMENT, "{usage} is missing: {usage2}", usage=arg.usage, usage2=command.usage
        )
    wanted = arg.type.description
    if arg.type is ArgType.TIME:
        wanted += "; begin a reason with a word"
    return Refusal(
        Code.BAD_ARGUMENT,
        "{usage} must be {wanted}: {usage2}",
        usage=arg.usage,
        wanted=wanted,
        usage2=command.usage,
    )


def _split_room(command: Command, values: dict[str, Any]) -> None:
    """Split `ROOM/NAME`, if the command takes a room."""
    if any(arg.name == "room" and not arg.optional for arg in command.args):
        room, slash, name = values["name"].partition("/")
        if slash and room and name:
            values["room"], values["name"] = room, name


def _parse_alias(line: str) -> Request | None:
    for pattern, command, also in _ALIASES.get(line[0], ()):
        match = pattern.fullmatch(line)
        if match:
            rest = match["rest"] or ""
            if also.shape.endswith(" NAME"):
                rest = f'"{rest}"'  # all of it is the name, also where it ends in a number
            request = _request(command, rest)
            return Request(command, {**request.args, **also.sets}, bare=line)
    return None


def with_say_hint(refusal: Refusal, line: str) -> Refusal:
    """Return the refusal of a line without a slash, with how to say the line instead.

    A line that only lacked the right password was no talk: its refusal stays as it is.
    """
    if not line or line.startswith("/") or refusal.code in PASSWORD_RELATED:
        return refusal
    how = f"/say {line}" if len(line) <= _QUOTED else "put /say before it"
    told = sentence(refusal.sentence)
    end = "" if told.endswith((".", "!", "?")) else "."
    return Refusal(refusal.code, "{told}{end} To say it: {how}", told=told, end=end, how=how)


_QUOTED = 60
"""Characters of the longest line that is quoted."""


def undo_hint(request: Request) -> str | None:
    """Return how to undo a request, if it created a room from a line that may have been talk."""
    if request.command.name != "create" or not request.bare or "room" not in request.args:
        return None
    line = request.bare if len(request.bare) <= _QUOTED else "and the line"
    return f"That made a room. To say it instead: /leave, and then /say {line}"


def _compile_alias(also: Alias) -> re.Pattern[str]:
    """Compile a shape: `join [ROOM]` matches `join` and `join lab`, and nothing else."""
    words = also.shape.split(" ")
    pattern, parts = "", []
    for word in words:
        if word.startswith("@"):
            pattern = "@"
            parts.append(r"(?=[^\s@])\S+")
        elif word.strip("[]").isupper() and word != "NEW":
            part = r"\S.*" if word in ("TEXT", "NAME") else r"\S+"
            parts.append(f"(?: {part})?" if word.startswith("[") else part)
        else:
            pattern += ("" if not pattern else " ") + re.escape(word)
    if not parts:
        return re.compile(f"{pattern}(?P<rest>)")
    if parts[0].startswith("(?: "):
        return re.compile(f"{pattern}(?P<rest>{''.join(parts)})", re.DOTALL)
    gap = "" if pattern == "@" else " "
    return re.compile(f"{pattern}{gap}(?P<rest>{' '.join(parts)})", re.DOTALL)


def _alias_table() -> dict[str, list[tuple[re.Pattern[str], Command, Alias]]]:
    """Return the aliases by first character: talk then costs one look-up."""
    table: dict[str, list[tuple[re.Pattern[str], Command, Alias]]] = {}
    for command in COMMANDS.values():
        for also in command.aliases:
            table.setdefault(also.shape[0], []).append((_compile_alias(also), command, also))
    return table


_ALIASES = _alias_table()


def _not_talk(*more: str) -> re.Pattern[str]:
    """Compile a pattern of how a line begins that may be no talk."""
    return re.compile("\n(?:" + "|".join((r"/|\s*(?:\n|$)", *more)) + ")")


_NOT_TALK = _not_talk()
_MAY_BE_NOTHING = re.compile(rf"\n[^{PLAINLY_VISIBLE}\n]*+(?=\n|\Z)")
"""A line with no plainly visible character."""
_FIRST_WORDS = {also.shape.split(" ")[0] for row in COMMANDS.values() for also in row.aliases}
_NOT_TALK_BARE = _not_talk(
    r"[~.@]|[A-Za-z]:[\\/]|\\\\|[\"'](?:[A-Za-z]:|[~./\\])|(?:-file|transfer)(?!\S)",
    *(re.escape(word) + r"(?![^\s])" for word in sorted(_FIRST_WORDS) if word[0] != "@"),
)
