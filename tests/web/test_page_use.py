"""The page in daily use: broken networks, several tabs, the keyboard, screens, the account."""

import pytest
from playwright.sync_api import expect

from tests.web import media
from tests.web.clients import HttpClient
from tests.web.people import Person

FENCE = "```"


def registered(visit, server, name):
    """Return a person who has registered a name on the first screen, and stays logged in."""
    person = visit(server, place="#lab")
    person.page.get_by_label("Your name").fill(name)
    person.press("Log in or register")
    person.page.get_by_label("Password").fill("correct horse")
    person.page.get_by_label("Register this name as mine").check()
    person.press("Register and come in")
    person.line.wait_for()
    expect(person.page.locator(".me")).to_contain_text("Account")
    return person


@pytest.fixture
def say(server):
    """Return a function that says texts as a program does, each user on a connection of its own."""
    clients = {}

    def say_(*texts, name="ben", room="lab"):
        if name not in clients:
            clients[name] = HttpClient(server.port)
        client = clients[name]
        for text in texts:
            answer = client.request("POST", f"/{room}?name={name}", text.encode())
            assert answer.status == 200, answer

    yield say_
    for client in clients.values():
        client.close()


def current(person, room):
    """Wait until a room is in front."""
    expect(person.place(room)).to_have_attribute("aria-current", "page")


# -- networks that break ---------------------------------------------------------------------------


def test_a_line_whose_answer_was_lost_is_said_once(server, wire, visit):
    """The server stores it, the answer is lost, the page is loaded again and the server started
    again: the line is sent once more, and is there once."""
    ben, anna = visit(server, "ben", "#lab"), visit(wire, "anna", "#lab")
    wire.deaf = True
    anna.say("only once")
    ben.sees("only once")
    expect(anna.page.locator(".pending")).to_have_count(1)
    server.stop()
    server.start()
    wire.cut()
    wire.deaf = False
    anna.page.reload()
    anna.sees("only once")
    expect(anna.page.locator(".pending")).to_have_count(0)
    anna.say("and then this")
    expect(ben.page.locator(".row .text")).to_have_text(["only once", "and then this"])


def test_a_laptop_that_slept_goes_on_by_position(server, wire, visit, say):
    """The page is frozen and its connection dies: afterwards each entry is there once, in order,
    behind a line that tells where the new ones begin."""
    anna = visit(wire, "anna", "#lab")
    say("before")
    anna.sees("before")
    browser = anna.page.context.new_cdp_session(anna.page)
    browser.send("Page.setWebLifecycleState", {"state": "frozen"})
    missed = [f"missed {number}" for number in range(20)]
    say(*missed)
    wire.cut()
    browser.send("Page.setWebLifecycleState", {"state": "active"})
    anna.sees("missed 19")
    say("after")
    anna.sees("after")
    expect(anna.page.locator(".row[id] .text")).to_have_text(["before", *missed, "after"])


def test_two_tabs_are_one_user(server, visit, say):
    """A second tab of a browser that stays logged in needs no password; each shows what the other
    says, once, and what one has read is read in the other."""
    anna = registered(visit, server, "anna")
    anna.page.wait_for_load_state("networkidle")
    page = anna.page.context.new_page()
    page.goto(f"http://127.0.0.1:{server.port}/#lobby")
    other = Person(page)
    other.line.wait_for()
    current(other, "lobby")
    say("anna, a question")
    expect(other.place("lab")).to_contain_text("1 unread, 1 for you")
    anna.page.bring_to_front()
    anna.line.focus()
    anna.say("an answer")
    expect(other.place("lab")).not_to_contain_text("unread")
    other.place("lab").click()
    expect(other.page.locator(".row[id] .text")).to_have_text(["anna, a question", "an answer"])


# -- without a mouse, on any screen ----------------------------------------------------------------


