"""Exim, and cPanel on top of it."""

from mailer.feedback.reading.table import Table
from mailer.model.feedback import FeedbackReason as Reason

TABLE = Table(
    system="Exim",
    words={
        Reason.UNKNOWN_USER: (
            "no such user here",
            "unknown or illegal user",
            "unknown or illegal alias",
        ),
        Reason.SENDER_REFUSED: ("callout verification failed", "could not complete sender verify"),
        Reason.POLICY: ("administrative prohibition",),
        Reason.MALFORMED: (
            "malformed address",
            "may not follow",
            "lines longer than",
            "line too long",
        ),
        Reason.MAILBOX_FULL: ("mta-imposed quota exceeded", "mailbox is full (mta"),
        Reason.EXPIRED: (
            "all hosts for * have been failing for a long time",
            "retry timeout exceeded",
            "retry time not reached for any host",
        ),
        Reason.DNS: ("host lookup did not complete", "dns lookup * did not complete"),
        Reason.SYSTEM: (
            "lowest numbered mx record points to local host",
            "remote host address is the local host",
            "failed to open mailbox",
            "failed to stat mailbox",
            "child process of",
            "unable to lock mailbox",
            "is not a regular file",
            "failed to get write lock",
            "transport returned",
            'too many "received" headers',
        ),
    },
    certain={
        Reason.UNKNOWN_USER: ("unknown local-part", "unknown local part", "unknown mail domain or"),
        Reason.UNKNOWN_DOMAIN: (
            "unrouteable address",
            "unroutable address",
            "unrouteable mail domain",
            "unroutable mail domain",
            "all relevant mx records point to non-existent hosts",
            "an mx or srv record indicated no smtp service",
        ),
    },
)
