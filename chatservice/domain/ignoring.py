"""Entries and events for a session that ignores some users: nothing that these say is shown."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from chatservice import names
from chatservice.entries import Entry, Quote, ReactionCount
from chatservice.events import Event, UserAway, UserJoined, UserLeft, UserRenamed

UNTOLD = "away"
"""The reason for being away in place of one that is not shown."""


def heard_events(news: Sequence[Event], ignored: Collection[str]) -> list[Event]:
    """Return the events for a session that ignores some users: without their farewells, new names,
    real names and reasons for being away, which can be messages."""
    heard: list[Event] = []
    for event in news:
        match event:
            case UserRenamed(who=who, name=name):
                if names.key(who) not in ignored and names.key(name) not in ignored:
                    heard.append(event)
            case UserJoined(who=who) if names.key(who) in ignored:
                heard.append(replace(event, real_name=""))
            case UserLeft(who=who) if names.key(who) in ignored:
                heard.append(replace(event, text=""))
            case UserAway(who=who, text=text) if text and names.key(who) in ignored:
                heard.append(replace(event, text=UNTOLD))
            case _:
                heard.append(event)
    return heard


def heard_quote(quote: Quote | None, ignored: Collection[str]) -> Quote | None:
    """Return a quote for a session that ignores some users: nothing that they said."""
    return None if quote is not None and names.key(quote.who) in ignored else quote


def heard_entries(
    entries: Iterable[tuple[int, Entry]], ignored: Collection[str]
) -> tuple[tuple[int, Entry], ...]:
    """Return positions and entries without those of the ignored users (`names.key`)."""
    if not ignored:
        return tuple(entries)
    return tuple(
        (at, heard_entry(it, ignored)) for at, it in entries if names.key(it.who) not in ignored
    )


def heard_entry(it: Entry, ignored: Collection[str]) -> Entry:
    """Return an entry for a session that ignores some users, who are not quoted or named in it."""
    state = it.state
    if state is not None and state.reactions:
        heard = (_heard_reactions(row, ignored) for row in state.reactions)
        state = state._replace(reactions=tuple(row for row in heard if row.total))
    return it._replace(quote=heard_quote(it.quote, ignored), state=state)


def _heard_reactions(it: ReactionCount, ignored: Collection[str]) -> ReactionCount:
    heard = tuple(name for name in it.names if names.key(name) not in ignored)
    return it._replace(total=it.total - len(it.names) + len(heard), names=heard)
