"""Coverage-guided search for streams of bytes at which a server fails.

pip install atheris python -m tests.harm.fuzz --seconds 3600

Each stream is sent to a whole server in this process (tests/harm/inprocess.py), cut here and there.
A stream that causes an exception, a broken line, or a second of work is written to
tests/harm/found.txt. It is a test case from then on.
"""

import argparse
import hashlib
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["chatservice"]):
    from tests.harm.inprocess import InProcessServer

from tests.harm.corpus import keep
from tests.harm.fragments import BEFORE, SEEDS, TOKENS

SLOW_SECONDS = 1.0
RENEWED = 2000
"""Streams between two new servers, which bound what one keeps in memory."""


class Fuzzing:
    """The state of the search: the current stream and the progress."""

    def __init__(self) -> None:
        self._whole = InProcessServer()
        self._began = time.monotonic()
        self._seen: set[str] = set()
        self.runs = 0
        self.kept = 0

    def one(self, data: bytes) -> None:
        """Try one input: two bytes choose the client and the cuts, the rest is the stream."""
        self.runs += 1
        if self.runs % RENEWED == 0:
            self._renew()
            print(f"{self.runs} streams, {self.kept} findings", file=sys.stderr)
        if len(data) < 3:
            return
        before, size, said = BEFORE[data[0] % len(BEFORE)], 1 + data[1] ** 2 // 8, data[2:]
        pieces = [said[at : at + size] for at in range(0, len(said), size)]
        began = time.thread_time()
        try:
            self._whole.drive(pieces, before)
        except Exception as error:
            self._note(before + said, _summary(error))
            self._renew()
        if time.thread_time() - began > SLOW_SECONDS:
            self._note(before + said, "slow")

    def _renew(self) -> None:
        self._whole.close()
        self._whole = InProcessServer()

    def _note(self, value: bytes, why: str) -> None:
        """Keep a finding, once for each place where it fails."""
        if why not in self._seen:
            self._seen.add(why)
            name = f"found-{hashlib.sha256(value).hexdigest()[:8]}"
            self.kept += keep("found.txt", name, value, why)
            print(f"found: {why}\n  {value!r}", file=sys.stderr)


def _summary(error: Exception) -> str:
    """Return an error in one line, without parts that differ each time."""
    if isinstance(error, AssertionError) and "Traceback" in str(error):
        lines = str(error).strip().splitlines()
        return f"{lines[-1][:80]} ({lines[-3].strip()[-80:]})"
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {frame.name}, line {frame.lineno}"


def _dictionary(folder: Path) -> Path:
    path = folder / "tokens.dict"
    quoted = ("".join(f"\\x{byte:02x}" for byte in token) for token in TOKENS if len(token) < 100)
    path.write_text("".join(f'"{token}"\n' for token in sorted(set(quoted))))
    return path


def main() -> None:
    """Fuzz for the given time."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=3600)
    parser.add_argument("--corpus", type=Path, help="where to keep, and go on with, what was tried")
    options = parser.parse_args()
    fuzzing: Any = Fuzzing()
    with tempfile.TemporaryDirectory() as scratch:
        corpus = options.corpus or Path(scratch) / "corpus"
        corpus.mkdir(parents=True, exist_ok=True)
        for at, seed in enumerate(SEEDS):
            for who in range(len(BEFORE)):
                (corpus / f"seed-{at}-{who}").write_bytes(bytes((who, 255)) + seed[:4096])
        arguments = [sys.argv[0], str(corpus), f"-max_total_time={options.seconds}"]
        arguments += ["-max_len=9000", "-rss_limit_mb=4096", "-timeout=60", "-print_final_stats=1"]
        arguments += [f"-dict={_dictionary(Path(scratch))}", f"-artifact_prefix={scratch}/"]
        atheris.Setup(arguments, fuzzing.one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
