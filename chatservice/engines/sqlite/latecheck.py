"""The check of a database that is too large to be checked as a whole before it is used."""

import sqlite3
from pathlib import Path
from typing import Any

from twisted.logger import Logger
from twisted.python.failure import Failure

from chatservice.engines.sqlite import integrity
from chatservice.engines.sqlite.threads import WorkerThread

_HANDLER_STEPS = 10_000
"""Steps of SQLite's machine between two looks at whether to stop: a millisecond or less."""


class IntegrityCheck:
    """Reads all of the database at `path` in a thread of its own, while it is used, and tells the
    operator if it is damaged. It mends nothing, and stops nobody: what can be read can be saved."""

    log = Logger()

    def __init__(self, reactor: Any, path: Path) -> None:
        self._path = path
        self._thread = WorkerThread(reactor, "chat-check", background=True)
        self._db: sqlite3.Connection | None = None
        self._stopped = False

    def start(self) -> None:
        """Begin, if the database was not checked before its use."""
        if self._path.stat().st_size > integrity.AT_ONCE_BYTES:
            self._db = integrity.open_reader(self._path)
            self._db.set_progress_handler(lambda: self._stopped, _HANDLER_STEPS)
            self._thread.start()
            self._thread.do(integrity.fault, self._db).addCallbacks(self._told, self._failed)

    def stop(self) -> None:
        """End, whether all was read or not."""
        self._stopped = True
        if self._db is not None:
            self._thread.stop(drop=True)
            self._db.close()

    def _told(self, wrong: str | None) -> None:
        if wrong is None:
            self.log.info("all of {path} was read, and it is whole", path=str(self._path))
        else:
            self.log.critical(
                "The database {path} is damaged ({wrong}) and used as far as it can be; {remedy}.",
                path=str(self._path),
                wrong=wrong,
                remedy=f"stop the server, and {integrity.remedy(self._path)}",
            )

    def _failed(self, failure: Failure) -> None:
        if not self._stopped:
            self.log.critical(
                "The database {path} cannot be read to its end ({why}); see that the disk works.",
                path=str(self._path),
                why=failure.getErrorMessage(),
            )
