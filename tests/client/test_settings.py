"""The client remembers server and name, so that the program's name is enough the second time."""

import json

import pytest

from chatservice.client.clientoptions import parse
from chatservice.client.settings import REMEMBERED_SERVERS, RememberedServer, Settings, fill_in
from chatservice.errors import Refusal
from tests.client.driving import OnTerminal, config_of

LAB = RememberedServer("chat.example.org", 5556, "anna", "lab", True)
HOME = RememberedServer("localhost", 5555, "otto")


def test_the_last_server_comes_first(tmp_path):
    """Each server is there once, and there are only a few."""
    settings = Settings(tmp_path / "new")
    assert settings.servers() == []
    settings.remember(HOME)
    settings.remember(LAB)
    settings.remember(HOME)
    assert settings.servers() == [HOME, LAB]
    for port in range(1, REMEMBERED_SERVERS + 5):
        settings.remember(RememberedServer("elsewhere", port, "anna"))
    assert len(settings.servers()) == REMEMBERED_SERVERS
    assert settings.path.parent.stat().st_mode & 0o077 == 0  # it is for nobody else


@pytest.mark.parametrize(
    "text",
    [
        "not JSON",
        "[]",
        "{}",
        '{"servers": 1}',
        '{"servers": [{"host": "x"}]}',
        '{"servers": [{"host": "x", "port": "5555", "name": "anna"}]}',
        '{"servers": [{"host": "x", "port": 1, "name": "anna", "room": 3}]}',
        '{"servers": [{"host": "x", "port": 1, "name": "anna", "what": 3}]}',
        "\udcff",
    ],
)
def test_a_malformed_file(tmp_path, text):
    """A sentence names it, and it stays as it is."""
    settings = Settings(tmp_path)
    settings.path.write_bytes(text.encode(errors="surrogateescape"))
    before = settings.path.read_bytes()
    with pytest.raises(Refusal, match=r"settings\.json cannot be understood"):
        settings.servers()
    with pytest.raises(Refusal, match=r"settings\.json cannot be understood"):
        settings.remember(LAB)
    assert settings.path.read_bytes() == before


def test_settings_that_cannot_be_written(tmp_path):
    """The failure is one sentence."""
    (tmp_path / "file").write_text("")
    with pytest.raises(Refusal, match="settings"):
        Settings(tmp_path / "file" / "settings").remember(LAB)


def test_missing_options_are_filled_in():
    """They come from the last server, or from the last with the given name. A given host leaves
    them out."""
    servers = [LAB, HOME]
    assert (it := fill_in(parse([]), servers)).name == "anna"
    assert (it.host, it.port, it.room, it.tls) == ("chat.example.org", 5556, "lab", True)
    assert fill_in(parse(["--room", "den"]), servers).room == "den"
    assert (it := fill_in(parse(["otto"]), servers)).host == "localhost"
    assert (it.room, it.tls) == (None, False)
    assert (it := fill_in(parse(["carl"]), servers)).host == "chat.example.org"
    assert (it.name, it.room) == ("carl", None)
    for line in (["anna", "elsewhere"], ["--ask"]):
        assert fill_in(parse(line), servers) == parse(line)
    assert fill_in(parse([]), []) == parse([])


def test_the_program_alone_is_enough_the_second_time(server, tmp_path):
    """The client says its server, and joins the last room. The file has no password."""
    folder = tmp_path / "terminal"
    client = OnTerminal(folder, "anna", "127.0.0.1", str(server.port), "--room", "lab")
    try:
        client.see("* You are in lab, alone for now.")
        client.type("/register sesame")
        client.see_in("anna is your name from now on")
        client.press("\x04")
        assert client.wait() == 0
    finally:
        client.kill()
    text = (config_of(folder) / "settings.json").read_text()
    assert json.loads(text)["servers"] == [
        {"host": "127.0.0.1", "port": server.port, "name": "anna", "room": "lab"}
    ]
    client = OnTerminal(folder)
    try:
        client.see(f"* Going to 127.0.0.1:{server.port} as anna; --ask asks.")
        client.see_question("Password:")
        client.type("sesame")
        client.see("* You are in lab, alone for now.")
    finally:
        client.kill()


def test_the_last_room_is_joined_without_a_question(server, tmp_path):
    """The client goes to the last room without asking; with `--ask` it asks."""
    folder = tmp_path / "terminal"
    for arguments, asked in (
        (("anna", "127.0.0.1", str(server.port)), True),
        ((), False),
        (("--ask",), True),
    ):
        client = OnTerminal(folder, *arguments)
        try:
            if arguments == ("--ask",):
                client.see("Your name:")
                continue
            client.see_in("* You are in lobby, alone for now.")
            if asked:
                client.see_in("Room (its name")
                client.type("")
                client.see_in("/help lists the commands.")
            client.type("/who")
            client.see_in("* 1 in lobby: anna")
            assert any("Room (its name" in row for row in client.all_rows) == asked
            client.press("\x04")
            assert client.wait() == 0
        finally:
            client.kill()


def test_a_malformed_file_is_not_overwritten(server, tmp_path):
    """The client asks for missing settings, and leaves the file alone."""
    folder = tmp_path / "terminal"
    place = config_of(folder) / "settings.json"
    place.parent.mkdir()
    place.write_text("{broken")
    client = OnTerminal(folder)
    try:
        client.see_in("! The settings in")
        client.see("Your name:")
        client.type("anna")
        client.see("Host [localhost]:")
        client.type("127.0.0.1")
        client.see("Port [5555]:")
        client.type(str(server.port))
        client.see("* You are anna.")
        client.press("\x03")
        assert client.wait() == 0
    finally:
        client.kill()
    assert place.read_text() == "{broken"
