"""The first page: what needs a person now, what runs, what comes, what went.

In: a visit. Out: the page. A workspace in which nothing was sent yet shows the first steps in order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from starlette.responses import Response

from mailer.app.planning import BEFORE_SCHEDULING
from mailer.app.preflight.leaving import domains_digest
from mailer.app.status import Status, look_at
from mailer.app.writing_overview import Standing, list_written
from mailer.desk.ground import Desk
from mailer.desk.routes import ALL_STAFF, WRITERS, Method, Route
from mailer.desk.visit import Visit
from mailer.desk.words import mailing_state
from mailer.model.findings import Grade
from mailer.model.mailing import Mailing
from mailer.model.staff import StaffRole
from mailer.model.states import MailingState
from mailer.statements.languages import language_name
from mailer.store.looks import last_domain_look
from mailer.store.mailings import list_mailings, mailings_before
from mailer.store.statements import list_statements
from mailer.store.supporters import has_supporters

#: Mailings that have ended which the first page names.
_SHOWN_ENDED = 5
_SHOWN_COMING = 10
#: Statements whose editions are looked at.
_LOOKED_AT = 50
#: Mailings that have not begun, and those that are over.
_BEFORE = (*BEFORE_SCHEDULING, MailingState.SCHEDULED)
_ENDED = (MailingState.FINISHED, MailingState.CANCELLED)


@dataclass(frozen=True)
class Item:
    """Something that needs a person."""

    words: str
    #: What the link says, and where it leads; "" for what is mended elsewhere.
    action: str = ""
    address: str = ""
    urgent: bool = False


@dataclass(frozen=True)
class Step:
    """One of the first steps in a new workspace."""

    words: str
    address: str
    done: bool


class Home:
    """The route of the first page."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> Sequence[Route]:
        """Return what is answered here."""
        return (Route(Method.SEE, "/", "home", self.show, ALL_STAFF),)

    def show(self, visit: Visit) -> Response:
        """Show the page."""
        workspace = self._desk.workspace
        seen = look_at(workspace)
        with workspace.store.read() as connection:
            mailings = list_mailings(connection, _BEFORE)
            ended = mailings_before(connection, None, _SHOWN_ENDED, _ENDED)
        coming = [one for one in mailings if one.state is MailingState.SCHEDULED]
        active = (MailingState.RUNNING, MailingState.FREEZING)
        return visit.page(
            "home.html",
            needs=list(self._needs(visit, seen, mailings)),
            running=[self._line(visit, one) for one in seen.mailings if one.state in active],
            coming=[_row(visit, one) for one in reversed(coming[-_SHOWN_COMING:])],
            ended=[_row(visit, one) for one in ended],
            steps=[] if ended else list(self._steps(visit, mailings)),
            live=seen.live,
        )

    def _line(self, visit: Visit, one: object) -> dict[str, object]:
        return {**vars(one), "words": mailing_state(visit, one.state)}  # type: ignore[attr-defined]

    def _needs(self, visit: Visit, seen: Status, mailings: Sequence[Mailing]) -> Iterator[Item]:
        """Yield what a person should see to, what is most urgent first."""
        say, address = visit.say, self._mailing_address
        if seen.lost_since:
            yield Item(
                say("A restored database may lack unsubscriptions: nothing goes out."), urgent=True
            )
        for one in seen.mailings:
            if one.state is MailingState.HELD:
                yield Item(
                    say("%(mailing)s is held and sends nothing.", mailing=one.key),
                    say("Look at it"),
                    address(one.key),
                    urgent=True,
                )
            elif one.pause_reason:
                yield Item(
                    say("%(mailing)s paused by itself: too much came back.", mailing=one.key),
                    say("Look at it"),
                    address(one.key),
                    urgent=True,
                )
            elif one.state is MailingState.PAUSED:
                yield Item(
                    say("%(mailing)s is paused.", mailing=one.key),
                    say("Look at it"),
                    address(one.key),
                )
        for key, count in seen.in_doubt.items():
            yield Item(
                visit.catalog.plural(
                    "%(mailing)s has %(count)s delivery in doubt.",
                    "%(mailing)s has %(count)s deliveries in doubt.",
                    count,
                    mailing=key,
                    count=visit.catalog.number(count),
                ),
                say("Settle it"),
                self._desk.path_to("mailing-doubts", key=key),
            )
        for mailing in mailings:
            if mailing.state is MailingState.IN_REVIEW and visit.may(StaffRole.APPROVER):
                yield Item(
                    say("%(mailing)s waits for approval.", mailing=mailing.key),
                    say("Read it"),
                    address(mailing.key),
                )
            if mailing.state is MailingState.APPROVED and visit.may(StaffRole.SENDER):
                yield Item(
                    say("%(mailing)s is approved and has no hour yet.", mailing=mailing.key),
                    say("Schedule it"),
                    address(mailing.key),
                )
        yield from self._stale(visit)
        yield from self._machine(visit, seen)
        yield from self._domains(visit)

    def _stale(self, visit: Visit) -> Iterator[Item]:
        """Yield the editions of what is being written that are older than their originals."""
        if not visit.may(*WRITERS):
            return
        for one in list_written(self._desk.workspace, "", _LOOKED_AT):
            for edition in one.editions:
                if edition.standing is Standing.STALE:
                    language = language_name(edition.language, visit.language)
                    yield Item(
                        visit.say(
                            "%(statement)s: the original changed after the edition in this language "
                            "was translated: %(language)s.",
                            statement=one.slug,
                            language=language,
                        ),
                        visit.say("Look at it"),
                        self._desk.path_to("edition", slug=one.slug, language=edition.language),
                    )

    def _domains(self, visit: Visit) -> Iterator[Item]:
        """Yield the senders whose domains the DNS said something wrong of."""
        workspace = self._desk.workspace
        for section in workspace.config.senders:
            sender = workspace.config.sender(section.key)
            if sender is None:
                continue
            about = domains_digest(workspace, sender)
            with workspace.store.read() as connection:
                look = last_domain_look(connection, sender.key, about)
            if look is not None and any(one.grade is Grade.WRONG for one in look.findings):
                yield Item(
                    visit.say(
                        "The domain of the sender %(sender)s is not set up as it should be.",
                        sender=sender.key,
                    )
                )

    def _machine(self, visit: Visit, seen: Status) -> Iterator[Item]:
        """Yield what whoever runs the server should see to."""
        say = visit.say
        waits = any(one.state is not MailingState.PAUSED for one in seen.mailings)
        if (seen.live or waits) and not (seen.scheduler and seen.senders):
            yield Item(
                say("The program that sends does not run: nothing goes out."), urgent=seen.live
            )
        for relay in seen.relays:
            if seen.live and relay.limits is not None and not relay.verified:
                yield Item(
                    say("The relay %(relay)s is not verified: nothing goes by it.", relay=relay.key)
                )
            if relay.failing:
                yield Item(say("The relay %(relay)s cannot be reached.", relay=relay.key))
        for place in seen.intake:
            if place.failure:
                yield Item(say("What comes back to us cannot be read."))
        for name, problem in seen.keys.items():
            if problem:
                yield Item(say("The key file %(file)s cannot be used.", file=name), urgent=True)

    def _steps(self, visit: Visit, mailings: Sequence[Mailing]) -> Iterator[Step]:
        """Yield the first steps in order; a part of the desk that is not there has none."""
        workspace = self._desk.workspace
        with workspace.store.read() as connection:
            written = bool(list_statements(connection))
            peopled = has_supporters(connection)
        planned = bool(mailings)
        scheduled = any(one.state is MailingState.SCHEDULED for one in mailings)
        say = visit.say
        for words, route, done in (
            (say("Invite your colleagues"), "staff", len(self._desk.accounts.users()) > 1),
            (say("Write a statement"), "statements", written),
            (say("Bring in the people of your lists"), "audience", peopled),
            (say("Make a mailing: who gets which statement"), "mailings", planned),
            (say("Schedule it, and watch it go out"), "mailings", scheduled),
        ):
            if route in self._desk.paths:
                yield Step(words, self._desk.path_to(route), done)

    def _mailing_address(self, key: str) -> str:
        return self._desk.path_to("mailing", key=key) if "mailing" in self._desk.paths else ""


def _row(visit: Visit, one: Mailing) -> dict[str, object]:
    moment = one.finished_at or one.due_at
    return {
        "key": one.key,
        "words": mailing_state(visit, one.state),
        "state": one.state,
        "at": visit.shown(moment, one.time_zone if one.finished_at is None else ""),
        "zone": one.time_zone,
        "people": one.confirmed_count,
        "rehearsal": one.rehearsal,
    }
