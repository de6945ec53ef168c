"""What undoing an import reads and writes: batches, what they found, and what refers to it since.

In: a batch. Out: its changes, some at a time; each is forgotten in the transaction that undid it,
so that an undoing that was killed goes on where it stood.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, delete, select, union, update

from mailer.model.audience import MembershipState
from mailer.store.audience import insert_or_ignore
from mailer.store.tables import (
    delivery,
    delivery_list,
    import_batch,
    import_change,
    mailing,
    mailing_list,
    membership,
    membership_topic,
    supporter,
    supporter_attribute,
    supporter_tag,
    unsubscription,
)


def keep_changes(connection: Connection, batch_id: int, before: Mapping[int, bytes | None]) -> None:
    """Keep what an import found, by supporter; the first time in a file is what counts."""
    if before:
        connection.execute(
            insert_or_ignore(connection, import_change),
            [
                {"batch_id": batch_id, "supporter_id": who, "before_sealed": sealed}
                for who, sealed in before.items()
            ],
        )


def batches(connection: Connection) -> Sequence[Any]:
    """Return all imports with the key of their list, the newest first."""
    return connection.execute(
        select(import_batch, mailing_list.c.key, mailing_list.c.organisation_id)
        .join(mailing_list, mailing_list.c.id == import_batch.c.list_id)
        .order_by(import_batch.c.id.desc())
    ).all()


def later_batches(connection: Connection, batch_id: int) -> list[int]:
    """Return the later imports that changed somebody whom this one changed."""
    mine = import_change.alias()
    query = (
        select(import_change.c.batch_id)
        .join(mine, mine.c.supporter_id == import_change.c.supporter_id)
        .where(mine.c.batch_id == batch_id, import_change.c.batch_id > batch_id)
        .distinct()
        .order_by(import_change.c.batch_id.desc())
    )
    return list(connection.execute(query).scalars())


def changes_of(connection: Connection, batch_id: int, limit: int) -> Sequence[Any]:
    """Return some changes of an import with the supporter as they are now, locked."""
    some = (
        select(import_change.c.supporter_id)
        .where(import_change.c.batch_id == batch_id)
        .order_by(import_change.c.supporter_id)
        .limit(limit)
    )
    # PostgreSQL locks no row that may be missing, as one side of an outer join may.
    connection.execute(
        select(supporter.c.id)
        .where(supporter.c.id.in_(some))
        .order_by(supporter.c.id)
        .with_for_update()
    ).all()
    return connection.execute(
        select(import_change, supporter.c.updated_at, supporter.c.id.label("known"))
        .outerjoin(supporter, supporter.c.id == import_change.c.supporter_id)
        .where(import_change.c.batch_id == batch_id)
        .order_by(import_change.c.supporter_id)
        .limit(limit)
    ).all()


def remove_members(connection: Connection, batch_id: int, ids: Collection[int]) -> None:
    """Take off the list whom this import put on it; who left since stays on record as gone."""
    brought = (
        membership.c.batch_id == batch_id,
        membership.c.supporter_id.in_(ids),
        membership.c.state == MembershipState.SUBSCRIBED,
    )
    # An import is of one list, and so are the topics that it brought.
    of_list = select(import_batch.c.list_id).where(import_batch.c.id == batch_id).scalar_subquery()
    connection.execute(
        delete(membership_topic).where(
            membership_topic.c.list_id == of_list,
            membership_topic.c.supporter_id.in_(select(membership.c.supporter_id).where(*brought)),
        )
    )
    connection.execute(delete(membership).where(*brought))


def referred_to(connection: Connection, ids: Collection[int]) -> set[int]:
    """Return who of them a list, a mailing or an unsubscription refers to."""
    referring = (membership, unsubscription)
    query = union(
        *(select(table.c.supporter_id).where(table.c.supporter_id.in_(ids)) for table in referring),
        # Each row that a delivery came by is on its lists, the one that was merged among them.
        select(delivery_list.c.supporter_id)
        .select_from(supporter)
        .join(
            delivery,
            and_(
                # By (mailing, address), which is an index.
                delivery.c.mailing_id.in_(select(mailing.c.id)),
                delivery.c.address_digest == supporter.c.address_digest,
            ),
        )
        .join(delivery_list, delivery_list.c.delivery_id == delivery.c.id)
        .where(supporter.c.id.in_(ids), delivery_list.c.supporter_id == supporter.c.id),
    )
    return set(connection.execute(query).scalars())


def remove_supporters(connection: Connection, ids: Collection[int]) -> None:
    """Delete supporters to whom nothing refers."""
    for table in (supporter_tag, supporter_attribute, membership_topic):
        connection.execute(delete(table).where(table.c.supporter_id.in_(ids)))
    connection.execute(delete(supporter).where(supporter.c.id.in_(ids)))


def restore_supporter(
    connection: Connection,
    supporter_id: int,
    columns: Mapping[str, object],
    tags: Collection[str],
    clear: Mapping[str, Mapping[str, object]],
) -> None:
    """Put a supporter's columns, tags and clear attributes back."""
    connection.execute(update(supporter).where(supporter.c.id == supporter_id).values(**columns))
    for table in (supporter_tag, supporter_attribute):
        connection.execute(delete(table).where(table.c.supporter_id == supporter_id))
    if tags:
        connection.execute(
            supporter_tag.insert(), [{"supporter_id": supporter_id, "tag": tag} for tag in tags]
        )
    if clear:
        connection.execute(
            supporter_attribute.insert(),
            [{"supporter_id": supporter_id, "name": name, **one} for name, one in clear.items()],
        )


def forget_changes(connection: Connection, batch_id: int, ids: Collection[int]) -> None:
    """Forget what an import found of these supporters: it is put back."""
    connection.execute(
        delete(import_change).where(
            import_change.c.batch_id == batch_id, import_change.c.supporter_id.in_(ids)
        )
    )


def end_undo(connection: Connection, batch_id: int, now: datetime) -> None:
    """Write that an import is undone; one that was broken off is ended with it."""
    connection.execute(
        update(import_batch).where(import_batch.c.id == batch_id).values(undone_at=now)
    )
    connection.execute(
        update(import_batch)
        .where(import_batch.c.id == batch_id, import_batch.c.finished_at.is_(None))
        .values(finished_at=now)
    )


def forget_old_changes(connection: Connection, before: datetime, limit: int) -> int:
    """Forget what imports from before a day found, some at a time: they can be undone no more."""
    old = select(import_batch.c.id).where(import_batch.c.started_at < before)
    connection.execute(
        update(import_batch)
        .where(import_batch.c.id.in_(old), import_batch.c.can_be_undone)
        .values(can_be_undone=False)
    )
    ids = connection.execute(
        select(import_change.c.batch_id, import_change.c.supporter_id)
        .where(import_change.c.batch_id.in_(old))
        .limit(limit)
    ).all()
    for row in ids:
        forget_changes(connection, row.batch_id, [row.supporter_id])
    return len(ids)


__all__ = [
    "batches",
    "changes_of",
    "end_undo",
    "forget_changes",
    "forget_old_changes",
    "keep_changes",
    "later_batches",
    "referred_to",
    "remove_members",
    "remove_supporters",
    "restore_supporter",
]
