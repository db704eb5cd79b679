"""The hook: a program of the user's that gets all entries, as lines of JSON on its input."""

import os
import shlex
from collections.abc import Callable
from typing import Any

from twisted.internet.error import ProcessDone
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from chatservice.client.clientstate import Incoming
from chatservice.entries import Entry
from chatservice.grammar import jsonlines


class Hook(ProcessProtocol):
    """The running program `command`. It calls `tell` with a sentence when the program ends.

    While the program does not read, entries are left out: at most 64 KiB wait for it.
    """

    def __init__(self, reactor: Any, command: str, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._paused = False
        self._left_out = 0
        self._stopped = False
        arguments = shlex.split(command)
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            reactor.spawnProcess(
                self, arguments[0], arguments, env=None, childFDs={0: "w", 1: null, 2: null}
            )
        finally:
            os.close(null)
        transport: Any = self.transport
        transport.pipes[0].registerProducer(self, True)

    def give(self, incoming: Incoming) -> None:
        """Write an entry."""
        entry: Any = incoming.item
        if not isinstance(entry, Entry) or self._stopped:
            return
        if self._paused:
            self._left_out += 1
            return
        line = jsonlines.run(incoming.position, entry.as_run(), incoming.log)
        self.transport.write(line)  # type: ignore[union-attr]

    def stop(self) -> None:
        """End the program's input."""
        self._stopped = True
        if self.transport is not None:
            self.transport.closeStdin()

    # -- the pipe (`IPushProducer`) ---------------------------------------------------------------

    def pauseProducing(self) -> None:
        """Write nothing while the program does not read."""
        self._paused = True

    def resumeProducing(self) -> None:
        """Write again."""
        self._paused = False
        if self._left_out:
            self._tell(f"The hook was too slow; it did not get {self._left_out} entries.")
            self._left_out = 0

    def stopProducing(self) -> None:
        """Write nothing any more."""
        self._stopped = True

    def processEnded(self, reason: Failure) -> None:
        """Tell that the program has ended, unless it was stopped."""
        if self._stopped and reason.check(ProcessDone):
            return
        self._stopped = True
        ended: Any = reason.value
        how = f"by signal {ended.signal}" if ended.signal else f"with status {ended.exitCode}"
        self._tell(f"The hook has ended, {how}.")
