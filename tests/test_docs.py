"""The documents: their examples are run, and what they take from the code is up to date.

A block behind `<!-- tested: NAME -->` is run here, against a real server.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from chatservice import chatctl
from chatservice.client.clientoptions import ExitStatus, make_parser
from chatservice.errors import Code
from chatservice.options import Options
from docs import generate
from docs.manual import chatctl_manual, manual
from tests.servers import CLIENT, PATIENCE, ROOT, Output, RawClient, Server, environment

DOCUMENTS = [ROOT / "README.md", ROOT / "NEWS.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLE = re.compile(r"<!-- tested: (\S+) -->\n```\w*\n(.*?)```", re.DOTALL)
EXAMPLES = {name: code for page in DOCUMENTS for name, code in EXAMPLE.findall(page.read_text())}
NCS = ["nc.openbsd", "nc.traditional", "ncat", "busybox"]

by_name = pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: page.name)


# -- what comes from the code ----------------------------------------------------------------------


@by_name
def test_the_tables_are_up_to_date(page):
    """docs/generate.py would change nothing in the page."""
    assert generate.generated(page.read_text()) == page.read_text()


def test_every_part_has_its_place():
    """No table is made for nothing."""
    text = "".join(page.read_text() for page in DOCUMENTS)
    assert [name for name in generate.PARTS if f"<!-- {name} -->" not in text] == []


def test_every_code_is_explained():
    """Each code of an error has a row in the protocol's table."""
    rows = (ROOT / "docs" / "protocol.md").read_text().splitlines()
    for code in Code:
        assert sum(row.startswith(f"| `{code}` |") for row in rows) == 1


@by_name
def test_links_lead_somewhere(page):
    """Every link to another page, or to a heading, has its target."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target, anchor in re.findall(r"\]\(([^):#]*)(?:#([^)]*))?\)", text):
        there = page.parent / target if target else page
        assert there.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", there.read_text(), re.MULTILINE)
            assert anchor in {anchor_of(heading) for heading in headings}, anchor


def anchor_of(heading):
    """Return what a heading is called in a link."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", ["architecture.md", "contributing.md", "performance.md"])
def test_modules_of_the_text_exist(page):
    """Every path of a module in the text leads to a file of this checkout."""
    text = (ROOT / "docs" / page).read_text()
    for path in re.findall(r"`((?:\w+/)+\w+\.py)`", text):
        assert any((base / path).exists() for base in (ROOT, ROOT / "chatservice")), path


def test_every_marked_example_is_run():
    """An example that says it is tested is."""
    here = Path(__file__).read_text()
    assert {name for name in EXAMPLES if f'EXAMPLES["{name}"]' not in here} == set()


def test_the_file_of_options_and_limits_is_right(tmp_path):
    """It is read, and what stands there counts."""
    (tmp_path / "chat.toml").write_text(EXAMPLES["config"])
    options = Options()
    options.parseOptions(["--config", str(tmp_path / "chat.toml")])
    assert options["ports"] == [5555, 5556]
    assert options["limits"]["messages_per_second"] == 2


def test_the_table_of_scaling_is_computed():
    """The program of the page prints the rows of its table."""
    page = (ROOT / "docs" / "scaling.md").read_text()
    done = subprocess.run(
        [sys.executable, "-c", EXAMPLES["scaling"]], capture_output=True, check=True, text=True
    )
    assert f"| --- |\n{done.stdout}" in page


# -- sessions --------------------------------------------------------------------------------------


def replay(bare, lines):
    """Send what stands behind `> `, and wait for every other line as it stands, but for what is
    another one each time: times, tokens and tickets."""
    for line in lines:
        if line.startswith("> "):
            bare.send(line[2:])
        else:
            assert constant(bare.line()) == constant(line)


def constant(line):
    """Return a line without what is another one each time."""
    if line.startswith("{"):
        return {k: v for k, v in json.loads(line).items() if k not in ("time", "token", "ticket")}
    return re.sub(r"^\[[-0-9]{10} [:0-9]{8}Z ", "[TIME ", line)


