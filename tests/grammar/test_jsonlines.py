"""The JSON format, both ways."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatservice import events, names, replies
from chatservice.entries import (
    COPY_KINDS,
    Entry,
    EntryState,
    FileMark,
    Kind,
    Quote,
    ReactionCount,
    Run,
)
from chatservice.errors import Code, Refusal
from chatservice.grammar import jsonclient, jsonlines
from chatservice.grammar.commands import COMMANDS
from chatservice.grammar.commandtypes import Format, Request

TEXT = st.text(st.characters(exclude_categories=("Cs",)))
TIMES = st.integers(0, 4_000_000_000_000)
MARKS = st.builds(FileMark, TEXT, st.integers(0, 1 << 50), st.just("ab" * 32), st.integers(1, 99))
REACTIONS = (Kind.REACTION, Kind.REACTION_REMOVED)
PINS = (Kind.PINNED, Kind.UNPINNED)
COPIES = set(COPY_KINDS.values())
OTHERS = {Kind.FILE, Kind.ERASED, Kind.GONE, *REACTIONS, *PINS, *COPIES}
KINDS = st.sampled_from([it for it in Kind if it not in OTHERS])
QUOTES = st.none() | st.builds(Quote, st.just("carol"), st.text("ab 👍'", max_size=27))
RUNS = st.one_of(
    st.builds(
        lambda run, about, quote: run._replace(about=about, quote=quote),
        st.builds(Run, KINDS, TIMES, TEXT, st.lists(TEXT, min_size=1, max_size=2), st.none()),
        st.integers(1, 1 << 60),
        QUOTES,
    ),
    st.builds(Run, KINDS, TIMES, TEXT, st.lists(TEXT, min_size=1, max_size=5), st.none()),
    st.builds(Run, st.just(Kind.FILE), TIMES, TEXT, st.just([""]), MARKS),
    st.builds(Run, st.just(Kind.ERASED), TIMES, TEXT, st.just(["1812"]), st.none()),
    st.builds(Run, st.just(Kind.GONE), TIMES, TEXT, st.just([""]), st.none()),
    st.builds(
        lambda kind, who, about, quote: Run(kind, 0, who, ["\U0001f44d"], about=about, quote=quote),
        *(st.sampled_from(REACTIONS), TEXT, st.integers(1, 1 << 60), QUOTES),
    ),
    st.builds(
        lambda kind, who, about, quote: Run(kind, 0, who, [""], about=about, quote=quote),
        *(st.sampled_from(PINS), TEXT, st.integers(1, 1 << 60), QUOTES),
    ),
    st.builds(
        *(Run, st.sampled_from((Kind.SENT, Kind.SENT_NOTICE)), TIMES, TEXT),
        *(st.lists(TEXT, min_size=1, max_size=2), st.none()),
    ),
    st.builds(Run, st.just(Kind.SENT_FILE), TIMES, TEXT, st.just([""]), MARKS),
)
REACTED = EntryState(reactions=(ReactionCount("+1", 11, ("bob", "carol")),), pinned=True)
ANSWERS = [
    replies.Done(),
    replies.Welcome("alice", True, "t0ken", 7),
    replies.Stored(42),
    replies.Erased("#7 is erased: x", 7),
    replies.Annotated("#7 is edited.", 8),
    replies.PrivateSent(42, "bob", "lunch", 7),
    replies.Joined("lab", 2, "", ("bob", "carol"), 42),
    replies.Created("room6", 6, "", (), 0),
    replies.Seen("bob", "idle", 700),
    replies.Seen("bob", "gone", time=1_700_000_000_123),
    replies.Seen("bob", "away", text="lunch", shown=False),
    replies.RoomList((replies.RoomInfo("lab", 2, "x", 3, False),)),
    replies.MemberList("lab", (replies.Member("bob", ""),)),
    replies.MemberList("lab", (), 0, 0, (replies.RoomMember("bob", False, 1_700_000_000_123),), 1),
    replies.UnreadList((replies.UnreadInfo("lab", 2, 9, 4, 5, 1),)),
    replies.ReadMark("@", 4),
    replies.Topic("lab", "x"),
    replies.RoomRules("lab", "public", False, True, 5, (replies.RuleInfo("muted", "b", 7, "a"),)),
    replies.ModerationLog("lab", (replies.ModerationInfo(1_700_000_000_123, "bob", "kick eve"),)),
    replies.History("lab", ((41, Entry(Kind.MESSAGE, 1_700_000_000_123, "bob", "hi")),)),
    replies.SearchMatches("lab", ((41, Entry(Kind.MESSAGE, 0, "bob", "hi")),), True),
    replies.History(
        "lab", ((41, Entry(Kind.MESSAGE, 0, "bob", "hi", state=EntryState(43, 1_700_000_000_123))),)
    ),
    replies.History("lab", ((41, Entry(Kind.MESSAGE, 0, "bob", "hi", state=REACTED)),)),
    replies.PinList("lab", ((41, Entry(Kind.MESSAGE, 0, "bob", "hi")),), True),
    replies.EditList("lab", ((41, Entry(Kind.EDIT, 0, "bob", "hi", about=7)),)),
    replies.FileList("lab", 1, 5, (replies.FileInfo("a", 5, None, "", 1_700_000_000_123),), False),
    replies.GetTicket("t", "a", 5, "ab" * 32, 2),
    replies.PutTicket("t", 0),
    replies.PutTicket(None, 5, True),
    replies.VersionList("lab", (replies.FileInfo("a", 5, None, "", 1_700_000_000_123, 2),)),
    replies.TransferList(
        (replies.TransferInfo("a", 5, 3, True, False, 7, 0.5, None),),
    ),
    replies.NewPassword("alice", "pass-word"),
    replies.NewToken("ci", "chat_x", "lab"),
    replies.TokenList((replies.TokenInfo("ci", None, 1_700_000_000_123),)),
    replies.PushKey("BAbc"),
    replies.InvitationCode("abcd-efgh"),
    replies.OperatorList(("alice",)),
    replies.BackupMade("/var/backups/chat", 2, 300, True, 1, ("/etc/key.pem",)),
    replies.ServerStatus(
        *("1.0", 60, (replies.CountInfo("people", 2),), 2, 1, 3, 4, 500, 6),
        *((replies.CountInfo("database", 70),), (), (replies.CountInfo("too-long", 8),)),
    ),
    replies.ClusterStatus(
        "127.0.0.1:4222", 9, 70, 8, 1, 3, 2, True, (replies.NodeInfo("one", True, 0),)
    ),
    replies.UserList((replies.UserInfo("alice", True, ("lab",), ("127.0.0.1:5",), ""),), 3),
    replies.AccountList((replies.AccountInfo("alice", False, 1, 2),), 0),
    replies.Help(("one", "two"), ("say",)),
]


def as_stored(run):
    """Return a run as a server stores it: with what has passed the gate for names and texts."""
    if run.file is not None:
        run = run._replace(file=run.file._replace(name="notes 2.txt"))
    elif run.kind in (Kind.TOPIC, Kind.REMOVED):
        run = run._replace(texts=[names.one_line(text) for text in run.texts])
    else:
        run = run._replace(texts=names.clean_all(run.texts))
    quote = run.quote and Quote("carol", names.one_line(run.quote.text)[:27])
    about, to = abs(run.about) % (1 << 60), "Carol" if run.kind in COPIES else ""
    return run._replace(who="bob", registered=False, to=to, about=about, quote=quote)


@given(st.integers(0, 1 << 60), RUNS.map(as_stored), st.sampled_from(["lab", "@"]))
def test_entries_come_back_as_they_went(first, run, log):
    """A client reads the very entries that the server wrote, each on one line."""
    lines = jsonlines.run(first, run, log).split(b"\n")
    assert lines.pop() == b""
    found = [jsonclient.parse_entry(json.loads(line)) for line in lines]
    assert found == [(position, entry, log) for position, entry in run.entries(first)]


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda it: type(it).__name__)
def test_an_answer_comes_back_as_it_went(answer):
    """So it is with every kind of answer."""
    found = json.loads(jsonlines.reply(answer, 7))
    assert (found["event"], found["id"]) == ("ok", 7)
    assert jsonclient.parse_reply(type(answer), found) == answer


def test_every_kind_of_answer_is_tried():
    """The list above leaves none out, and every command's answer is one of them."""
    classes = [it for it in vars(replies).values() if isinstance(it, type)]
    found = {it for it in classes if issubclass(it, replies.Reply)} - {replies.Reply}
    assert {type(answer) for answer in ANSWERS} == found
    assert {command.reply for command in COMMANDS.values()} <= found


