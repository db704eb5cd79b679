"""People on bare connections, talking."""

import select
import signal
import time

GREETING_SECONDS = 0.2


def test_two_people_in_the_lobby(server, connect):
    """Each reads the other, and not their own lines."""
    alice, bob = connect(server, "alice"), connect(server, "bob")
    alice.send("good morning", "/me waves")
    bob.send("hello alice")
    assert bob.expect("good morning") == "alice: good morning"
    assert bob.line() == "~ alice waves"
    assert alice.expect("hello") == "bob: hello alice"
    assert "alice: " not in alice.seen


def test_pressing_enter_is_no_name(server, connect):
    """The server asks again, before and after a refused name."""
    alice = connect(server)
    alice.expect("* Welcome")
    alice.send("")
    assert alice.line() == "! A name cannot be empty; type one."
    alice.send("no name")
    assert alice.line().startswith("! A name is made of letters")
    alice.send("  ")
    assert alice.line() == "! A name cannot be empty; type one."
    alice.send("alice")
    assert alice.line() == "* You are alice."


def test_bytes_that_came_while_the_server_stood_still(start_server, connect):
    """They are read before somebody who is silent is greeted: it is a program that spoke first."""
    server = start_server(greeting_seconds=GREETING_SECONDS)
    greeted = True
    while greeted:  # on a busy machine, before the server stands still
        program, other = connect(server), connect(server)
        other.ask(do="hello", name="other", id=1)
        other.expect('"id":1')  # so the server has taken the program's connection as well
        server.process.send_signal(signal.SIGSTOP)
        greeted = bool(select.select([program.socket], [], [], 0)[0])
        program.ask(do="hello", name="program", id=2)
        time.sleep(2 * GREETING_SECONDS)  # the time of the server goes on
        server.process.send_signal(signal.SIGCONT)
        other.close()
    assert program.line().startswith('{"event":"ok","id":2')
