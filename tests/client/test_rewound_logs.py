"""An operator puts back an earlier state of the server: what is new since is shown, once."""

import shutil

import pytest

from tests.test_chatctl import chatctl


def say(connect, server, room, *texts):
    """Say something in a room, and leave."""
    one = connect(server, "anna")
    one.send(f"/join {room}", *texts, "/who")
    one.expect(f"in {room}: anna")
    one.end()


@pytest.fixture
def backup(tmp_path):
    """Return functions that make a backup of a server, and that put it back."""
    kept = tmp_path / "backup"

    def make(server):
        status, _, wrong = chatctl(server.data, "backup", str(kept))
        assert status == 0, wrong

    def put_back(server):
        server.stop()
        shutil.rmtree(server.data)
        status, _, wrong = chatctl(server.data, "restore", str(kept))
        assert status == 0, wrong
        server.start()

    return make, put_back


@pytest.mark.parametrize("since", [1, 3, 5, 8])
@pytest.mark.parametrize("before", [1, 4])
def test_following_shows_all_that_is_new(
    start_server, connect, piped, wire, backup, tmp_path, since, before
):
    """The log may have fewer entries than were seen, as many, or more. A warning goes to standard
    error, and no entry is shown twice."""
    make, put_back = backup
    server = start_server("--room", "lab")
    say(connect, server, "lab", *(f"kept {n}" for n in range(before)))
    make(server)
    say(connect, server, "lab", *(f"lost {n}" for n in range(4)))
    net = wire(server)
    client = piped(net, "bot", "--room", "lab", "--follow")
    net.wait_for('"do":"history"')
    say(connect, server, "lab", "seen")
    client.expect("anna: seen")
    net.down = True
    put_back(server)
    say(connect, server, "lab", *(f"new {n}" for n in range(since)))
    net.down = False
    client.expect(f"^Warning: the log of lab was put back .*behind #{before} follows")
    client.expect(f"anna: new {since - 1}")
    say(connect, server, "lab", "then")
    client.expect("anna: then")
    client.process.kill()
    client.process.wait()
    texts = [line.partition("anna: ")[2] for line in client.shown if "anna: " in line]
    assert texts == ["seen", *(f"new {n}" for n in range(since)), "then"]


def test_a_person_sees_all_that_is_new(start_server, connect, piped, wire, backup):
    """A pipe and a terminal have the same session."""
    make, put_back = backup
    server = start_server("--room", "lab")
    say(connect, server, "lab", "kept")
    make(server)
    net = wire(server)
    client = piped(net, "bot", "--room", "lab")
    client.expect("You are in lab")
    say(connect, server, "lab", "lost 1", "lost 2")
    client.expect("anna: lost 2")
    net.down = True
    put_back(server)
    say(connect, server, "lab", *(f"new {n}" for n in range(4)))
    net.down = False
    client.expect("Warning: the log of lab was put back")
    client.expect("anna: new 3")
    client.finish()
    texts = [line.partition("anna: ")[2] for line in client.shown if "anna: " in line]
    assert texts == ["lost 1", "lost 2", "new 0", "new 1", "new 2", "new 3"]


def test_a_position_beyond_the_end(server, connect, piped):
    """`--after` of a log that is older than that: it is said, and all of it is printed."""
    say(connect, server, "lab", "one", "two")
    client = piped(server, "bot", "--room", "lab", "--follow", "--after", "1812")
    client.expect("^Warning: the log of lab ends at #2, before #1812")
    client.expect("anna: one")
    client.expect("anna: two")
    say(connect, server, "lab", "three")
    client.expect("anna: three")


def test_no_warning_for_an_unchanged_log(server, connect, piped, wire):
    """There is no warning after a mere restart, erased entries, or the user's own."""
    net = wire(server)
    client = piped(net, "bot", "--room", "lab", "--follow")
    net.wait_for('"do":"history"')
    say(connect, server, "lab", "one", "two")
    client.expect("anna: two")
    net.down = True
    server.stop()
    server.start()
    say(connect, server, "lab", "three")
    net.down = False
    client.expect("anna: three")
    client.process.kill()
    client.process.wait()
    assert not [line for line in client.shown if "Warning" in line]
    texts = [line.partition("anna: ")[2] for line in client.shown if "anna: " in line]
    assert texts == ["one", "two", "three"]
