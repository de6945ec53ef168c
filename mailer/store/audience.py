"""Lists, their owners and members, and language profiles.

In: lists as their files declare them. Out: their row ids, who counts as being on one, and how many
there are. Nothing here knows an address.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Table,
    and_,
    exists,
    func,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from mailer.model.audience import (
    Attribute,
    AttributeType,
    LanguageProfile,
    ListDefinition,
    MembershipState,
)
from mailer.model.faults import Fault, FaultsFound
from mailer.store.tables import (
    import_batch,
    language_profile,
    mailing_list,
    organisation,
)

SCOPE_ALL = "all"


def organisation_scope(organisation_id: int) -> str:
    """Return the scope of a suppression that holds for one organisation only."""
    return f"organisation:{organisation_id}"


def scopes_for(organisation_id: int) -> tuple[str, str]:
    """Return the scopes of the suppressions that keep an organisation from writing to somebody."""
    return SCOPE_ALL, organisation_scope(organisation_id)


def is_live(member: FromClause) -> ColumnElement[bool]:
    """Return the clause for those who are on a list: subscribed, by an import that has ended.

    An import writes in chunks; nobody it brings is on the list before all of them are.
    """
    unfinished = select(import_batch.c.id).where(import_batch.c.finished_at.is_(None))
    return and_(
        member.c.state == MembershipState.SUBSCRIBED,
        or_(member.c.batch_id.is_(None), member.c.batch_id.not_in(unfinished)),
    )


def dialect_of(connection: Connection) -> Any:  # noqa: ANN401  (One of two modules.)
    """Return the module of the database at hand, for what the databases write differently."""
    return postgresql if connection.dialect.name == "postgresql" else sqlite


def insert_or_ignore(connection: Connection, table: Table) -> Any:  # noqa: ANN401  (One of two dialects' inserts.)
    """Return an INSERT … ON CONFLICT DO NOTHING of the database at hand."""
    return dialect_of(connection).insert(table).on_conflict_do_nothing()


def _id_by_key(connection: Connection, table: Table, key: str, **values: object) -> int:
    connection.execute(insert_or_ignore(connection, table).values(key=key, **values))
    return int(connection.execute(select(table.c.id).where(table.c.key == key)).scalar_one())


def list_to_document(definition: ListDefinition) -> dict[str, Any]:
    """Return a list's definition as JSON can hold it."""
    return {
        **asdict(definition),
        "languages": list(definition.languages),
        # In pairs: the database sorts the keys of a document.
        "topics": [[key, dict(names)] for key, names in definition.topics.items()],
    }


def list_from_document(document: dict[str, Any]) -> ListDefinition:
    """Return the definition that `list_to_document` was given."""
    attributes = {
        name: Attribute(value["name"], AttributeType(value["type"]), value["clear"])
        for name, value in document["attributes"].items()
    }
    return ListDefinition(
        **{
            **document,
            "languages": tuple(document["languages"]),
            "attributes": attributes,
            "topics": dict(document.get("topics", ())),
        }
    )


def sync_lists(
    connection: Connection, definitions: Sequence[ListDefinition], now: datetime
) -> dict[str, int]:
    """Write the lists as their files have them now; return the row id of each by its key.

    Raises:
        FaultsFound: when a list that has people is said to belong to another organisation.
    """
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
        if owner_of(connection, list_id) != owner:
            # Its people are rows of the first owner, whose consent they gave.
            problem = "the list's people belong to another organisation already"
            remedy = "Put the owner back, or make a list of another key"
            raise FaultsFound([Fault(f"lists/{definition.key}.toml", 0, "owner", problem, remedy)])
        connection.execute(
            update(mailing_list)
            .where(mailing_list.c.id == list_id, mailing_list.c.definition != document)
            .values(definition=document, updated_at=now)
        )
        ids[definition.key] = list_id
    return ids


def discreet_lists(connection: Connection) -> list[int]:
    """Return the row ids of the lists whose members are all discreet."""
    rows = connection.execute(select(mailing_list.c.id, mailing_list.c.definition))
    return [row.id for row in rows if row.definition.get("discreet")]


def unmarked_lists(connection: Connection, discreet: Collection[str]) -> list[str]:
    """Return the keys of stored lists that are discreet by their files and not on record."""
    rows = connection.execute(
        select(mailing_list.c.key, mailing_list.c.definition).where(
            mailing_list.c.key.in_(list(discreet))
        )
    )
    return [row.key for row in rows if not row.definition.get("discreet")]


def mark_discreet(connection: Connection, keys: Collection[str], now: datetime) -> None:
    """Write that everyone on these lists is discreet; nothing else of a list is changed."""
    rows = connection.execute(
        select(mailing_list.c.id, mailing_list.c.definition).where(
            mailing_list.c.key.in_(list(keys))
        )
    ).all()
    for row in rows:
        connection.execute(
            update(mailing_list)
            .where(mailing_list.c.id == row.id)
            .values(definition={**row.definition, "discreet": True}, updated_at=now)
        )


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


def all_profiles(connection: Connection) -> dict[int, LanguageProfile]:
    """Return every language profile there is, by row id: thousands at most."""
    rows = connection.execute(select(language_profile))
    return {row.id: profile_from_text(row.languages, row.never) for row in rows}


def profile_from_text(languages: str, never: str) -> LanguageProfile:
    """Return the profile whose columns hold these texts."""
    return LanguageProfile(
        tuple(languages.split(",")) if languages else (), tuple(never.split(",")) if never else ()
    )


def unfinished_imports(connection: Connection) -> dict[str, int]:
    """Count the imports into each list that were begun and neither ended nor done again."""
    ended = import_batch.alias()
    done_again = exists().where(
        ended.c.list_id == import_batch.c.list_id,
        ended.c.id > import_batch.c.id,
        ended.c.finished_at.is_not(None),
    )
    rows = connection.execute(
        select(mailing_list.c.key, func.count().label("imports"))
        .select_from(import_batch)
        .join(mailing_list, mailing_list.c.id == import_batch.c.list_id)
        .where(import_batch.c.finished_at.is_(None), not_(done_again))
        .group_by(mailing_list.c.key)
    )
    return {row.key: row.imports for row in rows}
