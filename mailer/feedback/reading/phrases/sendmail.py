"""Sendmail and those that speak like it."""

from mailer.feedback.reading.table import Table
from mailer.model.feedback import FeedbackReason as Reason

TABLE = Table(
    system="Sendmail",
    words={
        Reason.SENDER_REFUSED: ("domain of sender address",),
        Reason.RELAYING: ("we do not relay", "can't relay", "improper use of relay"),
        Reason.TOO_BIG: ("message exceeds maximum fixed size", "message size is larger than"),
        Reason.MAILBOX_FULL: ("disc quota exceeded", "disk quota exceeded", "can't create output"),
        Reason.MALFORMED: ("unbalanced", "user address required", "colon illegal in host name"),
        Reason.EXPIRED: (
            "message could not be delivered for",
            "message will be deleted from queue",
            "message timed out",
        ),
        Reason.DNS: ("host name lookup failure", "name server: host not found"),
        Reason.NETWORK: ("deferred: connection", "i/o error"),
        Reason.SYSTEM: (
            "local configuration error",
            "operating system error",
            "unknown mailer error",
            "points back to",
            "config error: mail loops back",
            "cannot exec",
        ),
    },
    certain={
        Reason.UNKNOWN_USER: ("mail.local: unknown user", "mail.local: unknown name"),
        Reason.UNKNOWN_DOMAIN: (
            "... host unknown",
            "host unknown (name server",
            "host unknown (authoritative answer",
        ),
    },
)
