"""The library for a bot's author, in one process with the test, against a real server."""

import pytest
import pytest_twisted
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.threads import deferToThread

from chatservice.client import Code, Kind, Lost, Refusal, connect
from chatservice.client.library import BUFFERED_CHARACTERS, BUFFERED_ENTRIES, LogFollower
from chatservice.entries import Entry
from chatservice.replies import History
from tests.servers import PATIENCE


def in_time(waiting):
    """Bound the time that something may take."""
    from twisted.internet import reactor

    return waiting.addTimeout(PATIENCE, reactor)


@pytest.fixture
def bot(server):
    """Return a function that connects to the server, or to a network in front of it."""
    clients = []

    def start(name="bot", at=server, **more):
        connecting = in_time(connect(name, "127.0.0.1", at.port, **more))
        return connecting.addCallback(lambda client: clients.append(client) or client)

    yield start
    for client in clients:
        pytest_twisted.blockon(client.close())


@pytest.fixture
def anna(server, connect):
    """Return somebody in the lab, who waits in a thread of their own: what is awaited here needs
    the reactor meanwhile."""
    bare = connect(server, "anna")
    bare.send("/join lab")
    bare.expect("* You are in lab")
    return lambda method, *args: deferToThread(getattr(bare, method), *args)


async def taken(follower, count):
    """Return the next so many entries of a follower: positions and texts."""
    found = []
    while len(found) < count:
        position, entry = await in_time(Deferred.fromCoroutine(follower.__anext__()))
        found.append((position, entry.text))
    return found


# -- talk ------------------------------------------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_positions_of_texts(bot, anna):
    """A text has a position once it is stored. The same key stores it once. Texts sent at once keep
    their order."""
    client = await bot()
    positions = [client.say("lab", "one"), client.me("lab", "waves"), client.say("LAB", "a\nb")]
    assert [await each for each in positions] == [1, 2, 3]
    assert await client.say("lab", "two", key="k") == 4
    assert await client.say("lab", "two", key="k") == 4
    assert await client.msg("anna", "psst") == 1
    for line in ("bot: one", "~ bot waves", "bot: a", "bot: b", "bot: two", "bot -> you: psst"):
        assert await anna("expect", line) == line
    users = await client.who("lab")
    assert sorted(user.name for user in users) == ["anna", "bot"]
    assert [room.room for room in await client.rooms()] == ["lab", "lobby"]  # one's own first
    assert (await client.ask("history", room="lab", limit=1)).entries[0][1].text == "two"


@pytest_twisted.ensureDeferred
async def test_refusals(bot, server):
    """A refusal has a code for programs."""
    client = await bot()
    with pytest.raises(Refusal) as refused:
        await client.say("nowhere", "hello")
    assert refused.value.code is Code.NO_SUCH_ROOM
    with pytest.raises(Refusal) as refused:
        await client.say("lab", "x" * 10_000)
    assert refused.value.code is Code.TOO_LONG
    with pytest.raises(Refusal) as refused:
        await bot()
    assert refused.value.code is Code.NAME_TAKEN
    with pytest.raises(Refusal) as refused:
        await client.get("lab", "nothing")
    assert refused.value.code is Code.NO_SUCH_FILE
    assert await client.say("lab", "still here") == 1
    await deferToThread(server.stop)
    with pytest.raises(Lost, match="cannot be reached"):
        await bot("other")


@pytest_twisted.ensureDeferred
async def test_requests_that_wait_when_the_client_closes(bot, wire, server):
    """Messages that wait for a connection fail, and so do later requests."""
    net, broken = wire(server), Deferred()
    client = await bot(
        at=net, told=lambda it: it.startswith("Connection lost") and broken.callback(it)
    )
    await client.join("lab")
    net.down = True
    net.cut()
    await in_time(broken)
    saying = client.say("lab", "unheard")
    await client.close()
    with pytest.raises(Lost):
        await saying
    with pytest.raises(Lost):
        await client.rooms()


# -- reading ---------------------------------------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_following_a_room(bot, anna):
    """New entries, one's own too; with `after`, also earlier ones."""
    client = await bot()
    now = client.follow("lab")
    await client.say("lab", "one")
    await anna("expect", "bot: one")
    await anna("send", "two")
    assert await taken(now, 2) == [(1, "one"), (2, "two")]
    again = client.follow("lab", after=1)
    await anna("send", "three")
    assert await taken(again, 2) == [(2, "two"), (3, "three")]
    assert await taken(now, 1) == [(3, "three")]
    assert now.position == again.position == 3


