"""Answer the links by which people see, erase and move what is held about them.

In: an address, or a token in the path, and forms. Out: pages that name nobody, and a JSON file for
who has the link. Whether an address is on record shows in no answer and not in its time. GET and
HEAD change nothing. What must be opened or sealed answers 503 while `seal.key` is not there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from http import HTTPStatus
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response

from mailer.audience.addresses import NormalAddress
from mailer.compose.service import ServiceText
from mailer.events import emit, failed
from mailer.feedback.own_data import erase_own, is_there, supporter_of_link
from mailer.feedback.preferences import preferences_of
from mailer.store.engine import StoreUnavailable
from mailer.store.suppression_log import LogNotWritten
from mailer.web.public.forms import Fields, FormRefused, address_in, read_form
from mailer.web.public.ground import (
    READ,
    WRITE,
    WRITERS,
    Endpoint,
    Ground,
    InThreads,
    Route,
    not_now,
)
from mailer.web.public.limits import Limiter, network_of
from mailer.web.public.pages import PRIVATE_HEADERS
from mailer.web.public.reader import page_language

#: After how long links that the database did not take are tried again.
_AGAIN_S = (2.0, 10.0)
#: Says what a mail says: to whom reads these languages, with this link.
Letter = Callable[[Sequence[str], str], ServiceText]
#: Says what a mail without a link says, to whom reads these languages.
Notice = Callable[[Sequence[str]], ServiceText]


class NotNow(Exception):
    """Addresses cannot be opened or sealed at present."""


class Desk(Protocol):
    """What needs `seal.key` or sends mails; its methods raise `NotNow` and `StoreUnavailable`."""

    def open(self) -> None:
        """See that addresses can be opened and sealed."""

    def held(self, supporter_id: int) -> dict[str, Any] | None:
        """Return all that is on record of a person; None when nothing is."""

    def send_link(self, supporter_id: int, letter: Letter) -> None:
        """Send a fresh link to a person's address on record."""

    def send_links(self, address: NormalAddress, letter: Letter) -> None:
        """Send a fresh link from each organisation that knows an address."""

    def ask_change(self, supporter_id: int, address: NormalAddress, letter: Letter) -> None:
        """Send to a person's new address what confirms it."""

    def confirm_change(self, token: str, notice: Notice) -> bool:
        """Move a person to their new address, and tell the old one; False when the token is no good."""


