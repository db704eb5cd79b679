"""Program 4, chat platform: names that stay known, -pr, -goto, -file, bye."""

import hashlib


def arrive(client):
    """Take the lobby at the question for the room."""
    client.see_in("* Rooms:")
    client.type("")
    client.see_in("* You are in lobby")


def test_4_chat_platform(start_server, terminal, tmp_path):
    """One registers, and after a restart only they can have the name; files go to the server with
    their size first, and are checked."""
    server = start_server("--room", "room1", "--room", "room2")
    where = ("localhost", str(server.port))
    bob = terminal("Bob", *where)
    arrive(bob)
    bob.type("/register s3cret")
    bob.see_in("* Bob is your name from now on")
    bob.type("bye")
    assert bob.wait() == 0

    server.stop()
    server.start()
    bob, amy = terminal("Bob", *where), terminal("amy", *where)
    bob.see_in("Password:")
    bob.type("wrong")
    bob.see_in("That is not Bob's password")
    bob.see_in("Password:")
    bob.type("s3cret")
    arrive(bob)
    assert not any("s3cret" in row for row in bob.all_rows)
    arrive(amy)
    amy.type("-pr Bob hey, check this out!")
    bob.see("amy -> you: hey, check this out!")
    for client in (bob, amy):
        client.type("-goto room2")
        client.see_in("* You are in room2")

    report = tmp_path / "report.pdf"
    report.write_bytes(b"%PDF-" + bytes(range(256)) * 4000)
    amy.type(f"-file {report}")
    amy.see_in("* report.pdf (1.0 MB) is sent")
    bob.see_in("is saved as Bob/report.pdf")
    stored = (server.files / "room2" / "report.pdf").read_bytes()
    assert hashlib.sha256(stored).digest() == hashlib.sha256(report.read_bytes()).digest()
    assert (bob.folder / "Bob" / "report.pdf").read_bytes() == stored
    amy.type("bye")
    assert amy.wait() == 0
    bob.see("* amy left")


def test_4_by_hand(start_server, by_hand):
    """The same on a bare connection; the path of a local file is answered with a hint
    about /put."""
    server = start_server("--room", "room2")
    bob = by_hand(server, "Bob")
    bob.type("/register s3cret")
    bob.see("* Bob is your name from now on")
    amy = by_hand(server, "amy")
    amy.type("-pr Bob hey")
    bob.see("amy -> you: hey")
    amy.type("-goto room2")
    amy.see("* You are in room2")
    amy.type("-file C:\\docs\\report.pdf")
    amy.see("/put")
    bob.type("bye")
    assert bob.ended()
    server.stop()
    server.start()
    bob = by_hand(server, "bob2")
    bob.type("/nick Bob")
    bob.see("! Bob is a registered name")
    bob.type("/login Bob s3cret")
    bob.see("* You are Bob.")
