"""Deliveries follow a person to another address, or to the row that theirs became part of.

In: where somebody is now. Out: their open deliveries led there, with the lists they came through, in
the caller's transaction. Where the mailing reaches that address anyway they are skipped, so that
nobody is mailed twice, and the delivery that is there comes through their lists as well.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, and_, func, select, update

from mailer.model.states import OPEN_STATES, DeliveryState, SkipReason
from mailer.store.deliveries import skip
from mailer.store.tables import delivery, delivery_list, mailing, merged_supporter, supporter

#: Those of a claim are on their way: they follow when they are claimed anew, if ever.
_WAITING = (DeliveryState.DUE, DeliveryState.DEFERRED)


class Place(NamedTuple):
    """Where a person is now."""

    #: The row that is theirs.
    supporter_id: int
    address_digest: bytes
    domain_class: str


def lead_to(
    connection: Connection, supporter_id: int, old_digest: bytes, place: Place, now: datetime
) -> None:
    """Take the deliveries of a row along that wait to be sent to its old address.

    Of one to another organisation's row at that address, only what it came through changes hands.
    """
    waiting = connection.execute(
        select(delivery.c.id, delivery.c.mailing_id, delivery.c.supporter_id)
        .where(
            # By (mailing, address), which is an index.
            delivery.c.mailing_id.in_(select(mailing.c.id)),
            delivery.c.address_digest == old_digest,
            delivery.c.state.in_(_WAITING),
        )
        .order_by(delivery.c.id)
        # PostgreSQL: one that a sender claims at this moment stays with it.
        .with_for_update()
    ).all()
    if supporter_id != place.supporter_id:
        _hand_over_lists(connection, [row.id for row in waiting], supporter_id, place)
    for row in waiting:
        if row.supporter_id == supporter_id:
            _lead(connection, row.id, row.mailing_id, place, now)


def follow(connection: Connection, ids: Collection[int], now: datetime) -> set[int]:
    """Take deliveries along whose person went elsewhere since they were claimed or in doubt.

    Returns:
        Those that are at their place now, or skipped; of the others the person is gone.
    """
    lost = connection.execute(
        select(
            delivery.c.id,
            delivery.c.mailing_id,
            delivery.c.supporter_id.label("gone_id"),
            supporter.c.id.label("supporter_id"),
            supporter.c.address_digest,
            supporter.c.domain_class,
        )
        .outerjoin(merged_supporter, merged_supporter.c.gone_id == delivery.c.supporter_id)
        .join(
            supporter,
            supporter.c.id
            == func.coalesce(merged_supporter.c.supporter_id, delivery.c.supporter_id),
        )
        .where(delivery.c.id.in_(list(ids)))
        .order_by(delivery.c.id)
    ).all()
    for row in lost:
        place = Place(row.supporter_id, row.address_digest, row.domain_class)
        _hand_over_lists(connection, [row.id], row.gone_id, place)
        _lead(connection, row.id, row.mailing_id, place, now)
    return {row.id for row in lost}


def _hand_over_lists(
    connection: Connection, ids: Collection[int], supporter_id: int, place: Place
) -> None:
    connection.execute(
        update(delivery_list)
        .where(delivery_list.c.delivery_id.in_(ids), delivery_list.c.supporter_id == supporter_id)
        .values(supporter_id=place.supporter_id)
    )


def _lead(
    connection: Connection, delivery_id: int, mailing_id: int, place: Place, now: datetime
) -> None:
    there = connection.execute(
        select(delivery.c.id, delivery.c.state).where(
            delivery.c.mailing_id == mailing_id,
            delivery.c.address_digest == place.address_digest,
            delivery.c.id != delivery_id,
        )
    ).one_or_none()
    if there is None:
        connection.execute(
            update(delivery).where(delivery.c.id == delivery_id).values(place._asdict())
        )
        return
    skip(connection, delivery_id, SkipReason.DUPLICATE_ADDRESS, now)
    if there.state in OPEN_STATES:
        # Who leaves a list before it goes is reached through another one they are on.
        known = select(delivery_list.c.list_id).where(delivery_list.c.delivery_id == there.id)
        connection.execute(
            update(delivery_list)
            .where(
                and_(
                    delivery_list.c.delivery_id == delivery_id,
                    delivery_list.c.list_id.not_in(connection.execute(known).scalars().all()),
                )
            )
            .values(delivery_id=there.id)
        )
