"""What an import reads and writes: who is known, memberships, consent, tags, clear attributes.

In: rows an import has read, normalised and sealed. Out: who of them is on record. What left a list
or is suppressed stays so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, delete, not_, select, update

from mailer.model.audience import Attribute, AttributeType, MembershipState, SuppressionReason
from mailer.store.audience import dialect_of, insert_or_ignore, is_live, scopes_for
from mailer.store.tables import (
    import_batch,
    mailing_list,
    membership,
    organisation,
    supporter,
    supporter_attribute,
    supporter_tag,
    suppression,
)
from mailer.store.topics import topics_of_all

#: Value columns of a clear attribute, of which one is filled.
VALUES = ("text_value", "number_value", "date_value", "boolean_value")


def find_list(connection: Connection, key: str, owner: str) -> tuple[int, int]:
    """Return the row ids of a list and of the organisation that owns it; 0 for what is not there.

    No row has the id 0, so it can be looked for like any other.
    """
    list_id = connection.execute(
        select(mailing_list.c.id).where(mailing_list.c.key == key)
    ).scalar_one_or_none()
    organisation_id = connection.execute(
        select(organisation.c.id).where(organisation.c.key == owner)
    ).scalar_one_or_none()
    return list_id or 0, organisation_id or 0


@dataclass(frozen=True)
class KnownSupporter:
    """A supporter on record, as far as an import compares and merges."""

    supporter_id: int
    address_digest: bytes
    address_sealed: bytes
    fields_sealed: bytes
    profile_id: int
    country: str
    time_zone: str
    joined_at: datetime | None
    discreet: bool
    text_only: bool
    #: When they chose languages and time zone themselves; None when they never did.
    chosen_at: datetime | None
    updated_at: datetime
    #: State on the list that is imported; None when not on it, or not yet: an import that brought
    #: them was broken off.
    membership: MembershipState | None
    #: "" when none is on record.
    consent_basis: str
    consent_source_sealed: bytes | None
    consented_at: datetime | None
    tags: frozenset[str]
    #: Those of the list that is imported which they chose.
    topics: frozenset[str]
    #: Clear attributes by name, in the form of `attribute_text`.
    clear: Mapping[str, str]
    #: The same as their value columns, for putting them back.
    clear_columns: Mapping[str, Mapping[str, object]]


def known_supporters(
    connection: Connection,
    organisation_id: int,
    list_id: int,
    batch_id: int,
    digests: Sequence[bytes],
) -> dict[bytes, KnownSupporter]:
    """Return who of these addresses the organisation already knows, by digest.

    Args:
        connection: a connection in a transaction.
        organisation_id: the list's owner.
        list_id: the list that is imported.
        batch_id: the import itself; what another broken-off one brought is not on the list.
        digests: of the addresses.
    """
    staged = and_(
        membership.c.state == MembershipState.SUBSCRIBED,
        membership.c.batch_id != batch_id,
        not_(is_live(membership)),
    )
    rows = connection.execute(
        select(
            supporter,
            membership.c.state.label("membership_state"),
            membership.c.consent_basis.label("membership_basis"),
            membership.c.consent_source_sealed,
            membership.c.consented_at,
            staged.label("staged"),
        )
        .select_from(supporter)
        .outerjoin(
            membership,
            (membership.c.supporter_id == supporter.c.id) & (membership.c.list_id == list_id),
        )
        .where(
            supporter.c.organisation_id == organisation_id,
            supporter.c.address_digest.in_(digests),
        )
        # On PostgreSQL others write at the same time: what they say must not be written over.
        .with_for_update(of=supporter, key_share=True)
    ).all()
    tags: dict[int, set[str]] = {row.id: set() for row in rows}
    for row in connection.execute(
        select(supporter_tag).where(supporter_tag.c.supporter_id.in_(list(tags)))
    ):
        tags[row.supporter_id].add(row.tag)
    topics = topics_of_all(connection, list_id, list(tags))
    clear: dict[int, dict[str, str]] = {row.id: {} for row in rows}
    columns: dict[int, dict[str, Mapping[str, object]]] = {row.id: {} for row in rows}
    for row in connection.execute(
        select(supporter_attribute).where(supporter_attribute.c.supporter_id.in_(list(tags)))
    ):
        clear[row.supporter_id][row.name] = attribute_text(row)
        columns[row.supporter_id][row.name] = {name: getattr(row, name) for name in VALUES}
    return {
        row.address_digest: KnownSupporter(
            supporter_id=row.id,
            address_digest=row.address_digest,
            address_sealed=row.address_sealed,
            fields_sealed=row.fields_sealed,
            profile_id=row.profile_id,
            country=row.country,
            time_zone=row.time_zone,
            joined_at=row.joined_at,
            discreet=row.discreet,
            text_only=row.text_only,
            chosen_at=row.chosen_at,
            updated_at=row.updated_at,
            membership=None if row.staged else row.membership_state,
            consent_basis="" if row.staged else row.membership_basis or "",
            consent_source_sealed=None if row.staged else row.consent_source_sealed,
            consented_at=None if row.staged else row.consented_at,
            tags=frozenset(tags[row.id]),
            topics=frozenset(topics[row.id]),
            clear=clear[row.id],
            clear_columns=columns[row.id],
        )
        for row in rows
    }


def attribute_columns(attribute: Attribute, text: str) -> dict[str, object]:
    """Return the value columns of a clear attribute: one filled, by the attribute's type.

    Args:
        attribute: the attribute.
        text: its value in canonical form.
    """
    columns: dict[str, object] = dict.fromkeys(VALUES)
    if attribute.type is AttributeType.NUMBER:
        columns["number_value"] = float(text)
    elif attribute.type is AttributeType.DATE:
        columns["date_value"] = text
    elif attribute.type is AttributeType.BOOLEAN:
        columns["boolean_value"] = text == "yes"
    else:
        columns["text_value"] = text
    return columns


def attribute_text(row: Row[Any]) -> str:
    """Return the value of a clear attribute in canonical form, whichever column holds it."""
    if row.number_value is not None:
        return repr(float(row.number_value)).removesuffix(".0")
    if row.boolean_value is not None:
        return "yes" if row.boolean_value else "no"
    return str(row.date_value if row.date_value is not None else row.text_value)


def lock_organisation(connection: Connection, organisation_id: int) -> None:
    """Let one import at a time write an organisation's people, until the transaction ends.

    SQLite has one writer anyway; on PostgreSQL two imports could write one address twice.
    """
    connection.execute(
        select(organisation.c.id).where(organisation.c.id == organisation_id).with_for_update()
    ).all()


def suppressed_digests(
    connection: Connection, organisation_id: int, digests: Sequence[bytes]
) -> dict[bytes, SuppressionReason]:
    """Return which of these addresses this organisation may not mail, and why."""
    rows = connection.execute(
        select(suppression.c.address_digest, suppression.c.reason).where(
            suppression.c.address_digest.in_(digests),
            suppression.c.scope.in_(scopes_for(organisation_id)),
        )
    )
    return {row.address_digest: row.reason for row in rows}


def insert_supporters(connection: Connection, rows: Sequence[Mapping[str, object]]) -> None:
    """Write new supporters; their ids were taken before, since sealing binds to them."""
    if rows:
        connection.execute(supporter.insert(), list(rows))


def update_supporters(connection: Connection, rows: Sequence[Mapping[str, object]]) -> None:
    """Change supporters on record; each row holds every column that may change, and `id`."""
    if not rows:
        return
    changing = [name for name in rows[0] if name != "id"]
    connection.execute(
        update(supporter)
        .where(supporter.c.id == bindparam("row_id"))
        .values({name: bindparam(f"new_{name}") for name in changing}),
        [{"row_id": row["id"], **{f"new_{name}": row[name] for name in changing}} for row in rows],
    )


def write_memberships(connection: Connection, rows: Sequence[Mapping[str, object]]) -> None:
    """Put supporters on a list; who left it stays as they are.

    Who was brought by an import that was broken off is brought by this one instead.
    """
    if not rows:
        return
    dialect = dialect_of(connection)
    insert = dialect.insert(membership)
    taken = {
        name: insert.excluded[name]
        for name in (
            "batch_id",
            "consent_basis",
            "consent_source_sealed",
            "consented_at",
            "added_at",
        )
    }
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=[membership.c.list_id, membership.c.supporter_id],
            set_=taken,
            where=membership.c.state == MembershipState.SUBSCRIBED,
        ),
        list(rows),
    )


def write_consent(connection: Connection, rows: Sequence[Mapping[str, object]]) -> None:
    """Record a consent for members, or that it was withdrawn."""
    if rows:
        connection.execute(
            update(membership)
            .where(
                membership.c.list_id == bindparam("on_list"),
                membership.c.supporter_id == bindparam("who"),
                membership.c.state == MembershipState.SUBSCRIBED,
            )
            .values(
                consent_basis=bindparam("basis"),
                consent_source_sealed=bindparam("source_sealed"),
                consented_at=bindparam("at"),
            ),
            list(rows),
        )


def write_tags(connection: Connection, rows: Sequence[Mapping[str, object]]) -> None:
    """Add tags to supporters; those they have already stay."""
    if rows:
        connection.execute(insert_or_ignore(connection, supporter_tag), list(rows))


def write_attributes(connection: Connection, rows: Sequence[Mapping[str, object]]) -> None:
    """Write clear attributes of supporters, in place of the same ones they had."""
    if not rows:
        return
    insert = dialect_of(connection).insert(supporter_attribute)
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=[supporter_attribute.c.supporter_id, supporter_attribute.c.name],
            set_={name: insert.excluded[name] for name in VALUES},
        ),
        list(rows),
    )


def remove_attributes(connection: Connection, keys: Sequence[tuple[int, str]]) -> None:
    """Take clear attributes away that are to be sealed from now on."""
    if keys:
        connection.execute(
            delete(supporter_attribute).where(
                supporter_attribute.c.supporter_id == bindparam("who"),
                supporter_attribute.c.name == bindparam("which"),
            ),
            [{"who": supporter_id, "which": name} for supporter_id, name in keys],
        )


def open_batch(connection: Connection, list_id: int, now: datetime) -> int:
    """Write that an import has begun and return its id."""
    return int(
        connection.execute(
            import_batch.insert()
            .values(list_id=list_id, started_at=now, can_be_undone=True)
            .returning(import_batch.c.id)
        ).scalar_one()
    )


def close_batch(
    connection: Connection, batch_id: int, now: datetime, counts: Mapping[str, int]
) -> None:
    """Write that an import has ended, with its counts."""
    connection.execute(
        update(import_batch)
        .where(import_batch.c.id == batch_id)
        .values(finished_at=now, counts=dict(counts))
    )
