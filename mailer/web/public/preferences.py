"""Answer the preferences link: what supporters choose by themselves, in one form.

In: a token in the path, a form. Out: the page with what stands, which names nobody. A token that is
not ours and one of somebody who was erased have the same answer, in the same time. GET and HEAD
change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from mailer.events import emit
from mailer.feedback.preferences import pause_end, preferences_of, save_preferences
from mailer.model.statement import localized_marked
from mailer.statements.languages import direction, language_name, long_date, own_digits
from mailer.store.preferences import Choices, Standing
from mailer.web.public.choices import (
    NotOurForm,
    Wishes,
    choices_of,
    is_paused,
    offered_languages,
    places,
    read_wishes,
    wishes_on_record,
)
from mailer.web.public.forms import Fields, FormRefused, read_form
from mailer.web.public.ground import READ, WRITE, WRITERS, Ground, InThreads, Route, not_now
from mailer.web.public.time_zones import ZoneGroup, zone_groups


class _Clash(Exception):
    """What was chosen cannot stand."""

    def __init__(self, standing: Standing, wishes: Wishes) -> None:
        self.standing = standing
        self.wishes = wishes
        super().__init__()


class Preferences:
    """The routes of the preferences link."""

    def __init__(self, ground: Ground) -> None:
        self._store = ground.store
        self._tokens = ground.tokens
        self._pages = ground.pages
        self._clock = ground.clock
        self._log = ground.log
        self._answering = InThreads(WRITERS)

    def routes(self) -> tuple[Route, ...]:
        """Return what is answered here."""
        return (Route("/p/{token}", (*READ, *WRITE), self.answer, "preferences"),)

    async def answer(self, request: Request) -> Response:
        """Show what stands, or save what was chosen: only POST changes anything."""
        return await (self.save if request.method == "POST" else self.show)(request)

    async def show(self, request: Request) -> Response:
        """Show what stands."""
        token: str = request.path_params["token"]
        standing = await self._answering.run(
            lambda: preferences_of(self._store, self._tokens, token)
        )
        if standing is None:
            return self._pages.private(request, "nothing.html")
        return self._page(request, standing)

    async def save(self, request: Request) -> Response:
        """Put on record what was chosen, and show what stands now."""
        try:
            fields = await read_form(request)
        except FormRefused as refused:
            return self._pages.error(request, refused.status)
        token: str = request.path_params["token"]
        now = self._clock.now()
        try:
            saved = await self._answering.run(
                lambda: save_preferences(
                    self._store, self._tokens, token, self._choosing(fields, now), now, self._log
                )
            )
        except NotOurForm:
            return self._pages.error(request, HTTPStatus.BAD_REQUEST)
        except _Clash as clash:
            return self._page(request, clash.standing, clash.wishes, HTTPStatus.BAD_REQUEST)
        if saved is None:
            return self._pages.private(request, "nothing.html")
        emit("preferences saved")
        if not saved.logged:
            # They are out; it is said only when a restored database could not bring them back.
            return not_now(self._pages, request)
        return self._page(request, saved.standing, saved=True)

    def _choosing(self, fields: Fields, now: datetime) -> Callable[[Standing], Choices]:
        def choose(standing: Standing) -> Choices:
            offered = offered_languages(self._pages.known, standing)
            wishes = read_wishes(fields, offered, standing)
            if wishes.clashing:
                raise _Clash(standing, wishes)
            return choices_of(wishes, standing, now)

        return choose

    def _page(
        self,
        request: Request,
        standing: Standing,
        wishes: Wishes | None = None,
        status: HTTPStatus = HTTPStatus.OK,
        *,
        saved: bool = False,
    ) -> Response:
        language = self._pages.language_for(request)
        now = self._clock.now()
        shown = wishes or wishes_on_record(standing, now)
        offered = offered_languages(self._pages.known, standing)
        return self._pages.private(
            request,
            "preferences.html",
            status,
            wishes=shown,
            saved=saved,
            token=request.path_params["token"],
            barred=standing.is_barred,
            clashing=[language_name(one, language) for one in shown.clashing],
            languages=_languages(offered, language),
            choices=_numbered(shown, offered, language),
            zones=_zones(shown, language),
            lists=_lists(standing, language),
            paused_until=_day(standing.paused_until, language) if is_paused(standing, now) else "",
            pause_end=_day(pause_end(now), language),
        )


def _languages(offered: Sequence[str], language: str) -> list[dict[str, str]]:
    """Return languages by their names in the page's language, and what they call themselves."""
    return sorted(
        (
            {
                "tag": tag,
                "name": language_name(tag, language),
                "own_name": language_name(tag, tag),
                "direction": direction(tag),
            }
            for tag in offered
        ),
        key=lambda one: one["name"].casefold(),
    )


def _numbered(wishes: Wishes, offered: Sequence[str], language: str) -> list[tuple[str, str]]:
    """Return a number and the tag chosen, of each place in the order."""
    count = max(places(wishes, offered), len(wishes.languages))
    chosen = (*wishes.languages, *[""] * count)[:count]
    return [(own_digits(str(at), language), tag) for at, tag in enumerate(chosen, 1)]


def _zones(wishes: Wishes, language: str) -> Sequence[ZoneGroup]:
    groups = zone_groups(language)
    known = {zone for group in groups for zone, _ in group.zones}
    if wishes.time_zone and wishes.time_zone not in known:
        # Of no place, as UTC is: it stands by its name.
        return (ZoneGroup("", ((wishes.time_zone, wishes.time_zone),)), *groups)
    return groups


def _lists(standing: Standing, language: str) -> list[Mapping[str, object]]:
    return [
        {
            "key": one.definition.key,
            "is_on": one.is_on,
            "name": _words(one.definition.name, language),
            "topics": [
                {"key": key, "name": _words(names, language)}
                for key, names in one.definition.topics.items()
            ],
        }
        for one in standing.lists
    ]


def _words(names: Mapping[str, str], language: str) -> dict[str, str]:
    text, marked = localized_marked(names, language, "en")
    return {"text": text, "language": marked}


def _day(at: datetime | None, language: str) -> str:
    return long_date(at.date(), language) if at else ""
