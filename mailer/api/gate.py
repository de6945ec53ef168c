"""Stand before every endpoint: whose token is it, is it for this, was the same asked before.

In: a request and the endpoint it is for. Out: what the endpoint answers, or a problem. The order is
fixed: token, rate, purpose, size and depth, idempotency key. No cookie is looked at, and nothing of a
body is logged. Standards: RFC 6750 (bearer tokens, in the Authorization field alone), RFC 8259.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TypeVar

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from mailer.api.ground import Call, Endpoint, Ground, Method
from mailer.api.problems import Problem, problem_of
from mailer.app.account_keys import AccountKeys
from mailer.app.api_tokens import ApiTokens
from mailer.events import failed
from mailer.model.api_token import ApiToken
from mailer.store.api_requests import Taken, Turn, drop_request, end_request, take_request
from mailer.web.public.forms import FormRefused, read_body
from mailer.web.public.limits import Limiter

#: Requests of one token at once, and how many come back in an hour: five a second.
BURST = 200
PER_HOUR = 18_000
#: So many requests are answered at once; the others wait in line.
_AT_ONCE = 8
#: Objects and lists inside each other.
_DEEPEST = 20
_LONGEST_KEY = 255
_TOKEN = re.compile(r"Bearer +([A-Za-z0-9._~+/=-]{1,200})", re.IGNORECASE)
# What has no end matches as well, or looking for it again from each quote would take for ever.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")
_JSON = re.compile(r"application/(?:json|[\w.+-]+\+json)\s*(?:;.*)?", re.IGNORECASE)
_T = TypeVar("_T")
#: Answers a request once the gate let it by.
Handler = Callable[[Request], Awaitable[Response]]


class Gate:
    """Lets requests by to their endpoints."""

    def __init__(self, ground: Ground, limiter: Limiter | None = None) -> None:
        """Begin.

        Args:
            ground: What the API stands on.
            limiter: How often one token may ask.
        """
        workspace = ground.workspace
        self._store, self._clock = workspace.store, workspace.clock
        self._keys = AccountKeys(workspace.service_keys)
        self._tokens = ApiTokens(workspace, self._keys)
        self._limiter = limiter or Limiter(self._clock, burst=BURST, per_hour=PER_HOUR)
        self._slots: asyncio.Semaphore | None = None

    async def answer(self, endpoint: Endpoint, request: Request, handler: Handler) -> Response:
        """Answer one request, whatever comes of it."""
        if self._slots is None:
            self._slots = asyncio.Semaphore(_AT_ONCE)
        try:
            async with self._slots:
                token = await self._admit(endpoint, request)
            # Whoever sends slowly takes no other's place.
            body = await _body(request, endpoint.most_octets)
            async with self._slots:
                return await self._let_by(endpoint, request, token, body, handler)
        except Problem as problem:
            return problem.response()

    async def _admit(self, endpoint: Endpoint, request: Request) -> ApiToken:
        """Return the token of a request, where it is for this and not used too often."""
        token = await self._guarded(endpoint, self._in_thread(lambda: self._token(request)))
        if not self._limiter.allows(str(token.token_id)):
            detail = "This token asked too often. Wait a second."
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS, "too-often", detail, headers={"Retry-After": "1"}
            )
        if endpoint.purpose is not None and endpoint.purpose not in token.purposes:
            detail = f"This token is not for {endpoint.purpose.value}."
            challenge = f'Bearer error="insufficient_scope", scope="{endpoint.purpose.value}"'
            raise Problem(
                HTTPStatus.FORBIDDEN,
                "wrong-purpose",
                detail,
                headers={"WWW-Authenticate": challenge},
            )
        return token

    async def _let_by(
        self, endpoint: Endpoint, request: Request, token: ApiToken, body: bytes, handler: Handler
    ) -> Response:
        _check_body(request, body)
        inner = Request(request.scope, _once(body))
        inner.state.call = Call(token)
        if endpoint.method is Method.GET:
            return await self._guarded(endpoint, handler(inner))
        return await self._once(endpoint, inner, token, body, handler)

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        return await to_thread.run_sync(work)

    async def _guarded(self, endpoint: Endpoint, answering: Awaitable[_T]) -> _T:
        """Wait for what answers, and turn what it raises into a problem."""
        try:
            return await answering
        except Exception as error:  # noqa: BLE001  (A program gets a problem, staff the log line.)
            problem = problem_of(error)
            if problem is None:
                failed("request of the API failed", route=endpoint.name)
                detail = "Something broke here. It is in the log."
                problem = Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "broken", detail)
            raise problem from None

    def _token(self, request: Request) -> ApiToken:
        """Return the token of a request.

        Raises:
            Problem: 401.
        """
        fields = request.headers.getlist("authorization")
        found = _TOKEN.fullmatch(fields[0]) if len(fields) == 1 else None
        token = self._tokens.whose(found[1]) if found else None
        if token is not None:
            return token
        # RFC 6750 §3.1: whoever showed none is told of no error.
        challenge = 'Bearer error="invalid_token"' if fields else "Bearer"
        raise Problem(
            HTTPStatus.UNAUTHORIZED,
            "no-token",
            "Show a token that is good: Authorization: Bearer mailer_…",
            headers={"WWW-Authenticate": challenge},
        )

    async def _once(
        self, endpoint: Endpoint, request: Request, token: ApiToken, body: bytes, handler: Handler
    ) -> Response:
        """Do what is asked for, or say again what was answered the first time."""
        key = _key(request)
        if key is None:
            return await self._guarded(endpoint, handler(request))
        digests = (
            self._keys.api_request_digest(key.encode()),
            self._keys.api_request_digest(
                request.method.encode(), request.scope["path"].encode("utf-8", "replace"), body
            ),
        )
        taken = await self._guarded(
            endpoint, self._in_thread(lambda: self._take(token.token_id, *digests))
        )
        if taken.turn in (Turn.OPEN, Turn.OTHER):
            raise _not_again(taken.turn)
        if taken.turn is Turn.DONE:
            return _again(taken)
        try:
            answer = await self._guarded(endpoint, handler(request))
        except Problem as problem:
            # Whether something was done before it broke, nobody knows: it is not done again.
            if problem.status is HTTPStatus.INTERNAL_SERVER_ERROR:
                await self._keep(taken, problem.response(), endpoint)
            else:
                await self._in_thread(lambda: self._drop(taken))
            raise
        await self._keep(taken, answer, endpoint)
        return answer

    def _take(self, token_id: int, key: bytes, request: bytes) -> Taken:
        with self._store.write() as connection:
            return take_request(connection, token_id, key, request, self._clock.now())

    def _drop(self, taken: Taken) -> None:
        with self._store.write() as connection:
            drop_request(connection, taken.request_id)

    async def _keep(self, taken: Taken, answer: Response, endpoint: Endpoint) -> None:
        text = None if endpoint.personal else bytes(answer.body).decode("utf-8")

        def write() -> None:
            with self._store.write() as connection:
                end_request(connection, taken.request_id, answer.status_code, text)

        await self._guarded(endpoint, self._in_thread(write))


def _not_again(turn: Turn) -> Problem:
    if turn is Turn.OTHER:
        return Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "key-of-another-request",
            "This Idempotency-Key came with another request.",
        )
    return Problem(
        HTTPStatus.CONFLICT,
        "key-in-use",
        "A request with this Idempotency-Key is being done. If it stays so, its answer was lost: "
        "look whether it was done, then use another key.",
    )


def _again(taken: Taken) -> Response:
    is_problem = taken.status >= HTTPStatus.BAD_REQUEST
    media_type = "application/problem+json" if is_problem else "application/json"
    headers = {"Idempotent-Replayed": "true"}
    return Response(taken.answer.encode(), taken.status, headers, media_type)


def _key(request: Request) -> str | None:
    """Return what a request is known by when it comes again; None where it says nothing.

    Raises:
        Problem: 400.
    """
    fields = request.headers.getlist("idempotency-key")
    if not fields:
        return None
    if len(fields) > 1 or not 0 < len(fields[0]) <= _LONGEST_KEY:
        detail = f"Idempotency-Key has 1 to {_LONGEST_KEY} characters, and comes once."
        raise Problem(HTTPStatus.BAD_REQUEST, "bad-key", detail)
    return fields[0]


async def _body(request: Request, most: int) -> bytes:
    """Return the body of a request.

    Raises:
        Problem: 413, as soon as it is or says that it is too long; 408 when it comes too slowly.
    """
    try:
        return await read_body(request, most)
    except FormRefused as refused:
        too_large = refused.status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        raise Problem(
            refused.status,
            "too-large" if too_large else "too-slow",
            f"The body is longer than {most} octets." if too_large else "The body came too slowly.",
            headers={"Connection": "close"},
        ) from refused


def _check_body(request: Request, body: bytes) -> None:
    """Refuse a body that is not JSON by its name, or nested deeper than anything here.

    Raises:
        Problem: 415 or 400.
    """
    if not body:
        return
    if not _JSON.fullmatch(request.headers.get("content-type", "")):
        detail = "Send JSON, and say so: Content-Type: application/json"
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "not-json", detail)
    depth = 0
    for one in _BRACKET.findall(_STRING.sub(b"", body)):
        depth += 1 if one in b"[{" else -1
        if depth > _DEEPEST:
            detail = f"The body is nested more than {_DEEPEST} deep."
            raise Problem(HTTPStatus.BAD_REQUEST, "too-deep", detail)


def _once(body: bytes) -> Callable[[], Awaitable[Message]]:
    """Return what hands out a body that was read already."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
