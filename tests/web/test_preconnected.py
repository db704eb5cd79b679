"""A real Chromium that opens connections ahead, and says nothing on them for a while."""

import http.server
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser

from tests.servers import PATIENCE, RawAdminClient, RawClient, Server
from tests.web.clients import HttpClient
from tests.web.conftest import CHROMIUM, QUIETLY

SHORT = {"greeting_seconds": 0.05, "first_byte_seconds": 0.05}
ELSEWHERE = "127.0.0.2"
OPTIONS = {
    "known address": (),
    "silent port": ("--listen", "silent:tcp:0:interface=127.0.0.1"),
    "TLS": ("--tls", "auto"),
}


@pytest.fixture
def hinting() -> Iterator[Callable[[str], str]]:
    """Return a function that makes a page elsewhere, by which a browser opens connections to an
    origin; it returns the page's address."""
    pages = []

    def serve(origin: str) -> str:
        page = f'<!doctype html><title>elsewhere</title><link rel=preconnect href="{origin}">'

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(page.encode())

            def log_message(self, *_: object) -> None:
                pass

        served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=served.serve_forever, daemon=True).start()
        pages.append(served)
        return f"http://127.0.0.1:{served.server_port}/"

    yield serve
    for each in pages:
        each.shutdown()
        each.server_close()


def wait_for_silent_connection(server: Server) -> None:
    """Wait until a connection is here that has said nothing, and its greeting would have come."""
    operator = RawAdminClient(server)
    silent, until = 0, time.monotonic() + PATIENCE
    while not silent:
        assert time.monotonic() < until, "the browser opened nothing ahead"
        operator.ask(do="status", id=1)
        counts = {it["what"]: it["count"] for it in operator.event("ok")["connections"]}
        silent = counts.get("nobody yet", 0)
    operator.close()
    person = RawClient(server.port, ELSEWHERE)
    person.expect("* Welcome")
    person.close()


@pytest.mark.parametrize("kind", OPTIONS)
def test_a_page_on_a_connection_opened_ahead(
    start_server, browser: Browser, hinting, tmp_path, kind
):
    """The page comes in by a connection that was idle for longer than a person's would be."""
    server = start_server(*OPTIONS[kind], **SHORT)
    port = server.port
    if kind == "silent port":
        port = int(server.log.expect(r"listening on 127\.0\.0\.1:(\d+)")[1])
    origin = f"http{'s' * (kind == 'TLS')}://127.0.0.1:{port}"
    context = browser.browser_type.launch_persistent_context(
        tmp_path / "profile",  # without one of its own, a browser opens nothing ahead
        executable_path=CHROMIUM,
        args=[*QUIETLY, "--ignore-certificate-errors"],
    )
    context.set_default_timeout(PATIENCE * 1000)
    page = context.new_page()
    if kind == "known address":
        HttpClient(server.port).request("GET", "/")
    page.goto(hinting(origin))
    wait_for_silent_connection(server)
    assert page.goto(origin).status == 200
    assert page.locator("main").count()
    context.close()
