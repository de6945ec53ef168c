"""All that is on record of one person, for other programs.

In: the digest of an address. Out: a document for JSON, with names in clear; that it was looked at is on
record first, with the ids of the person's rows and not with the address.
"""

from __future__ import annotations

from typing import Any

from mailer.app.barring import named
from mailer.app.workspace import Workspace
from mailer.audience.consent import opened_source
from mailer.audience.merging import opened_fields
from mailer.keys import SealKeys
from mailer.model.audit import AuditAction
from mailer.model.staff import Actor
from mailer.store import supporters as rows
from mailer.store.audit import write_audit
from mailer.store.engine import Connection


def look_up(workspace: Workspace, actor: Actor, digest: bytes) -> dict[str, Any]:
    """Return what is on record of a person: their rows with lists and consent, and what they were sent.

    Raises:
        KeyFileError, WrongKeys, WrongSealKey: when it cannot be opened.
    """
    keys = workspace.seal_keys
    with workspace.store.write() as connection:
        write_audit(
            connection, actor, AuditAction.SUPPORTER_SHOWN, named(connection, digest),
            workspace.clock.now(),
        )  # fmt: skip
    with workspace.store.read() as connection:
        people = [_person(connection, keys, row) for row in rows.rows_of_person(connection, digest)]
        mailings = [
            {
                "mailing": one.key,
                "language": one.language or "",
                "outcome": str(one.skip_reason or one.state),
                "at": one.finished_at,
            }
            for one in rows.mailings_of(connection, digest)
        ]
    return {"people": people, "mailings": mailings}


def _person(connection: Connection, keys: SealKeys, row: Any) -> dict[str, Any]:  # noqa: ANN401  (A row.)
    return {
        "organisation": row.organisation,
        "fields": opened_fields(keys, row.fields_sealed, row.id),
        "languages": list(filter(None, row.languages.split(","))),
        "never_languages": list(filter(None, row.never.split(","))),
        "country": row.country,
        "time_zone": row.time_zone,
        "discreet": row.discreet,
        "only_urgent": row.only_urgent,
        "text_only": row.text_only,
        "paused_until": row.paused_until,
        "tags": rows.tags_of(connection, row.id),
        "lists": [
            {
                "list": one.key,
                "state": str(one.state) if one.is_live or one.left_at else "not yet",
                "consent": one.consent_basis or "",
                "source": opened_source(keys, one.consent_source_sealed, one.list_id, row.id),
                "since": one.added_at,
                "topics": rows.topics_of(connection, row.id, one.list_id),
            }
            for one in rows.memberships_of(connection, row.id)
        ],
    }
