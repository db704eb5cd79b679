"""A browser for tests, people who use the page in it, and pages of other servers."""

import http.server
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.client.driving import Wire
from tests.pushservices import PushService
from tests.servers import PATIENCE, Server
from tests.web.clients import HttpClient
from tests.web.people import Person

expect.set_options(timeout=PATIENCE * 1000)

CHROMIUM = "/usr/bin/chromium"
POINTS_HERE = "example"
"""The ending of names that are this machine's in the browser (RFC 2606, 2)."""
QUIETLY = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--host-resolver-rules=MAP *.{POINTS_HERE} 127.0.0.1",
)
"""Arguments for a machine without a screen: the browser talks with nobody but the server."""

BROKEN = re.compile("WebSocket connection|Failed to load resource: (net::ERR_|.* 404 )")
"""The beginning of what a browser logs itself for each connection that breaks: also when it has
sent the ticket of an upload once more."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Return a running Chromium."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIETLY))
        yield launched
        launched.close()


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PushService]:
    """Return a running push service, which servers trust."""
    made = PushService(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.root))
    yield made
    made.stop()


def be_known(server: Server) -> None:
    """Let a server know that browsers come from this machine, so that it does not greet one that is
    slow to speak, because the machine is busy."""
    client = HttpClient(server.port)
    client.request("GET", "/", User_Agent="Mozilla/5.0")
    client.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Person]]:
    """Return a function that opens the page of a server in a browser profile of its own, and comes
    in if a name is given. A test fails if a page logged an error."""
    problems: list[str] = []
    people: list[Person] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error" and not BROKEN.match(message.text):
            problems.append(message.text)

    def open_(server: Server | Wire, name: str = "", place: str = "", width: int = 1280) -> Person:
        context = browser.new_context(viewport={"width": width, "height": 800})
        context.set_default_timeout(PATIENCE * 1000)
        page = context.new_page()
        page.on("console", heard)
        page.on("pageerror", lambda error: problems.append(str(error)))
        if isinstance(server, Server):
            be_known(server)
        page.goto(f"http://127.0.0.1:{server.port}/{place}")
        person = Person(page)
        people.append(person)
        if name:
            person.come_in(name)
        return person

    yield open_
    for person in people:
        person.page.context.close()
    assert not problems


@pytest.fixture
def trusting(browser: Browser) -> Iterator[Page]:
    """Return a page in a browser that takes any certificate for one of an authority."""
    arguments = [*QUIETLY, "--ignore-certificate-errors"]
    launched = browser.browser_type.launch(executable_path=CHROMIUM, args=arguments)
    page = launched.new_context().new_page()
    page.set_default_timeout(PATIENCE * 1000)
    yield page
    launched.close()


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    """Return a network between a browser and the server of the test."""
    made = Wire(server.port)
    yield made
    made.close()


@pytest.fixture
def serve_elsewhere() -> Iterator[Callable[[str], int]]:
    """Return a function that serves a page from another port of this machine, which it returns."""
    servers = []

    def serve(page: str) -> int:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(page.encode())

            def log_message(self, *_: object) -> None:
                pass

        serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        servers.append(serving)
        return serving.server_port

    yield serve
    for each in servers:
        each.shutdown()
        each.server_close()
