"""The page after an operator has put back an earlier state of the server."""

import shutil

import pytest
from playwright.sync_api import expect

from tests.test_chatctl import chatctl


@pytest.mark.parametrize("since", [1, 6])
def test_the_page_shows_the_restored_log(start_server, visit, connect, tmp_path, since):
    """The log may be shorter than before, or longer by now. The page says so once, and shows what
    the log has: nothing of the lost entries, each new one once."""
    server = start_server("--room", "lab")
    kept = str(tmp_path / "backup")
    anna = visit(server, "anna", "#lab")
    anna.say("kept")
    anna.sees("kept")
    assert chatctl(server.data, "backup", kept)[0] == 0
    for text in ("lost 1", "lost 2", "lost 3"):
        anna.say(text)
        anna.sees(text)
    server.stop()
    expect(anna.page.locator(".banner")).to_be_visible()
    anna.page.context.set_offline(True)
    shutil.rmtree(server.data)
    assert chatctl(server.data, "restore", kept)[0] == 0
    server.start()
    ben = connect(server, "ben")
    ben.send("/join lab", *(f"new {number}" for number in range(since)), "/who")
    ben.expect("in lab: ben")
    anna.page.context.set_offline(False)
    notices = anna.page.locator(".toast", has_text="The log of lab was put back")
    expect(notices).to_have_count(1)
    texts = anna.page.locator(".row .text")
    expect(texts).to_have_text(["kept", *(f"new {number}" for number in range(since))])
    anna.say("and on")
    expect(texts).to_have_text(["kept", *(f"new {number}" for number in range(since)), "and on"])
    expect(notices).to_have_count(1)


def register(person, name):
    """Register the name of a person."""
    person.press(f"{name}, your account")
    person.press("Register this name…")
    person.page.get_by_label("Password").fill("correct horse")
    person.press("Register")
    person.page.get_by_text("The name is yours now.").wait_for()


def test_everybody_is_mentioned_by_a_moderator(server, visit):
    """`@room` stands out for everybody. It counts for registered users, as the server counts it:
    if a registered moderator says it."""
    anna, ben = visit(server, "anna"), visit(server, "ben")
    register(anna, "anna")
    register(ben, "ben")
    anna.say("/create studio")
    expect(anna.place("studio")).to_have_attribute("aria-current", "page")
    ben.say("/join studio")
    expect(ben.place("studio")).to_have_attribute("aria-current", "page")
    ben.say("/join lobby")
    expect(ben.place("lobby")).to_have_attribute("aria-current", "page")
    carl = visit(server, "carl", "#studio")
    carl.say("@room from a guest")
    expect(anna.sees("@room from a guest").locator(".of-me")).to_have_text("@room")
    expect(ben.place("studio")).to_contain_text("1 unread")
    anna.say("hello @room")
    expect(ben.place("studio")).to_contain_text("2 unread, 1 for you")
