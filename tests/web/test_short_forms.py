"""The short forms as people type them, with curl and other clients of HTTP, plain and over TLS; and
the refusals that they read."""

import contextlib
import json
import subprocess
import urllib.error
import urllib.request

import httpx
import pytest
from twisted.internet.task import Clock

from chatservice.testing import MemoryServer
from tests.servers import PATIENCE, RawAdminClient, RawClient
from tests.tls import TLS
from tests.web.clients import HttpClient

PASSWORD = "secret-words-here"
ANN = ("-u", f"ann:{PASSWORD}")


@pytest.fixture(params=["http", "https"])
def site(request, start_server):
    """Return the address of a server with the room lab, plain and over TLS."""
    options = ("--tls", "auto") if request.param == "https" else ()
    server = start_server("--room", "lab", *options)
    return f"{request.param}://127.0.0.1:{server.port}"


@pytest.fixture
def here(server):
    """Return the address of a server, on which ann is registered."""
    at = f"http://127.0.0.1:{server.port}"
    assert run(f"{at}/api/v1/do/signup", "-d", f"name=ann&password={PASSWORD}")[0] == 200
    return at


def run(address, *options, folder=None, given=b""):
    """Run curl with `given` as its input; return the status and the text that it prints."""
    told = ("-sS", "-k", "-w", "\\n%{http_code}", "--max-time", str(PATIENCE))
    done = subprocess.run(
        ("curl", *told, *options, address),
        capture_output=True,
        check=True,
        cwd=folder,
        input=given,
    )
    text, _, status = done.stdout.decode().rpartition("\n")
    return int(status), text


def test_the_first_address_tells_the_short_forms(site, tmp_path):
    """Each command that it shows works as it stands there; a browser gets the page."""
    status, text = run(site)
    assert status == 200
    (tmp_path / "FILE").write_bytes(b"content")
    shown = [line.partition(" # ")[0] for line in text.splitlines() if line.startswith("  curl")]
    assert len(shown) == 8
    for command in sorted(shown, key=lambda it: "-O" in it):
        command = command.replace("curl ", "curl -sSkf --max-time 1 ")
        done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True)
        assert done.returncode in ((0, 28) if "follow" in command else (0,)), (command, done)
    assert (tmp_path / "FILE").read_bytes() == b"content"
    assert "<html" in run(site, "-H", "Accept: text/html")[1]
    assert "<html" in run(site, "-A", "Mozilla/5.0")[1]
    status, text = run(site, "-d", "hello")
    assert status == 405
    assert "curl -d TEXT HOST/lobby" in text


def test_odd_texts(site):
    """The text of `-d` arrives as it was, but for the end of its last line."""
    for sent, said in (
        ("x=1&y=2", "x=1&y=2"),
        ("50% of + all", "50% of + all"),
        ("from Windows\r\n", "from Windows"),
        ("text=a%20form", "a form"),
        ("Grüße", "Grüße"),
    ):
        assert run(f"{site}/lab?name=Jörg", "--data-binary", sent)[0] == 200
        assert run(f"{site}/lab?limit=1")[1].strip().partition(" #")[2].endswith(f"Jörg: {said}")


def test_odd_names_of_files(site, tmp_path):
    """They come back under the names that the list of files shows."""
    for name in ("a b.txt", "öl & fett.txt", "100%.txt", "x+y;z.txt", "日本.txt"):
        (tmp_path / name).write_text(name)
        assert run(f"{site}/lab/", "-T", name, folder=tmp_path)[0] == 201
    shown = run(f"{site}/lab/")[1].splitlines()[1:]
    assert len(shown) == 5
    for line in shown:
        assert run(f"{site}{line.rpartition(': ')[2]}")[1] == line[2:].rpartition(" (")[0]


