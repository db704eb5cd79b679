"""The user's settings: servers, names and rooms of earlier runs, but never a password.

The file is JSON that people may edit: `{"servers": [...], "preferences": {...}}`, the last server
first. Each server has `host`, `port`, `name`, and optionally `room`, `tls` and `trust`. The
preferences are those of `/set`.
"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from platformdirs import user_config_dir

from chatservice.client.clientoptions import ClientOptions
from chatservice.client.preferences import Preferences, from_fields
from chatservice.client.system import write_atomically
from chatservice.errors import Code, Refusal

T = TypeVar("T")

CONFIG_VARIABLE = "CHAT_CLIENT_CONFIG"
"""The environment variable that names another settings folder."""

REMEMBERED_SERVERS = 20
"""The number of servers that are remembered."""


def settings_folder() -> Path:
    """Return the user's settings folder for `chat-client`."""
    return Path(os.environ.get(CONFIG_VARIABLE) or user_config_dir("chat-client"))


@dataclass(frozen=True, slots=True)
class RememberedServer:
    """A server of an earlier run, with the user's name and room there. Raises `ValueError` for a
    field of a wrong type."""

    host: str
    port: int
    name: str
    room: str | None = None
    tls: bool = False
    trust: str | None = None

    def __post_init__(self) -> None:
        types = {"host": str, "port": int, "name": str, "tls": bool}
        wrong = [it for it, type_ in types.items() if type(getattr(self, it)) is not type_]
        wrong += [it for it in ("room", "trust") if not isinstance(getattr(self, it), str | None)]
        if wrong:
            raise ValueError(f"{wrong[0]} of a server is of another kind")


class Settings:
    """The settings file in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "settings.json"

    def servers(self) -> list[RememberedServer]:
        """Return the remembered servers, the last one first. Raises `Refusal` for a file that
        cannot be understood."""
        return self._understood(lambda it: [RememberedServer(**each) for each in it["servers"]])

    def preferences(self) -> Preferences:
        """Return the preferences. Raises `Refusal` for a file that cannot be understood."""
        return self._understood(lambda it: from_fields(it.get("preferences", {})))

    def _understood(self, read: Callable[[Any], T]) -> T:
        """Return what `read` makes of the file's contents. Raises `Refusal`."""
        try:
            return read(self._contents())
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            why = "it has no servers" if isinstance(error, KeyError) else str(error)
            raise Refusal(
                Code.BAD_ARGUMENT,
                f"The settings in {self.path} cannot be understood ({why}); correct the file, or "
                "take it away.",
            ) from None

    def _contents(self) -> Any:
        try:
            return json.loads(self.path.read_text())
        except FileNotFoundError:
            return {"servers": []}

    def remember_preferences(self, it: Preferences) -> None:
        """Put the preferences into the file. Raises `Refusal`, and then the file is unchanged."""
        self.servers()  # a file that cannot be understood stays as it is
        self._write(preferences=it.as_fields())

    def remember(self, server: RememberedServer) -> None:
        """Put a server first. Raises `Refusal`, and then the file is unchanged."""
        others = [
            it
            for it in self.servers()
            if (it.host, it.port, it.name) != (server.host, server.port, server.name)
        ]
        rows = [
            {key: value for key, value in asdict(it).items() if value not in (None, False)}
            for it in [server, *others][:REMEMBERED_SERVERS]
        ]
        self._write(servers=rows)

    def _write(self, **changed: Any) -> None:
        """Write the file with some of its fields changed. Raises `Refusal`."""
        try:
            text = json.dumps({**self._contents(), **changed}, indent=2)
            write_atomically(self.path, text + "\n")
        except OSError as error:
            reason = error.strerror or str(error)
            raise Refusal(
                Code.NOT_STORED, f"The settings in {self.path} cannot be written ({reason})."
            ) from None


class ChosenPreferences:
    """The user's preferences, now and in the settings file. With `bell`, the terminal's bell rings
    where nothing else is chosen. `problem` tells why the file could not be understood, or is None.
    """

    def __init__(self, settings: Settings, bell: bool = False) -> None:
        self._settings = settings
        self.problem: Refusal | None = None
        self.now = Preferences()
        try:
            self.now = settings.preferences()
        except Refusal as refusal:
            self.problem = refusal
        if bell and self.now.notify == "none":
            self.now = replace(self.now, notify="bell")

    def change(self, name: str, value: str) -> None:
        """Change one. Raises `Refusal`. If only the file cannot be written, it holds for now."""
        self.now = self.now.changed(name, value)
        self._settings.remember_preferences(self.now)


def fill_in(options: ClientOptions, servers: Sequence[RememberedServer]) -> ClientOptions:
    """Return options with missing values from the last server, or from the last with the name that
    is given. Options with a host, or with `ask`, stay as they are."""
    if options.host is not None or options.ask or not servers:
        return options
    it = next((it for it in servers if options.name in (None, it.name)), servers[0])
    same = options.name in (None, it.name)
    return replace(
        with_known_tls(options, it),
        name=options.name or it.name,
        host=it.host,
        port=it.port,
        room=options.room or (it.room if same else None),
    )


def with_known_tls(options: ClientOptions, it: RememberedServer) -> ClientOptions:
    """Return options with TLS and the trusted fingerprint as they were at that server."""
    tls = options.tls or it.tls or it.trust is not None
    return replace(options, tls=tls, trust=options.trust or it.trust)
