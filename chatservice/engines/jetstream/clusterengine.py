"""The engine of a node of a cluster: SQLite and plain folders, behind a replicated log."""

import secrets
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall

from chatservice.domain.ports.engine_ports import Follower
from chatservice.engines.jetstream.base import Base
from chatservice.engines.jetstream.clustertables import Claim
from chatservice.engines.jetstream.logaddress import LogAddress
from chatservice.engines.jetstream.natslink import LogInfo, NatsLink, NotStored
from chatservice.engines.jetstream.nodebackup import NodeBackup
from chatservice.engines.jetstream.replicatedlogs import ReplicatedLogs
from chatservice.engines.jetstream.sharedclaims import SharedNameClaims
from chatservice.engines.jetstream.sharedfiles import SharedFiles
from chatservice.engines.jetstream.sharedpresence import SharedPresence
from chatservice.engines.jetstream.snapshots import LINK_ERRORS, Snapshots
from chatservice.engines.sqlite.engine import SqliteEngine
from chatservice.errors import Code, Refusal
from chatservice.limits import Limits

_OVERHEAD = 1024
"""Bytes that a message has beside its operations: its head, and the headers of NATS."""

WATCH_SECONDS = 1.0
"""The time after which a node looks again if the log answers."""

LOOK_SECONDS, MISSES = 5.0, 4
"""A node asks the others so often whether they live, and takes one for dead that so many times in a
row nobody heard: a server of the log that is killed makes a node miss one or two."""


