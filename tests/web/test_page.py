"""The page, in a real browser against a real server."""

import json

from playwright.sync_api import expect

MANY = 1200


def test_people_talk(server, visit):
    """Each sees what the other says, once; what a person types is sent by Enter."""
    anna, ben = visit(server, "anna"), visit(server, "ben")
    anna.say("hello, ben")
    ben.sees("hello, ben")
    ben.say("hello yourself")
    anna.sees("hello yourself")
    anna.sees("hello, ben")


def test_a_text_is_never_markup(server, visit):
    """Tags are shown as they were written; a link leads only to the web."""
    anna = visit(server, "anna")
    anna.say("<img src=x onerror=alert(1)> [x](javascript:alert(1)) https://example.org/a")
    row = anna.sees("<img src=x onerror=alert(1)>")
    expect(row.locator("img")).to_have_count(0)
    expect(row.locator("a")).to_have_attribute("href", "https://example.org/a")


def test_text_typed_offline_waits_and_is_said_once(server, visit):
    """A server that stops and comes back: what was typed meanwhile is there once, in order. Notices
    leave it visible that there is no connection."""
    anna, ben = visit(server, "anna"), visit(server, "ben")
    anna.say("before")
    ben.sees("before")
    server.stop()
    expect(anna.page.locator(".banner")).to_be_visible()
    anna.page.keyboard.press("Alt+a")
    banner, toast = (anna.page.locator(it).bounding_box() for it in (".banner", ".toast"))
    assert toast["y"] >= banner["y"] + banner["height"]
    anna.say("one, offline")
    anna.say("two, offline")
    expect(anna.page.locator(".pending")).to_have_count(2)
    server.start()
    ben.sees("two, offline")
    anna.sees("one, offline")
    texts = anna.page.locator(".row .text")
    expect(texts).to_have_text(["before", "one, offline", "two, offline"])
    expect(anna.page.locator(".banner")).to_be_hidden()


def test_a_reload_keeps_the_guest_the_rooms_and_the_place(server, visit):
    """A guest is the same one after a reload, in the same room."""
    anna = visit(server, "anna", "#lab")
    anna.say("I was here")
    anna.sees("I was here")
    anna.page.reload()
    anna.sees("I was here")
    expect(anna.place("lab")).to_have_attribute("aria-current", "page")


def test_unread_talk_is_counted_and_marked(server, visit):
    """A room that is not in front shows how much is new; a line marks where it begins."""
    anna, ben = visit(server, "anna", "#lab"), visit(server, "ben", "#lab")
    anna.say("old")
    ben.sees("old")
    anna.say("/join lobby")
    expect(anna.place("lobby")).to_have_attribute("aria-current", "page")
    ben.say("new for anna")
    ben.say("more")
    expect(anna.place("lab")).to_contain_text("2 unread, 1 for you")
    expect(anna.page).to_have_title("(1) lobby – Chat")
    anna.place("lab").click()
    anna.sees("more")
    rows = anna.page.locator(".mark ~ .row .text")
    expect(rows).to_have_text(["new for anna", "more"])
    expect(anna.place("lab")).not_to_contain_text("unread")


def test_the_first_unread_entry_is_a_press_away(server, visit, connect):
    """Much came meanwhile: the newest is shown, and a button leads to where the unread begins."""
    anna = visit(server, "anna", "#lab")
    anna.say("the last that I read")
    anna.sees("the last that I read")
    anna.say("/join lobby")
    expect(anna.place("lobby")).to_have_attribute("aria-current", "page")
    bot = connect(server)
    bot.send(json.dumps({"do": "hello", "name": "bot"}))
    bot.send(json.dumps({"do": "join", "room": "lab"}))
    for number in range(MANY):
        bot.send(json.dumps({"do": "say", "room": "lab", "text": f"entry {number}."}))
    bot.expect(f"entry {MANY - 1}.")
    anna.place("lab").click()
    expect(anna.sees(f"entry {MANY - 1}.")).to_be_in_viewport()
    anna.press("First unread")
    expect(anna.sees("entry 0.")).to_be_in_viewport()
    expect(anna.page.locator(".mark + .row")).to_contain_text("entry 0.")


