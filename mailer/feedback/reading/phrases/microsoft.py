"""Exchange from 5.5 on, Office 365, Outlook.com and Hotmail."""

from mailer.feedback.reading.table import Table
from mailer.model.feedback import FeedbackReason as Reason

TABLE = Table(
    system="Microsoft",
    words={
        Reason.UNKNOWN_USER: (
            "all recipient addresses rejected : access denied",
            "recipient not found",
        ),
        Reason.MAILBOX_FULL: (
            "quotaexceeded",
            "mailboxquota",
            "recipient's mailbox is full",
            "mailbox is full and can't accept",
        ),
        Reason.DISABLED: ("accountdisabled", "mailboxdisabled", "account has been disabled"),
        Reason.TOO_BIG: (
            "recipsizelimit",
            "sendsizelimit",
            "larger than the current system limit",
            "larger than the size limit",
            "message is larger than",
        ),
        Reason.POLICY: (
            "resolver.rst",
            "transport.rules",
            "rejectmessage",
            "notauthorized",
            "authenticationrequired",
            "not permitted to send",
            "isn't allowed to send",
            "doesn't have permission",
            "restrict",
            "5.7.64",
        ),
        Reason.SENDER_REFUSED: ("sender denied", "sender id * permerror", "smtpsendasdenied"),
        Reason.AUTHENTICATION: (
            "does not pass dmarc verification",
            "does not meet the required authentication level",
            "doesn't meet the required authentication level",
        ),
        Reason.BLOCKED_AS_SPAM: (
            "banned sending ip",
            "on our block list",
            "s3140",
            "s3150",
            "as(201",
            "weren't sent. please contact your internet service provider",
            "messages from * weren't sent",
        ),
        Reason.TOO_MUCH: (
            "server busy",
            "over the maximum submission rate",
            "exceeded the maximum",
            "temporarily rate limited",
            "mailbox is receiving too many",
            "recipient thread limit",
        ),
        Reason.EXPIRED: ("queue.expired", "msgexpired", "message expired", "delayed for too long"),
        Reason.NETWORK: (
            "connection refused",
            "target computer actively refused",
            "failed to connect to",
            "unable to connect to remote",
        ),
        Reason.DNS: ("dns query failed", "server failure"),
        Reason.SYSTEM: (
            "possible mail loop",
            "storedrv",
            "database is being",
            "mailbox is currently being moved",
            "a problem with the recipient's email system",
        ),
    },
    certain={
        Reason.UNKNOWN_USER: (
            # Exchange Online, of who is not in the directory of a domain that is its own.
            "5.4.1*recipient address rejected: access denied",
            "resolver.adr.recipnotfound",
            "resolver.adr.exrecipnotfound",
            "resolver.adr.recipientnotfound",
            "resolver.adr.recip",
            "recipient name is not recognized",
            "unknown recipient",
            "e-mail account does not exist at the organization",
            "was not found in the recipient's e-mail system",
            "email address you entered couldn't be found",
            "isn't listed in the domain's directory",
            "wasn't found at",
            "address * couldn't be found at",
            # Outlook.com and Hotmail put a number of their own behind the words of RFC 5321.
            "mailbox unavailable (",
            "mailbox unavailable. (",
        ),
        Reason.UNKNOWN_DOMAIN: (
            "infodomainnonexistent",
            "dns domain * does not exist",
            "nonexistentdomain",
            "reason: domain * doesn't exist",
        ),
    },
)
