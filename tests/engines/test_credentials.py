"""Credentials: our own accounts as a checker of twisted.cred, and the operator's checkers."""

import subprocess

import pytest
import pytest_twisted
from twisted.cred.checkers import ANONYMOUS
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse as Memory
from twisted.cred.credentials import IAnonymous, IUsernamePassword, UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import Portal
from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed

from chatservice.engines.credentials import AccountChecker, Checkers
from chatservice.engines.sqlite.argon2 import Argon2Passwords
from chatservice.engines.sqlite.logstore import LogStore
from tests.servers import PATIENCE, TWISTD, environment


@pytest.fixture
def accounts(tmp_path):
    """Return the accounts of an open store, with alice in it; her password is `pässword`."""
    store = LogStore(reactor, tmp_path / "chat.sqlite")
    store.start()
    yield store.accounts
    store.close()


@pytest.fixture
def passwords():
    """Return the real thing."""
    passwords = Argon2Passwords(reactor)
    yield passwords
    passwords.close()


class Elsewhere:
    """A checker of the operator's, which knows these, and who asked."""

    credentialInterfaces = (IUsernamePassword,)

    def __init__(self, **known):
        self.known = known
        self.asked = []

    def requestAvatarId(self, credentials):
        """Answer with the name, in another case."""
        name = credentials.username.decode()
        self.asked.append(name)
        if self.known.get(name.casefold()) != credentials.password.decode():
            raise UnauthorizedLogin()
        return succeed(name.capitalize().encode())


class Realm:
    """A realm of twisted.cred that returns the user's name."""

    def requestAvatar(self, avatar, mind, *interfaces):
        """Answer with the name itself."""
        return interfaces[0], avatar, lambda: None


@pytest_twisted.ensureDeferred
async def test_our_accounts_in_a_portal(accounts, passwords):
    """Every portal of twisted.cred admits accounts with a password, and nobody else."""
    await accounts.register("Alice", await passwords.hash("pässword"), None, 0)
    await accounts.register("vouched", "", None, 0)
    portal = Portal(Realm(), [AccountChecker(accounts, passwords)])

    async def login(name, password):
        credentials = UsernamePassword(name.encode(), password.encode())
        return (await portal.login(credentials, None, object))[1]

    assert await login("ALICE", "pässword") == b"Alice"
    for name, password in (("alice", "x"), ("bob", "pässword"), ("vouched", ""), ("alice", "")):
        with pytest.raises(UnauthorizedLogin):
            await login(name, password)


@pytest_twisted.ensureDeferred
async def test_who_is_asked_about_whom(accounts, passwords):
    """A name with a password here is asked for here alone; all others where the operator says, one
    checker after the other; checkers for anything but passwords never."""
    await accounts.register("alice", await passwords.hash("here"), None, 0)
    await accounts.register("carol", "", None, 0)
    own = AccountChecker(accounts, passwords)
    first, second = Elsewhere(alice="there", bob="b"), Elsewhere(carol="c", bob="other")

    class Anonymous:
        credentialInterfaces = (IAnonymous,)

        def requestAvatarId(self, credentials):
            return succeed(ANONYMOUS)

    checkers = Checkers(own, accounts, [Anonymous(), first, second])
    assert checkers.elsewhere
    assert await checkers.vouched("ALICE", "here") == "alice"
    assert await checkers.vouched("alice", "there") is None
    assert await checkers.vouched("BOB", "b") == "Bob"
    assert await checkers.vouched("bob", "other") == "Bob"
    assert await checkers.vouched("CAROL", "c") == "Carol"
    assert await checkers.vouched("carol", "") is None
    assert "alice" not in first.asked + second.asked
    assert first.asked == ["BOB", "bob", "carol", "carol"]
    assert not Checkers(own, accounts).elsewhere
    assert await Checkers(own, accounts).vouched("bob", "b") is None
    memory = Checkers(own, accounts, [Memory(bob=b"b")])
    assert await memory.vouched("bob", "b") == "bob"
    assert await memory.vouched("bob", "x") is None


@pytest_twisted.ensureDeferred
async def test_a_checker_that_answers_late_or_oddly(accounts, passwords):
    """Its answer may come later; a name in it that is another one, or none, does not count."""
    late = Deferred()

    class Odd:
        credentialInterfaces = (IUsernamePassword,)

        def requestAvatarId(self, credentials):
            return late

    checkers = Checkers(AccountChecker(accounts, passwords), accounts, [Odd()])
    asked = Deferred.fromCoroutine(checkers.vouched("bob", "b"))
    assert not asked.called
    late.callback(b"cn=bob,dc=example \xff")
    assert await asked == "bob"


def test_a_twisted_checker_on_the_command_line(start_server, connect, tmp_path):
    """Names that it knows are registered here at their first login; their inboxes wait for them,
    and their passwords stay where they are."""
    (tmp_path / "passwords").write_text("dora:d0ra\nEmil:em1l\na1ice:x\n")
    server = start_server("--auth", f"file:{tmp_path / 'passwords'}", "--no-guests")

    def hello(name, password):
        bare = connect(server)
        bare.ask(do="hello", id=1, name=name, password=password)
        return bare, bare.event()

    several = [connect(server) for _ in range(5)]
    for bare in several:
        bare.ask(do="hello", id=1, name="dora", password="d0ra")
    assert {bare.event()["event"] for bare in several} == {"ok"}
    dora, welcome = hello("dora", "d0ra")
    assert (welcome["name"], welcome["registered"]) == ("dora", True)
    assert hello("dora", "wrong")[1]["code"] == "wrong-password"
    assert hello("frida", "d0ra")[1]["code"] == "wrong-password"
    dora.ask(do="msg", id=2, to="emil", text="are you there?")
    assert dora.event("error")["code"] == "no-such-user"
    emil, welcome = hello("Emil", "em1l")
    assert welcome["name"] == "Emil"
    emil.ask(do="quit", id=1)
    emil.rest()
    dora.ask(do="msg", id=2, to="emil", text="are you there?")
    dora.event("ok")
    server.stop()
    server.start()
    assert hello("EMIL", "em1l")[0].event("private")["text"] == "are you there?"
    dora, _ = hello("DORA", "d0ra")
    dora.ask(do="password", id=3, old="d0ra", new="x")
    assert "is not kept here" in dora.event("error")["message"]
    dora.ask(do="signup", id=4, name="alice", password="pw")
    assert dora.event("error")["code"] == "bad-argument"
    own = connect(server)
    own.ask(do="signup", id=5, name="alice", password="pw")
    assert own.event()["name"] == "alice"
    assert hello("a1ice", "x")[1]["code"] == "name-taken"
    assert hello("alice", "pw")[1]["event"] == "ok"


def test_help_lists_the_checkers(tmp_path):
    """`--help-auth`, as Twisted's own servers have it; what is wrong with --auth is said."""
    run = [*TWISTD, "-n", "--pidfile=", "chat"]
    options = {"cwd": tmp_path, "env": environment(), "capture_output": True, "timeout": PATIENCE}
    done = subprocess.run([*run, "--help-auth"], **options)
    assert b"file" in done.stdout
    done = subprocess.run([*run, "--auth", "nonsense"], **options)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
