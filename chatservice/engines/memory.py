"""The reference engine: everything in memory, for tests, and for tests of bots.

It keeps every promise of `chatservice.domain.ports` but that something outlasts it. It answers at
once, and needs no reactor.
"""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from copy import copy
from typing import Any

from twisted.internet.defer import Deferred, execute, fail, succeed

from chatservice import names
from chatservice.domain.log import Block
from chatservice.domain.ports.account_ports import Account, Token
from chatservice.domain.ports.engine_ports import BackupSummary, Follower, StorageStats, not_stored
from chatservice.domain.ports.log_ports import (
    Appended,
    BlockReplaced,
    Draft,
    Match,
    SearchQuery,
    SearchResult,
)
from chatservice.domain.ports.member_ports import Membership, ReadPositions, too_many_rooms
from chatservice.domain.ports.room_ports import (
    ModerationRecord,
    RoomRow,
    RulesChanged,
    TopicChanged,
)
from chatservice.engines import blocks, placing, queries
from chatservice.engines.accountregistry import AccountRegistry
from chatservice.engines.annotationrules import Decider, edited_by
from chatservice.engines.credentials import AccountChecker, Checkers
from chatservice.engines.memoryannotations import MemoryAnnotations
from chatservice.engines.memoryfiles import MemoryFileStore
from chatservice.engines.memorynodes import MemoryNode
from chatservice.engines.registry import Registry
from chatservice.entries import Entry, EntryState, Kind, Run, quote
from chatservice.errors import Code, Refusal
from chatservice.limits import Limits


