"""Limits of one connection: time to give a name, rate of requests, wrong passwords."""

import json
import time

import pytest
from twisted.internet.task import Clock

from chatservice.domain.model import FREE_COMMANDS
from chatservice.limits import Limits
from chatservice.testing import MemoryServer
from tests.servers import RawClient

LATE = "You did not come in within 0.5 seconds; connect again."


@pytest.fixture
def hasty(start_server):
    """Return a server that waits half a second for a name."""
    return start_server("--room", "lab", name_seconds=0.5)


@pytest.mark.parametrize(
    "said",
    [
        [],
        [b"\n", b"\n"],
        [b"\xff\xf1", b"\xff\xf1"],
        [b"/help\n"],
        [b"/login nobody wrong\n"],
        [b"a b c\n"],
        [b"half a na"],
    ],
)
def test_a_person_who_gives_no_name_is_told_and_ended(hasty, connect, said):
    """Nothing else that is sent meanwhile extends the time."""
    bare = connect(hasty)
    for data in said:
        bare.send_raw(data)
    assert bare.expect("You did not come in") == f"! {LATE}"
    bare.rest()


def test_what_comes_again_and_again_does_not_extend_it(hasty, connect):
    """Blank lines and telnet's commands, as clients send them to keep a connection open."""
    bare = connect(hasty)
    bare.expect("* Welcome")
    bare.socket.settimeout(0.01)
    seen = b""
    while b"You did not come in" not in seen:
        bare.send_raw(b"\n\xff\xf1")
        try:
            seen += bare.socket.recv(65536)
        except TimeoutError:
            continue


@pytest.fixture
def memory():
    """Return a server in memory, with a clock that the test moves on."""
    clock = Clock()
    server = MemoryServer(clock, ["lab"], limits=Limits(name_seconds=0.5))
    server.clock = clock
    return server


def test_a_program_that_gives_no_name_is_told_in_json(memory):
    """With a code."""
    bot = memory.connect()
    bot.send(b'{"do": "help", "id": 1}\n')
    memory.clock.pump([0.1] * 20)
    answer, told = map(json.loads, bot.lines())
    assert answer["event"] == "ok"
    assert (told["event"], told["code"], told["message"]) == ("error", "name-needed", LATE)
    memory.clock.advance(10)
    assert not bot.open


def test_who_has_a_name_or_a_ticket_stays(memory):
    """Clients of each kind see a connection without a name end, and go on."""
    alice, bot, carrier, late = (memory.connect() for _ in range(4))
    alice.send(b"alice\n")
    bot.send(b'{"do": "hello", "name": "bot"}\n{"do": "join", "room": "lab"}\n')
    bot.send(b'{"do": "put", "room": "lab", "name": "x", "size": 3}\n')
    memory.clock.advance(0.1)
    ticket = json.loads(bot.lines()[-1])["ticket"]
    carrier.send(f"PUT {ticket}\n".encode())
    memory.clock.pump([0.1] * 20)
    assert late.lines()[-1] == f"! {LATE}"
    carrier.send(b"abc")
    alice.send(b"/rooms\n")
    bot.send(b'{"do": "rooms"}\n')
    memory.clock.pump([0.1] * 20)
    assert carrier.received.startswith(b"= 3 ")
    assert b"lobby" in alice.received
    assert any("rooms" in json.loads(line) for line in bot.lines())


def test_a_paste_of_ten_lines_passes_at_once(start_server, connect):
    """A paste passes at once under a limit of messages; more lines are read later, and none is
    lost."""
    server = start_server(messages_per_second=10, messages_burst=12)
    alice, bob = connect(server, "alice"), connect(server, "bob")
    start = time.monotonic()
    alice.send(*(f"line {at}" for at in range(30)))
    for at in range(30):
        bob.expect(f"alice: line {at}")
    assert time.monotonic() - start >= 17 / 10
    bob.send("and nobody else waited")
    alice.expect("and nobody else waited")


