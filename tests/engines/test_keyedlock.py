"""One at a time, where it is about the same thing."""

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from chatservice.engines.keyedlock import KeyedLock


class Crowd:
    """Holders of one key. `inside` of them hold it now, and `most` did at one time."""

    def __init__(self) -> None:
        self.locks = KeyedLock()
        self.inside = self.most = 0
        self._staying: list[Deferred[None]] = []

    async def hold(self, stays: list[bool]) -> None:
        """Hold the key several times, one right behind the other: each time until `go`, or only for
        a moment."""
        for each in stays:
            async with self.locks.acquire("key"):
                self.inside += 1
                self.most = max(self.most, self.inside)
                if each:
                    self._staying.append(Deferred())
                    await self._staying[-1]
                self.inside -= 1

    def go(self) -> None:
        """Let go the one that stays, if there is one."""
        if self._staying:
            self._staying.pop(0).callback(None)


@given(st.lists(st.none() | st.lists(st.booleans(), min_size=1, max_size=3), max_size=20))
@example([[True], [False, True], None, [True]])  # the second one comes back at once
def test_one_at_a_time(steps):
    """In any order of coming and going (None), at most one holds the key. In the end all have had
    it, and no lock is kept."""
    crowd = Crowd()
    holding = []
    for stays in steps:
        if stays is None:
            crowd.go()
        else:
            holding.append(Deferred.fromCoroutine(crowd.hold(stays)))
    for _ in range(3 * len(steps)):
        crowd.go()
    assert all(each.called for each in holding)
    assert crowd.most == min(len(holding), 1)
    assert not crowd.locks.is_locked("key")
