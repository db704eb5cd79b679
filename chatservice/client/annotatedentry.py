"""The effect of an annotation on the entry that it is about: edits, reactions, pins."""

from chatservice import names
from chatservice.entries import Entry, EntryState, Kind, ReactionCount


def annotated(entry: Entry, by: Entry, position: int) -> Entry | None:
    """Return an entry as it is shown after the annotation `by`, which is at a position of the log.

    Return None if `by` is no annotation.
    """
    state = entry.state or EntryState()
    match by.kind:
        case Kind.EDIT:
            edited = state._replace(edit=position, edit_time=by.time)
            return entry._replace(text=by.text, state=edited)
        case Kind.REACTION | Kind.REACTION_REMOVED:
            change = 1 if by.kind == Kind.REACTION else -1
            reactions = _changed(state.reactions, by.text, by.who, change)
            return entry._replace(state=state._replace(reactions=reactions))
        case Kind.PINNED | Kind.UNPINNED:
            return entry._replace(state=state._replace(pinned=by.kind == Kind.PINNED))
    return None


def _changed(
    reactions: tuple[ReactionCount, ...], word: str, who: str, change: int
) -> tuple[ReactionCount, ...]:
    """Return reactions with one more or one less of a user. A word without any is left out. What
    counts already changes nothing: a page of the history may be ahead of the events."""
    found = next((it for it in reactions if it.word == word), ReactionCount(word, 0, ()))
    others = tuple(it for it in found.names if names.key(it) != names.key(who))
    was_counted = others != found.names
    if was_counted if change > 0 else not was_counted and found.total <= len(found.names):
        return reactions
    if change > 0 and len(others) < NAMES_SHOWN:
        others = (*others, who)
    new = ReactionCount(word, max(found.total + change, 0), others)
    if found.total == 0:
        return (*reactions, new) if new.total else reactions
    changed = tuple(new if it is found else it for it in reactions)
    return tuple(it for it in changed if it.total)


NAMES_SHOWN = 5
"""Names of a reaction that are kept: as many as a row shows."""
