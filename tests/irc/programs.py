"""Real IRC clients of Debian, driven as a user drives them."""

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import time
from pathlib import Path

from tests.servers import PATIENCE, environment


class Program:
    """A client in a pseudo-terminal, with its settings and logs below `folder`. Its screen and its
    logs tell what it shows."""

    def __init__(self, folder: Path, *command: str) -> None:
        self.folder = folder
        self._screen = b""
        self._terminal, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self._process = subprocess.Popen(
            command,
            stdin=inner,
            stdout=inner,
            stderr=inner,
            cwd=folder,
            env=environment(HOME=str(folder), TERM="xterm", LC_ALL="C.UTF-8"),
            start_new_session=True,
        )
        os.close(inner)
        os.set_blocking(self._terminal, False)

    def shown(self) -> str:
        """Return all that it has shown on its screen, and logged of all its windows."""
        self._drain()
        files = sorted((self.folder / "logs").rglob("*.*log"))
        logs = [f"[{it.name}]\n{it.read_text(errors='replace')}" for it in files]
        return "\n".join([_STEERING.sub(b"", self._screen).decode(errors="replace"), *logs])

    def expect(self, pattern: str) -> re.Match[str]:
        """Wait until a regular expression is found in what it has shown. Its logs can only be
        looked at again and again."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if found := re.search(pattern, self.shown()):
                return found
            time.sleep(0.02)
        raise AssertionError(f"{pattern!r} did not come; what came: {self.shown()}")

    def _drain(self) -> None:
        """Read what it writes on its terminal, so that it can go on writing."""
        with contextlib.suppress(OSError):
            while data := os.read(self._terminal, 65536):
                self._screen += data

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self._terminal, line.encode() + b"\r")

    def close(self) -> None:
        """End it."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(PATIENCE)
        os.close(self._terminal)


_STEERING = re.compile(rb"\x1b(?:\[[0-9;?]*[A-Za-z]|\([A-Z]|[=>])")
"""The sequences that steer a terminal (ECMA-48)."""


class WeeChat(Program):
    """WeeChat without a screen. A signal makes it run an alias, which is read from its file."""

    def __init__(self, folder: Path, port: int, nick: str, *settings: str) -> None:
        folder.mkdir()
        (folder / "logs").mkdir()
        signals = '[signal]\nsigusr1 = "/reload alias;/typed"\n'
        (folder / "weechat.conf").write_text(signals)
        before = (
            "/set logger.file.flush_delay 0",
            f"/set logger.file.path {folder}/logs",
            "/set logger.level.irc 9",
            "/set irc.look.smart_filter off",
            "/set irc.server_default.anti_flood_prio_high 0",  # else it waits 2 s before each line
            "/set irc.server_default.anti_flood_prio_low 0",
            f"/server add chat 127.0.0.1/{port}",
            f"/set irc.server.chat.nicks {nick}",
            *(f"/set irc.server.chat.{it}" for it in settings),
            "/connect chat",
        )
        runs = [part for line in before for part in ("-r", line)]
        super().__init__(folder, "weechat-headless", "-d", str(folder), *runs)

    def type(self, line: str, window: str = "irc.server.chat") -> None:
        """Type a command in a window, such as `irc.chat.#lab`."""
        command = f"/command -buffer {window} * {line}"
        (self.folder / "alias.conf").write_text(f'[cmd]\ntyped = "{command}"\n')
        os.kill(self._process.pid, signal.SIGUSR1)


class Irssi(Program):
    """irssi, on a terminal. With a password, it logs in."""

    def __init__(self, folder: Path, port: int, nick: str, secret: str = "") -> None:
        folder.mkdir()
        (folder / "logs").mkdir()
        sasl = f'sasl_mechanism = "PLAIN"; sasl_username = "{nick}"; sasl_password = "{secret}";'
        (folder / "config").write_text(
            f'servers = ( {{ address = "127.0.0.1"; port = "{port}"; chatnet = "chat"; }} );\n'
            f'chatnets = {{ chat = {{ type = "IRC"; {sasl if secret else ""} }}; }};\n'
            'settings = { "fe-common/core" = { autolog = "yes"; autolog_level = "all"; '
            f'autolog_path = "{folder}/logs/$tag.$0.log"; }}; '
            f'core = {{ real_name = "x"; user_name = "x"; nick = "{nick}"; }}; '
            '"irc/core" = { cmds_max_at_once = "100"; }; };\n'  # else it waits 2 s before each
        )
        command = ("irssi", f"--home={folder}", f"--config={folder}/config", "-n", nick)
        super().__init__(folder, *command, "-c", "chat")
