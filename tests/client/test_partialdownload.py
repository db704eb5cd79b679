"""Files on their way to the disk."""

import hashlib
import itertools
import os
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatservice import names
from chatservice.client import partialdownload
from chatservice.client.partialdownload import (
    PartialDownload,
    comparison_key,
    free_names,
    portable_name,
)
from chatservice.errors import Refusal

SOME = hashlib.sha256(b"some content").hexdigest()


def begun(folder, name, sha256=SOME):
    """Return a file that begins to be saved, with what is there of it."""
    it = PartialDownload(folder, name, sha256)
    it.resume(1000, [])
    return it


def test_a_file_is_hidden_until_it_is_whole(tmp_path):
    """Until it is kept, only a hidden name is there; then only its own."""
    it = begun(tmp_path / "new" / "folder", "a.txt")
    it.write(b"some ")
    it.write(b"content")
    (hidden,) = os.listdir(tmp_path / "new" / "folder")
    assert hidden == f".a.txt.part-{SOME[:16]}"
    assert it.sha256 == hashlib.sha256(b"some content").hexdigest()
    assert it.finish() == tmp_path / "new" / "folder" / "a.txt"
    assert os.listdir(tmp_path / "new" / "folder") == ["a.txt"]


def test_discarding(tmp_path):
    """It leaves nothing of a partial file, and does not delete a finished one."""
    it = begun(tmp_path, "a.txt")
    it.write(b"x")
    it.discard()
    assert os.listdir(tmp_path) == []
    it = begun(tmp_path, "a.txt")
    it.finish()
    it.discard()
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("links", [True, False])
def test_a_file_is_never_overwritten(tmp_path, monkeypatch, links):
    """A file is never overwritten, on file systems with and without hard links."""
    if not links:

        def link(*_: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(partialdownload.os, "link", link)
    for content in (b"one", b"two", b"three"):
        it = begun(tmp_path, "a.tar.gz")
        it.write(content)
        it.finish()
    got = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}
    assert got == {"a.tar.gz": b"one", "a.tar (2).gz": b"two", "a.tar (3).gz": b"three"}


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", ".bashrc", "", "a\nb", "..", "a\\b"])
def test_names_that_lead_elsewhere_are_refused(tmp_path, name):
    """A name from a server goes through the one gate for names."""
    with pytest.raises(Refusal):
        begun(tmp_path, name)
    assert os.listdir(tmp_path) == []


def test_the_longest_name(tmp_path):
    """The hidden name and the free names fit, too."""
    for _ in range(2):
        begun(tmp_path, "ä" * 125 + ".txt").finish()
    assert len(os.listdir(tmp_path)) == 2


@given(st.text().filter(names.is_file))
def test_free_names(name):
    """Each is valid, and no two are the same."""
    found = list(itertools.islice(free_names(name), 12))
    assert len(set(found)) == 12
    assert found[0] == name
    assert all(names.is_file(each) for each in found)


def test_a_full_disk_is_a_refusal(tmp_path):
    """Discarding the file leaves nothing."""
    it = begun(tmp_path, "a")
    file = it._file

    class Full:
        closed = False

        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

        def close(self) -> None:
            pass

    file.close()
    it._file = Full()
    with pytest.raises(Refusal, match="No space left on device"):
        it.write(b"x")
    it.discard()
    assert os.listdir(tmp_path) == []


def test_resuming(tmp_path):
    """The same file finds its partial file. The SHA-256 is that of all bytes."""
    first = begun(tmp_path, "a.txt")
    first.write(b"some ")
    first.release()
    assert os.listdir(tmp_path) == [f".a.txt.part-{SOME[:16]}"]
    second = begun(tmp_path, "a.txt")
    assert second.received == 5
    second.write(b"content")
    assert second.sha256 == SOME
    assert second.finish().read_bytes() == b"some content"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_another_file_of_the_same_name(tmp_path):
    """It has another SHA-256, and begins anew."""
    first = begun(tmp_path, "a.txt")
    first.write(b"some ")
    first.release()
    assert begun(tmp_path, "a.txt", "0" * 64).received == 0


def test_two_at_once_do_not_share_a_part(tmp_path):
    """The second one has a part of its own, which leaves nothing but the whole file."""
    first, second = begun(tmp_path, "a.txt"), begun(tmp_path, "a.txt")
    first.write(b"some ")
    second.write(b"some content")
    assert len(os.listdir(tmp_path)) == 2
    assert second.finish().name == "a.txt"
    first.write(b"content")
    assert first.finish().name == "a (2).txt"
    third, fourth = begun(tmp_path, "a.txt"), begun(tmp_path, "a.txt")
    fourth.write(b"some")
    fourth.release()
    third.release()
    assert sorted(os.listdir(tmp_path)) == ["a (2).txt", "a.txt"]


