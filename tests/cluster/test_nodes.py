"""Real nodes, each a `twistd chat` of its own, over a real nats-server: what users see."""

import hashlib
import random
import re
import signal
import subprocess
import threading
from urllib.request import Request, urlopen

import pytest
import pytest_twisted
from twisted.internet.threads import deferToThread

from chatservice.client.library import connect
from tests.cluster.natsservers import NatsServer, free_ports
from tests.irc.clients import IrcClient
from tests.servers import PATIENCE, TWISTD, RawAdminClient, RawClient, Server, environment
from tests.test_chatctl import chatctl


@pytest.fixture
def start(tmp_path, nats_server, request):
    """Return a function that starts a node, with a number, of a cluster of this test's own."""
    started = []
    stream = f"N{abs(hash(request.node.nodeid)) % 10**9}"

    def node(number, server=nats_server, *options):
        engine = server.url(stream)
        it = Server(tmp_path / str(number), "--engine", engine, *options)
        it.engine = engine
        started.append(it)
        return it

    yield node
    for it in started:
        it.kill()


def person(node, name):
    """Return the connection of a person who has entered."""
    client = RawClient(node.port)
    client.expect("Welcome")
    client.send(name)
    client.expect("What you type is said")
    return client


def test_two_nodes_are_one_chat(start):
    """People at two nodes talk in one room, see the same history, and share one set of names."""
    one, other = start(1), start(2)
    alice, bob = person(one, "alice"), person(other, "bob")
    alice.send("hello from one")
    bob.expect("alice: hello from one")
    bob.send("hello from the other")
    alice.expect("bob: hello from the other")
    alice.send("/create lab")
    alice.expect("You are in lab")
    alice.send("the first line", "/who")
    alice.expect("1 in lab")  # a command waits for the talk before it
    bob.send("join lab")
    bob.expect("You are in lab")
    bob.send("/history")
    bob.expect("#1] alice: the first line")
    double = RawClient(other.port)
    double.expect("Welcome")
    double.send("alice")
    double.expect("alice is taken")
    operator = RawAdminClient(one)
    operator.send("/cluster")
    operator.expect("it can be written to")
    shown = [operator.expect("* Node at") for _ in range(2)]
    assert sum("(this one)" in it for it in shown) == 1


def test_a_registered_user_at_both_nodes(start):
    """An account that is made at one node logs in at the other, where private messages reach it; a
    new password ends its sessions at both."""
    one, other = start(1), start(2)
    alice = person(one, "alice")
    alice.send("/register correct-horse-battery")
    alice.expect("alice is your name from now on")
    again = RawClient(other.port)
    again.expect("Welcome")
    again.send("/login alice correct-horse-battery")
    again.expect("You are alice")
    bob = person(other, "bob")
    bob.send("@alice psst")
    alice.expect("bob -> you: psst")


def test_users_at_two_nodes_see_and_reach_each_other(start):
    """Arrivals, `/who`, private messages and real names of guests work between nodes; a kick, a ban
    and a revoked token end what they end at the other node at once."""
    one, other = start(1), start(2)
    root = person(one, "root")
    root.send("/create den")
    root.expect("You are in den")
    root.send("/register correct-horse-battery")
    root.expect("root is your name from now on")
    bob = person(other, "bob")
    bob.send("join den")
    bob.expect("You are in den")
    root.expect("bob came in")
    root.send("/who")
    root.expect("2 in den")
    root.send("@bob psst")
    bob.expect("root -> you: psst")
    bob.send("@root yes")
    root.expect("bob -> you: yes")
    root.send("/kick bob calm down")
    bob.expect("calm down")
    bob.send("join den")
    bob.expect("You are in den")
    root.send("/ban bob")
    bob.expect("You are out of den")
    bob.send("join den")
    bob.expect("You are banned from den")
    root.send("/token laptop")
    token = re.search(r"chat_[\w-]+", root.expect("chat_"))[0]
    program = RawClient(other.port)
    program.ask(do="hello", name="root", password=token)
    program.event("ok")
    root.send("/revoke laptop")
    assert b'"revoked"' in program.rest()
    bart = IrcClient(other, "bart")
    bart.send("SETNAME :Bart of the other node", "JOIN #den")
    root.expect("bart came in")
    near = IrcClient(one, "near")
    near.send("WHOIS bart")
    assert near.until("311").params[-1] == "Bart of the other node"
    for each in (bart, near):
        each.close()


def test_a_file_of_one_node_is_fetched_at_the_other(start):
    """A file that is shared over HTTP at one node is read at the other: all of it, and a part; also
    when the first node is killed."""
    one, other = start(1), start(2)
    data = random.Random(1).randbytes(1_500_000)
    reader = person(other, "reader")
    urlopen(Request(f"http://127.0.0.1:{one.port}/lobby/a.bin", data, method="PUT")).close()
    reader.expect("a.bin")
    one.kill()
    where = f"http://127.0.0.1:{other.port}/lobby/a.bin"
    with urlopen(where) as answer:
        assert answer.read() == data
    with urlopen(Request(where, headers={"Range": "bytes=600000-600009"})) as answer:
        assert (answer.status, answer.read()) == (206, data[600_000:600_010])


