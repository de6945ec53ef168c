"""Turn the end of a transaction into what is written about it.

In: the deciding reply, or none. Out: a `Recorded` for the store, and once it is there a line of log.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from mailer.delivery.replies import Decision, Scope, Stage, classify
from mailer.delivery.retry import GiveUp, RetryPolicy, next_attempt
from mailer.delivery.session import Answer
from mailer.events import emit_each, scrub
from mailer.model.breaker import RefusalReason
from mailer.model.dead_addresses import trouble_with_address
from mailer.model.feedback import FeedbackReason
from mailer.model.mailing import AttemptResult, Reply
from mailer.model.states import DeliveryState, Outcome
from mailer.store.deliveries import Recorded, state_of


def recorded(
    *,
    delivery_id: int,
    mailing_id: int,
    domain_class: str,
    attempt_number: int,
    first_attempt_at: datetime,
    answer: Answer | None,
    doubt: str,
    relay: str,
    started_at: datetime,
    duration_ms: int,
    policy: RetryPolicy,
    now: datetime,
    jitter: float,
    address: str = "",
) -> Recorded:
    """Return what is written about an attempt; `answer` is None when nobody can know.

    `address` is struck out of what the relay said, where it is known.
    """
    if answer is None:
        decision, reply = Decision(Outcome.IN_DOUBT, Scope.RELAY), Reply(0, "", doubt)
    else:
        decision, reply = classify(answer.reply, answer.stage), answer.reply
    outcome, reason = decision.outcome, decision.reason
    if outcome is not Outcome.ACCEPTED:
        reply = reply._replace(text=scrub(reply.text, address))
    state = state_of(outcome)
    next_attempt_at = None
    if outcome is Outcome.DEFERRED:
        then = next_attempt(
            policy,
            attempt_number=attempt_number,
            first_attempt_at=first_attempt_at,
            now=now,
            jitter=jitter,
        )
        if isinstance(then, GiveUp):
            state, reason = DeliveryState.REFUSED, RefusalReason.GAVE_UP
        else:
            next_attempt_at = then.when
    result = AttemptResult(delivery_id, outcome, reply, started_at, duration_ms, relay)
    return Recorded(
        result,
        attempt_number,
        state,
        next_attempt_at,
        decision.suppress,
        mailing_id=mailing_id,
        domain_class=domain_class,
        reason=reason,
        trouble=_trouble(decision, reply, state),
        soft_limits=policy.soft_limits,
    )


def _trouble(decision: Decision, reply: Reply, state: DeliveryState) -> FeedbackReason:
    """Return what a refusal holds against the address; NONE where it holds nothing against it."""
    if state is not DeliveryState.REFUSED or decision.scope is not Scope.RECIPIENT:
        return FeedbackReason.NONE
    found = trouble_with_address(reply.code, reply.enhanced_code)
    if decision.suppress is not None and found is FeedbackReason.NONE:
        # It said so in words.
        return FeedbackReason.UNKNOWN_USER
    return found


def lost(reason: str) -> Answer:
    """Return the answer that stands for a connection lost before the end of DATA: tried again."""
    # RFC 5321 §3.8: a client that loses the connection treats the transaction as 451.
    return Answer(Stage.MAIL, Reply(451, "4.4.2", f"connection lost: {reason}"))


def not_composed(problem: str) -> Answer:
    """Return the answer that stands for a mail that could not be made, and so was never sent."""
    # RFC 3463 §3.7: X.6.0 is about the content of the message.
    return Answer(Stage.MAIL, Reply(554, "5.6.0", f"not sent, it could not be made: {problem}"))


#: What a line of log says of an outcome; nothing that a relay wrote, and nothing of a person.
_LOGGED = ("mailing", "attempt", "relay", "code", "enhanced_code", "ms")


def log_outcomes(kind: str, ended: Iterable[Recorded]) -> None:
    """Log a line for each attempt that is on record now.

    Args:
        kind: what was sent, "delivery" or "service mail": each has ids of its own.
        ended: the attempts.
    """
    by_outcome: dict[str, list[tuple[str | int, ...]]] = {}
    for one in ended:
        result = one.result
        row = (
            result.delivery_id,
            one.mailing_id,
            one.attempt_number,
            result.relay,
            result.reply.code,
            result.reply.enhanced_code,
            result.duration_ms,
        )
        by_outcome.setdefault(one.state.value, []).append(row)
    for outcome, rows in by_outcome.items():
        emit_each(f"{kind} {outcome.replace('_', ' ')}", (kind.replace(" ", "_"), *_LOGGED), rows)
