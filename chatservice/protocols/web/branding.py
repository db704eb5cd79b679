"""The name, the colour and the logo that an operator gives to the page."""

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from html import escape
from pathlib import Path
from typing import NamedTuple

from chatservice.protocols.web import appicon, colors
from chatservice.protocols.web.colors import Color

NAME_CHARACTERS = 40
"""The longest name: about what the list of rooms has place for."""

LOGO_BYTES = 262_144
"""The largest logo. Each visitor loads it, and the server keeps it in memory."""

ICONS = {"icon-192.png": (192, False), "icon-512.png": (512, False), "mask-512.png": (512, True)}
"""The icons of the installed page: pixels, and whether a phone may cut it to a shape. These sizes
are what browsers ask of a page that can be installed."""

_COLOR = "#17695f"
"""The colour in the files of the page."""

_PAPER, _DARK = colors.parse_color("#fcfbf8"), colors.parse_color("#181a1b")
"""The ground of the light and of the dark page (`page/page.css`)."""

_TINTED = 0.14
"""The part of the colour in the ground of what is chosen."""


class Branding(NamedTuple):
    """The name and the look of the page. `logo` has the bytes and the type of an image."""

    name: str = "Chat"
    color: Color | None = None
    logo: tuple[bytes, str] | None = None

    def apply(self, parts: dict[str, bytes]) -> None:
        """Change the files of the page, by their names, and add the logo."""
        color = self.color or colors.parse_color(_COLOR)
        if self.color is not None:
            parts["page.css"] += _style(color)
        own = colors.written(color)
        for name in ("icon.svg", "index.html"):
            parts[name] = parts[name].replace(_COLOR.encode(), own.encode())
        titled = parts["index.html"].replace(b">Chat<", f">{escape(self.name)}<".encode())
        parts["index.html"] = titled
        if self.logo is None:
            listed = [_icon(name, f"{it[0]}x{it[0]}", it[1]) for name, it in ICONS.items()]
            listed.append(_icon("icon.svg", "any"))
        else:
            data, kind = self.logo
            name = f"logo.{kind}"
            parts[name] = data
            listed = [_icon(name, "any")]
            for each in ("index.html", "sw.js"):
                parts[each] = re.sub(rb"icon\.svg|icon-192\.png", name.encode(), parts[each])
        manifest = json.loads(parts["manifest.webmanifest"])
        manifest |= {"name": self.name, "short_name": self.name, "theme_color": own}
        manifest["icons"] = listed
        parts["manifest.webmanifest"] = json.dumps(manifest, indent=1).encode()

    def drawings(self) -> Mapping[str, Callable[[], bytes]]:
        """Return functions that draw the icons of the installed page, by the names of their files.
        Most servers are never asked for them."""
        if self.logo is not None:
            return {}
        color = self.color or colors.parse_color(_COLOR)
        return {name: partial(appicon.png, it[0], color, it[1]) for name, it in ICONS.items()}


def _icon(name: str, sizes: str, maskable: bool = False) -> dict[str, str]:
    return {"src": name, "sizes": sizes, "purpose": "maskable" if maskable else "any"}


def _style(color: Color) -> bytes:
    """Return the rules that give the page its colour. It is made darker on the light page, and
    lighter on the dark one, until text in it can be read, also on a ground that is tinted with
    it."""
    light = _readable(color, _PAPER, colors.BLACK)
    dark = _readable(color, _DARK, colors.WHITE)
    pairs = {
        "--accent": (light, dark),
        "--on-accent": (colors.WHITE, _DARK),
        "--tint": (colors.mix(_PAPER, light, _TINTED), colors.mix(_DARK, dark, _TINTED)),
    }
    rules = [
        f"{name}: light-dark({colors.written(on_light)}, {colors.written(on_dark)});"
        for name, (on_light, on_dark) in pairs.items()
    ]
    return f"\n:root {{ {' '.join(rules)} }}\n".encode()


def _readable(color: Color, ground: Color, towards: Color) -> Color:
    steps = (colors.mix(color, towards, step / 50) for step in range(51))
    return next(
        it for it in steps if colors.contrast(it, colors.mix(ground, it, _TINTED)) >= colors.ENOUGH
    )


def read_logo(path: Path) -> tuple[bytes, str]:
    """Return the bytes of an image and its type, the ending of a file's name. Raises `ValueError`
    with the reason why it is no logo, and `OSError`."""
    with path.open("rb") as file:
        data = file.read(LOGO_BYTES + 1)
    if len(data) > LOGO_BYTES:
        raise ValueError(f"has more than {LOGO_BYTES // 1024} KiB; make it smaller")
    for kind, pattern in _KINDS.items():
        if pattern.match(data):
            return data, kind
    raise ValueError("is no PNG, SVG, WebP or JPEG; save it as one of these")


_KINDS = {
    "png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "jpg": re.compile(rb"\xff\xd8\xff"),
    "webp": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
    # Before its element an SVG may have a mark of the byte order, a declaration and comments.
    "svg": re.compile(
        rb"(?:\xef\xbb\xbf)?(?:\s|<\?[^>]{0,1000}>|<!--.{0,2000}?-->|<!DOCTYPE[^>\[]{0,1000}>)*<svg[\s>]",
        re.DOTALL,
    ),
}
"""The first bytes of each kind of image."""
