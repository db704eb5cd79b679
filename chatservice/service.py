"""The service that `twistd chat` and tac/chat.tac start: it makes all parts and connects them."""

import atexit
import gc
import os
import sys
import time
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import quoteStringArgument, serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatservice import adminsocket, config
from chatservice.domain.chat import Chat
from chatservice.domain.ports.engine_ports import Engine
from chatservice.domain.users import Registration, RegistrationPolicy
from chatservice.engines.sqlite import pushkey, selfsigned
from chatservice.engines.sqlite.engine import SqliteEngine
from chatservice.errors import Code, Refusal
from chatservice.eventloop import ReactorLoop
from chatservice.net import outlet
from chatservice.net.admission import AdmissionFactory
from chatservice.net.deadpeers import DeadPeers
from chatservice.net.fairqueue import PasswordQueue
from chatservice.net.pushsender import PushSender
from chatservice.net.tls import Certificate
from chatservice.net.webpush import ServerKey
from chatservice.protocols.factory import ChatFactory
from chatservice.reload import Reloader, limits_of

FAREWELL_SECONDS = 3.0
"""The longest time in which connections may take the server's farewell."""

SAVING_SECONDS = 10.0
"""The longest time in which a node of a cluster that stops stores what was said last. Without a
quorum it cannot; then nothing of that was acknowledged."""

GARBAGE = 50_000, 20, 100
"""New objects before a garbage collection (`gc.set_threshold`). Talk makes many, hardly any of them
in cycles. With the default, collections take 4 % of the CPU time (docs/performance.md)."""


_SILENT = "silent:"
"""The prefix of an endpoint of `--listen` that greets nobody (docs/web.md)."""

_AUTO = "auto"
"""The value of `--tls` for a certificate of the server's own."""


