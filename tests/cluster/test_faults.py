"""Servers and nodes that die, stop and are cut off under load: nothing that was acknowledged is
lost or doubled. `tests.cluster.faults` has more of them, which take ten minutes."""

import os

import pytest

from tests.cluster import faults
from tests.cluster.faults import FAULTS, Trial
from tests.cluster.machines import Machines, Networks


def named(name):
    """Return the fault with a name."""
    return next(it for it in FAULTS if it.name == name)


def put_to(trial, *names):
    """Put a cluster to faults; each is to leave everything as it was told."""
    for name in names:
        outcome = trial.put_to(named(name))
        assert not outcome.bad, (name, outcome)


@pytest.fixture
def short(monkeypatch):
    """Let each fault last no longer than it takes to be noticed."""
    monkeypatch.setattr(faults, "LENGTH", 0.2)


def test_servers_and_nodes_die_under_load(tmp_path, short):
    """The leader of the log is killed together with its machine's node, and the next leader is
    stopped together with two nodes, while users talk at all three. The clock of one node is wrong.
    All that was acknowledged is at each node, once, at the position that was told, and readers saw
    that and nothing else."""
    machines = Machines(tmp_path)
    machines.nodes[1].clock.set(86400)
    try:
        put_to(
            Trial(machines),
            "kill -9 the leader and its machine's node",
            "SIGSTOP the leader and two nodes",
        )
    finally:
        machines.end()


@pytest.mark.long
def test_a_machine_that_is_cut_off(tmp_path, short):
    """The machine of the log's leader loses its network to the others, and not to its users: it
    acknowledges nothing that is not stored, and has everything when it is back."""
    if not Networks.possible():
        pytest.skip("networks cannot be made here")
    machines = Machines(tmp_path, Networks())
    try:
        put_to(Trial(machines), "cut off the leader's machine")
    finally:
        machines.end()


@pytest.mark.long
def test_full_disks_of_servers_and_nodes(tmp_path, short):
    """The disk of the log's leader is full, and then that of a node: the others go on, and what was
    acknowledged is everywhere when there is room again."""
    if os.geteuid() != 0:
        pytest.skip("disks cannot be made here")
    machines = Machines(tmp_path, own_disks=True)
    try:
        put_to(
            Trial(machines),
            "fill the disk of the log's leader",
            "fill the disk of a node",
        )
    finally:
        machines.end()
