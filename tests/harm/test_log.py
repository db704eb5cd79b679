"""The operator's log: no secret comes into it, and nobody but the server writes its lines."""

import json
import re
import secrets
from base64 import b64encode
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.harm.checks import LOGGED, check_http, check_json, check_log, check_text
from tests.harm.conftest import WatchedServer
from tests.harm.corpus import cases
from tests.harm.doors import DOORS, Framed
from tests.servers import RawClient
from tests.web.clients import HttpClient

TEXTS = {**cases("texts.txt"), **cases("harmless.txt"), **cases("names.txt")}


class Broken(WatchedServer):
    """A server in which every request fails half-way, with all its arguments at hand."""

    before = WatchedServer.before + "from tests.harm import faults; "


def secret() -> str:
    """Return something that nobody is to read, and that can be found again."""
    return f"secret-{secrets.token_hex(8)}"


def tell_secrets(server: WatchedServer) -> list[str]:
    """Give a server every kind of secret there is, rightly and wrongly. Return them."""
    known = {it: secret() for it in ("right", "wrong", "room", "wrong room", "mistyped", "token")}
    program = RawClient(server.port)
    requests = [
        {"do": "hello", "name": "keeper", "token": known["token"]},
        {"do": "register", "password": known["right"]},
        {"do": "register", "password": known["right"]},
        {"do": "create", "room": "vault", "password": known["room"]},
        {"do": "leave", "room": "vault"},
        {"do": "join", "room": "vault", "password": known["wrong room"]},
        {"do": "join", "room": "vault", "password": known["room"]},
        {"do": "access", "room": "vault", "access": "hidden", "password": known["room"]},
        {"do": "login", "name": "nobody", "password": known["wrong"]},
        {"do": "login", "name": "keeper", "password": known["wrong"]},
        {"do": "hello", "name": "keeper", "password": known["wrong"], "token": known["token"]},
        {"do": "regsiter", "password": known["mistyped"]},
        {"do": "login", "name": ["keeper"], "password": [known["mistyped"]]},
        {"do": "join", "room": "vault", "password": {known["mistyped"]: 1}},
        {"do": "put", "room": "vault", "name": "x", "size": 5},
        {"do": "msg", "to": "keeper", "text": known["mistyped"]},
    ]
    for at, request in enumerate(requests):
        program.ask(**request, id=at)
    program.send(b'{"do":"login","password":"%s"' % known["mistyped"].encode())
    program.end()
    found = list(known.values())
    for it in check_json(program.rest()):
        found += [it[field] for field in ("token", "ticket") if it.get(field)]
    person = RawClient(server.port)
    person.send(
        *("typist", f"/login keeper {known['wrong']}", f"/login keeper {known['right']}"),
        *(f"/join vault {known['wrong room']}", f"/join vault {known['room']}"),
        *(f"/regsiter {known['mistyped']}", f"/register {known['right']} {known['mistyped']}"),
        *(f"/login {known['mistyped']}", f"/create nest {known['room']}", "/link x"),
    )
    person.end()
    check_text(person.rest())
    for ticket in (known["token"], *found[len(known) :]):
        for word in ("GET", "PUT"):
            carrier = RawClient(server.port)
            carrier.send(f"{word} {ticket} 1")
            carrier.end()
            check_text(carrier.rest())
            carrier.close()
    program.close()
    person.close()
    tell_secrets_in_http(server, known)
    return found


def tell_secrets_in_http(server: WatchedServer, known: dict[str, str]) -> None:
    """Give it the same secrets in HTTP and in a WebSocket: rightly, and where none belongs."""
    client = HttpClient(server.port)
    for password in ("right", "wrong"):
        basic = b64encode(f"keeper:{known[password]}".encode()).decode()
        for told in (basic, f"{basic}=", known[password]):
            headers = {"Authorization": f"Basic {told}"}
            client.request("GET", "/api/v1/session", **headers)
            client.request("GET", "/api/v1/rooms/vault/messages", **headers)
    for token in ("token", "mistyped"):
        client.request("GET", "/lobby", Authorization=f"Bearer {known[token]}")
        client.request("GET", f"/t/{known[token]}/x")
        client.request("PUT", f"/t/{known[token]}", b"x")
        client = HttpClient(server.port)
    client.request("GET", f"/lab?password={known['right']}")
    client.request("GET", f"/{known['mistyped']}?{known['mistyped']}", X=known["mistyped"])
    client.request("POST", f"/api/v1/do/{known['mistyped']}", known["mistyped"].encode())
    client = HttpClient(server.port)
    client.request("GET", f"http://keeper:{known['right']}@localhost/lab")
    client.close()
    page = Framed(server.port)
    page.ask(do="login", name="keeper", password=known["wrong"])
    page.ask(do="hello", name="keeper", password=known["right"], token=known["token"])
    page.end()
    check_json(page.rest())
    page.close()


