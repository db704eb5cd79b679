"""The pure parts of annotations: quotes, words of reactions, and texts of edits; and the same
history in both engines."""

import unicodedata
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from chatservice import names
from chatservice.domain.log import BlockCache, Log
from chatservice.domain.ports.log_ports import Draft
from chatservice.engines import blocks
from chatservice.engines.memory import MemoryEngine
from chatservice.engines.sqlite.logstore import LogStore
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


ABOUT = (Kind.MESSAGE, Kind.EDIT, Kind.REACTION, Kind.PINNED, Kind.UNPINNED)
BATCHES = st.lists(
    st.integers(1, 9)
    | st.lists(
        st.builds(
            lambda kind, who, text, about: (Run(kind, 0, who, (text,), about=about), who),
            *(st.sampled_from(ABOUT), st.sampled_from("ab"), st.sampled_from(["x", "y", "z"])),
            st.integers(1, 6),
        ),
        min_size=1,
        max_size=4,
    ),
    max_size=12,
)
"""Batches of runs about other entries, with their writers; a number is a position to erase."""


async def history(engine, batches):
    """Return all that an engine shows of a room after some batches and erasures."""
    logs, row = engine.logs, await engine.rooms.create("lab", None, 0, None)
    log = Log(row.number, row.name, 0, BlockCache())
    said = Run(Kind.MESSAGE, 0, "a", ["one", "two", "three"])
    shown = [(await logs.append([Draft(log, said, writer="a")], {})).positions]
    for batch in batches:
        if isinstance(batch, int):
            shown.append(await logs.erase(log.id, batch))
            continue
        done = await logs.append([Draft(log, run, writer=who) for run, who in batch], {})
        runs = [str(it) if isinstance(it, Refusal) else it for it in done.about.values()]
        shown.append((done.positions, runs))
    everything = {at: it for block in await logs.read(log.id, 0, 999) for at, it in block.entries()}
    states = await logs.states(log.id, [*everything])
    edits = [await logs.edits(log.id, at) for at in everything]
    return shown, everything, states, edits, await logs.pinned(log.id)


@settings(max_examples=15, deadline=None)
@given(BATCHES)
def test_both_engines_tell_the_same_history(tmp_path_factory, batches):
    """One keeps a table of what counts, the other a list; neither differs from the log."""
    store = LogStore(reactor, tmp_path_factory.mktemp("same") / "chat.sqlite")
    store.logs = store
    found = []
    for engine in (store, MemoryEngine()):
        Deferred.fromCoroutine(history(engine, batches)).addBoth(found.append)
    store.close()
    assert found[0] == found[1]
    assert isinstance(found[0], tuple), found[0]
