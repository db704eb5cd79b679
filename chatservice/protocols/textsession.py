"""The text dialect: a person on a bare connection."""

from collections.abc import Callable, Collection
from functools import partial

from twisted.internet.interfaces import ISSLTransport

from chatservice import limits, names, replies
from chatservice.domain import handlers
from chatservice.domain.chat import Chat
from chatservice.domain.log import EventBatch
from chatservice.domain.model import Session, User
from chatservice.domain.ports import FileReader
from chatservice.domain.ratelimit import UNPARSED
from chatservice.domain.tickets import UploadTicket
from chatservice.entries import FileMark, Kind
from chatservice.errors import NAME_NEEDED, PASSWORD_RELATED, Code, Refusal
from chatservice.events import EndReason, Notice
from chatservice.grammar import textformat, textparser
from chatservice.grammar.commands import COMMANDS, Request, Right
from chatservice.grammar.prompts import (
    Prompt,
    missing_password,
    prompts_for,
    room_prompt,
    without_current_passwords,
)
from chatservice.net.delivery import EntryFormat, Subscription
from chatservice.net.flow import entry_weight
from chatservice.net.outlet import write
from chatservice.protocols.chatprotocol import ChatProtocol
from chatservice.protocols.promptdialog import PromptDialog

TEXT = EntryFormat(textformat.run, textformat.replayed, textformat.event, textformat.skip_offer)


READABLE_BYTES = 2000
"""Bytes that a person can read at once: a terminal of 80 columns and 25 lines."""


