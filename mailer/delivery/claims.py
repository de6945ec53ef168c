"""Claim deliveries and open their persons: the blocking half of the engine, run in a thread.

In: the store, the keys, and what a mailing is composed with. Out: `OutgoingDelivery` objects. Every
claim is committed before it is returned. A mailing that cannot be composed is held for a person,
and a delivery whose row cannot be opened is refused with that reason; neither stops the others.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from mailer.clock import Clock
from mailer.keys import SealKeys, WrongSealKey
from mailer.model.faults import FaultsFound
from mailer.model.mailing import ComposedMail, OutgoingDelivery
from mailer.model.pacing import WHOLE_RELAY, PaceKey
from mailer.store.claims import ClaimedDelivery, ClaimTerms, claim
from mailer.store.engine import Store
from mailer.store.service_mails import ClaimedService
from mailer.store.turns import fitting

#: How long a claim should hold the write lock, which whoever leaves a list waits for.
TARGET_S = 0.025
#: Smaller claims would cost more than they spare others; larger ones are not asked for.
FEWEST_AT_ONCE, MOST_AT_ONCE = 50, 500


class Composer(Protocol):
    """Makes the bytes of one mailing's mails."""

    @property
    def is_slow(self) -> bool:
        """Whether a mail takes so long to make that it is made in another thread."""
        ...

    def compose(self, outgoing: OutgoingDelivery, now: datetime) -> ComposedMail:
        """Return the mail for one person, ready for the wire."""
        ...


@dataclass(frozen=True)
class Material:
    """What a mailing is composed with, loaded once."""

    composer: Composer
    #: Row id of a list → its key.
    list_keys: Mapping[int, str]


#: Gives the material of a mailing by its row id.
MaterialFor = Callable[[int], Material]


@dataclass(slots=True, eq=False)
class Claim:
    """A claimed delivery, ready to be composed."""

    outgoing: OutgoingDelivery
    material: Material
    #: When it was claimed, on the monotonic clock.
    claimed_at: float
    #: The provider or domain whose pace it keeps to.
    key: PaceKey = WHOLE_RELAY
    #: Its mail, or why there is none; None until it is made.
    made: ComposedMail | Exception | None = None


@dataclass(frozen=True)
class Claimed:
    """What one claiming came to."""

    claims: list[Claim]
    #: Claimed, but what it is composed with could not be loaded: mailing's row id → why.
    unusable: dict[int, str]
    #: Ids of the deliveries of those mailings.
    given_back: list[int]
    #: Claimed, but its person's row does not open with our key.
    sealed: list[ClaimedDelivery | ClaimedService]


class Claimer:
    """Claims for one worker."""

    def __init__(
        self,
        store: Store,
        seal_keys: SealKeys,
        worker: str,
        material_for: MaterialFor,
        clock: Clock,
        terms: Callable[[], ClaimTerms],
    ) -> None:
        """Keep what it works with.

        Args:
            store: the database.
            seal_keys: open the persons.
            worker: whose claims they are.
            material_for: loads what a mailing is composed with.
            clock: says when.
            terms: for which relay is claimed, on what terms; asked at each claim.
        """
        self._store = store
        self._seal_keys = seal_keys
        self._worker = worker
        self._material_for = material_for
        self._clock = clock
        self._terms = terms
        self._materials: dict[int, Material] = {}
        self._fitting = MOST_AT_ONCE

    def claim(self, limit: int) -> Claimed:
        """Claim up to `limit` deliveries and open their persons.

        Raises:
            StoreUnavailable: when the database did not answer; nothing is claimed then.
        """
        claimed_at = self._clock.monotonic()
        limit = min(limit, self._fitting)
        with self._store.write(patient=True) as connection:
            begun = self._clock.monotonic()
            rows = claim(connection, self._worker, limit, self._clock.now(), self._terms())
            held_s = self._clock.monotonic() - begun
        if len(rows) == limit:
            self._fitting = fitting(limit, held_s, TARGET_S, FEWEST_AT_ONCE, MOST_AT_ONCE)
        found = Claimed([], {}, [], [])
        for one in rows:
            material = self._material(one.mailing_id, found)
            if material is None:
                found.given_back.append(one.delivery_id)
                continue
            try:
                outgoing = self._opened(one, material)
            except WrongSealKey:
                found.sealed.append(one)
            else:
                found.claims.append(Claim(outgoing, material, claimed_at, one.pace_key))
        return found

    def _material(self, mailing_id: int, found: Claimed) -> Material | None:
        if mailing_id in found.unusable:
            return None
        if mailing_id not in self._materials:
            try:
                self._materials[mailing_id] = self._material_for(mailing_id)
            except FaultsFound as error:
                # A signing key that is gone, say: once it is there again a person releases it.
                found.unusable[mailing_id] = str(error)
                return None
        return self._materials[mailing_id]

    def forget(self, mailing_id: int) -> None:
        """Load what a mailing is composed with anew when it is claimed next."""
        self._materials.pop(mailing_id, None)

    def _opened(self, one: ClaimedDelivery, material: Material) -> OutgoingDelivery:
        unseal = self._seal_keys.unseal
        address = unseal(one.address_sealed, "supporter", "address_sealed", one.supporter_id)
        fields: dict[str, str] = json.loads(
            unseal(one.fields_sealed, "supporter", "fields_sealed", one.supporter_id)
        )
        return OutgoingDelivery(
            delivery_id=one.delivery_id,
            mailing_id=one.mailing_id,
            supporter_id=one.supporter_id,
            address_digest=one.address_digest,
            address=address,
            needs_smtputf8=one.needs_smtputf8,
            fields={**fields, "country": one.country},
            list_key=material.list_keys[one.list_id],
            language=one.language,
            wanted=one.wanted,
            domain_class=one.domain_class,
            attempt_number=one.attempt_number,
            first_attempt_at=one.first_attempt_at,
            share_id=one.share_id,
            resent_at=one.resent_at,
            text_only=one.text_only,
        )
