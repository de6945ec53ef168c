"""Part what a report says from the mail that it returns.

In: a message as parts. Out: the words of the report, its fields for machines, and the fields of the
returned mail. The second never speaks of the failure and the first never of our mail, so that words
of a statement ("spam", an address) are not taken for those of a mail system. Standards: RFC 6522 §3,
RFC 3464 §1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mailer.feedback.reading.message import Part, fields_of, parse_text

#: Of the words of a report, the first so many characters are read.
LONGEST_WORDS = 16_000
_LONGEST_LINE = 2000
_MOST_LINES = 1500

Fields = tuple[tuple[str, str], ...]

#: Lines after which a report in plain words returns the mail.
_RETURNED = re.compile(
    r"""^[ \t>|*=+-]{0,40}+(?:
      (?:
        (?:(?:this|below|enclosed|included|attachment|attached)\b[^@\n]{0,30}\s)?(?:is\s)?(?:an?\s|the\s)?
        (?:copy|headers?|first\s\d{1,4}\slines|beginning|part)\sof\s(?:the|your)\s(?:\w+\s)?
        (?:message|e?-?mail)
      | (?:message|mail)\s(?:text|headers?|body|contents?)(?:\sfollows?|\ssuppressed)
      | below\s(?:this|the\snext)\sline
      | your\smessage\sreads
      | (?:original|returned|unsent|undelivered|rejected)\s(?:e-?mail|message|mail)\s
        (?:info|follows?|below|attached|is\s(?:attached|below|included)|headers?)
      | returned\smail\sfollows
      )\b[^@\n]{0,60}
    | (?:(?:the|your)\s)?(?:original|returned|unsent|undelivered|bounced)\s(?:e-?mail|message|mail)
      [ \t:.;=*|<>-]{0,60}
    )$""",
    re.IGNORECASE | re.VERBOSE | re.MULTILINE,
)
#: Fields that begin a returned mail of which nothing else announces it.
_HEADER = re.compile(
    r"^(?:Return-Path|Received|X-Received|DKIM-Signature|X-Originating-IP|Delivered-To|Message-ID"
    r"|X-Google-Smtp-Source|Authentication-Results|MIME-Version|From|Date|Subject|To):[^\n]*$",
    re.IGNORECASE | re.MULTILINE,
)
#: Fields that reports repeat in words.
_SAID_OF_MAILS = frozenset({"from", "to", "date", "subject", "message-id"})
_IN_TEXT_PART = re.compile(
    r"^Content-Type:\s*(?:message/rfc822|text/rfc822-headers)\b", re.I | re.M
)
_CARRIES = ("message/rfc822", "message/global", "message/news", "message/partial")
_HEADERS_ONLY = ("text/rfc822-headers", "message/global-headers")
_STATUS = ("message/delivery-status", "message/global-delivery-status")
_REPORT = "message/feedback-report"
_MARK_OF_STATUS = re.compile(
    r"^(?:Final-Recipient|Original-Recipient|Reporting-MTA):", re.IGNORECASE | re.MULTILINE
)
_MARK_OF_REPORT = re.compile(r"^Feedback-Type:", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Pieces:
    """A report, taken to pieces."""

    #: What it says in words, without the returned mail.
    words: str
    #: Texts that hold fields of delivery status.
    statuses: tuple[str, ...]
    #: Texts that hold fields of feedback reports.
    reports: tuple[str, ...]
    #: The fields of the mail that was returned, decoded; none where none was.
    returned: Fields
    #: The kinds of all parts.
    kinds: frozenset[str]

    def returned_values(self, name: str) -> list[str]:
        """Return the values of a field of the returned mail."""
        return [value for named, value in self.returned if named == name]


def pieces_of(message: Part) -> Pieces:
    """Take a message to pieces."""
    words: list[str] = []
    statuses: list[str] = []
    reports: list[str] = []
    returned: Fields = ()
    kinds = set()
    html: list[str] = []
    whole: list[str] = []
    for part in message.walk():
        kinds.add(part.kind)
        if part.kind in _STATUS:
            statuses.append(part.text)
        elif part.kind == _REPORT:
            reports.append(part.text)
        elif part.kind in _HEADERS_ONLY:
            returned = returned or _fields_somewhere(part.text)
        elif part.kind in _CARRIES:
            inner = part.parts[0].fields if part.parts else ()
            returned = returned or inner or _fields_somewhere(part.text)
        elif part.kind.startswith("text/") or part is message:
            said, came_back = _parted(part.text)
            whole.append(part.text)
            (html if part.kind == "text/html" else words).append(said)
            returned = returned or came_back
    # What is said in HTML is said in the plain text as well, if there is one.
    said = "\n\n".join(words if any(one.strip() for one in words) else html)
    for texts, mark in ((statuses, _MARK_OF_STATUS), (reports, _MARK_OF_REPORT)):
        if not texts:
            # Some reports lie whole, fields and all, in the words of another.
            texts.extend(one for one in whole if mark.search(one))
    return Pieces(said[:LONGEST_WORDS], tuple(statuses), tuple(reports), returned, frozenset(kinds))


def _parted(text: str) -> tuple[str, Fields]:
    """Return the words of a report, and the fields of the mail that is returned below them."""
    lines = text[: 2 * LONGEST_WORDS].split("\n", _MOST_LINES)[:_MOST_LINES]
    text = "\n".join(line[:_LONGEST_LINE] for line in lines)
    for found in _beginnings(text):
        said, below = text[: found.start()], text[found.end() :]
        if found.re is _HEADER:
            below = text[found.start() :]
        return said, _fields_somewhere(below)
    return text, ()


def _beginnings(text: str) -> Iterator[re.Match[str]]:
    """Yield where the returned mail may begin, the first one first."""
    candidates = [_RETURNED.search(text), _IN_TEXT_PART.search(text), _header_run(text)]
    yield from sorted((one for one in candidates if one), key=lambda one: one.start())


def _header_run(text: str) -> re.Match[str] | None:
    """Return the first of three lines that only the header of a mail has so near each other."""
    found = list(_HEADER.finditer(text))[:200]
    for first, third in zip(found, found[2:], strict=False):
        between = text[first.start() : third.start()]
        names = {one[0].partition(":")[0].lower() for one in _HEADER.finditer(between)}
        is_near = "\n\n" not in between and len(between) < 4000
        if is_near and len(names) > 1 and names - _SAID_OF_MAILS:
            return first
    return None


def _fields_somewhere(text: str) -> Fields:
    """Return the fields of a mail that begins with the text, or behind a line or two of it."""
    rest = text
    for _ in range(4):
        fields = parse_text(rest).fields
        if len(fields) > 1 or not rest.strip():
            return fields
        rest = rest.lstrip("\n").partition("\n")[2]
    return fields_of(text)[0]
