"""Commands about files and transfers."""

from collections.abc import Mapping

from chatservice import names, replies
from chatservice.domain.chat import Arguments, Chat, Handler
from chatservice.domain.model import Session
from chatservice.domain.paging import page
from chatservice.domain.ports.file_ports import FileReader
from chatservice.domain.tickets import UploadTicket
from chatservice.entries import FileMark
from chatservice.grammar.textformat import counted


async def _files(chat: Chat, session: Session, args: Arguments) -> replies.FileList:
    folder, name = _folder(chat, session, args.get("room"))
    brief, after = args.get("brief", False), args.get("after", "")
    found = await chat.files.store.files(folder, after, 0 if brief else chat.limits.listed_files)
    files = page(found.files, _bytes, chat.limits.listed_files, chat.limits.answer_bytes)
    more = 0 if brief else found.following - len(files)
    return replies.FileList(name, found.total, found.bytes, files, brief, more)


async def _versions(chat: Chat, session: Session, args: Arguments) -> replies.VersionList:
    folder, name = _folder(chat, session, args.get("room"))
    found = await chat.files.store.versions(folder, names.file(args["name"]))
    before = args.get("before")
    older = [it for it in reversed(found) if before is None or it.version < before]
    newest = page(older, _bytes, chat.limits.versions_listed, chat.limits.answer_bytes)
    return replies.VersionList(name, newest[::-1], len(older) - len(newest))


def _folder(chat: Chat, session: Session, room: str | None) -> tuple[str, str]:
    """Return a folder and its name for the user: a room's, or `@`."""
    folder = chat.files.folder(session, room)
    return folder, "@" if room == "@" else chat.rooms.resolve(session, room).name


def _bytes(it: replies.FileInfo) -> int:
    return len(it.name.encode()) + 4 * len(it.who) + 200


async def _link(chat: Chat, session: Session, args: Arguments) -> replies.GetTicket:
    room, name = args.get("room"), args["name"]
    outgoing = chat.files.open_arriving(session, room, name) if args.get("arriving") else None
    if outgoing is None:
        outgoing = await chat.files.open(session, room, name, args.get("version"))
    outgoing.close()
    mark = outgoing.mark
    ticket = chat.files.download_ticket(session, outgoing)
    return replies.GetTicket(
        chat.files.issue(ticket), mark.name, mark.size, mark.sha256, mark.version
    )


async def _get(chat: Chat, session: Session, args: Arguments) -> replies.GetTicket | FileReader:
    """Return a ticket for a file; or the file itself, where the session's connection carries it."""
    if not session.traits.carries_files:
        return await _link(chat, session, args)
    return await chat.files.open(session, args.get("room"), args["name"], args.get("version"))


async def _put(
    chat: Chat, session: Session, args: Arguments
) -> replies.PutTicket | UploadTicket | FileMark:
    """Return a ticket for an upload, unless the content is here already; or the right to send it
    at once, where the session's connection carries it."""
    place = args.get("room"), args.get("to"), args["name"]
    upload = await chat.files.upload_ticket(
        session,
        *place,
        args["size"],
        args.get("sha256"),
        args.get("key"),
        condition=args.get("condition"),
    )
    if session.traits.carries_files:
        nothing_comes = upload.size and args.get("offset") == upload.size
        here = await chat.files.share_existing(session, upload) if nothing_comes else None
        return upload if here is None else here
    if await chat.files.was_shared(upload) or await chat.files.share_existing(session, upload):
        return replies.PutTicket(None, upload.size, True)
    return replies.PutTicket(chat.files.issue(upload), await chat.files.bytes_present(upload))


async def _remove(chat: Chat, session: Session, args: Arguments) -> replies.Done:
    name, version = args["name"], args.get("version")
    await chat.files.remove(session, args.get("room"), name, version)
    which = name if version is None else f"{name} #{version}"
    return replies.Done(f"{which} is removed.")


async def _transfers(chat: Chat, session: Session, args: Arguments) -> replies.TransferList:
    return replies.TransferList(tuple(await chat.files.list_transfers(session)))


async def _cancel(chat: Chat, session: Session, args: Arguments) -> replies.Done:
    count = await chat.files.cancel(session, args["name"])
    return replies.Done(f"{counted(count, 'transfer')} of {args['name']} cancelled.")


FILE_HANDLERS: Mapping[str, Handler] = {
    "files": _files,
    "versions": _versions,
    "link": _link,
    "get": _get,
    "put": _put,
    "remove": _remove,
    "transfers": _transfers,
    "cancel": _cancel,
}
