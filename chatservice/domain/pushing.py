"""Push messages: users are told of private talk and mentions while they are not here.

A user's browser subscribes with an address at its push service. The server sends there what the
browser shows, encrypted for that browser.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from chatservice import names, replies
from chatservice.domain.figures import Pushes
from chatservice.domain.model import KeptRooms, Room, Session, User
from chatservice.domain.ports.loop_ports import EventLoop
from chatservice.domain.ports.push_ports import PushChanged, PushService, PushSubscription
from chatservice.domain.rooms import Rooms, Services
from chatservice.domain.users import Users
from chatservice.entries import TALK, Kind, Run
from chatservice.errors import Code, Refusal

_PRIVATE = frozenset({Kind.PRIVATE, Kind.ACTION, Kind.NOTICE, Kind.FILE})
"""The kinds of entries of an inbox that come from others."""

TEXT_CHARACTERS = 200
"""Characters of a text that are sent: more than a notification shows."""

RENEWED_MS = 86_400_000
"""A subscription that is asked for again is stored again only after a day."""

_BETWEEN = re.compile(r"[^\w.-]+")
"""Stands between words that may be names. Names with other characters are `_Subscribers.odd`."""


def _words(text: str) -> set[str]:
    """Return the words of a text in lower case, without the marks at their ends."""
    return {it.strip(".-") for it in set(_BETWEEN.split(text.casefold()))}


@dataclass(slots=True)
class _Subscriber:
    """An account with subscriptions. `kept` has the rooms that it keeps, once somebody asked."""

    key: str
    subscriptions: Sequence[PushSubscription]
    name: str = ""
    inbox: int = 0
    kept: KeptRooms | None = None


@dataclass(slots=True)
class _Subscribers:
    """The accounts with subscriptions: by their keys, and by the numbers of their inboxes. `odd`
    are those whose names are no words of `_words`."""

    by_key: dict[str, _Subscriber] = field(default_factory=dict)
    by_inbox: dict[int, _Subscriber] = field(default_factory=dict)
    odd: dict[str, _Subscriber] = field(default_factory=dict)

    def drop(self, key: str) -> None:
        """Forget an account."""
        it = self.by_key.pop(key, None)
        self.odd.pop(key, None)
        if it is not None:
            self.by_inbox.pop(it.inbox, None)


@dataclass(frozen=True, slots=True)
class _News:
    """An entry that a subscriber may be told of: its position and text, and the key and the name of
    who said it. Private news has no `room`."""

    room: Room | None
    position: int
    who: str
    text: str

    @property
    def place(self) -> str:
        """The place in which the page shows it: a room, or private talk with a user."""
        return self.room.name if self.room is not None else f"@{self.who}"

    def payload(self) -> bytes:
        """Return the payload for a browser: JSON."""
        text = names.one_line(self.text[: TEXT_CHARACTERS + 1])
        if len(text) > TEXT_CHARACTERS:
            text = f"{text[: TEXT_CHARACTERS - 1]}\u2026"
        told = {"from": self.who, "room": self.place, "seq": self.position, "text": text}
        return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


class Pushing:
    """Subscriptions, and the news that is sent to them.

    `service` sends it; None where the operator has turned that off. A user is told of one place at
    most every `Limits.push_pause_seconds`, then of the newest entry there.
    """

    def __init__(
        self, services: Services, rooms: Rooms, users: Users, loop: EventLoop, figures: Pushes
    ) -> None:
        self.service: PushService | None = None
        self.figures = figures
        self._store, self._accounts = services.engine.pushes, services.engine.accounts
        self._rights, self._members, self._limits = (
            *(services.rights, services.members),
            services.limits,
        )
        self._now, self._loop = services.now, loop
        self._rooms, self._users = rooms, users
        self._there = _Subscribers()
        self._paused: dict[tuple[str, str], _News | None] = {}

    # -- requests --------------------------------------------------------------------------------

    def _required(self) -> PushService:
        """Return the service. Raises `Refusal` (not-allowed) if there is none."""
        if self.service is None:
            raise Refusal(Code.NOT_ALLOWED, "The operator of this server has turned push off.")
        return self.service

    def key(self) -> replies.PushKey:
        """Return the public key that a browser subscribes with."""
        return replies.PushKey(self._required().public_key)

    async def subscribe(
        self, session: Session, endpoint: str, p256dh: str, auth: str
    ) -> replies.Done:
        """Tell a browser from now on, with the rights with which the session came in. Raises
        `Refusal` (bad-argument, wrong-password, not-allowed)."""
        service, user = self._required(), session.require_user()
        service.check(endpoint, p256dh, auth)
        account = await self._accounts.account(user.key)
        token = self._rights.tokens.get(session, "")
        mine = PushSubscription(
            *(endpoint, user.key, p256dh, auth, service.public_key, token), self._now()
        )
        if account is not None and not self._is_stored(mine):
            most = self._limits.push_subscriptions
            await self._store.subscribe(mine, account.password, most)
        return replies.Done("This browser is told from now on.")

    def _is_stored(self, wanted: PushSubscription) -> bool:
        """Return whether that very subscription is stored, not long ago."""
        for it in self._of(wanted.account):
            if it._replace(time=wanted.time) == wanted and wanted.time - it.time < RENEWED_MS:
                return True
        return False

    async def unsubscribe(self, session: Session, endpoint: str) -> replies.Done:
        """Tell a browser no more."""
        await self._store.unsubscribe(session.require_user().key, endpoint)
        return replies.Done("This browser is told no more.")

    def ended(self, subscription: PushSubscription) -> None:
        """Drop a subscription that its push service does not know any more."""

        async def drop() -> None:
            if self._is_valid(subscription):
                await self._store.unsubscribe(subscription.account, subscription.endpoint)

        self._loop.run(drop())

    # -- subscriptions ---------------------------------------------------------------------------

    def _of(self, account: str) -> Sequence[PushSubscription]:
        there = self._there.by_key.get(account)
        return there.subscriptions if there is not None else ()

    def _is_valid(self, subscription: PushSubscription) -> bool:
        """Return whether a subscription is still there, as the browser's keys tell."""
        own = self._of(subscription.account)
        return any(it[:4] == subscription[:4] for it in own)

    def changed(self, change: PushChanged) -> None:
        """Take the subscriptions that an account has now."""
        there = self._there.by_key.get(change.account)
        if not change.subscriptions:
            self._there.drop(change.account)
        elif there is not None:
            there.subscriptions = change.subscriptions
        else:
            made = _Subscriber(change.account, change.subscriptions)
            self._there.by_key[change.account] = made
            self._loop.run(self._complete(made))

    async def _complete(self, subscriber: _Subscriber) -> None:
        account = await self._accounts.account(subscriber.key)
        if account is None or self._there.by_key.get(subscriber.key) is not subscriber:
            return
        subscriber.name, subscriber.inbox = account.name, account.inbox
        self._there.by_inbox[account.inbox] = subscriber
        if subscriber.key not in _words(account.name):
            self._there.odd[subscriber.key] = subscriber

    # -- news ------------------------------------------------------------------------------------

    def appended(self, runs: Mapping[int, Sequence[tuple[int, Run]]]) -> None:
        """Look through entries that were stored, by the numbers of the logs."""
        if self.service is None or not self._there.by_key:
            return
        for number, new in runs.items():
            subscriber = self._there.by_inbox.get(number)
            room = self._rooms.by_number.get(number)
            for first, run in new:
                if subscriber is not None and run.kind in _PRIVATE:
                    at = len(run.texts) - 1
                    text = run.file.name if run.file is not None else run.texts[at]
                    self._consider(subscriber, _News(None, first + at, run.who, text))
                elif room is not None and run.kind in TALK:
                    self._find_mentions(room, first, run)

    def _find_mentions(self, room: Room, first: int, run: Run) -> None:
        """Find who is mentioned in a run of a room's."""
        words = _words("\n".join(run.texts))
        found = [self._there.by_key[key] for key in words & self._there.by_key.keys()]
        for it in (*found, *self._there.odd.values()):
            self._tell_of(it, room, first, run, it.name)
        by_moderator = run.registered and self._rights.moderates(names.key(run.who), room)
        for it in (
            tuple(self._there.by_key.values()) if _EVERYBODY in words and by_moderator else ()
        ):
            self._tell_of(it, room, first, run, names.EVERYBODY)

    def _tell_of(
        self, subscriber: _Subscriber, room: Room, first: int, run: Run, word: str
    ) -> None:
        """Tell a subscriber of the last entry of a run that has a word, if one has."""
        for at in reversed(range(len(run.texts))):
            if names.is_mentioned(word, run.texts[at]):
                self._consider(subscriber, _News(room, first + at, run.who, run.texts[at]))
                return

    def _consider(self, subscriber: _Subscriber, news: _News) -> None:
        """Tell a subscriber of news, unless it is their own, or they are here; maybe later."""
        if names.key(news.who) == subscriber.key or self._is_here(subscriber, news):
            return
        paused = subscriber.key, news.place
        if paused in self._paused:
            self._paused[paused] = news
        elif len(self._paused) < self._limits.push_pauses:
            self._paused[paused] = None
            self._loop.call_later(self._limits.push_pause_seconds, lambda: self._go_on(paused))
            self._loop.run(self._tell(subscriber, news))
        else:
            self.figures.dropped += 1

    def _go_on(self, paused: tuple[str, str]) -> None:
        """Tell of the newest entry that came during a pause."""
        news, subscriber = self._paused.pop(paused), self._there.by_key.get(paused[0])
        if news is not None and subscriber is not None:
            self._consider(subscriber, news)

    def _is_here(self, subscriber: _Subscriber, news: _News) -> bool:
        """Return whether a subscriber did something just now, so that they see news by themselves;
        or ignores who it is from."""
        user = self._users.by_key.get(subscriber.key)
        since = self._now() - round(self._limits.push_idle_seconds * 1000)
        key = names.key(news.who)
        sessions = [it for it in user.sessions if it.traits.visible] if user is not None else []
        return any(it.active > since or key in it.ignored for it in sessions)

    async def _tell(self, subscriber: _Subscriber, news: _News) -> None:
        if not await self._may_know(subscriber, news.room):
            return
        payload, service = news.payload(), self.service
        for it in subscriber.subscriptions if service is not None else ():
            if service is not None and it.server == service.public_key:  # else another node sends
                service.send(it, payload, self._wanted(it, subscriber, news))

    def _wanted(
        self, subscription: PushSubscription, subscriber: _Subscriber, news: _News
    ) -> Callable[[], bool]:
        """Return a function that tells whether news may still be sent: it may have waited long."""

        def wanted() -> bool:
            return self._is_valid(subscription) and self._may_enter(subscriber, news.room)

        return wanted

    async def _may_know(self, subscriber: _Subscriber, room: Room | None) -> bool:
        """Return whether an account may be told of what is said in a room that it keeps, or of
        private talk."""
        if room is not None and subscriber.kept is None:
            # From now on the engine's changes keep it up to date.
            subscriber.kept = await self._members.load(subscriber.key)
        return self._may_enter(subscriber, room)

    def _may_enter(self, subscriber: _Subscriber, room: Room | None) -> bool:
        """Return whether an account may come in, and also into a room that it keeps."""
        user = self._users.by_key.get(subscriber.key)
        user = user or User(subscriber.name, None, 0)
        try:
            self._rights.check_admitted(subscriber.key, "", self._rooms.lobby)
            if room is not None:
                self._rights.check_user_may_enter(user, room)
        except Refusal:
            return False
        kept = subscriber.kept.rooms if subscriber.kept is not None else {}
        return room is None or (room.number in kept and not room.log.removed)


_EVERYBODY = names.EVERYBODY.lstrip("@")
"""The word of `names.EVERYBODY`, as `_words` finds it."""
