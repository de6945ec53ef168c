"""The corpus of real bounces: messages, and what each says of whom."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "corpus" / "bounces"
#: Class in the corpus → our word for it, where it is another.
_WORDS = {
    "optout": "opt_out",
    "autoreply": "auto_reply",
    "notbounce": "not_a_report",
    "authreport": "authentication_report",
}


@dataclass(frozen=True)
class Expected:
    """What the source of a message says of one recipient."""

    recipient: str
    kind: str


def corpus() -> dict[str, list[Expected]]:
    """Return what is expected of each file."""
    found = defaultdict(list)
    for line in (FOLDER / "expected.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        file, _, recipient, kind, *_ = line.split("\t")
        found[file].append(Expected(recipient.lower(), _WORDS.get(kind, kind)))
    return dict(found)


def message(file: str) -> bytes:
    """Return a message of the corpus, octet for octet."""
    return (FOLDER / file).read_bytes()


def with_line_feeds(raw: bytes) -> bytes:
    """Return a message with LF for each of its line ends."""
    return raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
