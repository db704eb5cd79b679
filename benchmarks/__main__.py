"""Measure, and print one table: `python -m benchmarks --help`."""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import beside, machine, report
from benchmarks.measure import Measured, Setting, Talk, rotated
from benchmarks.peers import PEERS, Peer
from benchmarks.rows import ROWS, Row


def main() -> None:
    """Run every row against every server, in turns, and print the table."""
    asked = _arguments()
    server_core, load_core = machine.cores()
    machine.raise_limits()
    if asked.first:
        machine.go_first()
    os.sched_setaffinity(0, {load_core})
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the servers end on the way out

    with tempfile.TemporaryDirectory(prefix="benchmarks-", dir=asked.folder) as folder:
        setting = Setting(
            asked.seconds, Path(folder), server_core, load_core, asked.quick, asked.profile
        )
        if asked.beside:
            servers = beside.contenders(asked.beside, Path(folder))
            versions = {beside.BEFORE: asked.beside}
        else:
            servers, versions = _installed(asked.peers)
        results: dict[str, Any] = {
            "machine": machine.facts(Path(folder)),
            "versions": versions,
            "runs": asked.runs,
            "seconds": asked.seconds,
            "quick": asked.quick,
            "rows": {row: {} for row in asked.rows},
        }
        _measure_all(servers, setting, asked, results)
    print(beside.table(results["rows"]) if asked.beside else report.table(results))


def _installed(names: Sequence[str]) -> tuple[dict[str, Peer], dict[str, str | None]]:
    """Return the installed servers, and the version of each one; None means not installed."""
    versions = {name: PEERS[name].version() for name in names}
    for name, version in versions.items():
        if version is None:
            print(f"{name} is not installed, and is left out.", file=sys.stderr)
    return {name: PEERS[name] for name in names if versions[name] is not None}, versions


def _measure_all(
    servers: Mapping[str, Peer], setting: Setting, asked: argparse.Namespace, results: Any
) -> None:
    """Measure each row of each server `asked.runs` times, and add the figures to the results."""
    for run in range(asked.runs):
        for name in asked.rows:
            for labels in _groups(name, servers, run, asked):
                print(f"run {run + 1}: {name}, {', '.join(labels)}", file=sys.stderr)
                try:
                    with machine.alone():
                        found = _measured(ROWS[name], {x: servers[x] for x in labels}, setting)
                except (RuntimeError, OSError, subprocess.SubprocessError) as error:
                    print(f"  failed: {error}", file=sys.stderr)
                    continue
                for label, measured in found.items():
                    results["rows"][name].setdefault(label, []).append(measured)
                if asked.results:
                    asked.results.write_text(json.dumps(results, indent=1) + "\n")


def _groups(
    row: str, servers: Mapping[str, Peer], run: int, asked: argparse.Namespace
) -> Sequence[Sequence[str]]:
    """Return the labels of the servers in groups; a group is measured together."""
    able = [label for label, peer in servers.items() if peer.name in ROWS[row].against]
    if asked.beside and isinstance(ROWS[row].measure, Talk):
        return [able]
    return [[label] for label in rotated(able, run)]


def _measured(row: Row, servers: Mapping[str, Peer], setting: Setting) -> Mapping[str, Measured]:
    if len(servers) > 1 and isinstance(row.measure, Talk):
        return row.measure.in_turns(servers, setting)
    return {label: row.measure(peer, setting) for label, peer in servers.items()}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("--rows", type=_chosen(ROWS), help=f"of {','.join(ROWS)} (all)")
    parser.add_argument(
        "--peers", type=_chosen(PEERS), default=list(PEERS), help=f"of {','.join(PEERS)}"
    )
    parser.add_argument(
        "--beside",
        metavar="COMMIT-OR-PATH",
        help="compare this checkout with that one, and nothing else "
        f"(all rows but {', '.join(beside.SLOW)})",
    )
    parser.add_argument("--runs", type=int, help="how often (3; 5 with --beside)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement (5)")
    parser.add_argument("--quick", action="store_true", help="one short run, with smaller numbers")
    parser.add_argument("--first", action="store_true", help="go before other programs; as root")
    parser.add_argument("--folder", help="where the servers store [the system's for such things]")
    parser.add_argument("--profile", help="let py-spy record chatservice into this file")
    parser.add_argument(
        "--results", type=Path, help="a file (benchmarks/results.json; none with --beside)"
    )
    asked = parser.parse_args()
    asked.rows = asked.rows or (beside.default_rows() if asked.beside else list(ROWS))
    asked.runs = asked.runs or (5 if asked.beside else 3)
    if not asked.beside:
        asked.results = asked.results or Path(__file__).with_name("results.json")
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
