"""The promise that what was stored lasts: when an engine is opened again, it is there, and no
more."""

from dataclasses import replace

import pytest_twisted

from chatservice.domain.model import guest_id
from chatservice.domain.ports.account_ports import Token
from chatservice.domain.ports.log_ports import SearchQuery
from chatservice.domain.ports.room_ports import ModerationRecord, RoomChanged, RoomRow, RulesChanged
from chatservice.domain.rules import Access, Rule, RuleKind
from chatservice.entries import FileMark, Kind, Run
from chatservice.errors import Code
from tests.contract.conftest import NOW, Notes, append, code_of, room, say, texts
from tests.contract.test_annotations import about, edit, pin, react
from tests.contract.test_files import content, declared, put

BAN = Rule(RuleKind.BANNED, "eve", NOW + 5, "alice", NOW)
KICK = ModerationRecord(NOW, "alice", "kick eve")


async def rooms(engine):
    """Return the rooms that a new follower is told, and their records."""
    await engine.follow(notes := Notes())
    rows = [replace(row, rules=sorted(row.rules)) for row in notes.of(RoomRow)]
    return {row.name: (row, list(await engine.rooms.records(row.number, 9))) for row in rows}


async def accounts(engine):
    """Return the accounts, and their tokens."""
    all_ = dict(await engine.accounts.accounts())
    return {key: (it, list(await engine.accounts.tokens(key))) for key, it in all_.items()}


@pytest_twisted.ensureDeferred
async def test_rooms_rules_and_records(durable):
    """Rooms have their settings, rules, topics and records. Removed ones are gone, and their
    numbers are not given again."""
    engine = durable.engine
    lab = (await engine.rooms.create("Lab", "hash", NOW, "Alice")).number
    bob = Rule(RuleKind.MODERATOR, "bob", 0, "alice", NOW)
    await engine.rooms.change_rules(RulesChanged(lab, [BAN, bob], record=KICK))
    await engine.rooms.change_rules(RulesChanged(lab, [BAN._replace(until=0)], [bob]))
    ban = ModerationRecord(NOW + 1, "alice", "ban eve")
    await engine.rooms.configure(RoomChanged(lab, "other", Access.HIDDEN, True, 30, ban))
    await engine.rooms.add_record(lab, ModerationRecord(NOW + 2, "bob", "mute eve"))
    await append(engine, say(lab, "old", "about", kind=Kind.TOPIC))
    old = await room(engine, "old", owner="bob")
    await append(engine, say(old, "text"))
    await engine.rooms.retire(old, "deleted-1")
    last = await room(engine, "gone", owner="bob")
    await engine.rooms.add_record(last, KICK)
    await engine.rooms.remove(last)
    before = await rooms(engine)
    engine = await durable.reopen()
    found = await rooms(engine)
    assert found == before
    row, records = found["Lab"]
    settings = (row.topic, row.password, row.access, row.frozen, row.slow, row.last)
    assert settings == ("about", "other", Access.HIDDEN, True, 30, 2)
    assert [(it.kind, it.until) for it in row.rules] == [(RuleKind.BANNED, 0), (RuleKind.OWNER, 0)]
    assert [it.what for it in records] == ["kick eve", "ban eve", "mute eve"]
    assert found.keys() == {"Lab", "deleted-1"}
    assert await code_of(engine.rooms.create("1ab", None, NOW, None)) == Code.ROOM_EXISTS
    assert await room(engine, "gone") > last
    assert await engine.rooms.records(last, 9) == []


@pytest_twisted.ensureDeferred
async def test_accounts(durable):
    """They have their names, passwords, ranks and read positions. Deleted ones are gone, also from
    rooms."""
    engine = durable.engine
    kept = await engine.hasher.hash("right")
    for name in ("alice", "bob", "carol", "dave"):
        made = await engine.accounts.register(name, kept, None, NOW)
        await append(engine, say(made.inbox, "a", "b", "c"), read={made.inbox: 2}.items())
        await append(engine, read={made.inbox: 1}.items())
        await engine.accounts.set_operator(name, name != "alice")
    await room(engine, owner="carol")
    await engine.accounts.rename("bob", "BOB")
    await engine.accounts.set_password("bob", "new")
    await engine.accounts.set_operator("dave", False)
    await engine.accounts.note_seen({"alice": NOW + 7, "bob": NOW + 8})
    await engine.accounts.show_seen("bob", False)
    await engine.accounts.add_token("a" * 64, Token("carol", "bot", None, NOW))
    await engine.accounts.delete("carol", "deleted-1")
    before = await accounts(engine)
    assert {it.read_position for it, _ in before.values()} == {2}
    engine = await durable.reopen()
    assert await accounts(engine) == before
    assert before.keys() == {"alice", "bob", "dave"}
    assert list(await engine.accounts.operators()) == ["BOB"]
    assert await engine.authenticator.vouched("alice", "right") == "alice"
    bob = await engine.accounts.account("bob")
    assert (bob.password, bob.seen, bob.shows_seen) == ("new", NOW + 8, False)
    assert await engine.accounts.token("a" * 64) is None
    assert list((await rooms(engine))["lab"][0].rules) == []
    assert await texts(engine, made.inbox) == ["a", "b", "c"]
    assert (await engine.accounts.register("carol", "h", None, NOW)).inbox > made.inbox


