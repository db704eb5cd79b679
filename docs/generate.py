"""Rewrites the generated parts of docs/: `python docs/generate.py`.

These are tables, each between `<!-- NAME -->` and `<!-- /NAME -->`, and the
manual pages. tests/test_docs.py checks that they are up to date.
"""

import ast
import dataclasses
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))  # this checkout, whatever else is installed

from chatservice import replies  # noqa: E402
from chatservice.domain.rights import (  # noqa: E402
    ROLE_RIGHTS,
    ROOM_RIGHTS,
    Role,
)
from chatservice.errors import Code  # noqa: E402
from chatservice.events import FINAL_ENDS, EndReason  # noqa: E402
from chatservice.grammar.commands import COMMANDS  # noqa: E402
from chatservice.grammar.commandtypes import Arg, ArgType, Command, Format, Right  # noqa: E402
from chatservice.limits import Limits  # noqa: E402
from chatservice.options import Options  # noqa: E402
from docs.manual import chatctl_manual, manual  # noqa: E402

JSON_TYPES = {str: "string", int: "number", bool: "true or false"}

ROLE_MEANINGS = {
    Role.STRANGER: "has no name yet",
    Role.BANNED: "is banned from the room",
    Role.OUTSIDER: "is not in the room, and the room is not public",
    Role.VISITOR: "is not in the room, and the room is public",
    Role.LISTENER: "is in the room, and muted, or the room is frozen",
    Role.SPEAKER: "is in the room",
    Role.MODERATOR: "moderates the room",
    Role.OWNER: "owns the room",
    Role.OPERATOR: "runs the server",
}


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in lines)


def typed() -> str:
    """Return the commands of the text format."""
    rows = []
    for row in COMMANDS.values():
        if row.formats & Format.TEXT:
            also = ", ".join(f"`{each.shape}`" for each in row.aliases)
            rows.append((f"`{row.usage}`", also, row.help))
    return table(("command", "also", "does"), rows)


def requests() -> str:
    """Return the commands of the JSON format, with the fields of each reply."""
    rows = [
        (f"`{row.name}`", ", ".join(map(field, row.arguments(Format.JSON))) or "-", answered(row))
        for row in COMMANDS.values()
        if row.formats & Format.JSON
    ]
    return table(("`do`", "fields (? marks optional ones)", "answered with"), rows)


def field(arg: Arg) -> str:
    """Return an argument in JSON, with its description."""
    mark = "?" if arg.is_optional(Format.JSON) else ""
    kind = (
        ArgType.SHA256.description if arg.type is ArgType.SHA256 else JSON_TYPES[arg.type.json_type]
    )
    return f"`{arg.name}`{mark} ({kind}: {arg.help})"


def answered(row: Command) -> str:
    """Return the fields of a command's reply."""
    if row.reply is replies.History:
        return "`room`, `entries`: each an event, as below"
    return ", ".join(fields(row.reply))


def fields(answer: type) -> Iterator[str]:
    """Yield a reply's fields. The fields of a list's rows follow its name."""
    for each in dataclasses.fields(answer):
        of = each.metadata.get("of")
        name = f"`{'from' if each.name == 'who' else each.name}`"
        yield f"{name}: each {' '.join(fields(of))}" if of is not None else name


def codes() -> str:
    """Return the codes of refusals."""
    return table(("code", "means"), [(f"`{code}`", code.meaning) for code in Code])


def ends() -> str:
    """Return the reasons for which a connection ends, and whether a client reconnects."""
    rows = [(f"`{end}`", end.meaning, "no" if end in FINAL_ENDS else "yes") for end in EndReason]
    return table(("`end`", "means", "reconnect by itself?"), rows)


def bounds() -> str:
    """Return the limits, each with its reason from the code."""
    rows, names = [], list[str]()
    class_ = ast.parse(inspect.getsource(Limits)).body[0]
    assert isinstance(class_, ast.ClassDef)
    for each in class_.body:
        if isinstance(each, ast.AnnAssign):
            names.append(ast.unparse(each.target))
        elif names and isinstance(each, ast.Expr):
            why = " ".join(str(ast.literal_eval(each.value)).split())
            values = ", ".join(shown(getattr(Limits(), name)) for name in names)
            rows.append((", ".join(f"`{name}`" for name in names), values, why))
            names = []
    return table(("limit", "value", "reason"), rows)


def shown(value: float | tuple[str, ...]) -> str:
    """Return a number in groups of three digits, `67 108 864`, or several texts."""
    if isinstance(value, tuple):
        return ", ".join(value)
    return f"{value:,}".removesuffix(".0").replace(",", " ")


def options() -> str:
    """Return the options of `twistd chat`."""
    usage = Options().getUsage(width=80)
    listed = usage[usage.index("Options:") :].partition("\n\n")[0].rstrip()
    return f"```\n{listed}\n```"


def rights() -> str:
    """Return each role's commands, beyond those of the role before it."""
    rows, before = [], set[str]()
    for role in Role:
        has = {row.name for row in COMMANDS.values() if row.needs in ROLE_RIGHTS[role]}
        more = ", ".join(f"`{name}`" for name in COMMANDS if name in has - before)
        less = ", ".join(f"`{name}`" for name in COMMANDS if name in before - has)
        rows.append(
            (role.name.lower(), ROLE_MEANINGS[role], more + (f"; but not {less}" if less else ""))
        )
        before = has
    return table(("role", "the user", "may also use"), rows)


def tokens() -> str:
    """Return the commands that need a password, and those that a token allows."""

    def listed(names: Iterable[str]) -> str:
        return ", ".join(f"`{name}`" for name in COMMANDS if name in set(names))

    by_password = {row.name for row in COMMANDS.values() if row.password_only}
    in_room = {row.name for row in COMMANDS.values() if row.needs in ROOM_RIGHTS or row.room_token}
    free = {row.name for row in COMMANDS.values() if row.needs is Right.NOTHING}
    rows = [
        ("a password (or the admin socket)", listed(by_password)),
        ("a password, or a token without a room", "all commands that no other row has"),
        (
            "a password, or any token; a token for a room, only in that room",
            listed(in_room - by_password),
        ),
        ("nothing yet", listed(free)),
    ]
    return table(("login with", "may use"), rows)


PARTS: Mapping[str, Callable[[], str]] = {
    "commands": typed,
    "requests": requests,
    "errors": codes,
    "ends": ends,
    "limits": bounds,
    "options": options,
    "rights": rights,
    "tokens": tokens,
}


def generated(text: str) -> str:
    """Return a document with its generated parts renewed."""

    def part(found: re.Match[str]) -> str:
        name = found[1]
        return f"<!-- {name} -->\n\n{PARTS[name]()}\n\n<!-- /{name} -->"

    names = "|".join(PARTS)
    return re.sub(rf"<!-- ({names}) -->.*?<!-- /\1 -->", part, text, flags=re.DOTALL)


def main(argv: Any = None) -> None:
    """Rewrite the documents that are out of date, and print their names."""
    for path in sorted(DOCS.glob("*.md")):
        text = path.read_text()
        if (now := generated(text)) != text:
            path.write_text(now)
            print(path)
    for name, made in (("chat-client.1", manual()), ("chatctl.1", chatctl_manual())):
        page = DOCS / name
        if not page.exists() or page.read_text() != made:
            page.write_text(made)
            print(page)


if __name__ == "__main__":
    main()