class TextSession:
    """A `chatservice.protocols.chatprotocol.Speaker` in the text dialect."""

    kind = "people"

    __slots__ = (
        *("_asking", "_astray", "_bare_words", "_chat", "_connection", "_corked", "_subscription"),
        "_session",
    )

    def __init__(self, connection: ChatProtocol, chat: Chat, bare_words: bool) -> None:
        self._connection = connection
        self._chat = chat
        self._bare_words = bare_words
        self._subscription = Subscription(connection, TEXT, chat)
        self._session = Session(self._subscription, echo=False)
        self._subscription.start()
        self._astray: Refusal | None = None
        self._asking: PromptDialog | None = None
        self._corked: bytearray | None = None
        if not connection.greeted:
            self._corked = bytearray()
            self._subscription.pause()
            connection.when_quiet(self._uncork)

    def line(self, line: bytes) -> None:
        """Take a line: a name at first, then talk and commands."""
        try:
            text = textparser.decode(line)
            if self._asking is not None:
                self._connection.count_command(UNPARSED)
                self._take_answer(self._asking, text)
                return
            if self._bare_words and textparser.names_local_file(text):
                raise textparser.with_say_hint(_OWN_FILE, text)
            request = self._parsed(text)
        except Refusal as refusal:
            self._connection.count_command(UNPARSED)
            self.refuse_line(line, refusal)
            return
        if request is not None:
            self._obey(request)
            return
        self._connection.count_command("say")  # pipes are full of blank lines
        if self._session.user is None:
            self._write(self._connection.factory.name_needed)

    def _parsed(self, text: str) -> Request | None:
        try:
            return textparser.parse(text, self._bare_words, may_prompt=True)
        except Refusal as refusal:
            raise textparser.with_say_hint(refusal, text) from None

    def lines(self, lines: bytes) -> bool:
        """Take several lines, if all of them are talk."""
        room = self._session.current_room
        if room is None or self._astray or self._asking is not None:
            return False
        if not (
            self._connection.may_say(lines) and self._chat.may_say_anything(self._session, room)
        ):
            return False
        said = textparser.parse_talk(lines, self._bare_words)
        if said is None or not self._connection.all_fit(lines):
            return False
        for at in range(0, len(said), limits.RUN_ENTRIES):
            texts = said[at : at + limits.RUN_ENTRIES]
            weight = len(texts) + len(lines) // limits.UNSTORED_CHARACTERS
            stored = partial(self._stored, count=weight)
            self._chat.say(self._session, room, Kind.MESSAGE, texts, done=stored)
            self._connection.storing(weight)
        return True

    def _obey(self, request: Request, asking: PromptDialog | None = None) -> None:
        """Do what a line asks for, or what was asked for by `asking`, which has its answers."""
        name = request.command.name
        self._connection.count_command(name)
        if self._session.user is None and self._connection.factory.is_admin:
            self._attend(request)
        elif self._astray and name in _INTO_THE_ROOM and "to" not in request.args:
            self._refuse_request(request, self._astray)
        elif self._session.user is None and request.command.needs is not Right.NOTHING:
            self._before_name(request)
        elif name in ("say", "me"):
            weight = entry_weight(request.args["text"])
            stored = partial(self._stored, count=weight)
            handlers.talk(self._chat, self._session, request, stored)
            self._connection.storing(weight)
        elif asked := tuple(prompts_for(request, self._chat.accounts.needs_invitation)):
            self._question(request, asked)
        else:
            settled = partial(self._chat.publisher.settled, self._session)
            ask, refuse = partial(self._ask, request, asking), self._refusing(request, asking)
            self._connection.in_order(settled, ask, refuse)

    def _ask(self, request: Request, asking: PromptDialog | None) -> None:
        refuse = self._refusing(request, asking)
        try:
            self._chat.check(self._session, request)
        except Refusal as refusal:
            refuse(refusal)
            return
        own = _OWN.get(request.command.name)
        if own is not None:
            own(self, request)
        else:
            result = handlers.HANDLERS[request.command.name](
                self._chat, self._session, request.args
            )
            self._connection.when_answered(result, partial(self._answer_to, request), refuse)

    def _before_name(self, request: Request) -> None:
        if request.command.name == "say":
            entering = self._chat.users.enter(self._session, request.args["text"])
            refuse = partial(self._refuse_name, request.args["text"])
            self._connection.when_answered(entering, self._introduced, refuse)
        else:
            self._refuse_request(request, _NAMELESS)

    def _attend(self, request: Request) -> None:
        """Let the operator in, and do what they ask for."""

        def come_in(welcome: replies.Welcome) -> None:
            self._introduced(welcome)
            self._obey(request)

        self._connection.when_answered(
            self._chat.users.enter_as_operator(self._session), come_in, self.refuse
        )

    def _introduced(self, welcome: replies.Welcome) -> None:
        """Begin in the lobby, or in the only room that one may be in. A program that spoke first is
        not told what it did not ask."""
        self._connection.logged_in()
        room = self._session.only_room or self._chat.rooms.lobby
        self._chat.rooms.put_in(self._session, room)
        if self._connection.greeted:
            self._answer(welcome)
            self._answer(handlers.joined(room, self._session))
            self._write(b"* What you type is said to everybody here; /help lists the commands.\n")
        self._session.wake()

    def _stored(self, result: int | Exception, count: int = 1) -> None:
        self._connection.stored(count)
        if isinstance(result, Refusal) and self._session.user is not None:
            self.refuse(result)

    def _refusing(self, request: Request, asking: PromptDialog | None) -> Callable[[Refusal], None]:
        """Return what says that a request is not granted. A person is asked again for a password
        that did not do."""

        def refuse(refusal: Refusal) -> None:
            asked = self._lacking(request, refusal) if asking is None else None
            if asked is None or refusal.code is not Code.PASSWORD_NEEDED:
                self._refuse_request(request, refusal)
            if asking is not None:
                self._asking = asking
                asking.restart()
            elif asked is not None:
                self._ask_for(*asked)
            elif not self._connection.greeted:
                self._stray(request)

        return refuse

    def _stray(self, request: Request) -> None:
        """Note that a program is not where, or not who, it wanted to be: what it says after a room
        that it did not get into is not for another room, nor is it somebody else's name."""
        name = request.command.name
        if name in ("join", "create"):
            self._astray = self._astray or _ASTRAY
        elif name in ("login", "signup"):
            self._astray = _UNPROVEN

    # -- what is asked ---------------------------------------------------------------------------

    def _lacking(
        self, request: Request, refusal: Refusal
    ) -> tuple[Request, tuple[Prompt, ...]] | None:
        """Return what a person is to be asked for, where a password was missing, or was wrong and
        typed with its command: else they would type the right one alone, and say it."""
        if refusal.code not in PASSWORD_RELATED or not self._connection.greeted:
            return None
        if request.command.name == "join":
            return request, (room_prompt(request.args["room"]),)
        request = without_current_passwords(request)
        asked = tuple(prompts_for(request, self._chat.accounts.needs_invitation))
        return (request, asked) if asked else None

    def _refuse_name(self, name: str, refusal: Refusal) -> None:
        if refusal.code is not Code.PASSWORD_NEEDED:
            self.refuse(refusal)
        elif self._connection.greeted:
            what = (
                f"{name} is registered; type its" if self._chat.allows_guests else f"Type {name}'s"
            )
            text = f"{what} password, or nothing to take another name:"
            self._ask_for(Request(COMMANDS["login"], {"name": name}), (Prompt("password", text),))
        else:
            self.refuse(refusal)
            self._astray = _UNPROVEN

    def _question(self, request: Request, asked: tuple[Prompt, ...]) -> None:
        """Ask for what a request lacks, if it can be granted at all. A program is not asked; but
        what it sends next may be the password, so that is said to nobody."""
        if not self._connection.greeted:
            self.refuse(missing_password(request, asked[0]))
            self._astray = _UNPROVEN
            return
        self._chat.check(self._session, request)
        self._chat.accounts.check_registration(self._session, request.command.name)
        self._ask_for(request, asked)

    def _ask_for(self, request: Request, asked: tuple[Prompt, ...]) -> None:
        def write(line: str) -> None:
            end = "\r\n" if self._connection.hidden else "\n"  # telnet adds no CR then
            self._write(f"{line}{end}".encode())

        self._asking = PromptDialog(request, asked, write, self._connection.hide, self._answered)

    def _take_answer(self, asking: PromptDialog, text: str) -> None:
        self._asking = None  # what it leads to may ask again
        try:
            more = asking.answer(text)
        except Refusal as refusal:
            self.refuse(refusal)
            asking.restart()
            more = True
        if more:
            self._asking = asking

    def _answered(self, asking: PromptDialog, request: Request) -> None:
        """Do what was asked for, with the answers. Whatever is not granted is asked for again."""
        try:
            self._obey(request, asking)
        except Refusal as refusal:
            self._refusing(request, asking)(refusal)

    # -- what comes back -------------------------------------------------------------------------

    def _answer_to(self, request: Request, it: replies.Reply) -> None:
        if request.command.name in _PROVING:
            self._astray = None
        self._answer(it)
        if (hint := textparser.undo_hint(request)) is not None and self._connection.greeted:
            self._write(textformat.event(Notice(hint)))

    def _answer(self, it: replies.Reply) -> None:
        if isinstance(it, (replies.Joined, replies.Welcome)):
            self._astray = None
        if isinstance(it, replies.Welcome) and self._session.current_room is None:
            self._introduced(it)  # a login in place of a name
            return
        self._write(textformat.reply(it))
        if isinstance(it, (replies.Joined, replies.Welcome)):
            self._session.wake()

    def refuse(self, refusal: Refusal) -> None:
        """Say why something is not done."""
        self._connection.factory.count(refusal)
        self._write(textformat.refusal(refusal))

    def refuse_line(self, line: bytes, refusal: Refusal) -> None:
        """Say why a line is not taken at all. Behind one that begins an upload there may be bytes
        that are no lines, and nobody can tell how many: then the connection ends."""
        self.refuse(refusal)
        if self._asking is not None:
            self._asking.ask()
        program = self._connection.more_came or not self._connection.greeted
        if program and line[:4].lower() == b"/put":
            self._dismiss()

    def _write(self, data: bytes) -> None:
        if self._corked is not None:
            self._corked += data
            self._connection.gathered(len(self._corked))
        else:
            write(self._connection.transport, data)
            self._connection.reply_written(self._subscription.full)

    def _uncork(self) -> None:
        """Begin to answer a program. While its first words are still on their way nothing is sent:
        one that has closed its connection behind them, as `printf ... >/dev/tcp/HOST/PORT` does,
        would be told so by its system with a reset, and what is on its way would be lost."""
        corked, self._corked = self._corked, None
        if corked is not None:
            self._write(bytes(corked))
            self._subscription.resume()

    # -- commands of this dialect ----------------------------------------------------------------

    def _exit(self, request: Request) -> None:
        here = self._session.current_room
        if here is None or here.name == names.LOBBY or self._session.only_room is here:
            self._quit(request)
        else:
            self._answer(handlers.leave(self._chat, self._session, {}))

    def _quit(self, request: Request) -> None:
        self._connection.when_answered(
            self._leave(request.args.get("text", "")), self._left, self.refuse
        )

    async def _leave(self, farewell: str) -> None:
        await self._chat.publisher.settled(self._session)
        self._chat.users.leave(self._session, farewell)

    def _left(self, _: None) -> None:
        self._write(b"* Goodbye.\n")
        self._dismiss()

    def _dismiss(self) -> None:
        self._uncork()
        self._subscription.stop()
        self._connection.dismiss()

    def _put(self, request: Request) -> None:
        args = request.args
        asked = self._chat.files.upload_ticket(
            self._session, None, args.get("to"), args["name"], args["size"], args.get("sha256")
        )

        self._connection.when_answered(
            asked,
            partial(self._begin_upload, request),
            partial(self._refuse_request, request),
        )

    def _begin_upload(self, request: Request, upload: UploadTicket) -> None:
        offset = request.args.get("offset", 0)
        if offset and offset == upload.size:  # nothing is to come, if all of it is here
            here = self._chat.files.share_existing(self._session, upload)
            begin = partial(self._receive_unless_here, request, upload)
            self._connection.when_answered(here, begin, partial(self._refuse_request, request))
        else:
            self._receive(request, upload)

    def _receive_unless_here(
        self, request: Request, upload: UploadTicket, here: FileMark | None
    ) -> None:
        if here is not None:
            self._kept(here)
        else:
            self._receive(request, upload)

    def _receive(self, request: Request, upload: UploadTicket) -> None:
        offset = request.args.get("offset", 0)
        if self._connection.greeted and not self._connection.more_came:
            self._write(f"* Send its {max(upload.size - offset, 0)} bytes now.\n".encode())
        refuse = partial(self._refuse_request, request)
        self._connection.receive_file(self._chat, upload, offset, self._kept, refuse, self.refuse)

    def _kept(self, mark: FileMark) -> None:
        self._write(textformat.file_line(mark, mark.size))

    def _refuse_request(self, request: Request, refusal: Refusal) -> None:
        """Refuse what was asked for. An upload's bytes may be on their way, and are no lines."""
        self.refuse(
            textparser.with_say_hint(
                refusal, request.bare if self._session.user is not None else ""
            )
        )
        if request.command.name != "put":
            return
        coming = max(request.args["size"] - request.args.get("offset", 0), 0)
        if coming <= limits.DISCARD_BYTES:
            self._connection.discard(coming)
        else:
            self._dismiss()

    def _get(self, request: Request) -> None:
        """Send a file. A person is told how to fetch it instead, unless they can read it, or say
        where to begin: nobody wants other bytes on their screen."""
        args = request.args
        opening = self._chat.files.open(
            self._session, args.get("room"), args["name"], args.get("version")
        )
        is_person = self._connection.greeted and not self._connection.more_came

        def opened(outgoing: FileReader) -> None:
            try:  # all of it may have been read first
                self._chat.check(self._session, request)
            except Refusal:
                outgoing.close()
                raise
            if is_person and "offset" not in args and not _is_readable(outgoing):
                outgoing.close()
                self._link(request)
            else:
                self._send(outgoing, args.get("offset", 0))

        self._connection.when_answered(opening, opened, partial(self._refuse_request, request))

    def _send(self, outgoing: FileReader, offset: int) -> None:
        if not self._connection.connected:
            outgoing.close()
            return
        try:
            outgoing.seek(offset)
        except Refusal:
            outgoing.close()
            raise
        abort = self._connection.transport.abortConnection
        user, address = self._session.require_user(), self._connection.address
        transfer = self._chat.files.begin_download(user, address, outgoing, abort)
        self._uncork()
        self._subscription.lend_transport()
        self._connection.transport.write(textformat.file_line(outgoing.mark, outgoing.left))
        self._connection.send_file(
            outgoing,
            lambda: self._sent(outgoing.mark),
            lambda: self._chat.files.transfers.end(transfer),
        )

    def _sent(self, mark: FileMark) -> None:
        self._subscription.take_transport_back()
        self._chat.files.report_download(self._session.require_user().name, mark)

    def _link(self, request: Request) -> None:
        result = handlers.link(self._chat, self._session, request.args)
        show, refuse = partial(self._show_link, request), partial(self._refuse_request, request)
        self._connection.when_answered(result, show, refuse)

    def _show_link(self, request: Request, it: replies.GetTicket) -> None:
        transport = self._connection.transport
        host, tls = transport.getHost(), ISSLTransport.providedBy(transport)
        place = getattr(host, "host", "HOST"), getattr(host, "port", "PORT")
        self._write(textformat.fetch_instructions(it, *place, tls))
        if request.command.name == "get":
            self._write(textformat.inline_instructions(request.args))

    # -- the end ---------------------------------------------------------------------------------

    async def ended(self) -> None:
        """No more will come: what was said is stored, and then one leaves."""
        await self._leave("")
        self._uncork()
        self._subscription.stop()

    def tell(self, sentence: str) -> None:
        """Tell `sentence`, in between."""
        self._subscription.tell(EventBatch((Notice(sentence),)))

    def dismiss(self, refusal: Refusal) -> None:
        """Say why no more is done at all, and dismiss the connection."""
        self.refuse(refusal)
        self._dismiss()

    def is_evictable(self, busy: Collection[User]) -> bool:
        """Return whether it is a guest, and none who is `busy`."""
        return self._session.may_be_evicted(busy)

    def end(self, sentence: str, why: EndReason) -> None:
        """Tell `sentence`, then end the connection."""
        self._uncork()
        self._subscription.end(sentence, why)

    def lost(self) -> None:
        """The connection is gone."""
        self._subscription.stopProducing()
        self._session.ended = True
        self._connection.factory.timeslices.run(self._depart)

    def _depart(self) -> None:
        self._connection.in_order(
            partial(self._chat.publisher.settled, self._session),
            partial(self._chat.users.leave, self._session),
            lambda _: None,
        )