@pytest_twisted.ensureDeferred
async def test_tokens_keys_and_codes(durable):
    """Those that are valid stay so, and no others."""
    engine = durable.engine
    for name in ("bob", "eve"):
        await engine.accounts.register(name, "h", None, NOW)
    lab, den, old = [await room(engine, name) for name in ("lab", "den", "old")]
    places = {"a": None, "b": lab, "c": den, "d": old, "e": None, "ssh:f": None}
    for sha256, place in places.items():
        await engine.accounts.add_token(sha256, Token("bob", f"bot-{sha256}", place, NOW))
    await engine.accounts.add_token("g", Token("eve", "bot", None, NOW))
    for code in ("used", "dropped", "good"):
        await engine.accounts.add_code(code, "op", NOW)
    await engine.accounts.revoke("bob", "bot-e")
    await engine.rooms.remove(den)
    await engine.rooms.retire(old, "deleted-1")
    await engine.accounts.set_password("eve", "new", alone=True)
    await engine.accounts.register("carol", "h", None, NOW, code="used")
    await engine.accounts.drop_code("dropped")
    before = await accounts(engine)
    engine = await durable.reopen()
    assert await accounts(engine) == before
    found = {it: await engine.accounts.token(it) for it in (*places, "g")}
    assert {it for it, token in found.items() if token is not None} == {"a", "b", "ssh:f"}
    assert found["b"] == Token("bob", "bot-b", lab, NOW)
    codes = [await engine.accounts.code(it) for it in ("used", "dropped", "good")]
    assert codes == [False, False, True]


@pytest_twisted.ensureDeferred
async def test_names_of_guests(durable):
    """They are free again; the number goes with the secret. An account's name stays taken."""
    engine = durable.engine
    number = await engine.claims.claim_guest("bob", b"secret")
    await engine.accounts.register("alice", "h", None, NOW)
    engine = await durable.reopen()
    assert await engine.claims.claim_guest("Bob", b"secret") == number
    assert await code_of(engine.claims.check_free("\u0430lice")) == Code.NAME_TAKEN


@pytest_twisted.ensureDeferred
async def test_logs_and_keys(durable):
    """Entries and the keys of drafts are there, without what was erased, and positions go on."""
    engine = durable.engine
    lab, den = await room(engine), await room(engine, "den")
    file = say(lab, "")
    file.run = Run(Kind.FILE, 5, "bob", file=FileMark("a.txt", 3, "ab" * 32, 2), registered=True)
    await append(engine, say(lab, "one", "secret", "three", key="k", writer="x"), file)
    await append(engine, say(den, "mine", who="carol"))
    await engine.logs.erase(lab, 2)
    assert await engine.logs.reassign("carol", "someone", False, 0)
    engine = await durable.reopen()
    read = [it for block in await engine.logs.read(lab, 0, 9) for _, it in block.entries()]
    assert [it.text for it in read[:3]] == ["one", "", "three"]
    assert read[3].as_run() == file.run
    ((_, entry),) = (await engine.logs.read(den, 0, 9))[0].entries()
    assert (entry.who, entry.text) == ("someone", "mine")
    assert (await engine.logs.last(lab), await engine.logs.last(den)) == (4, 1)
    assert await engine.logs.position_of_key(lab, "x", "k") == 1
    assert await append(engine, say(lab, "again", key="k", writer="x"), say(lab, "new")) == [1, 5]


