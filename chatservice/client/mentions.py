"""Whether a text names somebody: their name, as a word of its own and in whatever case."""

import re
from functools import lru_cache

_SIGN = r"[\w.-]"
"""What names are made of."""


@lru_cache(maxsize=64)
def mention_pattern(name: str) -> re.Pattern[str]:
    """Return what finds `name` where it is not a part of another name. A full stop behind it, or a
    dash, is the sentence's, unless the name would go on behind that."""
    return re.compile(rf"(?<!{_SIGN}){re.escape(name)}(?!{_SIGN}*\w)", re.IGNORECASE)


def is_mentioned(name: str, text: str) -> bool:
    """Return whether `text` names who is called `name`; nobody is called nothing."""
    return bool(name) and mention_pattern(name).search(text) is not None
