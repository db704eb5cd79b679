"""The lines that send a file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatservice.client.sending import Sending, asked_for
from chatservice.errors import Refusal


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
        ("report.pdf", Sending("report.pdf")),
        ("my report.pdf", Sending("my report.pdf")),
        ('"my report.pdf"', Sending("my report.pdf")),
        ("'my report.pdf'", Sending("my report.pdf")),
        ("my\\ report.pdf", Sending("my report.pdf")),
        ("report.pdf @bob", Sending("report.pdf", "bob")),
        ("my report.pdf @bob", Sending("my report.pdf", "bob")),
        ('"my report.pdf" @bob', Sending("my report.pdf", "bob")),
        ("odd @name", Sending("odd @name")),
        ("odd @name @bob", Sending("odd @name", "bob")),
        ("it's", Sending("it's")),
        ("folder/../report.pdf", Sending("folder/../report.pdf")),
    ],
)
def test_forms_and_paths(here, form, path, sending):
    """Every form takes every kind of path, with a user behind it or without."""
    assert asked_for(form.format(path)) == sending


def test_absolute_and_home(here):
    """A path from the root that would be a command, and one below the home directory."""
    assert asked_for(f"{here}/report.pdf") == Sending(f"{here}/report.pdf")
    assert asked_for("~/report.pdf @bob") == Sending(f"{here}/report.pdf", "bob")


@pytest.mark.parametrize(
    "line",
    ["hello", "report", "folder", "help", "quit", "@bob report.pdf", "/say report.pdf", "", "  "]
    + ["-file", "transfer", "//report.pdf", "see report.pdf", "/nothing/there", "a\0b"],
)
def test_what_sends_no_file(here, line):
    """Talk, commands (also where a file is called like one), folders, paths that lead nowhere."""
    assert asked_for(line) is None


def test_a_file_that_is_not_there_is_still_asked_for(here):
    """Who says that it is a file is to be told that there is none."""
    assert asked_for("transfer nothing.txt") == Sending("nothing.txt")
    assert asked_for("/put nothing.txt @bob") == Sending("nothing.txt", "bob")
    with pytest.raises(Refusal, match="PATH is missing"):
        asked_for("/put ")


@given(st.text())
def test_any_line_has_an_answer(line):
    """Nothing that can be typed makes it fail otherwise than with a refusal."""
    try:
        asked_for(line)
    except Refusal:
        assert line.lower().startswith("/put")
