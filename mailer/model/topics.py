"""Topics: what a statement is about, by which people choose what they hear of.

In: keys as files write them. Out: whether a text may be one. A list declares keys with their names,
a statement names keys, a person on a list may choose some of them.
"""

from __future__ import annotations

import re

#: Characters of a key; the database keeps no more.
_LONGEST_TOPIC = 60
_KEY = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def is_topic(text: str) -> bool:
    """Tell whether a topic may have this key."""
    return len(text) <= _LONGEST_TOPIC and bool(_KEY.fullmatch(text))
