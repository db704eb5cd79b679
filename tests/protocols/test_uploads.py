"""Uploads that are interrupted, refused for want of room, or not needed at all."""

import contextlib
import hashlib
import os
import re
import shutil
import sqlite3
import time

import pytest

from tests import servers
from tests.protocols.test_files import carried, enter, get, mark, program, put
from tests.servers import PATIENCE
from tests.tls import TlsClient

__all__ = ["enter", "program"]

DATA = os.urandom(3_000_000)
SHA256 = hashlib.sha256(DATA).hexdigest()


def asked(program, name="a", data=DATA, **more):
    """Ask for a ticket to send a file; return the answer."""
    sha256 = hashlib.sha256(data).hexdigest()
    program.ask(do="put", room="lab", name=name, size=len(data), sha256=sha256, **more)
    return program.event("ok")


def refused(program, **more):
    """Ask for an upload that is refused; return the code and the sentence."""
    program.ask(do="put", **{"room": "lab", "name": "a", "size": 1, **more})
    answer = program.event("error")
    return answer["code"], answer["message"]


def carrier(server, connect, words, data=b""):
    """Return a connection that carries a file for a ticket, which speaks at once."""
    bare = connect(server)
    bare.send_raw(words.encode() + b"\n" + data)
    return bare


def left(server):
    """Return what is left half-way."""
    with contextlib.suppress(FileNotFoundError):  # it went meanwhile
        return [path.stat().st_size for path in (server.files / ".partial").iterdir()]
    return left(server)


def descriptors(server):
    """Return how many connections and shared files a server has open."""
    kinds = ("socket:", str(server.files))
    return sum(it.startswith(kinds) for it in servers.descriptors(server.process.pid))


def rows(server):
    """Return how many uploads are known that were begun."""
    with contextlib.closing(sqlite3.connect(server.data / "chat.sqlite")) as db:
        return db.execute("SELECT count(*) FROM partial").fetchone()[0]


def wait(until):
    """Wait until something holds."""
    patience = time.monotonic() + PATIENCE
    while not until():
        assert time.monotonic() < patience, "it does not come to that"
        time.sleep(0.01)


def test_by_ticket_and_through_a_kill(server, connect, enter, program):
    """Each new ticket says how much is there; the server is killed half-way, and knows it still."""
    have = 0
    program.ask(do="nick", name="robot")
    token = program.event("ok")["token"]
    program.ask(do="nick", name="bot")
    program.event("ok")
    for stop in (700_000, 700_000, 1_900_000):
        ticket = asked(program)
        assert ticket["offset"] == have
        said = carried(server, connect, "PUT", ticket["ticket"], have, data=DATA[have:stop])
        assert said.startswith(b"! The bytes stopped half-way.")
        have = stop
    assert asked(program)["offset"] == have  # all that came is written
    server.kill()
    server.start()
    bot = connect(server)
    bot.ask(do="hello", name="bot", token=token)
    bot.ask(do="join", room="lab")
    bot.event("ok"), bot.event("ok")
    ticket = asked(bot)
    assert ticket["offset"] == have
    bot.ask(do="transfers")
    (info,) = bot.event("ok")["transfers"]
    assert (info["name"], info["done"], info["stopped"]) == ("a", have, True)
    said = carried(server, connect, "PUT", ticket["ticket"], have, data=DATA[have:])
    assert said.decode() == mark("a", DATA) + "\n"
    assert (server.files / "lab" / "a").read_bytes() == DATA
    assert left(server) == []


@pytest.mark.parametrize("greeted", [True, False], ids=["person", "script"])
def test_the_same_put_again(server, connect, greeted):
    """Typed, with +OFFSET behind what is there, or whole: what is there already is passed over."""
    for offset in (1_200_000, 900_000, 0):
        alice = connect(server, "alice" if greeted else None)
        if not greeted:
            alice.send("alice")
        alice.send_raw(f"/put a 3000000 {SHA256}\n".encode() + DATA[:1_200_000])
        alice.end()
        alice.expect("! The bytes stopped half-way.")
        alice.rest()
        again = connect(server, "alice" if greeted else None)
        if not greeted:
            again.send("alice")
        again.send("/transfers")
        again.expect("* You have no transfers")  # it is another guest, as far as anybody knows
        plus = f" +{offset}" if offset else ""
        again.send_raw(f"/put a 3000000 {SHA256}{plus}\n".encode() + DATA[offset:] + b"/files\n")
        assert again.expect("= ") == mark("a", DATA)
        again.expect("1 file in lobby")
        again.send("/remove a", "/quit")
        again.rest()


