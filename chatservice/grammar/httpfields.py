"""Header fields of HTTP that concern files: ranges, conditions, digests and names.

A file's entity tag is its SHA-256, so it is a strong one (RFC 9110, 8.8.1).
"""

import re
from base64 import b64decode, b64encode
from binascii import Error
from typing import NamedTuple
from urllib.parse import quote, unquote

from chatservice.entries import ANY_FILE, FileCondition
from chatservice.errors import Code, Refusal


class ByteRange(NamedTuple):
    """The bytes from `start` on, before `end`."""

    start: int
    end: int


# -- ranges ----------------------------------------------------------------------------------------


def byte_range(value: str, size: int) -> ByteRange | None:
    """Return the part of a file of `size` bytes that a Range asks for (RFC 9110, 14.2); None for
    all of it: without a range, with several, and with what is no range of bytes. An empty file has
    no parts. Raises `Refusal` (bad-offset) if the range begins behind the last byte."""
    found = _RANGE.fullmatch(value.strip())
    if found is None or not size or not (found[1] or found[2]):
        return None
    if not found[1]:
        span = ByteRange(max(0, size - int(found[2])), size)
    else:
        first = int(found[1])
        last = int(found[2]) if found[2] else max(first, size)
        if last < first:
            return None
        span = ByteRange(first, min(last + 1, size))
    if span.start >= size:
        sentence = "It has only {size} bytes; begin before that."
        raise Refusal(Code.BAD_OFFSET, sentence, size=size)
    return span


_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})", re.IGNORECASE)


def content_range(span: ByteRange, size: int) -> str:
    """Return a Content-Range for a part of a file of `size` bytes."""
    return f"bytes {span.start}-{span.end - 1}/{size}"


def unsatisfied(size: int) -> str:
    """Return the Content-Range of a refused range (RFC 9110, 14.4)."""
    return f"bytes */{size}"


class SentPart(NamedTuple):
    """The part of a file that a body has: `size` bytes in all, without the first `offset`."""

    offset: int
    size: int


def sent_part(value: str) -> SentPart | None:
    """Return the part that a request's Content-Range tells (RFC 9110, 14.5); None without one.

    Raises `Refusal` (bad-argument) unless the part reaches to the end of the file.
    """
    if not value:
        return None
    found = _SENT.fullmatch(value.strip())
    if found is None or int(found[2]) + 1 != int(found[3]) or int(found[1]) > int(found[2]):
        raise Refusal(
            Code.BAD_ARGUMENT,
            "That Content-Range does not tell the rest of a file; send bytes FIRST-LAST/SIZE, "
            "where LAST is SIZE less one.",
        )
    return SentPart(int(found[1]), int(found[3]))


_SENT = re.compile(r"bytes[ \t]+([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})", re.IGNORECASE)


# -- conditions ------------------------------------------------------------------------------------


def entity_tag(sha256: str) -> str:
    """Return the ETag of a file."""
    return f'"{sha256}"'


def is_known(if_none_match: str, tag: str) -> bool:
    """Return whether an If-None-Match has a tag, so that the client needs no bytes (RFC 9110,
    13.1.2)."""
    return if_none_match.strip() == "*" or tag in _TAG.findall(if_none_match)


_TAG = re.compile(r'"[^"*]*"')
_STRONG_TAG = re.compile(r'(?<!W/)"[^"*]*"')
"""A weak tag does not match there (RFC 9110, 13.1.1)."""


def condition(if_match: str, if_none_match: str) -> FileCondition | None:
    """Return what the two headers ask of a file; None without them (RFC 9110, 13.1)."""
    if not (if_match or if_none_match):
        return None
    return FileCondition(_tagged(if_match, _STRONG_TAG), _tagged(if_none_match, _TAG))


def _tagged(value: str, tag: re.Pattern[str]) -> frozenset[str] | None:
    """Return the SHA-256 of each `tag` of a header."""
    if not value:
        return None
    whole = value.strip() == ANY_FILE
    return frozenset({ANY_FILE} if whole else (it.strip('"') for it in tag.findall(value)))


def range_holds(if_range: str, tag: str) -> bool:
    """Return whether a range is of the file that the client has the beginning of (RFC 9110,
    13.1.5). A date never tells that, and neither does a weak tag."""
    return if_range.strip() in ("", tag)


# -- digests ---------------------------------------------------------------------------------------


def repr_digest(sha256: str) -> str:
    """Return the Repr-Digest of a file (RFC 9530)."""
    return f"sha-256=:{b64encode(bytes.fromhex(sha256)).decode()}:"


