"""Counts as they should be, counted anew from the rows, for tests that write rows by themselves."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import delete, func, select, update

from mailer.model.states import DeliveryState, Settlement
from mailer.model.tallies import HourEvent, hour_of
from mailer.store.tables import (
    attempt,
    delivery,
    delivery_list,
    feedback_event,
    feedback_finding,
    mailing,
    outcome_count,
    settlement,
    unsubscription,
)
from mailer.store.tables_tallies import delivery_tally, hour_tally
from mailer.store.tallies import standing


def counted_deliveries(connection):
    """Return the counts of deliveries that the database keeps."""
    rows = connection.execute(delivery_tally.select().where(delivery_tally.c.deliveries != 0))
    return {tuple(row)[:-1]: row.deliveries for row in rows}


def deliveries_there(connection):
    """Return what they should be."""
    columns = delivery.c
    key = (columns.mailing_id, columns.list_id, columns.language, columns.state,
           columns.skip_reason, columns.code, columns.enhanced_code)  # fmt: skip
    found = Counter()
    for *cell, state, reason, code, enhanced, count in connection.execute(
        select(*key, func.count()).group_by(*key)
    ):
        mailing_id, list_id, language = cell
        what = standing(state, reason, code, enhanced)
        found[mailing_id, list_id, language or "", *what] += count
    return dict(found)


def counted_hours(connection):
    """Return the counts of hours that the database keeps."""
    rows = connection.execute(hour_tally.select().where(hour_tally.c.happened != 0))
    return {tuple(row)[:-1]: row.happened for row in rows}


def hours_there(connection):
    """Return what they should be, as long as nothing is cleared away."""
    found = Counter()
    by_word = select(settlement.c.delivery_id).where(settlement.c.decision != Settlement.RESEND)
    ended = select(delivery).where(
        delivery.c.state.in_([DeliveryState.ACCEPTED, DeliveryState.REFUSED]),
        delivery.c.finished_at.is_not(None),
        delivery.c.id.not_in(by_word),
    )
    for row in connection.execute(ended):
        found[row.mailing_id, hour_of(row.finished_at), HourEvent(row.state.value)] += 1
    left = (
        select(unsubscription.c.at, delivery.c.mailing_id)
        .join(delivery, delivery.c.id == unsubscription.c.delivery_id)
        .where(unsubscription.c.undone_at.is_(None))
    )
    for row in connection.execute(left):
        found[row.mailing_id, hour_of(row.at), HourEvent.UNSUBSCRIBED] += 1
    back = (
        select(feedback_finding, feedback_event.c.received_at)
        .join(feedback_event, feedback_event.c.id == feedback_finding.c.event_id)
        .where(feedback_event.c.source != "smtp", feedback_finding.c.effect != "stored")
        .order_by(feedback_finding.c.id)
    )
    events = {"hard": HourEvent.HARD_BOUNCE, "soft": HourEvent.SOFT_BOUNCE,
              "complaint": HourEvent.COMPLAINT}  # fmt: skip
    seen = set()
    for row in connection.execute(back):
        once = (row.delivery_id, row.kind.value == "complaint")
        if row.kind.value in events and row.mailing_id and once not in seen:
            seen.add(once)
            found[row.mailing_id, hour_of(row.received_at), events[row.kind.value]] += 1
    return dict(found)


def memberships_differ(connection):
    """Return the mailings whose memberships are not as many as their deliveries came through."""
    there = (
        select(func.count())
        .select_from(delivery_list)
        .join(delivery, delivery.c.id == delivery_list.c.delivery_id)
        .where(delivery.c.mailing_id == mailing.c.id)
        .scalar_subquery()
    )
    rows = connection.execute(select(mailing.c.id).where(mailing.c.memberships != there))
    return list(rows.scalars())


def recount(connection):
    """Count deliveries and attempts anew that a test wrote by itself."""
    connection.execute(delete(delivery_tally))
    for key, count in deliveries_there(connection).items():
        connection.execute(delivery_tally.insert().values((*key, count)))
    lists = (
        select(func.count())
        .select_from(delivery_list)
        .join(delivery, delivery.c.id == delivery_list.c.delivery_id)
        .where(delivery.c.mailing_id == mailing.c.id)
    )
    connection.execute(update(mailing).values(memberships=lists.scalar_subquery()))


def count_attempts(connection, mailing_id):
    """Count attempts of a mailing that a test wrote by itself, as `record` counts them."""
    rows = connection.execute(
        select(
            delivery.c.mailing_id, attempt.c.relay, delivery.c.domain_class, attempt.c.outcome,
            func.count(),
        )
        .join(delivery, delivery.c.id == attempt.c.delivery_id)
        .where(delivery.c.mailing_id == mailing_id)
        .group_by(
            delivery.c.mailing_id, attempt.c.relay, delivery.c.domain_class, attempt.c.outcome
        )
    ).all()  # fmt: skip
    for mailing_id, relay, domain_class, outcome, count in rows:
        connection.execute(
            outcome_count.insert().values(
                mailing_id=mailing_id, relay=relay, domain_class=domain_class,
                ending=outcome.value, reason="", deliveries=count,
            )
        )  # fmt: skip
