"""The log's second stream: the bytes of shared files and of snapshots, a message a chunk, and a
note that says which snapshot is the newest."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import nats.errors
import nats.js.errors
from nats.js.api import DiscardPolicy, StorageType, StreamConfig
from twisted.internet.defer import Deferred

from chatservice.engines.jetstream.logservers import FileRoom

if TYPE_CHECKING:
    from chatservice.engines.jetstream.natslink import NatsLink

CHUNK_BYTES = 512 << 10
"""The bytes of a chunk: with eight in flight, 92 MB/s were stored and 446 MB/s read."""

IN_FLIGHT = 8
"""Chunks that are stored or read at once."""

_TRIES = 50
"""Attempts to read a chunk, `_AGAIN_SECONDS` apart: a server that was down may still lack it."""

_AGAIN_SECONDS = 0.1
"""The time from one attempt to the next."""

STORE_SECONDS = 15.0
"""The time after which a chunk that is not stored is given up: servers take up to nine seconds to
elect a leader, and then one of them up to five to answer."""

_LEFT_OVER = 1000
"""Blobs that are to be deleted when the log answers again. More of them stay until this node is
gone (`Snapshots.sweep`)."""

FULL = frozenset({10002, 10023, 10047, 10054, 10077})
"""Errors by which a server refuses a message for good: it, its account or the stream has no room.
After any other one the message may be stored yet: a leader that is cut off gives some, too."""

EXPECTED = "Nats-Expected-Last-Subject-Sequence"
"""The header by which a message is stored only behind a certain one of its subject."""

_NOTE = "snapshot.newest"
"""The rest of the note's subject. No blob is called `snapshot`."""


class Note(NamedTuple):
    """The note as it was read: its sequence in the stream, 0 if there is none, and its bytes."""

    sequence: int
    data: bytes


