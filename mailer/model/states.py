"""States of a mailing and of a delivery, and the one table of allowed transitions for each.

In: nothing. Out: enums whose values are what the database stores. A transition that is not in the
table raises `ForbiddenTransition`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class MailingState(StrEnum):
    """Where a mailing stands."""

    #: Being written; nothing is scheduled.
    DRAFT = "draft"
    #: Waiting for approvers.
    IN_REVIEW = "in_review"
    #: Approved; not yet scheduled.
    APPROVED = "approved"
    #: Due at its hour.
    SCHEDULED = "scheduled"
    #: The audience is being fixed, range by range; nothing is sent yet.
    FREEZING = "freezing"
    #: Deliveries are being sent.
    RUNNING = "running"
    #: Stopped by a person, or by itself beyond a limit; what is open is finished, nothing new starts.
    PAUSED = "paused"
    #: Waits for a person: too late, larger than what was confirmed, or its mails cannot be made.
    HELD = "held"
    #: Ended by a person before everyone was mailed.
    CANCELLED = "cancelled"
    #: Every delivery has its outcome or reason.
    FINISHED = "finished"


class DeliveryState(StrEnum):
    """Where one delivery stands."""

    #: To be sent at `next_attempt_at`.
    DUE = "due"
    #: Claimed by a sender process; committed before any DATA is written.
    SENDING = "sending"
    #: The relay said 250 after the end of DATA.
    ACCEPTED = "accepted"
    #: The relay said 4yz; waits for its next attempt.
    DEFERRED = "deferred"
    #: The relay said 5yz, or the attempts grew too old.
    REFUSED = "refused"
    #: The connection or process died between the end of DATA and the reply.
    IN_DOUBT = "in_doubt"
    #: Not mailed, with a `SkipReason`.
    SKIPPED = "skipped"
    #: The mailing was cancelled first.
    CANCELLED = "cancelled"


#: Deliveries whose outcome is still to come.
OPEN_STATES = (DeliveryState.DUE, DeliveryState.DEFERRED, DeliveryState.SENDING)


class SkipReason(StrEnum):
    """Why someone on the chosen lists was not mailed; each has a count in every report."""

    #: The address is on the suppression list.
    SUPPRESSED = "suppressed"
    #: No consent is on record, or it was withdrawn after freezing.
    NO_CONSENT = "no_consent"
    #: Every edition is in a language the person never wants.
    NO_ACCEPTABLE_EDITION = "no_acceptable_edition"
    #: Outside the segment, or inside the exclusion.
    EXCLUDED = "excluded"
    #: The same address came through another list or organisation; mailed once.
    DUPLICATE_ADDRESS = "duplicate_address"
    #: The person asked for a pause.
    SUPPORTER_PAUSED = "supporter_paused"
    #: The person wants urgent appeals only.
    ONLY_URGENT = "only_urgent"
    #: The person chose other topics.
    TOPIC_NOT_CHOSEN = "topic_not_chosen"
    #: The address needs SMTPUTF8 and the relay does not offer it.
    EAI_UNSUPPORTED = "eai_unsupported"
    #: Marked discreet, and the discreet profile is not there yet.
    DISCREET_NOT_READY = "discreet_not_ready"
    #: The hour had passed and nobody released it.
    EXPIRED = "expired"


class Outcome(StrEnum):
    """What one attempt came to."""

    #: 250 after the end of DATA.
    ACCEPTED = "accepted"
    #: Transient; to be tried again.
    DEFERRED = "deferred"
    #: Permanent for this message.
    REFUSED = "refused"
    #: Unknown, and not knowable from here.
    IN_DOUBT = "in_doubt"


class Settlement(StrEnum):
    """What was decided about a delivery in doubt."""

    #: It is due again. Who got the first mail gets a second copy.
    RESEND = "resend"
    #: It counts as accepted, though no relay said so. Who did not get it gets nothing.
    TAKE_AS_SENT = "take_as_sent"
    #: A report with our token came back: the relay had taken it.
    REPORTED = "reported"


class ForbiddenTransition(Exception):
    """A state change that the table does not allow."""

    def __init__(self, current: StrEnum, wanted: StrEnum) -> None:
        #: The state it stands in.
        self.current = current
        #: The state that was asked for.
        self.wanted = wanted
        super().__init__(f"cannot go from {current.value} to {wanted.value}")


_M = MailingState
MAILING_TRANSITIONS: Mapping[MailingState, frozenset[MailingState]] = {
    _M.DRAFT: frozenset({_M.IN_REVIEW, _M.APPROVED, _M.SCHEDULED, _M.CANCELLED}),
    _M.IN_REVIEW: frozenset({_M.DRAFT, _M.APPROVED, _M.CANCELLED}),
    _M.APPROVED: frozenset({_M.DRAFT, _M.SCHEDULED, _M.CANCELLED}),
    _M.SCHEDULED: frozenset({_M.FREEZING, _M.HELD, _M.PAUSED, _M.CANCELLED}),
    _M.FREEZING: frozenset({_M.RUNNING, _M.HELD, _M.PAUSED, _M.CANCELLED, _M.FINISHED}),
    _M.RUNNING: frozenset({_M.PAUSED, _M.HELD, _M.CANCELLED, _M.FINISHED}),
    _M.PAUSED: frozenset({_M.SCHEDULED, _M.FREEZING, _M.RUNNING, _M.HELD, _M.CANCELLED}),
    _M.HELD: frozenset({_M.SCHEDULED, _M.FREEZING, _M.RUNNING, _M.CANCELLED}),
    # A late reply, bounce or resolved doubt changes deliveries, never these two.
    _M.CANCELLED: frozenset(),
    # A doubt resolved with "resend" opens the mailing again.
    _M.FINISHED: frozenset({_M.RUNNING}),
}

_D = DeliveryState
DELIVERY_TRANSITIONS: Mapping[DeliveryState, frozenset[DeliveryState]] = {
    _D.DUE: frozenset({_D.SENDING, _D.SKIPPED, _D.CANCELLED}),
    # Back to due only when the journal proves that the end of DATA was never written.
    _D.SENDING: frozenset(
        {_D.DUE, _D.ACCEPTED, _D.DEFERRED, _D.REFUSED, _D.IN_DOUBT, _D.SKIPPED, _D.CANCELLED}
    ),
    _D.ACCEPTED: frozenset(),
    _D.DEFERRED: frozenset({_D.SENDING, _D.REFUSED, _D.SKIPPED, _D.CANCELLED}),
    _D.REFUSED: frozenset(),
    # Settled by a person, or by a later report that carries our token.
    _D.IN_DOUBT: frozenset({_D.DUE, _D.ACCEPTED, _D.REFUSED}),
    _D.SKIPPED: frozenset(),
    _D.CANCELLED: frozenset(),
}


def check_mailing_transition(current: MailingState, wanted: MailingState) -> None:
    """Refuse a change of a mailing's state that the table does not allow.

    Raises:
        ForbiddenTransition: when it is not in `MAILING_TRANSITIONS`.
    """
    if wanted not in MAILING_TRANSITIONS[current]:
        raise ForbiddenTransition(current, wanted)


def states_before(wanted: DeliveryState) -> tuple[DeliveryState, ...]:
    """Return the states from which a delivery may become `wanted`, for the WHERE of an UPDATE."""
    return tuple(state for state, nexts in DELIVERY_TRANSITIONS.items() if wanted in nexts)
