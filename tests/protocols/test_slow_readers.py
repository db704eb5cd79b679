"""A reader is a cursor: a slow one costs nobody anything, and loses nothing."""

import json
import socket
import threading

import pytest


def stalled(server, connect, name):
    """Return a connection in the lobby that reads nothing, with a small window."""
    bare = connect(server)
    bare.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 17)
    bare.ask(do="hello", name=name)
    bare.ask(do="join", room="lobby")
    bare.event("ok")
    bare.event("ok")
    return bare


def test_a_reader_that_stops_hurts_nobody_and_misses_nothing(server, connect):
    """While it stands still the others read on; when it reads again it gets everything, once, in
    order, from storage at first, since memory has long let go of it."""
    slow = stalled(server, connect, "slow")
    alice, bob = connect(server, "alice"), connect(server, "bob")
    count = 10_000  # 40 MB, far beyond every buffer on the way and the entries held in memory
    writing = threading.Thread(
        target=lambda: alice.send(*(f"{at} " + "x" * 4000 for at in range(count)))
    )
    writing.start()
    for at in range(count):
        line = bob.line()
        if line.endswith("/skip jumps to the present."):  # so fast is alice
            line = bob.line()
        assert line.startswith(f"alice: {at} ")
    writing.join()
    seen = []
    while len(seen) < count:
        event = slow.event()
        if event["event"] == "message":
            seen.append((event["seq"], int(event["text"].split()[0])))
    assert [number for _, number in seen] == list(range(count))
    assert [seq for seq, _ in seen] == sorted({seq for seq, _ in seen})


def test_a_person_who_is_far_behind_may_skip(server, connect):
    """They are offered it when they read again, and decide: what they skip is in the history."""
    alice, bob = connect(server, "alice"), connect(server, "bob")
    bob.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 17)
    for _ in range(20):
        alice.send(*("x" * 1000 for _ in range(1000)))
        alice.send("/history 1")
        alice.expect("alice: x")
    offer = bob.expect("entries behind in lobby; /skip jumps to the present.")
    assert offer.startswith("* You are ")
    bob.send("/skip")
    skipped = bob.expect("* You are up to date now; /history #")
    alice.send("now")
    assert bob.line() == "alice: now"
    bob.send("/history " + skipped.split()[8] + " 1")
    bob.expect("alice: xxx")
    bob.send("/skip")
    bob.expect("* You are up to date.")


def test_readers_that_stop_do_not_fill_the_memory(server, connect):
    """Twenty of them, and 16 MB more behind each: a queue a reader would take 320 MB, and the
    server grows by less than a quarter of that."""
    readers = [stalled(server, connect, f"slow{at}") for at in range(20)]
    alice = connect(server, "alice")

    def talk():
        alice.send(*("x" * 4000 for _ in range(500)))
        alice.send("/history 1")
        alice.expect("alice: x")

    for _ in range(4):  # more than all buffers hold
        talk()
    before = server.memory()
    for _ in range(8):
        talk()
    assert server.memory() - before < 80_000_000
    for reader in readers:
        reader.close()


def test_a_client_that_asks_and_does_not_read_stops_itself(server, connect):
    """Answers that nobody takes are not piled up: the server reads no further questions."""
    greedy = stalled(server, connect, "greedy")
    bob = connect(server, "bob")
    greedy.socket.setblocking(False)
    questions = json.dumps({"do": "help"}).encode() + b"\n"

    def ask():
        for _ in range(1000):
            greedy.socket.send(questions * 2000)

    with pytest.raises(BlockingIOError):
        ask()
    bob.send("/who")
    bob.expect("2 in lobby")
    assert server.memory() < 200_000_000


@pytest.mark.parametrize("resume", [0, 1, 700])
def test_joining_behind_a_position_gives_the_rest_once(server, connect, resume):
    """History and what comes live meet without a gap and without a double, also in a flood."""
    alice = connect(server, "alice")
    alice.send(*(f"{at}" for at in range(1, 1501)))
    alice.send("/history 1")
    alice.expect("alice: 1500")
    flood = threading.Thread(target=lambda: alice.send(*(f"{at}" for at in range(1501, 5001))))
    flood.start()
    reader = connect(server)
    reader.ask(do="hello", name="reader")
    reader.ask(do="join", room="lobby", after=resume)
    seen = []
    while not seen or seen[-1] != 5000:
        event = reader.event()
        if event["event"] == "message":
            assert event["seq"] == int(event["text"])
            seen.append(event["seq"])
    flood.join()
    assert seen == list(range(resume + 1, 5001))
