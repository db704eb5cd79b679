"""The last message of a user can be taken out without its position, by that user alone."""

import pytest


@pytest.fixture
def reader(server, connect):
    """Return somebody who reads in lab."""
    bare = connect(server)
    bare.send("reader", "/join lab", "/who")
    bare.expect("* 1 in lab")
    return bare


@pytest.fixture
def enter(server, connect):
    """Return a function that lets a person into lab."""

    def enter_(name):
        bare = connect(server, name)
        bare.send("/join lab")
        bare.send("/who")
        bare.expect(" in lab: ")
        return bare

    return enter_


def test_the_last_line_is_taken_out(reader, enter):
    """A guest's, of several that were sent at once; the answer names it, and others are told. A
    second time there is nothing that is known to be theirs."""
    eve = enter("eve")
    eve.send("one", "two", "hello wrold")
    reader.expect("wrold")
    eve.send("/erase", "/erase")
    assert eve.expect("is erased") == "* #3 is erased: hello wrold"
    assert reader.expect("erased") == "* eve erased #3"
    assert eve.line() == "! There is nothing to erase at #3."
    eve.send("/me waves" + " and waves" * 10, "/erase", "/history")
    assert eve.expect("is erased").endswith(" is erased: waves" + " and waves" * 5 + " and ...")
    assert eve.expect("eve: one")
    assert eve.expect("eve: two")
    assert eve.line().endswith("* what eve said was erased")


def test_nobody_elses(reader, enter, server, connect):
    """Nobody erases entries of another room, of others, or of an earlier guest with the same name,
    with or without a position."""
    eve = enter("eve")
    eve.send("in lab", "/join lobby", "in lobby", "/join lab", "/erase")
    assert eve.expect("! ").startswith("! You have said nothing in lab since you came; /history")
    eve.send("mine", "/who")
    eve.expect("in lab")
    bob = enter("bob")
    bob.send("his", "/who")
    bob.expect("in lab")
    eve.send("/erase")
    assert eve.expect("is erased").endswith(" is erased: mine")
    eve.send("of the first eve", "/quit")
    eve.rest()
    eve = enter("eve")
    eve.send("/erase", "/history")
    assert eve.line().startswith("! You have said nothing in lab")
    position = eve.expect("of the first eve").split("#")[1].split("]")[0]
    eve.send(f"/erase #{position}")
    assert eve.line().startswith("! You can erase what you said last")


def test_files_and_topics_stay(reader, enter):
    """The message before them is taken out, and they are not."""
    eve = enter("eve")
    eve.send("said", "/topic plans")
    eve.send_raw(b"/put x.txt 3\nabc")
    eve.expect("= 3 ")
    eve.send("/erase", "/files", "/topic")
    assert eve.expect("is erased").endswith(" is erased: said")
    eve.expect("x.txt")
    assert eve.expect("Topic") == "* Topic of lab: plans"


def test_a_program_does_it_too(reader, server, connect):
    """Position and text are in the answer; a file's entry that is erased is named by its name."""
    bot = connect(server)
    bot.ask(do="hello", name="bot")
    bot.ask(do="join", room="lab")
    bot.ask(do="erase", room="lab", id=0)
    assert bot.event("error")["code"] == "no-such-entry"
    bot.ask(do="say", room="lab", text="a\nb\x1b[2J", id=1)
    bot.ask(do="erase", room="lab", id=2)
    bot.expect('"id":1')
    said = bot.event("ok")
    assert said["id"] == 2
    assert said["text"] == f"#{said['position']} is erased: a b\ufffd[2J"
    assert reader.expect("erased") == f"* bot erased #{said['position']}"
    bot.ask(do="erase", room="lobby", id=3)
    assert bot.event("error")["code"] == "no-such-entry"


def test_words_behind_it_are_no_position(reader, enter):
    """They erase nothing. `@` is the inbox, where a position is needed."""
    eve = enter("eve")
    eve.send("@eve psst", "/erase @", "/erase @ #1", "/history @")
    assert eve.line().endswith("eve -> you: psst")
    assert eve.line() == "! Name its position: /history @ shows those of your inbox."
    assert eve.line() == "* #1 is erased: psst"
    assert eve.line().endswith("* what eve said was erased")
    assert eve.line().endswith("* eve erased #1")
    eve.send("said", "/erase that", "/erase 1", "/history")
    for _ in range(2):
        assert eve.line() == "! That is one word too many: /erase [@USER] [#POSITION]"
    eve.expect("eve: said")
