"""The options of `twistd chat`."""

import getopt
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn, Self

from twisted.cred.credentials import IUsernamePassword
from twisted.cred.strcred import AuthOptionMixin
from twisted.python import usage

from chatservice import __version__, config, names
from chatservice.domain.addresses import parse_network
from chatservice.domain.users import Registration
from chatservice.engines.jetstream.logaddress import LogAddress
from chatservice.errors import Refusal
from chatservice.protocols.web.branding import NAME_CHARACTERS, Branding, read_logo
from chatservice.protocols.web.colors import parse_color
from twisted import copyright


class Options(usage.Options, AuthOptionMixin):
    """The options of `twistd chat`.

    After parsing, `ports`, `listen`, `rooms`, `host-names`, `metrics-from` and `push-to` are lists;
    `data`, `files`, `interface` and `push-contact` are strings, and `tls` is one or None. `keep-
    seconds` and `keep-bytes` are numbers, or None for no bound. `engine` is a `LogAddress`, or
    None. `registration` is a value of `Registration`, and `checkers` a list of checkers of
    twisted.cred. `limits` has the values for `chatservice.limits.Limits` that options and the file
    of `--config` set. `branding` is the look of the page, a `Branding`. `arguments` is the command
    line. The argument `limits` gives other defaults to limits, for tests.
    """

    supportedInterfaces = (IUsernamePassword,)
    synopsis = "[options]"
    longdesc = "A chat and file-sharing server for anything that opens a TCP connection."
    optParameters = [
        [
            *("registration", None, "open"),
            "Registration of names: open to anybody, with an invitation code (invited), or by "
            "operators only (closed).",
        ],
        ["interface", "i", "", "The address to listen on; empty means all."],
        ["config", "c", None, "A TOML file with options and limits. SIGHUP reads it again."],
        ["data", "d", "chat-data", "The directory for all data."],
        [
            *("engine", None, None),
            "The servers of a cluster's log, such as nats://n1:4222,n2:4222,n3:4222 "
            "(docs/cluster.md).",
        ],
        ["files", "f", None, "The directory for shared files [default: SharedFiles in --data]."],
        ["page-name", None, "Chat", "The name of the page that browsers show."],
        ["page-color", None, None, "The colour of the page, such as #17695f."],
        [
            *("public-url", None, None),
            "The address by which browsers reach this server, such as https://chat.example.org, "
            "for links and --host-name [default: that of the connection].",
        ],
        [
            *("push-contact", None, None),
            "Where push services reach you: mailto:ADDRESS or an https address [default: the first "
            "--host-name].",
        ],
        ["page-logo", None, None, "The logo of the page: a file with a PNG, SVG, WebP or JPEG."],
        [
            *("tls", "t", None),
            "Accept TLS too, on the same ports: auto makes a key and a certificate at the first "
            "start. Or name a PEM file with both, or a directory with privkey.pem and "
            "fullchain.pem.",
        ],
    ]
    optFlags = [
        ["no-push", None, "Send no push messages to browsers (docs/web.md)."],
        ["no-guests", None, "Accept only registered users, with their passwords."],
        ["slash-only", None, "Treat only lines with a slash as commands: 'bye' is talk."],
        ["tls-only", None, "With --tls: refuse plain connections, except on unix sockets."],
    ]
    compData = usage.Completions(
        optActions={
            "config": usage.CompleteFiles("*.toml"),
            "data": usage.CompleteDirs(),
            "files": usage.CompleteDirs(),
            "page-logo": usage.CompleteFiles("*.(png|svg|webp|jpg|jpeg)"),
            "tls": usage.CompleteFiles(),
        }
    )

    def opt_version(self) -> NoReturn:
        """Show the version, and exit."""
        print(f"chatservice {__version__} (Twisted {copyright.version})")
        raise SystemExit(0)

    def __init__(self, limits: Mapping[str, Any] = MappingProxyType({})) -> None:
        super().__init__()
        self["ports"], self["listen"], self["rooms"] = [], [], []
        self["checkers"], self["host-names"], self["metrics-from"] = [], [], []
        self["push-to"] = []
        self["irc-sts"] = 0
        self["keep-seconds"] = self["keep-bytes"] = None
        self["limits"] = dict(limits)
        self._limits = limits
        self.arguments: list[str] = []

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Parse the command line, with the file of `--config` before it.

        Raises `usage.UsageError` with one sentence that any terminal can show.
        """
        self.arguments = list(sys.argv[1:] if options is None else options)
        try:
            given = self._given()
            for name, value in given:
                config.check_value(f"--{name}", value, name in _PATHS)
            super().parseOptions([*self._of_file(given), *self.arguments])
        except (usage.UsageError, config.ConfigError) as error:
            raise usage.UsageError(config.as_sentence(str(error))) from None

    def parsed_again(self) -> Self:
        """Return the options of the same command line, with the file read again.

        Raises `usage.UsageError`.
        """
        again = type(self)(self._limits)
        again.parseOptions(self.arguments)
        return again

    def _given(self) -> list[tuple[str, str]]:
        """Return the options of the command line by their long names, with their values."""
        try:
            there, _ = getopt.getopt(self.arguments, self.shortOpt, self.longOpt)
        except getopt.GetoptError:  # which is for Twisted to say
            return []
        return [(self.synonyms[name.lstrip("-")], value) for name, value in there]

    def _of_file(self, given: Sequence[tuple[str, str]]) -> list[str]:
        """Return the options in the file of `--config` that the command line does not set."""
        values = dict(given)
        if "config" not in values:
            return []
        # Again with its whole path: the server may change its directory.
        path = os.path.abspath(values["config"])
        self.arguments += ["--config", path]
        known = {name.rstrip("="): name.endswith("=") for name in self.longOpt}
        for name in ("config", "help", "help-auth", "help-auth-type", "version"):
            del known[name]
        try:
            found, limits = config.read(path)
            self["limits"] |= limits
            of_file = list(config.arguments(path, found, known))
        except config.ConfigError as wrong:
            raise usage.UsageError(str(wrong)) from None
        alone = type(self)()  # so that an error names the file
        alone.postOptions = lambda: None  # type: ignore[method-assign]
        try:
            alone.parseOptions(of_file)
        except usage.UsageError as error:
            raise usage.UsageError(f"{path}: {error}") from None
        return [each for each in of_file if each[2:].partition("=")[0] not in values]

    def opt_port(self, port: str) -> None:
        """A TCP port to listen on. May be repeated [default: 5555]."""
        if not port.isdecimal() or int(port) > 65535:
            raise usage.UsageError(
                f"--port takes a number from 0 to 65535, not {config.shorten(port)}."
            )
        self["ports"].append(int(port))

    def opt_listen(self, endpoint: str) -> None:
        """A Twisted endpoint to listen on, such as unix:/run/chat.sock. With silent: before it, it
        greets nobody, for browsers. May be repeated."""
        self["listen"].append(endpoint)

    def opt_metrics_from(self, network: str) -> None:
        """An address or a network that may read /metrics; repeatable [default: this machine]."""
        if parse_network(network) is None:
            raise usage.UsageError(
                "--metrics-from takes an address, or a network as 10.0.0.0/8, not "
                f"{config.shorten(network)}."
            )
        self["metrics-from"].append(network)

    def opt_room(self, name: str) -> None:
        """A room to make at the start; may be repeated."""
        try:
            self["rooms"].append(names.room(name))
        except Refusal as refusal:
            raise usage.UsageError(f"--room {config.shorten(name)}: {refusal.sentence}") from None

    def opt_host_name(self, name: str) -> None:
        """A name that browsers may use for this server, as chat.example.org; may be repeated."""
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,253}", name):
            raise usage.UsageError(
                f"--host-name takes a name without a port, not {config.shorten(name)}."
            )
        self["host-names"].append(name)

    def opt_push_to(self, service: str) -> None:
        """A push service to send to though it has no public address, as HOST or HOST:PORT; may be
        repeated."""
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,253}(:[0-9]{1,5})?", service):
            raise usage.UsageError(
                f"--push-to takes HOST or HOST:PORT, not {config.shorten(service)}."
            )
        self["push-to"].append(service.lower())

    def opt_irc_sts(self, time: str) -> None:
        """With --tls CERTIFICATE: IRC clients use only TLS for so long, as 30d."""
        self["irc-sts"] = _parsed("irc-sts", time, _SECONDS, "a time, such as 30d")

    def opt_keep(self, bound: str) -> None:
        """Keep entries for a time (90d), or up to a size (20GB), or both [default: for ever]."""
        meant = "a time, such as 90d, or a size, such as 20GB"
        value = _parsed("keep", bound, _SECONDS | _BYTES, meant)
        self["keep-bytes" if bound.endswith("B") else "keep-seconds"] = value

    def opt_max_file(self, size: str) -> None:
        """The largest upload, as 2GB [default: any]."""
        self._bound("max-file", size, "file_bytes")

    def opt_user_files(self, size: str) -> None:
        """The total size of one user's files, as 20GB [default: any]."""
        self._bound("user-files", size, "user_bytes")

    def opt_room_files(self, size: str) -> None:
        """The total size of one room's files, as 50GB [default: any]."""
        self._bound("room-files", size, "room_bytes")

    def opt_free(self, size: str) -> None:
        """Disk space that uploads leave free [default: 100MB]."""
        self._bound("free", size, "free_bytes")

    def opt_uploads(self, count: str) -> None:
        """Uploads of one user at the same time [default: 8]."""
        self["limits"]["uploads"] = _parsed("uploads", count, {"": 1}, "a number from 1 on")

    def opt_partial(self, time: str) -> None:
        """The time that a partial upload is kept, as 12h or 7d [default: 2d]."""
        meant = "a time, such as 12h or 7d"
        self["limits"]["partial_seconds"] = _parsed("partial", time, _SECONDS, meant)

    def opt_recent_lines(self, count: str) -> None:
        """Lines of the past for a person who comes into a room; 0 for none [default: 10]."""
        if not re.fullmatch("[0-9]{1,3}", count):
            raise usage.UsageError(
                f"--recent-lines takes a number from 0 to 999, not {config.shorten(count)}."
            )
        self["limits"]["recent_lines"] = int(count)

    def _bound(self, option: str, size: str, limit: str) -> None:
        self["limits"][limit] = _parsed(option, size, _BYTES, "a size, such as 500MB or 2GB")

    opt_k = opt_keep
    opt_p = opt_port
    opt_l = opt_listen
    opt_r = opt_room

    def postOptions(self) -> None:
        """Set the default port, and check that the options fit together."""
        self["checkers"] += self.get("credCheckers", [])
        if self["registration"] not in list(Registration):
            raise usage.UsageError(
                "--registration is open, invited or closed, not "
                f"{config.shorten(self['registration'])}."
            )
        if self["engine"] is not None:
            self._check_engine()
        if not self["ports"] and not self["listen"]:
            self["ports"].append(5555)
        if self["tls-only"] and self["tls"] is None:
            raise usage.UsageError("--tls-only needs a certificate: add --tls auto.")
        if self["irc-sts"] and self["tls"] in (None, "auto"):
            told = "--irc-sts needs a certificate that clients trust: add --tls with its file."
            raise usage.UsageError(told)
        self["public-url"] = self._public_url()
        self["push-contact"] = self._push_contact()
        self["branding"] = self._branding()

    def _public_url(self) -> str:
        """Return the address by which browsers reach this server, without a slash at its end, and
        let its name be one of this server's."""
        url = self["public-url"] or ""
        found = re.fullmatch(
            r"(https?://([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?)/?", url
        )
        if not url:
            return ""
        if found is None:
            raise usage.UsageError(
                "--public-url takes an address without a path, such as https://chat.example.org, "
                f"not {config.shorten(url)}."
            )
        if not found[2].startswith("["):
            self["host-names"].append(found[2])
        return found[1]

    def _push_contact(self) -> str:
        """Return where push services reach the operator (RFC 8292, 2.1)."""
        contact = self["push-contact"]
        if contact is None:
            host = next(iter(self["host-names"]), None)
            return f"https://{host}" if host is not None else _NO_CONTACT
        if not re.fullmatch(r"(mailto:[!-~]+@[!-~]+|https://[!-~]+)", contact):
            raise usage.UsageError(
                "--push-contact takes mailto:ADDRESS or an https address, not "
                f"{config.shorten(contact)}."
            )
        return str(contact)

    def _branding(self) -> Branding:
        """Return what the page looks like."""
        name, color, logo = (self[f"page-{it}"] for it in ("name", "color", "logo"))
        if not 0 < len(name.strip()) <= NAME_CHARACTERS:
            raise usage.UsageError(
                f"--page-name takes 1 to {NAME_CHARACTERS} characters, not {config.shorten(name)}."
            )
        try:
            parsed = None if color is None else parse_color(color)
        except ValueError:
            raise usage.UsageError(
                "--page-color takes a colour as #17695f: a number sign and six hexadecimal digits, "
                f"not {config.shorten(color)}."
            ) from None
        try:
            image = None if logo is None else read_logo(Path(logo))
        except OSError as error:
            raise usage.UsageError(
                f"--page-logo {config.shorten(logo)} cannot be read ({error.strerror})."
            ) from None
        except ValueError as error:
            raise usage.UsageError(f"--page-logo {config.shorten(logo)} {error}.") from None
        return Branding(name.strip(), parsed, image)

    def _check_engine(self) -> None:
        try:
            self["engine"] = LogAddress.parse(self["engine"])
        except Refusal as refusal:
            raise usage.UsageError(refusal.sentence) from None
        if self["keep-seconds"] is not None or self["keep-bytes"] is not None:
            raise usage.UsageError("A cluster keeps all entries: give --engine without --keep.")


def _parsed(option: str, text: str, units: Mapping[str, int], meant: str) -> int:
    """Return the value of an option: a number with one of the `units`."""
    match = re.fullmatch(r"([1-9][0-9]{0,8})([A-Za-z]*)", text)
    if match is None or match[2] not in units:
        raise usage.UsageError(f"--{option} takes {meant}, not {config.shorten(text)}.")
    return int(match[1]) * units[match[2]]


_NO_CONTACT = "mailto:postmaster@localhost"
"""The contact of a server that has no name. Some push services refuse it, and say so."""

_PATHS = frozenset({"config", "data", "files", "page-logo", "tls"})
"""Options with paths."""

_SECONDS = {"h": 3600, "d": 86_400, "w": 604_800, "y": 31_557_600}
_BYTES = {"MB": 10**6, "GB": 10**9, "TB": 10**12}
