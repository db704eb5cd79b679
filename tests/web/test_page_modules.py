"""The parts of the page that do without a page, called in the browser."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatservice.grammar.commands import COMMANDS
from chatservice.grammar.commandtypes import Format


@pytest.fixture(scope="module")
def modules(browser, tmp_path_factory):
    """Return a page that has the modules, for `call`."""
    from tests.servers import Server

    server = Server(tmp_path_factory.mktemp("modules"))
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{server.port}/healthz")
    yield page
    page.close()
    server.kill()


def call(page, module, code, *arguments):
    """Run a function of a module, which is `m` in the code, with arguments `a`."""
    return page.evaluate(
        f"async a => {{ const m = await import('/static/{module}.js'); return {code}; }}",
        list(arguments),
    )


LEAVES = """a[0].map(text => { const seen = []; const walk = it => Array.isArray(it)
  ? it.forEach(walk) : it.inside ? walk(it.inside) : it.lines ? walk(it.lines)
  : seen.push(it.text ?? ''); walk(m.blocks(text)); return seen.join(''); })"""
MARKS = st.sampled_from(
    ["**", "*", "_", "~~", "`", "```\n", "> ", "- ", "#lab/1", "@a", "https://x.y/)"]
)
TEXTS = st.lists(st.one_of(MARKS, st.text(max_size=5)), max_size=12).map("".join)


@settings(max_examples=25)
@given(texts=st.lists(TEXTS, max_size=20))
def test_no_text_breaks_markdown(modules, texts):
    """Each leaf of the tree is a piece of the text, for any text."""
    for text, leaves in zip(texts, call(modules, "markdown", LEAVES, texts), strict=True):
        assert not set(leaves) - set(text)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("plain", ["text"]),
        ("**bold** and *slanted*", ["bold", "text", "italic"]),
        ("a_b_c and 2*3*4", ["text"]),
        ("see https://a.b/c_d_(e), ok", ["text", "link", "text"]),
        ("#lab/12 and C#/1", ["place", "text"]),
        ("`**code**`", ["code"]),
    ],
)
def test_markdown_of_a_line(modules, text, kinds):
    """Marks inside of words are none; code holds no others."""
    assert call(modules, "markdown", "m.inlines(a[0]).map(it => it.kind)", text) == kinds


ENTRY = "Object.assign({event: 'message', room: 'lab', time: '2026-11-29T10:00:00Z', text: ''}, it)"
STATE = f"""(() => {{ const s = new m.State(); s.me = 'me';
  const r = s.ensure('lab'); a[0].forEach(it => s.apply({ENTRY})); return r; }})()"""


@given(
    events=st.lists(st.tuples(st.integers(1, 30), st.sampled_from(["me", "you"])), max_size=40),
)
@settings(max_examples=25)
def test_entries_are_in_order_and_once(modules, events):
    """Entries come in any order, and more than once: each is there once, in its place."""
    given_ = [{"seq": seq, "from": name} for seq, name in events]
    seqs = call(modules, "state", f"{STATE}.entries.map(it => it.seq)", given_)
    assert seqs == sorted({seq for seq, _ in events})


def test_a_reaction_that_comes_twice_counts_once(modules):
    """Live talk and the history may both tell of it."""
    events = [{"seq": 1, "from": "you"}]
    events += [{"seq": 2, "event": "reaction", "about": 1, "from": "you", "word": "ok"}] * 2
    entry = call(modules, "state", f"{STATE}.entries[0].reactions", events)
    assert entry == [{"word": "ok", "total": 1, "names": ["you"]}]


@given(data=st.binary(max_size=300), cut=st.integers(0, 300))
@settings(max_examples=25)
def test_the_digest_is_sha256(modules, data, cut):
    """In pieces of any size it is what hashlib says."""
    from hashlib import sha256

    code = """(() => { const h = new m.Sha256(); const b = Uint8Array.from(a[0]);
      h.update(b.subarray(0, a[1])); h.update(b.subarray(a[1])); return h.hex(); })()"""
    assert call(modules, "sha256", code, list(data), cut) == sha256(data).hexdigest()


@pytest.mark.parametrize(
    ("line", "made"),
    [
        ("/kick bob too loud", {"room": "lab", "user": "bob", "text": "too loud"}),
        ("/ban bob 10m spam", {"room": "lab", "user": "bob", "time": "10m", "text": "spam"}),
        ("/ban bob spam", {"room": "lab", "user": "bob", "text": "spam"}),
        ("/pin #7", {"room": "lab", "position": 7}),
        ("/pin 7", {"room": "lab", "position": 7}),
        ("/react 7 :)", {"room": "lab", "position": 7, "word": ":)"}),
        ("/token ci studio", {"label": "ci", "room": "studio"}),
        ("/seen off", {"show": False}),
        ("/seen bob", {"user": "bob"}),
        ("/remove a file.txt", {"room": "lab", "name": "a file.txt"}),
    ],
)
def test_typed_commands(modules, line, made):
    """A time may be left out, and a position has a number sign or none."""
    name, _, rest = line[1:].partition(" ")
    assert call(modules, "typed", "m.requestOf(a[0], a[1], 'lab').fields", name, rest) == made


def test_the_page_has_the_server_s_commands(modules):
    """The module that the server makes has each command of JSON, with its arguments' types."""
    table, types = call(modules, "commands", "[m.TABLE, m.TYPES]")
    assert set(table) == {it.name for it in COMMANDS.values() if it.formats & Format.JSON}
    assert {arg["type"] for it in table.values() for arg in it["args"]} <= set(types)
