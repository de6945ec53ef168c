"""Look at a mailing's mails: exactly the bytes that would go, in each language.

In: a mailing, a reader's language, a width, a scheme of colors. Out: a page with the mail in a frame
that may run nothing and ask for nothing. The frame has the mail's HTML as it is, but that its pictures
are put into it, since a browser knows no `cid:`, and that one scheme of colors is chosen where asked.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import SMTP
from http import HTTPStatus
from typing import cast
from urllib.parse import urlencode

from starlette.responses import HTMLResponse, Response

from mailer.app.preview import Preview, preview_mail
from mailer.app.staff_sends import StaffWish, leave_to_senders, plan_staff_send
from mailer.desk.faults import joined
from mailer.desk.ground import Desk
from mailer.desk.mailings import mailing_of
from mailer.desk.routes import ALL_STAFF, MAKERS, Method, Route
from mailer.desk.supporters import VIEWERS
from mailer.desk.visit import Visit
from mailer.model.faults import FaultsFound
from mailer.model.mailing import Mailing
from mailer.model.statement import Revision
from mailer.statements.languages import language_name
from mailer.store.statements import load_text

#: A mail's own style stands in it; nothing else is let in, and nothing of it runs.
FRAME_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
)
_DARK = re.compile(r"@media\s*\(\s*prefers-color-scheme\s*:\s*dark\s*\)")
_SCHEMES = ("light", "dark")
_VIEWS = ("phone", "text", "source")


@dataclass(frozen=True)
class ShownMail:
    """A mail taken apart to be looked at."""

    sender_name: str
    subject: str
    html: str
    text: str
    source: str
    size: int


def taken_apart(preview: Preview) -> ShownMail:
    """Return the parts of a mail as a person looks at them."""
    parsed = message_from_bytes(preview.source, policy=SMTP)
    html, text, pictures = "", "", {}
    for part in parsed.walk():
        kind = part.get_content_type()
        if kind == "text/plain" and not text:
            text = str(part.get_content())
        elif kind == "text/html" and not html:
            html = str(part.get_content())
        elif part.get_content_maintype() == "image":
            content = base64.b64encode(cast("bytes", part.get_content())).decode()
            pictures[str(part["Content-ID"]).strip("<>")] = f"data:{kind};base64,{content}"
    for content_id, data in pictures.items():
        html = html.replace(f"cid:{content_id}", data)
    addresses = parsed["From"].addresses
    return ShownMail(
        addresses[0].display_name or addresses[0].addr_spec,
        str(parsed["Subject"]),
        html,
        text,
        preview.source.decode("utf-8", "replace").replace("\r\n", "\n"),
        len(preview.source),
    )


def in_scheme(html: str, scheme: str) -> str:
    """Return a mail's HTML as programs show it in one scheme of colors, whatever the browser's is."""
    if scheme not in _SCHEMES:
        return html
    return _DARK.sub("@media all" if scheme == "dark" else "@media not all", html)


class Previews:
    """The routes of looking at mails."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> Sequence[Route]:
        """Return what is answered here."""
        return (
            Route(Method.SEE, "/mailings/{key}/preview", "mailing-preview", self.show, ALL_STAFF),
            Route(
                Method.SEE, "/mailings/{key}/preview/mail", "mailing-frame", self.frame, ALL_STAFF
            ),
            Route(Method.CHANGE, "/mailings/{key}/preview/test", "test-send", self.test, MAKERS),
        )

    def show(self, visit: Visit) -> Response:
        """Show a mail with what is said of it."""
        return self._page(visit)

    def show_with(self, visit: Visit, problems: dict[str, str], typed: str) -> Response:
        """Show the page again with what is wrong with an address that was typed."""
        return self._page(visit, problems, typed=typed)

    def _page(
        self,
        visit: Visit,
        problems: dict[str, str] | None = None,
        language: str = "",
        typed: str = "",
    ) -> Response:
        mailing = mailing_of(visit)
        with self._desk.store.read() as connection:
            revision = load_text(connection, mailing.revision_id)
        wanted = (
            language or visit.query("other") or visit.query("language") or revision.source_language
        )
        problem, mail, preview = "", None, None
        try:
            preview = preview_mail(self._desk.workspace, mailing, wanted)
            mail = taken_apart(preview)
        except FaultsFound as error:
            problem = joined(visit.fault(one).html for one in error.faults)
        return visit.page(
            "mailing_preview.html",
            HTTPStatus.UNPROCESSABLE_ENTITY if problem or problems else HTTPStatus.OK,
            mailing=mailing,
            problems=problems or {},
            staff=self._desk.workspace.config.workspace.staff if visit.may(*MAKERS) else (),
            revision=revision,
            wanted=wanted,
            **shown_as(visit),
            may_choose=visit.may(*VIEWERS),
            typed=typed,
            frame=f"{self._desk.path_to('mailing-frame', key=mailing.key)}?"
            + urlencode({"language": wanted, "scheme": shown_as(visit)["scheme"]}),
            problem=problem,
            mail=mail,
            edition=preview.choice if preview else None,
            preheader=preheader_of(revision, preview),
            languages=[(tag, language_name(tag, visit.language)) for tag in revision.languages],
        )

    def frame(self, visit: Visit) -> Response:
        """Return a mail's HTML alone, for the frame."""
        mailing = mailing_of(visit)
        return framed(self._mail(visit, mailing), visit.query("scheme"))

    def test(self, visit: Visit) -> Response:
        """Send it to staff, as a supporter would get it; the senders do within seconds."""
        mailing = mailing_of(visit)
        language = visit.form.text("language")
        if not visit.form.all("to"):
            return self._page(visit, {"to": visit.say("Choose who gets it.")}, language)
        wish = StaffWish("", mailing.key, language, "", visit.form.all("to"))
        try:
            plan = plan_staff_send(self._desk.workspace, wish)
            leave_to_senders(self._desk.workspace, visit.actor, plan)
        except FaultsFound as error:
            return self._page(
                visit, {"to": joined(visit.fault(one).whole for one in error.faults)}, language
            )
        return visit.go("mailing-preview", said="test-sent", key=mailing.key)

    def _mail(self, visit: Visit, mailing: Mailing) -> ShownMail:
        try:
            return taken_apart(preview_mail(self._desk.workspace, mailing, visit.query("language")))
        except FaultsFound as error:
            raise visit.not_found() from error


def shown_as(visit: Visit) -> dict[str, str]:
    """Return the view and the scheme of colors that an address asks for."""
    view, scheme = visit.query("view"), visit.query("scheme")
    return {
        "view": view if view in _VIEWS else "desktop",
        "scheme": scheme if scheme in _SCHEMES else "",
    }


def preheader_of(revision: Revision, preview: Preview | None) -> str:
    """Return what mail programs show beside the subject; "" for nothing."""
    if preview is None or preview.choice.language is None:
        return ""
    return revision.editions[preview.choice.language].preheader


def framed(mail: ShownMail, scheme: str) -> Response:
    """Return a mail's HTML as the answer of a frame."""
    return HTMLResponse(
        in_scheme(mail.html, scheme),
        headers={"Content-Security-Policy": FRAME_POLICY, "Cache-Control": "no-store"},
    )
