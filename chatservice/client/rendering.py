"""Entries, events and replies as styled rows of a terminal, and its colours."""

import curses
import os
import zlib
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from itertools import zip_longest
from typing import NamedTuple

from prompt_toolkit.output import ColorDepth
from prompt_toolkit.styles import Style

from chatservice import names, replies
from chatservice.client.clientstate import Incoming
from chatservice.client.folding import Folded, folded_line
from chatservice.client.links import with_links
from chatservice.client.wrapping import Fragments, shortened, width, wrapped
from chatservice.entries import ALL_TALK, Entry, Kind
from chatservice.grammar import textformat

_NAMES_256 = (
    *("#d70000", "#d75f00", "#af5f00", "#5f8700", "#008700", "#008787"),
    *("#0087d7", "#005fff", "#875fff", "#af00d7", "#d700d7", "#d70087"),
)
"""Colours of xterm's 6x6x6 cube with a contrast of at least 3.8 on white and on black (WCAG 2,
relative luminance 0.13 to 0.23): we need not know the background."""

_NAMES_8 = ("ansired", "ansigreen", "ansimagenta", "ansicyan")
"""Colours of eight that are visible on white and on black, unlike yellow and blue."""


class Theme(NamedTuple):
    """Colours for a dark or a light background: those of names, and styles."""

    names: tuple[str, ...]
    styles: dict[str, str]


THEMES = {
    "dark": Theme(
        (
            *("#ff5f5f", "#ff875f", "#d7af5f", "#afd75f", "#5fd787", "#5fd7d7"),
            *("#5fafff", "#8787ff", "#af87ff", "#d787ff", "#ff87d7", "#ff87af"),
        ),
        {
            **dict.fromkeys(("time", "server", "day", "waiting", "room"), "#949494"),
            **dict.fromkeys(("title",), "bg:#303030 #e4e4e4"),
            "border": "#4e4e4e",
            "here": "bg:#005f87 #ffffff bold",
            "named": "bg:#875f00 #ffffff",
            "selected": "bg:#3a3a3a",
            "unread": "#ffffff bold",
            "mark": "#ffaf5f",
            "link": "#5fafff underline",
            "refusal": "#ff5f5f bold",
            "key": "#87d7ff",
            "prompt": "#5fd787 bold",
        },
    ),
    "light": Theme(
        (
            *("#af0000", "#af5f00", "#875f00", "#5f5f00", "#005f00", "#005f5f"),
            *("#005faf", "#0000d7", "#5f00af", "#8700af", "#af005f", "#870000"),
        ),
        {
            **dict.fromkeys(("time", "server", "day", "waiting", "room"), "#6c6c6c"),
            **dict.fromkeys(("title",), "bg:#e4e4e4 #1c1c1c"),
            "border": "#bcbcbc",
            "here": "bg:#005faf #ffffff bold",
            "named": "bg:#ffd75f #000000",
            "selected": "bg:#d7d7ff",
            "unread": "#000000 bold",
            "mark": "#af5f00",
            "link": "#005faf underline",
            "refusal": "#d70000 bold",
            "key": "#005f87",
            "prompt": "#005f00 bold",
        },
    ),
}
"""Themes of 256 colours: names with a contrast of at least 4.5 on black, or on white."""

_TERMINAL_COLOURS = "bg:default fg:default"
"""The terminal's own colours, in place of prompt_toolkit's."""

NAME_COLOURS = {ColorDepth.DEPTH_4_BIT: len(_NAMES_8), ColorDepth.DEPTH_8_BIT: len(_NAMES_256)}


def colour_depth() -> ColorDepth:
    """Return the number of colours: none with `NO_COLOR` (no-color.org), else as `COLORTERM` or the
    terminal's description (terminfo) says."""
    if os.environ.get("NO_COLOR"):
        return ColorDepth.DEPTH_1_BIT
    if os.environ.get("COLORTERM"):
        return ColorDepth.DEPTH_8_BIT
    try:
        curses.setupterm()
        count = curses.tigetnum("colors")
    except curses.error:  # terminfo has no description of this terminal
        count = 8
    if count >= 256:
        return ColorDepth.DEPTH_8_BIT
    return ColorDepth.DEPTH_4_BIT if count >= 8 else ColorDepth.DEPTH_1_BIT


def name_style(name: str, depth: ColorDepth) -> str:
    """Return the style of a name, which is the same in every run of the program."""
    count = NAME_COLOURS.get(depth)
    if count is None:
        return "class:name"
    return f"class:name class:name{zlib.crc32(names.key(name).encode()) % count}"


