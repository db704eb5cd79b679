"""Every text of the corpus, through every field of both formats, live and replayed."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import pytest

from chatservice import names
from chatservice.errors import Refusal
from chatservice.grammar import textparser
from chatservice.grammar.commands import COMMANDS
from chatservice.grammar.commandtypes import ArgType, Format
from chatservice.grammar.webroutes import ROUTES
from tests.harm.checks import (
    check_json,
    check_object,
    check_text,
    height,
    steering,
)
from tests.harm.conftest import WatchedServer, fresh
from tests.harm.corpus import cases, each
from tests.harm.doors import DOORS, Followed, Framed, Plain, answer_line
from tests.servers import RawClient
from tests.web.clients import HttpClient

PRIVATE = re.compile(r"\S+ -> you: ")

ALL = {**cases("texts.txt"), **cases("harmless.txt")}


def sent(text: str) -> bytes:
    """Return the bytes of a text, also of one that has none."""
    return text.encode(errors="surrogatepass")


def arrives(line: bytes) -> bool:
    """Return whether a line is taken for one."""
    try:
        textparser.decode(line)
    except Refusal:
        return False
    return len(line) <= names.LINE_BYTES


def asked(text: str, escaped: bool, **fields: Any) -> tuple[bytes, str | None]:
    """Return the line that asks for something with a text in it, and the text as it arrives; None
    where it does not."""
    line = sent(json.dumps({**fields, "text": text}, ensure_ascii=escaped))
    with suppress(UnicodeError):
        there = json.loads(line.decode())["text"]
        there.encode()
        if arrives(line) and "\0" not in there:
            return line, there
    return line, None


class Stage:
    """A room in which a person and programs write, one by each way in, and others read: a person, a
    program, a WebSocket, and two streams of HTTP."""

    def __init__(self, server: WatchedServer) -> None:
        self.server = server
        self.anna, self.eve = (self._person(name) for name in ("anna", "eve"))
        self.bot = self._program("bot", RawClient)
        self.page = self._program("page", Framed)
        talk = "/api/v1/rooms/lab/messages?follow"
        self.curl = Followed(server.port, talk, "text/plain")
        self.script = Followed(server.port, talk, "application/x-ndjson")
        self.mals = {way: self._program(f"mal-{at}", DOORS[way]) for at, way in enumerate(DOORS)}
        self.done = 0
        self.act(b"hello")  # all who came in before it were told of

    def _person(self, name: str) -> RawClient:
        bare = RawClient(self.server.port)
        bare.send(name, "/join lab", "/who")
        bare.expect("in lab")
        return bare

    def _program(self, name: str, kind: type[RawClient]) -> RawClient:
        bare = kind(self.server.port)
        bare.ask(do="hello", name=name)
        bare.ask(do="join", room="lab")
        bare.event("ok")
        bare.event("ok")
        return bare

    def close(self) -> None:
        """Everybody goes."""
        readers = (self.anna, self.bot, self.page, self.curl, self.script)
        for bare in (self.eve, *readers, *self.mals.values()):
            bare.close()

    def act(self, *lines: bytes, way: str = "") -> tuple[list[str], list[dict[str, Any]]]:
        """Let the person, or the program that came by a way, send lines. Return what others read
        of it: a person, and a program. All other readers read the same."""
        self.done += 1
        begin, end = (f"{it} {self.done}" for it in ("begin", "end"))
        if way:
            said = [{"do": "say", "room": "lab", "text": it} for it in (begin, end)]
            marks = [json.dumps(it) for it in said]
            self.mals[way].send(marks[0], *lines, marks[1])
        else:
            self.eve.send(begin, *lines, end)
        self.anna.expect(f": {begin}")
        seen = self.read(end)
        streamed = self.streamed(begin, end)
        assert streamed == [it for it in seen if not PRIVATE.match(it)]
        events = self.events(self.bot, begin, end)
        assert self.events(self.page, begin, end) == events
        assert self.events(self.script, begin, end) == events
        return seen, events

    def read(self, end: str) -> list[str]:
        """Return what the person who reads was shown up to a line with that end."""
        lines = []
        while not (line := self.anna.line()).endswith(f": {end}"):
            lines.append(line)
        return check_text("".join(f"{line}\n" for line in lines).encode())

    def streamed(self, begin: str, end: str) -> list[str]:
        """Return what a stream of text has between two texts, without times and positions."""
        self.curl.expect(f": {begin}")
        lines = []
        while not (line := self.curl.line()).endswith(f": {end}"):
            lines.append(line)
        check_text("".join(f"{line}\n" for line in lines).encode())
        assert not [line for line in lines if line[0] != "["]
        return [line.partition("] ")[2] for line in lines]

    def events(self, reader: RawClient, begin: str, end: str) -> list[dict[str, Any]]:
        """Return what a program that reads was told between two texts."""
        reader.expect(f'"{begin}"')
        events = []
        while (event := check_object(reader.line())).get("text") != end:
            events.append(event)
        return events


@pytest.fixture(scope="module")
def stage(house: WatchedServer) -> Iterator[Stage]:
    """Return the room, and the clients in it."""
    stage = Stage(house)
    yield stage
    stage.close()


@pytest.mark.parametrize("text", each("texts.txt", "harmless.txt"))
def test_what_a_person_writes(stage, text):
    """Said, done, said privately, or set as the topic: each line that others read stands behind the
    name of who wrote it, and none of it steers."""
    told: list[str] = []
    line = sent(text).removesuffix(b"\r")
    lines = []

    def add(prefix: str, command: bytes, cleaned: str) -> None:
        lines.append(command)
        if names.is_visible(cleaned):  # else it is refused
            told.append(prefix + cleaned)
        elif b"/topic" in command and not cleaned.strip():
            told.append("* eve removed the topic")

    if b"\n" not in line:
        if line and arrives(b"/say " + line):
            add("eve: ", b"/say " + line, names.clean(text.removesuffix("\r")))
        if line and arrives(b"/me " + line):
            add("~ eve ", b"/me " + line, names.clean(text.removesuffix("\r")))
        if line and arrives(b"/topic " + line) and len(text) <= names.PHRASE_CHARACTERS:
            topic = names.one_line(text.removesuffix("\r"))
            add("* eve set the topic: ", b"/topic " + line, topic)
        if line.strip(b" ") and arrives(b"/msg anna " + line):
            cleaned = names.clean(text.removesuffix("\r").strip(" "))
            add("eve -> you: ", b"/msg anna " + line, cleaned)
        if textparser.parse_talk(line + b"\n") is not None and len(line) <= names.LINE_BYTES:
            lines += [line]
            told += ["eve: " + names.clean(text.removesuffix("\r"))]
    seen, events = stage.act(*lines)
    assert sorted(seen) == sorted(told)  # an inbox is another log
    assert [it["text"] for it in events] == [
        it.partition(": ")[2] if it[:6] != "~ eve " else it[6:]  # no text where one took it away
        for it in told
        if not it.startswith("eve -> you")
    ]


@pytest.mark.parametrize("way", DOORS)
@pytest.mark.parametrize("text", each("texts.txt", "harmless.txt"))
def test_what_a_program_writes(stage, text, way):
    """The same, with its lines, which only programs can write: each stands behind the name. As JSON
    escapes it, and, where that is not all it can be, as it is."""
    for escaped in (True, False) if not text.isascii() else (True,):
        write(stage, text, escaped, way)


def write(stage: Stage, text: str, escaped: bool, way: str) -> None:
    """Let a program write a text wherever it can, and look at what is read."""
    told, texts, lines = [], [], []
    name = f"mal-{list(DOORS).index(way)}"
    for do, prefix in (("say", f"{name}: "), ("me", f"~ {name} "), ("topic", f"* {name} ")):
        line, there = asked(text, escaped, do=do, room="lab")
        lines.append(line)
        if there is None or (do == "topic" and len(there) > names.PHRASE_CHARACTERS):
            continue
        cleaned = names.clean(there)
        if not names.is_visible(cleaned) and (do != "topic" or there.strip()):
            continue  # it is refused
        if do == "topic":
            cleaned = cleaned.replace("\n", " ") if names.is_visible(cleaned) else ""
            did = f"set the topic: {cleaned}" if cleaned else "removed the topic"
            told.append(prefix + did)
        else:
            told += [prefix + part for part in cleaned.split("\n")]
        texts.append(cleaned)
    line, there = asked(text, escaped, do="msg", to="anna")
    lines.append(line)
    private = [] if there is None else names.clean(there).split("\n")
    if there is not None and not names.is_visible(names.clean(there)):
        private = []
    told += [f"{name} -> you: {part}" for part in private]
    lines = [it for it in lines if b"\n" not in it and DOORS[way].goes_on_after(it)]
    seen, events = stage.act(*lines, way=way)
    assert sorted(seen) == sorted(told)
    assert [it["text"] for it in events] == texts


@pytest.mark.parametrize("way", DOORS)
@pytest.mark.parametrize("text", each("texts.txt", "harmless.txt"))
def test_every_field_of_every_request(house, text, way):
    """A harmful string in any field of JSON is granted or refused, with its `id`, and once."""
    program = DOORS[way](house.port)
    program.ask(do="hello", name=fresh(), id=-1)
    requests = [json.dumps({**it, "id": at}) for at, it in enumerate(requests_with(text))]
    requests.append(json.dumps({"do": "help", "id": text}))
    sent_ = [it for it in requests if program.goes_on_after(it.encode())]
    program.send(*sent_)
    program.end()
    events = [it for it in check_json(program.rest()) if it["event"] in ("ok", "error")]
    assert not [it for it in events if it.get("code") == "server-error"], events
    assert len(events) == 1 + len(sent_)
    answered = [it["id"] for it in events if isinstance(it.get("id"), int)]
    whole = arrives(sent(text)) and len(requests[-2]) + 1000 < names.LINE_BYTES
    if whole:
        assert sorted(answered) == list(range(-1, len(requests) - 1))
        assert text in [it.get("id") for it in events]
    program.close()


def requests_with(text: str) -> Iterator[dict[str, Any]]:
    """Iterate over requests that have a text in one of their fields, and else what is good."""
    good = {"name": "x", "room": "lab", "to": "x", "user": "x", "password": "x", "text": "x"}
    good |= {"size": 5, "position": 1, "seconds": 0, "access": "public"}
    for command in COMMANDS.values():
        if not command.formats & Format.JSON or command.name == "quit":
            continue
        args = list(command.arguments(Format.JSON))
        for arg in args:
            if arg.type.json_type is not str or arg.type is ArgType.SHA256:
                continue
            fields = {
                it.name: good.get(it.name, 1 if it.type.json_type is int else "x")
                for it in args
                if not it.is_optional(Format.JSON)
            }
            yield {"do": command.name, **fields, arg.name: text}


@pytest.mark.parametrize("text", each("texts.txt", "harmless.txt"))
def test_every_field_of_every_command(house, text):
    """A harmful string in any argument of a typed command gives readable lines, and ends no
    connection."""
    person = RawClient(house.port)
    line = sent(text).removesuffix(b"\r")
    if b"\n" in line:
        line = line.partition(b"\n")[0]
    commands = [it for it in COMMANDS.values() if it.formats & Format.TEXT]
    person.send(fresh())
    for command in commands:
        if command.name not in ("quit", "exit", "put"):
            person.send(f"/{command.name} ".encode() + line)
            person.send(f"/{command.name} lab ".encode() + line)
    person.send("/create", "/topic the end")
    person.send(b"/put " + line + b" 0")  # ends the connection, where nobody knows what is to come
    person.send(b"/quit " + line)
    person.end()
    lines = check_text(person.rest())
    assert "* Topic of " in "\n".join(lines)
    person.close()


def web_requests_with(text: str) -> Iterator[tuple[str, str, dict[str, str], bytes]]:
    """Iterate over requests of HTTP that have a text in a part of their path, or in one of their
    fields: method, path, headers, body. Those of `/do/COMMAND` are left out."""
    good = {"position": "1", "seconds": "0"}
    inside = quote(text, safe="", errors="surrogatepass")
    for row in ROUTES:
        if "/do/" in row.path:
            continue
        for harmed in row.variables():
            parts = {it: good.get(it, "x") for it in row.variables()} | {harmed: inside}
            yield row.method, row.path.format(**parts), {}, b"" if row.method == "GET" else b"x"
        path = row.path.format(**{it: good.get(it, "x") for it in row.variables()})
        for name in row.fields():
            yield row.method, f"{path}?{name}={inside}", {}, b""
        if row.text:
            type_ = {"Content_Type": "text/plain"}
            yield row.method, path, type_, sent(text)[: names.LINE_BYTES]
            type_ = {"Content_Type": "application/x-www-form-urlencoded"}
            yield row.method, path, type_, f"{row.text}={inside}".encode()[: names.LINE_BYTES]


@pytest.mark.parametrize("text", each("texts.txt", "harmless.txt"))
def test_every_part_of_every_path(house, text):
    """A harmful string in a path, a query or a form is granted or refused, in JSON or in readable
    lines, and the server goes on."""
    client, mine = HttpClient(house.port), f"?name={fresh()}"
    assert client.request("GET", f"/api/v1/session{mine}").status == 200
    for method, path, headers, body in web_requests_with(text):
        answer = client.request(method, path, body, **headers)
        if answer.status != 204:
            told = json.loads(answer_line(answer))
            assert told.get("code") != "server-error", (method, path, told)
        if answer.headers.get("connection") == "close":
            client.close()
            client = HttpClient(house.port)
    client.close()


def test_every_text_as_a_name(house):
    """As the first line, and with `hello`: a client that comes in has a proper name, and nothing
    else."""
    for text in ALL.values():
        person = RawClient(house.port)
        person.send_raw(sent(text))
        person.end()
        (check_json if text.lstrip().startswith("{") else check_text)(person.rest())
        person.close()
        for kind in DOORS.values():
            program = kind(house.port)
            program.send(json.dumps({"do": "hello", "name": text}))
            program.end()
            for it in check_json(program.rest()):
                assert it["event"] == "error" or names.user(it["name"]) == it["name"]
            program.close()


@pytest.mark.parametrize("way", DOORS)
@pytest.mark.parametrize("name", each("names.txt"))
def test_names_that_nobody_has(house, name, way):
    """Neither a user nor a room can be called that, however it comes."""
    program = DOORS[way](house.port)
    asking = ({"do": "hello", "name": it} for it in (name, fresh()))
    lines = [json.dumps(it) for it in (*asking, {"do": "nick", "name": name})]
    lines.append(json.dumps({"do": "create", "room": name}))
    whole = all(program.goes_on_after(it.encode()) for it in lines)
    program.send(*lines if whole else lines[:1])
    program.end()
    events = [it for it in check_json(program.rest()) if it["event"] != "notice"]
    granted = [it["event"] for it in events]
    if name.strip() and whole:
        assert granted == ["error", "ok", "error", "error"], events
    program.close()
    person = RawClient(house.port)
    person.send_raw(sent(name).replace(b"\n", b"") + b"\n")
    if "\n" not in name and name[0:1] != "{":
        person.end()
        assert all(line.startswith("! ") for line in check_text(person.rest()))
    person.close()


@pytest.mark.parametrize("kind", [Plain, Framed])
def test_last_words(house, kind):
    """A farewell is one line, or none."""
    reader, room = RawClient(house.port), f"parting-{kind.__name__}"
    reader.send(f"reader-{kind.__name__}", f"/create {room}", "/who")
    reader.expect(f"* 1 in {room}")
    leaving, expected = [], []
    for at, text in enumerate(ALL.values()):
        program = kind(house.port)
        program.ask(do="hello", name=f"leaver{at}")
        program.ask(do="join", room=room)
        line, there = asked(text, True, do="quit")
        leaving.append((program, line))
        last = "" if there is None else names.phrase(there[: names.PHRASE_CHARACTERS])
        expected.append(f"* leaver{at} left" + (f" ({last})" if last else ""))
    reader.expect(f"leaver{at} came in")
    for program, line in leaving:
        if program.goes_on_after(line):
            program.send(line)
        program.end()
        check_json(program.rest())
        program.close()
    assert sorted(reader.expect(" left") for _ in expected) == sorted(expected)
    check_text(reader.seen.encode())
    reader.close()


@pytest.mark.parametrize("kind", [Plain, Framed])
def test_reasons_for_being_away(house, kind):
    """A reason for being away is one line, in the answer to a private message and in lists of a
    room."""
    program, person, desk = kind(house.port), RawClient(house.port), f"desk-{kind.__name__}"
    program.ask(do="hello", name="absent")
    program.ask(do="create", room=desk)
    program.expect(f'"{desk}"')
    person.send("present", f"/join {desk}", "/who")
    person.expect(f"2 in {desk}")
    for text in ALL.values():
        line, there = asked(text, True, do="away")
        if not program.goes_on_after(line):
            continue
        program.send(line)
        program.ask(do="who", room=desk)
        while "users" not in (it := check_object(program.line())) or it["room"] != desk:
            pass
        if there is None or len(there) > names.PHRASE_CHARACTERS:
            continue
        why = names.phrase(there)
        assert {one["name"]: one["away"] for one in it["users"]}["absent"] == why
        person.send("/msg absent hi", "/who")
        if why:
            assert person.line() == f"* absent is away ({why}), and will see it later."
        person.expect(f"in {desk}")
        if why:
            assert person.line() == f"* absent is away: {why}"
    check_text(person.seen.encode())
    program.close()
    person.close()


def replays(server: WatchedServer) -> tuple[list[str], list[str], list[dict], list[dict]]:
    """Return what there is to read of before: by a person, in the history and by searching, and by
    a program, in the history and by joining behind the beginning."""
    person = RawClient(server.port)
    person.send("reader", "/join lab", "/history 1000", "/who", "/search needle*")
    person.end()
    lines = check_text(person.rest())
    between = lines.index("* 1 in lab: reader")
    program = RawClient(server.port)
    program.ask(do="hello", name="bot")
    program.ask(do="history", room="lab", limit=1000)
    program.ask(do="join", room="lab", after=0)
    program.event("ok")
    history = program.event("ok")["entries"]
    program.event("ok")
    past = [program.event() for _ in history]
    person.close()
    program.close()
    told, found = (
        [line.partition("] ")[2] for line in part if line[0] == "["]
        for part in (lines[:between], lines[between:])
    )
    return told, found, history, past


def web_replays(server: WatchedServer) -> list[list[str]]:
    """Return what there is to read of before in HTTP, as text: in the history, and by following
    from the beginning; and the texts in JSON."""
    client = HttpClient(server.port)
    talk = "/api/v1/rooms/lab/messages"
    answer = client.request("GET", f"{talk}?limit=1000", Accept="text/plain")
    past = check_text(answer.body)
    assert not [line for line in past if line[0] != "["]
    follower = Followed(server.port, f"{talk}?follow&after=0", "text/plain")
    followed = [follower.line() for _ in past]
    follower.close()
    entries = json.loads(client.request("GET", f"{talk}?limit=1000").body)["entries"]
    client.close()
    return [
        [line.partition("] ")[2] for line in past],
        [line.partition("] ")[2] for line in followed],
        [it["text"] for it in entries],
    ]


def test_what_was_said_before(server):
    """In the history, in what a search finds, to who joins behind the beginning; from memory, and
    after a restart, from storage: it is what it was live."""
    mal = RawClient(server.port)
    mal.ask(do="hello", name="mal")
    mal.ask(do="join", room="lab")
    lines, texts = [], []
    for at, text in enumerate(ALL.values()):
        for do, prefix in (("say", "mal: "), ("me", "~ mal "), ("topic", "* mal set the topic: ")):
            line, there = asked(f"needle{at} {text}", True, do=do, room="lab", id=0)
            mal.send(line)
            if there is None or (do == "topic" and len(there) > names.PHRASE_CHARACTERS):
                continue
            cleaned = names.clean(there) if do != "topic" else names.one_line(there)
            texts.append(cleaned)
            lines += [prefix + part for part in cleaned.split("\n")]
    mal.end()
    check_json(mal.rest())
    for again in range(2):
        told, found, history, past = replays(server)
        assert told == lines
        assert found == lines[-len(found) :]
        assert [it["text"] for it in history] == texts
        assert [it["text"] for it in past] == texts
        for it in (*history, *past):
            check_object(json.dumps(it))
        assert web_replays(server) == [lines, lines, texts]
        if not again:
            server.stop()
            server.start()
    mal.close()


def test_the_gate_itself():
    """Nothing steers, no pile is high, what is clean stays so; what is harmless is left alone."""
    for name, text in ALL.items():
        cleaned = names.clean(text)
        assert not steering(cleaned), name
        assert height(cleaned) <= names.MARKS, name
        assert names.clean(cleaned) == cleaned, name
        assert list(names.clean_all((text, "x"))) == [cleaned, "x"], name
    for name, text in cases("harmless.txt").items():
        assert names.clean(text) == text, name
