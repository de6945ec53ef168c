"""Answer `/join`: the form to sign up, and the link that confirms.

In: a form, here or on another site; a token in the path. Out: pages that are the same, and as late,
for an address that is known, unknown, suppressed or beyond a limit; so they tell a stranger nothing.
Only what is no address is told, which says nothing of anybody. A GET changes nothing and does not
read the token: mail scanners follow links.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response

from mailer.audience.addresses import NormalAddress
from mailer.audience.joining import Confirmation, Wish
from mailer.compose.service import ServiceText
from mailer.events import warn
from mailer.model.audience import ListDefinition
from mailer.model.mailing import Sender
from mailer.model.statement import localized
from mailer.statements.languages import language_name
from mailer.web.public.forms import Fields, FormRefused, address_in, read_form
from mailer.web.public.ground import READ, WRITE, WRITERS, Ground, InThreads, Route, not_now
from mailer.web.public.limits import Limiter, network_of
from mailer.web.public.pages import Pages
from mailer.web.public.reader import DEFAULT_LANGUAGE, accepted_languages, page_language

#: Given whom it comes from and the link, what a confirmation says.
Letter = Callable[[Sender, str], ServiceText]


class NotNow(Exception):
    """Nobody can sign up at the moment; the reason is for staff and names no supporter."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True)
class Offer:
    """What can be signed up for."""

    #: By key, in the order of the form.
    lists: Mapping[str, ListDefinition]
    #: What people agree to, by language.
    consent: Mapping[str, str]
    #: Names that wording.
    consent_version: str


class Desk(Protocol):
    """What does the work behind the pages."""

    def offer(self) -> Offer:
        """Return what can be signed up for now.

        Raises:
            NotNow: when nothing can.
        """
        ...

    def ask(
        self, offer: Offer, address: NormalAddress, wish: Wish, letter: Letter, *, send: bool
    ) -> None:
        """Write a wish down and send its confirmation, unless a limit or `send` says no.

        Raises:
            NotNow: when no confirmation can be sent to anybody.
        """
        ...

    def confirm(self, token: str) -> Confirmation:
        """Put on its lists whose wish the token confirms.

        Raises:
            NotNow: when nobody can be put on a list.
        """
        ...


def form_languages(offer: Offer, spoken: tuple[str, ...]) -> tuple[str, ...]:
    """Return the languages that the form speaks: those of the pages with a wording of the consent.

    Raises:
        NotNow: when there is none.
    """
    found = tuple(one for one in spoken if one in offer.consent)
    if not found:
        raise NotNow("the pages speak no language that has a consent under [sign_up.consent]")
    return found


def form_language(wanted: tuple[str, ...], languages: tuple[str, ...]) -> str:
    """Return which language of the form suits who reads `wanted`, the best liked first."""
    found = page_language(wanted, languages)
    fallback = DEFAULT_LANGUAGE if DEFAULT_LANGUAGE in languages else languages[0]
    return found if found in languages else fallback


def form_values(
    offer: Offer, language: str, languages: tuple[str, ...], wish: Wish
) -> dict[str, Any]:
    """Return what the form's template names, for its page and for other sites alike.

    Args:
        offer: What can be signed up for.
        language: What the form speaks.
        languages: What the messages can be asked for in.
        wish: What is chosen already.
    """
    return {
        "lists": [
            (key, localized(one.name, language, DEFAULT_LANGUAGE), key in wish.lists)
            for key, one in offer.lists.items()
        ],
        "languages": [(one, language_name(one, one), one == wish.language) for one in languages],
        "consent": offer.consent[language],
        "consent_version": offer.consent_version,
    }


def letter_in(pages: Pages, language: str) -> Letter:
    """Return what makes a confirmation in a language of the pages."""

    def letter(sender: Sender, link: str) -> ServiceText:
        name = localized(sender.name, language, DEFAULT_LANGUAGE)
        return pages.letter("sign_up_letter.txt", language, sender=name, link=link)

    return letter


@dataclass(frozen=True)
class _Asked:
    """What a form asks for, as far as it can be read."""

    #: None where it is no address.
    address: NormalAddress | None
    wish: Wish
    #: The wording it was sent under.
    consent_version: str
    #: Only a program fills in the field that nobody sees.
    by_program: bool


def _asked(fields: Fields, offer: Offer, languages: tuple[str, ...], otherwise: str) -> _Asked:
    values = dict(fields)
    lists = tuple(offer.lists)
    if len(lists) > 1:
        chosen = {value for name, value in fields if name == "list"}
        lists = tuple(key for key in lists if key in chosen)
    language = values.get("language", "")
    return _Asked(
        address_in(fields, "email"),
        Wish(lists, language if language in languages else otherwise),
        values.get("consent", ""),
        bool(values.get("website", "").strip()),
    )


