"""IRC: the corpus through its doors, both ways. No text steers, no line is forged, none is longer
than 512 bytes, and nothing ends the connection."""

import json
import random
from collections.abc import Iterator
from contextlib import suppress

import pytest

from chatservice import names
from chatservice.grammar.irctexts import without_formatting
from tests.harm.checks import check_irc, check_json, check_text, without_telnet
from tests.harm.conftest import WatchedServer, fresh
from tests.harm.corpus import cases, each
from tests.harm.test_streams import pieces
from tests.irc.clients import IrcClient
from tests.servers import RawClient

TAGS = "message-tags server-time account-tag standard-replies away-notify"


class Channel:
    """A room with a person, a program, and two IRC clients: one with tags, one with real names."""

    def __init__(self, server: WatchedServer) -> None:
        self.server = server
        self.plain = IrcClient(server, "plain", "setname")
        self.rich = IrcClient(server, "rich", TAGS)
        self.anna, self.mal = RawClient(server.port), RawClient(server.port)
        for each_ in (self.plain, self.rich):
            each_.send("JOIN #lab")
            each_.until("366")
        self.anna.send("anna", "/join lab", "/who")
        self.anna.expect("in lab")
        self.mal.ask(do="hello", name="mal")
        self.mal.ask(do="join", room="lab")
        self.mal.event("ok")
        self.mal.event("ok")
        self.done = 0

    def close(self) -> None:
        """Everybody goes."""
        for it in (self.plain, self.rich, self.anna, self.mal):
            it.close()

    def mark(self) -> str:
        """Return a text that ends what is looked at."""
        self.done += 1
        return f"end {self.done}"

    def read(self, client: IrcClient, end: str) -> list[str]:
        """Return the lines of an IRC client up to one with that end, all of them checked."""
        lines = []
        while not (line := client.line()).endswith(f" :{end}\r"):
            lines.append(line)
        found = check_irc("".join(f"{line}\n" for line in lines).encode())
        told = [it for it in found if not it["command"].isdigit()]  # else it answers this client
        kinds = {"PRIVMSG", "TOPIC", "NOTICE"}
        others = {"JOIN", "QUIT", "FAIL", "AWAY", "TAGMSG", "SETNAME"}
        assert {it["command"] for it in told} <= kinds | others
        return [it["text"] or "" for it in told if it["command"] in kinds]


@pytest.fixture(scope="module")
def room(house: WatchedServer) -> Iterator[Channel]:
    """Return the room, and the clients in it."""
    made = Channel(house)
    yield made
    made.close()


@pytest.mark.parametrize("text", each("texts.txt", "harmless.txt"))
def test_what_programs_say(room, text):
    """Said, done, edited, as the topic, a reaction, a word in private, or the reason to be away:
    IRC clients read lines of the writer's, and nothing else."""
    end = room.mark()
    with suppress(UnicodeError):
        text.encode()
        for asked in (
            *({"do": do, "room": "lab", "text": text} for do in ("say", "edit", "me", "topic")),
            {"do": "react", "room": "lab", "position": 1, "word": text},
            *({"do": "msg", "to": to, "text": text} for to in ("plain", "rich")),
            {"do": "away", "text": text},
        ):
            it = json.dumps(asked).encode()
            if len(it) <= names.LINE_BYTES:
                room.mal.send(it)
    room.mal.ask(do="say", room="lab", text=end)
    lines = []
    while end not in (line := room.mal.line()):
        lines.append(line)
    check_json("".join(f"{line}\n" for line in lines).encode())
    for client in (room.plain, room.rich):
        for shown in room.read(client, end):
            assert "\r" not in shown
            assert "\n" not in shown