def test_the_keyboard_does_everything(server, visit, say):
    """From the first screen on: come in, talk, move among messages, reply, react, go to rooms,
    search, and back to the line, without a mouse."""
    anna = visit(server)
    keys, line = anna.page.keyboard, anna.line
    keys.type("anna")
    keys.press("Enter")
    line.wait_for()
    expect(line).to_be_focused()
    keys.type("a first line")
    keys.press("Shift+Enter")
    keys.type("and a second")
    keys.press("Enter")
    said = anna.sees("a first line")
    keys.press("Alt+s")
    expect(said).to_be_focused()
    keys.press("Enter")
    expect(anna.page.get_by_role("menuitem", name="Reply")).to_be_focused()
    keys.press("ArrowDown")
    expect(anna.page.get_by_role("menuitem", name="React")).to_be_focused()
    keys.press("Escape")
    expect(said).to_be_focused()
    keys.press("+")
    keys.type("tada")
    keys.press("Enter")
    expect(anna.page.locator(".reaction")).to_contain_text("\N{PARTY POPPER}")
    keys.press("Alt+s")
    anna.page.locator(".row:focus").press("r")
    expect(line).to_be_focused()
    keys.type("an answer")
    keys.press("Enter")
    expect(anna.sees("an answer").locator(".quote")).to_contain_text("a first line")
    keys.press("Control+k")
    expect(anna.page.get_by_label("Find a room")).to_be_focused()
    keys.type("lab")
    keys.press("Enter")
    current(anna, "lab")
    keys.press("Alt+ArrowUp")
    current(anna, "lobby")
    keys.press("Alt+2")
    current(anna, "lab")
    say("anna?", room="lobby")
    expect(anna.place("lobby")).to_contain_text("unread")
    keys.press("Alt+a")
    current(anna, "lobby")
    keys.press("Alt+f")
    expect(anna.page.get_by_label("Words to search for")).to_be_focused()
    keys.type("second")
    keys.press("Enter")
    anna.page.locator(".result", has_text="and a second").wait_for()
    keys.press("Escape")
    expect(anna.page.locator(".panel")).to_be_hidden()


def test_a_screen_reader_finds_its_way(server, visit, say):
    """The parts of the page have roles and names, and new talk is announced."""
    anna = visit(server, "anna", "#lab")
    say("a word")
    role = anna.page.get_by_role
    log = role("log", name="Talk in lab")
    expect(log).to_have_attribute("aria-live", "polite")
    expect(log.get_by_role("article")).to_have_count(1)
    for kind, name in (
        ("navigation", "Rooms and private talk"),
        ("complementary", "People, search and files"),
        ("textbox", "Message in lab"),
        ("button", "Share files"),
        ("button", "anna, your account"),
    ):
        expect(role(kind, name=name)).to_be_visible()
    expect(role("main")).to_be_visible()
    expect(role("heading", level=1)).to_have_text("lab")
    assert anna.page.locator("html").get_attribute("lang") == "en"


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
def test_no_screen_scrolls_sideways(server, visit, direction, say):
    """From 320 pixels to 4K, in both directions of writing: long words, code, tables and pictures
    stay inside."""
    say("x" * 300, f"{FENCE}\n{'code ' * 80}\n{FENCE}", "שלום לכולם, מה נשמע?")
    assert (
        HttpClient(server.port).request("PUT", "/lab/wide.png", media.png(3000, 40)).status == 201
    )
    anna = visit(server, "anna", "#lab")
    anna.page.evaluate("(direction) => { document.documentElement.dir = direction; }", direction)
    anna.page.locator(".picture img").wait_for()
    anna.say("/rules")
    anna.page.locator(".answer").wait_for()
    hebrew = anna.sees("שלום").locator(".text > p")
    assert hebrew.evaluate("it => getComputedStyle(it).direction") == "rtl"
    for width, height in ((320, 560), (390, 844), (768, 1024), (1280, 800), (3840, 2160)):
        anna.page.set_viewport_size({"width": width, "height": height})
        wide = anna.page.evaluate(_WIDER)
        assert wide == [], (width, wide)
        expect(anna.line).to_be_in_viewport(ratio=1)


_WIDER = """() => [document.documentElement, document.querySelector('.log')]
  .filter(({scrollWidth, clientWidth}) => scrollWidth > clientWidth)
  .map(({className, scrollWidth, clientWidth}) => [className, scrollWidth, clientWidth])"""


# -- what one can do -------------------------------------------------------------------------------


def test_markdown_is_a_safe_subset(server, visit):
    """Marks become elements, hostile text becomes text, and no link has other words on it."""
    anna = visit(server, "anna", "#lab")
    hostile = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    anna.line.fill(f"**bold** ~~gone~~ `a<b>c`\n> said\n- item\n{FENCE}html\n{hostile}\n{FENCE}")
    anna.line.press("Enter")
    row = anna.sees("bold")
    for tag, text in (("strong", "bold"), ("s", "gone"), ("blockquote", "said"), ("li", "item")):
        expect(row.locator(tag)).to_have_text(text)
    expect(row.locator("pre code")).to_have_text(hostile)
    expect(row.locator("p > code")).to_have_text("a<b>c")
    anna.say(f"[good](javascript:alert(3)) {hostile} data:text/html,{hostile}")
    expect(anna.page.locator(".log script, .log img, .log a")).to_have_count(0)
    anna.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    row.get_by_role("button", name="Copy").click()
    anna.page.get_by_text("Copied.").wait_for()
    assert anna.page.evaluate("navigator.clipboard.readText()") == hostile


