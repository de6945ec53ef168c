"""Queries of the public pages: leaving lists, taking that back, and what the public may see.

In: ids out of tokens, slugs out of addresses. Out: small result objects. What an unsubscription
left is written in the transaction that leaves it, so that senders who read `unsubscription` and an
undo that puts back exactly that see the same facts. Nothing here opens a sealed value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, exists, false, func, or_, select, update

from mailer.model.audience import MembershipState, UnsubscriptionSource
from mailer.store.mailings import list_from_document
from mailer.store.tables import (
    delivery_list,
    mailing,
    mailing_list,
    mailing_target,
    membership,
    organisation,
    statement,
    supporter,
    unsubscription,
    unsubscription_list,
)

#: Of PostgreSQL's advisory locks, the one that orders unsubscriptions: "unsb" in ASCII.
_ORDER_LOCK = 0x756E7362


@dataclass(frozen=True)
class LeftLists:
    """What one unsubscription left."""

    unsubscription_id: int
    #: (list's row id, supporter's id), one or more; two organisations know a person by two ids.
    memberships: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class PublicRevision:
    """Which revision of a statement the public sees."""

    revision_id: int
    #: Languages that the lists of the last started mailing try, in the order they were given.
    chain: tuple[str, ...]


def _routes(connection: Connection, delivery_id: int, supporter_id: int) -> ColumnElement[bool]:
    """Return the condition on memberships that a token's delivery came through.

    Where the delivery has been cleared away, these are all of that supporter, whose row belongs to
    one organisation. The supporter of a token is any that the delivery came through: it may have
    been merged for another of them at an earlier attempt.
    """
    known = connection.execute(
        select(delivery_list.c.list_id)
        .where(
            delivery_list.c.delivery_id == delivery_id,
            delivery_list.c.supporter_id == supporter_id,
        )
        .limit(1)
    ).first()
    if known is None:
        return membership.c.supporter_id == supporter_id
    return exists().where(
        delivery_list.c.delivery_id == delivery_id,
        delivery_list.c.list_id == membership.c.list_id,
        delivery_list.c.supporter_id == membership.c.supporter_id,
    )


def may_leave(connection: Connection, delivery_id: int, supporter_id: int) -> bool:
    """Tell whether that token still has a list to leave; takes no lock.

    The second unsubscription of a person, and one with a token that names nobody, end here, so
    that repeating them cannot keep senders from writing.
    """
    routes = _routes(connection, delivery_id, supporter_id)
    found = select(membership.c.list_id).where(
        membership.c.state == MembershipState.SUBSCRIBED, routes
    )
    return connection.execute(found.limit(1)).first() is not None


@dataclass(frozen=True)
class ListScope:
    """A list that somebody leaves or comes back to, as `suppressions.log` keeps it."""

    address_digest: bytes
    organisation: str
    list_key: str


def lists_to_leave(
    connection: Connection, delivery_id: int, supporter_id: int
) -> tuple[ListScope, ...]:
    """Return what `leave_lists` would leave now; takes no lock."""
    routes = _routes(connection, delivery_id, supporter_id)
    return _scopes(connection, and_(membership.c.state == MembershipState.SUBSCRIBED, routes))


def lists_to_take_back(
    connection: Connection, delivery_id: int, supporter_id: int, since: datetime
) -> tuple[ListScope, ...]:
    """Return what `take_back` would put back now; takes no lock."""
    left = exists().where(
        unsubscription_list.c.unsubscription_id == unsubscription.c.id,
        unsubscription_list.c.list_id == membership.c.list_id,
        unsubscription_list.c.supporter_id == membership.c.supporter_id,
        membership.c.left_at == unsubscription.c.at,
        _standing(delivery_id, supporter_id, since),
    )
    return _scopes(connection, and_(membership.c.state == MembershipState.LEFT, left))


def _scopes(connection: Connection, which: ColumnElement[bool]) -> tuple[ListScope, ...]:
    rows = connection.execute(
        select(supporter.c.address_digest, organisation.c.key.label("owner"), mailing_list.c.key)
        .select_from(membership)
        .join(supporter, supporter.c.id == membership.c.supporter_id)
        .join(mailing_list, mailing_list.c.id == membership.c.list_id)
        .join(organisation, organisation.c.id == mailing_list.c.organisation_id)
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
    """Leave every list the delivery came through; None when none was left to leave.

    Memberships, the unsubscription and what it left are written together. Senders stop for the
    rows of `unsubscription`; deliveries that are due are theirs to skip.
    """
    # Locked in one order, so that two tokens of one person cannot wait for each other
    # (PostgreSQL; SQLite has one writer at a time).
    leaving = connection.execute(
        select(membership.c.list_id, membership.c.supporter_id)
        .where(
            membership.c.state == MembershipState.SUBSCRIBED,
            _routes(connection, delivery_id, supporter_id),
        )
        .order_by(membership.c.list_id, membership.c.supporter_id)
        .with_for_update()
    ).all()
    memberships = tuple((row.list_id, row.supporter_id) for row in leaving)
    if not memberships:
        return None
    connection.execute(
        update(membership)
        .where(_among(memberships))
        .values(state=MembershipState.LEFT, left_at=now)
    )
    keep_ids_in_order(connection)
    # One person has one digest in all organisations: that of any row left will do.
    digest = connection.execute(
        select(supporter.c.address_digest).where(supporter.c.id == memberships[0][1])
    ).scalar_one()
    unsubscription_id = connection.execute(
        unsubscription.insert()
        .values(
            at=now,
            delivery_id=delivery_id,
            supporter_id=supporter_id,
            address_digest=digest,
            source=source.value,
        )
        .returning(unsubscription.c.id)
    ).scalar_one()
    connection.execute(
        unsubscription_list.insert(),
        [
            {"unsubscription_id": unsubscription_id, "list_id": list_id, "supporter_id": person}
            for list_id, person in memberships
        ],
    )
    return LeftLists(unsubscription_id, memberships)


def keep_ids_in_order(connection: Connection) -> None:
    """Let no other unsubscription be committed between this one's id and its commit.

    Senders ask for ids above the last they saw: one that came to light after a higher one would
    never be seen, and its person mailed. SQLite has one writer at a time as it is.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_ORDER_LOCK)))


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


