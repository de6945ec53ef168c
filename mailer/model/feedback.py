"""What a message that came back, or a webhook, says: of whom, what became of the mail, and why.

Frozen dataclasses and enums, standard library only. Words: a bounce is hard where the address is
dead, and soft where only this mail failed; the first digit of a reply does not decide it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

#: What a token that unsubscribes stands behind, with a plus sign, in an address of the return path's
#: domain.
UNSUBSCRIBE_LOCAL_PART = "u"


class FeedbackClass(StrEnum):
    """What a message says of one recipient."""

    #: Nobody is at this address, and writing to it again is of no use.
    HARD = "hard"
    #: The mail was not delivered; the address may well be alive.
    SOFT = "soft"
    #: It is still being tried: no bounce.
    DELAYED = "delayed"
    #: It arrived, or was handed on.
    DELIVERED = "delivered"
    #: The recipient, or their provider, calls it abuse.
    COMPLAINT = "complaint"
    #: They ask to get no more of it.
    OPT_OUT = "opt_out"
    #: A vacation notice, or another answer that no person wrote: ignored, never stored.
    AUTO_REPLY = "auto_reply"
    #: A report on DKIM, SPF or DMARC, or that something is not spam: nothing to do with the person.
    AUTHENTICATION_REPORT = "authentication_report"
    #: A person's own mail, or something else that reports nothing.
    NOT_A_REPORT = "not_a_report"


class FeedbackReason(StrEnum):
    """Why a mail was not delivered."""

    #: Not a bounce.
    NONE = ""
    #: The domain takes mail, and has nobody of that name.
    UNKNOWN_USER = "unknown_user"
    #: The domain does not exist, or says that it takes no mail.
    UNKNOWN_DOMAIN = "unknown_domain"
    #: They are somewhere else now.
    MOVED = "moved"
    #: The mailbox is there, and shut.
    DISABLED = "disabled"
    MAILBOX_FULL = "mailbox_full"
    #: Content, sending host or reputation were taken for spam or worse.
    BLOCKED_AS_SPAM = "blocked_as_spam"
    #: SPF, DKIM, DMARC or the sending host's name in the DNS were found wanting.
    AUTHENTICATION = "authentication"
    #: A rule of the receiver, of the recipient or of an administrator.
    POLICY = "policy"
    #: Too much, too fast, or too many connections.
    TOO_MUCH = "too_much"
    #: Our own address was refused.
    SENDER_REFUSED = "sender_refused"
    #: A host on the way does not relay for us, or not to there.
    RELAYING = "relaying"
    TOO_BIG = "too_big"
    #: The form of the message, or of a command.
    MALFORMED = "malformed"
    #: The address needs SMTPUTF8, and a host on the way has none.
    NEEDS_SMTPUTF8 = "needs_smtputf8"
    #: The domain could not be looked up.
    DNS = "dns"
    #: No connection, or it broke.
    NETWORK = "network"
    #: Tried for too long.
    EXPIRED = "expired"
    #: Something is wrong at the receiver, or not ready yet.
    SYSTEM = "system"
    #: A failure that does not say why, or in no words that are known.
    UNCLEAR = "unclear"


class MatchedBy(StrEnum):
    """What ties a message to a mail of ours, the surest first."""

    #: The token in the return path of the mail.
    VERP = "verp"
    #: The envelope id that a report repeats (RFC 3464 §2.2.1).
    ENVID = "envid"
    #: The Message-ID in what was returned.
    MESSAGE_ID = "message_id"
    #: Nothing but an address, which anybody can write.
    ADDRESS = "address"
    NOTHING = ""


class FeedbackEffect(StrEnum):
    """What was done for what a message says of one recipient."""

    #: It is on record, and nothing else.
    STORED = "stored"
    #: It counts in the report and for the circuit breaker of its mailing.
    COUNTED = "counted"
    #: The address is mailed no more.
    SUPPRESSED = "suppressed"
    #: They left the lists that the mail came through.
    UNSUBSCRIBED = "unsubscribed"
    #: Staff were told.
    TOLD_STAFF = "told_staff"


class Taken(StrEnum):
    """What was done with a message that came in; the caller does the rest."""

    #: It is on record, with what was done for it.
    RECORDED = "recorded"
    #: It came before: nothing was done.
    KNOWN = "known"
    #: A program's answer: nothing of it is kept.
    IGNORED = "ignored"
    #: They left the lists of the mail whose unsubscribe address it was sent to.
    UNSUBSCRIBED = "unsubscribed"
    #: A person's mail: nothing of it is kept, and the caller passes it on.
    LETTER = "letter"
    #: A report of which nothing is understood: counted, and the caller leaves it where it is.
    UNREAD = "unread"


@dataclass(frozen=True)
class Match:
    """The mail of ours that a message is about."""

    by: MatchedBy = MatchedBy.NOTHING
    #: Of a mailing's delivery.
    delivery_id: int | None = None
    #: Of a service mail; a message is about one of both at most.
    service_id: int | None = None


@dataclass(frozen=True)
class FeedbackFinding:
    """What a message says of one recipient."""

    #: As the message writes it, without names and brackets; "" when it names none.
    recipient: str
    kind: FeedbackClass
    reason: FeedbackReason = FeedbackReason.NONE
    #: Whom the mail was addressed to before it was forwarded (RFC 3464 §2.3.1); often "".
    original_recipient: str = ""
    #: RFC 3463; "" when there is none.
    status: str = ""
    #: Of the reply, three digits; 0 when there is none.
    smtp_code: int = 0
    #: The words of the failure on one line, cut, and every address in them struck out.
    diagnostic: str = ""


@dataclass(frozen=True)
class Feedback:
    """What one message says."""

    #: At least one.
    findings: tuple[FeedbackFinding, ...]
    match: Match = Match()

    def matched_by(self, finding: FeedbackFinding) -> MatchedBy:
        """Return what ties a finding to a mail of ours."""
        if self.match.by is MatchedBy.NOTHING and finding.recipient:
            return MatchedBy.ADDRESS
        return self.match.by


@dataclass(frozen=True)
class Event:
    """What one webhook says of one recipient of one mail; the same for every provider."""

    #: Key of the hook it came by, `[feedback.hooks.<key>]`.
    source: str
    #: The same when the provider sends it again; with `source` it is unique.
    event_id: str
    #: When it happened, by the provider's word; never later than it came.
    at: datetime
    kind: FeedbackClass
    reason: FeedbackReason = FeedbackReason.NONE
    #: Address of the supporter; "" when it is not told. Never printed.
    recipient: str = field(default="", repr=False)
    #: RFC 3463; "" when there is none.
    status: str = ""
    #: The words of the server on one line, cut, with addresses struck out.
    diagnostic: str = ""
    #: The Message-ID the mail had when we handed it over, without brackets; "" when it is not told.
    message_id: str = ""
    #: What the provider calls the mail, as in its reply to the content; "" when it is not told.
    provider_id: str = ""
    #: Words from return path, header fields and metadata in the form of our feedback tokens.
    tokens: tuple[str, ...] = ()