def test_no_secret_is_logged(server):
    """Passwords of users and of rooms, right, wrong and mistyped, tokens, and tickets."""
    known = tell_secrets(server)
    assert len(known) > 7
    lines = server.logged()
    assert any("keeper registered" in line for line in lines)
    check_log(lines, *known)


def test_no_secret_is_logged_when_all_fails(tmp_path: Path):
    """The log has each failure with its place in the code, and without the arguments. The user
    reads one sentence about it, and no traceback."""
    server = Broken(tmp_path / "server")
    try:
        known = tell_secrets(server)
        program = RawClient(server.port)
        program.ask(do="rooms", id=1)
        program.ask(do="hello", name="x", id=2)
        program.ask(do="help", id=3)
        program.end()
        answers = check_json(program.rest())
        assert [it["code"] for it in answers] == ["name-needed", "server-error", "server-error"]
        assert not [it for it in answers if "Traceback" in it["message"]]
        program.close()
        lines = server.logged()
    finally:
        server.kill()
    assert any("Traceback (most recent call last)" in line for line in lines)
    assert any("ArithmeticError" in line for line in lines)
    for it in known:
        assert not [line for line in lines if it in line]
    for line in lines:
        assert LOGGED.match(line) or line[0] in "\t ", line


@pytest.mark.parametrize("way", ["typed", *DOORS])
def test_nobody_forges_a_line(server, way):
    """Names of users, rooms and files cannot forge a line of the log, nor can any other text in it:
    each line begins as one, and has no control characters."""
    for text in TEXTS.values():
        line = text.encode(errors="surrogatepass")
        bare = DOORS.get(way, RawClient)(server.port)
        if way in DOORS:
            requests = (
                {"do": "hello", "name": text},
                {"do": "hello", "name": "spare"},
                {"do": "nick", "name": text},
                {"do": "create", "room": text},
                {"do": "put", "room": "lobby", "name": text, "size": 0},
                {"do": "remove", "room": "lobby", "name": text},
            )
            bare.send(*map(json.dumps, requests))
        else:
            data = line + b"\nspare\n/nick " + line + b"\n/create " + line + b"\n/remove " + line
            data += b'\n/put "' + line + b'" 0'
            bare.send_raw(data)
        bare.end()
        bare.rest()
        bare.close()
    lines = server.logged()
    check_log(lines)
    assert not [line for line in lines if line.endswith("forged")]


def test_no_head_forges_a_line(server):
    """Nor can a method, a target, or any header that somebody reads."""
    for text in TEXTS.values():
        value = re.sub(rb"[\r\n\0]", b"\x1b", text.encode(errors="surrogatepass"))[:2000]
        encoded = quote(text, safe="", errors="surrogatepass")[:2000].encode()
        for target, name in (
            (encoded, b"User-Agent"),
            (value, b"X-Forwarded-For"),
            (b"x", b"Host"),
        ):
            bare = HttpClient(server.port)
            bare.send_raw(b"PUT /lobby/%b?name=%b HTTP/1.1\r\n" % (target, encoded))
            bare.send_raw(b"Host: localhost\r\n" * (name != b"Host") + name + b": " + value)
            bare.send_raw(b"\r\nAuthorization: Basic " + value + b"\r\nContent-Length: 1\r\n\r\nx")
            bare.end()
            check_http(bare.rest())
            bare.close()
    lines = server.logged()
    check_log(lines)
    assert not [line for line in lines if line.endswith("forged")]


def test_what_a_proxy_tells_is_no_line_either(tmp_path: Path):
    """The address that a proxy, or a client in its place, sends cannot forge a line of the log."""
    server = WatchedServer(tmp_path / "server", "--listen", "haproxy:tcp:0:interface=127.0.0.1")
    try:
        port = int(server.log.expect(r"listening on 127\.0\.0\.1:(\d+)")[1])
        for host in (b"\x1b[2J", b"1.2.3.4\nforged", b"\xc2\x9b2J", b"\xe2\x80\xaeb"):
            bare = RawClient(port)
            bare.send_raw(b"PROXY TCP4 " + host + b" 127.0.0.1 1 2\r\nproxied\n")
            bare.end()
            bare.rest()
            bare.close()
        lines = server.logged()
        check_log(lines)
        assert len([line for line in lines if "proxied connected from" in line]) == 4
    finally:
        server.kill()
