"""Claim deliveries and open their persons: the blocking half of the engine, run in a thread.

In: the store, the keys, and what a mailing is composed with. Out: `OutgoingDelivery` objects. Every
claim is committed before it is returned.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from mailer.keys import SealKeys
from mailer.model.mailing import ComposedMail, OutgoingDelivery
from mailer.store.deliveries import ClaimedDelivery, claim
from mailer.store.engine import Store


class Composer(Protocol):
    """Makes the bytes of one mailing's mails."""

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


@dataclass(frozen=True)
class Claim:
    """A claimed delivery, ready to be composed."""

    outgoing: OutgoingDelivery
    material: Material
    #: When it was claimed, on the monotonic clock.
    claimed_at: float


class Claimer:
    """Claims for one worker."""

    def __init__(
        self, store: Store, seal_keys: SealKeys, worker: str, material_for: MaterialFor
    ) -> None:
        self._store = store
        self._seal_keys = seal_keys
        self._worker = worker
        self._material_for = material_for
        self._materials: dict[int, Material] = {}

    def claim(self, limit: int, now: datetime, claimed_at: float) -> list[Claim]:
        """Claim up to `limit` deliveries and open their persons.

        Raises:
            StoreUnavailable: when the database did not answer; nothing is claimed then.
            WrongSealKey: when `seal.key` is not the one the addresses were sealed with.
        """
        with self._store.write() as connection:
            claimed = claim(connection, self._worker, limit, now)
        return [self._opened(one, claimed_at) for one in claimed]

    def _opened(self, one: ClaimedDelivery, claimed_at: float) -> Claim:
        material = self._materials.get(one.mailing_id)
        if material is None:
            material = self._material_for(one.mailing_id)
            self._materials[one.mailing_id] = material
        unseal = self._seal_keys.unseal
        address = unseal(one.address_sealed, "supporter", "address_sealed", one.supporter_id)
        fields: dict[str, str] = json.loads(
            unseal(one.fields_sealed, "supporter", "fields_sealed", one.supporter_id)
        )
        outgoing = OutgoingDelivery(
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
        )
        return Claim(outgoing, material, claimed_at)
