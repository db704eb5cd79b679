"""Backups: a folder with all that a server needs, made while it runs.

    DIR/chat.sqlite        the database, as it was at one moment
    DIR/SharedFiles/...    the shared files
    DIR/tls.pem            the key and the certificate of `--tls auto`
    DIR/push.pem           the key for push messages
    DIR/certificate/...    those of `--tls PATH`
    DIR/backup.json        the version of the server, and the time
    DIR/SHA256SUMS         checksums, as sha256sum(1) writes and checks them

It is made under another name, and gets its own when all of it is on the disk and has been read
again. So a folder of that name is a whole backup. All functions here wait for the disk, and run in
a thread of their own; between two pieces of work they ask whether the backup is still wanted.
"""

import errno
import hashlib
import json
import os
import shutil
import sqlite3
import stat
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple, Protocol

from chatservice import __version__, names
from chatservice.domain.ports.engine_ports import BackupSummary
from chatservice.engines.sqlite import integrity, permissions, plainfiles, pushkey
from chatservice.engines.sqlite.folderlock import FolderLock
from chatservice.engines.sqlite.longjobs import finished
from chatservice.engines.sqlite.schema import VERSION
from chatservice.errors import Code, Refusal

DATABASE, FILES, KEY, KEYS = "chat.sqlite", "SharedFiles", "tls.pem", "certificate"
ABOUT, SUMS, UNFINISHED = "backup.json", "SHA256SUMS", ".unfinished"

PAGES = 256
"""Of the database that are copied at a time: 1 MiB, a few milliseconds."""

LEFT_OUT = 20
"""So many files that cannot be read are named."""

_MAY_BE_THERE = frozenset({UNFINISHED, "lock", ".lock", "lost+found"})
"""Names that an empty folder may have in it."""

_LAST = frozenset({DATABASE, SUMS})

Tell = Callable[[str], None]
"""Called with how far it is: a phrase for a person."""

Wanted = Callable[[], None]
"""Called now and then. Raises `Refusal` once the work is not wanted any more."""


class NodeFile(NamedTuple):
    """A version of a file of a cluster: its folder, its name, its number, and the rest of its row
    in the table `file`."""

    folder: str
    name: str
    version: int
    sha256: str
    who: str
    time: int
    owner: str


class NodeFiles(Protocol):
    """The files of all nodes of a cluster, for a backup at one of them."""

    def detach(self, db: sqlite3.Connection) -> Sequence[NodeFile]:
        """Let a copy of the node's database be that of a server that runs alone. Return the files
        that it is to have, the versions of each from the oldest on."""

    def open(self, file: NodeFile) -> IO[bytes]:
        """Open a file, which may have to be fetched first. Raises `Refusal` and `OSError`."""


class BackupSource(NamedTuple):
    """The files of a backup: the `database`, the root of the `files` with the path of each folder,
    the server's own `key`, if there is one, and further `keys`: PEM files, or folders of them.
    `is_changing(folder, name)` says whether a file has its name, but may not have its row yet. At a
    node of a cluster, the files are those of all `nodes`."""

    database: Path
    files: Path
    path_of: Callable[[str], Path]
    is_changing: Callable[[str, str], bool]
    key: Path
    keys: tuple[Path, ...] = ()
    nodes: NodeFiles | None = None


def make(source: BackupSource, to: Path, tell: Tell, wanted: Wanted) -> BackupSummary:
    """Make a backup at `to`, which must not be there, or be an empty folder. Raises `Refusal`, and
    then nothing is left of it."""
    place = Path(os.path.realpath(to))  # a loop of links is no error here
    if Path(os.path.realpath(source.files)) in (place, *place.parents):
        raise Refusal(
            Code.BAD_ARGUMENT,
            "{to} is among the files that are shared; name another directory.",
            to=to,
        )
    with Becoming(to) as part:
        making = _Making(source, part, tell, wanted)
        made = making.all()
        tell("reading it again")
        verify(part, tell, wanted)
    return made


