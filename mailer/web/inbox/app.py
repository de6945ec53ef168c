"""Show the mails a sandbox caught: list, one mail as HTML, text and source, and JSON.

In: a mailbox. Out: pages on a loopback port of their own, never under base_url. A mail's HTML is
hostile until shown otherwise: it is framed without scripts, forms or the page's own origin.
"""

from __future__ import annotations

import email
import email.policy
import html
import re
from collections.abc import Iterator
from datetime import datetime
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any, Protocol

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from mailer.web.loopback import is_asked_here

_SHOWN = 500
_HEAD = re.compile(r"<head[^>]*>", re.IGNORECASE)
_PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
#: A mail may style itself, show its own pictures and, when one clicks, open a link in a page of its
#: own; nothing is fetched, nothing runs.
_MAIL_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'"
)


class Caught(Protocol):
    """A caught mail."""

    @property
    def number(self) -> int:
        """Its number."""
        ...

    @property
    def at(self) -> datetime:
        """When it came."""
        ...

    @property
    def rcpt_to(self) -> str:
        """Whom it was for."""
        ...

    @property
    def mail_from(self) -> str:
        """The return path."""
        ...

    @property
    def content(self) -> bytes:
        """The whole message."""
        ...


class Caughts(Protocol):
    """A mailbox of them."""

    total: int

    def newest(self, limit: int) -> list[Any]:
        """Return up to `limit`, newest first."""
        ...

    def find(self, number: int) -> Any | None:  # noqa: ANN401  (A mail of whatever mailbox.)
        """Return one by its number."""
        ...


def _parsed(mail: Caught) -> EmailMessage:
    message = email.message_from_bytes(mail.content, policy=email.policy.default)
    if not isinstance(message, EmailMessage):
        raise HTTPException(500)
    return message


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()) if part is not None else ""


def _with_pictures(message: EmailMessage) -> str:
    """Return a mail's HTML with its own pictures written into it."""
    shown = _part(message, "html")
    for part in message.walk():
        name = str(part.get("Content-ID", "")).strip("<>")
        if name and part.get_content_maintype() == "image":
            payload = str(part.get_payload()).replace("\n", "").replace("\r", "")
            shown = shown.replace(f"cid:{name}", f"data:{part.get_content_type()};base64,{payload}")
    # No page lets itself be framed here, so that links would lead nowhere without it.
    return _HEAD.sub(r'\g<0><base target="_blank">', shown, count=1)


def _headers(mail: Caught) -> Iterator[tuple[str, str]]:
    raw = email.message_from_bytes(mail.content, policy=email.policy.compat32)
    for name, value in raw.items():
        yield name, " ".join(str(value).split())


def _row(mail: Caught) -> dict[str, object]:
    # Of hundreds of mails in the list nothing but the header is read.
    message = BytesHeaderParser(policy=email.policy.default).parsebytes(mail.content)
    return {
        "number": mail.number,
        "at": mail.at.isoformat(timespec="seconds"),
        "to": mail.rcpt_to,
        "return_path": mail.mail_from,
        "subject": str(message.get("Subject", "")),
        "language": str(message.get("Content-Language", "")),
    }


def create_inbox_app(mailbox: Caughts) -> FastAPI:
    """Return the inbox as an application; it answers on loopback hosts only."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
    )

    def page(name: str, **values: object) -> HTMLResponse:
        return HTMLResponse(environment.get_template(name).render(**values))

    def found(number: int) -> Caught:
        mail: Caught | None = mailbox.find(number)
        if mail is None:
            raise HTTPException(404, "The inbox has no such mail; it may have been forgotten.")
        return mail

    @app.middleware("http")
    async def guard(request: Request, call_next: Any) -> Response:  # noqa: ANN401  (Starlette's.)
        if not is_asked_here(request):
            return PlainTextResponse("This inbox answers on 127.0.0.1 only.", 421)
        response: Response = await call_next(request)
        response.headers.setdefault("Content-Security-Policy", _PAGE_POLICY)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cache-Control"] = "no-store"
        return response

    @app.get("/")
    def index() -> HTMLResponse:
        rows = [_row(mail) for mail in mailbox.newest(_SHOWN)]
        return page("list.html", rows=rows, total=mailbox.total)

    @app.get("/mails/{number}")
    def one(number: int) -> HTMLResponse:
        mail = found(number)
        message = _parsed(mail)
        return page(
            "mail.html",
            mail=_row(mail),
            headers=list(_headers(mail)),
            text=_part(message, "plain"),
            html=bool(_part(message, "html")),
        )

    @app.get("/mails/{number}/html")
    def framed(number: int) -> HTMLResponse:
        shown = _with_pictures(_parsed(found(number)))
        return HTMLResponse(shown, headers={"Content-Security-Policy": _MAIL_POLICY})

    @app.get("/mails/{number}/source")
    def source(number: int) -> PlainTextResponse:
        return PlainTextResponse(found(number).content.decode("utf-8", "replace"))

    @app.get("/api/mails")
    def listed() -> dict[str, object]:
        return {"total": mailbox.total, "mails": [_row(mail) for mail in mailbox.newest(_SHOWN)]}

    @app.exception_handler(HTTPException)
    async def plain(_request: Request, error: HTTPException) -> PlainTextResponse:
        return PlainTextResponse(html.unescape(str(error.detail)), error.status_code)

    return app
