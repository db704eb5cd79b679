"""Names of guests that are in use, for one process: the port `NameClaims`."""

import hashlib
import secrets
from collections.abc import Callable

from chatservice import names
from chatservice.confusables import skeletons
from chatservice.domain.model import guest_id
from chatservice.errors import Code, Refusal

_NUMBER_BITS = 60
"""Of a guest's number: two guests do not come to have the same, and it is a log's number too, of
which SQLite's have 63 bits."""


def guest_number(secret: bytes | None) -> int:
    """Return the number of the guest with that secret, or a random number without one."""
    if secret is None:
        return secrets.randbits(_NUMBER_BITS) + 1
    digest = hashlib.sha256(secret).digest()
    return (int.from_bytes(digest) >> 8 * len(digest) - _NUMBER_BITS) + 1


class LocalNameClaims:
    """The names of guests, in memory; each is decided in one step. `is_alike` says whether an
    account's name has one of some skeletons. Names of accounts need no claim in one process."""

    def __init__(self, is_alike: Callable[[frozenset[str]], bool]) -> None:
        self._is_alike = is_alike
        self._guests: dict[str, int] = {}
        self._skeletons: dict[str, str] = {}  # by skeletons other than the key itself

    async def check_free(self, name: str) -> None:
        self.check(name)

    async def claim_guest(
        self, name: str, secret: bytes | None = None, own: str | None = None
    ) -> int:
        self.check(name, own)
        number = guest_number(secret)
        self.add(name, number)
        return number

    async def rename_guest(self, name: str, new: str) -> None:
        key = names.key(name)
        self.check(new, key)
        if key == names.key(new):
            self._forget(name)
        self.add(new, self._guests[key])

    async def claim_account(self, key: str) -> None:
        pass

    def release(self, name: str) -> None:
        self.forget(name)

    def forget(self, name: str) -> bool:
        """Forget who has a name; return whether a guest had it."""
        if self._guests.pop(names.key(name), None) is None:
            return False
        self._forget(name)
        return True

    def number_of(self, key: str) -> int:
        """Return the number of the guest who has the name with that key. Raises `KeyError`."""
        return self._guests[key]

    def add(self, name: str, number: int) -> None:
        """Note that a guest has a name."""
        key = names.key(name)
        self._guests[key] = number
        for look in skeletons(name) - {key}:
            self._skeletons[look] = key

    def _forget(self, name: str) -> None:
        key = names.key(name)
        for look in skeletons(name):
            if self._skeletons.get(look) == key:
                del self._skeletons[look]

    def check(self, name: str, own: str | None = None, guest: str = "") -> None:
        """Raise `Refusal` (name-taken) if a name is in use, or looks like one that is: but for the
        one with the key `own`, and those of a `guest` (`User.id`)."""
        key, mine = names.key(name), skeletons(name)
        if key in self._guests and self._is_others(key, own, guest):
            raise Refusal(Code.NAME_TAKEN, "{name} is taken; type another name.", name=name)
        holders = {self._skeletons.get(it, it) for it in mine}
        taken = any(self._is_others(it, own, guest) for it in holders if it in self._guests)
        if taken or self._is_alike(mine):
            raise Refusal(
                Code.NAME_TAKEN,
                "{name} looks like a name that is taken; type another name.",
                name=name,
            )

    def _is_others(self, key: str, own: str | None, guest: str) -> bool:
        return key != own and guest_id(self._guests[key]) != guest
