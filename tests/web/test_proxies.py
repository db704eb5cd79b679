"""Names of the server in a browser, and real proxies that speak TLS in front of it: the documented
configurations of nginx and haproxy."""

import re
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.servers import PATIENCE, ROOT, RawAdminClient, Server
from tests.tls import CertificateAuthority, TlsClient
from tests.web.clients import KEY, HttpClient, WebSocketClient

NAME = "chat.example.org"
DOCUMENT = (ROOT / "docs/web.md").read_text()


def documented(program: str, server: int) -> list[str]:
    """Return the configurations of docs/web.md, for a server on that port."""
    found = re.findall(rf"```{program}\n(.*?)```", DOCUMENT, re.DOTALL)
    return [it.replace("127.0.0.1:5555", f"127.0.0.1:{server}") for it in found]


def nginx(folder: Path, port: int, server: int) -> list[str]:
    """Write a configuration, and return the command."""
    outside, inside = documented("nginx", server)
    paths = "client_body proxy fastcgi uwsgi scgi"
    temporary = " ".join(f"{it}_temp_path {folder}/{it};" for it in paths.split())
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log stderr; events {{ }}\n"
        f"http {{ access_log off; {temporary} {outside}"
        f"server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {folder}/chain.pem;"
        f"ssl_certificate_key {folder}/key.pem; {inside} }} }}\n"
    )
    return ["nginx", "-e", "stderr", "-c", f"{folder}/nginx.conf", "-g", "user root;"]


def haproxy(folder: Path, port: int, server: int) -> list[str]:
    """Write a configuration, and return the command."""
    both = (folder / "chain.pem").read_bytes() + (folder / "key.pem").read_bytes()
    (folder / "both.pem").write_bytes(both)
    text = documented("haproxy", server)[0].replace("bind :443", f"bind 127.0.0.1:{port}")
    text = text.replace("/etc/haproxy/chat.pem", f"{folder}/both.pem")
    (folder / "haproxy.cfg").write_text(text)
    return ["haproxy", "-db", "-f", f"{folder}/haproxy.cfg"]


def test_names_that_the_operator_lists(start_server):
    """They are good with any port, in any case; another one is refused, and told of the option."""
    server = start_server("--host-name", NAME, "--host-name", "b.example")
    client = HttpClient(server.port)
    for host in (NAME, "CHAT.example.org.:80", "b.example:5555"):
        assert client.request("GET", "/", Host=host).status == 200
    refused = client.request("GET", "/", Host="evil.example")
    assert refused.status == 403
    assert b"--host-name" in refused.body


def test_a_forwarded_scheme_is_believed_from_trusted_addresses_only(start_server):
    """Else a page of http might pass for one of https."""
    told = {"Host": NAME, "Origin": f"https://{NAME}", "X_Forwarded_Proto": "https"}
    server = start_server("--host-name", NAME)
    assert WebSocketClient(server.port, **told).handshake.status == 101
    assert WebSocketClient(server.port, **{**told, "X_Forwarded_Proto": ""}).handshake.status == 403
    server = start_server("--host-name", NAME, trusted=("192.0.2.1",))
    assert WebSocketClient(server.port, **told).handshake.status == 403


class TlsHttp(WebSocketClient):
    """Requests over TLS, on a new connection or one that is there."""

    def __init__(self, to):
        made = TlsClient(to) if isinstance(to, int) else to
        self.socket, self._seen, self._buffer = made.socket, [], b""


@pytest.mark.parametrize("kind", [HttpClient, TlsHttp])
def test_a_forwarded_address_is_the_users(start_server, kind):
    """Limits and the log know users of one proxy, on one connection too, by their own addresses.
    Two of them never share a guest."""
    server = start_server("--tls", "auto", connections_an_address=1)

    def come(client, address, name=""):
        return client.request("POST", f"/lobby{name}", b"hello", X_Forwarded_For=address)

    one, other = kind(server.port), kind(server.port)
    assert come(one, "192.0.2.1", "?name=ann").status == 200
    server.log.expect(r"ann connected from 192\.0\.2\.1 through 127\.0\.0\.1:\d+$")
    refused = come(other, "::ffff:192.0.2.1")
    assert refused.status == 429
    assert refused.body.startswith(b"1 connections are here from your address")
    other = kind(server.port)
    assert come(one, "203.0.113.9, 192.0.2.2, 127.0.0.1").status == 200
    assert come(other, "192.0.2.1").status == 200
    assert come(one, "192.0.2.2").status == 200
    guests = [server.log.expect("(web-.*) connected from 192.0.2.2 ")[1] for _ in range(2)]
    assert guests[0] != guests[1]
    assert come(one, "2001:db8::1").status == 200