def public_revision(connection: Connection, slug: str, now: datetime) -> PublicRevision | None:
    """Return the revision of the statement `slug` that the public may see; None while it may not.

    The one that was fixed for publication, from its hour on; else that of the mailing which
    started last. Loading a revision changes nothing here.
    """
    fixed = connection.execute(
        select(statement.c.id, statement.c.published_revision_id, statement.c.published_at).where(
            statement.c.slug == slug
        )
    ).one_or_none()
    if fixed is None:
        return None
    started = connection.execute(
        select(mailing.c.id, mailing.c.revision_id)
        .where(mailing.c.statement_id == fixed.id, mailing.c.started_at <= now)
        .order_by(mailing.c.started_at.desc(), mailing.c.id.desc())
        .limit(1)
    ).one_or_none()
    chain = _chain(connection, started.id) if started else ()
    if fixed.published_revision_id and fixed.published_at and fixed.published_at <= now:
        return PublicRevision(fixed.published_revision_id, chain)
    return PublicRevision(started.revision_id, chain) if started else None


def _chain(connection: Connection, mailing_id: int) -> tuple[str, ...]:
    targets = connection.execute(
        select(mailing_target.c.definition)
        .where(mailing_target.c.mailing_id == mailing_id)
        .order_by(mailing_target.c.position)
    ).scalars()
    languages = [
        language for document in targets for language in list_from_document(document).languages
    ]
    return tuple(dict.fromkeys(languages))


__all__ = [
    "LeftLists",
    "ListScope",
    "PublicRevision",
    "keep_ids_in_order",
    "leave_lists",
    "lists_to_leave",
    "lists_to_take_back",
    "may_leave",
    "may_take_back",
    "public_revision",
    "take_back",
]
