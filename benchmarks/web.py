"""Measurements of HTTP and WebSocket, which this server speaks on its port."""

import socket
from collections.abc import Callable
from dataclasses import replace
from itertools import count, repeat

from benchmarks import files, machine, measure
from benchmarks.measure import Measure, Measured, Setting, Talk
from benchmarks.peers import Peer

# -- WebSocket -------------------------------------------------------------------------------------


def websockets(readers: int, senders: int, window: int) -> Measure:
    """Measure deliveries to WebSockets, and to bare JSON connections, in turns. `senders` of the
    `readers` are text clients, who keep `window` messages in flight each. Another server has
    WebSockets only, which send, too."""
    options = {"rooms": 1, "readers": readers, "senders": senders, "window": window}
    talk = Talk("throughput", 1, {**options, "speakers": "text"})

    def measured(peer: Peer, setting: Setting) -> Measured:
        if peer.name != "chatservice":
            return Talk("throughput", 1, options)(peer, setting)
        protocols = {it: it for it in ("json", "websocket")}
        found = talk.in_turns(dict.fromkeys(protocols, peer), setting, protocols)
        return found["websocket"] | {f"json_{name}": x for name, x in found["json"].items()}

    return measured


# -- files -----------------------------------------------------------------------------------------


def down(peer: Peer, setting: Setting) -> Measured:
    """Measure repeated downloads over HTTP."""
    with measure.serving(peer, setting) as server:
        if peer.name == "chatservice":
            server = replace(server, protocol="web")
        return measure.repeated_downloads(server, setting)


def up(peer: Peer, setting: Setting) -> Measured:
    """Measure uploads over HTTP, with a length and without one, and by ticket, in turns."""
    path, size = measure.payload(setting, measure.GIB // (8 if setting.quick else 4))
    with measure.serving(peer, setting) as server, files.client(server) as tickets:
        web = files.WebClient(server)
        ways = {"": web.send, "chunked_": web.send_in_chunks, "ticket_": tickets.send}
        found: dict[str, list[Measured]] = {prefix: [] for prefix in ways}
        for _ in range(measure.UPLOADS):
            for prefix, send in ways.items():
                found[prefix].append(measure.upload(server, setting, send, path, size))
    middles = {prefix: measure.middle(one) for prefix, one in found.items()}
    return {f"{prefix}{name}": x for prefix, one in middles.items() for name, x in one.items()}


# -- small requests --------------------------------------------------------------------------------

GETS = 2500
"""Requests of each kind."""

WARMING = 200
"""Requests before them that do not count."""

A_CONNECTION = 900
"""Requests of the API that a session makes before it connects anew. Fewer than it may make without
a pause (`Limits.commands_burst`): for one that the server holds back, its sleep would count too."""

_API, _HEALTH, _PAGE = "/api/v1/rooms", "/healthz", "/static/icon.svg"


def small_gets(peer: Peer, setting: Setting) -> Measured:
    """Measure the server's CPU time for a GET, one at a time, of a program that keeps its
    connection: of the list of rooms through the API, of `/healthz`, and of a file of the page; and
    of that file over a new connection each."""
    with measure.serving(peer, setting) as server:
        watch = machine.Watch(server.pid)
        figures = {
            "cpu_us_per_get": _cpu_us(server.pid, _renewed(server.port, _API)),
            "health_cpu_us_per_get": _cpu_us(server.pid, _kept(server.port, _HEALTH)),
            "page_cpu_us_per_get": _cpu_us(server.pid, _kept(server.port, _PAGE)),
            "new_cpu_us_per_get": _cpu_us(server.pid, lambda: _get_anew(server.port, _PAGE)),
        }
        return {**figures, "others_busy": watch.others()}


def _renewed(port: int, path: str) -> Callable[[], None]:
    """Return a function that asks, and connects anew after `A_CONNECTION` requests."""
    gets = (get for _ in count() for get in repeat(_kept(port, path), A_CONNECTION))
    return lambda: next(gets)()


def _cpu_us(pid: int, get: Callable[[], None]) -> float:
    """Return the CPU time of a process for one call of `get`, in microseconds."""
    for _ in range(WARMING):
        get()
    before = machine.cpu_seconds(pid)
    for _ in range(GETS):
        get()
    return (machine.cpu_seconds(pid) - before) / GETS * 1e6


def _request(path: str, more: str = "") -> bytes:
    """Return a request with the headers that curl sends."""
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n"
    return f"{head}{more}\r\n".encode()


def _get_anew(port: int, path: str) -> None:
    """Ask over a new connection, and read everything."""
    with files.connect(port) as connection:
        connection.sendall(_request(path, "Connection: close\r\n"))
        whole = b""
        while data := connection.recv(files.PIECE):
            whole += data
    _check(whole)


def _kept(port: int, path: str) -> Callable[[], None]:
    """Return a function that asks over one connection, and reads the whole response: each is as
    long as the first one."""
    connection, request = files.connect(port), _request(path)
    size = len(_first_response(connection, request))

    def get() -> None:
        connection.sendall(request)
        left = size
        while left:
            left -= len(connection.recv(left))

    return get


def _first_response(connection: socket.socket, request: bytes) -> bytes:
    connection.sendall(request)
    whole = b""
    while b"\r\n\r\n" not in whole:
        whole += connection.recv(1)
    length = next(x for x in whole.split(b"\r\n") if x.lower().startswith(b"content-length:"))
    left = int(length.partition(b":")[2])
    while left:
        data = connection.recv(left)
        whole, left = whole + data, left - len(data)
    return _check(whole)


def _check(response: bytes) -> bytes:
    """Return a response, which must be a good one."""
    if not response.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(f"the server said {response[:100]!r}")
    return response
