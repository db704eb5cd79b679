"""People on bare connections, talking."""


def test_two_people_in_the_lobby(server, connect):
    """What one says, the other reads, and nobody reads their own lines."""
    alice, bob = connect(server, "alice"), connect(server, "bob")
    alice.send("good morning", "/me waves")
    bob.send("hello alice")
    assert bob.expect("good morning") == "alice: good morning"
    assert bob.line() == "~ alice waves"
    assert alice.expect("hello") == "bob: hello alice"
    assert "alice: " not in alice.seen
