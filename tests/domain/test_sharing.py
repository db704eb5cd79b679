"""Files: who may share and fetch them, tickets, partial uploads, and quotas."""

from hashlib import sha256

import pytest

from chatservice.domain.files import GROW_BYTES
from chatservice.domain.ports.file_ports import UNKNOWN_SIZE
from chatservice.entries import Kind
from chatservice.errors import Code, Refusal
from chatservice.limits import Limits
from tests.domain.harness import MemoryChat

CONTENT = b"some content"
DIGEST = sha256(CONTENT).hexdigest()


def put(world, member, content=CONTENT, **args):
    """Share a file."""
    args = {"room": "studio", "name": "a.txt", **args}
    world.upload(member.do("put", size=len(content), **args).ticket, content)


def get(world, member, **args):
    """Return the bytes of a file."""
    return world.download(member.do("get", **{"room": "studio", "name": "a.txt", **args}).ticket)


def refused(call, *args, **kwargs):
    """Return the code with which a transfer is refused."""
    with pytest.raises(Refusal) as caught:
        call(*args, **kwargs)
    return caught.value.code


def test_a_file_is_shared_with_a_room(world, alice, bob):
    """It is announced, listed and fetched; visitors may do so too."""
    put(world, bob)
    ((log, entry),) = alice.peer.entries
    assert (log, entry.kind, entry.who) == ("studio", Kind.FILE, "bob")
    assert entry.file == ("a.txt", len(CONTENT), DIGEST, 1)
    (row,) = alice.do("files", room="studio").files
    assert (row.name, row.size, row.sha256, row.who) == ("a.txt", len(CONTENT), DIGEST, "bob")
    assert get(world, world.guest("eve")) == CONTENT
    assert bob.code("get", room="studio", name="b.txt") is Code.NO_SUCH_FILE
    assert bob.code("get", room="studio", name="a.txt", version=2) is Code.NO_SUCH_FILE
    assert bob.code("put", room="studio", name="../a", size=1) is Code.BAD_FILE_NAME


def test_files_of_a_room_that_one_may_not_enter(world, alice, bob):
    """Neither strangers nor banned users list or fetch them."""
    put(world, bob)
    alice.do("access", room="studio", access="invited")
    alice.do("ban", room="studio", user="bob")
    for member, code in ((world.guest("eve"), Code.NOT_IN_ROOM), (bob, Code.BANNED)):
        for command in ("get", "link", "versions", "remove"):
            assert member.code(command, room="studio", name="a.txt") is code
        assert member.code("files", room="studio") is code
        assert member.code("put", room="studio", name="b.txt", size=1) is code


def test_a_file_for_one_user(world, alice, bob):
    """Only its recipient sees it, also one who was away."""
    world.chat.users.leave(alice.session)
    put(world, bob, room=None, to="alice")
    alice = world.again("alice")
    assert get(world, alice, room="@") == CONTENT
    assert bob.do("files", room="@").count == 0
    assert bob.code("get", room="@", name="a.txt") is Code.NO_SUCH_FILE
    alice.do("remove", room="@", name="a.txt")
    assert alice.do("files", room="@").count == 0
    assert bob.code("put", to="nobody", name="a.txt", size=1) is Code.NO_SUCH_USER


def test_versions(world, alice, bob):
    """A name that is there becomes a new version. Users remove their own, moderators all."""
    put(world, bob, b"one")
    put(world, alice, b"two")
    put(world, bob, b"three")
    assert get(world, alice) == b"three"
    assert get(world, alice, version=2) == b"two"
    rows = alice.do("versions", room="studio", name="a.txt").files
    assert [(it.version, it.who) for it in rows] == [(1, "bob"), (2, "alice"), (3, "bob")]
    assert bob.code("remove", room="studio", name="a.txt", version=2) is Code.NOT_YOURS
    bob.do("remove", room="studio", name="a.txt")
    assert get(world, bob) == b"two"
    alice.do("remove", room="studio", name="a.txt", version=2)
    assert bob.do("files", room="studio").count == 0
    assert [it.text for _, it in alice.peer.entries if it.kind is Kind.REMOVED] == [
        *("a.txt", "a.txt #2"),
    ]


def test_a_guests_file_is_not_the_next_guests(world, alice, bob):
    """Another guest of that name cannot remove it; one who has only changed names can."""
    put(world, bob)
    world.chat.users.leave(bob.session)
    other = world.guest("bob", "studio")
    assert other.code("remove", room="studio", name="a.txt") is Code.NOT_YOURS
    put(world, other, b"more", name="b.txt")
    other.do("nick", name="robert")
    other.do("remove", room="studio", name="b.txt")


