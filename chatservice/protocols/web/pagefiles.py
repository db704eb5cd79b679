"""The files of the page, in memory: there are few, and all of them are small."""

import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from hashlib import sha256
from importlib.resources import files
from typing import Any, NamedTuple

from chatservice.grammar import negotiation, pagecommands
from chatservice.protocols.web.branding import Branding
from chatservice.protocols.web.exchange import Exchange

TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
    "jpg": "image/jpeg",
    "webp": "image/webp",
    "json": "application/json",
    "webmanifest": "application/manifest+json",
}


INERT = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
"""The policy of a picture that could have scripts: they do not run, also if it is a page."""

FOR_GOOD = "max-age=31536000, immutable"
"""The caching of a file below a path that changes with its bytes."""


class PageFile(NamedTuple):
    """A file: its bytes, plain and compressed, and the headers that go with them."""

    data: bytes
    packed: bytes
    headers: Mapping[str, str]

    def answer(self, exchange: Exchange, headers: Mapping[str, str]) -> None:
        """Send it, unless the client has it already."""
        told = {**headers, **self.headers}
        if self.headers["ETag"] in exchange.header("If-None-Match"):
            exchange.respond(304, b"", told)
        elif negotiation.takes_gzip(exchange.header("Accept-Encoding")):
            exchange.respond(200, self.packed, {**told, "Content-Encoding": "gzip"})
        else:
            exchange.respond(200, self.data, told)

    def with_data(self, data: bytes, headers: Mapping[str, str]) -> "PageFile":
        """Return the file with other bytes, and some other headers."""
        told = {**self.headers, "ETag": _tag(data), **headers}
        return PageFile(data, gzip.compress(data, 1, mtime=0), told)


class PageFiles:
    """The files by their paths: `/` is `index.html`. All others are below `/static/`, and below
    `/static/VERSION/`, where browsers keep them for good: the page names these paths."""

    def __init__(self, branding: Branding) -> None:
        self._by_path: dict[str, PageFile] = {}
        self._drawn: dict[str, Callable[[], PageFile]] = {}
        folder = files("chatservice") / "page"
        found = sorted(folder.iterdir(), key=_name) if folder.is_dir() else []
        parts = {it.name: it.read_bytes() for it in found if _type(it.name)}
        parts["commands.js"] = pagecommands.module()
        if "index.html" in parts:
            branding.apply(parts)
        version = sha256(b"".join(parts.values())).hexdigest()[:16]
        if "index.html" in parts:
            parts["index.html"] = preloading(parts["index.html"], parts)
        if "sw.js" in parts:
            parts["sw.js"] = _told_of(parts, version) + parts["sw.js"]
        for name, draw in branding.drawings().items():
            for path, caching in _paths(name, version):
                self._drawn[path] = partial(_drawn, name, draw, caching)
        for name, data in parts.items():
            self._add(name, data, version)

    def _add(self, name: str, data: bytes, version: str) -> None:
        if name == "index.html":
            named = data.replace(b'"static/', f'"static/{version}/'.encode())
            self._by_path["/"] = page_file(name, named, "no-cache", ", Accept, User-Agent")
        elif name == "sw.js":  # beside the page, which it may then serve
            self._by_path["/sw.js"] = page_file(name, data, "no-cache")
        else:
            for path, caching in _paths(name, version):
                self._by_path[path] = page_file(name, data, caching)

    def find(self, path: str) -> PageFile | None:
        """Return the file of a path, or None."""
        if path in self._drawn:
            self._by_path[path] = self._drawn.pop(path)()
        return self._by_path.get(path)


def _paths(name: str, version: str) -> Iterator[tuple[str, str]]:
    """Yield the paths of a file, and how long browsers keep it there."""
    yield f"/static/{name}", "no-cache"
    yield f"/static/{version}/{name}", FOR_GOOD


def _told_of(parts: Mapping[str, bytes], version: str) -> bytes:
    """Return the first lines of the service worker: what it keeps."""
    names = [name for name in parts if name not in ("index.html", "sw.js")]
    files = [f"static/{version}/{name}" for name in names]
    return f"const VERSION = {version!r};\nconst FILES = {json.dumps(files)};\n".encode()


_SCRIPT = re.compile(rb'src="static/([\w.]+\.js)"')
_IMPORT = re.compile(rb"^import .*from '\./([\w.]+\.js)';$", re.MULTILINE)


def preloading(page: bytes, parts: Mapping[str, bytes]) -> bytes:
    """Return the page with a `modulepreload` for each module that its scripts import, themselves
    or through others. So a browser asks for all of them at once. What a script imports later, with
    `import()`, is left out."""
    named = _SCRIPT.findall(page)
    found: list[bytes] = []
    while named:
        if (name := named.pop(0)) not in found:
            found.append(name)
            named += _IMPORT.findall(parts[name.decode()])
    links = (b'  <link rel="modulepreload" href="static/%b">\n' % it for it in found)
    return page.replace(b"</head>", b"".join(links) + b"</head>")


def _name(it: Any) -> str:
    return str(it.name)


def _type(name: str) -> str | None:
    return TYPES.get(name.rpartition(".")[2])


def _tag(data: bytes) -> str:
    """Return a weak tag: the plain and the compressed bytes have the same one (RFC 9110, 8.8.1)."""
    return f'W/"{sha256(data).hexdigest()[:32]}"'


def _drawn(name: str, draw: Callable[[], bytes], caching: str) -> PageFile:
    return page_file(name, draw(), caching)


def page_file(name: str, data: bytes, caching: str, also_by: str = "") -> PageFile:
    """Return a file of a type in `TYPES`, with that Cache-Control. Its path may have other answers,
    too, by the headers `also_by`, which begin with a comma."""
    headers = {
        "Content-Type": _type(name) or "",
        "ETag": _tag(data),
        "Cache-Control": caching,
        "Vary": f"Accept-Encoding{also_by}",
    }
    if name.endswith(".svg"):
        headers["Content-Security-Policy"] = INERT
    return PageFile(data, gzip.compress(data, mtime=0), headers)