def sha256_of(value: str) -> str | None:
    """Return the SHA-256 of a Repr-Digest, in hexadecimal; None if there is none. Other digests are
    passed over, as RFC 9530 (2) wants it. Raises `Refusal` (bad-argument) for a broken one."""
    given = [found[1] for part in value.split(",") if (found := _SHA256.match(part))]
    if not given:
        return None
    found = _BYTES.fullmatch(given[-1].strip())  # the last one counts (RFC 9651, 4.2.2)
    try:
        digest = b64decode(found[1], validate=True) if found else b""
    except Error:
        digest = b""
    if len(digest) != _SHA256_BYTES:
        raise Refusal(
            Code.BAD_ARGUMENT,
            "That Repr-Digest has no SHA-256; send sha-256=:DIGEST:, with the 32 bytes in base64.",
        )
    return digest.hex()


_SHA256 = re.compile(r"[ \t]*sha-256(?:[ \t]*;[^=]*)?=(.*)")
_BYTES = re.compile(r":([A-Za-z0-9+/=]*):(?:[ \t]*;.*)?")
_SHA256_BYTES = 32


# -- names and types -------------------------------------------------------------------------------


def disposition(name: str, inline: bool) -> str:
    """Return a Content-Disposition (RFC 6266): a name for old clients, where it is not the same,
    and the name in UTF-8 (RFC 8187)."""
    kind = "inline" if inline else "attachment"
    plain = _NOT_PLAIN.sub("_", name)
    other = f"; filename*=UTF-8''{quote(name, safe=_ATTRIBUTE)}" if plain != name else ""
    return f'{kind}; filename="{plain}"{other}'


def file_name(disposition_: str) -> str:
    """Return the name of the file in a Content-Disposition, the last part of a path; empty if there
    is none. A name in UTF-8 (RFC 8187) counts more than another one. The header is text of the
    server's own decoding, Latin-1."""
    found = _NAME_UTF8.search(disposition_)
    if found is not None:
        name = unquote(found[1], errors="replace")
    else:
        plain = _NAME_PLAIN.search(disposition_)
        name = re.sub(r"\\(.)", r"\1", plain[1] or plain[2]) if plain is not None else ""
        name = name.encode("latin-1", errors="replace").decode(errors="replace")
    return re.split(r"[/\\]", name)[-1].strip()


_NAME_UTF8 = re.compile(r"(?i)filename\*=utf-8'[^']*'([^;\s]+)")
_NAME_PLAIN = re.compile(r'(?i)filename=(?:"((?:[^"\\]|\\.)*)"|([^;\s"]+))')


def usual_end(media_type: str) -> str:
    """Return the usual end of the name of a file of that type, without its dot."""
    wanted = media_type.partition(";")[0].strip().lower()
    known = {type_: end for end, type_ in reversed(_INLINE_TYPES.items())}
    return known.get(wanted, "txt" if wanted == "text/plain" else "bin")


_NOT_PLAIN = re.compile(r"[^ !#$&-Z\[\]^-~]")
"""Characters that a quoted name may not have, or that clients read differently: `"`, `\\` and `%`
(RFC 6266, D)."""

_ATTRIBUTE = "!#$&+-.^_`|~"
"""Characters that stay as they are (RFC 8187, 3.2.1, `attr-char`)."""

UNKNOWN_TYPE = "application/octet-stream"

_INLINE_TYPES = {
    end: type_
    for type_, ends in {
        "image/png": "png",
        "image/jpeg": "jpg jpeg",
        "image/gif": "gif",
        "image/webp": "webp",
        "image/avif": "avif",
        "image/bmp": "bmp",
        "audio/mpeg": "mp3",
        "audio/ogg": "ogg oga opus",
        "audio/wav": "wav",
        "audio/flac": "flac",
        "audio/mp4": "m4a",
        "audio/aac": "aac",
        "video/mp4": "mp4 m4v",
        "video/quicktime": "mov",
        "video/webm": "webm",
        "video/ogg": "ogv",
    }.items()
    for end in ends.split()
}
"""Types that run nothing, by the ends of names. SVG is none of them: it has scripts. `preview` in
`page/talk.js` has the same ends."""


def inline_type(name: str) -> str | None:
    """Return the type of a file that a browser may show; None for any other file."""
    return _INLINE_TYPES.get(name.rpartition(".")[2].lower()) if "." in name else None
