"""Lists of hosts and domains that receivers ask before they take mail."""

from mailer.feedback.reading.table import Table
from mailer.model.feedback import FeedbackReason as Reason

TABLE = Table(
    system="Blocklists",
    words={
        Reason.BLOCKED_AS_SPAM: (
            "spamhaus",
            "spamcop",
            "barracudacentral",
            "sorbs",
            "senderbase",
            "senderscore",
            "uceprotect",
            "surbl",
            "uribl",
            "backscatterer",
            "psbl",
            "manitu.net",
            "abuseat.org",
            "trendmicro.com/",
            "listed at",
            "listed by",
            "listed in * rbl",
            "listed on",
            " rbl",
            "/rbl",
        ),
    },
)
