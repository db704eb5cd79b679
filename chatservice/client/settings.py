"""The user's settings: servers, names and rooms of earlier runs, but never a password.

The file is JSON that people may edit: `{"servers": [...]}`, the last one first. Each server has
`host`, `port`, `name`, and optionally `room`, `tls` and `trust`.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from platformdirs import user_config_dir

from chatservice.client.clientoptions import ClientOptions
from chatservice.client.system import write_atomically
from chatservice.errors import Code, Refusal

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
        try:
            text = self.path.read_text()
            return [RememberedServer(**each) for each in json.loads(text)["servers"]]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError, KeyError) as error:
            why = "it has no servers" if isinstance(error, KeyError) else str(error)
            raise Refusal(
                Code.BAD_ARGUMENT,
                f"The settings in {self.path} cannot be understood ({why}); correct the file, or "
                "take it away.",
            ) from None

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
        try:
            write_atomically(self.path, json.dumps({"servers": rows}, indent=2) + "\n")
        except OSError as error:
            reason = error.strerror or str(error)
            raise Refusal(
                Code.NOT_STORED, f"The settings in {self.path} cannot be written ({reason})."
            ) from None


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
