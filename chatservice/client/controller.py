"""The controller: it runs the lines that a user types, and shows what happens in the session."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import uuid4

from twisted.internet.defer import Deferred

from chatservice import names, replies
from chatservice.client import typedlines
from chatservice.client.clientoptions import ClientOptions
from chatservice.client.clientpasswords import Keyring
from chatservice.client.clientsession import ClientSession, SessionListener
from chatservice.client.clientstate import INBOX, Incoming, Unread
from chatservice.client.connectors import server_address
from chatservice.client.jsonconnection import Lost
from chatservice.client.owncommands import own_command
from chatservice.client.privatetalk import directed
from chatservice.client.screen import Screen
from chatservice.client.severalservers import connector_to
from chatservice.client.transferconnection import Reading
from chatservice.client.transferjournal import TransferJournal, state_folder
from chatservice.client.transferqueue import TransferQueue
from chatservice.client.typedlines import FileToSend
from chatservice.errors import PASSWORD_REFUSED, PASSWORD_RELATED, Code, Refusal
from chatservice.grammar import prompts, textformat, textparser
from chatservice.grammar.commands import COMMANDS, SAY
from chatservice.grammar.commandtypes import Command, Request, Right
from chatservice.grammar.prompts import Prompt

CLIENT_HELP = {
    "/put": "/put PATH [@USER] - uploads a file, to the room or to one user; also: -file PATH, "
    "transfer PATH, or just the path",
    "/get": "/get NAME - downloads a file and checks it; one of another room: ROOM/NAME; one of "
    "your own: @/NAME",
}
"""Help for commands that work differently in this client."""

ROOMS_HELP = {
    "/join": "/join ROOM [PASSWORD] - joins a room and stays in the others; you see their talk "
    "when you go back",
    "/leave": "/leave [ROOM] - leaves a room for good; after the last one, you are in the lobby",
}
"""Help for commands that work differently on a terminal, with several rooms at once."""

VIEWS_HELP = ROOMS_HELP | {
    "/msg": "/msg USER [TEXT] - writes to one user, who may be away; without TEXT, shows your talk "
    "with them, and what you type is for them alone; /leave closes that",
}
"""Help for commands that work differently on a full screen, with a view for each talk."""


def client_help(lines: tuple[str, ...], own: Mapping[str, str] = CLIENT_HELP) -> list[str]:
    """Return the lines of the server's `/help`, with this client's own lines in place of some."""
    otherwise = CLIENT_HELP.get(lines[0].split(" ")[0]) if lines else None
    if otherwise is not None:
        return [otherwise]
    return [own.get(line.split(" ")[0], line) for line in lines]


_NEED_A_ROOM = frozenset({"say", "me", "topic", "remove"})


class Controller(SessionListener):
    """A user's commands and session at a `screen`. It is the listener of its session. The `options`
    name the host and the port.

    With `scripted`, lines for a room that could not be joined are not said elsewhere. It calls
    `on_dismissed` with the reason if the session ends for good.
    """

    def __init__(
        self,
        reactor: Any,
        screen: Screen,
        options: ClientOptions,
        on_dismissed: Callable[[Lost], None],
        scripted: bool = False,
    ) -> None:
        self._screen = screen
        folder, host, port = state_folder(), options.host or "", options.port or 0
        connector = connector_to(
            reactor,
            host,
            port,
            tls=options.tls,
            trust=options.trust,
            folder=folder,
            tell=screen.notify,
        )
        self.session = ClientSession(reactor, connector, self, all_rooms=screen.shows_all_rooms)
        self.transfers = TransferQueue(
            reactor,
            self.session,
            screen,
            server=f"{host}:{port}",
            downloads=options.downloads,
            accept=options.accept,
            journal=TransferJournal(folder),
        )
        self.leaving = False
        self.farewell: str | None = None
        self._on_dismissed = on_dismissed
        self._state = self.session.state
        self._address = (host, port)
        self.keyring = Keyring(reactor, server_address(host, port), options.tls)
        self._tls = options.tls
        self._scripted = scripted
        self._room_missed = False
        self._keeps_rooms = screen.interactive
        screen.attach(self.session, self._switch)

    # -- events of the session (`SessionListener`) -----------------------------------------------

    def incoming(self, incoming: Incoming) -> None:
        """Show an entry or an event, or download the file that it announces."""
        if not self.transfers.consider_incoming(incoming):
            self._screen.show_incoming(incoming)

    def answered(self, it: replies.Reply) -> None:
        """Show a reply."""
        self._screen.show_reply(it)

    def refused(self, refusal: Refusal, key: str | None = None) -> None:
        """Show a refusal; with a `key`, the refusal of the pending text with that key."""
        if key is not None:
            self._screen.resolve_pending(key, False)
        self._screen.refuse(refusal)

    def removed_from_room(self, room: str, why: Refusal, told: bool) -> None:
        """Show the rooms that are left, and the reason if the user does not know it."""
        if not told:
            self.refused(why)
        self.rooms_changed()

    def said(self, key: str, request: Request) -> None:
        """Show a text as pending until it is stored."""
        self._screen.show_pending(key, request)

    def stored(self, key: str, position: int) -> None:
        """Show a text as stored."""
        self._screen.resolve_pending(key, True, position)

    def rooms_changed(self) -> None:
        """Show the rooms and their unread counts."""
        self._screen.show_rooms()

    def log_rewound(self, room: str, after: int, newest: int) -> None:
        """Take back the entries that are no longer there."""
        self._screen.forget_behind(room, after)

    def dismissed(self, why: Lost) -> None:
        """End the program."""
        self._on_dismissed(why)

    # -- typed lines -----------------------------------------------------------------------------

    async def run_line(self, line: str) -> str | None:
        """Run a typed line. Return the name of its command; None if it is empty or refused."""
        own = own_command(line)
        if own is not None and own[0] in self._screen.own_commands:
            return self._run_own(*own)
        try:
            partner = typedlines.partner_to_show(line) if self._screen.shows_all_rooms else None
            if partner is not None:
                return await self._show_partner(partner)
            file = typedlines.file_to_send(line)
            if file is not None:
                self._send(file)
                return "put"
            request = self._parsed(line)
        except Refusal as refusal:
            self.refused(refusal)
            return None
        return request.command.name if request is not None and await self.run(request) else None

    def _run_own(self, name: str, rest: str) -> str | None:
        try:
            self._screen.own_commands[name].run(rest)
        except Refusal as refusal:
            self.refused(refusal)
            return None
        return name

    def _parsed(self, line: str) -> Request | None:
        try:
            return textparser.parse(line, may_prompt=self._screen.can_ask, may=_is_for_users)
        except Refusal as refusal:
            raise textparser.with_say_hint(refusal, line) from None

    async def run(self, request: Request) -> bool:
        """Run a request, and ask for arguments that are missing or wrong.

        Return whether it was done. Refusals are shown.
        """
        try:
            lacking = await self._answered(request, prompts.prompts_for(request, False))
            while lacking is not None:
                try:
                    await self._perform(lacking)
                    hint = textparser.undo_hint(request)
                    if hint is not None and self._screen.interactive:
                        self._screen.notify(hint)
                    return True
                except Refusal as refusal:
                    lacking = await self._corrected(
                        lacking, textparser.with_say_hint(refusal, request.bare)
                    )
        except Lost:  # the user is leaving, and nothing is answered any more
            pass
        finally:
            self._screen.end_question()
        return False

    async def _perform(self, request: Request) -> None:
        if self._partner:
            request = directed(request, self._partner)
        name = request.command.name
        if name in _NEED_A_ROOM:
            self._require_room()
        if name == "reply":  # a message, in the JSON format
            await self._perform(replace(request, command=SAY))
        elif name in ("say", "me"):
            await self.session.say(Request(request.command, self._in_room(request)))
        elif name == "msg":
            await self.session.say(request)
        else:
            await self.session.all_acknowledged()
            await _COMMANDS.get(name, Controller._ask)(self, request)

    @property
    def _partner(self) -> str:
        """The user with whom one talks alone in the view of the line that is run, or empty."""
        view = self._screen.typed_in or self._state.here
        return view.removeprefix(INBOX) if view.startswith(INBOX) else ""

    def _require_room(self) -> None:
        if self._room_missed:
            raise Refusal(
                Code.NOT_IN_ROOM, "Not done: you are not in the room that you asked for; join one."
            )

    def _in_room(self, request: Request) -> dict[str, Any]:
        """Return the arguments of a request, with the current room if it names none."""
        has_room = any(arg.name == "room" for arg in request.command.args)
        room = self._screen.typed_in or self._state.current_room
        return ({"room": room} if has_room else {}) | dict(request.args)

    async def _ask(self, request: Request) -> None:
        self.answered(await self.session.ask(request.command.name, **self._in_room(request)))

    async def _unread(self, request: Request) -> None:
        """Tell what is unread in the user's rooms, or turn to one of them; with a position, let it
        be unread from there."""
        room, position = request.args.get("room"), request.args.get("position")
        found = self._state.find(room or "")
        if position is not None:
            await self._ask(request)
            self._screen.mark_unread(found.room if found else self._state.here, position)
        elif found is not None and self._keeps_rooms and found.room != self._state.here:
            self._switched(await self.session.rooms.switch(found.room))
        else:
            self.answered(await self.session.ask("unread", **request.args))

    async def _annotate(self, request: Request) -> None:
        """Send an annotation, once: it is shown when it comes back, as those of others are."""
        args = self._in_room(request)
        await self.session.ask(request.command.name, **args, key=uuid4().hex)

    # -- questions for missing or wrong arguments ------------------------------------------------

    async def _corrected(self, request: Request, refusal: Refusal) -> Request | None:
        """Show a refusal and ask again for the argument that was wrong. Return the new request.

        Return None if no argument can help, or the user cancels.
        """
        asked = tuple(_helpful(request, refusal)) if self._screen.can_ask else ()
        if refusal.code is not Code.PASSWORD_NEEDED or not asked:
            self.refused(refusal)
        if not asked:
            return None
        found = await self._answered(request, asked)
        if found is None and refusal.code is Code.PASSWORD_NEEDED:
            self.refused(refusal)
        return found

    async def _answered(self, request: Request, asked: Iterable[Prompt]) -> Request | None:
        args = dict(request.args)
        for question in asked:
            answer = await self._answer(question)
            if answer is None:
                return None
            args[question.arg] = answer
        return replace(request, args=args)

    async def _answer(self, question: Prompt) -> str | None:
        """Return the answer to a question, or None if it is cancelled."""
        while True:
            answer = await self._screen.ask(f"{question.text} ", question.hidden)
            if answer is None:
                return None
            try:
                if question.hidden:
                    names.password(answer)
                if not question.twice:
                    return answer
                once_more = await self._screen.ask(f"{prompts.REPEAT} ", True)
                if once_more is None or once_more == answer:
                    return once_more
                raise prompts.passwords_differ()
            except Refusal as refusal:
                self.refused(refusal)

    # -- rooms -----------------------------------------------------------------------------------

    async def join(self, room: str, bare: str = "") -> bool:
        """Join a room and leave the current one. Return whether it was joined; a refusal is shown.

        `bare` is the typed line, if it may have been meant as talk.
        """
        self._keeps_rooms = False
        try:
            return await self.run(Request(COMMANDS["join"], {"room": room}, bare=bare))
        finally:
            self._keeps_rooms = self._screen.interactive

    def _switch(self, room: str) -> None:
        """Make another joined room the current one soon, and show its unread entries."""

        async def switch() -> None:
            try:
                self._switched(await self.session.rooms.switch(room))
            except Refusal as refusal:
                self.refused(refusal)

        # `Lost` means that the user is leaving.
        Deferred.fromCoroutine(switch()).addErrback(lambda failure: failure.trap(Lost))

    def _switched(self, unread: Unread) -> None:
        self._room_missed = False
        self.rooms_changed()
        self._screen.show_switch(unread)
        for each in unread.items:
            self.incoming(each)

    async def _show_partner(self, name: str) -> str | None:
        """Show the talk with a user, and whether they are here. Raises `Refusal`."""
        try:
            seen = await self.session.ask("seen", user=name)
        except Lost:  # the user is leaving
            return None
        self._switched(self._state.talk_with(seen.user))
        self.answered(seen)
        return "msg"

    async def _close_partner(self) -> None:
        current = self._state.private.current
        assert current is not None
        self._switched(await self.session.rooms.switch(self._state.current_room))
        self._state.private.close(current)

    async def _change_room(self, request: Request) -> None:
        room, password = request.args.get("room"), request.args.get("password")
        rooms, command = self.session.rooms, request.command.name
        if command == "join" and self._keeps_rooms and self._state.find(request.args["room"]):
            self._switched(await rooms.switch(request.args["room"]))
            return
        before = self._state.current_room
        try:
            joined = await rooms.join(command, room, password)
        except Refusal:
            self._room_missed = self._scripted
            raise
        if not self._keeps_rooms and before in self._state.rooms and before != joined.room:
            await rooms.leave(before, keep=True)
        # The user is in that room already, and asked for it by another name.
        if joined.room != self._state.current_room:
            self._switched(await rooms.switch(joined.room))
            return
        self._room_missed = False
        self.rooms_changed()
        self.answered(joined)
        self.transfers.room_entered(joined.room)

    async def _leave(self, request: Request, keep: bool = False) -> None:
        room = request.args.get("room") or self._state.here
        if self._state.partner and room == self._state.here:
            await self._close_partner()
            return
        if len(self._state.rooms) == 1 and self._state.find(room):
            if self._state.current_room == names.LOBBY:
                raise Refusal(Code.BAD_ARGUMENT, "You are in the lobby; /quit ends the connection.")
            await self.join(names.LOBBY)
            if not keep:
                with suppress(Refusal):  # a guest's membership has ended with that
                    await self.session.ask("leave", room=room)
            return
        await self.session.rooms.leave(room, keep)
        unread = await self.session.rooms.fall_back()
        if unread is None:
            self._screen.notify(f"You left {room}.")
            self.rooms_changed()
        else:
            self._switched(unread)

    async def _exit(self, request: Request) -> None:
        if len(self._state.rooms) == 1 and self._state.here == names.LOBBY:
            self.leaving = True
        else:
            await self._leave(request, keep=True)

    async def _quit(self, request: Request) -> None:
        self.leaving = True
        self.farewell = request.args.get("text")

    # -- files -----------------------------------------------------------------------------------

    def _send(self, file: FileToSend) -> None:
        to = file.to or self._partner or None
        if to is None:
            self._require_room()
        self.transfers.send(file.path, self._state.current_room, to)

    async def _cancel(self, request: Request) -> None:
        name = request.args["name"]
        own = self.transfers.cancel(name)
        if self.transfers.cancel_waiting(name):
            self._screen.notify(f"{name} is cancelled; it had not begun.")
            if not own:
                with suppress(Refusal):  # it may have a part of an earlier run
                    await self.session.ask("cancel", **request.args)
                return
        if own and all(isinstance(it, Reading) for it in own):  # the server knows nothing of it
            return
        reply = await self.transfers.cancel_at_server(name, own)
        if not own:  # else the end of the transfer is told
            self.answered(reply)

    async def _get(self, request: Request) -> None:
        room = request.args.get("room")
        self.transfers.fetch(
            room or self._state.current_room,
            request.args["name"],
            or_inbox=room is None,
            bare=request.bare,
        )

    async def _link(self, request: Request) -> None:
        room, name = request.args.get("room"), request.args["name"]
        try:
            it = await self.session.ask("link", room=room or self._state.current_room, name=name)
        except Refusal as refusal:
            if room is not None or refusal.code is not Code.NO_SUCH_FILE:
                raise
            it = await self.session.ask("link", room=INBOX, name=name)
        self._screen.show(textformat.fetch_instructions(it, *self._address, self._tls))

    # -- the user --------------------------------------------------------------------------------

    async def _password(self, request: Request) -> None:
        await self._ask(request)
        await self.keyring.renew(self._state.name, request.args["new"])

    async def save_password(self, password: str | None) -> None:
        """Keep the password of this login in the system's keyring, if there is one."""
        kept = password and self._screen.interactive
        if kept and await self.keyring.keep(self._state.name, password or ""):
            self._screen.notify("Your password is kept in the keyring of this system.")

    async def _help(self, request: Request) -> None:
        if request.args.get("command") == "keys" and self._screen.key_help:
            self.answered(replies.Help(self._screen.key_help))
            return
        mine = self._screen.own_commands
        command = request.args.get("command", "").removeprefix("/")
        if command in mine:
            self.answered(replies.Help((mine[command].help,)))
            return
        it = await self.session.ask("help", **request.args)
        rooms = VIEWS_HELP if self._screen.shows_all_rooms else ROOMS_HELP
        own = CLIENT_HELP | rooms if self._keeps_rooms else CLIENT_HELP
        more = () if command else tuple(each.help for each in mine.values())
        self.answered(replies.Help((*client_help(it.lines, own), *more)))


