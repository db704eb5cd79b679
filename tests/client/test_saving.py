"""Files on their way to the disk."""

import hashlib
import itertools
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatservice import names
from chatservice.client import saving
from chatservice.client.saving import Saving, free_names
from chatservice.errors import Refusal


def test_it_is_hidden_until_it_is_whole(tmp_path):
    """Until it is kept, only a hidden name is there; then only its own."""
    it = Saving(tmp_path / "new" / "folder", "a.txt")
    it.write(b"some ")
    it.write(b"content")
    (hidden,) = os.listdir(tmp_path / "new" / "folder")
    assert hidden.startswith(".a.txt.part-")
    assert it.sha256 == hashlib.sha256(b"some content").hexdigest()
    assert it.keep() == tmp_path / "new" / "folder" / "a.txt"
    assert os.listdir(tmp_path / "new" / "folder") == ["a.txt"]


def test_what_is_discarded_leaves_nothing(tmp_path):
    """Nor does discarding what was kept take it away."""
    it = Saving(tmp_path, "a.txt")
    it.write(b"x")
    it.discard()
    assert os.listdir(tmp_path) == []
    it = Saving(tmp_path, "a.txt")
    it.keep()
    it.discard()
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("links", [True, False])
def test_it_never_takes_the_place_of_another(tmp_path, monkeypatch, links):
    """On file systems that know links, and on those that do not."""
    if not links:

        def link(*_: object) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(saving.os, "link", link)
    for content in (b"one", b"two", b"three"):
        it = Saving(tmp_path, "a.tar.gz")
        it.write(content)
        it.keep()
    got = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}
    assert got == {"a.tar.gz": b"one", "a.tar (2).gz": b"two", "a.tar (3).gz": b"three"}


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", ".bashrc", "", "a\nb", "..", "a\\b"])
def test_names_that_lead_elsewhere_are_refused(tmp_path, name):
    """A name from a server goes through the one gate for names."""
    with pytest.raises(Refusal):
        Saving(tmp_path, name)
    assert os.listdir(tmp_path) == []


def test_a_name_as_long_as_can_be(tmp_path):
    """It is saved, hidden and free names included."""
    for _ in range(2):
        Saving(tmp_path, "ä" * 125 + ".txt").keep()
    assert len(os.listdir(tmp_path)) == 2


@given(st.text().filter(names.is_file))
def test_free_names_are_good_and_different(name):
    """Each is a name that a file can have."""
    found = list(itertools.islice(free_names(name), 12))
    assert len(set(found)) == 12
    assert found[0] == name
    assert all(names.is_file(each) for each in found)


def test_a_full_disk_is_a_refusal(tmp_path):
    """And leaves nothing once it is discarded."""
    it = Saving(tmp_path, "a")

    class Full:
        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

        def close(self) -> None:
            pass

    it._file.close()
    it._file = Full()
    with pytest.raises(Refusal, match="No space left on device"):
        it.write(b"x")
    it.discard()
    assert os.listdir(tmp_path) == []
