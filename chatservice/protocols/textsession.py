"""The text format on a connection: for people, and for scripts in a pipe."""

from contextlib import suppress
from functools import partial
from typing import Any

from twisted.internet.interfaces import ISSLTransport

from chatservice import names, replies
from chatservice.domain.chat import Chat
from chatservice.domain.dispatch import check, count_request, dispatch
from chatservice.domain.handlers import joined
from chatservice.domain.model import PERSON, SCRIPT, PauseReason, SessionTraits
from chatservice.domain.ports.file_ports import FileReader
from chatservice.domain.rights import rights_for
from chatservice.domain.tickets import UploadTicket
from chatservice.entries import FileMark
from chatservice.errors import PASSWORD_RELATED, Code, Refusal
from chatservice.events import EndReason, Notice
from chatservice.grammar import textformat, textparser
from chatservice.grammar.commands import COMMANDS, SAY
from chatservice.grammar.commandtypes import Request, Right
from chatservice.grammar.prompts import (
    Prompt,
    missing_password,
    prompts_for,
    room_prompt,
    without_current_passwords,
)
from chatservice.net.delivery import EntryFormat
from chatservice.net.transfer import Discard, receive_file, send_file
from chatservice.protocols.chatprotocol import ChatProtocol
from chatservice.protocols.chatsession import HELLO, ChatSession
from chatservice.protocols.promptdialog import PromptDialog

_QUIT, _UNREAD = COMMANDS["quit"], COMMANDS["unread"]

READABLE_BYTES = 2000
"""Bytes that a person can read at once: a terminal of 80 columns and 25 lines."""