class Joining:
    """The routes of signing up."""

    def __init__(self, ground: Ground, desk: Desk) -> None:
        self._pages = ground.pages
        self._desk = desk
        self._answering = InThreads(WRITERS)
        self._limiter = Limiter(ground.clock)

    def routes(self) -> tuple[Route, ...]:
        """Return what is answered here."""
        return (
            Route("/join", (*READ, *WRITE), self.answer, "sign-up"),
            Route("/join/{token}", (*READ, *WRITE), self.answer_link, "sign-up link"),
        )

    async def answer(self, request: Request) -> Response:
        """Show the form, or take what it sends."""
        return await (self.ask if request.method == "POST" else self.form)(request)

    async def answer_link(self, request: Request) -> Response:
        """Show the page, or confirm: only POST changes anything."""
        return await (self.confirm if request.method == "POST" else self.question)(request)

    async def form(self, request: Request) -> Response:
        """Show the form."""
        return await self._work(request, lambda: self._form(request, self._desk.offer()))

    async def question(self, request: Request) -> Response:
        """Show the page with the one button; the token is not looked at."""

        def page() -> Response:
            offer = self._desk.offer()
            language = self._language(request, offer)
            return self._pages.private(
                request,
                "sign_up_question.html",
                language=language,
                consent=offer.consent[language],
            )

        return await self._work(request, page)

    async def ask(self, request: Request) -> Response:
        """Take a wish: the answer is the same whatever is on record of the address."""
        try:
            fields = await read_form(request)
        except FormRefused as refused:
            return self._pages.error(request, refused.status)
        network = network_of(request)

        def take() -> Response:
            offer = self._desk.offer()
            languages = form_languages(offer, self._pages.spoken)
            asked = _asked(fields, offer, languages, self._language(request, offer))
            if (
                asked.address is None
                or not asked.wish.lists
                or asked.consent_version != offer.consent_version
            ):
                return self._form(request, offer, asked)
            # Counted first, whatever else says no.
            send = self._limiter.allows(network) and not asked.by_program
            letter = letter_in(self._pages, asked.wish.language)
            self._desk.ask(offer, asked.address, asked.wish, letter, send=send)
            return self._pages.private(request, "sign_up_asked.html")

        return await self._work(request, take)

    async def confirm(self, request: Request) -> Response:
        """Put on its lists whose wish the token confirms; again, it says the same."""
        try:
            fields = await read_form(request)
        except FormRefused as refused:
            return self._pages.error(request, refused.status)
        if ("action", "confirm") not in fields:
            return self._pages.error(request, HTTPStatus.BAD_REQUEST)
        token: str = request.path_params["token"]

        def confirm() -> Response:
            too_old = self._desk.confirm(token) is Confirmation.TOO_OLD
            template = "sign_up_too_old.html" if too_old else "signed_up.html"
            return self._pages.private(request, template)

        return await self._work(request, confirm)

    async def _work(self, request: Request, work: Callable[[], Response]) -> Response:
        try:
            return await self._answering.run(work)
        except NotNow as error:
            warn("sign-up had to wait", problem=error.reason)
            return not_now(self._pages, request)

    def _language(self, request: Request, offer: Offer) -> str:
        accepted = accepted_languages(request.headers.get("accept-language", ""))
        return form_language(accepted, form_languages(offer, self._pages.spoken))

    def _form(self, request: Request, offer: Offer, asked: _Asked | None = None) -> Response:
        """Return the form, with what is wrong where it was sent; the address is not shown again."""
        language = self._language(request, offer)
        catalog = self._pages.catalog(language)
        problems: dict[str, str] = {}
        if asked is not None and asked.address is None:
            problems["email"] = catalog.phrase(
                "This is not a mail address. Write it like name@example.org."
            )
        if asked is not None and not asked.wish.lists:
            problems["lists"] = catalog.phrase("Choose at least one list.")
        if asked is not None and asked.consent_version != offer.consent_version:
            problems["consent"] = catalog.phrase(
                "The text that you agree to has changed. Please read it and send the form again."
            )
        wish = asked.wish if asked is not None else Wish((), language)
        return self._pages.private(
            request,
            "sign_up.html",
            HTTPStatus.BAD_REQUEST if problems else HTTPStatus.OK,
            language=language,
            problems=problems,
            action="",
            **form_values(offer, language, form_languages(offer, self._pages.spoken), wish),
        )
