"""Push messages: a real server tells browsers, through a push service of the tests, what happens
while their users are away."""

import json
import stat
import threading
import time
from base64 import b64encode

import pytest
from twisted.python import usage

from chatservice.engines.sqlite import pushkey
from chatservice.options import Options
from tests.pushservices import HOST, Browser
from tests.servers import PATIENCE, RawAdminClient
from tests.web.clients import HttpClient
from tests.web.test_metrics import scraped


@pytest.fixture
def start(start_server, service):
    """Return a function that starts a server which may use the push service."""

    def start(*options, **limits):
        allowed = "--push-to", f"{HOST}:{service.port}"
        limits = {"push_pause_seconds": 0.0, "push_retry_seconds": 0.01} | limits
        return start_server("--room", "lab", *allowed, *options, **limits)

    return start


@pytest.fixture
def program(connect):
    """Return a function that registers a user, who comes in as a program, into a room."""

    def program(server, name, room="lab"):
        bare = connect(server)
        ask(bare, "signup", name=name, password="secret")
        ask(bare, "join", room=room)
        return bare

    return program


def ask(bare, do, **fields):
    """Send a request, and return its answer."""
    bare.ask(do=do, id=do, **fields)
    while (found := bare.event()).get("id") != do:
        pass
    return found


def leave(bare):
    """End a program's connection, and wait until the server has noticed."""
    bare.ask(do="quit")
    bare.rest()


def away(program, server, name, *browsers, room="lab"):
    """Register a user, who joins a room, asks to be told in browsers, and goes. Return the server's
    key."""
    bare = program(server, name, room)
    for it in browsers:
        assert ask(bare, "push", **it.fields)["event"] == "ok"
    key = ask(bare, "pushkey")["key"]
    leave(bare)
    return key


def wait_for(server, **wanted):
    """Wait until there were so many push messages, by what became of them."""
    client, until = HttpClient(server.port), time.monotonic() + PATIENCE
    while time.monotonic() < until:
        found = {it[1]: n for it, n in scraped(client).items() if it[0] == "chat_pushes_total"}
        if all(found[name] >= count for name, count in wanted.items()):
            return found
        time.sleep(0.02)  # of the machine, others want something, too
    raise AssertionError(f"there were no {wanted}, but {found}")


def test_a_user_who_is_away_is_told(start, service, program, connect):
    """Their browser gets private talk and mentions in the rooms that they keep, encrypted for it:
    who said what, and where it stands. It gets no other talk, and nobody's but its user's."""
    server = start("--room", "den")
    browser = Browser(service, "bob")
    key = away(program, server, "bob", browser)
    alice = connect(server, "alice")
    alice.send("/msg bob psst, " + "x" * 300)
    told = browser.message(key)
    assert len(told.pop("text")) == 200
    assert told == {"from": "alice", "room": "@alice", "seq": 1}
    alice.send("/join den", "bob, here?", "/join lab", "hello", "bobby", "so said BOB.", "@room!")
    assert browser.message(key) == {
        "from": "alice",
        "room": "lab",
        "seq": 3,
        "text": "so said BOB.",
    }
    alice.send("/put file 0 @bob")
    assert browser.message(key) == {"from": "alice", "room": "@alice", "seq": 2, "text": "file"}
    assert service.requests == ["/bob"] * 3


def test_a_user_who_is_here_is_not_told(start, service, program, connect):
    """No message comes while the user does something on any connection; it comes once they do not,
    or are gone."""
    server, browser = start(), Browser(service, "bob")
    bob = program(server, "bob")
    key = ask(bob, "pushkey")["key"]
    assert ask(bob, "push", **browser.fields)["event"] == "ok"
    alice = connect(server, "alice")
    alice.send("/msg bob seen")
    assert bob.event("private")["text"] == "seen"
    leave(bob)
    alice.send("/msg bob unseen")
    assert browser.message(key)["text"] == "unseen"
    idle, browser = start(push_idle_seconds=0.0), Browser(service, "eve")
    eve = program(idle, "eve")
    key = ask(eve, "pushkey")["key"]
    assert ask(eve, "push", **browser.fields)["event"] == "ok"
    connect(idle, "alice").send("/msg eve there?")
    assert browser.message(key)["text"] == "there?"


