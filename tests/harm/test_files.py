"""Every text of the corpus as a file's name: what comes up, what an operator drops in, what is
listed, and what a link tells to type."""

import json
import shlex

import pytest

from chatservice import names
from tests.harm.checks import check_json, check_text
from tests.harm.corpus import cases
from tests.servers import RawClient

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
