"""Annotations in the database: which of them count, and the entries that they change."""

import json
import sqlite3
from collections.abc import Collection, Mapping

from chatservice.domain.log import Block
from chatservice.domain.ports.log_ports import BlockReplaced, Draft
from chatservice.engines import blocks
from chatservice.engines.annotationrules import (
    FORMER,
    SHOWN,
    Annotation,
    Decider,
    edited_by,
    with_annotations,
)
from chatservice.engines.sqlite import entryreading
from chatservice.engines.sqlite.entryreading import Runs
from chatservice.entries import ANNOTATIONS, Entry, EntryState, Kind, ReactionCount, Run
from chatservice.errors import Refusal
from chatservice.limits import Limits

_COLUMNS = "kind, about, user, position, time, who, word, text"
_SHOWN = ", ".join(f"'{kind}'" for kind in SHOWN)
_OF_LOG = f"log = ? AND kind IN ({_SHOWN}, '{FORMER}')"
"""Finds all rows of a log by their key, which begins with log and kind."""


class SqlAnnotations:
    """`chatservice.engines.annotationrules.AnnotationStore`: the table `annotation` of the database
    `db`. The callers of what changes something commit it."""

    def __init__(self, db: sqlite3.Connection, limits: Limits) -> None:
        self._db = db
        self._decider = Decider(self, limits)
        # Entries that others of the present batch are about, by their logs and positions.
        self._targets: dict[tuple[int, int], Entry | None] = {}

    # -- what counts -----------------------------------------------------------------------------

    def count(self, log: int, kind: str, about: int) -> int:
        sql = "SELECT count(*) FROM annotation WHERE log = ? AND kind = ? AND about = ?"
        return int(self._db.execute(sql, (log, kind, about)).fetchone()[0])

    def words(self, log: int, about: int) -> Collection[str]:
        sql = "SELECT DISTINCT word FROM annotation WHERE log = ? AND kind = ? AND about = ?"
        return [word for (word,) in self._db.execute(sql, (log, Kind.REACTION, about))]

    def pinned(self, log: int) -> Collection[int]:
        return pinned(self._db, log)

    def find(
        self, log: int, kind: str, about: int, word: str = "", user: str | None = None
    ) -> Annotation | None:
        sql = (
            f"SELECT {_COLUMNS} FROM annotation"
            " WHERE log = ? AND kind = ? AND about = ? AND word = ?"
        )
        sql, by = (sql, ()) if user is None else (f"{sql} AND user = ?", (user,))
        row = self._db.execute(f"{sql} LIMIT 1", (log, kind, about, word, *by)).fetchone()
        return Annotation(*row) if row is not None else None

    def add(self, log: int, it: Annotation) -> None:
        marks = ", ".join("?" * (len(it) + 1))
        self._db.execute(f"INSERT INTO annotation (log, {_COLUMNS}) VALUES ({marks})", (log, *it))

    def drop(self, log: int, it: Annotation) -> None:
        sql = (
            "DELETE FROM annotation WHERE log = ? AND kind = ? AND about = ? AND word = ?"
            " AND user = ? AND position = ?"
        )
        self._db.execute(sql, (log, it.kind, it.about, it.word, it.user, it.position))

    # -- what becomes of entries -----------------------------------------------------------------

    def begin_batch(self) -> None:
        """Note that a batch begins: entries may have changed since the one before."""
        self._targets.clear()

    def decide(self, log: int, position: int, draft: Draft) -> Run | Refusal:
        """Decide about a run that is about another entry and is to be stored at a position. Return
        it as it is shown, or the refusal."""
        run, targets = draft.run, self._targets
        if (log, run.about) not in targets:
            found = dict(entryreading.plain_entries(self._db, log, (run.about,)))
            targets[log, run.about] = found.get(run.about)
        target = targets[log, run.about]
        decided = self._decider.decide(log, position, run, draft.writer, target)
        if run.kind == Kind.EDIT and isinstance(decided, Run):
            del targets[log, run.about]
            blocks_changed = "INSERT OR REPLACE INTO erased (log, position) VALUES (?, ?)"
            self._db.execute(blocks_changed, (log, run.about))
        return decided

    def edited(self, placed: Mapping[int, Runs]) -> list[BlockReplaced]:
        """Return the earlier blocks with entries that placed runs edit, as they are now."""
        found: list[BlockReplaced] = []
        for log, new in placed.items():
            edited = edited_by(new)
            found += self.replaced(log, edited, edited)
        return found

    def replaced(
        self, log: int, positions: Collection[int], changed: Collection[int]
    ) -> list[BlockReplaced]:
        """Return the blocks with entries at some positions, as they are now; `changed` are those
        that may not be quoted any more."""
        found: dict[int, Runs] = {}
        sql = "SELECT first, entries FROM block WHERE log = ? AND last >= ? ORDER BY last LIMIT 1"
        for position in sorted(positions):
            row = self._db.execute(sql, (log, position)).fetchone()
            if row is not None and row[0] <= position and row[0] not in found:
                found[row[0]] = blocks.unpack(*row)
        shown = entryreading.shown(self._db, log, list(found.values()))
        return [BlockReplaced(log, Block(runs), changed) for runs in shown]

    def erased(self, log: int, positions: Collection[int]) -> None:
        """Forget the annotations of entries that are erased."""
        sql = (
            f"DELETE FROM annotation WHERE {_OF_LOG} AND about IN (SELECT value FROM json_each(?))"
        )
        self._db.execute(sql, (log, json.dumps([*positions])))

    def ended(self, log: int, last: int) -> None:
        """Forget the annotations of entries up to a position. Edits that are behind it are kept, as
        entries, and so is which of them is the newest: no former text is shown."""
        sql = (
            f"DELETE FROM annotation WHERE {_OF_LOG} AND about <= ?"
            f" AND (position <= ? OR kind NOT IN ('{Kind.EDIT}', '{FORMER}'))"
        )
        self._db.execute(sql, (log, last, last))

    def reassign(self, log: int, runs: Runs, mark: str | None) -> None:
        """Give the annotations that some runs are to the user `mark`; without one, drop them."""
        theirs = [(log, run.about, at) for at, run in runs if run.kind in ANNOTATIONS]
        where = f"{_OF_LOG} AND about = ? AND position = ?"
        if mark is None:
            self._db.executemany(f"DELETE FROM annotation WHERE {where}", theirs)
        else:
            sql = f"UPDATE annotation SET user = ?, who = ? WHERE {where}"
            self._db.executemany(sql, [(mark, mark, *it) for it in theirs])


