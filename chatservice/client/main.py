"""Sets up the process of `chat-client`, and runs it in a reactor."""

import asyncio
import os
import sys
import traceback
from typing import Any, NoReturn

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater, react

from chatservice.client import clientoptions, system
from chatservice.client.chatprogram import ChatProgram
from chatservice.client.clientoptions import ClientOptions, ExitStatus
from chatservice.client.pipescreen import PipeScreen
from chatservice.client.scripts import Script
from chatservice.client.settings import ChosenPreferences, Settings, settings_folder
from chatservice.clocks import use_monotonic
from chatservice.output import write_all

DUMB_TERMINALS = ("dumb", "unknown", "")
"""Values of `TERM` for terminals on which a written line cannot be changed."""


def run(arguments: list[str] | None = None) -> NoReturn:
    """Run `chat-client` with the arguments of the command line, and exit with its status."""
    has_output = _open_closed_descriptors()
    options = clientoptions.parse(arguments)
    if options.completion is not None:
        script = clientoptions.completion_script(clientoptions.make_parser(), options.completion)
        sys.exit(clientoptions.status_of_output(write_all(1, script.encode())))
    settings = Settings(settings_folder())
    if options.action is not None:
        reactor = _install_reactor(at_terminal=False)
        _run_reactor(reactor, Script(reactor, options, settings))
    if not has_output:  # talking without looking is possible
        os.dup2(os.open(os.devnull, os.O_RDWR), 1)
    at_terminal = _is_terminal()
    reactor = _install_reactor(at_terminal)
    _run_reactor(reactor, _chat_program(reactor, options, settings, at_terminal))


def _is_terminal() -> bool:
    """Return whether a user sits at a terminal on which a line can be edited."""
    able = os.environ.get("TERM", DUMB_TERMINALS[0]) not in DUMB_TERMINALS
    return system.POSIX and able and os.isatty(0) and os.isatty(1)


def _can_place_text() -> bool:
    """Return whether the terminal can move its cursor to any place, as its description says."""
    import curses

    try:
        curses.setupterm()
        return curses.tigetstr("cup") is not None
    except curses.error:  # terminfo has no description of this terminal
        return True


def _install_reactor(at_terminal: bool) -> Any:
    """Return the reactor; on a terminal, the one that prompt_toolkit needs."""
    if at_terminal:
        from twisted.internet import asyncioreactor

        asyncio.set_event_loop(loop := asyncio.new_event_loop())
        asyncioreactor.install(loop)
    from twisted.internet import reactor

    use_monotonic(reactor)
    return reactor


def _chat_program(
    reactor: Any, options: ClientOptions, settings: Settings, at_terminal: bool
) -> ChatProgram:
    if at_terminal:
        from chatservice.client.fullscreen import FullScreen
        from chatservice.client.inlinescreen import InlineScreen

        make = InlineScreen if options.inline or not _can_place_text() else FullScreen
        screen = make(reactor, ChosenPreferences(settings, options.bell))
        return ChatProgram(reactor, options, screen, False, settings)
    scripted = not os.isatty(0) and options.name is not None
    return ChatProgram(reactor, options, PipeScreen(reactor, stdin=0, stdout=1), scripted)


def _open_closed_descriptors() -> bool:
    """Open the null device for each standard descriptor that is closed.

    Else the next file that is opened would become that descriptor. Return whether there is a
    standard output; if not, writing to it fails.
    """
    has_output = True
    for descriptor, how in ((0, os.O_RDWR), (1, os.O_RDONLY), (2, os.O_RDWR)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, how)  # it gets the lowest free number
            has_output = has_output and descriptor != 1
    return has_output


def _run_reactor(reactor: Any, program: ChatProgram | Script) -> NoReturn:
    """Run the program in the reactor, and exit with its status."""
    ended: Deferred[None] = Deferred()

    def interrupted() -> Deferred[None]:
        program.interrupt()
        return ended

    async def run(_: Any) -> NoReturn:
        await deferLater(reactor, 0)  # until the reactor runs
        try:
            status = await program.run()
        except Exception:
            traceback.print_exc()
            status = ExitStatus.SOFTWARE
        ended.callback(None)
        raise SystemExit(status)

    reactor.addSystemEventTrigger("before", "shutdown", interrupted)
    react(run, _reactor=reactor)


if __name__ == "__main__":
    run()
