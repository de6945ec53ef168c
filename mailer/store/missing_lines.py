"""Which lines `suppressions.log` lacks, because it could not be written when somebody left.

In: an unsubscription whose line is not on the disk. Out: the lines, once they can be written. What
is missing follows from the unsubscriptions themselves; only where to begin is kept beside them.
"""

from __future__ import annotations

from sqlalchemy import Connection, and_, select

from mailer.model.audience import MembershipState
from mailer.store.leaving import keep_ids_in_order
from mailer.store.settings import LOG_LACKS_AFTER, drop_setting, read_setting, write_setting
from mailer.store.suppression_log import LogEntry, left_list
from mailer.store.tables import (
    mailing_list,
    membership,
    organisation,
    supporter,
    unsubscription,
    unsubscription_list,
)


def are_missing(connection: Connection) -> bool:
    """Tell whether the log lacks lines."""
    return read_setting(connection, LOG_LACKS_AFTER) is not None


def note_missing(connection: Connection, unsubscription_id: int) -> None:
    """Write, in its transaction, that the line of an unsubscription is missing."""
    if not are_missing(connection):
        write_setting(connection, LOG_LACKS_AFTER, str(unsubscription_id - 1))


def take_missing(connection: Connection, limit: int) -> tuple[list[LogEntry], bool]:
    """Return the next lines that are missing, of so many unsubscriptions, and whether there are more.

    They count as written when the transaction is committed: append them in it. Whoever has come
    back to a list since has no line: they are on it.
    """
    # Who leaves meanwhile must not see that lines are missing when we have seen all of them.
    keep_ids_in_order(connection)
    after = read_setting(connection, LOG_LACKS_AFTER)
    if after is None:
        return [], False
    numbers = (
        connection.execute(
            select(unsubscription.c.id)
            .where(unsubscription.c.id > int(after))
            .order_by(unsubscription.c.id)
            .limit(limit)
        )
        .scalars()
        .all()
    )
    has_more = len(numbers) == limit
    if has_more:
        write_setting(connection, LOG_LACKS_AFTER, str(numbers[-1]))
    else:
        drop_setting(connection, LOG_LACKS_AFTER)
    rows = connection.execute(
        select(
            unsubscription.c.at,
            supporter.c.address_digest,
            organisation.c.key.label("owner"),
            mailing_list.c.key,
        )
        .select_from(unsubscription)
        .join(unsubscription_list, unsubscription_list.c.unsubscription_id == unsubscription.c.id)
        .join(
            membership,
            and_(
                membership.c.list_id == unsubscription_list.c.list_id,
                membership.c.supporter_id == unsubscription_list.c.supporter_id,
                membership.c.state == MembershipState.LEFT,
                membership.c.left_at == unsubscription.c.at,
            ),
        )
        .join(supporter, supporter.c.id == membership.c.supporter_id)
        .join(mailing_list, mailing_list.c.id == membership.c.list_id)
        .join(organisation, organisation.c.id == mailing_list.c.organisation_id)
        .where(unsubscription.c.id > int(after), unsubscription.c.id <= max(numbers, default=0))
        .order_by(unsubscription.c.id, mailing_list.c.id)
    )
    lines = [left_list(row.at, row.address_digest, row.owner, row.key) for row in rows]
    return lines, has_more
