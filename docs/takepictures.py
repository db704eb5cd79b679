"""Takes the pictures of `chat-client` in docs/pictures: `python -m docs.takepictures`.

A server and clients run as users run them, and the client's terminal is drawn as SVG.
"""

import re
import sys
import tempfile
import time
from pathlib import Path

import pexpect

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))  # this checkout, whatever else is installed

from docs.terminalpicture import DARK, LIGHT, svg  # noqa: E402
from tests.client.driving import OnTerminal  # noqa: E402
from tests.servers import RawClient, Server  # noqa: E402


def bare(server: Server, name: str, *rooms: str) -> RawClient:
    """Return a bare connection of a user who has gone through the rooms."""
    client = RawClient(server.port)
    client.send(name)
    for room in rooms:
        client.send(f"/join {room}")
        client.expect(f"* You are in {room}")
    return client


def settled(client: OnTerminal) -> None:
    """Wait until a terminal shows nothing new for half a second."""
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        try:
            client._feed(client.process.read_nonblocking(65536, timeout=0.1))
            until = time.monotonic() + 0.5
        except pexpect.TIMEOUT:
            pass


def talk(server: Server, client: OnTerminal) -> list[RawClient]:
    """Let several users talk, in the client's room and in others. Return their connections."""
    bob, dora = bare(server, "bob", "release"), bare(server, "dora", "release")
    bob.send("/topic Version 2.0 on Friday: what is left?")
    garden, lab = bare(server, "carl", "garden"), bare(server, "erik", "lab")
    bob.send("the tests are green: https://ci.example.org/builds/4711")
    client.see_in("builds/4711")
    dora.send("/me reads the notes", "anna: can you write the part about the client? Three lines")
    client.see_in("Three lines")
    others = []
    for name in ("fred", "gina", "hugo"):
        others.append(bare(server, name, "release"))
        client.see_in(name)
    client.type("yes, I begin with the full screen")
    client.see_in("anna: yes, I begin")
    bob.send("/reply #2 thanks!")
    bob.send("/react #4 \N{THUMBS UP SIGN}")
    dora.send("/react #4 \N{THUMBS UP SIGN}")
    garden.send("anna, the seeds have come", "and the soil")
    lab.send("the new disks are here")
    unread = re.compile(r"lab(\(1\)| +1)")
    client.until(lambda it: any(map(unread.search, it.rows)), "what is unread in the lab")
    client.press("half a line that st")
    return [bob, dora, garden, lab, *others]


def picture(place: Path, size: tuple[int, int], theme: str, selected: bool) -> None:
    """Write the picture of a terminal of that size to `place`."""
    rooms = ("--room", "release", "--room", "garden", "--room", "lab")
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "server", *rooms)
        where = ("anna", "127.0.0.1", str(server.port), "--room", "lab")
        client = OnTerminal(Path(folder) / "anna", *where, size=size, inline=False)
        try:
            client.see_in("You are in lab")
            for line in ("/join garden", f"/set theme {theme}", "/join release"):
                client.type(line)
                settled(client)
            talking = talk(server, client)
            settled(client)
            if selected:
                client.press("\x1bs\x1b[A")
                settled(client)
            place.write_text(svg(client._screen, DARK if theme == "dark" else LIGHT))
            for each in talking:
                each.close()
        finally:
            client.kill()
            server.kill()


def main() -> None:
    """Take all pictures."""
    picture(DOCS / "pictures" / "client.svg", (16, 112), "dark", False)
    picture(DOCS / "pictures" / "client-light.svg", (15, 76), "light", True)
    picture(DOCS / "pictures" / "client-narrow.svg", (19, 40), "dark", False)


if __name__ == "__main__":
    main()
