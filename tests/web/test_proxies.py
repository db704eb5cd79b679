"""Names of the server in a browser, and a real nginx that speaks TLS in front of it."""

import json
import shutil
import socket
import ssl
import subprocess
import time

import pytest

from tests.servers import PATIENCE
from tests.tls import CertificateAuthority, TlsClient
from tests.web.clients import KEY, HttpClient, WebSocketClient
from tests.websocketframes import client_frame

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


@pytest.fixture
def nginx(start_server, tmp_path):
    """Return the port of an nginx that speaks TLS in front of a server."""
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed")
    server = start_server("--host-name", NAME)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    key, chain = CertificateAuthority(tmp_path).certify(NAME)
    (tmp_path / "key.pem").write_bytes(key)
    (tmp_path / "chain.pem").write_bytes(chain)
    text = NGINX.format(folder=tmp_path, port=port, server=server.port)
    (tmp_path / "nginx.conf").write_text(text)
    command = ["nginx", "-e", "stderr", "-c", str(tmp_path / "nginx.conf")]
    process = subprocess.Popen([*command, "-g", "user root;"])
    yield port
    process.terminate()
    process.wait(PATIENCE)


def connected(port):
    """Connect to a program that may not listen yet."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return TlsClient(port)
        except (ConnectionRefusedError, ssl.SSLError):
            assert time.monotonic() < until, "it does not listen"


class TlsHttp(WebSocketClient):
    """Requests over a connection of TLS that is there."""

    def __init__(self, made):
        self.socket, self._seen, self._buffer = made.socket, [], b""


def test_a_page_and_a_websocket_through_nginx(nginx):
    """The page comes, a WebSocket of its origin talks, and one of another origin does not."""
    client = TlsHttp(connected(nginx))
    assert client.request("GET", "/", Host=f"{NAME}:{nginx}").status == 200
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Key": KEY}
    upgrade |= {"Sec_WebSocket_Version": "13", "Host": f"{NAME}:{nginx}"}
    foreign = client.request("GET", "/ws", **upgrade, Origin="https://evil.example")
    assert foreign.status == 403
    bob = TlsHttp(connected(nginx))
    assert bob.request("GET", "/ws", **upgrade, Origin=f"https://{NAME}:{nginx}").status == 101
    bob.send_raw(client_frame(json.dumps({"do": "hello", "name": "bob", "id": 1}).encode()))
    assert bob.until(id=1)["name"] == "bob"
