"""Read notices that Amazon SES sends by mail: JSON in the words of a message.

In: words. Out: findings. The same JSON comes to webhooks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from mailer.feedback.reading.judging import Failure, judge
from mailer.model.feedback import FeedbackClass, FeedbackFinding

_MARKS = ('"notificationType"', '"eventType"')
_MOST_RECIPIENTS = 25


def notice_findings(words: str) -> list[FeedbackFinding]:
    """Return what a notice of SES says; nothing when there is none."""
    if not any(mark in words for mark in _MARKS):
        return []
    try:
        notice, _ = json.JSONDecoder().raw_decode(words[words.index("{") :].replace("\n", " "))
    except (ValueError, RecursionError):
        return []
    return list(_findings(notice))[:_MOST_RECIPIENTS] if isinstance(notice, dict) else []


def _findings(notice: Mapping[str, Any]) -> Iterator[FeedbackFinding]:
    match notice.get("notificationType", notice.get("eventType")):
        case "Bounce":
            for one in _recipients(notice, "bounce", "bouncedRecipients"):
                yield judge(
                    Failure(
                        recipient=_text(one, "emailAddress"),
                        action=_text(one, "action"),
                        status=_text(one, "status"),
                        diagnostic=_text(one, "diagnosticCode").removeprefix("smtp;").strip(),
                    )
                )
        case "Complaint":
            for one in _recipients(notice, "complaint", "complainedRecipients"):
                yield FeedbackFinding(_text(one, "emailAddress"), FeedbackClass.COMPLAINT)
        case "Delivery":
            inner = notice.get("delivery")
            named = inner.get("recipients") if isinstance(inner, dict) else None
            reply = _text(inner, "smtpResponse") if isinstance(inner, dict) else ""
            for address in named if isinstance(named, list) else []:
                yield judge(Failure(str(address), action="delivered", diagnostic=reply))


def _recipients(notice: Mapping[str, Any], what: str, name: str) -> Iterator[Mapping[str, Any]]:
    inner = notice.get(what)
    named = inner.get(name) if isinstance(inner, dict) else None
    yield from (one for one in (named if isinstance(named, list) else []) if isinstance(one, dict))


def _text(one: Mapping[str, Any], name: str) -> str:
    value = one.get(name)
    return value if isinstance(value, str) else ""
