"""Leaving lists, and taking that back.

In: ids out of tokens, and the hour. Out: what was left or put back, and for `suppressions.log` the
lists of it. What an unsubscription left is written in the transaction that leaves it, so that
senders who read `unsubscription` and an undo that puts back exactly that see the same facts.
Nothing here opens a sealed value.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    false,
    or_,
    select,
    update,
)

from mailer.model.audience import MembershipState, UnsubscriptionSource
from mailer.model.tallies import HourEvent
from mailer.store.ordering import Ids, keep_ids_in_order
from mailer.store.supporters import merged_into
from mailer.store.suppression_log import LogEntry, Mark, left_list
from mailer.store.tables import (
    delivery,
    delivery_list,
    mailing_list,
    membership,
    organisation,
    supporter,
    unsubscription,
    unsubscription_list,
)
from mailer.store.tallies import add_events


@dataclass(frozen=True)
class LeftLists:
    """What one unsubscription left."""

    unsubscription_id: int
    #: (list's row id, supporter's id), one or more; two organisations know a person by two ids.
    memberships: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Leaver:
    """Whom a token names, and by which way they leave."""

    delivery_id: int
    supporter_id: int
    source: UnsubscriptionSource


@dataclass(frozen=True)
class ListScope:
    """A list that somebody leaves or comes back to, as `suppressions.log` keeps it."""

    address_digest: bytes
    organisation: str
    list_key: str

    def line(self, at: datetime, mark: Mark = Mark.BARRED) -> LogEntry:
        """Return what `suppressions.log` is to say of it."""
        return left_list(at, self.address_digest, self.organisation, self.list_key, mark)


class _Subscribed(NamedTuple):
    """A membership, whose it is, and what the list is called."""

    list_id: int
    supporter_id: int
    address_digest: bytes
    owner: str
    key: str


#: Made once, as making a statement takes longer than running it.
_THROUGH = select(
    delivery_list.c.delivery_id, delivery_list.c.list_id, delivery_list.c.supporter_id
).where(delivery_list.c.delivery_id.in_(bindparam("deliveries", expanding=True)))
#: Memberships with whose they are, and what their list is called.
_NAMED = (
    membership.join(supporter, supporter.c.id == membership.c.supporter_id)
    .join(mailing_list, mailing_list.c.id == membership.c.list_id)
    .join(organisation, organisation.c.id == mailing_list.c.organisation_id)
)
_SUBSCRIBED = (
    select(
        membership.c.list_id,
        membership.c.supporter_id,
        supporter.c.address_digest,
        organisation.c.key.label("owner"),
        mailing_list.c.key,
    )
    .select_from(_NAMED)
    .where(
        membership.c.state == MembershipState.SUBSCRIBED,
        membership.c.supporter_id.in_(bindparam("supporters", expanding=True)),
    )
    # Locked in one order, so that two tokens of one person cannot wait for each other
    # (PostgreSQL; SQLite has one writer at a time).
    .order_by(membership.c.list_id, membership.c.supporter_id)
)
_LEAVE = (
    update(membership)
    .where(
        membership.c.list_id == bindparam("of_list"),
        membership.c.supporter_id == bindparam("of_supporter"),
    )
    .values(state=MembershipState.LEFT, left_at=bindparam("at"))
)


def _to_leave(
    connection: Connection, leavers: Sequence[Leaver], *, lock: bool
) -> list[list[_Subscribed]]:
    """Return, for each, the memberships that they have to leave: what their delivery came through.

    Where the delivery has been cleared away, these are all of that supporter, whose row belongs to
    one organisation. The supporter of a token is any that the delivery came through: it may have
    been merged for another of them at an earlier attempt.
    """
    through: dict[int, set[tuple[int, int]]] = {}
    deliveries = sorted({one.delivery_id for one in leavers})
    for row in connection.execute(_THROUGH, {"deliveries": deliveries}):
        through.setdefault(row.delivery_id, set()).add((row.list_id, row.supporter_id))
    pairs = [through.get(one.delivery_id, set()) for one in leavers]
    named = {one.supporter_id for one in leavers}.union(
        *({supporter_id for _, supporter_id in ways} for ways in pairs)
    )
    # A row that became part of another since is left as that one.
    now_in = merged_into(connection, named)
    pairs = [{(list_id, now_in.get(person, person)) for list_id, person in ways} for ways in pairs]
    known = [
        any(person == now_in.get(one.supporter_id, one.supporter_id) for _, person in ways)
        for one, ways in zip(leavers, pairs, strict=True)
    ]
    supporters = {now_in.get(one, one) for one in named}
    query = _SUBSCRIBED.with_for_update(of=membership) if lock else _SUBSCRIBED
    rows = [
        _Subscribed(*row) for row in connection.execute(query, {"supporters": sorted(supporters)})
    ]
    return [
        [
            row
            for row in rows
            if (
                (row.list_id, row.supporter_id) in ways
                if came_through
                else row.supporter_id == now_in.get(one.supporter_id, one.supporter_id)
            )
        ]
        for one, ways, came_through in zip(leavers, pairs, known, strict=True)
    ]


def lists_to_leave(
    connection: Connection, leavers: Sequence[Leaver]
) -> list[tuple[ListScope, ...]]:
    """Return, for each, what `leave_all` would leave now; takes no lock.

    The second unsubscription of a person, and one with a token that names nobody, have nothing, so
    that repeating them cannot keep senders from writing.
    """
    return [
        tuple(ListScope(row.address_digest, row.owner, row.key) for row in rows)
        for rows in _to_leave(connection, leavers, lock=False)
    ]


def lists_to_take_back(
    connection: Connection, delivery_id: int, supporter_id: int, since: datetime
) -> tuple[ListScope, ...]:
    """Return what `take_back` would put back now; takes no lock."""
    left = connection.execute(
        select(
            unsubscription_list.c.list_id, unsubscription_list.c.supporter_id, unsubscription.c.at
        )
        .join(unsubscription, unsubscription.c.id == unsubscription_list.c.unsubscription_id)
        .where(_standing(delivery_id, supporter_id, since))
    ).all()
    standing = (
        and_(_among([(row.list_id, row.supporter_id)]), membership.c.left_at == row.at)
        for row in left
    )
    return _scopes(
        connection, and_(membership.c.state == MembershipState.LEFT, or_(false(), *standing))
    )


def _scopes(connection: Connection, which: ColumnElement[bool]) -> tuple[ListScope, ...]:
    rows = connection.execute(
        select(supporter.c.address_digest, organisation.c.key.label("owner"), mailing_list.c.key)
        .select_from(_NAMED)
        .where(which)
        .order_by(mailing_list.c.id)
    )
    return tuple(ListScope(row.address_digest, row.owner, row.key) for row in rows)


def leave_lists(
    connection: Connection,
    delivery_id: int,
    supporter_id: int,
    source: UnsubscriptionSource,
    now: datetime,
) -> LeftLists | None:
    """Leave every list one delivery came through, as `leave_all` does for several."""
    return leave_all(connection, [Leaver(delivery_id, supporter_id, source)], now)[0]


def leave_all(
    connection: Connection, leavers: Sequence[Leaver], now: datetime
) -> list[LeftLists | None]:
    """Leave every list the delivery of each came through; None where none was left to leave.

    Memberships, the unsubscriptions and what they left are written together. Senders stop for the
    rows of `unsubscription`; deliveries that are due are theirs to skip.
    """
    keep_ids_in_order(connection, Ids.UNSUBSCRIPTIONS)
    return _leave(connection, leavers, _to_leave(connection, leavers, lock=True), now)


def leave_some(
    connection: Connection, leaver: Leaver, list_ids: Collection[int], now: datetime
) -> LeftLists | None:
    """Leave lists of one supporter by their choice among them; None when none was left to leave."""
    if not list_ids:
        return None
    keep_ids_in_order(connection, Ids.UNSUBSCRIPTIONS)
    query = _SUBSCRIBED.with_for_update(of=membership)
    found = connection.execute(query, {"supporters": [leaver.supporter_id]})
    rows = [one for row in found if (one := _Subscribed(*row)).list_id in list_ids]
    return _leave(connection, [leaver], [rows], now)[0]


def _leave(
    connection: Connection,
    leavers: Sequence[Leaver],
    found: Sequence[Sequence[_Subscribed]],
    now: datetime,
) -> list[LeftLists | None]:
    taken: set[tuple[int, int]] = set()
    leaving: list[tuple[Leaver, list[tuple[int, int]], bytes]] = []
    results: list[int | None] = []
    for one, rows in zip(leavers, found, strict=True):
        pairs = [pair for row in rows if (pair := (row.list_id, row.supporter_id)) not in taken]
        taken.update(pairs)
        results.append(len(leaving) if pairs else None)
        if pairs:
            # One person has one digest in all organisations: that of any row left will do.
            leaving.append((one, pairs, rows[0].address_digest))
    if not leaving:
        return [None] * len(leavers)
    connection.execute(
        _LEAVE,
        [
            {"of_list": list_id, "of_supporter": person, "at": now}
            for list_id, person in sorted(taken)
        ],
    )
    ids = connection.execute(
        _UNSUBSCRIBE,
        [
            {
                "at": now,
                "delivery_id": one.delivery_id,
                "supporter_id": one.supporter_id,
                "address_digest": digest,
                "source": one.source.value,
            }
            for one, _, digest in leaving
        ],
    ).scalars()
    _count_leavers(connection, [(one.delivery_id, now) for one, _, _ in leaving], 1)
    left = [
        LeftLists(row_id, tuple(pairs)) for row_id, (_, pairs, _) in zip(ids, leaving, strict=True)
    ]
    connection.execute(
        unsubscription_list.insert(),
        [
            {"unsubscription_id": one.unsubscription_id, "list_id": list_id, "supporter_id": person}
            for one in left
            for list_id, person in one.memberships
        ],
    )
    return [None if place is None else left[place] for place in results]


def _count_leavers(
    connection: Connection, leavers: Sequence[tuple[int, datetime]], sign: int
) -> None:
    """Count by whose mails and when people left; of a delivery that is gone nobody knows."""
    rows = connection.execute(_MAILINGS, {"deliveries": sorted({one for one, _ in leavers})})
    mailing_of = {row.id: row.mailing_id for row in rows}
    for delivery_id, at in leavers:
        if delivery_id in mailing_of:
            add_events(connection, mailing_of[delivery_id], HourEvent.UNSUBSCRIBED, at, sign)


_MAILINGS = select(delivery.c.id, delivery.c.mailing_id).where(
    delivery.c.id.in_(bindparam("deliveries", expanding=True))
)
_UNSUBSCRIBE = unsubscription.insert().returning(unsubscription.c.id, sort_by_parameter_order=True)


def _among(memberships: Sequence[tuple[int, int]]) -> ColumnElement[bool]:
    # As pairs in a list SQLite would go through all memberships for them, with the write lock held.
    return or_(
        false(),
        *(
            and_(membership.c.list_id == list_id, membership.c.supporter_id == supporter_id)
            for list_id, supporter_id in memberships
        ),
    )


def may_take_back(
    connection: Connection, delivery_id: int, supporter_id: int, since: datetime
) -> bool:
    """Tell whether that token unsubscribed from anything from `since` on; takes no lock."""
    found = select(unsubscription.c.id).where(_standing(delivery_id, supporter_id, since))
    return connection.execute(found.limit(1)).first() is not None


def _standing(delivery_id: int, supporter_id: int, since: datetime) -> ColumnElement[bool]:
    return and_(
        unsubscription.c.delivery_id == delivery_id,
        unsubscription.c.supporter_id == supporter_id,
        unsubscription.c.at >= since,
        unsubscription.c.undone_at.is_(None),
    )


def take_back(
    connection: Connection, delivery_id: int, supporter_id: int, since: datetime, now: datetime
) -> int:
    """Put back what the token's unsubscriptions from `since` on left; return how many memberships.

    A membership that was left again by another way since then stays left.
    """
    undone = connection.execute(
        update(unsubscription)
        .where(_standing(delivery_id, supporter_id, since))
        .values(undone_at=now)
        .returning(unsubscription.c.id, unsubscription.c.at)
    ).all()
    _count_leavers(connection, [(delivery_id, row.at) for row in undone], -1)
    put_back = 0
    for row in undone:
        left = connection.execute(
            select(unsubscription_list.c.list_id, unsubscription_list.c.supporter_id).where(
                unsubscription_list.c.unsubscription_id == row.id
            )
        ).all()
        memberships = [(entry.list_id, entry.supporter_id) for entry in left]
        put_back += connection.execute(
            update(membership)
            .where(
                _among(memberships),
                membership.c.state == MembershipState.LEFT,
                membership.c.left_at == row.at,
            )
            .values(state=MembershipState.SUBSCRIBED, left_at=None)
        ).rowcount
    return put_back


__all__ = [
    "Leaver",
    "LeftLists",
    "ListScope",
    "leave_all",
    "leave_lists",
    "leave_some",
    "lists_to_leave",
    "lists_to_take_back",
    "may_take_back",
    "take_back",
]
