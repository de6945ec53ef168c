"""Put the desk together: its areas, the gate before them, and what stands around every page.

In: a workspace. Out: an ASGI app. Pages work without scripts; one module of our own makes some nicer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute
from starlette.routing import Route as StarletteRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from mailer.app.accounts import Accounts
from mailer.app.workspace import Workspace
from mailer.desk.account import OwnAccount
from mailer.desk.approvals import Approvals
from mailer.desk.audience import Audience
from mailer.desk.auditing import Auditing
from mailer.desk.catching_up import CatchUp
from mailer.desk.checks import Checks
from mailer.desk.converting import Converting
from mailer.desk.counting import Counting
from mailer.desk.editing import Editing
from mailer.desk.gate import Gate
from mailer.desk.ground import PREFIX, Desk
from mailer.desk.heads import Heads
from mailer.desk.home import Home
from mailer.desk.imports import Imports
from mailer.desk.mailings import Mailings
from mailer.desk.pages import DeskPages
from mailer.desk.person_previews import PersonPreviews
from mailer.desk.previews import Previews
from mailer.desk.report_segments import ReportSegments
from mailer.desk.reports import Reports
from mailer.desk.revisions import Revisions
from mailer.desk.routes import Method, Route
from mailer.desk.scheduling import Scheduling
from mailer.desk.signing_in import SigningIn
from mailer.desk.staff import Staff
from mailer.desk.statement_files import StatementFiles
from mailer.desk.statements import Statements
from mailer.desk.supporters import Supporters
from mailer.desk.tokens import Tokens
from mailer.desk.watching import Watching
from mailer.desk.welcome import Welcome
from mailer.events import warn
from mailer.keys import KeyFileError
from mailer.store.engine import StoreUnavailable
from mailer.web.public.caching import FOREVER_S
from mailer.web.public.guard import RESOURCE_POLICY, SECURITY_HEADERS, Guard

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    **SECURITY_HEADERS,
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    # Not "no-referrer": with that, browsers say Origin: null of our own forms.
    "Referrer-Policy": "same-origin",
    "X-Robots-Tag": "noindex, nofollow",
}
#: What an answer may say otherwise: a preview and a secret address have stricter policies of their own.
_OWN = ("Content-Security-Policy", "Referrer-Policy", RESOURCE_POLICY)

#: An area of the desk: what it answers, given what it stands on.
Area = Callable[[Desk], Iterable[Route]]


def areas() -> Sequence[Area]:
    """Return all areas of the desk."""
    return (
        lambda desk: SigningIn(desk).routes(),
        lambda desk: Welcome(desk).routes(),
        lambda desk: OwnAccount(desk).routes(),
        lambda desk: Staff(desk).routes(),
        lambda desk: Tokens(desk).routes(),
        lambda desk: Auditing(desk).routes(),
        lambda desk: Home(desk).routes(),
        lambda desk: Statements(desk).routes(),
        lambda desk: Editing(desk).routes(),
        lambda desk: Converting(desk).routes(),
        lambda desk: Heads(desk).routes(),
        lambda desk: Revisions(desk).routes(),
        lambda desk: StatementFiles(desk).routes(),
        lambda desk: Mailings(desk).routes(),
        lambda desk: Previews(desk).routes(),
        lambda desk: PersonPreviews(desk).routes(),
        lambda desk: Approvals(desk).routes(),
        lambda desk: Checks(desk).routes(),
        lambda desk: Counting(desk).routes(),
        lambda desk: Scheduling(desk).routes(),
        lambda desk: Watching(desk).routes(),
        lambda desk: Reports(desk).routes(),
        lambda desk: ReportSegments(desk).routes(),
        lambda desk: CatchUp(desk).routes(),
        lambda desk: Audience(desk).routes(),
        lambda desk: Imports(desk).routes(),
        lambda desk: Supporters(desk).routes(),
    )


def desk_routes(desk: Desk) -> list[Route]:
    """Return every route of every area, and let the desk know their paths.

    Raises:
        ValueError: when two routes of one name have two paths, or one is there twice.
    """
    routes = [route for area in areas() for route in area(desk)]
    seen = set()
    for one in routes:
        if desk.paths.setdefault(one.name, one.path) != one.path:
            raise ValueError(f"the route {one.name} has two paths")
        if (one.method, one.path) in seen:
            raise ValueError(f"two routes answer {one.method} {one.path}")
        seen.add((one.method, one.path))
    desk.paths["static"] = "/static/{name}"
    return routes


def create_desk_app(
    workspace: Workspace,
    *,
    beside: Sequence[BaseRoute] = (),
    accounts: Accounts | None = None,
) -> ASGIApp:
    """Build the desk.

    Args:
        workspace: What it works on.
        beside: Routes of the same server that are none of the desk, as the API's are.
        accounts: Who may sign in; None for the workspace's, with passwords hashed at full cost.
    """
    name = workspace.config.workspace.name
    desk = Desk(workspace, accounts or Accounts(workspace), DeskPages(name))
    gate = Gate(desk)
    routes = desk_routes(desk)
    paths: dict[str, list[Route]] = {}
    for one in routes:
        paths.setdefault(one.path, []).append(one)
    served = [_served(gate, path, found) for path, found in paths.items()]
    app = Starlette(
        routes=[
            *beside,
            *served,
            _static(desk),
            _Named("/", _to_desk(desk), methods=["GET"], name="root"),
            _Named("/healthz", _health, methods=["GET"], name="health"),
        ],
        exception_handlers={
            HTTPException: _refused(gate),
            StoreUnavailable: _unavailable(gate),
            KeyFileError: _unavailable(gate),
            # What Starlette would answer by itself is no page; the guard logs what broke.
            Exception: lambda request, _error: _error_page(
                gate, request, HTTPStatus.INTERNAL_SERVER_ERROR
            ),
        },
    )
    app.router.redirect_slashes = False
    return Guard(
        app,
        clock=workspace.clock,
        base_url=desk.base_url,
        error=lambda request, status: _error_page(gate, request, status),
        headers=HEADERS,
        own=_OWN,
    )


def _served(gate: Gate, path: str, routes: Sequence[Route]) -> StarletteRoute:
    """Return one address, with all its methods, so that 405 names each of them in Allow."""
    by_method = {one.method.value: gate.endpoint(one) for one in routes}

    async def answer(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        found: Response = await by_method[method](request)  # type: ignore[misc]
        return found

    full = f"{PREFIX}{path}" if path != "/" else PREFIX
    return _Named(full, answer, methods=list(by_method), name=routes[0].name)


class _Named(StarletteRoute):
    """A route that the log can name."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = self
        await super().handle(scope, receive, send)


