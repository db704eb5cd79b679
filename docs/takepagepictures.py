"""Takes the pictures of the page in docs/pictures: `python -m docs.takepagepictures`.

A server runs as users run it, others talk, and Chromium shows the page. An argument names
another folder for them.
"""

import math
import struct
import sys
import tempfile
import zlib
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))  # this checkout, whatever else is installed

from playwright.sync_api import Browser, expect, sync_playwright  # noqa: E402

from tests.servers import RawClient, Server  # noqa: E402
from tests.web.clients import HttpClient  # noqa: E402
from tests.web.conftest import CHROMIUM, QUIETLY  # noqa: E402
from tests.web.people import Person  # noqa: E402

CODE = """The two slow ones:
```python
def nearest(points, place):
    return min(points, key=lambda it: it.distance(place))
```"""


class Everybody:
    """The others in the room, each on a connection of their own."""

    def __init__(self, server: Server) -> None:
        self._port = server.port
        self._users: dict[str, RawClient] = {}

    def ask(self, user: str, **fields: object) -> None:
        """Let a user make a request, and wait for the answer."""
        if user not in self._users:
            self._users[user] = RawClient(self._port)
            self.ask(user, do="hello", name=user)
            for room in ("release", "lobby"):
                self.ask(user, do="join", room=room)
        self._users[user].ask(id=1, **fields)
        while (answer := self._users[user].event()).get("id") != 1:
            pass
        assert answer["event"] != "error", answer

    def say(self, name: str, text: str, room: str = "release", **more: object) -> None:
        """Let a user say something."""
        self.ask(name, do="say", room=room, text=text, **more)


def chart() -> bytes:
    """Return a PNG of bars that grow smaller (PNG, third edition, 5)."""
    width, height, paper = 480, 220, (250, 248, 243)
    rows = []
    for y in range(height):
        row = bytearray(b"\x00")
        for x in range(width):
            bar, inside = divmod(x - 24, 48)
            tall = 170 * math.exp(-bar / 4) + 12 * (bar % 2)
            is_bar = 0 <= bar < 9 and inside < 32 and height - 20 - tall < y < height - 20
            row += bytes((23, 105 + 12 * bar, 95 + 8 * bar) if is_bar else paper)
        rows.append(bytes(row))
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"".join(rows), 9)),
        (b"IEND", b""),
    )
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def fill(server: Server) -> Everybody:
    """Let four users talk."""
    all_ = Everybody(server)
    all_.ask("bob", do="topic", room="release", text="Version 2.0 on Friday: what is left?")
    all_.say("bob", "The tests are green: https://ci.example.org/builds/4711")
    all_.say("dora", "**Left to do**\n- the notes\n- the pictures\n- a last look at the *speed*")
    all_.say("bob", CODE)
    all_.ask("hugo", do="who", room="release")
    put = HttpClient(server.port).request("PUT", "/release/latency.png?name=erik", chart())
    assert put.status == 201, put
    return all_


def go_on(all_: Everybody) -> None:
    """Let them go on while anna is elsewhere."""
    all_.say("dora", "That is half of last week's. What did you change?", about=5)
    all_.say("bob", "Only the order of the two loops, @anna can tell you more", about=6)
    all_.ask("bob", do="react", room="release", position=5, word="\N{PARTY POPPER}")
    all_.ask("dora", do="react", room="release", position=5, word="\N{PARTY POPPER}")
    all_.ask("dora", do="msg", to="anna", text="Lunch at one?")
    all_.say("hugo", "The new disks are here", room="lobby")


def picture(browser: Browser, place: Path, size: tuple[int, int], scheme: str) -> None:
    """Take a picture of a page of that size to `place`: of the room where much is new to anna."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
        locale="en-GB",
    )
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), "--room", "release", "--room", "garden")
        try:
            all_ = fill(server)
            page = context.new_page()
            page.goto(f"http://127.0.0.1:{server.port}/#release")
            anna = Person(page)
            anna.come_in("anna")
            anna.say("/join lobby")
            expect(page.get_by_role("heading", level=1)).to_have_text("lobby")
            go_on(all_)
            if page.get_by_role("button", name="Rooms", exact=True).is_visible():
                anna.press("Rooms")
            anna.place("release").click()
            anna.sees("Only the order of the two loops")
            page.locator(".picture img").wait_for()
            anna.line.fill("Yes, I write it d")
            page.mouse.move(0, 0)
            page.screenshot(path=place, animations="disabled")
        finally:
            context.close()
            server.kill()


def main(into: Path = DOCS / "pictures") -> None:
    """Take all pictures."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIETLY))
        picture(browser, into / "page.png", (1280, 800), "light")
        picture(browser, into / "page-phone.png", (390, 844), "dark")
        browser.close()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