def test_who_takes_the_name_of_a_guest(server, connect, enter):
    """The next user of the name sees no upload of the guest, and cannot drop one. An upload to a
    user cannot be resumed. One to a room can, by a user with the content and so its SHA-256, as
    after a broken connection."""
    bob = enter("bob")
    bob.send("/register secret", "/create vault key")
    bob.expect("* You are in vault")
    alice = enter("alice")
    for room, name, more in (
        ("lab", "open", ""),
        ("lab", "psst", " @bob"),
        ("vault key", "in", ""),
    ):
        alice.send(f"/join {room}")
        alice.send_raw(f"/put {name} 3000000 {SHA256}{more}\n".encode() + DATA[:1_200_000])
        alice.end()
        alice.expect("! The bytes stopped half-way.")
        alice.rest()
        alice = enter("Alice")
    alice.send("/transfers", "/cancel open", "/cancel psst", "/cancel in")
    assert alice.line() == "* You have no transfers."
    for name in ("open", "psst", "in"):
        assert alice.line() == f"! No {name} of yours is on its way; /transfers lists what is."
    alice.send_raw(f"/put psst 3000000 {SHA256} +1200000 @bob\n".encode() + DATA[1_200_000:])
    assert alice.line() == "! Only 0 of its bytes are here; send it again from there."
    alice.send("/join vault key")
    alice.send_raw(f"/put in 3000000 {SHA256} +1200000\n".encode() + DATA[1_200_000:])
    assert alice.expect("= ") == mark("in", DATA)
    alice.send("/join lab")
    alice.send_raw(f"/put open 3000000 {SHA256} +1200000\n".encode() + DATA[1_200_000:])
    assert alice.expect("= ") == mark("open", DATA)
    while left(server):
        pass


def test_what_is_sent_to_a_guest_who_leaves(server, connect, enter, program):
    """Goes with them: nothing of it is kept, also if it still comes, or stops half-way."""
    bob = enter("bob")
    sha256 = hashlib.sha256(DATA).hexdigest()
    tickets = []
    for name in ("a", "b", "c"):
        program.ask(do="put", to="bob", name=name, size=len(DATA), sha256=sha256)
        tickets.append(program.event("ok")["ticket"])
    coming, stopping = (carrier(server, connect, f"PUT {it}", DATA[:9]) for it in tickets[:2])
    transfers = []
    while len(transfers) < 2:
        program.ask(do="transfers")
        transfers = program.event("ok")["transfers"]
    bob.send("/quit")
    bob.rest()
    gone = b"! bob has left, and what is sent to a guest goes with them; nothing is kept.\n"
    assert carried(server, connect, "PUT", tickets[2], data=DATA) == gone
    stopping.end()
    assert stopping.rest().startswith(b"! The bytes stopped half-way.")
    coming.send_raw(DATA[9:])
    assert coming.rest() == gone
    while left(server) or (server.files / ".guests" / "1").exists():
        pass
    program.ask(do="transfers")
    assert program.event("ok")["transfers"] == []


def test_offsets_that_cannot_be(server, connect, enter, program):
    """Behind what is there, or behind the end: refused, and the bytes are not taken for talk."""
    alice = enter("alice")
    alice.send_raw(f"/put a 10 {'0' * 64} +3\n1234567/put b 5 {'0' * 64} +6\nhere\n".encode())
    assert alice.expect("! ") == "! Only 0 of its bytes are here; send it again from there."
    assert alice.expect("! ") == "! It has only 5 bytes; begin before that."
    while program.event("message")["text"] != "here":
        pytest.fail("a file's bytes were taken for talk")
    assert carried(server, connect, "PUT", asked(program)["ticket"], 4).startswith(b"! Only 0 of")


