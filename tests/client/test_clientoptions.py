"""The command line."""

import subprocess

import pytest

from chatservice import __version__
from chatservice.client import clientoptions
from chatservice.client.clientoptions import ClientOptions, parse
from tests.servers import CLIENT, TWISTD, environment


def test_all_arguments_are_optional():
    """The client asks for missing ones."""
    assert parse([]) == ClientOptions(None, None, None, None, None, 25_000_000)


def test_all_arguments():
    """Name, host and port come in this order, and then the options."""
    line = "anna example.org 5556 --room lab --downloads rec --accept 1G"
    assert parse(line.split()) == ClientOptions("anna", "example.org", 5556, "lab", "rec", 10**9)


def test_trust_implies_tls():
    """`--trust` implies `--tls`, and takes a fingerprint in any form."""
    assert parse(["--tls"]).tls
    assert not parse([]).tls
    trusting = parse(["--trust", "ab" * 32])
    assert trusting.tls
    assert trusting.trust == ":".join(["AB"] * 32)


def test_a_bad_fingerprint(capsys):
    """The program ends with status 2 and a sentence."""
    with pytest.raises(SystemExit) as ended:
        parse(["--trust", "AB:CD"])
    assert ended.value.code == 2
    assert "A SHA-256 fingerprint has 64 hexadecimal digits" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("12", 12),
        ("25M", 25 * 10**6),
        ("1G", 10**9),
        ("500k", 500_000),
        ("1.5MB", 1500000),
    ],
)
def test_sizes(text, size):
    """A size is in bytes, or has a unit in powers of 1000."""
    assert clientoptions.size(text) == size


@pytest.mark.parametrize("text", ["", "M", "-1", "1x", "1 000", "all", "1e9", "9" * 20])
def test_a_bad_size(text):
    """A sentence shows the form of a size."""
    with pytest.raises(ValueError, match=r"^A size is a number"):
        clientoptions.size(text)


@pytest.mark.parametrize("text", ["0", "65536", "-1", "http", "", "٣", "5555.0"])
def test_a_bad_port(text, capsys):
    """The program ends with status 2 and a sentence."""
    with pytest.raises(SystemExit) as ended:
        parse(["anna", "localhost", "--", text])
    assert ended.value.code == 2
    assert "A port is a number" in capsys.readouterr().err


def test_help(capsys):
    """--help tells of everything there is."""
    with pytest.raises(SystemExit) as ended:
        parse(["--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    for word in (
        "NAME",
        "HOST",
        "PORT",
        "--room",
        "--downloads",
        "--accept",
        "25M",
        "@USER",
        "--tls",
    ):
        assert word in told


def test_the_version():
    """`--version` tells it, and the program ends."""
    done = subprocess.run([*CLIENT, "--version"], env=environment(), capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"chat-client {__version__}\n")
    chat = [*TWISTD, "chat", "--version"]
    done = subprocess.run(chat, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.startswith(f"chatservice {__version__} (Twisted ")
