"""The files of all nodes, for a backup that a server can be restored from that runs alone."""

import sqlite3
from collections.abc import Sequence
from typing import IO, Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import blockingCallFromThread

from chatservice.domain.model import is_guest_id
from chatservice.engines.jetstream.clustertables import ClusterTables
from chatservice.engines.jetstream.filerecords import FileRecords
from chatservice.engines.jetstream.sharedfiles import SharedFiles
from chatservice.engines.sqlite.backup import NodeFile


class NodeBackup:
    """`backup.NodeFiles` of a node with `files`. Its methods are for the thread of a backup."""

    def __init__(self, reactor: Any, files: SharedFiles) -> None:
        self._reactor = reactor
        self._files = files

    def detach(self, db: sqlite3.Connection) -> Sequence[NodeFile]:
        found = [
            NodeFile(*it[:3], it.sha256, it.who, it.time, it.owner)
            for it in FileRecords.all(db)
            if not is_guest_id(it.folder)
        ]
        ClusterTables.drop(db)
        db.execute("DELETE FROM file")
        return found

    def open(self, file: NodeFile) -> IO[bytes]:
        fetching = lambda: Deferred.fromCoroutine(self._files.duplicate(*file[:3]))  # noqa: E731
        found: IO[bytes] = blockingCallFromThread(self._reactor, fetching)
        return found
