"""Run the load generator, `load.c`."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks import compiling, machine
from benchmarks.peers import Running

Report = dict[str, Any]


def run(
    scenario: str,
    server: Running,
    core: int,
    on_start: Callable[[], None] = lambda: None,
    on_stop: Callable[[], None] = lambda: None,
    /,
    **options: float | str,
) -> dict[str, Report]:
    """Play a scenario of `load.c` against a server, from that core. Return its reports, by stage.

    `options` are those of the program. `on_start` is called when a measurement begins, and
    `on_stop` when it ends. The stage `stop` has `others_busy`: the larger share of the two cores
    that other programs used.
    """
    process = _start(scenario, server, core, options)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        reports: dict[str, Report] = {}
        for line in process.stdout:
            report = json.loads(line)
            if report["stage"] == "start":
                watches = [machine.Watch(server.pid), machine.Watch(process.pid)]
                on_start()
            elif report["stage"] == "stop":
                on_stop()
                report["others_busy"] = max(watch.others() for watch in watches)
            reports[report["stage"]] = report
        complaint = process.stderr.read()
        if process.wait():
            raise RuntimeError(complaint.strip() or f"load ended with status {process.returncode}")
        sys.stderr.write(complaint)
    finally:
        process.kill()
        process.wait()
    return reports


class Turns:
    """A scenario of `load.c` against a server that is played in turns, one for each call of `play`.

    `options` are those of the program; `seconds` is the length of a turn.
    """

    def __init__(self, scenario: str, server: Running, core: int, **options: float | str) -> None:
        self._process = _start(scenario, server, core, {**options, "turns": 1})
        self._until("ready")

    def play(self) -> Report:
        """Play one turn. Return its report."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        report = self._until("result")
        self._until("ready")
        return report

    def close(self) -> None:
        """End the load generator."""
        self._process.kill()
        self._process.communicate()

    def _until(self, stage: str) -> Report:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            report: Report = json.loads(line)
            if report["stage"] == stage:
                return report
        _, complaint = self._process.communicate()
        raise RuntimeError(complaint.strip() or "load ended early")


def _start(
    scenario: str, server: Running, core: int, options: Mapping[str, float | str]
) -> "subprocess.Popen[str]":
    given = {
        "protocol": server.protocol,
        "port": server.port,
        "pid": server.pid,
        "opening": server.opening,
        **options,
    }
    process = subprocess.Popen(
        [compiling.compiled("load.c"), *(f"--{name}={x}" for name, x in given.items()), scenario],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.sched_setaffinity(process.pid, {core})
    return process
