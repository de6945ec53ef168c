"""One line of log per event: a name and fields, as JSON or in words, never an address.

In: an event's name and its fields. Out: a line on standard error through `logging`. Whatever looks
like a mail address is struck out on the way, also in exception text, since libraries quote them.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime

from mailer.model.characters import printable

_LOG = logging.getLogger("mailer")
#: Anything around an at sign, in any form it has: better a lost word than a leaked person. What is
#: before it may be in quotes and hold blanks, what is after it in brackets.
_AT = r"(?:@|\uff20|\ufe6b|%40|&#64;)"
_ADDRESS = re.compile(
    rf"(?:\"[^\"@]*\"|[^\s<>\"'(),;:\[\]]+)\s*{_AT}\s*(?:\[[^\]\s]*\]|[^\s<>\"'(),;:\[\]]+)",
    re.IGNORECASE,
)
STRUCK = "[address]"


def scrub(text: str) -> str:
    """Return `text` on one line, fit to store and show, with what looks like an address struck out."""
    # No database takes NUL, or the halves of characters that stand for octets which are no UTF-8.
    return _ADDRESS.sub(STRUCK, printable(" ".join(text.split())))


class _JsonLines(logging.Formatter):
    """Writes a record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's time, level, event and fields; exception text scrubbed."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": scrub(record.getMessage()),
        }
        fields: dict[str, object] = getattr(record, "fields", {})
        for name, value in fields.items():
            line[name] = value if isinstance(value, int | float | bool) else scrub(str(value))
        if record.exc_info:
            line["error"] = scrub(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


class _Words(logging.Formatter):
    """Writes a record as a line for who waits for a command."""

    def format(self, record: logging.LogRecord) -> str:
        """Return event, fields and what went wrong, without a traceback; all of it scrubbed."""
        fields: dict[str, object] = getattr(record, "fields", {})
        said = [record.getMessage(), *(f"{name} {value}" for name, value in fields.items())]
        if record.exc_info and record.exc_info[1]:
            said.append(f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}")
        return scrub(", ".join(said))


def show_warnings() -> None:
    """Send what staff should look at to standard error in words: for a command in the foreground.

    Without it Python prints events without their fields, and exceptions as they are.
    """
    root = logging.getLogger()
    if not root.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_Words())
        root.addHandler(handler)


def configure_logging(*, process: str, level: int = logging.INFO) -> None:
    """Send every logger's lines through the scrubbing formatter to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    _LOG.setLevel(level)
    emit("started", process=process)


def emit(event: str, **fields: object) -> None:
    """Log that something happened; `fields` are ids, counts and codes, never a person's data."""
    _LOG.info(event, extra={"fields": fields})


def warn(event: str, **fields: object) -> None:
    """Log something that staff should look at."""
    _LOG.warning(event, extra={"fields": fields})


def failed(event: str, **fields: object) -> None:
    """Log an exception that is being handled, with its scrubbed text."""
    _LOG.error(event, extra={"fields": fields}, exc_info=True)
