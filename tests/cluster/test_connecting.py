"""The connection to the log: TLS, logins, and starts that cannot be."""

import json

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory
from twisted.protocols.basic import LineReceiver

from chatservice.engines.jetstream import natslink
from chatservice.engines.jetstream.clusterengine import JetStreamEngine
from chatservice.engines.jetstream.logaddress import LogAddress
from chatservice.engines.sqlite.engine import SqliteEngine
from chatservice.errors import Refusal
from tests.cluster.conftest import make_engine
from tests.cluster.natsservers import NatsServer
from tests.cluster.operatorkeys import Key, Operator, credentials
from tests.contract.conftest import append, room, say, texts
from tests.tls import CertificateAuthority


async def why(engine):
    """Return the sentence with which an engine does not start."""
    with pytest.raises(Refusal) as caught:
        await engine.start()
    await engine.stop()
    return caught.value.sentence


def node(path, address):
    """Return the engine of a node at an address."""
    return JetStreamEngine(reactor, LogAddress.parse(address), path / "data", path / "files")


@pytest_twisted.ensureDeferred
async def test_tls_and_a_login(tmp_path, monkeypatch):
    """A node logs in over TLS, and stores; with a wrong password, an unknown authority, or a file
    that is no login it says so in a sentence."""
    authority = CertificateAuthority(tmp_path)
    ca, certificate, key = authority.root, tmp_path / "cert.pem", tmp_path / "key.pem"
    for file, made in zip((key, certificate), authority.certify("127.0.0.1"), strict=True):
        file.write_bytes(made)
    for name, text in (("good", "chat secret\n"), ("bad", "chat wrong\n"), ("none", "chat\n")):
        (tmp_path / name).write_text(text)
    server = NatsServer(
        tmp_path,
        more=f'tls {{ cert_file: "{certificate}", key_file: "{key}" }}\n'
        "authorization { user: chat, password: secret }",
    )
    base = f"tls://127.0.0.1:{server.port}/S?http={server.http}"
    try:
        engine = node(tmp_path, f"{base}&ca={ca}&login={tmp_path}/good")
        await engine.start()
        lab = await room(engine)
        await append(engine, say(lab, "hello"))
        assert await texts(engine, lab) == ["hello"]
        await engine.stop()
        monkeypatch.setattr(natslink, "CONNECT_SECONDS", 1.0)
        for query, sentence in (
            (f"&ca={ca}&login={tmp_path}/bad", "lets this one in"),
            (f"&ca={ca}", "lets this one in"),
            (f"&login={tmp_path}/good", "lets this one in"),
            (f"&ca={ca}&login={tmp_path}/none", "is to have a name and a password"),
            (f"&ca={ca}&login={tmp_path}/missing", "No such file"),
        ):
            assert sentence in await why(node(tmp_path, base + query))
    finally:
        server.kill()


@pytest_twisted.ensureDeferred
async def test_credentials(tmp_path, monkeypatch):
    """A node logs in with the credentials of an operator's user, and stores. A file with those of
    another operator, of an account, of nobody, or that is damaged is refused in a sentence."""
    operator = Operator()
    good = operator.credentials()
    token, seed = good.split("\n")[1], good.split("\n")[5]
    for name, text in (
        ("good", good),
        ("crlf", good.replace("\n", "\r\n")),
        ("other", Operator().credentials()),
        ("swapped", credentials(token, Key("user").seed)),
        ("account", credentials(token, Key("account").seed)),
        ("damaged", credentials(token, seed[:9] + ("A" if seed[9] != "A" else "B") + seed[10:])),
        ("short", credentials(token, seed[:20])),
        ("none", "chat secret\n"),
        ("empty", ""),
    ):
        (tmp_path / name).write_text(text)
    (tmp_path / "bytes").write_bytes(bytes(range(256)))
    server = NatsServer(tmp_path, more=operator.config)
    base = f"{server.url('S')}&creds={tmp_path}"
    try:
        for at, name in enumerate(("good", "crlf")):
            engine = node(tmp_path, f"{base}/{name}")
            await engine.start()
            lab = await room(engine, f"lab{at}")
            await append(engine, say(lab, "hello"))
            assert await texts(engine, lab) == ["hello"]
            await engine.stop()
        monkeypatch.setattr(natslink, "CONNECT_SECONDS", 2.0)
        for name in ("other", "swapped"):
            assert "lets this one in" in (told := await why(node(tmp_path, f"{base}/{name}")))
            assert "uthorization" in told
        for name in ("account", "damaged", "short", "none", "empty", "bytes"):
            told = await why(node(tmp_path, f"{base}/{name}"))
            assert "has no credentials of NATS" in told, name
        assert "No such file" in await why(node(tmp_path, f"{base}/missing"))
    finally:
        server.kill()


