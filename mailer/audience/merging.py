"""Merge imported rows into who is known, and work out what to write.

In: an imported row and, when the address is known, the supporter on record. Out: a `Change` with
the columns to write; nothing is written here. What a row leaves empty stays as it is, languages
never to be used are never forgotten, and who left stays away.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mailer.audience.rows import ImportedRow
from mailer.keys import SealKeys, ServiceKeys
from mailer.model.audience import (
    Attribute,
    AttributeType,
    LanguageProfile,
    ListDefinition,
    MembershipState,
)
from mailer.store.audience import KnownSupporter

TABLE = "supporter"
ADDRESS = "address_sealed"
FIELDS = "fields_sealed"


class Verdict(StrEnum):
    """What becomes of a row."""

    #: New on this list.
    ADDED = "added"
    #: On it already, and something changed.
    UPDATED = "updated"
    #: On it already, with nothing new.
    UNCHANGED = "unchanged"
    #: Left by their own wish.
    LEFT = "left"


@dataclass(frozen=True)
class Change:
    """What one row asks the database to do."""

    verdict: Verdict
    supporter_id: int
    #: Columns of a new supporter; None when they are known.
    new: Mapping[str, object] | None
    #: Columns of a known one, with `id`; None when nothing changed.
    changed: Mapping[str, object] | None
    #: Tags they do not have yet.
    tags: frozenset[str]
    #: Clear attributes to write.
    clear: Mapping[str, str]
    #: Put them on the list.
    joins: bool
    #: Record a consent where the membership had none.
    consents: bool


def merged_profile(
    earlier: LanguageProfile | None, later: LanguageProfile | None
) -> LanguageProfile | None:
    """Return the later languages where there are any; what is never wanted adds up."""
    if earlier is None or later is None:
        return later or earlier
    return LanguageProfile(
        later.languages or earlier.languages,
        tuple(sorted(set(earlier.never) | set(later.never))),
    )


def opened_fields(keys: SealKeys, sealed: bytes, supporter_id: int) -> dict[str, str]:
    """Return a supporter's name and attributes, unsealed.

    Raises:
        WrongSealKey: when the key is not the one they were sealed with.
    """
    document = json.loads(keys.unseal(sealed, TABLE, FIELDS, supporter_id))
    return {str(name): str(value) for name, value in document.items()}


def sealed_fields(keys: SealKeys, fields: Mapping[str, str], supporter_id: int) -> bytes:
    """Return a supporter's name and attributes as one sealed value."""
    text = json.dumps(dict(fields), ensure_ascii=False, sort_keys=True)
    return keys.seal(text, TABLE, FIELDS, supporter_id)


@dataclass(frozen=True)
class Merger:
    """Works out the change of each row of one import."""

    seal_keys: SealKeys
    service_keys: ServiceKeys
    definition: ListDefinition
    organisation_id: int
    now: datetime
    #: Gives the row id of a language profile.
    profile_id: Callable[[LanguageProfile], int]
    #: Gives the profile of a row id.
    profile_of: Callable[[int], LanguageProfile]

    def change(
        self, digest: bytes, row: ImportedRow, known: KnownSupporter | None, new_id: int
    ) -> Change:
        """Return what a row asks for; `new_id` is used when the address is not known."""
        if known is None:
            return Change(
                Verdict.ADDED, new_id, self._new(digest, row, new_id), None, row.tags, row.clear,
                joins=True, consents=False,
            )  # fmt: skip
        if known.membership is MembershipState.LEFT:
            return Change(
                Verdict.LEFT, known.supporter_id, None, None, frozenset(), {},
                joins=False, consents=False,
            )  # fmt: skip
        changed, fields_changed = self._changed(row, known)
        joins = known.membership is None
        consents = not joins and not known.consent_basis and bool(row.consent_basis)
        tags = row.tags - known.tags
        verdict = Verdict.UNCHANGED
        if joins:
            verdict = Verdict.ADDED
        elif changed or tags or consents:
            verdict = Verdict.UPDATED
        clear = row.clear if joins or fields_changed else {}
        return Change(verdict, known.supporter_id, None, changed, tags, clear, joins, consents)

    def _new(self, digest: bytes, row: ImportedRow, supporter_id: int) -> dict[str, object]:
        seal = self.seal_keys
        return {
            "id": supporter_id,
            "organisation_id": self.organisation_id,
            "address_digest": digest,
            "address_sealed": seal.seal(row.address.address, TABLE, ADDRESS, supporter_id),
            "fields_sealed": sealed_fields(seal, row.fields, supporter_id),
            "profile_id": self.profile_id(row.profile or LanguageProfile((), ())),
            "country": row.country,
            "time_zone": row.time_zone,
            "joined_at": row.joined_at,
            "domain_class": row.address.domain_class,
            "domain_digest": self.service_keys.domain_digest(row.address.domain),
            "needs_smtputf8": row.address.needs_smtputf8,
            "discreet": self.definition.discreet,
            "created_at": self.now,
            "updated_at": self.now,
        }

    def _changed(
        self, row: ImportedRow, known: KnownSupporter
    ) -> tuple[dict[str, object] | None, bool]:
        fields = opened_fields(self.seal_keys, known.fields_sealed, known.supporter_id)
        merged = {**fields, **row.fields}
        before = self.profile_of(known.profile_id)
        profile = merged_profile(before, row.profile) or before
        joined_at = row.joined_at or known.joined_at
        country = row.country or known.country
        time_zone = row.time_zone or known.time_zone
        same = (
            merged == fields
            and profile == before
            and (joined_at, country, time_zone) == (known.joined_at, known.country, known.time_zone)
        )
        if same:
            return None, False
        return {
            "id": known.supporter_id,
            "fields_sealed": known.fields_sealed
            if merged == fields
            else sealed_fields(self.seal_keys, merged, known.supporter_id),
            "profile_id": self.profile_id(profile),
            "country": country,
            "time_zone": time_zone,
            "joined_at": joined_at,
            "updated_at": self.now,
        }, merged != fields


def attribute_row(supporter_id: int, attribute: Attribute, value: str) -> dict[str, object]:
    """Return the row of a clear attribute: one value column filled, by the attribute's type."""
    row: dict[str, object] = {
        "supporter_id": supporter_id,
        "name": attribute.name,
        "text_value": None,
        "number_value": None,
        "date_value": None,
        "boolean_value": None,
    }
    if attribute.type is AttributeType.NUMBER:
        row["number_value"] = float(value)
    elif attribute.type is AttributeType.DATE:
        row["date_value"] = value
    elif attribute.type is AttributeType.BOOLEAN:
        row["boolean_value"] = value == "yes"
    else:
        row["text_value"] = value
    return row
