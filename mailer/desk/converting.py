"""Texts from elsewhere: what is pasted, Word documents, and how an edition would look as a mail.

In: HTML and files, of anybody. Out: Markdown with what did not come along, shown before anything is
replaced; and a frame that runs nothing and asks for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from http import HTTPStatus

from starlette.responses import HTMLResponse, JSONResponse, Response

from mailer.app.draft_preview import preview_draft
from mailer.app.holding import HeldByAnother
from mailer.app.writing import read_edition, save_edition
from mailer.app.writing_rights import may_write_edition
from mailer.desk.faults import joined
from mailer.desk.ground import Desk
from mailer.desk.previews import FRAME_POLICY, framed, taken_apart
from mailer.desk.routes import ALL_STAFF, WRITERS, Method, Route, Upload
from mailer.desk.visit import Visit
from mailer.desk.writers import (
    draft_of,
    language_of,
    refusing,
    said_of_lock,
    version_of,
    writer_of,
)
from mailer.model.faults import FaultsFound
from mailer.statements.drafts import EditionDraft
from mailer.statements.from_html import NotReadable, from_html
from mailer.statements.from_word import MAX_FILE_BYTES, from_word
from mailer.statements.languages import direction, language_name
from mailer.statements.pasted import Pasted
from mailer.store.working import Clash

#: What is pasted at once.
MAX_PASTED_BYTES = 1_000_000
_DOCUMENT = Upload(most_octets=MAX_FILE_BYTES + 100_000)


class Converting:
    """The routes of texts from elsewhere, and of the editor's preview."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> Sequence[Route]:
        """Return what is answered here."""
        see, change = Method.SEE, Method.CHANGE
        at = "/statements/{slug}/editions/{language}"
        document, frame = f"{at}/document", f"{at}/mail"
        return (
            Route(change, "/convert", "convert", self.convert, WRITERS),
            Route(see, document, "edition-document", self.ask, WRITERS),
            Route(change, document, "edition-document", self.read, WRITERS, _DOCUMENT),
            Route(change, f"{at}/take", "take-document", self.take, WRITERS),
            Route(see, f"{at}/preview", "edition-preview", self.show, ALL_STAFF),
            Route(see, frame, "edition-frame", self.frame, ALL_STAFF),
            Route(change, frame, "edition-frame", self.frame_of_draft, WRITERS),
        )

    def convert(self, visit: Visit) -> Response:
        """Return what was pasted as Markdown."""
        html = visit.form.lines("html")
        if len(html.encode("utf-8", "replace")) > MAX_PASTED_BYTES:
            words = visit.say("That is too much at once. Paste it in parts.")
            return JSONResponse({"problem": words}, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        try:
            pasted = from_html(html)
        except NotReadable as error:
            words = visit.told(error.problem, error.remedy).text
            return JSONResponse({"problem": words}, HTTPStatus.UNPROCESSABLE_ENTITY)
        return JSONResponse({"markdown": pasted.markdown, "losses": _losses(visit, pasted)})

    def ask(self, visit: Visit) -> Response:
        """Ask for a Word document."""
        return self._ask(visit)

    def _ask(self, visit: Visit, problem: str = "") -> Response:
        slug, language = self._theirs(visit)
        return visit.page(
            "edition_document.html",
            HTTPStatus.UNPROCESSABLE_ENTITY if problem else HTTPStatus.OK,
            slug=slug,
            edition_language=language,
            edition_name=language_name(language, visit.language),
            problems={"document": problem} if problem else {},
        )

    def read(self, visit: Visit) -> Response:
        """Show what a Word document comes to, before it replaces or follows anything."""
        slug, language = self._theirs(visit)
        sent = visit.form.file("document")
        if sent is None:
            return self._ask(visit, visit.say("Choose a document."))
        try:
            pasted = from_word(sent.content)
        except NotReadable as error:
            return self._ask(visit, visit.told(error.problem, error.remedy).html)
        with refusing(visit):
            opened = read_edition(self._desk.workspace, slug, language)
        return self._take_page(
            visit, pasted.markdown, opened.version, losses=_losses(visit, pasted)
        )

    def _take_page(
        self,
        visit: Visit,
        body: str,
        seen: int | None,
        *,
        losses: Sequence[str] = (),
        problems: Mapping[str, str] | None = None,
    ) -> Response:
        slug, language = self._theirs(visit)
        with refusing(visit):
            there = read_edition(self._desk.workspace, slug, language).draft.body
        return visit.page(
            "edition_take.html",
            HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK,
            slug=slug,
            edition_language=language,
            edition_name=language_name(language, visit.language),
            body=body,
            there=there,
            seen=seen if seen is not None else "",
            losses=losses,
            problems=problems or {},
        )

    def take(self, visit: Visit) -> Response:
        """Put a text in the place of an edition's, or after it."""
        slug, language = self._theirs(visit)
        body = visit.form.lines("body")
        with refusing(visit):
            opened = read_edition(self._desk.workspace, slug, language)
        whole = f"{opened.draft.body}\n\n{body}" if visit.form.text("how") == "append" else body
        draft = replace(opened.draft, body=whole.strip("\n"))
        try:
            with refusing(visit):
                save_edition(
                    self._desk.workspace, slug, language, draft, version_of(visit),
                    writer_of(visit),
                )  # fmt: skip
        except FaultsFound as error:
            problem = joined(visit.fault(one).html for one in error.faults)
        except HeldByAnother as error:
            problem = said_of_lock(visit, error.lock)
        except Clash:
            problem = visit.say(
                "Somebody saved this edition meanwhile. Look at it, then choose once more."
            )
        else:
            return visit.go("edition", said="saved", slug=slug, language=language)
        return self._take_page(visit, body, opened.version, problems={"": problem})

    def _theirs(self, visit: Visit) -> tuple[str, str]:
        """Return slug and language of an edition that is theirs to write; raises 403."""
        language = language_of(visit)
        if not may_write_edition(visit.user, language):
            raise visit.forbidden()
        return visit.path["slug"], language

    def show(self, visit: Visit) -> Response:
        """Show an edition as the mail it would be, as it was saved last."""
        slug, language = visit.path["slug"], language_of(visit)
        problem, mail = "", None
        try:
            with refusing(visit):
                mail = taken_apart(preview_draft(self._desk.workspace.reread(), slug, language))
        except FaultsFound as error:
            problem = joined(visit.fault(one).html for one in error.faults)
        return visit.page(
            "edition_preview.html",
            slug=slug,
            edition_language=language,
            edition_name=language_name(language, visit.language),
            problem=problem,
            mail=mail,
            can_write=may_write_edition(visit.user, language),
        )

    def frame(self, visit: Visit) -> Response:
        """Return an edition as a mail's HTML, as it was saved last."""
        return self._frame(visit, None)

    def frame_of_draft(self, visit: Visit) -> Response:
        """Return what stands in the editor as a mail's HTML; nothing is saved."""
        self._theirs(visit)
        return self._frame(visit, draft_of(visit))

    def _frame(self, visit: Visit, draft: EditionDraft | None) -> Response:
        slug, language = visit.path["slug"], language_of(visit)
        try:
            with refusing(visit):
                workspace = self._desk.workspace.reread()
                return framed(taken_apart(preview_draft(workspace, slug, language, draft)), "")
        except FaultsFound as error:
            return _frame_of_faults(visit, error)


def _losses(visit: Visit, pasted: Pasted) -> list[str]:
    return [visit.told(one.words).text for one in pasted.losses]


def _frame_of_faults(visit: Visit, error: FaultsFound) -> Response:
    """Return what keeps a mail from being made, for the frame that it would stand in."""
    told = "".join(f"<li>{visit.fault(one).html}</li>" for one in error.faults)
    words = escape(visit.say("No mail can be made of it as it is:"))
    return HTMLResponse(
        f'<!DOCTYPE html><html lang="{visit.language}" dir="{direction(visit.language)}">'
        f"<title>{words}</title><style>body{{font:1rem/1.5 sans-serif;margin:1rem}}</style>"
        f"<p>{words}</p><ul>{told}</ul></html>",
        headers={"Content-Security-Policy": FRAME_POLICY, "Cache-Control": "no-store"},
    )
