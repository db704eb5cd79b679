"""The page as an application: icons, manifest, and the service worker, which opens it offline and
shows its notifications."""

import json
import re
from urllib.parse import urljoin

import pytest
from playwright.sync_api import expect

from tests.servers import PATIENCE
from tests.web.clients import HttpClient
from tests.web.conftest import CHROMIUM, QUIETLY
from tests.web.people import Person

WORKER = """navigator.serviceWorker.ready.then(() => new Promise(done => {
  navigator.serviceWorker.oncontrollerchange = done;
  if (navigator.serviceWorker.controller) done();
}))"""
"""Waits until the page has a service worker."""

REPLACED = """async before => {
  while ((await caches.keys()).some(it => before.includes(it)))
    await new Promise(done => setTimeout(done, 20));
}"""
"""Waits until what was kept `before` is gone."""

NOTIFIED = """async (patience) => {
  const until = Date.now() + patience * 1000;
  let found;
  while (!(found = await registration.getNotifications()).length && Date.now() < until)
    await new Promise(done => setTimeout(done, 20));
  return found.map(({title, body}) => [title, body]);
}"""
"""Waits, in the service worker, for notifications: their titles and texts."""

PRESS = """async () => {
  const [notification] = await registration.getNotifications();
  const press = new NotificationEvent('notificationclick', {notification});
  let led;
  press.waitUntil = (it) => { led = it; };
  dispatchEvent(press);
  const outcome = await led.then(() => 'done', (error) => error.name);
  return [outcome, (await registration.getNotifications()).length];
}"""
"""Presses the first notification, in the service worker. The event is made by a script, so it may
neither prolong the worker's life nor move the focus."""


@pytest.fixture
def trusting(browser):
    """Return a page in a browser that takes any certificate for one of an authority."""
    arguments = [*QUIETLY, "--ignore-certificate-errors"]
    launched = browser.browser_type.launch(executable_path=CHROMIUM, args=arguments)
    page = launched.new_page()
    page.set_default_timeout(PATIENCE * 1000)
    yield page
    launched.close()


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


def test_a_notification_leads_to_the_talk(start_server, trusting, connect):
    """The service worker notifies a user elsewhere of a mention and of private talk, not of other
    talk. A press on it closes it, and the page that notified shows that talk."""
    server = start_server("--tls", "auto", "--room", "lab")
    address = f"https://127.0.0.1:{server.port}"
    trusting.context.grant_permissions(["notifications"], origin=address)
    trusting.goto(f"{address}/#lab")
    anna = Person(trusting)
    anna.come_in("anna")
    trusting.evaluate(WORKER)
    (worker,) = trusting.context.service_workers
    anna.press("Settings")
    trusting.get_by_label("Notify me of mentions and private talk").check()
    trusting.keyboard.press("Escape")
    anna.say("/join lobby")
    expect(anna.place("lobby")).to_have_attribute("aria-current", "page")
    trusting.evaluate("document.hasFocus = () => false")  # without a screen each page has it
    bot = connect(server)
    bot.send(json.dumps({"do": "hello", "name": "bot"}))
    bot.send(json.dumps({"do": "join", "room": "lab"}))
    for text in ("nothing for anybody", "look here, @anna"):
        bot.send(json.dumps({"do": "say", "room": "lab", "text": text}))
    assert worker.evaluate(NOTIFIED, PATIENCE) == [["bot in lab", "look here, @anna"]]
    assert worker.evaluate(PRESS) == ["InvalidAccessError", 0]
    expect(anna.place("lab")).to_have_attribute("aria-current", "page")
    expect(anna.sees("look here, @anna")).to_be_in_viewport()
    bot.send(json.dumps({"do": "msg", "to": "anna", "text": "a secret"}))
    assert worker.evaluate(NOTIFIED, PATIENCE) == [["bot", "a secret"]]
    assert worker.evaluate(PRESS) == ["InvalidAccessError", 0]
    anna.sees("a secret")


def test_no_service_worker_on_plain_http(server, visit):
    """Without TLS nothing is kept beside the browser's cache."""
    anna = visit(server, "anna")
    assert (
        anna.page.evaluate("navigator.serviceWorker.getRegistrations().then(it => it.length)") == 0
    )
