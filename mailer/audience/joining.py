"""Put a person on lists who confirmed that they want to be on them.

In: the id of a wish, the lists as their files have them. Out: what came of it; a supporter, made or
changed the way an import does it, with consent on record. A list that was left is joined again, and
what mail to the address had proved is over: it is their own wish, and it was read there. A complaint
and what staff decided stay: then the person is on the list and is not mailed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from mailer.audience.addresses import NormalAddress, normalize_address
from mailer.audience.consent import Consent
from mailer.audience.merging import TABLE as SUPPORTER
from mailer.audience.merging import Merger, RowsOfAddress
from mailer.audience.rows import ImportedRow
from mailer.audience.writing import ChangeWriter, Profiles
from mailer.cldr import is_never
from mailer.keys import SealKeys, ServiceKeys
from mailer.model.audience import (
    LanguageProfile,
    ListDefinition,
    MembershipState,
    SuppressionReason,
)
from mailer.store import imports as rows
from mailer.store.audience import SCOPE_ALL, organisation_scope, sync_lists
from mailer.store.engine import Connection, Store, take_ids
from mailer.store.ordering import Ids, keep_ids_in_order
from mailer.store.sign_ups import SignUp, come_back, confirm_sign_up, find_sign_up
from mailer.store.supporters import organisation_ids
from mailer.store.suppression_log import LogEntry, Mark, SuppressionLog, left_list
from mailer.store.suppressions import lift, lift_bounces, log_entries, standing, suppress

TABLE = "signup"
ADDRESS = "address_sealed"
#: The basis of whoever signed up, whatever that of the others on the list is.
_BASIS = "consent"
#: What a person themself said once, and takes back by signing up.
_OWN_WORD = frozenset({SuppressionReason.UNSUBSCRIBED, SuppressionReason.ERASED})
#: An import's own id where there is none.
_NO_BATCH = 0


@dataclass(frozen=True)
class Wish:
    """What a person asks for."""

    #: Keys.
    lists: tuple[str, ...]
    #: Of the mails, and of the confirmation.
    language: str

    def to_document(self) -> dict[str, object]:
        """Return it as JSON can hold it."""
        return {"lists": list(self.lists), "language": self.language}

    @classmethod
    def from_document(cls, document: Mapping[str, object]) -> Wish:
        """Return what `to_document` was called on."""
        lists = document["lists"]
        return cls(tuple(lists) if isinstance(lists, list) else (), str(document["language"]))


class Confirmation(StrEnum):
    """What came of a confirmation."""

    #: They are on the lists from now on.
    JOINED = "joined"
    #: It was confirmed before; nothing more is done.
    BEFORE = "before"
    #: There is no such wish, or there is none any more.
    TOO_OLD = "too_old"


def sealed_address(keys: SealKeys, address: NormalAddress, sign_up_id: int) -> bytes:
    """Return the address of a wish as a sealed value."""
    return keys.seal(address.address, TABLE, ADDRESS, sign_up_id)


def confirm(
    store: Store,
    seal_keys: SealKeys,
    service_keys: ServiceKeys,
    sign_up_id: int,
    definitions: Mapping[str, ListDefinition],
    now: datetime,
    log: SuppressionLog,
) -> Confirmation:
    """Put whose wish it is on the lists they asked for; a second time changes nothing.

    Args:
        store: The database.
        seal_keys: Open the address and seal it for its supporter.
        service_keys: Make digests.
        sign_up_id: Row id of the wish; any number.
        definitions: The lists that can be joined, by key; others that were asked for are left out.
        now: This instant.
        log: Told of what stands no more.

    Raises:
        StoreUnavailable: when it could not be put on record; nothing is changed then.
        FaultsFound: when a list now belongs to another organisation.
        LogNotWritten: when what is to stay barred cannot be written down; nothing is changed then.
        WrongSealKey: when the wish was sealed with another key.
    """
    # Looked at first: tokens that are tried, or used again, cannot keep senders from writing.
    with store.read() as connection:
        waiting = find_sign_up(connection, sign_up_id, now)
    if waiting is None:
        return Confirmation.TOO_OLD
    wanted = Wish.from_document(waiting.wish)
    lists = [definitions[key] for key in wanted.lists if key in definitions]
    if waiting.confirmed or not lists:
        return Confirmation.BEFORE if waiting.confirmed else Confirmation.TOO_OLD
    with store.write() as connection:
        keep_ids_in_order(connection, Ids.SUPPRESSIONS)
        found = confirm_sign_up(connection, sign_up_id, now)
        if found is None:
            # Another request was given it meanwhile.
            return Confirmation.BEFORE
        joining = _Joining(connection, seal_keys, service_keys, found, wanted, now)
        lifted = joining.join(lists)
        log.append(joining.barred)
    # After the commit: a line that is lost here leaves the person off the list after a restore.
    log.append_or_tell(lifted)
    return Confirmation.JOINED


class _Joining:
    """Puts one person on lists, in one transaction."""

    def __init__(
        self,
        connection: Connection,
        seal_keys: SealKeys,
        service_keys: ServiceKeys,
        found: SignUp,
        wanted: Wish,
        now: datetime,
    ) -> None:
        self._connection = connection
        self._seal = seal_keys
        self._service = service_keys
        self._found = found
        self._wanted = wanted
        self._now = now
        self._profiles = Profiles(connection, writes=True)
        opened = seal_keys.unseal(found.address_sealed, TABLE, ADDRESS, found.sign_up_id)
        self._address = normalize_address(opened)
        #: Lines of what goes on to stand for others than those joined.
        self.barred: list[LogEntry] = []

    def join(self, lists: Sequence[ListDefinition]) -> list[LogEntry]:
        """Put the person on lists; return the lines of what stands no more."""
        lines: list[LogEntry] = []
        ids = sync_lists(self._connection, lists, self._now)
        owners = organisation_ids(self._connection)
        # Locked in one order, so that no two can wait for each other.
        for owner in sorted({one.owner for one in lists}):
            rows.lock_organisation(self._connection, owners[owner])
            lines += self._lift(owners[owner])
        for definition in lists:
            lines += self._on(definition, ids[definition.key], owners[definition.owner])
        return lines

    def _on(self, definition: ListDefinition, list_id: int, owner_id: int) -> list[LogEntry]:
        digest = self._found.address_digest
        known = rows.known_supporters(self._connection, owner_id, list_id, _NO_BATCH, [digest]).get(
            digest
        )
        came_back = known is not None and known.membership is MembershipState.LEFT
        if known is not None:
            come_back(self._connection, list_id, known.supporter_id, self._now)
            on_it = None if known.membership is None else MembershipState.SUBSCRIBED
            # What they say now takes the place of what was on record.
            known = replace(known, membership=on_it, consent_basis="")
        row = self._row(
            self._profiles.of_id(known.profile_id) if known else LanguageProfile((), ()),
            known.joined_at if known else None,
        )
        new_id = take_ids(self._connection, SUPPORTER, 1) if known is None else 0
        merger = Merger(
            self._seal, self._service, definition, owner_id, self._now,
            self._profiles.id_of, self._profiles.of_id, by_themselves=True,
        )  # fmt: skip
        change = merger.change(digest, RowsOfAddress(row, None), known, new_id)
        ChangeWriter(self._seal, definition, list_id, None, self._now).write(
            self._connection, [change]
        )
        if not came_back:
            return []
        return [left_list(self._now, digest, definition.owner, definition.key, Mark.LIFTED)]

    def _row(self, before: LanguageProfile, joined_at: datetime | None) -> ImportedRow:
        language = self._wanted.language
        languages = before.languages
        # What must never be used stays so: a form may have been filled in by the browser's language.
        if not is_never(language, before.never):
            languages = (language, *(one for one in before.languages if one != language))
        asked, confirmed = (f"{at:%Y-%m-%d %H:%M} UTC" for at in (self._found.asked_at, self._now))
        return ImportedRow(
            self._address,
            profile=LanguageProfile(languages, before.never),
            joined_at=joined_at or self._now,
            consent=Consent.GIVEN,
            consent_basis=_BASIS,
            consent_source=(
                f"sign-up form, consent text {self._found.consent_version}, "
                f"asked {asked}, confirmed {confirmed}"
            ),
            consented_at=self._now,
        )

    def _lift(self, owner_id: int) -> list[LogEntry]:
        """Lift what stands no more at one organisation; return its lines."""
        digest, own = self._found.address_digest, organisation_scope(owner_id)
        lifted = lift_bounces(self._connection, digest, owner_id)
        taken_back = [
            one
            for one in standing(self._connection, digest, [SCOPE_ALL, own])
            if one.reason in _OWN_WORD
        ]
        lift(self._connection, taken_back)
        for one in taken_back:
            if one.scope == SCOPE_ALL:
                # They come back to this organisation: for the others their word stands.
                others = organisation_ids(self._connection).values()
                kept = suppress(
                    self._connection,
                    [
                        replace(one, scope=organisation_scope(other))
                        for other in others
                        if other != owner_id
                    ],
                )
                self.barred += log_entries(self._connection, kept, self._now)
        return log_entries(self._connection, [*lifted, *taken_back], self._now, Mark.LIFTED)
