"""Look at the mail that one supporter would get of a mailing, found by their whole address.

In: an address by POST; after that the id of the person's row. Out: a page with their mail, why it is in
this language, or why they get none. No address stands in a URL, and each look leaves an entry in the
audit log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from urllib.parse import urlencode

from starlette.responses import Response

from mailer.app.people import NobodyThere
from mailer.app.person_preview import PersonPreview, preview_for, supporter_with
from mailer.audience.addresses import BadAddress
from mailer.desk.ground import Desk
from mailer.desk.mailings import mailing_of
from mailer.desk.phrases import mark
from mailer.desk.previews import Previews, framed, preheader_of, shown_as, taken_apart
from mailer.desk.routes import Method, Route
from mailer.desk.supporters import VIEWERS
from mailer.desk.visit import Visit
from mailer.desk.words import skip_reason
from mailer.model.audience import LanguageStep
from mailer.model.faults import FaultsFound
from mailer.model.mailing import Mailing
from mailer.statements.languages import language_name
from mailer.store.statements import load_text

STEPS: Mapping[LanguageStep, str] = {
    LanguageStep.FIRST: mark("It is their first language."),
    LanguageStep.LATER: mark("It is a later one of their languages: there is none in the first."),
    LanguageStep.FALLBACK: mark(
        "There is no edition in a language of theirs: the list says which one is sent instead."
    ),
}


class PersonPreviews:
    """The routes of looking at one supporter's mail."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._previews = Previews(desk)

    def routes(self) -> Sequence[Route]:
        """Return what is answered here."""
        one = "/mailings/{key}/preview/supporter"
        named = one + "/{supporter}"
        return (
            Route(Method.CHANGE, one, "preview-supporter", self.find, VIEWERS),
            Route(Method.SEE, named, "supporter-preview", self.show, VIEWERS),
            Route(Method.SEE, f"{named}/mail", "supporter-frame", self.frame, VIEWERS),
        )

    def find(self, visit: Visit) -> Response:
        """Find who has an address, and go to their mail."""
        mailing, typed = mailing_of(visit), visit.form.text("address")
        try:
            found = supporter_with(self._desk.workspace, visit.actor, mailing, typed)
        except BadAddress as error:
            return self._previews.show_with(visit, {"address": error.problem}, typed)
        if found is None:
            nobody = visit.say("Nobody on record has this address.")
            return self._previews.show_with(visit, {"address": nobody}, typed)
        return visit.go("supporter-preview", key=mailing.key, supporter=found)

    def show(self, visit: Visit) -> Response:
        """Show the mail of a person, or why they get none."""
        mailing, who = mailing_of(visit), visit.path["supporter"]
        problem, shown = "", None
        try:
            shown = self._shown(visit, mailing)
        except FaultsFound as error:
            problem = " ".join(f"{one.problem}. {one.remedy}" for one in error.faults)
        preview = shown.preview if shown else None
        with self._desk.store.read() as connection:
            revision = load_text(connection, mailing.revision_id)
        mail = taken_apart(preview) if preview else None
        chosen = shown_as(visit)
        if mail is not None and not mail.html and chosen["view"] != "source":
            chosen["view"] = "text"
        frame = self._desk.path_to("supporter-frame", key=mailing.key, supporter=who)
        choice = preview.choice if preview else None
        return visit.page(
            "person_preview.html",
            HTTPStatus.UNPROCESSABLE_ENTITY if problem else HTTPStatus.OK,
            mailing=mailing,
            problem=problem,
            shown=shown,
            reason=skip_reason(visit, shown.reason) if shown and shown.reason else "",
            mail=mail,
            edition=choice,
            edition_name=language_name(choice.language or "en", visit.language) if choice else "",
            why=visit.say(STEPS[choice.step]) if choice and choice.step in STEPS else "",
            preheader=preheader_of(revision, preview),
            frame=f"{frame}?{urlencode({'scheme': chosen['scheme']})}",
            **chosen,
        )

    def frame(self, visit: Visit) -> Response:
        """Return the HTML of a person's mail alone, for the frame."""
        try:
            shown = self._shown(visit, mailing_of(visit))
        except FaultsFound as error:
            raise visit.not_found() from error
        if shown.preview is None:
            raise visit.not_found()
        return framed(taken_apart(shown.preview), visit.query("scheme"))

    def _shown(self, visit: Visit, mailing: Mailing) -> PersonPreview:
        text = visit.path["supporter"]
        if not (text.isascii() and text.isdecimal() and len(text) < 19):
            raise visit.not_found()
        try:
            return preview_for(self._desk.workspace.reread(), visit.actor, mailing, int(text))
        except NobodyThere as error:
            raise visit.not_found() from error
