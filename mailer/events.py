"""One line of log per event: a name and fields, as JSON or in words, never an address.

In: an event's name and its fields. Out: a line on standard error through `logging`. Whatever looks
like a mail address is struck out on the way, also in exception text, since libraries quote them.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from mailer.model.characters import printable

_LOG = logging.getLogger("mailer")
#: Anything around an at sign, in any form it has: better a lost word than a leaked person. What is
#: before it may be in quotes and hold blanks, what is after it in brackets.
_ATS = ("@", "\uff20", "\ufe6b", "%40", "&#64;")
_AT = rf"(?:{'|'.join(_ATS)})"
_ADDRESS = re.compile(
    rf"(?:\"[^\"@]*\"|[^\s<>\"'(),;:\[\]]+)\s*{_AT}\s*(?:\[[^\]\s]*\]|[^\s<>\"'(),;:\[\]]+)",
    re.IGNORECASE,
)
STRUCK = "[address]"


#: A shorter local part would be found in half of all words.
_SHORTEST_LOCAL_PART = 3


def scrub(text: str, *addresses: str) -> str:
    """Return `text` on one line, fit to store and show, with what looks like an address struck out.

    Args:
        text: Of a stranger, or of a library.
        addresses: Whom it is about: mail systems name people by what is before the at sign alone.
    """
    # No database takes NUL, or the halves of characters that stand for octets which are no UTF-8.
    clean = printable(" ".join(text.split()))
    if _has_at(clean):
        clean = _ADDRESS.sub(STRUCK, clean)
    for one in addresses:
        local_part = one.rpartition("@")[0].strip('"')
        if len(local_part) >= _SHORTEST_LOCAL_PART:
            alone = rf"(?<!\w){re.escape(local_part)}(?!\w)"
            clean = re.sub(alone, STRUCK, clean, flags=re.IGNORECASE)
    return clean


def _has_at(text: str) -> bool:
    """Tell whether an address may be in it: a hundred times cheaper than looking for one."""
    return any(mark in text for mark in _ATS)


class _JsonLines(logging.Formatter):
    """Writes a record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's time, level, event and fields; exception text scrubbed."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": scrub(record.getMessage()),
        }
        names: Sequence[str] | None = getattr(record, "names", None)
        if names is not None:
            return _many(line, names, getattr(record, "rows", ()))
        fields: dict[str, object] = getattr(record, "fields", {})
        for name, value in fields.items():
            line[name] = value if isinstance(value, int | float | bool) else scrub(str(value))
        if record.exc_info:
            line["error"] = scrub(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


def _many(
    head: Mapping[str, object], names: Sequence[str], rows: Sequence[Sequence[str | int]]
) -> str:
    """Return a line for each row: its fields behind the head that all of them have."""
    # A million of them are written, and an encoder that looks at each field takes thrice as long.
    begin = json.dumps(head, ensure_ascii=False).removesuffix("}").replace("%", "%%")
    form = begin + "".join(f", {json.dumps(name)}: %s" for name in names) + "}"
    quoted = json.encoder.encode_basestring
    lines = [
        form % tuple([quoted(one) if isinstance(one, str) else one for one in row]) for row in rows
    ]
    text = "\n".join(lines)
    return "\n".join(scrub(one) for one in lines) if _has_at(text) else text


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


def emit_each(event: str, names: Sequence[str], rows: Sequence[Sequence[str | int]]) -> None:
    """Log a line for each of many things that happened, in one write: their ids, codes and counts."""
    if rows and _LOG.isEnabledFor(logging.INFO):
        _LOG.info(event, extra={"names": names, "rows": rows})


def warn(event: str, **fields: object) -> None:
    """Log something that staff should look at."""
    _LOG.warning(event, extra={"fields": fields})


def failed(event: str, **fields: object) -> None:
    """Log an exception that is being handled, with its scrubbed text."""
    _LOG.error(event, extra={"fields": fields}, exc_info=True)
