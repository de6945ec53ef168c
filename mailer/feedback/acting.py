"""Do what follows from what an event says: once for each mail and kind, with the evidence on record.

In: an event, what it says of whom, and the mail of ours it is about. Out: findings, and what they
come to: suppressions, lists left, counts, doubts settled, a mailing paused, staff told. All of it is
written in the caller's transaction, which ends only when `suppressions.log` has its lines. Policy is
in `mailer.model.feedback_policy`. Standards: RFC 3464 §2.3, RFC 5965.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from mailer.alerts import judge_and_pause, mails_come_back
from mailer.model.audience import SuppressionReason, UnsubscriptionSource
from mailer.model.breaker import Ending
from mailer.model.feedback import (
    Feedback,
    FeedbackClass,
    FeedbackEffect,
    FeedbackFinding,
    FeedbackReason,
    MatchedBy,
)
from mailer.model.feedback_policy import Decision, Said, SoftLimits, decide
from mailer.model.service import TO_SUPPORTERS
from mailer.model.states import Settlement
from mailer.model.tallies import HourEvent
from mailer.store.audience import SCOPE_ALL
from mailer.store.doubts import settle_doubts
from mailer.store.engine import Connection
from mailer.store.feedback import (
    Done,
    Finding,
    SentMail,
    count_feedback,
    delivery_on_record,
    done_for,
    service_mail_on_record,
    soft_bounces,
    write_finding,
)
from mailer.store.leaving import Leaver, leave_all, lists_to_leave
from mailer.store.mailings import load_mailing
from mailer.store.ordering import Ids, keep_ids_in_order
from mailer.store.outcomes import Counted, count_endings
from mailer.store.suppression_log import LogEntry
from mailer.store.suppressions import Suppressed, log_entries, suppress
from mailer.store.tallies import add_events

#: Who settled a doubt, where no person did.
_BY_REPORT = "report"
#: What a suppression came from.
_SOURCES = {SuppressionReason.COMPLAINED: "complaint"}
_BOUNCE = "bounce"

#: What is counted in the hour in which it is taken.
_EVENTS = {
    FeedbackClass.HARD: HourEvent.HARD_BOUNCE,
    FeedbackClass.SOFT: HourEvent.SOFT_BOUNCE,
    FeedbackClass.COMPLAINT: HourEvent.COMPLAINT,
}

#: Rows that may come of what is said. Nothing else changes anybody: providers tell of every mail
#: that was delivered.
_MAY_WRITE = {
    FeedbackClass.HARD: Ids.SUPPRESSIONS,
    FeedbackClass.SOFT: Ids.SUPPRESSIONS,
    FeedbackClass.COMPLAINT: Ids.SUPPRESSIONS,
    FeedbackClass.OPT_OUT: Ids.UNSUBSCRIPTIONS,
}

#: Address as a message writes it → its digest; None for what is no address.
DigestOf = Callable[[str], bytes | None]


@dataclass(frozen=True)
class Told:
    """One event: what it says, and when."""

    event_row_id: int
    feedback: Feedback
    #: By the provider's word; never later than it came.
    happened_at: datetime


@dataclass(frozen=True)
class _Heard:
    """A finding with whom it names."""

    finding: FeedbackFinding
    #: Of the address that it names; None when it names none.
    named: bytes | None


def act(
    connection: Connection, told: Told, digest_of: DigestOf, limits: SoftLimits, now: datetime
) -> list[LogEntry]:
    """Write what an event says, and do what follows; return what `suppressions.log` is to say.

    A report that is tied to a mail by nothing but an address is written, and changes nothing.
    """
    if told.feedback.match.by is not MatchedBy.NOTHING:
        # A complaint and a wish to leave may stand in one report, the one or the other first.
        kinds = {one.kind for one in told.feedback.findings} & _MAY_WRITE.keys()
        keep_ids_in_order(connection, *(_MAY_WRITE[kind] for kind in kinds))
    heard = [_Heard(one, _named(one, digest_of)) for one in told.feedback.findings]
    mail = _mail_of(connection, told.feedback, now)
    if mail is None:
        for one in heard:
            _write(connection, told, one, FeedbackEffect.STORED)
        return []
    # Whom it is about first: what counts once for each mail is then counted by what is theirs.
    heard.sort(key=lambda one: not _is_theirs(one, mail))
    actor = _Actor(connection, told, mail, limits, now)
    for one in heard:
        actor.act(one)
    return actor.lines


def _named(finding: FeedbackFinding, digest_of: DigestOf) -> bytes | None:
    """Return whom a finding names: whom the mail was for before it was forwarded, where it says so."""
    # RFC 3464 §2.3.1: the original recipient is the one that the sender knows.
    return digest_of(finding.original_recipient) or digest_of(finding.recipient)


def _is_theirs(heard: _Heard, mail: SentMail) -> bool:
    return heard.named is None or heard.named == mail.address_digest


def _mail_of(connection: Connection, feedback: Feedback, now: datetime) -> SentMail | None:
    match = feedback.match
    if match.service_id is not None:
        return service_mail_on_record(connection, match.service_id)
    if match.delivery_id is None:
        return None
    seen = delivery_on_record(connection, match.delivery_id)
    if seen is not None and seen.is_in_doubt and _prove_taken(feedback):
        # Before the delivery is locked: whoever settles locks its mailing first.
        found = load_mailing(connection, seen.mailing_id or 0)
        settle_doubts(connection, found, [match.delivery_id], Settlement.REPORTED, _BY_REPORT, now)
    return delivery_on_record(connection, match.delivery_id, lock=True)


def _prove_taken(feedback: Feedback) -> bool:
    return any(Said(one.kind).proves_taken for one in feedback.findings)


def _write(
    connection: Connection,
    told: Told,
    heard: _Heard,
    effect: FeedbackEffect,
    mail: SentMail | None = None,
) -> None:
    one, match = heard.finding, told.feedback.match
    write_finding(
        connection,
        told.event_row_id,
        Finding(
            happened_at=told.happened_at,
            kind=one.kind,
            reason=one.reason,
            status=one.status,
            smtp_code=one.smtp_code,
            diagnostic=one.diagnostic,
            matched_by=told.feedback.matched_by(one),
            effect=effect,
            delivery_id=match.delivery_id,
            service_id=match.service_id,
            mailing_id=mail.mailing_id if mail else None,
            address_digest=mail.address_digest if mail else heard.named,
        ),
    )


class _Actor:
    """Acts on the findings of one event about one mail of ours."""

    def __init__(
        self,
        connection: Connection,
        told: Told,
        mail: SentMail,
        limits: SoftLimits,
        now: datetime,
    ) -> None:
        self._connection = connection
        self._told = told
        self._mail = mail
        self._limits = limits
        self._now = now
        #: What `suppressions.log` is to say.
        self.lines: list[LogEntry] = []

    def act(self, heard: _Heard) -> None:
        """Do what follows from one finding, and write it."""
        done = done_for(self._connection, self._mail)
        decision = self._decide(heard, done)
        effects = [
            self._bar(decision, heard.finding.kind, done),
            self._leave(decision, heard.finding.kind, done),
            self._count(decision, heard.finding, done),
        ]
        effect = next((one for one in effects if one is not None), FeedbackEffect.STORED)
        _write(self._connection, self._told, heard, effect, self._mail)
        if effect is not FeedbackEffect.STORED and decision.ending and self._mail.mailing_id:
            judge_and_pause(self._connection, self._mail.mailing_id, self._now)

    def _decide(self, heard: _Heard, done: Done) -> Decision:
        mail, finding = self._mail, heard.finding
        if mail.service_id is not None and mail.purpose not in TO_SUPPORTERS:
            # What comes back of the others is about staff.
            return Decision()
        said = Said(finding.kind, finding.reason, finding.status, _is_theirs(heard, mail))
        since = self._told.happened_at - timedelta(days=self._limits.looks_back_days)
        # What bounced once already says nothing new of the address.
        earlier = (
            soft_bounces(self._connection, mail.address_digest, since)
            if said.is_bounce and not done.bounced
            else []
        )
        return decide(said, earlier, self._told.happened_at.date(), self._limits)

    def _bar(self, decision: Decision, kind: FeedbackClass, done: Done) -> FeedbackEffect | None:
        if decision.suppress is None or kind in done.changed:
            return None
        entry = Suppressed(
            self._mail.address_digest,
            SCOPE_ALL,
            decision.suppress,
            _SOURCES.get(decision.suppress, _BOUNCE),
            self._now,
            delivery_id=self._mail.delivery_id,
        )
        changed = suppress(self._connection, [entry])
        self.lines += log_entries(self._connection, changed, self._now)
        return FeedbackEffect.SUPPRESSED

    def _leave(self, decision: Decision, kind: FeedbackClass, done: Done) -> FeedbackEffect | None:
        mail = self._mail
        if not decision.leaves_lists or kind in done.changed or mail.delivery_id is None:
            return None
        leaver = Leaver(mail.delivery_id, mail.supporter_id, UnsubscriptionSource.MAIL)
        (scopes,) = lists_to_leave(self._connection, [leaver])
        self.lines += [one.line(self._now) for one in scopes]
        leave_all(self._connection, [leaver], self._now)
        count_feedback(self._connection, mail.mailing_id or 0, kind, FeedbackReason.NONE)
        return FeedbackEffect.UNSUBSCRIBED

    def _count(
        self, decision: Decision, finding: FeedbackFinding, done: Done
    ) -> FeedbackEffect | None:
        """Count a delivery once as bounced and once as complained of; tell staff what is theirs."""
        mail, ending = self._mail, decision.ending
        is_counted = done.bounced if ending is Ending.BOUNCED else finding.kind in done.counted
        if ending is None or is_counted or mail.mailing_id is None:
            return None
        key = Counted(mail.mailing_id, mail.relay, mail.domain_class, ending, decision.reason)
        count_endings(self._connection, {key: 1})
        if finding.kind in _EVENTS:
            add_events(self._connection, mail.mailing_id, _EVENTS[finding.kind], self._now)
        count = count_feedback(self._connection, mail.mailing_id, finding.kind, finding.reason)
        if not decision.tells_staff or count > 1:
            return FeedbackEffect.COUNTED
        found = load_mailing(self._connection, mail.mailing_id)
        mails_come_back(self._connection, found.key, self._now, finding.reason, finding.diagnostic)
        return FeedbackEffect.TOLD_STAFF
