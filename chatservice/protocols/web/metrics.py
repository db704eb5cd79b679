"""Health and metrics over HTTP: `/healthz` and `/readyz` for everybody, `/metrics` for those whom
the operator lets.

`/healthz` says no more than the page does, and `/readyz` no more than a refused message: the
programs that ask them, such as load balancers, have addresses that change.
"""

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from chatservice.domain import addresses
from chatservice.domain.figures import BOUNDS, Histogram
from chatservice.grammar import prometheus
from chatservice.grammar.prometheus import Family, labelled, single
from chatservice.net import outlet
from chatservice.protocols.web.exchange import Exchange
from chatservice.replies import CountInfo, ServerStatus

PATHS = frozenset({"/healthz", "/readyz", "/metrics"})

THIS_MACHINE = ("127.0.0.0/8", "::1/128")
"""The addresses that may see the metrics, unless the operator names others."""

_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")
"""Headers of a proxy: the request is not from the proxy's address (RFC 7239; RFC 9110, 7.6.3)."""

_FREE = "free"
"""The item of `ServerStatus.disk` that is no use of the disk."""

Answer = tuple[int, str, bytes]
"""A status, a media type and a body."""


class Monitoring:
    """Answers the paths in `PATHS`. `factory` is the connections'
    `chatservice.protocols.factory.ChatFactory`."""

    def __init__(self, factory: Any) -> None:
        self._factory = factory
        self._networks = factory.metrics_from or THIS_MACHINE

    async def answer(self, exchange: Exchange, headers: Mapping[str, str]) -> None:
        """Answer a request, with `headers` beside its own."""
        status, type_, body = await self._answer(exchange)
        told = {"Content-Type": type_, "Cache-Control": "no-store", **headers}
        exchange.respond(status, body, told)

    async def _answer(self, exchange: Exchange) -> Answer:
        if exchange.path == "/healthz":
            return _sentence(200, "ok")
        if exchange.path == "/readyz":
            trouble = await self._factory.chat.overview.trouble()
            return _sentence(200, "ok") if trouble is None else _sentence(503, trouble)
        if not self._may_see(exchange):
            return _sentence(
                403, "The operator names the addresses that may see this (--metrics-from)."
            )
        status = await self._factory.chat.overview.status()
        return 200, prometheus.MEDIA_TYPE, prometheus.encode(self._families(status))

    def _may_see(self, exchange: Exchange) -> bool:
        """Return whether a request comes from one of the networks: by the address that a trusted
        proxy tells, if there is one. A unix socket is of this machine."""
        transport = exchange.channel.transport
        told = outlet.told_address(transport)
        if not told and any(exchange.header(name) for name in _FORWARDED):
            return False
        host = told or outlet.address(transport) or "127.0.0.1"
        return addresses.is_within(host, self._networks)

    def _families(self, status: ServerStatus) -> Iterable[Family]:
        yield from _of_status(status)
        factory = self._factory
        deliveries, commits = factory.chat.deliveries, factory.chat.publisher.commits
        yield labelled(
            "chat_refused_total",
            "counter",
            "Requests that were refused for a limit or trouble, by the code of the refusal.",
            "code",
            factory.refused_by_code().items(),
        )
        for name, help_, value in (
            ("turned_away", "Connections that were turned away.", factory.admission.turned_away),
            ("entries_stored", "Entries that were stored.", commits.entries),
            ("commits_failed", "Commits that failed.", commits.failed),
            ("deliveries", "Entries that were written to readers.", deliveries.entries),
            ("delivered_bytes", "Bytes of entries written to readers.", deliveries.bytes),
        ):
            yield single(f"chat_{name}_total", "counter", help_, value)
        pushes = factory.chat.pushing.figures
        told = [(it, getattr(pushes, it)) for it in ("sent", "gone", "failed", "dropped")]
        of = "Push messages, by what became of them."
        yield labelled("chat_pushes_total", "counter", of, "outcome", told)
        yield _histogram("chat_commit_seconds", "The time that a commit took.", commits.time)
        lag = "The time that the reactor was late, measured four times a second."
        yield _histogram("chat_reactor_lag_seconds", lag, factory.lag.seconds)
        yield from _of_process()


def _sentence(status: int, sentence: str) -> Answer:
    return status, "text/plain; charset=utf-8", f"{sentence}\n".encode()


def _of_status(status: ServerStatus) -> Iterable[Family]:
    """Return what `chatctl status` shows, too."""
    yield labelled("chat_info", "gauge", "The version.", "version", [(status.version, 1)])
    yield single("chat_uptime_seconds", "gauge", "Seconds since the start.", status.uptime)
    of = "Connections, by the kind of their session."
    yield _counts("chat_connections", of, "kind", status.connections)
    kinds = [("guest", status.guests), ("registered", status.users - status.guests)]
    yield labelled("chat_users", "gauge", "Users who are here.", "kind", kinds)
    yield _counts("chat_waiting", "Work that waits, by kind.", "what", status.waiting)
    for name, help_, value in (
        ("accounts", "Registered users; each has a log, the inbox.", status.accounts),
        ("rooms", "Rooms; each has a log.", status.rooms),
        ("entries", "Entries that are kept.", status.entries),
        ("files", "Shared files.", status.files),
    ):
        yield single(f"chat_{name}", "gauge", help_, value)
    used = [it for it in status.disk if it.what != _FREE]
    yield _counts("chat_disk_bytes", "Bytes on the disk, by use.", "use", used)
    for it in status.disk:
        if it.what == _FREE:
            help_ = "Free bytes on the disk of the files."
            yield single("chat_disk_free_bytes", "gauge", help_, it.count)


def _counts(name: str, help_: str, label: str, found: Iterable[CountInfo]) -> Family:
    return labelled(name, "gauge", help_, label, [(it.what, it.count) for it in found])


def _histogram(name: str, help_: str, it: Histogram) -> Family:
    return prometheus.histogram(name, help_, BOUNDS, it.cumulated(), it.sum)


def _of_process() -> Iterable[Family]:
    """Return the figures of the process, by the names that Prometheus's own libraries use."""
    cpu = "Seconds of CPU, of all threads."
    yield single("process_cpu_seconds_total", "counter", cpu, time.process_time())
    memory = "Resident memory."
    yield Family("process_resident_memory_bytes", "gauge", memory, dict(_resident()))


def _resident() -> Iterable[tuple[str, float]]:
    """Return the bytes of resident memory, where the system tells them (proc(5))."""
    statm = Path("/proc/self/statm")
    if statm.is_file():
        yield "", int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
