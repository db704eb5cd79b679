"""The words that a search looks for, and the entries that it looks in, for every engine."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from chatservice.entries import Kind, Run
from chatservice.errors import Code, Refusal


class Term(NamedTuple):
    """A word or a phrase that an entry must contain; with `begins`, its last word may go on."""

    text: str
    begins: bool


def terms(words: str) -> list[Term]:
    """Return the terms of a search: words, `"phrases in quotes"`, and `beginnings*`.

    Raises `Refusal` (bad-argument) if there is none.
    """
    found = []
    for quoted, word in re.findall(r'"([^"]*)"|([^\s"]+)', words):
        if any(one.isalnum() for one in quoted or word):
            found.append(Term(quoted or word, word.endswith("*")))
    if not found:
        raise Refusal(Code.BAD_ARGUMENT, "There is no word in that; say what to search for.")
    return found


def searchable(runs: Iterable[tuple[int, Run]]) -> Iterator[tuple[int, str]]:
    """Iterate over positions and texts that can be found: talk, topics, and names of files."""
    for first, run in runs:
        if run.kind in (Kind.MESSAGE, Kind.ACTION, Kind.NOTICE, Kind.TOPIC, Kind.REMOVED):
            yield from enumerate(run.texts, first)
        elif run.file is not None:
            yield first, run.file.name
