"""Measurements of IRC, which this server speaks on its port."""

from collections.abc import Mapping

from benchmarks.measure import Measure, Measured, Setting, Talk
from benchmarks.peers import Peer

SETS: Mapping[str, str] = {
    "none": "irc",
    "time": "irc-time",
    "tags": "irc-tags",
    "full": "irc-full",
}
"""The sets of capabilities that real clients ask for, and the load generator's protocols."""


def throughput(rooms: int, readers: int, senders: int, window: int) -> Talk:
    """Measure `measure.throughput` with clients that speak IRC to each server."""
    options = {"rooms": rooms, "readers": readers, "senders": senders, "window": window}
    return Talk("throughput", rooms, {**options, "protocol": "irc"})


def capability_sets(readers: int, senders: int, window: int) -> Measure:
    """Measure deliveries to readers of whom each quarter has agreed on other capabilities; and, in
    turns with it, to readers who all have the same. The senders have none, so that no position that
    they know already leaves a gap in what they get."""
    options = {"rooms": 1, "readers": readers, "senders": senders, "window": window}
    talk = Talk("throughput", 1, {**options, "speakers": "irc"})
    protocols = {"": ",".join(SETS.values()), **{f"{name}_": it for name, it in SETS.items()}}

    def measured(peer: Peer, setting: Setting) -> Measured:
        found = talk.in_turns(dict.fromkeys(protocols, peer), setting, protocols)
        return {f"{prefix}{name}": x for prefix, it in found.items() for name, x in it.items()}

    return measured
