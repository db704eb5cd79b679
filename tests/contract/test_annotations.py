"""The promises about entries that are about other entries (the port `LogStore`)."""

import random

import pytest
import pytest_twisted

from chatservice.domain.model import guest_id
from chatservice.domain.ports.log_ports import BlockReplaced, SearchQuery
from chatservice.entries import EntryState, FileMark, Kind, Quote, Run
from chatservice.errors import Code, Refusal
from chatservice.limits import Limits
from tests.contract.conftest import NOW, append, room, say, texts


def about(log, position, *texts, kind=Kind.MESSAGE, who="alice", writer=None, **args):
    """Return a draft about the entry at a position."""
    draft = say(log, *texts, kind=kind, who=who, writer=writer or who, **args)
    draft.run = draft.run._replace(about=position)
    return draft


def edit(log, position, text, **args):
    """Return a draft that edits the entry at a position."""
    return about(log, position, text, kind=Kind.EDIT, **args)


async def stored(engine, *drafts):
    """Append drafts; return each one's position, or the code with which it is refused."""
    appended = await engine.logs.append(drafts, {})
    decided = dict(appended.about)
    return [
        decided[at].code if isinstance(decided.get(at), Refusal) else position
        for at, position in enumerate(appended.positions)
    ]


async def found(engine, log, words):
    """Return the positions and texts that a search finds."""
    result = await engine.logs.search(SearchQuery(words, {log: 1 << 40}, 99))
    return [(position, entry.text) for _, position, entry in result.matches]


async def entries(engine, log):
    """Return all entries of a log, by their positions."""
    return {at: it for block in await engine.logs.read(log, 0, 999) for at, it in block.entries()}


@pytest_twisted.ensureDeferred
async def test_a_reply_has_a_quote(engine):
    """It is of the first characters, in one line and without double quotes; of a file, the name.
    The stored run is what the writer is told."""
    lab = await room(engine)
    file = say(lab, "", who="bob")
    file.run = Run(Kind.FILE, 5, "bob", file=FileMark("a.txt", 3, "ab" * 32))
    await append(engine, say(lab, 'the "build"\nis green, at long last'), file)
    appended = await engine.logs.append([about(lab, 1, "yes"), about(lab, 2, "thanks")], {})
    quotes = [Quote("alice", "the 'build' is green, at..."), Quote("bob", "a.txt")]
    assert [run.quote for run in appended.about.values()] == quotes
    shown = await entries(engine, lab)
    assert [(shown[at].about, shown[at].quote) for at in (3, 4)] == [
        *((1, quotes[0]), (2, quotes[1]))
    ]
    assert await engine.logs.entries_at(lab, [3, 1, 9]) == {1: shown[1], 3: shown[3]}
    back = {at: it for it in await engine.logs.read_back(lab, 9, 9) for at, it in it.entries()}
    assert back == shown
    ((*_, reply),) = (await engine.logs.search(SearchQuery("thanks", {lab: 9}, 9))).matches
    assert reply == shown[4]


@pytest_twisted.ensureDeferred
async def test_what_is_not_there_gets_no_reply_and_no_edit(engine):
    """Nor does what was erased, is no talk, or comes with the same batch or later, or is in another
    log; the rest of the batch is stored, and no position is used up."""
    lab, den = await room(engine), await room(engine, "den")
    await append(engine, say(lab, "one", "two"), say(lab, "plans", kind=Kind.TOPIC))
    await append(engine, *(say(den, text) for text in "abcdefgh"))
    await engine.logs.erase(lab, 2)
    for draft in (about, edit):
        positions = (2, 3, 4, 5, 8, 10**18)
        refused = await stored(engine, *(draft(lab, at, "no") for at in positions))
        assert refused == [Code.NO_SUCH_ENTRY] * len(positions)
    assert await stored(engine, say(lab, "three"), about(lab, 9, "no"), say(lab, "four")) == [
        *(4, Code.NO_SUCH_ENTRY, 5)
    ]
    assert await texts(engine, lab) == ["one", "", "plans", "three", "four"]


