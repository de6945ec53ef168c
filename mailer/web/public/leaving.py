"""Answer the unsubscribe link: a page with one large button, one-click requests, less, and undo.

In: a token in the path, a form. Out: pages that are the same for every token, whether it is ours,
was used before or names nobody any more; so they tell a stranger nothing. GET and HEAD change
nothing and look nobody up. The token is read by GET only to pass on to the preferences, which every
token leads to. Standards: RFC 8058.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from mailer.events import emit, warn
from mailer.feedback.preferences import Easing, ease_by_token, pause_end, preferences_token
from mailer.feedback.unsubscribe import (
    UNDO_WINDOW,
    LeavingWish,
    Unsubscribed,
    undo,
    unsubscribe_all,
)
from mailer.model.audience import UnsubscriptionSource
from mailer.statements.languages import long_date
from mailer.store.engine import StoreUnavailable
from mailer.web.public.forms import Fields, FormRefused, read_form
from mailer.web.public.ground import (
    READ,
    RETRY_AFTER_S,
    WRITE,
    WRITERS,
    Ground,
    InThreads,
    Route,
    not_now,
)
from mailer.web.public.pages import PRIVATE_HEADERS, root_of
from mailer.web.public.together import Together

#: Unsubscriptions written in one transaction: some 30 ms of write lock.
_MOST_AT_ONCE = 50
#: How far the clock of the form's page may seem to be ahead.
_CLOCK_SLACK = timedelta(minutes=1)
_EASINGS = frozenset(Easing)


def wish(fields: Fields) -> UnsubscriptionSource | Easing | None:
    """Tell by which way a form asks to unsubscribe, or what it wants instead; None for neither."""
    for name, value in fields:
        # RFC 8058 §3.1: the body is the key/value pair of the List-Unsubscribe-Post field.
        if name.lower() == "list-unsubscribe" and value.strip().lower() == "one-click":
            return UnsubscriptionSource.ONE_CLICK
        if name == "action" and value == "unsubscribe":
            return UnsubscriptionSource.PAGE
        if name == "action" and value in _EASINGS:
            return Easing(value)
    return None


@dataclass(frozen=True)
class UndoWish:
    """What the undo button sends."""

    token: str
    #: When the page with the button was made.
    made_at: datetime

    def is_late(self, now: datetime) -> bool:
        """Tell whether the half hour of the page is over.

        What is put back is decided by the hour of the unsubscription on record and not by this,
        which a visitor could change; it only says the same for every token.
        """
        return not now - UNDO_WINDOW <= self.made_at <= now + _CLOCK_SLACK


def undo_wish(fields: Fields) -> UndoWish | None:
    """Return what the undo button sent; None when it is something else."""
    values = dict(fields)
    token, made_at = values.get("undo", ""), values.get("at", "")
    if not token or not made_at.isascii() or not made_at.isdigit() or len(made_at) > 11:
        return None
    return UndoWish(token, datetime.fromtimestamp(int(made_at), UTC))


class Leaving:
    """The routes of the unsubscribe link."""

    def __init__(self, ground: Ground) -> None:
        self._store = ground.store
        self._tokens = ground.tokens
        self._pages = ground.pages
        self._clock = ground.clock
        self._log = ground.log
        self._answering = InThreads(WRITERS)
        self._together = Together(self._leave, _MOST_AT_ONCE)

    def _leave(self, wishes: Sequence[LeavingWish]) -> list[Unsubscribed]:
        return unsubscribe_all(self._store, self._tokens, wishes, self._clock.now(), self._log)

    def routes(self) -> tuple[Route, ...]:
        """Return what is answered here."""
        return (
            # One route for all its methods, so that 405 names each of them in Allow.
            Route("/u/{token}", (*READ, *WRITE), self.answer, "unsubscribe"),
            Route("/undo", WRITE, self.undo, "undo"),
        )

    async def answer(self, request: Request) -> Response:
        """Show the page, or unsubscribe: only POST changes anything."""
        return await (self.unsubscribe if request.method == "POST" else self.ask)(request)

    async def ask(self, request: Request) -> Response:
        """Show the page with the large button, or pass on to the preferences; nobody is looked up."""
        if request.query_params.get("to") == "preferences":
            token = preferences_token(self._tokens, request.path_params["token"])
            # Relative, as every address of these pages: a proxy may have added a folder.
            return RedirectResponse(
                f"{root_of(request)}p/{token}", HTTPStatus.SEE_OTHER, PRIVATE_HEADERS
            )
        return self._pages.private(request, "unsubscribe.html")

    async def unsubscribe(self, request: Request) -> Response:
        """Unsubscribe at once, for ever idempotent: the mail program's way or the button's."""
        try:
            source = wish(await read_form(request))
        except FormRefused as refused:
            return self._pages.error(request, refused.status)
        if source is None:
            return self._pages.error(request, HTTPStatus.BAD_REQUEST)
        if isinstance(source, Easing):
            return await self._ease(request, source)
        wished = LeavingWish(request.path_params["token"], source)
        try:
            done = await self._together.ask(wished)
        except StoreUnavailable as error:
            warn("unsubscribing had to wait", problem=error.problem)
            return self._not_yet(request)
        if done.left and done.delivery_id is not None:
            emit("unsubscribed", delivery_id=done.delivery_id, lists=done.left, source=source.value)
        if not done.logged:
            # They are out; it is said only when a restored database could not bring them back.
            return self._not_yet(request)
        # RFC 8058 §3.1: the answer to a one-click request is never a redirect.
        if source is UnsubscriptionSource.ONE_CLICK:
            return self._pages.private(request, "unsubscribed.html")
        return self._pages.private(
            request,
            "unsubscribed.html",
            undo=done.undo_token,
            at=int(self._clock.now().timestamp()),
        )

    async def _ease(self, request: Request, easing: Easing) -> Response:
        """Pause, or have only urgent mails come, or take that back; the page says what holds."""
        token: str = request.path_params["token"]
        now = self._clock.now()
        done = await self._answering.run(
            lambda: ease_by_token(self._store, self._tokens, token, easing, now)
        )
        if done:
            emit("eased", wish=easing.value)
        return self._pages.private(
            request,
            "eased.html",
            wish=easing.value,
            until=long_date(pause_end(now).date(), self._pages.language_for(request)),
        )

    def _not_yet(self, request: Request) -> Response:
        """Ask the provider or the person to try again: nobody is told it is done when it is not."""
        return self._pages.private(
            request,
            "not_yet.html",
            HTTPStatus.SERVICE_UNAVAILABLE,
            {"Retry-After": str(RETRY_AFTER_S)},
        )

    async def undo(self, request: Request) -> Response:
        """Take back what was unsubscribed in the last half hour."""
        try:
            wished = undo_wish(await read_form(request))
        except FormRefused as refused:
            return self._pages.error(request, refused.status)
        if wished is None:
            return self._pages.error(request, HTTPStatus.BAD_REQUEST)
        now = self._clock.now()
        if wished.is_late(now):
            return self._pages.private(request, "too_late.html")

        def take_back() -> int:
            return undo(self._store, self._tokens, wished.token, now, self._log)

        try:
            put_back = await self._answering.run(take_back)
        except StoreUnavailable as error:
            warn("undoing had to wait", problem=error.problem)
            return not_now(self._pages, request)
        if put_back:
            emit("unsubscription undone", lists=put_back)
        return self._pages.private(request, "undone.html")
