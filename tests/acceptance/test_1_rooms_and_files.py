"""Program 1, rooms and files: NEW, a room's exact name, talk, and files by their paths."""

import signal


def asked_everything(client, server, name):
    """Answer what a client without arguments asks, up to the question for the room."""
    client.see("Your name:")
    client.type(name)
    client.see_in("Host [localhost]:")
    client.type("127.0.0.1")
    client.see_in("Port [5555]:")
    client.type(str(server.port))
    client.see_in("* Rooms:")


def test_1_rooms_and_files(start_server, terminal, tmp_path):
    """The first one makes a room, the others type its name; all hear each other, and the file whose
    path one types is saved by all others."""
    server = start_server()
    report = tmp_path / "my report.bin"
    report.write_bytes(bytes(range(256)) * 1000)

    anna = terminal()
    asked_everything(anna, server, "anna")
    anna.type("NEW")
    anna.see("* You are in room2, alone for now.")
    others = []
    for name in ("ben", "cleo"):
        client = terminal()
        asked_everything(client, server, name)
        client.see_in("room2 (")
        client.type("rom2")
        client.see_in("! There is no room rom2")
        client.type("room2")
        client.see_in("* You are in room2 with anna")
        others.append((name, client))

    anna.type("hello to all of you")
    for _, client in others:
        client.see("anna: hello to all of you")
    others[0][1].type("hello anna")
    anna.see("ben: hello anna")
    others[1][1].see("ben: hello anna")

    anna.type(str(report))
    for name, client in others:
        client.see_in("is saved as")
        assert (client.folder / name / "my report.bin").read_bytes() == report.read_bytes()
    assert not (anna.folder / "anna").exists()

    for line in (
        r"anna connected from 127\.0\.0\.1",
        "anna made room room2",
        r"anna shared my report\.bin \(256000 bytes\) with room2",
        r"(ben|cleo) fetched my report\.bin",
    ):
        server.log.expect(line)
    server.stop(signal.SIGINT)
    anna.see_in("* The server is stopping")


def test_1_by_hand(server, by_hand):
    """The same typed into a bare connection; a path there is answered with how to send a file."""
    anna, ben = by_hand(server, "anna"), by_hand(server, "ben")
    anna.type("NEW den")
    anna.see("* You are in den, alone for now.")
    ben.type("/rooms")
    ben.see("den (1 here)")
    ben.type("join den")
    ben.see("* You are in den with anna.")
    anna.type("hello")
    ben.see("anna: hello")
    anna.type("/put a.txt 6")
    anna.see("* Send its 6 bytes now.")
    anna.type("hello")
    ben.see("* anna shared a.txt (6 bytes): /get a.txt")
    ben.type("/get a.txt")
    ben.see("a.txt\r\nhello")
    anna.type("/tmp/report.pdf")
    anna.see("! ")
    anna.see("/put")
