"""Faults of a cluster under load, and the table of what came of them.

`python -m tests.cluster.faults` runs all of them, which takes ten minutes, and prints the table;
docs/cluster.md has one. It fails if a text is not as it was told, or nothing was acknowledged for
more than `STANDS_STILL` seconds while there was a quorum. `--only WORD` runs those with a word in
their names, `--rounds N` each so many times. Some need root, networks (`ip`), mounts, mkfs.ext4 and
gcc.
"""

import argparse
import contextlib
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests.cluster.load import Load, history
from tests.cluster.machines import Machines, Networks

MORE = 200
"""The texts that are said while something is down, and again when it is back."""

LONG = 60.0
"""Seconds after which a test that gets nowhere ends."""

LENGTH = 1.0
"""The factor of the length of all faults, but for those that take away the quorum."""

DOWN = 12.0
"""Seconds without a quorum: nodes refuse after ten."""

STANDS_STILL = 10.0
"""The longest time in seconds in which nothing is acknowledged although there is a quorum."""


class Fault(NamedTuple):
    """A fault: its name in the table, what does and undoes it, and of which cluster it is."""

    name: str
    do: Callable[[Machines, Load], Any]
    cluster: str


FAULTS: list[Fault] = []


def fault(name, cluster="plain"):
    """Add a function to the table."""

    def add(do):
        FAULTS.append(Fault(name, do, cluster))
        return do

    return add


class Outcome(NamedTuple):
    """Numbers of texts: acknowledged; of these not stored, stored twice, and stored at another
    position than was told; stored or shown although nobody was told that they are stored; and
    refused. The longest time in which nothing was acknowledged, and the longest that a text took,
    in seconds."""

    acknowledged: int
    lost: int
    doubled: int
    misplaced: int
    untold: int
    refused: int
    gap: float
    wait: float

    @property
    def bad(self):
        """The number of texts that are not as they were told."""
        return self.lost + self.doubled + self.misplaced + self.untold

    def fails(self, name):
        """Return whether the fault with a name had an outcome that it is not to have. Where the
        name ends in `*` there was no quorum, and the time without an acknowledgement may be longer
        than `STANDS_STILL`."""
        return bool(self.bad) or (self.gap > STANDS_STILL and not name.endswith("*"))


class Trial:
    """A cluster that is put to one fault after another."""

    def __init__(self, machines):
        self.machines = machines
        self._number = 0
        self._last = 0

    def put_to(self, fault):
        """Let clients work, do a fault and undo it, and return the outcome. Raises
        `AssertionError` if the nodes differ."""
        self._number += 1
        machines, tag = self.machines, f"t{self._number}"
        load = Load(machines.nodes, tag, self._last)
        load.wait_for_more(50, LONG)
        load.count_from_now()
        fault.do(machines, load)
        load.wait_for_more(MORE, LONG)
        load.stop()
        start_the_ended(machines)
        first, *others = machines.wait_until_same()
        assert all(it == first for it in others), "the databases differ"
        stored = [
            history(node, f"{tag}h{at}", self._last) for at, node in enumerate(machines.nodes)
        ]
        assert all(it == stored[0] for it in stored), "the histories differ"
        outcome = outcome_of(load, stored[0])
        self._last = stored[0][-1][0]
        return outcome


def start_the_ended(machines):
    """Start the nodes again that the others took for dead, as their units do."""
    for node in machines.nodes:
        if node.process.poll() is not None:
            node.log.expect("The other nodes took this one for dead")
            node.start()


def outcome_of(load, stored):
    """Compare what the clients of a load were told with what is stored."""
    times = Counter(text for _, text in stored)
    where = {text: position for position, text in stored}
    told = load.acknowledged
    shown = {it for reader in load.readers for it in reader.seen}
    untold = {*times} - {*told} - load.unknown | {text for _, text in shown - {*stored}}
    last = max(told.values())
    unordered = sum(
        [it for it in reader.seen if it[0] <= last] != [it for it in stored if it[0] <= last]
        for reader in load.readers
    )
    return Outcome(
        acknowledged=len(told),
        lost=sum(text not in times for text in told),
        doubled=sum(number > 1 for number in times.values()),
        misplaced=sum(where.get(text, at) != at for text, at in told.items()) + unordered,
        untold=len(untold),
        refused=len(load.refused),
        gap=load.longest_gap,
        wait=load.longest_wait,
    )


