"""Imports go downwards only, and each name means one thing."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

import chatservice

HOUSE = Path(chatservice.__file__).parent
FLOORS = [
    {"errors", "limits", "entries", "events", "confusables", "clocks", "output"},
    {"names", "replies"},
    {"grammar"},
    {"domain", "client", "adminsocket", "export"},
    {"engines", "eventloop", "net"},
    {"protocols"},
    {"chatctl", "config", "options", "reload", "service", "plugin", "testing"},
]


def imported(path: Path) -> set[str]:
    """Return the parts of the package that a module imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        modules = []
        if isinstance(node, ast.ImportFrom) and node.module == "chatservice":
            modules = [f"chatservice.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        elif isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        found |= {m.split(".")[1] for m in modules if m.startswith("chatservice.")}
    return found - {"__version__"}


def floor(part: str) -> int:
    """Return the layer of a part of the package."""
    return next(at for at, parts in enumerate(FLOORS) if part in parts)


@pytest.mark.parametrize(
    "path", sorted(HOUSE.rglob("*.py")), ids=lambda path: str(path.relative_to(HOUSE))
)
def test_imports_go_downwards_only(path):
    """A module imports from floors below its own, or from its own folder."""
    part = path.relative_to(HOUSE).parts[0].removesuffix(".py")
    if part == "__init__":
        assert not imported(path)
        return
    for other in imported(path) - {part}:
        below = floor(other) < floor(part) or {part, other} <= FLOORS[-1] | FLOORS[0]
        assert below, f"{part} imports {other}"


@pytest.mark.parametrize("folder", ["grammar", "domain"])
def test_what_is_pure_knows_no_twisted(folder):
    """The grammar and the domain can be used and tested without a reactor."""
    for path in (HOUSE / folder).rglob("*.py"):
        assert "twisted" not in path.read_text().replace("Twisted", ""), path


def test_no_two_modules_share_a_name():
    """The last part of a module's name says which module it is."""
    paths = defaultdict(list)
    for path in HOUSE.rglob("[!_]*.py"):
        paths[path.stem].append(path)
    assert not {name: found for name, found in paths.items() if len(found) > 1}


def test_no_two_public_classes_share_a_name():
    """Only a `Protocol` and the class that implements it are called the same."""
    bases = defaultdict(list)
    for path in HOUSE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                bases[node.name].append([ast.unparse(base) for base in node.bases])
    shared = {name: found for name, found in bases.items() if len(found) > 1}
    assert not {name for name, found in shared.items() if ["Protocol"] not in found}


def test_no_exception_is_raised_twice():
    """Each `raise` makes its exception. One that is kept would keep a traceback of all that raised
    it, and so their connections."""
    kept = [
        f"{path}:{node.lineno}"
        for path in HOUSE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Name | ast.Attribute)
        if ast.unparse(node.exc).split(".")[-1].isupper()
    ]
    assert not kept


RELATIVE = re.compile(r"(Who|Whom|Whoever|What|Whatever|Which|Where|Whether|How)\b")


@pytest.mark.parametrize("folder", [HOUSE, Path(__file__).parent], ids=lambda it: it.name)
def test_docstrings_begin_with_a_noun_or_an_imperative(folder):
    """No docstring begins with a relative clause: its subject comes late, and has no name."""
    found = []
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            value = node.value if isinstance(node, ast.Expr) else None
            if isinstance(value, ast.Constant) and RELATIVE.match(str(value.value)):
                found.append(f"{path}:{node.lineno}: {value.value}")
    assert not found


MOST_METHODS = 25
"""With more public methods, a class has more than one purpose."""


def test_no_class_has_many_public_methods():
    """A class that grows beyond the bound is to be split by its purposes."""
    large = {
        node.name: len(public)
        for path in HOUSE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        and len(public := [it for it in node.body if _is_public_method(it)]) > MOST_METHODS
    }
    assert not large


def _is_public_method(node: ast.stmt) -> bool:
    is_method = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    return is_method and not node.name.startswith("_")
