"""Transfers that outlast the client that began them."""

import os
import random
import re
import signal
import time
from pathlib import Path

import pytest

from tests.client.driving import Piped, state_of

SIZE = 20_000_000
CONTENT = random.Random(3).randbytes(SIZE)
SLOW = 5_000_000


@pytest.fixture
def run(tmp_path):
    """Return a function that starts a client of `bot`, always in the same folder, or `where`."""
    started = []

    def start(server, *options, where="bot's"):
        folder = tmp_path / where
        client = Piped(folder, "bot", "127.0.0.1", str(server.port), *options)
        started.append(client)
        return client

    yield start
    for client in started:
        client.kill()


def parts(folder: Path) -> list[Path]:
    """Return the partial files."""
    return sorted(folder.glob(".*.part-*"))


def remembered(client: Piped) -> list[str]:
    """Return the names of the files in which transfers are remembered."""
    state = state_of(client.folder)
    return sorted(os.listdir(state)) if state.exists() else []


def offsets(net, verb: str) -> list[int]:
    """Return the offsets at which the transfers of a client began."""
    lines = re.findall(rb"%b \S+ (\d+)\n" % verb.encode(), b"".join(net.sent_up))
    return [int(offset) for offset in lines]


def half_fetched(run, server, net, name="big"):
    """Return a client that has some of a file."""
    (server.files / name).write_bytes(CONTENT)
    net.bytes_a_second = SLOW
    client = run(net)
    client.expect("You are in")
    client.type(f"/get {name}")
    net.wait_for("GET ")
    net.wait_down(2_000_000)
    return client


def half_sent(run, net, line="big", room="lobby", *options):
    """Return a client that has sent some of a file."""
    client = run(net, *options)
    client.expect(f"You are in {room}")
    (client.folder / "big").write_bytes(CONTENT)
    net.bytes_a_second = SLOW
    client.type(line)
    net.wait_for("PUT ")
    net.wait_up(2_000_000)
    return client


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_restarted_client_resumes_a_download(server, run, wire, how):
    """The second client fetches only the rest, however the first one ended."""
    net = wire(server)
    client = half_fetched(run, server, net)
    client.process.send_signal(how)
    client.wait()
    assert not (client.folder / "bot" / "big").exists()
    (part,) = parts(client.folder / "bot")
    assert CONTENT.startswith(part.read_bytes())
    assert len(remembered(client)) == 1
    net.bytes_a_second = None
    again = run(net)
    again.expect(r"^\* going on with big \(\d+% of 20\.0 MB\)$")
    again.expect(r"big .* is saved as bot/big, checked")
    assert (client.folder / "bot" / "big").read_bytes() == CONTENT
    assert os.listdir(client.folder / "bot") == ["big"]
    assert offsets(net, "GET")[1] > 0
    again.finish()
    assert remembered(client) == []


def test_resuming_a_download_without_a_record(server, run, wire):
    """The partial file in the folder is enough."""
    net = wire(server)
    client = half_fetched(run, server, net)
    client.process.send_signal(signal.SIGINT)
    client.wait()
    for path in state_of(client.folder).iterdir():
        path.unlink()
    net.bytes_a_second = None
    again = run(net)
    again.expect("You are in")
    again.type("/get big")
    again.expect(r"^\* going on with big")
    again.expect("big .* is saved as")
    assert offsets(net, "GET")[1] > 0
    assert (client.folder / "bot" / "big").read_bytes() == CONTENT


def test_a_partial_file_with_other_bytes(server, run, wire):
    """It is deleted, and the file is fetched from its beginning."""
    net = wire(server)
    client = half_fetched(run, server, net)
    client.process.kill()
    client.wait()
    (part,) = parts(client.folder / "bot")
    with part.open("r+b") as file:
        file.write(b"something else")
    net.bytes_a_second = None
    again = run(net)
    again.expect("big .* is saved as")
    assert (client.folder / "bot" / "big").read_bytes() == CONTENT
    assert os.listdir(client.folder / "bot") == ["big"]
    assert offsets(net, "GET")[-1] == 0