# -- what the faults are made of -----------------------------------------------------------------


def hold(load, seconds=3.0):
    """Let the clients work for a while, and at least until some more is stored."""
    time.sleep(seconds * LENGTH)
    load.wait_for_more(MORE, LONG)


def kill(*processes):
    """Kill servers or nodes at once."""
    for it in processes:
        it.process.send_signal(signal.SIGKILL)
    for it in processes:
        it.process.wait()


def start(machines, servers=(), nodes=()):
    """Start servers and nodes again, and return when all is as before."""
    for it in servers:
        it.start(wait=False)
    for it in nodes:
        it.start()
    machines.wait_until_whole()


@contextlib.contextmanager
def stopped(*processes):
    """Stop servers or nodes meanwhile."""
    for it in processes:
        it.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for it in processes:
            it.process.send_signal(signal.SIGCONT)


def leader_of(machines):
    """Return the server that leads the log."""
    return machines.servers.all[machines.leader()]


def follower_of(machines):
    """Return a server that follows."""
    return machines.servers.all[machines.followers()[0]]


def each_in_turn(name, of, do):
    """Add a fault for each of three."""
    for number in range(3):

        def one(machines, load, number=number):
            do(machines, load, of(machines)[number])

        FAULTS.append(Fault(name, one, "plain"))


# -- the faults ------------------------------------------------------------------------------------


@fault("kill -9 the leader of the log")
def _kill_leader(machines, load):
    server = leader_of(machines)
    kill(server)
    hold(load)
    start(machines, [server])


@fault("kill -9 a follower")
def _kill_follower(machines, load):
    server = follower_of(machines)
    kill(server)
    hold(load)
    start(machines, [server])


@fault("SIGSTOP the leader of the log")
def _stop_leader(machines, load):
    with stopped(leader_of(machines)):
        hold(load, 8.0)


@fault("SIGSTOP a follower")
def _stop_follower(machines, load):
    with stopped(follower_of(machines)):
        hold(load, 8.0)


def _kill_node(machines, load, node):
    kill(node)
    hold(load)
    start(machines, nodes=[node])


def _stop_node(machines, load, node):
    with stopped(node):
        hold(load, 8.0)


def nodes_of(machines):
    """Return the nodes."""
    return machines.nodes


each_in_turn("kill -9 a node", nodes_of, _kill_node)
each_in_turn("SIGSTOP a node", nodes_of, _stop_node)


@fault("kill -9 the leader and its machine's node")
def _kill_machine(machines, load):
    number = machines.leader()
    server, node = machines.servers.all[number], machines.nodes[number]
    kill(server, node)
    hold(load)
    start(machines, [server], [node])


@fault("kill -9 the leader and another node")
def _kill_across(machines, load):
    number = machines.leader()
    server, node = machines.servers.all[number], machines.nodes[number - 1]
    kill(server, node)
    hold(load)
    start(machines, [server], [node])


@fault("SIGSTOP the leader and two nodes")
def _stop_across(machines, load):
    with stopped(leader_of(machines), *machines.nodes[:2]):
        hold(load, 8.0)


@fault("kill -9 the leader, SIGSTOP a node")
def _kill_and_stop(machines, load):
    server = leader_of(machines)
    with stopped(machines.nodes[0]):
        kill(server)
        hold(load, 8.0)
    start(machines, [server])


@fault("SIGTERM each server, one after another")
def _rolling(machines, load):
    for server in machines.servers.all:
        server.process.terminate()
        server.process.wait()
        hold(load, 0.0)
        start(machines, [server])


@fault("kill -9 two servers *")
def _kill_two(machines, load):
    servers = [leader_of(machines), follower_of(machines)]
    kill(*servers)
    time.sleep(DOWN)
    back(machines, load, servers)


@fault("kill -9 all servers *")
def _kill_all(machines, load):
    kill(*machines.servers.all)
    time.sleep(DOWN)
    back(machines, load, machines.servers.all)


@fault("kill -9 all servers and nodes *")
def _kill_everything(machines, load):
    kill(*machines.servers.all, *machines.nodes)
    for server in machines.servers.all:
        server.start(wait=False)
    for server in machines.servers.all:
        server.wait_until_up()
    load.count_from_now()
    for node in machines.nodes:
        node.start()
    hold(load)


