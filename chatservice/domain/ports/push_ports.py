"""The ports to push messages: the subscriptions of browsers, and what sends to them."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol


class PushSubscription(NamedTuple):
    """A browser of the `account` with that key, as it asked to be told while no page is open.

    `endpoint` is an address at the browser's push service (RFC 8030, 2), and `public` and `secret`
    are the browser's keys (RFC 8291, 2), in base64url. `server` is the public key of the server
    that it takes messages from (RFC 8292, 4.1). `token` is the digest of the token that the user
    came in with, or empty for a password. It was last asked for at `time`, in milliseconds since
    1970.
    """

    endpoint: str
    account: str
    public: str
    secret: str
    server: str
    token: str
    time: int


class PushStore(Protocol):
    """The subscriptions, of which each endpoint has one.

    A subscription ends with its account and with its token; and with a change of the password, if
    it has no token, or if the tokens are revoked too.
    """

    def subscribe(
        self, subscription: PushSubscription, password: str, most: int
    ) -> Awaitable[None]:
        """Add a subscription, in the place of one with the same endpoint. Of an account with more
        than `most`, the oldest ones go.

        Raises `Refusal` (wrong-password) if the `password` hash is not the account's any more, or
        the token is not valid. Tells the follower `PushChanged`.
        """

    def unsubscribe(self, account: str, endpoint: str) -> Awaitable[bool]:
        """Drop an account's subscription. Return whether there was one. Tells the follower
        `PushChanged`."""


class PushChanged(NamedTuple):
    """The subscriptions that an account has now, by its key; none where they ended."""

    account: str
    subscriptions: tuple[PushSubscription, ...]


class PushService(Protocol):
    """Sends to the push services of browsers. `public_key` is what it proves to be the server by,
    in base64url."""

    public_key: str

    def check(self, endpoint: str, public: str, secret: str) -> None:
        """Raise `Refusal` (bad-argument) for what is no subscription that it could send to."""

    def send(
        self, subscription: PushSubscription, payload: bytes, wanted: Callable[[], bool]
    ) -> None:
        """Send a payload, without waiting for it, if it is still `wanted` when its turn comes."""
