"""The memory of certificates, and its file."""

import os
import stat

import pytest

from chatservice.client.connectors import VERIFIED, KnownServers, KnownServersError, fingerprint

ONE, OTHER = ":".join(["AB"] * 32), ":".join(["01"] * 32)


def test_what_is_remembered_is_found(tmp_path):
    """Each server has a line that people can read; a new one takes the place of the old."""
    known = KnownServers(tmp_path / "state")
    assert known.fingerprint_of("localhost:5555") is None
    known.remember("localhost:5555", ONE)
    known.remember("[::1]:5555", VERIFIED)
    known.remember("localhost:5556", ONE)
    known.remember("localhost:5555", OTHER)
    again = KnownServers(tmp_path / "state")
    assert again.fingerprint_of("localhost:5555") == OTHER
    assert again.fingerprint_of("[::1]:5555") == VERIFIED
    assert again.fingerprint_of("localhost:5556") == ONE
    assert again.path.read_text().splitlines() == [
        "[::1]:5555 verified",
        f"localhost:5556 {ONE}",
        f"localhost:5555 {OTHER}",
    ]
    assert [it.name for it in again.path.parent.iterdir()] == ["known-servers"]
    assert stat.S_IMODE(again.path.parent.stat().st_mode) == 0o700


def test_a_line_that_is_removed_is_forgotten(tmp_path):
    """That is how people say that a new certificate is right."""
    known = KnownServers(tmp_path)
    known.remember("here:1", ONE)
    known.path.write_text("")
    assert known.fingerprint_of("here:1") is None


@pytest.mark.parametrize(
    "line",
    [
        f"here:1 {ONE} # of the new machine",
        f"here:1  {ONE.lower()}#no space",
        f"HERE:1 {ONE.replace(':', '')}",
        f"here:1 sha256 Fingerprint={ONE}",
        f"\ufeffhere:1 {ONE}",
        f"  here:1\t{ONE}  ",
        f"here:1 {ONE}\r",
    ],
)
def test_people_write_a_line_in_their_own_way(tmp_path, line):
    """It means the same, and their comments and other lines are kept."""
    known = KnownServers(tmp_path)
    before = f"{line}\n\n# mine\nthere:2 verified\n"
    known.path.write_text(before)
    assert known.fingerprint_of("here:1") == ONE
    assert known.fingerprint_of("there:2") == VERIFIED
    assert known.fingerprint_of("nowhere:3") is None
    known.remember("there:2", OTHER)
    assert known.fingerprint_of("here:1") == ONE
    assert "# mine\n" in known.path.read_text()
    assert line.strip().removeprefix("\ufeff") in known.path.read_text()


@pytest.mark.parametrize(
    "text",
    [
        b"here:1 " + ONE.encode() + b" by hand\n",
        b"here:1 " + ONE[:-3].encode() + b"\n",
        b"nonsense\n",
        b"here:1\n",
        b"\xff\xfeh\0e\0r\0e\0",
        b"here:1 " + ONE.encode() + b"\nhere:1 " + OTHER.encode() + b"\n",
        b"\0",
        b"#" * (2 << 20),
    ],
    ids=repr,
)
def test_what_cannot_be_understood_is_not_taken_for_nothing(tmp_path, text):
    """Else somebody could make a server look new. The file stays as it is."""
    known = KnownServers(tmp_path)
    known.path.write_bytes(text)
    with pytest.raises(KnownServersError, match=r"known-servers.* cannot be understood"):
        known.fingerprint_of("here:1")
    assert known.path.read_bytes() == text


@pytest.mark.parametrize("thing", ["folder", "pipe", "link that leads nowhere", "secret"])
def test_what_cannot_be_read_is_not_taken_for_nothing(tmp_path, thing):
    """And no pipe is waited for."""
    known = KnownServers(tmp_path)
    if thing == "folder":
        known.path.mkdir()
    elif thing == "pipe":
        os.mkfifo(known.path)
    elif thing == "secret":
        known.path.symlink_to("/proc/self/mem")  # opened, but not read
    else:
        known.path.symlink_to(tmp_path / "nothing")
    with pytest.raises(KnownServersError):
        known.fingerprint_of("here:1")
    with pytest.raises(KnownServersError):
        known.remember("here:1", ONE)


def test_a_link_stays_a_link(tmp_path):
    """The file may lie elsewhere."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text(f"here:1 {ONE}\n")
    known = KnownServers(tmp_path)
    known.path.symlink_to(elsewhere)
    known.remember("there:2", OTHER)
    assert known.path.is_symlink()
    assert elsewhere.read_text() == f"here:1 {ONE}\nthere:2 {OTHER}\n"


@pytest.mark.parametrize(
    "text",
    [
        *(ONE, ONE.lower(), "ab" * 32, ONE.replace(":", " ")),
        *(f"sha256 Fingerprint={ONE}", f"SHA256 Fingerprint={ONE}\n", f"Fingerprint={ONE}"),
    ],
)
def test_fingerprints(text):
    """However programs write them."""
    assert fingerprint(text) == ONE


@pytest.mark.parametrize("text", ["", "AB", ONE + ":AB", "sha1", "XY" * 32])
def test_what_is_no_fingerprint(text):
    """A sentence shows the form of a fingerprint."""
    with pytest.raises(ValueError, match=r"^A SHA-256 fingerprint has"):
        fingerprint(text)
