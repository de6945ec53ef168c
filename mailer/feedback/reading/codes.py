"""What enhanced status codes mean where no words are known.

In: an enhanced code (RFC 3463, and the registry that RFC 5248 set up). Out: a reason.
"""

from __future__ import annotations

from mailer.model.feedback import FeedbackReason as Reason

#: Without their first digit, which tells permanent from transient.
_EXACT = {
    "1.1": Reason.UNKNOWN_USER,
    "1.2": Reason.UNKNOWN_DOMAIN,
    "1.3": Reason.UNKNOWN_USER,
    "1.6": Reason.MOVED,
    "1.7": Reason.SENDER_REFUSED,
    "1.8": Reason.SENDER_REFUSED,
    # RFC 7505 §4.1.
    "1.10": Reason.UNKNOWN_DOMAIN,
    "2.1": Reason.DISABLED,
    "2.2": Reason.MAILBOX_FULL,
    "2.3": Reason.TOO_BIG,
    "2.4": Reason.POLICY,
    "3.4": Reason.TOO_BIG,
    "4.1": Reason.NETWORK,
    "4.2": Reason.NETWORK,
    "4.3": Reason.DNS,
    "4.4": Reason.UNKNOWN_DOMAIN,
    "4.7": Reason.EXPIRED,
    "5.3": Reason.TOO_MUCH,
    "6.7": Reason.NEEDS_SMTPUTF8,
    "7.13": Reason.DISABLED,
    # RFC 7372 §3 and the codes of large providers.
    "7.20": Reason.AUTHENTICATION,
    "7.21": Reason.AUTHENTICATION,
    "7.22": Reason.AUTHENTICATION,
    "7.23": Reason.AUTHENTICATION,
    "7.24": Reason.AUTHENTICATION,
    "7.25": Reason.AUTHENTICATION,
    "7.26": Reason.AUTHENTICATION,
    # RFC 7505 §4.2.
    "7.27": Reason.SENDER_REFUSED,
    "7.28": Reason.TOO_MUCH,
}
_BY_SUBJECT = {
    "3": Reason.SYSTEM,
    "4": Reason.NETWORK,
    "5": Reason.SYSTEM,
    "6": Reason.MALFORMED,
    "7": Reason.POLICY,
}


def reason_of(code: str) -> Reason:
    """Return what an enhanced code says; "unclear" for one that says nothing, or no code."""
    detail = code.partition(".")[2]
    return _EXACT.get(detail) or _BY_SUBJECT.get(detail.partition(".")[0], Reason.UNCLEAR)
