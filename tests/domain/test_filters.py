"""Any filter of rooms, users or accounts takes little time for each of them."""

import pytest

from chatservice.domain.overview import filter_rooms
from chatservice.domain.rules import Access
from chatservice.errors import Code, Refusal


class Room:
    """A room that counts how often it is looked at."""

    looks = 0
    password = None
    sessions = ()

    def __init__(self, name):
        self._name = name

    @property
    def name(self):
        """The name."""
        Room.looks += 1
        return self._name

    @property
    def access(self):
        """All may come in."""
        Room.looks += 1
        return Access.PUBLIC


@pytest.mark.parametrize("words", ["public", "r*", "*1*", "public r* *1*"])
@pytest.mark.parametrize("times", [1, 500])
def test_a_word_that_is_repeated_is_one(words, times):
    """A line of 8 KiB of them had all others wait for many seconds, where there are many rooms."""
    rooms = [Room(f"r{at}") for at in range(100)]
    Room.looks = 0
    found = filter_rooms(rooms, " ".join([words] * times))
    assert Room.looks <= len(words.split()) * len(rooms)
    assert len(found) == (19 if "1" in words else 100)


def test_a_filter_has_only_a_few_patterns():
    """With other patterns that all fit, it would be as dear."""
    with pytest.raises(Refusal) as refused:
        filter_rooms([Room("abc")], "*a* *b* *c*")
    assert refused.value.code == Code.BAD_ARGUMENT
    assert "at most 2 names" in refused.value.sentence
