"""The page as an application: icons, manifest, and the service worker that opens it offline."""

import json
import re
from urllib.parse import urljoin

from playwright.sync_api import expect

from tests.web.clients import HttpClient
from tests.web.people import WORKER, Person

REPLACED = """async before => {
  while ((await caches.keys()).some(it => before.includes(it)))
    await new Promise(done => setTimeout(done, 20));
}"""
"""Waits until what was kept `before` is gone."""


def test_the_manifest_and_its_icons(server):
    """All that browsers ask of a page that can be installed is there, with the right types."""
    client = HttpClient(server.port)
    path = re.search(r'"(static/\w+/manifest\.\w+)"', client.request("GET", "/").body.decode())[1]
    found = client.request("GET", f"/{path}")
    assert found.headers["content-type"] == "application/manifest+json"
    manifest = json.loads(found.body)
    assert (
        urljoin(f"/{path}", manifest["start_url"]) == urljoin(f"/{path}", manifest["scope"]) == "/"
    )
    icons = {(it["sizes"], it["purpose"]) for it in manifest["icons"]}
    assert {("192x192", "any"), ("512x512", "any"), ("512x512", "maskable")} <= icons
    for icon in manifest["icons"]:
        answer = client.request("GET", urljoin(f"/{path}", icon["src"]))
        kind = "image/svg+xml" if icon["src"].endswith("svg") else "image/png"
        assert (answer.status, answer.headers["content-type"]) == (200, kind)


def test_the_page_opens_without_the_server(start_server, trusting):
    """Over TLS a service worker keeps the files. While the server is away the page opens and says
    so; when it is back, the user is in."""
    server = start_server("--tls", "auto")
    trusting.goto(f"https://127.0.0.1:{server.port}/#lobby")
    anna = Person(trusting)
    anna.come_in("anna")
    trusting.evaluate(WORKER)
    server.stop()
    trusting.reload()
    expect(trusting.get_by_text("The server does not answer yet.")).to_be_visible()
    server.start()
    anna.line.wait_for()
    anna.say("back")
    anna.sees("back")


def test_a_new_version_replaces_the_old_one(start_server, trusting, tmp_path):
    """After an update the page is the new one at once, and nothing of the old one is kept."""
    folder = tmp_path / "updated"
    server = start_server("--tls", "auto", folder=folder)
    trusting.goto(f"https://127.0.0.1:{server.port}/")
    trusting.evaluate(WORKER)
    before = trusting.evaluate("caches.keys()")
    assert len(before) == 1
    server._options = (*server._options, "--page-name", "Newer")
    server.stop()
    server.start()
    trusting.reload()
    expect(trusting).to_have_title("Newer")
    trusting.evaluate(REPLACED, before)
    assert len(trusting.evaluate("caches.keys()")) == 1


def test_no_service_worker_on_plain_http(server, visit):
    """Without TLS nothing is kept beside the browser's cache."""
    anna = visit(server, "anna")
    assert (
        anna.page.evaluate("navigator.serviceWorker.getRegistrations().then(it => it.length)") == 0
    )
