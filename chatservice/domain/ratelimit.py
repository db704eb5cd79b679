"""Rate limits: token buckets, and delays that grow with each failure. `now` is in seconds."""

from collections.abc import Hashable

from chatservice.limits import Limits


class TokenBucket:
    """A token bucket: tokens come at a `rate` a second, up to `burst`, and each action takes one.

    It stores only when it will be full again (the "generic cell rate algorithm"). So rate and burst
    may change at any time, and a clock that goes back does no lasting harm.
    """

    __slots__ = ("_full_at",)

    def __init__(self) -> None:
        self._full_at = 0.0

    def take(self, now: float, rate: float, burst: float, count: int = 1) -> float:
        """Take `count` tokens, and return the seconds until there is another one. A caller who
        waits that long keeps within `rate` and `burst`."""
        full_at = max(now, min(self._full_at, now + burst / rate)) + count / rate
        self._full_at = full_at
        return max(0.0, full_at - now - (burst - 1) / rate)

    def left(self, now: float, rate: float, burst: float) -> float:
        """Return the number of tokens."""
        return burst - max(0.0, min(self._full_at - now, burst / rate)) * rate

    def is_full(self, now: float) -> bool:
        """Return whether the bucket is full, and need not be stored."""
        return self._full_at <= now


class Backoff:
    """Exponential backoff: delays attempts after failures, by key.

    After `free` failures the delay is a second, and doubles with each more, up to `longest`.
    Failures are forgotten `memory` seconds after the last one. At most `most` keys are remembered.
    """

    def __init__(self) -> None:
        self._of: dict[Hashable, tuple[int, float]] = {}

    def __len__(self) -> int:
        return len(self._of)

    def delay(self, who: Hashable, now: float, free: int, longest: float, memory: float) -> float:
        """Return the delay of an attempt that begins now, in seconds."""
        count, at = self._of.get(who, (0, now))
        if count <= free or at + memory < now:
            return 0.0
        return min(2.0 ** min(count - free - 1, 64), longest)

    def add_failure(self, who: Hashable, now: float, memory: float, most: int) -> None:
        """Count a failure."""
        count, at = self._of.pop(who, (0, now))
        self._of[who] = (count + 1 if at + memory >= now else 1), now
        while len(self._of) > most:
            del self._of[next(iter(self._of))]

    def has_failures(self, who: Hashable) -> bool:
        """Return whether failures of a key are remembered."""
        return who in self._of

    def forgive(self, who: Hashable) -> None:
        """Take one failure back."""
        count, at = self._of.get(who, (0, 0.0))
        if count > 1:
            self._of[who] = count - 1, at
        else:
            self._of.pop(who, None)

    def forget(self, who: Hashable) -> None:
        """Forget all failures of a key."""
        self._of.pop(who, None)


class RateLimits:
    """The rate limits of one connection, for what costs others something."""

    __slots__ = ("_buckets", "_limits")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._buckets: dict[str, TokenBucket] = {}

    def take(self, command: str, now: float, lines: int = 1) -> float:
        """Count a command with some `lines` of talk; return the seconds for which not to read
        on."""
        limits, waits = self._limits, [0.0]
        if command in _LINES and limits.messages_per_second:
            bucket = self._bucket("lines")
            waits.append(bucket.take(now, limits.messages_per_second, limits.messages_burst, lines))
        if command not in TALK:
            bucket = self._bucket("commands")
            waits.append(bucket.take(now, limits.commands_per_second, limits.commands_burst))
        if command in _ENTERING:
            bucket = self._bucket("comings")
            waits.append(bucket.take(now, limits.joins_per_second, limits.joins_burst))
        if command in CREATING:
            bucket = self._bucket("kept")
            waits.append(bucket.take(now, limits.rooms_per_second, limits.rooms_burst))
        return max(waits)

    def allows(self, lines: int, now: float) -> bool:
        """Return whether so many lines of talk are within the limit now."""
        rate, burst = self._limits.messages_per_second, self._limits.messages_burst
        left = self._bucket("lines").left(now, rate, burst)
        return lines <= left

    def _bucket(self, kind: str) -> TokenBucket:
        bucket = self._buckets.get(kind)
        if bucket is None:
            bucket = self._buckets[kind] = TokenBucket()
        return bucket


TALK = frozenset({"say", "me"})
"""Talk does not count as commands: it is cheap, and pipes are full of it."""

UNPARSED = ""
"""Stands for the command of a line that is refused unparsed, or that answers a prompt."""

CREATING = frozenset({"create", "register"})
"""Commands whose results stay."""

COUNTED = TALK | CREATING
"""Commands that are counted from the first one on."""

_LINES = TALK | {"msg", "topic"}
_ENTERING = frozenset({"join", "create", "leave", "exit", "hello", "login", "nick"})
