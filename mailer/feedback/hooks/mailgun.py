"""Read Mailgun's webhooks: https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks.

In: requests signed with the "HTTP webhook signing key" of the account. Out: events. The signature
covers a time and a random word and nothing of what the request tells: whoever could use it again
could tell anything with it. So it holds for 15 minutes, and once. Standards: RFC 2104.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from mailer.feedback.hooks.documents import at, moment, number, text, texts
from mailer.feedback.hooks.failures import Judged, Verdict, judge_bounce, status_of
from mailer.feedback.hooks.receiving import (
    RefusalReason,
    Refused,
    Request,
    is_same,
)
from mailer.model.feedback import Event, FeedbackClass, FeedbackReason

#: How long a signature is good for, before and after its time.
_FRESH = timedelta(minutes=15)
# Both are of one length always: with nothing between them, digits could change sides otherwise.
_SECONDS = re.compile(r"[0-9]{10}")
_WORD = re.compile(r"[0-9a-zA-Z]{50}")
#: Events of the mail itself that are no failures.
_MEANINGS = {
    "delivered": FeedbackClass.DELIVERED,
    "complained": FeedbackClass.COMPLAINT,
    "unsubscribed": FeedbackClass.OPT_OUT,
}
#: Reasons for which Mailgun does not even try: what the recipient told it before, or their server.
_BY_LIST = {
    "suppress-complaint": Judged(FeedbackClass.COMPLAINT),
    "suppress-unsubscribe": Judged(FeedbackClass.OPT_OUT),
    "suppress-bounce": Judged(FeedbackClass.SOFT, FeedbackReason.UNCLEAR),
    # Tried for too long.
    "old": Judged(FeedbackClass.SOFT, FeedbackReason.EXPIRED),
}


class MailgunHook:
    """Mailgun's webhooks, with the account's signing key."""

    def __init__(self, signing_key: str, is_known: Callable[[str], bool]) -> None:
        """Take the key, and what tells whether an event of that id is on record already."""
        self._key = signing_key.encode("utf-8")
        self._is_known = is_known

    def verify(self, request: Request) -> None:
        """Return only for a fresh signature that was not used before.

        Raises:
            Refused: for any other.
        """
        signed = at(request.document, "signature")
        # Its table says that the time is a number, its example has it as text.
        seconds = text(signed, "timestamp") or str(number(signed, "timestamp"))
        word = text(signed, "token")
        wanted = hmac.new(
            self._key, f"{seconds}{word}".encode("utf-8", "surrogatepass"), hashlib.sha256
        ).hexdigest()
        has_form = _SECONDS.fullmatch(seconds) and _WORD.fullmatch(word)
        if not is_same(text(signed, "signature"), wanted) or not has_form:
            raise Refused(RefusalReason.SIGNATURE)
        signed_at = datetime.fromtimestamp(int(seconds), request.now.tzinfo)
        if abs(request.now - signed_at) > _FRESH:
            raise Refused(RefusalReason.AGE)
        if self._is_known(word):
            raise Refused(RefusalReason.REPLAYED)

    def events(self, request: Request) -> Sequence[Event]:
        """Return what one webhook tells; nothing for opens, clicks and mails just taken."""
        told = at(request.document, "event-data")
        name = text(told, "event")
        words = _words(told)
        if name in _MEANINGS:
            judged = Judged(_MEANINGS[name], status=status_of(words))
        elif name in ("failed", "rejected"):
            judged = _failure(told, words)
        else:
            return []
        return [
            Event(
                source="mailgun",
                # Mailgun's own id of an event is unique within a day only.
                event_id=text(request.document, "signature", "token"),
                at=moment(at(told, "timestamp"), request.now),
                kind=judged.kind,
                reason=judged.reason,
                recipient=text(told, "recipient"),
                status=judged.status,
                diagnostic=words,
                message_id=text(told, "message", "headers", "message-id"),
                tokens=(text(told, "envelope", "sender"), *texts(told, "user-variables")),
            )
        ]


def _words(told: object) -> str:
    """Return what the recipient's server replied, its code first; or why Mailgun did not ask it."""
    reply = at(told, "delivery-status")
    words = text(reply, "message") or text(reply, "description") or text(told, "reject", "reason")
    code = number(reply, "code")
    # Other numbers are Mailgun's own.
    return f"{code} {words}" if words and 200 <= code < 600 else words


def _failure(told: object, words: str) -> Judged:
    status = text(told, "delivery-status", "enhanced-code")
    if text(told, "event") == "rejected":
        # It did not want the mail itself.
        return judge_bounce(Verdict.TEMPORARY, words, status)
    if text(told, "severity") != "permanent":
        # Mailgun tries again, and tells when it gives up: a delay is no bounce.
        return Judged(FeedbackClass.DELAYED, status=status_of(words, status))
    by_list = _BY_LIST.get(text(told, "reason"))
    return by_list or judge_bounce(Verdict.PERMANENT, words, status)