def test_the_session_of_alice_and_bob(start_server, connect):
    """Both read what the README shows, line by line."""
    server = start_server()
    alice = connect(server)
    first, then, rest = EXAMPLES["alice"].partition("* bob came in\n")
    replay(alice, first.splitlines())
    going_on = threading.Thread(target=replay, args=(alice, (then + rest).splitlines()))
    failed = []
    threading.excepthook, hook = failed.append, threading.excepthook
    try:
        going_on.start()
        replay(connect(server), EXAMPLES["bob"].splitlines())
        going_on.join()
    finally:
        threading.excepthook = hook
    assert not failed


def test_the_text_session(server, connect):
    """A person reads what the protocol's page shows."""
    replay(connect(server), EXAMPLES["text-session"].splitlines())


def test_the_json_session(server, connect):
    """A program is answered with exactly the fields that the protocol's page shows."""
    replay(connect(server), EXAMPLES["json-session"].splitlines())


def test_what_is_unread(server, connect):
    """A program that has read half of a room, and is named in the rest, is told so."""
    bob = connect(server)
    bob.ask(do="signup", name="bob", password="secret")
    bob.ask(do="join", room="lab")
    bob.expect('"room":"lab"')
    alice = connect(server, "alice")
    alice.send("/join lab", "one", "two", "bob?", "four")
    while bob.event("message")["seq"] < 4:
        pass
    replay(bob, EXAMPLES["json-unread"].splitlines())


class Greeting(Server):
    """A server with the protocol of the example."""

    before = (
        EXAMPLES["protocol"] + "from functools import partialmethod\n"
        "from chatservice.protocols.factory import ChatFactory\n"
        "ChatFactory.__init__ = partialmethod(ChatFactory.__init__, more_rows=(GREET,))\n"
    )


def test_the_protocol_of_the_example(tmp_path, connect):
    """It talks with people, outlives the login timeout, and gets its own refusals."""
    server = Greeting(tmp_path, name_seconds=1.0)
    bob = connect(server, "bob")
    ann, other = RawClient(server.port), RawClient(server.port)
    ann.send("GREET/1 ann")
    assert ann.line() == "-- hello ann\r"
    other.send("GREET/1 ann")
    assert other.line().startswith("!! ann is taken")
    bob.expect("* ann came in")
    other.rest()  # its time for a name is over
    ann.send("hello", "/help")
    assert [bob.line(), bob.line()] == ["ann: hello", "ann: /help"]
    bob.send("one", "/say two")
    assert [ann.line(), ann.line()] == ["<bob> one\r", "<bob> two\r"]
    server.kill()


# -- scripts ---------------------------------------------------------------------------------------


def shell(code, server, folder, nc):
    """Run lines of shell, with `nc` the program named; return what they wrote."""
    if shutil.which(nc) is None:
        pytest.skip(f"{nc} is not installed")
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    (programs / "nc").unlink(missing_ok=True)
    (programs / "nc").symlink_to(shutil.which(nc))
    code = re.sub(r"\b(HOST|localhost) 5555\b", f"127.0.0.1 {server.port}", code)
    return subprocess.run(
        ["bash", "-c", code],
        cwd=folder,
        env=environment(PATH=f"{programs}:{os.environ['PATH']}"),
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
    ).stdout


@pytest.fixture
def reader(server, connect):
    """Return somebody who reads in lab."""
    bare = connect(server, "reader")
    bare.send("/join lab")
    bare.expect("* You are in lab")
    return bare


def test_a_script_that_ends_with_its_input(server, reader, tmp_path):
    """With nc.openbsd, whose flag it has."""
    shell(EXAMPLES["script"], server, tmp_path, "nc.openbsd")
    assert reader.expect("build") == "bot: build failed"
    reader.expect("* bot left")


@pytest.mark.parametrize("nc", NCS)
def test_a_script_that_quits(server, reader, tmp_path, nc):
    """With every nc, and without any flag."""
    assert EXAMPLES["one-liner"].replace("localhost", "HOST") == EXAMPLES["script-quit"]
    said = shell(EXAMPLES["script-quit"], server, tmp_path, nc)
    assert said.endswith(b"* Goodbye.\n")
    assert reader.expect("build") == "bot: build failed"