def test_one_scrolls_back_through_everything(server, visit, connect):
    """Older talk is read as one scrolls up; at most a thousand entries are on the page, and the end
    comes back at a press."""
    bot = connect(server)
    bot.send(json.dumps({"do": "hello", "name": "bot"}))
    bot.send(json.dumps({"do": "join", "room": "lab"}))
    for number in range(MANY):
        bot.send(json.dumps({"do": "say", "room": "lab", "text": f"entry {number}."}))
    bot.expect(f"entry {MANY - 1}.")
    anna = visit(server, "anna", "#lab")
    anna.sees(f"entry {MANY - 1}.")
    first = anna.page.locator(".row[id]").first
    while "entry 0." not in (before := first.inner_text()):
        anna.page.locator(".log").evaluate("log => { log.scrollTop = 0; }")
        expect(first).not_to_have_text(before)
    assert anna.page.locator(".row[id]").count() <= 1000
    anna.press("Newest")
    anna.sees(f"entry {MANY - 1}.")


def test_a_link_leads_to_an_entry(server, visit, connect):
    """`#lab/2` shows that entry of a room in which one was not yet, and marks it for a while, also
    where nothing may move."""
    bot = connect(server)
    bot.send(json.dumps({"do": "hello", "name": "bot"}))
    bot.send(json.dumps({"do": "join", "room": "lab"}))
    for number in range(1, 200):
        bot.send(json.dumps({"do": "say", "room": "lab", "text": f"entry {number}."}))
    bot.expect("entry 199.")
    anna = visit(server, place="#lab/2")
    anna.page.emulate_media(reduced_motion="reduce")
    anna.come_in("anna")
    expect(anna.sees("entry 2.")).to_be_in_viewport()
    expect(anna.page.locator(".row.shown")).to_have_css("background-color", "rgb(220, 235, 230)")
    expect(anna.page.locator(".row.shown")).to_have_count(0)


def test_replies_edits_reactions_and_erasing(server, visit):
    """Others see a reply, an edit, a reaction; the keys of a selected message work."""
    anna, ben = visit(server, "anna"), visit(server, "ben")
    anna.say("a first try")
    row = ben.sees("a first try")
    row.focus()
    row.press("r")
    ben.say("an answer")
    expect(anna.sees("an answer").locator(".quote")).to_contain_text("a first try")
    anna.line.press("ArrowUp")
    anna.say("a second try")
    expect(ben.sees("a second try").first).to_contain_text("edited")
    ben.act(ben.sees("an answer"), "React")
    ben.page.locator(".emoji-quick button").first.click()
    expect(anna.page.locator(".reaction")).to_have_text("👍1")
    ben.act(ben.sees("an answer"), "Erase")
    ben.page.locator("dialog").get_by_role("button", name="Erase").click()
    anna.sees("this message was erased")


def test_private_talk_has_a_view_of_its_own(server, visit):
    """A message for one user is not in the room; the other answers where it came."""
    anna, ben = visit(server, "anna"), visit(server, "ben")
    anna.say("/msg ben a secret")
    anna.sees("a secret")
    ben.place("anna").click()
    ben.sees("a secret")
    ben.say("I keep it")
    anna.sees("I keep it")
    ben.say("/me nods")
    expect(anna.page.locator(".action")).to_have_text("ben nods")
    anna.place("lobby").click()
    expect(anna.page.locator(".row", has_text="secret")).to_have_count(0)


def test_a_registered_user_stays_logged_in(server, visit):
    """A name is registered; another browser needs its password, and stays logged in."""
    anna = visit(server, "anna")
    anna.press("anna, your account")
    anna.press("Register this name…")
    anna.page.get_by_label("Password").fill("correct horse")
    anna.press("Register")
    anna.page.get_by_text("The name is yours now.").wait_for()
    again = visit(server)
    again.come_in("anna", "correct horse")
    expect(again.page.locator(".me")).to_contain_text("Account")
    again.page.wait_for_load_state("networkidle")
    again.page.reload()
    again.line.wait_for()
    expect(again.page.locator(".me")).to_contain_text("Account")


