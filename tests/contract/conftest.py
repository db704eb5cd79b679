"""The engines that keep the contract, and a follower that notes what they tell."""

from contextlib import asynccontextmanager

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults

from chatservice.domain.log import BlockCache, Log
from chatservice.domain.ports.account_ports import GuestRegistered
from chatservice.domain.ports.log_ports import Draft
from chatservice.engines.memory import MemoryEngine
from chatservice.engines.sqlite.engine import SqliteEngine
from chatservice.entries import Kind, Run
from chatservice.errors import Refusal

CACHE = BlockCache()
NOW = 1_700_000_000_000


class Notes:
    """A follower that notes the changes it is told. A guest's `inbox` gets the account's number."""

    def __init__(self):
        self.changes = []
        self.inbox = None
        self.refused = []
        self.users, self.elsewhere, self.heard = [], {}, Deferred()

    def changed(self, change):
        """Note a change."""
        self.changes.append(change)
        if self.inbox is not None and isinstance(change, GuestRegistered):
            self.inbox.id = change.account.inbox

    def refusing(self, why):
        """Note why the engine refuses everything."""
        self.refused.append(why and why.code)

    def here(self):
        """Return the users of this node."""
        return self.users

    def present(self, node, states, whole=False):
        """Note the users at another node."""
        there = {} if whole else self.elsewhere.get(node, {})
        self.elsewhere[node] = there | {it.id: it for it in states}
        heard, self.heard = self.heard, Deferred()
        heard.callback(None)

    def of(self, kind):
        """Return the changes of a kind."""
        return [change for change in self.changes if isinstance(change, kind)]


class MemoryCase:
    """The memory engine, and a way to make it fail."""

    def __init__(self, path):
        self.engine = MemoryEngine()

    @asynccontextmanager
    async def failing(self):
        """Let all commits fail meanwhile."""
        self.engine.failing = True
        yield
        self.engine.failing = False


class SqliteCase:
    """The SQLite engine, and ways to make it fail and to open it again."""

    def __init__(self, path):
        self._path = path
        self._open()

    def _open(self):
        self.engine = SqliteEngine(reactor, self._path / "data", self._path / "files")

    async def reopen(self):
        """Stop the engine, and return another one that has started on the same data."""
        await self.engine.stop()
        self._open()
        await self.engine.start()
        return self.engine

    @asynccontextmanager
    async def failing(self):
        """Let all commits fail meanwhile."""
        await self._execute("PRAGMA query_only = ON")
        yield
        await self._execute("PRAGMA query_only = OFF")

    def _execute(self, sql):
        return self.engine.logs._thread.do(self.engine.logs._db.execute, sql)


CASES = {"memory": MemoryCase, "sqlite": SqliteCase}
DURABLE = {name: case for name, case in CASES.items() if hasattr(case, "reopen")}


def _started(case):
    pytest_twisted.blockon(Deferred.fromCoroutine(case.engine.start()))
    yield case
    pytest_twisted.blockon(Deferred.fromCoroutine(case.engine.stop()))


@pytest.fixture(params=CASES.values(), ids=CASES)
def case(request, tmp_path):
    """Return an engine's case; the engine has started."""
    yield from _started(request.param(tmp_path))


@pytest.fixture(params=DURABLE.values(), ids=DURABLE)
def durable(request, tmp_path):
    """Return the case of an engine that can be opened again; it has started."""
    yield from _started(request.param(tmp_path))


@pytest.fixture
def engine(case):
    """Return an engine that has started."""
    return case.engine


@pytest.fixture
def notes(engine):
    """Return the notes of what the engine tells."""
    notes = Notes()
    pytest_twisted.blockon(Deferred.fromCoroutine(engine.follow(notes)))
    return notes


def say(log, *texts, key=None, writer="", who="alice", kind=Kind.MESSAGE):
    """Return a draft for the log with that number."""
    return Draft(Log(log, "", 0, CACHE), Run(kind, NOW, who, texts), key=key, writer=writer)


async def append(engine, *drafts, read=()):
    """Append drafts; return their positions."""
    return list((await engine.logs.append(drafts, dict(read))).positions)


async def texts(engine, log, after=0, limit=1000):
    """Return the texts of a log after a position."""
    blocks = await engine.logs.read(log, after, limit)
    return [entry.text for block in blocks for _, entry in block.entries(after)]


async def room(engine, name="lab", **args):
    """Make a room; return its number."""
    return (await engine.rooms.create(name, None, NOW, args.pop("owner", None), **args)).number


async def at_once(*doing):
    """Do several things at once. Return the result of each: a value, or the code of a refusal."""

    async def outcome(one):
        try:
            return await one
        except Refusal as refusal:
            return refusal.code

    return await gatherResults([Deferred.fromCoroutine(outcome(one)) for one in doing])


async def code_of(doing):
    """Return the code of a refusal."""
    with pytest.raises(Refusal) as caught:
        await doing
    return caught.value.code
