"""The domain on the memory engine, without a reactor: requests go in, replies and events come out.

Nothing happens by itself. Requests that `Member.begin` starts go on in `MemoryChat.settle`, and
time passes in `MemoryChat.wait`.
"""

import sys
from collections import deque
from dataclasses import replace
from heapq import heappop, heappush
from inspect import isawaitable
from itertools import count

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from chatservice.domain.chat import Chat
from chatservice.domain.dispatch import dispatch
from chatservice.domain.model import PERSON, PROGRAM, Session
from chatservice.domain.tickets import DownloadTicket, UploadTicket
from chatservice.domain.users import RegistrationPolicy
from chatservice.engines.memory import MemoryEngine
from chatservice.errors import Refusal
from chatservice.grammar.commands import COMMANDS
from chatservice.grammar.commandtypes import Request
from chatservice.limits import Limits

START = 1_700_000_000.0
"""The time at which each test begins, in seconds since 1970."""


class ManualLoop:
    """An event loop that a test turns: the port `EventLoop`. Its clock stands still
    until `advance`. `failures` has what it was told to log."""

    def __init__(self):
        self.now = START
        self.failures = []
        self._soon = deque()
        self._later = []
        self._order = count()

    def call_soon(self, call):
        """Call a function in the next `turn`."""
        self._soon.append(call)

    def call_later(self, seconds, call):
        """Call a function once the clock has advanced so far."""
        heappush(self._later, (self.now + seconds, next(self._order), call))

    def run(self, work):
        """Start a coroutine."""
        Deferred.fromCoroutine(work).addErrback(self.failures.append)

    def promise(self):
        """Return a Deferred, which needs no reactor."""
        return Deferred()

    def failed(self, what):
        """Note the exception that is being handled."""
        self.failures.append((what, sys.exception()))

    def turn(self):
        """Call all that is due, and all that is due because of that."""
        while self._soon or (self._later and self._later[0][0] <= self.now):
            call = self._soon.popleft() if self._soon else heappop(self._later)[2]
            call()

    def advance(self, seconds):
        """Let time pass."""
        self.now += seconds
        self.turn()


class Gate:
    """Holds the calls of a port's methods while it is shut; or only their `answers`, which tell
    what was true when they were asked for."""

    def __init__(self, port, *methods, answers=False):
        self.shut = True
        self._answers = answers
        self._waiting = []
        for name in methods:
            setattr(port, name, self._held(getattr(port, name)))

    def _held(self, method):
        async def call(*args, **kwargs):
            found = await method(*args, **kwargs) if self._answers else None
            if self.shut:
                self._waiting.append(Deferred())
                await self._waiting[-1]
            return found if self._answers else await method(*args, **kwargs)

        return call

    def open(self):
        """Let all calls through, also those that wait."""
        self.shut = False
        while self._waiting:
            self._waiting.pop(0).callback(None)


class RecordingPeer:
    """A connection that keeps what it is shown: `entries` as pairs of a log's name and an entry,
    `events`, and `ended`, the sentence and the reason of its end."""

    origin = "here"

    def __init__(self, address):
        self.address = address
        self.entries = []
        self.events = []
        self.ended = None

    def wake(self, cursors):
        """Read all that is behind the cursors, but for what their session said itself."""
        for cursor in cursors:
            while cursor.open and cursor.position < cursor.log.last:
                block = cursor.log.block_after(cursor.position)
                for first, run in block.runs:
                    if first not in (cursor.own_runs or ()):
                        self.entries += [(cursor.log.name, it) for _, it in run.entries(first)]
                cursor.advance(block.last)
        return 0

    def tell(self, news):
        """Keep events."""
        self.events += news.events

    def end(self, sentence, why):
        """Keep why the connection ends."""
        self.ended = sentence, why


class NoFlowControl:
    """A `chatservice.domain.model.FlowControl` that stops nothing."""

    def pause_reading(self, reason):
        """Read on."""

    resume_reading = slow_down = pause_reading


class Outcome:
    """The outcome of a request: its reply or its refusal."""

    def __init__(self, work):
        self._found = []
        Deferred.fromCoroutine(work).addBoth(self._found.append)

    @property
    def known(self):
        """True once there is one."""
        return bool(self._found)

    @property
    def reply(self):
        """The reply. Raises what the request raised."""
        (found,) = self._found
        if isinstance(found, Failure):
            found.raiseException()
        return found

    @property
    def refusal(self):
        """The refusal, in the place of a reply."""
        (found,) = self._found
        assert isinstance(found, Failure), f"it was granted: {found}"
        found.trap(Refusal)
        return found.value

    @property
    def code(self):
        """The refusal's code."""
        return self.refusal.code


