"""How fast: token buckets, and delays that grow with each failure. Time, in seconds, is passed
in."""

from collections.abc import Hashable

from chatservice import limits


class TokenBucket:
    """Tokens that come at a `rate`, up to `burst` of them; each deed takes one.

    What is kept is only when the bucket will be full again (the "generic cell rate algorithm"), so
    rate and burst may change at any time, and a clock that goes back does no lasting harm.
    """

    __slots__ = ("_full_at",)

    def __init__(self) -> None:
        self._full_at = 0.0

    def take(self, now: float, rate: float, burst: float, count: int = 1) -> float:
        """Take `count` tokens, and return in how many seconds there is the next one: 0.0 if there
        is one now. Who waits as long is never above `rate` times the time, and `burst`."""
        full_at = max(now, min(self._full_at, now + burst / rate)) + count / rate
        self._full_at = full_at
        return max(0.0, full_at - now - (burst - 1) / rate)

    def left(self, now: float, rate: float, burst: float) -> float:
        """Return how many tokens there are."""
        return burst - max(0.0, min(self._full_at - now, burst / rate)) * rate

    def is_full(self, now: float) -> bool:
        """Return whether there is nothing to remember about it."""
        return self._full_at <= now


class Backoff:
    """Who has failed how often, and how long they wait before they may try again.

    The first `free` failures cost nothing; from then on the delay is a second, and doubles, up to
    `longest`. A `memory` seconds after the last failure all is forgotten. At most `most` are
    remembered: the one that has not failed for longest goes first.
    """

    def __init__(self) -> None:
        self._of: dict[Hashable, tuple[int, float]] = {}

    def __len__(self) -> int:
        return len(self._of)

    def delay(self, who: Hashable, now: float, free: int, longest: float, memory: float) -> float:
        """Return how long an attempt that begins now is to wait."""
        count, at = self._of.get(who, (0, now))
        if count <= free or at + memory < now:
            return 0.0
        return min(2.0 ** min(count - free - 1, 64), longest)

    def add_failure(self, who: Hashable, now: float, memory: float, most: int) -> None:
        """Note a failure."""
        count, at = self._of.pop(who, (0, now))
        self._of[who] = (count + 1 if at + memory >= now else 1), now
        while len(self._of) > most:
            del self._of[next(iter(self._of))]

    def has_failures(self, who: Hashable) -> bool:
        """Return whether somebody has failed lately."""
        return who in self._of

    def forgive(self, who: Hashable) -> None:
        """Take one failure back: it was none."""
        count, at = self._of.get(who, (0, 0.0))
        if count > 1:
            self._of[who] = count - 1, at
        else:
            self._of.pop(who, None)

    def forget(self, who: Hashable) -> None:
        """Take all of them back."""
        self._of.pop(who, None)


class RateLimits:
    """The buckets of one connection: how often it may do what costs others something."""

    __slots__ = ("_buckets",)

    def __init__(self) -> None:
        self._buckets: dict[str, TokenBucket] = {}

    def take(self, command: str, now: float, lines: int = 1) -> float:
        """Count a command that says so many `lines`, and return how many seconds nothing more is
        to be read."""
        waits = [0.0]
        if command in _LINES and limits.MESSAGES_PER_SECOND:
            bucket = self._bucket("lines")
            waits.append(bucket.take(now, limits.MESSAGES_PER_SECOND, limits.MESSAGES_BURST, lines))
        if command not in TALK:
            bucket = self._bucket("commands")
            waits.append(bucket.take(now, limits.COMMANDS_PER_SECOND, limits.COMMANDS_BURST))
        if command in _ENTERING:
            bucket = self._bucket("comings")
            waits.append(bucket.take(now, limits.JOINS_PER_SECOND, limits.JOINS_BURST))
        if command in CREATING:
            bucket = self._bucket("kept")
            waits.append(bucket.take(now, limits.ROOMS_PER_SECOND, limits.ROOMS_BURST))
        return max(waits)

    def allows(self, lines: int, now: float) -> bool:
        """Return whether so many lines may be said at once."""
        left = self._bucket("lines").left(now, limits.MESSAGES_PER_SECOND, limits.MESSAGES_BURST)
        return lines <= left

    def _bucket(self, kind: str) -> TokenBucket:
        bucket = self._buckets.get(kind)
        if bucket is None:
            bucket = self._buckets[kind] = TokenBucket()
        return bucket


TALK = frozenset({"say", "me"})
"""What is said is no command: it costs nobody much, and pipes are full of it."""

UNPARSED = ""
"""The command that a line counts as which is refused before its own is known, or which answers a
question: to look at it costs as much."""

CREATING = frozenset({"create", "register"})
"""What of it stays for good."""

COUNTED = TALK | CREATING
"""What is counted from the first time on, where it is counted."""

_LINES = TALK | {"msg", "topic"}
_ENTERING = frozenset({"join", "create", "leave", "exit", "hello", "login", "nick"})
