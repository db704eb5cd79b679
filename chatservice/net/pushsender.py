"""Sends push messages to the push services of browsers (RFC 8030), which hand them on.

Any registered user names such a service, so it is not trusted: the server connects to public
addresses only, reads little of an answer and not for long, and follows no redirect.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import suppress
from io import BytesIO
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import wrapClientTLS
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, BrowserLikePolicyForHTTPS, FileBodyProducer, readBody
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from chatservice.domain.figures import Pushes
from chatservice.domain.ports.push_ports import PushSubscription
from chatservice.errors import Code, Refusal
from chatservice.limits import Limits
from chatservice.net import webpush
from chatservice.net.fairqueue import RoundRobin
from chatservice.net.publicendpoint import BoundedEndpoint, CheckedEndpoint, NotPublic, is_public
from chatservice.net.webpush import ServerKey

HTTPS_PORT = 443

ANSWER_BYTES = 64 << 10
"""The most that is read on one connection: of an answer, only the status counts."""

PAUSES = (1, 6, 0)
"""The pauses behind attempts to send a message, in `Limits.push_retry_seconds`; none behind the
last one. A service may ask for longer ones."""

LONGEST_RETRY = 120.0
"""The longest time that a service may ask for."""

KEPT_SECONDS = 86400
"""The time for which a service keeps a message for a browser that is off (RFC 8030, 5.2)."""

NOTE_SECONDS = 60.0
"""The shortest time between two lines of the log about what failed."""

_GONE = frozenset({404, 410})
"""The statuses of a subscription that has ended (RFC 8030, 7.3)."""

_OVERHEAD = 2000
"""Bytes of memory that a waiting message takes beside itself and its address, about."""

_ENDPOINT = re.compile(
    r"https://([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?/[!\"$-~]*", re.ASCII
)
"""An address at a push service."""


class PushSender:
    """The port `PushService`.

    `key` is the server's, and `contact` where push services reach the operator. `allowed` has the
    services that need no public address, as `HOST` or `HOST:PORT`. `on_gone` is called with each
    subscription that has ended. `now` tells the time in seconds since 1970.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        key: ServerKey,
        contact: str,
        allowed: Collection[str],
        limits: Limits,
        figures: Pushes,
        on_gone: Callable[[PushSubscription], None],
        now: Callable[[], float],
    ) -> None:
        self.public_key = key.public
        self._reactor, self._key, self._contact = reactor, key, contact
        self._allowed = {it if ":" in it else f"{it}:{HTTPS_PORT}" for it in allowed}
        self._limits, self._figures, self._on_gone, self._now = limits, figures, on_gone, now
        self._agent = Agent.usingEndpointFactory(reactor, _Endpoints(reactor, self._is_allowed))
        self._turns = RoundRobin()
        self._waiting: Counter[str] = Counter()
        self._bytes = 0
        self._noted = -NOTE_SECONDS
        self._running: set[Deferred[None]] = set()

    def check(self, endpoint: str, public: str, secret: str) -> None:
        """Raise `Refusal` (bad-argument) for what is no subscription of a browser's."""
        found = _ENDPOINT.fullmatch(endpoint)
        if found is None or len(endpoint) > self._limits.push_endpoint_bytes:
            told = "That is not the address of a push service; give the one that the browser has."
            raise Refusal(Code.BAD_ARGUMENT, told)
        host, port = found[1].strip("[]").lower(), int(found[2] or HTTPS_PORT)
        if not self._is_allowed(host, port) and (port != HTTPS_PORT or _is_local(host)):
            told = "This server sends to public push services only; its operator may allow others."
            raise Refusal(Code.BAD_ARGUMENT, told)
        try:
            webpush.check_keys(public, secret)
        except ValueError:
            told = "Those are not the keys of a browser; give the ones of its subscription."
            raise Refusal(Code.BAD_ARGUMENT, told) from None

    def _is_allowed(self, host: str, port: int) -> bool:
        return f"{host}:{port}" in self._allowed

    def send(
        self, subscription: PushSubscription, payload: bytes, wanted: Callable[[], bool]
    ) -> None:
        """Send a payload, if it is still `wanted` when its turn comes. It is dropped if too much
        waits already."""
        account, size = subscription.account, len(payload) + len(subscription.endpoint) + _OVERHEAD
        if (
            self._waiting.total() >= self._limits.pushes_waiting
            or self._waiting[account] >= self._limits.pushes_waiting_an_account
            or self._bytes + size > self._limits.push_bytes_waiting
        ):
            self._figures.dropped += 1
            return
        self._waiting[account] += 1
        self._bytes += size
        running = Deferred.fromCoroutine(self._deliver(subscription, payload, wanted))
        self._running.add(running)
        running.addBoth(self._delivered, running, account, size)

    def _delivered(self, it: Any, running: "Deferred[None]", account: str, size: int) -> None:
        self._running.discard(running)
        self._bytes -= size
        self._waiting[account] -= 1
        if not self._waiting[account]:
            del self._waiting[account]
        if isinstance(it, Failure):
            self.log.failure("sending a push message failed", it)

    def stop(self) -> None:
        """Send nothing more."""
        for running in tuple(self._running):
            running.addErrback(lambda failure: None)
            running.cancel()

    async def _deliver(
        self, subscription: PushSubscription, payload: bytes, wanted: Callable[[], bool]
    ) -> None:
        for pause in PAUSES:
            await self._turns.acquire(subscription.account, self._limits.pushes_at_once)
            try:
                if not wanted():
                    self._figures.dropped += 1
                    return
                asked = await self._attempt(subscription, payload)
            finally:
                self._turns.release()
            if asked is None:
                return
            if pause:
                seconds = max(pause * self._limits.push_retry_seconds, asked)
                await deferLater(self._reactor, min(seconds, LONGEST_RETRY))
        self._figures.failed += 1

    async def _attempt(self, subscription: PushSubscription, payload: bytes) -> float | None:
        """Send a payload once. Return None if that is all, or after how many seconds the service
        asks for another attempt."""
        posting = Deferred.fromCoroutine(self._post(subscription, payload))
        posting.addTimeout(self._limits.push_seconds, self._reactor)
        try:
            status, asked = await posting
        except NotPublic as error:
            self._figures.failed += 1
            self._note(subscription, str(error))
            return None
        except Exception as error:  # of the network, of TLS, or of what is no HTTP
            self._note(subscription, type(error).__name__)
            return 0.0
        if 200 <= status < 300:
            self._figures.sent += 1
            return None
        if status in _GONE:
            self._figures.gone += 1
            self._on_gone(subscription)
            return None
        self._note(subscription, f"status {status}")
        if status == 429 or status >= 500:
            return asked
        self._figures.failed += 1
        return None

    async def _post(self, subscription: PushSubscription, payload: bytes) -> tuple[int, float]:
        """Return the status, and the seconds of `Retry-After` (RFC 9110, 10.2.3)."""
        it = subscription
        keys = webpush.decode(it.public), webpush.decode(it.secret)
        headers = {
            "Authorization": self._key.authorization(it.endpoint, self._contact, self._now()),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(KEPT_SECONDS),
            "Urgency": "normal",
        }
        response = await self._agent.request(
            b"POST",
            it.endpoint.encode("ascii"),
            Headers({name: [value] for name, value in headers.items()}),
            FileBodyProducer(BytesIO(webpush.encrypt(payload, *keys))),
        )
        (asked, *_) = response.headers.getRawHeaders("Retry-After") or ["0"]
        with suppress(Exception):  # the status is known
            await readBody(response)
        return response.code, float(asked) if re.fullmatch("[0-9]{1,9}", asked) else 0.0

    def _note(self, subscription: PushSubscription, why: str) -> None:
        """Log a failure, unless that was done just now: any user can cause as many as they like."""
        now = self._reactor.seconds()
        if now - self._noted >= NOTE_SECONDS:
            self._noted = now
            host = subscription.endpoint.split("/")[2]
            self.log.info("a push message to {host} was not sent ({why})", host=host, why=why)


def _is_local(host: str) -> bool:
    """Return whether a host is an address that is not public. A name's are known later."""
    try:
        return not is_public(host)
    except ValueError:
        return False


@implementer(IAgentEndpointFactory)
class _Endpoints:
    """Makes the connections of an `Agent`: with TLS, to public addresses, or to whichever address
    where `is_allowed` says so of a host and a port."""

    def __init__(self, reactor: Any, is_allowed: Callable[[str, int], bool]) -> None:
        self._reactor, self._is_allowed = reactor, is_allowed
        self._policy = BrowserLikePolicyForHTTPS()

    def endpointForURI(self, uri: URI) -> BoundedEndpoint:
        """Return the endpoint of an address."""
        host, port = uri.host.decode("ascii").strip("[]").lower(), uri.port
        checked = CheckedEndpoint(self._reactor, host, port, self._is_allowed(host, port))
        options = self._policy.creatorForNetloc(host.encode("ascii"), port)
        return BoundedEndpoint(wrapClientTLS(options, checked), ANSWER_BYTES)
