"""Push messages in a real Chromium: the switch of the page, and what the service worker does.

A headless Chromium reaches no push service. So its `PushManager.subscribe` is a stub that gives the
address and the keys of a browser at the tests' own service, and what comes there is handed to the
real worker through the DevTools protocol.
"""

import json
import re
import sqlite3
from contextlib import closing

import pytest
from playwright.sync_api import expect

from tests.pushservices import HOST, Browser
from tests.servers import PATIENCE
from tests.web.people import WORKER, Person
from tests.web.test_push import ask, leave

SWITCH = "Tell me also when this page is closed"

STUB = """const made = {endpoint: ENDPOINT, toJSON: () => ({endpoint: ENDPOINT, keys: KEYS}),
  unsubscribe: async () => { localStorage.made = ''; return true; }};
PushManager.prototype.subscribe = async function subscribe({applicationServerKey}) {
  localStorage.made = applicationServerKey;
  return made;
};
PushManager.prototype.getSubscription = async () => (localStorage.made ? made : null);
"""

MADE = """async () => {
  while (!localStorage.made) await new Promise(done => setTimeout(done, 20));
  return localStorage.made;
}"""
"""Waits, in a page, for a subscription, and returns the key that it is made with. The page's policy
forbids Playwright to wait for a function."""

SHOWN = """async ([wanted, patience]) => {
  const until = Date.now() + patience * 1000;
  let found;
  do {
    found = (await registration.getNotifications()).map(({title, body, tag}) => [title, body, tag]);
    await new Promise(done => setTimeout(done, 20));
  } while (JSON.stringify(found) !== JSON.stringify(wanted) && Date.now() < until);
  return found;
}"""
"""Waits, in the service worker, for notifications: their titles, texts and tags. Showing, replacing
and closing one takes a while."""

ALONE = """async () => {
  while ((await clients.matchAll({type: 'window'})).length)
    await new Promise(done => setTimeout(done, 20));
}"""
"""Waits, in the service worker, until no page is open."""

PRESS = """async () => {
  const [notification] = await registration.getNotifications();
  const press = new NotificationEvent('notificationclick', {notification});
  let led;
  press.waitUntil = (it) => { led = it; };
  dispatchEvent(press);
  return led.then(() => 'done', (error) => error.name);
}"""
"""Presses the first notification, in the service worker. The event is made by a script, so it may
neither move the focus nor open a page."""

PRESS_ALONE = f"""async () => {{
  const opened = [];
  clients.openWindow = async (address) => opened.push(address);
  await ({PRESS})();
  return opened;
}}"""
"""The same, without an open page. Returns the addresses of pages that are opened."""


class Laptop:
    """A browser on which bob comes in, and what it gets from the tests' push service."""

    def __init__(self, page, server, service):
        self.context, self.page = page.context, page
        self.address = f"https://127.0.0.1:{server.port}"
        self.gets = Browser(service, "bob")
        self.context.grant_permissions(["notifications"], origin=self.address)
        made = {"ENDPOINT": json.dumps(self.gets.endpoint), "KEYS": json.dumps(self.gets.keys)}
        self.context.add_init_script(re.sub("ENDPOINT|KEYS", lambda it: made[it[0]], STUB))
        self.key = ""

    def visit(self, again=False):
        """Open the page in a new tab, and return bob, who comes in, or is remembered."""
        self.page = self.context.new_page()
        self.page.goto(f"{self.address}/#lobby")
        bob = Person(self.page)
        if not again:
            bob.come_in("bob", "secret")
        bob.line.wait_for()
        self.page.evaluate(WORKER)
        return bob

    def turn_on(self, bob, *switches):
        """Turn on some switches of the settings."""
        bob.press("Settings")
        for it in switches:
            self.page.get_by_label(it).check()
        self.key = self.page.evaluate(MADE)
        self.page.keyboard.press("Escape")

    @property
    def worker(self):
        """The service worker."""
        return self.context.service_workers[0]

    def shows(self, *wanted):
        """Wait until these notifications are shown, and no others."""
        wanted = [list(it) for it in wanted]
        assert self.worker.evaluate(SHOWN, [wanted, PATIENCE]) == wanted

    def devtools(self):
        """Return the DevTools protocol of a page, and the number of the worker's registration."""
        session, found = self.context.new_cdp_session(self.page), []
        updated = "ServiceWorker.workerRegistrationUpdated"
        session.on(updated, lambda event: found.extend(event["registrations"]))
        session.send("ServiceWorker.enable")
        while not found:
            self.page.wait_for_timeout(10)
        return session, found[0]["registrationId"]

    def hand_on(self, message):
        """Give a message to the service worker, as a browser does."""
        session, number = self.devtools()
        told = {"origin": f"{self.address}/", "registrationId": number, "data": json.dumps(message)}
        session.send("ServiceWorker.deliverPushMessage", told)

    def blur(self):
        """Take the focus from the page, which has it without a screen, too."""
        session, _ = self.devtools()
        session.send("Emulation.setFocusEmulationEnabled", {"enabled": False})
        self.context.new_page().bring_to_front()


