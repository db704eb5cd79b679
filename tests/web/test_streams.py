"""Streams of entries over HTTP: across restarts, while nothing is said, and for readers that are
slow."""

import json
import signal
import time

import httpx
import pytest

from tests.servers import PATIENCE, RawClient, Server
from tests.web.clients import HttpClient

MESSAGES = "/api/v1/rooms/lab/messages"


class EventSource:
    """A client of server-sent events that connects again, and names the last one that it got, as
    browsers do (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

    def __init__(self, address):
        self._address = address
        self._last = ""

    def events(self, count):
        """Return the next events, over as many connections as it takes."""
        found = []
        end = time.monotonic() + PATIENCE
        while len(found) < count:
            assert time.monotonic() < end, found
            try:
                self._read(found, count)
            except httpx.HTTPError:
                continue
        return found

    def _read(self, found, count):
        headers = {"Accept": "text/event-stream"} | (
            {"Last-Event-ID": self._last} if self._last else {}
        )
        with httpx.stream("GET", self._address, headers=headers, timeout=PATIENCE) as stream:
            assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
            for line in stream.iter_lines():
                name, _, value = line.partition(": ")
                if name == "id":
                    self._last = value
                elif name == "data":
                    found.append(json.loads(value))
                elif not line and len(found) == count:
                    return


def say(server, *texts):
    """Say something in the lab."""
    client = HttpClient(server.port)
    for text in texts:
        said = client.request("POST", MESSAGES, text.encode(), Content_Type="text/plain")
        assert said.status == 200, said


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_an_event_source_goes_on_after_a_restart(server, how):
    """It gets each entry once, in order, those too that were said before it was back."""
    source = EventSource(f"http://127.0.0.1:{server.port}{MESSAGES}?follow&after=0")
    say(server, "one", "two")
    seen = source.events(2)
    server.stop(how)
    server.start()
    say(server, "three", "four")
    seen += source.events(1)
    say(server, "five")
    seen += source.events(2)
    assert [it["text"] for it in seen] == ["one", "two", "three", "four", "five"]
    assert [it["seq"] for it in seen] == [1, 2, 3, 4, 5]


class Restless(Server):
    """A server whose streams show soon that they are alive."""

    before = "from chatservice.protocols.web import api; api.IDLE_SECONDS = 0.05; "


@pytest.mark.parametrize(
    ("accept", "sign"),
    [("application/x-ndjson", b"1\r\n\n\r\n"), ("text/event-stream", b"3\r\n:\n\n\r\n")],
)
def test_an_idle_stream_shows_that_it_is_alive(tmp_path, accept, sign):
    """By what means nothing in its format."""
    server = Restless(tmp_path, "--room", "lab")
    try:
        client = HttpClient(server.port)
        client.ask_for("GET", f"{MESSAGES}?follow", Accept=accept)
        while client.line() != "\r":
            pass
        assert client.read(3 * len(sign)) == 3 * sign
    finally:
        server.kill()


def test_readers_that_do_not_read(server):
    """Twenty of them cost no memory for each, and one that reads at last gets each entry once."""
    readers = [HttpClient(server.port) for _ in range(20)]
    for reader in readers:
        reader.ask_for("GET", f"{MESSAGES}?follow&limit=0")
        assert reader.line().startswith("HTTP/1.1 200")
    text, count, before = "x" * 4000, 5000, server.memory()
    writer = RawClient(server.port)
    writer.ask(do="hello", name="writer")
    writer.ask(do="join", room="lab")
    writer.expect('"lab"')
    line = json.dumps({"do": "say", "room": "lab", "text": text}) + "\n"
    for at in range(count):
        writer.send_raw(line.encode())
        if at % 100 == 99:
            while writer.event("message")["seq"] <= at:
                pass
    assert server.memory() - before < len(readers) * count * len(text) // 4
    slow = readers[0]
    seen = [slow.expect('"seq"') for _ in range(count)]
    assert [json.loads(it)["seq"] for it in seen] == [*range(1, count + 1)]
    for reader in readers:
        reader.close()
