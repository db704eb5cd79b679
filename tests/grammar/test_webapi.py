"""The HTTP API's requests: methods, targets and bodies, and what they ask for."""

import json
from urllib.parse import quote, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatservice import names
from chatservice.errors import Code, Refusal
from chatservice.grammar import jsonlines, webapi, webroutes
from chatservice.grammar.commands import COMMANDS
from chatservice.grammar.commandtypes import ArgType, Format
from chatservice.grammar.webapi import EVENTS, JSON, LINES, PAGE, TEXT, Follow
from chatservice.grammar.webfaults import Fault, MethodNotAllowed, NotFound, UnsupportedMediaType
from chatservice.grammar.webfields import BODY_BYTES, FORM
from chatservice.grammar.webroutes import API, READING, RESERVED, ROUTES, Does

COMMANDS_HERE = [row for row in COMMANDS.values() if row.formats & Format.JSON]
MESSAGES = b"/api/v1/rooms/lab/messages"
SEGMENTS = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/\\"))
NAMES = SEGMENTS.filter(lambda it: it.strip(".") != "")
ODD = ("a b", "a%20b", "50%", "#1", "what?", "a&b=c", "a+b", "שלום", "👍🏽", "é", "@", "ａ", "a;b")


def target(*segments):
    """Return a path of these segments."""
    return ("/" + "/".join(quote(it, safe="") for it in segments)).encode()


def asked(method, path, media_type="", body=b""):
    """Return the command and the arguments of a request."""
    request = webapi.route(method, path).request(media_type, body)
    return request.command.name, dict(request.args)


def refused(*request):
    """Return the code and the sentence of the refusal of a request."""
    with pytest.raises(Refusal) as caught:
        asked(*request)
    return caught.value.code, str(caught.value.sentence)


ASKED = {
    ("GET", "/lab"): ("history", {"room": "lab"}),
    ("GET", "/12"): ("history", {"room": "12"}),
    ("GET", "/lab?limit=5&after=7"): ("history", {"room": "lab", "limit": 5, "after": 7}),
    ("GET", "/lab?annotations"): ("history", {"room": "lab", "annotations": True}),
    ("GET", "/lab?annotations=no"): ("history", {"room": "lab", "annotations": False}),
    ("GET", "/@"): ("history", {"room": "@"}),
    ("GET", "/@bob"): ("history", {"room": "@bob"}),
    ("GET", "/lab/"): ("files", {"room": "lab"}),
    ("GET", "/@/?brief"): ("files", {"room": "@", "brief": True}),
    ("DELETE", "/lab/a.txt?version=2"): ("remove", {"room": "lab", "name": "a.txt", "version": 2}),
    ("GET", "/api/v1/rooms"): ("rooms", {}),
    ("GET", "/api/v1/rooms?after=12&filter=dev-*+used"): (
        "rooms",
        {"after": 12, "filter": "dev-* used"},
    ),
    ("GET", "/api/v1/rooms/lab/messages?before=9"): ("history", {"room": "lab", "before": 9}),
    ("GET", "/api/v1/rooms/lab/members"): ("who", {"room": "lab"}),
    ("GET", "/api/v1/rooms/lab/topic"): ("topic", {"room": "lab"}),
    ("DELETE", "/api/v1/rooms/lab/membership?keep"): ("leave", {"room": "lab", "keep": True}),
    ("DELETE", "/api/v1/rooms/lab/messages/7"): ("erase", {"room": "lab", "position": 7}),
    ("PUT", "/api/v1/rooms/lab/pins/7"): ("pin", {"room": "lab", "position": 7}),
    ("DELETE", "/api/v1/rooms/lab/pins/7"): ("unpin", {"room": "lab", "position": 7}),
    ("GET", "/api/v1/rooms/lab/files/a.txt/versions"): (
        "versions",
        {"room": "lab", "name": "a.txt"},
    ),
    ("GET", "/api/v1/rooms/lab/search?text=a"): ("search", {"room": "lab", "text": "a"}),
    ("GET", "/api/v1/search?text=a%20b"): ("search", {"room": "*", "text": "a b"}),
    ("GET", "/api/v1/search?text=a&room=lab"): ("search", {"room": "lab", "text": "a"}),
    ("GET", "/api/v1/unread?room=@"): ("unread", {"room": "@"}),
    ("GET", "/api/v1/users/bob"): ("seen", {"user": "bob"}),
    ("GET", "/api/v1/users/bob/messages"): ("history", {"room": "@bob"}),
    ("DELETE", "/api/v1/transfers/a.txt"): ("cancel", {"name": "a.txt"}),
    ("DELETE", "/api/v1/tokens/ci"): ("revoke", {"label": "ci"}),
    ("GET", "/api/v1/do/who?room=lab"): ("who", {"room": "lab"}),
    ("GET", "/api/v1/do/topic?room=lab"): ("topic", {"room": "lab"}),
    ("POST", "/api/v1/do/create"): ("create", {}),
}


