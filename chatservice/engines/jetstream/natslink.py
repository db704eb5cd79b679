"""The connection to the log, in a thread of its own.

nats-py needs an event loop of asyncio. That has a thread, so the server keeps its reactor, and what
nats-py reads, parses and encrypts does not delay talk. All methods are for other threads.
"""

import asyncio
import re
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import nats
import nats.errors
import nats.js.errors
from nats.js.api import (
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    StorageType,
    StreamConfig,
)
from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatservice.engines.jetstream import logservers, natscredentials, snapshotnote
from chatservice.engines.jetstream.chunkstream import EXPECTED, FULL, ChunkStream
from chatservice.engines.jetstream.logaddress import LogAddress
from chatservice.engines.jetstream.snapshotnote import Snapshot
from chatservice.errors import Code, Refusal
from chatservice.replies import ClusterStatus, NodeInfo

T = TypeVar("T")

OLDEST = (2, 15)
"""The oldest version of nats-server with a sync for each write that is fast enough: 2.14 stored
1,900 messages a second, 2.15 more than 20,000."""

CONNECT_SECONDS = 10.0
"""The longest time in which a server must answer at the start."""

LOG_SECONDS = 30.0
"""The longest time in which the servers must have a leader at the start: to elect one takes 4 to 9
seconds, and servers that start have to find each other before."""

ANSWER_SECONDS = 5.0
"""The longest time for an answer to a request that is no message of the log."""

STORED_SECONDS = 1.0
"""The time after which a message is published again, if no answer has come. It is stored once. A
server that is stopped takes messages and does not answer, so with five seconds the writing stood
still for ten when it led the log."""

HEARTBEAT_SECONDS = 0.5
"""The time from one sign of life of the log to the next. Where two are missed, it is followed from
another server: with one second, the writing stood still for 5 to 6 seconds when a follower died."""

NODE_SECONDS = 2.0
"""The longest time that a change waits for the other nodes. A node that takes longer is stopped or
overloaded, and its users have their former rights until it goes on (docs/cluster.md)."""

MISSED_SECONDS = 2.0
"""The time after which a message of the log that does not come is asked for again. nats-py does not
notice where the first ones of a subscription are lost: when a partition ends, say."""

ASK_SECONDS = 2.0
"""The longest time in which servers and nodes answer a question about their state."""

AGAIN_SECONDS = 0.1
"""The time from one attempt to the next: while the servers elect a leader, say."""

_CLUSTER, _BASE = "chat-cluster", "chat-base"
"""The keys of a log's metadata: the id of its cluster, and a mark if it goes on from a base."""

_WRONG_SEQUENCE = 10071


class NotStored(Exception):
    """The log has refused a message, which is not stored, now or later."""


class LogInfo(NamedTuple):
    """The state of the log: the id of its `cluster`, the sequences of its `first` and `last`
    message (the one after the `last`, and the `last`, if there is none), its `bytes`; whether it
    `has_base`: it goes on from the chat of a server that ran alone; and its `copies`, and how many
    of them are `current`: 0 without a leader. A server that is cut off answers, too."""

    cluster: str
    first: int
    last: int
    bytes: int
    has_base: bool
    copies: int
    current: int

    @property
    def quorum(self) -> bool:
        """True if most copies are current, so that the log can be written to."""
        return 2 * self.current > self.copies


Receive = Callable[[int, int, bytes], Awaitable[None]]
"""Takes a message of the log, in the thread of the connection: its sequence, the time at which it
was stored (milliseconds since 1970), and its bytes. The next one comes when it is done."""


