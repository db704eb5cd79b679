"""Delivery to an IRC client: what differs from reader to reader is left out, or made for it."""

from collections.abc import Callable
from typing import Any

from chatservice import events
from chatservice.domain.log import EventBatch
from chatservice.domain.model import Session
from chatservice.net.delivery import Subscription

_PERSONAL = (events.UserLeft, events.UserRenamed, events.PutOut, events.ReadMoved)


class IrcSubscription(Subscription):
    """A subscription of an IRC session. Of a user who quits, or has another name, its client is
    told once, however many rooms they share.

    Rooms gather their events, so when this is told in one of them, the same may still wait in
    others. There it is `_told` already. `render` makes the messages of an event for this reader
    alone.
    """

    __slots__ = ("_told", "render", "session")

    session: Session
    render: Callable[[events.Event], bytes]

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._told: list[events.Event] = []

    def forget(self) -> None:
        """Forget the session, which is over."""
        del self.session, self.render

    def tell(self, news: EventBatch) -> None:
        """Show events, unless the transport is full."""
        if self.full or self._ended:
            return
        if news.encoded(_is_personal):
            data = b"".join(self._encode(event) for event in news.events)
        else:
            data = news.encoded(self.format.event)
        if data:
            self._outlet.write(data)

    def _encode(self, event: events.Event) -> bytes:
        match event:
            case events.UserLeft(reason=events.LeaveReason.QUIT) | events.UserRenamed():
                for at, told in enumerate(self._told):
                    if told is event:
                        del self._told[at]
                        return b""
                self._note_told(event)
            case events.PutOut() | events.ReadMoved():
                return self.render(event)
        return self.format.event(event)

    def _note_told(self, event: events.UserLeft | events.UserRenamed) -> None:
        """Note the events of other rooms that tell the same. Those of rooms that the session leaves
        meanwhile never come, so only the last ones are kept."""
        for room in self.session.rooms if len(self.session.rooms) > 1 else ():
            other = room.log.departure(event.who)
            if other is not None and type(other) is type(event):
                self._told.append(other)
        del self._told[:-_TOLD]


_TOLD = 256
"""Events that are kept in mind, of one moment."""


def _is_personal(event: events.Event) -> bytes:
    """Return a byte if an event is not told to all its readers in the same way."""
    if isinstance(event, events.UserLeft):
        return b"1" if event.reason == events.LeaveReason.QUIT else b""
    return b"1" if isinstance(event, _PERSONAL) else b""