def _is_readable(outgoing: FileReader) -> bool:
    """Return whether a file is a short text, in which nothing steers a terminal."""
    size = outgoing.mark.size
    if size > READABLE_BYTES:
        return False
    try:
        text = outgoing.read(size).decode().removesuffix("\r").replace("\r\n", "\n")
        outgoing.seek(0)
    except (OSError, UnicodeDecodeError):
        return False
    return names.clean(text) == text


_NAMELESS = Refusal(Code.NAME_NEEDED, NAME_NEEDED)
_ASTRAY = Refusal(
    Code.NOT_IN_ROOM, "Not done: you are not in the room that you asked for; join one."
)
_UNPROVEN = Refusal(
    Code.PASSWORD_NEEDED,
    "Not taken: it may be the password that was missing before; give that on one line with its "
    "command, as /login NAME PASSWORD.",
)
_PROVING = ("register", "password")
"""The commands that say who one is, beside those that are answered with a room or a welcome."""

_OWN_FILE = Refusal(
    Code.BAD_ARGUMENT,
    "Your files cannot be read from here. chat-client sends one whose path you type; "
    "a script can use /put NAME SIZE.",
)
_INTO_THE_ROOM = ("say", "me", "topic", "put")
"""The commands that others in the room see something of."""

_OWN: dict[str, Callable[[TextSession, Request], None]] = {
    "exit": TextSession._exit,
    "quit": TextSession._quit,
    "put": TextSession._put,
    "get": TextSession._get,
    "link": TextSession._link,
}
"""The commands that this dialect does in its own way."""