@pytest.mark.parametrize("request_", ASKED, ids=" ".join)
def test_a_path_and_a_query_call_a_command(request_):
    """Resources, commands and short forms, with fields of each type in the query."""
    method, path = request_
    assert asked(method, path.encode()) == ASKED[request_]


SAID = {
    (FORM, b"build failed"): "build failed",
    (FORM, b"a=b"): "a=b",
    (FORM, b"key=1"): "key=1",
    (FORM, b"text"): "text",
    (FORM, b"text=a&b"): "text=a&b",
    (FORM, b"text=a&text=b"): "text=a&text=b",
    (FORM, b"text=a&x=b"): "text=a&x=b",
    (FORM, b"text=100%"): "text=100%",
    (FORM, b"100% sure; a+b & c%20d"): "100% sure; a+b & c%20d",
    (FORM, b'{"text":"a"}'): '{"text":"a"}',
    (FORM, b"text=a+b%26c"): "a b&c",
    (FORM, "héllo".encode()): "héllo",
    (FORM, b"two\nlines\n"): "two\nlines",
    (FORM, b"\r\n"): "",
    (FORM, b""): "",
    (TEXT, b"text=a"): "text=a",
    ("Text/Plain; charset=UTF-8", "שלום\r\n".encode()): "שלום",
    ("", b"no type"): "no type",
    (JSON, b'{"text":"a\\nb"}'): "a\nb",
    (JSON, b'{"text":"a","about":null,"key":null}'): "a",
    ("application/json; charset=utf-8", b'{"text":"a","unknown":1,"key":null}'): "a",
}


@pytest.mark.parametrize(("sent", "text"), SAID.items(), ids=lambda it: repr(it)[:40])
@pytest.mark.parametrize("path", [b"/lab", MESSAGES])
def test_a_body_is_a_text_a_form_or_json(path, sent, text):
    """A form without the text, or with anything that is no field, is the text as it stands."""
    assert asked("POST", path, *sent) == ("say", {"room": "lab", "text": text})


@given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=200))
def test_any_text_arrives_as_it_was(text):
    """As curl sends it, called a form; only the end of its last line goes."""
    said = asked("POST", b"/lab", FORM, f"{text}\n".encode())[1]["text"]
    assert said == text.removesuffix("\r") or "text=" in text


def test_every_text_has_a_route():
    """A text for a room, a user, a topic, an edit; the word of a reaction."""
    entry = b"/api/v1/rooms/lab/messages/7"
    assert asked("POST", b"/@bob", FORM, b"hi") == ("msg", {"to": "bob", "text": "hi"})
    assert asked("PUT", b"/api/v1/rooms/lab/topic", FORM, b"tea") == (
        "topic",
        {"room": "lab", "text": "tea"},
    )
    assert asked("PUT", entry, FORM, b"new") == (
        "edit",
        {"room": "lab", "position": 7, "text": "new"},
    )
    assert asked("POST", entry + b"/reactions", FORM, b"+1") == (
        "react",
        {"room": "lab", "position": 7, "word": "+1"},
    )
    assert asked("POST", MESSAGES, JSON, b'{"text":"a","about":3.0}')[1]["about"] == 3
    assert asked("POST", MESSAGES + b"?text=a+b&about=3") == (
        "say",
        {"room": "lab", "text": "a b", "about": 3},
    )


