"""Ask flufl.bounce whom a report is about, where our own reading finds nobody.

In: the words of a report. Out: addresses, and never a verdict: what it calls permanent is so in one
case of three. It raises on some real bounces and logs what it read, so it gets a small message of
its own, and its log is shut.
"""

from __future__ import annotations

import logging
from email.message import Message

from flufl.bounce import all_failures

_LONGEST_WORDS = 3000
_LONGEST_LINE = 500
_MOST_RECIPIENTS = 20


def addresses_of_last_resort(subject: str, sender: str, words: str) -> list[str]:
    """Return the addresses that flufl.bounce takes for recipients that failed."""
    if "@" not in words:
        return []
    message = Message()
    message["From"] = _on_a_line(sender)
    message["Subject"] = _on_a_line(subject)
    lines = (line[:_LONGEST_LINE] for line in words[:_LONGEST_WORDS].split("\n"))
    message.set_payload("\n".join(lines).encode("ascii", "replace").decode("ascii"))
    # It logs, with the words it read, what it raises.
    logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL + 1)
    try:
        transient, permanent = all_failures(message)
    except Exception:  # noqa: BLE001  (Whatever it stumbles over, nobody was found.)
        return []
    found = sorted(one.decode("ascii", "replace") for one in {*transient, *permanent})
    return [one for one in found if one.count("@") == 1][:_MOST_RECIPIENTS]


def _on_a_line(value: str) -> str:
    return " ".join(value[:_LONGEST_LINE].encode("ascii", "replace").decode("ascii").split())
