"""What every part of the public pages stands on, and how it says which addresses it answers.

In: store, tokens, pages, clock. Out: `Ground`, handed to each part, and `Route`s, which the part
gives back. Whoever answers a form works in a thread.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from http import HTTPStatus
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response

from mailer.clock import Clock
from mailer.model.statement import LocalizedText
from mailer.store.engine import Store
from mailer.store.suppression_log import SuppressionLog
from mailer.tokens import Tokens
from mailer.web.public.pages import Pages

READ = ("GET", "HEAD")
WRITE = ("POST",)
#: What a visitor or a provider is asked to wait when the database does not answer.
RETRY_AFTER_S = 30
#: At most this many forms of one part wait for the database at once.
WRITERS = 4
#: At most this many requests of one part read the database at once.
READERS = 6
_T = TypeVar("_T")


#: Answers a request.
Endpoint = Callable[[Request], Awaitable[Response]]


class Route(NamedTuple):
    """One address that is answered; to POST never at once, so that the time tells nothing."""

    path: str
    methods: tuple[str, ...]
    endpoint: Endpoint
    #: What the log calls it: never the path, which may hold a token.
    name: str


@dataclass(frozen=True)
class Ground:
    """What a part of the public pages is given."""

    #: It may be away for a while.
    store: Store
    tokens: Tokens
    pages: Pages
    clock: Clock
    #: Keeps who left beside the database.
    log: SuppressionLog
    #: What absolute addresses begin with, without a final slash.
    base_url: str
    #: Whose pages these are, by language.
    organisation: LocalizedText
    #: Zone by which the day of what has no other is told, as "Europe/Chisinau".
    time_zone: str

    def day_of(self, moment: datetime) -> date:
        """Return the day on which something was, where nothing else says by which zone."""
        return moment.astimezone(ZoneInfo(self.time_zone)).date()


def not_now(pages: Pages, request: Request) -> Response:
    """Return the page that asks to come again in a while."""
    retry = {"Retry-After": str(RETRY_AFTER_S)}
    return pages.error(request, HTTPStatus.SERVICE_UNAVAILABLE, retry)


class InThreads:
    """Does what may wait for the database in threads, a few at once; the others wait in line."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._limiter: CapacityLimiter | None = None

    async def run(self, work: Callable[[], _T]) -> _T:
        """Do something in a thread; a visitor who closes the page has been answered all the same."""
        if self._limiter is None:
            # It belongs to the loop that it is made in.
            self._limiter = CapacityLimiter(self._at_once)
        return await to_thread.run_sync(work, limiter=self._limiter)


#: A part of the public pages: what it answers, given what it stands on.
Area = Callable[[Ground], Iterable[Route]]