class Member:
    """A connection with its session, in a `MemoryChat`. A `person` is in one room at a time, and
    their own connection carries files. Nobody sees the session if it is not `visible`."""

    def __init__(self, world, address="", person=False, visible=True):
        self.peer = RecordingPeer(address)
        traits = replace(PERSON if person else PROGRAM, visible=visible)
        self.session = Session(self.peer, traits, NoFlowControl())
        self._world = world

    @property
    def name(self):
        """The name of its user."""
        return self.session.user.name

    def begin(self, command, /, **args):
        """Dispatch a request and return its `Outcome`, which may be known later."""
        return Outcome(self._dispatched(Request(COMMANDS[command], args)))

    async def _dispatched(self, request):
        stored = Deferred()

        def on_stored(result):
            if isinstance(result, Exception):
                stored.errback(result)
            else:
                stored.callback(result)

        answer = dispatch(self._world.chat, self.session, request, on_stored)
        if answer is None:
            return await stored
        return await answer if isawaitable(answer) else answer

    def ask(self, command, /, **args):
        """Dispatch a request, let all be done, and return its `Outcome`."""
        outcome = self.begin(command, **args)
        self._world.settle()
        return outcome

    def do(self, command, /, **args):
        """Return the reply to a request, which must be granted."""
        return self.ask(command, **args).reply

    def code(self, command, /, **args):
        """Return the code with which a request is refused."""
        return self.ask(command, **args).code

    def say(self, text, room="lab"):
        """Say something, and return its position."""
        return self.do("say", room=room, text=text)

    @property
    def texts(self):
        """The texts that it was shown."""
        return [entry.text for _, entry in self.peer.entries]

    def events(self, kind):
        """Return the events of a class that it was shown, up to now."""
        self._world.wait(1)
        return [event for event in self.peer.events if isinstance(event, kind)]


class MemoryChat:
    """A chat with the rooms lobby and lab, all of it in memory. `beside` another one, it is another
    node of the same server."""

    def __init__(self, policy=None, beside=None, **limits):
        self.loop = ManualLoop() if beside is None else beside.loop
        self.engine = MemoryEngine() if beside is None else beside.engine.node()
        self.limits = Limits(**limits)
        self.chat = Chat(
            *(self.engine, lambda: self.loop.now, self.loop, lambda *_, **__: None),
            policy or RegistrationPolicy(),
            limits=self.limits,
        )
        self.now(self.chat.open(["lab"]))

    def now(self, work):
        """Return the result of an awaitable, which must not have to wait."""

        async def awaited():
            return await work

        return Outcome(awaited()).reply

    def settle(self):
        """Let all be done that needs no time."""
        self.loop.turn()

    def wait(self, seconds):
        """Let time pass."""
        self.loop.advance(seconds)

    def member(self, address="", person=False, visible=True):
        """Return somebody who is connected, and has no name yet."""
        return Member(self, address, person, visible)

    def guest(self, name, *rooms, address="", person=False, visible=True):
        """Return a guest, in the rooms."""
        return self._entered(self.member(address, person, visible), rooms, "hello", name=name)

    def registered(self, name, *rooms, password="secret"):
        """Return somebody with a new account, in the rooms."""
        return self._entered(self.member(), rooms, "signup", name=name, password=password)

    def again(self, name, *rooms, password="secret", address="", visible=True):
        """Return somebody who logs in to an account, in the rooms."""
        member = self.member(address, visible=visible)
        return self._entered(member, rooms, "hello", name=name, password=password)

    def operator(self, name="root"):
        """Return an operator, in no room."""
        found = self.registered(name)
        self.now(self.engine.accounts.set_operator(name, True))
        return found

    def _entered(self, member, rooms, command, **args):
        member.do(command, **args)
        for room in rooms:
            member.do("join", room=room)
        return member

    def room(self, name):
        """Return a room."""
        return self.chat.rooms.find(name)

    def uploading(self, code, data, offset=0, address=""):
        """Begin the upload of a ticket's code, write bytes, and return it, with its ticket."""
        files = self.chat.files
        ticket = self.now(files.redeem(code, UploadTicket, address))
        upload = self.now(files.begin_upload(ticket, offset, lambda why: None))
        upload.write(data)
        return upload, ticket

    def upload(self, code, data, offset=0, address=""):
        """Upload all that is missing of a file, and announce it."""
        return self.finish(*self.uploading(code, data, offset, address))

    def finish(self, upload, ticket):
        """Finish an upload, and announce its file."""

        async def finish():
            await self.chat.files.share(ticket, await upload.finish())

        sharing = Outcome(finish())
        self.settle()
        return sharing.reply

    def download(self, code, address=""):
        """Return the bytes of a ticket's file."""
        ticket = self.now(self.chat.files.redeem(code, DownloadTicket, address))
        return self.read(self.now(self.chat.files.open_for_ticket(ticket)))

    def read(self, reader):
        """Return the bytes of an open file."""
        return self.now(reader.read(1 << 20))