def test_a_deleted_file_is_forgotten(server, run, wire):
    """The client says so once, and keeps nothing of it."""
    net = wire(server)
    client = half_fetched(run, server, net)
    client.process.kill()
    client.wait()
    (server.files / "big").unlink()
    again = run(net)
    again.expect("! big is not saved: ")
    again.finish()
    assert remembered(client) == []
    assert os.listdir(client.folder / "bot") == []


def test_two_downloads_of_one_file(server, run, wire):
    """Each client saves it whole, under a name of its own."""
    net = wire(server)
    first = half_fetched(run, server, net)
    other = Piped(
        first.folder.with_name("other"),
        "ann",
        "127.0.0.1",
        str(server.port),
        "--downloads",
        str(first.folder / "bot"),
    )
    try:
        other.expect("You are in")
        other.type("/get big")
        other.expect("is saved as .*/bot/big, checked")
        net.bytes_a_second = None
        first.expect(r"is saved as .*bot/big \(2\), checked")
    finally:
        other.kill()
    for name in ("big", "big (2)"):
        assert (first.folder / "bot" / name).read_bytes() == CONTENT


def test_a_second_request_for_a_running_download(server, run, wire):
    """It is refused."""
    net = wire(server)
    client = half_fetched(run, server, net)
    client.type("/get big")
    client.expect(r"^\* big is on its way already\.$")
    net.bytes_a_second = None
    client.expect("is saved as")
    client.finish()
    assert os.listdir(client.folder / "bot") == ["big"]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_restarted_client_resumes_an_upload(server, connect, run, wire, how):
    """The second client sends only the rest, however the first one ended. The file is shared
    once."""
    anna = connect(server, "anna")
    net = wire(server)
    client = half_sent(run, net)
    client.process.send_signal(how)
    client.wait()
    net.bytes_a_second = None
    again = run(net)
    again.expect(r"^\* going on with big \(\d+% of 20\.0 MB\)$")
    again.expect(r"^\* big \(20\.0 MB\) is sent\.$")
    anna.expect("* bot shared big")
    assert (server.files / "big").read_bytes() == CONTENT
    assert offsets(net, "PUT")[1] > 0
    again.finish("bye for now")
    anna.expect("bye for now")
    assert anna.seen.count("shared big") == 1
    assert remembered(client) == []


def test_resuming_a_private_upload(server, connect, run, wire):
    """Only its recipient gets it."""
    anna = connect(server, "anna")
    net = wire(server)
    client = half_sent(run, net, "big @anna")
    client.process.kill()
    client.wait()
    net.bytes_a_second = None
    again = run(net)
    again.expect("going on with big")
    again.expect("is sent to anna")
    anna.expect("* bot sent you big")


def test_an_upload_to_another_room_waits(server, connect, run, wire):
    """A sentence says so. The upload goes on when the user joins the room."""
    net = wire(server)
    client = half_sent(run, net, "big", "lab", "--room", "lab")
    client.process.kill()
    client.wait()
    net.bytes_a_second = None
    again = run(net)
    again.expect("You are in lobby")
    again.expect(r"^\* big goes on once you are in lab\.$")
    again.type("/join lab")
    again.expect("going on with big")
    again.expect("big .* is sent")
    assert remembered(client) == []


@pytest.mark.parametrize("change", ["gone", "shorter", "other"])
def test_a_source_file_that_has_changed(server, run, wire, change):
    """The client says so, and shares nothing of it."""
    net = wire(server)
    client = half_sent(run, net)
    client.process.kill()
    client.wait()
    path = client.folder / "big"
    match change:
        case "gone":
            path.unlink()
        case "shorter":
            os.truncate(path, 1000)
        case "other":
            path.write_bytes(CONTENT[::-1])
    net.bytes_a_second = None
    again = run(net)
    again.expect("! big is not sent: (There is no file|It changed)")
    again.finish()
    assert remembered(client) == []
    assert not (server.files / "big").exists()


def unanswered(client, net, line, arrived):
    """Send a file, and end the client when it has `arrived`, before it can know."""
    net.bytes_a_second = SLOW
    client.type(line)
    net.wait_for("PUT ")
    net.deaf = True
    net.bytes_a_second = None
    arrived()
    client.process.kill()
    client.wait()
    net.deaf = False