@pytest.mark.parametrize(
    "event",
    [events.UserJoined("lab", "bob"), events.UserLeft("lab", "bob", "bye"), events.Notice("soon")]
    + [events.Notice("now", events.EndReason.PUT_OUT), events.PutOut("lab", "bob", "kick", "why")]
    + [events.UserTyping("lab", "bob"), events.UserRenamed("lab", "bob", "rob")]
    + [events.Moderated("lab", "bob", "kick", "eve", "")],
)
def test_an_event_comes_back_as_it_went(event):
    """So it is with what is shown and not kept; an event of a later version is passed over."""
    assert jsonclient.parse_event(json.loads(jsonlines.event(event))) == event
    assert jsonclient.parse_event({"event": "sung"}) is None


def test_a_request_comes_back_as_it_went():
    """The server decodes the same request that the client encoded."""
    asked = Request(COMMANDS["say"], {"room": "lab", "text": "hi", "key": "k"}, 7)
    assert jsonlines.parse_request(jsonlines.load(jsonclient.encode_request(asked))) == asked


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"{", Code.BAD_LINE),
        (b"[]", Code.BAD_LINE),
        (b"7", Code.BAD_LINE),
        (b'{"do":"say",}', Code.BAD_LINE),
        (b'{"do":"say","x":NaN}', Code.BAD_LINE),
        (b'{"a":"\xff"}', Code.BAD_LINE),
        (b'{"a":"\0"}', Code.BAD_LINE),
        (b'{"id":"\\ud800"}', Code.BAD_LINE),
        (b'{"id":"\xed\xa0\x80"}', Code.BAD_LINE),
        (b'{"do":"say","room":"lab","text":"x","key":"\xed\xb0\x80"}', Code.BAD_LINE),
        (b'\xef\xbb\xbf{"do":"rooms"}', Code.BAD_LINE),
        (b"[" * 100_000, Code.BAD_LINE),
        (b'{"a":' * 4000 + b"1" + b"}" * 4000, Code.BAD_LINE),
        (b'{"do":"join","room":' + b"9" * 5000 + b"}", Code.BAD_LINE),
        (b"{}", Code.BAD_ARGUMENT),
        (b'{"do":7}', Code.BAD_ARGUMENT),
        (b'{"do":"jion"}', Code.UNKNOWN_COMMAND),
        (b'{"do":"exit"}', Code.UNKNOWN_COMMAND),
        (b'{"do":"join"}', Code.BAD_ARGUMENT),
        (b'{"do":"join","room":7}', Code.BAD_ARGUMENT),
        (b'{"do":"join","room":"lab","after":"7"}', Code.BAD_ARGUMENT),
        (b'{"do":"join","room":"lab","after":-7}', Code.BAD_ARGUMENT),
        (b'{"do":"join","room":"lab","after":true}', Code.BAD_ARGUMENT),
        (b'{"do":"join","room":"lab","after":1.5}', Code.BAD_ARGUMENT),
        (b'{"do":"put","name":"x","size":1,"sha256":"ab"}', Code.BAD_ARGUMENT),
        (b'{"do":"say","room":"lab","text":"a\\u0000b"}', Code.BAD_LINE),
        (b'{"do":"rooms","id":[1]}', Code.BAD_ARGUMENT),
    ],
)
def test_what_is_no_request_is_refused(line, code):
    """Broken JSON, no object, a wrong type: each with its code."""
    with pytest.raises(Refusal) as caught:
        jsonlines.parse_request(jsonlines.load(line))
    assert caught.value.code is code
    assert caught.value.sentence.endswith((".", "?"))


