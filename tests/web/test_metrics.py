"""Health and metrics over HTTP: values that move, and who may see them."""

import contextlib
import socket
import time

from prometheus_client.parser import text_string_to_metric_families

from tests.durability.asking import joined, say
from tests.durability.test_full_disk import full_disk
from tests.servers import PATIENCE
from tests.web.clients import HttpClient

SAFE = "x-content-type-options"


def scraped(client):
    """Return the samples of a scrape, by their names and the value of their label."""
    response = client.request("GET", "/metrics")
    assert response.status == 200, response.body
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = list(text_string_to_metric_families(response.body.decode()))
    assert all(it.documentation and it.type != "unknown" for it in families)
    return {
        (it.name, *it.labels.values()): it.value for family in families for it in family.samples
    }


def test_values_move(server, connect):
    """Talk is counted as stored, committed and delivered; connections are counted by kind."""
    before = scraped(HttpClient(server.port))
    reader, writer = joined(connect(server), "alice"), joined(connect(server), "bob")
    person = connect(server)
    person.send("carol", "/join lab", "/who")
    person.expect("in lab:")
    for text in ("one", "two", "three"):
        say(writer, text)
    for text in ("one", "two", "three"):
        assert reader.event("message")["text"] == text
        person.expect(f"bob: {text}")
    after = scraped(HttpClient(server.port))

    def moved(*name):
        return after[name] - before[name]

    assert moved("chat_entries_stored_total") == 3
    assert moved("chat_entries") == 3
    assert moved("chat_deliveries_total") == 9  # bob, a program, gets his own, too
    assert moved("chat_delivered_bytes_total") > 9 * len("one")
    assert moved("chat_commit_seconds_count") >= 3
    assert moved("chat_commit_seconds_bucket", "+Inf") == moved("chat_commit_seconds_count")
    assert moved("chat_commit_seconds_sum") > 0
    assert moved("chat_users", "guest") == 3
    assert moved("process_cpu_seconds_total") > 0
    assert after["chat_connections", "programs"] == 2
    assert after["chat_connections", "people"] == 1
    assert after["chat_connections", "HTTP"] >= 1
    assert after["chat_rooms",] == 2
    assert after["chat_waiting", "entries to store"] == 0
    assert after["process_resident_memory_bytes",] > 1 << 20
    assert after["chat_disk_free_bytes",] > 0


def test_shared_files_are_counted(server, connect):
    """By their number and their bytes."""
    person = connect(server, "alice")
    person.send("/join lab", "/put a.txt 5")
    person.send_raw(b"12345")
    person.expect("a.txt")
    person.send("/files")
    person.expect("a.txt")
    found = scraped(HttpClient(server.port))
    assert (found["chat_files",], found["chat_disk_bytes", "files"]) == (1, 5)


def test_limits_that_are_hit_are_counted(start_server, connect):
    """Refusals by their code, of which all are there from the start; and connections."""
    server = start_server("--room", "lab", connections=2)
    scraper = HttpClient(server.port)
    assert scraped(scraper)["chat_refused_total", "too-long"] == 0
    writer = joined(connect(server), "alice")
    writer.send(b'{"do": "say", "text": "' + b"x" * 10_000 + b'"}')
    assert writer.event("error")["code"] == "too-long"
    late = connect(server)
    late.send("bob")
    late.expect("The server has 2 connections")
    found = scraped(scraper)
    assert found["chat_refused_total", "too-long"] == 1
    assert found["chat_turned_away_total",] == 1


def test_the_lag_of_the_reactor_is_measured(server):
    """Again and again, while the server runs."""
    client = HttpClient(server.port)
    first, until = scraped(client)["chat_reactor_lag_seconds_count",], time.monotonic() + PATIENCE
    while scraped(client)["chat_reactor_lag_seconds_count",] == first:
        assert time.monotonic() < until


