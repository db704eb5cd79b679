"""The client over TLS, with real servers: certificates that it accepts or refuses."""

import os
import random
import socket
import stat
import threading

import pytest

from chatservice.client.clientoptions import ExitStatus
from chatservice.client.connectors import VERIFIED, KnownServers, KnownServersError, fingerprint
from tests.tls import CertificateAuthority, logged

CONTENT = random.Random(5).randbytes(5_000_001)


@pytest.fixture
def server(start_server):
    """Return a server that makes itself a certificate."""
    return start_server("--room", "lab", "--tls", "auto")


@pytest.fixture
def remembering(piped, monkeypatch, tmp_path):
    """Return a function that starts a client; all of them remember the same."""
    monkeypatch.setattr("tests.client.driving.state_of", lambda folder: tmp_path / "state")
    return piped


def known(tmp_path):
    """Return what clients remember."""
    return (tmp_path / "state" / "known-servers").read_text()


def test_a_new_certificate_is_remembered(server, connect, remembering, tmp_path):
    """The fingerprint is the one that the server's log shows."""
    bob = connect(server, "bob")
    client = remembering(server, "anna", "--tls")
    assert client.expect("is new here, and is remembered: SHA-256 (.*?)[.]")[1] == logged(server)
    client.expect("You are in lobby")
    client.type("hello in secret")
    assert bob.expect("anna: ") == "anna: hello in secret"
    client.finish()
    assert client.wait() == 0
    assert known(tmp_path) == f"127.0.0.1:{server.port} {logged(server)}\n"
    client = remembering(server, "anna", "--tls")
    assert not [line for line in client.finish("hello again") if "new here" in line]
    bob.expect("anna: hello again")


def test_another_certificate_is_refused(server, remembering, tmp_path):
    """The client sends nothing, says what happened and what to do, and accepts it with --trust."""
    client = remembering(server, "anna", "--tls")
    client.finish("hello")
    before = logged(server)
    server.stop()
    (server.data / "tls.pem").unlink()
    server.start()
    now = logged(server)
    assert now != before
    client = remembering(server, "anna", "--tls", "--room", "lab")
    said = client.finish("my secret")
    assert client.wait() == ExitStatus.PROTOCOL
    assert said == [
        f"! The certificate of 127.0.0.1:{server.port} has changed: it was SHA-256 {before}, and "
        f"now it is SHA-256 {now}. Somebody may be listening in, so nothing was sent. If its "
        f"operator says that this is right: --trust {now}, or remove its line from "
        f"{tmp_path}/state/known-servers."
    ]
    wrong = remembering(server, "anna", "--trust", before)
    assert f"but SHA-256 {now}; nothing was sent." in wrong.finish("my secret")[0]
    assert wrong.wait() == ExitStatus.PROTOCOL
    right = remembering(server, "anna", "--trust", now.lower())
    right.finish("hello")
    assert right.wait() == 0
    assert known(tmp_path) == f"127.0.0.1:{server.port} {now}\n"
    later = remembering(server, "anna", "--tls")
    later.finish("hello")
    assert later.wait() == 0
    server.stop()
    server.log.expect("Server Shut Down")
    assert sum("anna connected" in line for line in server.log.lines) == 2  # the last two


def test_another_certificate_at_a_reconnect(start_server, piped, wire, tmp_path):
    """A client that reconnects by itself refuses another certificate, too."""
    authority = CertificateAuthority(tmp_path)
    pem = tmp_path / "chat.pem"
    pem.write_bytes(b"".join(authority.certify("nobody")))
    server = start_server("--tls", str(pem))
    network = wire(server)
    client = piped(network, "anna", "--tls")
    client.expect("You are in lobby")
    pem.write_bytes(b"".join(authority.certify("nobody")))
    network.cut()
    client.expect("has changed: it was SHA-256")
    assert client.wait() == ExitStatus.REFUSED