REFUSED = {
    ("GET", b"/lab?limt=5"): (Code.BAD_ARGUMENT, 'no field "limt"; did you mean "limit"?'),
    ("GET", b"/lab?x"): (Code.BAD_ARGUMENT, "there may be after, before, limit, annotations"),
    ("GET", b"/api/v1/status?x"): (Code.BAD_ARGUMENT, "there may be name"),
    ("GET", b"/lab?limit=5&limit=6"): (Code.BAD_ARGUMENT, '"limit" is there twice'),
    ("GET", b"/lab?name=a&name=b"): (Code.BAD_ARGUMENT, '"name" is there twice'),
    ("GET", b"/lab?room=lab"): (Code.BAD_ARGUMENT, 'no field "room"'),
    ("GET", b"/lab?limit=many"): (Code.BAD_ARGUMENT, '"limit" of "history" must be a whole'),
    ("GET", b"/lab?limit"): (Code.BAD_ARGUMENT, '"limit" of "history" must be a whole'),
    ("GET", b"/lab?annotations=x"): (Code.BAD_ARGUMENT, "must be true or false"),
    ("GET", b"/api/v1/rooms/lab/topic?text=x"): (Code.BAD_ARGUMENT, 'no field "text"'),
    ("GET", b"/api/v1/do/unread?position=3"): (Code.BAD_ARGUMENT, 'no field "position"'),
    ("GET", b"/api/v1/search"): (Code.BAD_ARGUMENT, '"search" needs "text"'),
    ("GET", b"/lab", FORM, b"limit=5"): (Code.BAD_ARGUMENT, "GET takes no body"),
    ("GET", b"/lab/a%2Fb"): (Code.BAD_LINE, "no slash"),
    ("GET", b"/lab/a%5Cb"): (Code.BAD_LINE, "no slash"),
    ("GET", b"/lab/.."): (Code.BAD_LINE, "no slash"),
    ("GET", b"/lab/%2e%2E"): (Code.BAD_LINE, "no slash"),
    ("GET", b"/lab/%0d%0a"): (Code.BAD_LINE, "control character"),
    ("GET", b"/lab/%00"): (Code.BAD_LINE, "NUL"),
    ("GET", b"/lab?after=%00"): (Code.BAD_LINE, "NUL"),
    ("GET", b"/lab/%zz"): (Code.BAD_LINE, "hexadecimal"),
    ("GET", b"/lab/%FF"): (Code.BAD_LINE, "not UTF-8"),
    ("GET", b"/lab/%ed%a0%80"): (Code.BAD_LINE, "not UTF-8"),
    ("POST", b"/lab", FORM, b"\xff"): (Code.BAD_LINE, "not UTF-8"),
    ("POST", b"/lab", FORM, b"a\0b"): (Code.BAD_LINE, "NUL"),
    ("POST", b"/lab", JSON, b"build failed"): (Code.BAD_LINE, "not one JSON object"),
    ("POST", b"/lab", JSON, b"[1]"): (Code.BAD_LINE, "not one JSON object"),
    ("POST", b"/lab", JSON, b""): (Code.BAD_ARGUMENT, '"say" needs "text"'),
    ("POST", b"/lab", JSON, b"{}"): (Code.BAD_ARGUMENT, '"say" needs "text"'),
    ("PUT", b"/api/v1/rooms/lab/topic", JSON, b"{}"): (Code.BAD_ARGUMENT, '"topic" needs "text"'),
    ("POST", b"/lab", JSON, b'{"text":7}'): (Code.BAD_ARGUMENT, "must be a string"),
    ("POST", b"/lab", JSON, b'{"text":"a","about":"7"}'): (Code.BAD_ARGUMENT, "whole number"),
    ("POST", b"/lab", JSON, b'{"text":"a","room":"b"}'): (Code.BAD_ARGUMENT, '"room" is there tw'),
    ("POST", b"/lab?text=a", FORM, b"b"): (Code.BAD_ARGUMENT, '"text" is there twice'),
    ("POST", b"/lab", TEXT, b"x" * (BODY_BYTES + 1)): (Code.TOO_LONG, "as a file"),
    ("POST", b"/lab", TEXT, b"x" * (names.LINE_BYTES + 1)): (Code.TOO_LONG, "as a file"),
    ("POST", b"/api/v1/rooms", FORM, b"rom=a"): (Code.BAD_ARGUMENT, 'did you mean "room"?'),
    ("POST", b"/api/v1/do/sya"): (Code.UNKNOWN_COMMAND, 'did you mean "say"?'),
    ("POST", b"/api/v1/do/exit"): (Code.UNKNOWN_COMMAND, "no command"),
    ("POST", b"/api/v1/do/a/b"): (Code.UNKNOWN_COMMAND, "lists those there are"),
    ("PUT", b"/api/v1/rooms/lab/messages/x", FORM, b"a"): (Code.BAD_ARGUMENT, '"position"'),
    ("PUT", b"/lab"): (Code.BAD_FILE_NAME, "path that ends with a slash"),
    ("PUT", b"/lab/"): (Code.BAD_FILE_NAME, "path that ends with a slash"),
}