def test_health(server):
    """A server that serves is well and ready; only reading that is possible."""
    client = HttpClient(server.port)
    for path in ("/healthz", "/readyz"):
        well = client.request("GET", path)
        assert (well.status, well.body) == (200, b"ok\n")
        assert SAFE in well.headers
        assert client.request("HEAD", path).headers["content-length"] == "3"
    for path in ("/healthz", "/readyz", "/metrics"):
        refused = client.request("POST", path)
        assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


def test_a_server_that_cannot_store_is_not_ready(server, connect):
    """It is well all the same, and ready when a commit works again."""
    client, writer = HttpClient(server.port), joined(connect(server), "alice")
    with full_disk(server):
        assert say(writer, "lost")["code"] == "not-stored"
        told = client.request("GET", "/readyz")
        assert (told.status, told.body) == (503, b"The last commit failed.\n")
        assert client.request("GET", "/healthz").status == 200
        assert scraped(client)["chat_commits_failed_total",] == 1
    assert say(writer, "stored")["seq"] == 1
    assert client.request("GET", "/readyz").status == 200


def test_a_server_without_disk_space_is_not_ready(start_server):
    """If hardly any is left of what uploads must leave free."""
    server = start_server("--free", "9999999TB")
    told = HttpClient(server.port).request("GET", "/readyz")
    assert (told.status, told.body) == (503, b"The disk is full.\n")


def test_only_those_whom_the_operator_names_see_the_metrics(start_server):
    """Others get one sentence; so does who comes through a proxy, whose address says nothing."""
    sentence = b"The operator names the addresses that may see this (--metrics-from).\n"
    closed = HttpClient(start_server("--metrics-from", "192.0.2.1").port)
    refused = closed.request("GET", "/metrics")
    assert (refused.status, refused.body) == (403, sentence)
    assert closed.request("GET", "/healthz").status == 200
    own = HttpClient(start_server().port)
    for header in ("Forwarded", "X_Forwarded_For", "X_Real_IP", "Via"):
        assert own.request("GET", "/metrics", **{header: "192.0.2.1"}).status == 403
    assert own.request("GET", "/metrics").status == 200


def test_the_address_behind_a_proxy_counts(start_server):
    """With the PROXY protocol the server knows it: this machine's own proxy is no way in."""
    options = ("--listen", "haproxy:tcp:0:interface=127.0.0.1", "--metrics-from", "192.0.2.0/24")
    server = start_server(*options)
    port = int(server.log.expect(r"listening on 127\.0\.0\.1:(\d+)")[1])
    for address, status in (("192.0.2.7", 200), ("127.0.0.1", 403), ("2001:db8::1", 403)):
        client = HttpClient(port)
        kind = "TCP6 {} ::1" if ":" in address else "TCP4 {} 127.0.0.1"
        client.send_raw(f"PROXY {kind.format(address)} 1000 5555\r\n".encode())
        assert client.request("GET", "/metrics").status == status


def test_a_proxy_that_is_trusted_passes_a_scrape_on(start_server):
    """The address that it tells counts, and not its own; others do not get one by telling it."""
    told = "192.0.2.7"
    server = start_server("--metrics-from", "192.0.2.0/24")
    own = HttpClient(server.port)
    assert own.request("GET", "/metrics", X_Forwarded_For=told).status == 200
    assert own.request("GET", "/metrics", Forwarded=f"for={told}").status == 200
    assert own.request("GET", "/metrics", X_Forwarded_For="198.51.100.1").status == 403
    assert own.request("GET", "/metrics").status == 403
    trusting = start_server("--metrics-from", "192.0.2.0/24", trusted=("203.0.113.1",))
    other = HttpClient(trusting.port)
    assert other.request("GET", "/metrics", X_Forwarded_For=told).status == 403


def test_a_socket_file_is_of_this_machine(server):
    """The admin socket, for one."""
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as bare:
        bare.settimeout(PATIENCE)
        bare.connect(str(server.data / "operator"))
        bare.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert bare.recv(12) == b"HTTP/1.1 200"
