"""A person who uses the page, in the words of a test."""

from base64 import b64encode
from collections.abc import Mapping

from playwright.sync_api import JSHandle, Locator, Page, expect

_CARRIED = """files => {
  const carried = new DataTransfer();
  for (const [name, type, data] of files) {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    carried.items.add(new File([bytes], name, {type}));
  }
  return carried;
}"""
"""Makes what a browser carries from a file manager or the clipboard to a page."""


WORKER = """navigator.serviceWorker.ready.then(() => new Promise(done => {
  navigator.serviceWorker.oncontrollerchange = done;
  if (navigator.serviceWorker.controller) done();
}))"""
"""Waits until the page has a service worker."""


class Person:
    """Somebody before the page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.line = page.locator(".composer textarea")

    def come_in(self, name: str, password: str = "") -> None:
        """Give a name on the first screen, and the password that is asked for."""
        self.page.get_by_label("Your name").fill(name)
        self.press("Come in")
        if password:
            self.page.get_by_label("Password").fill(password)
            self.press("Come in")
        self.line.wait_for()
        # The room is there when its beginning or some of its talk is.
        self.page.locator(".beginning, .row").first.wait_for()

    def say(self, text: str) -> None:
        """Type a line and send it."""
        self.line.fill(text)
        self.line.press("Enter")

    def press(self, name: str) -> None:
        """Press the button of that name."""
        self.page.get_by_role("button", name=name, exact=True).first.click()

    def sees(self, text: str) -> Locator:
        """Wait for one row of the talk with that text, and return it."""
        row = self.page.locator(".row:not(.pending)", has_text=text)
        expect(row).to_have_count(1)
        return row

    def place(self, name: str) -> Locator:
        """Return the button of a room, or of a private talk, at the left."""
        return self.page.locator(".place", has_text=name)

    def act(self, row: Locator, name: str) -> None:
        """Choose something from the menu of a row."""
        row.hover()
        row.get_by_role("button", name="More", exact=True).click()
        self.page.get_by_role("menuitem", name=name, exact=True).click()

    def upload(self, name: str) -> Locator:
        """Return the row of an upload, above the line where one types."""
        return self.page.locator(".tray li", has_text=name)

    def choose(self, *files: object) -> None:
        """Choose files in the dialog of the browser: paths, or names with content."""
        with self.page.expect_file_chooser() as chooser:
            self.press("Share files")
        chooser.value.set_files(list(files))

    def carry(self, files: Mapping[str, bytes], type_: str = "") -> JSHandle:
        """Return files as a browser carries them to a page."""
        given = [(name, type_, b64encode(data).decode()) for name, data in files.items()]
        return self.page.evaluate_handle(_CARRIED, given)

    def drag(self, event: str, carried: JSHandle) -> None:
        """Let a dragged thing do something over the talk: `dragenter`, `drop` and the like."""
        self.page.locator(".talk").dispatch_event(event, {"dataTransfer": carried})

    def drop(self, files: Mapping[str, bytes]) -> None:
        """Drop files on the talk."""
        carried = self.carry(files)
        for event in ("dragenter", "dragover", "drop"):
            self.drag(event, carried)

    def paste(self, files: Mapping[str, bytes], type_: str) -> None:
        """Paste files where one types, of a type that the clipboard tells."""
        self.line.evaluate(
            "(line, clipboardData) => line.dispatchEvent(new ClipboardEvent('paste',"
            " {clipboardData, bubbles: true, cancelable: true}))",
            self.carry(files, type_),
        )
