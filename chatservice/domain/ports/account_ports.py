"""The ports to accounts, names and passwords; and the changes that they tell."""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from chatservice import names


@dataclass(frozen=True, slots=True)
class Account:
    """A registered user. `inbox` is the number of their inbox's log, and `read_position` how far
    they have read it. `operator` says that they run the server. `password` is a hash, or empty
    where the operator's checkers know it. `created` is in milliseconds since 1970, as is `seen`:
    when they were here last, or 0 if that is not known. Others see it if `shows_seen`."""

    name: str
    password: str
    inbox: int
    read_position: int
    operator: bool = False
    created: int = 0
    seen: int = 0
    shows_seen: bool = True

    @property
    def id(self) -> str:
        """The `User.id` of the user."""
        return names.key(self.name)


class Token(NamedTuple):
    """A token or a key, which replaces the password of the `account` with that key. A token may be
    for one `room` (number) only. Made at `time`, in milliseconds since 1970."""

    account: str
    label: str
    room: int | None
    time: int


class AccountStore(Protocol):
    """Registered users, by the keys of their names, with their tokens and the invitation codes, of
    which it has only the SHA-256."""

    def account(self, key: str) -> Awaitable[Account | None]:
        """Return the account of a name, or None."""

    def operators(self) -> Awaitable[Sequence[str]]:
        """Return the operators' names."""

    def accounts(self) -> Awaitable[Mapping[str, Account]]:
        """Return every account, by its key."""

    def token_counts(self) -> Awaitable[Mapping[str, int]]:
        """Return the numbers of tokens, by the keys of accounts."""

    def register(
        self,
        name: str,
        password: str,
        inbox: int | None,
        time: int,
        code: str | None = None,
        guest: str = "",
    ) -> Awaitable[Account]:
        """Create an account. All that is stored of a `guest` (`User.id`) becomes its own, and so
        does their `inbox`, by the number of its log. A `code` is used up with it: of two accounts
        that are made with one code, one is refused. A name is refused that another guest has, or
        that looks like a guest's or an account's; the name of `guest` becomes the account's.

        Tells the follower `GuestRegistered`, or without an inbox `AccountChanged`. Entries for the
        guest's inbox that come before the follower is told go to the account's. Raises `Refusal`
        (already-registered, name-taken, bad-code).
        """

    def rename(self, key: str, name: str) -> Awaitable[None]:
        """Change the case of an account's name. Tells `AccountChanged`."""

    def set_password(
        self, key: str, password: str, alone: bool = False, before: str | None = None
    ) -> Awaitable[bool]:
        """Change a password hash; with `alone`, revoke all tokens. With `before`, only if that is
        the present hash. Return whether it is changed. Tells the follower `PasswordChanged`."""

    def delete(self, key: str, mark: str) -> Awaitable[None]:
        """Delete an account, its tokens, inbox and rules in rooms; its files become `mark`'s. Tells
        the follower `AccountChanged`."""

    def set_operator(self, key: str, operator: bool) -> Awaitable[None]:
        """Make an account an operator, or no longer one. Tells the follower `AccountChanged`."""

    def note_seen(self, times: Mapping[str, int]) -> Awaitable[None]:
        """Store when registered users were here last, by their keys, in milliseconds since 1970. An
        earlier time than the stored one changes nothing, nor does a key without an account."""

    def show_seen(self, key: str, shown: bool) -> Awaitable[None]:
        """Set whether others see when a registered user was here last."""

    def token(self, sha256: str) -> Awaitable[Token | None]:
        """Return a valid token by its SHA-256, or a key by its fingerprint; None if there is
        none."""

    def tokens(self, key: str) -> Awaitable[Sequence[Token]]:
        """Return the tokens and keys of an account, oldest first."""

    def add_token(self, sha256: str, token: Token) -> Awaitable[None]:
        """Add a token, or a key, which only one account has. Raises `Refusal` (token-exists,
        too-many)."""

    def revoke(self, key: str, label: str) -> Awaitable[None]:
        """Revoke a token. Tells the follower `TokenRevoked`. Raises `Refusal` (no-such-token)."""

    def add_code(self, sha256: str, who: str, time: int) -> Awaitable[None]:
        """Add a code, for one registration."""

    def code(self, sha256: str) -> Awaitable[bool]:
        """Return whether a code is valid."""

    def drop_code(self, sha256: str) -> Awaitable[bool]:
        """Make a code invalid; return whether it was valid."""


class Authenticator(Protocol):
    """Checks the passwords of names."""

    @property
    def elsewhere(self) -> bool:
        """True if it also knows names without an account here."""

    def vouched(self, name: str, password: str) -> Awaitable[str | None]:
        """Return the name as its owner writes it, if the password is right; else None."""


class NameClaims(Protocol):
    """The names of users who are here. Of two claims made at once, on any nodes, one is refused."""

    def check_free(self, name: str) -> Awaitable[None]:
        """Raise `Refusal` (name-taken) if a guest has a name, or if it looks like a guest's or an
        account's (`confusables.skeletons`)."""

    def claim_guest(
        self, name: str, secret: bytes | None = None, own: str | None = None
    ) -> Awaitable[int]:
        """Take a name for a guest, and answer with the guest's number: the same for the same
        `secret`, also after a restart; without one, a number that no guest ever had. The name may
        look like the asker's former one, which has the key `own`.

        Raises `Refusal` (name-taken), as `check_free` does.
        """

    def rename_guest(self, name: str, new: str) -> Awaitable[None]:
        """Take another name for a guest, who keeps the former one too until that is released; they
        may look alike. If only the case differs, the former one is released with it.

        Raises `Refusal` (name-taken).
        """

    def claim_account(self, key: str) -> Awaitable[None]:
        """Take an account's name, by its key. All nodes may have it at once, but no guest."""

    def release(self, name: str) -> None:
        """Give back a name of this node's."""


class PasswordHasher(Protocol):
    """Hashes passwords, slowly on purpose, and never in the reactor's thread."""

    def hash(self, password: str) -> Awaitable[str]:
        """Return the hash of a password."""

    def fits(self, kept: str, password: str) -> Awaitable[bool]:
        """Return whether a password fits a hash."""


class AccountChanged(NamedTuple):
    """An account, by its key, as it is now; None where it was deleted."""

    key: str
    account: Account | None


class PasswordChanged(NamedTuple):
    """An account's password has this hash now; with `alone`, its tokens are revoked."""

    key: str
    password: str
    alone: bool


class TokenRevoked(NamedTuple):
    """A token is not valid any more."""

    sha256: str


class GuestRegistered(NamedTuple):
    """A guest (`User.id`) has an account now, and the log `inbox` has the account's number."""

    guest: str
    inbox: int
    account: Account
