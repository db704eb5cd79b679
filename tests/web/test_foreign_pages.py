"""Pages of other servers in a real Chromium: they neither change nor read anything here."""

import io
import wave
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Page, expect

from tests.servers import PATIENCE, RawClient, Server
from tests.web.clients import HttpClient
from tests.web.conftest import POINTS_HERE

PLACES = {
    "another site": ("localhost", "127.0.0.1"),
    "another port": ("127.0.0.1", "127.0.0.1"),
    "a site in the plain": ("localhost", f"chat.{POINTS_HERE}"),  # without Sec-Fetch-Site
}
"""The host of a page, and the name by which it tries the server."""

COMMON = """
const seen = {}, said = 'said from elsewhere';
const late = new Promise((done) => setTimeout(done, 20000, 'nothing came'));
const attempt = async (name, trying) => {
  try { seen[name] = await Promise.race([trying, late]); } catch { seen[name] = 'blocked'; }
};
const loaded = (it, named) => new Promise((done) => {
  it.onload = () => done(it.contentDocument === null ? 'blocked' : 'shown');
  it.onerror = () => done('blocked');
  Object.assign(it, named);
  document.body.append(it);
});
const talk = ['/lab', '/api/v1/rooms/lab/messages'];
"""

ATTEMPTS = {
    "fetch": """
const paths = [...talk, '/', '/lab/said.txt', '/fresh', '/fresh?follow', '/openapi.json',
  '/metrics', '/api/v1/do/say?room=lab&text=said', '/api/v1/do/create?room=fresh',
  '/lab%0d%0asaid%0d%0a',
  '/%0d%0asaid%0d%0aPOST%20/lab%20HTTP/1.1%0d%0aHost:%20localhost%0d%0a%0d%0a'];
const ways = [['GET'], ['POST'], ['PUT'], ['DELETE'], ['GET', 'no-cors'], ['POST', 'no-cors']];
await Promise.all(paths.flatMap((path) => ways.map(async ([method, mode = 'cors']) => {
  const body = method === 'GET' ? undefined : said;
  const asked = fetch(to + path, {method, mode, body, credentials: 'include'});
  await attempt(`${method} ${mode} ${path}`, asked.then(({type, status}) => `${type} ${status}`));
})));
""",
    "forms": """
const types = ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data'];
await Promise.all(talk.flatMap((path) => types.map(async (enctype) => {
  const target = `${enctype} ${path}`, form = document.createElement('form');
  const frame = document.createElement('iframe'), text = document.createElement('textarea');
  Object.assign(text, {name: 'text', value: said});
  Object.assign(form, {action: to + path, method: 'post', enctype, target});
  form.append(text);
  document.body.append(form);
  frame.name = target;
  document.body.append(frame);
  const answered = new Promise((done) => {
    frame.onload = () => done(frame.contentDocument ? 'shown' : 'blocked');
  });
  form.submit();
  await attempt(target, answered);
})));
""",
    "embedding": """
const style = (path) => ['link', {rel: 'stylesheet', href: to + path}];
const all = [['img', {src: `${to}/static/icon.svg`}], style('/static/page.css'), style('/lab'),
  ['script', {src: `${to}/static/dom.js`, type: 'module'}], ['script', {src: `${to}/openapi.json`}],
  ['script', {src: `${to}/lab`}], ['object', {data: `${to}/lab`}], ['object', {data: `${to}/`}]];
await Promise.all(all.map(([tag, named]) =>
  attempt(`${tag} ${named.src ?? named.href ?? named.data}`,
    loaded(document.createElement(tag), named))));
""",
    "frames": """
const paths = ['/', '/lab', '/healthz', '/static/icon.svg', '/t/none', '/lab/said.txt'];
await Promise.all(paths.map((path) =>
  attempt(path, loaded(document.createElement('iframe'), {src: to + path}))));
""",
    "websocket": """
await attempt('/ws', new Promise((done, failed) => {
  const socket = new WebSocket(`${to.replace('http', 'ws')}/ws`);
  socket.onopen = () => {
    for (const it of [{do: 'hello', name: 'evil'}, {do: 'join', room: 'lab'},
      {do: 'say', room: 'lab', text: said}]) socket.send(JSON.stringify(it));
    socket.onmessage = ({data}) => JSON.parse(data).seq && done('opened');
  };
  socket.onerror = failed;
}));
""",
}
"""Code that a page tries, by kind. It gives what the page saw, by attempt; `to` is the server."""


def try_(page: Page, kind: str, to: str) -> dict[str, str]:
    """Make the attempts of a kind in a page, and return what the page saw of each."""
    found: dict[str, str] = page.evaluate(
        f"async (to) => {{ {COMMON} {ATTEMPTS[kind]} return seen; }}", to
    )
    assert found
    return found