def test_others_choose_no_address(start_server):
    """Neither who is not trusted, nor who adds one header to the other that a proxy sets."""
    server = start_server(trusted=("192.0.2.1",))
    client = HttpClient(server.port)
    told = {"X_Forwarded_For": "203.0.113.9", "Forwarded": "for=203.0.113.7"}
    assert client.request("POST", "/lobby?name=eve", b"hello", **told).status == 200
    server.log.expect(r"eve connected from 127\.0\.0\.1:\d+$")
    trusting = HttpClient(start_server().port)
    refused = trusting.request("GET", "/lobby", **told)
    assert refused.status == 422
    assert b"tell different addresses" in refused.body
    agreed = {**told, "Forwarded": "for=203.0.113.9"}
    assert trusting.request("GET", "/lobby", **agreed).status == 200


class Proxied(NamedTuple):
    """The port of a proxy, and the server behind it."""

    port: int
    server: Server


@pytest.fixture(params=[nginx, haproxy], ids=lambda it: it.__name__)
def proxy(request, start_server, tmp_path):
    """Return a proxy that speaks TLS in front of a server, which knows users by their addresses:
    one connection each."""
    if shutil.which(request.param.__name__) is None:
        pytest.skip(f"{request.param.__name__} is not installed")
    limits = {"trusted": ("127.0.0.1",), "connections_an_address": 1}
    server = start_server("--host-name", NAME, **limits)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    key, chain = CertificateAuthority(tmp_path).certify(NAME)
    (tmp_path / "key.pem").write_bytes(key)
    (tmp_path / "chain.pem").write_bytes(chain)
    process = subprocess.Popen(request.param(tmp_path, port, server.port))
    yield Proxied(port, server)
    process.terminate()
    process.wait(PATIENCE)


def connected(port, source="127.0.0.1"):
    """Connect to a program that may not listen yet."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return TlsHttp(TlsClient(port, source=source))
        except (ConnectionRefusedError, ssl.SSLError):
            assert time.monotonic() < until, "it does not listen"


def upgrade(proxy, source="127.0.0.1", **headers):
    """Ask for a WebSocket through it."""
    client = connected(proxy.port, source)
    told = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Key": KEY}
    told |= {"Sec_WebSocket_Version": "13", "Host": f"{NAME}:{proxy.port}", **headers}
    return client, client.request("GET", "/ws", **told)


def test_a_page_and_a_websocket_through_a_proxy(proxy):
    """The page comes, a WebSocket of its origin talks, and one of another origin does not."""
    client = connected(proxy.port)
    assert client.request("GET", "/", Host=f"{NAME}:{proxy.port}").status == 200
    size = 3_000_000  # more than nginx takes by itself
    said = client.request("PUT", "/lobby/big", bytes(size), Host=NAME)
    assert said.status == 201
    assert len(client.request("GET", "/lobby/big", Host=NAME).body) == size
    assert upgrade(proxy, Origin="https://evil.example")[1].status == 403
    bob, answer = upgrade(proxy, Origin=f"https://{NAME}:{proxy.port}")
    assert answer.status == 101
    bob.tell(do="hello", name="bob", id=1)
    assert bob.until(id=1)["name"] == "bob"


def test_a_websocket_through_a_proxy_has_its_users_address(proxy):
    """For the log, the limit of connections, and bans; whatever address the client writes."""
    bob, answer = upgrade(
        proxy, "127.0.0.2", X_Forwarded_For="192.0.2.1", Forwarded="for=192.0.2.1"
    )
    assert answer.status == 101
    bob.tell(do="hello", name="bob")
    proxy.server.log.expect(r"bob connected from 127\.0\.0\.2 through 127\.0\.0\.1:\d+$")
    assert upgrade(proxy, "127.0.0.2")[1].status == 429
    operator = RawAdminClient(proxy.server)
    operator.ask(do="ban", room="lobby", user="127.0.0.3", id=1)
    operator.event("ok")
    eve, answer = upgrade(proxy, "127.0.0.3")
    assert answer.status == 101
    eve.tell(do="hello", name="eve", id=1)
    assert eve.until(id=1)["code"] == "banned"
    operator.close()
