"""Program 2, shared files: talk at once, @NAME, and the operator's files."""

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100_000)


def test_2_shared_files(server, terminal):
    """Three arguments are enough to talk; `download` saves a file that the operator copied in."""
    (server.files / "image1.png").write_bytes(PNG)
    alice, john, carl = (
        terminal(name, "localhost", str(server.port)) for name in ("alice", "John", "carl")
    )
    for client in (alice, john, carl):
        client.see_in("* Rooms:")
    john.type("")
    carl.type("")
    for client in (john, carl):
        client.see_in("* You are in lobby")

    alice.type("Hello everybody, alice here")  # to be talking, one only has to talk
    john.see("alice: Hello everybody, alice here")
    carl.see("alice: Hello everybody, alice here")
    alice.type("@John Hello, how are you?")
    john.see("alice -> you: Hello, how are you?")
    john.type("fine")
    carl.see("John: fine")
    assert not any("how are you" in row for row in carl.all_rows)

    alice.type("access server files")
    alice.see_in("* 1 file in lobby")
    alice.type("list server files")
    alice.see_in("* image1.png (")
    alice.type("download image1.png")
    alice.see_in("is saved as alice/image1.png")
    assert (alice.folder / "alice" / "image1.png").read_bytes() == PNG
    alice.type("exit")
    assert alice.wait() == 0
    john.see("* alice left")


def test_2_by_hand(server, by_hand):
    """The same typed into a bare connection."""
    (server.files / "image1.txt").write_text("a picture\n")
    alice, john = by_hand(server, "alice"), by_hand(server, "John")
    alice.type("@John Hello, how are you?")
    john.see("alice -> you: Hello, how are you?")
    alice.type("access server files")
    alice.see("* 1 file in lobby, 10 bytes")
    alice.type("list server files")
    alice.see("* image1.txt (10 bytes)")
    alice.type("download image1.txt")
    alice.see("image1.txt\r\na picture")
    alice.type("exit")
    assert alice.ended()