@pytest.mark.parametrize("request_", REFUSED, ids=lambda it: repr(it)[:60])
def test_what_cannot_be_asked_is_refused(request_):
    """Each with its code, and a sentence that names what is wrong."""
    code, part = REFUSED[request_]
    found, told = refused(*request_)
    assert (found, part in told) == (code, True), told


@pytest.mark.parametrize(
    "path",
    [b"/", b"//", b"//lab", b"/lab//", b"/lab/a/b", b"*", b"lab", b"", b"?x", b"/api", b"/api/"]
    + [
        b"/api/v1",
        b"/api/v1/",
        b"/api/v1/do/",
        b"/api/v2/rooms",
        b"/API/v1/rooms",
        b"/api/v1/rooms/",
    ]
    + [f"/{it}".encode() for it in sorted(RESERVED)]
    + [f"/{it}/x".upper().encode() for it in sorted(RESERVED)],
)
def test_other_paths_are_not_found(path):
    """No short form begins with a segment that is reserved, in any case."""
    for method in ("GET", "PUT", "POST", "DELETE"):
        with pytest.raises((NotFound, Refusal)) as caught:
            webapi.route(method, path)
        assert isinstance(caught.value, NotFound) or caught.value.code is Code.UNKNOWN_COMMAND


@pytest.mark.parametrize("room", sorted(RESERVED))
def test_a_room_of_a_reserved_name_has_a_path(room):
    """Under the API, where nothing is reserved."""
    assert asked("POST", target("api", "v1", "rooms", room, "messages"), FORM, b"a") == (
        "say",
        {"room": room, "text": "a"},
    )
    assert webroutes.file_path(room, "a") == f"/api/v1/rooms/{room}/files/a"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (b"/lab", ("GET", "POST", "PUT", "HEAD", "OPTIONS")),
        (b"/lab/", ("GET", "PUT", "HEAD", "OPTIONS")),
        (b"/lab/a.txt", ("GET", "PUT", "DELETE", "HEAD", "OPTIONS")),
        (b"/api/v1/do/say", ("POST", "OPTIONS")),
        (b"/api/v1/do/who?room=x", ("POST", "GET", "HEAD", "OPTIONS")),
        (b"/api/v1/users/bob/files/a", ("PUT", "OPTIONS")),
    ],
)
def test_other_methods_are_not_allowed(path, allowed):
    """The answer lists those there are, and so does that to OPTIONS."""
    with pytest.raises(MethodNotAllowed) as caught:
        webapi.route("BREW", path)
    assert caught.value.allowed == webapi.route("OPTIONS", path).allowed == allowed
    assert "PUT" in webapi.route("OPTIONS", b"*").allowed


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        (b"/lab", "multipart/form-data; boundary=x"),
        (b"/lab", "application/octet-stream"),
        (b"/lab", "text/plain; charset=latin-1"),
        (b"/api/v1/rooms", "text/plain"),
        (b"/api/v1/do/say", "text/plain"),
    ],
)
def test_other_types_of_bodies_are_not_supported(path, media_type):
    """The answer names those that are."""
    with pytest.raises(UnsupportedMediaType, match=r"application/json|UTF-8"):
        asked("POST", path, media_type, b"x")


# -- what is no call -------------------------------------------------------------------------------


@pytest.mark.parametrize("room", ["lab", "static", *ODD])
@pytest.mark.parametrize("name", ODD)
def test_odd_names_come_through(room, name):
    """Any name of a room and of a file, through the path that answers tell."""
    path = webroutes.file_path(room, name).encode()
    for method in ("GET", "HEAD"):
        download = webapi.route(method, path)
        assert download.request.command.name == "get"
        assert download.request.args == {"room": room, "name": name}
    assert webapi.route("PUT", path).args == {"room": room, "name": name} or room == "@"