class ChatService(Service):
    """The server: its ports, its storage, and its chat.

    `options` are the parsed `chatservice.options.Options`. If a port or the storage cannot be used,
    the start ends the program with one sentence and a status other than 0.
    """

    log = Logger()

    def __init__(self, options: Mapping[str, Any], reactor: Any) -> None:
        self.setName("chat")
        self.limits = limits_of(options)
        self.factory = ChatFactory(
            reactor,
            not options["slash-only"],
            self.limits,
            host_names=options["host-names"],
            public_url=options["public-url"],
            metrics_from=options["metrics-from"],
            branding=options["branding"],
        )
        self._options = options
        self._reactor = reactor
        self._engine: Engine | None = None
        self._admin_port: IListeningPort | None = None
        self._pushes: PushSender | None = None
        self._listening: list[Any] = []
        self._reloader = Reloader(reactor, options, self.limits)
        self.factory.sts_seconds = options["irc-sts"]
        self.factory.reload = self._reloader.reload
        self._sweeping = LoopingCall(self._sweep)
        self._sweeping.clock = reactor

    def privilegedStartService(self) -> None:
        """Open the ports, and read the operator's key, before the process drops its rights.

        The reactor does not run yet.
        """
        super().privilegedStartService()
        if self._options["tls"] not in (None, _AUTO):
            self._use_certificate(Path(self._options["tls"]))
        entrances = AdmissionFactory(self.factory), AdmissionFactory(self.factory, greets=False)
        for endpoint in endpoints(self._options, self.limits.accepting):
            try:
                found: list[Any] = []
                inner = endpoint.removeprefix(_SILENT)
                entrance = entrances[inner != endpoint]
                serverFromString(self._reactor, inner).listen(entrance).addBoth(found.append)
                self._listening.append(outlet.prepare_port(_result(found), self.limits))
            except Exception as error:  # whatever a kind of endpoint may raise
                self._fail(
                    f"cannot listen on {config.shorten(endpoint)} "
                    f"({config.shorten(_reason(error))}); name another one."
                )

    def startService(self) -> None:
        """Open the data directory, and load what is stored there."""
        super().startService()
        data = Path(self._options["data"])
        files = Path(self._options["files"] or data / "SharedFiles")
        try:
            engine = self._engine = self._make_engine(data, files)
            if self._options["tls"] == _AUTO:
                self._use_certificate(selfsigned.own(data))
            self.factory.chat = self._chat(engine)
            if not self._options["no-push"]:
                self._pushes = self.factory.chat.pushing.service = self._push_sender(data)
            self._wait_for(Deferred.fromCoroutine(self._open(engine, data)))
        except (Refusal, OSError, RuntimeError) as error:
            self._fail(self._unusable(error))

    def _make_engine(self, data: Path, files: Path) -> Engine:
        """Return the engine that the options ask for. Raises `Refusal`."""
        keys = [self._options["tls"]] if self._options["tls"] not in (None, _AUTO) else []
        common: dict[str, Any] = {"checkers": self._options["checkers"], "limits": self.limits}
        common["keys"] = [*map(Path, keys)]
        address = self._options["engine"]
        if address is None:
            keep = self._options["keep-seconds"], self._options["keep-bytes"]
            return SqliteEngine(self._reactor, data, files, *keep, **common)
        try:  # nats-py is of the extra `cluster`
            from chatservice.engines.jetstream.clusterengine import JetStreamEngine
        except ImportError as error:
            text = "--engine needs nats-py, which is not installed; install it with pip."
            raise Refusal(Code.NOT_STORED, text) from error
        return JetStreamEngine(self._reactor, address, data, files, self._end, **common)

    def _unusable(self, error: BaseException | None) -> str:
        """Return the sentence that says why the storage cannot be used."""
        if isinstance(error, Refusal):
            return error.sentence
        why = _reason(error)  # such as a path that is too long, or a loop of links
        return f"{self._options['data']} cannot be used ({why}); name another directory."

    def _chat(self, engine: Engine) -> Chat:
        guests = not self._options["no-guests"]
        policy = RegistrationPolicy(guests, Registration(self._options["registration"]))
        chat = Chat(
            engine,
            clock=time.time,
            loop=ReactorLoop(self._reactor),
            report=self.log.info,
            policy=policy,
            queue=PasswordQueue(self._reactor, self.limits),
            seconds=self._reactor.seconds,
            limits=self.limits,
        )
        chat.overview.connections = self.factory
        return chat

    def _push_sender(self, data: Path) -> PushSender:
        """Return what sends push messages, with the key in the data directory. Raises `Refusal`."""
        try:
            key = ServerKey(pushkey.own(data, ServerKey.made))
        except ValueError as error:
            path = data / pushkey.NAME
            told = f"{path} has no key; put it back, or remove it, and users subscribe anew."
            raise Refusal(Code.NOT_STORED, told) from error
        pushing = self.factory.chat.pushing
        to = self._options["push-contact"], self._options["push-to"]
        return PushSender(
            *(self._reactor, key, *to, self.limits, pushing.figures, pushing.ended),
            now=time.time,
        )

    async def _open(self, engine: Engine, data: Path) -> None:
        """Load what is stored, then start everything else. Raises `Refusal`."""
        await engine.start()
        await self.factory.chat.open(self._options["rooms"])
        self._open_admin_socket(data)
        gc.freeze()  # these objects stay: no collection needs to look at them
        gc.set_threshold(*GARBAGE)
        self._reloader.start()
        self.factory.idle.start()
        self.factory.lag.start()
        factory = self.factory
        slices = factory.timeslices
        DeadPeers(factory.reactor, factory.connections, slices.run, self.limits).start()
        self._sweeping.start(self.limits.vacant_seconds, now=False)
        for port in self._listening:
            self.log.info("listening on {address}", address=address(port.getHost()))

    def _wait_for(self, opening: "Deferred[None]") -> None:
        """Accept no connection before the engine is ready. Most engines are at once; then an error
        is raised here, and ends the program."""
        if opening.called:
            found: list[Any] = []
            opening.addBoth(found.append)
            _result(found)
            return
        for port in self._listening:
            port.stopReading()
        opening.addCallbacks(self._accept, self._fail_later)

    def _accept(self, _: None) -> None:
        for port in self._listening:
            port.startReading()

    def _fail_later(self, failure: Failure) -> None:
        """End the program, whose reactor runs: twistd would end with the status 0."""
        if not failure.check(Refusal, OSError):
            self.log.failure("the storage cannot be used", failure)
        self._end(failure.value)

    def _end(self, why: BaseException | None) -> None:
        """End the program, whose reactor runs, with one sentence and a status other than 0."""
        sentence = config.as_sentence(self._unusable(why))
        self.log.critical("chat: {sentence}", sentence=sentence)
        atexit.register(_exit_failed)
        self._reactor.stop()

    def _use_certificate(self, path: Path) -> None:
        """Use the certificate at `path` for TLS."""
        try:
            certificate = Certificate(path)
        except Refusal as refusal:
            self._fail(refusal.sentence)
        self.factory.use_certificate(certificate, self._options["tls-only"])
        self.log.info("TLS with the certificate of SHA-256 {it}", it=certificate.fingerprint)

    def _open_admin_socket(self, data: Path) -> None:
        """Open the admin socket in the data directory. If that fails, everything else goes on."""
        if data.stat().st_mode & 0o022:
            self.log.warn("others can write to {data}; that makes them operators", data=data)
        umask = os.umask(0o177)  # nobody else may open it, from its first moment on
        try:
            where = adminsocket.address(data)
            with suppress(FileNotFoundError):  # a killed server left it: we have the lock
                os.unlink(where)
            operators = self.factory.admin_factory()
            port = self._reactor.listenUNIX(where, operators, mode=0o600)
            self._admin_port = outlet.prepare_port(port, self.limits)
        except (OSError, CannotListenError) as error:
            self.log.error("no admin socket in {data} ({why})", data=data, why=_reason(error))
        finally:
            os.umask(umask)

    def _sweep(self) -> "Deferred[None]":
        sweeping = Deferred.fromCoroutine(self.factory.chat.rooms.remove_vacant())
        return sweeping.addErrback(lambda why: self.log.failure("vacant rooms stay", why))

    def _fail(self, sentence: str) -> NoReturn:
        sentence = config.as_sentence(sentence)
        self.log.critical("{sentence}", sentence=sentence)
        raise SystemExit(f"chat: {sentence}")

    async def _stop(self) -> None:
        for port in self._listening:
            port.stopListening()
        if self._pushes is not None:
            self._pushes.stop()
        if self._admin_port is not None:
            await maybeDeferred(self._admin_port.stopListening)  # this removes its socket too
        if self._engine is not None:
            await self._engine.stopping()
            await self._in_time(self._save_talk())
            self.factory.farewell("The server is stopping; come back later.")
            await self.factory.when_empty(FAREWELL_SECONDS)
            await self._in_time(self.factory.chat.reading.save())
            await self._engine.stop()

    def _in_time(self, saving: Coroutine[Any, Any, None]) -> "Deferred[None]":
        """Store what was accepted; in a cluster, as long as its log may be expected to answer."""
        saved = Deferred.fromCoroutine(saving)
        if self._options["engine"] is not None:
            saved.addTimeout(SAVING_SECONDS, self._reactor)
            saved.addErrback(lambda _: self.log.warn("the log does not answer: not all is stored"))
        return saved

    async def _save_talk(self) -> None:
        await self.factory.chat.publisher.settled()
        await self.factory.chat.presence.save_all()

    def stopService(self) -> "Deferred[None]":
        """Store what was accepted, send a farewell to everybody, and stop."""
        super().stopService()
        self._reloader.stop()
        self.factory.lag.stop()
        if self._sweeping.running:
            self._sweeping.stop()
        return Deferred.fromCoroutine(self._stop())


def endpoints(options: Mapping[str, Any], accepting: int) -> list[str]:
    """Return the endpoint strings of `--port` (on `--interface`) and `--listen`.

    `accepting` is how many connections may wait to be accepted on a port.
    """
    interface = options["interface"]
    kind = "tcp6" if ":" in interface else "tcp"
    where = f":interface={quoteStringArgument(interface)}" if interface else ""
    ports = [f"{kind}:{port}{where}:backlog={accepting}" for port in options["ports"]]
    return [*ports, *options["listen"]]


def address(host: Any) -> str:
    """Return an address in the form of the log: `0.0.0.0:5555`."""
    if hasattr(host, "port"):
        return f"{host.host}:{host.port}"
    name = getattr(host, "name", host)
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)


def _result(found: list[Any]) -> Any:
    """Return the result of an operation that does not wait, or raise its error."""
    if not found:
        raise OSError("it does not answer at once")
    if isinstance(found[0], Failure):
        found[0].raiseException()
    return found[0]


def _exit_failed() -> None:
    """Exit with a status other than 0, whatever has called `exit`."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


def _reason(error: BaseException | None) -> str:
    inner = getattr(error, "socketError", error)
    return getattr(inner, "strerror", None) or str(inner)
