"""Faults in a server's own process: each command handler fails after it began, and so do the
hashing of passwords and the requests to the store."""

from typing import Any

from chatservice.domain import handlers
from chatservice.domain.tickets import Tickets
from chatservice.domain.users import Users
from chatservice.engines.sqlite.argon2 import Argon2Passwords


def _broken(*args: Any, **kwargs: Any) -> Any:
    given = args, kwargs  # here, where a log of local variables would show them
    raise ArithmeticError(len(given))


async def _broken_later(*args: Any, **kwargs: Any) -> Any:
    return _broken(*args, **kwargs)


for _name in set(handlers.HANDLERS) - {"hello", "quit"}:
    _later = _name in ("login", "get", "put")
    handlers.HANDLERS[_name] = _broken_later if _later else _broken  # type: ignore[index]
Argon2Passwords.hash = _broken_later  # type: ignore[method-assign, assignment]
Argon2Passwords.fits = _broken_later  # type: ignore[method-assign, assignment]
Tickets.redeem = _broken  # type: ignore[method-assign]
_enter = Users.enter


async def _enter_or_fail(self: Users, session: Any, name: str, *args: Any, **more: Any) -> Any:
    if name in ("keeper", "typist"):
        return await _enter(self, session, name, *args, **more)
    return await _broken_later(name, *args, **more)


Users.enter = _enter_or_fail  # type: ignore[method-assign]
