"""Names of the server in a browser, and a real nginx that speaks TLS in front of it."""

import shutil
import socket
import ssl
import subprocess
import time
from typing import NamedTuple

import pytest

from tests.servers import PATIENCE, RawAdminClient, Server
from tests.tls import CertificateAuthority, TlsClient
from tests.web.clients import KEY, HttpClient, WebSocketClient

NAME = "chat.example.org"
NGINX = """
daemon off; pid {folder}/pid; error_log stderr; events {{ }}
http {{
  access_log off;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  map $http_upgrade $connection_upgrade {{ default upgrade; "" ""; }}
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {folder}/chain.pem; ssl_certificate_key {folder}/key.pem;
    location / {{
      proxy_pass http://127.0.0.1:{server};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header Forwarded "";
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
    }}
  }}
}}
"""


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


@pytest.fixture
def nginx(start_server, tmp_path):
    """Return an nginx that speaks TLS in front of a server, which knows users by their addresses:
    one connection each."""
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed")
    limits = {"trusted": ("127.0.0.1",), "connections_an_address": 1}
    server = start_server("--host-name", NAME, **limits)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    key, chain = CertificateAuthority(tmp_path).certify(NAME)
    (tmp_path / "key.pem").write_bytes(key)
    (tmp_path / "chain.pem").write_bytes(chain)
    text = NGINX.format(folder=tmp_path, port=port, server=server.port)
    (tmp_path / "nginx.conf").write_text(text)
    command = ["nginx", "-e", "stderr", "-c", str(tmp_path / "nginx.conf")]
    process = subprocess.Popen([*command, "-g", "user root;"])
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


def upgrade(nginx, source="127.0.0.1", **headers):
    """Ask for a WebSocket through it."""
    client = connected(nginx.port, source)
    told = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Key": KEY}
    told |= {"Sec_WebSocket_Version": "13", "Host": f"{NAME}:{nginx.port}", **headers}
    return client, client.request("GET", "/ws", **told)


def test_a_page_and_a_websocket_through_nginx(nginx):
    """The page comes, a WebSocket of its origin talks, and one of another origin does not."""
    client = connected(nginx.port)
    assert client.request("GET", "/", Host=f"{NAME}:{nginx.port}").status == 200
    assert upgrade(nginx, Origin="https://evil.example")[1].status == 403
    bob, answer = upgrade(nginx, Origin=f"https://{NAME}:{nginx.port}")
    assert answer.status == 101
    bob.tell(do="hello", name="bob", id=1)
    assert bob.until(id=1)["name"] == "bob"


def test_a_websocket_through_nginx_has_its_users_address(nginx):
    """For the log, the limit of connections, and bans; whatever address the client writes."""
    bob, answer = upgrade(
        nginx, "127.0.0.2", X_Forwarded_For="192.0.2.1", Forwarded="for=192.0.2.1"
    )
    assert answer.status == 101
    bob.tell(do="hello", name="bob")
    nginx.server.log.expect(r"bob connected from 127\.0\.0\.2 through 127\.0\.0\.1:\d+$")
    assert upgrade(nginx, "127.0.0.2")[1].status == 429
    operator = RawAdminClient(nginx.server)
    operator.ask(do="ban", room="lobby", user="127.0.0.3", id=1)
    operator.event("ok")
    eve, answer = upgrade(nginx, "127.0.0.3")
    assert answer.status == 101
    eve.tell(do="hello", name="eve", id=1)
    assert eve.until(id=1)["code"] == "banned"
    operator.close()
