"""Parts of the page that come later than its first talk: slow, or of another version by then."""

from playwright.sync_api import expect


def hold(page, name):
    """Hold a file of the page back. Return a function that lets it come."""
    held, free = [], []
    page.route(f"**/{name}", lambda route: route.continue_() if free else held.append(route))

    def let() -> None:
        free.append(True)
        for route in held:
            route.continue_()

    return let


def test_typed_keys_wait_for_the_part_that_they_are_for(server, visit):
    """Letters and Enter after Ctrl+K choose a room, and after Alt+F they search, also if these
    parts of the page come late. Nothing of that stands where one types."""
    anna = visit(server, place="#lab")
    rooms, panel = hold(anna.page, "roomactions.js"), hold(anna.page, "panel.js")
    anna.come_in("anna")
    anna.say("a needle")
    anna.sees("a needle")
    keys = anna.page.keyboard
    keys.press("Control+k")
    keys.type("lobb\n")
    rooms()
    expect(anna.place("lobby")).to_have_attribute("aria-current", "page")
    anna.place("lab").click()
    keys.press("Alt+f")
    keys.type("needle\n")
    panel()
    anna.page.locator(".result", has_text="a needle").wait_for()
    expect(anna.line).to_have_value("")


def test_a_page_of_an_older_server_begins_anew(server, visit):
    """A part that a newer server does not have under that name: the page loads itself again, and
    what was typed is still there."""
    anna = visit(server, place="#lab")
    settings = hold(anna.page, "account.js")
    anna.come_in("anna")
    anna.line.fill("half a sentence")
    server._options = (*server._options, "--page-name", "Newer")
    server.stop()
    anna.page.locator(".banner").wait_for()
    server.start()
    expect(anna.page.locator(".banner")).to_be_hidden()
    settings()  # the page asks for it unasked, a second after it came in
    expect(anna.page).to_have_title("lab – Newer")
    expect(anna.line).to_have_value("half a sentence")
    anna.press("Settings")
    expect(anna.page.get_by_role("dialog", name="Settings")).to_be_visible()
