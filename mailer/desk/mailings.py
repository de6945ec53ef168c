"""Mailings: their list, making one, and the page from which each goes its way.

In: forms. Out: pages; drafts made and changed. Nobody is counted while a page is made: how many there
are is fetched apart, see `mailer.desk.counting`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from http import HTTPStatus
from itertools import groupby
from zoneinfo import ZoneInfo

from starlette.responses import Response

from mailer.app import stopping
from mailer.app.approving import is_approval_wanted, review_of
from mailer.app.planning import Wish, make_plan
from mailer.app.scheduling import change_draft, make_draft
from mailer.desk.faults import joined
from mailer.desk.ground import Desk
from mailer.desk.routes import ALL_STAFF, MAKERS, SENDERS, Method, Route
from mailer.desk.visit import Visit
from mailer.desk.whom import Whom, as_saved, segment_choices, whom_from
from mailer.desk.words import mailing_state
from mailer.model.faults import Fault, FaultsFound
from mailer.model.mailing import Mailing
from mailer.model.staff import StaffRole
from mailer.model.statement import localized
from mailer.model.states import ForbiddenTransition, MailingState
from mailer.statements.languages import long_date
from mailer.store.mailings import MailingNotFound, find_mailing, mailings_before
from mailer.store.statements import list_statements, load_text

#: Mailings on one page of the list.
PAGE = 50
#: Option of the command line → field of the form that a fault is told beside.
_FIELDS = {
    "--statement": "statement",
    "--list": "lists",
    "--sender": "sender",
    "--segment": "segment",
    "--exclude": "exclude",
}


@dataclass(frozen=True)
class Filled:
    """The form of a mailing as it was filled in."""

    statement: str = ""
    lists: tuple[str, ...] = ()
    sender: str = ""
    whom: Whom = field(default_factory=Whom)
    urgent: bool = False

    @property
    def wish(self) -> Wish:
        """Return what it asks for."""
        whom = self.whom
        return Wish(
            self.statement,
            self.lists,
            self.sender,
            whom.segment.text,
            whom.exclude.text,
            self.urgent,
        )


def filled_from(visit: Visit) -> Filled:
    """Return a form of a mailing as it was sent."""
    form = visit.form
    return Filled(
        form.text("statement"),
        form.all("lists"),
        form.text("sender"),
        whom_from(form.text),
        form.has("urgent"),
    )


def problems_of(visit: Visit, faults: Iterable[Fault], fields: Mapping[str, str]) -> dict[str, str]:
    """Return what is told beside which field, by its name; "" takes what belongs to none."""
    told: dict[str, list[str]] = {}
    for one in faults:
        name = fields.get(one.field, "")
        # The control says which field is meant.
        said = visit.fault(one).html if name else visit.fault(one).whole
        told.setdefault(name, []).append(said)
    return {name: joined(said) for name, said in told.items()}


def mailing_of(visit: Visit) -> Mailing:
    """Return the mailing that an address names.

    Raises:
        HTTPException: 404 when there is none.
    """
    try:
        with visit.desk.store.read() as connection:
            return find_mailing(connection, visit.path["key"])
    except MailingNotFound as error:
        raise visit.not_found() from error


class Mailings:
    """The routes of mailings as such; approval, schedule and what happens then have their own."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> Sequence[Route]:
        """Return what is answered here."""
        return (
            Route(Method.SEE, "/mailings", "mailings", self.show_all, ALL_STAFF),
            Route(Method.SEE, "/mailings/new", "new-mailing", self.ask_new, MAKERS),
            Route(Method.CHANGE, "/mailings/new", "new-mailing", self.make, MAKERS),
            Route(Method.SEE, "/mailings/{key}", "mailing", self.show, ALL_STAFF),
            Route(Method.SEE, "/mailings/{key}/change", "change-mailing", self.ask_change, MAKERS),
            Route(Method.CHANGE, "/mailings/{key}/change", "change-mailing", self.change, MAKERS),
            Route(Method.CHANGE, "/mailings/{key}/drop", "drop-mailing", self.drop, MAKERS),
        )

    def show_all(self, visit: Visit) -> Response:
        """Show mailings by day, the latest made first, and which of them meet on a day."""
        before = visit.query("before")
        with self._desk.store.read() as connection:
            found = mailings_before(
                connection, int(before) if before.isdecimal() else None, PAGE + 1
            )
        shown = sorted(found[:PAGE], key=lambda one: (one.due_at, one.row_id), reverse=True)
        waiting = [one for one in shown if _has_no_hour(one)]
        dated = [one for one in shown if not _has_no_hour(one)]
        days = [
            {
                "day": long_date(day, visit.language),
                "mailings": [_line(visit, one) for one in those],
                "clash": clashing(visit, those),
            }
            for day, group in groupby(dated, key=_day)
            if (those := list(group))
        ]
        return visit.page(
            "mailings.html",
            waiting=[_line(visit, one) for one in waiting],
            days=days,
            before=found[PAGE - 1].row_id if len(found) > PAGE else None,
        )

    def ask_new(self, visit: Visit) -> Response:
        """Show the empty form."""
        return self._form(visit, Filled(statement=visit.query("statement")))

    def make(self, visit: Visit) -> Response:
        """Make a draft."""
        filled = filled_from(visit)
        try:
            plan = make_plan(
                self._desk.workspace.reread(), self._checked(visit, filled), counted=False
            )
            made = make_draft(self._desk.workspace, visit.actor, plan)
        except FaultsFound as error:
            return self._form(visit, filled, problems_of(visit, error.faults, _FIELDS))
        return visit.go("mailing", key=made.key)

    def ask_change(self, visit: Visit) -> Response:
        """Show the form as a draft has it."""
        mailing = mailing_of(visit)
        return self._form(visit, self._as_filled(mailing), mailing=mailing)

    def change(self, visit: Visit) -> Response:
        """Change a draft; whatever was approved of it is not any more."""
        mailing = mailing_of(visit)
        filled = filled_from(visit)
        kept = Filled(**{**vars(filled), "statement": self._as_filled(mailing).statement})
        try:
            plan = make_plan(
                self._desk.workspace.reread(), self._checked(visit, kept), counted=False
            )
            change_draft(self._desk.workspace, visit.actor, mailing.key, plan)
        except FaultsFound as error:
            return self._form(visit, kept, problems_of(visit, error.faults, _FIELDS), mailing)
        except ForbiddenTransition:
            return visit.go("mailing", said="not-any-more", key=mailing.key)
        return visit.go("mailing", said="saved", key=mailing.key)

    def drop(self, visit: Visit) -> Response:
        """Throw a mailing that has no hour away."""
        mailing = mailing_of(visit)
        if not _has_no_hour(mailing):
            return visit.go("mailing", said="not-any-more", key=mailing.key)
        try:
            stopping.cancel(self._desk.workspace, visit.actor, mailing.key)
        except ForbiddenTransition:
            return visit.go("mailing", said="not-any-more", key=mailing.key)
        return visit.go("mailings", said="dropped")

    def show(self, visit: Visit) -> Response:
        """Show where a mailing stands, and what can be done next."""
        mailing = mailing_of(visit)
        with self._desk.store.read() as connection:
            revision = load_text(connection, mailing.revision_id)
        return visit.page(
            "mailing.html",
            mailing=mailing,
            state_words=mailing_state(visit, mailing.state),
            lists=list_names(visit, mailing),
            sender=localized(mailing.sender.name, visit.language, "en"),
            revision=revision,
            at="" if _has_no_hour(mailing) else visit.shown(mailing.due_at, mailing.time_zone),
            started=visit.shown(mailing.started_at),
            finished=visit.shown(mailing.finished_at),
            has_no_hour=_has_no_hour(mailing),
            approval=review_of(self._desk.workspace, mailing.key)
            if is_approval_wanted(self._desk.workspace)
            else None,
            can_make=visit.may(*MAKERS),
            can_send=visit.may(StaffRole.SENDER),
        )

    def _as_filled(self, mailing: Mailing) -> Filled:
        with self._desk.store.read() as connection:
            slug = load_text(connection, mailing.revision_id).slug
        return Filled(
            slug,
            tuple(target.definition.key for target in mailing.targets),
            mailing.sender.key,
            as_saved(self._desk.workspace.reread(), mailing.segment, mailing.exclude),
            mailing.concern.urgent,
        )

    def _checked(self, visit: Visit, filled: Filled) -> Wish:
        """Return the wish of a form that is whole.

        Raises:
            FaultsFound: with what is not filled in.
        """
        faults = []
        if not filled.statement:
            faults.append(Fault("", 0, "--statement", visit.say("Choose a statement")))
        if not filled.lists:
            faults.append(Fault("", 0, "--list", visit.say("Choose at least one list")))
        faults += filled.whom.faults(visit)
        if faults:
            raise FaultsFound(faults)
        return filled.wish

    def _form(
        self,
        visit: Visit,
        filled: Filled,
        problems: dict[str, str] | None = None,
        mailing: Mailing | None = None,
    ) -> Response:
        workspace = self._desk.workspace.reread()
        with self._desk.store.read() as connection:
            statements = list_statements(connection)
        definitions, _ = workspace.lists
        return visit.page(
            "mailing_form.html",
            HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK,
            filled=filled,
            problems=problems or {},
            mailing=mailing,
            segments=segment_choices(workspace),
            may_build=visit.may(*SENDERS),
            statements=[("", visit.say("Choose a statement"))]
            + [(one.slug, f"{one.title} ({', '.join(one.languages)})") for one in statements],
            lists=[
                {
                    "key": key,
                    "name": localized(one.name, visit.language, "en"),
                    "sender": one.sender,
                }
                for key, one in sorted(definitions.items())
            ],
            senders=[("", visit.say("That of the lists"))]
            + [
                (one.key, f"{localized(one.name, visit.language, 'en')} ({one.key})")
                for one in workspace.config.senders
            ],
        )


