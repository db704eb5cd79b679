"""The promises about subscriptions to push messages (`PushStore`)."""

import pytest_twisted

from chatservice.domain.ports.account_ports import Token
from chatservice.domain.ports.push_ports import PushChanged, PushSubscription
from chatservice.errors import Code
from tests.contract.conftest import NOW, Notes, at_once, code_of


def browser(name, account="bob", token="", time=NOW):
    """Return the subscription of a browser."""
    endpoint = f"https://push.example/{name}"
    return PushSubscription(endpoint, account, "public", "secret", "server", token, time)


async def users(engine, *names):
    """Register users, each with a token of 64 times the first letter of the name."""
    for name in names:
        await engine.accounts.register(name, "h", None, NOW)
        await engine.accounts.add_token(name[0] * 64, Token(name, "page", None, NOW))


async def told(engine):
    """Return the subscriptions that a new follower is told, by their accounts."""
    await engine.follow(notes := Notes())
    return {it.account: list(it.subscriptions) for it in notes.of(PushChanged)}


@pytest_twisted.ensureDeferred
async def test_subscriptions(engine, notes):
    """A follower is told all of an account's at each change. A browser that asks again is one
    still, and may be another user's then. Nobody drops those of others."""
    await users(engine, "bob", "eve")
    one, two = browser("one"), browser("two", token="b" * 64, time=NOW + 1)
    await engine.pushes.subscribe(one, "h", 9)
    await engine.pushes.subscribe(two, "h", 9)
    again = one._replace(public="other", time=NOW + 2)
    await engine.pushes.subscribe(again, "h", 9)
    assert notes.changes[-1] == PushChanged("bob", (two, again))
    assert not await engine.pushes.unsubscribe("eve", one.endpoint)
    theirs = two._replace(account="eve", token="")
    await engine.pushes.subscribe(theirs, "h", 9)
    assert notes.changes[-2:] == [PushChanged("bob", (again,)), PushChanged("eve", (theirs,))]
    assert await told(engine) == {"bob": [again], "eve": [theirs]}
    assert await engine.pushes.unsubscribe("bob", one.endpoint)
    assert not await engine.pushes.unsubscribe("bob", one.endpoint)
    assert await told(engine) == {"eve": [theirs]}


@pytest_twisted.ensureDeferred
async def test_the_oldest_goes(engine):
    """Of more than may be, also of those that come at once, the newest are kept."""
    await users(engine, "bob")
    wanted = [browser(str(at), time=NOW + at) for at in range(5)]
    await at_once(*(engine.pushes.subscribe(it, "h", 3) for it in wanted))
    assert await told(engine) == {"bob": wanted[2:]}


@pytest_twisted.ensureDeferred
async def test_what_a_subscription_ends_with(engine, notes):
    """It ends with its token, or with the password; with its account, or if an operator resets the
    password, whatever it came with. The follower is told."""
    await users(engine, "bob", "eve", "ann")
    for name in ("bob", "eve", "ann"):
        await engine.pushes.subscribe(browser(f"{name}1", name), "h", 9)
        await engine.pushes.subscribe(browser(f"{name}2", name, name[0] * 64), "h", 9)
    await engine.accounts.show_seen("bob", False)
    await engine.accounts.set_password("bob", "new")
    assert await told(engine) == {
        "bob": [browser("bob2", "bob", "b" * 64)],
        "eve": [browser("eve1", "eve"), browser("eve2", "eve", "e" * 64)],
        "ann": [browser("ann1", "ann"), browser("ann2", "ann", "a" * 64)],
    }
    await engine.accounts.revoke("bob", "page")
    await engine.accounts.set_password("eve", "new", alone=True)
    await engine.accounts.delete("ann", "deleted-1")
    assert await told(engine) == {}


@pytest_twisted.ensureDeferred
async def test_who_lost_access_does_not_subscribe(case, engine, notes):
    """A password that was changed, or a token that was revoked, is refused, as is another user's
    token; and what is not stored is not there."""
    await users(engine, "bob", "eve")
    for mine, password in (
        (browser("one"), "former"),
        (browser("two", token="e" * 64), "h"),
        (browser("three", token="f" * 64), "h"),
        (browser("four", "nobody"), "h"),
    ):
        assert await code_of(engine.pushes.subscribe(mine, password, 9)) == Code.WRONG_PASSWORD
    async with case.failing():
        found = await code_of(engine.pushes.subscribe(browser("five"), "h", 9))
        assert found == Code.NOT_STORED
    assert await told(engine) == {}


@pytest_twisted.ensureDeferred
async def test_subscriptions_last(durable):
    """Those that are valid are there when an engine is opened again, and no others."""
    engine = durable.engine
    await users(engine, "bob", "eve", "ann")
    kept = browser("kept", "bob", "b" * 64)
    for it in (
        *(
            kept,
            browser("old", "bob"),
            browser("dropped", "eve"),
            browser("revoked", "eve", "e" * 64),
        ),
        browser("deleted", "ann"),
    ):
        await engine.pushes.subscribe(it, "h", 9)
    await engine.pushes.subscribe(browser("pushed out", "eve", time=NOW - 1), "h", 9)
    await engine.pushes.subscribe(browser("dropped", "eve", time=NOW + 1), "h", 2)
    await engine.pushes.unsubscribe("eve", browser("dropped").endpoint)
    await engine.accounts.revoke("eve", "page")
    await engine.accounts.set_password("bob", "new")
    await engine.accounts.delete("ann", "deleted-1")
    before = await told(engine)
    engine = await durable.reopen()
    assert await told(engine) == before == {"bob": [kept]}
