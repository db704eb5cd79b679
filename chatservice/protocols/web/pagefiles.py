"""The files of the page, in memory: there are few, and all of them are small."""

import gzip
from collections.abc import Mapping
from hashlib import sha256
from importlib.resources import files
from typing import Any, NamedTuple

from chatservice.protocols.web.exchange import Exchange

TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
    "webmanifest": "application/manifest+json",
}


class PageFile(NamedTuple):
    """A file: its bytes, plain and compressed, its type, and its tag, which changes with them."""

    data: bytes
    packed: bytes
    type: str
    tag: str

    def answer(self, exchange: Exchange, headers: Mapping[str, str]) -> None:
        """Send it, unless the client has it already."""
        told = {**headers, "Content-Type": self.type, "ETag": self.tag, "Cache-Control": "no-cache"}
        told["Vary"] = "Accept-Encoding"
        if exchange.method not in ("GET", "HEAD"):
            exchange.respond(405, b"", {**headers, "Allow": "GET, HEAD"})
        elif self.tag in exchange.header("If-None-Match"):
            exchange.respond(304, b"", told)
        elif "gzip" in exchange.header("Accept-Encoding"):
            exchange.respond(200, self.packed, {**told, "Content-Encoding": "gzip"})
        else:
            exchange.respond(200, self.data, told)


class PageFiles:
    """The files by their paths: `/` is `index.html`, all others are below `/static/`."""

    def __init__(self) -> None:
        self._by_path: dict[str, PageFile] = {}
        folder = files("chatservice") / "page"
        if folder.is_dir():
            for it in folder.iterdir():
                self._add(it)

    def _add(self, it: Any) -> None:
        type_ = TYPES.get(it.name.rpartition(".")[2])
        if type_ is not None:
            data = it.read_bytes()
            path = "/" if it.name == "index.html" else f"/static/{it.name}"
            # A weak tag: the plain and the compressed bytes have the same one (RFC 9110, 8.8.1).
            tag = f'W/"{sha256(data).hexdigest()[:32]}"'
            self._by_path[path] = PageFile(data, gzip.compress(data, mtime=0), type_, tag)

    def find(self, path: str) -> PageFile | None:
        """Return the file of a path, or None."""
        return self._by_path.get(path)
