"""`kill -9` at any moment of an upload: shared files are whole, and the rest can be resumed."""

import contextlib
import hashlib
import random
import threading

import pytest

from tests.servers import PATIENCE, RawClient, Server

SIZE = 8_000_000
CONTENTS = [random.Random(n).randbytes(SIZE) for n in range(3)]
HASHES = [hashlib.sha256(data).hexdigest() for data in CONTENTS]


class Uploader:
    """Sends one file after another under the same name, going on where each stopped. `answered` is
    how many were answered to be stored. The first time it stops half-way. `moved` is set when the
    server has some of a file, or nothing more comes; `resumed` counts the uploads that went on
    behind what was there."""

    def __init__(self) -> None:
        self.answered = 0
        self.moved = threading.Event()
        self.resumed = 0
        self._stops = True

    def go_on(self, server: Server) -> None:
        """Send until the server is gone, or all is sent."""
        with contextlib.suppress(OSError, AssertionError):
            bot = RawClient(server.port)
            bot.ask(do="hello", name="bot")
            bot.ask(do="join", room="lab")
            bot.event("ok"), bot.event("ok")
            while self.answered < len(CONTENTS):
                self._send(server, bot)
        self.moved.set()

    def _send(self, server: Server, bot: RawClient) -> None:
        data, sha256 = CONTENTS[self.answered], HASHES[self.answered]
        bot.ask(do="put", room="lab", name="a", size=SIZE, sha256=sha256)
        answer = bot.event("ok")
        if not answer["stored"]:
            self.resumed += answer["offset"] > 0
            carrier = RawClient(server.port)
            carrier.send(f"PUT {answer['ticket']} {answer['offset']}")
            if self._stops:
                self._stop(bot, carrier, data[: SIZE // 2])
            for at in range(answer["offset"], SIZE, 200_000):
                carrier.send_raw(data[at : at + 200_000])
                self.moved.set()
            assert carrier.expect("= ") == f"= {SIZE} {sha256} a"
            carrier.close()
        self.answered += 1

    def _stop(self, bot: RawClient, carrier: RawClient, data: bytes) -> None:
        """Send these bytes, and nothing more once the server has written some of them."""
        self._stops = False
        carrier.send_raw(data)
        done = 0
        while not done:
            bot.ask(do="transfers")
            done = sum(it["done"] for it in bot.event("ok")["transfers"])
        self.moved.set()
        carrier.line()


def in_the_room(server: Server) -> list[str]:
    """Return the SHA-256 of every file in the room's folder, old versions first."""
    lab = server.files / "lab"
    paths = [*sorted(lab.glob(".versions/a/*"), key=lambda path: int(path.name)), lab / "a"]
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths if path.exists()]


@pytest.mark.parametrize("rounds", [3, pytest.param(30, marks=pytest.mark.long)])
def test_killed_while_files_come(start_server, rounds):
    """After each kill the shared file is one of those that were sent, and all acknowledged ones are
    there. In the end all are, in their order, as versions of one name. What the server had written
    is not sent again."""
    chance, resumed = random.Random(rounds), 0
    for _ in range(rounds):
        server, uploader = start_server("--room", "lab"), Uploader()
        while uploader.answered < len(CONTENTS):
            uploader.moved.clear()
            sending = threading.Thread(target=uploader.go_on, args=(server,))
            sending.start()
            assert uploader.moved.wait(PATIENCE)
            sending.join(chance.random() * 0.2)
            server.kill()
            sending.join()
            found = in_the_room(server)
            assert set(found) <= set(HASHES)
            assert set(HASHES[: uploader.answered]) <= set(found)
            server.start()
        assert in_the_room(server) == HASHES
        bot = RawClient(server.port)
        bot.ask(do="hello", name="bot")
        bot.ask(do="versions", room="lab", name="a")
        bot.event("ok")
        files = bot.event("ok")["files"]
        assert [it["version"] for it in files] == [1, 2, 3]
        assert list((server.files / ".partial").iterdir()) == []
        bot.close()
        server.kill()
        assert uploader.resumed
        resumed += uploader.resumed
    print(f"{resumed} times an upload went on behind what was there")
