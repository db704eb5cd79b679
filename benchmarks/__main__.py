"""Measure, and print one table: `python -m benchmarks --help`."""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import machine, report
from benchmarks.measure import Setting
from benchmarks.peers import PEERS
from benchmarks.rows import ROWS


def main() -> None:
    """Run every row against every server, taking turns, and print what it came to."""
    asked = _arguments()
    versions = {name: PEERS[name].version() for name in asked.peers}
    for name, version in versions.items():
        if version is None:
            print(f"{name} is not installed, and is left out.", file=sys.stderr)
    servers = [PEERS[name] for name, version in versions.items() if version is not None]
    server_core, load_core = machine.cores()
    machine.raise_limits()
    os.sched_setaffinity(0, {load_core})
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and end the servers on the way out

    with tempfile.TemporaryDirectory(prefix="benchmarks-", dir=asked.folder) as folder:
        setting = Setting(
            asked.seconds, Path(folder), server_core, load_core, asked.quick, asked.profile
        )
        results: dict[str, Any] = {
            "machine": machine.facts(Path(folder)),
            "versions": versions,
            "runs": asked.runs,
            "seconds": asked.seconds,
            "quick": asked.quick,
            "rows": {row: {} for row in asked.rows},
        }
        for run in range(asked.runs):
            for name in asked.rows:
                for peer in servers:
                    if peer.name not in ROWS[name].against:
                        continue
                    print(f"run {run + 1}: {name}, {peer.name}", file=sys.stderr)
                    try:
                        with machine.alone():
                            measured = ROWS[name].measure(peer, setting)
                    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
                        print(f"  failed: {error}", file=sys.stderr)
                        continue
                    results["rows"][name].setdefault(peer.name, []).append(measured)
                    asked.results.write_text(json.dumps(results, indent=1) + "\n")
    print(report.table(results))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--rows", type=_chosen(ROWS), default=list(ROWS), help=f"of {','.join(ROWS)}"
    )
    parser.add_argument(
        "--peers", type=_chosen(PEERS), default=list(PEERS), help=f"of {','.join(PEERS)}"
    )
    parser.add_argument("--runs", type=int, default=3, help="how often (3)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement (5)")
    parser.add_argument("--quick", action="store_true", help="one short run, with smaller numbers")
    parser.add_argument("--folder", help="where the servers store [the system's for such things]")
    parser.add_argument("--profile", help="let py-spy record chatservice into this file")
    parser.add_argument(
        "--results", type=Path, default=Path(__file__).with_name("results.json"), help="a file"
    )
    asked = parser.parse_args()
    if asked.quick:
        asked.runs, asked.seconds = 1, min(asked.seconds, 2.0)
    return asked


def _chosen(there: Any) -> Any:
    def names(text: str) -> list[str]:
        chosen = text.split(",")
        for name in chosen:
            if name not in there:
                raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(there)}")
        return chosen

    return names


if __name__ == "__main__":
    main()
