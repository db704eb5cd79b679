"""Installing, as the README says, and of the client alone: in fresh environments."""

import ast
import configparser
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.servers import ROOT, Output

NEEDED = ROOT / "client.txt"

_CALLED = {"prompt_toolkit": "prompt_toolkit", "OpenSSL": "pyopenssl", "cryptography": "pyopenssl"}
"""Packages that are installed from something that is called otherwise."""

_OPTIONAL = {"keyring", "confusable_homoglyphs"}
"""Packages that are only imported where it is there, or where a server is asked for."""


def requirements(text: str) -> set[str]:
    """Return the lines of a list of requirements."""
    lines = (line.strip() for line in text.splitlines())
    return {line for line in lines if line and not line.startswith("#")}


def test_the_client_needs_what_its_list_says():
    """Each with the bound that the server has for it, and each that the client imports."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    needed = requirements(NEEDED.read_text())
    assert needed < requirements(setup["options"]["install_requires"])
    imported = set()
    house = ROOT / "chatservice"
    for path in [*(house / "client").glob("*.py"), *(house / "grammar").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").partition(".")[0])
    others = imported - set(sys.stdlib_module_names) - {"chatservice", "zope"} - _OPTIONAL
    assert {_CALLED.get(each, each) for each in others} <= {it.partition(">")[0] for it in needed}


def installed(folder: Path, *commands: tuple[str, ...]) -> Path:
    """Make an environment in a folder, install there, and return its Python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    for command in commands:
        subprocess.run([python, "-m", "pip", "-q", "install", *command], check=True, cwd=ROOT)
    subprocess.run([python, "-c", "import chatservice.client"], check=True, cwd=folder)
    return python


@pytest.mark.long
def test_the_client_is_installed_alone(tmp_path, server, connect):
    """Without argon2 and the rest of the server's, it talks to a server; and all of it is installed
    by the README's command, with which a server starts."""
    lists = ("-r", str(NEEDED)), ("--no-deps", str(ROOT))
    python = installed(tmp_path / "client", *lists)
    missing = "import argon2"
    assert subprocess.run([python, "-c", missing], capture_output=True).returncode != 0
    anna = connect(server, "anna")
    say = (python.with_name("chat-client"), "bot", "127.0.0.1", str(server.port), "--say", "hello")
    subprocess.run(say, check=True, cwd=tmp_path)
    anna.expect("bot: hello")

    python = installed(tmp_path / "all", (".",))
    subprocess.run([python, "-m", "pip", "check"], check=True)
    options = ("-n", "--pidfile=", "chat", "--port", "0", "--interface", "127.0.0.1")
    twistd = subprocess.Popen(
        [python.with_name("twistd"), *options], cwd=tmp_path, stdout=subprocess.PIPE
    )
    try:
        Output(twistd.stdout).expect(r"listening on 127\.0\.0\.1:\d+")
    finally:
        twistd.terminate()
        twistd.wait()
