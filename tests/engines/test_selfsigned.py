"""A certificate of the server's own."""

import stat

import pytest
from cryptography import x509

from chatservice.engines.sqlite import selfsigned
from chatservice.errors import Refusal


def test_it_is_made_once(tmp_path):
    """The key is nobody else's to read, nothing is left beside it, and it has no end."""
    path = selfsigned.own(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    pem = path.read_bytes()
    assert selfsigned.own(tmp_path).read_bytes() == pem
    assert x509.load_pem_x509_certificate(pem).not_valid_after_utc.year == 9999


@pytest.mark.parametrize("there", ["empty", "link to nowhere"])
def test_what_is_there_is_left_alone(tmp_path, there):
    """An existing file stays, even a damaged one: clients remember its certificate, so the operator
    has to act."""
    path = tmp_path / "tls.pem"
    if there == "empty":
        path.touch()
    else:
        path.symlink_to(tmp_path / "gone")
    assert selfsigned.own(tmp_path) == path
    assert list(tmp_path.iterdir()) == [path]
    assert not (path.exists() and path.read_bytes())


def test_where_none_can_be_written(tmp_path):
    """A sentence says so."""
    (tmp_path / "file").touch()
    with pytest.raises(Refusal, match=r"tls.pem cannot be written \(Not a directory\); name a"):
        selfsigned.own(tmp_path / "file")
