"""A large file over a bad network, between programs that are killed."""

import hashlib
import os
from pathlib import Path

import pytest

from tests.client.driving import Piped, Way, Wire

SIZE = 2 << 30
LOT = SIZE // 12
"""Bytes that pass between two mishaps."""


class Counting(Wire):
    """A network that only counts what passes: to keep it would take gigabytes."""

    def _note(self, data: bytes, up: bool, way: Way) -> None:
        super()._note(data, up, way)
        self.sent_up.clear()


def peak(pid: int) -> int:
    """Return the most memory that a process has had, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


@pytest.mark.long
def test_two_gibibytes_cut_five_times_and_killed_twice(start_server, tmp_path):
    """The network is cut five times, the server and the client are killed twice. They are only
    started again, and the file arrives whole."""
    big = tmp_path / "big.bin"
    piece, expected = os.urandom(1 << 20), hashlib.sha256()
    with big.open("wb") as file:
        for number in range(SIZE >> 20):
            lot = number.to_bytes(8, "big") + piece[8:]
            file.write(lot)
            expected.update(lot)
    server = start_server()
    network = Counting(server.port)
    peaks: dict[str, list[int]] = {"server": [], "client": []}

    def start_client() -> Piped:
        return Piped(tmp_path / "bot", "bot", "127.0.0.1", str(network.port))

    def kill_server() -> None:
        peaks["server"].append(peak(server.process.pid))
        server.kill()
        server.start()

    client = start_client()
    client.expect("You are in")
    idle = peak(server.process.pid), peak(client.process.pid)
    client.type(f"/put {big}")
    try:
        for mishap in ["cut", "cut", "server", "cut", "client", "cut", "server", "client", "cut"]:
            network.wait_up(network.count_up + LOT)
            if mishap == "cut":
                network.cut()
            elif mishap == "server":
                kill_server()
            else:
                peaks["client"].append(peak(client.process.pid))
                client.kill()
                client = start_client()
        client.expect(r"big\.bin .* is sent")
        peaks["server"].append(peak(server.process.pid))
        peaks["client"].append(peak(client.process.pid))
    finally:
        client.kill()
        network.close()
    with (server.files / "big.bin").open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    print(f"\nSHA-256 {found}, sent {network.count_up / SIZE:.3f} times")
    for name, was in zip(("server", "client"), idle, strict=True):
        grown = [f"{(now - was) / 1e6:.0f}" for now in peaks[name]]
        print(f"{name}: {was / 1e6:.0f} MB idle, then up to {', '.join(grown)} MB more")
        assert max(peaks[name]) - was < 64 << 20
    assert found == expected.hexdigest()
    assert network.count_up < 1.5 * SIZE
