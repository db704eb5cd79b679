"""The HTTP API's answers: statuses, problems, bodies and streams."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatservice import names, replies
from chatservice.entries import Entry, EntryState, FileMark, Kind, Run
from chatservice.errors import NAME_NEEDED, Code, Message, Refusal
from chatservice.grammar import jsonlines, webanswers, webapi, webtext
from chatservice.grammar.commands import COMMANDS
from chatservice.grammar.commandtypes import Format
from chatservice.grammar.webanswers import STATUSES, STREAMS
from chatservice.grammar.webapi import EVENTS, JSON, LINES, TEXT
from chatservice.grammar.webfaults import Fault
from chatservice.grammar.webroutes import ROUTES, Does
from tests.grammar.test_jsonlines import ANSWERS, RUNS
from tests.test_messages import OTHERS

MARK = FileMark("my report.pdf", 1_200_000, "ab" * 32, 2)
SHARED = Entry(Kind.FILE, 1_700_000_000_123, "bob", file=MARK)


def problem_of(method, path, media_type="", body=b""):
    """Return the answer to a request that is refused."""
    with pytest.raises((Refusal, Fault)) as caught:
        webapi.route(method, path).request(media_type, body)
    return webanswers.problem(caught.value)


def refusal(code, sentence="No.", **params):
    """Return the answer to a refusal."""
    return webanswers.problem(Refusal(code, sentence, **params))


@pytest.mark.parametrize("code", Code)
def test_every_code_has_a_status(code):
    """One of an error, with its phrase; a 401 has challenges, and a 429 tells when to try again."""
    problem = refusal(code)
    headers = {name for name, _ in problem.headers}
    assert problem.status == STATUSES[code]
    assert 400 <= problem.status < 600
    assert problem.fields["title"] == webanswers.phrase(problem.status) != ""
    assert ("WWW-Authenticate" in headers) == (problem.status == 401)
    assert ("Retry-After" in headers) == (problem.status in (429, 503))
    assert (problem.status >= 500) <= (
        code in (Code.SERVER_ERROR, Code.TOO_SLOW, Code.NOT_STORED, Code.DISK_FULL, Code.OVER_QUOTA)
    )


def test_a_problem_is_json_or_a_sentence():
    """The details of RFC 9457 with the code, or one line."""
    it = refusal(Code.NO_SUCH_ROOM, "There is no room {room};\n`rooms` lists them.", room="\x1bx")
    assert json.loads(it.body(webanswers.PROBLEM)) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "There is no room \ufffdx; /api/v1/do/rooms lists them.",
        "code": "no-such-room",
        "commands": ["rooms"],
    }
    assert it.body(TEXT) == "There is no room \ufffdx; /api/v1/do/rooms lists them.\n".encode()


def test_a_name_is_asked_for_in_the_words_of_http():
    """The format has a sentence of its own, which names no command."""
    fields = refusal(Code.NAME_NEEDED, NAME_NEEDED).fields
    assert "-u NAME" in fields["detail"]
    assert "commands" not in fields


def test_a_refused_login_is_no_missing_page():
    """Nobody has the name: 404 behind the login, 401 before it."""
    gone = Refusal(Code.NO_SUCH_USER, "Nobody has that name.")
    assert webanswers.problem(gone).status == 404
    assert webanswers.problem(gone, at_login=True).status == 401
    assert len(webanswers.problem(gone, at_login=True).headers) == 2
    assert webanswers.problem(Refusal(Code.BANNED, "No."), at_login=True).status == 403


@pytest.mark.parametrize(("left", "seconds"), [("45 s", "45"), ("2 h 5 min", "7500"), ("", "5")])
def test_slow_mode_tells_how_long_to_wait(left, seconds):
    """As its sentence does."""
    assert refusal(Code.TOO_FAST, "Wait {left}.", left=left).headers == (("Retry-After", seconds),)


def test_faults_have_a_status_too():
    """404, 405 with the methods that there are, and 415."""
    missing = problem_of("GET", b"/api/v1/x")
    assert (missing.status, missing.fields["code"]) == (404, "not-found")
    assert problem_of("POST", b"/lab/").headers == (("Allow", "GET, PUT, HEAD, OPTIONS"),)
    assert problem_of("POST", b"/lab", "image/png", b"x").status == 415


@given(st.text(), st.text(), st.sampled_from(["GET", "POST", "PUT"]))
def test_no_answer_quotes_a_line_end(name, value, method):
    """A name of a field stands in the sentence, in one line, and cannot control a terminal."""
    path = f"/lab?{name}={value}".encode(errors="replace")
    try:
        webapi.route(method, path)
    except (Refusal, Fault) as error:
        body = webanswers.problem(error).body(TEXT).decode()
        assert body[-1] == "\n"
        assert body[:-1] == names.one_line(body[:-1])


@pytest.mark.parametrize(
    "command", [it.name for it in COMMANDS.values() if it.formats & Format.JSON]
)
def test_a_missing_field_is_named_without_slashes(command):
    """The descriptions of arguments name commands as the text format types them, elsewhere."""
    row = COMMANDS[command]
    fields = {}
    for arg in row.args:
        try:
            jsonlines.parse_request({"do": command, **fields})
        except Refusal as error:
            assert not OTHERS["web"].search(webtext.sentence(error.sentence)), error.sentence
        fields[arg.name] = "x" if arg.type.json_type is str else 1


# -- replies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [it for it in ANSWERS if not isinstance(it, replies.Help)],  # which tells paths
    ids=lambda it: type(it).__name__,
)
def test_a_reply_is_that_of_the_json_format(answer):
    """Without the fields that tell it from events."""
    line = json.loads(jsonlines.reply(answer, None))
    assert {"event": "ok", **json.loads(webanswers.reply(answer, JSON))} == line


@pytest.mark.parametrize(
    "answer",
    [
        *(it for it in ANSWERS if type(it) in webtext.REPLIES),
        replies.History("lab", ((41, SHARED),), True),
        replies.FileList("lab", 3, 5, (replies.FileInfo("a", 5, None, "bob", 0),), more=2),
        replies.Done(Message("You left {room}; `join {room}` brings you back.", room="lab")),
    ],
    ids=lambda it: type(it).__name__,
)
def test_a_reply_as_text_has_no_slash_commands(answer):
    """The lines of the text format, which type none of them."""
    text = webanswers.reply(answer, TEXT).decode()
    assert not text or text.endswith("\n")
    assert not re.search(rf"(?<![\w/.])/(?:{'|'.join(COMMANDS)})\b", text), text


def test_every_short_form_is_answered_with_text():
    """Each has a few lines, at least one; a removal says so itself."""
    for row in ROUTES:
        if row.is_short and row.does is Does.CALL:
            assert row.command.reply in webtext.REPLIES, row.path
    assert webtext.reply(replies.Stored(7)) == b"#7\n"
    assert webtext.reply(replies.PrivateSent(7, "bob", "")) == b"* Sent to bob.\n"
    away = webtext.reply(replies.PrivateSent(7, "bob", "lunch")).decode().split("\n")
    assert away == ["* Sent to bob.", "* bob is away (lunch), and will see it later.", ""]


def test_the_last_talk_as_text():
    """Times and positions, what was made of an entry, and a file's path."""
    state = EntryState(pinned=True)
    rows = (
        (40, Entry(Kind.MESSAGE, 1_700_000_000_123, "bob", "hi\nthere", state=state)),
        (41, SHARED),
    )
    stamp = "[2023-11-14 22:13:20Z #{}] "
    shared = "* bob shared my report.pdf (1.2 MB, version #2): /lab/my%20report.pdf\n"
    lines = [
        stamp.format(40) + "bob: hi\n",
        stamp.format(40) + "bob: there\n",
        stamp.format(40) + "* pinned\n",
        stamp.format(41) + shared,
    ]
    assert webtext.reply(replies.History("lab", rows)).decode() == "".join(lines)
    found = webtext.reply(replies.SearchMatches("*", rows[1:], rooms=("api",))).decode()
    assert found.startswith("[2023-11-14 22:13:20Z api #41] ")
    assert found.endswith(": /api/v1/rooms/api/files/my%20report.pdf\n")
    assert webtext.reply(replies.History("lab", ())) == b"* Nothing there in lab\n"


