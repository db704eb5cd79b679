"""Talk: who may speak in a room, and what its readers are shown."""

from chatservice.entries import Kind
from chatservice.errors import Code
from tests.domain.harness import Gate, MemoryChat


def test_those_in_a_room_hear_each_other(world, alice, bob):
    """Positions count from 1. Programs see their own entries, and people do not."""
    carol = world.guest("carol", "studio", person=True)
    assert bob.say("hello", "studio") == 1
    assert carol.do("me", text="waves") == 2
    assert alice.texts == bob.texts == ["hello", "waves"]
    assert carol.texts == ["hello"]
    assert [entry.kind for _, entry in alice.peer.entries] == [Kind.MESSAGE, Kind.ACTION]


def test_who_is_not_in_a_room_cannot_speak_there(world, alice, bob):
    """Neither a stranger without a name, nor a user elsewhere, nor one who has left."""
    assert world.member().code("say", room="studio", text="hello") is Code.NAME_NEEDED
    refusal = world.guest("eve").ask("say", room="studio", text="hello").refusal
    assert (refusal.code, refusal.params) == (Code.NOT_IN_ROOM, {"room": "studio"})
    bob.do("leave", room="studio")
    assert bob.code("say", room="studio", text="hello") is Code.NOT_IN_ROOM
    assert bob.code("topic", room="studio", text="mine") is Code.NOT_IN_ROOM
    assert alice.texts == []


def test_a_muted_user_listens(world, alice, bob):
    """They cannot speak, set the topic or share files, until it is over or lifted."""
    alice.do("mute", room="studio", user="bob", time="10m")
    for command, args in (
        ("say", {"text": "hello"}),
        ("me", {"text": "waves"}),
        ("topic", {"text": "mine"}),
        ("put", {"name": "a.txt", "size": 1}),
    ):
        assert bob.code(command, room="studio", **args) is Code.NOT_ALLOWED, command
    assert bob.do("topic", room="studio").text == ""
    alice.say("listen", "studio")
    assert bob.texts == ["listen"]
    world.wait(601)
    assert bob.say("at last", "studio") == 2
    alice.do("mute", room="studio", user="bob")
    assert bob.code("say", room="studio", text="hello") is Code.NOT_ALLOWED
    alice.do("unmute", room="studio", user="bob")
    assert bob.say("again", "studio") == 3


def test_a_mute_is_for_one_room(world, alice, bob):
    """The user speaks elsewhere."""
    alice.do("mute", room="studio", user="bob")
    bob.do("join", room="lab")
    assert bob.say("hello") == 1


def test_in_a_frozen_room_moderators_speak(world, alice, bob):
    """Everybody does again when it is no longer frozen."""
    alice.do("freeze", room="studio")
    assert bob.code("say", room="studio", text="hello") is Code.NOT_ALLOWED
    assert alice.say("order", "studio") == 1
    alice.do("op", room="studio", user="bob")
    assert bob.say("yes", "studio") == 2
    alice.do("deop", room="studio", user="bob")
    assert bob.code("say", room="studio", text="but") is Code.NOT_ALLOWED
    alice.do("unfreeze", room="studio")
    assert bob.say("thanks", "studio") == 3


def test_slow_mode(world, alice, bob):
    """Each user waits between two messages. Moderators do not."""
    alice.do("slow", room="studio", seconds=30)
    assert bob.say("one", "studio") == 1
    world.wait(29)
    assert bob.code("say", room="studio", text="two") is Code.TOO_FAST
    assert bob.code("topic", room="studio", text="two") is Code.TOO_FAST
    assert world.guest("carol", "studio").say("mine", "studio") == 2
    world.wait(1)
    assert bob.say("two", "studio") == 3
    for text in ("a", "b"):
        alice.say(text, "studio")
    assert alice.code("slow", room="studio", seconds=3601) is Code.BAD_ARGUMENT
    alice.do("slow", room="studio", seconds=0)
    assert bob.say("three", "studio") == 6


def test_a_chunk_of_talk_in_slow_mode(world, alice, bob):
    """Several messages at once are refused, to be sent one by one."""
    alice.do("slow", room="studio", seconds=30)
    assert bob.code("say", room="studio", texts=["a", "b"]) is Code.TOO_FAST
    assert alice.texts == []
    alice.do("slow", room="studio", seconds=0)
    assert bob.do("say", room="studio", texts=["a", "b", "c"]) == 1
    assert alice.texts == ["a", "b", "c"]


def test_an_ignored_user(world, alice, bob):
    """Their talk is left out of the history, under a new name as well, until they are heard
    again."""
    carol = world.guest("carol", "studio")
    bob.do("ignore", user="carol")
    carol.say("spam", "studio")
    carol.do("nick", name="carola")
    carol.say("more spam", "studio")
    alice.say("news", "studio")
    heard = [it.text for _, it in bob.do("history", room="studio").entries]
    assert heard == ["spam", "news"]  # what was said under a name that nobody ignores any more
    bob.do("ignore", user="carola")
    assert len(bob.do("history", room="studio").entries) == 3


def test_a_repeated_key_is_stored_once(world, alice, bob):
    """The answer is the first one's position. Another user's key is another key."""
    first = bob.do("say", room="studio", text="hello", key="k1")
    assert bob.do("say", room="studio", text="hello", key="k1") == first
    assert alice.do("say", room="studio", text="hello", key="k1") == first + 1
    assert alice.texts == ["hello", "hello"]


