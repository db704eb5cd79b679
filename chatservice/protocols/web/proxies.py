"""The address of the user behind a proxy, which tells it with each request.

Trusted addresses (`Limits.trusted`) are believed, and nobody else. One connection of a proxy may
carry requests of several users.
"""

from chatservice.domain.addresses import is_within, normalize
from chatservice.errors import Code, Refusal
from chatservice.grammar import forwarded
from chatservice.net import outlet
from chatservice.protocols.web.exchange import Exchange

_READERS = {
    "X-Forwarded-For": forwarded.of_x_forwarded_for,
    "Forwarded": forwarded.of_forwarded,
}


def is_from_proxy(exchange: Exchange) -> bool:
    """Return whether a request may come from a proxy that is believed."""
    factory, host = exchange.channel.outer.factory, outlet.neighbour(exchange.channel.transport)
    return not factory.is_admin and (not host or is_within(host, factory.limits.trusted))


def note_user(exchange: Exchange) -> None:
    """Let the connection have the address of the request's user, and count it there.

    Raises `Refusal` (bad-argument) for headers that contradict each other: a proxy sends one, and
    the client sent the other. Raises `Refusal` (too-many, slow-down) if the address has too many
    connections.
    """
    outer, transport = exchange.channel.outer, exchange.channel.transport
    told = _told(exchange, outer.factory.limits.trusted) if is_from_proxy(exchange) else ""
    outlet.tell_address(transport, told)
    outer.factory.recount(outer)


def _told(exchange: Exchange, trusted: tuple[str, ...]) -> str:
    """Return the last address that is no proxy's, or "" if there is none."""
    found = set()
    for name, read in _READERS.items():
        if value := exchange.header(name):
            found.add(next((it for it in read(value) if not is_within(it, trusted)), ""))
    if len(found) > 1:
        sentence = "Forwarded and X-Forwarded-For tell different addresses; a proxy removes one."
        raise Refusal(Code.BAD_ARGUMENT, sentence)
    return normalize(found.pop()) if any(found) else ""