def test_reconnecting_over_tls(server, connect, piped, wire):
    """Missed messages are shown."""
    network = wire(server)
    client, bob = piped(network, "anna", "--tls"), connect(server, "bob")
    client.expect("You are in lobby")
    network.down = True
    network.cut()
    client.expect("Connection lost")
    bob.send("missed")
    network.down = False
    client.expect("Connected again")
    client.expect("bob: missed")
    client.type("back")
    bob.expect("anna: back")


def test_a_trusted_authority(start_server, remembering, monkeypatch, tmp_path):
    """Any certificate of a trusted authority is accepted, because such certificates are renewed
    often. A server that had one is refused with a certificate of its own."""
    authority = CertificateAuthority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.root))
    pem = tmp_path / "chat.pem"
    pem.write_bytes(b"".join(authority.certify("127.0.0.1")))
    server = start_server("--tls", str(pem))
    for _ in range(2):
        client = remembering(server, "anna", "--tls")
        assert not [line for line in client.finish("hello") if "certificate" in line]
        assert client.wait() == 0
        pem.write_bytes(b"".join(authority.certify("127.0.0.1")))
    assert known(tmp_path) == f"127.0.0.1:{server.port} verified\n"
    pem.write_bytes(b"".join(authority.certify("example.org", "127.0.0.2")))  # somebody else's
    client = remembering(server, "anna", "--tls")
    assert "has changed: it was verified by an authority" in client.finish("secret")[0]
    assert client.wait() == ExitStatus.PROTOCOL


def test_files_both_ways(server, piped):
    """Each file has a connection of its own to the same server."""
    anna, bob = piped(server, "anna", "--tls"), piped(server, "bob", "--tls")
    anna.expect("You are in")
    bob.expect("You are in")
    (anna.folder / "a.bin").write_bytes(CONTENT)
    anna.type("a.bin")
    anna.expect("a.bin .* is sent")
    bob.expect("a.bin .* is saved as bob/a.bin, checked")
    assert (bob.folder / "bob" / "a.bin").read_bytes() == CONTENT
    bob.type("/link a.bin")
    port = server.port
    bob.expect(rf"^  echo GET \S+ \| openssl s_client -quiet -connect 127\.0\.0\.1:{port} > a\.bin")


def test_no_file_goes_to_an_impostor(start_server, piped, tmp_path):
    """The client checks the certificate of a transfer's connection, too."""
    authority = CertificateAuthority(tmp_path)
    pem = tmp_path / "chat.pem"
    pem.write_bytes(b"".join(authority.certify("nobody")))
    server = start_server("--tls", str(pem))
    client = piped(server, "anna", "--tls")
    client.expect("You are in lobby")
    pem.write_bytes(b"".join(authority.certify("nobody")))
    (client.folder / "a.bin").write_bytes(CONTENT)
    client.type("a.bin")
    client.expect("a.bin is not sent: The certificate of .* has changed")
    assert not (server.files / "a.bin").exists()


def test_on_a_terminal(server, connect, terminal):
    """The client reports a new certificate before its first question."""
    bob = connect(server, "bob")
    client = terminal("anna", "127.0.0.1", str(server.port), "--tls")
    client.see_in("is new here, and is remembered")
    client.see_in("Room (its name")
    client.type("")
    client.see("* What you type is said to everybody here; /help lists the commands.")
    client.type("hello")
    bob.expect("anna: hello")
    (server.files / "a.bin").write_bytes(CONTENT)
    client.type("/get a.bin")
    client.see("* a.bin (5.0 MB) is saved as anna/a.bin, checked.")
    assert (client.folder / "anna" / "a.bin").read_bytes() == CONTENT
    client.press("\x04")
    assert client.wait() == 0


def test_a_server_without_tls(start_server, piped):
    """The client says so in one sentence."""
    server = start_server()
    client = piped(server, "anna", "--tls")
    assert client.finish("hello") == [
        f"! 127.0.0.1:{server.port} cannot be reached (it does not speak TLS there; ask its "
        "operator, or leave --tls out); check the host and the port."
    ]
    assert client.wait() == ExitStatus.UNAVAILABLE


