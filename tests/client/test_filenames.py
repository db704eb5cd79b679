"""Names that every usual file system takes."""

import itertools
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatservice.client.partialdownload import comparison_key, free_names, portable_name

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
def test_what_holds_for_every_name(name):
    """Never empty, reserved or too long; nothing that some system does not take; and what is
    portable stays as it is."""
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
    """With an extension, a space in the middle, and without."""
    for name in (stem, f"{stem}.{suffix}"[:60], f"{stem} {suffix}"[:60]):
        if not is_device(name) and not name.endswith((".", " ")):
            assert portable_name(name) == name


@given(RESERVED, st.sampled_from(["", ".txt", ".tar.gz", " .txt", "."]))
def test_devices_of_windows_are_no_names(name, suffix):
    """In any case, with any extension."""
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
    """And no two of them are alike."""
    found = list(itertools.islice(free_names(name), 12))
    assert len({comparison_key(each) for each in found}) == 12
    assert all(portable_name(each) == each for each in found)


def test_what_some_file_systems_take_for_one():
    """Other case, and accents composed or not."""
    assert comparison_key("Ärger.TXT") == comparison_key("A\u0308RGER.txt")
    assert comparison_key("a") != comparison_key("ä")
