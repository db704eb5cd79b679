"""The places of a batch in its logs: the rules of `LogStore.append`, for every engine."""

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import NamedTuple

from chatservice.domain.ports.log_ports import Appended, Draft
from chatservice.engines.annotationrules import with_later_edits
from chatservice.entries import Kind, Run
from chatservice.errors import Refusal

PlacedRuns = dict[int, list[tuple[int, Run]]]
"""Runs with their positions, by the numbers of their logs."""

PlacedTopics = list[tuple[int, str]]
"""Each topic that was set, with its log's number."""


class Places(NamedTuple):
    """The state of an engine that gives places. `last` has the last positions of logs, as far as
    they are known, `moved` the new numbers of guests' inboxes.

    The functions return the last position of a log; return the position that a log has for a writer
    and a key (`Draft.key`), or None; keep such a position; and decide about a run that is about
    another entry, for a position of a log (`annotationrules.Decider`).
    """

    last: MutableMapping[int, int]
    last_of: Callable[[int], int]
    position_of_key: Callable[[int, str, str], int | None]
    keep_key: Callable[[int, str, str, int], None]
    decide: Callable[[int, int, Draft], Run | Refusal]
    moved: Mapping[int, int] = {}


def place(batch: Sequence[Draft], at: Places) -> tuple[Appended, PlacedRuns, PlacedTopics]:
    """Give a batch its places, and return the answer to `append`, and what is to be stored.
    Positions are dense. A draft with a known key gets none, nor does the copy of such a draft, nor
    one that is refused."""
    positions: list[int] = []
    repeated: set[int] = set()
    about: dict[int, Run | Refusal] = {}
    runs: PlacedRuns = {}
    topics: PlacedTopics = []
    for index, draft in enumerate(batch):
        log, run, known = draft.log.id, draft.run, None
        if at.moved:
            log = at.moved.get(log, log)
        if draft.key is not None:
            known = at.position_of_key(log, draft.writer, draft.key)
        if known is None and index - 1 in repeated and batch[index - 1].copy is draft:
            known = 0
        if known is not None:
            positions.append(known)
            repeated.add(index)
            continue
        position = at.last_of(log) + 1
        if run.about:
            about[index] = decided = at.decide(log, position, draft)
            if isinstance(decided, Refusal):
                positions.append(0)
                continue
            run = decided
        at.last[log] = position + len(run.texts) - 1
        positions.append(position)
        runs.setdefault(log, []).append((position, run))
        if draft.key is not None:
            at.keep_key(log, draft.writer, draft.key, position)
        if run.kind is Kind.TOPIC:
            topics.append((log, run.texts[-1]))
    if about:
        about = with_later_edits([draft.log.id for draft in batch], about)
    return Appended(positions, repeated, about), runs, topics