@pytest.mark.parametrize(
    ("path", "options", "status", "told"),
    [
        ("/nosuch", (), 404, "/api/v1/do/create makes one"),
        ("/nosuch/", (), 404, "There is no room nosuch"),
        ("/lab/nosuch", (), 404, "/api/v1/do/files lists"),
        ("/a/b/c/d", (), 404, "/ tells the short ones"),
        ("/lab", ("-T", "/etc/hostname"), 422, "ends with a slash"),
        ("/lab/", ("-F", "file=@/etc/hostname"), 405, "curl -T FILE"),
        ("/lab", ("-F", "text=hi"), 415, "curl -T FILE sends a file by PUT"),
        ("/@ann", ("-F", "file=@/etc/hostname"), 415, "curl -T FILE sends a file by PUT"),
        ("/lab", ("-d", ""), 422, "There is nothing in that"),
        ("/lab?nme=x", ("-d", "x"), 422, "name"),
        ("/lab?name=ann", ("-d", "x"), 401, "-u ann"),
        ("/lab", ("-u", "ann:wrong"), 401, "That is not ann's password"),
        ("/lab", ("-u", "chat_wrong:"), 401, "That token is not good"),
        ("/lab", ("-u", "bob:x"), 401, "bob is not registered"),
        ("/lab", ("-H", "Content-Encoding: gzip", "-d", "x"), 415, "do not compress it"),
        ("/api/v1/tokens", ("-H", "Accept: text/plain"), 403, "-u NAME"),
        ("/api/v1/rooms/lab/read", ("-X", "PUT", "-d", "position=1", *ANN), 403, "membership"),
        ("/lab/f", ("-X", "PATCH"), 405, "GET, PUT, DELETE, HEAD"),
        ("/lab/f", ("-X", "MKCOL"), 501, "it has GET, HEAD"),
    ],
    ids=lambda it: " ".join(it)[:30] if isinstance(it, tuple) else str(it)[:30],
)
def test_a_refusal_says_what_to_do(here, path, options, status, told):
    """In the words of curl and of HTTP, and not of a terminal."""
    found, text = run(f"{here}{path}", *options)
    assert found == status, text
    assert told in text


def test_who_one_is(here):
    """By a password, a token in the place of the password, of the name, or in a header."""
    made = run(f"{here}/api/v1/tokens", *ANN, "-d", "label=ci")[1]
    token = json.loads(made)["token"]
    for options in (
        ANN,
        ("-u", f"ann:{token}"),
        ("-u", f"{token}:"),
        ("-H", f"Authorization: Bearer {token}"),
    ):
        assert json.loads(run(f"{here}/api/v1/session", *options)[1])["name"] == "ann", options


def test_one_joins_for_good_only_by_asking(here):
    """To say something in a room does not make a member of it; a PUT does, and DELETE ends that."""

    def kept():
        rooms = json.loads(run(f"{here}/api/v1/rooms", *ANN)[1])["rooms"]
        return [it["room"] for it in rooms if it["member"]]

    assert run(f"{here}/lab", *ANN, "-d", "x")[0] == 200
    assert kept() == []
    assert run(f"{here}/api/v1/rooms/lab/membership", *ANN, "-X", "PUT")[0] == 200
    assert run(f"{here}/api/v1/rooms", *ANN, "-d", "room=den")[0] == 200
    assert sorted(kept()) == ["den", "lab"]
    assert run(f"{here}/api/v1/rooms/lab/membership", *ANN, "-X", "DELETE")[0] == 200
    assert kept() == ["den"]


def test_nobody_has_to_join_first(here):
    """A single request does what takes a user in the room."""
    assert run(f"{here}/lab", "-d", "one")[0] == 200
    reacted = run(f"{here}/api/v1/rooms/lab/messages/1/reactions", "-d", ":tada:")
    assert reacted[0] == 200, reacted


def test_closed_rooms(here, tmp_path):
    """A room with a password takes it in a header, also for files and streams; a frozen one and
    one for invited users say so."""
    assert run(f"{here}/api/v1/rooms", *ANN, "-d", "room=den&password=öffne")[0] == 200
    (tmp_path / "f").write_text("content")
    key = ("-H", "Room-Password: öffne")
    for path, options in (("/den", ("-d", "x")), ("/den", ()), ("/den/", ("-T", "f"))):
        status, text = run(f"{here}{path}", *options, folder=tmp_path)
        assert (status, "Room-Password" in text) == (401, True)
        assert run(f"{here}{path}", "-H", "Room-Password: no", *options, folder=tmp_path)[0] == 401
        assert run(f"{here}{path}", *key, *options, folder=tmp_path)[0] in (200, 201)
    assert run(f"{here}/den/f", *key)[1] == "content"
    client = HttpClient(int(here.rpartition(":")[2]))
    client.ask_for("GET", "/den?follow&limit=1", Room_Password="öffne")
    while "shared f" not in client.line():
        pass
    assert run(f"{here}/api/v1/do/freeze", *ANN, "-d", "room=den")[0] == 200
    status, text = run(f"{here}/den", *key, "-d", "x")
    assert (status, "Only moderators may speak in den" in text) == (403, True)
    assert run(f"{here}/api/v1/do/access", *ANN, "-d", "room=den&access=invited")[0] == 200
    status, text = run(f"{here}/den", *key)
    assert (status, "ask one of its moderators" in text) == (403, True)


