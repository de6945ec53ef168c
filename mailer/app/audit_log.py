"""Write the audit log out as CSV and as lines of JSON.

In: entries. Out: text for spreadsheets, whose cells no spreadsheet runs, and for other programs.
Standards: RFC 4180.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TextIO

from mailer.audience.cells import disarmed
from mailer.model.audit import AuditAction, AuditEntry, AuditFilter
from mailer.model.staff import Actor
from mailer.store.audit import PAGE, entries_after, write_audit
from mailer.store.engine import Store

#: Columns of the CSV, in the order of an entry's document.
COLUMNS = (
    "entry", "at", "actor_kind", "actor", "action", "subject", "facts", "previous", "digest",
)  # fmt: skip


def entry_document(entry: AuditEntry) -> dict[str, object]:
    """Return an entry as other programs read it."""
    return {
        "entry": entry.entry_id,
        "at": entry.at.isoformat(),
        "actor_kind": entry.actor.kind.value,
        "actor": entry.actor.name,
        "action": entry.action.value,
        "subject": entry.subject,
        "facts": dict(entry.facts),
        "previous": entry.previous,
        "digest": entry.digest,
    }


def csv_lines(entries: Iterable[AuditEntry], *, header: bool = True) -> Iterator[str]:
    """Yield entries as lines of CSV, with a header before them."""
    writer = csv.writer(_Through())
    if header:
        yield writer.writerow(COLUMNS)
    for entry in entries:
        document = entry_document(entry)
        document["facts"] = _json(document["facts"]) if entry.facts else ""
        yield writer.writerow([disarmed(str(document[name])) for name in COLUMNS])


class _Through:
    """What a `csv.writer` writes to, so that it returns its line."""

    def write(self, line: str) -> str:
        return line


def json_lines(entries: Iterable[AuditEntry]) -> Iterator[str]:
    """Yield entries as JSON, one to a line."""
    for entry in entries:
        yield _json(entry_document(entry)) + "\n"


def write_csv(entries: Iterable[AuditEntry], file: TextIO) -> int:
    """Write entries as CSV, with a header; return how many."""
    # The header is no entry.
    return _written(csv_lines(entries), file) - 1


def write_json_lines(entries: Iterable[AuditEntry], file: TextIO) -> int:
    """Write entries as JSON, one to a line; return how many."""
    return _written(json_lines(entries), file)


def _written(lines: Iterable[str], file: TextIO) -> int:
    count = 0
    for line in lines:
        file.write(line)
        count += 1
    return count


def exported(store: Store, wanted: AuditFilter, *, as_csv: bool) -> Iterator[str]:
    """Yield the log as a file is written, a page at a time, each read by itself.

    Whoever takes a file slowly keeps no transaction open: entries are never changed, and those that
    are written meanwhile come last.

    Raises:
        EntryUnreadable: when somebody changed an entry so that it says nothing.
    """
    if as_csv:
        yield "".join(csv_lines(()))
    after = 0
    while True:
        with store.read() as connection:
            page = entries_after(connection, after, PAGE, wanted)
        if not page:
            return
        after = page[-1].entry_id
        yield "".join(csv_lines(page, header=False) if as_csv else json_lines(page))


def note_export(store: Store, actor: Actor, now: datetime, form: str) -> None:
    """Write into the log that it leaves the program as a file."""
    with store.write() as connection:
        write_audit(connection, actor, AuditAction.AUDIT_EXPORTED, "audit", now, format=form)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
