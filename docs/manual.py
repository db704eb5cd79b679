"""Makes the manual pages of `chat-client` and `chatctl` from their options, their exit statuses and
the sections below.

The pages are in the language of man(7). `docs/generate.py` writes them.
"""

import argparse
import re
from collections.abc import Iterator

from chatservice import __version__, chatctl
from chatservice.client.clientoptions import ExitStatus, make_parser
from chatservice.client.clientpasswords import PASSWORD_VARIABLE as PASSWORD
from chatservice.client.settings import CONFIG_VARIABLE as CONFIG
from chatservice.client.transferjournal import STATE_VARIABLE as STATE

PLAIN_WORDS = re.compile(r"--?[a-z][a-z-]*|\b[A-Z][A-Z]+\b")
"""Words to emphasize: options, and placeholders."""

ENVIRONMENT = {
    PASSWORD: "Your password, or a token, unless --password-file is given.",
    CONFIG: "The folder of the settings, in place of ~/.config/chat-client.",
    STATE: "The folder of partial transfers and certificates, in place of "
    "~/.local/state/chat-client.",
    "NO_COLOR": "If it is set, the client uses no colours.",
}

FILES = {
    "~/.config/chat-client/settings.json": "The servers and your name on each, the last one "
    "first. You may edit it. If the client cannot understand it, it says so and leaves it alone.",
    "~/.local/state/chat-client/": "Partial transfers, typed lines, and the "
    "certificates of servers.",
}

EXAMPLES = {
    'chat-client deploy chat.example.org --room lab --say "build failed"': "Say a message.",
    "make 2>&1 | tail -n 20 | chat-client --room lab --say -": "Say the output of a program as "
    "one message.",
    "chat-client --room lab --put report.pdf": "Send a file to a room. If it was interrupted, the "
    "same command resumes it.",
    "chat-client --room lab --follow --json --after 1812": "Print the events of a room after "
    "position 1812, an object a line, without end. It reconnects after a broken connection.",
    'eval "$(chat-client --completion bash)"': "Complete the options, here or in ~/.bashrc. For "
    "fish: chat-client --completion fish | source",
}


def chatctl_manual() -> str:
    """Return the page of `chatctl`."""
    return "".join(f"{line}\n" for line in _chatctl_page())


def _chatctl_page() -> Iterator[str]:
    yield '.\\" Made by docs/generate.py.'
    yield f'.TH CHATCTL 1 "" "chatservice {__version__}" "User Commands"'
    yield ".SH NAME"
    yield "chatctl \\- send commands to a running chat server"
    yield ".SH SYNOPSIS"
    yield ".B chatctl"
    yield _text("[OPTIONS] COMMAND [ARGUMENT ...]")
    yield ".SH DESCRIPTION"
    yield _text(chatctl.DESCRIPTION)
    yield from _listed(
        "OPTIONS", {it: f"{of[0].upper()}{of[1:]}." for it, of in chatctl.OPTIONS.items()}
    )
    yield from _listed("COMMANDS", chatctl.listed_commands())
    yield from _listed("EXIT STATUS", {str(it): f"{of}." for it, of in chatctl.MEANINGS.items()})
    yield from _listed("EXAMPLES", chatctl.EXAMPLES)
    yield ".SH SEE ALSO"
    yield _text("chat-client(1). docs/operating.md explains how to run a server.")


def manual() -> str:
    """Return the page of `chat-client`."""
    parser = make_parser()
    return "".join(f"{line}\n" for line in _page(parser))


def _page(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield '.\\" Made by docs/generate.py.'
    yield f'.TH CHAT-CLIENT 1 "" "chatservice {__version__}" "User Commands"'
    yield ".SH NAME"
    yield "chat-client \\- talk and share files on a chat server"
    yield ".SH SYNOPSIS"
    yield ".B chat-client"
    yield _text("[OPTIONS] [NAME [HOST [PORT]]]")
    yield ".SH DESCRIPTION"
    for paragraph in (parser.description or "", *(parser.epilog or "").split("\n\n")):
        yield ".PP"
        yield _text(" ".join(paragraph.split()))
    for group in parser._action_groups:
        if group._group_actions:
            yield f".SH {_heading(group.title or '')}"
            for action in group._group_actions:
                yield ".TP"
                yield _called(action)
                yield _text((action.help or "").replace("%(default)s", str(action.default)) + ".")
    yield from _listed("EXIT STATUS", {str(int(it)): f"{it.meaning}." for it in ExitStatus})
    yield from _listed("ENVIRONMENT", ENVIRONMENT)
    yield from _listed("FILES", FILES)
    yield from _listed("EXAMPLES", EXAMPLES)
    yield ".SH SEE ALSO"
    yield _text("chatctl(1). docs/protocol.md explains all commands, docs/bots.md programs.")


def _heading(title: str) -> str:
    known = {"positional arguments": "ARGUMENTS", "options": "OPTIONS"}
    return known.get(title, title.upper())


def _called(action: argparse.Action) -> str:
    """Return the form of an option or argument."""
    value = action.metavar or "|".join(action.choices or ())
    if not action.option_strings:
        return f".I {_escaped(str(value))}"
    names = ", ".join(f"\\fB{_escaped(it)}\\fR" for it in action.option_strings)
    return names + (f" \\fI{_escaped(str(value))}\\fR" if action.nargs != 0 else "")


def _listed(title: str, rows: dict[str, str]) -> Iterator[str]:
    yield f".SH {title}"
    for term, meaning in rows.items():
        yield ".TP"
        yield f"\\fB{_escaped(term)}\\fR"
        yield _text(meaning)


def _text(text: str) -> str:
    """Return text with its options in bold and its placeholders in italics."""

    def marked(found: re.Match[str]) -> str:
        return f"\\f{'B' if found[0].startswith('-') else 'I'}{found[0]}\\fR"

    return PLAIN_WORDS.sub(marked, text.replace("\\", "\\e")).replace("-", "\\-")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
