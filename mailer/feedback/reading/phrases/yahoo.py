"""Yahoo, and AOL and Verizon, which are hosted there today."""

from mailer.feedback.reading.table import Table
from mailer.model.feedback import FeedbackReason as Reason

TABLE = Table(
    system="Yahoo",
    words={
        Reason.UNKNOWN_USER: (
            "this user doesn't have a",
            "mailbox not found",
            "no such user",
            "user is not accepting",
        ),
        Reason.DISABLED: (
            "account has been disabled or discontinued",
            "this mailbox is disabled",
            "554.30",
        ),
        Reason.MAILBOX_FULL: ("account is over quota", "mailbox over quota"),
        Reason.POLICY: ("not accepted for policy reasons",),
        Reason.TOO_MUCH: (
            "unexpected volume",
            "user complaints",
            "[ts0",
            "[tss0",
            "resources temporarily unavailable",
            "resources unavailable",
        ),
        Reason.BLOCKED_AS_SPAM: ("[ph01]", "[bl2", "rly:b", "hvu:b", "rtr:", "dyn:t1", "cnn:"),
        Reason.AUTHENTICATION: ("dns:nr", "dns:b", "pol:b1"),
    },
    certain={
        Reason.UNKNOWN_USER: ("delivery error: dd this user doesn't have a",),
        Reason.UNKNOWN_DOMAIN: ("no mx record found for domain",),
    },
)
