"""The lines that people type, and their meaning."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatservice.errors import Code, Refusal
from chatservice.grammar import textparser
from chatservice.grammar.commands import COMMANDS, closest_command
from chatservice.grammar.commandtypes import Format, Request
from chatservice.grammar.help import TOPICS, help_lines

SHA = "0f" * 32

MEANINGS = {
    "hello": ("say", {"text": "hello"}),
    "//join lab": ("say", {"text": "/join lab"}),
    "/say /join lab": ("say", {"text": "/join lab"}),
    "/ME waves": ("me", {"text": "waves"}),
    "/join lab": ("join", {"room": "lab"}),
    "/join 3 s3cret": ("join", {"room": "3", "password": "s3cret"}),
    "/history": ("history", {}),
    "/history 5": ("history", {"limit": 5}),
    "/history #1812": ("history", {"after": 1812}),
    "/history #1812 5": ("history", {"after": 1812, "limit": 5}),
    "/topic": ("topic", {}),
    "/topic all about it": ("topic", {"text": "all about it"}),
    "/put report.pdf 12": ("put", {"name": "report.pdf", "size": 12}),
    f"/put my report.pdf 12 {SHA} @bob": (
        "put",
        {"name": "my report.pdf", "size": 12, "sha256": SHA, "to": "bob"},
    ),
    '/put "odd 7" 0 @bob': ("put", {"name": "odd 7", "size": 0, "to": "bob"}),
    "/get my report.pdf": ("get", {"name": "my report.pdf"}),
    "/get my report.pdf 100": ("get", {"name": "my report.pdf", "offset": 100}),
    '/get "report 7"': ("get", {"name": "report 7"}),
    "/get lab/a.csv": ("get", {"room": "lab", "name": "a.csv"}),
    "/get @/a.csv 5": ("get", {"room": "@", "name": "a.csv", "offset": 5}),
    # the words of other programs
    "join lab": ("join", {"room": "lab"}),
    "join 2": ("join", {"room": "2"}),
    "-goto room2": ("join", {"room": "room2"}),
    "create": ("create", {}),
    "NEW": ("create", {}),
    "NEW lab": ("create", {"room": "lab"}),
    "exit": ("exit", {}),
    "@John hello, you": ("msg", {"to": "John", "text": "hello, you"}),
    "@John /me waves at you": ("msg", {"to": "John", "text": "waves at you", "action": True}),
    "/msg John /me waves": ("msg", {"to": "John", "text": "waves", "action": True}),
    "@John /meet me": ("msg", {"to": "John", "text": "/meet me"}),
    "@John /me": ("msg", {"to": "John", "text": "/me"}),
    "-pr Bob hey": ("msg", {"to": "Bob", "text": "hey"}),
    "access server files": ("files", {"brief": True}),
    "list server files": ("files", {}),
    "download image1.png": ("get", {"name": "image1.png"}),
    "download report 7": ("get", {"name": "report 7"}),
    "help": ("help", {}),
    "bye": ("quit", {}),
    # similar lines
    "join us in the lab": ("say", {"text": "join us in the lab"}),
    " join lab": ("say", {"text": " join lab"}),
    "NEW ideas are welcome": ("say", {"text": "NEW ideas are welcome"}),
    "new": ("say", {"text": "new"}),
    "exit now": ("say", {"text": "exit now"}),
    "help me": ("say", {"text": "help me"}),
    "@John": ("say", {"text": "@John"}),
    "bye all": ("say", {"text": "bye all"}),
    "access server files now": ("say", {"text": "access server files now"}),
}


@pytest.mark.parametrize(("line", "meaning"), MEANINGS.items(), ids=list(MEANINGS))
def test_what_a_line_means(line, meaning):
    """Commands, other programs' words where the whole line has their shape, and else talk."""
    request = textparser.parse(line)
    assert (request.command.name, dict(request.args)) == meaning


@pytest.mark.parametrize("line", ["bye", "join lab", "NEW", "@bob hi", "download x"])
def test_other_programs_words_can_be_turned_off(line):
    """An operator who does not want bare words has them taken for talk."""
    assert textparser.parse(line, bare_words=False) == Request(COMMANDS["say"], {"text": line})


@pytest.mark.parametrize("line", ["", " ", "\t"])
def test_an_empty_line_means_nothing(line):
    """Pressing Enter says nothing."""
    assert textparser.parse(line) is None


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("/jion lab", "There is no command /jion; did you mean /join?"),
        ("/", "There is no command /; /help lists those there are."),
        ("/xyzzy", "There is no command /xyzzy; /help lists those there are."),
        ("/hello bob", "There is no command /hello; did you mean /help?"),
        ("/join", "ROOM is missing: /join ROOM [PASSWORD]"),
        ("join", "ROOM is missing: /join ROOM [PASSWORD]"),
        ("/join a b c", "That is one word too many: /join ROOM [PASSWORD]"),
        ("/msg bob", "TEXT is missing: /msg TO TEXT"),
        ("/put x", "SIZE is missing: /put NAME SIZE [SHA256] [+OFFSET] [@USER]"),
        (
            "/put x -5",
            "SIZE must be a whole number that is not negative: "
            "/put NAME SIZE [SHA256] [+OFFSET] [@USER]",
        ),
        (
            "/put x " + "9" * 30,
            "SIZE must be a whole number that is not negative: "
            "/put NAME SIZE [SHA256] [+OFFSET] [@USER]",
        ),
        ("/put 12", "SIZE is missing: /put NAME SIZE [SHA256] [+OFFSET] [@USER]"),
        ('/get "a" b', "That is one word too many: /get NAME [#VERSION] [OFFSET]"),
    ],
)
def test_a_refusal_says_what_to_do(line, sentence):
    """A line that is nearly a command is refused with its right form, or the nearest one."""
    with pytest.raises(Refusal) as caught:
        textparser.parse(line)
    assert caught.value.sentence == sentence
    assert caught.value.code in (Code.UNKNOWN_COMMAND, Code.BAD_ARGUMENT)


