"""Figures about a mailing, out of the counts that are kept of it, and its deliveries one by one.

In: a mailing's row id. Out: a `Report` and rows without anybody's name or address. What is counted
stands in `mailer.store.tallies` and `mailer.store.outcomes`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select

from mailer.model.audience import MembershipState
from mailer.model.breaker import Ending, RefusalReason
from mailer.model.states import OPEN_STATES, DeliveryState, Settlement, SkipReason
from mailer.model.tallies import HourEvent
from mailer.store.doubts import Doubt, doubts, settlements, taken_as_sent
from mailer.store.feedback import ReturnedMails, returned_mails
from mailer.store.outcomes import ENDINGS
from mailer.store.retention import check_deliveries_there, deliveries_gone_at
from mailer.store.tables import (
    delivery,
    mailing,
    mailing_list,
    mailing_target,
    membership,
    outcome_count,
    supporter,
)
from mailer.store.tables_tallies import delivery_tally, hour_tally

#: Rows fetched at a time where a mailing's deliveries are written out.
_PAGE = 1_000


@dataclass(frozen=True)
class Report:
    """What became of a mailing, in figures."""

    #: Deliveries by state; a state without any is not in it.
    by_state: dict[DeliveryState, int]
    #: Language of the edition → state → deliveries; those that are sending are due here.
    by_language: dict[str, dict[DeliveryState, int]]
    #: Key of the list a delivery is counted under → state → deliveries; likewise.
    by_list: dict[str, dict[DeliveryState, int]]
    #: Relay → accepted, deferred, refused and doubtful attempts.
    by_relay: dict[str, dict[str, int]]
    #: Why people on the lists were not mailed; every reason that occurred.
    not_mailed: dict[SkipReason, int]
    #: "550 5.1.1" → refused deliveries.
    refusals: dict[str, int]
    #: Memberships on the chosen lists at freezing, over all of them.
    memberships: int
    #: Deliveries in doubt, for a person to settle.
    in_doubt: tuple[Doubt, ...] = ()
    #: What was decided about those that were.
    settled: dict[Settlement, int] = field(default_factory=dict)
    #: What came back of it.
    returned: ReturnedMails = field(default_factory=ReturnedMails)
    #: Class of the addresses' domains → how attempts ended, and what came back of them later.
    by_domain_class: dict[str, dict[str, int]] = field(default_factory=dict)
    #: Relay → class of the addresses' domains → the attempts that `by_relay` counts.
    by_relay_and_class: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    #: Hour since 1970, UTC → what happened in it.
    over_time: dict[int, dict[HourEvent, int]] = field(default_factory=dict)
    #: From when on the deliveries are cleared away, and these are counts of what was.
    gone_at: datetime | None = None

    @property
    def people(self) -> int:
        """Return how many addresses the mailing has a delivery for, mailed or not."""
        return sum(self.by_state.values())

    @property
    def to_mail(self) -> int:
        """Return how many of them were or are to be mailed."""
        return self.people - self.by_state.get(DeliveryState.SKIPPED, 0)

    @property
    def taken_as_sent(self) -> int:
        """Return how many of the accepted ones are so by a person's word, not by a relay's."""
        return self.settled.get(Settlement.TAKE_AS_SENT, 0)

    @property
    def open(self) -> int:
        """Return how many still wait for their outcome."""
        return sum(self.by_state.get(state, 0) for state in OPEN_STATES)


def report(connection: Connection, mailing_id: int) -> Report:
    """Tell everything about one mailing, out of the counts that are kept of it."""
    keys = _list_keys(connection, mailing_id)
    by_state: dict[DeliveryState, int] = {}
    by_language: dict[str, dict[DeliveryState, int]] = {}
    by_list: dict[str, dict[DeliveryState, int]] = {}
    not_mailed: dict[SkipReason, int] = {}
    refusals: dict[str, int] = {}
    for one in _deliveries(connection, mailing_id):
        by_state[one.state] = by_state.get(one.state, 0) + one.deliveries
        _add(by_list, keys.get(one.list_id, str(one.list_id)), one.state, one.deliveries)
        if one.state is not DeliveryState.SKIPPED:
            _add(by_language, one.language, one.state, one.deliveries)
        elif one.skip_reason:
            reason = SkipReason(one.skip_reason)
            not_mailed[reason] = not_mailed.get(reason, 0) + one.deliveries
        if one.state is DeliveryState.REFUSED:
            reply = f"{one.code} {one.enhanced_code}".strip()
            refusals[reply] = refusals.get(reply, 0) + one.deliveries
    memberships = _memberships(connection, mailing_id)
    duplicates = memberships - sum(by_state.values())
    if duplicates > 0:
        # Beside those who came to an address that the mailing reached already.
        reason = SkipReason.DUPLICATE_ADDRESS
        not_mailed[reason] = not_mailed.get(reason, 0) + duplicates
    by_relay, by_domain_class, by_both = _by_way(connection, mailing_id)
    return Report(
        by_state=_with_sending(connection, mailing_id, by_state),
        by_language=dict(sorted(by_language.items())),
        by_list=by_list,
        by_relay=by_relay,
        by_domain_class=by_domain_class,
        by_relay_and_class=by_both,
        not_mailed=not_mailed,
        refusals=refusals,
        memberships=memberships,
        in_doubt=tuple(doubts(connection, mailing_id)),
        settled=settlements(connection, mailing_id),
        returned=returned_mails(connection, mailing_id),
        over_time=over_time(connection, mailing_id),
        gone_at=deliveries_gone_at(connection, mailing_id),
    )


def _deliveries(connection: Connection, mailing_id: int) -> Sequence[Row[Any]]:
    """Return the counts of a mailing's deliveries, those that are not none."""
    return connection.execute(
        select(delivery_tally).where(
            delivery_tally.c.mailing_id == mailing_id, delivery_tally.c.deliveries != 0
        )
    ).all()


