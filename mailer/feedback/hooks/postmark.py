"""Read Postmark's webhooks: https://postmarkapp.com/developer/webhooks/webhooks-overview.

In: requests that carry the secret which was typed in at Postmark, as the password of HTTP's basic
authentication or in a header field. Out: events. Postmark signs nothing. Standards: RFC 7617.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from mailer.feedback.hooks.documents import at, moment, number, text, texts
from mailer.feedback.hooks.failures import Verdict, failure, status_in
from mailer.feedback.hooks.receiving import (
    RefusalReason,
    Refused,
    Request,
    is_same,
)
from mailer.model.webhooks import Event, EventKind

#: Types of `Bounce` that are failures, and what Postmark says by them. One that is not known yet is
#: OTHER.
_FAILURES = {
    "HardBounce": Verdict.NOBODY_THERE,
    "BadEmailAddress": Verdict.NOBODY_THERE,
    "SoftBounce": Verdict.TEMPORARY,
    "Transient": Verdict.TEMPORARY,
    "DnsError": Verdict.TEMPORARY,
    "Blocked": Verdict.TEMPORARY,
    "DMARCPolicy": Verdict.TEMPORARY,
    # "Blocked by the user, or classified as spam": by a machine, mostly. It is no complaint.
    "SpamNotification": Verdict.TEMPORARY,
    "Unknown": Verdict.TEMPORARY,
}
#: Types of `Bounce` that mean something else.
_MEANINGS = {"SpamComplaint": EventKind.COMPLAINT, "Unsubscribe": EventKind.OPT_OUT}
#: Answers that no person wrote tell where a person is, and are not kept.
_NOT_KEPT = frozenset({"AutoResponder", "AddressChange", "ChallengeVerification", "OpenRelayTest"})


class PostmarkHook:
    """Postmark's webhooks, with the secret in one of the two places it can be put."""

    def __init__(self, secret: str, *, username: str = "", header: str = "") -> None:
        """Take the secret as the password beside a user name, else as the value of a header field."""
        self._secret = secret
        self._username = username
        self._header = header.lower()

    def verify(self, request: Request) -> None:
        """Return only when the request carries the secret.

        Raises:
            Refused: when it does not.
        """
        if self._username:
            scheme, _, given = request.headers.get("authorization", "").partition(" ")
            wanted = f"{self._username}:{self._secret}"
            same = is_same(_credentials(given), wanted) and scheme.lower() == "basic"
        else:
            same = is_same(request.headers.get(self._header, ""), self._secret)
        if not same:
            raise Refused(RefusalReason.SECRET)

    def events(self, request: Request) -> Sequence[Event]:
        """Return what one webhook tells; nothing for opens, clicks and automatic answers."""
        document = request.document
        match text(document, "RecordType"):
            case "Bounce":
                return _bounce(request)
            case "SpamComplaint":
                return [_event(request, EventKind.COMPLAINT, "BouncedAt")]
            case "Delivery":
                return [_event(request, EventKind.DELIVERED, "DeliveredAt")]
            case "SubscriptionChange":
                return [_event(request, _change(document), "ChangedAt")]
            case _:
                return []


def _credentials(given: str) -> str:
    try:
        # RFC 7617 §2: user name and password with a colon between them, in base64.
        return base64.b64decode(given.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return ""


def _bounce(request: Request) -> list[Event]:
    kind = text(request.document, "Type")
    if kind in _NOT_KEPT:
        return []
    verdict = _FAILURES.get(kind)
    if verdict is None:
        return [_event(request, _MEANINGS.get(kind, EventKind.OTHER), "BouncedAt")]
    words = text(request.document, "Details") or text(request.document, "Description")
    return [_event(request, failure(verdict, status_in(words), words), "BouncedAt")]


def _change(document: object) -> EventKind:
    if at(document, "SuppressSending") is not True:
        # Taken off Postmark's list by staff there: that lifts nothing here.
        return EventKind.OTHER
    match text(document, "SuppressionReason"):
        case "SpamComplaint":
            return EventKind.COMPLAINT
        case "ManualSuppression" if text(document, "Origin") == "Recipient":
            return EventKind.OPT_OUT
        case _:
            # A hard bounce tells more in its own webhook.
            return EventKind.OTHER


def _event(request: Request, kind: EventKind, when: str) -> Event:
    document = request.document
    words = text(document, "Details") or text(document, "Description")
    provider_id, told = text(document, "MessageID"), text(document, when)
    # Bounces and complaints have a number of their own; else a mail has one event of a kind a time.
    own = number(document, "ID") or (f"{provider_id}:{told}" if provider_id and told else "")
    return Event(
        source="postmark",
        event_id=f"{text(document, 'RecordType')}:{own}" if own else "",
        at=moment(told, request.now),
        kind=kind,
        recipient=text(document, "Email") or text(document, "Recipient"),
        status=status_in(words),
        diagnostic=words,
        provider_id=provider_id,
        tokens=texts(document, "Metadata"),
    )