def test_a_moderator_tells_everybody(start, service, program, connect):
    """`@room` by a registered moderator tells all who keep the room and are away, but not the
    moderator; and by anybody else nobody."""
    server = start(push_idle_seconds=0.0)
    owner = program(server, "owner")
    ask(owner, "create", room="hall")
    browsers = {name: Browser(service, name) for name in ("owner", "bob", "eve", "elsewhere")}
    assert ask(owner, "push", **browsers["owner"].fields)["event"] == "ok"
    for name in ("bob", "eve"):
        key = away(program, server, name, browsers[name], room="hall")
    away(program, server, "elsewhere", browsers["elsewhere"])
    alice = connect(server, "alice")
    alice.send("/join hall", "@room, says a guest", "said")
    while owner.event("message")["text"] != "said":
        pass
    ask(owner, "say", room="hall", text="@room, come")
    for name in ("bob", "eve"):
        assert browsers[name].message(key)["text"] == "@room, come"
    assert sorted(service.requests) == ["/bob", "/eve"]


def test_what_ends_a_subscription(start, service, program, connect):
    """A revoked token, a changed password, a deleted account, a ban and `unpush` do, and logging in
    with a token does not. All others go on, also over a restart."""
    server = start()
    names = ("bob", "carol", "dave", "erin", "frank", "grace")
    browsers = {name: Browser(service, name) for name in names}
    for name in ("dave", "erin", "frank", "grace"):
        key = away(program, server, name, browsers[name])
    carol = program(server, "carol")
    assert ask(carol, "push", **browsers["carol"].fields)["event"] == "ok"
    ask(carol, "password", old="secret", new="secret2")
    leave(carol)
    bob = program(server, "bob")
    token = ask(bob, "token", label="page")["token"]
    page = connect(server)
    ask(page, "hello", name="bob", password=token)
    assert ask(page, "push", **browsers["bob"].fields)["event"] == "ok"
    ask(bob, "revoke", label="page")
    leave(bob)
    erin = connect(server)
    ask(erin, "hello", name="erin", password="secret")
    assert ask(erin, "unpush", endpoint=browsers["frank"].endpoint)["event"] == "ok"
    assert ask(erin, "unpush", endpoint=browsers["erin"].endpoint)["event"] == "ok"
    leave(erin)
    operator = RawAdminClient(server)
    operator.send("/ban grace", "/unregister dave")
    operator.expect("deleted-")
    operator.close()
    for _ in range(2):
        alice = connect(server, "alice")
        alice.send("/join lab", " ".join(names))
        assert browsers["frank"].message(key)["text"] == " ".join(names)
        server.stop()
        server.start()
    assert service.requests == ["/frank"] * 2


@pytest.mark.parametrize("status", [404, 410])
def test_a_subscription_that_is_gone(start, service, program, connect, status):
    """When the push service says so, it is dropped, for good; the user's others stay."""
    server = start()
    old, new = Browser(service, "old"), Browser(service, "new")
    service.answers["/old"] = [status]
    key = away(program, server, "bob", old, new)
    alice = connect(server, "alice")
    alice.send("/msg bob one")
    assert new.message(key)["text"] == "one"
    wait_for(server, gone=1)
    alice.send("/msg bob two")
    assert new.message(key)["text"] == "two"
    server.stop()
    server.start()
    connect(server, "alice").send("/msg bob three")
    assert new.message(key)["text"] == "three"
    assert service.requests.count("/old") == 1


def test_a_service_in_trouble(start, service, program, connect):
    """A message is sent again after 429 and 5xx, twice at most; after other refusals it is not, and
    no redirect is followed."""
    server = start()
    browsers = {name: Browser(service, name) for name in ("busy", "down", "moved", "wrong")}
    service.answers |= {"/busy": [429, 503], "/down": [500] * 9, "/moved": [307], "/wrong": [400]}
    for name, browser in browsers.items():
        key = away(program, server, name, browser)
    connect(server, "alice").send(*(f"/msg {name} hello" for name in browsers))
    assert browsers["busy"].message(key)["text"] == "hello"
    wait_for(server, failed=3, sent=1)
    counts = {name: service.requests.count(f"/{name}") for name in (*browsers, "elsewhere")}
    assert counts == {"busy": 3, "down": 3, "moved": 1, "wrong": 1, "elsewhere": 0}


def hang(answered):
    """Return an answer that does not come before an event."""
    return lambda request: answered.wait(PATIENCE)


def endless(ended):
    """Return an answer without an end; the event tells that the server has ended it."""

    def answer(request):
        request.send_response(201)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        try:
            while True:
                request.wfile.write(b"1000\r\n" + bytes(4096) + b"\r\n")
        except OSError:
            ended.set()

    return answer


