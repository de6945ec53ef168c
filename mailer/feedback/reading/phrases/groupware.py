"""Domino and Notes, GroupWise, Messaging Server, IMail, MailMarshal, Netscape, X.400."""

from mailer.feedback.reading.table import Table
from mailer.model.feedback import FeedbackReason as Reason

TABLE = Table(
    system="Groupware",
    words={
        Reason.MAILBOX_FULL: (
            "user mailbox exceeds allowed size",
            "cannot accept any more messages",
        ),
        Reason.DISABLED: ("account is currently unavailable",),
        Reason.SYSTEM: (
            "lmtp transmission failure",
            "several matches found in domino directory",
            "channel bounce",
            "cannot route mail to user",
            "unable to transfer",
        ),
        Reason.EXPIRED: ("unable to deliver this message after", "delivery attempts failed"),
        Reason.SENDER_REFUSED: ("server rejected mail from address",),
    },
    certain={
        Reason.UNKNOWN_USER: (
            "not listed in domino directory",
            "not listed in public name & address book",
            "not listed in public name and address book",
            "not listed in address book",
            "not unique. several matches",
            "invalid final delivery userid",
            "^unknown user: @",
            "unknown local user",
            "no such user at this address",
            "illegal alias",
            "unknown or illegal alias",
        ),
        Reason.UNKNOWN_DOMAIN: ("^unknown host: @", "illegal host/domain name found"),
    },
)
