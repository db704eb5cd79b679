"""Names and numbers of rooms: which new ones are free, and how many there may be."""

from collections import Counter

from chatservice import names
from chatservice.confusables import skeletons
from chatservice.domain.ports import RoomBounds
from chatservice.errors import Code, Refusal

NUMBERS_AHEAD = 100
"""Numbers that a room called by one may leave out, so that it has that one: few, so that nobody
uses them up."""


class RoomNames:
    """The names of all rooms, and of those that are being removed. In one thread."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._skeletons: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, number: int, name: str) -> None:
        """Give a name to a room."""
        self._numbers[names.key(name)] = number
        self._skeletons.update(skeletons(name))

    def remove(self, name: str) -> None:
        """Let a name be free."""
        del self._numbers[names.key(name)]
        self._skeletons -= Counter(skeletons(name))

    def check(self, name: str, numbered: bool) -> None:
        """Raise `Refusal` (room-exists) for a name that would be taken for another room's. With
        `numbered`, it may be the number of another room."""
        if names.key(name) in self._numbers:
            raise Refusal(
                Code.ROOM_EXISTS,
                "There is a room {name} already; `join {name}` takes you there.",
                name=name,
            )
        if self._is_alike(name):
            raise Refusal(
                Code.ROOM_EXISTS,
                "{name} looks like the name of another room; give another one.",
                name=name,
            )
        number = names.room_number(name)
        if not numbered and number in self._numbers.values():
            raise Refusal(
                Code.ROOM_EXISTS,
                "{name} is another name of room number {number}; give another one.",
                name=name,
                number=number,
            )

    def next_number(self, name: str | None, last: int) -> int:
        """Return the number of a new room, behind the `last` one that was given. It is the one in
        the room's name, where that is not far ahead; and never one in the name of another room."""
        wanted = names.room_number(name) if name is not None else None
        if wanted is not None and last < wanted <= last + NUMBERS_AHEAD:
            return wanted
        number = last + 1
        while self._is_alike(names.room_name(number)):
            number += 1
        return number

    def _is_alike(self, name: str) -> bool:
        return not self._skeletons.keys().isdisjoint(skeletons(name))


def check_bounds(bounds: RoomBounds, rooms: int, unowned: int) -> None:
    """Raise `Refusal` (bad-argument, too-many) if there are as many rooms as may be: in all, or
    without an owner."""
    if bounds.rooms is not None and rooms >= bounds.rooms:
        raise Refusal(
            Code.BAD_ARGUMENT, "There are {limit} rooms already; use one.", limit=bounds.rooms
        )
    if bounds.unowned is not None and unowned >= bounds.unowned:
        raise Refusal(
            Code.TOO_MANY,
            "Guests have {limit} rooms already; use one, or `register` to make another.",
            limit=bounds.unowned,
        )
