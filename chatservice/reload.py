"""SIGHUP: the file of `--config` is read again, and nobody is dropped."""

import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from twisted.logger import Logger
from twisted.python import usage

from chatservice import config, limits
from chatservice.domain.quotas import FileLimits

log = Logger()

RELOADABLE = frozenset(
    {"max-file", "user-files", "room-files", "free", "uploads", "bounds", "limits"}
)
"""What of the options is taken over while the server runs; the rest from the next start on."""


class Reloader:
    """Keeps limits, and the `bounds` of uploads, as the file has them.

    `options` is what `chatservice.options.Options` holds; `bounded` is told the bounds, now and
    after each change.
    """

    def __init__(
        self, reactor: Any, options: Mapping[str, Any], bounded: Callable[[FileLimits], None]
    ) -> None:
        self._reactor = reactor
        self._options: Any = options
        self._bounded = bounded
        self._before: Any = None
        self._apply(options)

    def start(self) -> None:
        """Read the file again on each SIGHUP, where there is a file, and where there are signals.
        Without a file SIGHUP does what it does to any program: it ends it."""
        here = threading.current_thread() is threading.main_thread()
        if here and self._options["config"] is not None and hasattr(signal, "SIGHUP"):
            self._before = signal.signal(signal.SIGHUP, self._signalled)

    def stop(self) -> None:
        """Leave SIGHUP to whoever had it before."""
        if self._before is not None:
            signal.signal(signal.SIGHUP, self._before)
            self._before = None

    def _signalled(self, *_: Any) -> None:
        self._reactor.callFromThread(self.reload)  # which wakes the reactor, too

    def reload(self) -> None:
        """Read the file again. One that is wrong changes nothing."""
        again = type(self._options)()
        try:
            again.parseOptions(self._options.arguments)
        except usage.UsageError as error:
            log.error("{error} Nothing was changed.", error=str(error))
            return
        changed = self._apply(again)
        later = {name.lower() for name in changed if name in config.AT_START}
        later |= {
            name
            for name, value in again.items()
            if name not in RELOADABLE and value != self._options[name]
        }
        log.info("{file} was read again{changes}", file=again["config"], changes=_listed(changed))
        if later:
            log.warn("from the next start on: {names}", names=", ".join(sorted(later)))

    def _apply(self, options: Mapping[str, Any]) -> list[str]:
        changed = config.apply(options["limits"])
        self._bounded(replace(options["bounds"], uploads_of_all=limits.UPLOADS_OF_ALL))
        return changed


def _listed(changed: list[str]) -> str:
    values = (f"{name.lower()} = {getattr(limits, name)}" for name in sorted(changed))
    return "".join(f"; {each}" for each in values)
