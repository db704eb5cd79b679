"""HTTP on the port: heads, bodies, connections, and whose pages may use it."""

import gzip
import re

import pytest

from tests.servers import RawClient
from tests.web.clients import KEY, HttpClient

TWO_LENGTHS = b"POST / HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi"
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_the_page_and_its_parts(server):
    """`/` is the page, and everything that it names is there. The page is never old, and names its
    parts by their version, so a browser keeps them."""
    client = HttpClient(server.port)
    page = client.request("GET", "/")
    assert page.status == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-cache"
    parts = re.findall(r'(?:src|href)="/?(static/[^"]+)"', page.body.decode())
    assert parts
    for path in parts:
        part = client.request("GET", f"/{path}")
        assert part.status == 200, path
        assert part.body
        assert "immutable" in part.headers["cache-control"]
        again = client.request("GET", f"/{path}", If_None_Match=part.headers["etag"])
        assert (again.status, again.body) == (304, b"")
    assert client.request("HEAD", "/").headers["content-length"] == str(len(page.body))
    assert client.request("DELETE", "/").status == 405


def test_the_page_is_light(server):
    """A browser gets everything compressed, in less than 90 kB; the tag is that of the plain
    bytes."""
    client = HttpClient(server.port)
    plain = client.request("GET", "/")
    weight = 0
    for path in ["/", *re.findall(r'(?:src|href)="/?(static/[^"]+)"', plain.body.decode())]:
        part = client.request("GET", f"/{path}".replace("//", "/"), Accept_Encoding="gzip, br")
        assert (part.status, part.headers["content-encoding"]) == (200, "gzip")
        weight += len(part.body)
    assert weight < 90_000
    packed = client.request("GET", "/", Accept_Encoding="gzip")
    assert gzip.decompress(packed.body) == plain.body
    assert packed.headers["etag"] == plain.headers["etag"]


def test_the_page_names_the_modules_of_its_first_screen(server):
    """No browser on a slow network asks for one module after another: what a named module imports
    is named, too."""
    client = HttpClient(server.port)
    paths = re.findall(r'"(static/[^"]+[.]js)"', client.request("GET", "/").body.decode())
    imported = set()
    for path in paths:
        source = client.request("GET", f"/{path}").body.decode()
        imported |= {*re.findall(r"^import .* from '[.]/(\w+[.]js)'", source, re.MULTILINE)}
    assert imported
    assert imported <= {path.rpartition("/")[2] for path in paths}
    assert len(set(paths)) <= 15


def test_text_and_json_work_beside_it(server):
    """The same port still takes people, programs and tickets, whose first words look alike."""
    person = RawClient(server.port)
    person.send("Gerta", "/who")
    person.expect("* 1 in lobby")
    ticket = RawClient(server.port)
    ticket.send("GET httphttphttphttp")
    ticket.expect("That ticket is not good")
    slow = RawClient(server.port)
    for letter in "PUT / HTTP/1.1\r\nHost: a.local\r\n\r\n":
        slow.send_raw(letter.encode())
    assert slow.line().startswith("HTTP/1.1 ")


def test_requests_come_in_one_piece_or_in_many(server):
    """Pipelined requests have an answer each, in order; one in single bytes has one, too."""
    client = HttpClient(server.port)
    client.send_raw(GET.replace(b" / ", b" /nothing ") + GET + GET.replace(b" / ", b" /ws "))
    assert [client.response().status for _ in range(3)] == [404, 200, 426]
    for byte in GET:
        client.send_raw(bytes((byte,)))
    assert client.response().status == 200


def test_requests_with_bodies_in_one_piece(server):
    """Each has its answer, in order, also behind one that is refused at once; and all the same if
    the client half-closes behind them."""
    head = b"POST /lobby?name=ann HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n"
    for times in (1, 300):
        client = HttpClient(server.port)
        client.send_raw((head + b"\t" + head + b"x" + GET) * times)
        client.end()
        statuses = [client.response().status for _ in range(3 * times)]
        assert statuses == [422, 200, 200] * times
        assert client.rest() == b""


def test_a_client_may_half_close(server):
    """`nc -N` sends a request and the end of its input at once: it gets the answer."""
    client = HttpClient(server.port)
    client.send_raw(GET)
    client.end()
    assert client.rest().startswith(b"HTTP/1.1 200 ")


WHOLE = {
    "page": GET,
    "text": b"POST /lobby HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
    "chunks": b"POST /lobby HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;x=1\r\nhello\r\n0\r\nX: 1\r\n\r\n",
    "file": b"PUT /lobby/f HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
}


