"""The reference engine: everything in memory, for tests, and for tests of bots.

It keeps every promise of `chatservice.domain.ports` but that something outlasts it. It answers at
once, and needs no reactor.
"""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

from twisted.internet.defer import Deferred, succeed

from chatservice import names
from chatservice.confusables import skeletons
from chatservice.domain import ports
from chatservice.domain.log import Block
from chatservice.domain.rules import Access, Rule, RuleKind
from chatservice.engines.credentials import AccountChecker, Checkers
from chatservice.engines.localclaims import LocalNameClaims
from chatservice.engines.memoryfiles import MemoryFileStore
from chatservice.engines.roomnames import RoomNames, check_bounds
from chatservice.engines.sqlite import blocks
from chatservice.engines.sqlite.keyedlock import KeyedLock
from chatservice.entries import Entry, Kind, Run
from chatservice.errors import Code, Refusal
from chatservice.limits import Limits

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
        self.read_positions: dict[int, int] = {}
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
        for log, position in read.items():
            self.read_positions[log] = max(position, self.read_positions.get(log, 0))
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
        self.tokens: dict[str, ports.Token] = {}

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
        self._forget(room)
        self._records.pop(room, None)
        self._logs.drop(room)
        await self._files.forget(name)
        self._names.remove(name)
        self._state.tell(ports.RoomRemoved(room))

    def _forget(self, room: int) -> None:
        for sha256 in [sha256 for sha256, it in self.tokens.items() if it.room == room]:
            del self.tokens[sha256]

    async def retire(self, room: int, name: str) -> None:
        self._state.check()
        self._names.remove(self.rows[room].name)
        self._names.add(room, name)
        self._forget(room)
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


class MemoryAccounts:
    """`chatservice.domain.ports.AccountStore`."""

    def __init__(
        self, state: _State, logs: MemoryLogs, rooms: MemoryRooms, files: MemoryFileStore
    ) -> None:
        self._state = state
        self._logs = logs
        self._rooms = rooms
        self._files = files
        self.claims = LocalNameClaims(self._is_alike)
        self._accounts: dict[str, ports.Account] = {}
        self._tokens = rooms.tokens
        self._codes: set[str] = set()

    def _is_alike(self, wanted: frozenset[str]) -> bool:
        return any(not skeletons(it.name).isdisjoint(wanted) for it in self._accounts.values())

    def _shown(self, account: ports.Account) -> ports.Account:
        read = self._logs.read_positions.get(account.inbox, 0)
        return replace(account, read_position=max(read, account.read_position))

    async def account(self, key: str) -> ports.Account | None:
        found = self._accounts.get(key)
        return self._shown(found) if found is not None else None

    async def operators(self) -> Sequence[str]:
        return sorted(it.name for it in self._accounts.values() if it.operator)

    async def accounts(self) -> Mapping[str, ports.Account]:
        return {key: self._shown(it) for key, it in self._accounts.items()}

    async def token_counts(self) -> Mapping[str, int]:
        return Counter(it.account for it in self._tokens.values())

    async def register(
        self,
        name: str,
        password: str,
        inbox: int | None,
        time: int,
        code: str | None = None,
        guest: str = "",
    ) -> ports.Account:
        key = names.key(name)
        if key in self._accounts:
            raise Refusal(
                Code.ALREADY_REGISTERED, "{name} is registered already; `login`.", name=name
            )
        self.claims.check(name, guest=guest)
        if code is not None and code not in self._codes:
            raise Refusal(Code.BAD_CODE, "That code is not good, or not any more; ask for another.")
        self._state.check()
        self._codes.discard(code or "")
        number = self._state.give_number()
        if inbox is not None:
            self._logs.move(inbox, number, guest, key)
        read = await self._logs.last(number)
        account = ports.Account(name, password, number, read, created=time)
        self._accounts[key] = account
        self._files.change_owner(guest, key)
        self.claims.release(name)
        if inbox is None:
            self._state.tell(ports.AccountChanged(key, account))
        else:
            self._state.tell(ports.GuestRegistered(guest, inbox, account))
        return account

    def _keep(self, key: str, account: ports.Account) -> None:
        self._state.check()
        self._accounts[key] = account
        self._state.tell(ports.AccountChanged(key, account))

    async def rename(self, key: str, name: str) -> None:
        self._keep(key, replace(self._accounts[key], name=name))

    async def set_password(
        self, key: str, password: str, alone: bool = False, before: str | None = None
    ) -> bool:
        if before not in (None, self._accounts[key].password):
            return False
        self._keep(key, replace(self._accounts[key], password=password))
        if alone:
            self._drop_tokens(key)
        return True

    def _drop_tokens(self, key: str) -> None:
        for sha256 in [sha256 for sha256, it in self._tokens.items() if it.account == key]:
            del self._tokens[sha256]

    async def delete(self, key: str, mark: str) -> None:
        self._state.check()
        account = self._accounts.pop(key)
        self._drop_tokens(key)
        self._logs.drop(account.inbox)
        self._rooms.account_deleted(key)
        self._files.give_up(key, mark)
        self._state.tell(ports.AccountChanged(key, None))

    async def set_operator(self, key: str, operator: bool) -> None:
        self._keep(key, replace(self._accounts[key], operator=operator))

    async def token(self, sha256: str) -> ports.Token | None:
        return self._tokens.get(sha256)

    async def tokens(self, key: str) -> Sequence[ports.Token]:
        own = (it for it in self._tokens.values() if it.account == key)
        return sorted(own, key=lambda it: (it.time, it.label))

    async def add_token(self, sha256: str, token: ports.Token) -> None:
        own = [it.label for it in self._tokens.values() if it.account == token.account]
        if token.label in own:
            raise Refusal(
                Code.TOKEN_EXISTS,
                "There is a token {label} already; `revoke` it first, or take another label.",
                label=token.label,
            )
        if len(own) >= self._state.limits.tokens:
            raise Refusal(
                Code.TOO_MANY,
                "You have {limit} tokens; `revoke` one of them first.",
                limit=self._state.limits.tokens,
            )
        self._state.check()
        self._tokens[sha256] = token

    async def revoke(self, key: str, label: str) -> str:
        self._state.check()
        for sha256, it in self._tokens.items():
            if (it.account, it.label) == (key, label):
                del self._tokens[sha256]
                return sha256
        raise Refusal(
            Code.NO_SUCH_TOKEN,
            "You have no token {label}; `tokens` lists those you have.",
            label=label[:32],
        )

    async def add_code(self, sha256: str, who: str, time: int) -> None:
        self._state.check()
        self._codes.add(sha256)

    async def code(self, sha256: str) -> bool:
        return sha256 in self._codes

    async def drop_code(self, sha256: str) -> bool:
        self._state.check()
        good = sha256 in self._codes
        self._codes.discard(sha256)
        return good


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
