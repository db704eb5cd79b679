"""The log store of a node: its changes go through the cluster's log, and are made in its order.

Each change of the database is an operation. `commit` gives operations to the log, together with
all that wait meanwhile, as one message. Each node makes the operations of each message in its own
database, and notes in the same commit how far it is. So the databases are the same, entry by entry.

An operation that was decided in memory, such as a new room, holds only if nothing of its group was
changed since: else no node makes it, and it is decided again (`Superseded`).
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import Lock
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from chatservice.domain.model import GUEST_PREFIX, guest_id, is_guest_id
from chatservice.domain.ports.engine_ports import not_stored
from chatservice.domain.ports.log_ports import Appended, Draft
from chatservice.engines.jetstream import wire
from chatservice.engines.jetstream.clustertables import ClusterTables
from chatservice.engines.jetstream.filerecords import Unneeded
from chatservice.engines.jetstream.natslink import NatsLink, NotStored
from chatservice.engines.jetstream.wire import LogMessage, Operation
from chatservice.engines.sqlite.logstore import LogStore
from chatservice.engines.tables import Superseded
from chatservice.entries import Run
from chatservice.errors import Code, Refusal
from chatservice.replies import CountInfo

ROOMS, USERS = "rooms", "users"
"""The groups of what is decided in memory."""

DECIDED: Mapping[str, str] = {
    **dict.fromkeys(
        ("add_room", "change_room", "retire_room", "remove_room", "change_rules"), ROOMS
    ),
    **dict.fromkeys(
        (
            *("add_account", "change_account", "delete_account", "add_token", "revoke"),
            *("drop_code", "add_push", "drop_push"),
        ),
        USERS,
    ),
    "add_claims": USERS,
}
"""The operations that are decided in memory, with their groups."""

OTHERS = frozenset(
    {
        *("append", "erase", "reassign", "drop_inbox", "add_record", "inbox_known", "note_seen"),
        *("add_member", "drop_member", "mark_read", "add_code"),
        *("node_started", "node_gone", "release_claim"),
        *("add_file", "drop_files", "forget_files", "move_files"),
    }
)
"""All other operations. A node ends at one with another name."""

EVERYWHERE = frozenset(
    {
        *("change_room", "retire_room", "remove_room", "change_rules"),
        *("change_account", "delete_account", "revoke", "drop_code"),
        *("add_account", "add_token", "add_code"),
    }
)
"""The operations that take something from users, or that they use at another node next: answered
when all nodes have made them."""

PATIENT = frozenset(
    {
        *("drop_inbox", "inbox_known", "note_seen", "mark_read", "drop_member"),
        *("node_started", "release_claim", "forget_files"),
    }
)
"""The operations that nobody waits for: they wait for the log, however long that takes."""

REFUSE_SECONDS = 10.0
"""The time after which a log that does not answer makes a node refuse changes: to elect a leader
takes 4 to 9 seconds."""

_OF_LOGS = frozenset({"append", "erase", "reassign", "drop_inbox"})

_AT_A_TIME = 200, 1 << 20
"""The messages, and their bytes, that are applied in one commit: so many that catching up is quick,
and so few that memory is bounded."""

_WAITING_BYTES = 4 << 20
"""The bytes of messages that wait to be applied, beyond which the log waits."""

_BYTES_A_CHARACTER = 6
"""The most bytes that a character of a text takes in JSON, on average: `\\u1234`."""

_AGAIN_SECONDS = 1.0
"""The time from one attempt to apply messages to the next, where the disk fails."""


def _changed_groups(name: str) -> Sequence[str]:
    """Return the groups that an operation changes: a deleted account's rules in rooms go, too, and
    none is to be added behind that."""
    if name == "delete_account":
        return ROOMS, USERS
    return (DECIDED[name],) if name in DECIDED else ()


class _Delivered(NamedTuple):
    """A message as it came: its sequence, its time in milliseconds, its size in bytes."""

    sequence: int
    time: int
    size: int
    message: LogMessage


class _Done(NamedTuple):
    """A message that was applied, and what came of each operation: a result, or an exception."""

    delivered: _Delivered
    results: Sequence[Any]


class ReplicatedLogs(LogStore):
    """The log store of a `node`, which `join` connects to the log. `on_end` is called with a
    refusal, for the operator, where the node cannot go on; and `forget_copies` with the folder of a
    room that another node has removed."""

    keeps_guests = True

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.cluster = ClusterTables(self._db)
        self._moved.update(self.cluster.moved())
        self._operations |= {
            "node_started": self.cluster.node_started,
            "node_gone": self._node_gone,
            "add_claims": self.cluster.add_claims,
            "release_claim": self.cluster.release_claim,
            "add_account": self._add_account,
            "delete_account": self._delete_account,
            "inbox_known": self._inbox_known,
            "drop_inbox": self._drop_inbox,
            "add_file": self.cluster.files.add,
            "drop_files": self.cluster.files.drop,
            "forget_files": self._forget_files,
            "move_files": self.cluster.files.move,
        }
        self.node = ""
        self.format = wire.FORMAT
        self.on_end: Callable[[Refusal], None] = lambda why: None
        self.effects: dict[str, Callable[..., None]] = {}
        self.look = self._look
        self.forget_copies: Callable[[str], object] = lambda folder: None
        self._link: NatsLink | None = None
        self._most_bytes = 0
        self._time = 0
        self._maker = ""  # the node whose operation is being made
        self._number = 0
        self._seen = dict(self.cluster.versions)
        # Operations that wait to be published, and those that were, by the numbers of messages.
        self._waiting: deque[tuple[str, Deferred[Any], bool]] = deque()
        self._published: dict[int, Sequence[Deferred[Any]]] = {}
        self._acknowledged: dict[int, float] = {}  # when the log did; they are not made here yet
        self._publishing = False
        self._since = 0.0  # when the message that is being published was given to the log
        self.log_last = 0  # the last message that the log had when it was looked at
        self._received = 0
        self.refusing: Refusal | None = None
        self._incoming: deque[_Delivered] = deque()
        self._lock = Lock()
        self._applying = False
        self._room = _WAITING_BYTES
        self._ended = False

    # -- in the reactor's thread -----------------------------------------------------------------

    def load(self) -> None:
        super().load()
        self.cluster.load()
        self._moved.clear()
        self._moved.update(self.cluster.moved())
        self._seen = dict(self.cluster.versions)

    def join(self, link: NatsLink, node: str, most_bytes: int) -> None:
        """Give changes to the log from now on, as a node, in messages of up to `most_bytes`."""
        self._link, self.node, self._most_bytes = link, node, most_bytes

    def append(self, batch: Sequence[Draft], read: Mapping[int, int]) -> "Deferred[Appended]":
        parts = list(self._parts(batch))
        if len(parts) == 1:
            return self.commit("append", batch, read).addCallback(self._own_appended, read)
        return Deferred.fromCoroutine(self._append_parts(parts, read))

    def _parts(self, batch: Sequence[Draft]) -> Iterator[Sequence[Draft]]:
        """Divide a batch into parts that messages have room for."""
        size = sum(sum(map(len, it.run.texts)) + 3 * len(it.run.texts) + 500 for it in batch)
        if size * _BYTES_A_CHARACTER < self._most_bytes or len(batch) <= 2:
            yield batch
            return
        middle = len(batch) // 2
        middle += batch[middle - 1].copy is batch[middle]  # a copy stays with its draft
        yield from self._parts(batch[:middle])
        yield from self._parts(batch[middle:])

    async def _append_parts(
        self, parts: Sequence[Sequence[Draft]], read: Mapping[int, int]
    ) -> Appended:
        """Append the parts of a batch, one after another. If one is not stored, its drafts alone
        are refused."""
        positions, repeated, about = list[int](), set[int](), dict[int, Run | Refusal]()
        for part in parts:
            begin = len(positions)
            try:
                appended = await self.append(part, read)
            except Refusal as refusal:
                about.update({begin + at: refusal for at in range(len(part))})
                positions += [0] * len(part)
                continue
            positions += appended.positions
            repeated.update(begin + at for at in appended.repeated)
            about.update({begin + at: it for at, it in appended.about.items()})
        return Appended(positions, repeated, about)

    def _own_appended(self, done: Any, read: Mapping[int, int]) -> Appended:
        self.accounts.note_read(read)
        appended: Appended = self._tell(done)
        return appended

    def commit(self, name: str, *args: Any) -> "Deferred[Any]":
        if self._link is None or self._closed:
            return fail(not_stored())
        seen = self._seen.get(DECIDED.get(name, ""), 0)
        try:
            encoded = wire.encode_operation(Operation(name, args, seen))
        except (TypeError, ValueError):
            return fail()
        if len(encoded) > self._most_bytes:
            return fail(not_stored())
        if self.refusing is not None and name not in PATIENT:
            return fail(self.refusing)
        answer: Deferred[Any] = Deferred()
        self._waiting.append((encoded, answer, name in PATIENT))
        if not self._publishing:
            self._publishing = True
            self._since = self._reactor.seconds()
            self._reactor.callLater(0, self._publish)
        return answer

    def _publish(self) -> None:
        """Publish what waits, as much as a message may have."""
        assert self._link is not None
        operations, answers, room = list[str](), list[Deferred[Any]](), self._most_bytes
        while self._waiting and len(self._waiting[0][0]) <= room:
            encoded, answer, _ = self._waiting.popleft()
            operations.append(encoded)
            answers.append(answer)
            room -= len(encoded) + 1
        self._number += 1
        self._published[self._number] = answers
        self._since = self._reactor.seconds()
        format_ = min([self.format, *self.cluster.nodes.copy().values()])
        data = wire.encode(self.node, self._number, operations, format_)
        publishing = self._link.publish(data)
        publishing.addCallbacks(
            self._note_acknowledged,
            self._not_published,
            callbackArgs=(self._number,),
            errbackArgs=(self._number,),
        )
        publishing.addBoth(self._go_on)

    def backlog(self) -> Sequence[CountInfo]:
        behind = max(self.log_last, self._received) - self.cluster.applied
        unanswered = self._published.keys() - self._acknowledged.keys()
        changes = len(self._waiting) + sum(len(self._published[it]) for it in unanswered)
        seconds = self._reactor.seconds() - self._since if self._publishing else 0.0
        return (
            CountInfo("messages of the log to apply", max(behind, 0)),
            CountInfo("changes to give to the log", changes),
            CountInfo("seconds for an answer of the log", int(seconds)),
        )

    def look_at_log(self, seconds: float = 0.0) -> None:
        """Refuse changes if the log has not answered for too long, `seconds` from now, or this
        node's disk has not taken what the log has. What the log was given already may be stored, so
        that is not refused."""
        why = self._stuck(seconds)
        if why is not None and self.refusing is None:
            self._refuse(why)

    def _stuck(self, seconds: float = 0.0) -> Refusal | None:
        """Return why changes are to be refused, `seconds` from now; None if they are not."""
        since = self._reactor.seconds() + seconds - REFUSE_SECONDS
        text = ""
        if self._publishing and self._since <= since:
            text = (
                "The log of this cluster does not answer, so nothing is stored now; read on, and "
                "say it again later."
            )
        elif min(self._acknowledged.values(), default=since + 1) <= since:
            text = (
                "The disk of this node does not take what is said, so nothing new is stored now; "
                "read on, and say it again later or at another node."
            )
        return Refusal(Code.NOT_STORED, text) if text else None

    def _refuse(self, why: Refusal | None) -> None:
        self.refusing = why
        if why is not None:
            self.log.warn("changes are refused: {why}", why=why.sentence)
            refused = [it for it in self._waiting if not it[2]]
            self._waiting = deque(it for it in self._waiting if it[2])
            for _, answer, _ in refused:
                answer.errback(Failure(why))
        else:
            self.log.info("changes are stored again")
        for follower in self._registry.followers:
            follower.refusing(why)

    def _go_on(self, _: Any) -> None:
        if self._waiting:
            self._publish()
        else:
            self._publishing = False
        self._refuse_no_more()

    def _refuse_no_more(self) -> None:
        """Take changes again if there is no reason any more to refuse them."""
        if self.refusing is not None and self._stuck() is None:
            self._refuse(None)

    def _note_acknowledged(self, _: Any, number: int) -> None:
        if number in self._published:
            self._acknowledged[number] = self._reactor.seconds()

    def _not_published(self, failure: Failure, number: int) -> None:
        if failure.check(NotStored):
            self.log.error("the log refused a change: {why}", why=failure.getErrorMessage())
        else:
            self.log.failure("a change cannot be published", failure)
        if self._closed:
            return  # it may be stored
        for answer in self._published.pop(number, ()):
            answer.errback(Failure(not_stored()))

    def _applied(self, done: Sequence[_Done]) -> None:
        """Bring the state in memory up to what was applied, and tell whoever waits for it."""
        for it, _ in done:
            if it.message.node == self.node:
                self._acknowledged.pop(it.message.number, None)
        self._refuse_no_more()
        for (sequence, _, size, message), results in done:
            answers = self._published.pop(message.number, ()) if message.node == self.node else ()
            for at, (operation, result) in enumerate(zip(message.operations, results, strict=True)):
                if not isinstance(result, Exception):
                    for group in _changed_groups(operation.name):
                        self._seen[group] = self._seen.get(group, 0) + 1
                answer = answers[at] if at < len(answers) else None
                if not isinstance(result, Exception):
                    try:
                        self._apply_effect(operation, result, answer is not None)
                    except Exception:  # it is stored, so whoever waits is answered
                        self.log.failure("what is stored cannot be shown")
                if answer is not None:
                    self._answer(answer, operation.name, result, sequence)
            self._free(size)
            assert self._link is not None
            self._link.note_applied(sequence)

    def _answer(self, answer: "Deferred[Any]", name: str, result: Any, sequence: int) -> None:
        if isinstance(result, Exception):
            answer.errback(Failure(result))
        elif name in EVERYWHERE and self._link is not None:
            others = self.cluster.nodes.keys() - {self.node}
            everywhere = self._link.wait_for_nodes(others, sequence)
            everywhere.addBoth(lambda _: answer.callback(result))
        else:
            answer.callback(result)

    def _apply_effect(self, operation: Operation, result: Any, is_own: bool) -> None:
        """Bring the state in memory up to an operation; show what another node has said."""
        name, args, _ = operation
        if name in self.effects:
            self.effects[name](result, *args)
        elif name not in _OF_LOGS:
            if not is_own and name == "remove_room":
                self.forget_copies(self.rooms.rows[args[0]].name)
            if not is_own and DECIDED.get(name) == ROOMS:
                self.rooms.changed_elsewhere(
                    getattr(args[0], "number", getattr(args[0], "room", args[0]))
                )
            elif not is_own and name == "delete_account":
                self.rooms.changed_elsewhere()
            self._registry.stored(result, name, args)
        elif not is_own:
            self._show_foreign(name, args, result)

    def _show_foreign(self, name: str, args: Sequence[Any], result: Any) -> None:
        match name:
            case "append":
                batch, read = args
                self.accounts.note_read(read)
                self._show(batch, result[0])
                self._tell(result)
            case "erase" | "reassign":
                self._tell(result)
                if result[0]:
                    self._thread.do(lambda: None).addCallback(lambda _: self._empty_erased())

    def _empty_erased(self) -> None:
        Deferred.fromCoroutine(self._empty_wal()).addErrback(lambda failure: None)

    def _show(self, batch: Sequence[Draft], appended: Appended) -> None:
        """Tell the follower what another node has appended."""
        runs: dict[int, list[tuple[int, Run]]] = {}
        for at, (position, draft) in enumerate(zip(appended.positions, batch, strict=True)):
            run = appended.about.get(at, draft.run)
            if position and at not in appended.repeated and not isinstance(run, Refusal):
                log = self._moved.get(draft.log.id, draft.log.id)
                runs.setdefault(log, []).append((position, run))
        for follower in self._registry.followers:
            follower.appended(runs)

    def _free(self, size: int) -> None:
        with self._lock:
            self._room += size
        if self._link is not None:
            self._link.run_soon(self._wake)

    # -- in the thread of the connection ---------------------------------------------------------

    _wake: Callable[[], object] = staticmethod(lambda: None)

    async def receive(self, sequence: int, time: int, data: bytes) -> None:
        """Take a message of the log (`natslink.Receive`)."""
        try:
            message = wire.decode(data, self.format)
            unknown = {it.name for it in message.operations} - DECIDED.keys() - OTHERS
            if unknown:  # other nodes may make it, and it would be missing here for ever
                raise wire.WrongMessage(f"it has the unknown operation {min(unknown)}")
        except wire.WrongMessage as wrong:
            why = Refusal(
                Code.NOT_STORED,
                "Message {number} of the log cannot be read, {why}; install the version of this "
                "program that the other nodes have.",
                number=sequence,
                why=str(wrong),
            )
            self._ended = True
            self._reactor.callFromThread(self.on_end, why)
        if self._ended:
            return
        self._received = sequence
        with self._lock:
            self._incoming.append(_Delivered(sequence, time, len(data), message))
            self._room -= len(data)
            begin, self._applying = not self._applying, True
            full = self._room < 0
        if begin:
            self._begin_applying()
        while full:
            woken = asyncio.Event()
            self._wake = woken.set
            with self._lock:
                full = self._room < 0
            if full:
                await woken.wait()

    def _begin_applying(self) -> None:
        self._thread.do(self._apply_some).addCallbacks(self._applied, self._cannot_apply)

    def _cannot_apply(self, failure: Failure) -> None:
        """Go on later: the log has it, so it is not refused."""
        self.log.error("cannot store what the log has: {why}", why=failure.getErrorMessage())
        if not self._closed:
            self._reactor.callLater(_AGAIN_SECONDS, self._begin_applying)

    # -- in the database's thread ----------------------------------------------------------------

    def _apply_some(self) -> Sequence[_Done]:
        """Apply some of the messages that wait, in one commit."""
        count, room = _AT_A_TIME
        with self._lock:
            taken = list[_Delivered]()
            for it in self._incoming:
                room -= it.size
                if len(taken) == count or (taken and room < 0):
                    break
                taken.append(it)
        done = self._apply(taken)
        with self._lock:
            for _ in taken:
                self._incoming.popleft()
            self._applying = bool(self._incoming)
            more = self._applying
        if more:
            self._begin_applying()
        return done

    def _apply(self, taken: Sequence[_Delivered]) -> Sequence[_Done]:
        done = list[_Done]()
        try:
            with self._commit():
                for it in taken:
                    self._time = it.time
                    done.append(
                        _Done(it, [self._make(it.message, op) for op in it.message.operations])
                    )
                self.cluster.note_applied(taken[-1].sequence, taken[-1].time)
        except BaseException:
            self.cluster.reload()
            raise
        return done

    def _make(self, message: LogMessage, operation: Operation) -> Any:
        """Make an operation. Return its result, or why it is not made: the same on all nodes."""
        name, args, seen = operation
        group, versions = DECIDED.get(name), self.cluster.versions
        if message.node not in self.cluster.nodes and name != "node_started":
            return not_stored()  # nor may a node that is gone take others for dead
        if group is not None and seen != versions.get(group, 0):
            return Superseded()
        self._maker = message.node
        try:
            with self._commit():
                result = self._operation(name)(*args)
        except sqlite3.IntegrityError as error:
            return error
        except sqlite3.Error:
            raise  # this node's disk: it is made later
        except Exception as error:
            return error
        for changed in _changed_groups(name):
            versions[changed] = versions.get(changed, 0) + 1
        return result

    def _now(self) -> int:
        return self._time

    def _node_gone(self, node: str) -> Any:
        if node == self.node:
            why = Refusal(
                Code.NOT_STORED, "The other nodes took this one for dead; start it again."
            )
            self._reactor.callFromThread(self.on_end, why)
        gone = self.cluster.node_gone(node)
        for claim in gone:
            self._forget(-claim.guest)
            self.cluster.files.forget(guest_id(claim.guest))
        return gone

    def _drop_inbox(self, inbox: int) -> None:
        """Delete a guest's inbox, unless the guest is at another node by now."""
        if not self._is_elsewhere(guest_id(-inbox)):
            self._forget(inbox)

    def _forget_files(self, folder: str) -> Sequence[Unneeded]:
        """Drop the files of a folder, unless it is that of a guest who is at another node."""
        return () if self._is_elsewhere(folder) else self.cluster.files.forget(folder)

    def _is_elsewhere(self, folder: str) -> bool:
        """Return whether a folder is a guest's who is not at the node that asks."""
        if not is_guest_id(folder):
            return False
        node = self.cluster.guest_node(int(folder.removeprefix(GUEST_PREFIX)))
        return node not in (None, self._maker)

    def _delete_account(self, key: str, account: Any, mark: str) -> None:
        self.cluster.files.mark(key, mark)
        self._tables.delete_account(key, account, mark)

    def _add_account(
        self, key: str, account: Any, inbox: int | None, guest: str, code: str | None
    ) -> int:
        if guest:
            self.cluster.files.give(guest, key)
        if inbox is not None:
            self.cluster.add_moved(inbox, account.inbox)
        self.cluster.drop_claim(key)
        return self._tables.add_account(key, account, inbox, guest, code)

    def _inbox_known(self, inbox: int) -> None:
        self.cluster.drop_moved(inbox)
        self._tables.inbox_known(inbox)
