"""Passwords are hashed beside the server, and errors there do not reach it."""

import os
import signal
import sys

import pytest
import pytest_twisted
from argon2 import PasswordHasher
from twisted.internet import reactor
from twisted.internet.defer import gatherResults

from chatservice.engines.sqlite.argon2 import Argon2Passwords


@pytest.fixture
def passwords():
    """Return what hashes them."""
    passwords = Argon2Passwords(reactor)
    yield passwords
    passwords.close()


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("password", ["secret", "pässwörd", "\udcff", 'two words "\n', "x" * 256])
async def test_only_the_right_one_fits(passwords, password):
    """Only the right password fits, for any characters; equal passwords have different hashes."""
    kept = await passwords.hash(password)
    assert kept != await passwords.hash(password)
    assert await passwords.fits(kept, password)
    assert not await passwords.fits(kept, password + "x")
    assert not await passwords.fits("", password)
    assert not await passwords.fits("nonsense", password)


@pytest_twisted.ensureDeferred
async def test_what_was_kept_before_still_fits(passwords):
    """Hashes with other parameters still fit: a hash carries its parameters."""
    kept = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=4).hash("secret")
    assert await passwords.fits(kept, "secret")
    assert not await passwords.fits(kept, "Secret")


@pytest_twisted.ensureDeferred
async def test_many_at_once_are_all_answered(passwords):
    """Each with its own answer."""
    kept = await passwords.hash("secret")
    tried = ["secret" if at % 3 else "wrong" for at in range(12)]
    fit = await gatherResults([passwords.fits(kept, each) for each in tried])
    assert fit == [each == "secret" for each in tried]


@pytest_twisted.ensureDeferred
async def test_who_hashes_may_be_killed(passwords):
    """Another one takes its place."""
    kept = await passwords.hash("secret")
    for helper in passwords._helpers.values():
        os.kill(helper._process.pid, signal.SIGKILL)
        helper._process.wait()
    assert await passwords.fits(kept, "secret")
    assert not await passwords.fits(kept, "wrong")


@pytest_twisted.ensureDeferred
async def test_where_there_can_be_no_process(passwords, monkeypatch):
    """It is slower for all, but it is done."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    kept = await passwords.hash("secret")
    assert await passwords.fits(kept, "secret")


@pytest_twisted.ensureDeferred
async def test_nothing_is_left_of_them():
    """Their processes end with the server; signals to all that is its do not end them before."""
    passwords = Argon2Passwords(reactor)
    await passwords.hash("secret")
    [process] = [helper._process for helper in passwords._helpers.values()]
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    await passwords.hash("secret")
    assert process.poll() is None
    passwords.close()
    assert process.poll() is not None
