"""Scripts: a pipe into any program that opens a TCP connection."""

import hashlib
import os
import shutil
import socket
import struct
import subprocess

import pytest

from tests.servers import PATIENCE

ENDING = {
    "ncat": "ncat 127.0.0.1 PORT",
    "busybox": "busybox nc 127.0.0.1 PORT",
    "nc.openbsd": "nc.openbsd -N 127.0.0.1 PORT",
    "nc.traditional": "nc.traditional -q0 127.0.0.1 PORT",
    "socat": "socat -t 60 - TCP:127.0.0.1:PORT",
    "bash": "cat >/dev/tcp/127.0.0.1/PORT",
}
"""Commands that end with their input. By default socat reads on for half a second only;
nc.traditional and this line of bash do not read on at all."""

READING_ON = [tool for tool in ENDING if tool not in ("nc.traditional", "bash")]

PLAIN = ENDING | {
    "nc.openbsd": "nc.openbsd 127.0.0.1 PORT",
    "nc.traditional": "nc.traditional 127.0.0.1 PORT",
    "bash": "exec 3<>/dev/tcp/127.0.0.1/PORT; cat >&3; cat <&3",
}
"""Commands for a script whose last line is /quit: no flag is needed, and all read on."""

PAYLOAD = bytes(range(256)) * 1000 + b"\r\n/quit\n"
SHA256 = hashlib.sha256(PAYLOAD).hexdigest()


def piped(server, tool, command, data):
    """Pipe `data` into a program, wait for its end, and return what it wrote."""
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    command = command.replace("PORT", str(server.port))
    done = subprocess.run(
        ["bash", "-c", command], input=data, capture_output=True, timeout=PATIENCE
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


@pytest.fixture
def reader(server, connect):
    """Return somebody who reads in lab."""
    bare = connect(server)
    bare.send("reader", "/join lab")
    bare.expect("* You are in lab")
    return bare


@pytest.mark.parametrize("tool", ENDING)
def test_a_script_says_it_and_ends(server, reader, tool):
    """It is in the room while it speaks, and is told nothing that it did not ask for."""
    said = piped(server, tool, ENDING[tool], b"bot\n/join lab\nbuild failed\n")
    lines = [reader.line() for _ in range(3)]
    assert lines == ["* bot came in", "bot: build failed", "* bot left"]
    assert said == (b"* You are in lab with reader.\n" if tool in READING_ON else b"")


@pytest.mark.parametrize("tool", ENDING)
def test_the_last_line_needs_no_end(server, reader, tool):
    """`printf` without a newline at its end says all of it."""
    piped(server, tool, ENDING[tool], b"bot\n/join lab\nbuild failed")
    assert reader.expect("bot:") == "bot: build failed"


def test_nobody_speaks_after_leaving(server, reader, connect):
    """The last words before a connection broke come before the departure."""
    bot = connect(server)
    bot.send("bot", "/join lab", "one")
    assert reader.expect("bot:") == "bot: one"
    bot.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    bot.send("two")
    bot.close()
    assert [reader.line() for _ in range(2)] == ["bot: two", "* bot left"]


@pytest.mark.parametrize("tool", PLAIN)
def test_quit_ends_a_script_without_any_flag(server, reader, tool):
    """So it is with every program alike; a file goes up and comes down in the same pipe."""
    script = f"bot\n/join lab\n/put a.bin {len(PAYLOAD)} {SHA256}\n".encode() + PAYLOAD
    said = piped(server, tool, PLAIN[tool], script + b"build failed\n/get a.bin\n/quit bye\n")
    assert reader.line() == "* bot came in"
    assert reader.line() == "* bot shared a.bin (256.0 kB): /get a.bin"
    assert reader.line() == "bot: build failed"
    assert reader.line() == "* bot left (bye)"
    mark = f"= {len(PAYLOAD)} {SHA256} a.bin\n".encode()
    assert said == b"* You are in lab with reader.\n" + mark + mark + PAYLOAD + b"* Goodbye.\n"
    assert (server.files / "lab" / "a.bin").read_bytes() == PAYLOAD


@pytest.mark.parametrize("tool", ENDING)
def test_an_upload_in_a_pipe(server, reader, tool):
    """The bytes stand behind the line and the input ends with them; /get works the same way."""
    script = f"bot\n/join lab\n/put a.bin {len(PAYLOAD)} {SHA256}\n".encode() + PAYLOAD
    piped(server, tool, ENDING[tool], script)
    assert reader.expect(" left") == "* bot left"
    assert "* bot shared a.bin" in reader.seen
    assert (server.files / "lab" / "a.bin").read_bytes() == PAYLOAD
    if tool in READING_ON:
        said = piped(server, tool, ENDING[tool], b"bot\n/get lab/a.bin")
        assert said == f"= {len(PAYLOAD)} {SHA256} a.bin\n".encode() + PAYLOAD


@pytest.mark.parametrize("tool", ["nc.openbsd", "nc.traditional", "ncat", "busybox", "bash"])
def test_the_lines_that_link_prints(server, reader, tool, tmp_path):
    """Pasted into a shell they fetch the file and check it, for any name."""
    if tool != "bash":
        (tmp_path / "nc").write_text(f'#!/bin/sh\nexec {PLAIN[tool].split(" 127")[0]} "$@"\n')
        (tmp_path / "nc").chmod(0o755)
    for name in ("a.pdf", 'it\'s "the" $HOME `id`; a.txt', "-n", "*", "für 漢字"):
        (server.files / "lab" / name).parent.mkdir(exist_ok=True)
        (server.files / "lab" / name).write_bytes(PAYLOAD)
        os.utime(server.files / "lab" / name, (1, 1))  # as if it had been there for long
        reader.send(f'/link "{name}"')
        about, fetch, other, bash, how, check = [reader.line() for _ in range(6)]
        assert about.startswith(f"* {name} (256.0 kB), once, ")
        assert (other[:2], how[:2]) == ("* ", "* ")
        assert fetch.startswith("  echo GET ")
        assert bash.startswith("  exec 3<>/dev/tcp/")
        fetch, shell = (bash, "bash") if tool == "bash" else (fetch, "sh")
        lines = f'cd "{tmp_path}"; PATH=.:$PATH\n{fetch}\n{check}\n'
        assert piped(server, tool, shell, lines.encode()).endswith(b": OK\n")
        assert (tmp_path / name).read_bytes() == PAYLOAD
