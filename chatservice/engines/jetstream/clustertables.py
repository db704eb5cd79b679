"""A node's knowledge of the log and of the other nodes, in its database."""

import json
import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from chatservice import names
from chatservice.engines.jetstream import filerecords
from chatservice.engines.jetstream.filerecords import FileRecords

_TABLES = """
-- How far the log is applied, of which cluster it is, and which node wrote here last. One row.
CREATE TABLE cluster (
    id       TEXT NOT NULL,
    applied  INTEGER NOT NULL,              -- the sequence of the last message of the log
    time     INTEGER NOT NULL,              -- the time of that message
    versions TEXT NOT NULL CHECK (json_valid(versions)),
    node     TEXT NOT NULL
);
-- The nodes whose operations count, and the newest format of messages that each reads.
CREATE TABLE node (
    id       TEXT PRIMARY KEY,
    format   INTEGER NOT NULL
) WITHOUT ROWID;
-- The names of guests who are here, on all nodes.
CREATE TABLE claim (
    key      TEXT PRIMARY KEY,              -- names.key(name)
    name     TEXT NOT NULL,
    guest    INTEGER NOT NULL,              -- the guest's number
    node     TEXT NOT NULL
) WITHOUT ROWID;
-- The new numbers of the inboxes of guests who registered just now.
CREATE TABLE moved (
    inbox    INTEGER PRIMARY KEY,
    log      INTEGER NOT NULL
);
"""


class Claim(NamedTuple):
    """A guest's name: that of the guest with a number, who is at a node."""

    name: str
    guest: int
    node: str


class ClusterTables:
    """The tables of a cluster in the database `db`, for the thread that writes it."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.cluster = self.former_node = ""
        self.applied = self.time = 0
        self.versions: dict[str, int] = {}
        self.nodes: dict[str, int] = {}
        self.files = FileRecords(db)
        self.load()

    def load(self) -> None:
        """Load what the database has; nothing if it is not of a cluster."""
        if self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'cluster'").fetchone():
            row = self._db.execute("SELECT id, node FROM cluster").fetchone()
            self.cluster, self.former_node = row
            self.reload()

    def begin(self, cluster: str) -> None:
        """Note of which cluster the database is, from now on."""
        insert = f"INSERT INTO cluster VALUES ('{cluster}', 0, 0, '{{}}', '')"
        self._db.executescript(f"BEGIN; {_TABLES} {filerecords.TABLE} {insert}; COMMIT;")
        self.cluster = cluster

    @staticmethod
    def drop(db: sqlite3.Connection) -> None:
        """Let a database be of no cluster any more."""
        tables = ("cluster", "node", "claim", "moved", "shared_file")
        db.executescript("".join(f"DROP TABLE {it};" for it in tables))

    def note_node(self, node: str) -> None:
        """Note which node writes here from now on."""
        self._db.execute("UPDATE cluster SET node = ?", (node,))

    def note_applied(self, applied: int, time: int) -> None:
        """Note how far the log is applied, up to a message of that time, with the rest of a
        commit."""
        self.applied, self.time = applied, time
        sql = "UPDATE cluster SET applied = ?, time = ?, versions = ?"
        self._db.execute(sql, (applied, time, json.dumps(self.versions)))

    def reload(self) -> None:
        """Read again what is stored, after a commit that failed."""
        sql = "SELECT applied, time, versions FROM cluster"
        self.applied, self.time, versions = self._db.execute(sql).fetchone()
        self.versions = json.loads(versions)
        self.nodes = dict(self._db.execute("SELECT id, format FROM node"))

    # -- operations ------------------------------------------------------------------------------

    def node_started(self, node: str, format_: int) -> None:
        """Let the operations of a node count, which reads messages up to a format."""
        self._db.execute("INSERT OR IGNORE INTO node VALUES (?, ?)", (node, format_))
        self.nodes[node] = format_

    def node_gone(self, node: str) -> list[Claim]:
        """Let the operations of a node count no more. Return the names of its guests, which are
        free again."""
        self._db.execute("DELETE FROM node WHERE id = ?", (node,))
        self.nodes.pop(node, None)
        gone = [it for it in self.claims() if it.node == node]
        self._db.execute("DELETE FROM claim WHERE node = ?", (node,))
        return gone

    def add_claims(self, claims: Iterable[tuple[str, int]], node: str) -> None:
        """Give guests, by their numbers, names."""
        rows = [(names.key(name), name, guest, node) for name, guest in claims]
        self._db.executemany("REPLACE INTO claim VALUES (?, ?, ?, ?)", rows)

    def release_claim(self, name: str, node: str) -> bool:
        """Free a name of a node's guest; return whether it was that."""
        sql = "DELETE FROM claim WHERE key = ? AND node = ?"
        return self._db.execute(sql, (names.key(name), node)).rowcount > 0

    def guest_node(self, guest: int) -> str | None:
        """Return the node of the guest with a number; None if the guest is gone."""
        row = self._db.execute("SELECT node FROM claim WHERE guest = ?", (guest,)).fetchone()
        return row[0] if row is not None else None

    def drop_claim(self, key: str) -> None:
        """Free the name with a key."""
        self._db.execute("DELETE FROM claim WHERE key = ?", (key,))

    def claims(self) -> Iterable[Claim]:
        """Return the names of all guests."""
        if not self.cluster:
            return []
        return [Claim(*row) for row in self._db.execute("SELECT name, guest, node FROM claim")]

    # -- inboxes that move -----------------------------------------------------------------------

    def moved(self) -> dict[int, int]:
        """Return the new numbers of guests' inboxes."""
        if not self.cluster:
            return {}
        return dict(self._db.execute("SELECT inbox, log FROM moved"))

    def add_moved(self, inbox: int, log: int) -> None:
        """Note the new number of a guest's inbox."""
        self._db.execute("REPLACE INTO moved VALUES (?, ?)", (inbox, log))

    def drop_moved(self, inbox: int) -> None:
        """Forget the new number of a guest's inbox."""
        self._db.execute("DELETE FROM moved WHERE inbox = ?", (inbox,))
