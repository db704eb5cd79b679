"""Annotations in memory, of the reference engine."""

from collections.abc import Collection

from chatservice.engines.annotationrules import FORMER, SHOWN, Annotation, with_annotations
from chatservice.entries import EntryState, Kind, ReactionCount


class MemoryAnnotations:
    """`chatservice.engines.annotationrules.AnnotationStore`: a list for each log."""

    def __init__(self) -> None:
        self._of: dict[int, list[Annotation]] = {}

    def _about(self, log: int, about: int, *kinds: str) -> list[Annotation]:
        return [it for it in self._of.get(log, ()) if it.about == about and it.kind in kinds]

    def count(self, log: int, kind: str, about: int) -> int:
        return len(self._about(log, about, kind))

    def words(self, log: int, about: int) -> Collection[str]:
        return {it.word for it in self._about(log, about, Kind.REACTION)}

    def pinned(self, log: int) -> Collection[int]:
        return sorted(it.about for it in self._of.get(log, ()) if it.kind == Kind.PINNED)

    def find(
        self, log: int, kind: str, about: int, word: str = "", user: str | None = None
    ) -> Annotation | None:
        fit = (it for it in self._about(log, about, kind) if it.word == word)
        return next((it for it in fit if user is None or it.user == user), None)

    def add(self, log: int, it: Annotation) -> None:
        self._of.setdefault(log, []).append(it)

    def drop(self, log: int, it: Annotation) -> None:
        self._of[log].remove(it)

    def edits(self, log: int, about: int) -> list[int]:
        """Return the positions of all edits of an entry, oldest first."""
        return sorted(it.position for it in self._about(log, about, Kind.EDIT, FORMER))

    def texts(self, log: int) -> dict[int, str]:
        """Return the texts of all entries that were edited, by their positions."""
        return {it.about: it.text for it in self._of.get(log, ()) if it.kind == Kind.EDIT}

    def states(self, log: int, positions: Collection[int], names: int) -> dict[int, EntryState]:
        """Return the states of entries that have one, by their positions, with so many `names` of
        a reaction."""
        alike: dict[tuple[int, str, str], list[Annotation]] = {}
        for it in sorted(self._of.get(log, ()), key=lambda it: it.position):
            if it.about in positions and it.kind in SHOWN:
                alike.setdefault((it.about, it.kind, it.word), []).append(it)
        found: dict[int, EntryState] = {}
        for (about, kind, word), all_ in alike.items():
            count = ReactionCount(word, len(all_), tuple(it.who for it in all_[:names]))
            newest, state = all_[-1], found.get(about, EntryState())
            found[about] = with_annotations(state, kind, newest.position, newest.time, count)
        return found

    def erased(self, log: int, positions: Collection[int]) -> None:
        """Forget the annotations of entries that are erased, and those that are erased."""
        self._of[log] = [
            it
            for it in self._of.get(log, ())
            if it.about not in positions and it.position not in positions
        ]

    def reassign(self, log: int, positions: Collection[int], mark: str) -> None:
        """Give the annotations at some positions to the user `mark`."""
        self._of[log] = [
            it._replace(user=mark, who=mark) if it.position in positions else it
            for it in self._of.get(log, ())
        ]

    def give(self, guest: str, key: str) -> None:
        """Give the annotations of a guest (`User.id`) to an account."""
        for log, all_ in self._of.items():
            self._of[log] = [it._replace(user=key) if it.user == guest else it for it in all_]

    def drop_log(self, log: int) -> None:
        """Forget all of a log."""
        self._of.pop(log, None)
