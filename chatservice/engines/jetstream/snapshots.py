"""Snapshots: a node's database as it is at one place in the log, kept in the log's second stream.

An empty node, and one that was away for too long, begins with the newest snapshot and goes on
behind it. So what is before that place can be deleted from the log.

One node makes them, that with the least id. It copies its database, stores the copy in chunks, and
then replaces the note that names the newest snapshot. Until that moment the former one is it, and
whatever a crash leaves is swept away later. The log is trimmed only when all chunks are there, and
each node that counts has applied the log up to the snapshot.
"""

import hashlib
import re
import shutil
import sqlite3
import time
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import nats.errors
import nats.js.errors
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger

from chatservice.engines.jetstream.chunkstream import CHUNK_BYTES, IN_FLIGHT, Note
from chatservice.engines.jetstream.clustertables import ClusterTables
from chatservice.engines.jetstream.filerecords import FileRecord, FileRecords
from chatservice.engines.jetstream.natslink import NatsLink, NotStored
from chatservice.engines.jetstream.replicatedlogs import ReplicatedLogs
from chatservice.engines.jetstream.snapshotnote import Snapshot, decode
from chatservice.engines.sqlite.backup import copy_database
from chatservice.engines.sqlite.schema import open_database
from chatservice.engines.sqlite.threads import WorkerThread
from chatservice.errors import Code, Refusal

LOG_BYTES = 256 << 20
"""A snapshot is made when the log has more bytes than this, and than the database. So of all that
is written, no more than half is snapshots, and the log is not much larger than the database."""

LOOK_SECONDS = 60.0
"""The time from one look at the log to the next."""

SWEEP_LOOKS = 60
"""One look in so many also sweeps the second stream, of which it has to list all chunks."""

TRIES = 5
"""Attempts to fetch a snapshot: a newer one may take its place meanwhile."""

FOLDER = "snapshot"
"""The folder in the data directory for a database on its way. It is removed at each start."""

_BLOB = re.compile(r"s([0-9]+)-([0-9a-f]+)")
"""The name of a snapshot's blob: its place in the log, and the node that has made it."""

LINK_ERRORS = (TimeoutError, nats.errors.Error, OSError)
"""The errors of a log that does not answer, or refuses."""


