"""The pauses before one tries again."""

from itertools import islice

from chatservice.client.clientsession import reconnect_delays


def test_pauses_grow_from_half_a_second_to_half_a_minute():
    """Each is longer than the one before, up to a bound."""
    found = list(islice(reconnect_delays(lambda: 0.5), 20))
    assert found[0] == 0.5
    assert found[-1] == 30.0
    assert found == sorted(found)


def test_pauses_are_not_regular():
    """Chance moves them by a quarter either way."""
    assert next(reconnect_delays(lambda: 0.0)) == 0.375
    assert next(reconnect_delays(lambda: 1.0)) == 0.625
