"""The lines that people read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatservice import events, replies
from chatservice.entries import Entry, EntryState, FileMark, Kind, Quote, ReactionCount, Run
from chatservice.grammar import textformat
from tests.grammar.test_jsonlines import RUNS

MARK = FileMark("a b.pdf", 1_500_000, "ab" * 32)
QUOTE = Quote("alice", "is it green?")
EDITED = "bob (edited #42): a\nbob (edited #42): b\n"


@pytest.mark.parametrize(
    ("run", "log", "line"),
    [
        (Run(Kind.MESSAGE, 0, "alice", ["hello"]), "lab", "alice: hello\n"),
        (Run(Kind.ACTION, 0, "alice", ["waves"]), "lab", "~ alice waves\n"),
        (Run(Kind.NOTICE, 0, "ci", ["built"]), "lab", "-ci- built\n"),
        (Run(Kind.NOTICE, 0, "ci", ["built"]), "@", "-ci -> you- built\n"),
        (Run(Kind.ACTION, 0, "bob", ["waves"]), "@", "~ bob -> you: waves\n"),
        (Run(Kind.SENT_ACTION, 0, "bob", ["waves"], to="ann"), "@", "~ bob -> ann: waves\n"),
        (Run(Kind.PRIVATE, 0, "alice", ["psst"]), "@", "alice -> you: psst\n"),
        (Run(Kind.MESSAGE, 0, "alice", ["one", "two"]), "lab", "alice: one\nalice: two\n"),
        (Run(Kind.MESSAGE, 0, "alice", ["a\nbob: b"]), "lab", "alice: a\nalice: bob: b\n"),
        (Run(Kind.TOPIC, 0, "alice", ["x"]), "lab", "* alice set the topic: x\n"),
        (Run(Kind.TOPIC, 0, "alice", [""]), "lab", "* alice removed the topic\n"),
        (Run(Kind.REMOVED, 0, "alice", ["a.pdf"]), "lab", "* alice removed the file a.pdf\n"),
        (
            Run(Kind.FILE, 0, "alice", file=MARK),
            "lab",
            "* alice shared a b.pdf (1.5 MB): /get a b.pdf\n",
        ),
        (
            Run(Kind.FILE, 0, "alice", file=MARK),
            "@",
            "* alice sent you a b.pdf (1.5 MB): /get @/a b.pdf\n",
        ),
        (
            Run(Kind.MESSAGE, 0, "bob", ["yes"], about=42, quote=QUOTE),
            "lab",
            'bob (to alice #42 "is it green?"): yes\n',
        ),
        (Run(Kind.MESSAGE, 0, "bob", ["yes"], about=42), "lab", "bob (to #42): yes\n"),
        (
            Run(Kind.ACTION, 0, "bob", ["nods"], about=42, quote=QUOTE),
            "lab",
            '~ bob (to alice #42 "is it green?") nods\n',
        ),
        (
            Run(Kind.MESSAGE, 0, "bob", ["a\n* alice left"], about=42, quote=QUOTE),
            "lab",
            'bob (to alice #42 "is it green?"): a\nbob (to #42): * alice left\n',
        ),
        (Run(Kind.EDIT, 0, "bob", ["a\nb"], about=42), "lab", EDITED),
        (Run(Kind.GONE, 0, "bob", about=42), "lab", ""),
        (
            Run(Kind.REACTION, 0, "bob", ["\U0001f44d"], about=42, quote=QUOTE),
            "lab",
            '* bob: \U0001f44d on #42 "is it green?"\n',
        ),
        (
            Run(Kind.REACTION_REMOVED, 0, "bob", ["+1"], about=42),
            "lab",
            "* bob: +1 taken off #42\n",
        ),
        (
            Run(Kind.PINNED, 0, "bob", about=42, quote=QUOTE),
            "lab",
            '* bob pinned #42 "is it green?"\n',
        ),
        (Run(Kind.UNPINNED, 0, "bob", about=42), "lab", "* bob took the pin off #42\n"),
        (Run(Kind.SENT, 0, "alice", ["a\nb"], to="bob"), "@", "alice -> bob: a\nalice -> bob: b\n"),
        (Run(Kind.SENT_NOTICE, 0, "ci", ["done"], to="bob"), "@", "-ci -> bob- done\n"),
        (
            Run(Kind.SENT_FILE, 0, "alice", file=MARK._replace(version=2), to="bob"),
            "@",
            "* alice sent bob a b.pdf (1.5 MB, version #2)\n",
        ),
    ],
)
def test_entries_as_lines(run, log, line):
    """Each kind of entry has its form; every line of a text says whose it is."""
    assert textformat.run(7, run, log).decode() == line


def test_history_has_time_and_position():
    """Earlier entries are stamped, so nobody takes them for new ones."""
    pairs = ((1812, Entry(Kind.MESSAGE, 1_700_000_000_123, "alice", "hello")),)
    line = textformat.reply(replies.History("lab", pairs)).decode()
    assert line == "[2023-11-14 22:13:20Z #1812] alice: hello\n"


def test_history_tells_what_was_edited_and_reacted_to():
    """Edits are told in front of the text, where nobody can write; reactions have a line below."""
    edited = EntryState(50, 1_700_000_000_123)
    words = ReactionCount("\U0001f44d", 12, ("al", "bo")), ReactionCount("no", 1, ("al",))
    reacted = EntryState(reactions=words, pinned=True)
    pairs = (
        (7, Entry(Kind.MESSAGE, 0, "bob", "a\nb", state=edited)),
        (8, Entry(Kind.NOTICE, 0, "ci", "c", about=7, quote=QUOTE, state=edited)),
        (9, Entry(Kind.FILE, 0, "bob", file=MARK, state=reacted)),
    )
    assert textformat.reply(replies.History("lab", pairs)).decode() == (
        "[1970-01-01 00:00:00Z #7] bob (edited): a\n"
        "[1970-01-01 00:00:00Z #7] bob: b\n"
        '[1970-01-01 00:00:00Z #8] -ci (to alice #7 "is it green?", edited)- c\n'
        "[1970-01-01 00:00:00Z #9] * bob shared a b.pdf (1.5 MB): /get a b.pdf\n"
        "[1970-01-01 00:00:00Z #9] * pinned, \U0001f44d 12 (al, bo and 10 more), no 1 (al)\n"
    )


@given(RUNS, st.sampled_from(["lab", "@"]))
def test_a_run_is_shown_as_its_entries_are(run, log):
    """That many lines are made at once shows in nothing but the time it takes."""
    alone = [textformat.run(at, entry.as_run(), log) for at, entry in run.entries(7)]
    assert textformat.run(7, run, log) == b"".join(alone)
    alone = [textformat.replayed(at, entry.as_run(), log) for at, entry in run.entries(7)]
    assert textformat.replayed(7, run, log) == b"".join(alone)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (1000, "1.0 kB"), (999_999, "1.0 MB")]
    + [(25_000_000, "25.0 MB"), (2 << 30, "2.1 GB"), (1 << 50, "1.1 PB")],
)
def test_sizes_that_people_can_read(count, text):
    """Powers of 1000, a digit behind the point."""
    assert textformat.size(count) == text


@given(st.text().filter(lambda text: "\n" not in text))
def test_an_events_line_is_one_line(text):
    """Any farewell is shown in one line that begins with a star."""
    line = textformat.event(events.UserLeft("lab", "alice", text.encode(errors="ignore").decode()))
    assert line.startswith(b"* alice left")
    assert line.count(b"\n") == 1


def test_a_user_who_was_put_out():
    """The line does not say that the user left."""
    put_out = events.UserLeft("lab", "alice", reason=events.LeaveReason.OUT)
    assert textformat.event(put_out) == b"* alice was put out\n"


@pytest.mark.parametrize(
    ("what", "user", "why", "told"),
    [
        ("kick", "eve", "", "ann put eve out"),
        ("kick", "eve", "too loud", "ann put eve out: too loud"),
        ("mute", "eve", "for 60 s", "ann muted eve for 60 s"),
        ("ban", "eve", "for 60 s: spam", "ann banned eve for 60 s: spam"),
        ("slow", "", "60", "ann lets everybody speak once in 60 s"),
        ("slow", "", "0", "ann lets everybody speak at any time"),
        ("access", "", "invited", "ann lets in only invited users"),
        (
            "access",
            "",
            "public with a password",
            "ann opened the room to everybody with a password",
        ),
        ("paint", "{eve}", "{red}", "ann paint {eve}: {red}"),
    ],
)
def test_what_a_moderator_did(what, user, why, told):
    """Is told in words, also by a newer server that knows more of it."""
    assert (
        textformat.event(events.Moderated("lab", "ann", what, user, why)) == f"* {told}\n".encode()
    )


def test_members_who_are_not_here():
    """The line tells when each was here last, if that is known."""
    absent = (replies.RoomMember("bob", False, 1_700_000_000_123), replies.RoomMember("eve", False))
    it = replies.MemberList("lab", (replies.Member("al", ""),), 1, 0, absent, 3)
    assert textformat.reply(it).decode().splitlines() == [
        "* 1 in lab: al",
        "* Members who are not here: bob (seen 2023-11-14 22:13Z), eve and 3 more members",
    ]