def _has_no_hour(mailing: Mailing) -> bool:
    return mailing.state in (MailingState.DRAFT, MailingState.IN_REVIEW, MailingState.APPROVED)


def _day(mailing: Mailing) -> date:
    return mailing.due_at.astimezone(ZoneInfo(mailing.time_zone)).date()


def clashing(visit: Visit, mailings: Sequence[Mailing]) -> list[str]:
    """Return what the lists are called to which more than one of these mailings goes."""
    met: dict[str, list[str]] = {}
    for one in mailings:
        if one.state is not MailingState.CANCELLED:
            for target, name in zip(one.targets, list_names(visit, one), strict=True):
                met.setdefault(target.definition.key, []).append(name)
    return sorted(names[0] for names in met.values() if len(names) > 1)


def list_names(visit: Visit, mailing: Mailing) -> list[str]:
    """Return what the lists of a mailing are called, as they were when it was made."""
    return [localized(one.definition.name, visit.language, "en") for one in mailing.targets]


def _line(visit: Visit, one: Mailing) -> dict[str, object]:
    return {
        "key": one.key,
        "state": one.state,
        "words": mailing_state(visit, one.state),
        "at": "" if _has_no_hour(one) else visit.shown(one.due_at, one.time_zone),
        "zone": one.time_zone,
        "people": one.confirmed_count,
        "lists": list_names(visit, one),
        "rehearsal": one.rehearsal,
    }
