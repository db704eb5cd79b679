"""The Lounge, an IRC client whose users sit before a browser, as a client of this server."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.irc.test_registration import register
from tests.servers import PATIENCE, Output, Server, environment

INSTALLED = "THE_LOUNGE"
"""The variable with the folder in which npm has installed `thelounge/package.json`."""


class TheLounge:
    """The Lounge for one user of it, lou, whose chat is the server at a port."""

    def __init__(self, folder: Path, port: int) -> None:
        programs = Path(os.environ[INSTALLED], "node_modules")
        (folder / "users").mkdir(parents=True)
        chat = {"name": "chat", "host": "127.0.0.1", "port": port, "tls": False, "join": "#lab"}
        settings = {
            "host": "127.0.0.1",
            "port": 0,
            "public": False,
            "messageStorage": [],
            "defaults": {**chat, "nick": "lou", "username": "lou", "rejectUnauthorized": False},
        }
        (folder / "config.js").write_text(f"module.exports = {json.dumps(settings)};\n")
        self._command = (programs / ".bin/node", programs / "thelounge/index.js")
        self._environment = environment(THELOUNGE_HOME=str(folder))
        adding = (*self._command, "add", "lou", "--password", "secret-2")
        subprocess.run(adding, env=self._environment, check=True, capture_output=True)
        self._process = subprocess.Popen(
            (*self._command, "start"),
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.address = Output(self._process.stdout).expect("Available at (http://[0-9.:]+/)")[1]

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait(PATIENCE)


class Lou:
    """The user, before a page."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        page.set_default_timeout(PATIENCE * 1000)
        page.goto(address)
        page.get_by_label("Username").fill("lou")
        page.get_by_label("Password", exact=True).fill("secret-2")
        page.get_by_role("button", name="Sign in").click()

    def connect(self, account: str, password: str) -> None:
        """Fill in the form for a network, with SASL."""
        self.page.get_by_label("Nick").fill(account)
        self.page.get_by_label("Username + password (SASL PLAIN)").check()
        self.page.locator("[name=saslAccount]").fill(account)
        self.page.locator("[name=saslPassword]").fill(password)
        self.page.get_by_role("button", name="Connect", exact=True).last.click()

    def window(self, name: str) -> Locator:
        """Return the row of a window, at the left."""
        return self.page.locator(f".channel-list-item[data-name='{name}']")

    def type(self, text: str) -> None:
        """Type a line, and press the button: Enter might choose from the menu of commands."""
        self.page.locator("#input").fill(text)
        self.page.locator("#submit").click()

    def sees(self, who: str, text: str) -> Locator:
        """Wait for one message with that text in the window."""
        found = self.page.locator(f".msg[data-from='{who}']", has_text=text)
        expect(found).to_have_count(1)
        return found


@pytest.fixture
def lounge(tmp_path, server):
    """Return a running Lounge."""
    assert INSTALLED in os.environ, f"Let npm install The Lounge, and set {INSTALLED} (.ci/run)."
    made = TheLounge(tmp_path / "lounge", server.port)
    yield made
    made.close()


@pytest.mark.long
def test_the_lounge(server: Server, lounge, browser, connect):
    """Its user logs in with SASL, talks both ways, sees topics, files and edits, and after being
    away what was said meanwhile, once."""
    register(connect, server, "louise")
    anna = connect(server, "anna")
    anna.send("/join lab")
    anna.expect("You are in lab")
    lou = Lou(browser.new_context().new_page(), lounge.address)
    lou.connect("louise", "secret-1")
    anna.expect("louise came in")
    lou.window("#lab").click()
    anna.send("hello from nc", "/me waves", "/topic green")
    lou.sees("anna", "hello from nc")
    lou.sees("anna", "waves")
    expect(lou.page.locator(".header .topic")).to_have_text("green")
    lou.type("hello from The Lounge")
    assert anna.expect("louise: ") == "louise: hello from The Lounge"
    lou.sees("louise", "hello from The Lounge")
    lou.type("/me nods")
    assert anna.line() == "~ louise nods"
    anna.send("wrong", "/edit right", "/put notes.txt 3", "abc")
    lou.sees("anna", "* right")
    link = lou.sees("anna", "shared notes.txt").get_by_role("link")
    assert link.get_attribute("href") == f"http://127.0.0.1:{server.port}/lab/notes.txt"
    lou.type("/disconnect")
    anna.expect("louise left")
    anna.send("said meanwhile", "@louise for you alone")
    lou.page.locator(".network.not-connected").wait_for()
    lou.type("/connect")
    anna.expect("louise came in")
    lou.sees("anna", "said meanwhile")
    lou.window("anna").click()
    lou.sees("anna", "for you alone")
    lou.type("thank you")
    anna.expect("louise -> you: thank you")
    lou.window("#lab").click()
    lou.sees("anna", "hello from nc")
    lou.sees("anna", "said meanwhile")
    lou.page.context.close()
