"""Reloading: SIGHUP reads the file of `--config` again, and no connection ends."""

import signal
import threading
from collections.abc import Mapping
from functools import partial
from typing import Any

from twisted.logger import Logger
from twisted.python import usage

from chatservice import config
from chatservice.limits import Limits
from chatservice.net.admission import max_open_files

log = Logger()


def limits_of(options: Mapping[str, Any]) -> Limits:
    """Return the limits that options set, with which each transfer gets a file descriptor."""
    limits = Limits(**options["limits"])
    each = max_open_files(limits) // 2
    limits.uploads_of_all = min(limits.uploads_of_all, each)
    limits.downloads_of_all = min(limits.downloads_of_all, each)
    return limits


class Reloader:
    """Reads the configuration file again, and updates the server's `limits`.

    `options` are the parsed `chatservice.options.Options`.
    """

    def __init__(self, reactor: Any, options: Mapping[str, Any], limits: Limits) -> None:
        self._reactor = reactor
        self._options: Any = options
        self._limits = limits
        self._before: Any = None

    def start(self) -> None:
        """Handle SIGHUP from now on."""
        here = threading.current_thread() is threading.main_thread()
        if here and hasattr(signal, "SIGHUP"):
            # This wakes the reactor, too.
            again = partial(self._reactor.callFromThread, self.reload)
            self._before = signal.signal(signal.SIGHUP, lambda *_: again())

    def stop(self) -> None:
        """Restore the former handler of SIGHUP."""
        if self._before is not None:
            signal.signal(signal.SIGHUP, self._before)
            self._before = None

    def reload(self) -> None:
        """Read the file again. A wrong file changes nothing, and neither does none."""
        if self._options["config"] is None:
            log.info("SIGHUP changes nothing: there is no file of --config to read again")
            return
        try:
            again = self._options.parsed_again()
        except usage.UsageError as error:
            log.error("{error} Nothing was changed.", error=str(error))
            return
        changed = self._limits.update(limits_of(again))
        later = config.AT_START.intersection(changed)
        later |= {
            name
            for name, value in again.items()
            if name != "limits" and value != self._options[name]
        }
        values = {config.SHOWN.get(it, it): getattr(self._limits, it) for it in changed}
        changes = "".join(f"; {it} = {value}" for it, value in sorted(values.items()))
        log.info("{file} was read again{changes}", file=again["config"], changes=changes)
        if later:
            log.warn("from the next start on: {names}", names=", ".join(sorted(later)))
