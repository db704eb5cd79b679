"""Every text of the corpus, through every field of both formats, live and replayed."""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from chatservice import names
from chatservice.errors import Refusal
from chatservice.grammar import textparser
from chatservice.grammar.commands import COMMANDS
from chatservice.grammar.commandtypes import ArgType, Format
from tests.harm.checks import (
    check_json,
    check_object,
    check_text,
    height,
    steering,
)
from tests.harm.conftest import WatchedServer, fresh
from tests.harm.corpus import cases, each
from tests.servers import RawClient

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
    """A room in which two write, a person and a program, and two read."""

    def __init__(self, server: WatchedServer) -> None:
        self.server = server
        self.anna, self.eve = (self._person(name) for name in ("anna", "eve"))
        self.bot, self.mal = (self._program(name) for name in ("bot", "mal"))
        self.anna.expect("mal came in")
        self.bot.expect('"from":"mal"')
        self.done = 0

    def _person(self, name: str) -> RawClient:
        bare = RawClient(self.server.port)
        bare.send(name, "/join lab", "/who")
        bare.expect("in lab")
        return bare

    def _program(self, name: str) -> RawClient:
        bare = RawClient(self.server.port)
        bare.ask(do="hello", name=name)
        bare.ask(do="join", room="lab")
        bare.event("ok")
        bare.event("ok")
        return bare

    def close(self) -> None:
        """Everybody goes."""
        for bare in (self.anna, self.eve, self.bot, self.mal):
            bare.close()

    def act(self, *lines: bytes, who: str = "eve") -> tuple[list[str], list[dict[str, Any]]]:
        """Let somebody send lines. Return what the others read of it."""
        self.done += 1
        begin, end = (f"{it} {self.done}" for it in ("begin", "end"))
        if who == "mal":
            said = [{"do": "say", "room": "lab", "text": it} for it in (begin, end)]
            marks = [json.dumps(it) for it in said]
            self.mal.send(marks[0], *lines, marks[1])
        else:
            self.eve.send(begin, *lines, end)
        self.anna.expect(f": {begin}")
        self.bot.expect(f'"{begin}"')
        return self.read(end), self.events(end)

    def read(self, end: str) -> list[str]:
        """Return what the person who reads was shown up to a line with that end."""
        lines = []
        while not (line := self.anna.line()).endswith(f": {end}"):
            lines.append(line)
        return check_text("".join(f"{line}\n" for line in lines).encode())

    def events(self, end: str) -> list[dict[str, Any]]:
        """Return what the program that reads was told up to a text."""
        events = []
        while (event := check_object(self.bot.line())).get("text") != end:
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


@pytest.mark.parametrize("text", each("texts.txt", "harmless.txt"))
def test_what_a_program_writes(stage, text):
    """The same, with its lines, which only programs can write: each stands behind the name. As JSON
    escapes it, and, where that is not all it can be, as it is."""
    for escaped in (True, False) if not text.isascii() else (True,):
        write(stage, text, escaped)


def write(stage: Stage, text: str, escaped: bool) -> None:
    """Let the program write a text wherever it can, and look at what is read."""
    told, texts, lines = [], [], []
    for do, prefix in (("say", "mal: "), ("me", "~ mal "), ("topic", "* mal ")):
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
    told += ["mal -> you: " + part for part in private]
    seen, events = stage.act(*(line for line in lines if b"\n" not in line), who="mal")
    assert sorted(seen) == sorted(told)
    assert [it["text"] for it in events] == texts


