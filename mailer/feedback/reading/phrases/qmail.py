"""qmail, its many patches, and vpopmail."""

from mailer.feedback.reading.table import Table
from mailer.model.feedback import FeedbackReason as Reason

TABLE = Table(
    system="qmail",
    words={
        Reason.RELAYING: ("isn't in my list of allowed rcpthosts",),
        Reason.TOO_BIG: ("exceeds my databytes limit", "exceeds maximum acceptable size"),
        Reason.MAILBOX_FULL: (
            "user is over quota",
            "mailbox has exceeded the limit",
            "user's mailfolder is full",
            "exceeding their quota",
        ),
        Reason.DISABLED: (
            "mailaddress is administrative",
            "mailaccount * is disabled",
            "this address no longer accepts mail",
            "account is temporarily disabled",
        ),
        Reason.EXPIRED: ("this message has been in the queue too long",),
        Reason.NETWORK: (
            "wasn't able to establish an smtp connection",
            "connected to * but connection died",
            "unable to establish connection",
        ),
        Reason.DNS: ("cname lookup failed temporarily", "temporarily unable to look up"),
        Reason.SYSTEM: (
            "unable to contact ldap server",
            "unable to switch to",
            "message is looping",
            "unable to open",
            "home directory",
            "uh-oh",
            "aack, child crashed",
            "unable to forward message",
            "trouble",
        ),
    },
    certain={
        Reason.UNKNOWN_USER: ("no mailbox here by that name",),
        Reason.UNKNOWN_DOMAIN: (
            "couldn't find any host named",
            "couldn't find any host by that name",
            "couldn't find a mail exchanger or ip address",
        ),
    },
)
