"""Put the API together: its parts, the gate before them, and its description.

In: a workspace. Out: a FastAPI app, and the route by which the desk's server has it beside the desk.
Nothing answers without a token, the description included, and no page of it loads anything from
elsewhere. Standards: OpenAPI 3.1, RFC 9457.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Iterable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount

from mailer.api.gate import Gate
from mailer.api.ground import PREFIX, Endpoint, Ground, Method
from mailer.api.mailings import Mailings
from mailer.api.people import People
from mailer.api.problems import MEDIA_TYPE, Problem, problem_of
from mailer.api.shapes import ProblemDocument
from mailer.api.statements import Statements
from mailer.api.suppressions import Suppressions
from mailer.app.workspace import Workspace
from mailer.web.public.limits import Limiter

_VERSION = "1"
#: What any endpoint may answer in place of what was asked for.
_PROBLEMS = (400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503)


def endpoints(ground: Ground) -> list[Endpoint]:
    """Return every endpoint of the API but that of its description.

    Raises:
        ValueError: when two answer the same.
    """
    parts = (Statements(ground), Mailings(ground), People(ground), Suppressions(ground))
    found = [one for part in parts for one in part.endpoints()]
    if len({(one.method, one.path) for one in found}) < len(found):
        raise ValueError("two endpoints answer the same")
    return found


def create_api(workspace: Workspace, *, limiter: Limiter | None = None) -> FastAPI:
    """Build the API.

    Args:
        workspace: What it works on.
        limiter: How often one token may ask.
    """
    ground = Ground(workspace)
    gate = Gate(ground, limiter)
    app = FastAPI(
        title="mailer",
        version=_VERSION,
        description="Statements, mailings, reports, supporters and suppressions, for programs.",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        servers=[{"url": PREFIX}],
        root_path_in_servers=False,
        redirect_slashes=False,
        dependencies=[Security(HTTPBearer(auto_error=False))],
        exception_handlers={HTTPException: _refused},
    )

    def description() -> dict[str, Any]:
        """Describe the API, as OpenAPI."""
        return app.openapi()

    _add(app, gate, endpoints(ground))
    described = Endpoint(Method.GET, "/openapi.json", "openapi", None, description)
    _add(app, gate, [described], in_schema=False)
    return app


def api_routes(workspace: Workspace) -> list[BaseRoute]:
    """Return what the server of the desk is given beside the desk."""
    return [mounted(create_api(workspace))]


def mounted(api: FastAPI) -> Mount:
    """Return the route under which the API answers everything, be it nothing of its own."""
    mount = Mount(PREFIX, app=api, name="api")
    # Else an address with a line break in it would be the desk's, whose refusals are pages.
    mount.path_regex = re.compile(mount.path_regex.pattern, re.DOTALL)
    return mount


def _add(app: FastAPI, gate: Gate, found: Iterable[Endpoint], *, in_schema: bool = True) -> None:
    problems: dict[int | str, dict[str, Any]] = {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": ProblemDocument.model_json_schema()}},
        }
        for status in _PROBLEMS
    }
    for one in found:
        app.router.add_api_route(
            one.path,
            one.answer,
            methods=[one.method.value],
            name=one.name,
            operation_id=one.name,
            status_code=one.status,
            response_model=one.model,
            responses=problems,
            include_in_schema=in_schema,
            description=_told(one),
            route_class_override=_route_class(gate, one),
        )


def _told(endpoint: Endpoint) -> str:
    said = (endpoint.answer.__doc__ or "").strip()
    wanted = f"For {endpoint.purpose.value}." if endpoint.purpose else "For any token."
    return f"{said}\n\n{wanted}"


def _route_class(gate: Gate, endpoint: Endpoint) -> type[APIRoute]:
    """Return the kind of route whose requests go through the gate."""

    class Gated(APIRoute):
        """A route behind the gate."""

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            """Return what answers a request."""
            handler = super().get_route_handler()

            async def answer(request: Request) -> Response:
                return await gate.answer(endpoint, request, handler)

            return answer

    return Gated


async def _refused(_request: Request, error: Exception) -> Response:
    """Say in the form of a problem that an address or a method leads nowhere."""
    problem = problem_of(error) or Problem(HTTPStatus.NOT_FOUND, "not-found", "Not found.")
    return problem.response()