def is_look(text: str) -> bool:
    """Return whether a text is a style: colours and attributes, such as `#ffaf00 bold`."""
    try:
        return bool(Style([("part", text)]))
    except ValueError:
        return False


def terminal_style(
    depth: ColorDepth, theme: str = "terminal", looks: Mapping[str, str] | None = None
) -> Style:
    """Return the styles for the classes of fragments, in the colours that there are. The themes
    `dark` and `light` need 256 colours; with fewer, and as `terminal`, they are the terminal's own.
    The `looks` of parts win; what is no look is left out.
    """
    many = depth is ColorDepth.DEPTH_8_BIT
    grey, red = ("#767676", "#d70000") if many else ("ansibrightblack", "ansired")
    if depth is ColorDepth.DEPTH_1_BIT:
        grey = red = ""
    wanted = {
        **dict.fromkeys(("time", "server", "day", "waiting", "room"), grey),
        **dict.fromkeys(("me", "mention", "mark", "prompt", "key", "unread"), "bold"),
        **dict.fromkeys(("named", "here", "title", "selected"), "reverse"),
        "link": "underline",
        "refusal": f"{red} bold",
        "completion-toolbar": _TERMINAL_COLOURS,
        "completion-toolbar.completion": _TERMINAL_COLOURS,
        "completion-toolbar.completion.current": f"{_TERMINAL_COLOURS} reverse",
        "completion-toolbar.arrow": f"{_TERMINAL_COLOURS} bold",
    }
    colours: tuple[str, ...] = _NAMES_256 if many else _NAMES_8
    if many and theme in THEMES:
        wanted |= THEMES[theme].styles
        colours = THEMES[theme].names
    wanted |= {f"name{number}": colour for number, colour in enumerate(colours)}
    wanted |= {part: look for part, look in (looks or {}).items() if is_look(look)}
    return Style.from_dict({name: how.strip() for name, how in wanted.items()})


_TIMES = {"24h": "%H:%M", "seconds": "%H:%M:%S", "12h": "%I:%M%p", "none": ""}
"""The forms of the time before a line. Later rows of the line are indented by its width."""

_NARROW = 60
"""A terminal with fewer columns gets an indent of two."""

_MANY = 20
"""With more commands, `/help` shows their names only, in columns: else they fill the screen."""

WAITS = "(waits) "
"""The mark of a text that waits for the server."""


_AROUND: Mapping[str, tuple[str, str]] = {
    Kind.ACTION: ("~ ", " "),
    Kind.SENT_ACTION: ("~ ", " "),
    Kind.NOTICE: ("-", "- "),
    Kind.SENT_NOTICE: ("-", "- "),
}
"""Signs before and after the name of the user who says something, by the kind of that, where it is
not a colon. Behind the name of a receiver stands a colon all the same, and not a space."""


def _is_private(entry: Entry, log: str) -> bool:
    return entry.kind == Kind.PRIVATE or log == "@"


