"""A disk that accepts writes, and then cannot confirm them: `fsync` fails.

The write-ahead log then has all of a commit but its last frame. Entries that were refused must not
be there after a crash all the same.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.durability.asking import history, joined, say

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")


@pytest.fixture
def failing(tmp_path, monkeypatch):
    """Return a file: while it is there, no server that is started from now on can sync."""
    library, failing = tmp_path / "failing_sync.so", tmp_path / "failing"
    source = Path(__file__).with_name("failing_sync.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("FAILING_SYNC", str(failing))
    return failing


@pytest.mark.parametrize("mended", [False, True], ids=["killed", "mended and killed"])
def test_what_was_refused_does_not_come_back(failing, start_server, connect, mended):
    """The author of a lost entry is refused and readers do not see it. It does not come back after
    `kill -9` either, no matter if the disk had recovered before."""
    server = start_server("--room", "lab")
    alice, bob = joined(connect(server), "alice"), joined(connect(server), "bob")
    kept = {say(alice, "before")["seq"]: "before"}
    failing.touch()
    for text in ("lost", "lost, too"):
        assert say(alice, text)["code"] == "not-stored"
    alice.ask(do="topic", room="lab", text="lost as well", id="topic")
    assert alice.event("error")["code"] == "not-stored"
    failing.unlink()
    if mended:
        kept[say(alice, "after")["seq"]] = "after"
    server.kill()
    server.start()
    eve = joined(connect(server), "eve")
    assert history(eve) == kept
    eve.ask(do="topic", room="lab")
    assert eve.event("ok")["text"] == ""
    assert say(eve, "again")["seq"] > max(kept)
    texts = [bob.event("message")["text"] for _ in kept]
    assert texts == list(kept.values())