class Becoming:
    """A folder, in a `with` statement, that moves to `to` when its content is complete. After an
    error nothing is left of it, and the error is raised as a `Refusal`."""

    def __init__(self, to: Path) -> None:
        self._to = to
        self._inside = to.is_dir()  # one that is there may be all that may be written to
        self._part = to / UNFINISHED if self._inside else to.with_name(to.name + UNFINISHED)

    def __enter__(self) -> Path:
        try:
            self._check_free()
            self._part.mkdir(permissions.FOLDER)
            with suppress(PermissionError):  # a file system without modes
                self._part.chmod(permissions.FOLDER)  # an umask can take rights from the owner, too
        except FileExistsError:
            raise Refusal(
                Code.BAD_ARGUMENT,
                "{part} is there, of one that is being made, or did not end; see that "
                "nothing is at it, and remove it.",
                part=self._part,
            ) from None
        except OSError as error:
            raise self._refusal(error) from None
        return self._part

    def _check_free(self) -> None:
        there = os.path.lexists(self._to)
        if there and not (self._inside and _MAY_BE_THERE.issuperset(os.listdir(self._to))):
            raise Refusal(
                Code.BAD_ARGUMENT,
                "{to} is there already, and is not overwritten; name a directory that is "
                "not there, or is empty.",
                to=self._to,
            )

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            try:
                self._finish()
                return
            except OSError as failed:
                error = failed
        shutil.rmtree(self._part, ignore_errors=True)
        if isinstance(error, OSError | sqlite3.Error):
            raise self._refusal(error) from error

    def _finish(self) -> None:
        """Move it to its place. The file that marks a complete folder is moved last."""
        if not self._inside:
            os.rename(self._part, self._to)
            integrity.sync(self._to.parent)
            return
        self._to.chmod(0o700)
        for name in sorted(os.listdir(self._part), key=lambda name: (name in _LAST, name)):
            os.rename(self._part / name, self._to / name)
        self._part.rmdir()
        integrity.sync(self._to)

    def _refusal(self, error: Exception) -> Refusal:
        why = getattr(error, "strerror", None) or str(error)
        full = getattr(error, "errno", None) == errno.ENOSPC or "disk is full" in str(error)
        if full:
            return Refusal(
                Code.DISK_FULL,
                "There is no room for {to} ({why}); nothing of it is kept.",
                to=self._to,
                why=why,
            )
        return Refusal(
            Code.NOT_STORED,
            "{to} cannot be written ({why}); name a directory in one that may be written by {who}.",
            to=self._to,
            why=why,
            who=_who(),
        )


def _who() -> str:
    """Return who runs this process, as an operator knows them."""
    with suppress(ImportError, KeyError):
        import pwd

        return pwd.getpwuid(os.geteuid()).pw_name
    return f"the user {os.geteuid()}"


