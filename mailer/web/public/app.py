"""Put the public pages together: statements, their archive, and the links in mails.

In: store, tokens, catalogs, clock. Out: an ASGI app without sessions, cookies or scripts. It needs
neither the sealing key nor anything that reads a supporter's address.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from anyio import to_thread
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route as StarletteRoute
from starlette.types import Receive, Scope, Send

from mailer.clock import Clock
from mailer.events import warn
from mailer.model.statement import LocalizedText
from mailer.statements.catalog import Catalog
from mailer.store.engine import Store, StoreUnavailable, ping
from mailer.store.suppression_log import SuppressionLog
from mailer.tokens import Tokens
from mailer.web.public.archive import Archive
from mailer.web.public.articles import Articles
from mailer.web.public.caching import FOREVER_S
from mailer.web.public.cards import Listing
from mailer.web.public.feeds import Feeds
from mailer.web.public.ground import READ, WRITE, Area, Endpoint, Ground, Route, not_now
from mailer.web.public.guard import Guard
from mailer.web.public.leaving import Leaving
from mailer.web.public.pages import Pages
from mailer.web.public.preferences import Preferences
from mailer.web.public.statements import Statements

#: Token pages say noindex, which a crawler only learns if it may fetch them: forbidding them here
#: would let an address that someone made public be listed.
ROBOTS = "User-agent: *\nDisallow:\n"
_DAY_S = 86_400
#: No answer to a form comes sooner: longer than writing to the disk takes.
ANSWER_FLOOR_S = 0.1


def create_public_app(
    store: Store,
    tokens: Tokens,
    catalogs: Mapping[str, Catalog],
    clock: Clock,
    *,
    log: SuppressionLog,
    base_url: str,
    organisation: LocalizedText,
    time_zone: str,
    answer_floor_s: float = ANSWER_FLOOR_S,
    areas: Sequence[Area] = (),
) -> FastAPI:
    """Build the public pages.

    Args:
        store: The database; it may be away for a while.
        tokens: Reads unsubscribe, undo and preferences tokens.
        catalogs: By language; the pages speak those that have all their phrases.
        clock: The hour, for undoing and publication.
        log: Keeps who left beside the database.
        base_url: What absolute addresses begin with, and the folder the pages lie under.
        organisation: Whose pages these are, by language.
        time_zone: By which the day of what has no other is told.
        answer_floor_s: No answer to a form comes sooner, so that its time tells nothing.
        areas: What is answered beside leaving and statements.

    Raises:
        FaultsFound: when the English catalog lacks a phrase of these pages.
    """
    pages = Pages(catalogs)
    app = FastAPI(
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        # Nothing about a visit is measured, whatever the environment asks for.
        telemetry={
            "tracing": False,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
        },
    )
    ground = Ground(
        store,
        tokens,
        pages,
        clock,
        log,
        base_url.rstrip("/"),
        organisation,
        time_zone,
    )
    articles, listing = Articles(ground), Listing(ground)
    routes = (
        *Leaving(ground).routes(),
        *Preferences(ground).routes(),
        *Statements(ground, articles).routes(),
        *Archive(ground, listing).routes(),
        *Feeds(ground, listing, articles).routes(),
        *(route for area in areas for route in area(ground)),
        _style(pages),
        _health(store),
        Route("/robots.txt", READ, _robots, "robots"),
        Route("/favicon.ico", READ, _favicon, "icon"),
    )
    for path, methods, endpoint, name in routes:
        answer = _not_sooner(endpoint, answer_floor_s) if WRITE[0] in methods else endpoint
        app.router.routes.append(_Named(path, answer, methods=methods, name=name))
    _handle_errors(app, pages)
    app.add_middleware(Guard, clock=clock, base_url=base_url, error=pages.error)
    return app


def _not_sooner(endpoint: Endpoint, floor_s: float) -> Endpoint:
    """Return what answers a form no sooner than the floor after it was asked.

    Only a token that is ours costs a write to the disk and a line in the log: the time of an answer
    must not tell. All of it is inside, so that the last that is done is to wait; and the wait is begun
    first, as timers count whole milliseconds from when they are set.
    """

    async def answer(request: Request) -> Response:
        if request.method not in WRITE:
            return await endpoint(request)
        floor = asyncio.ensure_future(asyncio.sleep(floor_s))
        try:
            return await endpoint(request)
        finally:
            await floor

    return answer


class _Named(StarletteRoute):
    """A route that the log can name; without what FastAPI would read out of the request."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = self
        await super().handle(scope, receive, send)


def _handle_errors(app: FastAPI, pages: Pages) -> None:
    async def refused(request: Request, error: Exception) -> Response:
        # RFC 9110 §15.5.6: the answer 405 says which methods there are, in Allow.
        if isinstance(error, HTTPException):
            return pages.error(request, HTTPStatus(error.status_code), error.headers)
        raise error

    async def unavailable(request: Request, error: Exception) -> Response:
        problem = error.problem if isinstance(error, StoreUnavailable) else ""
        warn("a page had to wait", problem=problem)
        return not_now(pages, request)

    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(StoreUnavailable, unavailable)


def _style(pages: Pages) -> Route:
    async def style(request: Request) -> Response:
        if request.path_params["name"] != pages.style.name:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return Response(
            pages.style.content,
            media_type="text/css",
            headers={"Cache-Control": f"public, max-age={FOREVER_S}, immutable"},
        )

    return Route("/static/{name}", READ, style, "style")


def _health(store: Store) -> Route:
    async def health(_request: Request) -> Response:
        try:
            await to_thread.run_sync(ping, store)
        except StoreUnavailable:
            return PlainTextResponse("unavailable\n", HTTPStatus.SERVICE_UNAVAILABLE)
        return PlainTextResponse("ok\n")

    return Route("/healthz", READ, health, "health")


async def _robots(_request: Request) -> Response:
    return PlainTextResponse(ROBOTS, headers={"Cache-Control": f"public, max-age={_DAY_S}"})


async def _favicon(_request: Request) -> Response:
    # Browsers ask for one unbidden; an empty answer that is kept spares them asking again.
    return Response(
        status_code=HTTPStatus.NO_CONTENT, headers={"Cache-Control": f"public, max-age={_DAY_S}"}
    )
