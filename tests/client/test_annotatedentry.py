"""Edits and reactions change the row of the entry that they are about."""

from hypothesis import given
from hypothesis import strategies as st

from chatservice.client.annotatedentry import annotated
from chatservice.entries import Entry, EntryState, Kind, ReactionCount

HELLO = Entry(Kind.MESSAGE, 1000, "bob", "helo")


def reaction(who, word="+1", kind=Kind.REACTION):
    """Return a reaction."""
    return Entry(kind, 2000, who, word, about=1)


def test_an_edit_replaces_the_text():
    """The position and the time of the edit are told, as in the history."""
    it = annotated(HELLO, Entry(Kind.EDIT, 2000, "bob", "hello", about=1), 7)
    assert (it.text, it.time, it.state) == ("hello", 1000, EntryState(7, 2000))


def test_reactions_are_counted():
    """Each word counts its users; a word that the last one takes back is gone."""
    it = HELLO
    for who, word in (("anna", "+1"), ("carl", "+1"), ("carl", "ok")):
        it = annotated(it, reaction(who, word), 2)
    assert it.state.reactions == (
        ReactionCount("+1", 2, ("anna", "carl")),
        ReactionCount("ok", 1, ("carl",)),
    )
    it = annotated(it, reaction("carl", "ok", Kind.REACTION_REMOVED), 3)
    it = annotated(it, reaction("anna", "+1", Kind.REACTION_REMOVED), 4)
    assert it.state.reactions == (ReactionCount("+1", 1, ("carl",)),)


def test_reactions_that_a_page_counts_already():
    """A page of the history may be ahead of the events that a slow connection still brings."""
    counted = EntryState(reactions=(ReactionCount("+1", 2, ("anna", "carl")),))
    it = HELLO._replace(state=counted)
    assert annotated(it, reaction("Anna"), 2).state == counted
    assert annotated(it, reaction("dora", "ok", Kind.REACTION_REMOVED), 3).state == counted
    assert annotated(it, reaction("dora", "+1", Kind.REACTION_REMOVED), 3).state == counted


def test_a_pin_is_a_mark():
    """It comes and goes."""
    pinned = annotated(HELLO, Entry(Kind.PINNED, 2000, "bob", about=1), 2)
    assert pinned.state.pinned
    assert not annotated(pinned, Entry(Kind.UNPINNED, 2000, "bob", about=1), 3).state.pinned


def test_a_reply_changes_nothing():
    """It is talk, and shown by itself."""
    assert annotated(HELLO, Entry(Kind.MESSAGE, 2000, "bob", "a reply", about=1), 2) is None


@given(st.lists(st.tuples(st.sampled_from("abcdefghij"), st.sampled_from(["+1", "ok"]))))
def test_ten_thousand_reactions_keep_a_few_names(events):
    """Totals are right for users who toggle; names are bounded."""
    it, there = HELLO, set()
    for who, word in events:
        kind = Kind.REACTION_REMOVED if (who, word) in there else Kind.REACTION
        there ^= {(who, word)}
        it = annotated(it, reaction(who, word, kind), 2)
    state = it.state or EntryState()
    assert sum(each.total for each in state.reactions) == len(there)
    assert all(len(each.names) <= 5 for each in state.reactions)
