"""Files in the page, in a real browser against a real server: on their way up, and shown."""

import hashlib
import random
import re

import pytest
from playwright.sync_api import expect

from tests.web import media
from tests.web.clients import HttpClient

SIZE = 8_000_000
"""Bytes of a file that is stopped on its way: much more than the sockets of a wire hold."""
RATE = 3_000_000
"""Bytes a second that a slow wire lets through."""
ARRIVED = 1_000_000
"""Bytes of which it is certain that they have arrived when a quarter of the file went out."""

ODD = "a b%20#?&;=+'\"<img src=x>{}|^~$!@ é\N{COMBINING ACUTE ACCENT} שלום 文 \N{GRINNING FACE}-.gz"
"""A name with characters that mean something in addresses, HTML, headers and shells."""


def content(size, seed=1):
    """Return bytes that no other test has."""
    return random.Random(seed).randbytes(size)


def share(server, name, data, room="lab"):
    """Share a file as a guest with curl does."""
    answer = HttpClient(server.port).request("PUT", f"/{room}/{name}", data)
    assert answer.status == 201, answer


def offsets(person):
    """Return a list that fills with the offsets from which a page sends files."""
    found = []
    person.page.on(
        "request",
        lambda it: (
            found.append(int(it.url.partition("?offset=")[2])) if "?offset=" in it.url else 0
        ),
    )
    return found


def downloaded(person, row, name):
    """Download the file of a row; return the name that the browser saves it by, and its bytes."""
    with person.page.expect_download() as download:
        row.get_by_role("button", name=name, exact=True).click()
    return download.value.suggested_filename, download.value.path().read_bytes()


def test_files_are_dropped_pasted_and_chosen(server, visit):
    """Each way shares the files, several at once, and everybody can fetch them."""
    anna, ben = visit(server, "anna", "#lab"), visit(server, "ben", "#lab")
    dropped = {"one.txt": b"the first", "two.bin": content(3000)}
    anna.drag("dragenter", anna.carry(dropped))
    expect(anna.page.locator(".app")).to_have_attribute("data-dropping", "")
    anna.drag("dragleave", anna.carry(dropped))
    expect(anna.page.locator(".app")).not_to_have_attribute("data-dropping", "")
    anna.drop(dropped)
    for name, data in dropped.items():
        assert downloaded(ben, ben.sees(name), name) == (name, data)
    expect(anna.page.locator(".app")).not_to_have_attribute("data-dropping", "")
    chosen = {f"{number}.log": content(10, number) for number in range(5)}
    anna.choose(*({"name": name, "mimeType": "", "buffer": data} for name, data in chosen.items()))
    for name, data in chosen.items():
        ben.sees(name)
        assert (server.files / "lab" / name).read_bytes() == data
    anna.paste({"image.png": media.png(20, 10)}, "image/png")
    expect(ben.page.locator(".picture img")).to_have_js_property("naturalWidth", 20)
    expect(anna.page.locator(".tray li")).to_have_count(0)