@pytest_twisted.ensureDeferred
async def test_a_file_is_replied_to_and_not_edited(engine):
    """Its text is its name."""
    lab = await room(engine)
    file = say(lab, "")
    file.run = Run(Kind.FILE, 5, "alice", file=FileMark("a.txt", 3, "ab" * 32))
    await append(engine, file)
    assert await stored(engine, about(lab, 1, "nice"), edit(lab, 1, "b.txt")) == [
        *(2, Code.NO_SUCH_ENTRY)
    ]


@pytest_twisted.ensureDeferred
async def test_an_edited_entry_has_its_newest_text(engine, notes):
    """So has each of its edits, wherever it is read or searched, and no former text is shown or
    found any more. The state tells of the newest edit, and the former texts are kept."""
    lab = await room(engine)
    await append(engine, say(lab, "before", "helo wrld", "after"), say(lab, "bye", who="bob"))
    assert await stored(engine, edit(lab, 2, "hello wrld")) == [5]
    (change,) = notes.of(BlockReplaced)
    assert (change.log, change.block.first, list(change.positions)) == (lab, 1, [2])
    assert [it.text for _, it in change.block.entries()][:3] == ["before", "hello wrld", "after"]
    assert await stored(engine, edit(lab, 2, "hello world")) == [6]
    assert [it.block.first for it in notes.of(BlockReplaced)[1:]] == [1]
    shown = await entries(engine, lab)
    assert [shown[at].text for at in (1, 2, 3, 4)] == ["before", "hello world", "after", "bye"]
    assert [(shown[at].kind, shown[at].about, shown[at].text) for at in (5, 6)] == [
        (Kind.EDIT, 2, "hello world")
    ] * 2
    assert (await engine.logs.entries_at(lab, [2]))[2].text == "hello world"
    assert await found(engine, lab, "world") == [(2, "hello world")]
    assert await found(engine, lab, "wrld") == await found(engine, lab, "helo") == []
    states = await engine.logs.states(lab, [1, 2, 5, 6, 77])
    assert {at: it.edit for at, it in states.items()} == {2: 6}
    former = await engine.logs.edits(lab, 2)
    assert [(at, it.text) for at, it in former] == [
        *((2, "helo wrld"), (5, "hello wrld"), (6, "hello world"))
    ]
    assert [at for at, _ in await engine.logs.edits(lab, 1)] == [1]
    assert list(await engine.logs.edits(lab, 77)) == []
    appended = await engine.logs.append([about(lab, 2, "hi", who="bob")], {})
    assert appended.about[0].quote == Quote("alice", "hello world")


@pytest_twisted.ensureDeferred
async def test_edits_of_one_entry_at_once(engine):
    """They are decided one after another, up to a bound, and the last one counts."""
    lab = await room(engine)
    await append(engine, say(lab, "0"), say(lab, "other"))
    most = Limits().edits
    done = await stored(engine, *(edit(lab, 1, f"{at}") for at in range(1, most + 3)))
    assert done == [*range(3, most + 3), Code.TOO_MANY, Code.TOO_MANY]
    assert (await entries(engine, lab))[1].text == f"{most}"
    assert len(await engine.logs.edits(lab, 1)) == most + 1
    assert await stored(engine, edit(lab, 2, "another")) == [most + 3]


@pytest_twisted.ensureDeferred
async def test_what_is_shown_of_a_batch_has_its_last_texts(engine):
    """A late reader of what is in memory is shown no former text: in no edit, and in no quote from
    before it. Refusals and other logs are as they were."""
    lab, den = await room(engine), await room(engine, "den")
    await append(engine, say(lab, "one"), say(den, "one"))
    drafts = [
        *(edit(lab, 1, "secret"), about(lab, 1, "yes"), edit(den, 1, "another")),
        *(edit(lab, 9, "no"), edit(lab, 1, "two"), about(lab, 1, "no")),
    ]
    shown = (await engine.logs.append(drafts, {})).about
    assert [it.texts[0] for at, it in shown.items() if at != 3] == [
        *("two", "yes", "another", "two", "no")
    ]
    assert [it.quote for it in (shown[1], shown[5])] == [None, Quote("alice", "two")]
    assert shown[3].code is Code.NO_SUCH_ENTRY
    assert [it.text for _, it in await engine.logs.edits(lab, 1)] == ["one", "secret", "two"]


