"""Conditions of uploads: the file of that name is still the one that its user knows, or there is
none."""

from chatservice.domain.ports.file_ports import FileStore, UploadWriter
from chatservice.domain.tickets import UploadTicket
from chatservice.entries import FileMark
from chatservice.errors import Code, Refusal


class FileConditions:
    """Checks the `UploadTicket.condition` of uploads to a `store`.

    Of two uploads with a condition for one name, the second is refused while the first is being
    stored. So of two that want no file to be there, one is stored.
    """

    def __init__(self, store: FileStore) -> None:
        self._store = store
        self._being_stored: set[tuple[str, str]] = set()

    async def check(self, upload: UploadTicket) -> None:
        """Raise `Refusal` (file-changed) if the condition of an upload does not hold."""
        if upload.condition is None:
            return
        newest = None
        try:
            reader = await self._store.open(upload.folder, upload.name)
        except Refusal as refusal:
            if refusal.code is not Code.NO_SUCH_FILE:
                raise
        else:
            newest = reader.mark.sha256
            reader.close()
        if not upload.condition.holds(newest):
            raise file_changed(upload.name, newest is not None)

    async def finish(self, upload: UploadTicket, writer: UploadWriter) -> FileMark:
        """Store an upload whose bytes have come, if its condition still holds. Raises `Refusal`."""
        if upload.condition is None:
            return await writer.finish()
        place = upload.folder, upload.name
        if place in self._being_stored:
            writer.refuse()
            raise file_changed(upload.name, True)
        self._being_stored.add(place)
        try:
            try:
                await self.check(upload)
            except Refusal:
                writer.refuse()
                raise
            return await writer.finish()
        finally:
            self._being_stored.discard(place)


def file_changed(name: str, is_here: bool) -> Refusal:
    """Return the refusal of a request whose condition does not hold."""
    sentence = "{name} is here by now, and not the file that you name; look at it first."
    if not is_here:
        sentence = "{name} is not here; leave out the condition to send a new file."
    return Refusal(Code.FILE_CHANGED, sentence, name=name)
