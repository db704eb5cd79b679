"""A real Chromium that opens connections ahead, and says nothing on them for a while."""

import time

import pytest
from playwright.sync_api import Browser

from tests.servers import PATIENCE, RawAdminClient, RawClient, Server
from tests.tls import TlsClient
from tests.web.conftest import CHROMIUM, QUIETLY

SHORT = {"greeting_seconds": 0.05, "first_byte_seconds": 0.05}
ELSEWHERE = "127.0.0.2"
OPTIONS = {
    "known address": (),
    "silent port": ("--listen", "silent:tcp:0:interface=127.0.0.1"),
    "TLS": ("--tls", "auto"),
}


def wait_for_silent_connection(server: Server, kind: str) -> None:
    """Wait until a connection is here that has said nothing, and its greeting would have come: that
    of a person does who connects later. In TLS, the person is at the browser's own address."""
    operator = RawAdminClient(server)
    silent, until = 0, time.monotonic() + PATIENCE
    while not silent:
        assert time.monotonic() < until, "the browser opened nothing ahead"
        operator.ask(do="status", id=1)
        counts = {it["what"]: it["count"] for it in operator.event("ok")["connections"]}
        silent = counts.get("nobody yet", 0)
    operator.close()
    person = TlsClient(server.port) if kind == "TLS" else RawClient(server.port, ELSEWHERE)
    person.expect("* Welcome")
    person.close()


@pytest.mark.parametrize("kind", OPTIONS)
def test_a_page_on_a_connection_opened_ahead(
    start_server, browser: Browser, serve_elsewhere, tmp_path, kind
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
        earlier = browser.new_page()
        earlier.goto(f"{origin}/healthz")
        earlier.close()
    hint = f'<!doctype html><title>elsewhere</title><link rel=preconnect href="{origin}">'
    page.goto(f"http://127.0.0.1:{serve_elsewhere(hint)}/")
    wait_for_silent_connection(server, kind)
    assert page.goto(origin).status == 200
    assert page.locator("main").count()
    context.close()