def test_pins_and_marks_of_what_is_unread(server, visit):
    """An owner pins a message, and takes the pin off; a reader lets a room be unread from there."""
    anna = visit(server, "anna")
    anna.say("/create studio")
    current(anna, "studio")
    ben = visit(server, "ben", "#studio")
    for text in ("first", "second", "third"):
        ben.say(text)
        anna.sees(text)
    anna.act(anna.sees("second"), "Pin")
    expect(ben.sees("second")).to_contain_text("pinned")
    ben.press("This room")
    ben.page.get_by_role("menuitem", name="Pinned messages").click()
    expect(ben.page.locator(".result")).to_have_count(1)
    anna.act(anna.sees("second"), "Take off the pin")
    expect(ben.sees("second")).not_to_contain_text("pinned")
    anna.act(anna.sees("second"), "Unread from here")
    anna.page.get_by_text("Unread from there on").wait_for()
    expect(anna.page.locator(".mark ~ .row .text")).to_have_text(["second", "third"])
    anna.place("lobby").click()
    expect(anna.place("studio")).to_contain_text("2 unread")


def test_search_with_filters(server, visit, say):
    """A filter narrows the search, and a box lets it go through all rooms."""
    anna = visit(server, "anna", "#lab")
    say("a needle of ben")
    say("a needle of cleo", name="cleo")
    say("a needle elsewhere", room="lobby")
    anna.drop({"needle.txt": b"x"})
    anna.sees("needle.txt")
    anna.press("Search")
    words, results = anna.page.get_by_label("Words to search for"), anna.page.locator(".result")
    for text, many in (("needle from:cleo", 1), ("has:file", 1), ("needle after:7d", 3)):
        words.fill(text)
        words.press("Enter")
        expect(results).to_have_count(many)
    anna.page.get_by_label("In all rooms").check()
    expect(results).to_have_count(4)
    results.filter(has_text="elsewhere").click()
    current(anna, "lobby")
    expect(anna.sees("a needle elsewhere")).to_be_focused()


def test_a_token_is_made_used_and_revoked(server, visit):
    """A program talks with a token of the page's, until it is revoked; the page asks for the
    password each time."""
    anna = registered(visit, server, "anna")
    page = anna.page
    anna.press("anna, your account")
    anna.press("Tokens for programs…")
    anna.press("New token")
    page.get_by_label("Label").fill("builder")
    page.get_by_label("Your password").fill("wrong")
    anna.press("Make it")
    expect(page.locator("dialog .problem")).not_to_be_empty()
    page.get_by_label("Your password").fill("correct horse")
    anna.press("Make it")
    token = page.locator(".secret-code").inner_text()
    page.keyboard.press("Escape")

    def told(text):
        bearer = f"Bearer {token}"
        return HttpClient(server.port).request("POST", "/lab", text, Authorization=bearer).status

    assert told(b"the build is green") == 200
    anna.sees("the build is green")
    anna.press("anna, your account")
    anna.press("Tokens for programs…")
    page.locator(".lines li", has_text="builder").get_by_role("button", name="Revoke").click()
    page.get_by_label("Your password").fill("correct horse")
    anna.press("Revoke")
    expect(page.locator("dialog[open]")).to_have_count(0)
    assert told(b"once more") == 401


def test_a_password_is_changed(server, visit):
    """The old one is good no more, the new one is; also in a page that came in with a token."""
    anna = registered(visit, server, "anna")
    anna.page.wait_for_load_state("networkidle")
    for old, new in (("correct horse", "in between"), ("in between", "battery staple")):
        anna.press("anna, your account")
        anna.press("Change the password…")
        anna.page.get_by_label("Current password").fill(old)
        anna.page.get_by_label("New password").fill(new)
        anna.press("Change it")
        anna.page.get_by_text("The password is changed.").wait_for()
        anna.page.reload()  # the page comes in with its token
        anna.line.wait_for()
    again = visit(server)
    again.page.get_by_label("Your name").fill("anna")
    again.press("Come in")
    again.page.get_by_label("Password").fill("correct horse")
    again.press("Come in")
    expect(again.page.get_by_role("alert")).not_to_be_empty()
    again.page.get_by_label("Password").fill("battery staple")
    again.press("Come in")
    again.line.wait_for()


def test_a_room_with_a_password_asks_for_it(server, visit):
    """The owner makes it in a form; another user is asked, and told of a wrong one."""
    anna, ben = visit(server, "anna"), visit(server, "ben")
    anna.press("Find or make a room")
    anna.press("New room")
    anna.page.get_by_role("textbox", name="Name", exact=True).fill("vault")
    anna.page.get_by_label("Password").fill("sesame")
    anna.press("Make it")
    current(anna, "vault")
    ben.say("/join vault")
    ben.page.get_by_role("textbox", name="Password").fill("wrong")
    ben.press("Go in")
    expect(ben.page.locator("dialog .problem")).not_to_be_empty()
    ben.page.get_by_role("textbox", name="Password").fill("sesame")
    ben.press("Go in")
    current(ben, "vault")
    ben.say("inside")
    anna.sees("inside")