def _error_page(gate: Gate, request: Request, status: HTTPStatus) -> Response:
    """Return a page that says what kind of thing went wrong; nobody is looked up for it."""
    visit = gate.visit(request, "error")
    return visit.page("error.html", status, status=status.value)


def _refused(gate: Gate) -> Callable[[Request, Exception], Response]:
    def answer(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        page = _error_page(gate, request, HTTPStatus(error.status_code))
        for name, value in (error.headers or {}).items():
            page.headers[name] = value
        return page

    return answer


def _unavailable(gate: Gate) -> Callable[[Request, Exception], Response]:
    def answer(request: Request, error: Exception) -> Response:
        warn("a page of the desk had to wait", problem=getattr(error, "problem", ""))
        return _error_page(gate, request, HTTPStatus.SERVICE_UNAVAILABLE)

    return answer


def _static(desk: Desk) -> StarletteRoute:
    async def static(request: Request) -> Response:
        found = desk.pages.static.get(request.path_params["name"])
        if found is None:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return Response(
            found.content,
            media_type=found.media_type,
            headers={"Cache-Control": f"public, max-age={FOREVER_S}, immutable"},
        )

    return _Named(f"{PREFIX}/static/{{name}}", static, methods=["GET"], name="static")


def _to_desk(desk: Desk) -> Callable[[Request], object]:
    async def root(_request: Request) -> Response:
        return RedirectResponse(desk.path_to("home"), HTTPStatus.SEE_OTHER)

    return root


async def _health(_request: Request) -> Response:
    return PlainTextResponse("ok\n")


__all__ = ["HEADERS", "Method", "areas", "create_desk_app", "desk_routes"]
