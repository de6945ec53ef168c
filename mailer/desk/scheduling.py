"""Give a mailing its hour: choose it, see who gets it when, type the number, done.

In: forms. Out: a scheduled mailing. Between choosing and confirming nothing is kept: what was chosen
stands in the address of the second page, which counts the people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from starlette.responses import RedirectResponse, Response

from mailer.app.clocks import Clocks, Hours, make_clocks, read_hours
from mailer.app.failures import PreflightBlocks
from mailer.app.planning import BEFORE_SCHEDULING, Plan, pinned_breaker, plan_draft
from mailer.app.scheduling import schedule_draft
from mailer.app.sending import check_ready
from mailer.desk.checks import in_words
from mailer.desk.counting import counted
from mailer.desk.faults import joined
from mailer.desk.ground import Desk
from mailer.desk.mailings import clashing, mailing_of, problems_of
from mailer.desk.routes import ALL_STAFF, SENDERS, Method, Route
from mailer.desk.visit import Visit
from mailer.desk.words import mailing_state
from mailer.keys import KeyFileError
from mailer.model.faults import Fault, FaultsFound
from mailer.model.mailing import Mailing
from mailer.model.states import ForbiddenTransition, MailingState
from mailer.model.timing import LatePolicy
from mailer.schedule.hours import day_bounds
from mailer.store.engine import WrongKeys
from mailer.store.mailings import mailings_between
from mailer.web.public.time_zones import zone_groups

#: Shares that the confirming page names.
_SHOWN_SHARES = 40
#: Option of the command line → field of the form that a fault is told beside.
_FIELDS = {
    "--at": "date",
    "--timezone": "zone",
    "--window": "window_from",
    "--quiet-days": "quiet",
    "--late": "late",
    "--canary": "canary",
    "--grace": "grace",
}
_NAMES = (
    "date", "time", "zone", "own_time", "window_from", "window_to", "quiet", "late", "canary",
    "grace",
)  # fmt: skip


@dataclass(frozen=True)
class Chosen:
    """The form of an hour as it was filled in; every value as text."""

    date: str = ""
    time: str = ""
    zone: str = ""
    #: "yes": each supporter's own time.
    own_time: str = ""
    window_from: str = ""
    window_to: str = ""
    #: "sat,sun,2026-12-25", "none"; "" takes what is configured.
    quiet: str = ""
    #: "now" or "skip".
    late: str = ""
    canary: str = ""
    #: In minutes.
    grace: str = ""

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Chosen:
        """Return what a form or an address holds."""
        return cls(**{name: values.get(name, "").strip() for name in _NAMES})

    def query(self) -> str:
        """Return it as an address holds it."""
        return urlencode({name: value for name, value in vars(self).items() if value})

    def hours(self) -> Hours:
        """Return it as the command line has it.

        Raises:
            FaultsFound: when no day or no hour was chosen.
        """
        if not (self.date and self.time):
            raise FaultsFound([Fault("", 0, "--at", "Choose a day and an hour")])
        window = (
            f"{self.window_from}-{self.window_to}" if self.window_from or self.window_to else ""
        )
        return Hours(
            f"{self.date}T{self.time}",
            self.zone,
            bool(self.own_time),
            window,
            self.quiet,
            self.policy if self.own_time else None,
        )

    @property
    def policy(self) -> LatePolicy | None:
        """Return what is to become of shares whose hour has passed; None where nothing was said."""
        return LatePolicy(self.late) if self.late in [one.value for one in LatePolicy] else None

    def grace_s(self, default: int) -> int:
        """Return how late it may begin, in seconds.

        Raises:
            FaultsFound: when that is no number of minutes.
        """
        if not self.grace:
            return default
        if not self.grace.isdecimal() or not 1 <= int(self.grace) <= 10_080:
            raise FaultsFound([Fault("", 0, "--grace", "Write a number of minutes, like 120")])
        return int(self.grace) * 60


@dataclass(frozen=True)
class Proposal:
    """A plan with its hours, to be confirmed."""

    plan: Plan
    clocks: Clocks
    grace_s: int


class Scheduling:
    """The routes of scheduling."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> Sequence[Route]:
        """Return what is answered here."""
        at = "/mailings/{key}/schedule"
        return (
            Route(Method.SEE, at, "mailing-schedule", self.ask, ALL_STAFF),
            Route(Method.CHANGE, at, "mailing-schedule", self.choose, SENDERS),
            Route(Method.SEE, f"{at}/confirm", "confirm-schedule", self.show, SENDERS),
            Route(Method.CHANGE, f"{at}/confirm", "confirm-schedule", self.confirm, SENDERS),
        )

    def ask(self, visit: Visit) -> Response:
        """Show the form, or the hour that a mailing has."""
        workspace = self._desk.workspace
        chosen = Chosen(zone=workspace.config.workspace.time_zone, time="09:00")
        return self._form(visit, mailing_of(visit), chosen)

    def choose(self, visit: Visit) -> Response:
        """Check the hour that was chosen, and go on to who gets it when."""
        mailing = mailing_of(visit)
        chosen = Chosen.of(dict(visit.form.fields))
        config = self._desk.workspace.config
        try:
            read_hours(chosen.hours(), config.workspace.time_zone, config.schedule.quiet_days)
            chosen.grace_s(config.schedule.grace_s)
            pinned_breaker(self._desk.workspace, chosen.canary or None, 1)
        except FaultsFound as error:
            return self._form(visit, mailing, chosen, problems_of(visit, error.faults, _FIELDS))
        address = self._desk.path_to("confirm-schedule", key=mailing.key)
        return RedirectResponse(f"{address}?{chosen.query()}", HTTPStatus.SEE_OTHER)

    def show(self, visit: Visit) -> Response:
        """Show who gets it when, and ask for the number; what takes a while to count comes apart."""
        mailing = mailing_of(visit)
        chosen = Chosen.of(dict(visit.request.query_params))
        asked = chosen.query()
        if visit.query("part") or visit.query("counted") or not asked:
            return self._confirming(visit, mailing, chosen, part=bool(visit.query("part")))
        return visit.page("confirm_schedule.html", mailing=mailing, problems={}, asked=asked)

    def confirm(self, visit: Visit) -> Response:
        """Schedule it, when the number that was typed is the number of people."""
        mailing = mailing_of(visit)
        chosen = Chosen.of(dict(visit.form.fields))
        try:
            proposal = self._proposal(mailing, chosen)
        except FaultsFound as error:
            return self._form(visit, mailing, chosen, problems_of(visit, error.faults, _FIELDS))
        except ForbiddenTransition:
            return visit.go("mailing", said="not-any-more", key=mailing.key)
        problem = self._why_not(visit, proposal, chosen)
        if problem:
            return self._confirming(visit, mailing, chosen, problem)
        try:
            schedule_draft(
                self._desk.workspace,
                visit.actor,
                proposal.plan,
                mailing,
                due_at=proposal.clocks.due_at,
                time_zone=proposal.clocks.time_zone,
                grace_s=proposal.grace_s,
            )
        except FaultsFound as error:
            told = joined(visit.fault(one).html for one in error.faults)
            return self._confirming(visit, mailing, chosen, {"": told})
        except (KeyFileError, WrongKeys) as error:
            return self._confirming(visit, mailing, chosen, {"": visit.told(str(error)).html})
        except PreflightBlocks as error:
            told = joined(in_words(visit, one).text for one in error.findings)
            return self._confirming(visit, mailing, chosen, {"": told})
        except ForbiddenTransition:
            return visit.go("mailing", said="not-any-more", key=mailing.key)
        return visit.go("mailing", said="scheduled", key=mailing.key)

    def _why_not(self, visit: Visit, proposal: Proposal, chosen: Chosen) -> dict[str, str]:
        """Return why a proposal is not scheduled as it was confirmed; nothing where it is."""
        count, typed = proposal.plan.count, visit.form.text("count").replace(" ", "")
        if count == 0:
            return {"": visit.say("Nobody would be mailed.")}
        late = proposal.clocks.late_shares
        if late and len(late) == len(proposal.clocks.shares):
            return {"": visit.say("That hour has passed in every zone.")}
        if late and chosen.policy is None:
            return {"late": visit.say("Say what is to become of those whose hour has passed.")}
        if not proposal.clocks.timing.recipient_time and self._has_passed(visit, proposal):
            return {"": visit.say("That hour has passed.")}
        if not typed.isdecimal() or int(typed) != count:
            return {
                "count": visit.say("Type the number of people, %(count)s, as digits.", count=count)
            }
        return {}

    def _has_passed(self, visit: Visit, proposal: Proposal) -> bool:
        late_s = (visit.now - proposal.clocks.due_at).total_seconds()
        return late_s > proposal.grace_s

    def _proposal(self, mailing: Mailing, chosen: Chosen) -> Proposal:
        """Work out who gets a mailing when.

        Raises:
            FaultsFound: with everything that stops it.
            ForbiddenTransition: when it is scheduled or over.
        """
        workspace = self._desk.workspace.reread()
        config, now = workspace.config, workspace.clock.now()
        timing, zone = read_hours(
            chosen.hours(), config.workspace.time_zone, config.schedule.quiet_days
        )
        grace_s = chosen.grace_s(config.schedule.grace_s)
        plan = plan_draft(workspace, mailing)
        check_ready(workspace, plan.sender)
        clocks = make_clocks(timing, zone, plan.coverage.by_zone, plan.lists, now)
        clocks = clocks.decided(chosen.policy, now)
        plan = replace(plan, clocks=clocks)
        breaker = pinned_breaker(workspace, chosen.canary or None, plan.count)
        return Proposal(replace(plan, breaker=breaker), clocks, grace_s)

    def _confirming(
        self,
        visit: Visit,
        mailing: Mailing,
        chosen: Chosen,
        problems: dict[str, str] | None = None,
        *,
        part: bool = False,
    ) -> Response:
        try:
            proposal = self._proposal(mailing, chosen)
        except FaultsFound as error:
            return self._form(visit, mailing, chosen, problems_of(visit, error.faults, _FIELDS))
        except ForbiddenTransition:
            return visit.go("mailing", said="not-any-more", key=mailing.key)
        clocks = proposal.clocks
        return visit.page(
            "_confirm_schedule.html" if part else "confirm_schedule.html",
            HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK,
            mailing=mailing,
            chosen=vars(chosen),
            problems=problems or {},
            asked="",
            counted=counted(visit, proposal.plan),
            count=proposal.plan.count,
            at=visit.shown(clocks.due_at, clocks.time_zone),
            zone=clocks.time_zone,
            clocks=clocks,
            shares=self._shares(visit, clocks)[:_SHOWN_SHARES],
            more_shares=max(0, len(clocks.shares) - _SHOWN_SHARES),
            late_people=clocks.late_people,
            canary=proposal.plan.breaker.canary if proposal.plan.breaker else 0,
            clash=self._clash(visit, mailing, clocks),
            warnings=proposal.plan.warnings,
        )

    def _shares(self, visit: Visit, clocks: Clocks) -> list[dict[str, object]]:
        return [
            {
                "zone": one.zone,
                "at": visit.shown(one.due_at, one.zone),
                "people": one.people,
                "late": one.late,
                "moved": one.moved,
            }
            for one in clocks.shares
        ]

    def _clash(self, visit: Visit, mailing: Mailing, clocks: Clocks) -> list[str]:
        """Return the lists to which another mailing goes on the same day."""
        day = clocks.due_at.astimezone(ZoneInfo(clocks.time_zone)).date()
        begin, end = day_bounds(day, clocks.time_zone)
        with self._desk.store.read() as connection:
            others = [
                one
                for one in mailings_between(connection, begin, end)
                if one.row_id != mailing.row_id and one.state not in BEFORE_SCHEDULING
            ]
        return (
            clashing(visit, [*others, replace(mailing, state=MailingState.SCHEDULED)])
            if others
            else []
        )

    def _form(
        self,
        visit: Visit,
        mailing: Mailing,
        chosen: Chosen,
        problems: dict[str, str] | None = None,
    ) -> Response:
        config = self._desk.workspace.config
        wanted = config.approval.required > 0
        return visit.page(
            "mailing_schedule.html",
            HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK,
            mailing=mailing,
            state_words=mailing_state(visit, mailing.state),
            chosen=chosen,
            problems=problems or {},
            zones=zone_groups(visit.language),
            may_schedule=mailing.state in BEFORE_SCHEDULING
            and visit.may(*SENDERS)
            and (not wanted or mailing.state is MailingState.APPROVED),
            waits_for_approval=wanted
            and mailing.state in (MailingState.DRAFT, MailingState.IN_REVIEW),
            has_hour=mailing.state not in BEFORE_SCHEDULING,
            at=visit.shown(mailing.due_at, mailing.time_zone),
            quiet_days=", ".join(config.schedule.quiet_days),
            grace=config.schedule.grace_s // 60,
            default_canary=config.breaker.canary,
        )
