"""Moderators in the page: each role's menus, the rules of a room and their end, and mentions of
everybody."""

import re

from playwright.sync_api import expect


def choose(person, *names):
    """Open a menu by its button, and choose from it."""
    *buttons, item = names
    for button in buttons:
        person.press(button)
    person.page.get_by_role("menuitem", name=item).click()


def about(person, name, item):
    """Choose from the menu of somebody who is here."""
    person.page.locator(".people button", has_text=name).click()
    person.page.get_by_role("menuitem", name=item, exact=True).click()


def test_menus_have_what_one_may_do(server, visit):
    """An owner mutes somebody, makes the room slow, closed to others and open again, lifts the
    mute from the list of rules, and reads the record. Another user is offered none of that, and
    reads when they may speak again."""
    anna = visit(server, "anna")
    anna.say("/create studio")
    expect(anna.place("studio")).to_have_attribute("aria-current", "page")
    ben = visit(server, "ben", "#studio")
    ben.press("This room")
    items = ben.page.get_by_role("menuitem")
    plain = ["Pinned messages", "Change the topic", "Rules of the room", "Leave"]
    expect(items).to_have_text(plain)
    ben.page.keyboard.press("Escape")
    about(anna, "ben", "Mute…")
    anna.press("Mute ben")
    ben.sees("anna muted ben for 10 min")
    ben.say("may I?")
    ben.page.locator(".pending", has_text="You are muted in studio").wait_for()
    ben.press("Take back")
    choose(anna, "This room", "Rules of the room")
    rules = anna.page.get_by_role("dialog", name="Rules of the room")
    told = [re.compile("anna owner"), re.compile("ben muted 10 min left")]
    expect(rules.locator("li")).to_have_text(told)
    rules.get_by_role("button", name="Let them speak: ben").click()
    expect(rules.locator("li")).to_have_count(1)
    anna.page.keyboard.press("Escape")
    choose(anna, "This room", "Slow mode…")
    anna.page.get_by_role("spinbutton").fill("600")
    anna.press("Save")
    ben.sees("anna changed slow mode: 10 min")
    ben.say("may I?")
    ben.say("and again")
    again = ben.page.locator(".pending", has_text="say it again in 10 min")
    expect(again).to_contain_text("and again")
    choose(anna, "This room", "Who may come in…")
    anna.page.get_by_label("Access").select_option("invited")
    anna.press("Save")
    choose(anna, "This room", "What moderators did")
    record = anna.page.get_by_role("dialog", name="What moderators did").locator("li")
    expect(record.filter(has_text="access invited")).to_have_count(1)
    anna.page.keyboard.press("Escape")
    anna.act(anna.sees("may I?"), "Erase")
    anna.page.get_by_role("dialog").get_by_role("button", name="Erase").click()
    anna.sees("this message was erased")
    choose(anna, "This room", "Close this room…")
    anna.press("Close it")
    ben.sees("anna closed this room")


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