def test_a_partial_file_that_is_too_long(tmp_path):
    """It is not the file's beginning."""
    first = begun(tmp_path, "a.txt")
    first.write(bytes(20))
    first.release()
    second = PartialDownload(tmp_path, "a.txt", SOME)
    second.resume(12, [])
    assert second.received == 0
    second.write(b"some content")
    assert second.finish().read_bytes() == b"some content"


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "second name"])
def test_something_else_in_the_place_of_a_partial_file(tmp_path, kind):
    """The client writes only to a plain file that has no other name."""
    other, part = tmp_path / "other", tmp_path / f".a.txt.part-{SOME[:16]}"
    other.write_bytes(b"mine")
    match kind:
        case "link":
            part.symlink_to(other)
        case "pipe":
            os.mkfifo(part)
        case "folder":
            part.mkdir()
        case "second name":
            part.hardlink_to(other)
    it = begun(tmp_path, "a.txt")
    it.write(b"some content")
    assert it.finish().read_bytes() == b"some content"
    assert other.read_bytes() == b"mine"


def test_names_that_differ_only_in_case_get_a_number(tmp_path):
    """Some file systems would take them for the same."""
    for name in ("Report.PDF", "report.pdf", "REPORT.pdf", "stra\u00dfe", "STRASSE"):
        begun(tmp_path, name).finish()
    assert sorted(os.listdir(tmp_path)) == [
        "REPORT (3).pdf",
        "Report.PDF",
        "STRASSE (2)",
        "report (2).pdf",
        "stra\u00dfe",
    ]


def test_names_are_portable(tmp_path):
    """They are changed on every system, so that a folder can move to another one."""
    assert begun(tmp_path, "CON.txt").finish().name == "_CON.txt"
    assert begun(tmp_path, "what?.txt").finish().name == "what_.txt"


# -- names of files --------------------------------------------------------------------------------


WEIRD = st.text(st.sampled_from('conauxlptCOM19¹. <>:"/|?*\\\0\x1f\x9fäß漢e\u0301'), max_size=300)
ANY = st.text(st.characters(), max_size=300) | WEIRD
RESERVED = st.sampled_from(
    ["CON", "PRN", "AUX", "NUL", "COM1", "COM9", "LPT1", "LPT9", "CONIN$", "COM²", "lpt³", "nUl"]
)
DEVICES = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"} | {
    port + digit for port in ("COM", "LPT") for digit in "123456789¹²³"
}
ORDINARY = st.text(
    st.characters(categories=["L", "N"], include_characters="-_()[]{}+,;=@#%&'!~"), min_size=1
).filter(lambda name: len(name.encode()) <= 200 and not is_device(name))


def is_device(name: str) -> bool:
    """Return whether Windows takes a name for a device."""
    stem = name.partition(".")[0].rstrip(" ").upper()
    return stem in DEVICES


@given(ANY)
@example("")
@example("." * 300)
@example("CON." + "a" * 300)
@example("a" * 250 + " .txt")
@example("a" * 254 + ". b")
@example("a." + "ä" * 200)
def test_properties_of_portable_names(name):
    """A portable name is never empty, reserved or too long, and has no character that some system
    refuses. A name that is portable already stays as it is."""
    found = portable_name(name)
    assert found
    assert not is_device(found)
    assert len(found.encode()) <= 255
    assert not set(found) & set('<>:"/\\|?*\x7f')
    assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in found)
    assert not found.endswith((".", " "))
    assert portable_name(found) == found


@given(ORDINARY, ORDINARY)
def test_ordinary_names_of_any_script_stay(stem, suffix):
    """They may have an extension, and spaces within."""
    for name in (stem, f"{stem}.{suffix}"[:60], f"{stem} {suffix}"[:60]):
        if not is_device(name) and not name.endswith((".", " ")):
            assert portable_name(name) == name


@given(RESERVED, st.sampled_from(["", ".txt", ".tar.gz", " .txt", "."]))
def test_devices_of_windows_are_no_names(name, suffix):
    """Case and extension do not matter."""
    assert not is_device(portable_name(name + suffix))


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("nul", "_nul"),
        ("Com1.tar.gz", "_Com1.tar.gz"),
        ("COM10", "COM10"),
        ("console.txt", "console.txt"),
        ('a<b>c:d"e|f?g*h', "a_b_c_d_e_f_g_h"),
        ("etc. . ", "etc____"),
        ("a\tb\x7f", "a_b_"),
        ("\ud800", "_"),
        ("", "_"),
        ("x" * 300 + ".pdf", "x" * 251 + ".pdf"),
        ("ä" * 200, "ä" * 127),
    ],
)
def test_how_names_are_changed(name, changed):
    """The change is predictable."""
    assert portable_name(name) == changed


@given(ANY.map(portable_name))
def test_free_names_are_portable(name):
    """No two of them are alike."""
    found = list(itertools.islice(free_names(name), 12))
    assert len({comparison_key(each) for each in found}) == 12
    assert all(portable_name(each) == each for each in found)


def test_names_that_some_file_systems_take_for_the_same():
    """Case and composition of accents do not matter."""
    assert comparison_key("Ärger.TXT") == comparison_key("A\u0308RGER.txt")
    assert comparison_key("a") != comparison_key("ä")
