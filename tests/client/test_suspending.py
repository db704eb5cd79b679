"""Ctrl+Z on a terminal, under a shell that knows jobs."""

import pytest

from tests.client.driving import OnTerminal
from tests.servers import CLIENT


class InShell(OnTerminal):
    """A shell on a terminal, which the client is typed into."""

    program = ("/bin/bash", "--norc", "--noprofile", "-i")


@pytest.mark.parametrize("size", [(24, 80), (12, 40)])
@pytest.mark.parametrize("screen", ["--inline", ""])
def test_suspended_and_back(server, connect, tmp_path, size, screen):
    """Ctrl+Z gives the terminal back to the shell. After `fg`, the screen is complete, with the new
    rows and the half-typed line."""
    bob = connect(server, "bob")
    shell = InShell(tmp_path / "here", size=size, PS1="shell> ")
    try:
        where = f"anna 127.0.0.1 {server.port} --room lobby {screen}".rstrip()
        shell.type(" ".join([*CLIENT, where]))
        bob.expect("* anna came in")
        shell.see_in("You are in lobby with bob.")
        shell.press("half")
        shell.until(lambda it: it.bottom.startswith("> half"), "the line of input")
        shell.press("\x1a")
        shell.see_in("Stopped")
        shell.until(lambda it: it.bottom.startswith("shell>"), "the shell")
        shell.type("echo so $((6 * 7))")
        shell.see("so 42")
        bob.send("meanwhile")
        shell.type("fg")
        shell.see("bob: meanwhile")
        shell.until(lambda it: it.bottom.startswith("> half"), "the line of input")
        shell.until(lambda it: any(row.startswith("anna ") for row in it.rows), "the last row")
        shell.press(" a word\r")
        bob.expect("anna: half a word")
        assert sum("> half" in row for row in shell.rows) <= 1
    finally:
        shell.kill()
