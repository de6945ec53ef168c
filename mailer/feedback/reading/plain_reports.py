"""Find the recipients in reports that were written for people.

In: the words of a report, without the returned mail. Out: `Failure`s: an address, and the words that
belong to it. Mail systems differ in their words and agree in their form: each address stands at the
beginning of a line, all of them equally far from its edge, with what is said of it behind or below;
or one address stands behind a label.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import chain, pairwise

from mailer.feedback.reading.addresses import ADDRESS, addresses_in, trimmed
from mailer.feedback.reading.judging import Failure

_MOST_LINES = 600
_MOST_RECIPIENTS = 25
_LONGEST_WORDS = 1500
_LONGEST_SEARCHED = 8000

#: A line that begins with an address: "  <anna@example.org>: host ...", "* anna@example.org".
_LEADING = re.compile(
    rf"([ \t]{{0,40}})([245]\d\d[ ])?(?:[*>•·-]{{1,4}}[ \t]{{0,4}})?[\"'<(\[]{{0,2}}({ADDRESS})[\"'>)\].]{{0,3}}"
    r"(?=$|[ \t]*(?:$|[:;,(<=\[]|\.\.\.|-|\"|on |error\b|was |is |failed|could not|[245]\d\d\b))",
    re.IGNORECASE,
)
#: Behind an address that a mail was forwarded to: whom it was for.
_FORWARDED = re.compile(
    rf"(?:expanded|generated) from:?\s{{1,9}}<?({ADDRESS})|originally addressed to\s{{1,9}}<?({ADDRESS})",
    re.IGNORECASE,
)
#: What stands before an address that is a recipient's.
_LABELLED = re.compile(
    r"\b(?:error-for|undeliverable address|intended recipient|recipient(?:'s)? address|original(?:ly)? address(?:ed to)?"
    r"|failed recipient|failed address(?:es)?|recipients?|to the following (?:recipients?|address(?:es)?)"
    r"|could not be delivered to|couldn't be delivered to|was ?n[o']t delivered to|not relayed to"
    r"|unable to deliver (?:your )?(?:message|mail) to|delivering your mail to|deliver(?:y)? (?:of .{0,40})?to"
    r"|your (?:message|mail|e-mail|email) to|delivery of email to this address|addressed to|sent to"
    r"|delivery failed \d{1,4} attempts|unknown (?:local )?user|invalid final delivery userid"
    r"|user mailbox exceeds allowed size|cannot (?:be )?deliver(?:ed)? (?:message |mail )?to"
    r"|smtp|mailbox(?: of)?|account|user|address|e-?mail|доставлено|получател\w+|адрес\w*)"
    rf"[\s:=<(\"'*-]{{1,12}}({ADDRESS})",
    re.IGNORECASE,
)
#: The same, of whom a mail was for before it was forwarded.
_ORIGINAL = re.compile(rf"\boriginal address[ \t]{{0,9}}:[ \t<]{{1,9}}({ADDRESS})", re.IGNORECASE)
#: A line of a transcript in which the other system answers.
_REPLY_LINE = re.compile(r"[^<>]{0,60}<(?:<<|--|-)[ \t]")
#: Lines whose addresses are for those who have questions.
_NO_RECIPIENT = re.compile(
    r"postmaster|mailer-daemon|contact|assistance|question|support|help|abuse|administrator|webmaster"
    r"|reply|>>> ?mail from|from:|sender|message-id|content-|http",
    re.IGNORECASE,
)


def plain_failures(words: str, known: Collection[str], ours: Collection[str]) -> list[Failure]:
    """Return the failures that a report tells of in words.

    Args:
        words: of the report.
        known: recipients that its header names.
        ours: addresses in small letters that are no recipients: of who gets and who wrote the report.
    """
    lines = words.split("\n", _MOST_LINES)[:_MOST_LINES]
    blocks = _blocks(lines, ours) or _blocks(lines, ())
    meant = {one.lower() for one in known}
    blocks = {one: said for one, said in blocks.items() if one.lower() in meant} or blocks
    if not blocks:
        named = known or _labelled(lines, ours) or _labelled(lines, ())
        blocks = dict.fromkeys(named, "")
    context = words[: 2 * _LONGEST_WORDS] if len(blocks) == 1 else ""
    return [
        Failure(
            one,
            original_recipient=_forwarded_from(said),
            words=said + _transcript(lines, one),
            context=context,
        )
        for one, said in blocks.items()
    ]


def _forwarded_from(said: str) -> str:
    found = _FORWARDED.search(said)
    return trimmed(found[1] or found[2]) if found else ""


def _transcript(lines: list[str], address: str) -> str:
    """Return what a transcript of the session has about one address: RCPT and the reply."""
    wanted = f"rcpt to:<{address.lower()}>"
    for line, reply in pairwise(lines):
        if wanted in line.lower().replace("to: <", "to:<") and _REPLY_LINE.match(reply):
            return f"\n{line}\n{reply}"
    return ""


def block_of(words: str, address: str) -> str:
    """Return what the words of a report say below or behind one address; "" when nothing."""
    blocks = _blocks(words.split("\n", _MOST_LINES)[:_MOST_LINES], ())
    return next((said for one, said in blocks.items() if one.lower() == address.lower()), "")


def _blocks(lines: list[str], ours: Collection[str]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    spelled: dict[str, str] = {}
    indent = None
    current = ""
    for line in lines:
        leading = _LEADING.match(line.expandtabs(8)) if "@" in line else None
        address = trimmed(leading[3]) if leading else ""
        is_start = (
            leading is not None
            and bool(address)
            and address.lower() not in ours
            and not _NO_RECIPIENT.search(address)
            and (indent is None or len(leading[1]) == indent)
            and len(found) < _MOST_RECIPIENTS
        )
        if leading and is_start:
            indent = len(leading[1])
            current = address.lower()
            spelled.setdefault(current, address)
            said = f"{leading[2] or ''}{line.expandtabs(8)[leading.end() :]}"
            found.setdefault(current, []).append(said)
            if leading[2]:
                # "550 <anna@example.org>... User unknown": all of it stands on this line.
                current = ""
        elif current:
            found[current].append(line)
    return {spelled[key]: "\n".join(said)[:_LONGEST_WORDS] for key, said in found.items()}


def _labelled(lines: list[str], ours: Collection[str]) -> list[str]:
    """Return the first address behind a label that recipients have."""
    text = "\n".join(lines)[:_LONGEST_SEARCHED]
    for one in chain(_ORIGINAL.finditer(text), _LABELLED.finditer(text)):
        address = trimmed(one[1])
        if address and address.lower() not in ours and not _NO_RECIPIENT.search(address):
            return [address]
    return []


def address_of_nobody_else(words: str, ours: Collection[str]) -> list[str]:
    """Return the first address in a report that is not for questions, and no one's of `ours`."""
    for line in words.split("\n", _MOST_LINES)[:_MOST_LINES]:
        if "@" in line and not _NO_RECIPIENT.search(line):
            for address in addresses_in(line):
                if address.lower() not in ours:
                    return [address]
    return []
