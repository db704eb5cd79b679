"""Sentences with values and commands: each format words them, and the domain names no slash."""

import ast
import re
from pathlib import Path
from string import Formatter

import pytest

import chatservice
from chatservice.errors import Code, Message, Refusal
from chatservice.grammar import ircformat, jsonlines, textformat, webanswers, webtext
from chatservice.grammar.commands import COMMANDS
from chatservice.grammar.commandtypes import Format

PACKAGE = Path(chatservice.__file__).parent
OWN = {
    "text": ("text*.py", "prompt*.py", "help.py"),
    "json": ("json*.py",),
    "web": ("web*.py", "openapi.py"),
    "irc": ("irc*.py", "irc/*.py"),
}
"""The modules of one format alone."""
MODULES = sorted(
    path
    for folder in ("domain", "engines", "grammar", "net", "protocols")
    for path in (PACKAGE / folder).rglob("*.py")
) + [PACKAGE / "names.py", PACKAGE / "errors.py"]
SHARED = [path for path in MODULES if not {"grammar", "protocols"} & set(path.parts)]
"""The modules whose sentences every format words."""

FORMATS = {
    "text": ("/{}", textformat.SENTENCES),
    "json": ('"{}"', jsonlines.SENTENCES),
    "web": (webtext.command, webtext.SENTENCES),
    "irc": ('"{}"', ircformat.SENTENCES),
}
COMMAND = f"(?:{'|'.join(COMMANDS)})"
OTHERS = {
    "text": re.compile(rf'"{COMMAND}[ "]|"do":'),
    "json": re.compile(rf"(?<![\w/.])/{COMMAND}\b"),
    "web": re.compile(rf'(?<![\w/.])/{COMMAND}\b|"do":'),
    "irc": re.compile(rf'(?<![\w/.])/{COMMAND}\b|"do":'),
}
"""Marks that only another format's sentences have."""


def by_module(modules):
    """Parametrize a test by modules."""
    return pytest.mark.parametrize("path", modules, ids=lambda path: str(path.relative_to(PACKAGE)))


def calls(path):
    """Yield the calls in a module that make a message, as a node and the node of its template."""
    for node in ast.walk(ast.parse(path.read_text())):
        name = getattr(getattr(node, "func", None), "id", "")
        at = {"Refusal": 1, "Message": 0}.get(name)
        if at is not None and len(node.args) == at + 1:
            yield node, node.args[at]


def sentences(path):
    """Yield the texts in a module, but for its docstrings."""
    tree = ast.parse(path.read_text())
    docstrings = {it.value for it in ast.walk(tree) if isinstance(it, ast.Expr)}
    for node in ast.walk(tree):
        text = getattr(node, "value", None)
        if isinstance(node, ast.Constant) and isinstance(text, str) and node not in docstrings:
            yield text


def values(template):
    """Return the names in braces."""
    return {name for _, name, _, _ in Formatter().parse(template) if name}


def test_each_format_words_a_message():
    """People read slash commands; programs and curl read commands in quotation marks, and programs
    a list of them."""
    refusal = Refusal(Code.NO_SUCH_ROOM, "There is no {room}; `join {room}`.", room="lab {x}`a`")
    assert refusal.params == {"room": "lab {x}`a`"}
    assert textformat.refusal(refusal) == b"! There is no lab {x}`a`; /join lab {x}`a`.\n"
    assert jsonlines.refusal(refusal, None) == (
        b'{"event":"error","code":"no-such-room",'
        b'"message":"There is no lab {x}`a`; \\"join lab {x}`a`\\".",'
        b'"commands":["join lab {x}`a`"]}\n'
    )
    problem = webanswers.problem(refusal)
    assert problem.body("text/plain") == b'There is no lab {x}`a`; "join lab {x}`a`".\n'
    assert problem.fields["commands"] == ["join lab {x}`a`"]


@by_module(MODULES)
def test_templates_fit_their_values(path):
    """A template is a constant, its values are those that are given, and its commands exist."""
    for call, template in calls(path):
        assert not isinstance(template, ast.JoinedStr), ast.unparse(call)
        if not isinstance(template, ast.Constant):
            continue
        given = {it.arg for it in call.keywords}
        if given:
            assert values(template.value) == given, ast.unparse(call)
        for command in re.findall("`([^` ]+)[^`]*`", template.value):
            assert command in COMMANDS or command == "{command}", ast.unparse(call)


@by_module(SHARED)
def test_shared_modules_name_no_command_of_one_format(path):
    """No sentence outside of the formats' own modules has a slash command, or one of JSON."""
    for told in sentences(path):
        bare = re.sub("`[^`]+`", "", told)
        assert not any(it.search(bare) for it in OTHERS.values()), told


@pytest.mark.parametrize("format_", FORMATS)
@by_module(MODULES)
def test_no_format_names_commands_of_another(path, format_):
    """Each template, worded by each format that shows it, has commands of that format only."""
    others = [module for name, modules in OWN.items() if name != format_ for module in modules]
    if any(map(path.match, others)):
        return
    for _, template in calls(path):
        if isinstance(template, ast.Constant):
            told = Message(template.value).worded(*FORMATS[format_])
            assert not OTHERS[format_].search(told), told


@by_module(SHARED)
def test_commands_in_shared_sentences_are_in_every_format(path):
    """A command in backquotes can be given in every format that has no sentence of its own."""
    own = [set(of) for _, of in FORMATS.values()]
    for told in set(sentences(path)) - set.intersection(*own):
        for name in re.findall("`([a-z{}]+)[^`]*`", told):
            assert name == "{command}" or COMMANDS[name].formats is Format.BOTH, told


@pytest.mark.parametrize("format_", FORMATS)
def test_own_sentences_replace_shared_ones(format_):
    """Each entry of a format's table replaces a template that exists, with the same values."""
    shared = {told for path in SHARED for told in sentences(path)}
    for template, own in FORMATS[format_][1].items():
        assert template in shared
        assert values(own) <= values(template) or "{" not in template


def test_a_format_replaces_any_sentence():
    """A table of a format's own sentences is looked up by the template, whatever the values."""
    told = Message("There is no {room}; `join {room}`.", room="lab")
    own = {told.template: "No such channel: {room}"}
    assert told.worded("/{}", own) == "No such channel: lab"
    assert told.worded("/{}", {}) == "There is no lab; /join lab."


def test_a_message_is_its_neutral_wording():
    """As a string it names commands in quotation marks."""
    message = Message("`who` lists {count} users.", count=3)
    assert message == '"who" lists 3 users.'
    assert message.commands == ("who",)