@contextmanager
def opened(browser: Browser, address: str) -> Iterator[Page]:
    """Open a page in a profile of its own."""
    context = browser.new_context()
    context.set_default_timeout(PATIENCE * 1000)
    page = context.new_page()
    page.goto(address)
    yield page
    context.close()


class Reader:
    """Somebody who is in the lab, in which nobody else was."""

    def __init__(self, server: Server) -> None:
        self._bare, self._seen = RawClient(server.port), list[str]()
        self._answer(do="hello", name="reader")
        self._answer(do="join", room="lab")

    def _answer(self, **fields: Any) -> dict[str, Any]:
        self._bare.ask(**fields, id=fields["do"])
        while (event := self._bare.event()).get("id") != fields["do"]:
            self._seen.append(event["event"])
        return event

    def saw(self) -> list[Any]:
        """Return the events that came here, the rooms but the first two, and the positions of
        entries here."""
        rooms = [it["room"] for it in self._answer(do="rooms")["rooms"]]
        position = self._answer(do="say", room="lab", text="the end")["seq"]
        return [*self._seen, *rooms[2:], *range(1, position)]


@pytest.fixture
def lab(start_server: Callable[..., Server]) -> Server:
    """Return a server that has a name, too."""
    return start_server("--room", "lab", "--host-name", f"chat.{POINTS_HERE}")


@pytest.mark.parametrize("kind", ATTEMPTS)
def test_a_page_elsewhere_says_and_reads_nothing(lab, browser, serve_elsewhere, kind):
    """It tries many ways, from another site or another port, also where the browser does not
    tell whose page it is."""
    reader = Reader(lab)
    port = serve_elsewhere("<!doctype html><title>elsewhere</title><body>")
    for host, to in PLACES.values():
        with opened(browser, f"http://{host}:{port}/") as page:
            seen = try_(page, kind, f"http://{to}:{lab.port}")
            frames = [frame.url for frame in page.frames[1:]]
        assert {name: it for name, it in seen.items() if it != "blocked"} == {}
        assert not [it for it in frames if str(lab.port) in it]
    assert reader.saw() == []


NAVIGATE = """
([action, method, enctype, fields]) => {
  const form = document.createElement('form');
  Object.assign(form, {action, method, enctype});
  for (const [name, value] of Object.entries(fields)) {
    const field = document.createElement('input');
    Object.assign(field, {name, value});
    form.append(field);
  }
  document.body.append(form);
  form.submit();
}
"""
SAYING = {"room": "lab", "text": "said", "name": "evil"}
CHANGES = {
    **dict.fromkeys(("/lab", "/api/v1/rooms/lab/messages", "/api/v1/do/say"), SAYING),
    **dict.fromkeys(("/api/v1/do/topic", "/api/v1/rooms/lab/topic", "/api/v1/do/me"), SAYING),
    "/api/v1/do/create": {"room": "fresh"},
    "/api/v1/do/msg": {"to": "reader", "text": "said"},
    "/@reader": {"text": "said"},
    "/api/v1/do/put": {"room": "lab", "name": "said.txt", "size": "0"},
    "/lab/said.txt": {},
    "/fresh": {},
}
"""Paths that would change something if a browser were led there, with the fields of a form."""


@pytest.mark.parametrize("place", PLACES)
def test_a_page_elsewhere_leads_here_and_changes_nothing(lab, browser, serve_elsewhere, place):
    """The browser goes to the server itself, by links with fields, and by forms: that is
    allowed, or refused with a sentence, and does nothing."""
    reader, (host, to) = Reader(lab), PLACES[place]
    port = serve_elsewhere("<!doctype html><title>elsewhere</title><body>")
    form = "application/x-www-form-urlencoded"
    with opened(browser, f"http://{host}:{port}/") as page:
        for path, fields in CHANGES.items():
            for method, type_ in (("get", form), ("post", "text/plain")):
                page.goto(f"http://{host}:{port}/")
                with page.expect_navigation() as led:
                    action = f"http://{to}:{lab.port}{path}"
                    page.evaluate(NAVIGATE, [action, method, type_, fields])
                assert method == "get" or led.value.status == 403, (path, type_)
    assert reader.saw() == []


@pytest.mark.parametrize("kind", ["fetch", "websocket"])
def test_a_name_that_turns_to_this_server(lab, browser, kind):
    """A page whose own name points here, once it is loaded (DNS rebinding): the browser takes it
    for the server's own, and the server refuses the name."""
    reader = Reader(lab)
    own = f"http://evil.{POINTS_HERE}:{lab.port}"
    with opened(browser, f"{own}/") as page:
        seen = set(try_(page, kind, own).values())
    assert seen == {"basic 403" if kind == "fetch" else "blocked"}
    assert reader.saw() == []


