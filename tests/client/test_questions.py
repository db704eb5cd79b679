"""Lines that answer a question: they are nothing else, until it is answered or given up."""

import subprocess

import pexpect
import pytest

from tests.client.driving import places_of, state_of
from tests.servers import CLIENT, PATIENCE, environment


@pytest.fixture
def vault(server, connect):
    """Return somebody in the lobby, beside whom there is a room with the password `s3same`."""
    other = connect(server, "olga")
    other.send("/create vault s3same", "/leave", "/who")
    other.expect("* 1 in lobby")
    return other


def arrive(terminal, server, name="anna"):
    """Return a client on a terminal, in the lobby."""
    client = terminal(name, "127.0.0.1", str(server.port), "--room", "lobby")
    client.see_input("")
    return client


def said_nothing(other, *secrets):
    """See that nobody else was told any of that, up to now."""
    other.send("/history", "/who", "/rooms")
    other.expect("1 lobby")
    assert not [secret for secret in secrets if secret in other.seen]


QUESTION = "vault has a password"


def test_a_wrong_password_of_a_room_is_asked_for_again(server, vault, terminal):
    """It is asked for until it is right. It is never said, shown or remembered."""
    client = arrive(terminal, server)
    client.type("/join vault")
    for wrong in ("sesame", "s3sam3"):
        client.see_question(QUESTION)
        client.type(wrong)
        client.until(lambda it: any("That is not vault's password" in r for r in it.rows), "no")
    client.type("s3same")
    client.see_in("You are in vault")
    client.see_input("")
    client.type("hello")
    client.see("anna: hello")
    said_nothing(vault, "sesame", "s3sam3", "s3same")
    assert not [row for row in client.all_rows if "s3s" in row or "sesame" in row]
    client.type("/quit")
    client.wait()
    typed = (state_of(client.folder) / "typed").read_text()
    assert "hello" in typed
    assert "s3s" not in typed
    assert "sesame" not in typed


def test_lines_typed_while_a_password_is_checked_are_no_talk(server, vault, wire, terminal):
    """A line typed twice answers the repeated question; if there is none, it is dropped."""
    net = wire(server)
    client = arrive(terminal, net)
    client.type("/join vault")
    client.see_question(QUESTION)
    net.through.clear()
    client.type("sesame")
    client.type("s3same")  # the answer to the question that comes again
    client.type("s3same!")  # and once too often
    net.wait_for('"password":"sesame"')
    net.through.set()
    client.see_in("You are in vault")
    client.see_input("")
    client.type("hello")
    client.see("anna: hello")
    client.type("/history")
    client.see_in("#1 anna: hello")
    said_nothing(vault, "same")


def test_a_password_typed_while_another_is_refused_stays_hidden(server, piped, wire, terminal):
    """The typed part of it stays when the question comes again, so the rest is typed there, too."""
    piped(server, "tom").finish("/register open-sesame")
    net = wire(server)
    client = terminal("tom", "127.0.0.1", str(net.port), "--room", "lobby")
    client.see_question("Password:")
    net.through.clear()
    client.type("wrong one")
    client.press("open-s")
    net.wait_for('"password":"wrong one"')
    net.through.set()
    client.see_in("not tom's password")
    client.type("esame")
    client.see_in("You are in lobby")
    assert not [row for row in client.all_rows if "open" in row or "esame" in row]


def test_a_password_typed_before_its_question_is_no_talk(server, piped, vault, wire, terminal):
    """Somebody who types faster than the server asks says no password, and none is remembered."""
    piped(server, "tom").finish("/register open-sesame")
    net = wire(server)
    net.through.clear()
    client = terminal("tom", "127.0.0.1", str(net.port), "--room", "lobby")
    client.see_input("")
    client.type("open-sesame")
    client.see_in("(waits)")
    net.through.set()
    client.see_in("Not taken: what you typed before this question.")
    client.see_question("Password:")
    client.type("open-sesame")
    client.see_in("You are in lobby")
    client.type("/quit")
    client.wait()
    said_nothing(vault, "sesame")
    assert "sesame" not in (state_of(client.folder) / "typed").read_text()


@pytest.mark.parametrize("keys", ["\r", "/cancel\r", "\x03"], ids=["enter", "cancel", "ctrl-c"])
def test_a_question_can_be_given_up(server, vault, terminal, keys):
    """A question can be cancelled, also after a wrong password. Lines are then talk again."""
    client = arrive(terminal, server)
    client.type("/join vault")
    client.see_question(QUESTION)
    client.type("sesame")
    client.see_in("That is not vault's password")
    client.see_question(QUESTION)
    client.press(keys)
    client.see_input("")
    client.type("I give up")
    assert vault.expect("anna: ") == "anna: I give up"
    said_nothing(vault, "sesame", "/cancel")