@pytest.mark.parametrize("nc", NCS)
def test_a_file_goes_up_and_comes_down(server, reader, tmp_path, nc):
    """As the README sends it, as `/link` fetches it, and as a script does with a ticket."""
    (tmp_path / "there").mkdir()
    payload = bytes(range(256)) * 500
    (tmp_path / "report.pdf").write_bytes(payload)
    shell(EXAMPLES["upload"], server, tmp_path, nc)
    reader.expect("* bot shared report.pdf (128.0 kB)")
    assert (server.files / "lab" / "report.pdf").read_bytes() == payload
    reader.send("/link report.pdf")
    ticket = reader.expect("echo GET ").split()[2]
    for code in (
        EXAMPLES["link"].replace(EXAMPLES["link"].split()[2], ticket),
        EXAMPLES["fetch-with-ticket"],
    ):
        shell(f"cd there\n{code}", server, tmp_path, nc)
        assert (tmp_path / "there" / "report.pdf").read_bytes() == payload
        (tmp_path / "there" / "report.pdf").unlink()


def with_client(folder):
    """Put `chat-client` of this checkout where `shell` finds programs."""
    program = folder / "programs" / "chat-client"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec {shlex.join(CLIENT)} "$@"\n')
    program.chmod(0o755)


def test_what_the_client_does_in_a_script(server, reader, tmp_path):
    """Each line of the page does what it says, and so does the README's."""
    with_client(tmp_path)
    code = EXAMPLES["client"].replace("env/bin/", "")
    assert shell(code, server, tmp_path, NCS[0]) == b""
    assert reader.expect("build failed") == "bot: build failed"
    (tmp_path / "report.pdf").write_bytes(b"%PDF")
    said = shell(EXAMPLES["client-say"], server, tmp_path, NCS[0]).decode().splitlines()
    assert said[:2] == ["fetched/report.pdf", "reader"]
    assert [json.loads(line)["room"] for line in said[2:]] == ["lobby", "lab"]
    assert (tmp_path / "fetched" / "report.pdf").read_bytes() == b"%PDF"
    assert reader.expect("build failed") == "bot: build failed"
    assert reader.expect("bot: ") == "bot: build failed:"
    assert reader.expect("bot: ") == "bot: no such file"
    reader.expect("* bot shared report.pdf")


def test_following_with_the_client(server, reader, run, tmp_path, monkeypatch):
    """An object a line, as the protocol's page describes them."""
    reader.send("one", "two", "/history")
    reader.expect("#2]")
    with_client(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path / 'programs'}:{os.environ['PATH']}")
    code = EXAMPLES["client-follow"].replace("localhost 5555", f"127.0.0.1 {server.port}")
    _, out = run("bash", f"exec {code.replace('1812', '1')}", server)
    assert json.loads(out.expect("seq").string)["text"] == "two"
    reader.send("three")
    assert json.loads(out.expect("seq").string)["text"] == "three"


# -- curl ------------------------------------------------------------------------------------------


def test_the_first_message_by_curl(server, tmp_path):
    """The README's two commands say it and show it."""
    code = EXAMPLES["readme-curl"].replace("curl ", "curl -sS ")
    said = shell(at_port(code, server), server, tmp_path, NCS[0]).decode()
    assert re.fullmatch(r"#1\n\[.*Z #1\] alice: hello\n", said)


@pytest.mark.parametrize("name", ["web-curl", "web-files"])
def test_sessions_with_curl(server, tmp_path, name):
    """Each command prints what stands below it, but for times, made-up names and sizes."""
    code = {"web-curl": EXAMPLES["web-curl"], "web-files": EXAMPLES["web-files"]}[name]
    (tmp_path / "report.pdf").write_bytes(b"x" * 1_200_000)
    (tmp_path / "logs").mkdir()
    for part in code.removeprefix("$ ").split("\n$ "):
        command, _, wanted = part.partition("\n")
        quiet = command.replace(
            "curl ", "curl -sS --max-time 1 " if "follow" in part else "curl -sS "
        )
        said = shell(f"{at_port(quiet, server)} || true", server, tmp_path, NCS[0]).decode()
        assert unsized(said).strip() == unsized(wanted).strip(), command
    if name == "web-files":
        assert (server.files / "lab" / "report.pdf").read_bytes() == b"x" * 1_200_000


def at_port(code, server):
    """Return shell code for the server in the place of the one on port 5555."""
    return re.sub(r"\b(HOST|localhost):5555\b", f"127.0.0.1:{server.port}", code)