@pytest_twisted.ensureDeferred
async def test_a_repeated_edit_is_stored_once(engine):
    """Its key is known, and another edit since then stays."""
    lab = await room(engine)
    await append(engine, say(lab, "one"))
    assert await stored(engine, edit(lab, 1, "two", key="k"), edit(lab, 1, "three")) == [2, 3]
    assert await stored(engine, edit(lab, 1, "two", key="k")) == [2]
    assert (await entries(engine, lab))[1].text == "three"


@pytest_twisted.ensureDeferred
async def test_an_edit_that_is_not_stored_changes_nothing(case, engine, notes):
    """The entry has its text, and nothing is told."""
    lab = await room(engine)
    await append(engine, say(lab, "one"))
    async with case.failing():
        with pytest.raises(Exception):  # noqa: B017, PT011 - any: nothing is stored
            await engine.logs.append([edit(lab, 1, "two")], {})
    assert (await entries(engine, lab))[1].text == "one"
    assert notes.of(BlockReplaced) == []
    assert await engine.logs.states(lab, [1]) == {}


@pytest.mark.parametrize("position", [1, 4, 5])
@pytest_twisted.ensureDeferred
async def test_an_entry_is_erased_with_its_edits(engine, notes, position):
    """So it is with any of its edits. No text of it is left, no quote and no state, and the history
    does not list what stands in the place of the edits."""
    lab = await room(engine)
    await append(engine, say(lab, "secret one"), say(lab, "hello"))
    await append(engine, about(lab, 1, "why?", who="bob"))
    await stored(engine, edit(lab, 1, "secret two"), edit(lab, 1, "secret three"))
    await append(engine, say(lab, "bye"))
    notes.changes.clear()
    assert await engine.logs.erase(lab, position) is True
    replaced = notes.of(BlockReplaced)
    assert {at for it in replaced for at, _ in it.block.entries()} >= {1, 4, 5}
    assert all(1 in it.positions for it in replaced)
    shown = await entries(engine, lab)
    assert [it.text for it in shown.values()] == ["", "hello", "why?", "", "", "bye"]
    assert (shown[3].about, shown[3].quote) == (1, None)
    assert {at for at, it in shown.items() if it.kind == Kind.GONE} == {1, 4, 5}
    assert {at for at, it in shown.items() if it.is_annotation} == {4, 5}
    assert await found(engine, lab, "secret") == []
    assert await engine.logs.states(lab, [1, 4, 5]) == {}
    assert [it.text for _, it in await engine.logs.edits(lab, 1)] == [""]
    assert await stored(engine, edit(lab, 1, "again")) == [Code.NO_SUCH_ENTRY]


@pytest_twisted.ensureDeferred
async def test_the_edits_of_an_account_are_reassigned(engine):
    """They change the entry as before; and with erase, its edits go with it."""
    lab = await room(engine)
    await append(engine, say(lab, "one"), say(lab, "bob's", who="bob"))
    await stored(engine, edit(lab, 1, "two"), about(lab, 1, "hm", who="bob"))
    reached = 0
    while reached is not None:
        reached = await engine.logs.reassign("alice", "someone", False, reached)
    shown = await entries(engine, lab)
    assert [(it.who, it.text) for it in shown.values()] == [
        *(("someone", "two"), ("bob", "bob's"), ("someone", "two"), ("bob", "hm"))
    ]
    assert shown[4].quote == Quote("someone", "two")
    reached = 0
    while reached is not None:
        reached = await engine.logs.reassign("someone", "nobody", True, reached)
    shown = await entries(engine, lab)
    assert [it.text for it in shown.values()] == ["", "bob's", "", "hm"]
    assert shown[3].is_annotation
    assert shown[4].quote is None
    assert await engine.logs.states(lab, [1]) == {}


