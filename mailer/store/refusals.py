"""Addresses that a relay refused while it was handed the mail: evidence, and what follows from it.

In: refusals that speak of the address, in the transaction that records them. Out: an event and a
finding for each, as of what comes back later, and suppressions: at once where nobody is there, and
where it lasts for the rest. Mails that are accepted cost nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from mailer.model.audience import SuppressionReason
from mailer.model.feedback import FeedbackClass, FeedbackEffect, FeedbackReason, MatchedBy
from mailer.model.feedback_policy import SoftBounce, SoftLimits, are_too_many, is_against_address
from mailer.model.mailing import Reply
from mailer.store.audience import SCOPE_ALL
from mailer.store.feedback import (
    SMTP_SOURCE,
    Finding,
    end_event,
    soft_bounces,
    store_event,
    write_finding,
)
from mailer.store.suppressions import Suppressed, suppress

#: What a suppression came from.
_SOURCE = "bounce"


@dataclass(frozen=True)
class RefusedAddress:
    """A refusal that speaks of the address."""

    address_digest: bytes
    delivery_id: int
    mailing_id: int | None
    attempt_number: int
    #: What is the matter.
    reason: FeedbackReason
    reply: Reply
    #: Without doubt nobody is there; None where it may pass.
    suppress: SuppressionReason | None
    soft_limits: SoftLimits


def note_refusals(
    connection: Connection, refusals: Sequence[RefusedAddress], now: datetime
) -> list[Suppressed]:
    """Write refusals of addresses with their evidence, and suppress those that are dead.

    Returns:
        Suppressions that are new or stronger than what stood, for `suppressions.log`.
    """
    barred: list[Suppressed] = []
    for one in refusals:
        event_id = f"{one.delivery_id}-{one.attempt_number}"
        event = store_event(connection, SMTP_SOURCE, event_id, now, None)
        if event.is_processed:
            continue
        reason = one.suppress or _if_it_lasts(connection, one, now)
        write_finding(
            connection,
            event.row_id,
            Finding(
                happened_at=now,
                kind=FeedbackClass.HARD if one.suppress else FeedbackClass.SOFT,
                reason=one.reason,
                status=one.reply.enhanced_code,
                smtp_code=one.reply.code,
                diagnostic=one.reply.text,
                matched_by=MatchedBy.VERP,
                effect=FeedbackEffect.SUPPRESSED if reason else FeedbackEffect.COUNTED,
                delivery_id=one.delivery_id,
                mailing_id=one.mailing_id,
                address_digest=one.address_digest,
            ),
        )
        end_event(connection, event.row_id, now)
        if reason is not None:
            barred.append(
                Suppressed(
                    one.address_digest,
                    SCOPE_ALL,
                    reason,
                    _SOURCE,
                    now,
                    delivery_id=one.delivery_id,
                )
            )
    return suppress(connection, barred)


def _if_it_lasts(
    connection: Connection, one: RefusedAddress, now: datetime
) -> SuppressionReason | None:
    if not is_against_address(one.reason, one.reply.enhanced_code):
        return None
    since = now - timedelta(days=one.soft_limits.looks_back_days)
    bounces = soft_bounces(connection, one.address_digest, since)
    too_many = are_too_many([*bounces, SoftBounce(now.date(), one.reason)], one.soft_limits)
    return SuppressionReason.SOFT_BOUNCES if too_many else None