def test_only_a_command_that_may_be_used_is_suggested():
    """The closest one of those, or none."""
    request = jsonlines.load(b'{"do":"bakup"}')
    with pytest.raises(Refusal, match='did you mean "backup"'):
        jsonlines.parse_request(request)
    with pytest.raises(Refusal, match="lists those there are"):
        jsonlines.parse_request(request, lambda it: it.name != "backup")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_json_is_a_request_or_refused(value):
    """Any value at all: a request or a refusal, and nothing else."""
    data = json.dumps({"do": "say", "room": value, "text": value, "id": value}).encode()
    for line in (json.dumps(value).encode(), data):
        try:
            assert jsonlines.parse_request(jsonlines.load(line)).command.formats & Format.JSON
        except Refusal as refusal:
            assert refusal.sentence


@given(st.integers(0, 1 << 60), st.none() | st.text() | st.integers())
def test_an_acknowledgement_is_an_answer_like_any(position, id_):
    """It is only written faster."""
    line = jsonlines.stored(position, id_)
    assert line == jsonlines.reply(replies.Stored(position), id_)


def test_of_two_fields_of_a_name_the_last_one_counts():
    """As in JavaScript."""
    assert (
        jsonlines.parse_request(jsonlines.load(b'{"do":"quit","do":"rooms"}')).command.name
        == "rooms"
    )


def test_a_refusal_quotes_harmlessly():
    """Quoted input in a refusal cannot control the terminal that shows it, or begin a new line."""
    it = Refusal(Code.NO_SUCH_ROOM, "There is no room \x1b[2J\x9b\u202e\n* x.")
    assert jsonlines.refusal(it, None).endswith(
        '"There is no room \ufffd[2J\ufffd\ufffd * x."}\n'.encode()
    )
