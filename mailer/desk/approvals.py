"""Have a mailing approved: ask, read it in each language, approve it or return it with a comment.

In: forms of authors, approvers, and of reviewers who have a link and no account. Out: votes on record.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from starlette.responses import Response

from mailer.app.approving import (
    ChangedSince,
    NotTheirs,
    Review,
    ask_for_approval,
    end_link,
    make_link,
    review_of,
    reviewed_by,
    take_back,
    vote,
    vote_by_link,
)
from mailer.app.preview import preview_mail
from mailer.desk.ground import Desk
from mailer.desk.mailings import mailing_of
from mailer.desk.previews import framed, preheader_of, taken_apart
from mailer.desk.routes import ALL_STAFF, ANYBODY, APPROVERS, MAKERS, Method, Route
from mailer.desk.visit import Visit
from mailer.desk.words import mailing_state
from mailer.model.approval import Vote
from mailer.model.faults import FaultsFound
from mailer.model.staff import ActorKind, StaffRole
from mailer.model.states import ForbiddenTransition, MailingState
from mailer.statements.languages import language_name
from mailer.store.approvals import ReviewLink
from mailer.store.statements import load_text


class Approvals:
    """The routes of approval."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> Sequence[Route]:
        """Return what is answered here."""
        see, change = Method.SEE, Method.CHANGE
        at = "/mailings/{key}/approval"
        return (
            Route(see, at, "mailing-approval", self.show, ALL_STAFF),
            Route(change, at, "mailing-approval", self.vote, APPROVERS),
            Route(change, f"{at}/ask", "ask-approval", self.ask, MAKERS),
            Route(change, f"{at}/take-back", "take-back", self.take_back, MAKERS),
            Route(change, f"{at}/links", "review-links", self.make_link, MAKERS),
            Route(change, f"{at}/links/{{link}}/end", "end-review-link", self.end_link, MAKERS),
            Route(see, "/review/{token}", "review", self.read, ANYBODY),
            Route(change, "/review/{token}", "review", self.vote_by_link, ANYBODY),
            Route(see, "/review/{token}/mail", "review-frame", self.frame, ANYBODY),
        )

    def show(self, visit: Visit) -> Response:
        """Show who has approved what, and the form for who may."""
        return self._page(visit)

    def _page(
        self,
        visit: Visit,
        problems: dict[str, str] | None = None,
        link: str = "",
    ) -> Response:
        mailing = mailing_of(visit)
        review = review_of(self._desk.workspace, mailing.key)
        in_review = mailing.state is MailingState.IN_REVIEW
        return visit.page(
            "mailing_approval.html",
            HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK,
            mailing=mailing,
            state_words=mailing_state(visit, mailing.state),
            wanted=self._desk.workspace.config.approval.required,
            review=review,
            editions=[
                {
                    "tag": tag,
                    "name": language_name(tag, visit.language),
                    "count": review.standing.by_language[tag],
                }
                for tag in review.languages
            ],
            votes=self._votes(visit, review),
            links=[self._link(visit, one) for one in review.links if one.ended_at is None],
            link=link,
            may_vote=in_review
            and visit.may(StaffRole.APPROVER)
            and visit.user.login not in review.makers,
            is_maker=visit.user.login in review.makers,
            may_ask=visit.may(*MAKERS),
            problems=problems or {},
            comment=visit.form.lines("comment"),
            read=visit.form.all("read"),
        )

    def _votes(self, visit: Visit, review: Review) -> list[dict[str, object]]:
        return [
            {
                "by": one.by.name,
                "is_guest": one.by.kind is ActorKind.REVIEWER,
                "language": language_name(one.language, visit.language),
                "approved": one.vote is Vote.APPROVED,
                "counts": one.digest == review.digest,
                "comment": one.comment,
                "at": visit.shown(one.at),
            }
            for one in reversed(review.votes)
        ]

    def _link(self, visit: Visit, one: ReviewLink) -> dict[str, object]:
        return {
            "id": one.link_id,
            "reviewer": one.reviewer,
            "language": language_name(one.language, visit.language),
            "until": visit.shown(one.expires_at),
        }

    def ask(self, visit: Visit) -> Response:
        """Hand the draft to the approvers."""
        mailing = mailing_of(visit)
        try:
            ask_for_approval(self._desk.workspace, visit.actor, mailing.key)
        except ForbiddenTransition:
            return visit.go("mailing-approval", said="not-any-more", key=mailing.key)
        return visit.go("mailing-approval", said="approval-asked", key=mailing.key)

    def take_back(self, visit: Visit) -> Response:
        """Make it a draft again."""
        mailing = mailing_of(visit)
        try:
            take_back(self._desk.workspace, visit.actor, mailing.key)
        except ForbiddenTransition:
            return visit.go("mailing-approval", said="not-any-more", key=mailing.key)
        return visit.go("mailing", said="draft-again", key=mailing.key)

    def vote(self, visit: Visit) -> Response:
        """Approve the editions that were read, or return the mailing with a comment."""
        mailing = mailing_of(visit)
        form = visit.form
        given = Vote.RETURNED if form.text("vote") == "return" else Vote.APPROVED
        problems = {}
        if given is Vote.APPROVED and not form.all("read"):
            problems["read"] = visit.say("Mark each edition that you have read and approve.")
        if given is Vote.RETURNED and not form.has("comment"):
            problems["comment"] = visit.say("Say what is to be changed.")
        if problems:
            return self._page(visit, problems)
        languages = form.all("read")
        if given is Vote.RETURNED and not languages:
            languages = review_of(self._desk.workspace, mailing.key).languages
        try:
            vote(
                self._desk.workspace,
                visit.actor,
                mailing.key,
                seen=form.text("seen"),
                languages=languages,
                given=given,
                comment=form.lines("comment").strip(),
            )
        except (ChangedSince, ForbiddenTransition):
            return visit.go("mailing-approval", said="not-any-more", key=mailing.key)
        except NotTheirs as error:
            raise visit.forbidden() from error
        said = "returned" if given is Vote.RETURNED else "approved"
        return visit.go("mailing-approval", said=said, key=mailing.key)

    def make_link(self, visit: Visit) -> Response:
        """Make a link for somebody without an account; it is shown this once."""
        mailing = mailing_of(visit)
        reviewer = visit.form.text("reviewer")
        if not reviewer:
            return self._page(visit, {"reviewer": visit.say("Say who gets the link.")})
        try:
            token = make_link(
                self._desk.workspace,
                visit.actor,
                mailing.key,
                language=visit.form.text("language"),
                reviewer=reviewer,
            )
        except FaultsFound:
            return self._page(visit, {"language": visit.say("Choose an edition.")})
        except ForbiddenTransition:
            return visit.go("mailing-approval", said="not-any-more", key=mailing.key)
        address = f"{self._desk.origin}{self._desk.path_to('review', token=token)}"
        return self._page(visit, link=address)

    def end_link(self, visit: Visit) -> Response:
        """Take a link back."""
        mailing = mailing_of(visit)
        number = visit.path["link"]
        if number.isdecimal():
            end_link(self._desk.workspace, visit.actor, mailing.key, int(number))
        return visit.go("mailing-approval", said="link-ended", key=mailing.key)

    def read(self, visit: Visit) -> Response:
        """Show a reviewer the edition that their link is for."""
        return self._review_page(visit)

    def _review_page(self, visit: Visit, problems: dict[str, str] | None = None) -> Response:
        found = reviewed_by(self._desk.workspace, visit.path["token"])
        if found is None:
            return visit.page("review_over.html", HTTPStatus.NOT_FOUND)
        link, review = found
        with self._desk.store.read() as connection:
            revision = load_text(connection, review.mailing.revision_id)
        preview = preview_mail(self._desk.workspace, review.mailing, link.language)
        return visit.page(
            "review.html",
            HTTPStatus.UNPROCESSABLE_ENTITY if problems else HTTPStatus.OK,
            link=link,
            mail=taken_apart(preview),
            preheader=preheader_of(revision, preview),
            edition_language=language_name(link.language, visit.language),
            token_=visit.path["token"],
            problems=problems or {},
            comment=visit.form.lines("comment"),
        )

    def frame(self, visit: Visit) -> Response:
        """Return the mail's HTML for the frame of a reviewer's page."""
        found = reviewed_by(self._desk.workspace, visit.path["token"])
        if found is None:
            raise visit.not_found()
        link, review = found
        preview = preview_mail(self._desk.workspace, review.mailing, link.language)
        return framed(taken_apart(preview), "")

    def vote_by_link(self, visit: Visit) -> Response:
        """Take a reviewer's word."""
        given = Vote.RETURNED if visit.form.text("vote") == "return" else Vote.APPROVED
        comment = visit.form.lines("comment").strip()
        if given is Vote.RETURNED and not comment:
            return self._review_page(visit, {"comment": visit.say("Say what is to be changed.")})
        try:
            done = vote_by_link(self._desk.workspace, visit.path["token"], given, comment)
        except (ChangedSince, ForbiddenTransition):
            done = False
        if not done:
            return visit.page("review_over.html", HTTPStatus.NOT_FOUND)
        return visit.page("review_done.html")