@pytest.mark.parametrize("text", each("texts.txt", "harmless.txt"))
def test_what_irc_clients_say(room, text):
    """People, programs and other IRC clients read it cleaned, behind the name of who wrote it."""
    end = room.mark()
    data = text.encode(errors="surrogatepass")
    for line in (
        *(b"PRIVMSG #lab :%b", b"PRIVMSG #lab :\x01ACTION %b\x01", b"TOPIC #lab :%b"),
        b"SETNAME :%b",
    ):
        if b"\n" not in data:
            room.rich.send_raw(line % data + b"\r\n")
    room.rich.send(f"PRIVMSG #lab :{end}")
    said = []
    while not (line := room.anna.line()).endswith(f"rich: {end}"):
        said.append(line)
    check_text("".join(f"{line}\n" for line in said).encode())
    assert all(it.startswith(("rich: ", "~ rich ", "* rich ", "mal", "~ mal", "* ")) for it in said)
    room.read(room.plain, end)
    cleaned = names.clean(without_formatting(text))
    is_line = not set("\r\n\0\xff\x01") & set(text) and len(data) < 400 and cleaned == text
    with suppress(UnicodeError):
        text.encode()
        if is_line and names.is_visible(text) and text[0] not in "\x01":
            assert f"rich: {text}" in said


@pytest.mark.parametrize("cuts", [0, 20], ids=["whole", "cut"])
@pytest.mark.parametrize("data", each("streams.txt", "found.txt"))
def test_streams(house, room, data, cuts):
    """Any bytes behind a registration are answered in IRC, and others read lines of their kind."""
    bare = RawClient(house.port)
    name = fresh()
    bare.send_raw(f"NICK {name}\r\nUSER a 0 * :a\r\nJOIN #lobby\r\n".encode())
    for piece in pieces(data, cuts):
        bare.send_raw(piece)
    bare.send_raw(b"\r\nQUIT\r\n")
    bare.end()
    answer = bare.rest()
    bare.close()
    check_irc(without_telnet(answer))


COMMANDS = [
    *("NICK", "USER", "PASS", "CAP", "AUTHENTICATE", "PING", "PONG", "JOIN", "PART", "PRIVMSG"),
    *("NOTICE", "TOPIC", "NAMES", "LIST", "WHO", "WHOIS", "WHOWAS", "MODE", "KICK", "INVITE"),
    *("OPER", "REHASH", "KNOCK", "SETNAME", "MONITOR", "REGISTER", "CHATHISTORY", "MARKREAD"),
    *("TAGMSG", "REDACT", "BATCH"),
    *("AWAY", "ISON", "USERHOST", "MOTD", "LUSERS", "VERSION", "TIME", "INFO", "HELP", "NS"),
    "NOSUCH",
]
CHOICE = random.Random(16)
WORDS = [
    "#lab",
    "#lobby",
    "rich",
    "*",
    ",",
    "#",
    "+b",
    "-o",
    "+imsk",
    "0",
    ":",
    "LS",
    "REQ",
    "%c,1",
]
WORDS += ["#lab,#lobby,#nosuch", "\x01", "\u202e", "\U0001f389" * 20, "a" * 300, "@", "1" * 60]


@pytest.mark.parametrize("command", COMMANDS)
def test_any_parameters(house, room, command):
    """Every command with any number of odd parameters and tags is answered, and a PING behind it,
    too."""
    client = IrcClient(house, fresh(), "standard-replies labeled-response batch")
    for count in range(40):
        words = CHOICE.choices(WORDS, k=count % 7)
        tags = CHOICE.choice(["", "@label=x ", "@+draft/reply=lab-1;label= ", "@;;=;a\\ "])
        client.send((tags + " ".join([command, *words])).encode())
    client.send("PING end")
    lines = []
    while not (line := client.line()).endswith("PONG server end\r"):
        lines.append(line)
    check_irc("".join(f"{line}\n" for line in lines).encode())
    client.close()


def test_the_others_are_as_ever(house, room):
    """The person and the program read all that, and only lines of their formats came."""
    end = room.mark()
    room.rich.send(f"PRIVMSG #lab :{end}")
    lines = []
    while end not in (line := room.mal.line()):
        lines.append(line)
    check_json("".join(f"{line}\n" for line in lines).encode())
    assert cases("streams.txt")
