"""The pauses before one tries again."""

from itertools import islice

from chatservice.client.pauses import pauses


def test_pauses_grow_from_half_a_second_to_half_a_minute():
    """Each is longer than the one before, up to a bound."""
    found = list(islice(pauses(lambda: 0.5), 20))
    assert found[0] == 0.5
    assert found[-1] == 30.0
    assert found == sorted(found)


def test_pauses_are_not_regular():
    """Chance moves them by a quarter either way."""
    assert next(pauses(lambda: 0.0)) == 0.375
    assert next(pauses(lambda: 1.0)) == 0.625