@pytest_twisted.ensureDeferred
async def test_erased_edits_of_what_was_said_under_another_name(engine, notes):
    """The entry has its first text again, also for those who have it in memory, and no search finds
    the other one."""
    lab = await room(engine)
    await append(engine, say(lab, "one", who="guest"))
    await stored(engine, edit(lab, 1, "secret"))
    notes.changes.clear()
    reached = 0
    while reached is not None:
        reached = await engine.logs.reassign("alice", "nobody", True, reached)
    assert [it.text for it in (await entries(engine, lab)).values()] == ["one", ""]
    last = {it.block.first: it for it in notes.of(BlockReplaced)}
    assert [entry.text for _, entry in last[1].block.entries()] == ["one"]
    assert 1 in last[1].positions
    assert await found(engine, lab, "secret") == []


def react(log, position, word, who="alice", **args):
    """Return a draft that reacts to the entry at a position."""
    return about(log, position, word, kind=Kind.REACTION, who=who, **args)


async def reactions(engine, log, position):
    """Return the words, counts and names of the reactions to an entry."""
    states = await engine.logs.states(log, [position])
    return [tuple(it) for it in states[position].reactions] if states else []


@pytest_twisted.ensureDeferred
async def test_a_reaction_is_put_on_and_taken_off(engine):
    """The same word by the same user again takes it back; the run that is shown says which. Words
    come in the order in which they were first used."""
    lab = await room(engine)
    await append(engine, say(lab, "green"))
    batch = [
        react(lab, 1, "+1"),
        react(lab, 1, "\U0001f44d", who="bob"),
        react(lab, 1, "+1", "bob"),
    ]
    appended = await engine.logs.append(batch, {})
    assert [(run.kind, run.quote) for run in appended.about.values()] == [
        (Kind.REACTION, Quote("alice", "green"))
    ] * 3
    assert await reactions(engine, lab, 1) == [
        *(("+1", 2, ("alice", "bob")), ("\U0001f44d", 1, ("bob",)))
    ]
    appended = await engine.logs.append([react(lab, 1, "+1"), react(lab, 1, "+1", "bob")], {})
    assert [run.kind for run in appended.about.values()] == [Kind.REACTION_REMOVED] * 2
    assert await reactions(engine, lab, 1) == [("\U0001f44d", 1, ("bob",))]
    shown = await entries(engine, lab)
    assert [(it.kind, it.text) for it in shown.values()][3:] == [
        *((Kind.REACTION, "+1"), (Kind.REACTION_REMOVED, "+1"), (Kind.REACTION_REMOVED, "+1"))
    ]
    await stored(engine, react(lab, 1, "+1"))
    assert (await reactions(engine, lab, 1))[1] == ("+1", 1, ("alice",))


@pytest_twisted.ensureDeferred
async def test_reactions_to_one_entry_have_bounds(engine):
    """Of words and of users; taking back makes room. The state names the first users only."""
    lab, limits = await room(engine), Limits()
    await append(engine, say(lab, "one"), say(lab, "two"))
    words = [react(lab, 1, f"w{at}") for at in range(limits.reaction_words)]
    assert Code.TOO_MANY not in await stored(engine, *words)
    again = [react(lab, 1, "more"), react(lab, 1, "w0", "bob"), react(lab, 2, "more"), words[3]]
    assert [it == Code.TOO_MANY for it in await stored(engine, *again)] == [
        *(True, False, False, False)
    ]
    assert await stored(engine, react(lab, 1, "more")) != [Code.TOO_MANY]
    users = [react(lab, 2, "+1", f"u{at}") for at in range(10_000)]
    done = await stored(engine, *users)
    assert done.count(Code.TOO_MANY) == 10_001 - limits.reactions
    ((_, *_), (word, total, names)) = await reactions(engine, lab, 2)
    assert (word, total) == ("+1", limits.reactions - 1)
    assert names == tuple(f"u{at}" for at in range(limits.reaction_names))
    assert await stored(engine, react(lab, 2, "+1", "last")) == [Code.TOO_MANY]
    assert await stored(engine, users[0], react(lab, 2, "+1", "last")) != [Code.TOO_MANY] * 2


