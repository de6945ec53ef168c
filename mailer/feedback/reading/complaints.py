"""Read complaints: feedback reports of providers (ARF), and what looks like them.

In: the fields of a report, and those of the mail it returns. Out: findings. Whom a report names is
often struck out or forged (RFC 5965 §3.1); what is believed is what of ours the returned mail holds.
Standards: RFC 5965 §2 and §3, RFC 6650 §6, RFC 6591 (reports on authentication).
"""

from __future__ import annotations

import re

from mailer.feedback.reading.addresses import addresses_in
from mailer.feedback.reading.judging import shown
from mailer.feedback.reading.message import Part, fields_of
from mailer.feedback.reading.returned import Pieces
from mailer.model.feedback import FeedbackClass, FeedbackFinding

_MOST_RECIPIENTS = 25
#: Subjects under which providers forward what somebody called spam.
_SUBJECTS = re.compile(
    r"complaint about message from|email feedback report for|(?:spam|abuse) (?:report|complaint)\b"
    r"|\[?(?:fbl|feedback loop)\b|user complaint",
    re.IGNORECASE,
)
# RFC 5965 §3.1 and §7.3, RFC 6591 §3.1 and RFC 6430 §3.2: which are about the person. What is not
# known is taken for abuse: it comes to the same as no more mail.
_KINDS = {
    "auth-failure": FeedbackClass.AUTHENTICATION_REPORT,
    "dmarc": FeedbackClass.AUTHENTICATION_REPORT,
    "not-spam": FeedbackClass.AUTHENTICATION_REPORT,
    "opt-out": FeedbackClass.OPT_OUT,
    "opt-out-list": FeedbackClass.OPT_OUT,
    "virus": FeedbackClass.COMPLAINT,
}


def complaint_findings(message: Part, pieces: Pieces) -> list[FeedbackFinding]:
    """Return what a feedback report says; nothing when there is none."""
    for text in pieces.reports:
        fields, _ = fields_of(_from_its_fields(text))
        kind = next((value for name, value in fields if name == "feedback-type"), "")
        if kind:
            return _findings(fields, kind, pieces)
    return _bare_complaint(message, pieces)


def _bare_complaint(message: Part, pieces: Pieces) -> list[FeedbackFinding]:
    """Return a complaint that only forwards the mail: Hotmail's JMRP, and those like it."""
    subject = message.value("subject").strip()
    if "message/rfc822" not in pieces.kinds or not _SUBJECTS.match(subject):
        return []
    named = [
        address
        for name in ("x-hmxmroriginalrecipient", "x-original-recipient", "to")
        for value in pieces.returned_values(name)
        for address in addresses_in(value)
    ]
    return [FeedbackFinding((named or [""])[0], FeedbackClass.COMPLAINT, diagnostic=shown(subject))]


def _from_its_fields(text: str) -> str:
    """Return a text from the first field of a report on: some have words before."""
    at = text.lower().find("feedback-type:")
    start = text.rfind("\n\n", 0, at) + 2 if "\n\n" in text[:at] else 0
    return text[start:].lstrip("\n")


def _findings(
    fields: tuple[tuple[str, str], ...], kind: str, pieces: Pieces
) -> list[FeedbackFinding]:
    words = kind.split()
    judged = _KINDS.get(words[0].lower() if words else "", FeedbackClass.COMPLAINT)
    named = [
        address
        for wanted in ("original-rcpt-to", "removal-recipient")
        for name, value in fields
        if name == wanted
        for address in addresses_in(value)
    ]
    if not named:
        # RFC 5965 §3.2: Original-Rcpt-To is optional; the returned mail was to somebody.
        named = [one for value in pieces.returned_values("to") for one in addresses_in(value)][:1]
    named = list(dict.fromkeys(named))[:_MOST_RECIPIENTS]
    said = shown(f"Feedback-Type: {kind}")
    return [FeedbackFinding(one, judged, diagnostic=said) for one in named or [""]]
