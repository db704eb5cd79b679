"""The API is what `/openapi.json` says: schemathesis makes requests of it for a real server."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import PATIENCE, RawAdminClient, RawClient
from tests.web.clients import HttpClient

CONFIG = Path(__file__).with_name("schemathesis.toml")
PASSWORD = "secret-words-here"

SILENT = {"greeting_seconds": 3600.0}
"""A limit for servers of programs that are slow to speak first, because the machine is busy."""


@pytest.fixture
def server(start_server):
    """Return a running server that greets nobody."""
    return start_server("--room", "lab", **SILENT)


def check(server, description, *options, hours=0.0):
    """Let schemathesis check the server by a description: a path of it, or a file. A seed makes
    the same requests each time; `hours` are those that it may take beside the usual time."""
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run"]
    command += [str(description), "--url", f"http://127.0.0.1:{server.port}", "--seed", "1"]
    command += ["--continue-on-failure", "--warnings", "off", "--no-color", *options]
    found = subprocess.run(
        command, capture_output=True, text=True, cwd=server.folder, timeout=PATIENCE + hours * 3600
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert server.process.poll() is None
    assert "Traceback" not in server.log.so_far()
    return found.stdout


def test_requests_of_each_path(server):
    """A guest's good and bad values of each field, other methods and other types of bodies: no
    error of the server, no status, type or field that is not described, nothing bad accepted.
    The paths of `do` have the same commands and fields."""
    told = check(
        server,
        f"http://127.0.0.1:{server.port}/openapi.json",
        *("--phases", "coverage", "--exclude-path-regex", "/do/"),
    )
    assert "generated, " in told


@pytest.mark.long
def test_requests_of_all_kinds(server):
    """The same for all paths, with random values, and for requests that use answers of others."""
    check(server, f"http://127.0.0.1:{server.port}/openapi.json", "--max-examples=10", hours=0.5)


@pytest.mark.long
def test_requests_of_a_registered_user(start_server, tmp_path):
    """One who owns a room and is an operator gets further. Left out is what would end the account
    or its token, give it another name or password, or write a backup."""
    server = start_server("--room", "lab", **SILENT)
    ann = RawClient(server.port)
    ann.send("ann", f"/register {PASSWORD}", "/create room0", "/who")
    ann.expect("1 in room0")
    operator = RawAdminClient(server)
    operator.send("/operator ann")
    operator.expect("ann runs the server")
    description = json.loads(HttpClient(server.port).request("GET", "/openapi.json").body)
    for path in description["paths"].values():
        for operation in path.values():
            operation["parameters"] = [it for it in operation["parameters"] if "$ref" not in it]
            operation["security"] = [{}, {"bearer": []}]
    own = tmp_path / "openapi.json"
    own.write_text(json.dumps(description))
    ann.send("/token test")
    token = re.search(r"chat_\S+", ann.expect("chat_"))[0]
    ending = "unregister|password|nick|signup|register|destroy|delete|revoke|login|hello|operator"
    check(
        *(server, own, "-H", f"Authorization: Bearer {token}"),
        *("--exclude-path-regex", f"/do/({ending}|backup|broadcast|reset)|tokens/"),
        *("--max-examples=5", "--phases", "coverage,fuzzing"),
        hours=0.5,
    )
