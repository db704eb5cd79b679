"""The name, the colour and the logo that an operator gives to the page."""

import json
import re
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import expect
from twisted.python import usage

from chatservice.options import Options
from chatservice.protocols.web import appicon, colors
from tests.web.clients import HttpClient

SVG = b"""<?xml version="1.0"?>
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"><rect width="10" height="10"/>
<script>document.documentElement.setAttribute('data-ran', 'yes')</script></svg>"""
COLORS = st.tuples(*[st.integers(0, 255)] * 3).map(lambda it: "#" + bytes(it).hex())


def refusal(*arguments):
    """Return the sentence that refuses some options."""
    with pytest.raises(usage.UsageError) as caught:
        Options().parseOptions(arguments)
    return str(caught.value)


def manifest_of(client):
    """Return the manifest that the page names, and the folder of its files."""
    page = client.request("GET", "/").body.decode()
    path = re.search(r'"(static/\w+/)manifest', page)[1]
    found = client.request("GET", f"/{path}manifest.webmanifest")
    return json.loads(found.body), path


def test_the_operator_names_and_colours_the_page(start_server, visit, tmp_path):
    """Title, first screen, manifest and colours are the operator's; the name is no markup."""
    config = tmp_path / "chat.toml"
    config.write_text('page-name = "Lab <3"\npage-color = "#b3261e"\n')
    server = start_server("--config", str(config))
    manifest, _ = manifest_of(HttpClient(server.port))
    assert (manifest["name"], manifest["theme_color"]) == ("Lab <3", "#b3261e")
    anna = visit(server)
    expect(anna.page).to_have_title("Lab <3")
    expect(anna.page.get_by_role("heading", name="Lab <3")).to_be_visible()
    expect(anna.page.locator(".primary")).to_have_css("background-color", "rgb(179, 38, 30)")
    anna.come_in("anna")
    expect(anna.page).to_have_title("lobby – Lab <3")


def test_a_logo_runs_no_scripts(start_server, visit, tmp_path):
    """The logo is shown where the page's own was; opened by itself, an SVG runs nothing."""
    path = tmp_path / "logo"
    path.write_bytes(SVG)
    server = start_server("--page-logo", str(path))
    manifest, folder = manifest_of(HttpClient(server.port))
    assert [it["src"] for it in manifest["icons"]] == ["logo.svg"]
    worker = HttpClient(server.port).request("GET", "/sw.js").body
    assert re.findall(rb"icon: here\('(.*?)'\)", worker) == [b"static/logo.svg"]
    anna = visit(server)
    logo = anna.page.locator("img.logo")
    expect(logo).to_have_attribute("src", re.compile(r"/static/\w+/logo\.svg$"))
    expect(logo).to_have_js_property("naturalWidth", 150)
    # The browser says on the console that it has run nothing.
    other = anna.page.context.browser.new_page()
    other.goto(f"http://127.0.0.1:{server.port}/{folder}logo.svg")
    expect(other.locator("rect")).to_be_attached()
    assert other.locator("svg").get_attribute("data-ran") is None
    other.close()


@pytest.mark.parametrize(
    "data",
    [b"\x89PNG\r\n\x1a\n....", b"\xff\xd8\xff\xe0", b"RIFF1234WEBPVP8 ", SVG, b"<svg ></svg>"],
)
def test_kinds_of_logos(tmp_path, data):
    """Each is known by its first bytes, whatever the file is called."""
    (tmp_path / "logo").write_bytes(data)
    options = Options()
    options.parseOptions(["--page-logo", str(tmp_path / "logo")])
    assert options["branding"].logo[0] == data


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"GIF89a", "is no PNG, SVG, WebP or JPEG; save it as one of these."),
        (b"", "is no PNG, SVG, WebP or JPEG; save it as one of these."),
        (b"<html><svg></svg>", "is no PNG, SVG, WebP or JPEG; save it as one of these."),
        (b"\x89PNG\r\n\x1a\n" + bytes(262_144), "has more than 256 KiB; make it smaller."),
    ],
)
def test_a_logo_that_is_none(tmp_path, data, sentence):
    """One clear sentence says why the server does not start."""
    path = tmp_path / "logo"
    path.write_bytes(data)
    assert refusal("--page-logo", str(path)) == f"--page-logo {path} {sentence}"


def test_options_that_cannot_be(tmp_path):
    """A colour that is none, a name that is too long or empty, a file that is not there."""
    assert refusal("--page-color", "red").startswith("--page-color takes a colour as #17695f")
    assert refusal("--page-color", "#12345g").endswith("not #12345g.")
    assert refusal("--page-name", "x" * 41).startswith("--page-name takes 1 to 40 characters")
    assert refusal("--page-name", " ").startswith("--page-name takes 1 to 40 characters")
    assert refusal("--page-logo", str(tmp_path / "none")).endswith("(No such file or directory).")


@given(color=COLORS)
def test_any_colour_can_be_read(color):
    """Text in the colour has the contrast of WCAG on both pages, also on a tinted ground."""
    options = Options()
    options.parseOptions(["--page-color", color])
    parts = {"page.css": b"", "icon.svg": b"", "index.html": b"", "manifest.webmanifest": b"{}"}
    options["branding"].apply(parts)
    pairs = re.findall(r"--(\S+): light-dark\((#\w+), (#\w+)\)", parts["page.css"].decode())
    rules = {name: [colors.parse_color(it) for it in both] for name, *both in pairs}
    for at in (0, 1):
        accent, on, tint = (rules[name][at] for name in ("accent", "on-accent", "tint"))
        assert colors.contrast(accent, on) >= 4.5
        assert colors.contrast(accent, tint) >= 4.4  # hexadecimal digits are rounded


@pytest.mark.parametrize(("side", "maskable"), [(192, False), (512, False), (512, True)])
def test_the_icon_is_a_png(side, maskable):
    """It decodes; its corner is transparent, or the colour where a phone cuts it."""
    data = appicon.png(side, colors.parse_color("#17695f"), maskable)
    chunks, at = {}, 8
    while at < len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        assert zlib.crc32(kind + body) == struct.unpack(">I", data[at + 8 + size :][:4])[0]
        chunks[kind], at = body, at + 12 + size
    rows = zlib.decompress(chunks[b"IDAT"])
    assert struct.unpack(">II", chunks[b"IHDR"][:8]) == (side, side)
    assert len(rows) == side * (side + 1)
    corner, middle = rows[1], rows[(side + 1) * (side // 2) + 1 + side // 2]
    assert chunks[b"tRNS"].ljust(33, b"\xff")[corner] == (255 if maskable else 0)
    assert tuple(chunks[b"PLTE"][3 * middle :][:3]) == (253, 252, 249)
    assert max(rows) <= 32
