"""The tests' own machinery, where it depends on how the suite was started."""

import signal
import subprocess
import sys

from tests.servers import PATIENCE, ROOT, environment

IGNORING = """
import os, signal, sys
for it in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    signal.signal(it, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""

STARTING = """
import pathlib, signal, subprocess, sys, tempfile
import tests.conftest
from tests.forkserver import ForkedProcess, Program
from tests.servers import PATIENCE, environment

code = "import signal; print(*map(signal.getsignal, (2, 3, 1)), flush=True)"
usual = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=PATIENCE)
forked = ForkedProcess(Program(code, [], pathlib.Path(tempfile.gettempdir()), environment()))
assert forked.wait(PATIENCE) == 0
print(usual.stdout.decode() == forked.stdout.read().decode() != "", usual.stdout.decode())
print(all(callable(signal.getsignal(it)) for it in (2, 3, 1)))
"""


def test_programs_have_the_usual_signals_wherever_the_suite_runs():
    """Under `nohup` and behind a shell's `&` too, whether a program is forked or started."""
    done = subprocess.run(
        [sys.executable, "-c", IGNORING, "-c", STARTING],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        timeout=PATIENCE,
        text=True,
    )
    assert done.stderr == ""
    same, _, ours = done.stdout.partition("\n")
    assert same.startswith("True <built-in function default_int_handler> ")
    assert str(signal.SIG_IGN.value) not in same.split()
    assert ours.strip().splitlines()[-1] == "True"
