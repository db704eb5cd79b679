"""Files both ways, through the real client and the real server."""

import hashlib
import os
import random
import signal
from pathlib import Path

import pytest

CONTENTS = {"empty": b"", "small": b"some content", "big": random.Random(1).randbytes(5_000_001)}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_a_file_reaches_everybody_in_the_room(server, connect, piped, content):
    """Its path alone sends it. The others save it under their names, and check it."""
    anna, bob = piped(server, "anna"), piped(server, "bob")
    bare = connect(server, "carl")
    anna.expect("You are in")
    bob.expect("You are in")
    (anna.folder / "a report.pdf").write_bytes(content)
    anna.type("a report.pdf")
    anna.expect(r"^\* a report\.pdf \(.*\) is sent\.$")
    bob.expect(r"^\* anna shared a report\.pdf")
    bob.expect(r"^\* a report\.pdf \(.*\) is saved as bob/a report\.pdf, checked\.$")
    assert (bob.folder / "bob" / "a report.pdf").read_bytes() == content
    assert os.listdir(bob.folder / "bob") == ["a report.pdf"]
    bare.expect("* anna shared a report.pdf")
    assert not any("shared" in line or "saved" in line for line in anna.finish())


@pytest.mark.parametrize(
    "line",
    [
        "-file {}",
        "transfer {}",
        "/put {}",
        '/put "{}"',
        "{}",
        "'{}'",
    ],
)
def test_the_ways_to_send_a_file(server, connect, piped, line):
    """Each takes an absolute and a relative path, also with spaces."""
    anna = connect(server, "anna")
    client = piped(server, "bot")
    for name in ("an old one.txt", "new.txt"):
        (client.folder / name).write_text(name)
        client.type(line.format(client.folder / name))
        client.expect("is sent")
        anna.expect(f"* bot shared {name}")
    client.type(line.format("new.txt") + " @anna")
    client.expect(r"new\.txt \(7 bytes\) is sent to anna")
    anna.expect("* bot sent you new.txt")


