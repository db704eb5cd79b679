"""The rules for entries about other entries, for every engine: what an engine decides about them
when it stores them."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from chatservice.domain.ports.log_ports import no_entry
from chatservice.entries import SAID, TALK, Entry, EntryState, Kind, ReactionCount, Run, quote
from chatservice.errors import Code, Refusal
from chatservice.limits import Limits

FORMER = "former"
"""The kind of an annotation that is an edit, and not the newest one of its entry."""

SHOWN = (Kind.EDIT, Kind.REACTION, Kind.PINNED)
"""The kinds of annotations that the state of an entry shows."""


class Annotation(NamedTuple):
    """An annotation that counts, of the entry `about`: its edits, the reactions that were not taken
    back, its pin. `user` is a `User.id`. Of the newest edit, `text` is what the entry says now;
    others have none."""

    kind: str
    about: int
    user: str
    position: int
    time: int
    who: str
    word: str = ""
    text: str = ""


class AnnotationStore(Protocol):
    """The annotations that count, by the numbers of logs."""

    def count(self, log: int, kind: str, about: int) -> int:
        """Return the number of an entry's annotations of a kind."""

    def words(self, log: int, about: int) -> Collection[str]:
        """Return the words that there are reactions with to an entry."""

    def pinned(self, log: int) -> Collection[int]:
        """Return the positions of pinned entries."""

    def find(
        self, log: int, kind: str, about: int, word: str = "", user: str | None = None
    ) -> Annotation | None:
        """Return an annotation of a kind of an entry, with that word, by that user if one is given,
        or None."""

    def add(self, log: int, it: Annotation) -> None:
        """Add an annotation."""

    def drop(self, log: int, it: Annotation) -> None:
        """Drop an annotation."""


def with_annotations(
    state: EntryState, kind: str, position: int, time: int, count: ReactionCount
) -> EntryState:
    """Return a state with what counts of one kind, and of one word if these are reactions: the
    newest one's position and time, and their `count`."""
    match kind:
        case Kind.EDIT:
            return state._replace(edit=position, edit_time=time)
        case Kind.REACTION:
            return state._replace(reactions=(*state.reactions, count))
        case Kind.PINNED:
            return state._replace(pinned=True)
    return state


def edited_by(new: Sequence[tuple[int, Run]]) -> set[int]:
    """Return the positions of the entries that new runs edit."""
    return {run.about for _, run in new if run.kind == Kind.EDIT}


def with_later_edits(
    logs: Sequence[int], about: Mapping[int, Run | Refusal]
) -> dict[int, Run | Refusal]:
    """Return what was decided about the drafts of a batch, as it is shown: with what later edits in
    the batch change of it, a text or a quote. `logs` has each draft's log."""
    found, texts = dict(about), dict[tuple[int, int], str]()
    for at in sorted(about, reverse=True):
        run = about[at]
        if isinstance(run, Refusal):
            continue
        entry = logs[at], run.about
        if run.kind == Kind.EDIT:
            found[at] = run._replace(texts=(texts.setdefault(entry, run.texts[0]),))
        elif entry in texts:
            found[at] = run._replace(quote=None)
    return found


class Decider(NamedTuple):
    """Decides about runs that are about other entries, one after another, as they are stored."""

    store: AnnotationStore
    limits: Limits

    def decide(
        self, log: int, position: int, run: Run, user: str, target: Entry | None
    ) -> Run | Refusal:
        """Return the run as it is stored at a position, with a quote of its `target`, or the
        refusal (no-such-entry, too-many). A second reaction of a user with a word takes the first
        one back. `user` is its author's `User.id`."""
        if target is None or target.kind not in (TALK if run.kind == Kind.EDIT else SAID):
            return no_entry(run.about)
        it = Annotation(run.kind, run.about, user, position, run.time, run.who)
        try:
            match run.kind:
                case Kind.EDIT:
                    self._edit(log, it._replace(text=run.texts[0]))
                    return run
                case Kind.REACTION:
                    kind = self._react(log, it._replace(word=run.texts[0]))
                    run = run._replace(kind=kind)
                case Kind.PINNED:
                    self._pin(log, it)
                case Kind.UNPINNED:
                    self._unpin(log, it)
        except Refusal as refusal:
            return refusal
        return run._replace(quote=quote(target))

    def _edit(self, log: int, it: Annotation) -> None:
        before = self.store.find(log, Kind.EDIT, it.about)
        if before is not None and self.store.count(log, FORMER, it.about) + 1 >= self.limits.edits:
            raise Refusal(
                Code.TOO_MANY,
                "#{position} was edited {limit} times; say it anew.",
                position=it.about,
                limit=self.limits.edits,
            )
        if before is not None:
            self.store.drop(log, before)
            self.store.add(log, before._replace(kind=FORMER, text=""))
        self.store.add(log, it)

    def _react(self, log: int, it: Annotation) -> Kind:
        """Add a reaction, or take one back. Return which."""
        before = self.store.find(log, it.kind, it.about, it.word, it.user)
        if before is not None:
            self.store.drop(log, before)
            return Kind.REACTION_REMOVED
        if self.store.count(log, it.kind, it.about) >= self.limits.reactions:
            raise Refusal(
                Code.TOO_MANY,
                "#{position} has {limit} reactions already; say it in words.",
                position=it.about,
                limit=self.limits.reactions,
            )
        most = self.limits.reaction_words
        is_new = self.store.find(log, it.kind, it.about, it.word) is None
        if is_new and len(self.store.words(log, it.about)) >= most:
            raise Refusal(
                Code.TOO_MANY,
                "#{position} has reactions with {limit} words already; take one of these.",
                position=it.about,
                limit=most,
            )
        self.store.add(log, it)
        return Kind.REACTION

    def _pin(self, log: int, it: Annotation) -> None:
        pinned, most = self.store.pinned(log), self.limits.pins
        if it.about in pinned:
            raise Refusal(Code.BAD_ARGUMENT, "#{position} is pinned already.", position=it.about)
        if len(pinned) >= most:
            raise Refusal(
                Code.TOO_MANY,
                "{limit} entries are pinned here already; `unpin` one of them first.",
                limit=most,
            )
        self.store.add(log, it)

    def _unpin(self, log: int, it: Annotation) -> None:
        before = self.store.find(log, Kind.PINNED, it.about)
        if before is None:
            raise Refusal(
                Code.BAD_ARGUMENT,
                "#{position} is not pinned; `pins` lists what is.",
                position=it.about,
            )
        self.store.drop(log, before)
