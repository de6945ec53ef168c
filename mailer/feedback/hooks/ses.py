"""Read the notifications and events that Amazon SES publishes to a topic of SNS.

In: messages of SNS for topics of ours. Out: events, one for each recipient. Both forms are read,
"feedback notifications" of an identity and "event publishing" of a configuration set:
https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mailer.events import warn
from mailer.feedback.hooks.certificates import Fetch
from mailer.feedback.hooks.documents import NotADocument, at, moment, parse, rows, text, texts
from mailer.feedback.hooks.failures import Verdict, failure, status_in
from mailer.feedback.hooks.receiving import Request
from mailer.feedback.hooks.sns import SUBSCRIPTION, UNSUBSCRIPTION, SnsTopics
from mailer.model.webhooks import Event, EventKind

#: SES did not try: an address is on its list, for whatever happened long ago or at another sender.
_BY_LIST = frozenset({"Suppressed", "OnAccountSuppressionList"})
#: Of Feedback-Type in an abuse report (RFC 5965 §7.3): those that are no complaint of a person's.
_NO_COMPLAINTS = frozenset({"auth-failure", "not-spam", "virus"})


@dataclass(frozen=True)
class _Told:
    """What an event says of one recipient."""

    kind: EventKind
    recipient: str
    words: str = ""
    status: str = ""


class SesHook:
    """Amazon SES, by topics of SNS."""

    def __init__(self, topics: frozenset[str], fetch: Fetch) -> None:
        """Take the topics' ARNs, and what fetches an address of SNS."""
        self._topics = SnsTopics(topics, fetch)

    def verify(self, request: Request) -> None:
        """Return only for a message that SNS signed, of one of the topics.

        Raises:
            Refused: for any other.
            HookUnavailable: when SNS's certificate cannot be fetched now.
        """
        self._topics.verify(request.document, request.now)

    def events(self, request: Request) -> Sequence[Event]:
        """Return what one message tells; a subscription to one of the topics is confirmed.

        Raises:
            HookUnavailable: when SNS cannot be told so now.
        """
        message = request.document
        kind = text(message, "Type")
        if kind == SUBSCRIPTION:
            self._topics.confirm(message)
            return []
        if kind == UNSUBSCRIPTION:
            warn("Amazon SNS ended a subscription", topic=text(message, "TopicArn"))
            return []
        told = at(message, "Message")
        try:
            # What SES writes when it first uses a topic is a sentence.
            document = parse(told.encode()) if isinstance(told, str) else {}
        except (NotADocument, UnicodeEncodeError):
            return []
        return _events(document, request)


def _events(document: dict[str, object], request: Request) -> list[Event]:
    name = text(document, "eventType") or text(document, "notificationType")
    # "DeliveryDelay" → "deliveryDelay", "Bounce" → "bounce".
    part = at(document, name[:1].lower() + name[1:])
    mail = at(document, "mail")
    message_id = text(request.document, "MessageId")
    at_time = text(part, "timestamp") or text(request.document, "Timestamp")
    headers = [(text(one, "name").lower(), text(one, "value")) for one in rows(mail, "headers")]
    return [
        Event(
            source="ses",
            event_id=f"{message_id}:{number}",
            at=moment(at_time, request.now),
            kind=one.kind,
            recipient=one.recipient,
            status=status_in(one.status, one.words),
            diagnostic=one.words,
            message_id=next((value for name, value in headers if name == "message-id"), ""),
            provider_id=text(mail, "messageId"),
            tokens=(
                text(mail, "source"),
                *(value for _, value in headers),
                *texts(mail, "tags"),
            ),
        )
        for number, one in enumerate(_told(name, part, mail))
    ]


def _told(name: str, part: object, mail: object) -> Iterable[_Told]:
    match name:
        case "Bounce":
            return _bounced(part)
        case "Complaint":
            kind = _complaint(text(part, "complaintFeedbackType").lower())
            to = rows(part, "complainedRecipients")
            return [_Told(kind, text(one, "emailAddress")) for one in to]
        case "Delivery":
            words = text(part, "smtpResponse")
            return [
                _Told(EventKind.DELIVERED, one, words) for one in _addresses(part, "recipients")
            ]
        case "DeliveryDelay":
            return [
                _Told(
                    EventKind.OTHER, text(one, "emailAddress"), text(one, "diagnosticCode"),
                    text(one, "status"),
                )
                for one in rows(part, "delayedRecipients")
            ]  # fmt: skip
        case "Subscription":
            left = at(part, "newTopicPreferences", "unsubscribeAll") is True
            kind = EventKind.OPT_OUT if left else EventKind.OTHER
            return [_Told(kind, one) for one in _addresses(mail, "destination")]
        case "Reject":
            words = text(part, "reason")
            return [_Told(EventKind.OTHER, one, words) for one in _addresses(mail, "destination")]
        case _:
            # Sent, opened, clicked: what supporters do with a mail is not our business.
            return []


def _addresses(node: object, name: str) -> list[str]:
    return [one for one in rows(node, name) if isinstance(one, str)]


def _bounced(part: object) -> Iterable[_Told]:
    subtype = text(part, "bounceSubType")
    verdict = Verdict.TEMPORARY
    if text(part, "bounceType") == "Permanent" and subtype not in _BY_LIST:
        verdict = Verdict.NOBODY_THERE if subtype == "NoEmail" else Verdict.PERMANENT
    for one in rows(part, "bouncedRecipients"):
        words = text(one, "diagnosticCode")
        status = status_in(text(one, "status"), words)
        kind = failure(verdict, status, words)
        # A report may be about one recipient who is told to wait beside another who is gone. One
        # without a report behind it is what SES makes of a vacation notice.
        if text(one, "action") == "delayed" or (
            (verdict, subtype) == (Verdict.TEMPORARY, "General") and not (status or words)
        ):
            kind = EventKind.OTHER
        yield _Told(kind, text(one, "emailAddress"), words, status)


def _complaint(feedback_type: str) -> EventKind:
    if feedback_type in _NO_COMPLAINTS:
        return EventKind.OTHER
    return EventKind.OPT_OUT if feedback_type.startswith("opt-out") else EventKind.COMPLAINT
