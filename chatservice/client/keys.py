"""What the keys do on a terminal, beside editing the line (as Emacs and shells do)."""

import signal
from typing import Protocol

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.filters import Condition
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys

KEY_HELP = (
    "Enter says the line, Alt+Enter begins another one in the same message",
    "Tab completes commands, users, rooms, files and paths; again, it goes through them",
    "Up and Down bring back what was typed before; Ctrl+R searches in it",
    "Ctrl+N and Ctrl+P go to the next room and the one before; Alt+1 to Alt+9 to the first nine",
    "Alt+A goes to the next room with something unread",
    "Ctrl+A, Ctrl+E, Ctrl+W, Ctrl+U, Ctrl+K, Ctrl+Y edit the line as in a shell",
    "Ctrl+L clears the screen; Ctrl+Z gives the terminal back to the shell, until fg",
    "Ctrl+C gives a question for a password up, else it leaves at once",
    "Ctrl+D on an empty line leaves at once, too",
)
"""What `/help keys` shows."""


class KeyActions(Protocol):
    """Who is told of keys."""

    @property
    def paste_undecided(self) -> bool:
        """Whether there is a paste to be decided on."""

    def interrupt(self) -> None:
        """One wants to leave at once."""

    def end_input(self) -> None:
        """No further line will come."""

    def paste(self, buffer: Buffer, data: str) -> None:
        """Something is pasted into a line."""

    def decide_paste(self, how: str) -> None:
        """What to do with a paste: `say`, `drop` or `edit` it."""

    def switch_by(self, by: int) -> None:
        """Go to the room that is so many behind this one."""

    def switch_to(self, number: int) -> None:
        """Go to a room by its number in the row."""

    def switch_to_unread(self) -> None:
        """Go to the next room with something unread."""


def key_bindings(pressed: KeyActions) -> KeyBindings:
    """Return what `pressed` is told of."""
    keys = KeyBindings()
    for bind in (_leaving, _suspending, _editing, _rooms, _pastes):
        bind(keys, pressed)
    return keys


def _leaving(keys: KeyBindings, pressed: KeyActions) -> None:
    @keys.add("c-c")
    def _(event: KeyPressEvent) -> None:
        pressed.interrupt()

    @keys.add("c-d")
    def _(event: KeyPressEvent) -> None:
        if event.current_buffer.text:
            event.current_buffer.delete()
        else:
            pressed.end_input()


def _suspending(keys: KeyBindings, pressed: KeyActions) -> None:
    @keys.add("c-z", filter=Condition(lambda: hasattr(signal, "SIGTSTP")))
    def _(event: KeyPressEvent) -> None:
        event.app.suspend_to_background()


def _editing(keys: KeyBindings, pressed: KeyActions) -> None:
    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @keys.add("tab")
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.complete_state is not None:
            buffer.complete_next()
        else:
            buffer.start_completion(insert_common_part=True)

    @keys.add("s-tab")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.complete_previous()

    @keys.add(Keys.BracketedPaste)
    def _(event: KeyPressEvent) -> None:
        pressed.paste(event.current_buffer, event.data)


def _rooms(keys: KeyBindings, pressed: KeyActions) -> None:
    @keys.add("c-n")
    def _(event: KeyPressEvent) -> None:
        pressed.switch_by(1)

    @keys.add("c-p")
    def _(event: KeyPressEvent) -> None:
        pressed.switch_by(-1)

    @keys.add("escape", "a")
    def _(event: KeyPressEvent) -> None:
        pressed.switch_to_unread()

    for digit in "123456789":

        @keys.add("escape", digit)
        def _(event: KeyPressEvent) -> None:
            pressed.switch_to(int(event.key_sequence[-1].key))


def _pastes(keys: KeyBindings, pressed: KeyActions) -> None:
    there = Condition(lambda: pressed.paste_undecided)

    @keys.add("<any>", filter=there, eager=True)
    def _(event: KeyPressEvent) -> None:
        """Any other key waits for the decision."""

    decisions = {"y": "say", "enter": "say", "n": "drop", "escape": "drop", "e": "edit"}
    for key, how in decisions.items():

        @keys.add(key, filter=there, eager=True)
        def _(event: KeyPressEvent, how: str = how) -> None:
            pressed.decide_paste(how)

    @keys.add("c-c", filter=there, eager=True)
    def _(event: KeyPressEvent) -> None:
        pressed.interrupt()
