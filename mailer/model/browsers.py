"""Call a browser by its family and system, so that staff know their sessions apart.

In: the User-Agent field, which anybody may invent. Out: "Firefox, Linux"; of the field itself
nothing is kept.
"""

from __future__ import annotations

#: What is in the field → what it is; the first that is found counts, as many name each other.
_FAMILIES = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrom", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
#: What a browser is called of which nothing is known.
UNKNOWN_BROWSER = "Unknown browser"


def browser_of(user_agent: str) -> str:
    """Return what a browser is called: "Firefox, Linux", or `UNKNOWN_BROWSER`."""
    family = next((name for mark, name in _FAMILIES if mark in user_agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    if family and system:
        return f"{family}, {system}"
    return family or system or UNKNOWN_BROWSER
