"""axe-core, the checker of WCAG's rules, over the states of the page in a real Chromium."""

import json
from collections.abc import Iterator

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import expect

from tests.web import media
from tests.web.clients import HttpClient

FENCE = "```"
TEXTS = (
    f"Look at this:\n{FENCE}python\nprint('hello')\n{FENCE}\nand at `this`",
    "> a quote\n- one\n- two\n**bold** *slanted* ~~struck~~ https://example.org/",
    "anna, @anna and #lab/1",
    "\N{PARTY POPPER}",
)
"""The talk of the busy room: every kind of markup that the page knows."""

MENU = ".popover:popover-open"
"""A menu may first be read from the server; an Escape before it is there closes something else."""

FOUND = """async () => {
  const {violations} = await axe.run(document, {resultTypes: ['violations']});
  return violations.map(({id, help, nodes}) =>
    `${id} (${help}): ${nodes.map(({html, failureSummary}) => `${html} ${failureSummary}`)}`);
}"""


def fill(server):
    """Let others make the lab busy: talk, a reply, reactions, a pin, files, a topic."""
    cleo, ben = HttpClient(server.port), HttpClient(server.port)
    for name, data in {
        "chart.png": media.png(60, 40),
        "tone.wav": media.wav(0.2),
        "film.webm": b"none",
        "notes.txt": b"words",
    }.items():
        told = cleo.request("PUT", f"/lab/{name}?name=cleo", data)
        assert told.status == 201, told
    for text in TEXTS:
        told = ben.request("POST", "/lab?name=ben", text.encode())
        assert told.status == 200, told


def entrance(person) -> Iterator[str]:
    """Go through the states of the first screen, and come in."""
    page = person.page
    yield "the entrance"
    person.press("Log in or register")
    page.get_by_label("Register this name as mine").check()
    yield "the entrance with a password"
    page.get_by_label("Register this name as mine").uncheck()
    page.get_by_label("Your name").fill("not a name")
    person.press("Come in")
    expect(page.locator(".problem")).not_to_be_empty()
    yield "a refused name"
    person.come_in("anna")


def room(person) -> Iterator[str]:
    """Go through the states of a room."""
    page, escape = person.page, lambda: person.page.keyboard.press("Escape")
    person.say("mine, with a \N{SNOWMAN}")
    row = person.sees("mine, with")
    person.act(row, "React")
    yield "the emoji"
    page.locator(".emoji-quick button").first.click()
    page.locator(".reaction").wait_for()
    person.act(person.sees("a quote"), "Reply")
    yield "a reply begun"
    person.say("a reply")
    person.sees("a reply").focus()
    yield "a busy room with a selected message"
    person.sees("a reply").press("Enter")
    page.locator(MENU).wait_for()
    yield "the menu of a message"
    escape()
    person.press("This room")
    page.locator(MENU).wait_for()
    yield "the menu of the room"
    escape()
    person.say("/tokens")
    person.say("/rules")
    page.locator(".answer").nth(1).wait_for()
    yield "answers of commands"
    person.line.press_sequentially("/r")
    page.get_by_role("option").first.wait_for()
    yield "completions"
    escape()
    person.line.fill("")
    person.drop({".hidden": b"x"})
    expect(person.upload(".hidden")).to_have_attribute("data-state", "failed")
    yield "a refused upload"
    person.press("Cancel .hidden")


def panels(person) -> Iterator[str]:
    """Go through the panels at the right, and what they lead to."""
    page, escape = person.page, lambda: person.page.keyboard.press("Escape")
    person.press("Search")
    page.get_by_label("Words to search for").fill("quote")
    page.get_by_label("Words to search for").press("Enter")
    page.locator(".result").first.wait_for()
    yield "search"
    person.press("Close this panel")
    person.press("Files")
    page.locator(".gallery img").wait_for()
    yield "the files"
    page.locator(".gallery button").click()
    page.locator("dialog img").wait_for()
    yield "a picture"
    escape()
    person.press("More about notes.txt")
    page.locator(MENU).wait_for()
    yield "the menu of a file"
    escape()
    person.press("Close this panel")
    person.press("Who is here")
    page.locator(".people button").first.click()
    page.locator(MENU).wait_for()
    yield "the menu of a user"
    escape()
    person.press("Close this panel")


def dialogs(person) -> Iterator[str]:
    """Go through the dialogs."""
    page, escape = person.page, lambda: person.page.keyboard.press("Escape")
    narrow = page.get_by_role("button", name="Rooms", exact=True).is_visible()
    for button in ("Find or make a room", "anna, your account", "Settings"):
        if narrow:
            person.press("Rooms")
            yield "the drawer of the rooms"
        person.press(button)
        page.locator("dialog[open]").wait_for()
        yield button
        escape()
        expect(page.locator("dialog[open]")).to_have_count(0)
        if narrow and page.locator("[data-drawer]").count():
            person.press("Close the list of rooms")
    person.press("This room")
    page.get_by_role("menuitem", name="Change the topic").click()
    page.locator("dialog[open]").wait_for()
    yield "a form"
    escape()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
def test_axe_finds_nothing(server, visit, scheme, width):
    """Every state of the page, on a desk in light colours, and on a phone in dark ones."""
    anna = visit(server, place="#lab", width=width)
    anna.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    anna.page.evaluate(AXE_SCRIPT)
    fill(server)
    found = {}
    for state in (state for part in (entrance, room, panels, dialogs) for state in part(anna)):
        if faults := anna.page.evaluate(FOUND):
            found[state] = faults
    assert not found, json.dumps(found, indent=1)


def test_axe_finds_nothing_offline(server, visit):
    """The page without a connection, with a line that waits."""
    anna = visit(server, "anna", "#lab")
    server.stop()
    anna.say("typed offline")
    anna.page.locator(".banner").wait_for()
    anna.page.evaluate(AXE_SCRIPT)
    assert anna.page.evaluate(FOUND) == []
