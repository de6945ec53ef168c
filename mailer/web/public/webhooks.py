"""Answer webhooks at /hooks/<key>: what a provider posts of mails that we handed to it.

In: the hooks of config.toml, and what takes in their events. Out: 200 for what is on record, 403 with
nothing in it for what the provider did not make, 503 for what is to be sent again. A hook works in a
thread; what is posted is read up to a bound, and nothing of it is logged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request as WebRequest
from starlette.responses import Response

from mailer.events import emit, warn
from mailer.feedback.hooks.documents import MOST_BYTES
from mailer.feedback.hooks.receiving import Hook, HookUnavailable, Refused, Request, receive
from mailer.model.feedback import Event
from mailer.store.engine import StoreUnavailable
from mailer.store.suppression_log import LogNotWritten
from mailer.web.public.forms import FormRefused, read_body
from mailer.web.public.ground import RETRY_AFTER_S, WRITE, WRITERS, Ground, InThreads, Route

#: Takes in events and the body they came in; returns how many are new.
TakeEvents = Callable[[Sequence[Event], bytes], int]


class Webhooks:
    """The routes of webhooks."""

    def __init__(self, ground: Ground, hooks: Mapping[str, Hook | None], take: TakeEvents) -> None:
        """Take hooks by their keys; None is one that cannot be made as it is configured."""
        self._hooks = hooks
        self._take = take
        self._clock = ground.clock
        self._answering = InThreads(WRITERS)

    def routes(self) -> tuple[Route, ...]:
        """Return what is answered here; nothing where no hook is configured."""
        if not self._hooks:
            return ()
        return (Route("/hooks/{key}", WRITE, self.answer, "webhook"),)

    async def answer(self, request: WebRequest) -> Response:
        """Take in what was posted, once it is proved whose it is."""
        key: str = request.path_params["key"]
        if key not in self._hooks:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        try:
            body = await read_body(request, MOST_BYTES)
        except FormRefused as refused:
            return Response(status_code=refused.status)
        headers = {name.lower(): value for name, value in request.headers.items()}
        posted = Request(headers, body, self._clock.now())
        try:
            await self._answering.run(lambda: self._taken(key, posted))
        except Refused:
            return Response(status_code=HTTPStatus.FORBIDDEN)
        except (HookUnavailable, StoreUnavailable, LogNotWritten) as error:
            warn("a webhook had to wait", hook=key, reason=type(error).__name__)
            return Response(
                status_code=HTTPStatus.SERVICE_UNAVAILABLE,
                headers={"Retry-After": str(RETRY_AFTER_S)},
            )
        return Response(status_code=HTTPStatus.OK)

    def _taken(self, key: str, posted: Request) -> None:
        hook = self._hooks[key]
        if hook is None:
            raise HookUnavailable
        events = receive(key, hook, posted)
        new = self._take(events, posted.body)
        emit("webhook taken", hook=key, events=len(events), new=new)