def _with_sending(
    connection: Connection, mailing_id: int, counted: Mapping[DeliveryState, int]
) -> dict[DeliveryState, int]:
    """Tell those that are sending from those that are due, which are counted together.

    They are claims of a second or so, and looked up by the index.
    """
    sending: int = connection.execute(
        select(func.count()).where(
            delivery.c.state == DeliveryState.SENDING, delivery.c.mailing_id == mailing_id
        )
    ).scalar_one()
    found = dict(counted)
    if sending:
        found[DeliveryState.DUE] = found.get(DeliveryState.DUE, 0) - sending
        found[DeliveryState.SENDING] = sending
    return {state: count for state, count in found.items() if count}


def _add(
    table: dict[str, dict[DeliveryState, int]], key: str, state: DeliveryState, count: int
) -> None:
    row = table.setdefault(key, {})
    row[state] = row.get(state, 0) + count


def _list_keys(connection: Connection, mailing_id: int) -> dict[int, str]:
    rows = connection.execute(
        select(mailing_list.c.id, mailing_list.c.key)
        .join(mailing_target, mailing_target.c.list_id == mailing_list.c.id)
        .where(mailing_target.c.mailing_id == mailing_id)
    )
    return {row.id: row.key for row in rows}


def _memberships(connection: Connection, mailing_id: int) -> int:
    query = select(mailing.c.memberships).where(mailing.c.id == mailing_id)
    return int(connection.execute(query).scalar_one())


#: Ending → deliveries.
_Endings = dict[str, int]


def _by_way(
    connection: Connection, mailing_id: int
) -> tuple[dict[str, _Endings], dict[str, _Endings], dict[str, dict[str, _Endings]]]:
    """Return the ends of attempts by relay, by domain class with what came back later, and by both."""
    by_relay: dict[str, _Endings] = {}
    by_domain_class: dict[str, _Endings] = {}
    by_both: dict[str, dict[str, _Endings]] = {}
    for one in connection.execute(
        select(outcome_count).where(outcome_count.c.mailing_id == mailing_id)
    ):
        row = by_domain_class.setdefault(one.domain_class, {})
        row[one.ending.value] = row.get(one.ending.value, 0) + one.deliveries
        if one.ending in ENDINGS.values():
            # The last attempt before it was given up was deferred by the relay like the others.
            gave_up = one.reason is RefusalReason.GAVE_UP
            said = Ending.DEFERRED if gave_up else one.ending
            both = by_both.setdefault(one.relay, {}).setdefault(one.domain_class, {})
            for answers in (by_relay.setdefault(one.relay, {}), both):
                answers[said.value] = answers.get(said.value, 0) + one.deliveries
    return by_relay, by_domain_class, by_both


def over_time(connection: Connection, mailing_id: int) -> dict[int, dict[HourEvent, int]]:
    """Return hour by hour what happened; hours without anything are not in it.

    An hour is counted since 1970, UTC: `mailer.model.tallies` makes an instant of it.
    """
    found: dict[int, dict[HourEvent, int]] = {}
    for row in connection.execute(
        select(hour_tally)
        .where(hour_tally.c.mailing_id == mailing_id, hour_tally.c.happened != 0)
        .order_by(hour_tally.c.hour, hour_tally.c.event)
    ):
        found.setdefault(row.hour, {})[row.event] = row.happened
    return found


