"""A way to a server over TLS, whose certificate is checked before anything is sent.

A server has a certificate of its own making as a rule, so what counts is that it is the one that
was seen first, as with SSH (RFC 4251, 4.1). One that an authority vouches for, which this system
trusts, is taken as it is: it is renewed every few weeks. But a server that had such a one once is
not believed without any more.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from cryptography.hazmat.primitives import hashes
from twisted.internet.defer import TimeoutError
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS

from chatservice import limits
from chatservice.client.connection import Lost
from chatservice.client.doors import reached
from chatservice.client.handshake import NOT_TLS, Connection, Identity, Shaking
from chatservice.client.known import VERIFIED, Known, Unclear, place_of
from chatservice.errors import Code, Refusal

P = TypeVar("P")


class Secure:
    """TLS to `host` and `port`. With `trust`, its certificate must be the one with that fingerprint
    and is remembered. `tell` is given a sentence about one that is seen for the first time."""

    def __init__(
        self,
        reactor: Any,
        host: str,
        port: int,
        known: Known,
        trust: str | None,
        tell: Callable[[str], None],
    ) -> None:
        self._reactor = reactor
        self._identity = Identity(host)
        self._endpoint = wrapClientTLS(self._identity, HostnameEndpoint(reactor, host, port))
        self._place = place_of(host, port)
        self._known = known
        self._trust = trust
        self._tell = tell

    async def connect(self, make: Callable[[], P]) -> P:
        """Connect a protocol that `make` makes, and return it: once it is known that it is the
        right server. Raises `Lost`, and `Refusal` for another one."""
        shaking: Shaking = await reached(self._endpoint, Shaking)
        shaking.wanted = True
        shaking.done.addTimeout(limits.HANDSHAKE_SECONDS, self._reactor)
        try:
            connection = await shaking.done
            self._check(connection)
        except BaseException as error:
            shaking.transport.abortConnection()
            raise Lost(NOT_TLS) if isinstance(error, TimeoutError) else error from None
        return shaking.hand_to(make())

    # -- is it the right one? --------------------------------------------------------------------

    def _check(self, connection: Connection) -> None:
        certificate = connection.get_peer_certificate(as_cryptography=True)
        if certificate is None:
            raise Lost("it shows no certificate")
        shown = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
        if self._trust is not None:
            self._check_trusted(shown)
            return
        try:
            known = self._known.of(self._place)
        except Unclear as unclear:
            raise _refusal(f"{unclear} Nothing was sent.") from None
        if self._identity.is_verified(connection):
            if known != VERIFIED:
                self._remember(VERIFIED)
        elif known is None:
            self._tell(
                f"The certificate of {self._place} is new here, and is remembered: SHA-256 "
                f"{shown}. The server's log shows what it should be."
            )
            self._remember(shown)
        elif known != shown:
            raise _refusal(self._changed(known, shown))

    def _check_trusted(self, shown: str) -> None:
        if shown != self._trust:
            raise _refusal(
                f"The certificate of {self._place} is not the one that is to be trusted, but "
                f"SHA-256 {shown}; nothing was sent."
            )
        self._remember(shown)

    def _remember(self, what: str) -> None:
        try:
            if self._known.of(self._place) != what:
                self._known.remember(self._place, what)
        except Unclear as unclear:
            self._tell(str(unclear))
        except OSError as error:
            self._tell(f"{self._known.path} cannot be written ({error.strerror}).")

    def _changed(self, known: str, shown: str) -> str:
        was = "verified by an authority" if known == VERIFIED else f"SHA-256 {known}"
        return (
            f"The certificate of {self._place} has changed: it was {was}, and now it is SHA-256 "
            f"{shown}. Somebody may be listening in, so nothing was sent. If its operator says "
            f"that this is right: --trust {shown}, or remove its line from {self._known.path}."
        )


class Distrusted(Refusal):
    """The server is not the one that it should be, or nobody can tell."""


def _refusal(sentence: str) -> Refusal:
    return Distrusted(Code.SERVER_ERROR, sentence)
