"""The reference engine: everything in memory, for tests, and for tests of bots.

It keeps every promise of `chatservice.domain.ports` but that something outlasts it. It answers at
once, and needs no reactor.
"""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, execute, succeed

from chatservice import names
from chatservice.domain import ports
from chatservice.domain.log import Block
from chatservice.domain.rules import Access, Rule, RuleKind
from chatservice.engines.credentials import AccountChecker, Checkers
from chatservice.engines.memoryfiles import MemoryFileStore
from chatservice.engines.roomnames import RoomNames, check_bounds
from chatservice.engines.sqlite import blocks
from chatservice.engines.sqlite.accounttable import AccountTable
from chatservice.engines.sqlite.keyedlock import KeyedLock
from chatservice.entries import Entry, Kind, Run
from chatservice.errors import Code, Refusal
from chatservice.limits import Limits

T = TypeVar("T")

_OF_ACCOUNTS = (RuleKind.OWNER, RuleKind.MODERATOR, RuleKind.INVITED)


class _State:
    """The state that the parts of the engine share. While it is `failing`, all changes
    are refused."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.follower: ports.Follower | None = None
        self.failing = False
        self._last_number = 0

    def check(self) -> None:
        """Raise `Refusal` (not-stored) while nothing can be stored."""
        if self.failing:
            raise ports.not_stored()

    def tell(self, change: ports.Change) -> None:
        """Tell the follower a change."""
        if self.follower is not None:
            self.follower.changed(change)

    @property
    def last_number(self) -> int:
        """The last number that was given to a room or an account's inbox."""
        return self._last_number

    def give_number(self, number: int | None = None) -> int:
        """Give a number, or that one, to a log."""
        self._last_number = number or self._last_number + 1
        return self._last_number


