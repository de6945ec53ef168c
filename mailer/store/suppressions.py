"""Suppressions: the one place where they are made, made stronger, lifted and looked up.

In: address digests with a scope and a reason. Out: rows of `suppression`, and what of them changed,
so that whoever keeps a record of every suppression beside the database has one place to look.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from mailer.model.audience import SuppressionReason
from mailer.store.audience import insert_or_ignore, organisation_scope, scopes_for
from mailer.store.ordering import Ids, keep_ids_in_order
from mailer.store.supporters import organisation_ids
from mailer.store.suppression_log import LogEntry, Mark
from mailer.store.tables import suppression

#: Weakest first: a reason takes the place of a weaker one, and never of a stronger.
_STRENGTH = (
    SuppressionReason.SOFT_BOUNCES,
    SuppressionReason.IMPORTED,
    SuppressionReason.BOUNCED,
    SuppressionReason.MANUAL,
    SuppressionReason.UNSUBSCRIBED,
    SuppressionReason.COMPLAINED,
    SuppressionReason.ERASED,
)


@dataclass(frozen=True)
class Suppressed:
    """An address that is not to be mailed, within a scope."""

    address_digest: bytes
    #: "all", or "organisation:<id>".
    scope: str
    reason: SuppressionReason
    #: What it came from: "import", "staff", "bounce", "complaint".
    source: str
    since: datetime
    #: The import that says so.
    batch_id: int | None = None
    #: The delivery that told.
    delivery_id: int | None = None


def suppress(connection: Connection, entries: Sequence[Suppressed]) -> list[Suppressed]:
    """Write suppressions; return those that are new or stronger than what stood.

    What stood for as good a reason stays as it is, and is no longer the import's alone: undoing
    that import leaves it.
    """
    if not entries:
        return []
    keep_ids_in_order(connection, Ids.SUPPRESSIONS)
    wanted: dict[tuple[bytes, str], Suppressed] = {}
    for entry in entries:
        key = (entry.address_digest, entry.scope)
        if key not in wanted or is_stronger(entry.reason, wanted[key].reason):
            wanted[key] = entry
    # Pairs in a list are no index lookup for SQLite: it would go through all that is on record.
    digests = {digest for digest, _ in wanted}
    known = {
        key: row
        for row in connection.execute(
            select(suppression).where(suppression.c.address_digest.in_(digests))
        )
        if (key := (row.address_digest, row.scope)) in wanted
    }
    new = [entry for key, entry in wanted.items() if key not in known]
    if new:
        connection.execute(
            insert_or_ignore(connection, suppression), [_columns(entry) for entry in new]
        )
    changed = list(new)
    for key, row in known.items():
        entry = wanted[key]
        if is_stronger(entry.reason, row.reason):
            connection.execute(
                update(suppression)
                .where(suppression.c.id == row.id)
                # Where it stood before this import, undoing that must not lift it.
                .values(
                    {
                        **_columns(entry),
                        "batch_id": entry.batch_id if row.batch_id == entry.batch_id else None,
                    }
                )
            )
            changed.append(entry)
        elif row.batch_id is not None and row.batch_id != entry.batch_id:
            connection.execute(
                update(suppression).where(suppression.c.id == row.id).values(batch_id=None)
            )
    return changed


def is_stronger(reason: SuppressionReason, other: SuppressionReason) -> bool:
    """Tell whether a reason takes the place of the other."""
    return _STRENGTH.index(reason) > _STRENGTH.index(other)


def standing(
    connection: Connection, address_digest: bytes, scopes: Collection[str] | None = None
) -> list[Suppressed]:
    """Return the suppressions of an address; `scopes` narrows them."""
    query = select(suppression).where(suppression.c.address_digest == address_digest)
    if scopes is not None:
        query = query.where(suppression.c.scope.in_(scopes))
    return [_entry(row) for row in connection.execute(query.order_by(suppression.c.id))]


def is_barred(connection: Connection, address_digest: bytes, organisation_id: int) -> bool:
    """Tell whether an organisation may not write to an address."""
    found = select(suppression.c.id).where(
        suppression.c.address_digest == address_digest,
        suppression.c.scope.in_(scopes_for(organisation_id)),
    )
    return connection.execute(found.limit(1)).first() is not None


def lift(connection: Connection, entries: Sequence[Suppressed]) -> int:
    """Take suppressions away that stand for exactly these reasons; return how many did."""
    return sum(
        connection.execute(
            delete(suppression).where(
                suppression.c.address_digest == entry.address_digest,
                suppression.c.scope == entry.scope,
                suppression.c.reason == entry.reason,
            )
        ).rowcount
        for entry in entries
    )


#: What says that mail did not arrive, wherever it was seen.
_BOUNCES = frozenset({SuppressionReason.BOUNCED, SuppressionReason.SOFT_BOUNCES})
#: What a person did at one organisation, here or with the system it used before.
_LEFT = frozenset({SuppressionReason.UNSUBSCRIBED, SuppressionReason.IMPORTED})


def lift_bounces(
    connection: Connection, address_digest: bytes, organisation_id: int
) -> list[Suppressed]:
    """Take away what a confirmed sign-up proves to be over; return it, for `suppressions.log`.

    Who confirms from an address gets mail there: no bounce stands any longer. That they left this
    organisation is over as well, since they come back. A complaint, an erasure and what staff
    decided stay, and so does that they left another organisation.
    """
    own = organisation_scope(organisation_id)
    over = [
        one
        for one in standing(connection, address_digest)
        if one.reason in _BOUNCES or (one.reason in _LEFT and one.scope == own)
    ]
    lift(connection, over)
    return over


def go_along(
    connection: Connection, old_digest: bytes, new_digest: bytes, organisation_id: int
) -> list[Suppressed]:
    """Bar a person's new address by what was said of them at the old one; return what is new.

    That mail did not arrive there says nothing of the new address. All else is said of the person.
    """
    said = [
        replace(one, address_digest=new_digest)
        for one in standing(connection, old_digest, scopes_for(organisation_id))
        if one.reason not in _BOUNCES
    ]
    return suppress(connection, said)


def of_batch(connection: Connection, batch_id: int, limit: int) -> list[Suppressed]:
    """Return some of the suppressions that stand because of one import alone."""
    query = select(suppression).where(suppression.c.batch_id == batch_id)
    return [
        _entry(row) for row in connection.execute(query.order_by(suppression.c.id).limit(limit))
    ]


def log_entries(
    connection: Connection, entries: Sequence[Suppressed], at: datetime, mark: Mark = Mark.BARRED
) -> list[LogEntry]:
    """Return what `suppressions.log` is to say of suppressions made or lifted."""
    keys = {organisation_scope(one): key for key, one in organisation_ids(connection).items()}
    return [
        LogEntry(
            at,
            one.address_digest,
            f"organisation:{keys[one.scope]}" if one.scope in keys else one.scope,
            one.reason.value,
            mark,
        )
        for one in entries
    ]


def _columns(entry: Suppressed) -> dict[str, object]:
    return {
        "address_digest": entry.address_digest,
        "scope": entry.scope,
        "reason": entry.reason,
        "source": entry.source,
        "since": entry.since,
        "batch_id": entry.batch_id,
        "delivery_id": entry.delivery_id,
    }


def _entry(row: Row[Any]) -> Suppressed:
    return Suppressed(
        row.address_digest,
        row.scope,
        row.reason,
        row.source,
        row.since,
        row.batch_id,
        row.delivery_id,
    )