def test_a_ticket_is_good_once_and_for_a_while(world, alice, bob):
    """It is good for its own direction only. A used or expired one is refused."""
    put(world, bob)
    ticket = alice.do("get", room="studio", name="a.txt").ticket
    assert world.download(ticket) == CONTENT
    late = alice.do("link", room="studio", name="a.txt").ticket
    wrong_way = alice.do("put", room="studio", name="b.txt", size=1).ticket
    world.wait(Limits().ticket_seconds + 1)
    for code in (ticket, late, wrong_way, "made-up"):
        assert refused(world.download, code) is Code.BAD_TICKET


@pytest.mark.parametrize("command", ["kick", "ban", "mute"])
def test_a_ticket_ends_with_its_right(world, alice, bob, command):
    """After a kick, a ban or a mute, an upload does not begin with a ticket of before."""
    ticket = bob.do("put", room="studio", name="a.txt", size=3).ticket
    alice.do(command, room="studio", user="bob")
    expected = Code.BANNED if command == "ban" else Code.NOT_ALLOWED
    assert refused(world.upload, ticket, b"abc") is expected
    assert alice.do("files", room="studio").count == 0


def test_an_upload_whose_sender_is_banned_meanwhile(world, alice, bob):
    """It is not stored, though all bytes came."""
    ticket = bob.do("put", room="studio", name="a.txt", size=3).ticket
    upload, _ = world.uploading(ticket, b"abc")
    alice.do("ban", room="studio", user="bob")
    assert refused(world.now, upload.finish()) is Code.BANNED
    assert alice.do("files", room="studio").count == 0


def test_a_ticket_of_a_token_ends_with_it(world, alice):
    """A program whose token is revoked uploads nothing more."""
    token = alice.do("token", label="ci").token
    bot = world.again("alice", "studio", password=token)
    ticket = bot.do("put", room="studio", name="a.txt", size=3).ticket
    alice.do("revoke", label="ci")
    assert refused(world.upload, ticket, b"abc") is Code.NOT_ALLOWED


def test_a_broken_upload_goes_on_where_it_stopped(world, alice, bob):
    """Its sender sees how many bytes are here. Others neither see nor cancel it."""
    request = {"room": "studio", "name": "a.txt", "size": len(CONTENT), "sha256": DIGEST}
    upload, _ = world.uploading(bob.do("put", **request).ticket, CONTENT[:5])
    (row,) = bob.do("transfers").transfers
    assert (row.name, row.done, row.stopped) == ("a.txt", 5, False)
    upload.abandon()
    (row,) = bob.do("transfers").transfers
    assert (row.name, row.done, row.stopped) == ("a.txt", 5, True)
    assert alice.do("transfers").transfers == ()
    assert alice.code("cancel", name="a.txt") is Code.NO_SUCH_FILE
    reply = bob.do("put", **request)
    assert reply.offset == 5
    world.upload(reply.ticket, CONTENT[5:], offset=5)
    assert get(world, alice) == CONTENT
    assert bob.do("transfers").transfers == ()


def test_an_upload_that_is_cancelled(world, bob):
    """Nothing is left of it."""
    request = {"room": "studio", "name": "a.txt", "size": len(CONTENT), "sha256": DIGEST}
    upload, _ = world.uploading(bob.do("put", **request).ticket, CONTENT[:5])
    upload.abandon()
    bob.do("cancel", name="a.txt")
    assert bob.do("put", **request).offset == 0
    assert bob.code("cancel", name="a.txt") is Code.NO_SUCH_FILE


def test_bytes_that_are_not_those_declared(world, alice, bob):
    """Nothing is kept of a file with another SHA-256, or with too few bytes."""
    request = {"room": "studio", "name": "a.txt", "size": 3, "sha256": DIGEST}
    assert refused(world.upload, bob.do("put", **request).ticket, b"abc") is Code.WRONG_SHA256
    short = bob.do("put", room="studio", name="b.txt", size=3).ticket
    assert refused(world.upload, short, b"ab") is Code.INCOMPLETE
    assert alice.do("files", room="studio").count == 0
    assert bob.do("transfers").transfers == ()