@pytest_twisted.ensureDeferred
async def test_following_from_earlier_on(bot, anna):
    """Missed entries come in order, page by page, with edits and reactions. Those of an ignored
    user are left out, also a page of them."""
    client, other = await bot(), await bot("other")
    count = BUFFERED_ENTRIES + 10
    await anna("send", "helo", "/edit hello", "/react #1 +1", *["noise"] * count, "/history 1")
    await anna("expect", f"#{count + 3}] anna: noise")
    await other.say("lab", "the end")
    follower = client.follow("lab", after=0)
    found = [await in_time(Deferred.fromCoroutine(anext(follower))) for _ in range(count + 4)]
    assert [position for position, _ in found] == list(range(1, count + 5))
    kinds = [Kind.MESSAGE, Kind.EDIT, Kind.REACTION, Kind.MESSAGE]
    assert [entry.kind for _, entry in found[:4]] == kinds
    assert [entry.about for _, entry in found[:4]] == [0, 1, 1, 0]
    await client.ask("ignore", user="anna")
    assert await taken(client.follow("lab", after=1), 1) == [(count + 4, "the end")]


@pytest_twisted.ensureDeferred
async def test_several_rooms_and_the_inbox(bot, anna):
    """Each has a follower of its own."""
    client = await bot()
    lab, lobby, inbox = (client.follow(room) for room in ("lab", "lobby", "@"))
    await client.say("lobby", "there")
    await client.say("lab", "here")
    await anna("expect", "bot: here")
    await anna("send", "@bot psst")
    assert await taken(lobby, 1) == [(1, "there")]
    assert await taken(lab, 1) == [(1, "here")]
    _, entry = await in_time(Deferred.fromCoroutine(inbox.__anext__()))
    assert (entry.kind, entry.who, entry.text) == (Kind.PRIVATE, "anna", "psst")


@pytest_twisted.ensureDeferred
async def test_what_a_bot_sends_privately(bot, anna):
    """Only a follower that asks for copies gets them: a bot that answers all that comes does not
    answer itself."""
    client = await bot()
    came, both = client.follow("@"), client.follow("@", sent=True)
    assert await client.msg("anna", "hello") == 1
    await anna("send", "@bot psst")
    assert (await in_time(Deferred.fromCoroutine(came.__anext__())))[1].text == "psst"
    copy, private = [await in_time(Deferred.fromCoroutine(both.__anext__())) for _ in range(2)]
    assert (copy[1].kind, copy[1].to, copy[1].text) == (Kind.SENT, "anna", "hello")
    assert private[1].kind == Kind.PRIVATE
    page = await client.ask("history", room="@anna")
    assert [entry.text for _, entry in page.entries] == ["hello", "psst"]


@pytest_twisted.ensureDeferred
async def test_a_slow_follower_misses_nothing(bot, anna, server, wire):
    """More entries come than are buffered, and the connection breaks meanwhile."""
    net = wire(server)
    client = await bot(at=net)
    follower = client.follow("lab")
    await client.join("lab")
    count = 2 * BUFFERED_ENTRIES + 100
    await anna("send", *(f"message {n}" for n in range(count)), "/history 1")
    await anna("expect", f"message {count - 1}")
    await client.say("lab", "the end")
    net.cut()
    expected = [(n + 1, f"message {n}") for n in range(count)] + [(count + 1, "the end")]
    assert await taken(follower, count + 1) == expected


@pytest_twisted.ensureDeferred
async def test_entries_that_come_while_following_begins(bot, anna, server, wire):
    """The server's answers stand still, and then all of them come at once."""
    net = wire(server)
    client = await bot(at=net)
    await client.join("lab")
    net.through.clear()
    await anna("send", "one", "two", "/history 1")
    await anna("expect", "#2] anna: two")
    follower = client.follow("lab")
    await deferToThread(net.wait_for, '"do":"history"')
    net.through.set()
    assert await taken(follower, 2) == [(1, "one"), (2, "two")]


@pytest_twisted.ensureDeferred
async def test_following_with_a_function(bot, anna):
    """It gets each entry when it is done with the one before. An exception ends it, and so does
    cancelling."""
    client = await bot()
    seen, going_on = [], Deferred()

    def came(position, entry):
        seen.append(entry.text)
        if entry.text == "bad":
            raise ValueError("bad")
        return going_on if entry.text == "wait" else None

    following = client.each("lab", came)
    await client.say("lab", "wait")
    await client.say("lab", "bad")
    await client.who("lab")
    assert seen == ["wait"]
    going_on.callback(None)
    with pytest.raises(ValueError, match="bad"):
        await in_time(following)
    assert seen == ["wait", "bad"]
    following = client.each("lab", came)
    following.cancel()
    with pytest.raises(CancelledError):
        await following
    with pytest.raises(Refusal):
        await client.each("nowhere", came)


