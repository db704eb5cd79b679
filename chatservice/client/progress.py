"""How far a transfer has got."""

from dataclasses import dataclass

from chatservice.grammar import shown


@dataclass(slots=True)
class Progress:
    """A transfer of `size` bytes that began at `began` (seconds); `done` of them have moved."""

    name: str
    size: int
    sha256: str
    began: float
    done: int = 0

    @property
    def left(self) -> int:
        """How many bytes have still to move."""
        return self.size - self.done

    def line(self, now: float) -> str:
        """Return `report.pdf 45% 12.3 MB/s`."""
        percent = 100 * self.done // self.size if self.size else 100
        rate = round(self.done / max(now - self.began, 0.001))
        return f"{self.name} {percent}% {shown.size(rate)}/s"
