"""Write the audit log out as CSV and as lines of JSON.

In: entries. Out: text for spreadsheets, whose cells no spreadsheet runs, and for other programs.
Standards: RFC 4180.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from typing import TextIO

from mailer.audience.cells import disarmed
from mailer.model.audit import AuditEntry

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


def write_csv(entries: Iterable[AuditEntry], file: TextIO) -> int:
    """Write entries as CSV, with a header; return how many."""
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    count = 0
    for entry in entries:
        document = entry_document(entry)
        document["facts"] = _json(document["facts"]) if entry.facts else ""
        writer.writerow([disarmed(str(document[name])) for name in COLUMNS])
        count += 1
    return count


def write_json_lines(entries: Iterable[AuditEntry], file: TextIO) -> int:
    """Write entries as JSON, one to a line; return how many."""
    count = 0
    for entry in entries:
        file.write(_json(entry_document(entry)) + "\n")
        count += 1
    return count


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