@pytest_twisted.ensureDeferred
async def test_the_directory_of_a_server_that_runs_alone(tmp_path, nats_server):
    """It is refused where the log has its own chat, and is as it was."""
    first = make_engine(nats_server, "ALONE", tmp_path / "first")
    await first.start()
    await first.stop()
    alone = SqliteEngine(reactor, tmp_path / "data", tmp_path / "files")
    await alone.start()
    lab = await room(alone)
    await append(alone, say(lab, "hello"))
    await alone.stop()
    assert "no node of a cluster" in await why(make_engine(nats_server, "ALONE", tmp_path))
    alone = SqliteEngine(reactor, tmp_path / "data", tmp_path / "files")
    await alone.start()
    assert await texts(alone, lab) == ["hello"]
    await alone.stop()


@pytest_twisted.ensureDeferred
async def test_a_directory_ahead_of_the_log(tmp_path, nats_server):
    """A log that has lost messages is not written to."""
    engine = make_engine(nats_server, "AHEAD", tmp_path)
    await engine.start()
    await room(engine)
    await engine._link.do(_lose(engine._link._js, "AHEAD"))
    await engine.stop()
    assert "is ahead of the log" in await why(make_engine(nats_server, "AHEAD", tmp_path))


@pytest_twisted.ensureDeferred
async def test_a_directory_that_has_parted_from_the_log(tmp_path, nats_server):
    """A log that has lost messages and has more by now is not written to; an empty directory has
    what the log has."""
    engine = make_engine(nats_server, "PARTED", tmp_path / "old")
    await engine.start()
    await room(engine)
    await engine._link.do(_lose(engine._link._js, "PARTED"))
    await engine.stop()
    other = make_engine(nats_server, "PARTED", tmp_path / "new")
    await other.start()
    for at in range(engine.logs.cluster.applied):
        await room(other, f"r{at}")
    told = await why(make_engine(nats_server, "PARTED", tmp_path / "old"))
    assert "has other messages than the log" in told
    await other.stop()


@pytest_twisted.ensureDeferred
async def test_a_refused_start_changes_nothing(tmp_path, nats_server, monkeypatch):
    """The directory of a node makes no log where there is none. Neither that one nor that of a
    server that runs alone adds anything to another cluster's log."""
    for name in ("MINE", "THEIRS"):
        engine = make_engine(nats_server, name, tmp_path / name)
        await engine.start()
        await engine._link.do(engine._link._js.delete_stream(f"{name}-FILES"))
        await engine.stop()
    alone = SqliteEngine(reactor, tmp_path / "alone" / "data", tmp_path / "alone" / "files")
    await alone.start()
    await room(alone)
    await alone.stop()
    before = nats_server.streams()
    monkeypatch.setattr(natslink, "CONNECT_SECONDS", 1.0)
    for stream, folder, sentence in (
        ("NONE", "MINE", "have no log NONE"),
        ("THEIRS", "MINE", "belongs to another cluster than"),
        ("THEIRS", "alone", "no node of a cluster"),
    ):
        assert sentence in await why(make_engine(nats_server, stream, tmp_path / folder))
    assert nats_server.streams() == before


@pytest_twisted.ensureDeferred
async def test_one_of_three_servers_does_not_sync(tmp_path):
    """A node does not start, and names it, whichever of them it is connected to."""
    servers = list[NatsServer]()
    try:
        for number, sync in enumerate(("always", "always", "2m"), 1):
            folder, host = tmp_path / f"n{number}", f"127.0.0.{number}"
            folder.mkdir()
            http = servers[0].http if servers else 0
            servers.append(NatsServer(folder, sync=sync, host=host, outer=host, http=http))
        where = ",".join(f"{it.host}:{it.port}" for it in servers)
        address = f"nats://{where}/S?http={servers[0].http}"
        told = await why(node(tmp_path, address))
        assert told.startswith("The server 127.0.0.3 does not sync what it stores;")
    finally:
        for server in servers:
            server.kill()


async def _lose(js, name):
    """Make a stream anew, without its messages."""
    info = await js.stream_info(name)
    await js.delete_stream(name)
    await js.add_stream(info.config)


class OldServer(LineReceiver):
    """A nats-server of an old version, as far as its greeting."""

    def connectionMade(self):
        """Greet."""
        info = {"server_id": "A", "version": "2.10.1", "max_payload": 1 << 20, "headers": True}
        self.sendLine(b"INFO " + json.dumps(info).encode())

    def lineReceived(self, line):
        """Answer a ping."""
        if line == b"PING":
            self.sendLine(b"PONG")


@pytest_twisted.ensureDeferred
async def test_an_old_server(tmp_path):
    """It is named, with the version that is needed."""
    endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
    port = await endpoint.listen(Factory.forProtocol(OldServer))
    told = await why(node(tmp_path, f"nats://127.0.0.1:{port.getHost().port}"))
    assert (
        told == "nats-server 2.10.1 at 127.0.0.1 is too old for a cluster; install 2.15 or newer."
    )
    await port.stopListening()
