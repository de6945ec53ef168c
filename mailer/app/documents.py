"""Mailings and their reports as other programs read them: `--json` of the command line, and the API.

In: a mailing and figures. Out: documents for JSON; a moment is text with its offset, or still a moment.
Nobody's name or address is in any of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from zoneinfo import ZoneInfo

from mailer.model.breaker import Breaker
from mailer.model.mailing import Concern, Mailing
from mailer.model.states import DeliveryState, Settlement
from mailer.model.tallies import start_of
from mailer.model.timing import Share
from mailer.store.doubts import Doubt
from mailer.store.feedback import ReturnedMails
from mailer.store.reports import Report
from mailer.store.shares import ShareFigures


def report_document(mailing: Mailing, figures: Report) -> dict[str, object]:
    """Return a report as other programs read it."""
    return {
        "mailing": mailing.key,
        "corrects": mailing.corrects.key if mailing.corrects else None,
        **concern_document(mailing.concern),
        "state": mailing.state.value,
        "held_reason": mailing.held_reason,
        **paused_document(mailing),
        "due_at": mailing.due_at.isoformat(),
        "started_at": mailing.started_at.isoformat() if mailing.started_at else None,
        "finished_at": mailing.finished_at.isoformat() if mailing.finished_at else None,
        "confirmed": mailing.confirmed_count,
        "memberships": figures.memberships,
        "people": figures.people,
        "to_mail": figures.to_mail,
        "open": figures.open,
        "by_outcome": {state.value: count for state, count in outcomes_of(figures).items()},
        "taken_as_sent": figures.taken_as_sent,
        "resent": figures.settled.get(Settlement.RESEND, 0),
        "by_language": _plain(figures.by_language),
        "by_list": _plain(figures.by_list),
        "by_relay": figures.by_relay,
        "by_domain_class": figures.by_domain_class,
        "over_time": {
            start_of(hour).isoformat(): {event.value: count for event, count in events.items()}
            for hour, events in figures.over_time.items()
        },
        "not_mailed": {reason.value: count for reason, count in figures.not_mailed.items()},
        "refusals": figures.refusals,
        "reported_as_taken": figures.settled.get(Settlement.REPORTED, 0),
        "in_doubt": doubts_document(figures.in_doubt),
        "came_back": returned_document(figures.returned),
        "deliveries_gone_at": figures.gone_at.isoformat() if figures.gone_at else None,
    }


def outcomes_of(figures: Report) -> dict[DeliveryState, int]:
    """Return what was or is to be mailed by outcome; "accepted" is what a relay said."""
    found = {
        state: count
        for state, count in figures.by_state.items()
        if state is not DeliveryState.SKIPPED
    }
    if figures.taken_as_sent:
        found[DeliveryState.ACCEPTED] -= figures.taken_as_sent
    return {state: count for state, count in found.items() if count}


def _plain(table: dict[str, dict[DeliveryState, int]]) -> dict[str, dict[str, int]]:
    return {key: {state.value: count for state, count in row.items()} for key, row in table.items()}


def concern_document(concern: Concern) -> dict[str, object]:
    """Return it as other programs read it."""
    return {"urgent": concern.urgent, "topics": list(concern.topics)}


def breaker_document(breaker: Breaker | None) -> dict[str, object] | None:
    """Return what a mailing holds back and pauses at; None when it does neither."""
    if breaker is None:
        return None
    wait_s = breaker.canary_wait_s
    return {"canary": breaker.canary, "canary_wait_s": wait_s, **asdict(breaker.limits)}


def paused_document(mailing: Mailing) -> dict[str, object]:
    """Return where the circuit breaker of a mailing stands, as other programs read it."""
    return {
        "pause_reason": mailing.pause_reason,
        "breaker": breaker_document(mailing.breaker),
        "canary_tried_at": mailing.canary_tried_at,
        "canary_passed_at": mailing.canary_passed_at,
    }


def doubts_document(found: Sequence[Doubt]) -> list[dict[str, object]]:
    """Return deliveries in doubt as other programs read them."""
    return [
        {
            "delivery": one.delivery_id,
            "since": one.since.isoformat() if one.since else None,
            "relay": one.relay,
            "why": one.why,
        }
        for one in found
    ]


def returned_document(found: ReturnedMails) -> dict[str, object]:
    """Return what came back of a mailing as other programs read it."""
    return {
        "bounces": {
            kind.value: {reason.value: count for reason, count in reasons.items()}
            for kind, reasons in found.bounces.items()
        },
        "complaints": found.complaints,
        "opt_outs": found.opt_outs,
    }


def shares_document(
    shares: Sequence[Share], figures: dict[int, ShareFigures]
) -> list[dict[str, object]]:
    """Return the shares of a mailing as other programs read them."""
    return [
        {
            "zone": one.zone,
            "local": one.due_at.astimezone(ZoneInfo(one.zone)).isoformat(),
            "due_at": one.due_at.isoformat(),
            "state": one.state.value,
            "released": one.released,
            "counted": one.people,
            "to_mail": figures.get(one.row_id, ShareFigures(0, 0)).to_mail,
            "open": figures.get(one.row_id, ShareFigures(0, 0)).open,
        }
        for one in shares
    ]
