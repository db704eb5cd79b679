"""Times as people type them: `14:30`, `2026-11-20`, `2026-11-20 14:30`, `yesterday`."""

import re
from datetime import datetime, timedelta

_FORMS = ("%Y-%m-%d %H:%M", "%Y-%m-%d", "%d.%m.%Y", "%H:%M")


def parsed_time(text: str, now: datetime) -> float | None:
    """Return the time that a text means, in seconds since 1970; None if it means none.

    A day means its beginning. A time alone is the last one before `now`. Both are local.
    """
    words = re.sub(r"\s+", " ", text.strip().casefold())
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if words in ("today", "yesterday"):
        return (midnight - timedelta(days=words == "yesterday")).timestamp()
    for form in _FORMS:
        try:
            found = datetime.strptime(words, form)
        except ValueError:
            continue
        if form == "%H:%M":
            found = midnight.replace(hour=found.hour, minute=found.minute)
            found -= timedelta(days=found > now)
        try:
            return found.timestamp()
        except (OverflowError, ValueError, OSError):
            return None
    return None
