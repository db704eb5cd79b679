"""Weight of the page, and time to the first talk on a slow phone: `python -m benchmarks.pageload
[--runs 5] [--port N]`.

Chromium plays the phone: 150 ms of latency, 1.6 Mbit/s down, 0.75 up, a CPU four times as slow. A
visitor types a name as soon as the first screen is there. Somebody who is remembered comes with an
empty cache, and then once more with a full one. With `--port` the page of a server that runs
already is measured; the room "lab" of a guest is the one that is read.
"""

import argparse
import contextlib
import json
import socket
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks import peers

CHROMIUM = "/usr/bin/chromium"

NETWORK = {
    "offline": False,
    "latency": 150,
    "downloadThroughput": 1.6e6 / 8,
    "uploadThroughput": 0.75e6 / 8,
}
"""The phone's network: milliseconds, and bytes a second."""

SLOWER = 4
"""The phone's CPU takes that many times as long."""

LINES = 100
"""Entries in the room."""

WATCH = """
window.times = {};
const look = () => {
  for (const [name, what] of [['screen', '.login, .app'], ['talk', '.row .text']]) {
    if (name in times || !document.querySelector(what)?.checkVisibility()) continue;
    times[name] = 0;
    requestAnimationFrame(() => setTimeout(() => { times[name] = performance.now(); }));
  }
};
new MutationObserver(look).observe(document, {childList: true, subtree: true, attributes: true});
"""
"""Notes when something was drawn, in milliseconds since the navigation began."""


class Visit:
    """A tab of a phone; `kept` is what the tab remembers from before."""

    def __init__(self, browser: Browser, kept: dict[str, str]) -> None:
        context = browser.new_context(viewport={"width": 390, "height": 844})
        context.add_init_script(WATCH)
        for name, value in kept.items():
            context.add_init_script(f"sessionStorage.setItem({json.dumps(name)}, {value!r})")
        self.page = context.new_page()
        self.requests = self.bytes = 0
        devtools = context.new_cdp_session(self.page)
        devtools.send("Network.enable")
        devtools.send("Network.emulateNetworkConditions", NETWORK)
        devtools.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
        devtools.on("Network.loadingFinished", self._loaded)

    def _loaded(self, event: dict[str, Any]) -> None:
        self.requests += 1
        self.bytes += int(event["encodedDataLength"])

    def time_of(self, name: str) -> float:
        """Return when the first screen, or the first talk, was there."""
        self.page.locator({"screen": ".login, .app", "talk": ".row .text"}[name]).first.wait_for()
        while not (at := float(self.page.evaluate(f"times.{name} || 0"))):
            self.page.wait_for_timeout(20)
        return at

    def close(self) -> None:
        """Close the tab."""
        self.page.context.close()


def measured(browser: Browser, address: str) -> dict[str, float]:
    """Measure one visitor, who comes back. Times are in milliseconds."""
    visitor = Visit(browser, {})
    visitor.page.goto(address)
    rows = {"first screen of a visitor": visitor.time_of("screen")}
    visitor.page.get_by_label("Your name").fill("phone")
    began = float(visitor.page.evaluate("performance.now()"))
    visitor.page.get_by_label("Your name").press("Enter")
    rows["talk, after the name"] = visitor.time_of("talk") - began
    visitor.page.locator(".app:not(.early)").wait_for()
    visitor.page.wait_for_load_state("networkidle")
    kept = visitor.page.evaluate("({...sessionStorage})")
    cookies = visitor.page.context.cookies()
    visitor.close()
    back = Visit(browser, kept)
    back.page.context.add_cookies(cookies)  # type: ignore[arg-type]
    back.page.goto(address)
    rows["talk, with an empty cache"] = back.time_of("talk")
    rows["requests until then"], rows["bytes until then"] = back.requests, back.bytes
    rows["talk, with a full cache"] = _reloaded(back.page, back)
    back.close()
    return rows


def _reloaded(page: Page, visit: Visit) -> float:
    page.wait_for_load_state("networkidle")
    page.goto("about:blank")
    page.go_back()
    return visit.time_of("talk")


@contextlib.contextmanager
def served() -> Iterator[int]:
    """Run a server. Return its port."""
    with (
        tempfile.TemporaryDirectory() as folder,
        peers.running(peers.PEERS["chatservice"], Path(folder), 0, ["lab"]) as server,
    ):
        yield server.port


def fill(port: int) -> None:
    """Say some lines in the room."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        requests = [{"do": "hello", "name": "filler"}, {"do": "join", "room": "lab"}]
        text = "a line of the usual length, with **some** `marks` in it"
        requests += [{"do": "say", "room": "lab", "text": text}] * LINES
        requests.append({"do": "quit"})
        client.sendall("".join(json.dumps(it) + "\n" for it in requests).encode())
        while client.recv(65536):
            pass


def main() -> None:
    """Measure some visits, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--port", type=int)
    asked = parser.parse_args()
    with served() if asked.port is None else contextlib.nullcontext(asked.port) as port:
        fill(port)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            runs = [measured(browser, f"http://127.0.0.1:{port}/#lab") for _ in range(asked.runs)]
            browser.close()
    for name in runs[0]:
        print(f"{name:28}{statistics.median(run[name] for run in runs):10.0f}")


if __name__ == "__main__":
    main()
