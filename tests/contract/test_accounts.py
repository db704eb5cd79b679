"""The promises about accounts and names in use (`AccountStore`, `NameClaims`)."""

import pytest_twisted

from chatservice.domain.model import guest_id
from chatservice.domain.ports.account_ports import (
    Account,
    AccountChanged,
    GuestRegistered,
    PasswordChanged,
    Token,
    TokenRevoked,
)
from chatservice.domain.ports.room_ports import RoomRow
from chatservice.errors import Code
from tests.contract.conftest import NOW, Notes, append, at_once, code_of, room, say, texts


@pytest_twisted.ensureDeferred
async def test_one_of_two_accounts_of_a_name_is_made(engine, notes):
    """Of two accounts with equal or look-alike names, one is made."""
    names = ["alice", "Alice", "\u0430lice"]
    found = await at_once(*(engine.accounts.register(name, "h", None, NOW) for name in names))
    assert isinstance(found[0], Account)
    assert set(found[1:]) <= {Code.ALREADY_REGISTERED, Code.NAME_TAKEN}
    assert [(it.key, it.account) for it in notes.of(AccountChanged)] == [("alice", found[0])]


@pytest_twisted.ensureDeferred
async def test_a_code_is_used_once(engine):
    """Of two users who register with one code at the same time, one is refused."""
    await engine.accounts.add_code("ab", "op", NOW)
    assert await engine.accounts.code("ab")
    registering = (
        engine.accounts.register(name, "h", None, NOW, code="ab") for name in ("bob", "carol")
    )
    found = await at_once(*registering)
    assert [it for it in found if isinstance(it, Code)] == [Code.BAD_CODE]
    assert not await engine.accounts.code("ab")
    await engine.accounts.add_code("cd", "op", NOW)
    assert [await engine.accounts.drop_code("cd") for _ in range(2)] == [True, False]


@pytest_twisted.ensureDeferred
async def test_a_guests_inbox_becomes_the_accounts(engine, notes):
    """The inbox keeps its positions, its keys, and entries that come before the
    follower is told."""
    number = await engine.claims.claim_guest("bob")
    one, two = say(-number, "one", key="k", writer="x"), say(-number, "two", key="k", writer="y")
    two.log = one.log
    notes.inbox = one.log
    await append(engine, one)
    registering, appending = await at_once(
        engine.accounts.register("bob", "h", -number, NOW, guest=guest_id(number)),
        append(engine, two),
    )
    assert notes.of(GuestRegistered) == [GuestRegistered(guest_id(number), -number, registering)]
    assert appending == [2]
    assert await engine.logs.last(registering.inbox) == 2
    assert await texts(engine, registering.inbox) == ["one", "two"]
    assert await append(engine, say(registering.inbox, "again", key="k", writer="x")) == [1]
    assert await texts(engine, -number) == []


@pytest_twisted.ensureDeferred
async def test_how_far_an_inbox_is_read(engine):
    """The read position is stored with a batch, and never goes back."""
    account = await engine.accounts.register("bob", "h", None, NOW)
    await append(engine, say(account.inbox, "a", "b", "c"), read={account.inbox: 2}.items())
    await append(engine, read={account.inbox: 1}.items())
    assert (await engine.accounts.account("bob")).read_position == 2


@pytest_twisted.ensureDeferred
async def test_changes_of_an_account(engine, notes):
    """The follower is told changes of name, password and rank."""
    await engine.accounts.register("bob", "h", None, NOW)
    await engine.accounts.rename("bob", "BOB")
    await engine.accounts.set_operator("bob", True)
    assert await engine.accounts.set_password("bob", "new", before="h")
    assert not await engine.accounts.set_password("bob", "newer", before="h")
    assert notes.of(PasswordChanged) == [PasswordChanged("bob", "new", False)]
    account = await engine.accounts.account("bob")
    assert (account.name, account.password, account.operator) == ("BOB", "new", True)
    assert [it.account.name for it in notes.of(AccountChanged)][:2] == ["bob", "BOB"]
    assert any(it.account.operator for it in notes.of(AccountChanged))
    assert list(await engine.accounts.operators()) == ["BOB"]
    await engine.accounts.set_operator("bob", False)
    assert list(await engine.accounts.operators()) == []