@given(NAMES, NAMES)
def test_any_name_comes_through(room, name):
    """Names of any characters but slashes and controls; nothing is decoded twice."""
    path = webroutes.file_path(room, name).encode()
    assert webapi.route("GET", path).request.args == {"room": room, "name": name}
    raw = target("api", "v1", "rooms", room, "files", name)
    assert webapi.route("GET", raw).request.args == {"room": room, "name": name}


def test_an_upload_has_all_but_its_size():
    """The size comes with the head of the request, or grows."""
    upload = webapi.route("PUT", b"/lab/a.txt?key=k1&sha256=" + b"0f" * 32)
    assert upload.args == {"room": "lab", "name": "a.txt", "key": "k1", "sha256": "0f" * 32}
    assert upload.request(12).args == {**upload.args, "size": 12}
    assert webapi.route("PUT", b"/lab/?name=a.txt").args == {"room": "lab", "name": "a.txt"}
    for path in (b"/@bob/a.txt", b"/api/v1/users/bob/files/a.txt"):
        assert webapi.route("PUT", path).args == {"to": "bob", "name": "a.txt"}
    for wrong in (b"/lab/a.txt?size=5", b"/lab/a.txt?sha256=x", b"/@bob/a.txt?room=lab"):
        with pytest.raises(Refusal):
            webapi.route("PUT", wrong)


def test_a_room_is_followed():
    """After a position, or behind the last entries, or from now on."""
    offers = (LINES, EVENTS, TEXT, JSON)
    assert webapi.route("GET", MESSAGES + b"?follow") == Follow(offers, None, "lab", None, 0)
    follow = webapi.route("GET", b"/lab?follow=1&limit=5&after=7&name=bot")
    assert follow == Follow((TEXT, LINES, EVENTS, JSON), "bot", "lab", 7, 5)
    assert webapi.route("GET", b"/@?follow").room == "@"
    assert webapi.resumed(follow, "12").after == 12
    for other in ("", "x", "-1", "9" * 19, "１"):
        assert webapi.resumed(follow, other) == follow
    assert asked("GET", b"/lab?follow=false&before=5")[0] == "history"


@pytest.mark.parametrize("query", [b"follow=x", b"follow&follow", b"follow&before=5"])
def test_no_other_way_of_following(query):
    """`follow` is true or false, once, and goes with few other fields."""
    assert refused("GET", b"/lab?" + query)[0] is Code.BAD_ARGUMENT
    assert refused("GET", b"/@bob?follow")[0] is Code.BAD_ARGUMENT
    assert refused("GET", b"/lab/?follow")[0] is Code.BAD_ARGUMENT


def test_a_guest_gives_a_name():
    """In the query, unless the command has a name there; never in the body."""
    assert webapi.route("GET", b"/lab?name=b%C3%B6b&limit=5").guest == "böb"
    assert webapi.route("PUT", b"/lab/a.txt?name=bob").guest == "bob"
    assert webapi.route("GET", b"/lab").guest is None
    assert webapi.route("GET", b"/api/v1/session?name=bob").guest == "bob"
    nick = webapi.route("POST", b"/api/v1/do/nick?name=bob")
    assert (nick.guest, nick.request().args) == (None, {"name": "bob"})


def test_short_forms_prefer_text():
    """And the page in a browser; the API prefers JSON."""
    assert webapi.route("GET", b"/lab").offers == (TEXT, JSON, PAGE)
    assert webapi.route("POST", b"/lab").offers == (TEXT, JSON)
    assert webapi.route("GET", MESSAGES).offers == (JSON, TEXT)
    assert webapi.route("GET", b"/api/v1/rooms").offers == (JSON,)
    assert webapi.answers_text(b"/lab/x")
    assert not webapi.answers_text(b"/api/v1/x")


# -- the table -------------------------------------------------------------------------------------


def sample(arg):
    """Return a value for an argument."""
    if arg.type is ArgType.SHA256:
        return "0F" * 32
    if arg.type is ArgType.TIME:
        return "1h30m"
    return {int: 12, bool: True, str: "a b&c=d%"}[arg.type.json_type]


