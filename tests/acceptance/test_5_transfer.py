"""Program 5, transfer: text to everyone on any of its ports, and files of any size."""

import hashlib
import os
from pathlib import Path

import pytest


def arrive(client, name, port):
    """Give the nickname and the port that are asked for."""
    client.see("Your name:")
    client.type(name)
    client.see_in("Host [localhost]:")
    client.type("")
    client.see_in("Port [5555]:")
    client.type(str(port))
    client.see_in("* Rooms:")
    client.type("")
    client.see_in("* You are in lobby")


def test_5_transfer(start_server, terminal, tmp_path):
    """Everybody is in one place, whichever port they came through; `transfer FILE` reaches all, or
    whom one names, in their receiving folders."""
    server = start_server("--port", "0", "--port", "0")
    ports = [server.port]
    ports += [int(server.log.expect(r"listening on 127\.0\.0\.1:(\d+)")[1]) for _ in range(2)]
    anna, ben, cleo = (terminal("--downloads", "rec") for _ in range(3))
    for name, client, port in zip(("anna", "ben", "cleo"), (anna, ben, cleo), ports, strict=True):
        arrive(client, name, port)
    anna.type("hello on all ports")
    for client in (ben, cleo):
        client.see("anna: hello on all ports")

    data, secret = tmp_path / "data.bin", tmp_path / "for ben.bin"
    data.write_bytes(os.urandom(3_000_000))
    secret.write_bytes(os.urandom(1000))
    anna.type(f"transfer {data}")
    for client in (ben, cleo):
        client.see_in("is saved as rec/data.bin")
        assert (client.folder / "rec" / "data.bin").read_bytes() == data.read_bytes()
    anna.type(f"transfer {secret} @ben")
    ben.see_in("is saved as rec/for ben.bin")
    assert (ben.folder / "rec" / "for ben.bin").read_bytes() == secret.read_bytes()
    cleo.type("anything else?")
    anna.see("cleo: anything else?")
    assert os.listdir(cleo.folder / "rec") == ["data.bin"]


def test_5_by_hand(server, by_hand):
    """The same typed into a bare connection: text to everyone, and how to send a file."""
    anna, ben = by_hand(server, "anna"), by_hand(server, "ben")
    anna.type("hello everyone")
    ben.see("anna: hello everyone")
    anna.type("transfer report.pdf")
    anna.see("! ")
    anna.see("/put")


def resident(pid):
    """Return the most memory that a process has had, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


@pytest.mark.long
def test_5_transfer_of_two_gibibytes(server, terminal, tmp_path):
    """It arrives whole, and neither the server nor the clients grow with it."""
    big, size = tmp_path / "big.bin", 2 << 30
    piece = os.urandom(1 << 20)
    expected = hashlib.sha256()
    with big.open("wb") as file:
        for number in range(size >> 20):
            lot = number.to_bytes(8, "big") + piece[8:]
            file.write(lot)
            expected.update(lot)
    anna, ben = (
        terminal(name, "localhost", str(server.port), "--downloads", "rec", "--accept", "3G")
        for name in ("anna", "ben")
    )
    for client in (anna, ben):
        client.see_in("* Rooms:")
        client.type("")
        client.see_in("* You are in lobby")
    before = [resident(process.pid) for process in (server.process, anna.process, ben.process)]
    anna.type(f"transfer {big}")
    anna.type("talk goes on meanwhile")
    ben.see("anna: talk goes on meanwhile")
    anna.see_in("is sent")
    ben.see_in("is saved as rec/big.bin")
    received = hashlib.sha256()
    with (ben.folder / "rec" / "big.bin").open("rb") as file:
        while lot := file.read(1 << 20):
            received.update(lot)
    assert received.hexdigest() == expected.hexdigest()
    after = [resident(process.pid) for process in (server.process, anna.process, ben.process)]
    for was, now in zip(before, after, strict=True):
        assert now - was < 64 << 20