def pinned(db: sqlite3.Connection, log: int) -> list[int]:
    """Return the positions of pinned entries, in order."""
    sql = "SELECT about FROM annotation WHERE log = ? AND kind = ? ORDER BY about"
    return [about for (about,) in db.execute(sql, (log, Kind.PINNED))]


_STATES = f"""
SELECT about, kind, word, count(*), max(position), max(time), min(position) FROM annotation
WHERE log = ? AND kind IN ({_SHOWN})
AND about IN (SELECT value FROM json_each(?)) GROUP BY kind, about, word ORDER BY 7
"""
"""Finds of each entry what counts, each word of reactions once."""

_NAMES = f"""
SELECT who FROM annotation
WHERE log = ? AND kind = '{Kind.REACTION}' AND about = ? AND word = ? ORDER BY position LIMIT ?
"""


def states(
    db: sqlite3.Connection, log: int, positions: Collection[int], names: int
) -> dict[int, EntryState]:
    """Return the states of entries that have one, by their positions, with so many `names` of a
    reaction."""
    found: dict[int, EntryState] = {}
    rows = db.execute(_STATES, (log, json.dumps([*positions]))).fetchall()
    for about, kind, word, total, position, time, _ in rows:
        of_word = db.execute(_NAMES, (log, about, word, names)) if kind == Kind.REACTION else ()
        count = ReactionCount(word, total, tuple(name for (name,) in of_word))
        state = found.get(about, EntryState())
        found[about] = with_annotations(state, kind, position, time, count)
    return found
