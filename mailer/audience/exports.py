"""Write a list's people into a CSV that `mailer import` takes as it is.

In: a list and seal.key. Out: a file for its owner alone, or lines on standard output, with counts.
The database is read a page at a time, twice: first for the columns there are. Who left or is
suppressed is not in it. Standards: RFC 4180.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TextIO

from mailer.audience.cells import disarmed, joined_tags
from mailer.audience.consent import opened_source
from mailer.audience.merging import ADDRESS, TABLE, opened_fields
from mailer.keys import SealKeys
from mailer.model.audience import ListDefinition
from mailer.store import exports as rows
from mailer.store.engine import Connection, Store
from mailer.store.imports import attribute_text, find_list, suppressed_digests
from mailer.store.topics import topics_of_all

_PAGE = 1_000
#: Columns of every export, by the names an import knows.
COLUMNS = (
    "email", "name", "languages", "never_languages", "country", "time_zone", "tags", "joined",
    "discreet", "text_only", "consent", "consent_source", "consented_at",
)  # fmt: skip


@dataclass(frozen=True)
class ExportResult:
    """How many people went out, and how many stayed."""

    written: int
    #: On the list, but suppressed: not in the file.
    suppressed: int


def export_list(
    store: Store, seal_keys: SealKeys, definition: ListDefinition, file: TextIO
) -> ExportResult:
    """Write a list's people as CSV.

    Raises:
        WrongSealKey: when who is on record was sealed with another key.
    """
    with store.read() as connection:
        list_id, organisation_id = find_list(connection, definition.key, definition.owner)
        names: set[str] = set()
        for row in _members(connection, list_id):
            names |= opened_fields(seal_keys, row.fields_sealed, row.id).keys()
        columns: tuple[str, ...] = (*COLUMNS, "topics") if definition.topics else COLUMNS
        columns += tuple(sorted({*names, *definition.attributes} - set(columns)))
        writer = csv.writer(file)
        writer.writerow([disarmed(name) for name in columns])
        written = suppressed = 0
        for page in _pages(connection, list_id):
            people = _people(connection, seal_keys, definition, (list_id, organisation_id), page)
            for values in people:
                writer.writerow([disarmed(values.get(name, "")) for name in columns])
            written += len(people)
            suppressed += len(page) - len(people)
    return ExportResult(written, suppressed)


@dataclass(frozen=True, repr=False)
class MembersPage:
    """A page of a list's people; its `repr` shows nothing of them."""

    #: Column → text, for what has a value: as a file of people would have it.
    people: list[dict[str, str]]
    #: What the next page comes after; None on the last.
    next_id: int | None
    #: On the list, but suppressed: left out.
    suppressed: int


def members_page(
    store: Store, seal_keys: SealKeys, definition: ListDefinition, after: int, limit: int
) -> MembersPage:
    """Return a page of a list's people.

    Args:
        store: where they are on record.
        seal_keys: what opens their addresses.
        definition: of the list.
        after: the `next_id` of the page before; 0 for the first.
        limit: how many at most.

    Raises:
        WrongSealKey: when who is on record was sealed with another key.
    """
    with store.read() as connection:
        ids = find_list(connection, definition.key, definition.owner)
        found = rows.members_after(connection, ids[0], after, limit + 1)
        page = found[:limit]
        people = _people(connection, seal_keys, definition, ids, page)
    filled = [{name: value for name, value in one.items() if value} for one in people]
    next_id = int(page[-1].id) if len(found) > limit else None
    return MembersPage(filled, next_id, len(page) - len(people))


def _people(
    connection: Connection,
    seal_keys: SealKeys,
    definition: ListDefinition,
    ids_of_list: tuple[int, int],
    page: Sequence[Any],
) -> list[dict[str, str]]:
    """Return the people of a page of rows, column by column; who is suppressed is left out."""
    list_id, organisation_id = ids_of_list
    ids = [row.id for row in page]
    tags = rows.tags_of_all(connection, ids)
    topics = topics_of_all(connection, list_id, ids)
    clear = rows.attributes_of_all(connection, ids)
    barred = suppressed_digests(connection, organisation_id, [row.address_digest for row in page])
    people = []
    for row in page:
        if row.address_digest in barred:
            continue
        values = _values(seal_keys, row, list_id)
        values["tags"] = joined_tags(tags[row.id])
        if definition.topics:
            values["topics"] = ";".join(_declared(definition, topics[row.id]))
        values |= {one.name: attribute_text(one) for one in clear[row.id]}
        people.append(values)
    return people


def _declared(definition: ListDefinition, chosen: Sequence[str]) -> list[str]:
    """Return the topics of a person in the list's order, without those it declares no more."""
    return [topic for topic in definition.topics if topic in chosen]


def _pages(connection: Connection, list_id: int) -> Iterator[Any]:
    last_id = 0
    while page := rows.members_after(connection, list_id, last_id, _PAGE):
        yield page
        last_id = page[-1].id


def _members(connection: Connection, list_id: int) -> Iterator[Any]:
    for page in _pages(connection, list_id):
        yield from page


def _values(keys: SealKeys, row: Any, list_id: int) -> dict[str, str]:  # noqa: ANN401  (A row.)
    return {
        **opened_fields(keys, row.fields_sealed, row.id),
        "email": keys.unseal(row.address_sealed, TABLE, ADDRESS, row.id),
        "languages": row.languages.replace(",", ";"),
        "never_languages": row.never.replace(",", ";"),
        "country": row.country,
        "time_zone": row.time_zone,
        "joined": _moment(row.joined_at),
        "discreet": "yes" if row.discreet else "",
        "text_only": "yes" if row.text_only else "",
        # An empty cell would be nothing new; that nobody agreed is to come in again too.
        "consent": row.consent_basis or "no",
        "consent_source": opened_source(keys, row.consent_source_sealed, list_id, row.id),
        "consented_at": _moment(row.consented_at),
    }


def _moment(instant: datetime | None) -> str:
    return instant.isoformat() if instant else ""
