"""One supporter: found by their whole address, shown, added, corrected, suppressed, erased.

In: forms. Out: pages. An address is only ever sent by POST and never stands in a URL: a page is of a
person's row, by its id. Nobody can be browsed or listed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from starlette.responses import Response

from mailer.app import supporters
from mailer.app.barring import (
    NoSuchOrganisation,
    Scope,
    erase_person,
    lift_from_person,
    scope_of,
    suppress_person,
)
from mailer.app.people import NobodyThere, Person, PersonRow, find_person, person_of
from mailer.app.supporters import Joined
from mailer.audience.addresses import BadAddress
from mailer.audience.cells import joined_tags
from mailer.desk import evidence_words
from mailer.desk.ground import Desk
from mailer.desk.mailings import problems_of
from mailer.desk.phrases import mark
from mailer.desk.routes import SENDERS, Method, Route
from mailer.desk.visit import Visit
from mailer.desk.words import DELIVERY_STATES, SKIP_REASONS
from mailer.model.audience import SuppressionReason
from mailer.model.faults import FaultsFound
from mailer.model.feedback import FeedbackReason
from mailer.model.staff import StaffRole
from mailer.model.statement import localized
from mailer.statements.languages import country_name, language_name
from mailer.store.suppression_log import LogNotWritten

#: Administrators may look.
VIEWERS = SENDERS | {StaffRole.ADMINISTRATOR}

REASONS: Mapping[SuppressionReason, str] = {
    SuppressionReason.UNSUBSCRIBED: mark("left everything"),
    SuppressionReason.BOUNCED: mark("the address is dead"),
    SuppressionReason.SOFT_BOUNCES: mark("mails came back on too many days"),
    SuppressionReason.COMPLAINED: mark("reported our mail as abuse"),
    SuppressionReason.MANUAL: mark("staff decided so"),
    SuppressionReason.IMPORTED: mark("left or bounced in another system"),
    SuppressionReason.ERASED: mark("was erased"),
}
#: What came of putting somebody on a list → what the page says.
JOINED: Mapping[Joined, str] = {
    Joined.JOINED: "joined",
    Joined.BEFORE: "joined-before",
    Joined.SUPPRESSED: "joined-suppressed",
    Joined.LEFT: "joined-left",
}
FIELDS: Mapping[str, str] = {
    "name": mark("Name"),
    "languages": mark("Languages, the first one first"),
    "never_languages": mark("Languages never to be used"),
    "country": mark("Country"),
    "time_zone": mark("Time zone"),
    "tags": mark("Tags"),
}


class Supporters:
    """The routes of supporters."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> Sequence[Route]:
        """Return what is answered here."""
        see, change, one = Method.SEE, Method.CHANGE, "/supporters/{supporter}"
        return (
            Route(see, "/supporters", "supporters", self.ask, VIEWERS),
            Route(change, "/supporters", "supporters", self.find, VIEWERS),
            Route(see, "/supporters/add", "add-supporter", self.ask_new, SENDERS),
            Route(change, "/supporters/add", "add-supporter", self.add, SENDERS),
            Route(change, "/supporters/suppress", "suppress-address", self.suppress_typed, SENDERS),
            Route(see, one, "supporter", self.show, VIEWERS),
            Route(see, f"{one}/correct", "correct-supporter", self.ask_correct, SENDERS),
            Route(change, f"{one}/correct", "correct-supporter", self.correct, SENDERS),
            Route(change, f"{one}/join", "join-list", self.join, SENDERS),
            Route(change, f"{one}/leave", "leave-list", self.leave, SENDERS),
            Route(change, f"{one}/suppress", "suppress-supporter", self.suppress, SENDERS),
            Route(change, f"{one}/lift", "lift-suppression", self.lift, SENDERS),
            Route(see, f"{one}/erase", "erase-supporter", self.ask_erase, SENDERS),
            Route(change, f"{one}/erase", "erase-supporter", self.erase, SENDERS),
        )

    def ask(self, visit: Visit) -> Response:
        """Show the form that asks for an address."""
        return visit.page("supporters.html", may=visit.may(StaffRole.SENDER), typed="")

    def find(self, visit: Visit) -> Response:
        """Find who has an address; where somebody has, go to their page."""
        typed = visit.form.text("address")
        try:
            person = find_person(self._desk.workspace, visit.actor, typed)
        except BadAddress as error:
            return self._not_an_address(visit, typed, error)
        if person.rows:
            return visit.go("supporter", supporter=person.rows[0].supporter_id)
        return visit.page(
            "supporter_unknown.html",
            person=person,
            barred=_barred(visit, person),
            may=visit.may(StaffRole.SENDER),
        )

    def _not_an_address(self, visit: Visit, typed: str, error: BadAddress) -> Response:
        # What they typed stands in their own page alone.
        return visit.page(
            "supporters.html",
            HTTPStatus.UNPROCESSABLE_ENTITY,
            problems={"address": visit.told(error.problem).html},
            may=visit.may(StaffRole.SENDER),
            typed=typed,
        )

    def _person(self, visit: Visit) -> tuple[Person, PersonRow]:
        text = visit.path["supporter"]
        if not (text.isascii() and text.isdecimal() and len(text) < 19):
            raise visit.not_found()
        try:
            person = person_of(self._desk.workspace.reread(), visit.actor, int(text))
            return person, person.row(int(text))
        except NobodyThere as error:
            raise visit.not_found() from error

    def show(self, visit: Visit) -> Response:
        """Show all that is on record of a person."""
        return self._show(visit)

    def _show(self, visit: Visit, problems: dict[str, str] | None = None) -> Response:
        person, row = self._person(visit)
        workspace = self._desk.workspace.reread()
        on = {one.key for one in row.lists if one.is_on}
        return visit.page(
            "supporter.html",
            HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK,
            person=person,
            row=row,
            others=[one for one in person.rows if one.supporter_id != row.supporter_id],
            barred=_barred(visit, person),
            country=country_name(row.country, visit.language),
            problems=problems or {},
            may=visit.may(StaffRole.SENDER),
            lists=[
                {"key": one.key, "is_on": one.is_on, "since": visit.shown(one.since),
                 "left_at": visit.shown(one.left_at), "consent": _named(visit, evidence_words.CONSENT, one.consent_basis),
                 "source": one.consent_source, "consented_at": visit.shown(one.consented_at),
                 "topics": ", ".join(one.topics)}
                for one in row.lists
            ],
            joinable=[
                (key, localized(one.name, visit.language, "en"))
                for key, one in sorted(workspace.lists[0].items())
                if one.owner == row.organisation and key not in on
            ],
            evidence=[
                {"at": visit.shown(one.happened_at), "kind": visit.say(evidence_words.KINDS[one.kind]),
                 "reason": _evidence_reason(visit, one.reason), "status": one.status,
                 "diagnostic": one.diagnostic, "effect": visit.say(evidence_words.EFFECTS[one.effect]),
                 "source": one.source}
                for one in person.evidence
            ],
            mailed=[
                {"key": one.mailing, "language": language_name(one.language, visit.language) if one.language else "", "at": visit.shown(one.at),
                 "outcome": _outcome(visit, one.outcome)}
                for one in person.mailed
            ],
            dates={name: visit.shown(getattr(row, name))
                   for name in ("joined_at", "created_at", "chosen_at", "paused_until")},
        )  # fmt: skip

    def ask_new(self, visit: Visit) -> Response:
        """Show the form for somebody new."""
        return self._new(visit)

    def _new(self, visit: Visit, problems: dict[str, str] | None = None) -> Response:
        workspace = self._desk.workspace.reread()
        return visit.page(
            "supporter_add.html",
            HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK,
            problems=problems or {},
            address=visit.form.text("address"),
            source=visit.form.text("source"),
            chosen=visit.form.text("list"),
            lists=[
                (key, f"{localized(one.name, visit.language, 'en')} ({key})")
                for key, one in sorted(workspace.lists[0].items())
            ],
            fields=[
                {"name": name, "label": visit.say(words), "value": visit.form.text(name)}
                for name, words in FIELDS.items()
            ],
        )

    def add(self, visit: Visit) -> Response:
        """Add somebody to a list."""
        form = visit.form
        if form.text("do") == "ask":
            # From the page that found nobody, which has the address already.
            return self._new(visit)
        said = {name: form.text(name) for name in FIELDS if form.text(name)}
        try:
            who, joined = supporters.add_person(
                self._desk.workspace.reread(), visit.actor, form.text("list"),
                form.text("address"), said, form.text("source"),
            )  # fmt: skip
        except BadAddress as error:
            return self._new(visit, {"address": visit.told(error.problem).html})
        except FaultsFound as error:
            return self._new(visit, _told(visit, error, {"--list": "list", "source": "source"}))
        return visit.go("supporter", said=JOINED[joined], supporter=who)

    def ask_correct(self, visit: Visit) -> Response:
        """Show the form with what is on record."""
        return self._correct(visit)

    def _correct(self, visit: Visit, problems: dict[str, str] | None = None) -> Response:
        person, row = self._person(visit)
        attributes = supporters.attributes_for(self._desk.workspace.reread(), row.organisation)
        on_record = {
            "name": row.name,
            "languages": "; ".join(row.languages),
            "never_languages": "; ".join(row.never),
            "country": row.country,
            "time_zone": row.time_zone,
            "tags": joined_tags(row.tags),
            **{name: row.attributes.get(name, "") for name in attributes},
        }
        labels = {**{name: visit.say(words) for name, words in FIELDS.items()},
                  **{name: name for name in attributes}}  # fmt: skip
        sent = bool(visit.form.fields)
        return visit.page(
            "supporter_correct.html",
            HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK,
            person=person,
            row=row,
            problems=problems or {},
            fields=[
                {"name": name, "label": label,
                 "value": visit.form.text(name) if sent else on_record[name]}
                for name, label in labels.items()
            ],
            text_only=visit.form.has("text_only") if sent else row.text_only,
            discreet=visit.form.has("discreet") if sent else row.discreet,
        )  # fmt: skip

    def correct(self, visit: Visit) -> Response:
        """Write what is right."""
        _, row = self._person(visit)
        workspace = self._desk.workspace.reread()
        names = [*FIELDS, *supporters.attributes_for(workspace, row.organisation)]
        said = {name: visit.form.text(name) for name in names}
        said |= {
            name: "yes" if visit.form.has(name) else "no" for name in ("text_only", "discreet")
        }
        try:
            supporters.correct_person(workspace, visit.actor, row.supporter_id, said)
        except FaultsFound as error:
            return self._correct(visit, _told(visit, error, {name: name for name in names}))
        return visit.go("supporter", said="saved", supporter=row.supporter_id)

    def join(self, visit: Visit) -> Response:
        """Put them on a list."""
        _, row = self._person(visit)
        try:
            joined = supporters.put_on_list(
                self._desk.workspace.reread(), visit.actor, row.supporter_id,
                visit.form.text("list"), visit.form.text("source"),
                returns=visit.form.has("returns"),
            )  # fmt: skip
        except FaultsFound as error:
            return self._show(visit, _told(visit, error, {"--list": "list", "source": "source"}))
        return visit.go("supporter", said=JOINED[joined], supporter=row.supporter_id)

    def leave(self, visit: Visit) -> Response:
        """Take them off a list."""
        _, row = self._person(visit)
        try:
            supporters.take_off_list(
                self._desk.workspace, visit.actor, row.supporter_id, visit.form.text("list")
            )
        except LogNotWritten:
            return self._show(
                visit, {"": visit.say("It could not be put on record: nothing was changed")}
            )
        return visit.go("supporter", said="taken-off", supporter=row.supporter_id)

    def _scope(self, visit: Visit, row: PersonRow | None) -> Scope:
        """Return for whom it is to hold: all organisations, or that of the row."""
        key = row.organisation if row is not None and visit.form.text("scope") == "one" else ""
        try:
            return scope_of(self._desk.workspace, key)
        except NoSuchOrganisation as error:
            raise visit.not_found() from error

    def suppress(self, visit: Visit) -> Response:
        """Mail them no more."""
        person, row = self._person(visit)
        try:
            suppress_person(
                self._desk.workspace, visit.actor, person.digest, self._scope(visit, row),
                visit.form.text("reason"),
            )  # fmt: skip
        except LogNotWritten:
            return self._show(
                visit, {"": visit.say("It could not be put on record: nothing was changed")}
            )
        return visit.go("supporter", said="suppressed", supporter=row.supporter_id)

    def suppress_typed(self, visit: Visit) -> Response:
        """Mail an address no more that nobody on record has."""
        typed = visit.form.text("address")
        try:
            person = find_person(self._desk.workspace, visit.actor, typed)
        except BadAddress as error:
            return self._not_an_address(visit, typed, error)
        suppress_person(
            self._desk.workspace, visit.actor, person.digest, self._scope(visit, None),
            visit.form.text("reason"),
        )  # fmt: skip
        return visit.go("supporters", said="suppressed")

    def lift(self, visit: Visit) -> Response:
        """Lift what was chosen of what stands; the person's own word only when they take it back."""
        person, row = self._person(visit)
        reason = visit.form.text("reason")
        problems = {} if reason else {"reason": visit.say("Write why: it is kept in the audit log")}
        wished = visit.form.has("wish")
        chosen = visit.form.all("scope")
        liftable = [
            one.entry
            for one in person.barred
            if one.entry.scope in chosen and (wished or not one.is_own_word)
        ]
        if not liftable and not problems:
            problems = {"scope": visit.say(
                "Choose what to lift. What people said themselves is lifted when they ask for it.")}  # fmt: skip
        if problems:
            return self._show(visit, problems)
        lift_from_person(self._desk.workspace, visit.actor, person.digest, liftable, reason)
        return visit.go("supporter", said="lifted", supporter=row.supporter_id)

    def ask_erase(self, visit: Visit) -> Response:
        """Ask whether they are really to be erased."""
        return self._erase(visit)

    def _erase(self, visit: Visit, problems: dict[str, str] | None = None) -> Response:
        person, row = self._person(visit)
        return visit.page(
            "supporter_erase.html",
            HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK,
            person=person, row=row, problems=problems or {},
        )  # fmt: skip

    def erase(self, visit: Visit) -> Response:
        """Delete all that is on record of a person."""
        person, row = self._person(visit)
        if not visit.form.has("sure"):
            return self._erase(visit, {"sure": visit.say("Say that you mean it")})
        try:
            erase_person(self._desk.workspace, visit.actor, person.digest, self._scope(visit, row))
        except LogNotWritten:
            told = {"": visit.say("It could not be put on record: nothing was changed")}
            return self._erase(visit, told)
        return visit.go("supporters", said="erased")


