"""What each command does, whichever dialect it came in: the table of commands, in deeds.

An action answers at once or later. What a dialect does in its own way stands in that dialect:
`hello` and `quit`, the bytes of `put` and `get`, and `say` and `me`, which are many and whose
answers are not waited for.
"""

from collections.abc import Mapping

from chatservice.domain.actions.kinds import Action
from chatservice.domain.actions.operating import OPERATING
from chatservice.domain.actions.ordering import ORDERING
from chatservice.domain.actions.registering import REGISTERING
from chatservice.domain.actions.sharing import SHARING, link, put_ticket
from chatservice.domain.actions.talking import TALKING, joined, leave, talk

__all__ = ["ACTIONS", "joined", "leave", "link", "put_ticket", "talk"]

ACTIONS: Mapping[str, Action] = {**TALKING, **SHARING, **ORDERING, **REGISTERING, **OPERATING}
"""Each command's action, but for those that a dialect does in its own way."""
