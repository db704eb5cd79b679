"""Quotas of uploads, and the disk space that is reserved meanwhile."""

import pytest

from chatservice.domain.ports.file_ports import DeclaredFile, DiskUsage
from chatservice.domain.quotas import Quotas, Requester
from chatservice.errors import Code, Refusal
from chatservice.limits import Limits

GB = 10**9


def declared(name, size, who="alice"):
    """Return what is said of an upload before its bytes come."""
    return DeclaredFile("lab", name, size, None, who, 0, who.lower())


def refused(quotas, *args):
    """Ask for room that there is not; return the code and the sentence."""
    with pytest.raises(Refusal) as caught:
        quotas.reserve(*args)
    return caught.value.code, caught.value.sentence


def test_nobody_takes_all_of_the_disk():
    """One user may reserve half of it, under any spelling of the name, and the next one half of the
    rest; the refusal says how much is left."""
    quotas, free = Quotas(Limits(free_bytes=2 * GB)), DiskUsage(0, 0, 18 * GB)
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
    quotas = Quotas(Limits(free_bytes=0))
    reservation = quotas.reserve(declared("a", 6 * GB), 0, DiskUsage(0, 0, 12 * GB))
    reservation.have = 5 * GB
    refused(quotas, declared("b", 3 * GB), 0, DiskUsage(0, 0, 7 * GB))
    quotas.reserve(declared("b", 2 * GB), 0, DiskUsage(0, 0, 7 * GB))


def test_an_upload_that_goes_on_needs_room_for_the_rest():
    """And takes the place of itself, if it still seems to be under way."""
    quotas, what = (
        Quotas(Limits(free_bytes=0)),
        declared("a", 6 * GB)._replace(sha256="0" * 64),
    )
    quotas.reserve(what, 4 * GB, DiskUsage(0, 0, 4 * GB))
    quotas.reserve(what._replace(who="Alice", time=1), 4 * GB, DiskUsage(0, 0, 4 * GB))
    reservation, other = quotas.reservations
    for each in (reservation, other, other):
        each.release()
    assert not quotas.reservations


def guest(number, address=""):
    """Return a guest's origin."""
    return Requester(f".guests/{number}", True, address)


def test_guests_leave_some_uploads_to_registered_users():
    """Under however many names they come."""
    quotas, free = (
        Quotas(Limits(uploads_of_all=16, uploads=8)),
        DiskUsage(0, 0, 1000 * GB),
    )
    for at in range(12):
        quotas.reserve(declared(f"f{at}", 10, f"g{at}"), 0, free, guest(at))
    code, sentence = refused(quotas, declared("x", 10, "g"), 0, free, guest(99))
    assert (code, sentence) == (
        Code.TOO_MANY,
        "12 uploads of guests are under way, and no more may be; wait for one to end.",
    )
    for at in range(4):
        quotas.reserve(declared(f"a{at}", 10), 0, free, Requester("alice"))
    assert refused(quotas, declared("b", 10, "bob"), 0, free, Requester("bob"))[0] == Code.TOO_MANY


def test_one_address_leaves_some_uploads_to_others():
    """Also where all are registered."""
    quotas, free = Quotas(Limits(uploads_of_all=16)), DiskUsage(0, 0, 1000 * GB)
    for at in range(8):
        origin = Requester(f"u{at}", False, "192.0.2.1")
        quotas.reserve(declared(f"f{at}", 10, f"u{at}"), 0, free, origin)
    origin = Requester("u9", False, "192.0.2.1")
    assert "from your address" in refused(quotas, declared("x", 10, "u9"), 0, free, origin)[1]
    quotas.reserve(declared("x", 10, "u9"), 0, free, Requester("u9", False, "192.0.2.2"))


def test_eleven_guests_do_not_declare_all_of_the_disk():
    """Each may have half of what is left, and all of them three quarters; from one address, half:
    a registered user still has room."""
    for address in ("", "192.0.2.1"):
        quotas, free = Quotas(Limits(free_bytes=0)), DiskUsage(0, 0, 1000 * GB)
        for at in range(11):
            size = 1000 * GB
            while size > GB:
                try:
                    quotas.reserve(declared(f"f{at}", size, f"g{at}"), 0, free, guest(at, address))
                except Refusal:
                    size //= 2
                else:
                    break
        assert sum(it.missing for it in quotas.reservations) <= (500 if address else 750) * GB
        quotas.reserve(
            declared("alices", 100 * GB), 0, free, Requester("alice", False, "192.0.2.9")
        )
