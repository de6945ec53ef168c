"""Decide what became of a delivery after the backup that has it as open.

In: the delivery as the backup has it, and what surviving journals say. Out: what it becomes. A
backup is a past state: what was due in it may have been sent since. Only a reply on record, or a
silence that is a proof, says otherwise; everything else is in doubt and never sent again unasked.
"""

from __future__ import annotations

from datetime import datetime

from mailer.delivery.survival import Survivors
from mailer.model.mailing import Mailing
from mailer.model.states import DeliveryState, MailingState, Outcome
from mailer.store.restoring import OpenDelivery, Settled

_PERMANENT = 500
_TRANSIENT = 400


def settled(one: OpenDelivery, survivors: Survivors) -> Settled | None:
    """Return what a delivery of the backup has become; None for a doubt that nothing is known of."""
    if one.state is DeliveryState.IN_DOUBT:
        return _settled_doubt(one, survivors)
    state: DeliveryState = one.state
    is_claimed = state is DeliveryState.SENDING
    first = one.attempts if is_claimed else one.attempts + 1
    attempt, reply = survivors.last.get(one.delivery_id, (0, None))
    if attempt < first:
        if survivors.silence_proves:
            # Its claim was never ended, or there was none: the attempt does not count.
            state = DeliveryState.DUE if is_claimed else state
            return Settled(one.delivery_id, state, first - 1)
        return Settled(one.delivery_id, DeliveryState.IN_DOUBT, first)
    if reply is None:
        outcome = Outcome.IN_DOUBT
        return Settled(one.delivery_id, DeliveryState.IN_DOUBT, attempt, outcome=outcome)
    known = (attempt, reply.code, reply.enhanced_code)
    if reply.code >= _PERMANENT:
        return Settled(one.delivery_id, DeliveryState.REFUSED, *known, Outcome.REFUSED)
    if reply.code >= _TRANSIENT:
        # A later attempt may be missing where silence is no proof.
        state = DeliveryState.DEFERRED if survivors.silence_proves else DeliveryState.IN_DOUBT
        return Settled(one.delivery_id, state, *known, Outcome.DEFERRED)
    return Settled(one.delivery_id, DeliveryState.ACCEPTED, *known, Outcome.ACCEPTED)


def _settled_doubt(one: OpenDelivery, survivors: Survivors) -> Settled | None:
    """Return what a doubt of the backup has become, which a person may have sent again since."""
    attempt, reply = survivors.last.get(one.delivery_id, (0, None))
    if attempt <= one.attempts:
        return None
    # After "later" a person decides anew: its mailing may have ended, and then nothing sends it.
    if reply is None or _TRANSIENT <= reply.code < _PERMANENT:
        return Settled(one.delivery_id, DeliveryState.IN_DOUBT, attempt)
    is_accepted = reply.code < _TRANSIENT
    return Settled(
        one.delivery_id,
        DeliveryState.ACCEPTED if is_accepted else DeliveryState.REFUSED,
        attempt,
        reply.code,
        reply.enhanced_code,
        Outcome.ACCEPTED if is_accepted else Outcome.REFUSED,
    )


def reason_to_hold(mailing: Mailing, made_at: datetime, now: datetime) -> str:
    """Return what is shown to the person who may release a mailing of a backup."""
    told = f"restored from a backup of {made_at:%Y-%m-%d %H:%M} UTC"
    not_frozen = mailing.started_at is None and mailing.due_at <= now
    if not_frozen or mailing.state is MailingState.FREEZING:
        return f"{told}; it may have gone to everybody since: cancel it unless you know that not"
    return f"{told}; see who was mailed before releasing"
