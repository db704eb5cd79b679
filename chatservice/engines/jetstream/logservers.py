"""The servers of the log, as their monitoring tells of them."""

import asyncio
import json
import time
from collections.abc import Sequence
from typing import NamedTuple
from urllib.request import urlopen

from chatservice.engines.jetstream.logaddress import LogAddress

ANSWER_SECONDS = 2.0
"""The longest time in which a server must answer; one that is gone takes that long."""

FILES_SHARE = 0.9
"""The share of JetStream's room that files may fill; the rest is for talk. Of the 50 GB in
docs/nats-chat.conf, talk keeps 5: enough for a log and two snapshots of a database of 1.6 GB."""

FRESH_SECONDS = 1.0
"""The time for which an answer about the room holds. Another node can store some 90 MB meanwhile,
by the figure of `chunkstream.CHUNK_BYTES`."""


class ServerState(NamedTuple):
    """A server at a `host`: its version, and whether it syncs each write. JetStream may `most`
    bytes there (`max_file`), and has `used` some of them."""

    host: str
    version: str
    synced: bool
    most: int
    used: int


async def look_at(address: LogAddress) -> Sequence[ServerState]:
    """Return the states of the servers at an address that answer."""
    hosts = dict.fromkeys(address.hosts)
    asked = [asyncio.to_thread(_look_at, host, address.http) for host in hosts]
    return [it for it in await asyncio.gather(*asked) if it is not None]


def _look_at(host: str, port: int) -> ServerState | None:
    name = f"[{host}]" if ":" in host else host
    try:
        with urlopen(f"http://{name}:{port}/varz", timeout=ANSWER_SECONDS) as answer:
            told = json.loads(answer.read(1 << 20))
        jetstream = told.get("jetstream", {})
        config, stats = jetstream.get("config", {}), jetstream.get("stats", {})
        synced = bool(config.get("sync_always"))
        numbers = int(config.get("max_storage", 0)), int(stats.get("storage", 0))
        return ServerState(host, str(told.get("version", "0")), synced, *numbers)
    except (OSError, ValueError, TypeError, AttributeError):
        return None


class FileRoom:
    """The bytes that may still be stored for files, at the server with the least room for them."""

    def __init__(self, address: LogAddress) -> None:
        self._address = address
        self._left = 0
        self._known_at = -FRESH_SECONDS

    async def left(self) -> int:
        """Return the bytes, less than 0 if talk uses its own part. Where no server answers, as many
        as before."""
        if time.monotonic() - self._known_at >= FRESH_SECONDS:
            if found := [
                int(it.most * FILES_SHARE) - it.used for it in await look_at(self._address)
            ]:
                self._left = min(found)
            self._known_at = time.monotonic()
        return self._left

    def take(self, size: int) -> None:
        """Count bytes that are being stored."""
        self._left -= size

    def ask_again(self) -> None:
        """Let the servers be asked again: bytes have been deleted."""
        self._known_at = -FRESH_SECONDS