class TextSession(ChatSession):
    """A session in the text format.

    A script, which sends before it is greeted, is not asked for passwords. If it cannot join its
    room, or cannot log in, it is astray: its talk is said to nobody.
    """

    kind = "people"
    format = EntryFormat(
        textformat.run, textformat.replayed, textformat.event, textformat.skip_offer
    )
    traits = PERSON

    _connection: ChatProtocol
    __slots__ = ("_astray", "_corked", "_dialog", "_introduced")

    def __init__(self, connection: ChatProtocol, chat: Chat) -> None:
        self._astray: Refusal | None = None
        self._dialog: PromptDialog | None = None
        self._introduced = False
        self._corked = None if connection.greeted else bytearray()
        super().__init__(connection, chat)

    def _own_traits(self) -> SessionTraits:
        return self.traits if self._connection.greeted else SCRIPT

    def _begin(self) -> None:
        """Write to an interactive client. A script's first lines come before (`_uncork`)."""
        if self._corked is None:
            super()._begin()
        else:
            self._connection.when_quiet(self._if_quiet)

    @property
    def _bare_words(self) -> bool:
        return bool(self._connection.factory.bare_words)

    # -- requests --------------------------------------------------------------------------------

    def line(self, line: bytes) -> None:
        """Take a line: a name at first, then talk and commands."""
        try:
            text = textparser.decode(line)
            if self._dialog is not None:
                count_request(self._chat, self._session)
                self._take_answer(self._dialog, text)
                return
            if self._bare_words and textparser.names_local_file(text):
                raise textparser.with_say_hint(Refusal(Code.BAD_ARGUMENT, _LOCAL_FILE), text)
            request = self._parsed(text)
        except Refusal as refusal:
            self.refuse_line(line, refusal)
            return
        if request is not None:
            self._obey(request)
            return
        count_request(self._chat, self._session, SAY.rates)  # pipes are full of blank lines
        if self._session.user is None:
            self._write(self._connection.factory.name_needed)

    def _parsed(self, text: str) -> Request | None:
        try:
            return textparser.parse(text, self._bare_words, may_prompt=True, may=self._may_use)
        except Refusal as refusal:
            raise textparser.with_say_hint(refusal, text) from None

    def lines(self, lines: bytes) -> bool:
        """Take several lines, if all of them are talk that can be said."""
        if self._session.current_room is None or self._astray or self._dialog is not None:
            return False
        if not self._connection.all_fit(lines):
            return False
        texts = textparser.parse_talk(lines, self._bare_words)
        if texts is None:
            return False
        try:
            dispatch(self._chat, self._session, Request(SAY, {"texts": texts}), self.stored)
        except Refusal:  # one by one, each has a refusal of its own
            return False
        self._connection.factory.timeslices.note_talk()
        return True

    def _obey(self, request: Request, dialog: PromptDialog | None = None) -> None:
        """Run a typed request, or that of a `dialog`, with its answers."""
        name, args = request.command.name, request.args
        if self._astray and Right.SPEAK in rights_for(request.command, args) and "to" not in args:
            count_request(self._chat, self._session)
            self.refuse_request(request, self._astray)
            return
        if name == "exit":
            request = self._exit()
        elif name == "say" and self._is_nameless():
            request = Request(HELLO, {"name": args["text"]})
        if asked := self._prompts(request):
            self._prompt(request, asked)
        else:
            self.request(request, partial(self._not_granted, request, dialog))

    def _is_nameless(self) -> bool:
        return self._session.user is None and not self._session.traits.admin

    def _exit(self) -> Request:
        here = self._session.current_room
        stays = (
            here is not None and here.name != names.LOBBY and self._session.only_room is not here
        )
        return Request(COMMANDS["leave"], {"keep": True}) if stays else Request(_QUIT, {})

    def _not_granted(self, request: Request, dialog: PromptDialog | None, refusal: Refusal) -> None:
        """Refuse a request. After a wrong password an interactive client is asked again."""
        if request.command is HELLO:
            self._refuse_name(request.args["name"], refusal)
            return
        asked = self._lacking(request, refusal) if dialog is None else None
        if asked is None or refusal.code is not Code.PASSWORD_NEEDED:
            self.refuse_request(request, refusal)
        if dialog is not None:
            self._dialog = dialog
            dialog.restart(refusal)
        elif asked is not None:
            self._ask_for(*asked)
        elif not self._connection.greeted:
            self._stray(request)

    def _stray(self, request: Request) -> None:
        """Note that a script is in the wrong room, or has the wrong name: its talk is not for
        another room, nor for another user's name."""
        name = request.command.name
        if name in ("join", "create"):
            self._astray = self._astray or _ASTRAY
        elif name in ("login", "signup"):
            self._astray = _UNPROVEN

    # -- passwords that are asked for ------------------------------------------------------------

    def _prompts(self, request: Request) -> tuple[Prompt, ...]:
        nameless = self._session.user is None and request.command.needs is not Right.NOTHING
        if nameless or not request.command.proves_user():
            return ()
        return tuple(prompts_for(request, self._chat.accounts.needs_invitation))

    def _lacking(
        self, request: Request, refusal: Refusal
    ) -> tuple[Request, tuple[Prompt, ...]] | None:
        """Return the questions after a missing password, or a wrong one in the command. Otherwise
        users would type the right one alone, and say it."""
        if refusal.code not in PASSWORD_RELATED or not self._connection.greeted:
            return None
        if request.command.name == "join":
            return request, (room_prompt(request.args["room"]),)
        request = without_current_passwords(request)
        asked = self._prompts(request)
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

    def _prompt(self, request: Request, asked: tuple[Prompt, ...]) -> None:
        """Ask for the missing part of a request that can be granted. A script is not asked; its
        next line may be the password, so that is said to nobody."""
        count_request(self._chat, self._session)
        if not self._connection.greeted:
            self.refuse(missing_password(request, asked[0]))
            self._astray = _UNPROVEN
            return
        check(self._chat, self._session, request)
        self._ask_for(request, asked)

    def _ask_for(self, request: Request, asked: tuple[Prompt, ...]) -> None:
        def write_line(line: str) -> None:
            end = "\r\n" if self._connection.hidden else "\n"  # telnet adds no CR then
            self._write(f"{line}{end}".encode())

        hide = self._connection.hide
        self._dialog = PromptDialog(request, asked, write_line, hide, self._answered)

    def _take_answer(self, dialog: PromptDialog, text: str) -> None:
        self._dialog = None  # what it leads to may ask again
        try:
            more = dialog.answer(text)
        except Refusal as refusal:
            self.refuse(refusal)
            dialog.restart(refusal)
            more = True
        if more:
            self._dialog = dialog

    def _answered(self, dialog: PromptDialog, request: Request) -> None:
        """Run a request with its answers. If it is refused, ask again."""
        try:
            self._obey(request, dialog)
        except Refusal as refusal:
            self._not_granted(request, dialog, refusal)

    # -- answers ---------------------------------------------------------------------------------

    def answer(self, request: Request, it: Any) -> None:
        """Show the answer to a request, or begin the transfer that it allows."""
        name = request.command.name
        if isinstance(it, UploadTicket):
            self._receive(request, it)
        elif isinstance(it, FileMark):
            self._kept(it)
        elif isinstance(it, replies.GetTicket):
            self._show_link(request, it)
        elif name == "get":
            self._show_file(request, it)
        elif name == "quit":
            self._write(b"* Goodbye.\n")
        else:
            self._show(request, it)

    def _show(self, request: Request, it: replies.Reply) -> None:
        if request.command.proves_user() or isinstance(it, (replies.Joined, replies.Welcome)):
            self._astray = None
        if isinstance(it, replies.Welcome) and not self._introduced:
            self._introduce(it)
        else:
            self._write(textformat.reply(it))
            self._offer_earlier(it)
        if request.command.name in ("hello", "login") and self._session.traits.sees_past:
            self._tell_unread()
        if (hint := textparser.undo_hint(request)) is not None and self._connection.greeted:
            self._write(textformat.event(Notice(hint)))

    def _introduce(self, welcome: replies.Welcome) -> None:
        """Tell the user their name and room. A script is not told."""
        self._introduced = True
        here = self._session.current_room
        if self._connection.greeted and here is not None:
            self._write(textformat.reply(welcome))
            joining = joined(self._chat, here, self._session)
            self._write(textformat.reply(joining))
            self._offer_earlier(joining)
            self._write(b"* What you type is said to everybody here; /help lists the commands.\n")

    def _offer_earlier(self, it: replies.Reply) -> None:
        """Offer the unread entries that come before those that are shown in a room."""
        if isinstance(it, replies.Joined) and self._session.traits.sees_past:
            shown = self._chat.limits.unread_shown
            if it.seq - it.read > shown:
                self._write(textformat.earlier_offer(it, shown))

    def _tell_unread(self) -> None:
        """Tell a registered user who has come in what is unread elsewhere."""
        with suppress(Refusal):
            found = dispatch(self._chat, self._session, Request(_UNREAD, {}))
            self._connection.flow.when_answered(found, self._show_unread, lambda refusal: None)

    def _show_unread(self, it: replies.UnreadList) -> None:
        here = self._session.current_room
        shown = ("@", here.name if here is not None else "")  # it follows anyway
        rows = [one for one in it.rooms if one.unread and one.room not in shown]
        lines = [*map(textformat.unread_line, rows), "* /unread ROOM shows what is unread there."]
        if rows:
            self._write("".join(f"{line}\n" for line in lines).encode())

    def encode_refusal(self, refusal: Refusal, id_: Any) -> bytes:
        """Word a refusal."""
        return textformat.refusal(refusal)

    def refuse_line(self, line: bytes, refusal: Refusal) -> None:
        """Refuse a line. After one that begins an upload there may be any number of bytes that are
        no lines: then the connection ends."""
        super().refuse_line(line, refusal)
        if self._dialog is not None:
            self._dialog.ask()
        program = self._connection.more_came or not self._connection.greeted
        if program and line[:4].lower() == b"/put":
            self._connection.dismiss()

    def refuse_request(self, request: Request, refusal: Refusal) -> None:
        """Refuse a request. The bytes of an upload may be on their way; they are no lines."""
        bare = request.bare if self._session.user is not None else ""
        self.refuse(textparser.with_say_hint(refusal, bare))
        if request.command.name != "put":
            return
        coming = max(request.args["size"] - request.args.get("offset", 0), 0)
        if coming <= self._chat.limits.discard_bytes:
            Discard(self._connection, coming).begin()
        else:
            self._connection.dismiss()

    def _write(self, data: bytes) -> None:
        if self._corked is not None:
            self._corked += data
            flow, is_long = self._connection.flow, len(self._corked) > self._chat.limits.write_bytes
            if is_long and PauseReason.CORK not in flow.reasons:
                flow.pause_reading(PauseReason.CORK)
        else:
            super()._write(data)

    def _if_quiet(self) -> None:
        """Uncork, unless it is we who do not read."""
        flow = self._connection.flow
        if any(why is not PauseReason.CORK for why in flow.reasons):
            self._connection.when_quiet(self._if_quiet)
        else:
            self._uncork()
            flow.resume_reading(PauseReason.CORK)

    def _uncork(self) -> None:
        """Begin to answer a script. Nothing is sent while its first lines are on their way. If the
        client has closed its socket, as `printf ... >/dev/tcp/HOST/PORT` does, its system answers
        our bytes with a reset, and the unread lines would be lost."""
        corked, self._corked = self._corked, None
        if corked is not None:
            self._connection.transport.write(bytes(corked))
            super()._begin()

    # -- files on this connection ----------------------------------------------------------------

    def _receive(self, request: Request, upload: UploadTicket) -> None:
        offset = request.args.get("offset", 0)
        if self._connection.greeted and not self._connection.more_came:
            self._write(f"* Send its {max(upload.size - offset, 0)} bytes now.\n".encode())
        refuse = partial(self.refuse_request, request)
        receive_file(self._connection, self._chat, upload, offset, self._kept, refuse, self.refuse)

    def _kept(self, mark: FileMark) -> None:
        self._write(textformat.file_line(mark, mark.size))

    def _show_file(self, request: Request, reader: FileReader) -> None:
        """Send a file. An interactive client is told how to fetch it instead, unless it is
        readable, or an offset is given: nobody wants other bytes on their screen."""
        is_person = self._connection.greeted and not self._connection.more_came
        if not is_person or "offset" in request.args:
            self._send(reader, request.args.get("offset", 0))
            return
        refuse = partial(self.refuse_request, request)
        showing = partial(self._show_readable, request, reader)
        self._connection.flow.when_answered(_is_readable(reader), showing, refuse)

    def _show_readable(self, request: Request, reader: FileReader, is_readable: bool) -> None:
        if is_readable:
            self._send(reader, 0)
            return
        reader.close()
        link = dispatch(self._chat, self._session, Request(COMMANDS["link"], request.args))
        show, refuse = partial(self.answer, request), partial(self.refuse_request, request)
        self._connection.flow.when_answered(link, show, refuse)

    def _send(self, reader: FileReader, offset: int) -> None:
        def begin() -> None:
            self._uncork()
            self._subscription.pause()
            self._connection.transport.write(textformat.file_line(reader.mark, reader.left))

        user, sent = self._session.require_user(), self._subscription.start
        send_file(self._connection, self._chat, user, reader, offset, begin, sent)

    def _show_link(self, request: Request, it: replies.GetTicket) -> None:
        transport = self._connection.transport
        host, tls = transport.getHost(), ISSLTransport.providedBy(transport)
        place = getattr(host, "host", "HOST"), getattr(host, "port", "PORT")
        seconds = self._chat.limits.ticket_seconds
        self._write(textformat.fetch_instructions(it, *place, tls, seconds))
        if request.command.name == "get":
            self._write(textformat.inline_instructions(request.args))

    # -- the end ---------------------------------------------------------------------------------

    def stop(self) -> None:
        """Write nothing more."""
        self._uncork()
        super().stop()

    def end(self, sentence: str, why: EndReason) -> None:
        """Show `sentence`, then end the connection."""
        self._uncork()
        super().end(sentence, why)


def text_notice(sentence: str) -> bytes:
    """Encode a sentence for a client that was greeted and has sent nothing."""
    return textformat.event(Notice(sentence))


def text_refusal(refusal: Refusal, begun: bytes) -> bytes:
    """Encode the refusal of a connection that has `begun` with these bytes."""
    return textformat.refusal(refusal)


async def _is_readable(outgoing: FileReader) -> bool:
    """Return whether a file is a short text that cannot control a terminal."""
    size = outgoing.mark.size
    if size > READABLE_BYTES:
        return False
    try:
        text = (await outgoing.read(size)).decode().removesuffix("\r").replace("\r\n", "\n")
        outgoing.seek(0)
    except (OSError, UnicodeDecodeError):
        return False
    return names.clean(text) == text


_ASTRAY = Refusal(
    Code.NOT_IN_ROOM, "Not done: you are not in the room that you asked for; join one."
)
_UNPROVEN = Refusal(
    Code.PASSWORD_NEEDED,
    "Not taken: it may be the password that was missing before; give that on one line with its "
    "command, as /login NAME PASSWORD.",
)
_LOCAL_FILE = (
    "Your files cannot be read from here. chat-client sends one whose path you type; "
    "a script can use /put NAME SIZE."
)
