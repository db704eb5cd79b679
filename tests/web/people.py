"""A person who uses the page, in the words of a test."""

from playwright.sync_api import Locator, Page, expect


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
