"""The lines that send a file."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatservice.client.typedlines import FileToSend, file_to_send
from chatservice.errors import Refusal
from chatservice.grammar import textparser

_FORM = re.compile(r"(?i:/put)|-file|transfer")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Go to a folder with a few files in it, and return it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("report.pdf", "my report.pdf", "help", "odd @name", "it's", "quit"):
        (tmp_path / name).write_text("x")
    (tmp_path / "folder").mkdir()
    return tmp_path


@pytest.mark.parametrize("form", ["{}", "/put {}", "-file {}", "transfer {}", "/PUT  {} "])
@pytest.mark.parametrize(
    ("path", "sending"),
    [
        ("report.pdf", FileToSend("report.pdf")),
        ("my report.pdf", FileToSend("my report.pdf")),
        ('"my report.pdf"', FileToSend("my report.pdf")),
        ("'my report.pdf'", FileToSend("my report.pdf")),
        ("my\\ report.pdf", FileToSend("my report.pdf")),
        ("report.pdf @bob", FileToSend("report.pdf", "bob")),
        ("my report.pdf @bob", FileToSend("my report.pdf", "bob")),
        ('"my report.pdf" @bob', FileToSend("my report.pdf", "bob")),
        ("odd @name", FileToSend("odd @name")),
        ("odd @name @bob", FileToSend("odd @name", "bob")),
        ("it's", FileToSend("it's")),
        ("folder/../report.pdf", FileToSend("folder/../report.pdf")),
    ],
)
def test_forms_and_paths(here, form, path, sending):
    """Every form takes every kind of path, with or without a user after it."""
    assert file_to_send(form.format(path)) == sending


def test_absolute_and_home(here):
    """A path from the root that would be a command, and one below the home directory."""
    assert file_to_send(f"{here}/report.pdf") == FileToSend(f"{here}/report.pdf")
    assert file_to_send("~/report.pdf @bob") == FileToSend(f"{here}/report.pdf", "bob")


WINDOWS = [
    "C:\\docs\\report.pdf",
    "C:\\My Docs\\my report.pdf",
    "\\\\nas\\pub\\a.txt",
    "D:/x/y.txt",
]


@pytest.mark.parametrize("form", ["{}", "/put {}", "-file {}", "transfer {}"])
@pytest.mark.parametrize("path", [*WINDOWS, "/nothing/there", "./nothing", "~/my/nothing.txt"])
@pytest.mark.parametrize("quote", ["", '"', "'"])
@pytest.mark.parametrize("user", ["", " @bob"])
def test_a_missing_file_is_named_as_it_was_typed(here, form, path, quote, user):
    """Each form names the missing file with its backslashes and spaces, without quotes; so does a
    line that can only be a path."""
    with pytest.raises(Refusal) as refused:
        file_to_send(form.format(f"{quote}{path}{quote}{user}"))
    told = path.replace("~", str(here))
    assert refused.value.sentence.startswith(f"There is no file {told} here (no such file)")


@pytest.mark.parametrize("form", ["{}", "/put {}", "-file {}", "transfer {}"])
@pytest.mark.parametrize(
    "name", ["docs\\report.pdf", "C:\\docs\\my report.pdf", "\\\\nas\\pub\\a.txt"]
)
@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_backslashes_are_part_of_a_path(here, form, name, quote):
    """A file with backslashes in its name is found, and no other file instead."""
    for each in (name, name.replace("\\", "")):
        (here / each).write_text("x")
    assert file_to_send(form.format(f"{quote}{name}{quote} @bob")) == FileToSend(name, "bob")
    (here / name).unlink()
    if form != "{}":
        with pytest.raises(Refusal, match="no such file"):
            file_to_send(form.format(f"{quote}{name}{quote}"))


@pytest.mark.parametrize(
    "line",
    ["hello", "report", "folder", "help", "quit", "@bob report.pdf", "/say report.pdf", "", "  "]
    + ["//report.pdf", "see report.pdf", "a\0b", "C: is full", "C:\\ is full", "D:/ ha", "x:/"]
    + ["./configure fails for me", '"C is better"', "transferred", "-files", "nothing.txt"],
)
def test_lines_that_send_no_file(here, line):
    """Talk and commands send no file, even if a file has such a name."""
    assert file_to_send(line) is None


@pytest.mark.parametrize("form", ["-file", "transfer", "/put", "/put "])
def test_a_command_without_a_path_is_refused(here, form):
    """The refusal names the missing path, and nothing is said."""
    with pytest.raises(Refusal, match="PATH is missing"):
        file_to_send(form)


def test_a_sentence_that_begins_as_a_form_is_told_how_to_say_it(here):
    """There is no such file, and the line may be talk."""
    with pytest.raises(Refusal, match=r"no such file.* To say it: /say transfer the money"):
        file_to_send("transfer the money")


def test_a_folder_is_sent_as_what_it_is(here):
    """The error appears when the folder is opened for reading."""
    assert file_to_send("-file folder") == FileToSend("folder")


@given(st.text())
def test_any_line_has_an_answer(line):
    """For any typed line, the only exception is a refusal."""
    try:
        file_to_send(line)
    except Refusal:
        assert _FORM.match(line) or textparser.names_local_file(line)
