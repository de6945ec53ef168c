"""Small transport agents: DragonFly, OpenSMTPD, Courier, Apache James, ezweb's and others' own."""

from mailer.feedback.reading.table import Table
from mailer.model.feedback import FeedbackReason as Reason

TABLE = Table(
    system="Small transport agents",
    words={
        Reason.EXPIRED: ("could not deliver for the last", "envelope expired", "giving up"),
        Reason.NETWORK: ("no mx found for domain could be reached", "network error on destination"),
        Reason.POLICY: ("destination seem to reject all mails",),
        Reason.SYSTEM: ("mail loop detected", "hop count"),
    },
    certain={
        Reason.UNKNOWN_DOMAIN: (
            "dns lookup failure: host * not found",
            "no mx found for domain",
            "no mx found for destination",
            "no such domain",
        ),
    },
)
