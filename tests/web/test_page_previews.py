"""Pictures, sounds and films that the page shows, in a real browser against a real server."""

import pytest
from playwright.sync_api import expect

from tests.web import media
from tests.web.clients import HttpClient

SECONDS = 20
SECOND_BYTES = 3 << 20
"""A film, and how much of it a second has: so much that Chromium asks for parts and reads little of
what lies between them."""


def share(server, name, data, room="lab"):
    """Share a file as a guest with curl does."""
    answer = HttpClient(server.port).request("PUT", f"/{room}/{name}", data)
    assert answer.status == 201, answer


@pytest.fixture
def anna(server, visit):
    """Return a person in the lab."""
    return visit(server, "anna", "#lab")


def seek(player, second):
    """Let a player jump, and return where it is then."""
    return player.evaluate(
        """(it, second) => new Promise((done, failed) => {
          it.onseeked = () => done(it.currentTime);
          it.onerror = () => failed(it.error);
          it.currentTime = second;
        })""",
        second,
    )


def test_a_film_is_played_and_sought(server, anna):
    """It plays at a press, and one may jump in it: the player asks for parts of the file."""
    share(server, "film.webm", media.webm(anna.page, SECONDS, SECOND_BYTES))

    def part(response):
        """Return where a response with a part of the film begins, else 0."""
        told = response.headers.get("content-range", "") if "/t/" in response.url else ""
        return int(told.removeprefix("bytes ").partition("-")[0] or 0)

    behind = (SECONDS - 8) * SECOND_BYTES
    with anna.page.expect_response(lambda it: part(it) > behind) as response:
        anna.press("Play film.webm")
        film = anna.page.locator("video")
        expect(film).to_have_js_property("duration", SECONDS)
        expect(film).to_have_js_property("paused", False)
        expect(film).to_have_js_property("videoWidth", 16)
        film.evaluate("film => film.pause()")
        assert seek(film, SECONDS - 5) == pytest.approx(SECONDS - 5, abs=0.1)
    assert response.value.status == 206


def test_a_sound_is_played(server, anna):
    """It plays to its end at a press, and can be sought."""
    share(server, "tone.wav", media.wav(0.5))
    anna.press("Play tone.wav")
    sound = anna.page.locator("audio")
    expect(sound).to_have_js_property("duration", 0.5)
    expect(sound).to_have_js_property("ended", True)
    assert seek(sound, 0.25) == pytest.approx(0.25, abs=0.05)


def test_a_picture_is_shown_and_enlarged(server, anna):
    """It is in the talk without a press, and larger after one; Escape leads back to it."""
    share(server, "chart.png", media.png(640, 480))
    picture = anna.page.get_by_role("button", name="Picture chart.png")
    expect(picture.locator("img")).to_have_js_property("naturalWidth", 640)
    picture.focus()
    picture.press("Enter")
    large = anna.page.locator("dialog img")
    expect(large).to_be_visible()
    with anna.page.expect_download() as download:
        anna.press("Download")
    assert download.value.path().read_bytes() == media.png(640, 480)
    anna.page.keyboard.press("Escape")
    expect(large).to_have_count(0)
    expect(picture).to_be_focused()


def test_what_only_has_the_name_of_a_picture_is_a_file(server, anna):
    """Text that is called .png has no picture, runs nothing, and can be downloaded."""
    hostile = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"
    for name in ("fake.png", "fake.svg", "fake.html"):
        share(server, name, hostile)
        row = anna.sees(name)
        expect(row.locator(".picture")).to_have_count(0)
        with anna.page.expect_download() as download:
            row.get_by_role("button", name=name, exact=True).click()
        assert download.value.path().read_bytes() == hostile


def test_the_gallery_has_the_pictures_of_the_room(server, anna):
    """The pictures are on top, and each leads to the large one; a removed file goes. Former
    versions of a file are fetched from its menu."""
    anna.drop({"one.png": media.png(30, 20), "two.png": media.png(20, 30)})
    anna.drop({"notes.txt": b"x"})
    for name in ("one.png", "two.png", "notes.txt"):
        anna.sees(name)
    anna.press("Files")
    pictures = anna.page.locator(".gallery img")
    expect(pictures).to_have_count(2)
    expect(anna.page.locator(".files li")).to_have_count(3)
    anna.page.locator(".gallery").get_by_role("button", name="Picture two.png").click()
    expect(anna.page.locator("dialog img")).to_have_js_property("naturalWidth", 20)
    anna.page.keyboard.press("Escape")
    anna.press("More about two.png")
    anna.page.get_by_role("menuitem", name="Remove").click()
    expect(pictures).to_have_count(1)
    expect(anna.page.locator(".files li")).to_have_count(2)
    anna.page.locator(".row.system", has_text="removed the file two.png").wait_for()
    anna.drop({"notes.txt": b"newer"})
    anna.page.locator(".row", has_text="version 2").wait_for()
    anna.press("More about notes.txt")
    anna.page.get_by_role("menuitem", name="Versions").click()
    with anna.page.expect_download() as download:
        anna.press("Version 1")
    assert download.value.path().read_bytes() == b"x"


def test_a_private_file_is_for_one_user(server, anna, visit):
    """A file dropped in a private talk is shown there, and nowhere else."""
    ben, cleo = visit(server, "ben", "#lab"), visit(server, "cleo", "#lab")
    anna.say("/msg ben")
    expect(anna.place("ben")).to_have_attribute("aria-current", "page")
    anna.drop({"secret.png": media.png(30, 20)})
    anna.sees("secret.png")
    ben.place("anna").click()
    expect(ben.sees("secret.png").locator("img")).to_have_js_property("naturalWidth", 30)
    ben.press("Files")
    expect(ben.page.locator(".files button").first).to_have_text("secret.png")
    cleo.press("Files")
    expect(cleo.page.locator(".hint")).to_contain_text("No files yet")
    assert not (server.files / "lab").exists()
