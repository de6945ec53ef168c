"""Merge imported rows into who is known, and work out what to write.

In: the rows a file has for one address and, when it is known, the supporter on record. Out: a
`Change` with the columns to write; nothing is written here. What a row leaves empty stays as it is,
languages never to be used and the discreet mark are never forgotten, tags add up, and who left
stays away. Of two rows for one address the first speaks and the others fill in what it and the
record leave open, so that the same file twice is the same as once. Topics and plain text are people's
own choice, and "none" may be one: a file says them only of whom it brings, in the first row.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from mailer.audience.consent import Consent
from mailer.audience.rows import ImportedRow
from mailer.keys import SealKeys, ServiceKeys
from mailer.model.audience import LanguageProfile, ListDefinition, MembershipState
from mailer.store.imports import KnownSupporter

TABLE = "supporter"
ADDRESS = "address_sealed"
FIELDS = "fields_sealed"


class Verdict(StrEnum):
    """What becomes of an address."""

    #: New on this list.
    ADDED = "added"
    #: On it already, and something changed.
    UPDATED = "updated"
    #: On it already, with nothing new.
    UNCHANGED = "unchanged"
    #: Left by their own wish.
    LEFT = "left"


@dataclass(frozen=True, repr=False)
class RowsOfAddress:
    """What one chunk of a file says of one address; its `repr` shows nothing of the person."""

    #: The first row in the whole file; None when an earlier chunk had it.
    first: ImportedRow | None
    #: The later ones, merged; None when there are none.
    filling: ImportedRow | None

    @property
    def any(self) -> ImportedRow:
        """Return a row, for what all of them share: the address."""
        row = self.first or self.filling
        if row is None:
            raise ValueError("an address without a row")
        return row

    def with_row(self, row: ImportedRow) -> RowsOfAddress:
        """Return the same with one more row."""
        return replace(self, filling=row if self.filling is None else filled(self.filling, row))


@dataclass(frozen=True, repr=False)
class ConsentChange:
    """What is put on record for a membership; an empty basis withdraws it."""

    basis: str
    #: As the person who asked wrote it down; sealed before it is stored.
    source: str
    at: datetime | None


@dataclass(frozen=True, repr=False)
class Change:
    """What the rows of one address ask the database to do."""

    verdict: Verdict
    supporter_id: int
    #: Columns of a new supporter; None when they are known.
    new: Mapping[str, object] | None = None
    #: Columns of a known one, with `id`; None when nothing changed.
    changed: Mapping[str, object] | None = None
    #: Tags they do not have yet.
    tags: frozenset[str] = frozenset()
    #: Clear attributes to write.
    clear: Mapping[str, str] | None = None
    #: Attributes that were clear and are to be so no more.
    sealed_again: tuple[str, ...] = ()
    #: Put them on the list, with this consent.
    joins: ConsentChange | None = None
    #: Change the consent of a membership there is.
    consent: ConsentChange | None = None
    #: Topics to stand on the list, in place of any; None leaves them alone.
    topics: frozenset[str] | None = None
    #: They are on the list, and nothing says that they agreed.
    without_consent: bool = False
    #: The row said something else than is on record, which stays: of topics and plain text, and of
    #: languages and time zone where they chose them themselves.
    keeps_choices: bool = False
    #: Who was on record, for undoing; None for a new supporter.
    known: KnownSupporter | None = None


def filled(first: ImportedRow, later: ImportedRow) -> ImportedRow:
    """Return one row of two for an address: the later one's values stand where the first has none."""
    evidence = first if first.consent is not Consent.UNKNOWN else later
    return replace(
        first,
        profile=LanguageProfile(
            first.profile.languages or later.profile.languages,
            tuple(sorted({*first.profile.never, *later.profile.never})),
        ),
        country=first.country or later.country,
        time_zone=first.time_zone or later.time_zone,
        joined_at=first.joined_at or later.joined_at,
        tags=first.tags | later.tags,
        discreet=first.discreet or later.discreet,
        consent=evidence.consent,
        consent_basis=evidence.consent_basis,
        consent_source=evidence.consent_source,
        consented_at=evidence.consented_at,
        fields={**later.fields, **first.fields},
        clear={**later.clear, **first.clear},
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
    """Works out the change for each address of one import."""

    seal_keys: SealKeys
    service_keys: ServiceKeys
    definition: ListDefinition
    organisation_id: int
    now: datetime
    #: Gives the row id of a language profile.
    profile_id: Callable[[LanguageProfile], int]
    #: Gives the profile of a row id.
    profile_of: Callable[[int], LanguageProfile]
    #: The rows are what people say of themselves, not a file.
    by_themselves: bool = False

    def change(
        self, digest: bytes, rows: RowsOfAddress, known: KnownSupporter | None, new_id: int
    ) -> Change:
        """Return what the rows ask for; `new_id` is used when the address is not known."""
        if known is None:
            row = rows.any if rows.filling is None else self._one(rows)
            return Change(
                Verdict.ADDED,
                new_id,
                new=self._new(digest, row, new_id),
                tags=row.tags,
                clear=row.clear,
                joins=_consent(row),
                topics=row.topics,
                without_consent=not row.consent_basis,
            )
        if known.membership is MembershipState.LEFT:
            return Change(Verdict.LEFT, known.supporter_id)
        return self._change(rows, known)

    def _one(self, rows: RowsOfAddress) -> ImportedRow:
        if rows.first is None or rows.filling is None:
            return rows.any
        return filled(rows.first, rows.filling)

    def _change(self, rows: RowsOfAddress, known: KnownSupporter) -> Change:
        row = self._one(rows)
        joins = known.membership is None
        changed = self._changed(rows, known)
        tags = row.tags - known.tags
        clear, sealed_again = self._clear(rows, known)
        consent = None if joins else _changed_consent(row, known)
        verdict = Verdict.UNCHANGED
        if joins:
            verdict = Verdict.ADDED
        elif changed or tags or clear or sealed_again or consent:
            verdict = Verdict.UPDATED
        basis = row.consent_basis if joins else known.consent_basis
        return Change(
            verdict,
            known.supporter_id,
            changed=changed,
            tags=tags,
            clear=clear,
            sealed_again=sealed_again,
            joins=_consent(row) if joins else None,
            consent=consent,
            topics=row.topics if joins else None,
            keeps_choices=self._keeps_choices(row, known, joins=joins),
            without_consent=not (basis if consent is None else consent.basis),
            known=known,
        )

    def _keeps_choices(self, row: ImportedRow, known: KnownSupporter, *, joins: bool) -> bool:
        """Tell whether what a row says gives way to what is on record."""
        before = self.profile_of(known.profile_id)
        chose = known.chosen_at is not None and not self.by_themselves
        return (
            (row.text_only and not known.text_only)
            or (bool(row.topics) and not joins and row.topics != known.topics)
            or (chose and _gives_way(row.profile.languages, before.languages))
            or (chose and _gives_way(row.time_zone, known.time_zone))
        )

    def _new(self, digest: bytes, row: ImportedRow, supporter_id: int) -> dict[str, object]:
        seal = self.seal_keys
        return {
            "id": supporter_id,
            "organisation_id": self.organisation_id,
            "address_digest": digest,
            "address_sealed": seal.seal(row.address.address, TABLE, ADDRESS, supporter_id),
            "fields_sealed": sealed_fields(seal, row.fields, supporter_id),
            "profile_id": self.profile_id(row.profile),
            "country": row.country,
            "time_zone": row.time_zone,
            "joined_at": row.joined_at,
            "domain_class": row.address.domain_class,
            "domain_digest": self.service_keys.domain_digest(row.address.domain),
            "needs_smtputf8": row.address.needs_smtputf8,
            "discreet": row.discreet or self.definition.discreet,
            "text_only": row.text_only,
            "chosen_at": self.now if self.by_themselves else None,
            "created_at": self.now,
            "updated_at": self.now,
        }

    def _changed(self, rows: RowsOfAddress, known: KnownSupporter) -> dict[str, object] | None:
        first, filling = rows.first or _nothing(rows.any), rows.filling or _nothing(rows.any)
        fields = opened_fields(self.seal_keys, known.fields_sealed, known.supporter_id)
        merged = {**filling.fields, **fields, **first.fields}
        before = self.profile_of(known.profile_id)
        never = tuple(sorted({*before.never, *first.profile.never, *filling.profile.never}))
        languages = first.profile.languages or before.languages or filling.profile.languages
        time_zone = first.time_zone or known.time_zone or filling.time_zone
        chosen_at = known.chosen_at
        if self.by_themselves:
            chosen_at = self.now
        elif chosen_at is not None:
            languages, time_zone = before.languages or languages, known.time_zone or time_zone
        profile = LanguageProfile(languages, never)
        joined_at = first.joined_at or known.joined_at or filling.joined_at
        country = first.country or known.country or filling.country
        # The mark is set by a file and never taken back by one.
        discreet = known.discreet or first.discreet or filling.discreet
        plain = (joined_at, country, time_zone, discreet, chosen_at)
        before_plain = (
            known.joined_at,
            known.country,
            known.time_zone,
            known.discreet,
            known.chosen_at,
        )
        if merged == fields and profile == before and plain == before_plain:
            return None
        return {
            "id": known.supporter_id,
            "fields_sealed": known.fields_sealed
            if merged == fields
            else sealed_fields(self.seal_keys, merged, known.supporter_id),
            "profile_id": self.profile_id(profile),
            "country": country,
            "time_zone": time_zone,
            "joined_at": joined_at,
            "discreet": discreet,
            "chosen_at": chosen_at,
            "updated_at": self.now,
        }

    def _clear(
        self, rows: RowsOfAddress, known: KnownSupporter
    ) -> tuple[dict[str, str], tuple[str, ...]]:
        """Return the clear attributes to write, and those that must not stay clear."""
        first, filling = rows.first or _nothing(rows.any), rows.filling or _nothing(rows.any)
        merged = {**filling.clear, **known.clear, **first.clear}
        attributes = self.definition.attributes
        write = {
            name: value
            for name, value in merged.items()
            if name in attributes and known.clear.get(name) != value
        }
        sealed_again = tuple(
            sorted(
                name for name in known.clear if name in attributes and not attributes[name].clear
            )
        )
        return write, sealed_again


def _gives_way(said: object, on_record: object) -> bool:
    return bool(said and on_record) and said != on_record


def _nothing(row: ImportedRow) -> ImportedRow:
    return ImportedRow(row.address)


def _consent(row: ImportedRow) -> ConsentChange:
    return ConsentChange(row.consent_basis, row.consent_source, row.consented_at)


def _changed_consent(row: ImportedRow, known: KnownSupporter) -> ConsentChange | None:
    """Return a consent that is new, or its withdrawal; evidence on record is not overwritten."""
    if row.consent is Consent.GIVEN and not known.consent_basis:
        return _consent(row)
    if row.consent is Consent.WITHDRAWN and known.consent_basis:
        return _consent(row)
    return None