def test_a_file_that_changed_between_its_halves(server, connect, enter, program):
    """Is not what was promised: nothing of it is kept, and the next try begins anew."""
    carried(server, connect, "PUT", asked(program)["ticket"], data=DATA[:1_500_000])
    said = carried(
        server, connect, "PUT", asked(program)["ticket"], 1_500_000, data=DATA[:1_500_000]
    )
    assert said.startswith(b"! What came has the SHA-256 ")
    assert b"nothing was kept. If the file was changed while it was sent, send it again." in said
    assert asked(program)["offset"] == 0
    assert left(server) == []
    program.ask(do="files", room="lab")
    assert program.event("ok")["files"] == []


def test_what_is_here_is_not_sent_again(server, connect, enter, program):
    """Content in any file that the sender may read is shared at once, and announced."""
    alice = enter("alice")
    put(alice, "a", DATA)
    alice.send("/create vault s3cret")
    put(alice, "gold", b"gold")
    bob = enter("bob")
    answer = asked(program, "b")
    assert (answer["ticket"], answer["offset"], answer["stored"]) == (None, len(DATA), True)
    assert bob.expect("bot shared") == "* bot shared b (3.0 MB): /get b"
    assert get(bob, "b") == (mark("b", DATA), DATA)
    bob.send(f"/put c 3000000 {SHA256} +3000000")
    assert bob.line() == mark("c", DATA)
    assert not asked(program, "secret", b"gold")["stored"]  # of a room that bot is not in
    alice.send("/remove lab/a")
    alice.expect("is removed")
    assert get(bob, "b") == (mark("b", DATA), DATA)


def test_what_is_here_takes_the_place_of_what_was_begun(server, connect, enter, program):
    """Nothing is left half-way of an upload whose content has come from elsewhere meanwhile."""
    carried(server, connect, "PUT", asked(program)["ticket"], data=DATA[:700_000])
    assert asked(program)["offset"] == 700_000
    put(enter("alice"), "b", DATA)
    assert asked(program)["stored"]
    assert left(server) == []
    program.ask(do="transfers")
    assert program.event("ok")["transfers"] == []


@pytest.mark.parametrize("how", ["carrier", "person"])
def test_one_that_stalls_gives_its_room_back(start_server, connect, how):
    """And its connection ends; what came can go on."""
    server = start_server("--room", "lab", "--uploads", "1", stalled_seconds=1.0)
    bot = connect(server)
    bot.ask(do="hello", name="bot")
    bot.ask(do="join", room="lab")
    bot.event("ok"), bot.event("ok")
    if how == "carrier":
        words = f"PUT {asked(bot)['ticket']}"
        stalling = carrier(server, connect, words, DATA[:500_000])
    else:
        stalling = connect(server)
        stalling.send("bot2", "/join lab")
        stalling.send_raw(f"/put a 3000000 {SHA256}\n".encode() + DATA[:500_000])
    stalling.expect("! Nothing has come for a long time.")
    while left(server) != [500_000]:
        pass


def test_bounds(start_server, connect):
    """Each refusal says which one it is, and how much is left."""
    server = start_server(
        *("--room", "lab", "--max-file", "4MB", "--user-files", "6MB", "--room-files", "8MB")
    )
    bots = {}
    for name in ("one", "two"):
        bots[name] = connect(server)
        bots[name].ask(do="hello", name=name)
        bots[name].ask(do="join", room="lab")
        bots[name].event("ok"), bots[name].event("ok")
    assert refused(bots["one"], size=4_000_001) == (
        "too-large",
        "A file has at most 4.0 MB here; send a smaller one.",
    )
    assert refused(bots["one"], size=10**15)[0] == "too-large"
    ticket = asked(bots["one"])["ticket"]
    under_way = carrier(server, connect, f"PUT {ticket}", DATA[:1000])
    transfers = []
    while not transfers:
        bots["one"].ask(do="transfers")
        transfers = bots["one"].event("ok")["transfers"]
    code, sentence = refused(bots["one"], size=3_000_001)
    assert (code, sentence) == (
        "over-quota",
        "You have room for 3.0 MB more, of 6.0 MB; remove a file, or send a smaller one.",
    )
    under_way.send_raw(DATA[1000:])
    assert under_way.expect("= ") == mark("a", DATA)
    assert refused(bots["one"], size=3_000_001) == (code, sentence)
    other = os.urandom(3_000_000)
    assert carried(server, connect, "PUT", asked(bots["two"], "b", other)["ticket"], data=other)
    code, sentence = refused(bots["one"], size=2_000_001)
    assert (code, sentence[:44]) == ("over-quota", "The files here have room for 2.0 MB more, of")