def test_a_moderator_puts_a_user_out(server, visit):
    """The menu of a user has what moderators do; who was put out reads why, and may go in again."""
    anna = visit(server, "anna")
    anna.say("/create studio")
    expect(anna.place("studio")).to_have_attribute("aria-current", "page")
    ben = visit(server, "ben", "#studio")
    anna.page.locator(".people button", has_text="ben").click()
    anna.page.get_by_role("menuitem", name="Put out of the room…").click()
    anna.page.get_by_label("Reason").fill("a test")
    anna.press("Put ben out")
    ben.sees("anna put you out of this room: a test")
    expect(ben.line).to_be_hidden()
    ben.press("Go in")
    ben.say("here again")
    anna.sees("here again")


def test_commands_and_names_are_completed(server, visit):
    """Tab completes what stands before the cursor; a command's answer appears in the talk."""
    anna, ben = visit(server, "anna"), visit(server, "benjamin")
    anna.page.locator(".people", has_text="benjamin").wait_for()
    anna.line.press_sequentially("@be")
    anna.line.press("Tab")
    expect(anna.line).to_have_value("@benjamin ")
    anna.line.fill("")
    anna.line.press_sequentially("/rul")
    anna.line.press("Tab")
    expect(anna.line).to_have_value("/rules ")
    anna.line.press("Enter")
    anna.page.locator(".answer", has_text="public").wait_for()
    ben.say("still here")
    anna.sees("still here")


def test_search_leads_to_what_was_found(server, visit):
    """A result is shown in its talk."""
    anna = visit(server, "anna")
    anna.say("needle in the hay")
    anna.sees("needle")
    anna.press("Search")
    anna.page.get_by_label("Words to search for").fill("needle")
    anna.page.get_by_label("Words to search for").press("Enter")
    anna.page.locator(".result", has_text="needle").click()
    expect(anna.sees("needle")).to_be_focused()


def test_a_phone_has_drawers(server, visit):
    """On 320 pixels nothing is wider than the screen, and the rooms are a drawer."""
    anna = visit(server, "anna", "#lab", width=320)
    anna.say("x" * 200)
    anna.sees("x" * 200)
    assert anna.page.evaluate("document.documentElement.scrollWidth") <= 320
    expect(anna.place("lab")).to_be_hidden()
    anna.press("Rooms")
    anna.place("lab").click()
    expect(anna.place("lab")).to_be_hidden()


def test_only_commands_that_one_may_give_are_completed(server, visit):
    """A guest is shown no commands of moderators; the owner of a room is, and nobody those of the
    operators."""
    anna = visit(server, "anna", "#lab")
    options = anna.page.get_by_role("option")
    anna.line.press_sequentially("/k")
    expect(options).to_have_count(0)
    anna.line.fill("")
    anna.line.press_sequentially("/regi")
    expect(options).to_contain_text(["/register"])
    anna.line.fill("")
    anna.say("/create studio")
    expect(anna.place("studio")).to_have_attribute("aria-current", "page")
    anna.line.press_sequentially("/ki")
    expect(options).to_contain_text(["/kick"])
    anna.line.fill("")
    anna.line.press_sequentially("/broad")
    expect(options).to_have_count(0)


def test_the_list_of_rooms_is_as_new_as_when_it_opens(server, visit):
    """It tells how many are in a room now, and its topic, also if it was read before."""
    anna = visit(server, "anna", "#lab")
    anna.say("/topic Physics")
    expect(anna.page.locator(".topic")).to_have_text("Physics")
    anna.press("Find or make a room")
    row = anna.page.locator(".browse button", has_text="lab")
    expect(row).to_contain_text("Physics")
    expect(row).to_contain_text("1 users here")