def test_a_content_that_is_here_already(world, alice, bob):
    """A user who may read it shares it without sending it. Others have to send it."""
    put(world, bob)
    request = {"name": "copy.txt", "size": len(CONTENT), "sha256": DIGEST}
    alice.do("join", room="lab")
    reply = alice.do("put", room="lab", **request)
    assert (reply.stored, reply.ticket) == (True, None)
    assert get(world, alice, room="lab", name="copy.txt") == CONTENT
    alice.do("remove", room="lab", name="copy.txt")
    alice.do("access", room="studio", access="invited")
    assert not world.guest("eve", "lab").do("put", room="lab", **request).stored


def test_a_key_shares_a_file_once(world, alice, bob):
    """A repeated request is answered without an upload."""
    put(world, bob, key="k1")
    assert bob.do("put", room="studio", name="a.txt", size=len(CONTENT), key="k1").stored
    assert len(alice.peer.entries) == 1


def test_quotas():
    """Each limit has its code, and tells what is left. Uploads under way count with all their
    bytes."""
    world = MemoryChat(file_bytes=100, user_bytes=150, room_bytes=200, uploads=2)
    alice, bob = world.registered("alice", "lab"), world.registered("bob", "lab")
    assert alice.code("put", room="lab", name="a", size=101) is Code.TOO_LARGE
    put(world, alice, b"x" * 100, room="lab", name="a")
    refusal = alice.ask("put", room="lab", name="b", size=51).refusal
    assert (refusal.code, refusal.params["left"]) == (Code.OVER_QUOTA, "50 bytes")
    under_way = [
        world.uploading(bob.do("put", room="lab", name=name, size=40).ticket, b"x")
        for name in ("b", "c")
    ]
    assert bob.code("put", room="lab", name="d", size=1) is Code.TOO_MANY
    assert alice.code("put", room="lab", name="d", size=21) is Code.OVER_QUOTA
    alice.do("put", room="lab", name="d", size=20)
    for upload, _ in under_way:
        upload.abandon()
    alice.do("put", room="lab", name="d", size=50)
    alice.do("remove", room="lab", name="a")
    alice.do("put", room="lab", name="d", size=100)


def beginning(world, member, name="a.txt", size=UNKNOWN_SIZE, offset=0, **args):
    """Begin an upload as a protocol does that carries the bytes itself."""
    files = world.chat.files
    asking = files.upload_ticket(member.session, "studio", None, name, size, None, **args)
    ticket = world.now(asking)
    return ticket, world.now(files.begin_upload(ticket, offset, lambda why: None))


def test_an_upload_of_unknown_size(world, alice, bob):
    """It is shared with the size that came. Meanwhile its bytes are reserved, and a bit more."""
    ticket, upload = beginning(world, bob)
    (reservation,) = world.chat.files.quotas.reservations
    assert reservation.size == 0
    upload.write(CONTENT)
    world.now(upload.when_ready())
    assert reservation.size == len(CONTENT) + GROW_BYTES
    assert upload.when_ready() is None
    (row,) = bob.do("transfers").transfers
    assert (row.size, row.done, row.left) == (len(CONTENT), len(CONTENT), None)
    world.finish(upload, ticket)
    assert get(world, alice) == CONTENT
    assert world.chat.files.quotas.reservations == set()


def test_an_upload_of_unknown_size_that_grows_too_large():
    """Each quota has its own refusal, at the byte that is too much, and nothing is kept."""
    world = MemoryChat(file_bytes=100, room_bytes=150)
    alice = world.registered("alice")
    alice.do("create", room="studio")
    ticket, upload = beginning(world, alice)
    for data in (b"x" * 60, b"y" * 40):
        upload.write(data)
        if waiting := upload.when_ready():
            world.now(waiting)
    world.finish(upload, ticket)
    for sizes, code in (([50, 1], Code.OVER_QUOTA), ([1, 100], Code.TOO_LARGE)):
        _, upload = beginning(world, alice, "b.txt", partial="")
        upload.write(b"x" * sizes[0])
        world.now(upload.when_ready())
        upload.write(b"x" * sizes[1])
        assert refused(world.now, upload.when_ready()) is code
        assert alice.do("transfers").transfers == ()
        assert world.chat.files.quotas.reservations == set()
    _, upload = beginning(world, alice, "b.txt")
    upload.write(b"x" * 51)
    assert refused(world.now, upload.finish()) is Code.OVER_QUOTA


