"""Checks and cleans every name and every text that comes in.

The results can be shown on any terminal, and are never mistaken for a line of the server's own;
names can also name a file or a folder.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain, takewhile
from urllib.parse import unquote

from chatservice import confusables
from chatservice.errors import Code, Refusal

LINE_BYTES = 8192
"""A line without its end: sixteen times an IRC line (RFC 2812, 2.3)."""

NAME_CHARACTERS = 32
"""User and room names: they fit in front of a line of talk on a terminal of 80 columns."""

NAME_MARKS = 4
"""Combining marks on one letter of a name, as Unicode advises for identifiers (UTS #39, 5.4)."""

MARKS = 30
"""Consecutive characters without a width, in a text: Unicode's Stream-Safe Text Format (UAX #15).
No language and no emoji needs as many."""

PHRASE_CHARACTERS = 300
"""Topics, farewells, reasons for being away: four lines of a terminal, shown to many unasked."""

REAL_NAME_BYTES = 100
"""The real name that a client of IRC gives beside a nick: more than any name of a person, and so
short that a nick, a room's name and it fit into a line of IRC."""

REACTION_BYTES = 40
"""The word of a reaction. The longest emoji of Unicode 16 has 35 (a kiss, with two skin tones)."""

FILE_NAME_BYTES = 255
"""NAME_MAX of Linux's usual file systems (limits.h)."""

PASSWORD_CHARACTERS = 256
"""A password: longer than any passphrase, and quick to hash."""

TEXT_LINES = 500
"""Lines of one message: more lines of code than fit into `LINE_BYTES`. Each line is shown with its
author, so a message of newlines alone would grow a hundredfold."""

LOBBY = "lobby"
"""The room in which everybody begins. Its folder is the top of SharedFiles."""

OPERATOR = OPERATOR_KEY = "operator"
"""The user of the admin socket, whose name is its own key."""

RESERVED = (OPERATOR, "server", "nickserv")
"""Names that speak for the server, the last one with users of IRC. Nobody can take them, nor names
that look like them."""

_DELETED = re.compile(r"deleted-[0-9]+")
"""The name that a deleted account or room gets (`deleted_name`)."""

_NAME = re.compile(r"[^\W_][\w.-]*")
"""Letters and digits of any script, `.`, `_` and `-`; a letter or digit comes first."""

_NUMBERED = re.compile("room([1-9][0-9]{0,8})")

_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""C0 (but tab and newline), DEL, C1, line and paragraph separators, bidirectional embeddings,
overrides and isolates (Unicode UAX #9), and lone surrogates."""

_QUAD = re.compile(r"[0-9]+(?:\.[0-9]+){3}")
"""An IPv4 address."""

_DRIVE = re.compile("[A-Za-z]:")
"""The beginning of a Windows path on another drive."""

_PLAIN = bytes((0x09, 0x0A, *range(0x20, 0x7F)))
"""ASCII that any text may contain. `bytes.translate` deletes it from 64 lines in 1 us; a regular
expression takes 7 (docs/performance.md)."""


def user(text: str) -> str:
    """Return a user's name in NFKC. Raises `Refusal` (bad-name)."""
    return _name(text, "name")


def conversation(place: str) -> str:
    """Return the name of an inbox, `@`, or of what is between its owner and another user, as
    `@bob`. Raises `Refusal` (bad-name) if nobody can have the name."""
    return f"@{user(place[1:])}" if place != "@" else place


def check_new_user(name: str) -> None:
    """Raise `Refusal` (bad-name) for a name that no new user may take: an address."""
    if _QUAD.fullmatch(name):
        raise Refusal(
            Code.BAD_NAME,
            "{name} would be taken for an address; add a letter to the name.",
            name=name,
        )


def label(text: str) -> str:
    """Return a token's label in NFKC. Raises `Refusal` (bad-name)."""
    return _name(text, "label")


def room(text: str) -> str:
    """Return a room's name in NFKC. Raises `Refusal` (bad-name), also for a number: rooms are
    called by their numbers, too."""
    name = _name(text, "room's name")
    if name.isdecimal():
        raise Refusal(
            Code.BAD_NAME, "{name} would be taken for a room's number; add a letter.", name=name
        )
    return name


def room_name(number: int) -> str:
    """Return the other name of a room, made of its number: `room12`."""
    return f"room{number}"


def room_number(name: str) -> int | None:
    """Return the number in a name that `room_name` makes, else None."""
    found = _NUMBERED.fullmatch(key(name)) if len(name) <= NAME_CHARACTERS else None
    return int(found[1]) if found is not None else None


def _name(text: str, what: str) -> str:
    name = _normal(text.strip(" \t"))
    if fault := _fault_of_name(name):
        limits = {"limit": NAME_CHARACTERS, "marks": NAME_MARKS}
        raise Refusal(Code.BAD_NAME, fault, what=what, **limits)
    return name


def _fault_of_name(name: str) -> str:
    """Return the template of a refusal; an empty one for a name that may be."""
    if not name:
        return "A {what} cannot be empty; type one."
    if len(name) > NAME_CHARACTERS:
        return "That {what} is too long; use at most {limit} characters."
    if confusables.INVISIBLE.search(name):
        return "That {what} has an invisible character in it; type it without."
    marks_apart = "".join(c for c in name if not unicodedata.category(c).startswith("M"))
    if not _NAME.fullmatch(marks_apart) or unicodedata.category(name[0]).startswith("M"):
        return (
            "A {what} is made of letters, digits, '.', '_' and '-', and begins with a letter or "
            "digit; type another one."
        )
    if _has_stacked_marks(name, NAME_MARKS):
        return "That {what} has more than {marks} accents on one letter; leave some out."
    return ""


def _normal(text: str) -> str:
    """Return `text` in NFKC, cut where it is too long for a name.

    NFKC makes one character of at most four. It sorts combining marks in quadratic time: 55 ms for
    a line of them.
    """
    return unicodedata.normalize("NFKC", text[:_LONGEST])


_LONGEST = 4 * NAME_CHARACTERS + 1


def deleted_name(number: int) -> str:
    """Return the name of a deleted account or room, whose entries stay. `number` is that of its
    log, which is never used again."""
    return f"deleted-{number}"


def is_deleted(name: str) -> bool:
    """Return whether `deleted_name` makes a name. Nobody can take it, nor give it to a room."""
    return _DELETED.fullmatch(key(name)) is not None


def key(name: str) -> str:
    """Return the key of a name: names that differ only in case have the same."""
    found = _folded(name[:_LONGEST])
    return name if found == name else found  # one string where one will do: users are many


@lru_cache(maxsize=1024)  # a name that comes in is asked for a dozen times
def _folded(text: str) -> str:
    return _normal(text).casefold()


@lru_cache(maxsize=64)
def mention_pattern(name: str) -> re.Pattern[str]:
    """Return the pattern that finds `name` as a word of its own, in any case.

    A full stop or a dash after it does not belong to the word, unless a letter follows.
    """
    return re.compile(rf"(?<!{_SIGN}){re.escape(name)}(?!{_SIGN}*\w)", re.IGNORECASE)


_SIGN = r"[\w.-]"
"""A character of a name."""


EVERYBODY = "@room"
"""The word with which a moderator mentions everybody in a room."""


def is_mentioned(name: str, text: str) -> bool:
    """Return whether `text` mentions `name`. An empty name is never mentioned."""
    return bool(name) and mention_pattern(name).search(text) is not None


def file(text: str) -> str:
    """Return the name of a shared file in NFC. Raises `Refusal` (bad-file-name).

    The name cannot lead out of its folder on any system. The server keeps names that begin with a
    dot for its own use.
    """
    if fault := _fault_of_file_name(text):
        raise Refusal(Code.BAD_FILE_NAME, fault, limit=FILE_NAME_BYTES)
    return unicodedata.normalize("NFC", text)


def _fault_of_file_name(text: str) -> str:
    """Return the template of a refusal; an empty one for a name that may be."""
    if not is_visible(text):
        return "A file's name cannot be empty; give one."
    if any(c in "/\\\n\t" for c in text) or _FORBIDDEN.search(text):
        return (
            "A file's name has no slashes, backslashes or control characters; give its last part "
            "only."
        )
    if _has_stacked_marks(text, MARKS):
        return "That has too many accents on one letter; leave some out."
    if len(text) <= 2 * FILE_NAME_BYTES:  # a longer one is too long in any form
        text = unicodedata.normalize("NFC", text)
    if len(text.encode()) > FILE_NAME_BYTES:
        return "A file's name has at most {limit} bytes; shorten it."
    if _DRIVE.match(text) or _decodes_to_path(text):
        return (
            "That would be taken for a path by some programs; give a plain name, without a drive "
            "letter or an encoded slash."
        )
    if text.startswith("."):
        return "A shared file's name does not begin with a dot; rename it."
    return ""


def _decodes_to_path(text: str) -> bool:
    """Return whether URL-decoding (RFC 3986, 2.1), however often, finds a slash in a text, or
    characters that a name may not have."""
    while (decoded := unquote(text)) != text:
        text = decoded
        if any(c in "/\\\n\t" for c in text) or _FORBIDDEN.search(text) or not text.strip(". "):
            return True
    return False


def is_file(text: str) -> bool:
    """Return whether `file` accepts a text."""
    try:
        file(text)
    except Refusal:
        return False
    return True


def password(text: str) -> str:
    """Return a password. Raises `Refusal` (bad-argument)."""
    if not text:
        raise Refusal(Code.BAD_ARGUMENT, "A password cannot be empty; give one.")
    if len(text) > PASSWORD_CHARACTERS:
        raise Refusal(
            Code.BAD_ARGUMENT,
            "A password has at most {limit} characters; give a shorter one.",
            limit=PASSWORD_CHARACTERS,
        )
    return text


def phrase(text: str, needed: bool = False) -> str:
    """Return a topic or the like: cleaned, in one line, and empty if nothing in it is visible.
    Raises `Refusal` (too-long; bad-argument for an empty one that is `needed`)."""
    if len(text) > PHRASE_CHARACTERS:
        raise Refusal(
            Code.TOO_LONG,
            "That is too long; at most {limit} characters are shown there.",
            limit=PHRASE_CHARACTERS,
        )
    line = one_line(text)
    if is_visible(line):
        return line
    if needed:
        raise Refusal(Code.BAD_ARGUMENT, _NOTHING)
    return ""


def real_name(text: str) -> str:
    """Return a real name: cleaned, in one line, and empty if nothing in it is visible. It may be
    longer than `REAL_NAME_BYTES`."""
    line = one_line(text).strip()
    return line if is_visible(line) else ""


def reaction(text: str) -> str:
    """Return the word of a reaction in NFC: an emoji, or a short word. Raises `Refusal`
    (bad-argument)."""
    if len(text) > REACTION_BYTES or len(text.encode(errors="replace")) > REACTION_BYTES:
        raise Refusal(
            Code.BAD_ARGUMENT,
            "A reaction is an emoji or a short word, of at most {limit} bytes; say more in a "
            "message.",
            limit=REACTION_BYTES,
        )
    word = unicodedata.normalize("NFC", text)
    if not is_visible(word) or word != one_line(word) or word.split() != [word]:
        raise Refusal(Code.BAD_ARGUMENT, "A reaction is an emoji or one word; type one.")
    return word


def clean_all(texts: Sequence[str]) -> Sequence[str]:
    """Return `texts`, each as `clean` returns it; the same object if none needs it. Raises
    `Refusal` (too-long) for a single text of more lines than `TEXT_LINES`."""
    if len(texts) == 1:  # of several, each is a line of a chunk
        count_lines(texts[0])
    if "\n".join(texts).encode(errors="surrogatepass").translate(None, _PLAIN):
        return [clean(text) for text in texts]
    return texts


def clean_talk(texts: Sequence[str]) -> Sequence[str]:
    """Return the texts of talk, cleaned. Raises `Refusal` (bad-argument) if one has nothing
    visible.

    For several texts of plain ASCII, `textparser.parse_talk` has checked that already.
    """
    cleaned = clean_all(texts)
    if (cleaned is not texts or len(texts) == 1) and not all(map(is_visible, cleaned)):
        raise Refusal(Code.BAD_ARGUMENT, _NOTHING)
    return cleaned


_NOTHING = "There is nothing in that to be seen; type a text."


def is_visible(text: str) -> bool:
    """Return whether a text has anything visible: more than blanks, marks without a letter, and
    invisible characters."""
    return _PLAINLY_SEEN.search(text) is not None or any(map(_is_seen, text))


def _is_seen(character: str) -> bool:
    return (
        not character.isspace()
        and unicodedata.category(character) not in ("Mn", "Me", "Mc", "Cf", "Zl", "Zp")
        and character not in _SHOWN_BLANK
        and not confusables.INVISIBLE.match(character)
    )


PLAINLY_VISIBLE = (
    "!-~\xa1-\xac\xae-\u02ff\u0370-\u0373\u0391-\u03ff\u0400-\u0482\u048a-\u052f\u05d0-\u05ea"
    "\u0620-\u064a\u0904-\u0939\u3041-\u3096\u30a1-\u30fa\u4e00-\u9fff\uac00-\ud7a3"
)
"""Visible characters, as ranges of a regular expression: a quick test that most texts pass."""

_PLAINLY_SEEN = re.compile(f"[{PLAINLY_VISIBLE}]")

_SHOWN_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0\U00013441\U00013442\U0001d159")
"""Letters and symbols that look blank: Hangul fillers, the empty Braille pattern, hieroglyphic
blanks, and a note without a head."""


def count_lines(text: str) -> int:
    """Return the number of lines of a text. Raises `Refusal` (too-long) if they are too many."""
    count = text.count("\n") + 1
    if count > TEXT_LINES:
        raise Refusal(
            Code.TOO_LONG,
            "A message has at most {limit} lines, not {count}; send several, or a file.",
            limit=TEXT_LINES,
            count=count,
        )
    return count


def shorten(text: str, most: int) -> str:
    """Return a text; of one with more than `most` characters, only its beginning and its end."""
    return text if len(text) <= most else f"{text[: most // 2]} ... {text[-most // 2 :]}"


def one_line(text: str) -> str:
    """Return a text cleaned, with spaces for newlines."""
    return clean(text).replace("\n", " ")


def clean(text: str) -> str:
    """Return a text with U+FFFD for each character that could steer a terminal or cover other text.

    Tabs and newlines stay. Lines with a NUL are refused before.
    """
    if not text.isprintable():  # the common case is one pass in C
        text = _FORBIDDEN.sub("\ufffd", text.replace("\r\n", "\n"))
    if text.isascii() or not _has_stacked_marks(text, MARKS):
        return text
    return _unstack(text)


def _has_no_width(character: str) -> bool:
    """Return whether a character is drawn onto or joined with the one before it, or not at all:
    nonspacing and enclosing marks, format characters, and Hangul vowels and finals."""
    return (
        unicodedata.category(character) in ("Mn", "Me", "Cf")
        or "\u1160" <= character <= "\u11ff"
        or "\ud7b0" <= character <= "\ud7ff"
    )


def _has_stacked_marks(text: str, most: int) -> bool:
    """Return whether more than `most` consecutive characters have no width.

    Then one of them is at an index that `most + 1` divides: only these are looked at first.
    """
    for at in range(most, len(text), most + 1):
        if _has_no_width(text[at]):
            before = takewhile(_has_no_width, reversed(text[at - most : at]))
            behind = takewhile(_has_no_width, text[at : at + most + 1])
            if sum(1 for _ in chain(before, behind)) > most:
                return True
    return False


def _unstack(text: str) -> str:
    """Return a text with U+FFFD for the excess of stacked characters."""
    kept, height = [], 0
    for character in text:
        height = height + 1 if _has_no_width(character) else 0
        if height <= MARKS:
            kept.append(character)
        elif height == MARKS + 1:
            kept.append("\ufffd")
    return "".join(kept)
