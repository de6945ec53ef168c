"""Services that send or host for others: SES, WorkMail, SendGrid, GoDaddy, Zoho, Apple, Facebook."""

from mailer.feedback.reading.table import Table
from mailer.model.feedback import FeedbackReason as Reason

TABLE = Table(
    system="Hosting and sending services",
    words={
        Reason.UNKNOWN_USER: (
            "account not available",
            "not our user",
            "mailbox unavailable or",
            "5.1.0 address rejected",
        ),
        Reason.MOVED: ("recipient no longer on server",),
        Reason.SENDER_REFUSED: ("email address is not verified", "identities failed the check"),
        Reason.TOO_MUCH: (
            "has sent to too many recipients",
            "sent too many",
            "exceeded * sending",
            "daily message quota",
            "sending rate",
            "understanding-email-error-codes",
            "cxcnct",
            "cxmxrt",
            "cxthrt",
        ),
        Reason.BLOCKED_AS_SPAM: ("has been blocked by", "aup#", "cxbl"),
        Reason.POLICY: ("suppression list", "not accepting mail from"),
        Reason.SYSTEM: ("internal system error",),
    },
    # Facebook answers 5.1.1 as well where the person does not want to be written to.
    # A sending service that stopped writing to somebody only knows what it was told once.
    overruling={
        Reason.POLICY: (
            "has suppressed sending to this address",
            "on the suppression list",
            "on our suppression list",
            "previously bounced address",
            "address is suppressed",
            "refused due to recipient preferences",
            "rcp-p2",
            "rcp-p3",
        )
    },
)