@pytest_twisted.ensureDeferred
async def test_a_reaction_is_erased(engine):
    """By itself it does not count any more; with its entry, all of them go."""
    lab = await room(engine)
    await append(engine, say(lab, "one"))
    await stored(engine, react(lab, 1, "rude"), react(lab, 1, "+1", "bob"))
    assert await engine.logs.erase(lab, 2)
    assert await reactions(engine, lab, 1) == [("+1", 1, ("bob",))]
    shown = await entries(engine, lab)
    assert (shown[2].kind, shown[2].text, shown[2].is_annotation) == (Kind.GONE, "", True)
    assert await engine.logs.erase(lab, 1)
    assert await engine.logs.states(lab, [1]) == {}
    assert await stored(engine, react(lab, 1, "+1", "bob")) == [Code.NO_SUCH_ENTRY]


@pytest_twisted.ensureDeferred
async def test_the_reactions_of_an_account_are_reassigned(engine):
    """They have the mark's name; with erase, they do not count any more."""
    lab = await room(engine)
    await append(engine, say(lab, "one", who="bob"))
    await stored(engine, react(lab, 1, "+1"), react(lab, 1, "+1", "bob"))
    await engine.logs.reassign("alice", "someone", False, 0)
    assert await reactions(engine, lab, 1) == [("+1", 2, ("someone", "bob"))]
    await engine.logs.reassign("someone", "nobody", True, 0)
    assert await reactions(engine, lab, 1) == [("+1", 1, ("bob",))]


@pytest_twisted.ensureDeferred
async def test_the_reactions_of_a_guest_are_the_accounts(engine):
    """The account can take them back."""
    number = await engine.claims.claim_guest("bob")
    guest, lab = guest_id(number), await room(engine)
    await append(engine, say(lab, "one"))
    await stored(engine, react(lab, 1, "+1", "bob", writer=guest))
    await append(engine, say(-number, "psst"))
    await engine.accounts.register("bob", "h", -number, NOW, guest=guest)
    await stored(engine, react(lab, 1, "+1", "bob"))
    assert await reactions(engine, lab, 1) == []


def pin(log, position, kind=Kind.PINNED):
    """Return a draft that pins the entry at a position, or takes the pin off."""
    return about(log, position, "", kind=kind)


@pytest_twisted.ensureDeferred
async def test_pins(engine):
    """An entry is pinned once, and there are so many in a log. The pin goes with the entry."""
    lab, den, most = await room(engine), await room(engine, "den"), Limits().pins
    await append(engine, *(say(lab, f"{at}") for at in range(most + 1)), say(den, "other"))
    assert await stored(engine, pin(lab, 2, Kind.UNPINNED)) == [Code.BAD_ARGUMENT]
    done = await stored(engine, *(pin(lab, at) for at in (2, *range(1, most + 2))))
    assert done[:3] == [most + 2, most + 3, Code.BAD_ARGUMENT]
    assert done[-2:] == [2 * most + 1, Code.TOO_MANY]
    assert await engine.logs.pinned(lab) == [*range(1, most + 1)]
    assert await engine.logs.pinned(den) == []
    assert (await engine.logs.states(lab, [2, most + 1])) == {2: EntryState(pinned=True)}
    await stored(engine, pin(lab, 2, Kind.UNPINNED))
    await engine.logs.erase(lab, 1)
    assert await engine.logs.pinned(lab) == [*range(3, most + 1)]
    assert await stored(engine, pin(lab, 1), pin(lab, 10**18)) == [Code.NO_SUCH_ENTRY] * 2


