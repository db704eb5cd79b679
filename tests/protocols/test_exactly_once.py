"""Exactly once, for any events in any order: each acknowledged entry is there once and in its
order, and each reader has seen all that it must have seen."""

import json
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from chatservice.limits import Limits
from tests.simulation import SimulatedClient, SimulatedServer

LITTLE = {
    "tail_bytes": 700,
    "write_bytes": 250,
    "replay_bytes": 300,
    "run_entries": 3,
    "unstored_entries": 8,
}
"""Bounds so small that everything meets them all the time."""


class Reader:
    """A client that reads the room, each new connection from where the last one ended."""

    def __init__(self, name: str, network: SimulatedClient, after: int | None) -> None:
        self.name = name
        self.network = network
        self.after = after
        self.seen: list[tuple[int, str]] = []
        self._counted = 0

    def look(self) -> None:
        """Take in what has come on this connection."""
        events = self.network.events()
        for event in events[self._counted :]:
            if event["event"] == "ok" and "seq" in event and self.after is None:
                self.after = event["seq"]
            elif event["event"] == "message":
                self.seen.append((event["seq"], event["text"]))
        self._counted = len(events)

    @property
    def last(self) -> int | None:
        """The last position that it has seen, or where it began."""
        return self.seen[-1][0] if self.seen else self.after

    def again(self, network: SimulatedClient) -> None:
        """Go on, on another connection."""
        self.look()
        self.network, self._counted = network, 0


class Writer:
    """A program that says things with keys, and says them again until they are acknowledged."""

    def __init__(self) -> None:
        self.network: SimulatedClient | None = None
        self.said = 0
        self.unanswered: dict[str, str] = {}
        self.acknowledged: dict[str, int] = {}
        self.token: str | None = "chosen-by-the-client"  # the answer may be lost
        self._counted = 0

    def connect(self, network: SimulatedClient) -> None:
        """Come (again), and say again what was not acknowledged."""
        self.look()
        self.network, self._counted = network, 0
        hello = {"do": "hello", "name": "bot", **({"token": self.token} if self.token else {})}
        for request in (hello, {"do": "join", "room": "lab"}):
            network.send(json.dumps(request).encode() + b"\n")
        for text in list(self.unanswered.values()):
            self.say(text)

    def say(self, text: str) -> None:
        """Say something."""
        self.unanswered[text] = text
        request = {"do": "say", "room": "lab", "text": text, "key": text, "id": text}
        if self.network is not None:
            self.network.send(json.dumps(request).encode() + b"\n")

    def look(self) -> None:
        """Take in the answers."""
        if self.network is None:
            return
        events = self.network.events()
        for event in events[self._counted :]:
            if event["event"] == "ok":
                self.token = event.get("token", self.token)
                if "id" in event:
                    self.acknowledged[event["id"]] = event["seq"]
                    self.unanswered.pop(event["id"], None)
        self._counted = len(events)