REFUSED = {
    "no command": (b"/nosuch", False),
    "no argument": (b"/msg", False),
    "not UTF-8": (b"caf\xe9", False),
    "NUL": (b"a\0b", False),
    "too long": (b"x" * 8193, False),
    "an answer": (b"wrong", False),
    "no JSON": (b"{", True),
    "no object": (b"[]", True),
    "no such command": (b'{"do":"nosuch"}', True),
    "no such argument": (b'{"do":"say","room":7}', True),
    "no number": (b'{"do":"rooms","id":{}}', True),
    "NUL in JSON": (b'{"do":"\0"}', True),
    "too long in JSON": (b"{" + b" " * 8193, True),
}
"""Lines that are refused before it is known what they ask for, and whether a program sends them."""


@pytest.mark.parametrize(("line", "is_program"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_counted(start_server, connect, line, is_program):
    """A line that no command can be made of is a line that was looked at: it takes its time as
    commands do, and each is answered."""
    server = start_server(commands_per_second=20, commands_burst=5, failures_free=1000)
    bare = connect(server, None if is_program else "alice")
    if is_program:
        bare.ask(do="hello", name="bot")
        bare.event("ok")
    if line == b"wrong":
        bare.send("/register pw", "/password")
        bare.expect("Type the password that you have")
    start = time.monotonic()
    bare.send(*[line] * (FREE_COMMANDS + 5 + 10))
    for _ in range(FREE_COMMANDS + 5 + 10):
        bare.expect('"error"' if is_program else "* Type" if line == b"wrong" else "! ")
    assert time.monotonic() - start >= 8 / 20


@pytest.mark.parametrize("do", ["say", "me"])
def test_programs_are_read_as_slowly(start_server, connect, do):
    """Nothing is refused, everything is answered, in its order."""
    server = start_server(messages_per_second=20, messages_burst=5)
    bot = connect(server)
    bot.ask(do="hello", name="bot")
    bot.ask(do="join", room="lobby")
    start = time.monotonic()
    for at in range(20):
        bot.ask(do=do, room="lobby", text="x", id=at)
    answers = []
    while len(answers) < 20:
        event = bot.event()
        assert event["event"] != "error"
        if isinstance(event.get("id"), int):
            answers.append(event["id"])
    assert answers == list(range(20))
    assert time.monotonic() - start >= 15 / 20


def test_full_speed_is_the_default(server, connect):
    """Lines piped into a room are not delayed: the next command is answered at once, and nobody is
    told to be slower."""
    alice, bob = connect(server, "alice"), connect(server, "bob")
    alice.send(*(f"line {at}" for at in range(5000)), "/who")
    alice.expect("2 in lobby")
    bob.expect("line 4999")
    assert "Not so fast" not in alice.seen


@pytest.mark.parametrize("format", ["text", "json"])
def test_commands_beyond_the_bound_wait(start_server, connect, format):
    """Each is done, in its order."""
    server = start_server(commands_per_second=20, commands_burst=10)
    bare = connect(server, "alice" if format == "text" else None)
    start = time.monotonic()
    if format == "text":
        bare.send(*(["/who"] * 50))
        for _ in range(50):
            bare.expect("in lobby")
    else:
        bare.ask(do="hello", name="bot")
        for at in range(50):
            bare.ask(do="who", room="lobby", id=at)
        for at in range(50):
            while bare.event("ok").get("id") != at:
                pass
    assert time.monotonic() - start >= (50 - 10 - 20) / 20


def test_who_comes_and_goes_all_the_time_is_slowed_down_and_told(start_server, connect):
    """The others are told so much less often, and a user who waits long is told why."""
    server = start_server("--room", "lab", joins_per_second=0.4, joins_burst=3)
    eve = connect(server, "eve")
    eve.send(*(["/join lab", "/leave"] * 30))
    assert "Not so fast: what you send is read on in" in eve.expect("Not so fast")


def test_rooms_that_stay_are_made_slowly(start_server, connect):
    """A few at once, and then one after another."""
    server = start_server(rooms_per_second=2, rooms_burst=3)
    alice = connect(server, "alice")
    start = time.monotonic()
    alice.send(*(f"/create den{at}" for at in range(6)))
    for at in range(6):
        alice.expect(f"You are in den{at}")
    assert time.monotonic() - start >= 2 / 2


def test_many_requests_in_one_piece_are_all_done(start_server, connect):
    """All requests of a chunk are done, even if each takes a turn of its own."""
    server = start_server(turn_seconds=0)
    alice = connect(server)
    alice.send("alice", *(f"/me {at}" for at in range(100)), "/put x 3", "abc/history 2", "/quit")
    seen = alice.rest().decode()
    assert "= 3 " in seen
    assert "~ alice 99" in seen
    assert seen.endswith("* Goodbye.\n")


@pytest.fixture
def slow(start_server, connect):
    """Return a server where a wrong password costs time early, with a registered name and a room
    that has a password."""
    server = start_server(failures_free=1, failures_longest=2)
    owner = connect(server, "owner")
    owner.send("/register secret", "/create den hush", "/who")
    owner.expect("in den")
    return server


@pytest.mark.parametrize(("asked", "right"), [("/login owner", "secret"), ("/join den", "hush")])
def test_wrong_passwords_take_time(slow, connect, asked, right):
    """More of it each time, but not without end, and others are served meanwhile. All lines behind
    the first one are answers to the question for the password."""
    eve, bob = connect(slow, "eve"), connect(slow, "bob")
    start = time.monotonic()
    eve.send(f"{asked} wrong", *["wrong"] * 3, right)
    bob.send("/who")
    bob.expect("in lobby")
    for _ in range(4):
        eve.expect("password; try again")
    eve.expect("You are")
    assert time.monotonic() - start >= 1 + 2 + 2


def test_wrong_passwords_take_time_in_json(slow, connect):
    """By name, whichever connection they come from."""
    for _ in range(3):
        bot = connect(slow)
        start = time.monotonic()
        bot.ask(do="hello", name="owner", password="wrong")
        assert bot.event("error")["code"] == "wrong-password"
        took = time.monotonic() - start
    assert took >= 1


def test_guessing_in_many_connections_locks_nobody_out(slow, connect):
    """They wait for their turns, and the owner, who comes behind them, is in when all had one."""
    bots = [connect(slow) for _ in range(12)]
    for bot in bots:
        bot.ask(do="hello", name="owner", password="wrong")
    owner = connect(slow)
    owner.ask(do="hello", name="owner", password="secret")
    assert owner.event("ok")["name"] == "owner"
    assert {bot.event("error")["code"] for bot in bots} == {"wrong-password"}


def test_who_guesses_does_not_hold_up_who_asks_from_elsewhere(start_server, connect):
    """Checks are done in turns, by address; and each address may have only so many wait."""
    server = start_server(
        "--listen", "haproxy:tcp:0:interface=127.0.0.1", failures_free=1000, checks_an_address=3
    )
    port = int(server.log.expect(r"listening on 127\.0\.0\.1:(\d+)")[1])
    owner = connect(server, "owner")
    owner.send("/register secret")
    owner.expect("your name from now on")

    def try_(address, password):
        bare = RawClient(port)
        bare.send_raw(b"PROXY TCP4 %b 192.0.2.99 5000 5555\r\n" % address)
        bare.ask(do="hello", name="owner", password=password)
        return bare

    guesses = [try_(b"192.0.2.66", "wrong") for _ in range(30)]
    assert try_(b"192.0.2.1", "secret").event()["event"] == "ok"
    codes = [bare.event("error")["code"] for bare in guesses]
    assert set(codes) <= {"wrong-password", "slow-down"}
    assert codes.count("slow-down") > 0
