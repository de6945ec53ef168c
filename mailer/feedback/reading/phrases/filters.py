"""Filters before mailboxes: Barracuda, Proofpoint, Mimecast, Symantec, McAfee, Trend Micro, amavis."""

from mailer.feedback.reading.table import Table
from mailer.model.feedback import FeedbackReason as Reason

TABLE = Table(
    system="Filters",
    words={
        Reason.BLOCKED_AS_SPAM: (
            "content rejected, ube",
            "bulk email filter",
            "spam firewall",
            "considered spam",
            "scored as spam",
            "classified as",
            "identified as",
            "content filter",
            "infected",
            "banned content",
            "banned file",
            "banned attachment",
            "prohibited attachment",
            "blocked attachment",
            "attachment * blocked",
            "attachment * not allowed",
            "attachment type",
            "dangerous attachment",
            "cloudmark",
            "csi.cloudmark",
            "ipcheck.proofpoint",
            "mail was identified",
            "sender intelligence",
            "rejected by * filter",
            "rejected: ube",
            "blocked for",
            "denied by * policy",
            "ip reputation",
            "mail content denied",
        ),
        Reason.POLICY: (
            "envelope blocked",
            "administrative prohibition",
            "email policy violation",
            "anti-spoofing policy",
            "security policies",
            "manually blocked",
            "rejected by header",
            "rejected by rule",
            "rejected by destination domain",
        ),
        Reason.AUTHENTICATION: ("sender invalid - envelope rejected",),
    },
    # Symantec Email Security.cloud knows the addresses of the domains behind it.
    certain={Reason.UNKNOWN_USER: ("542 @ rejected",)},
)