@pytest.fixture
def laptop(start_server, service, trusting, connect):
    """Return a browser, and the server where bob is registered, and keeps lab."""
    allowed = "--push-to", f"{HOST}:{service.port}"
    limits = {"push_pause_seconds": 0.0, "push_idle_seconds": 0.0}
    server = start_server("--tls", "auto", "--room", "lab", *allowed, **limits)
    bob = connect(server)
    ask(bob, "signup", name="bob", password="secret")
    ask(bob, "join", room="lab")
    leave(bob)
    return Laptop(trusting, server, service), server


def say(connect, server, *requests):
    """Let alice do something on a connection of her own."""
    alice = connect(server)
    ask(alice, "hello", name="alice")
    for fields in requests:
        ask(alice, **fields)
    return alice


def test_a_notification_leads_to_the_talk(laptop, connect):
    """The service worker shows a push message, unless the page is in front. The page notifies in
    the same place of a mention that it hears of itself. A press shows that talk in the page."""
    laptop, server = laptop
    bob = laptop.visit()
    laptop.turn_on(bob, SWITCH, "Notify me of mentions and private talk")
    laptop.hand_on({"from": "eve", "room": "@eve", "seq": 1, "text": "unseen"})
    laptop.blur()
    mention = {"do": "say", "room": "lab", "text": "look here, bob"}
    alice = say(connect, server, {"do": "join", "room": "lab"}, mention)
    laptop.shows(("alice in lab", "look here, bob", "lab"))
    message = laptop.gets.message(laptop.key)
    assert message == {"from": "alice", "room": "lab", "seq": 1, "text": "look here, bob"}
    laptop.hand_on({**message, "text": "and here"})
    laptop.shows(("alice in lab", "and here", "lab"))
    assert laptop.worker.evaluate(PRESS) == "InvalidAccessError"
    expect(bob.place("lab")).to_have_attribute("aria-current", "page")
    expect(bob.sees("look here, bob")).to_be_in_viewport()
    laptop.shows()
    alice.close()


def test_a_page_that_is_closed(laptop, connect):
    """Its user is told all the same, and a press opens the talk. The page asks again for what ended
    with a password, and ends it for good when the user logs out."""
    laptop, server = laptop
    laptop.turn_on(laptop.visit(), SWITCH)
    bob = connect(server)
    ask(bob, "hello", name="bob", password="secret")
    ask(bob, "password", old="secret", new="secret2")
    assert subscribed(server) == 0
    laptop.page.close()
    bob = laptop.visit(again=True)
    while not subscribed(server):
        laptop.page.wait_for_timeout(10)
    laptop.page.close()
    laptop.page = laptop.context.new_page()
    laptop.worker.evaluate(ALONE)
    say(connect, server, {"do": "msg", "to": "bob", "text": "psst"})
    laptop.hand_on(laptop.gets.message(laptop.key))
    laptop.shows(("alice", "psst", "@alice"))
    assert laptop.worker.evaluate(PRESS_ALONE) == [f"{laptop.address}/#%40alice/1"]
    bob = laptop.visit(again=True)
    bob.say("/quit")
    laptop.page.get_by_label("Your name").wait_for()
    assert subscribed(server) == 0
    assert not laptop.page.evaluate("localStorage.made")


def subscribed(server):
    """Return how many browsers the server tells."""
    with closing(sqlite3.connect(server.data / "chat.sqlite")) as db:
        return db.execute("SELECT count(*) FROM push").fetchone()[0]