@pytest.mark.parametrize("text", each("texts.txt", "harmless.txt"))
def test_every_field_of_every_request(house, text):
    """A harmful string in any field of JSON is granted or refused, with its `id`, and once."""
    program = RawClient(house.port)
    program.ask(do="hello", name=fresh(), id=-1)
    requests = [json.dumps({**it, "id": at}) for at, it in enumerate(requests_with(text))]
    program.send(*requests)
    program.send(json.dumps({"do": "help", "id": text}))
    program.end()
    events = [it for it in check_json(program.rest()) if it["event"] in ("ok", "error")]
    assert not [it for it in events if it.get("code") == "server-error"], events
    assert len(events) == 1 + len(requests) + 1
    answered = [it["id"] for it in events if isinstance(it.get("id"), int)]
    whole = arrives(sent(text)) and len(requests[-1]) + 1000 < names.LINE_BYTES
    if whole:
        assert sorted(answered) == list(range(-1, len(requests)))
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


def test_every_text_as_a_name(house):
    """As the first line, and with `hello`: a client that comes in has a proper name, and nothing
    else."""
    for text in ALL.values():
        person = RawClient(house.port)
        person.send_raw(sent(text))
        person.end()
        (check_json if text.lstrip().startswith("{") else check_text)(person.rest())
        program = RawClient(house.port)
        program.send_raw(sent(json.dumps({"do": "hello", "name": text})))
        program.end()
        for it in check_json(program.rest()):
            assert it["event"] == "error" or names.user(it["name"]) == it["name"]
        person.close()
        program.close()


@pytest.mark.parametrize("name", each("names.txt"))
def test_names_that_nobody_has(house, name):
    """Neither a user nor a room can be called that, however it comes."""
    program = RawClient(house.port)
    program.ask(do="hello", name=name)
    program.ask(do="hello", name=fresh())
    program.ask(do="nick", name=name)
    program.ask(do="create", room=name)
    program.end()
    events = [it for it in check_json(program.rest()) if it["event"] != "notice"]
    granted = [it["event"] for it in events]
    if name.strip():
        assert granted == ["error", "ok", "error", "error"], events
    person = RawClient(house.port)
    person.send_raw(sent(name).replace(b"\n", b"") + b"\n")
    if "\n" not in name and name[0:1] != "{":
        person.end()
        assert all(line.startswith("! ") for line in check_text(person.rest()))
    person.close()
    program.close()


def test_last_words(house):
    """A farewell is one line, or none."""
    reader = RawClient(house.port)
    reader.send("reader", "/create parting", "/who")
    reader.expect("* 1 in parting")
    leaving, expected = [], []
    for at, text in enumerate(ALL.values()):
        program = RawClient(house.port)
        program.ask(do="hello", name=f"leaver{at}")
        program.ask(do="join", room="parting")
        line, there = asked(text, True, do="quit")
        leaving.append((program, line))
        last = "" if there is None else names.phrase(there[: names.PHRASE_CHARACTERS])
        expected.append(f"* leaver{at} left" + (f" ({last})" if last else ""))
    reader.expect(f"leaver{at} came in")
    for program, line in leaving:
        program.send(line)
        program.end()
        check_json(program.rest())
        program.close()
    assert sorted(reader.expect(" left") for _ in expected) == sorted(expected)
    check_text(reader.seen.encode())
    reader.close()


def test_reasons_for_being_away(house):
    """A reason for being away is one line, in the answer to a private message and in lists of a
    room."""
    program, person = RawClient(house.port), RawClient(house.port)
    program.ask(do="hello", name="absent")
    program.ask(do="create", room="desk")
    program.expect('"desk"')
    person.send("present", "/join desk", "/who")
    person.expect("2 in desk")
    for text in ALL.values():
        line, there = asked(text, True, do="away")
        program.send(line)
        program.ask(do="who", room="desk")
        while "users" not in (it := check_object(program.line())) or it["room"] != "desk":
            pass
        if there is None or len(there) > names.PHRASE_CHARACTERS:
            continue
        why = names.phrase(there)
        assert {one["name"]: one["away"] for one in it["users"]}["absent"] == why
        person.send("/msg absent hi", "/who")
        if why:
            assert person.line() == f"* absent is away ({why}), and will see it later."
        person.expect("in desk")
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
