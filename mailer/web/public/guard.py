"""Stand around every public page: security headers, one line of log, and no error that gets out.

In: any ASGI request. Out: the same, with headers that forbid a page everything it does not need.
The log line says which kind of page, what came of it and how long it took; never the path, which
may hold a token, nor a query, nor where the visitor is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mailer.clock import Clock
from mailer.events import emit, failed

#: No script, no frame, no font; style and pictures from this host, forms to this host.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
#: Whose pages may show what is answered: ours, unless an answer says otherwise itself.
RESOURCE_POLICY = "Cross-Origin-Resource-Policy"
SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    RESOURCE_POLICY: "same-origin",
    "Permissions-Policy": (
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"
    ),
}
#: What the log calls an address that leads nowhere.
NO_ROUTE = "none"


class Guard:
    """The outermost layer of the public app."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        clock: Clock,
        base_url: str,
        error: Callable[[Request, HTTPStatus], Response],
        headers: Mapping[str, str] = SECURITY_HEADERS,
        own: Collection[str] = (RESOURCE_POLICY,),
    ) -> None:
        """Wrap `app`.

        Args:
            app: What answers.
            clock: For how long it took.
            base_url: Of the public pages; a folder in it is taken off the path where a proxy
                leaves it on.
            error: Makes the page for what went wrong.
            headers: What every answer has.
            own: Which of them an answer may say otherwise itself.
        """
        self._app = app
        self._clock = clock
        self._folder = urlsplit(base_url).path.rstrip("/")
        self._error = error
        self._headers = headers
        self._own = own

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = self._without_folder(scope)
        began = self._clock.monotonic()
        status = 0

        async def guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(raw=message["headers"])
                for name, value in self._headers.items():
                    if name not in self._own or name not in headers:
                        headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
                message["headers"] = headers.raw
            await send(message)

        try:
            await self._app(scope, receive, guarded)
        except ClientDisconnect:
            emit("visitor left", route=_route_name(scope))
            return
        except Exception:  # noqa: BLE001  (a visitor gets a page, staff the log line, whatever broke)
            failed("page failed", route=_route_name(scope))
            if not status:
                answer = self._error(Request(scope), HTTPStatus.INTERNAL_SERVER_ERROR)
                await answer(scope, receive, guarded)
        took_ms = round((self._clock.monotonic() - began) * 1000)
        emit("page", route=_route_name(scope), status=status, ms=took_ms)

    def _without_folder(self, scope: Scope) -> Scope:
        path: str = scope["path"]
        if not self._folder or not path.startswith(f"{self._folder}/"):
            return scope
        raw: bytes = scope.get("raw_path") or path.encode()
        return {
            **scope,
            "path": path[len(self._folder) :],
            "raw_path": raw[len(self._folder) :],
        }


def _route_name(scope: Scope) -> str:
    route = scope.get("route")
    return str(getattr(route, "name", NO_ROUTE))
