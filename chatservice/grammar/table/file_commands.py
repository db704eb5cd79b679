"""The commands of shared files."""

from functools import partial

from chatservice import replies
from chatservice.grammar.commandtypes import Alias, Arg, ArgType, Format
from chatservice.grammar.table.rowparts import (
    AFTER,
    ANY_ROOM,
    KEY,
    everywhere,
    for_readers,
    for_speakers,
)

_FILES_OF = Arg("room", "the room whose file it is; `@` is you", formats=Format.JSON)
_FILE = Arg("name", "the file's name; ROOM/NAME and @/NAME name others", ArgType.FILE)
_FILE_VERSION = Arg("version", "the version; the newest if none is named", ArgType.VERSION, True)
_about_files = partial(for_readers, elsewhere="@")

FILE_COMMANDS = (
    _about_files(
        "files",
        "lists the files of a room; @ lists your own",
        (ANY_ROOM, Arg("brief", "only count them", ArgType.FLAG, True), AFTER),
        (Alias("access server files", {"brief": True}), Alias("list server files")),
        reply=replies.FileList,
    ),
    _about_files(
        "versions",
        "lists all versions of a file",
        (
            _FILES_OF,
            _FILE,
            Arg("before", "list versions before this one", ArgType.NUMBER, True, Format.JSON),
        ),
        reply=replies.VersionList,
    ),
    for_speakers(
        "put",
        "uploads a file, to the room or to one user: exactly SIZE bytes follow the line",
        (
            Arg("room", "the room; or give `to`", optional=True, formats=Format.JSON),
            Arg("name", "the file's name", ArgType.FILE),
            Arg("size", "its size in bytes", ArgType.NUMBER),
            Arg("sha256", "to check it; such an upload can be resumed", ArgType.SHA256, True),
            Arg("offset", "resume: the first byte that follows", ArgType.OFFSET, True, Format.TEXT),
            Arg("to", "send it only to this user", ArgType.USER, True),
            KEY,
        ),
        reply=replies.PutTicket,
    ),
    _about_files(
        "get",
        "downloads a file; in text, shows a short one, and how to fetch any other",
        (
            _FILES_OF,
            _FILE,
            _FILE_VERSION,
            Arg(
                "offset",
                "the first byte to send; 0 sends any file here",
                ArgType.NUMBER,
                True,
                Format.TEXT,
            ),
            Arg(
                "arriving", "also one that is still being uploaded", ArgType.FLAG, True, Format.JSON
            ),
        ),
        (Alias("download NAME"),),
        reply=replies.GetTicket,
    ),
    _about_files(
        "link",
        "shows how to fetch a file from another terminal",
        (_FILES_OF, _FILE, _FILE_VERSION),
        reply=replies.GetTicket,
    ),
    _about_files(
        "remove",
        "removes a file of yours",
        (
            _FILES_OF,
            _FILE,
            Arg("version", "remove only this version; else all of yours", ArgType.VERSION, True),
        ),
        changes=True,
    ),
    everywhere(
        "transfers",
        "lists your transfers, and the uploads that you can resume",
        reply=replies.TransferList,
    ),
    everywhere(
        "cancel",
        "ends the transfers of a file, and deletes what was uploaded",
        (Arg("name", "the file's name", ArgType.REST),),
    ),
)