def _told(visit: Visit, error: FaultsFound, fields: dict[str, str]) -> dict[str, str]:
    known = {**{name: name for name in FIELDS}, **fields}
    return problems_of(visit, error.faults, known)


def _evidence_reason(visit: Visit, reason: FeedbackReason) -> str:
    words = evidence_words.REASONS[reason]
    return visit.say(words) if words else ""


def _outcome(visit: Visit, outcome: str) -> str:
    words = {**{one.value: text for one, text in DELIVERY_STATES.items()},
             **{one.value: text for one, text in SKIP_REASONS.items()}}  # fmt: skip
    return visit.say(words[outcome]) if outcome in words else outcome


def _named(visit: Visit, words: Mapping[str, str], value: str) -> str:
    """Return what a value is called; the value itself where nobody gave it a name."""
    return visit.say(words[value]) if value in words else value


def _barred(visit: Visit, person: Person) -> list[dict[str, object]]:
    return [
        {"scope": one.entry.scope, "organisation": one.organisation or visit.say("all organisations"),
         "reason": visit.say(REASONS[one.entry.reason]), "source": _named(visit, evidence_words.SUPPRESSION_SOURCES, one.entry.source),
         "since": visit.shown(one.entry.since), "own": one.is_own_word}
        for one in person.barred
    ]  # fmt: skip
