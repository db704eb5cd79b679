"""The pure parts of annotations: quotes, words of reactions, and texts of edits."""

import unicodedata
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from chatservice import names
from chatservice.engines import blocks
from chatservice.entries import QUOTE_CHARACTERS, Entry, Kind, Run, quote
from chatservice.errors import Refusal
from tests.grammar.test_jsonlines import TEXT


@given(TEXT.map(names.clean))
def test_a_quote_is_one_short_line(text):
    """Nobody can end it early, or make it look like another line."""
    found = quote(Entry(Kind.MESSAGE, 0, "alice", text)).text
    assert len(found) <= QUOTE_CHARACTERS + 3
    assert "\n" not in found
    assert '"' not in found
    assert found.rstrip(".") in text.replace("\n", " ").replace('"', "'")
    assert names.one_line(found) == found


@given(TEXT)
def test_a_word_is_one_clean_word(text):
    """It is the same when it comes again, and in every form of Unicode."""
    with suppress(Refusal):
        word = names.reaction(text)
        assert names.reaction(word) == word
        assert names.reaction(unicodedata.normalize("NFD", word)) == word
        assert word.split() == [word]
        assert names.clean(word) == word
        assert len(word.encode()) <= 3 * names.REACTION_BYTES


RUNS = st.lists(
    st.builds(
        lambda kind, texts, about: Run(kind, 0, "alice", texts, about=about),
        st.sampled_from([Kind.MESSAGE, Kind.ACTION, Kind.TOPIC, Kind.REACTION]),
        st.lists(TEXT, min_size=1, max_size=3),
        st.integers(0, 5),
    )
    | st.builds(
        lambda text, about: Run(Kind.EDIT, 0, "alice", (text,), about=about),
        *(TEXT, st.integers(1, 12)),
    )
)


@given(RUNS, st.dictionaries(st.integers(1, 12), TEXT))
def test_only_talk_and_its_edits_get_new_texts(runs, texts):
    """Each at its position; all else stays, and so do positions and kinds."""
    placed, first = [], 1
    for run in runs:
        placed.append((first, run))
        first += len(run.texts)
    found = {
        at: it for start, run in blocks.with_texts(placed, texts) for at, it in run.entries(start)
    }
    before = {at: it for start, run in placed for at, it in run.entries(start)}
    assert found.keys() == before.keys()
    for at, was in before.items():
        where = was.about if was.kind == Kind.EDIT else at
        edited = was.kind in (Kind.MESSAGE, Kind.ACTION, Kind.EDIT)
        assert found[at] == (was._replace(text=texts.get(where, was.text)) if edited else was)