class MemoryLogs:
    """`chatservice.domain.ports.LogStore`."""

    def __init__(self, state: _State) -> None:
        self._state = state
        self._blocks: list[tuple[int, Block]] = []
        self._last: Counter[int] = Counter()
        self._keys: dict[tuple[int, str, str], int] = {}
        self.on_read: Callable[[Mapping[int, int]], None] = lambda positions: None
        self.topics: dict[int, str] = {}

    async def append(self, batch: Sequence[ports.Draft], read: Mapping[int, int]) -> ports.Appended:
        self._state.check()
        for draft in batch:
            "".join(draft.run.texts).encode()  # as on a disk: what is no text is refused
        positions: list[int] = []
        repeated: set[int] = set()
        runs: dict[int, list[tuple[int, Run]]] = {}
        for at, draft in enumerate(batch):
            log = draft.log.id
            key = (log, draft.writer, draft.key) if draft.key is not None else None
            if key in self._keys:
                positions.append(self._keys[key])
                repeated.add(at)
                continue
            positions.append(self._last[log] + 1)
            self._last[log] += len(draft.run.texts)
            runs.setdefault(log, []).append((positions[-1], draft.run))
            if key is not None:
                self._keys[key] = positions[-1]
        self._blocks += [(log, Block(new)) for log, new in runs.items()]
        self.on_read(read)
        for log, new in runs.items():
            self._set_topics(log, new)
        return ports.Appended(positions, repeated)

    def _set_topics(self, log: int, runs: Sequence[tuple[int, Run]]) -> None:
        for _, run in runs:
            if run.kind is Kind.TOPIC:
                self.topics[log] = run.texts[-1]
                self._state.tell(ports.TopicChanged(log, run.texts[-1]))

    def _of(self, log: int) -> list[Block]:
        return [block for number, block in self._blocks if number == log]

    async def erase(self, log: int, position: int) -> bool:
        self._state.check()
        for at, (number, block) in enumerate(self._blocks):
            if number == log and block.first <= position <= block.last:
                self._replace(at, Block(blocks.without(block.runs, position)))
                return True
        return False

    def _replace(self, at: int, block: Block) -> None:
        log = self._blocks[at][0]
        self._blocks[at] = log, block
        self._state.tell(ports.BlockReplaced(log, block))

    async def read(self, log: int, after: int, limit: int) -> Sequence[Block]:
        found = (Block(it.runs) for it in self._of(log) if it.last > after)
        return _some(found, limit)

    async def read_back(self, log: int, before: int, limit: int) -> Sequence[Block]:
        found = (Block(it.runs) for it in reversed(self._of(log)) if it.first < before)
        return _some(found, limit)[::-1]

    async def search(self, log: int, words: str, before: int, limit: int) -> ports.SearchResult:
        wanted = _patterns(words)
        found = [
            (position, entry)
            for block in self._of(log)
            for position, entry in block.entries()
            if position < before and _fits(entry, wanted)
        ]
        return ports.SearchResult(found[-limit:] if limit > 0 else [], pending=False)

    async def reassign(self, key: str, mark: str, erase: bool, after: int) -> int | None:
        self._state.check()
        if after >= len(self._blocks):
            return None
        for at, (log, block) in enumerate(self._blocks):
            new, _ = blocks.renamed(block.runs, key, mark, erase)
            if new is None:
                continue
            self._replace(at, Block(new))
            if erase and self.topics.get(log) in blocks.topics(block.runs, key):
                self.topics[log] = ""
                self._state.tell(ports.TopicChanged(log, ""))
        return len(self._blocks)

    async def last(self, log: int) -> int:
        return self.last_position(log)

    def last_position(self, log: int) -> int:
        """A log's last position, at once."""
        return self._last[log]

    async def position_of_key(self, log: int, writer: str, key: str) -> int | None:
        return self._keys.get((log, writer, key))

    def drop_inbox(self, log: int) -> Awaitable[None]:
        self.drop(log)
        self._last.pop(log, None)
        return succeed(None)

    def drop(self, log: int) -> None:
        """Forget what was said in a log, but not how far it went."""
        self._blocks = [it for it in self._blocks if it[0] != log]
        self._keys = {key: at for key, at in self._keys.items() if key[0] != log}
        self.topics.pop(log, None)

    def move(self, log: int, to: int, guest: str, key: str) -> None:
        """Give a guest's inbox another number, and what they sent with keys another writer."""
        self._blocks = [(to if at == log else at, block) for at, block in self._blocks]
        self._last[to] = self._last.pop(log, 0)
        self._keys = {
            (to if at == log else at, key if who == guest else who, sent): position
            for (at, who, sent), position in self._keys.items()
        }

    @property
    def entries(self) -> int:
        """The number of entries that are kept."""
        return sum(block.last - block.first + 1 for _, block in self._blocks)


def _some(found: Iterator[Block], limit: int) -> list[Block]:
    """Return blocks with about `limit` entries altogether, but one at least."""
    taken: list[Block] = []
    for block in found:
        taken.append(block)
        limit -= block.last - block.first + 1
        if limit <= 0:
            break
    return taken


def _patterns(words: str) -> list[re.Pattern[str]]:
    """Return what a search looks for. Raises `Refusal` (bad-argument)."""
    found = []
    for quoted, word in re.findall(r'"([^"]*)"|([^\s"]+)', _plain(words)):
        parts = re.findall(r"\w+", quoted or word)
        if parts:
            end = "" if word.endswith("*") else r"\b"
            found.append(re.compile(r"\b" + r"\W+".join(parts) + end))
    if not found:
        raise Refusal(Code.BAD_ARGUMENT, "There is no word in that; say what to search for.")
    return found


def _fits(entry: Entry, wanted: Sequence[re.Pattern[str]]) -> bool:
    if entry.file is None and entry.kind in (Kind.GONE, Kind.ERASED):
        return False
    text = _plain(entry.file.name if entry.file is not None else entry.text)
    return all(pattern.search(text) for pattern in wanted)


def _plain(text: str) -> str:
    """Return a text without case and without marks on letters."""
    apart = unicodedata.normalize("NFD", text.casefold())
    return "".join(one for one in apart if not unicodedata.combining(one))


