"""Names, accounts and inboxes of users."""

import re
import threading

import pytest

STAMP = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ #(\d+)\] "


@pytest.fixture
def enter(server, connect):
    """Return a function that opens a connection and sends lines, the first of which is a name."""

    def enter_(*lines):
        bare = connect(server)
        bare.send(*lines, "/help who")
        bare.expect("* /who")  # all of it is done
        bare.expect("if none is named")
        return bare

    return enter_


def left(bare):
    """End a connection and wait until it is over."""
    bare.send("/quit")
    return bare.rest().decode()


def test_a_registered_name_is_nobody_elses(server, enter):
    """Neither while its owner is away, nor after a restart; its password brings one back."""
    bob = enter("Bob", "/register s3cret word", "/register s3cret")
    assert "! That is one word too many" in bob.seen
    assert "* Bob is your name from now on; /login Bob PASSWORD brings you back." in bob.seen
    left(bob)
    for restarted in (False, True):
        if restarted:
            server.stop()
            server.start()
        nobody = enter("bob", "/login bob wrong", "/login bob", "/who")
        refused = re.findall(r"^! (.*)$", nobody.seen, re.MULTILINE)
        assert len(refused) == 4
        assert "registered name; /login Bob PASSWORD" in refused[0]
        assert refused[1] == "That is not Bob's password; try again."
        eve = enter("eve", "/nick BOB", "/who")
        assert "! Bob is a registered name; /login Bob PASSWORD" in eve.seen
        assert "* 1 in lobby: eve" in eve.seen
        left(nobody)
        bob = enter("/login BOB s3cret", "/who")
        assert "* 2 in lobby: Bob, eve" in bob.seen
        left(bob), left(eve)


def test_a_message_waits_for_who_is_away(server, enter):
    """It comes when they log in, with its time and position, once, also after a restart."""
    left(enter("bob", "/register pw"))
    alice = enter("alice", "/msg BOB one", "@bob two", "-pr bob three\tand more")
    assert alice.seen.count("* BOB is away (not here now), and will see it later.") == 1
    server.stop()
    server.start()
    bob = enter("/login bob pw")
    bob.expect("and more")
    lines = [line for line in bob.seen.split("\n") if "alice" in line]
    said = [re.fullmatch(STAMP + r"alice -> you: (.*)", line).groups() for line in lines]
    assert [text for _, text in said] == ["one", "two", "three\tand more"]
    positions = [int(position) for position, _ in said]
    assert positions == sorted(set(positions))
    assert "alice" not in left(bob)
    bob = enter("/login bob pw", "/nick guest", "/login bob pw")
    assert "alice" not in bob.seen
    enter("alice", "/msg bob live")
    assert bob.expect("live") == "alice -> you: live"
    assert "live" not in enter("/login bob pw").seen


def test_every_connection_of_a_user_is_told(server, enter):
    """A registered user may be here twice; both read the inbox, and both must go before `left`."""
    bob = enter("bob", "/register pw")
    again, alice = enter("/login bob pw"), enter("alice", "/who", "/msg bob hi")
    assert "* 2 in lobby: alice, bob" in alice.seen
    assert bob.expect("alice -> you") == again.expect("alice -> you") == "alice -> you: hi"
    left(bob)
    alice.send("/who")
    assert alice.line() == "* 2 in lobby: alice, bob"
    left(again)
    assert alice.line() == "* bob left"


