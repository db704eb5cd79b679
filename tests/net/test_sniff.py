"""Plain talk and TLS on the same port, against a real server, with what people have at hand."""

import contextlib
import hashlib
import os
import random
import shutil
import signal
import socket
import ssl
import stat
import struct
import subprocess
import threading

import pytest
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from chatservice.engines.sqlite import selfsigned
from chatservice.grammar import textformat
from chatservice.net.tls import Certificate
from chatservice.protocols.factory import ChatFactory
from tests.servers import PATIENCE, RawClient, Server
from tests.test_service import fails
from tests.tls import TLS, CertificateAuthority, ManualTlsClient, TlsClient, logged

ALERT = b"\x15\x03\x01\x00\x02\x02\x28"
"""handshake_failure, fatal (RFC 8446, 6.2)."""

DATA = random.Random(4).randbytes(20_000_003)
SHA256 = hashlib.sha256(DATA).hexdigest()

TOOLS = {
    "openssl": "openssl s_client -quiet -connect 127.0.0.1:PORT",
    "ncat": "ncat --ssl 127.0.0.1 PORT",
    "socat": "socat -t 60 - OPENSSL:127.0.0.1:PORT,verify=0",
}


@pytest.fixture
def server(start_server):
    """Return a server that makes itself a certificate."""
    return start_server("--room", "lab", "--tls", "auto")


@pytest.fixture
def secure():
    """Return a function that connects to a server over TLS; with a name, it is given."""
    opened = []

    def open_(server, name=None, **more):
        made = TlsClient(server.port, **more)
        opened.append(made)
        if name is not None:
            made.expect("* Welcome")
            made.send(name)
            made.expect("* What you type")
        return made

    yield open_
    for each in opened:
        each.close()


@pytest.fixture
def halves():
    """Return a function that makes a connection whose handshake can be taken apart, in the middle
    of which it is."""
    made = []

    def make(server):
        made.append(ManualTlsClient(server.port))
        made[-1].socket.sendall(made[-1].hello())
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def program(server, secure):
    """Return a program in lab, over TLS."""
    made = secure(server)
    made.ask(do="hello", name="program")
    made.event("ok")
    made.ask(do="join", room="lab")
    made.event("ok")
    return made


def quiet(server):
    """Stop a server, and see that nothing went wrong in it."""
    server.stop()
    server.log.expect("Server Shut Down")
    assert not [it for it in server.log.lines if "Traceback" in it or "#critical" in it]


# -- one port, both ways ---------------------------------------------------------------------------


def test_plain_and_tls_on_one_port(server, connect, secure):
    """They are in the same room; each gets the greeting, and the end, in its own way."""
    bob, alice = connect(server, "bob"), secure(server, "alice")
    assert alice.fingerprint == logged(server)
    alice.send("hello in secret")
    assert bob.expect("alice: ") == "alice: hello in secret"
    bob.send("hello in the open")
    assert alice.expect("bob: ") == "bob: hello in the open"
    alice.send("/quit")
    alice.expect("* Goodbye.")
    assert alice.rest() == b""
    bob.expect("* alice left")
    carol = secure(server, "carol")
    quiet(server)
    carol.expect("* The server is stopping")
    assert carol.rest() == b""


def test_programs(server, program, connect):
    """JSON is the same inside TLS, and a client that sends first is not greeted."""
    bob = connect(server, "bob")
    bob.send("/join lab", "hello")
    assert program.event("message")["text"] == "hello"
    program.ask(do="say", room="lab", text="hello yourself", id=7)
    assert program.event("ok")["id"] == 7
    assert bob.expect("program: ") == "program: hello yourself"
    assert "Welcome" not in program.seen


@pytest.mark.parametrize("tool", TOOLS)
def test_scripts(server, connect, tool):
    """With /quit as the last line, every program passes on all answers."""
    reader = connect(server, "reader")
    said = piped(server, tool, b"bot\nbuild failed\n/who\n/quit\n")
    assert [reader.line() for _ in range(3)] == ["* bot came in", "bot: build failed", "* bot left"]
    assert said == b"* 2 in lobby: bot, reader\n* Goodbye.\n"
    quiet(server)


