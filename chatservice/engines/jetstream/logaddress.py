"""The address of a cluster's log, as `--engine` names it: `nats://n1:4222,n2:4222,n3:4222`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from chatservice.errors import Code, Refusal

NATS_PORT, MONITORING_PORT = 4222, 8222
"""The ports that nats-server's documentation names: for clients, and for monitoring over HTTP."""

_STREAM = "CHAT"
_FORM = "nats://HOST:PORT,HOST:PORT"


@dataclass(frozen=True, slots=True)
class LogAddress:
    """The servers of a log, as URLs, and their hosts; whether TLS is asked for, with the
    certificates of a file `ca`; a file with credentials of NATS (`creds`), or one with a name and a
    password (`login`); the port of the monitoring; and the name of the stream."""

    servers: Sequence[str]
    hosts: Sequence[str]
    tls: bool = False
    ca: str | None = None
    creds: str | None = None
    login: str | None = None
    http: int = MONITORING_PORT
    stream: str = _STREAM

    @classmethod
    def parse(cls, text: str) -> "LogAddress":
        """Return the address that a text names. Raises `Refusal` (bad-argument)."""
        scheme, _, rest = text.partition("://")
        path, _, query = rest.partition("?")
        where, _, stream = path.partition("/")
        given = dict(parse_qsl(query, keep_blank_values=True))
        http = given.pop("http", str(MONITORING_PORT))
        ca, creds, login = (given.pop(it, None) for it in ("ca", "creds", "login"))
        stream = stream or _STREAM
        parts = [_server(it) for it in where.split(",")]
        hosts = [host for _, host in parts if host is not None]
        known = scheme in ("nats", "tls") and not given and len(hosts) == len(parts)
        if not (known and http.isdecimal() and re.fullmatch(r"[A-Za-z0-9_-]{1,32}", stream)):
            text = "--engine takes the servers of a cluster's log, as {form}."
            raise Refusal(Code.BAD_ARGUMENT, text, form=_FORM)
        servers = [f"{scheme}://{server}" for server, _ in parts]
        return cls(servers, hosts, scheme == "tls", ca, creds, login, int(http), stream)

    def __str__(self) -> str:
        return ", ".join(self.hosts)


def _server(text: str) -> tuple[str, str | None]:
    """Return a server with its port, and its host, or None if it is none."""
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return text, None
    return text if port else f"{text}:{NATS_PORT}", host
