"""The HTTP API on a real server, by bare sockets and by curl."""

import base64
import json
import re
import subprocess

import pytest

from tests.servers import PATIENCE, RawClient
from tests.web.clients import HttpClient, WebSocketClient

SAY = "/api/v1/rooms/lab/messages"


def curl(server, path, *options):
    """Return what curl prints."""
    command = ["curl", "-sS", *options, f"http://127.0.0.1:{server.port}{path}"]
    return subprocess.run(command, capture_output=True, timeout=PATIENCE, check=True).stdout


def basic(name, password):
    """Return a header Authorization."""
    return f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"


@pytest.fixture
def registered(server):
    """Return a server with a registered user, ann, who is in the lab."""
    ann = RawClient(server.port)
    ann.send("ann", "/register secret-words-here", "/join lab", "/who")
    ann.expect("1 in lab")
    server.ann = ann
    return server


def read_lines(client, count):
    """Return the first lines of a stream, without its chunks' sizes and the lines that mean
    nothing."""
    found = []
    while len(found) < count:
        line = client.line().rstrip("\r")
        if line.startswith(("{", "[", "id:", "data:")):
            found.append(line)
    return found


def stream(server, path, **headers):
    """Return a connection that has got the head of a stream."""
    client = HttpClient(server.port)
    client.ask_for("GET", path, **headers)
    assert client.line().startswith("HTTP/1.1 200 ")
    while client.line() != "\r":
        pass
    return client


def test_short_forms_with_curl(server):
    """One says a line, reads the last talk as text, and gets one plain sentence for a mistake."""
    assert curl(server, "/lab", "-d", "build failed: 50% & more") == b"#1\n"
    assert curl(server, SAY, "-d", "again").strip() == b'{"seq":2}'
    talk = curl(server, "/lab").decode().splitlines()
    assert [line.partition(": ")[2] for line in talk] == ["build failed: 50% & more", "again"]
    assert curl(server, "/nosuch") == (
        b"There is no room nosuch; /api/v1/do/rooms lists those there are, /api/v1/do/create makes "
        b"one.\n"
    )


def test_nobody_is_seen_to_come_and_go(registered):
    """Those in the room see what a request says, and no user who comes in or leaves."""
    curl(registered, "/lab?name=ci", "-d", "green")
    registered.ann.expect("ci: green")
    registered.ann.send("/who")
    registered.ann.expect("1 in lab")
    assert "came in" not in registered.ann.seen


def test_users_by_password_and_by_token(registered):
    """A registered user says who they are by Basic or Bearer; a wrong one gets a challenge."""
    client = HttpClient(registered.port)
    good = basic("ann", "secret-words-here")
    who = client.request("GET", "/api/v1/session", Authorization=good)
    assert json.loads(who.body)["name"] == "ann"
    made = client.request(
        "POST", "/api/v1/do/token", b'{"label":"ci"}', Authorization=good, Content_Type=JSON
    )
    token = json.loads(made.body)["token"]
    said = client.request("POST", SAY, b"by token", Authorization=f"Bearer {token}")
    assert said.status == 200
    bob = RawClient(registered.port)
    bob.send("bob", "/join lab", "/history")
    bob.expect("ann: by token")
    for wrong in (basic("ann", "wrong"), "Bearer chat_wrong", "Bearer", "Basic !", "Digest x"):
        refused = client.request("GET", "/api/v1/session", Authorization=wrong)
        assert refused.status in (401, 429), wrong
        assert refused.status == 429 or "www-authenticate" in refused.headers


JSON = "application/json"


def test_a_message_with_a_key_is_stored_once(server):
    """A program that got no answer repeats its request."""
    client = HttpClient(server.port)
    asked = SAY + "?name=ci&key=build-7"
    first = client.request("POST", asked, b"green", Content_Type="text/plain")
    again = client.request("POST", asked, b"green", Content_Type="text/plain")
    assert (again.status, again.body) == (first.status, first.body)