class MemoryRooms:
    """`chatservice.domain.ports.RoomStore`."""

    def __init__(self, state: _State, logs: MemoryLogs, files: MemoryFileStore) -> None:
        self._state = state
        self._logs = logs
        self._files = files
        self._locks = KeyedLock()
        self._names = RoomNames()
        self.rows: dict[int, ports.RoomRow] = {}
        self._records: dict[int, list[ports.ModerationRecord]] = {}
        self.on_closed: Callable[[int], None] = lambda room: None

    def exclusive(self, room: int) -> AbstractAsyncContextManager[None]:
        return self._locks.acquire(room)

    async def create(
        self,
        name: str | None,
        password: str | None,
        time: int,
        owner: str | None,
        bounds: ports.RoomBounds = ports.RoomBounds(),  # noqa: B008 - it cannot be changed
    ) -> ports.RoomRow:
        self._state.check()
        check_bounds(bounds, len(self._names), sum(map(_is_unowned, self.rows.values())))
        if name is not None:
            self._names.check(name, bounds.numbered)
        number = self._names.next_number(name, self._state.last_number)
        self._state.give_number(number)
        name = name or names.room_name(number)
        rules = (
            [Rule(RuleKind.OWNER, names.key(owner), 0, owner, time)] if owner is not None else []
        )
        row = ports.RoomRow(number, name, "", password, 0, rules=rules)
        self.rows[number] = row
        self._names.add(number, name)
        self._state.tell(row)
        return row

    async def remove(self, room: int) -> None:
        self._state.check()
        name = self.rows.pop(room).name
        self.on_closed(room)
        self._records.pop(room, None)
        self._logs.drop(room)
        await self._files.forget(name)
        self._names.remove(name)
        self._state.tell(ports.RoomRemoved(room))

    async def retire(self, room: int, name: str) -> None:
        self._state.check()
        self._names.remove(self.rows[room].name)
        self._names.add(room, name)
        self.on_closed(room)
        self.rows[room] = ports.RoomRow(room, name, "", None, 0, access=Access.CLOSED)
        self._state.tell(ports.RoomRetired(room, name))

    async def configure(
        self, room: int, password: str | None, access: Access, frozen: bool, slow: int
    ) -> None:
        self._state.check()
        self.rows[room] = replace(
            self.rows[room], password=password, access=access, frozen=frozen, slow=slow
        )
        self._state.tell(ports.RoomChanged(room, password, access, frozen, slow))

    async def change_rules(self, room: int, add: Sequence[Rule], drop: Sequence[Rule] = ()) -> None:
        self._state.check()
        held = {(it.kind, it.subject): it for it in self.rows[room].rules}
        for rule in drop:
            held.pop((rule.kind, rule.subject), None)
        held.update({(rule.kind, rule.subject): rule for rule in add})
        self.rows[room] = replace(self.rows[room], rules=tuple(held.values()))
        self._state.tell(ports.RulesChanged(room, add, drop))

    async def add_record(self, room: int, deed: ports.ModerationRecord) -> None:
        self._state.check()
        self._records.setdefault(room, []).append(deed)

    async def records(self, room: int, limit: int) -> Sequence[ports.ModerationRecord]:
        return self._records.get(room, [])[-limit:]

    def account_deleted(self, key: str) -> None:
        """Let nobody of that name be in charge of a room, or invited."""
        for number, row in self.rows.items():
            rules = [it for it in row.rules if it.subject != key or it.kind not in _OF_ACCOUNTS]
            self.rows[number] = replace(row, rules=rules)


def _is_unowned(row: ports.RoomRow) -> bool:
    return all(rule.kind is not RuleKind.OWNER for rule in row.rules)


class _NoTables:
    """In the place of a database: it keeps nothing."""

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Sequence[Any]:
        """Do nothing, and find nothing."""
        return ()