def test_other_questions_are_asked_again_as_well(server, piped, vault, terminal):
    """So are those of `/login`, of `/password`, and of commands with a wrong password in them."""
    piped(server, "bert").finish("/register b3rt")
    client = arrive(terminal, server)
    client.type("/login bert wrong")
    client.see_question("Type the password of bert")
    client.type("wr0ng")
    client.until(lambda it: sum("not bert's password" in row for row in it.rows) == 2, "no")
    client.type("b3rt")
    client.see("* You are bert.")
    client.type("/password")
    client.see_question("Type the password that you have")
    client.type("wrong")
    client.see_question("Type the new one")
    client.type("n3w one")
    client.see_question("Type it once more")
    client.type("n3w 0ne")
    client.see("! The two differ; nothing was done.")
    client.see_question("Type the new one")
    client.type("n3w one")
    client.see_question("Type it once more")
    client.type("n3w one")
    client.see_question("Type the password that you have")
    client.type("b3rt")
    client.see_in("password")
    client.see_input("")
    client.type("/join vault wrong")
    client.see_question(QUESTION)
    client.type("s3same")
    client.see_in("You are in vault")
    said_nothing(vault, "wrong", "n3w", "b3rt", "s3same")


def test_a_new_password_is_asked_for_until_it_can_be_one(server, vault, terminal):
    """It must not be too long, and must be the same the second time."""
    client = arrive(terminal, server)
    client.type("/register")
    client.see_question("Type a password")
    client.type("x" * 300)
    client.see_in("A password has at most")
    client.see_question("Type a password")
    client.type("p4ss")
    client.see_question("Type it once more")
    client.type("pass")
    client.see_in("The two differ")
    client.see_question("Type a password")
    client.type("p4ss")
    client.see_question("Type it once more")
    client.type("p4ss")
    client.see_input("")
    client.type("done")
    assert vault.expect("anna: ") == "anna: done"
    said_nothing(vault, "p4ss", "pass", "xxx")


def test_a_wrong_password_at_the_start_is_no_name(server, piped, vault, terminal):
    """It is asked for again, also if it was typed twice at once."""
    piped(server, "bert").finish("/register b3rt")
    client = terminal("bert", "127.0.0.1", str(server.port), "--room", "lobby")
    client.see_question("Password:")
    client.type("wrong")
    client.type("b3rt")
    client.see("* You are bert.")
    client.see_input("")
    client.type("hello")
    assert vault.expect("bert: ") == "bert: hello"
    said_nothing(vault, "wrong", "b3rt")


def asked(times):
    """Return whether the question was asked so often, and the answer to it will be hidden."""
    return lambda it: sum(QUESTION in row for row in it.rows) == times and not it.echoes


def test_a_terminal_that_can_only_write_lines_asks_as_well(server, vault, terminal):
    """With `TERM=dumb`, answers are hidden, and are no talk."""
    client = terminal("anna", "127.0.0.1", str(server.port), "--room", "lobby", TERM="dumb")
    client.see_in("You are in lobby")
    client.type("/join vault")
    client.until(asked(1), "the question")
    client.type("sesame")
    client.see_in("That is not vault's password")
    client.until(asked(2), "the question again")
    client.type("s3same")
    client.see_in("You are in vault")
    client.until(lambda it: it.echoes, "what one types")
    client.type("/leave")
    client.type("/join vault nope")
    client.until(asked(3), "the question again")
    client.type("/cancel")
    client.until(lambda it: it.echoes, "what one types")
    client.type("hello")
    assert vault.expect("anna: ") == "anna: hello"
    said_nothing(vault, "sesame", "s3same", "/cancel")
    assert not [row for row in client.all_rows if "s3same" in row or "sesame" in row]


def test_a_script_at_a_terminal_is_asked_again(server, piped, tmp_path):
    """It is asked again for the password of its given name. An empty line cancels."""
    piped(server, "bert").finish("/register b3rt")
    folder = tmp_path / "script"
    folder.mkdir()
    script = pexpect.spawn(
        CLIENT[0],
        [*CLIENT[1:], "bert", "127.0.0.1", str(server.port), "--rooms"],
        cwd=str(folder),
        env=environment(**places_of(folder)),
        timeout=PATIENCE,
    )
    script.expect("Password of bert: ")
    script.sendline("wrong")
    script.expect("That is not bert's password")
    script.expect("Password of bert: ")
    script.sendline("b3rt")
    script.expect("lobby")
    script.expect(pexpect.EOF)
    script.close()
    assert script.exitstatus == 0


def test_a_script_is_asked_nothing(server, vault, tmp_path):
    """Its lines are talk or commands, and it ends with a status."""
    folder = tmp_path / "script"
    folder.mkdir()
    done = subprocess.run(
        [*CLIENT, "bot", "127.0.0.1", str(server.port)],
        cwd=folder,
        env=environment(**places_of(folder)),
        input=b"/join vault\n/login olga\nnever\n/join vault wrong\n",
        capture_output=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0
    assert done.stdout.count(b"! ") == 4
    said_nothing(vault, "never", "wrong")