def test_a_partial_upload_by_its_id(world, alice, bob):
    """Its user lists it, resumes it at an offset to the same file, and drops it; nobody else
    does."""
    files = world.chat.files
    for _ in range(2):
        _, upload = beginning(world, bob, partial="")
        upload.write(b"some bytes")
        world.now(upload.when_ready())
        upload.abandon()
    first, second = world.now(files.partial_uploads(bob.session))
    assert second == (second.declared, 10, upload.id)
    assert world.now(files.partial_uploads(alice.session)) == []
    for member, name in ((alice, "a.txt"), (bob, "b.txt")):
        code = refused(beginning, world, member, name, partial=first.id)
        assert code is Code.NO_SUCH_FILE
    ticket, upload = beginning(world, bob, offset=5, partial=first.id)
    upload.write(b"content")
    world.finish(upload, ticket)
    assert get(world, alice) == CONTENT
    world.now(files.drop_partial_upload(bob.session, second.id))
    assert world.now(files.partial_uploads(bob.session)) == []
    assert refused(world.now, files.drop_partial_upload(bob.session, "9")) is Code.NO_SUCH_FILE


def test_an_upload_that_moves_to_another_connection(world, alice, bob):
    """Its id is known while it is under way, to its user: the first connection may be dead. The
    second one takes its place, also among those that count; what still comes on the first is
    nothing."""
    files = world.chat.files
    _, first = beginning(world, bob, partial="")
    first.write(b"some bytes")
    assert world.now(files.partial_upload(bob.session, first.id)).have == 10
    assert refused(beginning, world, alice, "a.txt", partial=first.id) is Code.NO_SUCH_FILE
    assert refused(world.now, files.drop_partial_upload(bob.session, first.id)) is Code.NO_SUCH_FILE
    ticket, second = beginning(world, bob, offset=5, partial=first.id)
    one, other = files.quotas.reservations
    assert one.declared.is_same(other.declared)
    first.write(b" too late")
    second.write(b"content")
    assert refused(world.now, first.finish()) is Code.INCOMPLETE
    world.finish(second, ticket)
    assert get(world, alice) == CONTENT
    assert files.quotas.reservations == set()
    assert refused(world.now, files.partial_upload(bob.session, first.id)) is Code.NO_SUCH_FILE


def test_the_file_of_a_person(world, alice):
    """Their own connection carries it: they get the right to send, and the file to read."""
    pat = world.guest("pat", person=True)
    pat.do("join", room="studio")
    right = pat.do("put", name="a.txt", size=3)
    assert (right.name, right.size, right.destination.name) == ("a.txt", 3, "studio")
    put(world, alice)
    assert world.read(pat.do("get", name="a.txt")) == CONTENT


def test_files_sent_to_a_guest_end_with_the_guest(world, alice, bob):
    """An upload under way is refused, and a later guest of that name finds nothing."""
    put(world, alice, room=None, to="bob")
    ticket = alice.do("put", to="bob", name="b.txt", size=3).ticket
    world.chat.users.leave(bob.session)
    assert refused(world.upload, ticket, b"abc") is Code.NO_SUCH_USER
    assert world.guest("bob").do("files", room="@").count == 0


def test_a_file_that_cannot_be_stored(world, alice, bob):
    """It is refused, and announced to nobody."""
    ticket = bob.do("put", room="studio", name="a.txt", size=3).ticket
    world.engine.failing = True
    assert refused(world.upload, ticket, b"abc") is Code.NOT_STORED
    world.engine.failing = False
    assert alice.texts == []
    assert world.chat.files.quotas.reservations == set()


def test_sharing_without_coming_in(world, alice, bob):
    """A session that nobody sees need not be in the room, if it could come in and speak."""
    alice.do("kick", room="studio", user="bob")
    assert bob.code("put", room="studio", name="a.txt", size=1) is Code.NOT_IN_ROOM
    eve = world.guest("eve", visible=False)
    put(world, eve)
    assert [entry.who for _, entry in alice.peer.entries] == ["eve"]
    assert eve.code("say", room="studio", text="hello") is Code.NOT_IN_ROOM
    for command, args, code in (
        ("mute", {"user": "eve"}, Code.NOT_ALLOWED),
        ("ban", {"user": "eve"}, Code.BANNED),
        ("access", {"access": "public", "password": "sesame"}, Code.NOT_IN_ROOM),
        ("access", {"access": "invited"}, Code.NOT_ALLOWED),
    ):
        alice.do(command, room="studio", **args)
        assert eve.code("put", room="studio", name="b.txt", size=1) is code, command
        alice.do("access", room="studio", access="public")
        alice.ask("unmute", room="studio", user="eve")
        alice.ask("unban", room="studio", user="eve")
    put(world, eve, b"more", name="b.txt")
    alice.do("access", room="studio", access="public", password="sesame")
    alice.do("invite", room="studio", user="eve")
    put(world, eve, b"last", name="c.txt")
