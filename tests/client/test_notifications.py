"""Notifications, by the terminal and by a program."""

import json
import sys

import pytest

from chatservice.client.notifications import CommandNotifier, notification


@pytest.mark.parametrize(
    ("how", "sequence"),
    [
        ("none", ""),
        ("bell", "\a"),
        ("osc9", "\x1b]9;bob in lab: hi; you\x1b\\"),
        ("osc777", "\x1b]777;notify;bob in lab;hi, you\x1b\\"),
    ],
)
def test_each_way_has_its_sequence(how, sequence):
    """A semicolon ends a field of OSC 777, so it is replaced there."""
    assert notification(how, "bob in lab", "hi; you", True) == sequence


@pytest.mark.parametrize("how", ["osc9", "osc777"])
def test_nothing_that_is_said_ends_the_sequence(how):
    """Control characters are taken out. A terminal that does not know OSC rings its bell."""
    sequence = notification(how, "bob", "a\x1b\\\x07\n\x9cb" + "x" * 1000, True)
    assert sequence.count("\x1b") == 2
    assert "\x07" not in sequence
    assert "\x9c" not in sequence
    assert "\n" not in sequence
    assert len(sequence) < 300
    assert notification(how, "bob", "hi", False) == "\a"


def test_a_program_gets_title_and_text(tmp_path):
    """No shell reads what was said."""
    out = tmp_path / "out"
    code = f"import json, sys; open({str(out)!r}, 'w').write(json.dumps(sys.argv[1:]))"
    notifier = CommandNotifier()
    assert (
        notifier.notify(f'{sys.executable} -c "{code}"', "bob in lab", "$(rm -rf ~); `x`") is None
    )
    notifier._running.wait()
    assert json.loads(out.read_text()) == ["bob in lab", "$(rm -rf ~); `x`"]


def test_a_program_that_does_not_exist():
    """The reason is told, and nothing else happens."""
    assert CommandNotifier().notify("/no/such/program", "bob", "hi") == "No such file or directory"
    assert CommandNotifier().notify('"unclosed', "bob", "hi")
    assert CommandNotifier().notify("", "bob", "hi") is None
