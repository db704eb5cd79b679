"""Users who may not speak show no text of their own in any other way. The same holds towards those
who ignore them."""

import pytest

from chatservice.errors import Code
from tests.protocols.test_moderation import code, enter, ok, owner  # noqa: F401 - fixtures

PILLS = "BUY-PILLS"


def mute(owner, eve):  # noqa: F811
    """Keep eve from speaking."""
    ok(owner, do="mute", room="studio", user="eve")


def freeze(owner, eve):  # noqa: F811
    """Let only moderators speak."""
    ok(owner, do="freeze", room="studio")


def slow(owner, eve):  # noqa: F811
    """Let eve wait for her next turn."""
    ok(owner, do="slow", room="studio", seconds=3600)
    ok(eve, do="say", room="studio", text="hello")


SILENCED = pytest.mark.parametrize("silence", [mute, freeze, slow], ids=lambda it: it.__name__)


def until_left(bot):
    """Return all that a connection is told up to that somebody left, as it came."""
    found = [bot.line()]
    while '"left"' not in found[-1]:
        found.append(bot.line())
    return "\n".join(found)


@SILENCED
def test_last_words_and_names(enter, owner, silence):  # noqa: F811
    """Last words are not shown, and neither is a name that is taken: it can be a message. That
    somebody leaves is seen."""
    eve = enter("eve", "studio")
    silence(owner, eve)
    assert ok(eve, do="nick", name=PILLS)["name"] == PILLS
    ok(eve, do="nick", name="eve")
    ok(eve, do="quit", text=PILLS)
    told = until_left(owner)
    assert PILLS not in told
    assert '"text":""' in told.rpartition('"left"')[2]


@SILENCED
def test_a_room_sees_a_user_leave_whom_it_knows(enter, owner, silence):  # noqa: F811
    """A user who took a name that was not shown is away and leaves under the last one that was."""
    ok(enter(PILLS), do="register", password="s3cret")
    eve = enter("eve", "studio")
    silence(owner, eve)
    ok(eve, do="nick", name=f"{PILLS}2")
    ok(eve, do="away", text="lunch")
    assert owner.event("away")["from"] == "eve"
    ok(eve, do="login", name=PILLS, password="s3cret")
    eve.close()
    assert owner.event("left")["from"] == "eve"
    assert PILLS not in owner.seen


def test_a_name_that_is_shown_again(enter, owner):  # noqa: F811
    """Once the user may speak, a new name is shown beside the last one that was."""
    eve = enter("eve", "studio")
    mute(owner, eve)
    ok(eve, do="nick", name=PILLS)
    ok(owner, do="unmute", room="studio", user=PILLS)
    ok(eve, do="nick", name="evelyn")
    told = owner.event("renamed")
    assert (told["from"], told["name"]) == ("eve", "evelyn")


@SILENCED
def test_topics_and_files(enter, owner, silence):  # noqa: F811
    """Neither a topic nor the name of a file carries the text of a muted user."""
    eve = enter("eve", "studio")
    silence(owner, eve)
    refused = Code.TOO_FAST if silence is slow else Code.NOT_ALLOWED
    assert code(eve, do="topic", room="studio", text=PILLS) == refused
    assert code(eve, do="me", room="studio", text=PILLS) == refused
    assert code(eve, do="put", room="studio", name=f"{PILLS}.txt", size=1) == refused


def test_why_one_is_away(enter, owner):  # noqa: F811
    """It is seen that they are, and not why."""
    eve = enter("eve", "studio")
    ok(eve, do="away", text=PILLS)
    mute(owner, eve)
    rows = {it["name"]: it["away"] for it in ok(owner, do="who", room="studio")["users"]}
    assert rows["eve"] == "away"
    ok(owner, do="unmute", room="studio", user="eve")
    rows = {it["name"]: it["away"] for it in ok(owner, do="who", room="studio")["users"]}
    assert rows["eve"] == PILLS
    ok(owner, do="ignore", user="eve")
    rows = {it["name"]: it["away"] for it in ok(owner, do="who", room="studio")["users"]}
    assert rows["eve"] == "away"


def test_slow_mode_counts_each_text(enter, owner):  # noqa: F811
    """A new name, a topic and a farewell each count as a message; at the user's turn they are
    shown."""
    ok(owner, do="slow", room="studio", seconds=3600)
    eve, bob = enter("eve", "studio"), enter("bob", "studio")
    ok(eve, do="nick", name="evelyn")
    assert owner.event("renamed")["name"] == "evelyn"
    assert code(eve, do="say", room="studio", text="hello") == Code.TOO_FAST
    ok(bob, do="topic", room="studio", text="slowly")
    assert code(bob, do="say", room="studio", text="hello") == Code.TOO_FAST
    carol = enter("carol", "studio")
    ok(carol, do="quit", text="so long")
    assert owner.event("left")["text"] == "so long"
    ok(owner, do="say", room="studio", text="who moderates")
    ok(owner, do="say", room="studio", text="speaks at any time")


def test_who_ignores_somebody_is_told_nothing_of_theirs(enter, owner):  # noqa: F811
    """Neither last words nor a name that they take; all others are."""
    eve, bob = enter("eve", "studio"), enter("bob", "studio")
    ok(owner, do="ignore", user="eve")
    ok(eve, do="nick", name=PILLS)
    ok(eve, do="nick", name="evelyn")
    ok(eve, do="quit", text=PILLS)
    assert PILLS not in until_left(owner)
    assert bob.event("renamed")["name"] == PILLS
    assert bob.event("left")["text"] == PILLS
    ok(bob, do="quit", text="so long")
    assert owner.event("left")["text"] == "so long"
