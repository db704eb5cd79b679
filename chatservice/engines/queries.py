"""The words that a search looks for, and the entries that it looks in, for every engine."""

import re
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from typing import NamedTuple

from chatservice import names
from chatservice.domain.ports.log_ports import Match, SearchQuery
from chatservice.entries import ALL_TALK, Entry, Kind, Run
from chatservice.errors import Code, Refusal


class Term(NamedTuple):
    """A word or a phrase that an entry must contain; with `begins`, its last word may go on."""

    text: str
    begins: bool


def terms(query: SearchQuery) -> list[Term]:
    """Return the terms of a search: words, `"phrases in quotes"`, and `beginnings*`.

    Raises `Refusal` (bad-argument) if there is none, unless the query has no words at all, and asks
    for a user, mentions or files.
    """
    found = []
    for quoted, word in re.findall(r'"([^"]*)"|([^\s"]+)', query.words):
        if any(one.isalnum() for one in quoted or word):
            found.append(Term(quoted or word, word.endswith("*")))
    narrowed = query.who or query.other or query.files or query.mentions
    if not found and (query.words or not narrowed):
        raise Refusal(Code.BAD_ARGUMENT, "There is no word in that; say what to search for.")
    return found


_SEARCHABLE = ALL_TALK | {Kind.TOPIC, Kind.REMOVED}


def searchable(runs: Iterable[tuple[int, Run]]) -> Iterator[tuple[int, str, Run]]:
    """Iterate over positions and texts that can be found, each with its run: talk, topics, and
    names of files."""
    for first, run in runs:
        if run.kind in _SEARCHABLE:
            for position, text in enumerate(run.texts, first):
                yield position, text, run
        elif run.file is not None:
            yield first, run.file.name, run


def other_side(it: Run | Entry) -> str:
    """Return the key of the other side of private talk: whom it was sent to, or else its author."""
    return names.key(it.to or it.who)


def fits(it: Run | Entry, query: SearchQuery) -> bool:
    """Return whether an entry is as a query wants it, beside its words."""
    return (
        query.since <= it.time < query.until
        and (not query.who or names.key(it.who) == query.who)
        and (not query.other or other_side(it) == query.other)
        and (not query.files or it.file is not None)
    )


def mentions(text: str, query: SearchQuery) -> bool:
    """Return whether a text mentions those whom a query asks for."""
    wanted = (query.mentions, names.EVERYBODY) if query.mentions else ()
    return not wanted or any(names.is_mentioned(it, text) for it in wanted)


def newest(matches: Iterable[Sequence[Match]], limit: int) -> list[Match]:
    """Return the last `limit` matches of several logs, oldest first. Those of each log are in
    order."""
    found = list(merge(*matches, key=lambda it: it.entry.time))
    return found[-limit:] if limit > 0 else []