def doubts_by_mailing(connection: Connection, since: datetime | None = None) -> dict[str, int]:
    """Count the deliveries in doubt of every mailing that has any, by its key; the latest first.

    Args:
        connection: one that reads.
        since: leave out what was in doubt before.
    """
    chosen = [delivery.c.state == DeliveryState.IN_DOUBT]
    if since is not None:
        chosen.append(delivery.c.finished_at >= since)
    rows = connection.execute(
        select(mailing.c.key, func.count().label("count_"))
        .join(delivery, delivery.c.mailing_id == mailing.c.id)
        .where(*chosen)
        .group_by(mailing.c.key)
        .order_by(func.max(mailing.c.id).desc())
    )
    return {row.key: row.count_ for row in rows}


@dataclass(frozen=True)
class Progress:
    """How far a mailing is: cheap enough to ask for several times a second."""

    by_state: dict[DeliveryState, int]

    @property
    def total(self) -> int:
        """Return how many are or were to be mailed."""
        return sum(
            count for state, count in self.by_state.items() if state is not DeliveryState.SKIPPED
        )

    @property
    def done(self) -> int:
        """Return how many of them have their outcome."""
        return self.total - sum(self.by_state.get(state, 0) for state in OPEN_STATES)


def progress(connection: Connection, mailing_id: int) -> Progress:
    """Return the deliveries of a mailing by state, out of the counts that are kept of it."""
    rows = connection.execute(
        select(delivery_tally.c.state, func.sum(delivery_tally.c.deliveries).label("count_"))
        .where(delivery_tally.c.mailing_id == mailing_id)
        .group_by(delivery_tally.c.state)
    )
    counted = {row.state: int(row.count_) for row in rows}
    return Progress(_with_sending(connection, mailing_id, counted))


@dataclass(frozen=True)
class DeliveryRow:
    """One delivery as staff may export it: nobody's name or address."""

    delivery_id: int
    list_key: str
    language: str
    state: DeliveryState
    #: Why it was not mailed, or "take_as_sent" where it counts as accepted by a person's word.
    reason: str
    attempts: int
    relay: str
    code: int
    enhanced_code: str
    finished_at: datetime | None


def deliveries(connection: Connection, mailing_id: int) -> Iterator[DeliveryRow]:
    """Yield every delivery of a mailing in order of its id, a page at a time.

    Raises:
        DeliveriesGone: when they are cleared away.
    """
    check_deliveries_there(connection, mailing_id)
    keys = _list_keys(connection, mailing_id)
    by_word = taken_as_sent(connection, mailing_id)
    last = 0
    while True:
        page: list[Any] = list(
            connection.execute(
                select(delivery)
                .where(delivery.c.mailing_id == mailing_id, delivery.c.id > last)
                .order_by(delivery.c.id)
                .limit(_PAGE)
            )
        )
        if not page:
            return
        for row in page:
            yield DeliveryRow(
                delivery_id=row.id,
                list_key=keys.get(row.list_id, str(row.list_id)),
                language=row.language or "",
                state=row.state,
                reason=_reason(row.skip_reason, taken=row.id in by_word),
                attempts=row.attempts,
                relay=row.relay or "",
                code=row.code or 0,
                enhanced_code=row.enhanced_code or "",
                finished_at=row.finished_at,
            )
        last = page[-1].id


def _reason(skipped: SkipReason | None, *, taken: bool) -> str:
    if taken:
        return Settlement.TAKE_AS_SENT.value
    return skipped.value if skipped else ""


def example_delivery(connection: Connection, mailing_id: int) -> tuple[int, int] | None:
    """Return ids of one accepted delivery and its supporter, to show a link; None without any."""
    row = connection.execute(
        select(delivery.c.id, delivery.c.supporter_id)
        .where(delivery.c.mailing_id == mailing_id, delivery.c.state == DeliveryState.ACCEPTED)
        .order_by(delivery.c.id)
        .limit(1)
    ).one_or_none()
    return None if row is None else (row.id, row.supporter_id)


@dataclass(frozen=True)
class OnLists:
    """Who is on a mailing's lists now, counted apart from its deliveries."""

    #: Supporter × list, those who left not counted.
    memberships: int
    #: Distinct addresses among them.
    addresses: int


def on_lists(connection: Connection, mailing_id: int) -> OnLists:
    """Count the people on the lists of a mailing, to hold against its deliveries."""
    row = connection.execute(
        select(
            func.count().label("memberships"),
            func.count(func.distinct(supporter.c.address_digest)).label("addresses"),
        )
        .select_from(membership)
        .join(supporter, supporter.c.id == membership.c.supporter_id)
        .join(mailing_target, mailing_target.c.list_id == membership.c.list_id)
        .where(
            mailing_target.c.mailing_id == mailing_id,
            membership.c.state == MembershipState.SUBSCRIBED,
        )
    ).one()
    return OnLists(row.memberships, row.addresses)
