"""Passwords in a keyring, and what --ask offers."""

import json
import sys

import pytest

from tests.client.driving import config_of
from tests.servers import ROOT

BACKEND = '''
import json, pathlib
from keyring.backend import KeyringBackend

class Ring(KeyringBackend):
    """A keyring that tests can look into."""

    priority = 9
    place = pathlib.Path(__file__).with_name("ring.json")

    def _all(self):
        return json.loads(self.place.read_text()) if self.place.exists() else {}

    def get_password(self, service, username):
        return self._all().get(f"{service}/{username}")

    def set_password(self, service, username, password):
        self.place.write_text(json.dumps(self._all() | {f"{service}/{username}": password}))

    def delete_password(self, service, username):
        pass
'''


@pytest.fixture
def ring(tmp_path):
    """Return the environment variables of a client that has a keyring, and where that is."""
    pytest.importorskip("keyring")
    folder = tmp_path / "backend"
    folder.mkdir()
    (folder / "ringbackend.py").write_text(BACKEND)
    path = f"{ROOT}:{folder}"
    variables = {"PYTHON_KEYRING_BACKEND": "ringbackend.Ring", "PYTHONPATH": path}
    return variables, folder / "ring.json"


@pytest.fixture
def registered(server, connect):
    """Return a server where anna is registered."""
    anna = connect(server, "anna")
    anna.send("/register s3cret", "/quit")
    anna.expect("* anna is your name from now on")
    return server


def test_a_keyring_keeps_passwords(registered, terminal, ring):
    """The client asks once; a new password replaces the old one; no file of the client has it."""
    variables, place = ring
    where = ("anna", "localhost", str(registered.port), "--room", "lobby")
    client = terminal(*where, **variables)
    client.see_in("Password:")
    client.type("wrong")
    client.see_in("That is not anna's password")
    client.see_in("Password:")
    client.type("s3cret")
    client.see("* Your password is kept in the keyring of this system.")
    client.type("/password s3cret another1")
    client.see_in("* Your password is changed.")
    client.type("bye")
    client.wait()
    assert list(json.loads(place.read_text()).values()) == ["another1"]
    again = terminal(*where, again=client, **variables)
    again.see_in("* You are in lobby")
    assert not any("Password" in row for row in again.all_rows)
    again.type("bye")
    again.wait()
    for path in client.folder.parent.rglob("*"):
        if path.is_file() and "server0" not in path.parts and path != place:
            assert b"another1" not in path.read_bytes()


def test_without_a_keyring(registered, terminal):
    """The client asks, and mentions no keyring."""
    where = ("anna", "localhost", str(registered.port), "--room", "lobby")
    client = terminal(*where)
    for _ in range(2):
        client.see_in("Password:")
        client.type("s3cret")
        client.see_in("* You are in lobby")
        client.type("bye")
        client.wait()
        assert not any("keyring" in row for row in client.all_rows)
        client = terminal(*where, again=client)


def test_a_plain_file_is_no_keyring(monkeypatch):
    """The first backend that is not a plain file is used."""
    keyring = pytest.importorskip("keyring")
    from chatservice.client import clientpasswords

    plain = type("Plain", (), {"__module__": "keyrings.alt.file"})()
    good = type("Good", (), {"__module__": "keyring.backends.SecretService"})()
    monkeypatch.setattr(keyring, "get_keyring", lambda: plain)
    assert clientpasswords.find_keyring() is None
    both = type("Chainer", (), {"backends": [plain, good]})()
    monkeypatch.setattr(keyring, "get_keyring", lambda: both)
    assert clientpasswords.find_keyring() is good
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert clientpasswords.find_keyring() is None


def test_ask_offers_remembered_values(server, terminal):
    """Enter alone takes the remembered value, and typed text replaces it."""
    client = terminal("anna", "localhost", str(server.port), "--room", "lobby")
    client.see_in("* You are in lobby")
    client.type("bye")
    client.wait()
    assert (config_of(client.folder) / "settings.json").exists()
    again = terminal("--ask", again=client)
    again.see_in(f"Press Enter alone to be anna at localhost:{server.port} again.")
    again.see_in("Your name:")
    again.type("ben")
    again.see_in("Host [localhost]:")
    again.type("")
    again.see_in(f"Port [{server.port}]:")
    again.type("")
    again.see_in("* You are ben.")


def test_ask_remembers_tls(start_server, terminal):
    """A server that was used with TLS is used with TLS again."""
    server = start_server("--tls", "auto", "--tls-only")
    client = terminal("anna", "localhost", str(server.port), "--tls", "--room", "lobby")
    client.see_in("* You are in lobby")
    client.type("bye")
    client.wait()
    again = terminal("--ask", again=client)
    for question in ("Your name:", "Host [localhost]:", f"Port [{server.port}]:"):
        again.see_in(question)
        again.type("")
    again.see_in("* You are anna.")