def unsized(text):
    """Return a text without times, made-up names and sizes of files."""
    return re.sub(r"\[.{20} #|web-\w{6}|\([0-9.]+ \w+\)", "", text)


# -- bots ------------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path):
    """Return a function that runs a program of the documents and returns what it writes."""
    started = []

    def begin(command, code, server, *arguments):
        (tmp_path / "bot").write_text(code)
        process = subprocess.Popen(
            [command, "bot", "127.0.0.1", str(server.port), *arguments],
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=(tmp_path / "errors").open("w"),
        )
        started.append(process)
        return process, Output(process.stdout)

    yield begin
    for process in started:
        process.kill()
        process.wait(PATIENCE)


def test_the_bot_in_shell(server, reader, run):
    """It answers the user who asks for the time, and no other line."""
    run("bash", EXAMPLES["shell-bot"], server)
    reader.expect("* clock came in")
    reader.send("what about !time then", "!time")
    assert re.fullmatch(r"clock: it is \d\d:\d\d UTC", reader.line())


def test_the_bot_in_python(server, reader, run):
    """It repeats a text when asked to, once."""
    run(sys.executable, EXAMPLES["python-bot"], server)
    reader.expect("* echo came in")
    reader.send("hello", "!echo größer !echo", "!echo /quit")
    assert reader.line() == "echo: größer !echo"
    assert reader.line() == "echo: /quit"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_bot_with_the_library(server, reader, run, tmp_path, number):
    """It leaves, and writes nothing about errors."""
    process, _ = run(sys.executable, EXAMPLES["library-bot"], server)
    reader.expect("* echo came in")
    process.send_signal(number)
    process.wait(PATIENCE)
    reader.expect("* echo left")
    assert (tmp_path / "errors").read_text() == ""


def test_a_bot_with_the_library(server, reader, run):
    """It does the same, over a restart of the server as well."""
    run(sys.executable, EXAMPLES["library-bot"], server)
    reader.expect("* echo came in")
    reader.send("hello", "!echo größer !echo", "!echo /quit")
    assert reader.line() == "echo: größer !echo"
    assert reader.line() == "echo: /quit"


