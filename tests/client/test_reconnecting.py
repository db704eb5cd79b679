"""Connections that break: what was missed is shown once, and what was said is said once."""

import signal
from itertools import islice

from chatservice.client.clientsession import reconnect_delays


def joined(piped, wire, name, *options):
    """Return a client that has come to the lobby."""
    client = piped(wire, name, *options)
    client.expect(r"^\* You are in")
    return client


def test_missed_messages_are_shown_once_and_in_order(server, connect, piped, wire):
    """A cut connection is said once, quietly; then comes all that was missed, and nothing twice."""
    anna = connect(server, "anna")
    net = wire(server)
    client = joined(piped, net, "bot")
    anna.send("before")
    client.expect("anna: before")
    net.down = True
    net.cut()
    client.expect(r"^\* Connection lost; trying again\.$")
    anna.expect("* bot left")
    for n in range(50):
        anna.send(f"missed {n}")
    anna.send("/who")
    anna.expect("* 1 in lobby")
    net.down = False
    client.expect(r"^\* Connected again\.$")
    client.expect("missed 49")
    anna.send("after")
    client.expect("after")
    shown = client.finish()
    said = [line.partition("anna: ")[2] for line in shown if "anna: " in line]
    assert said == ["before", *(f"missed {n}" for n in range(50)), "after"]
    assert len([line for line in shown if "Connection lost" in line]) == 1
    assert len([line for line in shown if "You are in" in line]) == 1


def test_missed_messages_have_a_time(server, connect, piped, wire):
    """Missed messages have a time, as in history."""
    anna = connect(server, "anna")
    net = wire(server)
    client = joined(piped, net, "bot")
    net.down = True
    net.cut()
    anna.expect("* bot left")
    anna.send("missed", "/who")
    anna.expect("* 1 in")
    net.down = False
    client.expect(r"^\[.*Z #\d+\] anna: missed$")
    anna.send("live")
    client.expect(r"^anna: live$")


def test_unacknowledged_texts_are_stored_once(server, connect, piped, wire):
    """A text is stored, and its acknowledgement is lost. The client sends it again with its key;
    others see it once, and the author does not see it."""
    anna = connect(server, "anna")
    net = wire(server)
    client = joined(piped, net, "bot")
    anna.expect("* bot came in")
    net.deaf = True
    client.type("once", "/me waves once", "/msg anna only once")
    anna.expect("~ bot waves once")
    assert anna.expect("bot -> ") == "bot -> you: only once"
    net.sent_up.clear()
    net.cut()
    net.deaf = False
    net.wait_for("only once")
    client.type("then")
    anna.expect("bot: then")
    shown = client.finish()
    assert anna.seen.count("once\n") == 3
    assert not [line for line in shown if "once" in line]


def test_texts_wait_for_a_connection(server, connect, piped, wire):
    """They are sent in order when it is back."""
    anna = connect(server, "anna")
    net = wire(server)
    client = joined(piped, net, "bot")
    net.down = True
    net.cut()
    client.expect("Connection lost")
    client.type("one", "two", "/who")
    net.down = False
    client.expect(r"^\* 2 in lobby: anna, bot")
    assert anna.expect("bot: ") == "bot: one"
    assert anna.line() == "bot: two"


def test_the_end_of_input_waits_for_the_connection(server, connect, piped, wire):
    """A script that has said all ends only when all of it is stored."""
    anna = connect(server, "anna")
    net = wire(server)
    client = joined(piped, net, "bot")
    net.down = True
    net.cut()
    client.expect("Connection lost")
    client.type("last words")
    client.process.stdin.close()
    net.down = False
    assert client.wait() == 0
    assert anna.expect("bot: ") == "bot: last words"


def test_a_reconnect_rejoins_the_room(server, connect, piped, wire):
    """The room may have a password."""
    anna = connect(server, "anna")
    anna.send("/create den sesame")
    anna.expect("* You are in den")
    net = wire(server)
    client = joined(piped, net, "bot")
    client.type("/join den sesame")
    client.expect("You are in den")
    net.cut()
    client.expect("Connected again")
    anna.send("still here?")
    client.expect(r"anna: still here\?$")
    client.type("yes")
    anna.expect("bot: yes")


