"""Find one person by their whole address, and read all that is on record of them.

In: an address as it was typed, or the id of a person's row. Out: a `Person`, and an entry in the audit
log that they were shown. Nobody can be listed; a `repr` shows nothing of anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from mailer.app.barring import LIFTABLE, named
from mailer.app.workspace import Workspace
from mailer.audience.addresses import NormalAddress, normalize_address
from mailer.audience.consent import opened_source
from mailer.audience.merging import ADDRESS, TABLE, opened_fields
from mailer.keys import SealKeys
from mailer.model.audience import MembershipState
from mailer.model.audit import AuditAction
from mailer.model.staff import Actor
from mailer.store import supporters as rows
from mailer.store.audience import organisation_scope
from mailer.store.audit import write_audit
from mailer.store.engine import Connection
from mailer.store.exports import attributes_of_all
from mailer.store.feedback import Evidence, evidence_of
from mailer.store.imports import attribute_text
from mailer.store.suppressions import Suppressed, standing

#: What came back of a person, the latest first: so much is shown.
_SHOWN_EVIDENCE = 50


class NobodyThere(Exception):
    """There is no such row of a person, or none any more."""

    def __init__(self, supporter_id: int) -> None:
        self.supporter_id = supporter_id
        super().__init__(f"There is no supporter {supporter_id}.")


@dataclass(frozen=True, repr=False)
class OnList:
    """A list that a person is on, or was."""

    key: str
    #: On it now; not so where they left, or an import that brought them has not ended.
    is_on: bool
    since: datetime
    #: When they left; None while they are on it.
    left_at: datetime | None
    #: One word; "" when none is on record, and they are not mailed.
    consent_basis: str
    consent_source: str
    consented_at: datetime | None
    #: Keys of topics they chose; none stands for all.
    topics: tuple[str, ...]


@dataclass(frozen=True, repr=False)
class PersonRow:
    """A person as one organisation knows them."""

    supporter_id: int
    organisation: str
    name: str
    languages: tuple[str, ...]
    never: tuple[str, ...]
    country: str
    time_zone: str
    tags: tuple[str, ...]
    #: Clear and sealed ones, declared or not, by name.
    attributes: Mapping[str, str]
    discreet: bool
    only_urgent: bool
    text_only: bool
    paused_until: datetime | None
    joined_at: datetime | None
    created_at: datetime
    #: When they last chose languages and time zone themselves.
    chosen_at: datetime | None
    lists: tuple[OnList, ...]


@dataclass(frozen=True)
class Barred:
    """That an address is not mailed."""

    #: As it is on record, for lifting exactly this.
    entry: Suppressed
    #: Key of the organisation that does not mail it; "" for all.
    organisation: str

    @property
    def is_own_word(self) -> bool:
        """Whether the person said so themselves: only they take it back."""
        return self.entry.reason not in LIFTABLE


@dataclass(frozen=True)
class Mailed:
    """A mailing that a person was meant for."""

    mailing: str
    language: str
    #: State of the delivery, or why there was none.
    outcome: str
    at: datetime | None


@dataclass(frozen=True, repr=False)
class Person:
    """An address, and all that is on record of it."""

    address: str
    digest: bytes
    rows: tuple[PersonRow, ...]
    barred: tuple[Barred, ...]
    #: What came back, the latest first.
    evidence: tuple[Evidence, ...]
    #: The latest first.
    mailed: tuple[Mailed, ...]

    def row(self, supporter_id: int) -> PersonRow:
        """Return one organisation's row.

        Raises:
            NobodyThere: when it is none of theirs.
        """
        found = next((one for one in self.rows if one.supporter_id == supporter_id), None)
        if found is None:
            raise NobodyThere(supporter_id)
        return found


def find_person(workspace: Workspace, actor: Actor, typed: str) -> Person:
    """Return who has an address, with no row where nobody is on record.

    Raises:
        BadAddress: when it is no address.
        WrongSealKey: when they were sealed with another key.
    """
    address = normalize_address(typed)
    digest = workspace.service_keys.address_digest(address.normal_form)
    return _shown(workspace, actor, digest, address)


def known_by(workspace: Workspace, actor: Actor, digest: bytes) -> Person:
    """Return who has the address of a digest, with no row where nobody is on record.

    Raises:
        WrongSealKey: when they were sealed with another key.
    """
    return _shown(workspace, actor, digest, None)


def note_shown(workspace: Workspace, actor: Actor, digest: bytes, **facts: str) -> None:
    """Put on record that a person is looked at: by the ids of their rows, not by the address.

    Args:
        workspace: where they are.
        actor: who looks.
        digest: of the person's address.
        facts: what else is said in the entry.
    """
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        who = named(connection, digest)
        write_audit(connection, actor, AuditAction.SUPPORTER_SHOWN, who, now, **facts)


def person_of(workspace: Workspace, actor: Actor, supporter_id: int) -> Person:
    """Return the person whose row it is, with their rows at other organisations.

    Raises:
        NobodyThere: when there is no such row.
        WrongSealKey: when they were sealed with another key.
    """
    return _shown(workspace, actor, digest_of(workspace, supporter_id), None)


def digest_of(workspace: Workspace, supporter_id: int) -> bytes:
    """Return the digest of the address of a row.

    Raises:
        NobodyThere: when there is no such row.
    """
    with workspace.store.read() as connection:
        row = rows.row_of(connection, supporter_id)
    if row is None:
        raise NobodyThere(supporter_id)
    digest: bytes = row.address_digest
    return digest


def _shown(
    workspace: Workspace, actor: Actor, digest: bytes, address: NormalAddress | None
) -> Person:
    keys = workspace.seal_keys
    note_shown(workspace, actor, digest)
    with workspace.store.read() as connection:
        found = rows.rows_of_person(connection, digest)
        names = {
            organisation_scope(row_id): key
            for key, row_id in rows.organisation_ids(connection).items()
        }
        on_record = found[0] if found else None
        return Person(
            address=keys.unseal(on_record.address_sealed, TABLE, ADDRESS, on_record.id)
            if on_record is not None
            else address.address
            if address
            else "",
            digest=digest,
            rows=tuple(_row(connection, keys, one) for one in found),
            barred=tuple(
                Barred(one, names.get(one.scope, "")) for one in standing(connection, digest)
            ),
            evidence=tuple(evidence_of(connection, digest, _SHOWN_EVIDENCE)),
            mailed=tuple(
                Mailed(
                    one.key, one.language or "", str(one.skip_reason or one.state), one.finished_at
                )
                for one in reversed(rows.mailings_of(connection, digest))
            ),
        )


def _row(connection: Connection, keys: SealKeys, row: Any) -> PersonRow:  # noqa: ANN401  (A row.)
    fields = opened_fields(keys, row.fields_sealed, row.id)
    clear = {
        one.name: attribute_text(one) for one in attributes_of_all(connection, [row.id])[row.id]
    }
    return PersonRow(
        supporter_id=row.id,
        organisation=row.organisation,
        name=fields.pop("name", ""),
        languages=tuple(filter(None, row.languages.split(","))),
        never=tuple(filter(None, row.never.split(","))),
        country=row.country,
        time_zone=row.time_zone,
        tags=tuple(rows.tags_of(connection, row.id)),
        attributes={**fields, **clear},
        discreet=row.discreet,
        only_urgent=row.only_urgent,
        text_only=row.text_only,
        paused_until=row.paused_until,
        joined_at=row.joined_at,
        created_at=row.created_at,
        chosen_at=row.chosen_at,
        lists=tuple(
            OnList(
                key=one.key,
                is_on=bool(one.is_live),
                since=one.added_at,
                left_at=one.left_at,
                consent_basis=one.consent_basis,
                consent_source=opened_source(keys, one.consent_source_sealed, one.list_id, row.id),
                consented_at=one.consented_at,
                topics=tuple(rows.topics_of(connection, row.id, one.list_id)),
            )
            for one in rows.memberships_of(connection, row.id)
        ),
    )


def as_document(person: Person) -> dict[str, Any]:
    """Return a person as other programs read them: names in clear, no address."""
    return {
        "people": [
            {
                "organisation": row.organisation,
                "fields": {"name": row.name, **row.attributes},
                "languages": list(row.languages),
                "never_languages": list(row.never),
                "country": row.country,
                "time_zone": row.time_zone,
                "discreet": row.discreet,
                "only_urgent": row.only_urgent,
                "text_only": row.text_only,
                "paused_until": row.paused_until,
                "tags": list(row.tags),
                "lists": [
                    {
                        "list": one.key,
                        "state": _state(one),
                        "consent": one.consent_basis,
                        "source": one.consent_source,
                        "since": one.since,
                        "topics": list(one.topics),
                    }
                    for one in row.lists
                ],
            }
            for row in person.rows
        ],
        # The oldest first, as the command line tells them.
        "mailings": [asdict(one) for one in reversed(person.mailed)],
    }


def _state(one: OnList) -> str:
    if one.left_at is not None:
        return MembershipState.LEFT.value
    return MembershipState.SUBSCRIBED.value if one.is_on else "not yet"