@pytest.mark.parametrize("option", ["--user-files", "--room-files"])
def test_what_the_operator_takes_away_makes_room(start_server, connect, option):
    """It frees space at once, even if nobody lists the files; and so does content moved
    elsewhere."""
    server = start_server("--room", "lab", "--room", "den", option, "4MB")
    bot = connect(server)
    bot.ask(do="hello", name="bot")
    for room in ("lab", "den"):
        bot.ask(do="join", room=room)
    for _ in range(3):
        bot.event("ok")
    assert carried(server, connect, "PUT", asked(bot)["ticket"], data=DATA).startswith(b"= ")
    code, sentence = refused(bot, name="b", size=len(DATA), sha256=SHA256)
    assert code == "over-quota"
    assert "room for 1.0 MB more, of 4.0 MB; remove a file" in sentence
    bot.ask(do="put", room="den", name="b", size=len(DATA), sha256=SHA256)
    answer = bot.event("ok" if option == "--room-files" else "error")
    assert answer.get("stored") or answer["code"] == "over-quota"
    for room in ("lab", "den"):
        (server.files / room / ("a" if room == "lab" else "b")).unlink(missing_ok=True)
    assert not asked(bot, "b")["stored"]


def test_two_at_the_edge(start_server, connect):
    """Cannot both pass: room is reserved from the beginning on."""
    server = start_server("--room", "lab", "--room-files", "5MB")
    carriers = []
    for name in ("one", "two"):
        bot = connect(server)
        bot.ask(do="hello", name=name)
        bot.ask(do="join", room="lab")
        bot.event("ok"), bot.event("ok")
        carriers.append(asked(bot, name, os.urandom(3_000_000))["ticket"])
    first, second = (carrier(server, connect, f"PUT {ticket}") for ticket in carriers)
    second.expect("! The files here have room for 2.0 MB more")
    first.send_raw(b"x")


def test_the_disk(start_server, connect, enter):
    """Uploads leave the reserved disk space free."""
    server = start_server("--room", "lab", "--free", "999TB")
    alice = connect(server)
    alice.send("alice")
    alice.send_raw(b"/put a 5\nhello/files\n")
    assert alice.expect("! ").startswith("! The server's disk has room for 0 bytes only;")
    alice.expect("0 files")


def test_one_who_declares_all_of_the_disk(server, connect, enter, program):
    """Is refused, also in two parts; and while what may be is reserved, others go on."""
    tenth = shutil.disk_usage(server.files).free // 10
    code, sentence = refused(program, size=7 * tenth)
    assert (code, "of which you may take" in sentence) == ("disk-full", True)
    program.ask(do="put", room="lab", name="a", size=4 * tenth)
    carrier(server, connect, f"PUT {program.event('ok')['ticket']}", DATA[:1_000_000])
    while not left(server):
        pass
    assert "of which you may take" in refused(program, size=4 * tenth)[1]
    bob = enter("bob")
    assert put(bob, "a", DATA) == mark("a", DATA)


def test_too_many_at_once(start_server, connect):
    """One user's, and the next has to wait."""
    server = start_server("--room", "lab", "--uploads", "2")
    bot = connect(server)
    bot.ask(do="hello", name="bot")
    bot.ask(do="join", room="lab")
    bot.event("ok"), bot.event("ok")
    carriers = []
    for name in ("a", "b"):
        words = f"PUT {asked(bot, name)['ticket']}"
        carriers.append(carrier(server, connect, words, DATA[:1000]))
    count = 0
    while count < 2:
        bot.ask(do="transfers")
        count = len(bot.event("ok")["transfers"])
    assert refused(bot, name="c")[0] == "too-many"
    carriers[0].send_raw(DATA[1000:])
    carriers[0].expect("= ")
    assert asked(bot, "c", b"c")["ticket"]