def piped(server, tool, data):
    """Pipe `data` into a program, and return what it wrote."""
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    command = TOOLS[tool].replace("PORT", str(server.port))
    done = subprocess.run(command.split(), input=data, capture_output=True, timeout=PATIENCE)
    return done.stdout


@pytest.mark.parametrize("tool", ["ncat", "socat"])
def test_scripts_that_only_end(server, tool, connect):
    """Requests are answered after the end of the input, with no /quit. Text after the last line end
    counts if the client ends TLS properly, as socat does; ncat never does."""
    reader = connect(server, "reader")
    said = piped(server, tool, b"bot\n/join lab\n/who\n/leave\nwhole\nthe rest")
    assert said.splitlines()[1] == b"* 1 in lab: bot"
    assert reader.expect("bot: ") == "bot: whole"
    rest = reader.line()
    assert rest == ("bot: the rest" if tool == "socat" else "* bot left")
    quiet(server)


def test_half_of_tls(server, connect, halves):
    """A client that has half-closed TLS still gets its answers."""
    bot = halves(server)
    bot.shake()
    bot.send("bot", "/join lab", "a question")
    bot.send_raw(b"/who")
    bot.end()
    assert bot.expect("* 1 in lab").endswith("bot")
    with pytest.raises(ssl.SSLZeroReturnError):  # the server's own end, said in TLS too
        bot.line()
    quiet(server)


def test_what_was_cut_is_not_said(server, connect, halves):
    """A line whose end is missing when the connection is cut below TLS may have been longer."""
    bob = connect(server, "bob")
    bot = halves(server)
    bot.shake()
    bot.send("bot", "all of it")
    bot.send_raw(b"pay him 10")
    bot.cut()
    assert [bob.line() for _ in range(3)] == ["* bot came in", "bot: all of it", "* bot left"]
    quiet(server)


def test_a_greeting_is_not_sent_into_a_handshake(tmp_path):
    """However long that takes on a slow line; and then it comes."""
    clock, transport = Clock(), StringTransport()
    factory = ChatFactory(clock)
    factory.chat = None
    factory.use_certificate(Certificate(selfsigned.own(tmp_path)), only_tls=False)
    connection = factory.buildProtocol(None)
    connection.makeConnection(transport)
    came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = TLS.wrap_bio(came, goes, server_hostname="127.0.0.1")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    hello = goes.read()
    connection.dataReceived(hello[:1])
    clock.advance(2 * factory.greeting_delay(transport))
    assert transport.value() == b""
    connection.dataReceived(hello[1:])
    greeting = b""
    for _ in range(20):  # pieces of the handshake, and then the wait for a silent client
        clock.advance(factory.limits.greeting_seconds / 10)
        came.write(transport.value())
        transport.clear()
        with contextlib.suppress(ssl.SSLWantReadError):
            client.do_handshake()
            greeting = client.read()
        if goes.pending:
            connection.dataReceived(goes.read())
    assert greeting == textformat.GREETING


def test_tls_that_begins_too_late(start_server, connect):
    """TLS after the greeting is refused, in a TLS alert."""
    server = start_server("--tls", "auto", first_byte_seconds=0.0, greeting_seconds=0.0)
    bare = connect(server)
    bare.expect("* Welcome")
    bare.send_raw(ManualTlsClient(server.port).hello())
    assert bare.rest() == ALERT
    server.log.expect("began TLS where there is none, or too late")


