"""Names of guests that are in use on any node: the port `NameClaims`."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, DeferredLock

from chatservice import names
from chatservice.confusables import skeletons
from chatservice.domain.model import guest_id
from chatservice.engines.jetstream.clustertables import Claim
from chatservice.engines.localclaims import LocalNameClaims, guest_number
from chatservice.engines.tables import Superseded, decided

TOGETHER = 200
"""Names that are decided together, at most: what one message of the log has room for."""


@dataclass(eq=False, slots=True)
class _Wanted:
    """A claim that waits to be decided (`SharedNameClaims._claim`), and its `answer`."""

    name: str
    number: int | None
    own: str | None
    guest: str
    answer: Deferred[None]


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
        self._waiting: list[_Wanted] = []

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

    async def _claim(self, name: str, number: int | None, own: str | None, guest: str = "") -> None:
        """Take a name; without a `number`, for the guest who has the name with the key `own`. A
        `guest` (`User.id`), who proves that with a secret, may have it at another node, where they
        were before."""
        wanted = _Wanted(name, number, own, guest, Deferred())
        self._waiting.append(wanted)
        if len(self._waiting) == 1:
            self._decide_all()
        await wanted.answer

    def _decide_all(self, _: None = None) -> None:
        """Decide all claims that wait, some of them together: when many guests come at once, each
        of them would else wait for all before."""
        if self._waiting:
            Deferred.fromCoroutine(self._decide_some()).addCallback(self._decide_all)

    @decided
    async def _decide_some(self) -> None:
        error: Exception | None = None
        some = self._next()
        try:
            if some:
                await self._commit("add_claims", [(it.name, it.number) for it in some], self._node)
        except Superseded:
            raise
        except Exception as why:  # whoever waits is told
            error = why
        for it in some:
            self._answer(it, error)

    def _answer(self, wanted: "_Wanted", error: Exception | None) -> None:
        self._waiting.remove(wanted)
        if error is not None:
            wanted.answer.errback(error)
        else:
            wanted.answer.callback(None)

    def _next(self) -> "Sequence[_Wanted]":
        """Return the next claims that can be granted together: names that do not look alike. Those
        that cannot be granted wait no more."""
        some, looks = list[_Wanted](), set[str]()
        refused = list[tuple[_Wanted, Exception]]()
        for it in self._waiting[:TOGETHER]:
            own_looks = skeletons(it.name) | {names.key(it.name)}
            if not looks.isdisjoint(own_looks):
                continue
            try:
                self._names.check(it.name, it.own, it.guest)
                if it.number is None:
                    it.number = self._names.number_of(it.own or "")
            except Exception as why:  # whoever waits is told
                refused.append((it, why))
                continue
            looks |= own_looks
            some.append(it)
        for it, error in refused:
            self._answer(it, error)
        return some

    async def claim_account(self, key: str) -> None:
        pass

    def release(self, name: str) -> None:
        if self._nodes.get(names.key(name)) == self._node:
            self._forget(name)
            self._commit("release_claim", name, self._node).addErrback(lambda failure: None)

    # -- what any node has done ------------------------------------------------------------------

    def added(self, _: None, claims: Iterable[tuple[str, int]], node: str) -> None:
        """Note that guests, by their numbers, have names."""
        for name, number in claims:
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