@pytest_twisted.ensureDeferred
async def test_tokens(engine, notes):
    """A label is used once; a new password for the account alone ends all tokens."""
    await engine.accounts.register("bob", "h", None, NOW)
    adding = (
        engine.accounts.add_token(sha256, Token("bob", label, None, NOW))
        for sha256, label in (("a" * 64, "bot"), ("b" * 64, "bot"), ("c" * 64, "cron"))
    )
    assert (await at_once(*adding))[1] == Code.TOKEN_EXISTS
    assert [it.label for it in await engine.accounts.tokens("bob")] == ["bot", "cron"]
    assert dict(await engine.accounts.token_counts()) == {"bob": 2}
    await engine.accounts.revoke("bob", "bot")
    assert notes.changes[-1] == TokenRevoked("a" * 64)
    assert await engine.accounts.token("a" * 64) is None
    assert await code_of(engine.accounts.revoke("bob", "bot")) == Code.NO_SUCH_TOKEN
    assert (await engine.accounts.token("c" * 64)).account == "bob"
    await engine.accounts.set_password("bob", "new", alone=True)
    assert notes.changes[-1] == PasswordChanged("bob", "new", True)
    assert await engine.accounts.token("c" * 64) is None


@pytest_twisted.ensureDeferred
async def test_keys(engine):
    """A key is found by its fingerprint, is one account's, and goes as tokens do."""
    for name in ("bob", "eve"):
        await engine.accounts.register(name, "h", None, NOW)
    await engine.accounts.add_token("ssh:abc", Token("bob", "laptop", None, NOW))
    again = engine.accounts.add_token("ssh:abc", Token("eve", "stolen", None, NOW))
    assert await code_of(again) == Code.TOKEN_EXISTS
    assert await engine.accounts.token("ssh:abc") == Token("bob", "laptop", None, NOW)
    await engine.accounts.revoke("bob", "laptop")
    await engine.accounts.add_token("ssh:abc", Token("eve", "laptop", None, NOW))
    await engine.accounts.set_password("eve", "new", alone=True)
    assert await engine.accounts.token("ssh:abc") is None


@pytest_twisted.ensureDeferred
async def test_a_deleted_account_leaves_nothing(engine, notes):
    """Its tokens and its rooms belong to nobody, and the name is free."""
    account = await engine.accounts.register("bob", "h", None, NOW)
    lab = await room(engine, owner="bob")
    await append(engine, say(account.inbox, "psst"))
    await engine.accounts.add_token("a" * 64, Token("bob", "bot", None, NOW))
    await engine.accounts.delete("bob", "deleted-2")
    assert notes.changes[-1] == AccountChanged("bob", None)
    assert await engine.accounts.account("bob") is None
    assert await engine.accounts.token("a" * 64) is None
    await engine.follow(later := Notes())
    assert [list(row.rules) for row in later.of(RoomRow) if row.number == lab] == [[]]
    assert (await engine.accounts.register("bob", "h", None, NOW)).inbox != account.inbox


@pytest_twisted.ensureDeferred
async def test_what_is_refused_is_not_there(case, engine, notes):
    """A refused registration leaves no account, code or token, and the name is free again."""
    number = await engine.claims.claim_guest("bob")
    async with case.failing():
        for refused in (
            engine.accounts.register("bob", "h", None, NOW, guest=guest_id(number)),
            engine.accounts.register("carol", "h", None, NOW),
            engine.accounts.add_token("a" * 64, Token("bob", "bot", None, NOW)),
            engine.accounts.add_code("ab", "op", NOW),
        ):
            assert await code_of(refused) == Code.NOT_STORED
    assert notes.changes == []
    assert await engine.accounts.token("a" * 64) is None
    assert not await engine.accounts.code("ab")
    assert await engine.accounts.register("carol", "h", None, NOW)
    assert await engine.accounts.register("bob", "h", None, NOW, guest=guest_id(number))


