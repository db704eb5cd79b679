"""Files over HTTP: ranges, digests, uploads that are resumed, and their endings."""

import contextlib
import hashlib
import json
import socket
import subprocess
import threading
import time
from base64 import b64encode

import pytest

from tests.durability.test_full_disk import full_disk
from tests.servers import PATIENCE, RawAdminClient, RawClient
from tests.tls import TLS
from tests.web.clients import HttpClient

CONTENT = b"0123456789" * 30_000

SILENT = {"greeting_seconds": 3600.0}
"""Limits with which a client may get a ticket between its connection and its first request."""


def sha256(data):
    """Return the SHA-256 of data, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest(data):
    """Return the Repr-Digest of data."""
    return f"sha-256=:{b64encode(hashlib.sha256(data).digest()).decode()}:"


class TlsHttpClient(HttpClient):
    """A connection that speaks HTTP over TLS."""

    def __init__(self, port):
        super().__init__(port)
        self.socket = TLS.wrap_socket(self.socket, server_hostname="127.0.0.1")


@pytest.fixture
def server(start_server):
    """Return a server that greets nobody."""
    return start_server(**SILENT)


@pytest.fixture(params=["http", "https"])
def site(request, start_server):
    """Return a server, a function that connects to it, and its address, plain and over TLS."""
    server = start_server(*(("--tls", "auto") if request.param == "https" else ()), **SILENT)
    class_ = TlsHttpClient if request.param == "https" else HttpClient
    return server, lambda: class_(server.port), f"{request.param}://127.0.0.1:{server.port}"


@pytest.fixture
def ask(connect):
    """Return a function that asks a server as the user ann, in the room lab, for a reply."""
    clients = {}

    def ask_(server, **fields):
        if server not in clients:
            clients[server] = connect(server)
            clients[server].ask(do="hello", name="ann")
            clients[server].ask(do="create", room="lab")
        clients[server].ask(id=7, **fields)
        while (reply := clients[server].event()).get("id") != 7:
            pass
        return reply

    return ask_


def put(ask, server, data=CONTENT, name="a.png", **more):
    """Return the path of a ticket for an upload."""
    reply = ask(server, do="put", room="lab", name=name, size=len(data), **more)
    return f"/t/{reply['ticket']}"


def get(ask, server, name="a.png"):
    """Return the path of a ticket for a download."""
    return f"/t/{ask(server, do='get', room='lab', name=name)['ticket']}/{name}"


def shared(server, ask, name="a.png"):
    """Return the content of the file that is shared."""
    ask(server, do="who", room="lab")
    return (server.files / "lab" / name).read_bytes()


def curl(*arguments, given=b""):
    """Run curl, and return its output."""
    told = ("-sS", "-k", "--max-time", str(PATIENCE))
    return subprocess.run(
        ("curl", *told, *arguments), input=given, capture_output=True, check=True
    ).stdout


# -- tickets ---------------------------------------------------------------------------------------


def test_a_ticket_uploads_and_downloads(site, ask):
    """The bytes go up and come down; each answer tells the digest, and the connection goes on."""
    server, client, _ = site
    web = client()
    kept = web.request("PUT", put(ask, server), CONTENT, Repr_Digest=digest(CONTENT))
    assert kept.status == 201, kept
    assert json.loads(kept.body).items() >= {
        ("name", "a.png"),
        ("size", len(CONTENT)),
        ("sha256", sha256(CONTENT)),
        ("version", 1),
    }
    assert shared(server, ask) == CONTENT
    path = get(ask, server)
    for _ in range(2):  # with the same ticket
        whole = web.request("GET", path)
        assert (whole.status, whole.body) == (200, CONTENT)
    assert whole.headers["content-type"] == "application/octet-stream"
    assert whole.headers["content-disposition"] == 'attachment; filename="a.png"'
    assert whole.headers["repr-digest"] == digest(CONTENT)
    assert whole.headers["etag"] == f'"{sha256(CONTENT)}"'
    assert "sandbox" in whole.headers["content-security-policy"]
    head = web.request("HEAD", path)
    assert (head.status, head.headers["content-length"]) == (200, str(len(CONTENT)))
    replaced = web.request("PUT", put(ask, server, b"new"), b"new")
    assert (replaced.status, json.loads(replaced.body)["version"]) == (200, 2)


def test_a_part_of_a_file(site, ask):
    """A range gives that part; a file that has changed, and several ranges, all of it; a range
    behind the end 416; and a client that has the file nothing."""
    server, client, _ = site
    web = client()
    assert web.request("PUT", put(ask, server), CONTENT).status == 201
    path, tag, size = get(ask, server), f'"{sha256(CONTENT)}"', len(CONTENT)
    for text, start, end in (
        ("bytes=0-0", 0, 1),
        ("bytes=5-70000", 5, 70_001),
        ("bytes=299990-", 299_990, size),
        ("bytes=-7", size - 7, size),
    ):
        part = web.request("GET", path, Range=text, If_Range=tag)
        assert (part.status, part.body) == (206, CONTENT[start:end])
        assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
    for told in ({"Range": "bytes=1-2,4-5"}, {"Range": "bytes=1-2", "If_Range": '"other"'}):
        whole = web.request("GET", path, **told)
        assert (whole.status, whole.body) == (200, CONTENT)
    behind = web.request("GET", path, Range=f"bytes={size}-")
    assert (behind.status, behind.headers["content-range"]) == (416, f"bytes */{size}")
    known = web.request("GET", path, If_None_Match=f'"x", {tag}')
    assert (known.status, known.headers["etag"], known.body) == (304, tag, b"")


@pytest.mark.parametrize(
    ("name", "type_", "how"),
    [
        ("a.png", "image/png", "inline"),
        ("a.svg", "application/octet-stream", "attachment"),
        ("a.html", "application/octet-stream", "attachment"),
    ],
)
def test_only_pictures_sound_and_video_are_shown(server, ask, name, type_, how):
    """`?inline` shows what runs nothing, and everything else is still a download."""
    web = HttpClient(server.port)
    assert web.request("PUT", put(ask, server, b"<b>", name), b"<b>").status == 201
    shown = web.request("GET", f"{get(ask, server, name)}?inline")
    assert shown.body == b"<b>"
    assert shown.headers["content-type"] == type_
    assert shown.headers["content-disposition"].startswith(how)
    assert "sandbox" in shown.headers["content-security-policy"]


def test_a_ticket_that_is_not_good(server, ask):
    """It is refused before the body comes, and so is another method; the sentence arrives."""
    path = put(ask, server)
    for method, where, status in (("PUT", "/t/nothing", 404), ("DELETE", path, 405)):
        web = HttpClient(server.port)
        web.ask_for(method, where, Content_Length=str(1 << 40))
        web.send_raw(b"x" * 100_000)
        refused = web.response()
        assert refused.status == status
        assert json.loads(refused.body)["detail"]
        assert refused.headers["connection"] == "close"
        assert web.rest() == b""
    web = HttpClient(server.port)
    assert web.request("PUT", path, CONTENT).status == 201
    assert web.request("PUT", path).status == 404
    assert web.request("GET", "/t/nothing/a.png").status == 404


def test_the_body_is_sent_only_when_it_may(site, ask):
    """A client that expects `100 Continue` gets it for a good ticket, and else the refusal."""
    server, client, _ = site
    web = client()
    path = put(ask, server, b"abc")
    web.ask_for("PUT", path, Content_Length="3", Expect="100-continue")
    assert web.line() == "HTTP/1.1 100 Continue\r"
    assert web.line() == "\r"
    web.send_raw(b"abc")
    assert web.response().status == 201
    web.ask_for("PUT", "/t/nothing", Content_Length="3", Expect="100-continue")
    assert web.response().status == 404


# -- uploads by halves -----------------------------------------------------------------------------


@pytest.mark.parametrize("chunked", [False, True])
def test_an_upload_is_resumed(site, ask, chunked):
    """An upload whose client has gone goes on at the offset that the server tells."""
    server, client, _ = site
    path = put(ask, server, sha256=sha256(CONTENT))
    web, head = client(), {"Transfer_Encoding": "chunked"}
    if not chunked:
        head = {"Content_Length": str(len(CONTENT))}
    web.ask_for("PUT", path, **head)
    part = CONTENT[:100_000]
    web.send_raw(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
    web.close()
    name = {"room": "lab", "name": "a.png", "size": len(CONTENT), "sha256": sha256(CONTENT)}
    end = time.monotonic() + PATIENCE
    while not (reply := ask(server, do="put", **name))["offset"] and time.monotonic() < end:
        pass
    offset = reply["offset"]
    assert 0 < offset <= len(part)
    kept = client().request("PUT", f"/t/{reply['ticket']}?offset={offset}", CONTENT[offset:])
    assert kept.status == 201, kept
    assert shared(server, ask) == CONTENT


@pytest.mark.parametrize(
    ("told", "data", "status"),
    [
        ({}, b"abc", 400),
        ({}, b"abcdef", 413),
        ({"Repr_Digest": digest(b"other")}, b"abcde", 422),
        ({"Repr_Digest": "sha-256=:?:"}, b"abcde", 422),
        ({"Content_Range": "bytes 1-2/9"}, b"ab", 422),
        ({"Content_Range": "bytes 3-4/5"}, b"de", 416),
        ({"Content_Encoding": "gzip"}, b"abcde", 415),
    ],
    ids=str,
)
def test_a_body_that_is_not_the_file(site, ask, told, data, status):
    """It gets the status and one sentence, nothing is shared, and the next one works."""
    server, client, _ = site
    refused = client().request("PUT", put(ask, server, b"abcde"), data, **told)
    assert refused.status == status, refused
    assert json.loads(refused.body)["status"] == status
    assert not (server.files / "lab" / "a.png").exists()
    assert client().request("PUT", put(ask, server, b"abcde"), b"abcde").status == 201


@pytest.mark.parametrize(
    ("data", "status"), [(b"5\r\nabcde\r\n0\r\n\r\n", 201), (b"6\r\nabcdef\r\n0\r\n\r\n", 413)]
)
def test_chunks_for_a_known_size(site, ask, data, status):
    """A body in chunks has just the bytes that were declared."""
    server, client, _ = site
    web = client()
    web.ask_for("PUT", put(ask, server, b"abcde"), Transfer_Encoding="chunked")
    web.send_raw(data)
    assert web.response().status == status


def test_too_few_chunks(server, ask):
    """Fewer bytes than were declared are no file."""
    web = HttpClient(server.port)
    web.ask_for("PUT", put(ask, server, b"abcde"), Transfer_Encoding="chunked")
    web.send_raw(b"4\r\nabcd\r\n0\r\n\r\n")
    assert web.response().status == 400
    assert web.request("PUT", put(ask, server, b"abcde"), b"abcde").status == 201


@pytest.mark.parametrize("chunked", [False, True])
def test_a_client_that_half_closes_too_early(server, ask, chunked):
    """It is told that the bytes stopped half-way."""
    web, told = HttpClient(server.port), {"Content_Length": "5"}
    if chunked:
        told = {"Transfer_Encoding": "chunked", "Content_Length": ""}
    web.ask_for("PUT", put(ask, server, b"abcde"), Expect="100-continue", **told)
    assert web.line() == "HTTP/1.1 100 Continue\r"
    web.line()
    web.send_raw(b"2\r\nab\r\n" if chunked else b"ab")
    web.end()
    refused = web.response()
    assert (refused.status, json.loads(refused.body)["code"]) == (400, "incomplete")
    assert web.rest() == b""


@pytest.mark.parametrize("chunked", [False, True])
def test_a_client_that_stalls(start_server, ask, chunked):
    """It is told so, and its connection ends."""
    server = start_server(stalled_seconds=0.3, **SILENT)
    web, told = HttpClient(server.port), {"Content_Length": "5"}
    if chunked:
        told = {"Transfer_Encoding": "chunked", "Content_Length": ""}
    web.ask_for("PUT", put(ask, server, b"abcde"), **told)
    web.send_raw(b"2\r\nab\r\n" if chunked else b"ab")
    assert web.response().status == 400
    assert web.rest() == b""


@pytest.mark.parametrize("chunked", [False, True])
def test_an_upload_is_cancelled(site, ask, chunked):
    """The refusal arrives while the client sends, and the connection ends after it."""
    server, client, _ = site
    web, size = client(), 1 << 30
    told = {"Transfer_Encoding": "chunked"} if chunked else {"Content_Length": str(size)}
    reply = ask(server, do="put", room="lab", name="a.png", size=size)
    web.ask_for("PUT", f"/t/{reply['ticket']}", Expect="100-continue", **told)
    assert web.line() == "HTTP/1.1 100 Continue\r"
    web.line()
    piece = b"x" * 100_000
    piece = b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece
    for _ in range(20):
        web.send_raw(piece)
    ask(server, do="cancel", name="a.png")
    with contextlib.suppress(ConnectionError, socket.timeout):
        web.send_raw(piece)
    refused = web.response()
    assert (refused.status, json.loads(refused.body)["code"]) == (409, "cancelled")


def test_requests_behind_an_upload(site, ask):
    """Pipelined requests are answered in order: what follows a body is none of it."""
    server, client, _ = site
    web = client()
    first, second = put(ask, server, name="a.txt"), put(ask, server, b"abc", "b.txt")
    web.ask_for("PUT", first, CONTENT)
    web.ask_for("PUT", second, b"abc")
    web.ask_for("PUT", put(ask, server, b"", "c.txt"), b"", Content_Length="0")
    web.ask_for("GET", "/t/nothing")
    assert [web.response().status for _ in range(4)] == [201, 201, 201, 404]
    assert shared(server, ask, "a.txt") == CONTENT
    assert shared(server, ask, "b.txt") == b"abc"
    assert shared(server, ask, "c.txt") == b""


def test_requests_behind_a_download(site, ask):
    """Files follow each other on one connection, and a request comes behind them."""
    server, client, _ = site
    web = client()
    assert web.request("PUT", put(ask, server), CONTENT).status == 201
    path = get(ask, server)
    for _ in range(3):
        web.ask_for("GET", path)
    web.ask_for("GET", "/t/nothing")
    for _ in range(3):
        assert web.response().body == CONTENT
    assert web.response().status == 404


def test_a_client_that_goes_while_it_downloads(site, ask):
    """Its transfer ends with it, and others go on."""
    server, client, _ = site
    large = CONTENT * 100
    assert client().request("PUT", put(ask, server, large), large).status == 201
    path = get(ask, server)
    web = client()
    web.ask_for("GET", path)
    assert web.line().startswith("HTTP/1.1 200")
    assert ask(server, do="transfers")["transfers"]
    web.close()
    end = time.monotonic() + PATIENCE
    while ask(server, do="transfers")["transfers"]:
        assert time.monotonic() < end
    assert client().request("GET", path, Range="bytes=0-9").body == large[:10]


# -- curl and wget ---------------------------------------------------------------------------------


def test_curl_shares_and_fetches(site, ask, tmp_path):
    """A file of known size and one of unknown size go up, and come down by their names."""
    server, _, address = site
    ask(server, do="who", room="lab")
    (tmp_path / "a b.txt").write_bytes(CONTENT)
    told = curl("-T", str(tmp_path / "a b.txt"), f"{address}/lab/a%20b.txt?name=bob")
    assert b"a b.txt" in told, told
    assert shared(server, ask, "a b.txt") == CONTENT
    curl("-T", "-", f"{address}/lab/b.txt?name=bob", given=CONTENT * 20)
    assert shared(server, ask, "b.txt") == CONTENT * 20
    assert curl(f"{address}/lab/a%20b.txt?name=bob") == CONTENT
    assert curl("-r", "10-19", f"{address}/lab/b.txt?name=bob") == CONTENT[10:20]
    curl("-OJ", "--output-dir", str(tmp_path), f"{address}/lab/b.txt?name=bob")
    assert (tmp_path / "b.txt").read_bytes() == CONTENT * 20


def test_curl_resumes(server, ask, tmp_path):
    """A download goes on where it stopped, and so does an upload with its digest."""
    ask(server, do="who", room="lab")
    (tmp_path / "a.txt").write_bytes(CONTENT)
    path = f"http://127.0.0.1:{server.port}/lab/a.txt?name=bob"
    web = HttpClient(server.port)
    told = {"Repr_Digest": digest(CONTENT), "Content_Length": str(len(CONTENT))}
    web.ask_for("PUT", "/lab/a.txt?name=bob", **told)
    web.send_raw(CONTENT[:100_000])
    web.end()
    assert web.response().status == 400
    assert web.rest() == b""
    told = ("-H", f"Repr-Digest: {digest(CONTENT)}")
    curl("-C", "60000", "-T", str(tmp_path / "a.txt"), *told, path)
    assert shared(server, ask, "a.txt") == CONTENT
    (tmp_path / "half").write_bytes(CONTENT[:50_000])
    curl("-C", "-", "-o", str(tmp_path / "half"), path)
    assert (tmp_path / "half").read_bytes() == CONTENT


def test_wget_fetches(site, ask, tmp_path):
    """wget goes on where it stopped, too."""
    server, client, address = site
    assert client().request("PUT", put(ask, server), CONTENT).status == 201
    (tmp_path / "a.png").write_bytes(CONTENT[:1000])
    path = f"{address}{get(ask, server)}"
    quiet = ("wget", "-q", "-c", "--no-check-certificate", f"--timeout={PATIENCE:g}")
    subprocess.run((*quiet, path), cwd=tmp_path, check=True)
    assert (tmp_path / "a.png").read_bytes() == CONTENT


# -- conditions ------------------------------------------------------------------------------------


def test_a_file_is_replaced_only_under_a_condition(site, ask):
    """`If-None-Match: *` wants no file of that name, and `If-Match` the version that one knows."""
    server, client, _ = site
    ask(server, do="who", room="lab")
    web, path = client(), "/lab/a.txt"
    assert web.request("PUT", path, b"one", If_Match="*").status == 412
    assert client().request("PUT", path, b"one", If_None_Match="*").status == 201
    refused = client().request("PUT", path, b"two", If_None_Match="*")
    assert (refused.status, shared(server, ask, "a.txt")) == (412, b"one")
    tag = client().request("HEAD", path).headers["etag"]
    assert client().request("PUT", path, b"two", If_Match=f'"x", {tag}').status == 200
    assert client().request("PUT", path, b"three", If_Match=tag).status == 412
    assert client().request("PUT", path, b"three", If_None_Match=tag).status == 200
    assert client().request("GET", path, If_Match=tag).status == 412
    assert client().request("DELETE", path, If_Match=tag).status == 412
    now = client().request("HEAD", path).headers["etag"]
    assert client().request("DELETE", path, If_Match=now).status == 403  # it is another guest's
    assert client().request("PUT", "/@ann/a.txt", b"x", If_None_Match="*").status == 403
    for method in ("GET", "PUT"):  # a weak tag is no version (RFC 9110, 13.1.1)
        assert client().request(method, path, If_Match=f"W/{now}").status == 412


def test_the_order_of_conditions(site, ask):
    """A client that has the file gets 304, whatever range it asks for (RFC 9110, 13.2.2)."""
    server, client, _ = site
    ask(server, do="who", room="lab")
    web = client()
    assert web.request("PUT", "/lab/a.txt", b"one").status == 201
    known = {"If_None_Match": web.request("HEAD", "/lab/a.txt").headers["etag"]}
    for part in ("bytes=0-0", "bytes=9-"):
        assert web.request("GET", "/lab/a.txt", Range=part, **known).status == 304
        assert web.request("GET", "/lab/a.txt", Range=part, If_Match='"x"').status == 412


def test_a_ticket_replaces_only_under_a_condition(site, ask):
    """The condition is that of its request; nobody asks so for the files of somebody else."""
    server, client, _ = site
    assert client().request("PUT", put(ask, server), CONTENT, If_Match="*").status == 412
    assert client().request("PUT", put(ask, server), CONTENT, If_None_Match="*").status == 201
    assert (
        client().request("PUT", put(ask, server, b"new"), b"new", If_None_Match="*").status == 412
    )
    assert shared(server, ask) == CONTENT
    tag = f'"{sha256(CONTENT)}"'
    assert client().request("PUT", put(ask, server, b"new"), b"new", If_Match=tag).status == 200
    bob = RawClient(server.port)
    bob.ask(do="hello", name="bob")
    bob.ask(do="put", to="ann", name="a.png", size=1)
    while "ticket" not in (reply := bob.event()):
        pass
    path = f"/t/{reply['ticket']}"
    assert client().request("PUT", path, b"x", If_None_Match="*").status == 403


@pytest.mark.parametrize("chunked", [False, True])
def test_a_user_who_is_ended_while_a_file_comes(start_server, chunked):
    """A user whose token is revoked is told so at once, with 401; one who is put off the server
    gets 403. Nothing is shared."""
    server = start_server("--room", "lab", **SILENT)
    signup = json.dumps({"name": "ann", "password": "secret-word"}).encode()
    json_ = {"Content_Type": "application/json"}
    owner = {"Authorization": f"Basic {b64encode(b'ann:secret-word').decode()}", **json_}
    assert (
        HttpClient(server.port).request("POST", "/api/v1/do/signup", signup, **json_).status == 200
    )
    made = HttpClient(server.port).request("POST", "/api/v1/tokens", b'{"label":"ci"}', **owner)
    token = {"Authorization": f"Bearer {json.loads(made.body)['token']}"}

    def begin(name, known):
        """Send half a file."""
        length = {"Transfer_Encoding": "chunked"} if chunked else {"Content_Length": "9"}
        web = HttpClient(server.port)
        web.ask_for("PUT", f"/lab/{name}", **length, **known, Expect="100-continue")
        assert (web.line(), web.line()) == ("HTTP/1.1 100 Continue\r", "\r")
        web.send_raw(b"4\r\nhalf\r\n" if chunked else b"half")
        return web

    first = begin("a", token)
    gone = HttpClient(server.port).request("DELETE", "/api/v1/tokens/ci", **owner)
    assert gone.status == 200, gone
    told = first.response()
    assert (told.status, b"was revoked" in told.body, first.rest()) == (401, True, b"")
    second = begin("b", {"Authorization": owner["Authorization"]})
    operator = RawAdminClient(server)
    operator.ask(do="kick", room="lobby", user="ann", text="enough")
    assert second.response().status == 403
    for name in ("a", "b"):
        assert HttpClient(server.port).request("GET", f"/lab/{name}").status == 404


def test_the_first_of_two_uploads_is_stored(server, ask):
    """Both want no file to be there when they begin, and are told so when they end."""
    ask(server, do="who", room="lab")
    both = [HttpClient(server.port) for _ in range(2)]
    for web in both:
        told = {"Content_Length": "3", "If_None_Match": "*", "Expect": "100-continue"}
        web.ask_for("PUT", "/lab/a.txt", **told)
        assert (web.line(), web.line()) == ("HTTP/1.1 100 Continue\r", "\r")
    for web in both:
        web.send_raw(b"abc")
    assert sorted(web.response().status for web in both) == [201, 412]


def test_uploads_that_are_refused_when_they_end(server, ask):
    """Of many at once, whose bodies came with their heads, one is stored. The others are told so,
    and the request behind each is answered; nothing fails."""
    ask(server, do="who", room="lab")
    webs = [HttpClient(server.port) for _ in range(20)]
    assert webs[0].request("PUT", "/lab/a.txt", b"first").status == 201
    wanted = f'"{sha256(b"first")}"'
    for web in webs:
        web.ask_for("PUT", "/lab/a.txt", bytes(4000), If_Match=wanted)
    assert sorted(web.response().status for web in webs) == [200, *[412] * 19]
    for web in webs:
        assert web.request("GET", "/healthz").status == 200
    assert "Traceback" not in server.log.so_far()


def test_a_file_that_is_here_needs_no_bytes(site, ask):
    """A client that waits with its body gets the answer at once, if it may read such a file; else
    it has to send it: a SHA-256 proves no possession."""
    server, client, _ = site
    waits = {"Expect": "100-continue", "Content_Length": str(len(CONTENT))}
    waits["Repr_Digest"] = digest(CONTENT)
    assert ask(server, do="create", room="den", password="secret")["event"] == "ok"
    reply = ask(server, do="put", room="den", name="a.txt", size=len(CONTENT))
    assert client().request("PUT", f"/t/{reply['ticket']}", CONTENT).status == 201
    web = client()
    web.ask_for("PUT", "/lab/b.txt", **waits)
    assert web.line() == "HTTP/1.1 100 Continue\r"  # nobody tells that there is one in den
    web.line()
    web.send_raw(CONTENT)
    assert web.response().status == 201
    web = client()
    web.ask_for("PUT", "/lab/c.txt", **waits)
    assert web.response().status == 201
    assert shared(server, ask, "c.txt") == CONTENT
    assert web.rest() == b""


# -- space -----------------------------------------------------------------------------------------


def test_an_upload_of_unknown_size_ends_at_the_quota(start_server, tmp_path):
    """curl -T - is told so while it sends, and nothing is kept."""
    server = start_server("--room", "lab", "--max-file", "10MB")
    endless = subprocess.run(
        ["bash", "-c", f"yes | curl -sS -T - http://127.0.0.1:{server.port}/lab/a.txt"],
        capture_output=True,
        timeout=PATIENCE,
    )
    assert b"A file has at most 10.0 MB here" in endless.stdout, endless
    assert not (server.files / "lab" / "a.txt").exists()


@pytest.mark.parametrize("chunked", [False, True])
def test_the_disk_gets_full_half_way(server, chunked):
    """The client is told so, nothing is shared, and the next upload works."""
    web, size = HttpClient(server.port), 30 << 20
    told = {"Transfer_Encoding": "chunked"} if chunked else {"Content_Length": str(size)}
    with full_disk(server, 4 << 20):
        web.ask_for("PUT", "/lobby/a.bin", **told)
        piece = bytes(1 << 20)
        with contextlib.suppress(ConnectionError):
            for _ in range(size >> 20):
                web.send_raw(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        refused = web.response()
    assert refused.status in (413, 503), refused  # 413: RLIMIT_FSIZE says so
    assert refused.body.endswith(b".\n")
    assert not (server.files / "a.bin").exists()
    assert HttpClient(server.port).request("PUT", "/lobby/a.bin", piece).status == 201


@pytest.mark.long
@pytest.mark.parametrize("known", [True, False], ids=["known size", "unknown size"])
def test_a_large_file_in_flat_memory(site, tmp_path, known):
    """2 GiB go up and come down by curl, while the server's memory stays as it is."""
    server, client, address = site
    assert client().request("PUT", "/lobby/small", CONTENT).status == 201
    size, path = 2 << 30, f"{address}/lobby/large"
    with (tmp_path / "large").open("wb") as file:
        for at in range(size >> 20):
            file.write(at.to_bytes(4, "big") * (1 << 18))
    before = server.memory()
    stop = threading.Event()
    most = [before]

    def watch():
        while not stop.wait(0.05):
            most[0] = max(most[0], server.memory())

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        source = "-T large" if known else "-T - <large"
        check = f"curl -sSk {source} {path} && curl -sSk {path} | cmp - large"
        done = subprocess.run(["bash", "-c", check], cwd=tmp_path, capture_output=True)
    finally:
        stop.set()
        watching.join()
    assert done.returncode == 0, done
    assert most[0] - before < 64 << 20