@pytest_twisted.ensureDeferred
async def test_a_client_goes_on_at_another_node(start, tmp_path, monkeypatch):
    """The library knows both nodes; when its own is killed, it goes on at the other one, under the
    same name, and what it says is there once and in order."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    one, other = await deferToThread(lambda: (start(1), start(2)))
    client = await connect("carl", f"127.0.0.1:{one.port},127.0.0.1:{other.port}")
    for at in range(10):
        if at == 5:
            one.kill()
        await client.say("lobby", f"m{at}")
    assert client.name == "carl"
    await client.close()
    reader = await connect("rita", "127.0.0.1", other.port)
    await reader.join("lobby")
    found = await reader.ask("history", room="lobby", after=0)
    assert [entry.text for _, entry in found.entries] == [f"m{at}" for at in range(10)]
    await reader.close()


def test_a_killed_node_comes_back(start):
    """A node is killed while both talk. Its users go on at the other one. When it is back it has
    everything in the same order, and what was acknowledged is there once."""
    one, other = start(1), start(2)
    acknowledged = []

    def talk():
        """Say things with keys at the one node, and go on at the other when it is killed."""
        client, token = program(one)
        while len(acknowledged) < 400:
            number = len(acknowledged)
            try:
                client.ask(do="say", room="lobby", text=f"t{number}", key=f"k{number}", id=number)
                while (event := client.event()).get("id") != number:
                    pass
            except (AssertionError, OSError):  # the connection has ended
                client, token = program(other, token)
                continue
            if event["event"] != "ok":
                break
            acknowledged.append(number)

    talking = threading.Thread(target=talk)
    talking.start()
    while len(acknowledged) < 150:
        talking.join(0.01)
    one.process.send_signal(signal.SIGKILL)
    one.process.wait()
    talking.join()
    assert len(acknowledged) == 400
    one.start()
    reader, _ = program(one, name="reader", after=0)
    assert [reader.event("message")["text"] for _ in range(400)] == [f"t{at}" for at in range(400)]


def program(node, token=None, name="writer", **join):
    """Return the connection of a program that has entered, and its token."""
    client = RawClient(node.port)
    client.ask(do="hello", name=name, **({"token": token} if token else {}))
    token = client.event("ok")["token"]
    client.ask(do="join", room="lobby", **join)
    client.event("ok")
    return client, token


def test_the_log_goes_away(start, own_server):
    """While the log's server is gone, a node shows what it has, and acknowledges nothing. What was
    said meanwhile appears when the server is back, once."""
    one = start(1, own_server)
    alice, bob = person(one, "alice"), person(one, "bob")
    alice.send("before")
    bob.expect("alice: before")
    own_server.kill()
    alice.send("meanwhile")
    bob.send("/history")
    bob.expect("#1] alice: before")
    assert "meanwhile" not in bob.seen
    own_server.start()
    bob.expect("alice: meanwhile")
    alice.send("after")
    bob.expect("alice: after")
    assert bob.seen.count("meanwhile") == 1


def test_a_full_log(start, tmp_path):
    """A log without room refuses what is said, in the words of the protocol, and a node that starts
    in one sentence. When the servers have more room the node goes on, with all that it has
    acknowledged and nothing that was refused."""
    server = NatsServer(tmp_path, jetstream="max_file: 1MB")
    try:
        one = start(1, server)
        client, _ = program(one)
        stored, answer = [], {"event": "ok"}
        while answer["event"] == "ok":
            text = f"{len(stored)} " + "x" * 7000
            client.ask(do="say", room="lobby", text=text, id=len(stored))
            while (answer := client.event()).get("id") != len(stored):
                pass
            stored.append(text)
        assert answer["code"] == "not-stored"
        refused = stored.pop()
        assert stored
        status, output = run(one.engine, tmp_path / "new")
        assert status == 1
        assert "is full; give JetStream more room there" in output
        assert "Traceback" not in output
        server.kill()
        server.config.write_text(server.config.read_text().replace("1MB", "100MB"))
        server.start()
        reader, _ = program(one, name="reader", after=0)
        for text in stored:
            assert reader.event("message")["text"] == text
        client.ask(do="say", room="lobby", text="after", id="after")
        assert reader.event("message")["text"] == "after"
        assert refused not in reader.seen
        assert "Traceback" not in one.log.so_far()
    finally:
        server.kill()


def test_bad_starts(tmp_path, nats_server, start):
    """Each start that cannot be is one sentence and a status other than 0, and changes nothing."""
    (nobody,) = free_ports(1)
    unsynced = NatsServer(tmp_path, sync="2m")
    good = start(1)
    good.stop()
    try:
        for address, data, sentence in (
            (f"nats://127.0.0.1:{nobody}", "new", "start nats-server there, or correct --engine."),
            (unsynced.url("A"), "new", "set sync_interval: always in the block jetstream"),
            (nats_server.url("OTHER"), "1/chat-data", "have no log OTHER"),
            (
                f"nats://127.0.0.1:{nats_server.port}?http={nobody}",
                *("new", f"tells on port {nobody} whether it syncs"),
            ),
        ):
            status, output = run(address, tmp_path / data)
            assert status == 1
            assert sentence in output
            assert "Traceback" not in output
    finally:
        unsynced.kill()


def run(address, data):
    """Run a node that is to fail; return its exit status and its output."""
    sooner = "from chatservice.engines.jetstream import natslink; natslink.CONNECT_SECONDS = 1"
    code = f"{sooner}; {TWISTD[-1]}"
    done = subprocess.run(
        [*TWISTD[:-1], code, "-n", "--pidfile=", "chat", "--interface", "127.0.0.1", "--port", "0"]
        + ["--data", str(data), "--engine", address],
        cwd=data.parent,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
    )
    return done.returncode, done.stdout


def test_a_ticket_is_good_at_every_node(start):
    """Tickets of one node are redeemed at the other, raw and over HTTP, for a room and for a guest,
    once. A transfer that broke off there is resumed there. A dead node's tickets are gone."""
    one, other = start(1), start(2)
    data = random.Random(2).randbytes(1_500_000)
    alice, _ = program(one, name="alice")
    bob, _ = program(other, name="bob")
    bad = b"That ticket is not good"
    file = {"name": "a.bin", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    put = ticket(alice, do="put", room="lobby", **file)
    broken = RawClient(other.port)
    broken.send_raw(f"PUT {put}\n".encode() + data[:500_000])
    broken.end()
    broken.rest()
    assert bad in transferred(one, f"PUT {put}", data)
    bob.ask(do="put", room="lobby", **file)
    assert bob.event("ok")["offset"] == 0  # it is alice's
    put = ticket(alice, do="put", room="lobby", **file)
    assert b"= 1500000 " in transferred(other, f"PUT {put} 500000", data[500_000:])
    alice.event("file")
    get = ticket(alice, do="get", room="lobby", name="a.bin")
    assert transferred(other, f"GET {get} 600000") == data[600_000:]
    assert bad in transferred(one, f"GET {get}")
    get = ticket(alice, do="get", room="lobby", name="a.bin")
    for _ in range(2):  # over HTTP it stays good for the address that showed it first
        url = f"http://127.0.0.1:{other.port}/t/{get}/a.bin"
        with urlopen(Request(url, headers={"Range": "bytes=5-9"})) as answer:
            assert answer.read() == data[5:10]
    put = ticket(alice, do="put", to="bob", name="b.bin", size=4)
    urlopen(Request(f"http://127.0.0.1:{other.port}/t/{put}", b"psst", method="PUT")).close()
    while bob.event("file")["name"] != "b.bin":
        pass
    get = ticket(alice, do="get", room="lobby", name="a.bin")
    one.kill()
    assert bad in transferred(other, f"GET {get}")


def test_a_backup_of_a_node_is_a_server_that_runs_alone(start, tmp_path):
    """`chatctl backup` at one node has what was said and shared at the other. `chatctl restore`
    makes the directory of a server of its own, which is no node's."""
    one, other = start(1), start(2)
    url = f"http://127.0.0.1:{other.port}/lobby/a.bin"
    urlopen(Request(url, b"shared there", method="PUT")).close()
    alice, bob = person(one, "alice"), person(other, "bob")
    bob.send("said there")
    alice.expect("bob: said there")
    backup, folder = tmp_path / "backup", tmp_path / "alone"
    folder.mkdir()
    status, said, wrong = chatctl(one.data, "backup", str(backup))
    assert (status, wrong) == (0, "")
    assert "1 file," in said
    status, said, wrong = chatctl(folder / "chat-data", "restore", str(backup))
    assert status == 0, wrong
    assert "was checked" in said
    alone = Server(folder)
    try:
        carl = person(alone, "carl")
        carl.send("/history")
        carl.expect("bob: said there")
        with urlopen(f"http://127.0.0.1:{alone.port}/lobby/a.bin") as answer:
            assert answer.read() == b"shared there"
    finally:
        alone.kill()


def ticket(client, **asked):
    """Return the ticket that a program gets for a transfer."""
    client.ask(**asked)
    return client.event("ok")["ticket"]


def transferred(node, line, data=b""):
    """Return all that comes for a ticket's line, and the bytes of its file."""
    client = RawClient(node.port)
    client.send_raw(f"{line}\n".encode() + data)
    return client.rest()
