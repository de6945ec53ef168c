"""Read Postmark's webhooks: https://postmarkapp.com/developer/webhooks/webhooks-overview.

In: requests that carry the secret which was typed in at Postmark, as the password of HTTP's basic
authentication or in a header field. Out: events. Postmark signs nothing. Standards: RFC 7617.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from mailer.feedback.hooks.documents import at, moment, number, text, texts
from mailer.feedback.hooks.failures import Judged, Verdict, judge_bounce, status_of
from mailer.feedback.hooks.receiving import (
    RefusalReason,
    Refused,
    Request,
    is_same,
)
from mailer.model.feedback import Event, FeedbackClass, FeedbackReason

#: Types of `Bounce` that are failures: what Postmark says by them, and why where no words do.
_FAILURES = {
    "HardBounce": (Verdict.NOBODY_THERE, FeedbackReason.UNKNOWN_USER),
    "BadEmailAddress": (Verdict.NOBODY_THERE, FeedbackReason.UNKNOWN_USER),
    "SoftBounce": (Verdict.TEMPORARY, FeedbackReason.UNCLEAR),
    "Transient": (Verdict.TEMPORARY, FeedbackReason.NETWORK),
    "DnsError": (Verdict.TEMPORARY, FeedbackReason.DNS),
    "Blocked": (Verdict.TEMPORARY, FeedbackReason.BLOCKED_AS_SPAM),
    "DMARCPolicy": (Verdict.TEMPORARY, FeedbackReason.AUTHENTICATION),
    # "Blocked by the user, or classified as spam": by a machine, mostly. It is no complaint.
    "SpamNotification": (Verdict.TEMPORARY, FeedbackReason.BLOCKED_AS_SPAM),
    "VirusNotification": (Verdict.TEMPORARY, FeedbackReason.BLOCKED_AS_SPAM),
    "Unknown": (Verdict.TEMPORARY, FeedbackReason.UNCLEAR),
}
#: Types of `Bounce` that mean something else.
_MEANINGS = {"SpamComplaint": FeedbackClass.COMPLAINT, "Unsubscribe": FeedbackClass.OPT_OUT}
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
        words = text(document, "Details") or text(document, "Description")
        match text(document, "RecordType"):
            case "Bounce":
                judged, when = _bounce(text(document, "Type"), words), "BouncedAt"
            case "SpamComplaint":
                judged, when = Judged(FeedbackClass.COMPLAINT), "BouncedAt"
            case "Delivery":
                judged = Judged(FeedbackClass.DELIVERED, status=status_of(words))
                when = "DeliveredAt"
            case "SubscriptionChange":
                judged, when = _change(document), "ChangedAt"
            case _:
                return []
        return [_event(request, judged, when, words)] if judged else []


def _credentials(given: str) -> str:
    try:
        # RFC 7617 §2: user name and password with a colon between them, in base64.
        return base64.b64decode(given.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return ""


def _bounce(kind: str, words: str) -> Judged | None:
    """Return what a type of bounce means; None for what is not kept."""
    if kind in _NOT_KEPT:
        return None
    if kind in _FAILURES:
        verdict, otherwise = _FAILURES[kind]
        return judge_bounce(verdict, words, otherwise=otherwise)
    return Judged(_MEANINGS.get(kind, FeedbackClass.NOT_A_REPORT))


def _change(document: object) -> Judged:
    # Taken off Postmark's list by staff there: that lifts nothing here.
    is_on_list = at(document, "SuppressSending") is True
    match text(document, "SuppressionReason"):
        case "SpamComplaint" if is_on_list:
            return Judged(FeedbackClass.COMPLAINT)
        case "ManualSuppression" if is_on_list and text(document, "Origin") == "Recipient":
            return Judged(FeedbackClass.OPT_OUT)
        case _:
            # A hard bounce tells more in its own webhook.
            return Judged(FeedbackClass.NOT_A_REPORT)


def _event(request: Request, judged: Judged, when: str, words: str) -> Event:
    document = request.document
    provider_id, told = text(document, "MessageID"), text(document, when)
    # Bounces and complaints have a number of their own; else a mail has one event of a kind a time.
    own = number(document, "ID") or (f"{provider_id}:{told}" if provider_id and told else "")
    return Event(
        source="postmark",
        event_id=f"{text(document, 'RecordType')}:{own}" if own else "",
        at=moment(told, request.now),
        kind=judged.kind,
        reason=judged.reason,
        recipient=text(document, "Email") or text(document, "Recipient"),
        status=judged.status,
        diagnostic=words,
        provider_id=provider_id,
        tokens=texts(document, "Metadata"),
    )
