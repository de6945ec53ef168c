"""Put the public pages together: web views, the unsubscribe link, and little else.

In: store, tokens, catalogs, clock. Out: an ASGI app without sessions, cookies or scripts. It needs
neither the sealing key nor anything that reads a supporter's address.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from anyio import to_thread
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from mailer.clock import Clock
from mailer.events import warn
from mailer.statements.catalog import Catalog
from mailer.store.engine import Store, StoreUnavailable, ping
from mailer.store.suppression_log import SuppressionLog
from mailer.tokens import Tokens
from mailer.web.public.guard import Guard
from mailer.web.public.leaving import ANSWER_FLOOR_S, RETRY_AFTER_S, Leaving
from mailer.web.public.pages import Pages
from mailer.web.public.statements import FOREVER_S, Statements

#: Token pages say noindex, which a crawler only learns if it may fetch them: forbidding them here
#: would let an address that someone made public be listed.
ROBOTS = "User-agent: *\nDisallow:\n"
_DAY_S = 86_400
_READ = ("GET", "HEAD")
_WRITE = ("POST",)
_Endpoint = Callable[[Request], Awaitable[Response]]


def create_public_app(
    store: Store,
    tokens: Tokens,
    catalogs: Mapping[str, Catalog],
    clock: Clock,
    *,
    log: SuppressionLog,
    base_url: str,
    answer_floor_s: float = ANSWER_FLOOR_S,
) -> FastAPI:
    """Build the public pages.

    Args:
        store: The database; it may be away for a while.
        tokens: Reads unsubscribe and undo tokens.
        catalogs: By language; the pages speak those that have all their phrases.
        clock: The hour, for undoing and publication.
        log: Keeps who left beside the database.
        base_url: What absolute addresses begin with, and the folder the pages lie under.
        answer_floor_s: No answer to a form comes sooner, so that its time tells nothing.

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
    leaving = Leaving(store, tokens, pages, clock, log=log, answer_floor_s=answer_floor_s)
    statements = Statements(store, pages, clock, base_url=base_url)
    routes: tuple[tuple[str, tuple[str, ...], _Endpoint, str], ...] = (
        # One route for all its methods, so that 405 names each of them in Allow.
        ("/u/{token}", (*_READ, *_WRITE), leaving.answer, "unsubscribe"),
        ("/undo", _WRITE, leaving.undo, "undo"),
        ("/w/{slug}", _READ, statements.by_accepted_language, "statement"),
        ("/w/{slug}/{language}", _READ, statements.in_language, "statement in language"),
        ("/w/{slug}/picture/{digest}/{name}", _READ, statements.picture, "picture"),
        ("/static/{name}", _READ, _style(pages), "style"),
        ("/healthz", _READ, _health(store), "health"),
        ("/robots.txt", _READ, _robots, "robots"),
        ("/favicon.ico", _READ, _favicon, "icon"),
    )
    for path, methods, endpoint, name in routes:
        app.add_api_route(path, endpoint, methods=list(methods), name=name, response_model=None)
    _handle_errors(app, pages)
    app.add_middleware(Guard, clock=clock, base_url=base_url, error=pages.error)
    return app


def _handle_errors(app: FastAPI, pages: Pages) -> None:
    async def refused(request: Request, error: Exception) -> Response:
        # RFC 9110 §15.5.6: the answer 405 says which methods there are, in Allow.
        if isinstance(error, HTTPException):
            return pages.error(request, HTTPStatus(error.status_code), error.headers)
        raise error

    async def unavailable(request: Request, error: Exception) -> Response:
        problem = error.problem if isinstance(error, StoreUnavailable) else ""
        warn("a page had to wait", problem=problem)
        return pages.error(
            request, HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": str(RETRY_AFTER_S)}
        )

    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(StoreUnavailable, unavailable)


def _style(pages: Pages) -> _Endpoint:
    async def style(request: Request) -> Response:
        if request.path_params["name"] != pages.style.name:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return Response(
            pages.style.content,
            media_type="text/css",
            headers={"Cache-Control": f"public, max-age={FOREVER_S}, immutable"},
        )

    return style


def _health(store: Store) -> _Endpoint:
    async def health(_request: Request) -> Response:
        try:
            await to_thread.run_sync(ping, store)
        except StoreUnavailable:
            return PlainTextResponse("unavailable\n", HTTPStatus.SERVICE_UNAVAILABLE)
        return PlainTextResponse("ok\n")

    return health


async def _robots(_request: Request) -> Response:
    return PlainTextResponse(ROBOTS, headers={"Cache-Control": f"public, max-age={_DAY_S}"})


async def _favicon(_request: Request) -> Response:
    # Browsers ask for one unbidden; an empty answer that is kept spares them asking again.
    return Response(
        status_code=HTTPStatus.NO_CONTENT, headers={"Cache-Control": f"public, max-age={_DAY_S}"}
    )