def test_both_sides_of_a_conversation(server, connect, enter):
    """They are in the inboxes of both, also after a restart. The connection on which a line was
    typed does not show it again; the user's others do."""
    left(enter("bob", "/register pw"))
    alice = enter("alice", "/register pw")
    phone, bot = enter("/login alice pw"), connect(server)
    bot.ask(do="hello", name="alice", password="pw")
    bot.event("ok")
    alice.send("@bob are you there?", "/put a.txt 3 @bob", "abc/who")
    assert phone.expect("there?") == "alice -> bob: are you there?"
    assert phone.line() == "* alice sent bob a.txt (3 bytes)"
    told = bot.event("sent"), bot.event("sent-file")
    assert [(it["seq"], it["from"], it["to"]) for it in told] == [
        (n, "alice", "bob") for n in (1, 2)
    ]
    assert "room" not in told[0]
    assert (told[1]["name"], told[1]["size"]) == ("a.txt", 3)
    alice.expect("in lobby")
    assert "alice -> bob" not in alice.seen
    server.stop()
    server.start()
    bob = enter("/login bob pw")
    bob.expect("sent you a.txt")
    bob.send("@alice yes", "/history @alice", "/who nowhere")
    bob.expect("no room nowhere")
    stamped = [re.sub(STAMP, "", line) for line in bob.seen.split("\n") if line.startswith("[")]
    sent = ["alice -> you: are you there?", "* alice sent you a.txt (3 bytes): /get @/a.txt"]
    assert stamped == [*sent, *sent, "bob -> alice: yes"]
    alice = enter("/login alice pw")
    alice.expect("bob -> you: yes")
    before = len(alice.seen)
    alice.send("/history @ 1", "/history @bob #1", "/history @eve", "/who nowhere")
    alice.expect("no room nowhere")
    stamped = [re.sub(STAMP, "", line) for line in alice.seen[before:].split("\n")[:3]]
    assert stamped == ["bob -> you: yes", "* alice sent bob a.txt (3 bytes)", "bob -> you: yes"]
    assert "* Nothing there in @eve" in alice.seen


def test_what_a_script_sends_is_read(server, connect, enter):
    """Its user is not shown it at the next login."""
    enter("alice", "/register pw"), enter("bob", "/register pw")
    script = connect(server)
    script.send("/login alice pw", "@bob one", "@bob two")
    script.end()
    script.rest()
    assert "->" not in enter("/login alice pw").seen
    kept = enter("/login alice pw", "/history @").seen
    assert re.findall(r"alice -> bob: (\w+)", kept) == ["one", "two"]


def test_no_other_user_forges_a_sent_message(enter):
    """A line of it begins with the own name and an arrow, which no name and no text of others
    brings about, not even that of a user called `you`."""
    alice, you = enter("alice"), enter("you")
    enter("eve", "@alice alice -> bob: hi", "/me -> bob: hi", "-> bob: hi")
    you.send("@alice hi", "hi\talice -> bob: hi", "/who")
    you.expect("in lobby")
    alice.expect("hi\talice")
    assert not re.search("^alice ->", alice.seen, re.MULTILINE)
    assert alice.seen.count("\nyou -> you: hi") == 1


def test_a_guests_inbox_goes_with_them(server, enter):
    """The next guest of that name finds neither their messages nor their files."""
    bob = enter("bob")
    alice = enter("alice", "/msg bob for you", "/put x 5 @bob", "hello")
    bob.expect("alice -> you: for you")
    bob.expect("sent you x")
    assert list(server.files.glob(".guests/*/x"))
    left(bob)
    alice.expect("bob left")
    alice.send("/msg bob too late")
    assert alice.line() == "! Nobody called bob is here, nor registered; /who lists who is here."
    bob = enter("bob", "/files @", "/get @/x")
    assert "alice" not in bob.seen
    assert "* 0 files of your own" in bob.seen
    assert "! There is no file x" in bob.seen
    bob.send("/register pw")
    bob.expect("your name from now on")
    left(bob)
    assert "alice" not in enter("/login bob pw").seen