class MemoryLogs:
    """The port `LogStore`. Each node has a copy with a `follower` of its own, and all share what is
    stored."""

    def __init__(self, engine: "MemoryEngine") -> None:
        self._engine = engine
        self.follower: Follower | None = None
        self._blocks: list[tuple[int, Block]] = []
        self._keys: dict[tuple[int, str, str], int] = {}
        self._annotations = MemoryAnnotations()
        self.last_positions: Counter[int] = Counter()

    async def append(self, batch: Sequence[Draft], read: Mapping[int, int]) -> Appended:
        self._engine.check()
        for draft in batch:
            "".join(draft.run.texts).encode()  # as on a disk: what is no text is refused
        last = self.last_positions
        state = placing.Places(last, last.__getitem__, self._said, self._keep_key, self._decide)
        appended, runs, topics = placing.place(batch, state)
        self._blocks += [
            (log, Block([(first, run._replace(quote=None)) for first, run in new]))
            for log, new in runs.items()
        ]
        self._engine.accounts.note_read(read)
        decided = {
            (batch[at].log.id, appended.positions[at]): it
            for at, it in appended.about.items()
            if isinstance(it, Run)
        }
        shown = {
            log: [(first, decided.get((log, first), run)) for first, run in new]
            for log, new in runs.items()
        }
        for follower in self._engine.registry.followers:
            if follower is not self.follower:
                follower.appended(shown)
        for topic in topics:
            self._engine.registry.changed(TopicChanged(*topic))
        for log, new in runs.items():
            edited = edited_by(new)
            self._tell_replaced(log, edited, edited)
        return appended

    def _said(self, log: int, writer: str, key: str) -> int | None:
        return self._keys.get((log, writer, key))

    def _keep_key(self, log: int, writer: str, key: str, position: int) -> None:
        self._keys[log, writer, key] = position

    def _decide(self, log: int, position: int, draft: Draft) -> Run | Refusal:
        """Decide about a run that is about another entry."""
        target = dict(self._plain(log)).get(draft.run.about)
        decider = Decider(self._annotations, self._engine.limits)
        return decider.decide(log, position, draft.run, draft.writer, target)

    def _tell_replaced(
        self, log: int, positions: Collection[int], changed: Collection[int]
    ) -> None:
        """Tell that the blocks with these positions have changed, for what is `changed` there."""
        for block in self._of(log):
            if any(block.first <= it <= block.last for it in positions):
                shown = Block(self._shown(log, block.runs))
                self._engine.registry.changed(BlockReplaced(log, shown, changed))

    def _of(self, log: int) -> list[Block]:
        return [block for number, block in self._blocks if number == log]

    def _edited(self, log: int, runs: Sequence[tuple[int, Run]]) -> Sequence[tuple[int, Run]]:
        return blocks.with_texts(runs, self._annotations.texts(log))

    def _plain(self, log: int) -> Iterator[tuple[int, Entry]]:
        """Iterate over the entries of a log, without quotes."""
        return (
            pair for it in self._of(log) for pair in Block(self._edited(log, it.runs)).entries()
        )

    def _shown(self, log: int, runs: Sequence[tuple[int, Run]]) -> Sequence[tuple[int, Run]]:
        """Return runs as they are shown: with their newest texts, and with quotes."""
        runs = self._edited(log, runs)
        if not any(run.may_have_quote for _, run in runs):
            return runs
        there = {at: it for at, it in self._plain(log) if it.kind != Kind.GONE}
        return [
            (first, run._replace(quote=quote(there[run.about])))
            if run.may_have_quote and run.about in there
            else (first, run)
            for first, run in runs
        ]

    async def erase(self, log: int, position: int) -> bool:
        self._engine.check()
        there = dict(self._plain(log))
        if position not in there:
            return False
        entry = there[position]
        if entry.kind == Kind.EDIT and entry.about in there:
            position = entry.about
        gone = [position, *self._annotations.edits(log, position)]
        self._annotations.erased(log, gone)
        for at, (number, block) in enumerate(self._blocks):
            for one in gone:
                if number == log and block.first <= one <= block.last:
                    block = Block(blocks.without(block.runs, one))
            self._blocks[at] = number, block
        self._tell_replaced(log, gone, [position])
        return True

    async def read(self, log: int, after: int, limit: int) -> Sequence[Block]:
        found = (Block(self._shown(log, it.runs)) for it in self._of(log) if it.last > after)
        return _some(found, limit)

    async def read_back(self, log: int, before: int, limit: int) -> Sequence[Block]:
        earlier = (it for it in reversed(self._of(log)) if it.first < before)
        return _some((Block(self._shown(log, it.runs)) for it in earlier), limit)[::-1]

    async def entries_at(self, log: int, positions: Collection[int]) -> Mapping[int, Entry]:
        shown = (Block(self._shown(log, it.runs)) for it in self._of(log))
        return {at: it for block in shown for at, it in block.entries() if at in positions}

    async def states(self, log: int, positions: Collection[int]) -> Mapping[int, EntryState]:
        return self._annotations.states(log, positions, self._engine.limits.reaction_names)

    async def pinned(self, log: int) -> Sequence[int]:
        return [*self._annotations.pinned(log)]

    async def edits(self, log: int, position: int) -> Sequence[tuple[int, Entry]]:
        wanted = {position, *self._annotations.edits(log, position)}
        return [pair for it in self._of(log) for pair in it.entries() if pair[0] in wanted]

    async def search(self, query: SearchQuery) -> SearchResult:
        wanted = [_pattern(term) for term in queries.terms(query)]
        found = [
            [
                Match(log, position, run._replace(texts=(text,)).entry(0))
                for block in self._of(log)
                for position, text, run in queries.searchable(self._shown(log, block.runs))
                if query.after < position < before
                and queries.fits(run, query)
                and all(it.search(_plain(text)) for it in wanted)
                and queries.mentions(text, query)
            ]
            for log, before in query.logs.items()
        ]
        return SearchResult(queries.newest(found, query.limit), pending=False)

    async def reassign(self, key: str, mark: str, erase: bool, after: int) -> int | None:
        self._engine.check()
        if after >= len(self._blocks):
            return None
        for at, (log, block) in enumerate(self._blocks):
            new, gone = blocks.renamed(block.runs, key, mark, erase)
            if new is None:
                continue
            self._blocks[at] = log, Block(new)
            theirs = blocks.positions(blocks.runs_of(block.runs, key))
            edited = edited_by(blocks.runs_of(block.runs, key)) if erase else set[int]()
            if erase:
                self._annotations.erased(log, gone)
            else:
                self._annotations.reassign(log, theirs, mark)
            self._tell_replaced(log, [block.first, *edited], {*theirs, *edited})
            room = self._engine.rooms.rows.get(log)
            if erase and room is not None and room.topic in blocks.topics(block.runs, key):
                self._engine.registry.changed(TopicChanged(log, ""))
        return len(self._blocks)

    async def last(self, log: int) -> int:
        return self.last_positions[log]

    async def position_of_key(self, log: int, writer: str, key: str) -> int | None:
        return self._said(log, writer, key)

    def drop_inbox(self, log: int) -> Awaitable[None]:
        self.drop(log)
        self.last_positions.pop(log, None)
        return succeed(None)

    def drop(self, log: int) -> None:
        """Forget what was said in a log, but not how far it went."""
        self._blocks[:] = [it for it in self._blocks if it[0] != log]
        self._annotations.drop_log(log)
        for key in [key for key in self._keys if key[0] == log]:
            del self._keys[key]

    def move(self, log: int, to: int, guest: str, key: str) -> None:
        """Give a guest's inbox another number, and what they sent with keys another writer."""
        self._blocks[:] = [(to if at == log else at, block) for at, block in self._blocks]
        self.last_positions[to] = self.last_positions.pop(log, 0)
        for at, who, sent in tuple(self._keys):
            position = self._keys.pop((at, who, sent))
            new = to if at == log else at, key if who == guest else who, sent
            self._keys[new] = position
        self._annotations.give(guest, key)

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


