"""Long answers: each has a bound in bytes, and says how to go on from there."""

import json

from chatservice.limits import Limits
from tests.servers import RawClient


def bot(connect, server, name="bot"):
    """Return a program of that name in the room lab."""
    made = connect(server)
    made.ask(do="hello", name=name)
    made.event("ok")
    made.ask(do="join", room="lab")
    made.event("ok")
    return made


def ok(bare: RawClient, **request):
    """Ask, and return the answer, with how many bytes it is."""
    bare.ask(**request, id="x")
    while True:
        line = bare.line()
        if '"id":"x"' in line:
            assert '"event":"ok"' in line, line
            break
    bare._buffer = line.encode() + b"\n" + bare._buffer
    return bare.event("ok"), len(line)


def test_a_message_has_at_most_so_many_lines(server, connect):
    """Each line is shown with the author's name: thousands of them would be a hundred times as
    long."""
    alice, program = connect(server, "alice"), bot(connect, server)
    alice.send("/join lab")
    alice.expect("* You are in lab")
    program.ask(do="say", room="lab", text="\n" * 4060, id=1)
    told = program.event("error")
    assert (told["code"], told["id"]) == ("too-long", 1)
    assert told["message"].startswith("A message has at most 500 lines, not 4061;")
    program.ask(do="msg", to="alice", text="x\n" * 600, id=2)
    assert program.event("error")["code"] == "too-long"
    program.ask(do="say", room="lab", text="x\n" * 499 + "last", id=3)
    alice.expect("bot: last")


def test_the_lines_of_a_message_are_counted_where_lines_are(start_server, connect):
    """A hundred lines in one message take as long to be read on as a hundred messages."""
    server = start_server("--room", "lab", messages_per_second=1, messages_burst=10)
    program = bot(connect, server)
    program.ask(do="say", room="lab", text="x\n" * 99 + "x")
    assert "what you send is read on in" in program.event("notice")["text"]


def test_history_has_a_bound_in_bytes_and_goes_on_from_there(server, connect):
    """From either end, and none is left out or told twice."""
    program = bot(connect, server)
    said = [f"{at} " + "é" * 3500 for at in range(150)]
    for at, text in enumerate(said):
        request = {"do": "say", "room": "lab", "text": text, "id": at}
        program.send(json.dumps(request, ensure_ascii=False))
    while program.event("ok").get("id") != 149:
        pass
    found, after, pages = [], 0, 0
    more = True
    while more:
        answer, size = ok(program, do="history", room="lab", after=after)
        assert size <= Limits().answer_bytes
        found += [entry["text"] for entry in answer["entries"]]
        after, more, pages = answer["entries"][-1]["seq"], answer["more"], pages + 1
    assert (found, pages) == (said, 5)
    found, before = [], None
    while before is None or answer["more"]:
        asked = {} if before is None else {"before": before}
        answer, size = ok(program, do="history", room="lab", limit=1000, **asked)
        assert size <= Limits().answer_bytes
        found = [entry["text"] for entry in answer["entries"]] + found
        before = answer["entries"][0]["seq"]
    assert found == said
    found, size = ok(program, do="search", room="lab", text="é*", limit=100)
    assert size <= Limits().answer_bytes
    person = connect(server, "alice")
    person.send("/join lab", "/history 100")
    person.expect("* The rest is too long for one answer")


def test_an_entry_longer_than_an_answer_is_one(start_server, connect):
    """It is an answer of its own, so that a client can page past it."""
    server = start_server("--room", "lab", answer_bytes=100)
    program = bot(connect, server)
    for text in ("first", "x" * 3000, "last"):
        program.ask(do="say", room="lab", text=text, id=text[0])
        program.event("ok")
    answer, _ = ok(program, do="history", room="lab", after=1)
    assert ([len(it["text"]) for it in answer["entries"]], answer["more"]) == ([3000], True)


def test_who_comes_into_a_full_room_is_told_some_names_and_who_lists_all(start_server, connect):
    """So that a join costs the same however many are there."""
    server = start_server("--room", "lab", joined_users=2, who_users=3)
    there = [bot(connect, server, f"bot{at}") for at in range(7)]
    there[0].ask(do="leave", room="lab")
    there[0].event("ok")
    answer, _ = ok(there[0], do="join", room="lab")
    assert (answer["users"], answer["more"]) == (["bot1", "bot2"], 4)
    found, after = [], ""
    while True:
        answer, _ = ok(there[0], do="who", room="lab", after=after)
        assert answer["count"] == 7
        found += [it["name"] for it in answer["users"]]
        if not answer["more"]:
            break
        after = found[-1]
    assert found == [f"bot{at}" for at in range(7)]
    alice = connect(server, "alice")
    alice.send("/join lab")
    assert alice.expect("You are in") == "* You are in lab with bot1, bot2 and 5 more."
    alice.send("/who")
    assert alice.expect("8 in lab") == "* 8 in lab: alice, bot0, bot1 and 5 more"


def test_the_versions_of_a_file_are_listed_from_the_newest_back(start_server, connect):
    """Those before them follow."""
    server = start_server("--room", "lab", versions_listed=2)
    alice = connect(server, "alice")
    alice.send("/join lab")
    for at in range(5):
        alice.send(f"/put x 1\n{at}")
        alice.expect("= 1 ")
    alice.send("/versions x")
    assert alice.expect("older") == "* and 3 older ones"
    assert alice.line().startswith("* #4 x")
    program = bot(connect, server)
    answer, _ = ok(program, do="versions", room="lab", name="x", before=4)
    assert ([it["version"] for it in answer["files"]], answer["more"]) == ([2, 3], 1)


def test_files_are_listed_up_to_so_many_bytes(start_server, connect):
    """However long their names are."""
    server = start_server("--room", "lab")
    folder = server.files / "lab"
    folder.mkdir(parents=True)
    for at in range(900):
        (folder / f"{at:04}{'é' * 120}").write_bytes(b"")
    program = bot(connect, server)
    found, after = [], ""
    while True:
        answer, size = ok(program, do="files", room="lab", after=after)
        assert size <= Limits().answer_bytes
        found += [it["name"] for it in answer["files"]]
        if not answer["more"]:
            break
        after = found[-1]
    assert len(found) == len(set(found)) == 900