class NatsLink:
    """A connection to the log at an address. Answers come in the thread of the `reactor`."""

    log = Logger()

    def __init__(self, reactor: Any, address: LogAddress, node: str) -> None:
        self._reactor = reactor
        self._address = address
        self._subject = f"{address.stream}.{node}"
        self._alive = f"{address.stream}-ALIVE"
        self._here = f"{address.stream}-HERE"
        self._ask_subject = f"{address.stream}-ASK"
        self._node = node
        replicas = 3 if len(address.servers) >= 3 else 1
        self.chunks = ChunkStream(
            self, f"{address.stream}-FILES", replicas, logservers.FileRoom(address)
        )
        self._replicas = replicas
        self._client: Any = None
        self._js: Any = None
        self._trouble = ""  # of the connection, as it was last
        self._own = 0  # the sequence of this node's last message
        self._followed = 0
        self._receiving = False
        self._applied = 0
        self._asked: list[tuple[int, Any]] = []
        self._subscription: Any = None
        self._ended = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="chat-nats", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.close()

    @property
    def most_bytes(self) -> int:
        """The size in bytes that a message may have."""
        return int(self._client.max_payload)

    def connect(self, cluster: str, has_base: bool = False) -> "Deferred[LogInfo]":
        """Connect, and make the log if there is none: then `cluster` is its id, and it `has_base`
        or not. Without an id, the log must be there. Raises `Refusal`, with a sentence for the
        operator."""
        return self.do(self._connect(cluster, has_base))

    def open_chunks(self) -> "Deferred[None]":
        """Make the log's second stream, if there is none. Raises `Refusal`."""
        return self.do(self._answered(lambda: self.chunks.open(self._js)))

    def info(self) -> "Deferred[LogInfo]":
        """Return the state of the log. Raises an error of nats-py."""
        return self.do(self._info())

    def time_of(self, sequence: int) -> "Deferred[int]":
        """Return when a message of the log was stored (milliseconds since 1970). Raises an error of
        nats-py."""
        return self.do(self._time_of(sequence))

    def trim(self, sequence: int) -> "Deferred[None]":
        """Delete the messages up to a sequence from the log, all of which each node that counts has
        applied. Raises an error of nats-py."""
        return self.do(self._trim(sequence))

    def publish(self, data: bytes) -> "Deferred[int]":
        """Add a message to the log. Answer with its sequence when it is stored, however long that
        takes; nothing else is published meanwhile. Raises `NotStored`."""
        return self.do(self._publish(data))

    def follow(self, after: int, receive: Receive, lost: Callable[[], object]) -> "Deferred[None]":
        """Deliver each message behind a sequence, in order, from now on. `lost` is called, in the
        reactor's thread, if the log has been trimmed beyond that."""
        return self.do(self._follow(after, receive, lost))

    def note_applied(self, sequence: int) -> None:
        """Tell whoever waits for it that this node has applied the log up to a message."""
        self._applied = sequence
        if self._asked:
            self.run_soon(self._answer_some)

    def wait_for_nodes(self, nodes: Iterable[str], sequence: int) -> "Deferred[None]":
        """Answer when nodes have applied the log up to a message: all that live, or those that did
        within `NODE_SECONDS`."""
        return self.do(self._wait_for_nodes(sorted(nodes), sequence))

    def applied_by(self, node: str) -> "Deferred[int]":
        """Return how far a node has applied the log; -1 if it does not answer."""
        return self.do(self._applied_by(node))

    def is_alive(self, node: str) -> "Deferred[bool]":
        """Return whether a node answers."""
        return self.do(self._is_alive(node))

    def status(self, nodes: Iterable[str]) -> "Deferred[ClusterStatus]":
        """Return the state of the log, and of nodes."""
        return self.do(self._status(sorted(nodes)))

    def listen(self, received: Callable[[bytes], None]) -> "Deferred[None]":
        """Call a function, in the reactor's thread, with what any node broadcasts from now on."""
        return self.do(self._listen(received))

    def broadcast(self, data: bytes) -> None:
        """Tell all nodes that listen. Nothing of it is stored."""

        def send() -> None:
            self._loop.create_task(self._broadcast(data))

        self.run_soon(send)

    def answer_nodes(self, answer: Callable[[bytes], bytes]) -> "Deferred[None]":
        """Call a function, in the reactor's thread, with each question of another node, and send
        back what it returns, from now on."""
        return self.do(self._answer_nodes(answer))

    def ask_node(self, node: str, question: bytes) -> "Deferred[bytes | None]":
        """Return a node's answer to a question; None if there is none in `ASK_SECONDS`."""
        return self.do(self._ask_node(node, question))

    def run_soon(self, call: Callable[[], object]) -> None:
        """Call a function in the thread of the connection."""
        with suppress(RuntimeError):  # it has ended
            self._loop.call_soon_threadsafe(call)

    def close(self) -> None:
        """End the connection, and the thread."""
        self._ended = True
        closing = asyncio.run_coroutine_threadsafe(self._close(), self._loop)
        with suppress(Exception):
            closing.result(2.0)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(2.0)

    def do(self, work: Coroutine[Any, Any, T]) -> "Deferred[T]":
        """Run a coroutine in the thread; answer in the reactor's."""
        answer: Deferred[T] = Deferred()
        if self._ended:
            work.close()
            return fail(NotStored("it has ended"))

        def done(future: "Future[T]") -> None:
            error = future.exception() if not future.cancelled() else NotStored("it has ended")
            if error is not None:
                self._reactor.callFromThread(answer.errback, Failure(error))
            else:
                self._reactor.callFromThread(answer.callback, future.result())

        asyncio.run_coroutine_threadsafe(work, self._loop).add_done_callback(done)
        return answer

    # -- in the thread of the connection ---------------------------------------------------------

    async def _connect(self, cluster: str, has_base: bool) -> LogInfo:
        address = self._address
        try:
            options = _options(address)
            connecting = self._loop.create_task(
                nats.connect(
                    servers=list(address.servers),
                    name=f"chat {self._node}",
                    ping_interval=1,
                    max_outstanding_pings=2,
                    reconnect_time_wait=0.1,
                    max_reconnect_attempts=-1,
                    allow_reconnect=True,
                    error_cb=self._failed,
                    **options,
                )
            )
            # nats-py may go on trying although it is cancelled, so nobody waits for that.
            done, _ = await asyncio.wait({connecting}, timeout=CONNECT_SECONDS)
            if not done:
                connecting.cancel()
                raise TimeoutError(self._trouble or "it does not answer in time")
            self._client = connecting.result()
            self._trouble = ""
        except (TimeoutError, OSError, nats.errors.Error, ValueError) as error:
            raise _refusal(
                "No server of {servers} lets this one in ({why}); start nats-server there, or "
                "correct --engine.",
                servers=address,
                why=_why(error),
            ) from None
        self._js = self._client.jetstream(timeout=ANSWER_SECONDS)
        await self._check_servers()
        return await self._answered(lambda: self._open_stream(cluster, has_base))

    async def _answered(self, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return what the servers answer, once they have a leader. Raises `Refusal`."""
        until = self._loop.time() + LOG_SECONDS
        while True:
            try:
                return await ask()
            except (TimeoutError, nats.errors.Error, OSError) as error:
                if self._loop.time() > until:
                    raise _refusal(
                        "The servers {servers} have no log to write to ({why}); see that most of "
                        "them run, with JetStream.",
                        servers=self._address,
                        why=_why(error),
                    ) from None
            await asyncio.sleep(AGAIN_SECONDS)

    async def _failed(self, error: Exception) -> None:
        before = self._trouble
        if isinstance(error, OSError) and "authorization" in before.lower():
            return  # a server that refuses a login ends the connection, too
        self._trouble = _why(error)
        if self._trouble != before:
            self.log.info("the connection to the log: {why}", why=self._trouble)

    async def _check_servers(self) -> None:
        """Raise `Refusal` unless each server that answers is new enough, and syncs each write: with
        the default, which syncs every two minutes, servers that lose their power lose what was
        acknowledged."""
        url = self._client.connected_url
        host = url.hostname if url is not None else str(self._address)
        _check_version(host, str(self._client._server_info.get("version", "0")))
        until = self._loop.time() + CONNECT_SECONDS
        while not (states := await logservers.look_at(self._address)):
            if self._loop.time() > until:
                raise _refusal(
                    "No server of {servers} tells on port {port} whether it syncs what it stores; "
                    "let nats-server listen there for monitoring, or name its port in --engine: "
                    "?http=PORT.",
                    servers=self._address,
                    port=self._address.http,
                )
            await asyncio.sleep(AGAIN_SECONDS)
        for it in states:
            _check_version(it.host, it.version)
            if not it.synced:
                raise _refusal(
                    "The server {host} does not sync what it stores; set sync_interval: always "
                    "in the block jetstream of its configuration.",
                    host=it.host,
                )

    async def _open_stream(self, cluster: str, has_base: bool) -> LogInfo:
        name = self._address.stream
        metadata = {_CLUSTER: cluster} | ({_BASE: "yes"} if has_base else {})
        try:
            info = await self._info() if cluster else await self._find_log()
        except nats.js.errors.NotFoundError:
            with suppress(nats.js.errors.BadRequestError):  # another node was first
                await self._make_stream(name, metadata)
            info = await self._info()
        if not info.cluster:
            raise _refusal(
                "The stream {name} is another program's; name another one: --engine "
                "nats://HOST:PORT/NAME.",
                name=name,
            )
        return info

    async def _find_log(self) -> LogInfo:
        """Return the state of a log that must be there; servers that start may find it late."""
        until = self._loop.time() + CONNECT_SECONDS
        while True:
            with suppress(nats.js.errors.NotFoundError):
                return await self._info()
            if self._loop.time() > until:
                raise _refusal(
                    "The servers {servers} have no log {name}, to which the directory of --data "
                    "belongs; name its log with --engine, or an empty directory with --data.",
                    servers=self._address,
                    name=self._address.stream,
                )
            await asyncio.sleep(AGAIN_SECONDS)

    async def _info(self) -> LogInfo:
        found = await self._js.stream_info(self._address.stream)
        metadata, state = found.config.metadata or {}, found.state
        cluster = metadata.get(_CLUSTER, "")
        copies, servers = found.config.num_replicas, found.cluster
        current = int(servers is None or bool(servers.leader))
        if current and servers is not None and servers.replicas:
            current += sum(bool(it.current and not it.offline) for it in servers.replicas)
        messages = cluster, state.first_seq, state.last_seq, state.bytes
        return LogInfo(*messages, _BASE in metadata, copies, current)

    async def _time_of(self, sequence: int) -> int:
        message = await self._js.get_msg(self._address.stream, sequence)
        time: float = message.time.timestamp()
        return round(time * 1000)

    async def _trim(self, sequence: int) -> None:
        await self._js.purge_stream(self._address.stream, seq=sequence + 1)

    async def _make_stream(self, name: str, metadata: dict[str, str]) -> None:
        config = StreamConfig(
            name=name,
            subjects=[f"{name}.*"],
            storage=StorageType.FILE,
            discard=DiscardPolicy.NEW,
            num_replicas=self._replicas,
            metadata=metadata,
        )
        await self._js.add_stream(config)

    async def _publish(self, data: bytes) -> int:
        before = expected = self._own
        unknown = False
        while self._own == before:  # its delivery may come before the answer
            try:
                headers = {EXPECTED: str(expected)}
                ack = await self._js.publish(
                    self._subject, data, timeout=STORED_SECONDS, headers=headers
                )
                self._own = max(self._own, ack.seq)
                break
            except nats.js.errors.APIError as error:
                if error.err_code == _WRONG_SEQUENCE:
                    stored = int((re.findall(r"\d+", error.description or "") or ["0"])[-1])
                    self._own = max(self._own, stored)
                    if not stored and await self._begins_behind(before):
                        # All messages of this node are trimmed. It had applied them (`trim`), so
                        # this one was not among them.
                        expected = 0
                    else:  # a server that leads anew and is behind: the message may be stored
                        unknown = True
                elif error.err_code in FULL and not unknown:
                    raise NotStored(_why(error)) from error
                else:
                    unknown = True
            except nats.errors.MaxPayloadError as error:
                raise NotStored(_why(error)) from error
            except (TimeoutError, nats.errors.Error, OSError) as error:
                # Without a stream's answer, nothing is known: it may be stored, and must not be
                # refused any more.
                unknown = unknown or not isinstance(error, nats.js.errors.NoStreamResponseError)
                self.log.debug("not stored yet: {why}", why=_why(error))
            if self._own == before:
                await asyncio.sleep(AGAIN_SECONDS)
        return self._own

    async def _begins_behind(self, sequence: int) -> bool:
        """Return whether the log begins behind a message."""
        while True:
            with suppress(TimeoutError, nats.errors.Error, OSError):
                return (await self._info()).first > sequence
            await asyncio.sleep(AGAIN_SECONDS)

    async def _follow(self, after: int, receive: Receive, lost: Callable[[], object]) -> None:
        self._followed = after
        await self._client.subscribe(f"{self._alive}.{self._node}", cb=self._take_question)
        again: asyncio.Task[None] | None = None

        async def take(message: Any) -> None:
            nonlocal again
            metadata = message.metadata
            sequence = metadata.sequence.stream
            if sequence <= self._followed:
                return
            if sequence > self._followed + 1:  # one was lost on its way, or is trimmed
                if again is None or again.done():
                    again = self._loop.create_task(subscribe_again())
                return
            self._followed = sequence
            if message.subject == self._subject:
                self._own = max(self._own, sequence)
            self._receiving = True
            await receive(sequence, round(metadata.timestamp.timestamp() * 1000), message.data)
            self._receiving = False

        async def subscribe() -> None:
            if self._subscription is not None:
                with suppress(nats.errors.Error):
                    await self._subscription.unsubscribe()
            start = ConsumerConfig(
                deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=self._followed + 1
            )
            stream = self._address.stream
            self._subscription = await self._js.subscribe(
                f"{stream}.*",
                stream=stream,
                ordered_consumer=True,
                idle_heartbeat=HEARTBEAT_SECONDS,
                cb=take,
                config=start,
            )

        async def subscribe_again() -> None:
            while True:
                with suppress(TimeoutError, nats.errors.Error, OSError):
                    if (await self._info()).first > self._followed + 1:
                        self._reactor.callFromThread(lost)
                        await self._subscription.unsubscribe()
                        return
                    await subscribe()
                    return
                await asyncio.sleep(AGAIN_SECONDS)

        await self._answered(subscribe)
        self._loop.create_task(self._look_for_missed(subscribe_again))

    async def _look_for_missed(self, subscribe_again: Callable[[], Awaitable[None]]) -> None:
        """Follow the log anew where a message of it does not come."""
        last = 0  # the last one that the log had when it was looked at before
        while True:
            before = self._followed
            await asyncio.sleep(MISSED_SECONDS)
            if self._followed != before or self._receiving:
                last = 0
                continue
            if before < last:
                self.log.warn("message {number} of the log did not come", number=before + 1)
                await subscribe_again()
            with suppress(TimeoutError, nats.errors.Error, OSError):
                last = (await self._js.stream_info(self._address.stream)).state.last_seq

    async def _listen(self, received: Callable[[bytes], None]) -> None:
        async def take(message: Any) -> None:
            self._reactor.callFromThread(received, message.data)

        await self._client.subscribe(self._here, cb=take)

    async def _broadcast(self, data: bytes) -> None:
        with suppress(nats.errors.Error):  # no connection: the others see that they miss something
            await self._client.publish(self._here, data)

    async def _answer_nodes(self, answer: Callable[[bytes], bytes]) -> None:
        async def take(message: Any) -> None:
            def reply() -> None:
                data = answer(message.data)
                self.run_soon(lambda: self._loop.create_task(_respond(message, data)))

            self._reactor.callFromThread(reply)

        await self._client.subscribe(f"{self._ask_subject}.{self._node}", cb=take)

    async def _ask_node(self, node: str, question: bytes) -> bytes | None:
        with suppress(TimeoutError, nats.errors.Error, OSError):
            subject = f"{self._ask_subject}.{node}"
            answer = await self._client.request(subject, question, timeout=ASK_SECONDS)
            data: bytes = answer.data
            return data
        return None

    async def _take_question(self, message: Any) -> None:
        """Take the question of another node: has this one applied the log up to a message?"""
        with suppress(ValueError):
            self._asked.append((int(message.data), message))
            self._answer_some()

    def _answer_some(self) -> None:
        for question in [it for it in self._asked if it[0] <= self._applied]:
            self._asked.remove(question)
            answer = f"{self._applied} {socket.gethostname()}".encode()
            self._loop.create_task(question[1].respond(answer))

    async def _wait_for_nodes(self, nodes: Sequence[str], sequence: int) -> None:
        await asyncio.gather(*(self._is_alive(it, sequence, NODE_SECONDS) for it in nodes))

    async def _is_alive(self, node: str, applied: int = 0, seconds: float = 1.0) -> bool:
        try:
            await self._client.request(f"{self._alive}.{node}", b"%d" % applied, timeout=seconds)
        except nats.errors.NoRespondersError:
            return False
        except (TimeoutError, nats.errors.Error):
            pass  # one that is slow is not gone
        return True

    async def _status(self, nodes: Sequence[str]) -> ClusterStatus:
        asked = asyncio.gather(*(self._node_status(it) for it in nodes))
        info = LogInfo("", 0, self._followed, 0, False, self._replicas, 0)
        with suppress(TimeoutError, nats.errors.Error, OSError):
            info = await asyncio.wait_for(self._info(), ASK_SECONDS)
        rows = tuple(
            NodeInfo(host, node == self._node, max(info.last - applied, 0) if applied >= 0 else -1)
            for node, (applied, host) in zip(nodes, await asked, strict=True)
        )
        snapshot = await self._snapshot()
        stands, size = (snapshot.sequence, snapshot.size) if snapshot is not None else (0, 0)
        log = str(self._address), info.first, info.last, stands, size
        return ClusterStatus(*log, info.copies, info.current, info.quorum, rows)

    async def _snapshot(self) -> Snapshot | None:
        with suppress(TimeoutError, nats.errors.Error, OSError, Refusal):
            note = await asyncio.wait_for(self.chunks.read_note(), ASK_SECONDS)
            return snapshotnote.decode(note.data)
        return None

    async def _applied_by(self, node: str) -> int:
        return (await self._node_status(node))[0]

    async def _node_status(self, node: str) -> tuple[int, str]:
        """Return how far a node is, and its host; -1 if it does not answer."""
        with suppress(TimeoutError, nats.errors.Error, OSError, ValueError):
            subject = f"{self._alive}.{node}"
            answer = await self._client.request(subject, b"0", timeout=ASK_SECONDS)
            applied, _, host = answer.data.decode().partition(" ")
            return int(applied or -1), host
        return -1, f"an unknown host, {node}"

    async def _close(self) -> None:
        if self._client is not None:
            await self._client.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()


async def _respond(message: Any, data: bytes) -> None:
    with suppress(nats.errors.Error):  # no connection: whoever asked hears nothing
        await message.respond(data)


def _options(address: LogAddress) -> dict[str, Any]:
    """Return the options of a connection for TLS and for a login. Raises `Refusal`, `OSError`."""
    options: dict[str, Any] = {}
    if address.tls:
        options["tls"] = ssl.create_default_context(cafile=address.ca)
    if address.creds:
        options.update(natscredentials.options(address.creds))
    if address.login:
        words = Path(address.login).read_text().split()
        if len(words) != 2:
            raise _refusal(
                "The file {file} is to have a name and a password, and nothing else.",
                file=address.login,
            )
        options["user"], options["password"] = words
    return options


def _check_version(host: str, version: str) -> None:
    numbers = tuple(int(it) for it in re.findall(r"\d+", version)[:2])
    if numbers < OLDEST:
        raise _refusal(
            "nats-server {version} at {host} is too old for a cluster; install {oldest} or newer.",
            version=version,
            host=host,
            oldest=".".join(map(str, OLDEST)),
        )


def _why(error: BaseException) -> str:
    """Return why something failed, in a few words."""
    described = getattr(error, "description", None) or str(error) or type(error).__name__
    return str(described).removeprefix("nats: ")


def _refusal(text: str, **values: Any) -> Refusal:
    return Refusal(Code.NOT_STORED, text, **values)