def test_behind_a_proxy(start_server, secure):
    """The proxy's header comes before the first byte of TLS."""
    server = start_server("--listen", "haproxy:tcp:0:interface=127.0.0.1", "--tls", "auto")
    server.port = int(server.log.expect(r"listening on 127\.0\.0\.1:(\d+)")[1])
    alice = secure(server, "alice", before=b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 5555\r\n")
    alice.send("/quit")
    alice.expect("* Goodbye.")
    assert alice.rest() == b""


# -- files -----------------------------------------------------------------------------------------


def test_a_big_file_by_ticket(server, secure, program):
    """Up and down on connections of their own, over TLS as well, without a change."""
    program.ask(do="put", room="lab", name="a.bin", size=len(DATA), sha256=SHA256)
    up = secure(server)
    up.send(f"PUT {program.event('ok')['ticket']}")
    up.send_raw(DATA)
    assert up.expect("= ") == f"= {len(DATA)} {SHA256} a.bin"
    assert up.rest() == b""
    assert (server.files / "lab" / "a.bin").read_bytes() == DATA
    program.ask(do="get", room="lab", name="a.bin")
    down = secure(server)
    down.send(f"GET {program.event('ok')['ticket']}")
    assert down.rest() == DATA
    quiet(server)


def test_files_on_the_connection(server, secure):
    """/put and /get between lines of talk."""
    (server.files / "a.bin").write_bytes(DATA)
    alice = secure(server, "alice")
    alice.send("/get a.bin", "still here")
    alice.expect(f"= {len(DATA)} ")
    assert alice.read(len(DATA)) == DATA
    alice.send(f"/put b.bin {len(DATA)}")
    alice.expect("* Send its ")
    alice.send_raw(DATA)
    alice.expect(f"= {len(DATA)} {SHA256} b.bin")
    alice.send("/quit")
    alice.expect("* Goodbye.")


def test_a_file_that_is_still_coming(server, secure, program):
    """A follower gets each part as it arrives, and the end when the file is shared."""
    program.ask(do="put", room="lab", name="a.bin", size=len(DATA), sha256=SHA256)
    up = secure(server)
    up.send(f"PUT {program.event('ok')['ticket']}")
    up.send_raw(DATA[:1_000_000])
    answer = {}
    while answer.get("event") != "ok":
        program.ask(do="get", room="lab", name="a.bin", arriving=True)
        answer = program.event()
    down = secure(server)
    down.send(f"GET {answer['ticket']}")
    assert down.read(700_000) == DATA[:700_000]
    up.send_raw(DATA[1_000_000:])
    up.expect("= ")
    assert down.rest() == DATA[700_000:]


@pytest.mark.parametrize("tool", ["openssl", "ncat"])
def test_what_link_prints(server, secure, tmp_path, tool):
    """A line for each program, which fetches the file over TLS as it stands, and one that checks
    what came."""
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    (server.files / "a b.bin").write_bytes(DATA)
    alice = secure(server, "alice")
    alice.send("/link a b.bin")
    alice.expect("from another terminal")
    lines = [alice.line() for _ in range(5)]
    fetch = next(line for line in lines if f"| {tool} " in line)
    shell = ["bash", "-c", f"{fetch}\n{lines[-1]}"]
    done = subprocess.run(shell, cwd=tmp_path, capture_output=True, timeout=PATIENCE)
    assert done.stdout == b"a b.bin: OK\n"


# -- slow and broken ones --------------------------------------------------------------------------


def stalled(server, secure, name):
    """Return a connection in the lobby that reads nothing, with a small window."""
    slow = secure(server)
    slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 17)
    slow.ask(do="hello", name=name)
    slow.event("ok")
    slow.ask(do="join", room="lobby")
    slow.event("ok")
    return slow