def test_missed_private_messages(server, connect, piped, wire):
    """A registered user is shown what came into the inbox meanwhile, once."""
    anna = connect(server, "anna")
    net = wire(server)
    client = joined(piped, net, "bot")
    client.type("/register sesame")
    client.expect("bot is your name")
    anna.send("@bot before")
    client.expect("before")
    net.down = True
    net.cut()
    anna.expect("* bot left")
    anna.send("@bot meanwhile")
    anna.expect("will see it later")
    net.down = False
    client.expect("anna -> you: meanwhile")
    anna.send("@bot after")
    client.expect("anna -> you: after")
    shown = client.finish()
    assert len([line for line in shown if "-> you" in line]) == 3


def test_a_restart_of_the_server(start_server, connect, piped):
    """The client comes back to the restarted server, and nothing is lost or shown twice."""
    server = start_server("--room", "lab")
    client = joined(piped, server, "bot", "--room", "lab")
    client.type("before")
    anna = connect(server, "anna")
    anna.send("/join lab", "hello")
    client.expect("anna: hello")
    server.stop()
    client.expect(r"^\* The server is stopping")
    client.expect("Connection lost")
    client.type("meanwhile")
    server.start()
    client.expect("Connected again")
    anna = connect(server, "anna")
    anna.send("/join lab", "again")
    client.expect("anna: again")
    shown = client.finish("/history")
    assert len([line for line in shown if line.endswith("bot: meanwhile")]) == 1  # in the history
    assert len([line for line in shown if line.endswith("anna: hello")]) == 2


def test_a_killed_server(start_server, connect, piped):
    """The server ends without a notice."""
    server = start_server("--room", "lab")
    client = joined(piped, server, "bot")
    server.stop(signal.SIGKILL)
    client.expect("Connection lost")
    client.type("hello")
    server.start()
    client.expect("Connected again")
    client.finish()
    anna = connect(server, "anna")
    anna.send("/history")
    anna.expect("bot: hello")


def test_a_guest_whose_old_connection_is_still_there_gets_the_name_back(server, piped, wire):
    """A connection that broke unnoticed is not in the way: the token takes the name over."""
    net = wire(server)
    client = joined(piped, net, "bot")
    net.leave_hanging()
    client.expect("Connected again")
    client.type("/who")
    client.expect(r"^\* 1 in lobby: bot$")


def test_two_clients_of_one_registered_user(server, piped, wire):
    """Both reconnect, and both stay."""
    piped(server, "anna").finish("/register sesame")
    net = wire(server)
    clients = [piped(net, "anna") for _ in range(2)]
    for client in clients:
        client.type("sesame")
        client.expect("You are in lobby")
    net.cut()
    for client in clients:
        client.expect("Connected again")
    clients[0].type("to my other self")
    clients[1].expect(r"anna: to my other self$")
    for client in clients:
        assert len([line for line in client.finish() if "Connection lost" in line]) == 1


def test_a_name_that_is_taken_meanwhile(server, connect, piped, wire):
    """The client goes on trying, and comes back when the name is free."""
    net = wire(server)
    client = joined(piped, net, "bot")
    net.down = True
    net.cut()
    client.expect("Connection lost")
    other = connect(server, "bot")
    net.sent_up.clear()
    net.down = False
    net.wait_for('"hello"')
    other.send("/quit")
    client.expect("Connected again")


def test_ignoring_outlives_a_connection(server, connect, piped, wire):
    """Ignored users stay ignored after a broken connection."""
    anna, bob = connect(server, "anna"), connect(server, "bob")
    net = wire(server)
    client = joined(piped, net, "bot")
    client.type("/ignore anna")
    client.expect("You do not hear anna")
    net.cut()
    client.expect("Connected again")
    anna.send("unheard")
    bob.expect("unheard")
    bob.send("heard")
    client.expect("bob: heard")
    assert not [line for line in client.finish() if "unheard" in line]


# -- delays ----------------------------------------------------------------------------------------


def test_delays_grow_from_half_a_second_to_half_a_minute():
    """Each is at least as long as the one before."""
    found = list(islice(reconnect_delays(lambda: 0.5), 20))
    assert found[0] == 0.5
    assert found[-1] == 30.0
    assert found == sorted(found)


def test_delays_vary():
    """Chance changes them by a quarter at most."""
    assert next(reconnect_delays(lambda: 0.0)) == 0.375
    assert next(reconnect_delays(lambda: 1.0)) == 0.625
