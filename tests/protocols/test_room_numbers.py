"""Rooms have one number each, by which they are called everywhere."""

from tests.servers import RawClient


def asks(bot: RawClient, do: str, **fields):
    """Ask for something, and return the answer."""
    bot.ask(do=do, id=do, **fields)
    while True:
        it = bot.event()
        if it.get("id") == do:
            return it


def arrived(connect, server, name):
    """Return a program's connection."""
    bot = connect(server)
    asks(bot, "hello", name=name)
    return bot


def test_a_room_without_a_name_is_called_after_its_number(server, connect):
    """Its number is told when it is made; its number and its name lead to the same room, typed
    any way, and inboxes that have numbers of the same row do no harm."""
    for name in ("ann", "dan", "eve"):
        assert asks(connect(server), "signup", name=name, password="x")["event"] == "ok"
    anna = connect(server, "anna")
    anna.send("NEW")
    made = anna.expect("* You are in room").split()[4].strip(",")
    number = made.removeprefix("room")
    assert anna.line() == f"* It is room number {number}: join {number} leads here, too."
    bot = arrived(connect, server, "bot")
    rooms = {it["room"]: it["number"] for it in asks(bot, "rooms")["rooms"]}
    assert rooms[made] == int(number) == 6
    for at, line in enumerate((f"join {number}", f"join {made}", f"-goto {made}", f"/join {made}")):
        other = connect(server, f"ben{at}")
        other.send(line)
        other.expect(f"* You are in {made} with anna")


def test_a_named_room_is_found_by_both_names_of_its_number(server, connect):
    """`2` and `room2` are the lab, also in a request for a file. Nobody can give another room such
    a name, and it does not reveal a hidden room."""
    bot = arrived(connect, server, "bot")
    assert asks(bot, "create", room="den")["number"] == 3
    for name in ("den", "3", "room3", "Room3"):
        assert asks(bot, "join", room=name)["room"] == "den"
        assert asks(bot, "files", room=name)["room"] == "den"
    refused = asks(bot, "create", room="room3")
    assert refused["code"] == "room-exists"
    assert "room number 3" in refused["message"]
    assert asks(bot, "access", room="den", access="hidden")["event"] == "ok"
    eve = arrived(connect, server, "eve")
    for name in ("3", "room3"):
        assert asks(eve, "join", room=name)["code"] == "no-such-room"
    assert asks(eve, "join", room="den")["event"] == "ok"


def test_a_name_that_is_taken_is_no_other_rooms_number(server, connect):
    """A room called `room6` has that number; and where it cannot, no room ever gets it."""
    bot = arrived(connect, server, "bot")
    assert asks(bot, "create", room="room6")["number"] == 6
    assert asks(bot, "create", room="room5")["number"] == 7  # numbers only go up
    assert asks(bot, "join", room="5")["room"] == "room5"
    far = asks(bot, "create", room="room900000")
    assert far["number"] == 8
    assert asks(bot, "join", room="900000")["room"] == "room900000"
    assert asks(bot, "create", room="room10")["number"] == 10
    made = [asks(bot, "create") for _ in range(3)]
    assert [(it["room"], it["number"]) for it in made] == [(f"room{n}", n) for n in (11, 12, 13)]
    numbers = {it["number"]: it["room"] for it in asks(bot, "rooms")["rooms"]}
    for number, name in numbers.items():
        assert asks(bot, "join", room=str(number))["room"] == name
    server.stop()
    server.start()
    bot = arrived(connect, server, "bot")
    assert asks(bot, "create")["room"] == "room14"


def test_rooms_made_in_advance_have_the_numbers_they_are_called_by(start_server, connect):
    """Of an operator's `room1` to `room3`, all but the first, whose number the lobby has; names go
    before numbers then."""
    given = ("--room", "lab", "--room", "room1", "--room", "room3", "--room", "room2")
    bot = arrived(connect, start_server(*given), "bot")
    numbers = {it["room"]: it["number"] for it in asks(bot, "rooms")["rooms"]}
    assert (numbers["lobby"], numbers["room2"], numbers["room3"]) == (1, 2, 3)
    for name in numbers:
        assert asks(bot, "join", room=name)["room"] == name
    assert asks(bot, "join", room="1")["room"] == "lobby"


def test_two_that_are_made_at_once_have_two_numbers(server, connect):
    """Nothing is made twice, and nobody is refused because another one was quicker."""
    bots = [arrived(connect, server, f"bot{n}") for n in range(5)]
    for bot in bots:
        bot.ask(do="create", id=1)
    answers = [bot.event("ok") for bot in bots]
    assert {it["room"] for it in answers} == {f"room{it['number']}" for it in answers}
    assert len({it["number"] for it in answers}) == 5
