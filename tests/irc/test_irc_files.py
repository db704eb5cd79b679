"""Shared files, as IRC clients are told of them: a line with a link that works."""

import hashlib
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.irc.clients import IrcClient
from tests.tls import TLS
from tests.web.clients import HttpClient

DATA = b"a report of 2026"


def test_the_link_of_a_file_works(server, join_irc, connect):
    """The line about a file ends with a link that fetches it, with any name, live and in the past;
    a client needs no capability."""
    connect(server, "anna").send("/join lab")
    bob = join_irc(server, "bob", "draft/chathistory batch server-time")
    bob.send("JOIN #lab")
    bob.until("366")
    path = "/lab/r%C3%A9sum%C3%A9%20%231.pdf"
    assert HttpClient(server.port).request("PUT", path, DATA).status == 201
    told = bob.until("NOTICE").params[1]
    assert told.startswith("* shared résumé #1.pdf (16 bytes): http://127.0.0.1:")
    link = told.rpartition(" ")[2]
    assert urlsplit(link).path == path
    with urllib.request.urlopen(link, timeout=60) as fetched:
        assert hashlib.sha256(fetched.read()).digest() == hashlib.sha256(DATA).digest()
    bob.send("CHATHISTORY LATEST #lab * 10")
    assert bob.until("NOTICE").params[1] == told


def test_the_link_that_the_operator_names(start_server, join_irc):
    """Behind a proxy, with another port or scheme, it begins with the address of `--public-url`."""
    server = start_server("--room", "lab", "--public-url", "https://chat.example.org:8443/")
    ann = join_irc(server, "ann")
    ann.send("JOIN #lab")
    ann.until("366")
    assert HttpClient(server.port).request("PUT", "/lab/a", DATA).status == 201
    told = ann.until("NOTICE").params[1]
    assert told == "* shared a (16 bytes): https://chat.example.org:8443/lab/a"
    known = HttpClient(server.port).request("GET", "/lab/a", Host="chat.example.org:8443")
    assert known.body == DATA


@pytest.mark.parametrize("names", [(), ("chat.example.org", "other.example.org")])
def test_the_link_of_a_server_with_tls(start_server, names, tmp_path: Path):
    """Over TLS it begins with https, and with the first name that browsers may use."""
    server = start_server("--room", "lab", "--tls", "auto", *(f"--host-name={it}" for it in names))
    secure = IrcClient(server)
    secure.socket = TLS.wrap_socket(secure.socket, server_hostname="127.0.0.1")
    secure.send("NICK ann", "USER a 0 * :a", "JOIN #lab")
    secure.until("366")
    assert HttpClient(server.port).request("PUT", "/lab/a", DATA).status == 201
    host = names[0] if names else "127.0.0.1"
    told = secure.until("NOTICE").params[1]
    assert told == f"* shared a (16 bytes): https://{host}:{server.port}/lab/a"
    secure.close()
