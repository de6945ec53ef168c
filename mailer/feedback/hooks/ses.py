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
from mailer.feedback.hooks.failures import Judged, Verdict, judge_bounce, status_of
from mailer.feedback.hooks.receiving import Request
from mailer.feedback.hooks.sns import SUBSCRIPTION, UNSUBSCRIPTION, SnsTopics
from mailer.model.feedback import Event, FeedbackClass, FeedbackReason

#: SES did not try: an address is on its list, for whatever happened long ago or at another sender.
_BY_LIST = frozenset({"Suppressed", "OnAccountSuppressionList"})
#: What other subtypes say, where no words do.
_REASONS = {
    "NoEmail": FeedbackReason.UNKNOWN_USER,
    "MailboxFull": FeedbackReason.MAILBOX_FULL,
    "MessageTooLarge": FeedbackReason.TOO_BIG,
    "ContentRejected": FeedbackReason.BLOCKED_AS_SPAM,
    "AttachmentRejected": FeedbackReason.POLICY,
}
#: Of Feedback-Type in an abuse report (RFC 5965 §7.3): those that are no complaint of a person's.
_NO_COMPLAINTS = frozenset({"auth-failure", "not-spam", "virus"})


@dataclass(frozen=True)
class _Told:
    """What an event says of one recipient."""

    recipient: str
    judged: Judged
    words: str = ""


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
            kind=one.judged.kind,
            reason=one.judged.reason,
            recipient=one.recipient,
            status=one.judged.status,
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
            judged = Judged(_complaint(text(part, "complaintFeedbackType").lower()))
            to = rows(part, "complainedRecipients")
            return [_Told(text(one, "emailAddress"), judged) for one in to]
        case "Delivery":
            words = text(part, "smtpResponse")
            judged = Judged(FeedbackClass.DELIVERED, status=status_of(words))
            return [_Told(one, judged, words) for one in _addresses(part, "recipients")]
        case "DeliveryDelay":
            return [_delayed(one) for one in rows(part, "delayedRecipients")]
        case "Subscription" if at(part, "newTopicPreferences", "unsubscribeAll") is True:
            judged = Judged(FeedbackClass.OPT_OUT)
            return [_Told(one, judged) for one in _addresses(mail, "destination")]
        case "Reject":
            # SES takes the mail for malicious, and sends it to nobody.
            judged = Judged(FeedbackClass.SOFT, FeedbackReason.BLOCKED_AS_SPAM)
            words = text(part, "reason")
            return [_Told(one, judged, words) for one in _addresses(mail, "destination")]
        case _:
            # Sent, opened, clicked: what supporters do with a mail is not our business.
            return []


def _addresses(node: object, name: str) -> list[str]:
    return [one for one in rows(node, name) if isinstance(one, str)]


def _delayed(one: object) -> _Told:
    words = text(one, "diagnosticCode")
    judged = Judged(FeedbackClass.DELAYED, status=status_of(words, text(one, "status")))
    return _Told(text(one, "emailAddress"), judged, words)


def _bounced(part: object) -> Iterable[_Told]:
    subtype = text(part, "bounceSubType")
    verdict = Verdict.TEMPORARY
    if text(part, "bounceType") == "Permanent" and subtype not in _BY_LIST:
        verdict = Verdict.NOBODY_THERE if subtype == "NoEmail" else Verdict.PERMANENT
    otherwise = _REASONS.get(subtype, FeedbackReason.UNCLEAR)
    for one in rows(part, "bouncedRecipients"):
        words, status = text(one, "diagnosticCode"), text(one, "status")
        if text(one, "action") == "delayed":
            # A report may be about one recipient who is told to wait beside another who is gone.
            yield _delayed(one)
        elif status or words or (verdict, subtype) != (Verdict.TEMPORARY, "General"):
            judged = judge_bounce(verdict, words, status, otherwise)
            yield _Told(text(one, "emailAddress"), judged, words)
        # Else it has no report behind it: what SES makes of a vacation notice, which is not kept.


def _complaint(feedback_type: str) -> FeedbackClass:
    if feedback_type in _NO_COMPLAINTS:
        return FeedbackClass.AUTHENTICATION_REPORT
    return FeedbackClass.OPT_OUT if feedback_type.startswith("opt-out") else FeedbackClass.COMPLAINT