def test_what_cannot_be_stored_is_shown_to_nobody(world, alice, bob):
    """Its author is refused. When the disk works again, so does talk."""
    world.engine.failing = True
    assert bob.code("say", room="studio", text="lost") is Code.NOT_STORED
    assert world.loop.failures.pop()[1].code is Code.NOT_STORED
    world.engine.failing = False
    assert bob.say("kept", "studio") == 1
    assert alice.texts == ["kept"]


def test_a_read_position_outlasts_a_commit_that_fails(world, alice, bob):
    """It is stored with what comes next, or when all is to be settled; not at once, as a disk stays
    full for a while."""
    inbox = alice.session.inbox

    def read():
        return world.now(world.engine.accounts.account("alice")).read_position

    for settle in (lambda: bob.say("hello", "studio"), world.chat.publisher.settled):
        before = read()
        bob.do("msg", to="alice", text="psst")
        world.engine.failing = True
        world.chat.save_read_position(inbox)
        world.settle()
        ((what, _),) = world.loop.failures
        assert what == "storing read positions failed"
        world.loop.failures.clear()
        world.engine.failing = False
        world.settle()
        assert read() == before
        settle()
        world.settle()
        assert read() == inbox.position > before


def test_talk_is_shown_once_it_is_stored(world, alice, bob):
    """While a commit is under way, nobody sees it, and it has no acknowledgement."""
    gate = Gate(world.engine.logs, "append")
    saying = bob.begin("say", room="studio", text="hello")
    world.settle()
    assert not saying.known
    assert alice.texts == []
    gate.open()
    assert saying.reply == 1
    assert alice.texts == ["hello"]


def test_private_talk(world, alice, bob):
    """A registered user gets it also while away. Nobody else is shown it."""
    assert bob.do("msg", to="alice", text="psst").seq == 1
    alice.do("away", text="lunch")
    assert bob.do("msg", to="Alice", text="hey").away == "lunch"
    assert [(log, it.kind) for log, it in alice.peer.entries] == [("@", Kind.PRIVATE)] * 2
    world.chat.users.leave(alice.session)
    assert bob.do("msg", to="alice", text="later").away == "not here now"
    assert world.again("alice").do("who", room="lab").count == 0
    assert bob.code("msg", to="nobody", text="hello") is Code.NO_SUCH_USER
    assert [(log, it.kind) for log, it in bob.peer.entries] == [("@", Kind.SENT)] * 3


def test_notices(world, alice, bob):
    """A program says something that no other program answers, in a room or privately."""
    assert bob.do("say", room="studio", text="built", notice=True) == 1
    assert bob.do("msg", to="alice", text="for you", notice=True).seq == 1
    assert bob.do("say", room="studio", text="plain", notice=False) == 2
    shown = [("studio", Kind.NOTICE), ("@", Kind.NOTICE), ("studio", Kind.MESSAGE)]
    assert [(log, it.kind) for log, it in alice.peer.entries] == shown
    assert len(alice.do("search", room="studio", text="built").entries) == 1


def test_entries_tell_whether_their_author_was_registered(world, alice, bob):
    """A guest who registers has said the earlier ones as a guest."""
    alice.say("hello", "studio")
    bob.say("hi", "studio")
    bob.do("register", password="secret")
    bob.do("topic", room="studio", text="cats")
    found = alice.do("history", room="studio").entries
    assert [it.registered for _, it in found] == [True, False, True]


def test_a_topic(world, alice, bob):
    """It is an entry of the room, and an empty one takes it away."""
    assert bob.do("topic", room="studio", text="cats").text == "cats"
    assert alice.do("topic", room="studio").text == "cats"
    assert world.guest("carol").do("join", room="studio").topic == "cats"
    bob.do("topic", room="studio", text=" ")
    assert alice.do("topic", room="studio").text == ""
    assert [it.kind for _, it in alice.peer.entries] == [Kind.TOPIC] * 2


def test_history_and_search(world, alice, bob):
    """Both give entries with positions, to visitors too, within the limits of the server."""
    for text in ("one cat", "two dogs", "three CATS", "a cat again"):
        bob.say(text, "studio")
    eve = world.guest("eve")

    def shown(command, **args):
        return [at for at, _ in eve.do(command, room="studio", **args).entries]

    assert shown("history") == [1, 2, 3, 4]
    assert shown("history", limit=2) == [3, 4]
    assert shown("history", after=1, limit=2) == [2, 3]
    assert shown("history", before=3) == [1, 2]
    assert shown("search", text="cat") == [1, 4]
    assert shown("search", text="cat*", before=4) == [1, 3]
    assert shown("search", text='"two dogs"') == [2]
    assert eve.code("search", room="studio", text="?!") is Code.BAD_ARGUMENT


def test_a_reply_has_bounds():
    """History is cut at the limit in bytes, and says so."""
    world = MemoryChat(answer_bytes=1000)
    bob = world.guest("bob", "lab")
    for _ in range(5):
        bob.say("x" * 300)
    found = bob.do("history", room="lab")
    assert found.more
    assert [at for at, _ in found.entries][-1] == 5
    assert 0 < len(found.entries) < 5
