"""The copies that senders keep of what they send to one user: both sides are in each inbox."""

from chatservice.domain.log import Cursor, Log
from chatservice.domain.model import User
from chatservice.domain.ports.account_ports import Account
from chatservice.domain.ports.log_ports import Draft
from chatservice.domain.publisher import Publisher
from chatservice.entries import COPY_KINDS, Kind


class SentCopy:
    """A sender's copy of a draft for the inbox of `recipient`: `draft` goes into their own `inbox`.

    `author` is the cursor of the session that sent it, if that does not show its own entries; the
    copy counts as read there. `position` is that of the copy, or 0 while it is not known.
    """

    def __init__(
        self,
        original: Draft,
        recipient: User | Account,
        inbox: Log,
        author: Cursor | None,
        publisher: Publisher,
    ) -> None:
        self.position = 0
        self._author, self._publisher = author, publisher
        run = original.run._replace(kind=COPY_KINDS[Kind(original.run.kind)], to=recipient.name)
        key = f"{original.key} {recipient.id}" if original.key is not None else None
        self.draft = Draft(inbox, run, key=key, on_stored=self._stored, writer=original.writer)

    def _stored(self, result: int | Exception) -> None:
        if isinstance(result, Exception):
            return
        self.position = result
        cursor = self._author
        if cursor is None or result <= cursor.position:
            return
        if cursor.position < result - 1:  # something unread comes before it
            cursor.add_own_run(result)
            return
        cursor.advance(result)
        if cursor.log.saves_read_position:
            self._publisher.save_read_position(cursor.log, cursor.position)
