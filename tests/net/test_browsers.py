"""Browsers are not greeted: on a connection that they opened ahead, that would break a request."""

import contextlib
import ssl
import subprocess

import pytest
from twisted.internet.task import Clock

from chatservice.net import browsers
from chatservice.net.browsers import BrowserAddresses
from tests.servers import PATIENCE, RawClient
from tests.tls import TLS, TlsClient
from tests.web.clients import HttpClient, WebSocketClient

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
ELSEWHERE = "127.0.0.2"
SHORT = {"greeting_seconds": 0.05, "first_byte_seconds": 0.05}
BROWSER = {"User_Agent": "Mozilla/5.0 (X11; Linux x86_64)"}
FULL = "! The server has 1 connections, and no more; come back later."


def test_addresses_are_remembered_for_a_while():
    """Each for five minutes from its last request on; IPv6 by its /64; the first ones are forgotten
    when there are many."""
    clock = Clock()
    known = BrowserAddresses(clock.seconds)
    for address in ("192.0.2.1", "2001:db8::1", "::ffff:192.0.2.3", ""):
        known.note(address)
    assert known.knows("2001:db8::2")
    assert known.knows("192.0.2.3")
    assert not known.knows("192.0.2.2")
    assert not known.knows("")
    clock.advance(200)
    known.note("192.0.2.1")
    clock.advance(200)
    assert known.knows("192.0.2.1")
    assert not known.knows("2001:db8::1")
    for count in range(browsers.REMEMBERED):
        known.note(f"10.0.{count >> 8}.{count & 255}")
    assert not known.knows("192.0.2.1")


def greeted(port):
    """Connect a person from an address without a browser, and wait until the server greets them, so
    that the time of each earlier connection is over."""
    person = RawClient(port, ELSEWHERE)
    person.expect("* Welcome")
    return person


def assert_silent(bare):
    """Show that nothing came on a connection, before the answer to its first request."""
    bare.send_raw(GET)
    assert bare.line().startswith("HTTP/1.1 ")


def assert_ends_silently(bare):
    """Wait for the end of a connection, on which nothing came."""
    with contextlib.suppress(ConnectionError):
        assert bare.rest() == b""


@pytest.mark.parametrize("options", [(), ("--tls", "auto")], ids=["plain", "also TLS"])
def test_an_address_that_spoke_http_is_not_greeted(start_server, options):
    """A connection opened ahead takes a request; people from other addresses are greeted."""
    server = start_server(*options, **SHORT)
    HttpClient(server.port).request("GET", "/", **BROWSER)
    ahead = RawClient(server.port)
    greeted(server.port)
    assert_silent(ahead)


@pytest.mark.parametrize(
    ("headers", "is_one"),
    [
        ({}, False),
        ({"User-Agent": "curl/8.5.0"}, False),
        ({"User-Agent": "Prometheus/2.45.0"}, False),
        ({"User-Agent": "Wget Mozilla/5.0"}, False),
        ({"User-Agent": "Mozilla/5.0 (X11)"}, True),
        ({"user-agent": "Mozilla/5.0 (X11)"}, True),
        ({"Sec-Fetch-Mode": "navigate"}, True),
        ({"X": "1", "sec-fetch-mode": "cors", "User-Agent": "x"}, True),
        ({"X": "User-Agent: Mozilla/5.0"}, False),
    ],
    ids=str,
)
def test_only_browsers_are_remembered(headers, is_one):
    """By what each browser sends, also in the head that a full server looks at."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"GET / HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n".encode()
    assert browsers.is_head_of_browser(head) == is_one
    lower = {name.lower(): value for name, value in headers.items()}
    told = lower.get("sec-fetch-mode", ""), lower.get("user-agent", "")
    assert browsers.is_browser(*told) == is_one


def test_a_person_beside_curl_is_greeted(start_server):
    """Programs that ask by HTTP from a person's machine, also on a full server or by a WebSocket,
    take no greeting from real nc."""
    server = start_server(**SHORT)
    page = WebSocketClient(server.port)
    assert page.handshake.status == 101
    for path in ("/", "/metrics", "/lobby"):
        asked = ["curl", "-sS", "-o", "/dev/null", f"http://127.0.0.1:{server.port}{path}"]
        subprocess.run(asked, check=True, timeout=PATIENCE)
    command = ["nc", "127.0.0.1", str(server.port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as nc:
        assert nc.stdout.readline().startswith(b"* Welcome")
        nc.stdin.write(b"quit\n")
        nc.stdin.close()
    page.close()


def test_a_browser_on_a_full_server_and_one_that_waits(start_server):
    """Neither the sentence of the full server nor that of the login timeout comes on a connection
    that was opened ahead; others are told."""
    server = start_server(connections=1, name_seconds=0.5, **SHORT)
    first = RawClient(server.port, ELSEWHERE)
    first.expect("* Welcome")
    refused = HttpClient(server.port).request("GET", "/", **BROWSER)
    assert refused.status == 503
    ahead = RawClient(server.port)
    other = RawClient(server.port, ELSEWHERE)
    assert other.line() == FULL
    assert_ends_silently(ahead)
    first.expect("You did not come in")
    assert first.rest() == b""
    ahead = RawClient(server.port)
    assert_ends_silently(ahead)


def test_what_negotiated_http_in_tls_is_not_greeted(start_server):
    """The handshake tells browsers from people, also at one address."""
    server = start_server("--tls", "auto", **SHORT)
    offering = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    offering.check_hostname, offering.verify_mode = False, ssl.CERT_NONE
    offering.set_alpn_protocols(["h2", "http/1.1"])
    ahead = TlsClient(server.port, offering)
    assert ahead.socket.selected_alpn_protocol() == "http/1.1"
    TlsClient(server.port, TLS).expect("* Welcome")
    assert_silent(ahead)
    TlsClient(server.port, TLS).expect("* Welcome")
    other = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    other.check_hostname, other.verify_mode = False, ssl.CERT_NONE
    other.set_alpn_protocols(["irc"])
    person = TlsClient(server.port, other)
    assert person.socket.selected_alpn_protocol() is None
    person.expect("* Welcome")


@pytest.mark.parametrize("client", [RawClient, TlsClient])
def test_a_port_that_greets_nobody(start_server, client):
    """It is `silent:` before an endpoint; the other port greets, and people may speak on both."""
    listen = ("--listen", "silent:tcp:0:interface=127.0.0.1", "--tls", "auto")
    server = start_server(*listen, name_seconds=1.0, **SHORT)
    silent = int(server.log.expect(r"listening on 127\.0\.0\.1:(\d+)")[1])
    idle, ahead, person = client(silent), client(silent), client(silent)
    person.send("ann", "/who")
    greeted(server.port)
    assert_silent(ahead)
    person.expect("1 in lobby")
    assert_ends_silently(idle)