@pytest.mark.parametrize("accept", ["application/x-ndjson", "text/event-stream", "text/plain"])
def test_a_stream_goes_on_where_it_stopped(registered, accept):
    """It gives what is behind a position, then live entries; each once, in order."""
    for at in range(3):
        registered.ann.send(f"line {at}")
    curl(registered, "/lab?name=ci", "-d", "line 3")
    first = stream(registered, f"{SAY}?follow&after=0", Accept=accept)
    wanted = 8 if accept == "text/event-stream" else 4
    seen = read_lines(first, wanted)
    registered.ann.send("line 4")
    seen += read_lines(first, wanted // 4)
    first.close()
    rest = stream(registered, f"{SAY}?follow&after=2", Accept=accept, Last_Event_ID="3")
    if accept == "text/event-stream":
        assert [it for it in seen if it.startswith("id:")] == [f"id: {at}" for at in range(1, 6)]
        assert read_lines(rest, 4)[0] == "id: 4"
    else:
        assert [it for it in range(5) if f"line {it}" in seen[it]] == list(range(5))
        assert len(read_lines(rest, 2)) == 2


def test_a_stream_of_private_messages(registered):
    """A user's inbox is followed as a room is, and following it marks nothing as read."""
    ann = basic("ann", "secret-words-here")
    inbox = stream(registered, "/api/v1/rooms/@/messages?follow&limit=0", Authorization=ann)
    bob = RawClient(registered.port)
    bob.send("bob", "/msg ann psst")
    assert json.loads(read_lines(inbox, 1)[0])["text"] == "psst"
    client = HttpClient(registered.port)
    rows = json.loads(client.request("GET", "/api/v1/do/unread", Authorization=ann).body)["rooms"]
    assert [it["unread"] for it in rows if it["room"] == "@"] in ([], [0])


def test_a_stopping_server_ends_streams(registered):
    """The stream is whole: its last chunk has come."""
    client = stream(registered, f"{SAY}?follow&after=0")
    registered.stop()
    assert client.rest().endswith(b"0\r\n\r\n")


def test_a_room_that_one_is_kicked_from_is_not_followed(registered):
    """A ban ends the stream."""
    registered.ann.send("/create den", "/who")
    registered.ann.expect("1 in den")
    client = stream(registered, "/api/v1/rooms/den/messages?follow&limit=0&name=eve")
    registered.ann.send("for eve too", "/ban eve", "secret")
    rest = client.rest()
    assert b"for eve too" in rest
    assert b"secret" not in rest


@pytest.mark.parametrize("access", ["invited", "public open-sesame", "hidden open-sesame"])
def test_a_room_that_is_no_longer_for_all_is_not_followed(registered, access):
    """Nobody in it sees who follows it. A stream ends, and a connection that read it does not read
    on, unless they may come in again."""
    registered.ann.send("/create den", "/invite bob", "/who")
    registered.ann.expect("1 in den")
    client = stream(registered, "/api/v1/rooms/den/messages?follow&limit=0&name=eve")
    reader = HttpClient(registered.port)
    assert reader.request("POST", "/den?name=mallory", b"hi").status == 200
    registered.ann.send(f"/access {access}", "secret")
    assert b"secret" not in client.rest()
    refused = reader.request("GET", "/den?name=mallory")
    assert refused.status in (401, 403), refused


def test_help_tells_the_paths(registered):
    """A line for each command that the user may give over HTTP; all fields of one of them."""
    client = HttpClient(registered.port)
    told = client.request("GET", "/api/v1/do/help", Accept="text/plain").body.decode()
    lines = told.splitlines()
    assert any(it.startswith("POST /api/v1/do/say room text ") for it in lines), told
    assert any(it.startswith("GET /api/v1/do/rooms [after] [filter] - ") for it in lines), told
    assert not [it for it in lines if not re.match(r"(GET|POST) /api/v1/do/\w+ ", it)]
    assert "/do/kick" not in told
    for line in lines:  # there is such a path
        method, path = line.split(" ")[:2]
        answer = client.request("OPTIONS", path)
        assert method in answer.headers["allow"].split(", ")
    one = json.loads(client.request("GET", "/api/v1/do/help?command=hello").body)
    assert one["commands"] == ["hello"]
    assert any(it.startswith("  [password] - ") for it in one["lines"])
    assert client.request("GET", "/api/v1/do/help?command=nothing").status == 404
    assert client.request("GET", "/api/v1/do/help?command=server").status == 403


def test_many_requests_on_one_connection(server):
    """They are one session of one guest, whose name is made up once."""
    client = HttpClient(server.port)
    for _ in range(300):
        client.ask_for("GET", "/api/v1/session")
    names = {json.loads(client.response().body)["name"] for _ in range(300)}
    assert len(names) == 1


def test_a_client_that_goes_leaves_nothing(server):
    """Its name is free at once, also if it goes while its request waits."""
    for _ in range(20):
        client = HttpClient(server.port)
        client.ask_for("POST", SAY + "?name=busy", b"x")
        client.close()
    browser = WebSocketClient(server.port)
    for at in range(1000):
        browser.tell(do="hello", name="busy", id=at)
        if browser.until(id=at)["event"] == "ok":
            break
    else:
        pytest.fail("the name stayed taken")


@pytest.mark.parametrize(
    ("method", "path", "body", "type_", "status"),
    [
        ("POST", SAY, b"{", JSON, 400),
        ("POST", SAY, b"\xff", "text/plain", 400),
        ("POST", SAY, b"x" * 70_000, "text/plain", 413),
        ("POST", SAY, b"x", "image/png", 415),
        ("POST", "/api/v1/do/nosuch", b"", "", 404),
        ("DELETE", "/api/v1/rooms", b"", "", 405),
        ("GET", "/api/v1/rooms/lab/messages?limit=x", b"", "", 422),
        ("GET", "/%ff", b"", "", 400),
        ("GET", "/a/b/c/d/e", b"", "", 404),
    ],
    ids=str,
)
def test_bad_requests(server, method, path, body, type_, status):
    """Each gets its status and a sentence, and the next one is answered."""
    client = HttpClient(server.port)
    answer = client.request(method, path, body, Content_Type=type_)
    assert answer.status == status
    assert answer.body
    if answer.headers.get("connection") != "close":
        assert client.request("GET", "/lab").status == 200