@fault("SIGSTOP two servers *")
def _stop_two(machines, load):
    with stopped(leader_of(machines), follower_of(machines)):
        time.sleep(DOWN)
    load.count_from_now()
    hold(load)


@fault("SIGSTOP the leader, kill -9 a follower *")
def _stop_and_kill(machines, load):
    server = follower_of(machines)
    with stopped(leader_of(machines)):
        kill(server)
        time.sleep(DOWN)
        back(machines, load, [server])


@fault("kill -9 two servers and a node *")
def _kill_two_and_node(machines, load):
    servers = [leader_of(machines), follower_of(machines)]
    kill(*servers, machines.nodes[1])
    time.sleep(DOWN)
    back(machines, load, servers)
    start(machines, nodes=[machines.nodes[1]])


def back(machines, load, servers):
    """Start servers, and measure from when they answer."""
    for it in servers:
        it.start(wait=False)
    for it in servers:
        it.wait_until_up()
    load.count_from_now()
    hold(load)


# -- partitions ----------------------------------------------------------------------------------


@fault("cut off the leader's machine", "networks")
def _cut_leader(machines, load):
    machines.networks.cut(machines.leader())
    hold(load, 15.0)
    machines.networks.heal()
    machines.wait_until_whole()


@fault("cut off a follower's machine", "networks")
def _cut_follower(machines, load):
    machines.networks.cut(machines.followers()[0])
    hold(load, 15.0)
    machines.networks.heal()
    machines.wait_until_whole()


@fault("part two machines; both reach the third", "networks")
def _part_two(machines, load):
    leader = machines.leader()
    machines.networks.part(leader, (leader + 1) % 3)
    hold(load, 15.0)
    machines.networks.heal()
    machines.wait_until_whole()


@fault("cut off all machines *", "networks")
def _cut_all(machines, load):
    for number in range(3):
        machines.networks.cut(number)
    time.sleep(DOWN)
    machines.networks.heal()
    load.count_from_now()
    hold(load)


@fault("cut off the leader's machine for a second, five times", "networks")
def _flap(machines, load):
    for _ in range(5):
        machines.networks.cut(machines.leader())
        time.sleep(1.0)
        machines.networks.heal()
        time.sleep(1.0)


# -- disks and clocks ------------------------------------------------------------------------------


def _slow(load, disk):
    """Let a disk hang for half of the time."""
    for _ in range(round(20 * LENGTH)):
        with disk.hanging():
            time.sleep(0.25)
        time.sleep(0.25)
    load.wait_for_more(MORE, LONG)


def _hang(load, disk):
    with disk.hanging():
        time.sleep(8.0 * LENGTH)
    load.wait_for_more(MORE, LONG)


@fault("the leader's disk hangs for a quarter of a second, 20 times", "disks")
def _slow_leader(machines, load):
    _slow(load, machines.server_disks[machines.leader()])


@fault("a follower's disk hangs for a quarter of a second, 20 times", "disks")
def _slow_follower(machines, load):
    _slow(load, machines.server_disks[machines.followers()[0]])


@fault("a node's disk hangs for a quarter of a second, 20 times", "disks")
def _slow_node(machines, load):
    _slow(load, machines.node_disks[0])


@fault("the leader's disk hangs for 8 seconds", "disks")
def _hanging_leader(machines, load):
    _hang(load, machines.server_disks[machines.leader()])


@fault("a follower's disk hangs for 8 seconds", "disks")
def _hanging_follower(machines, load):
    _hang(load, machines.server_disks[machines.followers()[0]])


@fault("a node's disk hangs for 8 seconds", "disks")
def _hanging_node(machines, load):
    _hang(load, machines.node_disks[1])


def _full_servers(machines, load, numbers, quorum=True):
    """Fill disks of servers. A server that could not store stores nothing more until it is started
    again."""
    for number in numbers:
        machines.server_disks[number].fill()
    if quorum:
        hold(load, 8.0)
    else:
        time.sleep(DOWN)
    assert not all(machines.servers.all[number].is_healthy() for number in numbers)
    for number in numbers:
        machines.server_disks[number].free()
        machines.servers.all[number].process.terminate()
        machines.servers.all[number].process.wait()
    servers = [machines.servers.all[number] for number in numbers]
    if quorum:
        start(machines, servers)
    else:
        back(machines, load, servers)


