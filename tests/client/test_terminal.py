"""The client on a terminal: a pseudo-terminal of 80x24, and its screen as one sees it."""

import os
import re

import pytest

from tests.client.driving import untimed


def arrive(terminal, server, name="anna"):
    """Return a client on a terminal that has come to the lobby."""
    client = terminal(name, "127.0.0.1", str(server.port))
    client.see_in("Room (its name")
    client.type("")
    client.see("* What you type is said to everybody here; /help lists the commands.")
    return client


def test_a_half_typed_line_is_not_broken(server, connect, terminal):
    """Incoming messages appear above the line of input, which stays and can be finished."""
    bob = connect(server, "bob")
    client = arrive(terminal, server)
    bob.expect("* anna came in")
    client.press("half a lin")
    client.see_input("half a lin")
    for n in range(40):
        bob.send(f"message {n}")
    client.see("bob: message 39")
    client.see_input("half a lin")
    rows = [untimed(row) for row in client.all_rows]
    start = rows.index("bob: message 0")
    assert rows[start : start + 40] == [f"bob: message {n}" for n in range(40)]
    client.type("e")
    assert bob.expect("anna: ") == "anna: half a line"


def test_it_asks_for_everything_and_ends_with_ctrl_d(server, terminal):
    """Name, host, port and room are asked for on the line of input; Ctrl+D ends with status 0."""
    client = terminal()
    client.see("Your name:")
    client.type("anna")
    client.see_question("Host [localhost]:")
    client.type("127.0.0.1")
    client.see_question("Port [5555]:")
    client.type(str(server.port))
    client.see("*   2 lab (0 here)")
    client.see_question("Room")
    client.type("lab")
    client.see("* You are in lab, alone for now.")
    client.press("\x04")
    assert client.wait() == 0


def test_ctrl_c_ends_it(server, connect, terminal):
    """Ctrl+C ends with status 0, and the others are told."""
    bob = connect(server, "bob")
    client = arrive(terminal, server)
    client.press("\x03")
    assert client.wait() == 0
    bob.expect("* anna left")


def test_ctrl_c_at_the_first_question_ends_it(terminal):
    """It works before there is a connection."""
    client = terminal()
    client.see("Your name:")
    client.press("\x03")
    assert client.wait() == 0


def test_ctrl_c_without_the_server_ends_it(start_server, terminal):
    """It also works while the client reconnects and a command waits."""
    server = start_server("--room", "lab")
    client = arrive(terminal, server)
    server.kill()
    client.see("* Connection lost; trying again.")
    client.type("/who")
    client.see("> /who")
    client.press("\x03")
    assert client.wait() == 0


def test_a_password_is_not_shown(server, piped, terminal):
    """An answer to the question for a password is not shown."""
    piped(server, "anna").finish("/register sesame")
    client = terminal("anna", "127.0.0.1", str(server.port))
    client.see_question("Password:")
    client.type("sesame")
    client.see("* You are anna.")
    assert not any("sesame" in row for row in client.all_rows)
    client.see_question("Room")
    client.press("\x1b[A")  # nor is it remembered
    client.press("!")
    client.until(lambda it: it.bottom.endswith("!"), "what was typed")
    assert "sesame" not in client.bottom


def test_letters_of_every_script(server, connect, terminal):
    """Input and output may be in any script."""
    bob = connect(server, "bob")
    client = arrive(terminal, server)
    bob.expect("* anna came in")
    client.type("Grüße, 你好, привет")
    assert bob.expect("anna: ") == "anna: Grüße, 你好, привет"
    bob.send("здравствуй")
    client.see("bob: здравствуй")


def test_a_transfer_shows_how_far_it_is(server, wire, terminal):
    """A transfer's name, percentage and rate are shown below the line of input."""
    slow = wire(server)
    client = arrive(terminal, slow)
    (client.folder / "big.bin").write_bytes(bytes(30_000_000))
    slow.bytes_a_second = 20_000_000
    client.type("big.bin")
    client.until(
        lambda it: any("big.bin" in row and "%" in row and "MB/s" in row for row in it.rows),
        "the progress",
    )
    client.press("typing on")
    slow.bytes_a_second = None
    client.see("* big.bin (30.0 MB) is sent.")
    client.see_input("typing on")
    client.until(lambda it: not any("%" in row for row in it.rows), "no bar any more")


def test_a_large_file_is_read_before_it_is_sent(server, terminal):
    """A row says so meanwhile. `/cancel` ends it, and nothing is sent."""
    client = arrive(terminal, server)
    with (client.folder / "big.iso").open("wb") as file:
        file.truncate(100_000_000_000)
    client.type("/put big.iso")
    client.until(lambda it: "reading big.iso" in it.rows, "the row")
    client.type("/cancel big.iso")
    client.see("! big.iso is not sent: Cancelled, as you wished.")
    client.until(lambda it: "reading big.iso" not in it.rows, "no row any more")
    client.type("/files")
    client.see("* 0 files in lobby, 0 bytes")


