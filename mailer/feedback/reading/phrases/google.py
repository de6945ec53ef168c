"""Gmail, Google Workspace and Google Groups."""

from mailer.feedback.reading.table import Table
from mailer.model.feedback import FeedbackReason as Reason

TABLE = Table(
    system="Google",
    words={
        Reason.UNKNOWN_USER: (
            "account that you tried to reach does not exist",
            "p=nosuchuser",
        ),
        Reason.DISABLED: (
            "account that you tried to reach is inactive",
            "account that you tried to reach is disabled",
            "p=disableduser",
        ),
        Reason.MAILBOX_FULL: (
            "account that you tried to reach is over quota",
            "recipient's inbox is out of storage",
            "p=overquota",
        ),
        Reason.TOO_MUCH: (
            "receiving mail at a rate",
            "receiving mail too quickly",
            "unusual rate of",
            "p=receivingrate",
            "exceeded the rate limit",
        ),
        Reason.BLOCKED_AS_SPAM: (
            "likely unsolicited mail",
            "likely suspicious",
            "content presents a potential",
            "p=unsolicited",
            "p=blockedmessage",
        ),
        Reason.AUTHENTICATION: (
            "unauthenticated email from",
            "does not have authentication information",
            "sender is unauthenticated",
            "does not have a ptr record",
        ),
        Reason.NETWORK: ("recipient server did not accept our requests to connect",),
        # To a group, in each of the languages that say so.
        Reason.POLICY: ("groups.google.com/support", "permission to post messages to the group"),
    },
    certain={
        Reason.UNKNOWN_DOMAIN: ("because the domain * couldn't be found",),
    },
)
