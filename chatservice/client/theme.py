"""The colours of a terminal, and which of them a name has."""

import curses
import os
import zlib

from prompt_toolkit.output import ColorDepth
from prompt_toolkit.styles import Style

from chatservice import names

_NAMES_256 = (
    *("#d70000", "#d75f00", "#af5f00", "#5f8700", "#008700", "#008787"),
    *("#0087d7", "#005fff", "#875fff", "#af00d7", "#d700d7", "#d70087"),
)
"""Colours of xterm's 6x6x6 cube with a contrast of at least 3.8 (WCAG 2, relative luminance 0.13 to
0.23) on white as on black, so that nobody has to tell us which of the two there is."""

_NAMES_8 = ("ansired", "ansigreen", "ansimagenta", "ansicyan")
"""Those of eight that are seen on white and on black; yellow vanishes on the one, blue on the
other."""

_PLAIN = "bg:default fg:default"
"""The terminal's own colours, where prompt_toolkit has others."""

NAME_COLOURS = {ColorDepth.DEPTH_4_BIT: len(_NAMES_8), ColorDepth.DEPTH_8_BIT: len(_NAMES_256)}


def colour_depth() -> ColorDepth:
    """Return how many colours the terminal shows: none with `NO_COLOR` (no-color.org), else what
    `COLORTERM` or the terminal's own description (terminfo) says."""
    if os.environ.get("NO_COLOR"):
        return ColorDepth.DEPTH_1_BIT
    if os.environ.get("COLORTERM"):
        return ColorDepth.DEPTH_8_BIT
    try:
        curses.setupterm()
        count = curses.tigetnum("colors")
    except curses.error:  # nobody has described this terminal
        count = 8
    if count >= 256:
        return ColorDepth.DEPTH_8_BIT
    return ColorDepth.DEPTH_4_BIT if count >= 8 else ColorDepth.DEPTH_1_BIT


def name_style(name: str, depth: ColorDepth) -> str:
    """Return the style of a name: always the same for the same one, in every run of the program."""
    count = NAME_COLOURS.get(depth)
    if count is None:
        return "class:name"
    return f"class:name class:name{zlib.crc32(names.key(name).encode()) % count}"


def terminal_style(depth: ColorDepth) -> Style:
    """Return what the styles' names mean in so many colours."""
    many = depth is ColorDepth.DEPTH_8_BIT
    grey, red = ("#767676", "#d70000") if many else ("ansibrightblack", "ansired")
    if depth is ColorDepth.DEPTH_1_BIT:
        grey = red = ""
    wanted = {
        "time": grey,
        "name": "",
        "me": "bold",
        "named": "reverse",
        "mention": "bold",
        "server": grey,
        "refusal": f"{red} bold",
        "mark": "bold",
        "day": grey,
        "waiting": grey,
        "prompt": "bold",
        "key": "bold",
        "room": grey,
        "here": "reverse",
        "unread": "bold",
        "bar": "",
        "completion-toolbar": _PLAIN,
        "completion-toolbar.completion": _PLAIN,
        "completion-toolbar.completion.current": f"{_PLAIN} reverse",
        "completion-toolbar.arrow": f"{_PLAIN} bold",
    }
    colours = _NAMES_256 if many else _NAMES_8
    wanted |= {f"name{number}": colour for number, colour in enumerate(colours)}
    return Style.from_dict({name: how.strip() for name, how in wanted.items()})
