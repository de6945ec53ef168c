"""Show what is checked before a mailing can be scheduled, each finding with a link to its place.

In: a mailing. Out: findings, what blocks first. Servers of links and the DNS are asked only when
somebody says so; what they said last stands with its hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from markupsafe import escape
from starlette.responses import Response

from mailer.app.preflight import Finding, Place, Weight, ask_domain, ask_links, preflight
from mailer.app.preflight.findings import FindingCode
from mailer.app.preflight.subject import subject_of
from mailer.app.preflight.words import Said
from mailer.app.preflight.words import say as say_finding
from mailer.desk.faults import is_known, marked, spoken
from mailer.desk.ground import Desk
from mailer.desk.mailings import mailing_of
from mailer.desk.routes import ALL_STAFF, MAKERS, Method, Route
from mailer.desk.visit import Visit
from mailer.desk.words import mailing_state
from mailer.model.faults import FaultsFound
from mailer.model.worded import Worded
from mailer.statements.catalog import Catalog


class _Speaker:
    """Says phrases of preflight in one of the desk's languages."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def phrase(self, msgid: str, /, **values: object) -> str:
        """Return a phrase with its values."""
        return self._catalog.phrase(msgid, **values)

    def plural(self, msgid: str, plural_msgid: str, count: int, /, **values: object) -> str:
        """Return a phrase in the form that goes with `count`."""
        shown = {"count": self._catalog.number(count), **values}
        return self._catalog.plural(msgid, plural_msgid, count, **shown)


def in_words(visit: Visit, finding: Finding) -> Said:
    """Return a finding in the page's language."""
    catalog = visit.catalog
    told = {name: one for name, one in finding.values.items() if isinstance(one, Worded)}
    values = {**finding.values, **{name: spoken(catalog, one) for name, one in told.items()}}
    said = say_finding(replace(finding, values=values), _Speaker(catalog))
    texts = [escape(said.text), escape(said.remedy)]
    for one in told.values():
        if not is_known(catalog, one):
            texts = [text.replace(escape(one), marked(one)) for text in texts]
    return Said(*texts)


class Checks:
    """The routes of checking a mailing."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._asking = ThreadPoolExecutor(1, thread_name_prefix="asking")

    def routes(self) -> Sequence[Route]:
        """Return what is answered here."""
        at = "/mailings/{key}/checks"
        return (
            Route(Method.SEE, at, "mailing-checks", self.show, ALL_STAFF),
            Route(Method.SEE, f"{at}/people", "people-checks", self.people, ALL_STAFF),
            Route(Method.CHANGE, f"{at}/links", "ask-links", self.ask_links, MAKERS),
            Route(Method.CHANGE, f"{at}/domain", "ask-domain", self.ask_domain, MAKERS),
        )

    def show(self, visit: Visit) -> Response:
        """Show everything but what has to be counted."""
        mailing = mailing_of(visit)
        found = preflight(self._desk.workspace.reread(), mailing, count=False)
        return visit.page(
            "mailing_checks.html",
            mailing=mailing,
            state_words=mailing_state(visit, mailing.state),
            blocking=[self._line(visit, one) for one in found.blocking],
            advisory=[self._line(visit, one) for one in found.advisory],
            mails=found.mails,
            may_ask=visit.may(*MAKERS),
        )

    def people(self, visit: Visit) -> Response:
        """Show what is found by counting people: a part of the page, or a page of its own."""
        mailing = mailing_of(visit)
        found = preflight(self._desk.workspace.reread(), mailing)
        counted = [one for one in found.findings if _is_of_people(one)]
        return visit.page(
            "_findings.html" if visit.query("part") else "people_checks.html",
            mailing=mailing,
            findings=[self._line(visit, one) for one in counted],
            to_mail=found.coverage.to_mail if found.coverage else None,
        )

    def ask_links(self, visit: Visit) -> Response:
        """Ask the servers that the links lead to."""
        mailing = mailing_of(visit)
        workspace = self._desk.workspace.reread()
        subject = subject_of(workspace, mailing)
        if subject.stored is not None:
            base_url = subject.sender.base_url if subject.sender else ""
            # Servers that do not answer keep one waiting for minutes: nobody waits for them here.
            self._asking.submit(ask_links, workspace, subject.stored.revision, base_url)
        return visit.go("mailing-checks", said="links-asked", key=mailing.key)

    def ask_domain(self, visit: Visit) -> Response:
        """Ask the DNS about the sender's domains."""
        mailing = mailing_of(visit)
        workspace = self._desk.workspace.reread()
        subject = subject_of(workspace, mailing)
        if subject.sender is not None:
            try:
                ask_domain(workspace, subject.sender)
            except FaultsFound:
                # That a key cannot be read is among the findings.
                return visit.go("mailing-checks", key=mailing.key)
        return visit.go("mailing-checks", said="domain-asked", key=mailing.key)

    def _line(self, visit: Visit, finding: Finding) -> dict[str, object]:
        said = in_words(visit, finding)
        return {
            "text": said.text,
            "remedy": said.remedy,
            "blocks": finding.weight is Weight.BLOCKING,
            "place": _place_in_words(finding.place),
            "address": self._address(finding.place),
        }

    def _address(self, place: Place) -> str:
        """Return the page on which a finding is mended; "" for what is mended elsewhere."""
        paths = self._desk.paths
        if place.statement and place.language and "edition" in paths:
            return self._desk.path_to("edition", slug=place.statement, language=place.language)
        if place.statement and "statement" in paths:
            return self._desk.path_to("statement", slug=place.statement)
        if place.mailing and "mailing" in paths:
            return self._desk.path_to("mailing", key=place.mailing)
        if place.list and "audience" in paths:
            return self._desk.path_to("audience")
        return ""


def _is_of_people(finding: Finding) -> bool:
    return finding.code in (
        FindingCode.NOBODY,
        FindingCode.PEOPLE_WITHOUT_EDITION,
        FindingCode.PEOPLE_DISCREET,
        FindingCode.EDITION_MISSING,
    )


def _place_in_words(place: Place) -> str:
    """Return where a finding is, as names and numbers."""
    line = f":{place.line}" if place.file and place.line else ""
    parts = (
        f"{place.file}{line}" if place.file else "",
        # An option of the command line is no place at the desk.
        "" if place.field.startswith("--") else place.field,
        place.list,
        place.relay,
        place.domain,
        place.mailing,
    )
    return " · ".join(part for part in parts if part)