def test_a_dropped_folder_is_named_and_files_beside_it_are_shared(server, visit, tmp_path):
    """A browser gives no bytes of a folder: the page says what to do."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "notes.txt").write_text("words")
    anna = visit(server, "anna", "#lab")
    box = anna.page.locator(".talk").bounding_box()
    files = [str(tmp_path / "photos"), str(tmp_path / "notes.txt")]
    data = {"items": [], "files": files, "dragOperationsMask": 1}
    protocol = anna.page.context.new_cdp_session(anna.page)
    for kind in ("dragEnter", "dragOver", "drop"):
        event = {"type": kind, "x": box["x"] + 50, "y": box["y"] + 50, "data": data}
        protocol.send("Input.dispatchDragEvent", event)
    anna.sees("notes.txt")
    expect(anna.page.locator(".toast")).to_contain_text("A folder is not shared: photos.")
    expect(anna.page.locator(".tray li")).to_have_count(0)


def test_two_pasted_pictures_are_two_files(server, visit):
    """A browser calls every pasted picture image.png; here each has a name of its own."""
    anna = visit(server, "anna", "#lab")
    for width in (20, 30):
        anna.paste({"image.png": media.png(width, 10)}, "image/png")
        picture = anna.page.locator(".picture img").last
        expect(picture).to_have_js_property("naturalWidth", width)
    names = {each.name for each in (server.files / "lab").iterdir()}
    assert len(names) == 2
    assert all(re.fullmatch(r"pasted-[\d-]{23}\.png", name) for name in names), names


def test_an_upload_tells_its_progress_and_pauses(server, wire, visit):
    """The bar grows; a pause ends the sending; the rest goes on from what has arrived."""
    anna = visit(wire, "anna", "#lab")
    sent, data = offsets(anna), content(SIZE)
    before, wire.bytes_a_second = wire.count_up, RATE
    anna.drop({"slow.bin": data})
    row = anna.upload("slow.bin")
    bar = row.get_by_role("progressbar")
    expect(row).to_have_attribute("data-state", "goes")
    wire.wait_up(before + SIZE // 4)
    expect(row).to_contain_text(re.compile(r"of 8.0 MB · .*/s"))
    assert 0 < bar.evaluate("bar => bar.position") < 1
    anna.press("Pause slow.bin")
    expect(row).to_contain_text("paused")
    wire.bytes_a_second = None
    anna.press("Go on with slow.bin")
    anna.sees("slow.bin")
    assert (server.files / "lab" / "slow.bin").read_bytes() == data
    assert sent[0] == 0
    assert all(offset > ARRIVED for offset in sent[1:]), sent
    assert len(sent) > 1


def test_an_upload_goes_on_after_a_reload(server, wire, visit):
    """The file is chosen again, goes on in the room where it was, and only its rest is sent."""
    anna = visit(wire, "anna", "#lab")
    sent, data = offsets(anna), content(SIZE)
    before, wire.bytes_a_second = wire.count_up, RATE
    anna.drop({"long.bin": data})
    wire.wait_up(before + SIZE // 4)
    anna.page.goto("about:blank")
    wire.cut()  # what is on its way does not arrive
    wire.bytes_a_second = None
    anna.page.goto(f"http://127.0.0.1:{wire.port}/#lobby")
    row = anna.upload("long.bin")
    expect(row).to_contain_text(re.compile(r"[1-7]\.\d MB of 8.0 MB arrived"))
    with anna.page.expect_file_chooser() as chooser:
        row.get_by_role("button", name="choose the file again").click()
    chooser.value.set_files({"name": "long.bin", "mimeType": "", "buffer": data})
    expect(anna.page.locator(".tray li")).to_have_count(0)
    assert (server.files / "lab" / "long.bin").read_bytes() == data
    assert sent[0] == 0
    assert all(offset > ARRIVED for offset in sent[1:]), sent
    assert len(sent) > 1


@pytest.mark.parametrize("all_of_them", [True, False], ids=["all", "the upload's"])
def test_an_upload_goes_on_when_a_connection_breaks(server, wire, visit, all_of_them):
    """All connections break, or only that of the bytes: the upload goes on without a hand."""
    anna = visit(wire, "anna", "#lab")
    sent, data = offsets(anna), content(SIZE)
    before, wire.bytes_a_second = wire.count_up, RATE
    anna.drop({"broken.bin": data})
    wire.wait_up(before + SIZE // 4)
    if all_of_them:
        wire.cut()
    else:
        wire.cut_busiest()
    wire.bytes_a_second = None
    anna.sees("broken.bin")
    assert (server.files / "lab" / "broken.bin").read_bytes() == data
    assert sent[0] == 0
    assert all(offset > ARRIVED for offset in sent[1:]), sent
    assert len(sent) > 1
    expect(anna.page.locator(".tray li")).to_have_count(0)


def test_refused_uploads_say_why(start_server, visit):
    """Each has the server's sentence, and the others go on; a refused one can be dropped."""
    server = start_server("--room", "lab", user_bytes=1000, file_bytes=5000)
    anna = visit(server, "anna", "#lab")
    spoofed = "invoice\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe"
    refused = {
        "huge.bin": (bytes(5001), "at most 5.0 kB"),
        "quota.bin": (bytes(1001), "You have room for"),
        ".hidden": (b"x", "does not begin with a dot"),
        "back\\slash": (b"x", "no slashes"),
        spoofed: (b"x", "control characters"),
    }
    anna.drop({"good.txt": b"good", **{name: data for name, (data, _) in refused.items()}})
    anna.sees("good.txt")
    for name, (_, why) in refused.items():
        row = anna.upload(name.replace("\N{RIGHT-TO-LEFT OVERRIDE}", "\N{REPLACEMENT CHARACTER}"))
        expect(row).to_have_attribute("data-state", "failed")
        expect(row).to_contain_text(why)
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in anna.page.locator("body").inner_text()
    anna.press("Cancel huge.bin")
    expect(anna.upload("huge.bin")).to_have_count(0)
    assert [each.name for each in (server.files / "lab").iterdir()] == ["good.txt"]


def test_a_muted_user_shares_nothing(server, visit):
    """An upload that the room's rules forbid tells so in its row."""
    anna = visit(server, "anna")
    anna.say("/create studio")
    expect(anna.place("studio")).to_have_attribute("aria-current", "page")
    ben = visit(server, "ben", "#studio")
    anna.say("/mute ben")
    ben.page.locator(".note", has_text="muted").wait_for()
    ben.drop({"quiet.txt": b"psst"})
    expect(ben.upload("quiet.txt")).to_contain_text("muted")
    anna.say("/unmute ben")
    ben.page.locator(".note", has_text="unmuted").wait_for()
    ben.press("Go on with quiet.txt")
    anna.sees("quiet.txt")


@pytest.mark.parametrize(
    ("name", "data"),
    [("data.xyzzy", content(5000)), ("noextension", b"x"), ("empty.txt", b""), (ODD, b"odd")],
    ids=["unknown type", "no type", "empty", "odd name"],
)
def test_any_file_arrives_as_it_was(server, visit, name, data):
    """A file of any type, length and name is downloaded under its name, byte for byte."""
    anna = visit(server, "anna", "#lab")
    anna.drop({name: data})
    row = anna.sees(name[:8])
    expect(row.locator("img, audio, video")).to_have_count(0)
    saved, bytes_ = downloaded(anna, row, name)
    assert bytes_ == data
    assert saved[:2] == name[:2]
    listed = [each.name for each in (server.files / "lab").iterdir()]
    assert [hashlib.sha256((server.files / "lab" / it).read_bytes()).digest() for it in listed] == [
        hashlib.sha256(data).digest()
    ]
    anna.press("Files")
    expect(anna.page.locator(".files button").first).to_have_text(name)
