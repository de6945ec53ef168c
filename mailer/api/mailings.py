"""Mailings and reports of the API: see them, draft, ask for approval, schedule, stop, go on.

In: keys, and what a mailing is to be. Out: documents. Everything is done by what the command line and
the desk call, so approval, preflight and the confirmed number hold here as they do there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from mailer.api.ground import Call, Caller, Endpoint, Ground, Method
from mailer.api.problems import Problem, unprocessable
from mailer.api.shapes import (
    PAGE,
    After,
    AudienceCounted,
    Going,
    Hour,
    Limit,
    MailingPath,
    MailingShown,
    NewMailing,
    Page,
)
from mailer.app import stopping
from mailer.app.approving import ask_for_approval
from mailer.app.clocks import Clocks, Hours, make_clocks, read_hours
from mailer.app.documents import report_document, shares_document
from mailer.app.newsletters import refuse_unreleased
from mailer.app.planning import (
    BEFORE_SCHEDULING,
    Plan,
    Wish,
    make_plan,
    pinned_breaker,
    plan_draft,
)
from mailer.app.scheduling import make_draft, schedule_draft
from mailer.app.sending import check_ready
from mailer.app.workspace import Workspace
from mailer.model.api_token import Purpose
from mailer.model.mailing import Mailing
from mailer.model.states import MailingState
from mailer.schedule.hours import instant_of
from mailer.store.approvals import note_maker
from mailer.store.mailings import find_mailing, mailings_before
from mailer.store.reports import report
from mailer.store.shares import share_figures, shares_of

_READ, _WRITE, _SCHEDULE = (
    Purpose.MAILINGS_READ,
    Purpose.MAILINGS_WRITE,
    Purpose.MAILINGS_SCHEDULE,
)


class Mailings:
    """The endpoints of mailings and their reports."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._store = ground.workspace.store

    def endpoints(self) -> Sequence[Endpoint]:
        """Return what is answered here."""
        get, post, one = Method.GET, Method.POST, "/mailings/{mailing}"
        shown = MailingShown
        return (
            Endpoint(get, "/mailings", "list-mailings", _READ, self.list, model=Page[MailingShown]),
            Endpoint(post, "/mailings", "draft-mailing", _WRITE, self.draft, 201, model=shown),
            Endpoint(get, one, "show-mailing", _READ, self.show, model=shown),
            Endpoint(
                post, f"{one}/count", "count-mailing", _READ, self.count, model=AudienceCounted
            ),
            Endpoint(post, f"{one}/ask-approval", "ask-approval", _WRITE, self.ask, model=shown),
            Endpoint(
                post, f"{one}/schedule", "schedule-mailing", _SCHEDULE, self.schedule, model=shown
            ),
            Endpoint(post, f"{one}/pause", "pause-mailing", _SCHEDULE, self.pause, model=shown),
            Endpoint(post, f"{one}/resume", "resume-mailing", _SCHEDULE, self.resume, model=shown),
            Endpoint(post, f"{one}/cancel", "cancel-mailing", _SCHEDULE, self.cancel, model=shown),
            Endpoint(get, "/reports/{mailing}", "show-report", Purpose.REPORTS_READ, self.report),
        )

    def list(
        self, before: After = "", limit: Limit = PAGE, state: MailingState | None = None
    ) -> dict[str, Any]:
        """List the mailings, the one that was made last first; `before` is the key of one."""
        with self._store.read() as connection:
            row_id = find_mailing(connection, before).row_id if before else None
            states = () if state is None else (state,)
            found = mailings_before(connection, row_id, limit + 1, states)
        more = len(found) > limit
        return {
            "items": [_shown(one) for one in found[:limit]],
            "next": found[limit - 1].key if more else None,
        }

    def show(self, mailing: MailingPath) -> dict[str, Any]:
        """Show a mailing and where it stands."""
        return _shown(self._find(mailing))

    def _find(self, key: str) -> Mailing:
        with self._store.read() as connection:
            return find_mailing(connection, key)

    def draft(self, call: Caller, sent: NewMailing) -> dict[str, Any]:
        """Draft a mailing of a statement's newest revision; nothing is scheduled."""
        workspace = self._ground.fresh()
        wish = Wish(
            sent.statement, tuple(sent.lists), sent.sender, sent.segment, sent.exclude, sent.urgent
        )
        plan = make_plan(workspace, wish)
        refuse_unreleased(workspace, plan)
        made = make_draft(workspace, call.actor, plan)
        self._note_maker(call, made)
        return _shown(made)

    def _note_maker(self, call: Call, mailing: Mailing) -> None:
        """Whoever made a token approves nothing that was made by it."""
        if call.token.maker:
            with self._store.write() as connection:
                note_maker(connection, mailing.row_id, call.token.maker)

    def count(self, mailing: MailingPath) -> dict[str, Any]:
        """Count to how many people a mailing without an hour would go now, and in which languages."""
        plan = plan_draft(self._ground.fresh(), self._find(mailing))
        covered = plan.coverage
        return {
            "mailing": mailing,
            "people": plan.count,
            "first_language": covered.first,
            "later_language": covered.later,
            "fallback": covered.fallback,
            "not_mailed": {reason.value: count for reason, count in covered.not_mailed.items()},
            "by_language": dict(covered.by_language),
            "missing_editions": dict(covered.missing),
        }

    def ask(self, call: Caller, mailing: MailingPath) -> dict[str, Any]:
        """Hand a draft to the approvers."""
        asked = ask_for_approval(self._ground.workspace, call.actor, mailing)
        self._note_maker(call, asked)
        return _shown(asked)

    def schedule(self, call: Caller, mailing: MailingPath, sent: Hour) -> dict[str, Any]:
        """Schedule a draft, or an approved mailing where approval is wanted, for the number confirmed."""
        workspace = self._ground.fresh()
        found = self._find(mailing)
        plan = plan_draft(workspace, found)
        check_ready(workspace, plan.sender)
        clocks = _clocks(workspace, plan, sent)
        plan = replace(plan, clocks=clocks)
        plan = replace(plan, breaker=pinned_breaker(workspace, sent.canary, plan.count))
        grace_s = sent.grace_s or workspace.config.schedule.grace_s
        _refuse(workspace, plan, clocks, sent, grace_s)
        made = schedule_draft(
            workspace,
            call.actor,
            plan,
            found,
            due_at=clocks.due_at,
            time_zone=clocks.time_zone,
            grace_s=grace_s,
        )
        return _shown(made)

    def pause(self, call: Caller, mailing: MailingPath) -> dict[str, Any]:
        """Stop a mailing; what is being sent is finished, the rest waits."""
        return _shown(stopping.pause(self._ground.workspace, call.actor, mailing))

    def resume(
        self, call: Caller, mailing: MailingPath, sent: Going | None = None
    ) -> dict[str, Any]:
        """Let a paused mailing go on where it stood."""
        anyway = sent is not None and sent.anyway
        moved = stopping.resume(self._ground.workspace, call.actor, mailing, anyway=anyway)
        return _shown(moved.mailing)

    def cancel(self, call: Caller, mailing: MailingPath) -> dict[str, Any]:
        """End a mailing for good; whoever has not been mailed will not be."""
        return _shown(stopping.cancel(self._ground.workspace, call.actor, mailing).mailing)

    def report(self, mailing: MailingPath) -> dict[str, Any]:
        """Show what became of a mailing: as `mailer report --json`."""
        with self._store.read() as connection:
            found = find_mailing(connection, mailing)
            figures = report(connection, found.row_id)
            shares = shares_of(connection, found.row_id)
            counted = share_figures(connection, found.row_id)
        return {**report_document(found, figures), "shares": shares_document(shares, counted)}