class OwnData:
    """The routes of what people may know and decide about what is held of them."""

    def __init__(self, ground: Ground, desk: Desk, later: Executor | None = None) -> None:
        """Begin with nobody waiting.

        Args:
            ground: what it stands on.
            desk: opens, seals and sends.
            later: does what an answer does not wait for; a thread of its own when None.
        """
        self._later = later or ThreadPoolExecutor(1, "links")
        self._store = ground.store
        self._tokens = ground.tokens
        self._pages = ground.pages
        self._clock = ground.clock
        self._log = ground.log
        self._answering = InThreads(WRITERS)
        self._desk = desk
        self._limiter = Limiter(ground.clock)

    def routes(self) -> tuple[Route, ...]:
        """Return what is answered here."""
        both = (*READ, *WRITE)
        return (
            Route("/p/{token}/link", WRITE, self._guarded(self.link), "link"),
            Route("/data", both, self._guarded(self.ask), "data"),
            Route("/data/{token}", READ, self._guarded(self.own), "own data"),
            Route("/data/{token}/file", WRITE, self._guarded(self.file), "own data file"),
            Route("/data/{token}/erase", both, self._guarded(self.erase), "erasure"),
            Route("/data/{token}/address", both, self._guarded(self.change), "new address"),
            Route("/address/{token}", both, self._guarded(self.confirm), "address change"),
        )

    def _guarded(self, answer: Endpoint) -> Endpoint:
        """Return what answers 503 instead of saying why something cannot be opened or written."""

        async def guarded(request: Request) -> Response:
            try:
                found = await answer(request)
            except FormRefused as refused:
                return self._pages.error(request, refused.status)
            except NotNow:
                pass
            except LogNotWritten as error:
                failed("suppressions.log cannot be written: mend it now", reason=error.reason)
            else:
                return found
            return not_now(self._pages, request)

        return guarded

    def _letter(self, template: str) -> Letter:
        def letter(languages: Sequence[str], link: str) -> ServiceText:
            language = page_language(languages, self._pages.spoken)
            return self._pages.letter(template, language, address=link)

        return letter

    async def link(self, request: Request) -> Response:
        """Send a fresh link to the address on record of whose preferences these are."""
        if not _action(await read_form(request), "send-link"):
            return self._pages.error(request, HTTPStatus.BAD_REQUEST)
        token: str = request.path_params["token"]

        def send() -> None:
            self._desk.open()
            person = preferences_of(self._store, self._tokens, token)
            if person is not None:
                self._desk.send_link(person.supporter_id, self._letter("fresh_link.txt"))

        await self._answering.run(send)
        return self._check_mail(request)

    async def ask(self, request: Request) -> Response:
        """Ask for an address, and send it a fresh link when it is on record: the answer is one."""
        if request.method != "POST":
            await self._answering.run(self._desk.open)
            return self._pages.private(request, "ask_link.html", is_wrong=False)
        fields = await read_form(request)
        address = address_in(fields, "address")
        if address is None:
            return self._pages.private(
                request, "ask_link.html", HTTPStatus.BAD_REQUEST, is_wrong=True
            )
        wanted = not dict(fields).get("website") and self._limiter.allows(network_of(request))

        def see() -> None:
            self._desk.open()
            # What is in everybody's way is told to everybody.
            with self._store.write():
                pass

        await self._answering.run(see)
        if wanted:
            # A mail takes several times as long as finding nobody, and twenty questions at once the
            # twentyfold: no answer waits for it.
            self._later.submit(self._send_links, address)
        return self._check_mail(request)

    def _send_links(self, address: NormalAddress) -> None:
        for again_s in (*_AGAIN_S, None):
            try:
                self._desk.send_links(address, self._letter("fresh_link.txt"))
            except NotNow:
                return  # Which has been told.
            except StoreUnavailable as error:
                if again_s is None:
                    failed("a link to own data was not sent", problem=error.problem)
                    return
                time.sleep(again_s)
            except Exception as error:  # noqa: BLE001  (Nobody waits for it, who would tell.)
                failed("a link to own data was not sent", problem=type(error).__name__)
                return
            else:
                return

    def _check_mail(self, request: Request, *, new_address: bool = False) -> Response:
        return self._pages.private(request, "check_mail.html", new_address=new_address)

    async def _person(self, request: Request) -> int | None:
        """Return whose fresh link it is; None when it is too old, not ours, or they are gone."""
        token: str = request.path_params["token"]

        def look() -> int | None:
            found = supporter_of_link(self._tokens, token, self._clock.now())
            # Of nobody, so that a token that is too old costs the same look.
            return found if is_there(self._store, found or 0) else None

        return await self._answering.run(look)

    async def own(self, request: Request) -> Response:
        """Show what can be done with a fresh link."""
        if await self._person(request) is None:
            return self._nothing(request)
        token: str = request.path_params["token"]
        return self._pages.private(request, "own_data.html", token=token)

    def _nothing(self, request: Request) -> Response:
        return self._pages.private(request, "nothing.html")

    async def file(self, request: Request) -> Response:
        """Give what is held as a file; nothing is changed."""
        await read_form(request)
        supporter_id = await self._person(request)
        if supporter_id is None:
            return self._nothing(request)
        document = await self._answering.run(lambda: self._desk.held(supporter_id))
        if document is None:
            return self._nothing(request)
        return Response(
            json.dumps(document, ensure_ascii=False, indent=2) + "\n",
            media_type="application/json",
            headers={
                **PRIVATE_HEADERS,
                "Content-Disposition": 'attachment; filename="your-data.json"',
            },
        )

    async def erase(self, request: Request) -> Response:
        """Say what erasing does, or erase; the second time it is done already."""
        is_meant = request.method == "POST" and _action(await read_form(request), "erase")
        if request.method == "POST" and not is_meant:
            return self._pages.error(request, HTTPStatus.BAD_REQUEST)
        supporter_id = await self._person(request)
        if supporter_id is None:
            return self._nothing(request)
        if not is_meant:
            return self._pages.private(request, "erase.html")
        now = self._clock.now()
        erased = await self._answering.run(
            lambda: erase_own(self._store, supporter_id, now, self._log)
        )
        if erased:
            emit("erased by their own wish")
        return self._pages.private(request, "erased.html")

    async def change(self, request: Request) -> Response:
        """Ask for a new address, and send it what confirms it, whoever else has it."""
        fields = await read_form(request) if request.method == "POST" else ()
        supporter_id = await self._person(request)
        if supporter_id is None:
            return self._nothing(request)
        if request.method != "POST":
            await self._answering.run(self._desk.open)
            return self._pages.private(request, "change_address.html", is_wrong=False)
        address = address_in(fields, "address")
        if address is None:
            return self._pages.private(
                request, "change_address.html", HTTPStatus.BAD_REQUEST, is_wrong=True
            )
        wanted = self._limiter.allows(network_of(request))

        def send() -> None:
            self._desk.open()
            if wanted:
                letter = self._letter("confirm_address.txt")
                self._desk.ask_change(supporter_id, address, letter)

        await self._answering.run(send)
        return self._check_mail(request, new_address=True)

    async def confirm(self, request: Request) -> Response:
        """Ask whether the address is to be used, the same of every token; or use it."""
        if request.method != "POST":
            return self._pages.private(request, "confirm_address.html")
        if not _action(await read_form(request), "confirm"):
            return self._pages.error(request, HTTPStatus.BAD_REQUEST)
        token: str = request.path_params["token"]
        here = self._pages.language_for(request)

        def notice(languages: Sequence[str]) -> ServiceText:
            language = page_language(languages or (here,), self._pages.spoken)
            return self._pages.letter("address_notice.txt", language)

        if not await self._answering.run(lambda: self._desk.confirm_change(token, notice)):
            return self._nothing(request)
        emit("address changed by their own wish")
        return self._pages.private(request, "address_changed.html")


def _action(fields: Fields, wanted: str) -> bool:
    return ("action", wanted) in fields