def test_readers_that_stop_miss_nothing(server, connect, secure):
    """While they stand still, what is for them is in the log and not in memory: 20 MB behind each
    of ten, of which the server grows by less than a quarter; and then they get all of it."""
    slow = [stalled(server, secure, f"slow{at}") for at in range(10)]
    alice = connect(server, "alice")

    def talk(first, end):
        alice.send(*(f"{at} " + "x" * 4000 for at in range(first, end)), "/history 1")
        alice.expect(f"alice: {end - 1} ")

    talk(0, 3000)  # beyond every buffer on the way, and what is held of the log
    before = server.memory()
    for first in range(3000, 8000, 500):
        talk(first, first + 500)
    assert server.memory() - before < 50_000_000
    seen = []
    while len(seen) < 8000:
        event = slow[0].event()
        if event["event"] == "message":
            seen.append(int(event["text"].split()[0]))
    assert seen == list(range(8000))


def test_garbage_behind_the_first_byte(server, connect, secure):
    """It ends that connection and nobody hears of it."""
    bob = connect(server, "bob")
    for garbage in (b"\x16garbage\n", b"\x16" * 70_000, b"\x16\x03\x01\xff\xff" + bytes(70_000)):
        bare = connect(server)
        with contextlib.suppress(ConnectionError):  # it may be gone before all was sent
            bare.send_raw(garbage)
            assert bare.rest()[:1] in (b"", ALERT[:1])
    secure(server, "alice")
    assert bob.line() == "* alice came in"
    quiet(server)


@pytest.mark.parametrize("how", ["end", "reset"])
def test_a_handshake_that_is_cut(server, connect, halves, how):
    """In the middle, by an end or a reset: the server goes on, and nobody hears of it."""
    bob = connect(server, "bob")
    cut = halves(server)
    assert cut.socket.recv(1, socket.MSG_PEEK)  # the server's part has come
    if how == "reset":
        cut.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        cut.socket.close()
    else:
        cut.cut()
        assert cut.rest()
    bob.send("/who")
    assert bob.line() == "* 1 in lobby: bob"
    quiet(server)


def test_a_handshake_that_stands_still(start_server, connect):
    """It is ended after a time, wherever it stands."""
    server = start_server("--tls", "auto", handshake_seconds=0.3)
    for count in (1, 5, 200):
        slow = ManualTlsClient(server.port)
        slow.socket.sendall(slow.hello()[:count])
        with contextlib.suppress(ConnectionResetError):
            slow.rest()
        slow.close()
    connect(server, "bob")
    quiet(server)


def test_who_does_not_close_their_side(start_server, secure, connect):
    """TLS ends on both sides, but who only reads to the end is not waited for for ever; and who
    answers with something else is gone."""
    server = start_server("--tls", "auto", tls_closing_seconds=0.3)
    for answer in (b"", b"nonsense, and still there"):
        alice = secure(server, "alice")
        alice.send("/quit")
        alice.expect("* Goodbye.")
        below = socket.socket(fileno=os.dup(alice.socket.fileno()))
        below.settimeout(PATIENCE)
        below.sendall(answer)
        with contextlib.suppress(ConnectionError):
            while below.recv(65536):
                pass
        below.close()
    quiet(server)


def test_many_at_once(server, secure):
    """Handshakes from many threads, and each of them gets through."""
    failed = []

    def come(at):
        try:
            secure(server, f"guest{at}")
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=come, args=(at,)) for at in range(30)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not failed
    quiet(server)


# -- with and without ------------------------------------------------------------------------------


def test_a_server_without_tls_refuses_it(start_server, connect):
    """It answers with a TLS alert and a line in the log; the bytes are nobody's name."""
    server = start_server()
    bob = connect(server, "bob")
    with pytest.raises(ssl.SSLError, match=r"(?i)alert"):
        TlsClient(server.port)
    server.log.expect("began TLS where there is none")
    bare = connect(server)
    bare.send_raw(b"\x16\x03\x01\n\x02bob\n/who\nhello\n")
    assert bare.rest() == ALERT
    bob.send("/who")
    assert bob.line() == "* 1 in lobby: bob"
    quiet(server)