def test_services_that_keep_the_server_busy(start, service, program, connect):
    """A service that does not answer, or does not end, delays other users a little, and its own
    user's messages are dropped beyond a bound. Nobody else notices."""
    server = start(pushes_at_once=2, push_seconds=1.0, pushes_waiting_an_account=4)
    slow = [Browser(service, f"slow{at}") for at in range(6)]
    answered, ended = threading.Event(), threading.Event()
    service.answers |= {it.path: [hang(answered)] * 9 for it in slow}
    away(program, server, "bob", *slow)
    browser = Browser(service, "carol")
    service.answers["/carol"] = [endless(ended)]
    key = away(program, server, "carol", browser)
    alice = connect(server, "alice")
    alice.send("/msg bob one", "/msg carol one")
    assert ended.wait(PATIENCE)
    alice.send("/msg carol two", "/msg alice I talk on")
    alice.expect("I talk on")
    assert browser.message(key)["text"] == "two"
    assert wait_for(server, sent=2)["dropped"] == 2
    answered.set()


def test_a_flood(start, service, program, connect):
    """Of much talk in one place, the browser is told the first and then, after a pause, the newest:
    it shows no more."""
    server, browser = start(push_pause_seconds=0.5), Browser(service, "bob")
    key = away(program, server, "bob", browser)
    alice = connect(server, "alice")
    alice.send("/join lab", *(f"bob {at}" for at in range(1000)), "bob, the end")
    while browser.message(key)["text"] != "bob, the end":
        pass
    assert len(service.requests) < 50


def test_services_that_are_not_public(start, service, program, connect):
    """The server sends to no address of a network around it, unless its operator says so: neither
    by number nor by name. The name is looked up when the message is sent."""
    server = start()
    bob = program(server, "bob")
    key = Browser(service, "bob").keys
    for endpoint in (
        *("http://localhost/x", "https://127.0.0.1/x", "https://[::1]/x", "https://10.0.0.1/x"),
        *("https://localhost:8443/x", "https://bob@localhost/x", "https://localhost", "x"),
        *(f"https://localhost/{'x' * 1024}", "https://localhost/\u00e4", "https://0x7f.1:99/x"),
    ):
        assert ask(bob, "push", endpoint=endpoint, **key)["code"] == "bad-argument", endpoint
    for fault in ({"p256dh": "x"}, {"auth": "x"}):
        there = {"endpoint": "https://push.example/x", **key, **fault}
        assert ask(bob, "push", **there)["code"] == "bad-argument"
    assert ask(bob, "push", endpoint="https://localhost/x", **key)["event"] == "ok"
    leave(bob)
    connect(server, "alice").send("/msg bob hello")
    server.log.expect(r"a push message to localhost was not sent \(it has no public address\)")
    assert wait_for(server, failed=1)["sent"] == 0


def test_who_may_subscribe(start, service, program, connect):
    """Registered users may, but with no token for one room; and nobody where push is off."""
    server, fields = start(), Browser(service, "bob").fields
    guest = connect(server)
    ask(guest, "hello", name="guest")
    assert ask(guest, "push", **fields)["code"] == "not-allowed"
    assert ask(guest, "pushkey")["code"] == "not-allowed"
    bob = program(server, "bob")
    token = ask(bob, "token", label="lab", room="lab")["token"]
    page = connect(server)
    ask(page, "hello", name="bob", password=token)
    assert ask(page, "push", **fields)["code"] == "not-allowed"
    found = HttpClient(server.port).request(
        "GET", "/api/v1/do/pushkey", Authorization=f"Bearer {token}"
    )
    assert found.status == 403
    off = start("--no-push")
    assert "turned push off" in ask(program(off, "bob"), "pushkey")["message"]
    assert not (off.data / pushkey.NAME).exists()


def test_the_key_of_the_server(start, program):
    """It is made at the first start, for the server's user alone, and is the same from then on."""
    server = start()
    bob = program(server, "bob")
    key = ask(bob, "pushkey")["key"]
    path = server.data / pushkey.NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    server.stop()
    server.start()
    basic = "Basic " + b64encode(b"bob:secret").decode()
    found = HttpClient(server.port).request("GET", "/api/v1/do/pushkey", Authorization=basic)
    assert json.loads(found.body)["key"] == key
    server.stop()
    path.write_bytes(path.read_bytes()[:90])
    with pytest.raises(AssertionError):
        server.start()
    assert "push.pem has no key; put it back" in server.log.so_far()


def test_the_options():
    """The contact is the server's own address, if it has a name. Hosts are in lower case; what is
    none is refused in one sentence."""
    options = Options()
    options.parseOptions(["--host-name", "chat.example", "--push-to", "Push.Example:8443"])
    assert options["push-contact"] == "https://chat.example"
    assert options["push-to"] == ["push.example:8443"]
    for option, wrong in (("--push-to", "https://push.example/"), ("--push-contact", "me")):
        with pytest.raises(usage.UsageError, match=rf"{option} takes .*, not {wrong}\."):
            Options().parseOptions([option, wrong])
