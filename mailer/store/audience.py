"""Supporters, memberships and suppressions: what an import reads and writes.

In: rows an import has read and normalised. Out: what changed. Addresses and names are sealed before
they come here; what left a list or is suppressed stays so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Table,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from mailer.model.audience import (
    LanguageProfile,
    ListDefinition,
    MembershipState,
    SuppressionReason,
)
from mailer.store.mailings import list_to_document
from mailer.store.tables import (
    import_batch,
    language_profile,
    mailing_list,
    membership,
    organisation,
    supporter,
    supporter_attribute,
    supporter_tag,
    suppression,
)

SCOPE_ALL = "all"


def organisation_scope(organisation_id: int) -> str:
    """Return the scope of a suppression that holds for one organisation only."""
    return f"organisation:{organisation_id}"


def is_live(member: FromClause) -> ColumnElement[bool]:
    """Return the clause for those who are on a list: subscribed, by an import that has ended.

    An import writes in chunks; nobody it brings is on the list before all of them are.
    """
    unfinished = select(import_batch.c.id).where(import_batch.c.finished_at.is_(None))
    return and_(
        member.c.state == MembershipState.SUBSCRIBED,
        or_(member.c.batch_id.is_(None), member.c.batch_id.not_in(unfinished)),
    )


def insert_or_ignore(connection: Connection, table: Table) -> Any:  # noqa: ANN401  (One of two dialects' inserts.)
    """Return an INSERT … ON CONFLICT DO NOTHING of the database at hand."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table).on_conflict_do_nothing()


def _id_by_key(connection: Connection, table: Table, key: str, **values: object) -> int:
    connection.execute(insert_or_ignore(connection, table).values(key=key, **values))
    return int(connection.execute(select(table.c.id).where(table.c.key == key)).scalar_one())


def sync_lists(
    connection: Connection, definitions: Sequence[ListDefinition], now: datetime
) -> dict[str, int]:
    """Write the lists as their files have them now; return the row id of each by its key."""
    ids = {}
    for definition in definitions:
        document = list_to_document(definition)
        owner = _id_by_key(connection, organisation, definition.owner)
        list_id = _id_by_key(
            connection,
            mailing_list,
            definition.key,
            organisation_id=owner,
            definition=document,
            updated_at=now,
        )
        connection.execute(
            update(mailing_list)
            .where(mailing_list.c.id == list_id, mailing_list.c.definition != document)
            .values(definition=document, organisation_id=owner, updated_at=now)
        )
        ids[definition.key] = list_id
    return ids


def owner_of(connection: Connection, list_id: int) -> int:
    """Return the row id of the organisation that owns a list."""
    query = select(mailing_list.c.organisation_id).where(mailing_list.c.id == list_id)
    return int(connection.execute(query).scalar_one())


def profile_id(connection: Connection, profile: LanguageProfile) -> int:
    """Return the row id of a language profile, writing it when it is new."""
    values = {"languages": ",".join(profile.languages), "never": ",".join(sorted(profile.never))}
    connection.execute(insert_or_ignore(connection, language_profile).values(**values))
    return int(
        connection.execute(
            select(language_profile.c.id).where(
                language_profile.c.languages == values["languages"],
                language_profile.c.never == values["never"],
            )
        ).scalar_one()
    )


def load_profile(connection: Connection, row_id: int) -> LanguageProfile:
    """Return the language profile of that row id."""
    row = connection.execute(select(language_profile).where(language_profile.c.id == row_id)).one()
    return profile_from_text(row.languages, row.never)


def profile_from_text(languages: str, never: str) -> LanguageProfile:
    """Return the profile whose columns hold these texts."""
    return LanguageProfile(
        tuple(languages.split(",")) if languages else (), tuple(never.split(",")) if never else ()
    )


