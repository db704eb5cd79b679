"""The rows of the table: the measurement and the targets of each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks import floods, irc, measure, web
from benchmarks.measure import Measure
from benchmarks.peers import BROKERS, CHATS, FILES

Figures = Mapping[str, float]
Medians = Mapping[str, Figures]
"""The medians of a row's figures over all runs, by server."""

Value = Callable[[Medians], float]
"""Computes a number from medians. Raises `KeyError` if a server is missing."""

OURS = "chatservice"


@dataclass(frozen=True)
class Target:
    """The target of a row: a value of at least, or at most, `bound`.

    If the load generator was the bottleneck, `by_cpu` takes the place of `value`: the server's CPU
    time for each delivery counts, and not its throughput.
    """

    text: str
    bound: float
    at_least: bool
    value: Value
    by_cpu: Value | None = None


@dataclass(frozen=True)
class Row:
    """A kind of work.

    `shown` formats the figures for the table. Its ratios divide `main`, and the CPU time, by those
    of the server `base`. `against` names the servers that are measured.
    """

    name: str
    title: str
    measure: Measure
    shown: Callable[[Figures], str]
    main: str
    targets: Sequence[Target] = ()
    against: Sequence[str] = CHATS
    base: str = "inspircd"


def ratio(figure: str, base: str = "inspircd") -> Value:
    """Return a function that divides our figure by that of `base`."""
    return lambda medians: medians[OURS][figure] / medians[base][figure]


def within(figure: str, other: str) -> Value:
    """Return a function that divides one of our figures by another one."""
    return lambda medians: medians[OURS][figure] / medians[OURS][other]


def ours(figure: str) -> Value:
    """Return a function that takes one of our figures."""
    return lambda medians: medians[OURS][figure]


# -- what is to be reached -------------------------------------------------------------------------


def _faster(factor: float) -> Target:
    return Target(
        f"at least {factor} x InspIRCd's deliveries/s",
        factor,
        True,
        ratio("deliveries_per_s"),
        lambda medians: 1 / ratio("cpu_ns_per_delivery")(medians),
    )


def _cheaper(part: int) -> Target:
    cost = ratio("cpu_ns_per_delivery")
    return Target(f"at most 1/{part} of its CPU a delivery", 1 / part, False, cost)


def _soon_enough(medians: Medians) -> float:
    mine, theirs = medians[OURS], medians["inspircd"]
    return mine["p99_us"] / (theirs["p99_us"] + 2 * mine["commit_us"])


def _cheap_get(kind: str, figure: str) -> Target:
    return Target(f"{kind}: at most 150 us of CPU", 150, False, ours(figure))


# -- how it is shown -------------------------------------------------------------------------------


def _deliveries(it: Figures) -> str:
    return f"{it['deliveries_per_s'] / 1e6:.2f} M deliveries/s"


def _late(it: Figures) -> str:
    return f"p50 {it['p50_us'] / 1e3:.1f}, p99 {it['p99_us'] / 1e3:.1f} ms"


def _connections(it: Figures) -> str:
    each = f"{it['connections']:.0f}, {it['bytes_per_connection'] / 1024:.1f} KiB each"
    if "joined_per_s" not in it:
        return each
    return f"{each}; {it['introduced_per_s']:.0f} named/s, {it['joined_per_s']:.0f} joined/s"


def _stalled(it: Figures) -> str:
    without = f"p99 {it['without_p99_us'] / 1e3:.1f} ms"
    if "p99_us" not in it:
        return f"{without}; with them, nobody hears anything"
    memory = "/".join(
        f"{it[f'memory_{when}'] / 1e6:.0f}" for when in ("before", "full", "during", "after")
    )
    return (
        f"{without}, with them {it['p99_us'] / 1e3:.1f}; {it['cut']:.0%} cut, "
        f"{it['complete']:.0%} got all; {memory} MB"
    )


def _copied(it: Figures) -> str:
    speed = f"{it['bytes_per_s'] / 1e9:.2f} GB/s"
    if "memory_growth" not in it:
        return speed
    return f"{speed}, memory +{it['memory_growth'] / 1e6:.1f} MB"


def _websockets(it: Figures) -> str:
    if "json_deliveries_per_s" not in it:
        return _deliveries(it)
    json_ = f"JSON {it['json_deliveries_per_s'] / 1e6:.2f}"
    return f"{_deliveries(it)}, {json_}; CPU a JSON one {it['json_cpu_ns_per_delivery']:.0f} ns"


def _capability_sets(it: Figures) -> str:
    alone = "; ".join(f"{x} {it[f'{x}_cpu_ns_per_delivery']:.0f}" for x in irc.SETS)
    return f"{_deliveries(it)}; ns of CPU with one set: {alone}"


def _web_up(it: Figures) -> str:
    ticket, chunks = (it[f"{way}_bytes_per_s"] / 1e9 for way in ("ticket", "chunked"))
    return f"{_copied(it)}; by ticket {ticket:.2f}, in chunks {chunks:.2f} GB/s"