def test_a_path_below_the_home_directory(server, connect, piped, monkeypatch, tmp_path):
    """`~/NAME` is understood."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "notes.txt").write_text("x")
    anna = connect(server, "anna")
    piped(server, "bot").finish("~/notes.txt")
    anna.expect("* bot shared notes.txt")


def test_a_private_file(server, connect, piped):
    """Only its recipient saves it and hears of it."""
    carl = connect(server, "carl")
    anna, bob = piped(server, "anna"), piped(server, "bob")
    bob.expect("You are in")
    (anna.folder / "secret.txt").write_text("for bob")
    anna.type("/put secret.txt @bob")
    bob.expect(r"saved as bob/secret\.txt")
    assert (bob.folder / "bob" / "secret.txt").read_text() == "for bob"
    anna.finish("goodbye")
    carl.expect("anna: goodbye")
    assert "secret" not in carl.seen


def test_a_file_is_never_overwritten(server, piped):
    """A download is saved under the next free name."""
    anna, bob = piped(server, "anna"), piped(server, "bob")
    (bob.folder / "bob").mkdir()
    (bob.folder / "bob" / "report.pdf").write_text("old")
    bob.expect("You are in")
    (anna.folder / "report.pdf").write_text("new")
    anna.type("report.pdf")
    bob.expect(r"saved as bob/report \(2\)\.pdf")
    bob.type("download report.pdf")
    bob.expect(r"report\.pdf is here already, as bob/report \(2\)\.pdf")
    assert (bob.folder / "bob" / "report.pdf").read_text() == "old"
    assert (bob.folder / "bob" / "report (2).pdf").read_text() == "new"
    assert sorted(os.listdir(bob.folder / "bob")) == ["report (2).pdf", "report.pdf"]
    (bob.folder / "bob" / "report (2).pdf").write_text("own")  # of the same size
    bob.type("download report.pdf")
    bob.expect(r"saved as bob/report \(3\)\.pdf")


def test_accept_bounds_what_comes_by_itself(server, piped):
    """A larger file is only told of; `download` saves it. --downloads says where."""
    anna, bob = piped(server, "anna"), piped(server, "bob", "--accept", "1k", "--downloads", "rec")
    bob.expect("You are in")
    (anna.folder / "large").write_bytes(bytes(1001))
    (anna.folder / "small").write_bytes(bytes(1000))
    anna.finish("large", "small")
    bob.expect("saved as rec/small")
    assert os.listdir(bob.folder / "rec") == ["small"]
    bob.type("download large")
    bob.expect("saved as rec/large")


def test_accept_nothing(server, connect, piped):
    """--accept 0 saves nothing unasked, not even an empty file."""
    anna, bob = piped(server, "anna"), piped(server, "bob", "--accept", "0")
    bob.expect("You are in")
    (anna.folder / "empty").write_bytes(b"")
    anna.finish("empty", "that was it")
    bob.expect("anna shared empty")
    shown = bob.finish()
    assert not any("saved" in line for line in shown)


def test_files_the_operator_dropped_in(server, piped):
    """`access server files`, `list server files` and `download` find them."""
    (server.files / "image1.png").write_bytes(b"an image")
    client = piped(server, "alice")
    shown = client.finish("access server files", "list server files", "download image1.png")
    assert "* 1 file in lobby, 8 bytes" in shown
    assert "* image1.png (8 bytes)" in shown
    assert "* image1.png (8 bytes) is saved as alice/image1.png, checked." in shown
    assert (client.folder / "alice" / "image1.png").read_bytes() == b"an image"


def test_download_falls_back_to_ones_own_files(server, connect, piped):
    """A private file is found by its name alone, as on a bare connection."""
    bob = piped(server, "bob", "--accept", "0")
    bob.expect("You are in")
    anna = piped(server, "anna")
    (anna.folder / "note.txt").write_text("x")
    anna.finish("-file note.txt @bob")
    bob.expect("anna sent you note.txt")
    bob.type("/get note.txt")
    bob.expect(r"saved as bob/note\.txt")
    bob.type("/get @/note.txt", "/link note.txt", "/get nothing")
    bob.expect(r"note\.txt is here already, as bob/note\.txt")
    shown = bob.finish()
    assert any("echo GET" in line for line in shown)
    assert any(line.startswith("! nothing is not saved: ") for line in shown)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("/put nothing.txt", "There is no file nothing.txt"),
        ("transfer folder", "folder is not a file"),
        ("-file .hidden", "does not begin with a dot"),
        ("/put locked", "cannot be read"),
        ("/put pipe", "is not a file"),
        ("-file C:\\docs\\report.pdf", "There is no file C:\\docs\\report.pdf here (no such file)"),
        ('"C:\\My Docs\\report.pdf" @bob', "There is no file C:\\My Docs\\report.pdf here"),
        ("/nothing/there.txt", "There is no file /nothing/there.txt here (no such file)"),
        ("-file", "PATH is missing"),
    ],
)
def test_files_that_cannot_be_sent(server, connect, piped, line, sentence):
    """The client prints one sentence, says nothing in the room, and goes on."""
    anna = connect(server, "anna")
    client = piped(server, "bot")
    (client.folder / "folder").mkdir()
    (client.folder / ".hidden").write_text("x")
    (client.folder / "locked").symlink_to("locked")
    os.mkfifo(client.folder / "pipe")
    refused = [each for each in client.finish(line, "so much for that") if each.startswith("! ")]
    assert len(refused) == 1
    assert sentence in refused[0]
    assert client.wait() == 0
    anna.expect("bot: so much for that")
    assert anna.seen.count("bot:") == 1


def test_a_folder_that_cannot_be_written(server, piped):
    """A failure to save is reported, and nothing else happens."""
    (server.files / "image1.png").write_bytes(b"an image")
    client = piped(server, "alice")
    (client.folder / "alice").write_text("a file, where the folder should be")
    refused = [each for each in client.finish("download image1.png") if each.startswith("! ")]
    assert len(refused) == 1
    assert "cannot be written" in refused[0]


def test_a_folder_whose_name_is_not_utf8(server, piped):
    """Files can be saved in it."""
    (server.files / "image1.png").write_bytes(b"an image")
    client = piped(server, "alice", "--downloads", "rec\udcff")
    assert any("is saved as" in line for line in client.finish("download image1.png"))
    assert (client.folder / "rec\udcff" / "image1.png").exists()


def test_leaving_during_a_download(server, piped, wire):
    """An incomplete download keeps its hidden name, and the client says so."""
    (server.files / "big").write_bytes(bytes(50_000_000))
    slow = wire(server)
    client = piped(slow, "bot")
    slow.bytes_a_second = 20_000_000
    client.type("/get big")
    slow.wait_for("GET ")
    slow.wait_down(1_000_000)
    slow.through.clear()  # the rest cannot have come, however long the next line takes
    client.process.send_signal(signal.SIGINT)
    client.expect("! big is not saved: you left before it was done")
    slow.through.set()
    assert client.wait() == 0
    (part,) = os.listdir(client.folder / "bot")
    assert part == f".big.part-{hashlib.sha256(bytes(50_000_000)).hexdigest()[:16]}"


def test_talk_goes_on_during_transfers(server, connect, piped, wire):
    """Messages arrive during transfers."""
    anna = connect(server, "anna")
    slow = wire(server)
    client = piped(slow, "bot")
    anna.expect("* bot came in")
    (client.folder / "big").write_bytes(bytes(20_000_000))
    slow.bytes_a_second = 5_000_000
    client.type("big")
    slow.wait_for("PUT ")
    client.type("still talking")
    anna.expect("bot: still talking")
    anna.send("and listening")
    client.expect("anna: and listening")
    assert "shared" not in anna.seen
    slow.bytes_a_second = None
    client.expect("big .* is sent")


def test_a_download_whose_connection_breaks_goes_on(server, piped, wire):
    """It resumes where it was, and the saved file is right."""
    content = random.Random(2).randbytes(20_000_000)
    (server.files / "big").write_bytes(content)
    slow = wire(server)
    client = piped(slow, "bot")
    slow.bytes_a_second = 20_000_000
    client.type("/get big")
    slow.wait_for("GET ")
    slow.wait_down(3_000_000)
    slow.cut()
    client.expect("Connection lost")
    slow.bytes_a_second = None
    client.expect("big .* is saved as bot/big, checked")
    assert (client.folder / "bot" / "big").read_bytes() == content
    again = b"".join(slow.sent_up).split(b"GET ")[2].split(b"\n")[0]
    assert int(again.split(b" ")[1]) > 0


def test_an_upload_whose_connection_breaks_goes_on(server, connect, piped, wire):
    """The client sends only what the server lacks, and the room hears of the file once."""
    anna = connect(server, "anna")
    content = random.Random(3).randbytes(20_000_000)
    slow = wire(server)
    client = piped(slow, "bot")
    client.expect("You are in")
    (client.folder / "big").write_bytes(content)
    slow.bytes_a_second = 5_000_000
    client.type("big")
    slow.wait_for("PUT ")
    slow.wait_up(3_000_000)
    slow.cut()
    client.expect("Connection lost")
    slow.bytes_a_second = None
    client.expect(r"^\* big .* is sent\.$")
    assert not [line for line in client.finish("goodbye") if line.startswith("! ")]
    anna.expect("bot: goodbye")
    assert anna.seen.count("bot shared big") == 1
    assert (server.files / "big").read_bytes() == content
    again = b"".join(slow.sent_up).split(b"PUT ")[2].split(b"\n")[0]
    assert int(again.split(b" ")[1]) > 0


def test_many_files_at_once(server, piped):
    """They wait in a queue, and all of them arrive."""
    anna, bob = piped(server, "anna"), piped(server, "bob")
    bob.expect("You are in")
    wanted = {f"file {n}": hashlib.sha256(str(n).encode()).digest() for n in range(20)}
    for name, content in wanted.items():
        (anna.folder / name).write_bytes(content)
    anna.finish(*wanted)
    for _ in wanted:
        bob.expect("is saved as")
    got = {path.name: path.read_bytes() for path in (bob.folder / "bob").iterdir()}
    assert got == wanted


@pytest.mark.long
def test_two_gibibytes_in_little_memory(server, piped):
    """A file of 2 GiB goes up and down, and the memory of both clients does not grow with it."""
    anna, bob = piped(server, "anna"), piped(server, "bob", "--accept", "3G")
    bob.expect("You are in")
    with (anna.folder / "huge").open("wb") as file:
        file.truncate(2 << 30)
    anna.type("huge")
    anna.expect("huge .* is sent")
    bob.expect("huge .* is saved as")
    assert (bob.folder / "bob" / "huge").stat().st_size == 2 << 30
    for client in (anna, bob):
        status = Path(f"/proc/{client.process.pid}/status").read_text()
        peak = int(status.split("VmHWM:")[1].split()[0])
        assert peak < 150_000, f"{peak} kB"
