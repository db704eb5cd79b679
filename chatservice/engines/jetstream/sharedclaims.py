"""Names of guests that are in use on any node: the port `NameClaims`."""

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.defer import Deferred, DeferredLock

from chatservice import names
from chatservice.domain.model import guest_id
from chatservice.engines.jetstream.clustertables import Claim
from chatservice.engines.localclaims import LocalNameClaims, guest_number
from chatservice.engines.tables import decided


class SharedNameClaims:
    """The claims of all nodes. `names` has them in memory; `commit` makes an operation of the log.
    Names of accounts need no claim: all nodes may have them at once."""

    def __init__(
        self, names: LocalNameClaims, commit: Callable[..., "Deferred[Any]"], node: str
    ) -> None:
        self.deciding = DeferredLock()
        self._names = names
        self._commit = commit
        self._node = node
        self._nodes: dict[str, str] = {}  # the node of each name, by its key

    async def check_free(self, name: str) -> None:
        self._names.check(name)

    async def claim_guest(
        self, name: str, secret: bytes | None = None, own: str | None = None
    ) -> int:
        number = guest_number(secret)
        await self._claim(name, number, own, guest_id(number) if secret is not None else "")
        return number

    async def rename_guest(self, name: str, new: str) -> None:
        await self._claim(new, None, names.key(name))

    @decided
    async def _claim(self, name: str, number: int | None, own: str | None, guest: str = "") -> None:
        """Take a name; without a `number`, for the guest who has the name with the key `own`. A
        `guest` (`User.id`), who proves that with a secret, may have it at another node, where they
        were before."""
        self._names.check(name, own, guest)
        if number is None:
            number = self._names.number_of(own or "")
        await self._commit("add_claim", name, number, self._node)

    async def claim_account(self, key: str) -> None:
        pass

    def release(self, name: str) -> None:
        if self._nodes.get(names.key(name)) == self._node:
            self._forget(name)
            self._commit("release_claim", name, self._node).addErrback(lambda failure: None)

    # -- what any node has done ------------------------------------------------------------------

    def added(self, _: None, name: str, number: int, node: str) -> None:
        """Note that a guest has a name."""
        self._names.forget(name)
        self._names.add(name, number)
        self._nodes[names.key(name)] = node

    def released(self, was: bool, name: str, node: str) -> None:
        """Note that a name is free, if it `was` that node's."""
        if was and node != self._node:  # ours is free already
            self._forget(name)

    def ended(self, gone: Iterable[Claim], node: str) -> None:
        """Note that the names of a node's guests are free."""
        for claim in gone:
            self._forget(claim.name)

    def _forget(self, name: str) -> None:
        self._names.forget(name)
        self._nodes.pop(names.key(name), None)