@pytest_twisted.ensureDeferred
async def test_one_of_many_guests_has_a_name(engine):
    """Of guests who claim equal or look-alike names at once, one gets it."""
    names = ["bob", "Bob", "b\u043eb", "carol"]
    found = await at_once(*(engine.claims.claim_guest(name) for name in names))
    assert [it for it in found if isinstance(it, Code)] == [Code.NAME_TAKEN] * 2
    assert found[0] != found[3]
    engine.claims.release("bob")
    await engine.claims.claim_guest("b\u043eb")
    assert await code_of(engine.claims.check_free("bob")) == Code.NAME_TAKEN
    await engine.claims.check_free("dave")


@pytest_twisted.ensureDeferred
async def test_a_guest_who_comes_back_has_the_same_number(engine):
    """A guest with the same secret has the same number, and no other guest has it."""
    first = await engine.claims.claim_guest("bob", b"secret")
    engine.claims.release("bob")
    assert await engine.claims.claim_guest("other", b"secret") == first
    assert await engine.claims.claim_guest("carol", b"other") != first


@pytest_twisted.ensureDeferred
async def test_a_guest_takes_another_name(engine):
    """They have both until the old one is released; the new one may look like the old one."""
    number = await engine.claims.claim_guest("b0b")
    await engine.claims.claim_guest("carol")
    await engine.claims.rename_guest("b0b", "bOb")
    assert await code_of(engine.claims.claim_guest("b0b")) == Code.NAME_TAKEN
    await engine.claims.rename_guest("bOb", "dave")
    for former in ("b0b", "bOb"):
        engine.claims.release(former)
    await engine.claims.check_free("b0b")
    assert await code_of(engine.claims.rename_guest("dave", "carol")) == Code.NAME_TAKEN
    assert await code_of(engine.claims.claim_guest("dave")) == Code.NAME_TAKEN
    assert await engine.claims.claim_guest("b0b") != number


@pytest_twisted.ensureDeferred
async def test_a_name_is_a_guests_or_an_accounts(engine):
    """The second claim is refused, except for the guest who registers."""
    number = await engine.claims.claim_guest("bob")
    registering = engine.accounts.register("bob", "h", None, NOW)
    assert await code_of(registering) == Code.NAME_TAKEN
    assert await code_of(engine.accounts.register("b\u043eb", "h", None, NOW)) == Code.NAME_TAKEN
    await engine.accounts.register("bob", "h", None, NOW, guest=guest_id(number))
    await engine.claims.claim_account("bob")
    engine.claims.release("bob")
    assert await code_of(engine.claims.claim_guest("b\u043eb")) == Code.NAME_TAKEN
    claimed, registered = await at_once(
        engine.claims.claim_guest("carol"), engine.accounts.register("carol", "h", None, NOW)
    )
    assert isinstance(claimed, int)
    assert registered == Code.NAME_TAKEN


@pytest_twisted.ensureDeferred
async def test_passwords(engine):
    """A hash fits its password and no other, and the authenticator knows whose it is."""
    kept = await engine.hasher.hash("right")
    assert await engine.hasher.fits(kept, "right")
    assert not await engine.hasher.fits(kept, "wrong")
    await engine.accounts.register("Bob", kept, None, NOW)
    assert await engine.authenticator.vouched("bob", "right") == "Bob"
    assert await engine.authenticator.vouched("bob", "wrong") is None
    assert await engine.authenticator.vouched("nobody", "right") is None


@pytest_twisted.ensureDeferred
async def test_when_users_were_here_last(engine):
    """The latest time counts, and a key without an account changes nothing."""
    accounts = engine.accounts
    await accounts.register("Alice", "hash", None, NOW)
    assert (await accounts.account("alice")).seen == 0
    await accounts.note_seen({"alice": NOW + 5, "nobody": NOW})
    await accounts.note_seen({"alice": NOW + 3})
    assert (await accounts.account("alice")).seen == NOW + 5
    assert await accounts.account("nobody") is None
    assert (await accounts.account("alice")).shows_seen
    await accounts.show_seen("alice", False)
    account = await accounts.account("alice")
    assert (account.shows_seen, account.seen, account.password) == (False, NOW + 5, "hash")