@pytest_twisted.ensureDeferred
async def test_removal_ends_following(bot, server, connect, wire):
    """Being removed from a room, or not admitted again, ends following it; other rooms go on."""
    owner = connect(server, "owner")
    owner.send("/create den")
    owner.expect("* You are in den")
    net = wire(server)
    client = await bot(at=net)
    lab, den = client.follow("lab"), client.follow("den")
    await client.say("den", "hello")
    owner.send("/kick bot")
    assert await taken(den, 1) == [(1, "hello")]
    with pytest.raises(Refusal, match="You were put out of den"):
        await taken(den, 1)
    again = client.follow("den")
    await client.say("den", "here again")
    owner.send("/access invited", "/who")
    await deferToThread(owner.expect, "in den:")
    net.cut()
    assert await taken(again, 1) == [(2, "here again")]
    with pytest.raises(Refusal) as refused:
        await taken(again, 1)
    assert refused.value.code is Code.NOT_ALLOWED
    await client.say("lab", "still here")
    assert await taken(lab, 1) == [(1, "still here")]


@pytest_twisted.ensureDeferred
async def test_closing_ends_following(bot):
    """A loop over the entries ends."""
    client = await bot()
    follower = client.follow("lab")
    await client.say("lab", "last")
    await client.close()
    assert [entry.text async for _, entry in follower] == ["last"]


@pytest_twisted.ensureDeferred
async def test_entries_that_were_deleted_are_not_waited_for():
    """The operator keeps only the newest entries, so the log may lack some that were announced."""
    pages = []

    async def page(after):
        pages.append(after)
        return History("lab", ())

    follower = LogFollower(page)
    follower.start(0, 5)
    waiting = Deferred.fromCoroutine(follower.__anext__())
    assert pages == [0]
    follower.add(6, Entry(Kind.MESSAGE, 0, "bob", "six"))
    assert (await in_time(waiting))[0] == 6


@pytest_twisted.ensureDeferred
async def test_the_buffer_of_an_inbox_has_a_bound():
    """A slow program gets the kept messages, and then a refusal. A program that reads never gets
    one, for any number of messages."""
    follower, text = LogFollower(None), "x" * (1 << 20)
    follower.start(0, 0)
    count = 2 * BUFFERED_CHARACTERS // len(text)
    for position in range(1, count + 1):
        follower.add(position, Entry(Kind.PRIVATE, 0, "eve", text))
        assert (await taken(follower, 1))[0][0] == position
    for position in range(count + 1, 2 * count):
        follower.add(position, Entry(Kind.PRIVATE, 0, "eve", text))
    assert len(await taken(follower, count // 2 - 1)) == count // 2 - 1
    with pytest.raises(Refusal) as refused:
        await taken(follower, 1)
    assert refused.value.code is Code.SLOW_DOWN


# -- files -----------------------------------------------------------------------------------------


@pytest_twisted.ensureDeferred
async def test_files(bot, anna, tmp_path):
    """Files go to a room and to a user. A file that is there is not saved again; another file gets
    another name."""
    client = await bot()
    path = tmp_path / "report.pdf"
    path.write_bytes(bytes(range(256)) * 1000)
    await client.put(path, room="lab")
    await anna("expect", "* bot shared report.pdf")
    await client.put(path, to="anna")
    await anna("expect", "* bot sent you report.pdf")
    assert await client.get("lab", "report.pdf", tmp_path) == path
    whole = path.read_bytes()
    path.write_bytes(b"another one")
    place = await client.get("lab", "report.pdf", tmp_path)
    assert place != path
    assert place.read_bytes() == whole
    assert path.read_bytes() == b"another one"
    assert [it.name for it in await client.files("lab")] == ["report.pdf"]
    with pytest.raises(Refusal):
        await client.put(tmp_path / "nothing", room="lab")
    with pytest.raises(TypeError):
        client.put(path)


@pytest_twisted.ensureDeferred
async def test_closing_ends_transfers(bot, server, wire, tmp_path):
    """A repeated request resumes a transfer that was ended."""
    (server.files / "big.bin").write_bytes(bytes(20_000_000))
    net = wire(server)
    net.bytes_a_second = 5_000_000
    client = await bot(at=net)
    getting = client.get("lobby", "big.bin", tmp_path)
    await deferToThread(net.wait_down, 2_000_000)
    await client.close()
    with pytest.raises((Lost, CancelledError)):
        await getting
    before = net.count_down
    net.bytes_a_second = None
    client = await bot(at=net)
    place = await in_time(client.get("lobby", "big.bin", tmp_path))
    assert place.stat().st_size == 20_000_000
    assert net.count_down - before < 19_500_000
