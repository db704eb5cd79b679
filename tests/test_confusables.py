"""Names that look alike."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatservice import names
from chatservice.confusables import skeletons
from chatservice.errors import Code, Refusal


def alike(one: str, other: str) -> bool:
    """Return whether two names look alike."""
    return not skeletons(names.user(one)).isdisjoint(skeletons(names.user(other)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("alice", "ALICE"),
        ("alice", "а1iсе"),  # Cyrillic: first, fourth and last letter
        ("alice", "аlісе"),
        ("alice", "aIice"),
        ("alice", "a1ice"),
        ("alice", "ａｌｉｃｅ"),
        ("alice", "𝐚𝐥𝐢𝐜𝐞"),
        ("AL", "A1"),
        ("AI", "Al"),
        ("AI", "ai"),
        ("Bob", "ВОВ"),  # Cyrillic capitals
        ("BOB", "В0В"),
        ("mary", "Мary"),  # a Cyrillic capital
        ("Otto", "0tto"),
        ("modern", "modem"),
        ("o", "о"),
        ("о", "ο"),
        ("straße", "STRASSE"),
        ("é", "e\u0301"),
    ],
)
def test_what_looks_alike(one, other):
    """Case, width, style, the letters of another script, I and l and 1, O and 0, rn and m."""
    assert alike(one, other)
    assert alike(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("alice", "alicia"),
        ("alice", "alice2"),
        ("ai", "al"),
        ("Jose", "José"),
        ("user1", "user2"),
        ("a.b", "a-b"),
        ("李雷", "李雪"),
        ("иван", "ivan"),
    ],
)
def test_what_does_not(one, other):
    """Names that people tell apart."""
    assert not alike(one, other)


@pytest.mark.parametrize(
    "one", ["a\u034fb", "a\ufe00b", "\u3164", "\u1160", "a\u200bb", "a\u180bb"]
)
def test_what_is_not_seen_is_in_no_name(one):
    """A zero-width character, a filler or a variation selector makes two names of one."""
    with pytest.raises(Refusal) as caught:
        names.user(one)
    assert caught.value.code is Code.BAD_NAME


def accepted(text: str) -> str | None:
    """Return what the gate makes of a text, or None."""
    try:
        return names.user(text)
    except Refusal:
        return None


NAMES = st.one_of(
    st.text(st.characters(categories=("L", "N", "Mn")), min_size=1, max_size=8),
    st.text("Il1oO0mMrnаеіВМ.-", min_size=1, max_size=6),
)


@given(NAMES, NAMES)
def test_looking_alike_goes_both_ways(one, other):
    """Each name looks like itself, in any case. It looks like another one exactly if that one looks
    like it, with any text before or after both."""
    one, other = accepted(one), accepted(other)
    if one is None or other is None:
        return
    assert 1 <= len(skeletons(one)) <= 2
    for cased in (one.upper(), one.lower(), one.casefold(), one.title()):
        again = accepted(cased)
        if again is not None and names.key(again) == names.key(one):
            assert alike(one, again)
    assert alike(one, other) == alike(other, one)
    if names.key(one) == names.key(other):
        assert alike(one, other)
    if alike(one, other) and (one + other).isascii():
        assert not skeletons("x" + one).isdisjoint(skeletons("x" + other))


@given(NAMES)
def test_a_skeleton_is_its_own(name):
    """The skeleton of a skeleton is itself, so comparing skeletons is enough."""
    for skeleton in skeletons(name):
        assert skeleton in skeletons(skeleton)
        assert skeleton == unicodedata.normalize("NFD", skeleton)
        assert skeleton == skeleton.casefold()


@given(st.text("abcdeIl1oO0mMrn.-_", min_size=1))
@example("".join(map(chr, range(128))))
def test_the_short_way_of_ascii_is_right(name):
    """The code's table of ASCII agrees with Unicode's data, which it replaces for ASCII names."""
    long = skeletons("é" + name)
    assert {"e\u0301" + look for look in skeletons(name)} == long
