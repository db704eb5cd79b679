"""Sentences with values and commands: each format words them, and the domain names no slash."""

import ast
import re
from pathlib import Path
from string import Formatter

import pytest

import chatservice
from chatservice.errors import Code, Message, Refusal
from chatservice.grammar import jsonlines, textformat
from chatservice.grammar.commands import COMMANDS

PACKAGE = Path(chatservice.__file__).parent
SHARED = sorted(
    path
    for folder in ("domain", "engines", "grammar", "net", "protocols")
    for path in (PACKAGE / folder).rglob("*.py")
)


def calls(path):
    """Yield the calls in a module that make a message, as a node and the node of its template."""
    for node in ast.walk(ast.parse(path.read_text())):
        name = getattr(getattr(node, "func", None), "id", "")
        at = {"Refusal": 1, "Message": 0}.get(name)
        if at is not None and len(node.args) == at + 1:
            yield node, node.args[at]


def test_each_format_words_a_message():
    """People read slash commands; programs read commands in quotation marks, and a list of them."""
    refusal = Refusal(Code.NO_SUCH_ROOM, "There is no {room}; `join {room}`.", room="lab {x}`a`")
    assert refusal.params == {"room": "lab {x}`a`"}
    assert textformat.refusal(refusal) == b"! There is no lab {x}`a`; /join lab {x}`a`.\n"
    assert jsonlines.refusal(refusal, None) == (
        b'{"event":"error","code":"no-such-room",'
        b'"message":"There is no lab {x}`a`; \\"join lab {x}`a`\\".",'
        b'"commands":["join lab {x}`a`"]}\n'
    )


@pytest.mark.parametrize("path", SHARED, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_templates_fit_their_values(path):
    """A template is a constant, its values are those that are given, and its commands exist."""
    for call, template in calls(path):
        assert not isinstance(template, ast.JoinedStr), ast.unparse(call)
        if not isinstance(template, ast.Constant):
            continue
        given = {it.arg for it in call.keywords}
        if given:
            wanted = {name for _, name, _, _ in Formatter().parse(template.value) if name}
            assert wanted == given, ast.unparse(call)
        for command in re.findall("`([^` ]+)[^`]*`", template.value):
            assert command in COMMANDS or command == "{command}", ast.unparse(call)


@pytest.mark.parametrize(
    "path",
    [path for path in SHARED if path.parts[-2] in ("domain", "handlers", "sqlite", "net")],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_the_domain_names_no_slash_command(path):
    """A refusal of the domain names no command in the form of one format."""
    for call, template in calls(path):
        slashed = re.compile(rf"(?<![\w/.])/({'|'.join(COMMANDS)})\b")
        assert not slashed.search(ast.unparse(template)), ast.unparse(call)


def test_a_message_is_its_neutral_wording():
    """As a string it names commands in quotation marks."""
    message = Message("`who` lists {count} users.", count=3)
    assert message == '"who" lists 3 users.'
    assert message.commands == ("who",)