@pytest.mark.parametrize("command", COMMANDS_HERE, ids=lambda it: it.name)
def test_every_command_is_reached(command):
    """By JSON, a form and a query, with the same arguments as in the JSON format."""
    path = f"{API}/do/{command.name}".encode()
    fields = {arg.name: sample(arg) for arg in command.arguments(Format.JSON)}
    wanted = jsonlines.parse_request({"do": command.name, **fields})
    words = {name: "true" if it is True else it for name, it in fields.items()}
    data = json.dumps(fields).encode()
    assert webapi.route("POST", path).request("application/json", data) == wanted
    assert webapi.route("POST", path).request(FORM, urlencode(words).encode()) == wanted
    query = path + b"?" + urlencode(words).encode()
    if any(arg.is_secret for arg in command.arguments(Format.JSON)):
        assert "does not belong into an address" in refused("POST", query)[1]
    else:
        assert webapi.route("POST", query).request() == wanted


@pytest.mark.parametrize("command", COMMANDS_HERE, ids=lambda it: it.name)
def test_get_changes_nothing(command):
    """A command that does anything is called by POST only."""
    path = f"{API}/do/{command.name}".encode()
    if command.name not in READING:
        with pytest.raises(MethodNotAllowed):
            webapi.route("GET", path)
        return
    assert not command.changes or READING[command.name]
    assert {arg.name for arg in command.args} >= READING[command.name]
    for arg in command.needing_rights():
        assert arg.name in READING[command.name]


def test_the_rows_name_arguments_that_there_are():
    """Paths, fixed values and texts; no two rows have the same method and path."""
    assert len({(row.method, row.path) for row in ROUTES}) == len(ROUTES)
    assert READING.keys() <= COMMANDS.keys()
    for row in ROUTES:
        arguments = row.arguments().keys()
        used = {*row.sets, *row.leaves, *row.defaults, *([row.text] if row.text else [])}
        assert used <= arguments, row.path
        parts = dict.fromkeys(row.variables(), "x")
        assert row.values(parts).keys() <= arguments, row.path
        assert row.does is Does.CALL or row.command.name in ("get", "put", "hello")
        assert row.method != "GET" or row.command.name in {*READING, "get", "hello"}, row.path


@pytest.mark.parametrize("row", ROUTES, ids=lambda row: f"{row.method} {row.path}")
def test_every_row_is_reached(row):
    """By its method and a path of its shape."""
    path = row.path.format(**dict.fromkeys(row.variables(), "x")).encode()
    try:
        found = webapi.route(row.method, path)
    except Refusal as refusal:
        assert (row.does, refusal.code) == (Does.UPLOAD, Code.BAD_FILE_NAME)
        return
    assert getattr(found, "route", row) is row


PATHS = st.sampled_from([row.path for row in ROUTES]).flatmap(
    lambda path: st.dictionaries(
        st.sampled_from(["room", "name", "user", "position", "label"]), SEGMENTS, min_size=5
    ).map(lambda parts: path.format(**{it: quote(text, safe="") for it, text in parts.items()}))
)
KEYS = st.sampled_from(sorted({arg.name for it in COMMANDS_HERE for arg in it.args} | {"follow"}))
QUERIES = st.lists(st.tuples(KEYS, st.text() | st.integers().map(str)), max_size=3).map(urlencode)
TARGETS = st.one_of(
    st.binary(),
    st.text().map(lambda it: b"/" + it.encode(errors="surrogatepass")),
    st.builds(lambda path, query: f"{path}?{query}".encode(), PATHS, QUERIES),
)
TYPES = st.sampled_from(["", JSON, FORM, TEXT, "text/plain; charset=x"]) | st.text()
BODIES = st.one_of(
    st.binary(),
    QUERIES.map(str.encode),
    st.dictionaries(KEYS, st.text() | st.integers() | st.booleans()).map(
        lambda it: json.dumps(it).encode()
    ),
)


@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS"]) | st.text(), TARGETS, TYPES, BODIES
)
@example("GET", b"/lab?follow&after=" + b"9" * 18, "", b"")
def test_any_request_is_answered_or_refused(method, path, media_type, body):
    """Any bytes at all: what is asked, or one of the errors, in a sentence of this format."""
    try:
        found = webapi.route(method, path)
        if isinstance(found, webapi.Call):
            assert found.request(media_type, body).command.formats & Format.JSON
    except (Refusal, Fault) as error:
        assert error.sentence