def test_a_banned_address(server):
    """It is told so, and may read nothing."""
    ann = RawClient(server.port)
    ann.send("ann", f"/register {PASSWORD}", "/create den", "x", "/ban 127.0.0.0/8", "/who")
    ann.expect("1 in den")
    at = f"http://127.0.0.1:{server.port}"
    for options in ((), ("-d", "x")):
        status, text = run(f"{at}/den", *options)
        assert (status, "banned" in text) == (403, True), text


def test_a_full_room(start_server, tmp_path):
    """It takes no file more, and says how much it has room for; it still takes talk."""
    server = start_server("--room", "lab", room_bytes=1000)
    at = f"http://127.0.0.1:{server.port}"
    (tmp_path / "f").write_bytes(bytes(900))
    assert run(f"{at}/lab/", "-T", "f", folder=tmp_path)[0] == 201
    for source in ("f", "-"):
        status, text = run(f"{at}/lab/g", "-T", source, folder=tmp_path, given=bytes(900))
        assert (status, "100 bytes more" in text, "remove a file" in text) == (507, True, True), (
            text
        )
    assert run(f"{at}/lab", "-d", "full")[0] == 200


def test_a_user_who_is_put_off_the_server(here, server):
    """A ban from the lobby is one from the server: nothing is shown to the user, nor taken."""
    operator = RawAdminClient(server)
    operator.ask(do="ban", room="lobby", user="ann", id=1)
    operator.expect('"id":1')
    for path, *options in (
        ("/lab",),
        ("/lab?follow",),
        ("/lab/", "-T", "/etc/hostname"),
        ("/lab", "-d", "x"),
        ("/api/v1/session", "-H", "Accept: text/plain"),
        ("/api/v1/do/help", "-H", "Accept: text/plain"),
    ):
        told = "You are banned from this server; only its moderators can change that.\n"
        assert run(f"{here}{path}", *ANN, *options) == (403, told)
    assert run(f"{here}/lab")[0] == 200  # others may


def test_other_clients(site):
    """httpx and Python's own urllib talk, share and fetch; httpx streams both ways."""
    secured = {"verify": TLS} if site.startswith("https") else {}
    with httpx.Client(base_url=site, timeout=PATIENCE, **secured) as client:
        assert client.post("/lab", content="hello", params={"name": "ci"}).text == "#1\n"
        said = client.post("/api/v1/rooms/lab/messages", json={"text": "again"})
        assert said.json() == {"seq": 2}
        pieces = (b"%d" % (at % 10) * 10_000 for at in range(100))
        up = client.put("/lab/long.txt", content=pieces)
        assert (up.status_code, up.headers["vary"]) == (201, "Accept")
        with client.stream("GET", "/lab/long.txt", headers={"Range": "bytes=9999-"}) as down:
            assert down.status_code == 206
            assert len(b"".join(down.iter_bytes())) == 990_001
        with client.stream("GET", "/api/v1/rooms/lab/messages?follow&after=0") as following:
            lines = (json.loads(line) for line in following.iter_lines() if line)
            assert [next(lines)["seq"] for _ in range(3)] == [1, 2, 3]
        lost = client.get("/api/v1/rooms/nosuch/messages")
        assert lost.headers["content-type"] == "application/problem+json"
    opener = urllib.request.build_opener(
        *([urllib.request.HTTPSHandler(context=TLS)] if secured else [])
    )
    with contextlib.closing(opener.open(f"{site}/lab", b"from urllib", PATIENCE)) as answer:
        assert answer.read() == b"#4\n"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        opener.open(f"{site}/nosuch", timeout=PATIENCE)


def test_a_made_up_name_that_somebody_has(monkeypatch):
    """Of thousands of guests without a name, two may be given the same one; the later one gets
    another."""
    made_up = iter(["aaaaaa", "aaaaaa", "bbbbbb"])
    monkeypatch.setattr(
        "chatservice.protocols.web.webuser.secrets.token_hex", lambda _: next(made_up)
    )
    clock = Clock()
    server = MemoryServer(clock)
    said = b"POST /lobby HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"
    guests = [server.connect() for _ in range(2)]
    for guest in guests:
        guest.send(said)
        clock.advance(0)
    guests[0].send(b"GET /lobby HTTP/1.1\r\nHost: localhost\r\n\r\n")
    clock.advance(0)
    told = guests[0].received.decode()
    assert "web-aaaaaa: hello\n" in told
    assert "web-bbbbbb: hello\n" in told
