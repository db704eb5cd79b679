"""The corpus: cases in files beside this one, one a line.

A line is `NAME: VALUE # comment`. The value consists of strings or bytes as Python writes them,
`+`, `*` and brackets, so that every character can be seen and long values are short to write. Blank
lines, and those that begin with `#`, are ignored.
"""

import ast
from functools import cache
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent


@cache
def cases(file: str) -> dict[str, Any]:
    """Return the cases of a file, by their names."""
    found: dict[str, Any] = {}
    for at, line in enumerate((HERE / file).read_text().splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        name, colon, value = line.partition(": ")
        assert colon, f"{file}:{at} is no case"
        assert name not in found, f"{file}:{at} has a name that is taken"
        found[name] = _value(ast.parse(value.strip(), mode="eval").body)
    return found


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value):
            return value
        case ast.BinOp(left, ast.Add(), right):
            return _value(left) + _value(right)
        case ast.BinOp(left, ast.Mult(), right):
            return _value(left) * _value(right)
    raise ValueError(ast.unparse(node))


def each(*files: str) -> list[Any]:
    """Return all cases of some files, for `pytest.mark.parametrize`."""
    return [
        pytest.param(value, id=f"{file.removesuffix('.txt')}-{name}")
        for file in files
        for name, value in cases(file).items()
    ]


def keep(file: str, name: str, value: bytes, why: str) -> bool:
    """Add a case to a file, if it is not there yet. Return whether it was."""
    path = HERE / file
    if value in cases(file).values():
        return False
    with path.open("a") as lines:
        lines.write(f"{name}: {value!r}  # {why}\n")
    cases.cache_clear()
    return True
