"""The log's second stream: the bytes of shared files and of snapshots, a message a chunk, and a
note that says which snapshot is the newest."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import nats.errors
import nats.js.errors
from nats.js.api import DiscardPolicy, StorageType, StreamConfig
from twisted.internet.defer import Deferred

if TYPE_CHECKING:
    from chatservice.engines.jetstream.natslink import NatsLink

CHUNK_BYTES = 512 << 10
"""The bytes of a chunk: with eight in flight, 92 MB/s were stored and 446 MB/s read."""

IN_FLIGHT = 8
"""Chunks that are stored or read at once."""

_TRIES = 50
"""Attempts for a chunk, a tenth of a second apart: a server that was down may still lack it."""


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

    def __init__(self, link: "NatsLink", name: str, replicas: int) -> None:
        self._link = link
        self._name = name
        self._replicas = replicas

    def store(self, blob: str, first: int, chunks: Sequence[bytes]) -> "Deferred[None]":
        """Store chunks of a blob, from the `first` on, however long that takes. Raises an error of
        nats-py if the stream refuses them."""
        return self._link.do(self._store(blob, first, chunks))

    def fetch(self, blob: str, first: int, count: int) -> "Deferred[Sequence[bytes]]":
        """Return chunks of a blob. Raises an error of nats-py if one is not there."""
        return self._link.do(self._fetch(blob, first, count))

    def drop(self, blob: str) -> "Deferred[None]":
        """Delete the chunks of a blob."""
        return self._link.do(self._drop(blob))

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

    async def _store(self, blob: str, first: int, chunks: Sequence[bytes]) -> None:
        await asyncio.gather(*(self._put(blob, at, it) for at, it in enumerate(chunks, first)))

    async def _put(self, blob: str, number: int, data: bytes) -> None:
        while True:  # stored twice, it is one message all the same
            try:
                await self._js.publish(f"{self._name}.{blob}.{number}", data)
                return
            except nats.js.errors.ServiceUnavailableError:
                pass
            except nats.js.errors.APIError:
                raise
            except (TimeoutError, nats.errors.Error, OSError):
                pass
            await asyncio.sleep(0.1)

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
            await asyncio.sleep(0.1)
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