@pytest.mark.parametrize("greeting", [b"220 mail.example.org ready\r\n", b""])
def test_a_server_that_does_not_speak_tls(piped, greeting):
    """It sends something else, or closes. The client says so in one sentence."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            there = listening.accept()[0]
            there.sendall(greeting)
            there.recv(1)
            there.close()

        threading.Thread(target=serve).start()
        other = type("Other", (), {"port": listening.getsockname()[1]})
        client = piped(other, "anna", "--tls")
        said = client.finish("hello")
        assert client.wait() == ExitStatus.UNAVAILABLE
    why = "it does not speak TLS there" if greeting else "TLS had begun|broke|reset"
    assert len(said) == 1
    assert any(each in said[0] for each in why.split("|"))


def test_a_server_that_needs_tls(start_server, piped):
    """The client says so in one sentence, and ends."""
    server = start_server("--tls", "auto", "--tls-only")
    client = piped(server, "anna")
    sentence = "! Only TLS is spoken here: chat-client --tls, or openssl s_client -quiet."
    assert client.finish("hello") == [sentence]
    assert client.wait() == ExitStatus.REFUSED


def test_unreadable_known_servers(server, remembering, tmp_path):
    """The client accepts no certificate, because it cannot know which one it saw."""
    (tmp_path / "state" / "known-servers").mkdir(parents=True)
    client = remembering(server, "anna", "--tls")
    (said,) = client.finish("hello")
    assert said.startswith(f"! {tmp_path}/state/known-servers, the list of known servers,")
    assert "(Is a directory)" in said or "(it is no plain file)" in said
    assert client.wait() == ExitStatus.PROTOCOL


@pytest.mark.parametrize("behind", [" by hand", "\nnonsense"])
def test_malformed_known_servers(server, remembering, tmp_path, behind):
    """The client sends nothing, and leaves the file as it is."""
    remembering(server, "anna", "--tls").finish()
    (tmp_path / "state" / "known-servers").write_text(known(tmp_path).rstrip("\n") + behind)
    before = known(tmp_path)
    client = remembering(server, "anna", "--tls")
    client.expect("^! .*known-servers.* cannot be understood .*Nothing was sent")
    assert client.wait() == ExitStatus.PROTOCOL
    assert known(tmp_path) == before


def test_fingerprints_as_openssl_prints_them(server, remembering):
    """The output of `openssl x509 -fingerprint -sha256` is a fingerprint."""
    client = remembering(server, "anna", "--trust", f"sha256 Fingerprint={logged(server)}")
    client.expect("You are in lobby")
    assert client.finish("hello")
    assert client.wait() == 0


def test_a_plain_connection_after_tls_warns(server, remembering):
    """A person and a script are warned, the script on standard error."""
    remembering(server, "anna", "--tls").finish()
    client = remembering(server, "anna")
    client.expect(r"^\* Warning: 127.0.0.1:\d+ was used with TLS before")
    client.finish()
    script = remembering(server, "bot", "--rooms")
    script.expect("^Warning: 127.0.0.1:.* was used with TLS before")
    assert script.wait() == 0


# -- known servers ---------------------------------------------------------------------------------


ONE, OTHER = ":".join(["AB"] * 32), ":".join(["01"] * 32)


def test_remembering_servers(tmp_path):
    """Each server has a line that people can read. A new certificate replaces the old one."""
    known = KnownServers(tmp_path / "state")
    assert known.fingerprint_of("localhost:5555") is None
    known.remember("localhost:5555", ONE)
    known.remember("[::1]:5555", VERIFIED)
    known.remember("localhost:5556", ONE)
    known.remember("localhost:5555", OTHER)
    again = KnownServers(tmp_path / "state")
    assert again.fingerprint_of("localhost:5555") == OTHER
    assert again.fingerprint_of("[::1]:5555") == VERIFIED
    assert again.fingerprint_of("localhost:5556") == ONE
    assert again.path.read_text().splitlines() == [
        "[::1]:5555 verified",
        f"localhost:5556 {ONE}",
        f"localhost:5555 {OTHER}",
    ]
    assert [it.name for it in again.path.parent.iterdir()] == ["known-servers"]
    assert stat.S_IMODE(again.path.parent.stat().st_mode) == 0o700


def test_a_removed_line_is_forgotten(tmp_path):
    """People remove a line to accept a new certificate."""
    known = KnownServers(tmp_path)
    known.remember("here:1", ONE)
    known.path.write_text("")
    assert known.fingerprint_of("here:1") is None


@pytest.mark.parametrize(
    "line",
    [
        f"here:1 {ONE} # of the new machine",
        f"here:1  {ONE.lower()}#no space",
        f"HERE:1 {ONE.replace(':', '')}",
        f"here:1 sha256 Fingerprint={ONE}",
        f"\ufeffhere:1 {ONE}",
        f"  here:1\t{ONE}  ",
        f"here:1 {ONE}\r",
    ],
)
def test_lines_written_by_people(tmp_path, line):
    """They may have another form; comments and other lines are kept."""
    known = KnownServers(tmp_path)
    before = f"{line}\n\n# mine\nthere:2 verified\n"
    known.path.write_text(before)
    assert known.fingerprint_of("here:1") == ONE
    assert known.fingerprint_of("there:2") == VERIFIED
    assert known.fingerprint_of("nowhere:3") is None
    known.remember("there:2", OTHER)
    assert known.fingerprint_of("here:1") == ONE
    assert "# mine\n" in known.path.read_text()
    assert line.strip().removeprefix("\ufeff") in known.path.read_text()


@pytest.mark.parametrize(
    "text",
    [
        b"here:1 " + ONE.encode() + b" by hand\n",
        b"here:1 " + ONE[:-3].encode() + b"\n",
        b"nonsense\n",
        b"here:1\n",
        b"\xff\xfeh\0e\0r\0e\0",
        b"here:1 " + ONE.encode() + b"\nhere:1 " + OTHER.encode() + b"\n",
        b"\0",
        b"#" * (2 << 20),
    ],
    ids=repr,
)
def test_a_malformed_line_is_an_error(tmp_path, text):
    """Otherwise somebody could make a known server look new. The file stays as it is."""
    known = KnownServers(tmp_path)
    known.path.write_bytes(text)
    with pytest.raises(KnownServersError, match=r"known-servers.* cannot be understood"):
        known.fingerprint_of("here:1")
    assert known.path.read_bytes() == text


@pytest.mark.parametrize("thing", ["folder", "pipe", "link that leads nowhere", "secret"])
def test_an_unreadable_file_is_an_error(tmp_path, thing):
    """A pipe does not block, either."""
    known = KnownServers(tmp_path)
    if thing == "folder":
        known.path.mkdir()
    elif thing == "pipe":
        os.mkfifo(known.path)
    elif thing == "secret":
        known.path.symlink_to("/proc/self/mem")  # opened, but not read
    else:
        known.path.symlink_to(tmp_path / "nothing")
    with pytest.raises(KnownServersError):
        known.fingerprint_of("here:1")
    with pytest.raises(KnownServersError):
        known.remember("here:1", ONE)


def test_a_link_stays_a_link(tmp_path):
    """The file may lie elsewhere."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text(f"here:1 {ONE}\n")
    known = KnownServers(tmp_path)
    known.path.symlink_to(elsewhere)
    known.remember("there:2", OTHER)
    assert known.path.is_symlink()
    assert elsewhere.read_text() == f"here:1 {ONE}\nthere:2 {OTHER}\n"


@pytest.mark.parametrize(
    "text",
    [
        *(ONE, ONE.lower(), "ab" * 32, ONE.replace(":", " ")),
        *(f"sha256 Fingerprint={ONE}", f"SHA256 Fingerprint={ONE}\n", f"Fingerprint={ONE}"),
    ],
)
def test_fingerprints(text):
    """A fingerprint may have any usual form."""
    assert fingerprint(text) == ONE


@pytest.mark.parametrize("text", ["", "AB", ONE + ":AB", "sha1", "XY" * 32])
def test_a_bad_fingerprint(text):
    """A sentence shows the form of a fingerprint."""
    with pytest.raises(ValueError, match=r"^A SHA-256 fingerprint has"):
        fingerprint(text)
