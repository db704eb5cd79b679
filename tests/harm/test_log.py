"""The operator's log: no secret comes into it, and nobody but the server writes its lines."""

import json
import secrets
from pathlib import Path

import pytest

from tests.harm.checks import LOGGED, check_json, check_log, check_text
from tests.harm.conftest import WatchedServer
from tests.harm.corpus import cases
from tests.servers import RawClient

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
    return found


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


@pytest.mark.parametrize("as_program", [False, True], ids=["typed", "JSON"])
def test_nobody_forges_a_line(server, as_program):
    """Names of users, rooms and files cannot forge a line of the log, nor can any other text in it:
    each line begins as one, and has no control characters."""
    for text in TEXTS.values():
        line = text.encode(errors="surrogatepass")
        if as_program:
            requests = (
                {"do": "hello", "name": text},
                {"do": "hello", "name": "spare"},
                {"do": "nick", "name": text},
                {"do": "create", "room": text},
                {"do": "put", "room": "lobby", "name": text, "size": 0},
                {"do": "remove", "room": "lobby", "name": text},
            )
            data = b"\n".join(json.dumps(it).encode() for it in requests)
        else:
            data = line + b"\nspare\n/nick " + line + b"\n/create " + line + b"\n/remove " + line
            data += b'\n/put "' + line + b'" 0'
        bare = RawClient(server.port)
        bare.send_raw(data)
        bare.end()
        bare.rest()
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
