"""Rate limits: token buckets, and delays that grow with each failure. `now` is in seconds."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping

from chatservice.grammar.commandtypes import Rate
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


_SETTINGS: Mapping[Rate, Callable[[Limits], tuple[float, float]]] = {
    Rate.LINES: lambda it: (it.messages_per_second, it.messages_burst),
    Rate.COMMANDS: lambda it: (it.commands_per_second, it.commands_burst),
    Rate.JOINS: lambda it: (it.joins_per_second, it.joins_burst),
    Rate.CREATIONS: lambda it: (it.rooms_per_second, it.rooms_burst),
}


class RateLimiter:
    """Counts the requests of one connection against the rate limits, with a token bucket each."""

    __slots__ = ("_buckets", "_limits")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._buckets: defaultdict[Rate, TokenBucket] = defaultdict(TokenBucket)

    def take(self, rates: Iterable[Rate], now: float, lines: int = 1) -> float:
        """Count a request against `rates`, and its lines of talk. Return the seconds for which not
        to read on."""
        waits = [0.0]
        for rate in rates:
            per_second, burst = _SETTINGS[rate](self._limits)
            if per_second:
                count = lines if rate is Rate.LINES else 1
                waits.append(self._buckets[rate].take(now, per_second, burst, count))
        return max(waits)

    def allows(self, lines: int, now: float) -> bool:
        """Return whether so many lines of talk are within the limit now."""
        return lines <= self._buckets[Rate.LINES].left(now, *_SETTINGS[Rate.LINES](self._limits))