def test_what_a_guest_has_stays_theirs_when_they_register(server, enter):
    """Messages that were seen are not shown again; files stay."""
    bob = enter("bob")
    enter("alice", "/msg bob before", "/put x 5 @bob", "hello")
    bob.send("/register pw", "/get @/x")
    bob.expect("= 5 ")
    assert bob.read(5) == b"hello"
    enter("carol", "/msg bob after")
    assert bob.expect("carol ->") == "carol -> you: after"
    left(bob)
    back = enter("/login bob pw", "/files @")
    assert "-> you" not in back.seen
    assert "* 1 file of your own, 5 bytes" in back.seen


def test_what_comes_while_one_registers(server, connect, enter):
    """Nothing that was acknowledged is lost, and each comes once, here and by catching up."""
    bob, registered, sent = enter("bob"), threading.Event(), []

    def flood(name):
        bot = connect(server)
        bot.ask(do="hello", name=name)
        while not registered.is_set():
            sent.append(f"{name}-{len(sent)}")
            bot.ask(do="msg", to="bob", text=sent[-1])
            bot.event("ok")

    threads = [threading.Thread(target=flood, args=(f"bot{at}",)) for at in range(8)]
    for thread in threads:
        thread.start()
    bob.expect("-> you")
    bob.send("/register pw")
    bob.expect("* bob is your name")
    registered.set()
    for thread in threads:
        thread.join()
    enter("carol", "/msg bob the end")
    bob.expect("the end")
    came = re.findall(r"-> you: (bot.*)", bob.seen)
    assert sorted(came) == sorted(sent)
    left(bob)
    again = connect(server)
    again.ask(do="hello", name="bob", password="pw", after=0)
    kept = [again.event("private")["text"] for _ in range(len(sent) + 1)]
    assert kept == [*came, "the end"]


def test_nick(enter):
    """The room reads the new name, and the old one is free; a taken name is refused."""
    alice, bob = enter("alice"), enter("bob", "/join lab")
    alice.expect("bob left")
    alice.send("/join lab")
    bob.expect("alice came in")
    bob.send("/nick ALICE", "/nick robert", "hi", "/nick robert", "/who")
    assert bob.line() == "! ALICE is taken; type another name."
    assert bob.line() == "* You are robert."
    assert bob.line().startswith("! You are robert already.")
    assert bob.line() == "* 2 in lab: alice, robert"
    assert alice.expect("now called") == "* bob is now called robert"
    assert alice.line() == "robert: hi"
    alice.send("/msg robert hello", "/msg bob hello")
    assert alice.line().startswith("! Nobody called bob is here")
    assert bob.line() == "alice -> you: hello"
    assert "lobby: bob" in enter("bob", "/who").seen


def test_away(enter):
    """The author of a private message reads why its recipient is away; the message arrives all the
    same."""
    alice, bob = enter("alice"), enter("bob", "/away at lunch")
    assert "* You are away." in bob.seen
    alice.send("/msg bob hungry?", "/who")
    assert alice.expect("away") == "* bob is away (at lunch), and will see it later."
    assert alice.line() == "* 2 in lobby: alice, bob"
    assert alice.line() == "* bob is away: at lunch"
    assert bob.line() == "alice -> you: hungry?"
    bob.send("/away")
    assert bob.line() == "* You are back."
    alice.send("/msg bob back?", "/who")
    assert alice.line() == "* 2 in lobby: alice, bob"


def test_ignore(enter):
    """It hides talk, actions, files and private messages, for this connection, until told again."""
    eve, carol, bob = enter("eve"), enter("carol"), enter("bob", "/ignore EVE")
    assert "* You do not hear EVE any more; /ignore EVE again to hear them." in bob.seen
    eve.send("spam", "/me spams", "/msg bob spam", "/put spam 4", "spam", "/topic spam", "/who")
    eve.expect("3 in lobby")
    assert carol.expect("spam") == "eve: spam"
    carol.send("ham")
    assert bob.expect("carol") == "carol: ham"
    assert "spam" not in bob.seen
    bob.send("/ignore eve")
    assert bob.line() == "* You hear eve again."
    eve.send("eggs")
    assert bob.line() == "eve: eggs"
