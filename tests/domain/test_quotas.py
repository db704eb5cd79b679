"""What may be uploaded, and the room that is reserved meanwhile."""

import pytest

from chatservice.domain.ports import Declared, Used
from chatservice.domain.quotas import Bounds, Quotas
from chatservice.errors import Code, Refusal

GB = 10**9


def declared(name, size, who="alice"):
    """Return what is said of an upload before its bytes come."""
    return Declared("lab", name, size, None, who, 0, who.lower())


def refused(quotas, *args):
    """Ask for room that there is not; return the code and the sentence."""
    with pytest.raises(Refusal) as caught:
        quotas.reserve(*args)
    return caught.value.code, caught.value.sentence


def test_nobody_takes_all_of_the_disk():
    """One user may have half of it reserved, whatever their name's letters; the next one half of
    the rest; and the sentence says how much that is."""
    quotas, free = Quotas(Bounds(free=2 * GB)), Used(0, 0, 18 * GB)
    assert refused(quotas, declared("a", 9 * GB), 0, free) == (
        Code.DISK_FULL,
        "The server's disk has room for 16.0 GB, of which you may take 8.0 GB at once; send a "
        "smaller file, wait for another upload of yours to end, or ask its operator to make room.",
    )
    quotas.reserve(declared("a", 6 * GB), 0, free)
    assert (
        "you may take 2.0 GB at once" in refused(quotas, declared("b", 3 * GB, "ALICE"), 0, free)[1]
    )
    assert (
        "you may take 5.0 GB at once" in refused(quotas, declared("b", 6 * GB, "bob"), 0, free)[1]
    )
    quotas.reserve(declared("b", 5 * GB, "bob"), 0, free)
    code, sentence = refused(quotas, declared("c", 6 * GB, "carol"), 0, free)
    assert (code, sentence[:44]) == (Code.DISK_FULL, "The server's disk has room for 5.0 GB only; ")


def test_what_is_written_is_not_reserved_twice():
    """It is on the disk, so it is not free any more, and a further upload is granted as before."""
    quotas = Quotas(Bounds(free=0))
    reservation = quotas.reserve(declared("a", 6 * GB), 0, Used(0, 0, 12 * GB))
    reservation.have = 5 * GB
    refused(quotas, declared("b", 3 * GB), 0, Used(0, 0, 7 * GB))
    quotas.reserve(declared("b", 2 * GB), 0, Used(0, 0, 7 * GB))


def test_an_upload_that_goes_on_needs_room_for_the_rest():
    """And takes the place of itself, if it still seems to be under way."""
    quotas, what = Quotas(Bounds(free=0)), declared("a", 6 * GB)._replace(sha256="0" * 64)
    quotas.reserve(what, 4 * GB, Used(0, 0, 4 * GB))
    quotas.reserve(what._replace(who="Alice", time=1), 4 * GB, Used(0, 0, 4 * GB))
    reservation, other = quotas.held
    for each in (reservation, other, other):
        each.release()
    assert not quotas.held
