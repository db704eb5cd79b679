"""People on bare connections, talking."""


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
