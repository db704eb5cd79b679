"""Running the load generator, `load.c`."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from benchmarks import compiling, machine
from benchmarks.peers import Running

Report = dict[str, Any]


def run(
    scene: str,
    server: Running,
    core: int,
    on_start: Callable[[], None] = lambda: None,
    **options: float | str,
) -> dict[str, Report]:
    """Play a scene of `load.c` against a server, from that core; return what it reports, by stage.

    `options` are those of the program. `on_start` is called when a measurement begins. A stage
    `stop` tells `others_busy`: how much of one core or the other something else has used.
    """
    given = {
        "dialect": server.dialect,
        "port": server.port,
        "pid": server.pid,
        "opening": server.opening,
        **options,
    }
    process = subprocess.Popen(
        [compiling.compiled("load.c"), *(f"--{name}={x}" for name, x in given.items()), scene],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        os.sched_setaffinity(process.pid, {core})
        reports: dict[str, Report] = {}
        for line in process.stdout:
            report = json.loads(line)
            if report["stage"] == "start":
                watches = [machine.Watch(server.pid), machine.Watch(process.pid)]
                on_start()
            elif report["stage"] == "stop":
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