class RowRenderer:
    """A renderer of rows for a terminal with `columns()` columns and a user called `name()`.

    `clock()` is the time in seconds since 1970. Times are shown in the machine's zone. With
    `isolate`, text that runs from right to left does not reorder its neighbours. On a `full`
    screen, URLs in talk are of the class `link`, and no row announces a day.
    """

    def __init__(
        self,
        name: Callable[[], str],
        columns: Callable[[], int],
        depth: ColorDepth,
        clock: Callable[[], float],
        isolate: bool = True,
        full: bool = False,
    ) -> None:
        self._name = name
        self._columns = columns
        self._depth = depth
        self._clock = clock
        self._isolate = isolate
        self._full = full
        self.time_format = "24h"
        self._day = ""

    @property
    def columns(self) -> int:
        """The columns of the rows."""
        return self._columns()

    # -- entries and events ----------------------------------------------------------------------

    def incoming(self, incoming: Incoming) -> Fragments:
        """Return the rows of an entry or an event."""
        if isinstance(incoming.item, Entry):
            return self._entry(incoming.item, incoming.log, incoming.position)
        return self._timed(
            self._clock(), self._server_lines(textformat.event(incoming.item).decode())
        )

    def replayed(self, incoming: Incoming, named: bool = False) -> Fragments:
        """Return the rows of an entry of the history, with its position; if `named`, also with its
        room."""
        assert isinstance(incoming.item, Entry)
        number = f"{incoming.log} #{incoming.position} " if named else f"#{incoming.position} "
        return self._entry(incoming.item, incoming.log, incoming.position, number)

    def erased(self, incoming: Incoming) -> Fragments:
        """Return the row in place of an entry that was erased."""
        assert isinstance(incoming.item, Entry)
        entry = Entry(Kind.GONE, incoming.item.time, incoming.item.who)
        line = self._server_lines(textformat.run(0, entry.as_run(), "").decode())[0]
        return self._wrapped([("class:time", self._clock_text(entry.time / 1000)), *line])

    def own(self, text: str, kind: str, to: str | None, about: int) -> Fragments:
        """Return the rows of a text that the user has said now; `to` is a receiver, or None, and
        `about` the position that it replies to, or 0."""
        entry = Entry(kind, 0, self._name(), text, about=about)
        lines = self._talk(entry.who, kind, text, to, textformat.notes(entry)[0])
        return self._timed(self._clock(), lines)

    def is_for_user(self, incoming: Incoming) -> bool:
        """Return whether somebody else mentions the user, or writes privately to them."""
        entry = incoming.item
        if not isinstance(entry, Entry) or names.key(entry.who) == names.key(self._name()):
            return False
        return entry.kind in ALL_TALK and (
            _is_private(entry, incoming.log) or names.is_mentioned(self._name(), entry.text)
        )

    def _entry(self, entry: Entry, log: str, position: int, number: str = "") -> Fragments:
        return self._timed(entry.time / 1000, self._entry_lines(entry, log, position), number)

    def _entry_lines(
        self, entry: Entry, log: str, position: int, named: bool = True
    ) -> list[Fragments]:
        if entry.kind in ALL_TALK:
            to = entry.to or "you" if named and _is_private(entry, log) else None
            notes, _ = textformat.notes(entry)
            lines = self._talk(entry.who, entry.kind, entry.text, to, notes)
        else:
            lines = self._server_lines(textformat.run(position, entry.as_run(), log).decode())
        if told := textformat.state_text(entry):
            lines += self._server_lines(f"* {told}")
        return lines

    def _talk(
        self, who: str, kind: str, text: str, to: str | None, notes: str = ""
    ) -> list[Fragments]:
        mine = names.key(who) == names.key(self._name())
        style = name_style(who, self._depth) + (" class:me" if mine else "")
        first, *more = text.split("\n")
        noted: Fragments = [("class:time", notes)] if notes else []
        before, after = _AROUND.get(kind, ("", ": "))
        end = ("", after)
        if to is not None:
            end = ("class:key", f" -> {to}{after if after.strip() else ': '}")
        line: Fragments = [("", before)] if before else []
        line += [(style, who), *noted, end]
        lines = [line + self._text(first, mine)]
        lines += [[("class:time", "| "), *self._text(row, mine)] for row in more]
        if not mine and (to is not None or names.is_mentioned(self._name(), text)):
            lines = [[(f"class:mention {s}", t) for s, t in line] for line in lines]
        return lines

    def _text(self, text: str, mine: bool) -> Fragments:
        """Return a text in which the user's own name is highlighted, and URLs are marked."""
        if not self._full:
            return self._named(text, mine)
        pieces = Fragments()
        for piece, is_link in with_links(text):
            pieces += [("class:link", piece)] if is_link else self._named(piece, mine)
        return pieces

    def _named(self, text: str, mine: bool) -> Fragments:
        if mine or not names.is_mentioned(self._name(), text):
            return [("", text)]
        pieces, at = Fragments(), 0
        for found in names.mention_pattern(self._name()).finditer(text):
            pieces += [("", text[at : found.start()]), ("class:named", found[0])]
            at = found.end()
        return [*pieces, ("", text[at:])]

    def _server_lines(self, lines: str) -> list[Fragments]:
        """Return lines of the text format with their signs styled."""
        styles = {"* ": ("class:server", ""), "! ": ("class:refusal", "class:refusal")}
        styled = []
        for line in lines.removesuffix("\n").split("\n"):
            sign, text = styles.get(line[:2], ("", ""))
            styled.append([(sign, line[:2]), (text, line[2:])])
        return styled

    def shown(self, content: Incoming | Folded, time: float) -> Fragments:
        """Return the rows of what came at a `time` in its view, without a heading for its day. A
        view of private talk names nobody whom it is for."""
        if isinstance(content, Folded):
            line: Fragments = [("class:server", f"* {folded_line(content)}")]
            return self._clocked(time, [line])
        if isinstance(content.item, Entry):
            lines = self._entry_lines(content.item, content.log, content.position, named=False)
        else:
            lines = self._server_lines(textformat.event(content.item).decode())
        return self._clocked(time, lines)

    # -- days and times --------------------------------------------------------------------------

    def day(self, time: float) -> str:
        """Return the day of a time, in words."""
        return f"{datetime.fromtimestamp(time):%A, %d %B %Y}"

    def _timed(self, time: float, lines: list[Fragments], number: str = "") -> Fragments:
        """Return lines with their time in front, below a heading if the day is a new one."""
        rows, day = Fragments(), self.day(time)
        if day != self._day and not self._full:
            self._day = day
            rows = self.heading(day, "class:day")
        return rows + self._clocked(time, lines, number)

    def _clocked(self, time: float, lines: list[Fragments], number: str = "") -> Fragments:
        """Return lines with their time in front."""
        rows = Fragments()
        clock = [("class:time", self._clock_text(time) + number)]
        for at, line in enumerate(lines):
            before = clock if at == 0 else [("", " " * self._indent())]
            rows += self._wrapped(before + line)
        return rows

    def heading(self, text: str, style: str = "class:mark") -> Fragments:
        """Return a row that announces the rows after it."""
        text = shortened(text, max(self._columns() - 7, 1), at_end=True)
        rest = "-" * max(self._columns() - width(text) - 5, 2)
        return [(style, f"-- {text} {rest}"), ("", "\n")]

    # -- replies ---------------------------------------------------------------------------------

    def lines(self, lines: bytes) -> Fragments:
        """Return the rows of lines in the text format.

        A line that begins with two spaces is a command to copy: the terminal itself breaks it, so
        that what is copied is one line.
        """
        text = lines.decode(errors="replace").removesuffix("\n")
        rows = Fragments()
        for line in self._server_lines(text) if text else []:
            is_command = line[0][1] == "  "
            rows += [*_clean(line), ("", "\n")] if is_command else self._wrapped(line)
        return rows

    def reply(self, it: replies.Reply) -> Fragments:
        """Return the rows of a reply that has no entries."""
        match it:
            case replies.Help(lines) if len(lines) > _MANY and all(x[0] == "/" for x in lines):
                return self._help(lines)
        return self.lines(textformat.reply(it))

    def _help(self, lines: tuple[str, ...]) -> Fragments:
        """Return the names of all commands in columns."""
        more, keys = "* /help COMMAND explains one of them", "; /help keys lists the keys."
        words = [line.split(" ")[0] for line in lines]
        if len(more + keys) < self._columns():
            more += keys
        else:
            words.append("/help keys")
        columns = _in_columns(words, self._columns(), 2 if self._columns() >= _NARROW else 1)
        rows = Fragments()
        for row in zip_longest(*columns, fillvalue=""):
            rows += [("", "".join(row).rstrip()), ("", "\n")]
        return rows + self.lines(more.encode() + b"\n")

    # -- rows ------------------------------------------------------------------------------------

    def echo(self, prompt: str, line: str) -> Fragments:
        """Return the rows of a typed line."""
        first, *more = line.split("\n")
        rows = self._wrapped([("class:prompt", prompt), ("", first)])
        return rows + [piece for row in more for piece in self._wrapped([("", "  " + row)])]

    def pending_text(self, text: str) -> Fragments:
        """Return the row of a text that waits for the server, shortened if needed."""
        first, more, _ = text.partition("\n")
        room = self._columns() - len(WAITS) - 1
        short = shortened(names.clean(first) + (" ..." if more else ""), room, at_end=True)
        return [("class:waiting", WAITS + short), ("", "\n")]

    def _clock_text(self, time: float) -> str:
        """Return a time as it stands before a line."""
        return _clock_text(int(time), _TIMES[self.time_format])

    def _indent(self) -> int:
        return len(self._clock_text(0)) if self._columns() >= _NARROW else 2

    def _wrapped(self, line: Fragments) -> Fragments:
        return wrapped(_clean(line), self._columns(), self._indent(), self._isolate)


@lru_cache(maxsize=1024)
def _clock_text(seconds: int, form: str) -> str:
    return f"{datetime.fromtimestamp(seconds):{form}} " if form else ""


def _in_columns(words: list[str], columns: int, gap: int) -> list[list[str]]:
    """Return words as the fewest rows for a screen of so many `columns`: the words of each column,
    filled with spaces up to the next one."""
    for down in range(1, len(words) + 1):
        parts = [words[at : at + down] for at in range(0, len(words), down)]
        widths = [max(map(width, part)) + gap for part in parts]
        if sum(widths) - gap <= columns:
            break
    return [[f"{word:{wide}}" for word in part] for part, wide in zip(parts, widths, strict=True)]


def _clean(line: Fragments) -> Fragments:
    return [(style, names.clean(text)) for style, text in line]