COUNTING = (
    "import gc, signal\n"
    "from chatservice.protocols.chatprotocol import ChatProtocol as It\n"
    "def count(*_):\n"
    "    gc.collect()\n"
    "    alive = sum(isinstance(each, It) for each in gc.get_objects())\n"
    "    print('alive:', alive, flush=True)\n"
    "signal.signal(signal.SIGUSR2, count)\n"
)
"""Code of a server that prints, at each SIGUSR2, how many connections it has in memory."""


@pytest.mark.parametrize(
    ("options", "first"), [((), b"\x16\x03\x01"), (("--tls", "auto", "--tls-only"), b"ann\n")]
)
def test_refused_connections_leave_nothing(start_server, monkeypatch, options, first):
    """TLS where there is none, and none where it must be: once gone, they take no memory."""
    monkeypatch.setattr(Server, "before", COUNTING)
    server = start_server(*options)
    for _ in range(100):
        bare = RawClient(server.port)
        bare.send_raw(first)
        assert bare.rest()
        bare.close()
    server.process.send_signal(signal.SIGUSR2)
    assert int(server.log.expect(r"alive: (\d+)")[1]) < 5


def test_tls_only(start_server, connect, secure, tmp_path):
    """A plain connection gets a sentence, in each format, also if it waits to be greeted. On a unix
    socket it is served."""
    unix = f"unix:{tmp_path}/chat.sock"
    options = ("--tls", "auto", "--tls-only", "--port", "0", "--listen", unix)
    server = start_server(*options)
    sentence = "Only TLS is spoken here: chat-client --tls, or openssl s_client -quiet."
    text = connect(server)
    text.send("alice", "hello")
    assert text.rest().decode() == f"! {sentence}\n"
    program = connect(server)
    program.ask(do="hello", name="alice", id=3)
    told = {"event": "error", "id": 3, "code": "tls-needed", "message": sentence}
    assert program.event() == told
    assert program.rest() == b""
    hasty = start_server("--tls", "auto", "--tls-only", handshake_seconds=0.3)
    assert connect(hasty).rest().decode() == f"! {sentence}\n"
    alice = secure(server, "alice")
    with socket.socket(socket.AF_UNIX) as pipe:
        pipe.connect(f"{tmp_path}/chat.sock")
        pipe.sendall(b"carol\nhello from a pipe\n")
        alice.expect("carol: hello from a pipe")
    quiet(server)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_older_versions_are_refused(server):
    """TLS 1.1 is not to be used (RFC 8996); 1.2 and 1.3 are."""
    for version, works in (("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
        try:
            TlsClient(server.port, context).close()
        except ssl.SSLError:
            assert not works
        else:
            assert works


# -- certificates ----------------------------------------------------------------------------------


def test_the_certificate_stays(server, secure):
    """It is made once, in a file that nobody else may read, and is the same after a restart."""
    pem = server.data / "tls.pem"
    assert stat.S_IMODE(os.stat(pem).st_mode) == 0o600
    before, first = pem.read_bytes(), secure(server).fingerprint
    server.stop(signal.SIGKILL)
    server.start()
    assert secure(server).fingerprint == first == logged(server)
    assert pem.read_bytes() == before
    context = ssl.create_default_context(cafile=pem)  # a client with this file can check it
    secure(server, context=context)


def test_a_damaged_certificate_is_not_replaced(tmp_path):
    """Clients remember what was in it."""
    (tmp_path / "chat-data").mkdir()
    pem = tmp_path / "chat-data" / "tls.pem"
    pem.write_bytes(b"nonsense")
    status, said = fails(tmp_path, "--port", "0", "--tls", "auto")
    assert status == 1
    assert "chat-data/tls.pem cannot be used for TLS (there is no certificate in it)" in said
    assert "Traceback" not in said
    assert pem.read_bytes() == b"nonsense"


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_certificate_of_the_operators(start_server, secure, tmp_path, kind):
    """The key is in the same file, or in a folder as certbot leaves it. A renewed certificate is
    used without a restart, and a broken one is not."""
    authority = CertificateAuthority(tmp_path)

    def put(key, certificate):
        if kind == "file":
            (tmp_path / "chat.pem").write_bytes(certificate + key)
        else:
            (tmp_path / "fullchain.pem").write_bytes(certificate)
            (tmp_path / "privkey.pem").write_bytes(key)

    put(*authority.certify("127.0.0.1"))
    where = tmp_path / "chat.pem" if kind == "file" else tmp_path
    server = start_server("--tls", str(where))
    context = ssl.create_default_context(cafile=authority.root)
    first = secure(server, context=context).fingerprint
    assert first == logged(server)
    put(*authority.certify("127.0.0.1"))
    second = secure(server, context=context).fingerprint
    assert second != first
    put(authority.certify("127.0.0.1")[0], authority.certify("127.0.0.1")[1])
    assert secure(server).fingerprint == second
    server.log.expect("cannot be used: the key is not that of the first certificate")
    put(b"", b"")
    assert secure(server).fingerprint == second
    quiet(server)


@pytest.mark.parametrize(
    ("pem", "why"),
    [
        ("none.pem", "No such file or directory"),
        ("", "privkey.pem: No such file or directory"),
        ("certificate.pem", "there is no key in it"),
        ("key.pem", "there is no certificate in it"),
        ("others.pem", "the key is not that of the first certificate"),
        ("secret.pem", "Password was not given but private key is encrypted"),
    ],
)
def test_what_cannot_be_a_certificate(tmp_path, pem, why):
    """The server does not start, and says why in a sentence."""
    authority = CertificateAuthority(tmp_path)
    key, certificate = authority.certify("127.0.0.1")
    (tmp_path / "certificate.pem").write_bytes(certificate)
    (tmp_path / "key.pem").write_bytes(key)
    (tmp_path / "others.pem").write_bytes(key + authority.certify("127.0.0.1")[1])
    locking = ["openssl", "pkey", "-aes256", "-passout", "pass:x"]
    locked = subprocess.run(locking, input=key, capture_output=True, check=True).stdout
    (tmp_path / "secret.pem").write_bytes(locked + certificate)
    status, said = fails(tmp_path, "--port", "0", "--tls", str(tmp_path / pem))
    assert status == 1
    assert f"cannot be used for TLS ({why})" in said
    assert "Traceback" not in said


def test_tls_only_needs_a_certificate(tmp_path):
    """It is not taken to mean one."""
    status, said = fails(tmp_path, "--tls-only")
    assert status == 1
    assert "--tls-only needs a certificate: add --tls auto." in said


@pytest.mark.parametrize("kind", ["ssl", "tls"])
def test_endpoints(start_server, connect, tmp_path, kind):
    """Twisted's own endpoints for TLS speak nothing else, with or without --tls."""
    authority = CertificateAuthority(tmp_path)
    (tmp_path / "certificates").mkdir()
    pem = tmp_path / "certificates" / "localhost.pem"
    pem.write_bytes(b"".join(authority.certify("localhost", "127.0.0.1")))
    endpoint = {
        "ssl": f"ssl:0:interface=127.0.0.1:privateKey={pem}:certKey={pem}",
        "tls": f"tls:{pem.parent}:port=0:interface=\\:\\:1",
    }[kind]
    server = start_server("--listen", endpoint, "--tls", "auto")
    port = int(server.log.expect(r"listening on (?:127\.0\.0\.1|::1):(\d+)")[1])
    bob = connect(server, "bob")
    plain = socket.create_connection(("127.0.0.1" if kind == "ssl" else "::1", port), PATIENCE)
    context = ssl.create_default_context(cafile=authority.root)
    alice = connect(server)
    alice.socket = context.wrap_socket(plain, server_hostname="localhost")
    alice.expect("* Welcome")
    alice.send("alice", "hello in secret", "/quit")
    assert bob.expect("alice: ") == "alice: hello in secret"
    alice.expect("* Goodbye.")
    assert alice.rest() == b""
    quiet(server)
