"""Program 3, rooms on 5555: create, join by number, talk, exit, help, quit."""

import re


def test_3_rooms_on_5555(start_server, terminal):
    """One creates a room, the other joins it by its number; `exit` leaves it, `quit` all of it."""
    server = start_server()
    anna, ben = terminal(), terminal()
    for name, client in (("anna", anna), ("ben", ben)):
        client.see("Your name:")
        client.type(name)
        client.see_in("Host [localhost]:")
        client.type("")
        client.see_in("Port [5555]:")
        client.type(str(server.port))
        client.see_in("* Rooms:")
        client.type("")
        client.see_in("* You are in lobby")
    anna.type("create")
    anna.see("* You are in room2, alone for now.")
    ben.type("/rooms")
    ben.see_in("room2 (1 here)")
    number = next(re.match(r"\* +(\d+) room2", row)[1] for row in ben.all_rows if "room2 (" in row)
    ben.type(f"join {number}")
    ben.see_in("* You are in room2 with anna")
    anna.type("hello ben")
    ben.see("anna: hello ben")
    ben.type("hello anna")
    anna.see("ben: hello anna")
    ben.type("help")
    ben.see_in("/help COMMAND explains one of them")
    ben.type("exit")
    anna.see("* ben left")
    ben.until(lambda it: sum("You are in lobby" in row for row in it.all_rows) == 2, "the lobby")
    anna.type("quit")
    assert anna.wait() == 0


def test_3_by_hand(server, by_hand):
    """The same typed into a bare connection."""
    anna, ben = by_hand(server, "anna"), by_hand(server, "ben")
    anna.type("create")
    anna.see("* You are in room3, alone for now.")
    ben.type("join 3")
    ben.see("* You are in room3 with anna.")
    ben.type("hello anna")
    anna.see("ben: hello anna")
    ben.type("help")
    ben.see("/join ROOM")
    ben.type("exit")
    ben.see("* You are in lobby")
    anna.see("* ben left")
    for each in (anna, ben):
        each.type("quit")
        assert each.ended()