def find_list(connection: Connection, key: str) -> tuple[int, int] | None:
    """Return the row ids of a list and of its owner; None when nothing came to it yet."""
    row = connection.execute(
        select(mailing_list.c.id, mailing_list.c.organisation_id).where(mailing_list.c.key == key)
    ).one_or_none()
    return None if row is None else (row.id, row.organisation_id)


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
    #: State on the list that is imported; None when not on it.
    membership: MembershipState | None
    consent_basis: str
    tags: frozenset[str]


def known_supporters(
    connection: Connection, organisation_id: int, list_id: int, digests: Sequence[bytes]
) -> dict[bytes, KnownSupporter]:
    """Return who of these addresses the organisation already knows, by digest."""
    rows = connection.execute(
        select(
            supporter,
            membership.c.state.label("membership_state"),
            membership.c.consent_basis.label("membership_basis"),
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
    ).all()
    tags: dict[int, set[str]] = {row.id: set() for row in rows}
    for row in connection.execute(
        select(supporter_tag).where(supporter_tag.c.supporter_id.in_(list(tags)))
    ):
        tags[row.supporter_id].add(row.tag)
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
            membership=row.membership_state,
            consent_basis=row.membership_basis or "",
            tags=frozenset(tags[row.id]),
        )
        for row in rows
    }


def suppressed_digests(
    connection: Connection, organisation_id: int, digests: Sequence[bytes]
) -> dict[bytes, SuppressionReason]:
    """Return which of these addresses this organisation may not mail, and why."""
    rows = connection.execute(
        select(suppression.c.address_digest, suppression.c.reason).where(
            suppression.c.address_digest.in_(digests),
            suppression.c.scope.in_([SCOPE_ALL, organisation_scope(organisation_id)]),
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
    """Put supporters on a list; who is or was on it stays as they are."""
    if rows:
        connection.execute(insert_or_ignore(connection, membership), list(rows))


def write_consent(connection: Connection, rows: Sequence[Mapping[str, object]]) -> None:
    """Record a consent for members that had none on record; `row` has both ids and the consent."""
    if rows:
        connection.execute(
            update(membership)
            .where(
                membership.c.list_id == bindparam("on_list"),
                membership.c.supporter_id == bindparam("who"),
                membership.c.consent_basis == "",
            )
            .values(
                consent_basis=bindparam("basis"),
                consent_source=bindparam("source"),
                consented_at=bindparam("at"),
            ),
            list(rows),
        )


def write_tags(connection: Connection, rows: Sequence[Mapping[str, object]]) -> None:
    """Add tags to supporters; those they have already stay."""
    if rows:
        connection.execute(insert_or_ignore(connection, supporter_tag), list(rows))


def replace_attributes(connection: Connection, rows: Sequence[Mapping[str, object]]) -> None:
    """Write the clear attributes of supporters in place of the same ones they had."""
    if not rows:
        return
    keys = [(row["supporter_id"], row["name"]) for row in rows]
    connection.execute(
        delete(supporter_attribute).where(
            tuple_(supporter_attribute.c.supporter_id, supporter_attribute.c.name).in_(keys)
        )
    )
    connection.execute(supporter_attribute.insert(), list(rows))


def open_batch(connection: Connection, list_id: int, now: datetime) -> int:
    """Write that an import has begun and return its id."""
    return int(
        connection.execute(
            import_batch.insert()
            .values(list_id=list_id, started_at=now)
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


def members_by_language(connection: Connection) -> dict[str, dict[str, int]]:
    """Count the members of each list by their first language; "" where none is named."""
    rows = connection.execute(
        select(mailing_list.c.key, language_profile.c.languages, func.count().label("members"))
        .select_from(membership)
        .join(mailing_list, mailing_list.c.id == membership.c.list_id)
        .join(supporter, supporter.c.id == membership.c.supporter_id)
        .join(language_profile, language_profile.c.id == supporter.c.profile_id)
        .where(is_live(membership))
        .group_by(mailing_list.c.key, language_profile.c.languages)
    )
    table: dict[str, dict[str, int]] = {}
    for row in rows:
        first = row.languages.split(",")[0]
        counts = table.setdefault(row.key, {})
        counts[first] = counts.get(first, 0) + row.members
    return table