def _pattern(term: queries.Term) -> re.Pattern[str]:
    words = re.findall(r"\w+", _plain(term.text))
    return re.compile(r"\b" + r"\W+".join(words) + ("" if term.begins else r"\b"))


def _plain(text: str) -> str:
    """Return a text without case and without marks on letters."""
    apart = unicodedata.normalize("NFD", text.casefold())
    return "".join(one for one in apart if not unicodedata.combining(one))


class _MemoryTables:
    """Records, and the files and inboxes of guests and accounts, for the registries. It implements
    `chatservice.engines.tables.Tables`."""

    last_number = 0

    def __init__(self, logs: MemoryLogs, files: MemoryFileStore) -> None:
        self._logs = logs
        self._files = files
        self._records: dict[int, list[ModerationRecord]] = {}
        self._members = MemoryMembers()
        self.add_member, self.drop_member = self._members.add, self._members.drop
        self.members_of_account = self._members.of_account
        self.members_of_room, self.mark_read = self._members.of_room, self._members.mark_read

    def _load_nothing(self) -> tuple[()]:
        return ()

    load_rooms = load_accounts = load_codes = load_pushes = _load_nothing

    def load_tokens(self) -> Mapping[str, Token]:
        return {}

    def _store_nothing(self, *args: Any, **named: Any) -> None:
        """Do nothing: the registries have it."""

    inbox_known = change_account = note_seen = _store_nothing
    add_token = revoke = add_code = drop_code = add_push = drop_push = _store_nothing

    def add_room(self, row: RoomRow, time: int) -> None:
        self._members.rooms.add(row.number)

    def remove_room(self, room: int) -> None:
        self._records.pop(room, None)
        self._members.rooms.discard(room)
        self._members.forget(lambda it: it.room == room)

    def retire_room(self, row: RoomRow) -> None:
        self._members.forget(lambda it: it.room == row.number)

    def add_record(self, room: int, record: ModerationRecord | None) -> None:
        if record is not None:
            stored = ModerationRecord(record.time, record.who, record.text)
            self._records.setdefault(room, []).append(stored)

    def change_room(self, row: RoomRow, record: ModerationRecord | None) -> None:
        self.add_record(row.number, record)

    def change_rules(self, change: RulesChanged) -> None:
        self.add_record(change.room, change.record)
        banned = change.banned
        self._members.forget(lambda it: it.room == change.room and it.account in banned)

    def records(self, room: int, limit: int) -> Sequence[ModerationRecord]:
        return self._records.get(room, [])[-limit:]

    def add_account(
        self, key: str, account: Account, inbox: int | None, guest: str, code: str | None
    ) -> int:
        if inbox is not None:
            self._logs.move(inbox, account.inbox, guest, key)
        self._files.change_owner(guest, key)
        self._members.accounts.add(key)
        return self._logs.last_positions[account.inbox]

    def delete_account(self, key: str, account: Account, mark: str) -> None:
        self._files.give_up(key, mark)
        self._members.accounts.discard(key)
        self._members.forget(lambda it: it.account == key)