class Folded:
    """A model of a log: its entries, as the accepted changes have left them."""

    def __init__(self):
        self.texts = {}
        self.changes = {}

    def said(self, position, text):
        """Add an entry."""
        self.texts[position] = text

    def change(self, position, run, user):
        """Add an annotation, as it was stored; what it takes back counts no more."""
        takes_back = {Kind.REACTION_REMOVED: Kind.REACTION, Kind.UNPINNED: Kind.PINNED}.get(
            run.kind
        )
        if takes_back is None:
            self.changes[position] = (run.kind, run.about, run.texts[0], user)
        else:
            who = user if takes_back == Kind.REACTION else None
            theirs = [
                at
                for at, (kind, about_, text, by) in self.changes.items()
                if (kind, about_, text) == (takes_back, run.about, run.texts[0])
                and who in (None, by)
            ]
            del self.changes[theirs[0]]

    def erase(self, position):
        """Erase an entry, or an annotation; an edit goes with its entry."""
        kind, about_, *_ = self.changes.get(position, ("", 0))
        gone = about_ if kind == Kind.EDIT else position
        self.changes.pop(position, None)
        if self.texts.pop(gone, None) is not None:
            self.changes = {at: it for at, it in self.changes.items() if it[1] != gone}

    def of(self, position):
        """Return an entry's text, the positions of its edits, its reactions, and whether it is
        pinned."""
        mine = [(at, *it) for at, it in sorted(self.changes.items()) if it[1] == position]
        edits = [(at, text) for at, kind, _, text, _ in mine if kind == Kind.EDIT]
        reactions = {}
        for _, kind, _, word, by in mine:
            if kind == Kind.REACTION:
                reactions.setdefault(word, []).append(by)
        pinned = any(kind == Kind.PINNED for _, kind, *_ in mine)
        text = edits[-1][1] if edits else self.texts[position]
        return text, [at for at, _ in edits], reactions, pinned


async def shown_as(engine, log, position):
    """Return the same of an engine."""
    state = (await engine.logs.states(log, [position])).get(position, EntryState())
    entry = (await engine.logs.entries_at(log, [position]))[position]
    edits = [at for at, it in await engine.logs.edits(log, position) if it.kind == Kind.EDIT]
    assert state.edit == (edits[-1] if edits else 0)
    reactions = {it.word: list(it.names) for it in state.reactions}
    assert [it.total for it in state.reactions] == [*map(len, reactions.values())]
    return entry.text, edits, reactions, state.pinned


@pytest.mark.parametrize("seed", range(6))
@pytest_twisted.ensureDeferred
async def test_states_are_those_of_all_changes(case, seed):
    """After any sequence of edits, reactions, replies, pins, erasures and restarts, entries are as
    the changes that were accepted have left them."""
    chance, folded, engine, last = random.Random(seed), Folded(), case.engine, 0
    lab = await room(engine)
    for step in range(50):
        who, place = chance.choice(["alice", "bob", "carol"]), chance.randint(1, min(last, 9) + 1)
        what = chance.choice(["say", "reply", "edit", "react", "react", "react", "pin", "erase"])
        if what == "erase" and step % 3 == 0:
            place = chance.randint(1, last + 1)
            if await engine.logs.erase(lab, place):
                folded.erase(place)
        elif what != "erase":
            draft = {
                "say": say(lab, f"text {step}", who=who),
                "reply": about(lab, place, f"reply {step}", who=who),
                "edit": edit(lab, place, f"edit {step}", who=who),
                "react": react(lab, place, chance.choice(["+1", "ok"]), who),
                "pin": pin(lab, place, chance.choice([Kind.PINNED, Kind.UNPINNED])),
            }[what]
            (position,) = await stored(engine, draft)
            if isinstance(position, int):
                last = position
                if draft.run.kind == Kind.MESSAGE:
                    folded.said(position, draft.run.texts[0])
                else:
                    folded.change(position, (await entries(engine, lab))[position].as_run(), who)
        if step % 17 == 0 and hasattr(case, "reopen"):
            engine = await case.reopen()
    for position in folded.texts:
        assert await shown_as(engine, lab, position) == folded.of(position)
    pinned = [about_ for kind, about_, *_ in folded.changes.values() if kind == Kind.PINNED]
    assert await engine.logs.pinned(lab) == sorted(pinned)
    assert {*await engine.logs.states(lab, range(1, last + 1))} <= {*folded.texts}