@pytest_twisted.ensureDeferred
async def test_what_a_guest_had_is_the_accounts(durable):
    """Their inbox, the keys of their drafts, and their files."""
    engine = durable.engine
    number = await engine.claims.claim_guest("bob")
    guest, lab = guest_id(number), await room(engine)
    await append(engine, say(-number, "one"), say(lab, "hello", key="k", writer=guest))
    await put(engine, owner=guest)
    made = await engine.accounts.register("bob", "h", -number, NOW, guest=guest)
    await append(engine, say(made.inbox, "two"))
    engine = await durable.reopen()
    assert await engine.accounts.account("bob") == made
    assert await texts(engine, made.inbox) == ["one", "two"]
    assert await texts(engine, -number) == []
    assert await engine.logs.position_of_key(lab, "bob", "k") == 1
    assert list(await engine.files.shared("bob")) == [("lab", "a.txt")]


@pytest_twisted.ensureDeferred
async def test_files(durable):
    """All versions are there with their content and owners, and no removed ones."""
    engine = durable.engine
    await put(engine)
    await put(engine, b"world!", owner="bob")
    await put(engine, b"gone", name="gone.txt")
    await engine.files.remove("lab", "gone.txt", None, "alice")
    (place,) = await engine.files.places(5, declared().sha256)
    await engine.files.copy(place, declared(name="b.txt", folder="den", owner="bob"))
    await put(engine, folder="old")
    await engine.files.forget("old")
    before = await engine.files.files("lab", "", 9)
    engine = await durable.reopen()
    assert await engine.files.files("lab", "", 9) == before
    assert await content(engine) == b"world!"
    assert await content(engine, version=1) == b"hello"
    assert await content(engine, "b.txt", "den") == b"hello"
    assert sorted(await engine.files.shared("bob")) == [("den", "b.txt"), ("lab", "a.txt")]
    for folder, name in (("lab", "gone.txt"), ("old", "a.txt")):
        assert await code_of(engine.files.open(folder, name)) == Code.NO_SUCH_FILE
    assert (await put(engine, b"newer")).version == 3


@pytest_twisted.ensureDeferred
async def test_partial_uploads(durable):
    """They are resumed by their SHA-256 or their id; dropped ones are gone."""
    engine = durable.engine
    by_id = declared(name="b.txt", sha256=None, id_="")
    for said in (declared(), by_id, declared(name="dropped")):
        upload = await engine.files.receive(said, 0)
        upload.write(b"hel")
        upload.abandon()
    before = {it.id: it for it in await engine.files.unfinished("alice")}
    await engine.files.drop(before.pop(upload.id).declared)
    engine = await durable.reopen()
    found = {it.id: it for it in await engine.files.unfinished("alice")}
    assert found == before
    assert sorted(it.declared.name for it in found.values()) == ["a.txt", "b.txt"]
    for partial in found.values():
        upload = await engine.files.receive(partial.declared, 3)
        upload.write(b"lo")
        await upload.finish()
        assert await content(engine, partial.declared.name) == b"hello"


@pytest_twisted.ensureDeferred
async def test_annotations(durable):
    """Edits, reactions and pins count as before, and nothing is left of what was erased. What is
    decided of them goes on."""
    engine = durable.engine
    lab = await room(engine)
    await append(engine, say(lab, "one"), say(lab, "two"), say(lab, "three"))
    drafts = [edit(lab, 1, "uno"), react(lab, 1, "+1"), react(lab, 2, "no"), pin(lab, 1)]
    await append(engine, *drafts, edit(lab, 2, "secret"), about(lab, 1, "yes"))
    await engine.logs.erase(lab, 2)
    before = await engine.logs.states(lab, [1, 2, 3])
    entries = [pair for it in await engine.logs.read(lab, 0, 99) for pair in it.entries()]
    engine = await durable.reopen()
    assert await engine.logs.states(lab, [1, 2, 3]) == before
    assert all((before[1].edit, before[1].pinned, before[1].reactions))
    assert [pair for it in await engine.logs.read(lab, 0, 99) for pair in it.entries()] == entries
    assert await engine.logs.pinned(lab) == [1]
    assert [it.text for _, it in await engine.logs.edits(lab, 1)] == ["one", "uno"]
    result = await engine.logs.search(SearchQuery("secret two", {lab: 99}, 9))
    assert list(result.matches) == []
    ((_, at, found),) = (await engine.logs.search(SearchQuery("uno", {lab: 99}, 9))).matches
    assert (at, found.text) == (1, "uno")
    await append(engine, react(lab, 1, "+1"), edit(lab, 1, "un"))
    assert (await engine.logs.states(lab, [1]))[1].reactions == ()
    assert (await engine.logs.entries_at(lab, [1]))[1].text == "un"