def _is_for_users(command: Command) -> bool:
    """Return whether to suggest a command. The client does not know the user's rights, and hardly
    any user is an operator."""
    return command.needs not in (Right.OPERATE, Right.ADMIN_SOCKET)


def _helpful(request: Request, refusal: Refusal) -> Iterable[Prompt]:
    """Yield the questions that can help after a refusal."""
    command = request.command.name
    if command == "join":
        if refusal.code in PASSWORD_RELATED:
            yield prompts.room_prompt(request.args["room"])
    elif refusal.code is Code.BAD_CODE and command in ("register", "signup"):
        yield prompts.code_prompt()
    elif refusal.code in PASSWORD_REFUSED:
        yield from prompts.prompts_for(prompts.without_current_passwords(request), False)


_COMMANDS: dict[str, Callable[[Controller, Request], Awaitable[None]]] = {
    "join": Controller._change_room,
    "create": Controller._change_room,
    "leave": Controller._leave,
    "exit": Controller._exit,
    "quit": Controller._quit,
    "cancel": Controller._cancel,
    "get": Controller._get,
    "link": Controller._link,
    "password": Controller._password,
    "help": Controller._help,
    "unread": Controller._unread,
    **{it.name: Controller._annotate for it in COMMANDS.values() if it.reply is replies.Annotated},
}
"""The commands that do more in this client than ask the server."""