class JetStreamEngine:
    """The port `Engine`, for one node of several: those with the same log at `address`.

    `data`, `files` and the rest are as in `SqliteEngine`, for this node. `on_end` is called with a
    refusal, for the operator, if the node cannot go on.
    """

    def __init__(
        self,
        reactor: Any,
        address: LogAddress,
        data: Path,
        files: Path,
        on_end: Callable[[Refusal], None] = lambda why: None,
        checkers: Sequence[Any] = (),
        keys: Sequence[Path] = (),
        limits: Limits | None = None,
    ) -> None:
        self._reactor = reactor
        self._address = address
        self._data = data
        self._node = secrets.token_hex(8)
        self._local = SqliteEngine(
            *(reactor, data, files),
            checkers=checkers,
            keys=keys,
            limits=limits,
            make_logs=ReplicatedLogs,
        )
        logs: Any = self._local.logs
        self.logs: ReplicatedLogs = logs
        self.logs.on_end = on_end
        self.rooms, self.accounts = self._local.rooms, self._local.accounts
        self.members = self._local.members
        copies = self._local.files
        self.files = SharedFiles(copies, self.logs.commit, self.logs.look, self._node)
        self._local.files = self.files  # type: ignore[assignment]  # it does the same
        self.logs.forget_copies = copies.forget
        self.pushes = self._local.pushes
        self.hasher, self.authenticator = self._local.hasher, self._local.authenticator
        self.maintenance = self._local.maintenance
        self.maintenance.nodes = NodeBackup(reactor, self.files)
        self.claims = SharedNameClaims(self.accounts.claims, self.logs.commit, self._node)
        self.others: SharedPresence = SharedPresence(
            reactor, self._node, lambda: frozenset(self.logs.cluster.nodes), limits or Limits()
        )
        self.logs.effects.update(
            add_claims=self.claims.added,
            release_claim=self.claims.released,
            **self.files.effects,
            node_gone=self._ended,
            node_started=lambda result, node, format_: self.others.started(node),
        )
        self.snapshots = Snapshots(reactor, data, self._node, self.logs)
        self._base = Base(self.snapshots, copies)
        self._link: NatsLink | None = None
        self._missed: dict[str, int] = {}
        self._looking = LoopingCall(self._look)
        self._looking.clock = reactor
        self._watching = LoopingCall(self.logs.look_at_log)
        self._watching.clock = reactor

    async def start(self) -> None:
        running: Deferred[None] = Deferred()
        self._reactor.callWhenRunning(running.callback, None)
        await running
        link = self._link = NatsLink(self._reactor, self._address, self._node)
        self.files.chunks = link.chunks
        self.snapshots.join(link)
        tables = self.logs.cluster
        alone = not tables.cluster and bool(self.rooms.rows)
        # A directory that has a cluster makes no log, and nothing is made before it is checked.
        info = await link.connect("" if tables.cluster else secrets.token_hex(16), has_base=alone)
        self._check(info, alone and not info.has_base)
        await link.open_chunks()
        await self._begin(info, alone)
        for claim in tables.claims():
            self.claims.added(None, [(claim.name, claim.guest)], claim.node)
        former, applied = tables.former_node, tables.applied
        tables.note_node(self._node)
        await self._local.start()
        self.logs.join(link, self._node, link.most_bytes - _OVERHEAD)
        await link.follow(applied, self.logs.receive, self._fell_behind)
        gone = bool(former) and not await link.is_alive(former)
        started = self.logs.commit("node_started", self._node, self.logs.format)
        if gone:  # it is this node, before it was started again
            self.logs.commit("node_gone", former).addErrback(lambda failure: None)
        try:
            await started
        except Refusal:
            text = (
                "The log of {servers} is full; give JetStream more room there (max_file), and "
                "start nats-server again."
            )
            raise Refusal(Code.NOT_STORED, text, servers=self._address) from None
        self._looking.start(LOOK_SECONDS, now=False)
        self._watching.start(WATCH_SECONDS, now=False)
        self.snapshots.start()

    async def _begin(self, info: LogInfo, alone: bool) -> None:
        """Let the database be where the log can go on from. It may be that of a server that ran
        `alone`. Raises `Refusal`."""
        assert self._link is not None
        try:
            snapshot = await self.snapshots.newest()
            lacks_base = info.has_base and snapshot is None
            if alone and not lacks_base:
                raise self._has_another_chat()
            await self._check_same(info)
            if lacks_base and not alone:
                raise Refusal(
                    Code.NOT_STORED,
                    "The log of {servers} waits for the chat of the server that ran alone before; "
                    "start that one first.",
                    servers=self._address,
                )
            if lacks_base:
                await self._base.store(self._link, info.cluster)
        except (*LINK_ERRORS, NotStored, sqlite3.Error) as error:
            raise Refusal(
                Code.NOT_STORED,
                "The first snapshot of the log of {servers} cannot be read or stored ({why}); try "
                "again.",
                servers=self._address,
                why=str(error) or type(error).__name__,
            ) from error
        tables = self.logs.cluster
        if tables.cluster and tables.applied + 1 >= info.first:
            return
        if snapshot is not None or lacks_base:
            await self.snapshots.take(info.cluster)
        else:
            tables.begin(info.cluster)

    def _fell_behind(self) -> None:
        """End: the log has not any more what comes next here."""
        self.logs.on_end(
            Refusal(
                Code.NOT_STORED,
                "The log was trimmed beyond what this node has; start it again, and it takes a "
                "snapshot.",
            )
        )

    def _check(self, info: LogInfo, alone: bool) -> None:
        """Raise `Refusal` for a data directory that is not one of this cluster: that of a server
        that ran `alone`, say."""
        tables = self.logs.cluster
        if alone:
            raise self._has_another_chat()
        if tables.cluster and tables.cluster != info.cluster:
            raise Refusal(
                Code.NOT_STORED,
                "The directory {folder} belongs to another cluster than {servers}; name that one's "
                "servers with --engine, or an empty directory with --data.",
                folder=self._data,
                servers=self._address,
            )
        if tables.applied > info.last:
            raise Refusal(
                Code.NOT_STORED,
                "The directory {folder} is ahead of the log of {servers}, which has lost messages; "
                "restore the log, or name an empty directory with --data.",
                folder=self._data,
                servers=self._address,
            )

    async def _check_same(self, info: LogInfo) -> None:
        """Raise `Refusal` if the log has another message where this node's last one stood: a log
        that was restored, and has gone on since. Raises an error of nats-py."""
        assert self._link is not None
        tables = self.logs.cluster
        if not tables.cluster or not tables.applied or tables.applied < info.first:
            return
        time = await self._link.time_of(tables.applied)
        if abs(time - tables.time) > 1:  # it may be rounded in another way
            raise Refusal(
                Code.NOT_STORED,
                "The directory {folder} has other messages than the log of {servers}, which has "
                "lost some and gone on; restore the log, or name an empty directory with --data.",
                folder=self._data,
                servers=self._address,
            )

    def _has_another_chat(self) -> Refusal:
        return Refusal(
            Code.NOT_STORED,
            "The directory {folder} has the chat of a server that is no node of a cluster, and "
            "the log of {servers} has its own; name an empty directory with --data, or a new "
            "log with --engine.",
            folder=self._data,
            servers=self._address,
        )

    def _ended(self, gone: Iterable[Claim], node: str) -> None:
        """Note that a node is gone, with its users."""
        self.claims.ended(gone, node)
        self.others.ended(node)

    async def _look(self) -> None:
        """See whether the other nodes live. The names of a dead one's guests become free. A node
        that does not reach the log is cut off itself, and takes nobody for dead."""
        assert self._link is not None
        self.others.beat()
        info: LogInfo | None = None
        with suppress(*LINK_ERRORS, NotStored):
            info = await self._link.info()
        if info is None or not info.quorum:
            self._missed.clear()
            return
        self.logs.log_last = info.last
        for node in sorted(self.logs.cluster.nodes.keys() - {self._node}):
            alive = await self._link.is_alive(node)
            self._missed[node] = 0 if alive else self._missed.get(node, 0) + 1
            if self._missed[node] >= MISSES:
                self._missed[node] = 0
                self.logs.commit("node_gone", node).addErrback(lambda failure: None)

    async def follow(self, follower: Follower) -> None:
        assert self._link is not None
        await self.logs.follow(follower)
        await self.others.begin(self._link, follower)

    def stopping(self) -> "Deferred[None]":
        return self._local.stopping()

    async def stop(self) -> None:
        self.snapshots.stop()
        for it in (self._looking, self._watching):
            if it.running:
                it.stop()
        await self._local.stop()
        if self._link is not None:
            self._link.close()