class MemoryAccounts(AccountTable):
    """`chatservice.domain.ports.AccountStore`: an `AccountTable` without tables."""

    def __init__(
        self, state: _State, logs: MemoryLogs, rooms: MemoryRooms, files: MemoryFileStore
    ) -> None:
        tables: Any = _NoTables()
        super().__init__(
            *(tables, self._do, nullcontext, lambda time, last: state.give_number()),
            *(logs.last_position, logs.drop, lambda old, new: None, lambda inbox: None),
            *(state.tell, state.limits),
        )
        self._state = state
        self._logs = logs
        self._rooms = rooms
        self._files = files
        self._codes: set[str] = set()

    def _do(self, job: Callable[..., T], *args: Any) -> "Deferred[T]":
        return execute(self._checked, job, args)

    def _checked(self, job: Callable[..., T], args: Sequence[Any]) -> T:
        self._state.check()
        return job(*args)

    def add_code(self, sha256: str, who: str, time: int) -> Awaitable[None]:
        return self._do(self._codes.add, sha256)

    def _has_code(self, sha256: str) -> bool:
        return sha256 in self._codes

    def _drop_code(self, sha256: str) -> bool:
        good = sha256 in self._codes
        self._codes.discard(sha256)
        return good

    def _register(
        self,
        key: str,
        name: str,
        password: str,
        inbox: int | None,
        time: int,
        code: str | None,
        guest: str,
    ) -> ports.Account:
        if code is not None and not self._drop_code(code):
            raise Refusal(Code.BAD_CODE, "That code is not good, or not any more; ask for another.")
        number = self._state.give_number()
        if inbox is not None:
            self._logs.move(inbox, number, guest, key)
        self._files.change_owner(guest, key)
        read = self._logs.last_position(number)
        return ports.Account(name, password, number, read, created=time)

    def _delete(self, account: ports.Account, key: str, mark: str) -> None:
        self._rooms.account_deleted(key)
        self._files.give_up(key, mark)

    def _set_password(self, key: str, password: str, alone: bool, before: str | None) -> bool:
        return before in (None, self._accounts[key].password)


class FastHasher:
    """`chatservice.domain.ports.PasswordHasher` for tests: not slow, and so not safe."""

    def hash(self, password: str) -> Awaitable[str]:
        return succeed(hashlib.sha256(password.encode()).hexdigest())

    def fits(self, kept: str, password: str) -> Awaitable[bool]:
        return succeed(kept == hashlib.sha256(password.encode()).hexdigest())


class MemoryMaintenance:
    """`chatservice.domain.ports.Maintenance`: figures, and no backups."""

    def __init__(self, logs: MemoryLogs, accounts: MemoryAccounts, files: MemoryFileStore) -> None:
        self._logs = logs
        self._accounts = accounts
        self._files = files

    async def backup(
        self, to: str, tell: Callable[[str], None], wanted: Callable[[], bool]
    ) -> ports.BackupSummary:
        raise Refusal(Code.BAD_ARGUMENT, "This server keeps all in memory; there is no backup.")

    async def stats(self) -> ports.StorageStats:
        accounts = (await self._accounts.accounts()).keys() - {names.key(names.OPERATOR)}
        return ports.StorageStats(
            len(accounts), self._logs.entries, self._files.count, disk=(), waiting=()
        )


class MemoryEngine:
    """`chatservice.domain.ports.Engine`, in memory."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._state = _State(limits or Limits())
        self.logs = MemoryLogs(self._state)
        self.files = MemoryFileStore(self._state.check)
        self.rooms = MemoryRooms(self._state, self.logs, self.files)
        self.accounts = MemoryAccounts(self._state, self.logs, self.rooms, self.files)
        self.logs.on_read = self.accounts.shown
        self.rooms.on_closed = self.accounts.room_removed
        self.claims = self.accounts.claims
        self.hasher = FastHasher()
        self.authenticator = Checkers(AccountChecker(self.accounts, self.hasher), self.accounts)
        self.maintenance = MemoryMaintenance(self.logs, self.accounts, self.files)

    @property
    def failing(self) -> bool:
        """True while all changes are refused (not-stored), as by a full disk."""
        return self._state.failing

    @failing.setter
    def failing(self, value: bool) -> None:
        self._state.failing = value

    async def start(self) -> None:
        pass

    async def follow(self, follower: ports.Follower) -> None:
        self._state.follower = follower
        for number, row in self.rooms.rows.items():
            last, topic = await self.logs.last(number), self.logs.topics.get(number, "")
            self._state.tell(replace(row, last=last, topic=topic))
        for key, account in (await self.accounts.accounts()).items():
            if account.operator:
                self._state.tell(ports.AccountChanged(key, account))

    def stopping(self) -> "Deferred[None]":
        return succeed(None)

    async def stop(self) -> None:
        self._state.follower = None
