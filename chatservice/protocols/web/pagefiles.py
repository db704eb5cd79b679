"""The files of the page, in memory: there are few, and all of them are small."""

import gzip
import re
from collections.abc import Mapping
from hashlib import sha256
from importlib.resources import files
from typing import Any, NamedTuple

from chatservice.grammar import pagecommands
from chatservice.protocols.web.exchange import Exchange

TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
    "webmanifest": "application/manifest+json",
}


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
        if exchange.method not in ("GET", "HEAD"):
            exchange.respond(405, b"", {**headers, "Allow": "GET, HEAD"})
        elif self.headers["ETag"] in exchange.header("If-None-Match"):
            exchange.respond(304, b"", told)
        elif "gzip" in exchange.header("Accept-Encoding"):
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

    def __init__(self) -> None:
        self._by_path: dict[str, PageFile] = {}
        folder = files("chatservice") / "page"
        found = sorted(folder.iterdir(), key=_name) if folder.is_dir() else []
        parts = {it.name: it.read_bytes() for it in found if _type(it.name)}
        parts["commands.js"] = pagecommands.module()
        version = sha256(b"".join(parts.values())).hexdigest()[:16]
        if "index.html" in parts:
            parts["index.html"] = preloading(parts["index.html"], parts)
        for name, data in parts.items():
            self._add(name, data, version)

    def _add(self, name: str, data: bytes, version: str) -> None:
        if name == "index.html":
            named = data.replace(b'"static/', f'"static/{version}/'.encode())
            self._by_path["/"] = _page_file(name, named, "no-cache")
        else:
            self._by_path[f"/static/{name}"] = _page_file(name, data, "no-cache")
            self._by_path[f"/static/{version}/{name}"] = _page_file(name, data, FOR_GOOD)

    def find(self, path: str) -> PageFile | None:
        """Return the file of a path, or None."""
        return self._by_path.get(path)


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


def _page_file(name: str, data: bytes, caching: str) -> PageFile:
    headers = {
        "Content-Type": _type(name) or "",
        "ETag": _tag(data),
        "Cache-Control": caching,
        "Vary": "Accept-Encoding",
    }
    return PageFile(data, gzip.compress(data, mtime=0), headers)
