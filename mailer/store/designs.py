"""Keep how mails look, by digest, so that what was approved is what is sent.

In: a `Design`. Out: its row's id, and the same design again. The digest is taken over the document
as it was stored, so it stays the same when the program grows; rows are never updated, and one that
no longer agrees with its digest is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from mailer.model.mailing import Design
from mailer.store.engine import StoreUnavailable
from mailer.store.tables import design

#: Written into every document; raised when the form changes.
FORM = 1


class DamagedDesign(StoreUnavailable):
    """A stored design is not what it was when it was pinned, or is missing."""

    def __init__(self, design_id: int, problem: str) -> None:
        self.design_id = design_id
        super().__init__(
            f"Design {design_id} {problem}",
            "Cancel the mailings that use it and schedule them anew; nothing was sent with it",
        )


def design_to_document(one: Design) -> dict[str, Any]:
    """Return a design as JSON can hold it, all but its digest."""
    return {
        "form": FORM,
        "kind": one.kind,
        "message_html": one.message_html,
        "message_text": one.message_text,
        "style_css": one.style_css,
        "layout_html": one.layout_html,
        "layout_text": one.layout_text,
        "catalogs": {
            language: {msgid: list(forms) for msgid, forms in sorted(phrases.items())}
            for language, phrases in sorted(one.catalogs.items())
        },
        "plural_rules": dict(sorted(one.plural_rules.items())),
    }


def design_from_document(document: Mapping[str, Any]) -> Design:
    """Return the design of a document, with the document's digest."""
    return Design(
        kind=document["kind"],
        message_html=document["message_html"],
        message_text=document["message_text"],
        style_css=document["style_css"],
        layout_html=document["layout_html"],
        layout_text=document["layout_text"],
        catalogs={
            language: {msgid: tuple(forms) for msgid, forms in phrases.items()}
            for language, phrases in document["catalogs"].items()
        },
        plural_rules=dict(document["plural_rules"]),
        digest=design_digest(document),
    )


def design_digest(document: Mapping[str, Any]) -> str:
    """Return the SHA-256 over a document in its canonical JSON, in hex."""
    canonical = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def save_design(connection: Connection, one: Design, now: datetime) -> int:
    """Keep a design and return its id; the same design twice is one row."""
    document = design_to_document(one)
    digest = design_digest(document)
    values = {"digest": digest, "kind": one.kind, "document": document, "created_at": now}
    if connection.dialect.name == "sqlite":
        connection.execute(sqlite_insert(design).values(values).on_conflict_do_nothing())
    else:
        connection.execute(postgresql_insert(design).values(values).on_conflict_do_nothing())
    found = select(design.c.id).where(design.c.digest == digest)
    return int(connection.execute(found).scalar_one())


def load_design(connection: Connection, design_id: int) -> Design:
    """Return the design of that id, as it was saved.

    Raises:
        DamagedDesign: when there is none, a later program wrote it, or it was changed since.
    """
    row = connection.execute(
        select(design.c.digest, design.c.document).where(design.c.id == design_id)
    ).one_or_none()
    if row is None:
        raise DamagedDesign(design_id, "is not in the database")
    if design_digest(row.document) != row.digest:
        raise DamagedDesign(design_id, "was changed after it was stored")
    if row.document.get("form") != FORM:
        raise DamagedDesign(design_id, "was written by a later program")
    return design_from_document(row.document)