def test_the_files_of_a_room_as_text():
    """Each with the path to fetch it from."""
    file = replies.FileInfo("my report.pdf", 1_200_000, None, "bob", 0)
    text = webtext.reply(replies.FileList("lab", 2, 2_400_000, (file,), more=1)).decode()
    assert text.splitlines() == [
        "* 2 files in lab, 2.4 MB",
        "* my report.pdf (1.2 MB, from bob): /lab/my%20report.pdf",
        "* and 1 more: ?after=NAME shows those behind a name",
    ]


def test_a_shared_file_is_answered_with_its_path():
    """For a file to one user, there is none."""
    assert json.loads(webanswers.shared(MARK, "lab", JSON)) == {
        **MARK._asdict(),
        "path": "/lab/my%20report.pdf",
    }
    assert webanswers.shared(MARK, "lab", TEXT) == (
        b"* my report.pdf (1.2 MB, version #2) is shared: /lab/my%20report.pdf\n"
    )
    assert "path" not in json.loads(webanswers.shared(MARK, "", JSON))
    assert webanswers.shared(MARK, "", TEXT).endswith(b"is shared\n")


# -- streams ---------------------------------------------------------------------------------------


@given(st.integers(1, 1 << 59), RUNS)
def test_server_sent_events_are_the_lines_with_their_positions(first, run):
    """Each entry is one event: its `id` is the position, its data the JSON line."""
    sent = STREAMS[EVENTS].run(first, run, "lab").decode()
    lines = STREAMS[LINES].run(first, run, "lab").decode().split("\n")[:-1]
    assert sent.count("\n\n") == len(run.texts)
    found = [it.split("\n") for it in sent.split("\n\n")[:-1]]
    assert found == [[f"id: {first + at}", f"data: {line}"] for at, line in enumerate(lines)]
    assert [json.loads(line)["seq"] for line in lines] == [*range(first, first + len(lines))]


@pytest.mark.parametrize("media_type", STREAMS)
def test_an_idle_mark_is_no_entry(media_type):
    """An empty line, or a comment of server-sent events."""
    assert STREAMS[media_type].idle.strip(b"\n") in (b"", b":")


def test_a_stream_of_text_has_positions():
    """So that a script knows after which entry to go on."""
    run = Run(Kind.MESSAGE, 1_700_000_000_123, "bob", ["a", "b"])
    assert STREAMS[TEXT].run(7, run, "lab") == (
        b"[2023-11-14 22:13:20Z #7] bob: a\n[2023-11-14 22:13:20Z #8] bob: b\n"
    )


def test_every_offer_of_a_stream_has_a_format():
    """Any that a client accepts of them."""
    for path in (b"/lab?follow", b"/api/v1/rooms/lab/messages?follow"):
        assert set(webapi.route("GET", path).offers) == set(STREAMS)
