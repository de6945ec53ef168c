"""Receive what a provider posts: refuse it, or say what it tells, in one form for all of them.

In: a hook, and a request to it as it came. Out: its events, or `Refused`, which the web answers with
403 and nothing else, whatever the reason; the reason goes into our own log. A hook is one provider's
way to prove itself and to tell things; `mailer.feedback.hooks.plugs` finds those of others.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import Protocol

from mailer.events import emit, scrub, warn
from mailer.feedback.hooks.documents import MOST_BYTES, NotADocument, parse
from mailer.model.characters import unwanted_character
from mailer.model.feedback import Event
from mailer.tokens import FEEDBACK_TOKEN_CHARACTERS, RETURN_PATH_TOKEN_CHARACTERS

#: Longest diagnostic that is kept, in characters.
_LONGEST_DIAGNOSTIC = 300
_LONGEST_ADDRESS = 320
_MOST_TOKENS = 10
_EVENT_ID = re.compile(r"[!-~]{1,200}")
_MAIL_ID = re.compile(r"[!-;=?-~]{1,250}")
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_TOKEN = re.compile(rf"[A-Za-z0-9_-]{{{FEEDBACK_TOKEN_CHARACTERS}}}")
_RETURN_PATH_TOKEN = re.compile(
    rf"(?:^|\+)([a-z0-9]{{{RETURN_PATH_TOKEN_CHARACTERS}}})(?:$|@)", re.IGNORECASE
)


class RefusalReason(StrEnum):
    """Why a request was refused: for the log of whoever sets a hook up, never for who asked."""

    TOO_LARGE = "too large"
    NOT_A_DOCUMENT = "not a document"
    SECRET = "secret"  # noqa: S105  (A word for the log.)
    TOPIC = "topic"
    SIGNATURE = "signature"
    CERTIFICATE = "certificate"
    AGE = "age"
    REPLAYED = "replayed"


class Refused(Exception):
    """A request did not come from the provider, or came a second time."""

    def __init__(self, reason: RefusalReason) -> None:
        self.reason = reason
        super().__init__(reason.value)


class HookUnavailable(Exception):
    """A request could not be judged now; the web answers 503, and the provider tries again."""


@dataclass(frozen=True)
class Request:
    """What was posted to a hook's address."""

    #: Header fields by their names in small letters.
    headers: Mapping[str, str]
    #: As it came, `MOST_BYTES` at most.
    body: bytes
    #: When it came, in UTC.
    now: datetime

    @cached_property
    def document(self) -> Mapping[str, object]:
        """Return the JSON object in the body.

        Raises:
            Refused: when it holds none.
        """
        try:
            return parse(self.body)
        except NotADocument as error:
            raise Refused(RefusalReason.NOT_A_DOCUMENT) from error


class Hook(Protocol):
    """What one provider posts, and how it proves that it is the one who does."""

    def verify(self, request: Request) -> None:
        """Return only when the provider itself made this request, and made it for us.

        Secrets are compared by `is_same`. It must take any octets.

        Raises:
            Refused: when it did not.
            HookUnavailable: when that cannot be known now.
        """
        ...

    def events(self, request: Request) -> Sequence[Event]:
        """Return what a verified request tells; nothing for what we do not keep, a click say."""
        ...


def receive(key: str, hook: Hook, request: Request) -> tuple[Event, ...]:
    """Return what a request tells, once it is verified.

    Every event is cleaned here, whoever wrote the hook: its source is `key`, its diagnostic is
    scrubbed, of `tokens` only those remain that have the form of ours, and what is not as `Event`
    promises is left out of it.

    Raises:
        Refused: when the provider did not make it.
        HookUnavailable: when it cannot be judged now, or the hook has a fault.
    """
    try:
        if len(request.body) > MOST_BYTES:
            raise Refused(RefusalReason.TOO_LARGE)
        hook.verify(request)
        found = [_clean(one, key, request.now) for one in hook.events(request)]
    except Refused as error:
        emit("webhook refused", hook=key, reason=error.reason.value)
        raise
    except HookUnavailable:
        raise
    except Exception as error:  # noqa: BLE001  (A hook of somebody else's may raise anything.)
        # Its text may quote whom the request is about.
        warn("a webhook's reader has a fault", hook=key, error=type(error).__name__)
        raise HookUnavailable from None
    return tuple(one for one in found if _EVENT_ID.fullmatch(one.event_id))


def is_same(given: str, wanted: str) -> bool:
    """Tell whether two secrets are the same, in a time that says nothing about them."""
    # The digests are of one length: comparing the texts would tell how long the secret is.
    first, second = (
        hashlib.sha256(one.encode("utf-8", "surrogatepass")).digest() for one in (given, wanted)
    )
    return hmac.compare_digest(first, second)


def _clean(event: Event, key: str, now: datetime) -> Event:
    at = event.at.replace(tzinfo=event.at.tzinfo or UTC)
    recipient = _address(event.recipient)
    return replace(
        event,
        source=key,
        event_id=_event_id(event.event_id),
        at=min(at, now),
        recipient=recipient,
        status=event.status if _STATUS.fullmatch(event.status) else "",
        diagnostic=scrub(event.diagnostic[: 4 * _LONGEST_DIAGNOSTIC], recipient)[
            :_LONGEST_DIAGNOSTIC
        ],
        message_id=_mail_id(event.message_id),
        provider_id=_mail_id(event.provider_id),
        tokens=_tokens_in(event.tokens),
    )


def _event_id(given: str) -> str:
    """Return what tells an event from others; a digest where an address may be in it."""
    is_safe = not _EVENT_ID.fullmatch(given) or scrub(given) == given
    return given if is_safe else hashlib.sha256(given.encode()).hexdigest()


def _address(found: str) -> str:
    """Return an address without a name and brackets; "" for what is none."""
    address = found.strip()
    if address.endswith(">"):
        address = address[address.rfind("<") + 1 : -1]
    fits = len(address) <= _LONGEST_ADDRESS and "@" in address
    return address if fits and not unwanted_character(address) else ""


def _mail_id(found: str) -> str:
    mail_id = found.strip().removeprefix("<").removesuffix(">")
    return mail_id if _MAIL_ID.fullmatch(mail_id) else ""


def _tokens_in(words: Sequence[str]) -> tuple[str, ...]:
    """Return what has the form of a feedback token, alone or in a return path.

    Whether one is ours is for `mailer.tokens` to say.
    """
    found: dict[str, None] = {}
    for word in words:
        if _TOKEN.fullmatch(word):
            found[word] = None
        found.update((one.lower(), None) for one in _RETURN_PATH_TOKEN.findall(word[:1_000]))
    return tuple(found)[:_MOST_TOKENS]