@pytest.mark.parametrize("kind", ["fetch", "embedding", "websocket"])
def test_the_attempts_work_for_a_page_of_the_server(lab, browser, serve_elsewhere, kind):
    """So the others fail for their origin, and not for a mistake. This page cannot tell anything to
    another server, and the browser reports that."""
    reader, elsewhere = Reader(lab), serve_elsewhere("")
    with opened(browser, f"http://127.0.0.1:{lab.port}/healthz") as page:
        seen = set(try_(page, kind, f"http://127.0.0.1:{lab.port}").values())
        with page.expect_console_message(lambda it: "Content Security Policy" in it.text):
            page.evaluate("to => fetch(to).catch(() => 0)", f"http://127.0.0.1:{elsewhere}/")
    assert seen & {"basic 200", "shown", "opened"}
    assert kind == "embedding" or "message" in reader.saw()


PICTURE = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
"""The smallest PNG."""


def sound() -> bytes:
    """Return a tenth of a second of silence."""
    made = io.BytesIO()
    with wave.open(made, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(1)
        wav.setframerate(8000)
        wav.writeframes(b"\x80" * 800)
    return made.getvalue()


def test_the_page_keeps_to_its_policy(server, visit):
    """Pictures, sound, a download, settings and a search break no rule of its own: `visit` fails if
    the browser reports anything."""
    anna = visit(server, "anna", "#lab")
    anna.say("**bold** and `code`, https://example.org/ 🙂")
    files = [("a.png", "image/png", PICTURE), ("a.wav", "audio/wav", sound())]
    anna.page.locator(".composer input[type=file]").set_input_files(
        [{"name": name, "mimeType": type_, "buffer": data} for name, type_, data in files]
    )
    anna.page.locator(".picture img").click()
    expect(anna.page.locator("dialog img.large")).to_be_visible()
    anna.page.keyboard.press("Escape")
    anna.press("Play a.wav")
    expect(anna.page.locator("audio")).to_be_visible()
    with anna.page.expect_download() as download:
        anna.press("a.png")
    assert download.value.path().read_bytes() == PICTURE
    anna.press("Search")
    anna.press("Settings")


SCRIPT = "fetch('/lab', {method: 'POST', body: 'said from a file'})"
UPLOADED = {
    "a.html": f'<!doctype html><script>{SCRIPT}</script><img src=x onerror="{SCRIPT}">',
    "a.xhtml": f'<html xmlns="http://www.w3.org/1999/xhtml"><script>{SCRIPT}</script></html>',
    "a.svg": f'<svg xmlns="http://www.w3.org/2000/svg" onload="{SCRIPT}"><script>{SCRIPT}</script>'
    "</svg>",
    "a.xml": '<?xml-stylesheet href="#s" type="text/xsl"?><x xmlns:h="http://www.w3.org/1999/xhtml">'
    f"<h:script>{SCRIPT}</h:script></x>",
    "a.pdf": "%PDF-1.4\n1 0 obj<</Type/Catalog/OpenAction<</S/URI/URI(/lab)>>>>endobj\n"
    "trailer<</Root 1 0 R>>",
    "a.png": f"<!doctype html><script>{SCRIPT}</script>",
    "a.js": SCRIPT,
}
"""Files that are programs for a browser, by their names."""


@pytest.mark.parametrize("policies", [True, False], ids=["", "where the page has no policy"])
def test_nothing_in_an_uploaded_file_runs(lab, browser, policies):
    """A user opens each in the browser, as a file and in the ticket's form that shows pictures; and
    a page of the server itself, if somebody could write into it, runs none as a script."""
    own, reader, tickets = f"http://127.0.0.1:{lab.port}", Reader(lab), []
    giver = RawClient(lab.port)
    giver.ask(do="hello", name="giver")
    for name, text in UPLOADED.items():
        assert HttpClient(lab.port).request("PUT", f"/lobby/{name}", text.encode()).status == 201
        giver.ask(do="get", room="lobby", name=name, id=name)
        while (answer := giver.event()).get("id") != name:
            pass
        tickets.append(f"/t/{answer['ticket']}/{name}")
    paths = [*(f"/lobby/{it}" for it in UPLOADED), *tickets, *(f"{it}?inline" for it in tickets)]
    context = browser.new_context(bypass_csp=not policies)
    context.set_default_timeout(PATIENCE * 1000)
    page = context.new_page()
    shown = []
    for path in paths:
        page.goto(f"{own}/healthz")
        try:
            page.goto(own + path)
            shown.append(path.partition("?")[0].rpartition("/")[2])
        except Error as error:
            assert "Download is starting" in str(error), error
    assert shown == ["a.png"]
    page.goto(f"{own}/healthz")
    if not policies:
        for path in [*paths, "/lab", "/healthz", "/openapi.json"]:
            loaded = page.evaluate(
                """path => new Promise((done) => {
                  const it = document.createElement('script');
                  Object.assign(it, {src: path, onload: () => done('ran')});
                  it.onerror = () => done('');
                  document.body.append(it);
                })""",
                path,
            )
            assert loaded == "", path
    context.close()
    giver.close()
    assert reader.saw() == []
