"""Write what merging worked out: people, memberships, consent, topics, tags, clear attributes.

In: changes of one list, as a `Merger` makes them. Out: rows. An import and a confirmed sign-up both
write here, so that there is one way in which a supporter comes to be on record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mailer.audience.consent import sealed_source
from mailer.audience.merging import Change, ConsentChange
from mailer.keys import SealKeys
from mailer.model.audience import LanguageProfile, ListDefinition, MembershipState
from mailer.store import imports as rows
from mailer.store.audience import load_profile, profile_id
from mailer.store.engine import Connection
from mailer.store.topics import choose_topics


@dataclass(frozen=True)
class ChangeWriter:
    """Writes the changes of one list."""

    seal_keys: SealKeys
    definition: ListDefinition
    #: Row id.
    list_id: int
    #: The import they come from; None where they come from the people themselves.
    batch_id: int | None
    now: datetime

    def write(self, connection: Connection, changes: Sequence[Change]) -> None:
        """Write changes, each of another supporter."""
        rows.insert_supporters(connection, [one.new for one in changes if one.new is not None])
        rows.update_supporters(connection, [one.changed for one in changes if one.changed])
        rows.write_memberships(
            connection,
            [self._membership(one, one.joins) for one in changes if one.joins is not None],
        )
        rows.write_consent(
            connection,
            [self._consent(one, one.consent) for one in changes if one.consent is not None],
        )
        choose_topics(
            connection,
            self.list_id,
            {one.supporter_id: one.topics for one in changes if one.topics is not None},
        )
        rows.write_tags(
            connection,
            [
                {"supporter_id": one.supporter_id, "tag": tag}
                for one in changes
                for tag in sorted(one.tags)
            ],
        )
        attributes = self.definition.attributes
        rows.write_attributes(
            connection,
            [
                {
                    "supporter_id": one.supporter_id,
                    "name": name,
                    **rows.attribute_columns(attributes[name], value),
                }
                for one in changes
                for name, value in (one.clear or {}).items()
            ],
        )
        rows.remove_attributes(
            connection, [(one.supporter_id, name) for one in changes for name in one.sealed_again]
        )

    def _membership(self, change: Change, consent: ConsentChange) -> dict[str, object]:
        return {
            "list_id": self.list_id,
            "supporter_id": change.supporter_id,
            "state": MembershipState.SUBSCRIBED,
            "consent_basis": consent.basis,
            "consent_source_sealed": self._source(change, consent),
            "consented_at": consent.at,
            "added_at": self.now,
            "batch_id": self.batch_id,
        }

    def _consent(self, change: Change, consent: ConsentChange) -> dict[str, object]:
        return {
            "on_list": self.list_id,
            "who": change.supporter_id,
            "basis": consent.basis,
            "source_sealed": self._source(change, consent),
            "at": consent.at,
        }

    def _source(self, change: Change, consent: ConsentChange) -> bytes | None:
        return sealed_source(self.seal_keys, consent.source, self.list_id, change.supporter_id)


class Profiles:
    """Language profiles by row id and the other way round, each asked for once a chunk."""

    def __init__(self, connection: Connection, *, writes: bool) -> None:
        self._connection = connection
        self._writes = writes
        self._ids: dict[LanguageProfile, int] = {}
        self._profiles: dict[int, LanguageProfile] = {}

    def id_of(self, profile: LanguageProfile) -> int:
        """Return the row id; 0 in a dry run, which writes none."""
        if profile not in self._ids:
            self._ids[profile] = profile_id(self._connection, profile) if self._writes else 0
        return self._ids[profile]

    def of_id(self, row_id: int) -> LanguageProfile:
        """Return the profile of a row id."""
        if row_id not in self._profiles:
            self._profiles[row_id] = load_profile(self._connection, row_id)
        return self._profiles[row_id]
