"""The gate through which every name and every text comes in."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatservice import names
from chatservice.errors import Code, Refusal


@pytest.mark.parametrize(
    "name", ["alice", "R2-D2", "Ünal", "李雷", "मीरा", "a.b_c", "7of9", "x" * 32]
)
def test_names_of_any_script_pass(name):
    """Letters, digits, dots, dashes and underscores of any script make a name."""
    assert names.user(name) == unicodedata.normalize("NFKC", name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "al ice",
        "a/b",
        "a\\b",
        "-goto",
        "*",
        ".x",
        "a\x1b[2J",
        "a\nb",
        "a\u202eb",
        "a" * 33,
    ]
    + ["a\u200bb", "~me", "[x]", "\u0301a", "a:b", "@bob", "\ud800"],
)
def test_what_could_forge_a_line_or_leave_a_folder_is_no_name(name):
    """Names that look like a line of the server or like a path are refused."""
    with pytest.raises(Refusal) as caught:
        names.user(name)
    assert caught.value.code is Code.BAD_NAME
    assert caught.value.sentence.endswith(".")


def test_a_rooms_name_is_no_number():
    """Rooms are also called by their numbers, so a number is no name."""
    with pytest.raises(Refusal):
        names.room("12")
    assert names.user("12") == "12"


def test_case_does_not_tell_names_apart():
    """Alice and ALICE are the same, and so are two ways of writing é."""
    assert names.key("ALICE") == names.key("alice")
    assert names.key("e\u0301va") == names.key("\u00c9VA")


@pytest.mark.parametrize(
    "name",
    ["report.pdf", "Übersicht 2026 (final).odt", "a b  c", "-rf", 'quo"te', "x" * 255, "😀.png"],
)
def test_file_names_may_be_nearly_anything(name):
    """Spaces, quotes and any script are fine in a file's name."""
    assert names.file(name) == name


@pytest.mark.parametrize(
    "name",
    ["", " ", ".", "..", "../etc/passwd", "/etc/passwd", "a/b", "a\\b", "C:\\x", ".hidden", "a\0b"]
    + ["C:x", "a%2fb", "..%5Cx", "%2e%2e", "%252e%252e%252fpasswd", "a%00", "a%1Bb"]
    + ["a\nb", "a\x1bb", "a\u202eb", "x" * 256, "é" * 128],
)
def test_file_names_cannot_leave_their_folder(name):
    """A file's name is one part of a path, visible, and safe to show."""
    with pytest.raises(Refusal) as caught:
        names.file(name)
    assert caught.value.code is Code.BAD_FILE_NAME


@given(st.text())
def test_cleaned_text_cannot_steer_a_terminal(text):
    """After cleaning, no control character is left but tab and newline, and no override."""
    for character in names.clean(text):
        assert character in "\t\n" or unicodedata.category(character) not in (
            "Cc",
            "Cs",
            "Zl",
            "Zp",
        )
        assert character not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Cf", "Zl", "Zp"))))
def test_ordinary_text_is_left_alone(text):
    """Cleaning changes nothing in text that could do no harm."""
    assert names.clean(text) == text


@given(st.text())
def test_a_name_is_accepted_as_it_was_returned(text):
    """A cleaned name is clean: it passes again unchanged, within its bounds."""
    try:
        name = names.user(text)
    except Refusal:
        return
    assert names.user(name) == name
    assert 0 < len(name) <= names.NAME_CHARACTERS
    assert not set(name) & set(" /\\:*!~=[@\n")


@given(st.text(st.sampled_from("ab\u0301\u200d\u0e47\u1161\ufe0f\u202e漢"), max_size=200))
def test_no_pile_is_higher_than_it_may_be(text):
    """Of what has no width, 30 in a row are left; what is too much of it is one U+FFFD."""
    cleaned = names.clean(text)
    flat = [names._has_no_width(c) for c in cleaned]
    assert "1" * 31 not in "".join("01"[it] for it in flat)
    assert names.clean(cleaned) == cleaned


def test_a_pile_is_cut_where_it_is_too_high():
    """Thirty marks stay, one character tells that there were more, and what follows is there."""
    assert names.clean("a" + "\u0301" * 30 + "b") == "a" + "\u0301" * 30 + "b"
    assert names.clean("a" + "\u0301" * 10_000 + "b") == "a" + "\u0301" * 30 + "\ufffdb"
    assert names.clean_all(["x", "e" + "\u0301" * 99]) == ["x", "e" + "\u0301" * 30 + "\ufffd"]
    assert not names.is_file("a" + "\u0301" * 31)


def test_marks_on_a_letter_of_a_name():
    """Four of them make a name in any language; more make a smear."""
    assert names.user("q" + "\u0301" * 4)
    for marks in ("\u0301" * 5, "\u0301" * 4000, "\u0301" * 2000 + "\u0327" * 2000):
        with pytest.raises(Refusal):
            names.user("q" + marks)
    assert names.key("q" + "\u0301" * 4000) != names.key("q")
