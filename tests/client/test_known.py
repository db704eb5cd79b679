"""Which certificates are remembered, and how."""

import stat

import pytest

from chatservice.client.known import VERIFIED, Known, fingerprint

ONE, OTHER = ":".join(["AB"] * 32), ":".join(["01"] * 32)


def test_what_is_remembered_is_found(tmp_path):
    """Each server has a line that people can read; a new one takes the place of the old."""
    known = Known(tmp_path / "state")
    assert known.of("localhost:5555") is None
    known.remember("localhost:5555", ONE)
    known.remember("[::1]:5555", VERIFIED)
    known.remember("localhost:5556", ONE)
    known.remember("localhost:5555", OTHER)
    again = Known(tmp_path / "state")
    assert again.of("localhost:5555") == OTHER
    assert again.of("[::1]:5555") == VERIFIED
    assert again.of("localhost:5556") == ONE
    assert again.path.read_text().splitlines() == [
        "[::1]:5555 verified",
        f"localhost:5556 {ONE}",
        f"localhost:5555 {OTHER}",
    ]
    assert [it.name for it in again.path.parent.iterdir()] == ["known-servers"]
    assert stat.S_IMODE(again.path.parent.stat().st_mode) == 0o700


def test_a_line_that_is_removed_is_forgotten(tmp_path):
    """That is how people say that a new certificate is right; what is no line of ours stays out."""
    known = Known(tmp_path)
    known.path.write_text("by hand\n\nnonsense\na b c\n")
    assert known.of("by") == "hand"
    known.remember("here:1", ONE)
    known.path.write_text("")
    assert known.of("here:1") is None


def test_what_cannot_be_read_is_not_taken_for_nothing(tmp_path):
    """Else somebody could make a server look new."""
    known = Known(tmp_path)
    known.path.mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        known.of("here:1")


@pytest.mark.parametrize("text", [ONE, ONE.lower(), "ab" * 32, ONE.replace(":", " ")])
def test_fingerprints(text):
    """However programs write them."""
    assert fingerprint(text) == ONE


@pytest.mark.parametrize("text", ["", "AB", ONE + ":AB", "sha1", "XY" * 32])
def test_what_is_no_fingerprint(text):
    """A sentence says how one is written."""
    with pytest.raises(ValueError, match=r"^A SHA-256 fingerprint has"):
        fingerprint(text)