@fault("fill the disk of the log's leader", "disks")
def _full_leader(machines, load):
    _full_servers(machines, load, [machines.leader()])


@fault("fill the disk of a follower", "disks")
def _full_follower(machines, load):
    _full_servers(machines, load, machines.followers()[:1])


@fault("fill the disks of all servers *", "disks")
def _full_all(machines, load):
    _full_servers(machines, load, range(3), quorum=False)


@fault("fill the disk of a node", "disks")
def _full_node(machines, load):
    machines.node_disks[0].fill()
    hold(load, 8.0)
    machines.nodes[0].log.expect("cannot store what the log has")
    machines.node_disks[0].free()


@fault("fill the disks of all nodes *", "disks")
def _full_nodes(machines, load):
    for disk in machines.node_disks:
        disk.fill()
    time.sleep(DOWN)
    for node, disk in zip(machines.nodes, machines.node_disks, strict=True):
        node.log.expect("cannot store what the log has")
        disk.free()
    load.count_from_now()
    hold(load)


def _wrong_clock(machines, load, seconds):
    for node, off in zip(machines.nodes, seconds, strict=True):
        node.clock.set(off)
    hold(load, 5.0)
    for node in machines.nodes:
        node.clock.set(0)


@fault("the clock of a node is a day ahead, and right again")
def _clock_ahead(machines, load):
    _wrong_clock(machines, load, (86400, 0, 0))


@fault("the clock of a node is a day behind, and right again")
def _clock_behind(machines, load):
    _wrong_clock(machines, load, (0, -86400, 0))


@fault("the clocks of all nodes differ by years")
def _clocks_differ(machines, load):
    _wrong_clock(machines, load, (10**8, -(10**8), 0))


# -- the table -------------------------------------------------------------------------------------


class Row:
    """A row of the table: the outcomes of one fault, or of all."""

    def __init__(self, name):
        self.name = name
        self.outcomes = []

    def __str__(self):
        total = [sum(getattr(it, name) for it in self.outcomes) for name in Outcome._fields[:6]]
        longest = [max(getattr(it, name) for it in self.outcomes) for name in ("gap", "wait")]
        cells = [
            self.name,
            len(self.outcomes),
            *(f"{it:,}" for it in total),
            *(f"{it:.1f} s" for it in longest),
        ]
        return "| " + " | ".join(map(str, cells)) + " |"

    def fails(self):
        """Return whether one of the outcomes is not to be."""
        return any(it.fails(self.name) for it in self.outcomes)


HEAD = (
    "| what was done | times | acknowledged | lost | doubled | misplaced | untold | refused "
    "| longest stand-still | longest wait of a client |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def table(rows):
    """Return the table, with a row for all."""
    done = [it for it in rows if it.outcomes]
    all_ = Row("all")
    all_.outcomes = [outcome for it in done for outcome in it.outcomes]
    return "\n".join([HEAD, *map(str, done), *([str(all_)] if done else [])])


@contextlib.contextmanager
def cluster(kind):
    """Run a cluster of a kind."""
    path = Path(tempfile.mkdtemp(prefix="chat-faults-"))
    machines = Machines(path, Networks() if kind == "networks" else None, kind == "disks")
    try:
        yield machines
    finally:
        machines.end()
        shutil.rmtree(path, ignore_errors=True)


def main():
    """Run the faults, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="run faults with this in their names")
    parser.add_argument("--rounds", type=int, default=1, help="run each so many times")
    args = parser.parse_args()
    chosen = [it for it in FAULTS if args.only in it.name or args.only == it.cluster]
    rows = {it.name: Row(it.name) for it in chosen}
    try:
        for kind in dict.fromkeys(it.cluster for it in chosen):
            with cluster(kind) as machines:
                run_all([it for it in chosen if it.cluster == kind] * args.rounds, machines, rows)
    finally:
        print(table(rows.values()))
    sys.exit(any(it.fails() for it in rows.values()))


def run_all(chosen, machines, rows):
    """Put a cluster to faults, and add what came of them to the rows of the table."""
    trial = Trial(machines)
    for it in chosen:
        outcome = trial.put_to(it)
        rows[it.name].outcomes.append(outcome)
        print(f"{it.name}: {outcome}", flush=True)


if __name__ == "__main__":
    main()