def _gets(it: Figures) -> str:
    return (
        f"{it['cpu_us_per_get']:.0f} us of CPU; /healthz {it['health_cpu_us_per_get']:.0f}, a file "
        f"of the page {it['page_cpu_us_per_get']:.0f}, over a new connection "
        f"{it['new_cpu_us_per_get']:.0f}"
    )


def _beside(it: Figures) -> str:
    alone = f"p99 {it['without_p99_us'] / 1e3:.1f} ms alone"
    return f"{alone}, {it['p99_us'] / 1e3:.1f} beside {it['bytes_per_s'] / 1e9:.2f} GB/s"


def _beside_pages(it: Figures) -> str:
    alone = f"p99 {it['without_p99_us'] / 1e3:.1f} ms alone"
    return f"{alone}, {it['p99_us'] / 1e3:.1f} beside {it['loads_per_minute']:.0f} loads a minute"


def _flooded(it: Figures) -> str:
    each = "; ".join(
        f"{kind} {it[f'{kind}_p99_us'] / 1e3:.1f} ({it[f'{kind}_memory'] / 1e6:.0f} MB x "
        f"{it[f'{kind}_memory_growth']:.2f})"
        for kind in floods.KINDS
        if f"{kind}_p99_us" in it  # some are newer than what was measured
    )
    return f"p99 {it['without_p99_us'] / 1e3:.1f} ms alone; beside {each}"


def _started(it: Figures) -> str:
    return (
        f"{it['start_s']:.2f} s with {it['entries'] / 1e6:g} M entries, {it['empty_start_s']:.2f} "
        f"with none; {it['memory'] / 1e6:.0f} MB, {it['empty_memory'] / 1e6:.0f} with none"
    )