def test_the_test_of_a_bot(tmp_path):
    """It passes, with nothing but what a server needs, and leaves nothing in the reactor."""
    (tmp_path / "echo.py").write_text(EXAMPLES["library-bot"])
    (tmp_path / "test_echo.py").write_text(EXAMPLES["bot-test"])
    command = [sys.executable, "-m", "twisted.trial", "test_echo"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stdout.decode()


def test_a_bot_with_callbacks(server, reader, run):
    """It answers its command."""
    run(sys.executable, EXAMPLES["library-deferred"], server)
    reader.expect("* where came in")
    reader.send("hello", "!where")
    assert reader.line() == "where: reader spoke at 2"


def test_the_manual_pages_are_up_to_date():
    """They are what docs/generate.py would write, and are where an installation finds them."""
    assert (ROOT / "docs" / "chat-client.1").read_text() == manual()
    assert (ROOT / "docs" / "chatctl.1").read_text() == chatctl_manual()
    assert "docs/chatctl.1" in (ROOT / "setup.cfg").read_text()
    assert "docs/chat-client.1" in (ROOT / "setup.cfg").read_text()


def test_the_manual_page_of_chatctl_can_be_shown():
    """`man` takes every line of it, and every command stands there."""
    if shutil.which("man") is None:
        pytest.skip("man is not installed")
    done = subprocess.run(
        ["man", "--warnings", "-l", ROOT / "docs" / "chatctl.1"],
        env=environment(MANWIDTH="80", MAN_KEEP_FORMATTING="", LC_ALL="C.UTF-8"),
        capture_output=True,
        check=True,
        timeout=PATIENCE,
    )
    assert done.stderr == b""
    for term in chatctl.listed_commands():
        assert term in done.stdout.decode()


def test_the_units_for_systemd_are_some(tmp_path):
    """`systemd-analyze`, where it is installed, finds nothing wrong but where things are."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    units = sorted((ROOT / "docs").glob("*.service"))
    for unit in units:
        shutil.copy(unit, tmp_path)
    (tmp_path / "chatservice.service.d").mkdir()
    shutil.copy(ROOT / "docs" / "chatservice-node.conf", tmp_path / "chatservice.service.d")
    done = subprocess.run(
        ["systemd-analyze", "verify", *(tmp_path / unit.name for unit in units)],
        capture_output=True,
        timeout=PATIENCE,
        text=True,
    )
    names = (*(unit.name for unit in units), "chatservice-node.conf")
    wrong = [it for it in done.stderr.splitlines() if any(name in it for name in names)]
    elsewhere = ("is not executable", "man chatctl(1)")
    assert [it for it in wrong if not any(reason in it for reason in elsewhere)] == []


def test_the_manual_page_can_be_shown():
    """`man` takes every line of it, and every option and status stands there."""
    if shutil.which("man") is None:
        pytest.skip("man is not installed")
    done = subprocess.run(
        ["man", "--warnings", "-l", ROOT / "docs" / "chat-client.1"],
        env=environment(MANWIDTH="80", MAN_KEEP_FORMATTING="", LC_ALL="C.UTF-8"),
        capture_output=True,
        check=True,
        timeout=PATIENCE,
    )
    assert done.stderr == b""
    page = done.stdout.decode()
    for action in make_parser()._actions:
        for option in action.option_strings:
            assert option in page
    for status in ExitStatus:
        assert re.search(rf"^ +{int(status)} ", page, re.MULTILINE)


def test_following_a_room(server, reader, run, connect):
    """Each line once, over a restart of the server and one of the follower. One that is killed
    may show the last line again, as the page says."""
    reader.send("one")
    process, out = run(sys.executable, EXAMPLES["follower"], server, "lab")
    out.expect("^1 reader one$")
    reader.send("two")
    out.expect("^2 reader two$")
    server.stop()
    server.start()
    again = connect(server, "again")
    again.send("/join lab", "three")
    out.expect("^3 again three$")
    process.kill()
    again.send("four", "/history 1")
    again.expect("four")
    _, out = run(sys.executable, EXAMPLES["follower"], server, "lab")
    out.expect("^4 again four$")
    assert out.lines in (["4 again four"], ["3 again three", "4 again four"])


def test_a_script_with_a_token(server, reader, connect, tmp_path):
    """It is in the one room that its token is for."""
    alice = connect(server, "alice")
    alice.send("/register sesame", "/token deploy lab")
    (tmp_path / "token").write_text(alice.expect("* deploy: ").split()[-1] + "\n")
    said = shell(EXAMPLES["token"], server, tmp_path, NCS[0])
    assert b'"event":"error"' not in said
    assert reader.expect("alice: ") == "alice: deployed"


# -- operating -------------------------------------------------------------------------------------


def test_a_backup_while_the_server_runs(server, reader, start_server, tmp_path):
    """A server restored from it has all that was said until then."""
    reader.send("keep this", "/history 1")
    reader.expect("keep this")
    for line in EXAMPLES["backup"].splitlines():
        told(server, line.replace("/var/backups", str(tmp_path)))
    restored = tmp_path / "restored"
    restored.mkdir()
    (server.folder / "new-data").rename(restored / "chat-data")
    bare = RawClient(start_server(folder=restored).port)
    bare.send("alice", "/join lab", "/history")
    bare.expect("#1] reader: keep this")
    bare.close()


def test_seeing_how_it_is(server, reader):
    """Every line of the page shows something."""
    for line in EXAMPLES["seeing"].splitlines():
        assert told(server, line) or "rooms empty" in line or "export" in line


def told(server, line):
    """Give a line of the page to `chatctl`, and return what it shows."""
    words = shlex.split(line, comments=True)
    assert words[0] == "env/bin/chatctl"
    command = [sys.executable, "-m", "chatservice.chatctl", *words[1:]]
    done = subprocess.run(
        command, cwd=server.folder, env=environment(), capture_output=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_telling_the_server_something(server, reader, connect):
    """Every line of the page does what it says."""
    alice, eve = connect(server, "alice"), connect(server, "eve")
    alice.send("/register sesame")
    alice.expect("* alice is your name")
    eve.send("/join lab")
    reader.expect("* eve came in")
    for line in EXAMPLES["chatctl"].splitlines():
        told(server, line)
    reader.expect("eve")
    assert reader.expect("tells all") == "* operator tells all: We restart in five minutes."