@pytest.mark.parametrize("kind", WHOLE)
def test_a_client_that_half_closes_within_a_request(server, kind):
    """Wherever that is, it gets one answer: 400, and nothing is said or shared. Only before the
    server can know that it is HTTP, it is taken for a person's line."""
    reader, whole = RawClient(server.port), WHOLE[kind]
    reader.send('{"do":"hello","name":"reader"}', '{"do":"join","room":"lobby"}')
    reader.expect('"lobby"')
    clients = []
    for size in range(len(b"POST /"), len(whole)):
        client = HttpClient(server.port)
        client.send_raw(GET + whole[:size])
        client.end()
        clients.append(client)
    for client in clients:
        assert client.response().status == 200
        assert client.rest().startswith(b"HTTP/1.1 400 ")
        client.close()
    reader.send('{"do":"say","room":"lobby","text":"done"}')
    assert reader.event("message")["text"] == "done"


def test_the_address_in_the_request_line(server):
    """RFC 9112, 3.2.2: it may be absolute; but two that differ are refused, because a proxy may
    have looked at the other one."""
    client = HttpClient(server.port)
    host = f"127.0.0.1:{server.port}"
    assert client.request("GET", f"http://{host}/healthz").body == b"ok\n"
    assert client.request("GET", f"HTTP://{host}/lobby").status == 200
    assert b"<!doctype html>" in client.request("GET", f"http://{host}").body
    assert client.request("OPTIONS", f"http://{host}/lobby").status == 204
    assert client.request("OPTIONS", "*").status == 204
    assert client.request("GET", f"https://{host}/healthz").status == 421
    assert client.request("GET", "http://evil.example/", Host="evil.example").status == 403
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13"}
    answer = client.request("GET", f"http://{host}/ws", Sec_WebSocket_Key=KEY, **upgrade)
    assert answer.status == 101
    for other in ("localhost", "evil.example", f"ann@{host}", "127.0.0.1"):
        refused = HttpClient(server.port).request("GET", f"http://{other}/healthz")
        assert refused.status == 400, other
    old = HttpClient(server.port)
    old.send_raw(b"GET http://evil.example/ HTTP/1.0\r\n\r\n")
    assert old.response().status == 403


@pytest.mark.parametrize("value", ["100-continue, x", "x", "200-ok", "100-continue;q=1", ","])
def test_what_a_client_may_not_expect(server, value):
    """RFC 9110, 10.1.1: the server can only tell it to go on, and refuses any other wish."""
    client = HttpClient(server.port)
    refused = client.request("POST", "/lobby", b"hello", Expect=value)
    assert refused.status == 417
    assert "100-continue" in refused.body.decode()
    client = HttpClient(server.port)
    client.ask_for("POST", "/lobby", b"hello", Expect="100-CONTINUE")
    assert client.response().status in (100, 200)