class Snapshots:
    """The snapshots of a cluster, for the `node` with the data directory `data` and the store
    `logs`."""

    log = Logger()

    def __init__(self, reactor: Any, data: Path, node: str, logs: ReplicatedLogs) -> None:
        self._reactor = reactor
        self._database = data / "chat.sqlite"
        self._folder = data / FOLDER
        self._node = node
        self._logs = logs
        self._stopped = False
        self._looks = 0
        self._link: NatsLink
        self._looking = LoopingCall(self._look)
        self._looking.clock = reactor
        shutil.rmtree(self._folder, ignore_errors=True)

    def join(self, link: NatsLink) -> None:
        """Use a connection from now on."""
        self._link = link

    def start(self) -> None:
        """Look after the log from now on."""
        self._looking.start(LOOK_SECONDS, now=False)

    def stop(self) -> None:
        """End what is under way."""
        self._stopped = True
        if self._looking.running:
            self._looking.stop()

    async def newest(self) -> Snapshot | None:
        """Return the newest snapshot. Raises `Refusal`, and an error of nats-py."""
        return decode((await self._link.chunks.note()).data)

    # -- making ----------------------------------------------------------------------------------

    async def _look(self) -> None:
        try:
            if self._node == min(frozenset(self._logs.cluster.nodes), default=""):
                await self._look_after()
        except (*LINK_ERRORS, NotStored, Refusal, sqlite3.Error) as error:
            if not self._stopped:
                self.log.warn("the log cannot be looked after now: {why}", why=str(error))
        except Exception:
            if not self._stopped:
                self.log.failure("the log cannot be looked after")

    async def _look_after(self) -> None:
        """Trim the log, sweep the second stream, or make a snapshot, as it is due."""
        if self._looks % SWEEP_LOOKS == 0:
            await self.sweep()
        self._looks += 1
        snapshot, info = await self.newest(), await self._link.info()
        left = snapshot is not None and info.first <= snapshot.sequence
        if left and (info.bytes <= LOG_BYTES or await self.trim()):
            return
        if info.bytes > max(LOG_BYTES, self._database.stat().st_size):
            await self.make()
            await self.trim()

    async def make(self) -> Snapshot | None:
        """Make a snapshot, and let it be the newest. Return it; None if another node has made a
        later one. Raises an error of nats-py, `NotStored`, `OSError` and `sqlite3.Error`."""
        former = await self._link.chunks.note()
        with self._working() as thread:
            path = self._folder / "made.sqlite"
            sequence = await thread.do(self._copied, path)
            known = decode(former.data)
            if known is not None and sequence <= known.sequence:
                return known if sequence == known.sequence else None
            blob = f"s{sequence}-{self._node}"
            try:
                made = await self._store(thread, path, sequence, blob)
            except BaseException:
                self._link.chunks.discard(blob)
                raise
        if not await self._publish(former, made):
            await self._link.chunks.drop(blob)
            return None
        self.log.info(
            "a snapshot of {size} bytes stands at message {sequence} of the log",
            size=made.size,
            sequence=made.sequence,
        )
        if known is not None:
            await self._link.chunks.drop(known.blob)
        return made

    async def make_base(self, cluster: str, files: Sequence[FileRecord]) -> None:
        """Make the first snapshot, of a server that ran alone, with its `files`. Raises as `make`,
        and `Refusal` if there is one."""
        former = await self._link.chunks.note()
        with self._working() as thread:
            path = self._folder / "made.sqlite"
            await thread.do(self._copied_alone, path, cluster, files)
            made = await self._store(thread, path, 0, f"s0-{self._node}")
        if former.sequence or not await self._publish(former, made):
            raise Refusal(
                Code.NOT_STORED,
                "Another server has given the log its chat at the same time; name an empty "
                "directory with --data, or another log with --engine.",
            )

    @contextmanager
    def _working(self) -> Generator[WorkerThread, None, None]:
        """Have a thread and an empty folder for a database on its way."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(0o700)
        thread = WorkerThread(self._reactor, "chat-snapshot", background=True)
        thread.start()
        try:
            yield thread
        finally:
            thread.stop()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _copied(self, path: Path) -> int:
        """Copy the database, without what is this node's own. Return its place in the log. In a
        thread."""
        copy_database(self._database, path, self._go_on)
        with closing(sqlite3.connect(path)) as db, db:
            for table in ("file", "partial"):
                db.execute(f"DELETE FROM {table}")
            db.execute("UPDATE cluster SET node = ''")
            (sequence,) = db.execute("SELECT applied FROM cluster").fetchone()
        return int(sequence)

    def _copied_alone(self, path: Path, cluster: str, files: Sequence[FileRecord]) -> None:
        """Copy the database of a server that ran alone, and let it be one of a cluster. In a
        thread."""
        copy_database(self._database, path, self._go_on)
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("PRAGMA foreign_keys = OFF")
            for table in ("block", "said"):  # guests have gone
                db.execute(f"DELETE FROM {table} WHERE log < 0")
            for table in ("file", "partial"):
                db.execute(f"DELETE FROM {table}")
            tables = ClusterTables(db)
            tables.begin(cluster)
            tables.files.put(files)

    def _go_on(self, _: object = None) -> None:
        if self._stopped:
            raise OSError("the server stops")

    async def _store(self, thread: WorkerThread, path: Path, sequence: int, blob: str) -> Snapshot:
        digest, size, chunk = hashlib.sha256(), 0, 0
        with path.open("rb") as file:

            def some() -> list[bytes]:
                found = [it for _ in range(IN_FLIGHT) if (it := file.read(CHUNK_BYTES))]
                for data in found:
                    digest.update(data)
                return found

            while chunks := await thread.do(some):
                self._go_on()
                await self._link.chunks.store(blob, chunk, chunks)
                chunk += len(chunks)
                size += sum(map(len, chunks))
        now = round(time.time() * 1000)
        return Snapshot(sequence, blob, size, digest.hexdigest(), now)

    async def _publish(self, former: Note, made: Snapshot) -> bool:
        """Let a snapshot be the newest, unless another node has replaced the `former` note. Return
        whether it is, for sure."""
        while True:
            with suppress(*LINK_ERRORS):
                await self._link.chunks.replace_note(former, made.encode())
                return True
            with suppress(*LINK_ERRORS):
                found = await self._link.chunks.note()
                if found.sequence != former.sequence:
                    return found.data == made.encode()
            self._go_on()
            await deferLater(self._reactor, 1.0)

    # -- trimming and sweeping -------------------------------------------------------------------

    async def trim(self) -> bool:
        """Delete what is before the newest snapshot from the log, if all nodes that count have
        applied it, and all of the snapshot is there. Return False if it is not. Raises an error of
        nats-py."""
        snapshot = await self.newest()
        if snapshot is None:
            return True
        if (await self._link.chunks.blobs()).get(snapshot.blob) != snapshot.chunks:
            return False
        for node in frozenset(self._logs.cluster.nodes):
            if await self._link.applied_by(node) < snapshot.sequence:
                return True  # later
        await self._link.trim(snapshot.sequence)
        return True

    async def sweep(self) -> None:
        """Delete blobs that nobody will ever ask for: those that were not recorded before their
        node was gone, whose operations do not count any more. Raises an error of nats-py."""
        blobs = await self._link.chunks.blobs()
        last = (await self._link.info()).last
        await self._link.wait_for_nodes([self._node], last)
        if await self._link.applied_by(self._node) < last:  # next time
            return
        used: frozenset[str] = await self._logs.look(FileRecords.blobs)
        snapshot = await self.newest()
        for blob in blobs:
            if self._is_unneeded(blob, used, snapshot):
                await self._link.chunks.drop(blob)

    def _is_unneeded(self, blob: str, used: frozenset[str], newest: Snapshot | None) -> bool:
        _, dash, node = blob.rpartition("-")
        if not dash or blob in used or (newest is not None and blob == newest.blob):
            return False
        found = _BLOB.fullmatch(blob)
        overtaken = found and newest is not None and int(found[1]) < newest.sequence
        return bool(overtaken or node not in self._logs.cluster.nodes)

    # -- taking ----------------------------------------------------------------------------------

    async def take(self, cluster: str) -> None:
        """Begin with the newest snapshot, which is of a `cluster`, in place of the database that is
        here. What is this node's own stays. Raises `Refusal`, with a sentence for the operator, and
        changes nothing then."""
        with _refusing(self._folder), self._working() as thread:
            path = self._folder / "taken.sqlite"
            snapshot = await self._fetch(thread, path)
            await thread.do(self._prepare, path, cluster, snapshot)
            await thread.do(self._logs.take_over, path)
        self._logs.load()
        self.log.info("began with the snapshot at message {at}", at=snapshot.sequence)

    async def _fetch(self, thread: WorkerThread, path: Path) -> Snapshot:
        why = ""
        for _ in range(TRIES):
            try:
                snapshot = await self.newest()
                if snapshot is not None and await self._fetched(thread, snapshot, path):
                    return snapshot
                why = "its bytes are not what was put into it"
            except (TimeoutError, nats.errors.Error) as error:
                why = str(error) or type(error).__name__
        raise _unusable(why)

    async def _fetched(self, thread: WorkerThread, snapshot: Snapshot, path: Path) -> bool:
        """Fetch a snapshot. Return whether its bytes are the right ones."""
        digest = hashlib.sha256()
        with path.open("wb") as file:

            def write(chunks: list[bytes]) -> None:
                for data in chunks:
                    digest.update(data)
                    file.write(data)

            for first in range(0, snapshot.chunks, IN_FLIGHT):
                count = min(IN_FLIGHT, snapshot.chunks - first)
                chunks = await self._link.chunks.fetch(snapshot.blob, first, count)
                await thread.do(write, chunks)
        return digest.hexdigest() == snapshot.sha256

    def _prepare(self, path: Path, cluster: str, snapshot: Snapshot) -> None:
        """Check a database, upgrade it, and let it have what is this node's own. In a thread."""
        with closing(open_database(path, keeps_guests=True)) as db:
            tables = ClusterTables(db)
            if (tables.cluster, tables.applied) != (cluster, snapshot.sequence):
                raise _unusable("it is of another log")
            db.execute("ATTACH ? AS own", (str(self._database),))
            for table in ("file", "partial"):
                db.execute(f"INSERT INTO main.{table} SELECT * FROM own.{table}")
            db.execute("DETACH own")
            db.execute("PRAGMA journal_mode = DELETE")


@contextmanager
def _refusing(folder: Path) -> Generator[None, None, None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise Refusal(
            Code.NOT_STORED,
            "The snapshot of the log cannot be kept in {folder} ({why}); make it writable, with "
            "room for three times the database.",
            folder=folder.parent,
            why=getattr(error, "strerror", None) or str(error),
        ) from error


def _unusable(why: str) -> Refusal:
    return Refusal(
        Code.NOT_STORED,
        "The newest snapshot of the log cannot be used ({why}); let another node make one: restart "
        "it, or wait.",
        why=why,
    )