def test_a_thousand_that_are_begun_and_abandoned(start_server, connect):
    """By as many names: what is kept of them is bounded, nothing is reserved or open any more, and
    the next upload goes on as ever."""
    server = start_server("--room", "lab", partial_uploads_of_all=20)
    alice = connect(server, "alice")
    before = descriptors(server)
    hundredth = shutil.disk_usage(server.files).free // 100
    for number in range(1000):
        bare = connect(server)
        sha256 = hashlib.sha256(b"%d" % number).hexdigest()
        words = f"guest{number}\n/put big {hundredth} {sha256}\n".encode()
        bare.send_raw(words + DATA[:50_000])
        bare.close()
        if number % 100 == 0:
            alice.send("/who")  # see that the server goes on
            alice.expect("* ")
    wait(lambda: descriptors(server) == before)
    wait(lambda: 0 < len(left(server)) == rows(server) <= 20)
    assert max(left(server)) <= 50_000
    alice.send_raw(f"/put a {len(DATA)} {SHA256}\n".encode() + DATA)
    assert alice.expect("= ") == mark("a", DATA)
    half = 45 * hundredth
    alice.send_raw(f"/put b {half}\n".encode())
    alice.expect("* Send its")


def test_transfers_are_listed_and_cancelled(server, connect, enter, program):
    """With how far they are; one that is cancelled ends, and nothing of it is kept."""
    (server.files / "lab").mkdir(exist_ok=True)
    with (server.files / "lab" / "big").open("wb") as file:
        file.truncate(1 << 28)
    os.utime(server.files / "lab" / "big", (1, 1))
    program.ask(do="get", room="lab", name="big")
    down = carrier(server, connect, f"GET {program.event('ok')['ticket']}")
    assert down.read(1000) == bytes(1000)
    up = carrier(server, connect, f"PUT {asked(program)['ticket']}", DATA[:1_500_000])
    infos = {}
    while infos.get("a", {}).get("done", 0) < 1_000_000 or "big" not in infos:
        program.ask(do="transfers")
        infos = {it["name"]: it for it in program.event("ok")["transfers"]}
    assert (infos["a"]["up"], infos["a"]["size"], infos["a"]["stopped"]) == (True, 3_000_000, False)
    assert infos["a"]["rate"] > 0
    assert infos["a"]["left"] > 0
    assert (infos["big"]["up"], infos["big"]["size"]) == (False, 1 << 28)
    bot = enter("bot2")
    bot.send("/transfers", "/cancel a")
    assert bot.line() == "* You have no transfers."
    assert bot.line() == "! No a of yours is on its way; /transfers lists what is."
    for name in ("a", "big"):
        program.ask(do="cancel", name=name)
        program.event("ok")
    assert up.rest() == b"! Cancelled, as you wished.\n"
    with contextlib.suppress(ConnectionError):
        assert len(down.rest()) < (1 << 28) - 1000
    program.ask(do="transfers")
    assert program.event("ok")["transfers"] == []
    while left(server):
        pass


def test_what_link_prints(enter):
    """Lines for nc, for bash, and to check what came."""
    alice = enter("alice")
    put(alice, "it's a file", b"hello")
    alice.send("/link it's a file")
    alice.expect("from another terminal")
    quoted = "'it'\"'\"'s a file'"
    assert re.fullmatch(rf"  echo GET \S+ \| nc \S+ \d+ > {quoted}", alice.line())
    alice.expect("bash")
    assert re.fullmatch(
        rf"  exec 3<>/dev/tcp/\S+/\d+; echo GET \S+ >&3; cat <&3 > {quoted}; exec 3>&-",
        alice.line(),
    )
    alice.expect("To check")
    sha256 = hashlib.sha256(b"hello").hexdigest()
    assert alice.line() == f"  echo {sha256}'  '{quoted} | sha256sum -c"


