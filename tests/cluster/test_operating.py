"""Three machines, set up and looked after as docs/cluster.md says: addresses of this one."""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.servers import PATIENCE, ROOT, TWISTD, RawClient, environment
from tests.test_chatctl import chatctl

PAGE = (ROOT / "docs" / "cluster.md").read_text()
BLOCKS = dict(re.findall(r"<!-- followed: (\S+) -->\n```sh\n(.*?)```", PAGE, re.DOTALL))
"""The commands of the page, by name."""

INSTALLED = "/opt/chatservice/env/bin/"
PROGRAMS = {
    "nats-server": [shutil.which("nats-server")],
    "twistd": TWISTD,
}


class Machine:
    """The machine of the page with that number, in `network` in place of 10.0.0.; its directories
    are below `root`. It is one of the `machines`."""

    def __init__(self, root, network, number, machines):
        self._root, self._network, self._machines = root, network, machines
        self.address = f"{network}{number}"
        self._units = root / "etc/systemd/system"
        self._running = {}

    def _here(self, text):
        """Return a text of the page, or of a file that it copies, as it is for this machine."""
        text = text.replace("CHAT_ADDRESS=10.0.0.1", f"CHAT_ADDRESS={self.address}")
        text = re.sub(r"/(etc|var/lib)/", rf"{self._root}/\1/", text)
        return text.replace("10.0.0.", self._network)

    def follow(self, name):
        """Do what a block of the page says, and return what `chatctl` says."""
        said = ""
        for line in BLOCKS[name].splitlines():
            words = self._here(line.partition("#")[0]).split()
            if words[:2] in (["systemctl", "enable"], ["systemctl", "restart"]):
                for unit in words[2:]:
                    if unit != "--now":
                        self.restart(unit)
            elif words[0] == f"{INSTALLED}chatctl":
                said = self._wait(*words[2:])
            elif words[0] == "cp":
                self._copy(words[1:-1], words[-1])
            elif words[0] != "systemctl" and "/opt/chatservice/env" not in line:
                subprocess.run(["sh", "-c", self._here(line)], check=True, timeout=PATIENCE)
        return said

    def _copy(self, files, into):
        """Copy files of the checkout, as they are for this machine."""
        for file in files:
            text = self._here((ROOT / file).read_text())
            (Path(into) / Path(file).name).write_text(text)

    def set_up(self):
        """Follow the page on a machine that is new."""
        self._units.mkdir(parents=True)
        (self._root / "var/lib").mkdir(parents=True)
        self.follow("set-up")

    def restart(self, unit):
        """Start a unit as systemd does: if it runs already, after its end."""
        if unit in self._running:
            self._running[unit].terminate()
            self._running.pop(unit).wait(PATIENCE)
        parts = [self._units / f"{unit}.service", *self._units.glob(f"{unit}.service.d/*.conf")]
        text = "".join(part.read_text() for part in parts)
        [file] = set(re.findall("^EnvironmentFile=(.+)$", text, re.MULTILINE))
        with open(file) as lines:
            values = dict(line.strip().split("=", 1) for line in lines)
        line = re.findall("^ExecStart=(.+)$", text, re.MULTILINE)[-1]
        program, *words = re.sub(r"\$\{(\w+)\}", lambda it: values[it[1]], line).split()
        if unit == "chatservice":  # the page's listens on all addresses
            words += ["--interface", self.address]
        with (self._root / f"{unit}.log").open("ab") as log:
            self._running[unit] = subprocess.Popen(
                [*PROGRAMS[program.removeprefix(INSTALLED)], *words],
                cwd=self._root,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _wait(self, data, *words):
        """Wait until all copies of the log are up to date, and all nodes. Start meanwhile what has
        ended, as systemd does."""
        until = time.monotonic() + PATIENCE
        while True:
            for machine in self._machines:
                machine.restart_ended()
            _, said, wrong = chatctl(data, *words)
            current = "that are up to date: 3 of 3\n" in said
            if current and len(re.findall("Node at .*: up to date\n", said)) == 3:
                return said
            assert time.monotonic() < until, said + wrong
            time.sleep(0.1)

    def restart_ended(self):
        """Start the units again that have ended, as systemd does."""
        for unit, process in list(self._running.items()):
            if process.poll() is not None:
                self.restart(unit)

    def lose(self):
        """Lose the machine, and all that it has."""
        for process in self._running.values():
            process.kill()
            process.wait()
        self._running.clear()
        shutil.rmtree(self._root)

    def say(self, text):
        """Say something at this node, and return the texts of the room."""
        client = RawClient(5555, host=self.address)
        client.ask(do="hello", name=f"bot{self.address[-1]}")
        client.ask(do="join", room="lobby")
        client.ask(do="say", room="lobby", text=text)
        client.ask(do="history", room="lobby", id="all")
        while (answer := client.event()).get("id") != "all":
            pass
        client.close()
        return [it["text"] for it in answer["entries"]]


@pytest.fixture
def machines(tmp_path):
    """Return the three machines, which have nothing yet."""
    network = f"127.{os.getpid() >> 8 & 127 | 128}.{os.getpid() & 255}."
    made = []
    for number in (1, 2, 3):
        made.append(Machine(tmp_path / str(number), network, number, made))
    yield made
    for machine in made:
        machine.lose()


@pytest.mark.long
def test_three_machines(machines):
    """They are set up; one gets a new version; another one is lost and replaced. All that is said
    between these steps is there, in order, at each; the metrics tell of the log."""
    for machine in machines:
        machine.set_up()
    for machine in machines:
        machine.follow("look")
    said = ["before", "meanwhile", "after"]
    assert machines[0].say(said[0]) == said[:1]
    machines[1].follow("upgrade")
    machines[2].lose()
    assert machines[1].say(said[1]) == said[:2]
    machines[2].set_up()
    machines[2].follow("look")
    assert machines[2].say(said[2]) == said
    with urlopen(f"http://{machines[2].address}:5555/metrics") as answer:
        metrics = answer.read().decode()
    for what in ("messages of the log to apply", "changes to give to the log"):
        assert f'chat_waiting{{what="{what}"}}' in metrics