ROWS: dict[str, Row] = {
    row.name: row
    for row in (
        Row(
            "1x100",
            "1 room x 100 readers, 10 senders, 64 messages in flight each",
            measure.throughput(1, 100, 10, 64),
            _deliveries,
            "deliveries_per_s",
            (_faster(3.3), _cheaper(4)),
            (*CHATS, *BROKERS),
        ),
        Row(
            "1x1000",
            "1 room x 1000 readers, 10 senders, 64 messages in flight each",
            measure.throughput(1, 1000, 10, 64),
            _deliveries,
            "deliveries_per_s",
            (_faster(8), _cheaper(10)),
            (*CHATS, *BROKERS),
        ),
        Row(
            "100x10",
            "100 rooms x 10 readers, 1 sender each, 64 messages in flight",
            measure.throughput(100, 10, 1, 64),
            _deliveries,
            "deliveries_per_s",
            (_faster(1.3),),
        ),
        Row(
            "1-in-flight",
            "1 room x 100 readers, 1 message in flight",
            measure.throughput(1, 100, 1, 1),
            _deliveries,
            "deliveries_per_s",
            (_faster(0.6),),
            (*CHATS, *BROKERS),
        ),
        Row(
            "20-a-second",
            "20 messages/s to 1000 readers",
            measure.latency(1000, 20),
            _late,
            "p99_us",
            (
                Target("at most 1.15 x InspIRCd's CPU", 1.15, False, ratio("cpu_ns_per_delivery")),
                Target("p99 at most InspIRCd's and two commits", 1, False, _soon_enough),
            ),
        ),
        Row(
            "idle",
            "10,000 connections that do nothing, in rooms of 100",
            measure.idle(10_000, 100),
            _connections,
            "bytes_per_connection",
            (
                Target("at most 2048 bytes each", 2048, False, ours("bytes_per_connection")),
                Target("at least 10,000 joined/s", 10_000, True, ours("joined_per_s")),
            ),
        ),
        Row(
            "stalled",
            "1000 messages/s to 100 readers; 100 more read nothing, and then read on",
            measure.stalled(100, 100, 1000, 400),
            _stalled,
            "p99_us",
            (
                Target(
                    "memory at most 1.1 x what it is once their buffers are full",
                    1.1,
                    False,
                    within("memory_during", "memory_full"),
                ),
                Target(
                    "p99 of the others at most 1.25 x what it is without them",
                    1.25,
                    False,
                    within("p99_us", "without_p99_us"),
                ),
                Target("every one of them gets everything", 1, True, ours("complete")),
            ),
        ),
        Row(
            "file-up",
            "a file of 256 MiB to the server",
            measure.file_up,
            _copied,
            "bytes_per_s",
            (Target("at least 0.8 x a plain copy", 0.8, True, ratio("bytes_per_s", "plain")),),
            FILES,
            "plain",
        ),
        Row(
            "file-down",
            "a file of 1 GiB from the server",
            measure.file_down,
            _copied,
            "bytes_per_s",
            (Target("at least 0.8 x a plain copy", 0.8, True, ratio("bytes_per_s", "plain")),),
            FILES,
            "plain",
        ),
        Row(
            "1x1000-web",
            "1 room x 1000 WebSockets beside 1000 JSON connections, in turns; 10 send as text",
            web.websockets(1000, 10, 64),
            _websockets,
            "deliveries_per_s",
            (
                Target(
                    "at least 0.9 x the deliveries/s of JSON connections",
                    0.9,
                    True,
                    within("deliveries_per_s", "json_deliveries_per_s"),
                    within("json_cpu_ns_per_delivery", "cpu_ns_per_delivery"),
                ),
            ),
            (OURS, "nchan"),
            "nchan",
        ),
        *(
            Row(
                f"{name}-irc",
                f"{title}, with IRC clients for this server, too",
                irc.throughput(*talk),
                _deliveries,
                "deliveries_per_s",
                (_faster(factor),),
                (OURS, "inspircd"),
            )
            for name, title, talk, factor in (
                ("1x100", "1 room x 100 readers, 10 senders", (1, 100, 10, 64), 2.5),
                ("1x1000", "1 room x 1000 readers, 10 senders", (1, 1000, 10, 64), 6),
                ("100x10", "100 rooms x 10 readers, 1 sender each", (100, 10, 1, 64), 1),
            )
        ),
        Row(
            "sets-irc",
            "1 room x 100 IRC clients with four sets of capabilities, in turns with one set",
            irc.capability_sets(100, 10, 64),
            _capability_sets,
            "deliveries_per_s",
            (
                Target(
                    "at most 2 x the CPU a delivery of clients without capabilities",
                    2,
                    False,
                    within("cpu_ns_per_delivery", "none_cpu_ns_per_delivery"),
                ),
            ),
            (OURS,),
        ),
        Row(
            "idle-irc",
            "10,000 IRC clients that do nothing, in rooms of 100",
            measure.idle(10_000, 100, ("irc",)),
            _connections,
            "bytes_per_connection",
            (Target("at most 3072 bytes each", 3072, False, ours("bytes_per_connection")),),
            (OURS, "inspircd"),
        ),
        Row(
            "idle-web",
            "10,000 WebSockets that do nothing, in rooms of 100",
            measure.idle(10_000, 100, ("websocket",)),
            _connections,
            "bytes_per_connection",
            (Target("at most 4096 bytes each", 4096, False, ours("bytes_per_connection")),),
            (OURS,),
        ),
        Row(
            "web-up",
            "a file of 256 MiB over HTTP, and by ticket",
            web.up,
            _web_up,
            "bytes_per_s",
            (
                Target(
                    "at least 0.8 x an upload by ticket",
                    0.8,
                    True,
                    within("bytes_per_s", "ticket_bytes_per_s"),
                ),
            ),
            (OURS,),
        ),
        Row(
            "web-down",
            "a file of 1 GiB over HTTP",
            web.down,
            _copied,
            "bytes_per_s",
            (Target("at least 0.8 x nginx", 0.8, True, ratio("bytes_per_s", "nginx")),),
            (OURS, "nginx"),
            "nginx",
        ),
        Row(
            "small-get",
            "a GET of the list of rooms, of /healthz, and of a small file of the page",
            web.small_gets,
            _gets,
            "cpu_us_per_get",
            (
                _cheap_get("the list of rooms", "cpu_us_per_get"),
                _cheap_get("/healthz", "health_cpu_us_per_get"),
                _cheap_get("a file of the page", "page_cpu_us_per_get"),
            ),
            (OURS,),
        ),
        Row(
            "talk-beside-files",
            "200 messages/s to 100 readers, alone and beside 4 files at full speed",
            measure.talk_beside_files(100, 200, 4),
            _beside,
            "p99_us",
            (
                Target(
                    "p99 at most 2 x what it is without",
                    2,
                    False,
                    within("p99_us", "without_p99_us"),
                ),
            ),
            (OURS,),
        ),
        Row(
            "talk-beside-pages",
            "200 messages/s to 100 readers, alone and beside 1000 loads of the page a minute",
            measure.talk_beside_pages(100, 200, 1000),
            _beside_pages,
            "p99_us",
            (
                Target(
                    "p99 at most 2 x what it is without",
                    2,
                    False,
                    within("p99_us", "without_p99_us"),
                ),
            ),
            (OURS,),
        ),
        Row(
            "floods",
            "200 messages/s to 100 readers, alone and beside floods of each kind",
            measure.floods(100, 200),
            _flooded,
            "worst_p99_us",
            (
                Target(
                    "p99 at most 2 x what it is without, in each",
                    2,
                    False,
                    within("worst_p99_us", "without_p99_us"),
                ),
                Target(
                    "memory at most 1.1 x what it was in the first half, in each",
                    1.1,
                    False,
                    ours("worst_memory_growth"),
                ),
            ),
            (OURS,),
        ),
        Row(
            "start-10M",
            "the first greeting after a start with 10 million entries stored",
            measure.start(10_000_000),
            _started,
            "start_s",
            (
                Target("less than a second", 1, False, ours("start_s")),
                Target(
                    "memory at most 1.1 x what it is with none",
                    1.1,
                    False,
                    within("memory", "empty_memory"),
                ),
            ),
            (OURS,),
        ),
    )
}