def test_only_a_command_that_may_be_used_is_suggested():
    """The closest one of those, or none."""
    with pytest.raises(Refusal, match="did you mean /backup"):
        textparser.parse("/bakup")
    with pytest.raises(Refusal, match="/help lists those there are"):
        textparser.parse("/bakup", may=lambda it: it.name != "backup")
    with pytest.raises(Refusal, match="did you mean /nick"):
        textparser.parse("/kick2", may=lambda it: it.name == "nick")


@given(st.one_of(st.binary(), st.text().map(str.encode)))
def test_any_bytes_mean_something_or_are_refused(line):
    """Any bytes are a request, nothing, or a refusal."""
    try:
        request = textparser.parse(textparser.decode(line))
    except Refusal as refusal:
        assert refusal.sentence
    else:
        assert request is None or COMMANDS[request.command.name] is request.command


@given(st.sampled_from(["/put ", "/get ", "/history ", "/msg ", "@", "-pr ", "NEW "]), st.text())
def test_arguments_are_taken_or_refused(start, rest):
    """Behind a command, too, anything is understood or refused."""
    try:
        textparser.parse(start + rest)
    except Refusal as refusal:
        assert refusal.sentence


def test_every_command_is_in_the_help():
    """`/help` has a line for each command, and `/help COMMAND` explains each."""
    lines = "\n".join(help_lines())
    for command in COMMANDS.values():
        if command.formats & Format.TEXT:
            assert command.usage in lines
            assert command.usage in help_lines(command.name)[0]
    assert help_lines("nonsense") == ()
    assert help_lines("ALL") == help_lines()
    named = sorted(name for topic in TOPICS.values() for name in topic)
    assert named == sorted(it.name for it in COMMANDS.values() if it.formats & Format.TEXT)
    assert closest_command("qut", Format.TEXT, lambda _: True) == "quit"


@pytest.mark.parametrize(
    ("line", "is_meant"),
    [
        ("transfer a.txt", True),
        ("transfer ./a @bob", True),
        ("transfer C:\\x", True),
        ("transfer money", False),
        ("transfer ./a to bob", False),
        ("transfer " + "/" * 8000 + " x", False),  # took 2.6 s
        ("~/x", True),
        ("~" * 8000, False),
        ("-file", True),
        ("transfer", True),
        ("C:\\docs\\report.pdf @bob", True),
        ("C:\\My Docs\\my report.pdf", True),
        ("C:/docs/report.pdf", True),
        ("\\\\nas\\my pub\\report.pdf", True),
        ('"C:\\My Docs\\report"', True),
        ("'/home/me/my report' @bob", True),
        ("/home/me/my report.pdf", True),
        ("..\\report.pdf", True),
        ("C:\\ is full", False),
        ("D:/", False),
        ('"so" he said', False),
        ("C:\\" + ". @a" * 2000, False),
    ],
    ids=lambda it: str(it)[:30],
)
def test_a_line_that_means_ones_own_file(line, is_meant):
    """The whole line must have this form; and any line is decided fast."""
    assert textparser.names_local_file(line) is is_meant


LINES = st.one_of(
    st.text(max_size=20),
    st.sampled_from(list(MEANINGS)),
    st.sampled_from(["join", "joined", " join lab", "-file x", "C:\\x", "a:\\x", "~/x", "./x", ""]),
    st.sampled_from(["-file", "transfer", '"C:\\a b"', "'./x'", "\\\\a\\b", "C:/x", "'/a/b c'"]),
    st.sampled_from(["transfer x", "transfer a/b", "\u3000", "\t", "bye", "byes", "bye\t", "\x85"]),
).filter(lambda line: "\n" not in line)


@given(st.lists(LINES, min_size=1, max_size=4), st.booleans(), st.sampled_from([b"\n", b"\r\n"]))
def test_a_chunk_of_talk_is_what_its_lines_are(lines, bare_words, end):
    """Taken at once or line by line, a chunk says the same; what may be a command is never said."""
    chunk = b"".join(line.encode(errors="surrogatepass") + end for line in lines)
    found = textparser.parse_talk(chunk, bare_words)
    if found is not None:
        one_by_one = [line.removesuffix(b"\r") for line in chunk.split(b"\n")[:-1]]
        texts = [textparser.decode(line) for line in one_by_one]
        assert not bare_words or not any(map(textparser.names_local_file, texts))
        requests = [textparser.parse(text, bare_words) for text in texts]
        assert requests == [Request(COMMANDS["say"], {"text": text}) for text in found]


@pytest.mark.parametrize("line", ["hello", "joined lab yesterday", "  indented", "a/b", "wörld"])
def test_ordinary_talk_is_taken_by_the_chunk(line):
    """Ordinary talk takes the fast path."""
    assert textparser.parse_talk(f"{line}\n{line}\r\n".encode()) == [line, line]