class AnyOrder(RuleBasedStateMachine):
    """Writers, readers, a network, a disk and a process, none of which can be relied upon."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.house = SimulatedServer(Path(self.folder.name) / "chat.sqlite", Limits(**LITTLE))
        self.writer = Writer()
        self.writer.connect(self.house.connect())
        self.readers: list[Reader] = []
        self.people: list[tuple[str, SimulatedClient]] = []
        self.speaker: tuple[str, SimulatedClient] | None = None
        self.names = 0
        self.lines = 0
        self.highest = 0

    def new_name(self, kind: str) -> str:
        """Return a name that nobody had before."""
        self.names += 1
        return f"{kind}{self.names}"

    # -- who writes ------------------------------------------------------------------------------

    @rule(count=st.integers(1, 5))
    def a_program_says(self, count: int) -> None:
        """Several things at once, with keys."""
        for _ in range(count):
            self.writer.said += 1
            self.writer.say(f"k{self.writer.said}")

    @rule(count=st.integers(1, 9), cut=st.integers(0, 20))
    def a_person_pours(self, count: int, cut: int) -> None:
        """Many lines in a chunk, or in two."""
        if self.speaker is None or not self.speaker[1].open:
            name, network = self.new_name("p"), self.house.connect()
            network.send(f"{name}\n/join lab\n".encode())
            self.house.turn(0.2)
            self.speaker = name, network
        lines = []
        for _ in range(count):
            self.lines += 1
            lines.append(f"l{self.lines}\n")
        data = "".join(lines).encode()
        self.speaker[1].send(data[:cut])
        self.speaker[1].send(data[cut:])

    @rule()
    def the_program_is_cut_off(self) -> None:
        """It comes back at once, and repeats what was not acknowledged."""
        assert self.writer.network is not None
        self.writer.network.cut()
        self.writer.connect(self.house.connect())

    @rule(commits=st.integers(0, 2))
    def an_answer_is_lost(self, commits: int) -> None:
        """Cut the program off before its answer; its message may be stored or not."""
        assert self.writer.network is not None
        self.writer.network.stall()
        self.a_program_says(2)
        for _ in range(commits):
            self.house.turn()
            self.house.turn()
            self.house.disk.work()
        self.the_program_is_cut_off()

    @rule()
    def the_program_comes_before_its_end_was_noticed(self) -> None:
        """It is here twice, for the server."""
        self.writer.connect(self.house.connect())

    # -- who reads -------------------------------------------------------------------------------

    @rule(back=st.none() | st.integers(0, 30))
    def a_reader_comes(self, back: int | None) -> None:
        """To read from now on, or from some way back."""
        after = None if back is None else max(0, self.highest - back)
        reader = Reader(self.new_name("r"), self.house.connect(), after)
        self.introduce(reader)
        self.readers.append(reader)

    def introduce(self, reader: Reader) -> None:
        """Join, from where the reader has come to."""
        joining = {"do": "join", "room": "lab"}
        if reader.last is not None:
            joining["after"] = reader.last
        for request in ({"do": "hello", "name": reader.name}, joining):
            reader.network.send(json.dumps(request).encode() + b"\n")

    @rule()
    def a_person_comes(self) -> None:
        """To read from now on."""
        name, network = self.new_name("q"), self.house.connect()
        network.send(f"{name}\n/join lab\n".encode())
        self.house.turn(0.2)
        self.people.append((name, network))

    def networks(self) -> list[SimulatedClient]:
        """Return all whose reading can be stopped."""
        found = [reader.network for reader in self.readers] + [n for _, n in self.people]
        found += [self.speaker[1]] if self.speaker is not None else []
        return found + ([self.writer.network] if self.writer.network is not None else [])

    @rule(which=st.integers(0, 99), reads=st.booleans())
    def a_reader_stops_or_goes_on(self, which: int, reads: bool) -> None:
        """One of them reads no more, or reads again."""
        if found := self.networks():
            network = found[which % len(found)]
            if reads:
                network.read_on()
            else:
                network.stall()

    @rule(which=st.integers(0, 99))
    def a_reader_is_cut_off(self, which: int) -> None:
        """And comes back, to go on behind the last entry that it has seen."""
        if self.readers:
            reader = self.readers[which % len(self.readers)]
            reader.network.cut()
            reader.name = self.new_name("r")
            reader.again(self.house.connect())
            self.introduce(reader)

    # -- what happens ----------------------------------------------------------------------------

    @rule()
    def a_turn(self) -> None:
        """The reactor goes round."""
        self.house.turn()

    @rule()
    def the_disk_works(self) -> None:
        """A commit."""
        self.house.disk.work()
        self.note()

    @rule()
    def the_past_is_read(self) -> None:
        """A replay comes."""
        self.house.past.work()

    @rule()
    def the_disk_fails(self) -> None:
        """A commit fails: the author is refused, and nobody sees the entry."""
        self.house.disk.fails = True
        self.house.disk.work()
        self.house.disk.fails = False

    @precondition(lambda self: self.highest > 0)
    @rule()
    def the_server_is_killed(self) -> None:
        """It is killed at any point of its work; everybody comes back."""
        self.note()
        before = self.highest
        self.house.kill()
        for _, network in self.people:
            network.open = False
        self.house = SimulatedServer(Path(self.folder.name) / "chat.sqlite", Limits(**LITTLE))
        assert self.house.chat.rooms.find("lab").log.last >= before
        self.writer.connect(self.house.connect())
        for reader in self.readers:
            reader.name = self.new_name("r")
            reader.again(self.house.connect())
            self.introduce(reader)

    def note(self) -> None:
        """Look at what has come so far."""
        self.writer.look()
        for reader in self.readers:
            reader.look()
        seen = [reader.last or 0 for reader in self.readers]
        self.highest = max([self.highest, *self.writer.acknowledged.values(), *seen])

    # -- what must be true -----------------------------------------------------------------------

    def teardown(self) -> None:
        """When all has come to rest, everything is where it must be."""
        try:
            self.check()
        finally:
            self.house.kill()
            self.folder.cleanup()

    def check(self) -> None:
        """Read the whole log, and compare."""
        for network in self.networks():
            network.read_on()
        self.house.settle()
        self.writer.connect(self.house.connect())
        self.house.settle()
        everything = Reader("all", self.house.connect(), 0)
        self.introduce(everything)
        self.house.settle()
        self.note()
        everything.look()
        log = everything.seen
        at = dict(log)
        texts = [text for _, text in log]
        assert [seq for seq, _ in log] == sorted(at)
        assert len(texts) == len(set(texts)), "nothing is stored twice"
        for text, seq in self.writer.acknowledged.items():
            assert at.get(seq) == text
        assert not self.writer.unanswered, "what is repeated is acknowledged in the end"
        poured = [int(text[1:]) for text in texts if text[0] == "l"]
        assert poured == sorted(poured)
        for reader in self.readers:
            start = reader.after if reader.after is not None else everything.last
            assert reader.seen == [(seq, text) for seq, text in log if seq > start]
        for _, network in self.people:
            said = [re.sub(r"^(\[.*?\] )?\w+: ", "", line) for line in network.lines()]
            said = [text for text in said if not text.startswith(("* ", "! "))]
            if said:
                first = texts.index(said[0])
                assert said == texts[first : first + len(said)]
                assert not network.open or texts[first + len(said) :] == []
        if self.speaker is not None:
            name, network = self.speaker
            assert not any(f"{name}: " in line for line in network.lines()), "their own come back"


class TestAnyOrder(AnyOrder.TestCase):
    """In the usual run: some hundred stories."""

    settings = settings(max_examples=60, stateful_step_count=40)


@pytest.mark.long
class TestAnyOrderLong(AnyOrder.TestCase):
    """More and longer runs of the same machine."""

    settings = settings(max_examples=200, stateful_step_count=60)