class ChunkStream:
    """The chunks of blobs: a blob is the content of one or several shared files, or a snapshot."""

    def __init__(self, link: "NatsLink", name: str, replicas: int, room: FileRoom) -> None:
        self._link = link
        self._name = name
        self._replicas = replicas
        self._room = room
        self._left_over: set[str] = set()

    def room(self) -> "Deferred[int]":
        """Return the bytes that may still be stored for files: see `FileRoom.left`."""
        return self._link.do(self._room.left())

    def store(self, blob: str, first: int, chunks: Sequence[bytes]) -> "Deferred[None]":
        """Store chunks of a blob, from the `first` on. Raises an error of nats-py or `OSError` if
        the stream refuses them, or does not answer for `STORE_SECONDS`."""
        return self._link.do(self._store(blob, first, chunks))

    def fetch(self, blob: str, first: int, count: int) -> "Deferred[Sequence[bytes]]":
        """Return chunks of a blob. Raises an error of nats-py if one is not there."""
        return self._link.do(self._fetch(blob, first, count))

    def drop(self, blob: str) -> "Deferred[None]":
        """Delete the chunks of a blob."""
        return self._link.do(self._drop(blob))

    def discard(self, blob: str) -> None:
        """Delete the chunks of a blob that was not stored to its end, as soon as the log answers.
        Nobody waits for that."""
        self._link.do(self._discard(blob)).addErrback(lambda failure: None)  # it has ended

    def blobs(self) -> "Deferred[Mapping[str, int]]":
        """Return the number of chunks of each blob. Raises an error of nats-py."""
        return self._link.do(self._blobs())

    def note(self) -> "Deferred[Note]":
        """Read the note. Raises an error of nats-py."""
        return self._link.do(self.read_note())

    def replace_note(self, former: Note, data: bytes) -> "Deferred[None]":
        """Write the note, in the place of the one that was read. Raises an error of nats-py if that
        is another one by now."""
        return self._link.do(self._replace_note(former, data))

    # -- in the thread of the connection ---------------------------------------------------------

    async def open(self, js: Any) -> None:
        """Make the stream, if there is none."""
        self._js = js
        config = StreamConfig(
            name=self._name,
            subjects=[f"{self._name}.*.*"],
            storage=StorageType.FILE,
            discard=DiscardPolicy.NEW,
            num_replicas=self._replicas,
            max_msgs_per_subject=1,
            allow_direct=True,
        )
        try:
            await js.stream_info(self._name)
        except nats.js.errors.NotFoundError:
            await js.add_stream(config)
        await self._room.left()  # known from now on, also while no server answers

    async def _store(self, blob: str, first: int, chunks: Sequence[bytes]) -> None:
        self._room.take(sum(map(len, chunks)))
        puts = [self._put(blob, at, it) for at, it in enumerate(chunks, first)]
        # Each has ended before one is known to have failed, so no chunk comes after `discard`.
        for error in await asyncio.gather(*puts, return_exceptions=True):
            if error is not None:
                raise error

    async def _put(self, blob: str, number: int, data: bytes) -> None:
        until = time.monotonic() + STORE_SECONDS
        while True:  # stored twice, it is one message all the same
            try:
                await self._js.publish(f"{self._name}.{blob}.{number}", data)
                return
            except nats.js.errors.ServiceUnavailableError as error:
                if error.err_code in FULL or time.monotonic() > until:
                    raise
            except nats.js.errors.APIError:
                raise
            except (TimeoutError, nats.errors.Error, OSError):
                if time.monotonic() > until:
                    raise
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _fetch(self, blob: str, first: int, count: int) -> Sequence[bytes]:
        return await asyncio.gather(*(self._get(blob, first + at) for at in range(count)))

    async def _get(self, blob: str, number: int) -> bytes:
        subject = f"{self._name}.{blob}.{number}"
        for left in reversed(range(_TRIES)):
            try:
                found = await self._js.get_msg(self._name, subject=subject, direct=True)
                return bytes(found.data or b"")
            except (TimeoutError, nats.errors.Error, OSError):
                if not left:
                    raise
            await asyncio.sleep(_AGAIN_SECONDS)
        raise AssertionError

    async def _blobs(self) -> Mapping[str, int]:
        found: Counter[str] = Counter()
        while True:
            request = json.dumps({"subjects_filter": ">", "offset": found.total()}).encode()
            answer = await self._js._nc.request(f"$JS.API.STREAM.INFO.{self._name}", request)
            told = json.loads(answer.data)
            if "error" in told:
                raise nats.js.errors.APIError(description=told["error"].get("description"))
            subjects = told["state"].get("subjects") or {}
            for subject, count in subjects.items():
                found[subject.split(".")[1]] += count
            if not subjects or found.total() >= told.get("total", 0):
                return found

    async def read_note(self) -> Note:
        """Read the note."""
        try:
            found = await self._js.get_msg(self._name, subject=f"{self._name}.{_NOTE}")
        except nats.js.errors.NotFoundError:
            return Note(0, b"")
        return Note(found.seq, bytes(found.data or b""))

    async def _replace_note(self, former: Note, data: bytes) -> None:
        headers = {EXPECTED: str(former.sequence)}
        await self._js.publish(f"{self._name}.{_NOTE}", data, headers=headers)

    async def _drop(self, blob: str) -> None:
        await self._js.purge_stream(self._name, subject=f"{self._name}.{blob}.*")
        self._room.ask_again()

    async def _discard(self, blob: str) -> None:
        waits = bool(self._left_over)  # for another call, which deletes this one's, too
        if len(self._left_over) < _LEFT_OVER:
            self._left_over.add(blob)
        while self._left_over and not waits:
            with suppress(TimeoutError, nats.errors.Error, OSError):
                gone = next(iter(self._left_over))
                await self._drop(gone)
                self._left_over.remove(gone)
                continue
            await asyncio.sleep(_AGAIN_SECONDS)
