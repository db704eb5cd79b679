"""The page after an operator has put back an earlier state of the server."""

import shutil

import pytest
from playwright.sync_api import expect

from tests.test_chatctl import chatctl


@pytest.mark.parametrize("since", [1, 6])
def test_the_page_shows_the_restored_log(start_server, visit, connect, tmp_path, since):
    """The log may be shorter than before, or longer by now. The page says so once, and shows what
    the log has: nothing of the lost entries, each new one once."""
    server = start_server("--room", "lab")
    kept = str(tmp_path / "backup")
    anna = visit(server, "anna", "#lab")
    anna.say("kept")
    anna.sees("kept")
    assert chatctl(server.data, "backup", kept)[0] == 0
    for text in ("lost 1", "lost 2", "lost 3"):
        anna.say(text)
        anna.sees(text)
    server.stop()
    expect(anna.page.locator(".banner")).to_be_visible()
    anna.page.context.set_offline(True)
    shutil.rmtree(server.data)
    assert chatctl(server.data, "restore", kept)[0] == 0
    server.start()
    ben = connect(server, "ben")
    ben.send("/join lab", *(f"new {number}" for number in range(since)), "/who")
    ben.expect("in lab: ben")
    anna.page.context.set_offline(False)
    notices = anna.page.locator(".toast", has_text="The log of lab was put back")
    expect(notices).to_have_count(1)
    texts = anna.page.locator(".row .text")
    expect(texts).to_have_text(["kept", *(f"new {number}" for number in range(since))])
    anna.say("and on")
    expect(texts).to_have_text(["kept", *(f"new {number}" for number in range(since)), "and on"])
    expect(notices).to_have_count(1)