FRAMINGS = [
    *(b"Transfer-Encoding: " + it for it in (b"gzip", b"identity", b"chunked, chunked", b"", b"x")),
    *(b"Transfer-Encoding: " + it for it in (b"chunked, identity", b"chunked;q=1", b'"chunked"')),
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: identity\r\nContent-Length: 5",
    b"Content-Length: 5\r\nTransfer-Encoding: identity",
    b"content-length: 5\r\ntransfer-encoding: chunked",
    *(b"Content-Length: " + it for it in (b"5, 5", b"5 5", b"-1", b"0x5", b"5.0", b"", b"\xb2")),
    b"Content-Length: 5\r\nContent-Length: 5",
    b"Content-Length: 5\r\nContent-Length: 6",
    b"Content_Length: 5\r\nContent-Length : 5",
]
"""Headers that leave open where a body ends, or do for some servers (RFC 9112, 6.3, 11.2)."""


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\nHost: localhost\n\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\nX: 1\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/3.0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 5000 + b"\r\n", 431),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 431),
        (
            b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: +5\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
        (TWO_LENGTHS, 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: \x0bchunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\rY: b\r\n\r\n", 400),
        *((b"POST / HTTP/1.1\r\nHost: localhost\r\n" + it + b"\r\n\r\n", 400) for it in FRAMINGS),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n X: folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\r\n\tfolded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n Host: localhost\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n: no name\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX\0: y\r\n\r\n", 400),
        (b"GET /#part HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /\x7f HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (GET + b"GET  / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET / HTTP/1.1 \r\nHost: localhost\r\n\r\n", 400),
        (b"GET / http/1.1\r\nHost: localhost\r\n\r\n", 400),
        (GET + b"GET lobby HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (GET + b"\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"\r\n\r\n" + GET, 400),
        (b"GET * HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"get / HTTP/1.1\r\nHost: localhost\r\n\r\n", 501),
    ],
    ids=lambda it: str(it)[:40],
)
def test_a_bad_head_has_one_answer(server, data, status):
    """It gets the status and one plain sentence, and the connection ends."""
    client = HttpClient(server.port)
    client.send_raw(data)
    if data.startswith(GET):
        assert client.response().status == 200
    answer = client.rest()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), answer
    assert re.fullmatch(rb"[A-Z][^\n]+\.\n", body), answer
    assert b"connection: close" in head.lower()


def test_a_slow_head_is_told_so(start_server):
    """Bytes that trickle in do not keep a connection; an idle one ends without a word."""
    server = start_server(request_seconds=0.5)
    slow, idle = HttpClient(server.port), HttpClient(server.port)
    slow.send_raw(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
    idle.send_raw(GET)
    assert slow.rest().startswith(b"HTTP/1.1 408 ")
    assert idle.response().status == 200
    assert idle.rest() == b""


def test_a_browser_is_not_greeted_after_its_first_bytes(start_server):
    """A head in two pieces, with the greeting's time between them, is answered in HTTP alone."""
    server = start_server(greeting_seconds=0.05)
    client, person = HttpClient(server.port), RawClient(server.port)
    client.send_raw(GET[:10])
    person.expect("Welcome")  # that time is over
    client.send_raw(GET[10:])
    assert client.response().status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Host": "localhost.evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example:80"}, 403),
        ({"Host": "a b"}, 403),
        ({"Host": ""}, 400),
        ({"Host": "localhost\r\nHost: localhost"}, 400),
        ({"Host": "", "X": "y\r\nHost:"}, 400),
        ({"Host": "localhost:5555"}, 200),
        ({"Host": "[::1]:5555"}, 200),
        ({"Host": "10.1.2.3"}, 200),
        ({"Host": "board.local"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
    ids=str,
)
def test_only_our_own_pages_and_names(server, headers, status):
    """A page elsewhere is known by `Origin`; one whose name points here, by `Host`."""
    assert HttpClient(server.port).request("GET", "/", **headers).status == status


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 100\r\n\r\nhi",
        b"Transfer-Encoding: chunked\r\n\r\n2\r\nh",
        b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 100 + b"\r\nhi",
    ],
    ids=lambda it: str(it)[:40],
)
def test_a_body_that_does_not_come(start_server, body):
    """A body that is no file has a time limit, however it is sent; then the connection ends."""
    server = start_server(request_seconds=0.3)
    client = HttpClient(server.port)
    client.send_raw(b"POST /lobby HTTP/1.1\r\nHost: localhost\r\n" + body)
    assert client.response().status == 408
    assert client.rest() == b""


@pytest.mark.parametrize(
    "chunk",
    [b"zz", b"-1", b"0x2", b"2;a\nb", b"2;" + b"a" * 20_000, b"2\r\nhixx0"],
    ids=lambda it: str(it)[:20],
)
def test_a_bad_chunk_hides_no_request(server, chunk):
    """No request is read after it: it gets one answer, and the connection ends."""
    client = HttpClient(server.port)
    head = b"POST /lobby HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    client.send_raw(head + chunk + b"\r\nhi\r\n0\r\n\r\n" + GET)
    assert client.response().status == 400
    assert client.rest() == b""


@pytest.mark.parametrize("trailer", [b"X: y\n", b"X: y\0", b"no colon", b" X: y", b"X : y"])
def test_a_bad_trailer_hides_no_request(server, trailer):
    """Other servers may see an end in it. It gets one answer, and nothing is said."""
    client = HttpClient(server.port)
    head = b"POST /lobby HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    client.send_raw(head + b"3\r\nxyz\r\n0\r\n" + trailer + b"\r\n\r\n" + GET)
    assert client.response().status == 400
    assert client.rest() == b""
    assert b"xyz" not in HttpClient(server.port).request("GET", "/lobby").body


def test_a_blank_line_before_the_first_request(server):
    """It is passed over (RFC 9112, 2.2); and a method that is none gets its status also later."""
    client = HttpClient(server.port)
    client.send_raw(b"\r\n" + GET)
    assert client.response().status == 200
    assert client.request("get", "/").status == 501


def test_another_site_changes_nothing(server):
    """A form of another site has no `Origin` in some browsers, but says where it comes from."""
    for site in ("cross-site", "same-site"):
        told = {"Sec_Fetch_Site": site, "Sec_Fetch_Dest": "document"}
        assert HttpClient(server.port).request("POST", "/lobby", b"x", **told).status == 403
        assert HttpClient(server.port).request("GET", "/lobby", **told).status == 200
        told["Sec_Fetch_Dest"] = "image"
        assert HttpClient(server.port).request("GET", "/lobby", **told).status == 403


def test_a_full_server_says_so_in_http(start_server):
    """It answers 503, and the time after which to try again."""
    server = start_server(connections=1)
    person = RawClient(server.port)
    person.send("ann", "/register secret-words-here", "/who")
    person.expect("* 1 in lobby")
    client = HttpClient(server.port)
    client.send_raw(GET)
    refused = client.response()
    assert refused.status == 503
    assert refused.headers["retry-after"]
    assert refused.body