class _Making:
    """One backup in the making, in the folder `part`."""

    def __init__(self, source: BackupSource, part: Path, tell: Tell, wanted: Wanted) -> None:
        self._source = source
        self._part = part
        self._tell = tell
        self._wanted = wanted
        self._made = BackupSummary()
        self._linked: dict[tuple[int, int], Path] = {}

    def all(self) -> BackupSummary:
        """Put everything into it: first the database, then the files that it knows."""
        self._copy_database(self._part / DATABASE)
        about = {
            "version": __version__,
            "database": VERSION,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        permissions.write(self._part / ABOUT, f"{json.dumps(about)}\n".encode())
        sums = os.open(self._part / SUMS, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(sums, "w", encoding="utf-8") as lines:
            for path, sha256 in self._files():
                lines.write(f"{sha256}  {path}\n")
            for path in (DATABASE, ABOUT):
                lines.write(f"{sha256_of(self._part / path, self._wanted)}  {path}\n")
            lines.flush()
            os.fsync(lines.fileno())
        for folder, _, _ in os.walk(self._part):
            integrity.sync(Path(folder))
        return self._made

    def _copy_database(self, to: Path) -> None:
        def progress(percent: int) -> None:
            self._wanted()
            self._tell(f"the database, {percent}%")

        copy_database(self._source.database, to, progress)
        self._made.bytes += to.stat().st_size

    def _files(self) -> Iterator[tuple[str, str]]:
        """Copy keys and files. Yield the path in the backup, and the SHA-256, of each."""
        for path, name in self._keys():
            with suppress(FileNotFoundError):
                copied = self._copied(path, self._part / name)
                is_of_tls = copied is not None and name != pushkey.NAME
                self._made.key = self._made.key or is_of_tls
                if copied is not None:
                    yield name, copied
        if self._source.nodes is not None:
            yield from self._of_all_nodes(self._source.nodes)
            return
        yield from self._dropped_in()  # first: their names are not free for older versions
        with closing(sqlite3.connect(self._part / DATABASE, isolation_level=None)) as db:
            gone = []
            sql = (
                "SELECT shelf, name, version, size, mtime FROM file"
                " WHERE shelf NOT GLOB '.guests/*' ORDER BY shelf, name, version DESC"
            )
            for folder, name, version, size, mtime in db.execute(sql):
                found = yield from self._known(folder, name, version, size, mtime)
                if not found:
                    gone.append((folder, name, version))
            # Files that were removed since the moment of the copy are removed in it, too.
            db.execute("BEGIN")
            db.executemany("DELETE FROM file WHERE shelf = ? AND name = ? AND version = ?", gone)
            db.execute("COMMIT")
        integrity.sync(self._part / DATABASE)

    def _of_all_nodes(self, nodes: NodeFiles) -> Iterator[tuple[str, str]]:
        """Copy the files of all nodes to where a server has them that runs alone."""
        with closing(sqlite3.connect(self._part / DATABASE, isolation_level=None)) as db:
            found = nodes.detach(db)
            newest = {(it.folder, it.name): it.version for it in found}
            for it in found:
                beside = " (room)" if it.folder and ("", it.folder) in newest else ""
                path = self._part / FILES / f"{it.folder}{beside}"
                if it.version < newest[it.folder, it.name]:
                    path = plainfiles.version_path(path, it.name, it.version)
                else:
                    path /= it.name
                if self._is_fetched(nodes, it, path):
                    size, mtime = path.stat().st_size, path.stat().st_mtime_ns
                    row = (*it[:3], size, mtime, *it[3:])
                    db.execute(f"INSERT INTO file VALUES ({', '.join('?' * len(row))})", row)
                    self._made.files += 1
                    self._made.bytes += size
                    self._tell(f"{self._made.files} files")
                    yield path.relative_to(self._part).as_posix(), it.sha256
        integrity.sync(self._part / DATABASE)

    def _is_fetched(self, nodes: NodeFiles, it: NodeFile, path: Path) -> bool:
        """Copy a file of the nodes. Return whether its bytes are there, and the right ones."""
        try:
            with nodes.open(it) as file:
                permissions.make_folders(path.parent, permissions.FOLDER)
                if copy(file, path, self._wanted) == it.sha256:
                    return True
            path.unlink()
        except Refusal as refusal:
            if refusal.code is Code.CANCELLED:
                raise
        self._leave_out(path)
        return False

    def _keys(self) -> Iterator[tuple[Path, str]]:
        yield self._source.key, KEY
        yield self._source.database.with_name(pushkey.NAME), pushkey.NAME
        for path in self._source.keys:
            try:
                pems = sorted(path.glob("*.pem")) if path.is_dir() else [path]
            except OSError:
                self._leave_out(path)
                continue
            for pem in pems:
                if names.is_file(pem.name):
                    yield pem, f"{KEYS}/{pem.name}"

    def _known(
        self, folder: str, name: str, version: int, size: int, mtime: int
    ) -> Generator[tuple[str, str], None, bool]:
        """Copy one version of a file that the database knows. Return whether it is there. The
        newest one has the plain name there, even if a newer one has taken that meanwhile."""
        place = self._source.path_of(folder)
        plain, kept = place / name, plainfiles.version_path(place, name, version)
        to = kept if os.path.lexists(self._part / self._inside(plain)) else plain
        for _ in range(2):  # a newer version may take its name from it between two looks
            for path in (plain, kept):
                try:
                    there = plainfiles.status(path) == (size, mtime)
                except OSError:  # its folder cannot be read, so it may be there
                    self._leave_out(path)
                    return True
                if there:
                    with suppress(FileNotFoundError):
                        yield from self._shared(path, to, size, mtime)
                        return True
        return False

    def _inside(self, path: Path) -> str:
        """Return the path of a shared file in the backup."""
        return f"{FILES}/{path.relative_to(self._source.files).as_posix()}"

    def _shared(self, path: Path, to: Path, *found: int) -> Iterator[tuple[str, str]]:
        """Copy a shared file, found with that size and mtime, as if it were at `to`. Raises
        `FileNotFoundError` if there is another one by now, or none."""
        name = self._inside(to)
        copied = self._copied(path, self._part / name, found)
        if copied is not None:
            self._made.files += 1
            self._tell(f"{self._made.files} files")
            yield name, copied

    def _dropped_in(self) -> Iterator[tuple[str, str]]:
        """Copy files without a SHA-256 yet, except for those that came after the database was
        copied."""
        with closing(integrity.open_reader(self._source.database)) as db:
            for folder, place in folders(self._source.files, self._leave_out):
                try:
                    there = list(plainfiles.scan(place))
                except OSError:
                    self._leave_out(place)
                    continue
                for name, size, mtime in there:
                    self._wanted()
                    if self._source.is_changing(folder, name):  # asked first: then it has its row
                        continue
                    sql = "SELECT 1 FROM file WHERE (shelf, name, size, mtime) = (?, ?, ?, ?)"
                    known = db.execute(sql, (folder, name, size, mtime)).fetchone()
                    if known is None:
                        with suppress(FileNotFoundError):
                            yield from self._shared(place / name, place / name, size, mtime)

    def _leave_out(self, path: Path) -> None:
        """Note that a file cannot be read."""
        self._made.unread += 1
        if len(self._made.left_out) < LEFT_OUT:
            self._made.left_out.append(names.one_line(str(path)))

    def _copied(self, path: Path, to: Path, found: tuple[int, ...] = ()) -> str | None:
        """Copy a file. Return its SHA-256, or None if it cannot be read. A file with several names
        here has several there. With `found`, it is no link, and has that size and mtime."""
        try:
            source = os.open(
                path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (os.O_NOFOLLOW if found else 0)
            )
        except FileNotFoundError:
            raise
        except OSError:
            self._leave_out(path)
            return None
        with os.fdopen(source, "rb", buffering=0) as file:
            status = os.fstat(source)
            if not stat.S_ISREG(status.st_mode):
                self._leave_out(path)
                return None
            if found not in ((), (status.st_size, status.st_mtime_ns)):
                raise FileNotFoundError(errno.ENOENT, "it was replaced", str(path))
            permissions.make_folders(to.parent, permissions.FOLDER)
            one = status.st_dev, status.st_ino
            there = self._linked.get(one) if status.st_nlink > 1 else None
            if there is not None:
                with suppress(OSError):  # the place of the backup knows no links
                    os.link(there, to)
                    return sha256_of(to, self._wanted)
            sha256 = copy(file, to, self._wanted)
            self._made.bytes += status.st_size
            if status.st_nlink > 1:
                self._linked[one] = to
        return sha256


def folders(
    root: Path, unreadable: Callable[[Path], object] = lambda path: None
) -> Iterator[tuple[str, Path]]:
    """Iterate over rooms and registered users, with their folders below `root`. A folder whose name
    no room or user can have is skipped, and so is one that is `unreadable`."""
    yield "", root
    for above, before in ((root, ""), (root / ".inboxes", ".inboxes/")):
        try:
            found = sorted(above.iterdir()) if not above.is_symlink() else []
        except FileNotFoundError:
            continue
        except OSError:
            unreadable(above)
            continue
        for folder in found:
            shown = names.one_line(folder.name) == folder.name
            if shown and not folder.name.startswith(".") and folder.is_dir():
                yield before + folder.name.removesuffix(" (room)"), folder


def copy_database(database: Path, to: Path, progress: Callable[[int], None]) -> None:
    """Copy a database, as it is at this moment, to a new file. It is read in one transaction, in
    pieces: so later commits neither change the copy nor restart it. `progress` is called with
    percents; an error that it raises ends the copy."""
    permissions.write(to, b"")
    with (
        closing(integrity.open_reader(database)) as db,
        closing(sqlite3.connect(to, isolation_level=None)) as new,
    ):
        new.execute("PRAGMA synchronous = OFF")  # it is brought to the disk at its end
        db.execute("BEGIN")
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        began = time.monotonic()

        def go_on(status: int, left: int, pages: int) -> None:
            nonlocal began
            progress(100 * (pages - left) // max(pages, 1))
            time.sleep(min(time.monotonic() - began, 0.05))  # others read and write, too
            began = time.monotonic()

        db.backup(new, pages=PAGES, progress=go_on)
        new.execute("PRAGMA journal_mode = DELETE")  # one file, without others beside it
    integrity.sync(to)


def copy(source: IO[bytes], to: Path, wanted: Wanted) -> str:
    """Copy an open file to a new one, with its time, onto the disk. Return the SHA-256. Blocks are
    shared where the file system can do that until one of the two is changed."""
    status = os.fstat(source.fileno())
    target = os.open(to, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(target, "r+b", buffering=0) as new:
        if plainfiles.cloned(source.fileno(), target):
            digest = finished(plainfiles.hash_of(new), wanted)
        else:
            digest = hashlib.sha256()
            finished(plainfiles.copy(source, new, digest), wanted)
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
        os.fsync(target)
    return digest.hexdigest()


def sha256_of(path: Path, wanted: Wanted) -> str:
    """Return the SHA-256 of a file on the disk."""
    with path.open("rb", buffering=0) as file:
        if hasattr(os, "posix_fadvise"):  # else it is what the system still has in memory
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return finished(plainfiles.hash_of(file), wanted).hexdigest()


def verify(folder: Path, tell: Tell, wanted: Wanted) -> None:
    """Read a backup, all of it. Raises `Refusal` unless it is whole."""
    seen = set()
    for sha256, path in listed(folder):
        try:
            right = sha256_of(folder / path, wanted) == sha256
        except OSError as error:
            raise not_whole(folder, f"{path}: {error.strerror}") from None
        if not right:
            raise not_whole(folder, f"{path} is not what was put into it")
        if "/" not in path:
            seen.add(path)
        tell(f"checked {path}")
    if not seen >= {DATABASE, ABOUT}:
        raise not_whole(folder, "there is no database in it")
    _check_database(folder, wanted)


def _check_database(folder: Path, wanted: Wanted) -> None:
    path = folder / DATABASE
    with closing(integrity.open_reader(path)) as db:
        db.set_progress_handler(wanted, integrity.HANDLER_STEPS)  # what it raises ends the check
        try:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            wrong = integrity.fault(db)
        except sqlite3.Error as error:
            wanted()
            raise not_whole(folder, str(error)) from None
    if wrong is not None:
        raise not_whole(folder, f"its database is damaged: {wrong}")
    if version > VERSION:
        raise Refusal(
            Code.BAD_ARGUMENT,
            "The backup {folder} was made by a newer version of this program; use that one.",
            folder=folder,
        )


def listed(folder: Path) -> Iterator[tuple[str, str]]:
    """Iterate over the files of a backup: SHA-256 and path. Raises `Refusal`."""
    try:
        with open(folder / SUMS, encoding="utf-8") as lines:
            for line in lines:
                sha256, gap, path = line.rstrip("\n").partition("  ")
                parts = PurePosixPath(path).parts
                if not gap or not parts or ".." in parts or path.startswith("/"):
                    raise not_whole(folder, f"{SUMS} cannot be understood")
                yield sha256, path
    except (FileNotFoundError, NotADirectoryError):
        raise Refusal(
            Code.BAD_ARGUMENT,
            "{folder} is no backup: it has no {sums}; name one that has.",
            folder=folder,
            sums=SUMS,
        ) from None
    except OSError as error:
        raise not_whole(folder, f"{SUMS}: {error.strerror}") from None
    except ValueError:
        raise not_whole(folder, f"{SUMS} cannot be understood") from None


def not_whole(folder: Path, why: str) -> Refusal:
    """Return the refusal of a backup that is damaged."""
    return Refusal(
        Code.BAD_ARGUMENT,
        "The backup {folder} is not whole ({why}); use another one.",
        folder=folder,
        why=why,
    )


# -- the way back --------------------------------------------------------------------------------


def restore(backup: Path, data: Path, files: Path | None, tell: Tell) -> BackupSummary:
    """Make a server's data directory from a backup, and check it. `files` is the folder for shared
    files, if not inside it. Nothing is overwritten. Raises `Refusal`."""
    verify(backup, tell, _wanted)
    made = BackupSummary()
    with ExitStack() as stack:
        if data.is_dir():
            _lock(stack, data)
        part = stack.enter_context(Becoming(data))
        shared = stack.enter_context(Becoming(files)) if files is not None else part / FILES
        _fill(backup, part, shared, made, tell)
        for root in {part, shared}:
            for folder, _, _ in os.walk(root):
                integrity.sync(Path(folder))
    return made


def _wanted() -> None:
    """Return that the work goes on: users end the program to cancel it."""


def _lock(stack: ExitStack, data: Path) -> None:
    """Keep servers from a directory that is there already."""
    try:
        lock = FolderLock(data, "lock", "name another directory with --data")
    except OSError as error:
        raise Refusal(
            Code.NOT_STORED,
            "{data} cannot be written ({strerror}); name another directory.",
            data=data,
            strerror=error.strerror,
        ) from None
    stack.callback(lock.release)


def _fill(backup: Path, part: Path, shared: Path, made: BackupSummary, tell: Tell) -> None:
    permissions.make_folders(shared, permissions.FOLDER)
    for sha256, path in listed(backup):
        if path == ABOUT or path.startswith(f"{KEYS}/"):
            continue
        inside = path.removeprefix(f"{FILES}/")
        to = shared / inside if inside != path else part / path
        permissions.make_folders(to.parent, permissions.FOLDER)
        with (backup / path).open("rb", buffering=0) as file:
            copied = copy(file, to, _wanted)
            made.bytes += os.fstat(file.fileno()).st_size
        if copied != sha256 or sha256_of(to, _wanted) != sha256:
            raise not_whole(backup, f"{path} is not what was put into it")
        made.files += inside != path
        made.key = made.key or path == KEY
        tell(f"{made.files} files")