class MemoryMembers:
    """Memberships in memory: that part of `chatservice.engines.tables.Tables`. `accounts` and
    `rooms` are those that there are."""

    def __init__(self) -> None:
        self.accounts: set[str] = set()
        self.rooms: set[int] = set()
        self._rows: dict[tuple[str, int], Membership] = {}

    def add(self, member: Membership, most: int) -> bool:
        place = member.account, member.room
        is_known = member.account in self.accounts and member.room in self.rooms
        if place in self._rows or not is_known:
            return False
        if len(self.of_account(member.account)) >= most:
            raise too_many_rooms(most)
        self._rows[place] = member
        return True

    def drop(self, account: str, room: int) -> None:
        self._rows.pop((account, room), None)

    def forget(self, is_gone: Callable[[Membership], bool]) -> None:
        """Drop memberships."""
        self._rows = {place: it for place, it in self._rows.items() if not is_gone(it)}

    def of_account(self, account: str) -> Sequence[Membership]:
        return sorted(it for it in self._rows.values() if it.account == account)

    def of_room(self, room: int, after: str, limit: int) -> tuple[Sequence[str], int]:
        keys = sorted(key for key, number in self._rows if number == room and key > after)
        return keys[:limit], len(keys[limit:])

    def mark_read(self, positions: ReadPositions) -> None:
        for place, position in positions.items():
            if place in self._rows:
                self._rows[place] = self._rows[place]._replace(read=position)


class FastHasher:
    """The port `PasswordHasher` for tests: not slow, and so not safe."""

    def hash(self, password: str) -> Awaitable[str]:
        return succeed(hashlib.sha256(password.encode()).hexdigest())

    def fits(self, kept: str, password: str) -> Awaitable[bool]:
        return succeed(kept == hashlib.sha256(password.encode()).hexdigest())


class MemoryMaintenance:
    """The port `Maintenance`: figures, and no backups."""

    def __init__(self, logs: MemoryLogs, accounts: AccountRegistry, files: MemoryFileStore) -> None:
        self._logs = logs
        self._accounts = accounts
        self._files = files

    async def backup(
        self, to: str, tell: Callable[[str], None], wanted: Callable[[], bool]
    ) -> BackupSummary:
        raise Refusal(Code.BAD_ARGUMENT, "This server keeps all in memory; there is no backup.")

    async def stats(self) -> StorageStats:
        accounts = (await self._accounts.accounts()).keys() - {names.OPERATOR_KEY}
        return StorageStats(
            len(accounts), self._logs.entries, self._files.count, disk=(), waiting=()
        )

    async def free(self) -> int | None:
        return None


class MemoryEngine:
    """The port `Engine`, in memory. While it is `failing`, it refuses all changes
    (not-stored), as a full disk does."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._state = {"failing": False}  # of all nodes
        self.others = MemoryNode()
        self.limits = limits = limits or Limits()
        self.logs = MemoryLogs(self)
        self.files = MemoryFileStore(self.check)
        self._tables = _MemoryTables(self.logs, self.files)
        self.registry = Registry(
            *(self._tables, self._store, self.logs.drop, self.files.forget, execute, limits)
        )
        self.rooms, self.accounts = self.registry.rooms, self.registry.accounts
        self.members, self.pushes = self.registry.members, self.registry.pushes
        self.claims = self.accounts.claims
        self.hasher = FastHasher()
        self.authenticator = Checkers(AccountChecker(self.accounts, self.hasher), self.accounts)
        self.maintenance = MemoryMaintenance(self.logs, self.accounts, self.files)

    @property
    def failing(self) -> bool:
        """True while all nodes refuse all changes."""
        return self._state["failing"]

    @failing.setter
    def failing(self, failing: bool) -> None:
        self._state["failing"] = failing

    def check(self) -> None:
        """Raise `Refusal` (not-stored) while nothing can be stored."""
        if self.failing:
            raise not_stored()

    def _store(self, name: str, *args: Any) -> "Deferred[Any]":
        if self.failing:
            return fail(not_stored())
        storing = execute(getattr(self._tables, name), *args)
        return storing.addCallback(self.registry.stored, name, args)

    async def start(self) -> None:
        pass

    def node(self) -> "MemoryEngine":
        """Return this engine as another node has it, with a follower of its own."""
        other = copy(self)
        other.logs = copy(self.logs)
        other.logs.follower = None
        other.others = self.others.another()
        return other

    async def follow(self, follower: Follower) -> None:
        self._unfollow()
        self.logs.follower = follower
        await self.registry.follow(follower, self.logs.last_positions)
        self.others.begin(follower)

    def stopping(self) -> "Deferred[None]":
        return succeed(None)

    async def stop(self) -> None:
        self._unfollow()
        self.others.end()

    def _unfollow(self) -> None:
        if self.logs.follower in self.registry.followers:
            self.registry.followers.remove(self.logs.follower)