@pytest.mark.parametrize("way", ["sent", "saved"])
def test_a_cancelled_transfer_is_answered_once(server, wire, terminal, way):
    """By the sentence that it has ended, and not by the command, too. Nothing of it is kept, and it
    does not go on."""
    slow = wire(server)
    client = arrive(terminal, slow)
    folder = client.folder if way == "sent" else server.files
    (folder / "big.bin").write_bytes(bytes(30_000_000))
    os.utime(folder / "big.bin", (1, 1))
    slow.bytes_a_second = 1_000_000
    client.type("big.bin" if way == "sent" else "/get big.bin")
    client.until(lambda it: any("big.bin [" in row for row in it.rows), "the progress")
    client.type("/cancel big.bin")
    client.see(f"! big.bin is not {way}: Cancelled, as you wished.")
    client.type("/transfers")
    client.see("* You have no transfers.")
    assert not any("cancelled" in row for row in client.rows)


def test_a_transfer_that_waits_for_others_is_cancelled(server, wire, terminal):
    """The server knows nothing of it yet. The others go on."""
    slow = wire(server)
    client = arrive(terminal, slow)
    slow.bytes_a_second = 1_000_000
    for n in range(6):
        (client.folder / f"{n}.bin").write_bytes(bytes([n]) * 5_000_000)
        client.type(f"{n}.bin")
    client.until(lambda it: "2 more" in it.rows, "two that wait")
    client.type("/cancel 4.bin")
    client.see("* 4.bin is cancelled; it had not begun.")
    client.until(lambda it: "1 more" in it.rows, "one that waits")
    slow.bytes_a_second = None
    client.see_in("5.bin (5.0 MB) is sent.")
    client.type("/files")
    client.see_in("* 5 files in lobby")


def test_leaving_waits_for_transfers(server, connect, wire, terminal):
    """`quit` waits for the upload of a file, and says so."""
    bob = connect(server, "bob")
    slow = wire(server)
    client = arrive(terminal, slow)
    (client.folder / "big.bin").write_bytes(bytes(10_000_000))
    slow.bytes_a_second = 10_000_000
    client.type("big.bin")
    client.type("quit")
    client.see("* Waiting for 1 file; Ctrl+C leaves now.")
    slow.bytes_a_second = None
    assert client.wait() == 0
    bob.expect("* anna shared big.bin")


def test_several_transfers_are_shown_below_the_line_of_input(server, terminal, wire):
    """Each transfer has a row with a bar, percentage, rate and remaining time. Finished ones
    disappear."""
    names = ["report.pdf", "a very long name of a file that is cut in its middle " * 3 + ".pdf"]
    for name in names:
        (server.files / name).write_bytes(bytes(20_000_000))
    net = wire(server)
    client = arrive(terminal, net)
    net.bytes_a_second = 2_000_000
    for name in names:
        client.type(f"/get {name}")
    whole = re.compile(r"(\S.*) \[#*-*\] \d+%  [\d.]+ [kM]?B/s  \d+ (s|min) left")

    def both(it):
        return {m[1][:5] for row in it.rows if (m := whole.fullmatch(row))} == {"repor", "a ver"}

    client.until(both, "a line for each of the two files")
    assert not any(row.startswith("> ") and "%" in row for row in client.rows)
    net.bytes_a_second = None
    client.until(
        lambda it: sum("is saved as" in row for row in it.all_rows) == 2, "both files, saved"
    )
    client.until(lambda it: not any("%" in row for row in it.rows), "no files under way")


def test_passwords_that_are_left_out_are_asked_for(server, terminal):
    """`/register`, `/password`, `/login` and `/join` ask for them. They are never visible, and a
    question can be cancelled."""
    client = arrive(terminal, server)
    client.type("/register")
    client.see_question("Type a password")
    client.type("s3cret word")
    client.see_question("Type it once more:")
    client.type("s3cret word")
    client.see("* anna is your name from now on; /login anna PASSWORD brings you back.")
    client.type("/password")
    client.see_question("Type the password that you have")
    client.type("s3cret word")
    client.see_question("Type the new one")
    client.type("0ther")
    client.see_question("Type it once more:")
    client.type("an0ther")
    client.see("! The two differ; nothing was done.")
    client.see_question("Type the new one")
    client.type("")
    client.see_input("")
    client.type("/create vault p4ss")
    client.see("* You are in vault, alone for now.")
    client.type("/leave")
    client.type("/nick otto")
    client.see("* You are otto.")
    client.type("/join vault")
    client.see_question("vault has a password")
    client.type("p4ss")
    vault = "* You are in vault, alone for now."
    client.until(lambda it: it.all_rows.count(vault) == 2, "the vault")
    client.type("/login anna")
    client.see_question("Type the password of anna")
    client.type("s3cret word")
    client.until(lambda it: it.all_rows.count("* You are anna.") == 2, "the name")
    client.press("\x04")
    assert client.wait() == 0
    shown = "\n".join(client.all_rows)
    assert "s3cret" not in shown
    assert "0ther" not in shown
    assert "p4ss" not in shown
