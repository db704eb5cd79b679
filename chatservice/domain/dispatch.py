"""The way into the domain: every request of every protocol goes through `dispatch`.

A request is counted (`chatservice.domain.ratelimit`), waits until its session's earlier talk is
stored, is checked (`chatservice.domain.rights`), and runs its handler. Talk does not wait: it is
checked and handed to the publisher, which acknowledges it later. The end of a connection is a
request too: `quit`.

A protocol has three other ways, for what is no request. Lines that are none are only counted
(`count_request`), and `check` tells before a prompt whether the answer would be in vain. A file's
bytes go to `Files` by their ticket, which the request before them got: `Files` redeems it and
checks its right again (`Rights.recheck_ticket`), at the beginning and at the end. What a protocol
shows of the chat's state, it reads: limits, rooms, `handlers.joined`.
"""

from collections.abc import Awaitable, Sequence
from functools import partial
from inspect import isawaitable

from chatservice.domain.chat import Answer, Chat
from chatservice.domain.handlers import HANDLERS
from chatservice.domain.log import EventBatch
from chatservice.domain.model import PauseReason, Session
from chatservice.domain.ports.log_ports import OnStored
from chatservice.domain.ratelimit import RateLimiter
from chatservice.entries import Kind
from chatservice.errors import NAME_NEEDED, Code, Refusal
from chatservice.events import Notice
from chatservice.grammar.commandtypes import Rate, Request, Right

NOTICE_SECONDS = 2.0
"""A session that is paused for longer is told so."""

UNPARSED = (Rate.COMMANDS,)
"""The rate limits of a line that is refused unparsed, or that answers a prompt."""


def dispatch(
    chat: Chat, session: Session, request: Request, on_stored: OnStored | None = None
) -> Answer | Awaitable[Answer] | None:
    """Run a request. Return its reply, now or later; None for talk, whose acknowledgement goes to
    `on_stored` (the position of the entry, or the error that kept it from being stored).

    Talk with `texts` in the place of `text` is several messages: all are taken, or the request is
    refused as a whole. Raises `Refusal`.
    """
    command = request.command
    if command.talk:
        _talk(chat, session, request, on_stored)
        return None
    session.active = chat.now()
    count_request(chat, session, command.rates, request.args.get("text", "").count("\n") + 1)
    if session.unstored:
        return _after_talk(chat, session, request)
    return _run(chat, session, request)


def _run(chat: Chat, session: Session, request: Request) -> Answer | Awaitable[Answer]:
    chat.check(session, request)
    command = request.command
    answer = HANDLERS[command.name](chat, session, request.args)
    if command.changes or command.needs in (Right.NOTHING, Right.NAME) or not isawaitable(answer):
        return answer
    return _if_still_permitted(chat, session, request, answer)


async def _after_talk(chat: Chat, session: Session, request: Request) -> Answer:
    """Run a request once all is stored that its session said before: a reader of the past sees
    their own words."""
    await chat.publisher.settled(session)
    answer = _run(chat, session, request)
    return await answer if isawaitable(answer) else answer


async def _if_still_permitted(
    chat: Chat, session: Session, request: Request, answer: Awaitable[Answer]
) -> Answer:
    """Return what was read, if the right to read it has not gone meanwhile."""
    found = await answer
    try:
        chat.check(session, request)
    except Refusal:
        getattr(found, "close", bool)()  # a `FileReader` has a file open
        raise
    return found


def _talk(chat: Chat, session: Session, request: Request, on_stored: OnStored | None) -> None:
    args = request.args
    if session.user is None:
        raise Refusal(Code.NAME_NEEDED, NAME_NEEDED)
    texts: Sequence[str] = args["texts"] if "texts" in args else (args["text"],)
    limits = chat.limits
    if limits.messages_per_second:
        _count_talk(chat, session, request.command.rates, texts)
    # `Rights.check_speak`, in `say`, decides as the table does, and costs less. But no refusal may
    # tell the bearer of a room's token which other rooms there are.
    if session.only_room is not None:
        chat.check(session, request)
    room = chat.rooms.resolve(session, args.get("room"))
    kind = Kind.NOTICE if args.get("notice") else request.command.talk or Kind.MESSAGE
    if len(texts) > 1 and not chat.may_say_anything(session, room):
        raise _one_by_one()
    before = session.unstored
    for at in range(0, len(texts), limits.run_entries):
        run = texts[at : at + limits.run_entries]
        weight = len(run) + sum(map(len, run)) // limits.unstored_characters
        stored = partial(_stored, session, weight, limits.unstored_entries // 2, on_stored)
        chat.say(session, room, kind, run, args.get("key"), stored, args.get("about", 0))
        session.unstored += weight
    if before < limits.unstored_entries <= session.unstored:
        session.flow.pause_reading(PauseReason.UNSTORED)


def _count_talk(
    chat: Chat, session: Session, rates: tuple[Rate, ...], texts: Sequence[str]
) -> None:
    lines = sum(text.count("\n") + 1 for text in texts)
    if len(texts) > 1 and not _limiter(chat, session).allows(lines, chat.monotonic()):
        raise _one_by_one()
    count_request(chat, session, rates, lines)


def _one_by_one() -> Refusal:
    return Refusal(Code.TOO_FAST, "Send these messages one by one.")


def count_request(
    chat: Chat, session: Session, rates: tuple[Rate, ...] = UNPARSED, lines: int = 1
) -> None:
    """Count a request, with the lines of talk in it, against rate limits. If there are too many,
    the session's connection is not read for a while."""
    if Rate.COMMANDS not in rates and not chat.limits.messages_per_second:
        return
    if session.free_commands and Rate.COMMANDS in rates and Rate.CREATIONS not in rates:
        session.free_commands -= 1  # most sessions never give more, and need no memory for it
        return
    wait = _limiter(chat, session).take(rates, chat.monotonic(), lines)
    if wait:
        session.flow.slow_down(wait)
        if wait >= NOTICE_SECONDS:
            notice = Notice(f"Not so fast: what you send is read on in {wait:.0f} seconds.")
            session.peer.tell(EventBatch((notice,)))


def _limiter(chat: Chat, session: Session) -> RateLimiter:
    if session.rate_limiter is None:
        session.rate_limiter = RateLimiter(chat.limits)
    return session.rate_limiter


def check(chat: Chat, session: Session, request: Request) -> None:
    """Raise `Refusal` if a request would be refused, whatever passwords it came to have: nobody is
    asked for a password in vain."""
    chat.check(session, request)
    chat.accounts.check_registration(session, request.command.name)


def _stored(
    session: Session, weight: int, enough: int, on_stored: OnStored | None, result: int | Exception
) -> None:
    """Note that entries are stored, or failed to be, and pass the result on. The connection is read
    again once `enough` or fewer wait."""
    before = session.unstored
    session.unstored -= weight
    if session.unstored <= enough < before:
        session.flow.resume_reading(PauseReason.UNSTORED)
    if on_stored is not None:
        on_stored(result)