def _shown(one: Mailing) -> dict[str, Any]:
    return {
        "mailing": one.key,
        "state": one.state,
        "lists": [target.definition.key for target in one.targets],
        "segment": one.segment,
        "exclude": one.exclude,
        "sender": one.sender.key,
        "urgent": one.concern.urgent,
        "topics": list(one.concern.topics),
        "corrects": one.corrects.key if one.corrects else None,
        "due_at": None if one.state in BEFORE_SCHEDULING else one.due_at,
        "time_zone": one.time_zone,
        "confirmed": one.confirmed_count,
        "started_at": one.started_at,
        "finished_at": one.finished_at,
        "held_reason": one.held_reason,
        "pause_reason": one.pause_reason,
        "rehearsal": one.rehearsal,
        "digest": one.digest,
    }


def _clocks(workspace: Workspace, plan: Plan, sent: Hour) -> Clocks:
    """Return when the people of a plan would be mailed.

    Raises:
        FaultsFound: naming what cannot be understood or contradicts something else.
        Problem: when the hour is none that the mailing could be given.
    """
    zone = sent.time_zone or workspace.config.workspace.time_zone
    if zone not in available_timezones():
        raise unprocessable("no-zone", "It is no time zone.", "time_zone")
    local = sent.at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    _check_hour(sent, local, zone)
    hours = Hours(
        f"{local:%Y-%m-%dT%H:%M}",
        zone,
        sent.recipient_time,
        sent.window,
        sent.quiet_days,
        sent.late if sent.recipient_time else None,
    )
    config = workspace.config
    timing, zone = read_hours(hours, config.workspace.time_zone, config.schedule.quiet_days)
    now = workspace.clock.now()
    clocks = make_clocks(timing, zone, plan.coverage.by_zone, plan.lists, now)
    return clocks.decided(sent.late, now)


def _check_hour(sent: Hour, local: datetime, zone: str) -> None:
    if local.second or local.microsecond:
        raise unprocessable("no-minute", "An hour is given to the minute.", "at")
    if instant_of(local, zone) != sent.at:
        problem = "The clock of that zone shows this hour twice, and this is the second time."
        raise unprocessable("ambiguous-hour", problem, "at", "Name another hour")


def _refuse(workspace: Workspace, plan: Plan, clocks: Clocks, sent: Hour, grace_s: int) -> None:
    """Refuse what nobody can have meant.

    Raises:
        Problem: when the number differs, or the hour has passed.
    """
    if plan.count != sent.people:
        detail = f"It would go to {plan.count} people, not to {sent.people}. Nothing was scheduled."
        raise Problem(HTTPStatus.CONFLICT, "wrong-count", detail, people=plan.count)
    late = clocks.late_shares
    if late and len(late) == len(clocks.shares):
        raise unprocessable("passed", "That hour has passed in every zone.", "at")
    if late and sent.late is None:
        problem = "In some zones that hour has passed, and nothing is said of them."
        raise unprocessable("late-undecided", problem, "late", "Write now or skip")
    late_s = (workspace.clock.now() - clocks.due_at).total_seconds()
    if not clocks.timing.recipient_time and late_s > grace_s:
        raise unprocessable("passed", "That hour has passed.", "at")
