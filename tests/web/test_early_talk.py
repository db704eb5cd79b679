"""The newest talk that comes with the first response of the page."""

from playwright.sync_api import expect

from tests.web.clients import HttpClient


def early(server, cookie):
    """Return the page for a browser with that cookie."""
    return HttpClient(server.port).request("GET", "/", Cookie=cookie)


def said(connect, server, room, *texts, before=(), name="anna"):
    """Say something in a room."""
    one = connect(server, name)
    one.send(*before, f"/join {room}", *texts, "/who")
    one.expect(f"in {room}: {name}")


def test_the_page_brings_the_newest_talk_of_a_room(server, connect):
    """The cookie names the room. Nobody keeps the page, and texts and names are no markup; plain
    marks of Markdown have their meaning already."""
    said(connect, server, "lab", "first", '<b>"second"</b>', "**<i>** and `<u>**` 2 * 3 * 4 *")
    page = early(server, "a=b; room=lab")
    assert page.headers["cache-control"] == "no-store"
    assert b'data-talk="lab"' in page.body
    assert b">first<" in page.body
    assert b"&lt;b&gt;&quot;second&quot;&lt;/b&gt;" in page.body
    assert b"<b>" not in page.body
    formatted = b"<strong>&lt;i&gt;</strong> and <code>&lt;u&gt;**</code> 2 * 3 * 4 *<"
    assert formatted in page.body
    length = HttpClient(server.port).request("HEAD", "/", Cookie="room=lab").headers
    assert length["content-length"] == str(len(page.body))


def test_long_talk_is_cut_to_its_newest(server, connect):
    """The page stays small, whatever was said."""
    said(connect, server, "lab", *(f"{number} {'é<' * 1000}" for number in range(12)))
    page = early(server, "room=lab")
    assert b">11 " in page.body
    assert b">0 " not in page.body
    assert len(page.body) < 25_000


def test_the_page_brings_nothing_that_a_guest_may_not_read(server, connect):
    """A room with a password, one for the invited, an inbox, and a name that is none."""
    said(connect, server, "club", "secret", before=["/create club", "/access invited"])
    said(connect, server, "vault", "secret", before=["/create vault pass"], name="ben")
    plain = early(server, "").body
    for name in ("vault", "club", "@", "%40anna", "*", "nowhere", "%00", "%ff<b>", '"x"', ""):
        assert early(server, f"room={name}").body == plain, name


def test_guests_are_shown_nothing_where_there_are_none(start_server, connect):
    """With --no-guests the page brings no talk."""
    server = start_server("--no-guests", "--room", "lab")
    assert b"early" not in early(server, "room=lab").body


def test_talk_is_on_the_screen_before_the_modules_are(server, visit):
    """After a reload the talk is there while the modules are still on their way; they replace it.
    It is not shown for another room, nor to somebody who is not remembered."""
    anna = visit(server, "anna", "#lab")
    anna.say("**hello**")
    anna.sees("hello")
    held = []
    anna.page.route("**/app.js", lambda route: held.append(route))
    anna.page.reload(wait_until="commit")
    expect(anna.page.locator(".early .text")).to_have_text("hello")
    expect(anna.page.locator(".early .text")).to_be_visible()
    for route in held:
        route.continue_()
    expect(anna.sees("hello").locator("strong")).to_have_text("hello")
    expect(anna.page.locator(".early")).to_have_count(0)
    held.clear()
    anna.page.goto("about:blank")
    anna.page.goto(f"http://127.0.0.1:{server.port}/#lobby", wait_until="commit")
    expect(anna.page.locator(".early")).to_have_count(1)
    expect(anna.page.locator(".early")).to_be_hidden()
    for route in held:
        route.continue_()
    expect(anna.place("lobby")).to_have_attribute("aria-current", "page")
