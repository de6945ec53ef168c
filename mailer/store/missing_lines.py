"""Which lines `suppressions.log` lacks, because it could not be written when they were due.

In: an unsubscription, or a refusal that suppressed, whose line is not on the disk. Out: the lines,
once they can be written. What is missing follows from unsubscriptions and findings themselves; only
where to begin is kept beside them.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, and_, func, select

from mailer.model.audience import MembershipState
from mailer.model.feedback import FeedbackEffect
from mailer.store.audience import SCOPE_ALL
from mailer.store.feedback import SMTP_SOURCE
from mailer.store.ordering import Ids, keep_ids_in_order
from mailer.store.settings import (
    LOG_LACKS_AFTER,
    LOG_LACKS_REFUSALS_AFTER,
    drop_setting,
    read_setting,
    write_setting,
)
from mailer.store.suppression_log import LogEntry, left_list
from mailer.store.suppressions import log_entries, standing
from mailer.store.tables import (
    feedback_event,
    feedback_finding,
    mailing_list,
    membership,
    organisation,
    setting,
    supporter,
    unsubscription,
    unsubscription_list,
)

_MISSING = select(setting.c.name).where(
    setting.c.name.in_((LOG_LACKS_AFTER, LOG_LACKS_REFUSALS_AFTER))
)
_SUPPRESSED = feedback_finding.c.effect == FeedbackEffect.SUPPRESSED


def are_missing(connection: Connection) -> bool:
    """Tell whether the log lacks lines."""
    return connection.execute(_MISSING).first() is not None


def note_missing(connection: Connection, unsubscription_id: int) -> None:
    """Write, in its transaction, that the line of an unsubscription is missing."""
    if read_setting(connection, LOG_LACKS_AFTER) is None:
        write_setting(connection, LOG_LACKS_AFTER, str(unsubscription_id - 1))


def note_missing_refusals(connection: Connection, delivery_ids: Collection[int]) -> None:
    """Write, in their transaction, that the lines of refusals which suppressed are missing."""
    found = select(func.min(feedback_finding.c.id)).where(
        feedback_finding.c.delivery_id.in_(delivery_ids), _SUPPRESSED
    )
    first = connection.execute(found).scalar()
    after = read_setting(connection, LOG_LACKS_REFUSALS_AFTER)
    # One with a lower id may come to light later than another's.
    if first is not None and (after is None or first <= int(after)):
        write_setting(connection, LOG_LACKS_REFUSALS_AFTER, str(first - 1))


def take_missing(connection: Connection, limit: int) -> tuple[list[LogEntry], bool]:
    """Return next lines that are missing, of so many events of each kind, and whether there are more.

    They count as written when the transaction is committed: append them in it. Whoever has come
    back to a list since has no line, since they are on it; nor has a suppression that was lifted.
    """
    # Who leaves meanwhile, or is suppressed, must not see that lines are missing when we have seen
    # all of them.
    keep_ids_in_order(connection, *Ids)
    left, more_left = _take_left(connection, limit)
    refused, more_refused = _take_refused(connection, limit)
    return [*left, *refused], more_left or more_refused


def _take_refused(connection: Connection, limit: int) -> tuple[list[LogEntry], bool]:
    after = read_setting(connection, LOG_LACKS_REFUSALS_AFTER)
    if after is None:
        return [], False
    rows = connection.execute(
        select(feedback_finding.c.id, feedback_finding.c.address_digest)
        .join(feedback_event, feedback_event.c.id == feedback_finding.c.event_id)
        .where(
            feedback_finding.c.id > int(after),
            _SUPPRESSED,
            feedback_event.c.source == SMTP_SOURCE,
        )
        .order_by(feedback_finding.c.id)
        .limit(limit)
    ).all()
    has_more = len(rows) == limit
    if has_more:
        write_setting(connection, LOG_LACKS_REFUSALS_AFTER, str(rows[-1].id))
    else:
        drop_setting(connection, LOG_LACKS_REFUSALS_AFTER)
    lines = [
        line
        for digest in dict.fromkeys(row.address_digest for row in rows)
        for one in standing(connection, digest, [SCOPE_ALL])
        for line in log_entries(connection, [one], one.since)
    ]
    return lines, has_more


def _take_left(connection: Connection, limit: int) -> tuple[list[LogEntry], bool]:
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
