"""Every text of the corpus as a file's name: what comes up, what an operator drops in, what is
listed, and what a link tells to type."""

import json
import re
import shlex
from urllib.parse import quote, unquote

import pytest

from chatservice import names
from tests.harm.checks import check_json, check_text
from tests.harm.corpus import cases
from tests.harm.doors import answer_line
from tests.servers import RawClient
from tests.web.clients import HttpClient

TEXTS = {**cases("texts.txt"), **cases("harmless.txt")}
SHORT = [
    text
    for name, text in TEXTS.items()
    if len(json.dumps(text)) < names.LINE_BYTES - 100 and not name.startswith("surrogate")
]


@pytest.fixture(scope="module")
def shared(house):
    """Return the names under which files could be shared, and what a person read of it."""
    reader = RawClient(house.port)
    reader.send("reader", "/who")
    reader.expect("* 1 in lobby")
    program = RawClient(house.port)
    program.ask(do="hello", name="giver")
    program.ask(do="join", room="lobby")
    for _ in range(2):
        program.event("ok")
    taken = []
    for text in SHORT:
        program.ask(do="put", room="lobby", name=text, size=0, id="put")
        while (answer := program.event()).get("id", "put") != "put" or "seq" in answer:
            pass
        assert (answer["event"] == "ok") is names.is_file(text), ascii(text)
        if answer["event"] == "ok":
            carrier = RawClient(house.port)
            carrier.send(f"PUT {answer['ticket']}")
            carrier.end()
            (line,) = check_text(carrier.rest())
            name = names.file(text)  # one normal form, however it was typed
            assert line.partition(" ")[2].split(" ", 2)[2] == name
            carrier.close()
            taken.append(name)
    reader.send("/files")
    reader.expect("files in ")
    for bare in (reader, program):
        bare.close()
    return taken, check_text(reader.seen.encode())


def test_what_came_up_is_told_as_it_is_called(shared):
    """One line a file, with its name in it, and nothing that steers."""
    taken, lines = shared
    assert len(taken) > 30
    told = [line for line in lines if line.startswith("* giver shared ")]
    assert len(told) == len(taken)
    for line, name in zip(told, taken, strict=True):
        assert line.startswith(f"* giver shared {name} (0 bytes")


def test_what_came_up_is_listed_and_found(house, shared):
    """In both formats, under exactly its name, and nowhere else on the disk."""
    taken, _ = shared
    program = RawClient(house.port)
    program.ask(do="hello", name="finder")
    program.ask(do="files", room="lobby")
    for name in taken:
        program.ask(do="get", room="lobby", name=name)
        program.ask(do="versions", room="lobby", name=name)
    program.end()
    _, listed, *rest = check_json(program.rest())
    assert sorted(it["name"] for it in listed["files"]) == sorted(set(taken))
    assert [it["name"] for it in rest[::2]] == taken
    on_disk = {it.name for it in house.files.iterdir() if it.is_file()} - {".lock"}
    assert on_disk == set(taken)
    program.close()


def test_a_link_is_for_a_shell(house, shared):
    """The command that `/link` shows is one command in a shell, with the name as one word."""
    taken, _ = shared
    person = RawClient(house.port)
    person.send("typist")
    typed = [name for name in taken if '"' not in name and "#" not in name]
    person.send(*(f'/link "{name}"' for name in typed))
    person.end()
    lines = check_text(person.rest())
    pasted = [shlex.split(line) for line in lines if line.startswith("  echo GET ")]
    assert [it[-1].removeprefix("./") for it in pasted] == typed
    assert {it[0] for it in pasted} == {"echo"}
    person.close()


def test_what_comes_up_over_http(house):
    """A file has exactly the names that it may have, in each path; it is told, listed and sent back
    under its name, whose header is one line."""
    reader = RawClient(house.port)
    reader.send("clerk", "/join lab", "/who")
    reader.expect("1 in lab")
    client, taken = HttpClient(house.port), []
    for text in SHORT:
        path = f"/api/v1/rooms/lab/files/{quote(text, safe='')}"
        answer = client.request("PUT", path, b"x")
        if answer.status in (200, 201):
            name = names.file(text)
            assert json.loads(answer_line(answer))["name"] == name
            taken.append(name)
            again = client.request("GET", json.loads(answer.body)["path"])
            assert again.body == b"x"
            told = again.headers["content-disposition"]
            assert told.isascii()
            if name.isascii() and not set(name) & set('"\\%'):
                assert told == f'attachment; filename="{name}"'
            else:
                encoded = told.rpartition("filename*=UTF-8''")[2]
                assert unquote(encoded, errors="strict") == name
        else:
            assert not names.is_file(text), ascii(text)
            answer_line(answer)
        if answer.headers.get("connection") == "close":
            client.close()
            client = HttpClient(house.port)
    listed = json.loads(client.request("GET", "/api/v1/rooms/lab/files").body)["files"]
    assert sorted(it["name"] for it in listed) == sorted(set(taken))
    lines = check_text(client.request("GET", "/lab/").body)
    reader.send("/who")
    reader.expect("1 in lab")
    shown = [line for line in check_text(reader.seen.encode()) if " shared " in line]
    assert len(lines) - 1 == len(set(taken))
    assert len(shown) == len(taken) > 30
    for line, name in zip(shown, taken, strict=True):
        assert re.match(rf"\* web-\w+ shared {re.escape(name)} \(1 byte", line), line
    for it in (reader, client):
        it.close()


def test_what_an_operator_drops_in(server):
    """Files whose names would do harm lie there, and nobody is shown them."""
    dropped = set()
    for text in TEXTS.values():
        name = text.encode(errors="surrogatepass")
        if 0 < len(name) < 256 and b"/" not in name and b"\0" not in name and name.strip(b"."):
            (server.files / name.decode(errors="surrogateescape")).write_bytes(b"x")
            dropped.add(name.decode(errors="surrogateescape"))
    person = RawClient(server.port)
    person.send("reader", "/files")
    person.end()
    lines = check_text(person.rest())
    program = RawClient(server.port)
    program.ask(do="hello", name="bot")
    program.ask(do="files", room="lobby")
    program.end()
    listed = check_json(program.rest())[1]["files"]
    assert {it["name"] for it in listed} == {it for it in dropped if names.is_file(it)}
    assert len(lines) == 1 + len(listed)
    person.close()
    program.close()