def test_a_file_that_is_still_coming(server, connect, enter, program):
    """A download may begin during the upload; the last byte comes when the file is checked and
    shared."""
    up = carrier(server, connect, f"PUT {asked(program)['ticket']}", DATA[:1_000_000])
    answer = {}
    while answer.get("event") != "ok":
        program.ask(do="get", room="lab", name="a", arriving=True)
        answer = program.event()
    assert (answer["size"], answer["sha256"], answer["version"]) == (len(DATA), SHA256, 0)
    down = carrier(server, connect, f"GET {answer['ticket']}")
    assert down.read(700_000) == DATA[:700_000]
    program.ask(do="get", room="lab", name="a")
    assert program.event("error")["code"] == "no-such-file"
    up.send_raw(DATA[1_000_000:])
    up.expect("= ")
    assert down.rest() == DATA[700_000:]


def test_a_file_that_is_still_coming_over_tls(start_server, connect):
    """As without: what is there comes at once, and the last byte in the end."""
    server = start_server("--room", "lab", "--tls", "auto")
    bot = connect(server)
    for fields in ({"do": "hello", "name": "bot"}, {"do": "join", "room": "lab"}):
        bot.ask(**fields)
        bot.event("ok")
    up = carrier(server, connect, f"PUT {asked(bot)['ticket']}", DATA[:1_000_000])
    answer = {}
    while answer.get("event") != "ok":
        bot.ask(do="get", room="lab", name="a", arriving=True)
        answer = bot.event()
    down = TlsClient(server.port)
    down.send(f"GET {answer['ticket']}")
    assert down.read(700_000) == DATA[:700_000]
    up.send_raw(DATA[1_000_000:2_900_000])
    assert down.read(2_000_000) == DATA[700_000:2_700_000]
    up.send_raw(DATA[2_900_000:])
    up.expect("= ")
    assert down.rest() == DATA[2_700_000:]
    down.close()


def test_another_file_of_that_name_comes_too(server, connect, enter, program):
    """A ticket is for one content: who follows it is not given, nor refused for, the other one."""
    other = os.urandom(len(DATA))
    carried(server, connect, "PUT", asked(program)["ticket"], data=DATA[:700_000])
    up = carrier(server, connect, f"PUT {asked(program, data=other)['ticket']}", other[:1_000_000])
    answer = {}
    while answer.get("event") != "ok":
        program.ask(do="get", room="lab", name="a", arriving=True)
        answer = program.event()
    assert answer["sha256"] == hashlib.sha256(other).hexdigest()
    carrier(server, connect, f"PUT {asked(program)['ticket']}", DATA[:800_000])
    while answer.get("sha256") != SHA256:
        program.ask(do="get", room="lab", name="a", arriving=True)
        first, answer = answer, program.event()
    down = carrier(server, connect, f"GET {first['ticket']}")
    assert down.read(700_000) == other[:700_000]
    up.send_raw(other[1_000_000:])
    up.expect("= ")
    assert down.rest() == other[700_000:]


def test_a_file_that_does_not_come_to_its_end(server, connect, enter, program):
    """A follower of a failed upload gets less than was promised, and then the end."""
    up = carrier(server, connect, f"PUT {asked(program)['ticket']}", DATA[:1_000_000])
    answer = {}
    while answer.get("event") != "ok":
        program.ask(do="get", room="lab", name="a", arriving=True)
        answer = program.event()
    down = carrier(server, connect, f"GET {answer['ticket']}")
    assert down.read(1000) == DATA[:1000]
    up.close()
    with contextlib.suppress(ConnectionError):
        assert len(down.rest()) <= 999_000


def test_a_file_that_turns_out_to_be_another(server, connect, enter, program):
    """Its last byte is kept back until it is checked, so nobody takes it for whole."""
    up = carrier(server, connect, f"PUT {asked(program)['ticket']}", DATA[:1_000_000])
    answer = {}
    while answer.get("event") != "ok":
        program.ask(do="get", room="lab", name="a", arriving=True)
        answer = program.event()
    down = carrier(server, connect, f"GET {answer['ticket']}")
    assert down.read(1000) == DATA[:1000]
    up.send_raw(bytes(2_000_000))
    up.expect("! What came has the SHA-256 ")
    with contextlib.suppress(ConnectionError):
        assert len(down.rest()) < 2_999_000
