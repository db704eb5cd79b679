"""Who may come, as the operator wants it."""

from dataclasses import dataclass
from enum import StrEnum


class Registration(StrEnum):
    """Who may register a name."""

    OPEN = "open"
    INVITED = "invited"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class RegistrationPolicy:
    """Whether one may come as a guest, and register. Operators make accounts whatever it says."""

    guests: bool = True
    registration: Registration = Registration.OPEN
