"""Postfix."""

from mailer.feedback.reading.table import Table
from mailer.model.feedback import FeedbackReason as Reason

TABLE = Table(
    system="Postfix",
    words={
        Reason.UNKNOWN_USER: ("undeliverable address:",),
        Reason.SENDER_REFUSED: ("sender address rejected",),
        Reason.AUTHENTICATION: (
            "cannot find your reverse hostname",
            "cannot find your hostname",
            "helo command rejected: host not found",
        ),
        Reason.BLOCKED_AS_SPAM: ("service unavailable; client host", "client host * blocked"),
        Reason.POLICY: (
            "client host rejected",
            "helo command rejected",
            "recipient address rejected: access denied",
        ),
        Reason.NEEDS_SMTPUTF8: ("smtputf8 is required, but was not offered",),
        Reason.MAILBOX_FULL: ("cannot update mailbox", "mailbox size limit exceeded"),
        Reason.DNS: (
            "host not found, try again",
            "malformed or unexpected name server reply",
            "name service error",
        ),
        Reason.NETWORK: (
            "delivery temporarily suspended",
            "lost connection with",
            "conversation with * timed out",
            "while receiving the initial server greeting",
        ),
        Reason.SYSTEM: (
            "loops back to myself",
            "command died with status",
            "command time limit exceeded",
            "temporary lookup failure",
            "mail transport unavailable",
            "server configuration error",
        ),
    },
    certain={
        Reason.UNKNOWN_USER: (
            "user unknown in local recipient table",
            "user unknown in virtual mailbox table",
            "user unknown in virtual alias table",
            "user unknown in relay recipient table",
            'unknown user: "',
        ),
        Reason.UNKNOWN_DOMAIN: (
            "recipient address rejected: domain not found",
            "host or domain name not found. name service error for * host not found",
            "domain * does not accept mail (nullmx)",
            "domain service error for * does not accept mail",
        ),
    },
)