def test_a_complete_upload_is_not_shared_again(server, connect, run, wire):
    """The server had all bytes, and only its reply was lost."""
    anna = connect(server, "anna")
    net = wire(server)
    client = run(net)
    client.expect("You are in")
    (client.folder / "big").write_bytes(CONTENT)
    unanswered(client, net, "big", lambda: anna.expect("* bot shared big"))
    again = run(net)
    again.expect("big .* is sent")
    again.finish("bye for now")
    anna.expect("bye for now")
    assert anna.seen.count("shared big") == 1
    assert remembered(client) == []


def test_a_complete_private_upload_is_not_shared_again(server, connect, run, wire):
    """The sender cannot look whether the recipient has it."""
    anna = connect(server, "anna")
    net = wire(server)
    client = run(net)
    client.expect("You are in")
    (client.folder / "big").write_bytes(CONTENT)
    unanswered(client, net, "big @anna", lambda: anna.expect("* bot sent you big"))
    again = run(net)
    again.expect("big .* is sent to anna")
    again.type("big @anna")  # and who sends it again means it
    again.expect("big .* is sent to anna")
    again.finish("@anna bye for now")
    anna.expect("bye for now")
    assert anna.seen.count("sent you big") == 2
    assert remembered(client) == []


def age(path: Path, days: int) -> None:
    """Let a file be as if it had not been touched for so long."""
    then = time.time() - 86400 * days
    os.utime(path, (then, then))


def test_old_transfers_are_deleted(server, connect, run, wire):
    """Transfers to a server that is gone are deleted with their partial files. Younger ones
    stay."""
    net = wire(server)
    client = half_fetched(run, server, net)
    client.process.kill()
    client.wait()
    net.bytes_a_second = None
    (part,) = parts(client.folder / "bot")
    (state,) = (state_of(client.folder) / name for name in remembered(client))
    elsewhere = state.read_text().replace("127.0.0.1:", "gone.example:")
    state.write_text(elsewhere)
    for days, left in ((29, 1), (31, 0)):
        age(state, days)
        age(part, days)
        again = run(net)
        again.finish()
        assert (len(remembered(client)), len(parts(client.folder / "bot"))) == (left, left)


def test_old_partial_files_are_deleted(server, run, wire):
    """The next download into the folder deletes them, but no file that only looks like one."""
    (server.files / "small").write_bytes(b"x")
    client = run(server)
    client.expect("You are in")
    folder = client.folder / "bot"
    folder.mkdir()
    names = [".old.part-0123456789abcdef", ".young.part-0123456789abcdef", ".x.part-mine", "old"]
    for name in names:
        (folder / name).write_text("x")
        age(folder / name, 29 if "young" in name else 31)
    client.type("/get small")
    client.expect("is saved as")
    client.finish()
    assert sorted(os.listdir(folder)) == sorted([*names[1:], "small"])


def test_transfers_of_another_client_are_left_alone(server, run, wire):
    """A second client of the same user does not resume the transfers of the first."""
    net = wire(server)
    first = run(net)
    first.expect("You are in")
    first.type("/register sesame")
    first.expect("is your name")
    (server.files / "big").write_bytes(CONTENT)
    net.bytes_a_second = SLOW
    first.type("/get big")
    net.wait_for("GET ")
    second = run(server)
    second.type("sesame")
    shown = second.finish("/who")
    assert any("in lobby" in line for line in shown)
    assert not [line for line in shown if "big" in line]
    net.bytes_a_second = None
    first.expect("is saved as")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"server": 1}', b"\xff"])
def test_a_damaged_record_is_ignored(server, run, content):
    """The client starts as if it was not there."""
    client = run(server)
    client.finish("hello")
    state = state_of(client.folder)
    state.mkdir(exist_ok=True)
    (state / "x.json").write_bytes(content)
    assert not [line for line in run(server).finish("hello") if line.startswith("! ")]


def test_records_that_cannot_be_written(server, run):
    """Transfers work, but the next start does not resume them."""
    (server.files / "small").write_bytes(b"x")
    client = run(server)
    state_of(client.folder).write_text("a file, where the folder should be")
    assert any("is saved as" in line for line in client.finish("/get small"))
