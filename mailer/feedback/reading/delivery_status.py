"""Read delivery status notifications: what machines write for machines.

In: the text of a message/delivery-status part, or of one that lost its type. Out: one `Status` per
recipient. Standards: RFC 3464 §2 (fields), RFC 6533 §4 (addresses beyond ASCII). Real ones put the
fields of the message and of recipients in one block, write words behind the values, fold as they
like, and run on into what follows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mailer.feedback.reading.addresses import address_of_field
from mailer.model.characters import printable

_FIELD = re.compile(r"(?:>\s?)?([A-Za-z][A-Za-z0-9-]{2,60})[ \t]*:")
_MOST_RECIPIENTS = 25
_MOST_LINES = 4000
_LONGEST_VALUE = 4000
#: Fields of which a recipient has one each: another one begins another recipient.
_ONCE = frozenset({"final-recipient", "original-recipient", "action", "status"})
_OF_RECIPIENTS = frozenset({*_ONCE, "diagnostic-code", "x-actual-recipient"})
_RETURNED = ("message/rfc822", "message/global", "text/rfc822-headers")
_TYPE = re.compile(r"\A\s*[A-Za-z0-9-]{1,20}\s*;\s*")


@dataclass(frozen=True)
class Status:
    """The fields of one recipient."""

    recipient: str
    original_recipient: str
    #: "failed", in small letters, and without what follows.
    action: str
    #: Whatever stands in Status.
    status: str
    #: Of Diagnostic-Code, without its type.
    diagnostic: str
    #: Of Remote-MTA.
    remote: str


@dataclass(frozen=True)
class StatusReport:
    """A whole notification."""

    statuses: tuple[Status, ...]
    envelope_id: str
    #: Values in which our own return path or Message-ID may stand.
    traces: tuple[str, ...]


def read_status_report(text: str) -> StatusReport:
    """Return what a text says in the fields of delivery status notifications."""
    common: dict[str, str] = {}
    groups: list[dict[str, str]] = []
    open_group: dict[str, str] | None = None
    for name, value in _fields(text):
        if name == "":
            open_group = None
        elif name in _OF_RECIPIENTS:
            if open_group is None or (name in _ONCE and name in open_group):
                if len(groups) >= _MOST_RECIPIENTS:
                    break
                open_group = {}
                groups.append(open_group)
            open_group.setdefault(name, value)
        elif open_group is not None:
            open_group.setdefault(name, value)
        else:
            common.setdefault(name, value)
    everywhere = [common, *groups]
    envelope_id = next(
        (one["original-envelope-id"] for one in everywhere if "original-envelope-id" in one), ""
    )
    traces = tuple(
        one[name]
        for one in everywhere
        for name in ("x-postfix-sender", "x-original-message-id", "x400-content-correlator")
        if name in one
    )
    statuses = (_status(one) for one in groups)
    return StatusReport(tuple(one for one in statuses if one), envelope_id, traces)


def _fields(text: str) -> Iterator[tuple[str, str]]:
    """Yield names and unfolded values; an empty name for an empty line."""
    name, values = "", [""]
    length = 0
    for line in text.split("\n", _MOST_LINES)[:_MOST_LINES]:
        stripped = line[:_LONGEST_VALUE].strip()
        if name and stripped and line[0] in " \t":
            if length < _LONGEST_VALUE:
                values.append(stripped)
                length += len(stripped)
            continue
        if name:
            yield name, " ".join(values)
            name = ""
        if not stripped:
            yield "", ""
            continue
        found = _FIELD.match(line)
        if found:
            name, values = found[1].lower(), [line[found.end() : _LONGEST_VALUE].strip()]
            length = len(values[0])
            if name == "content-type" and values[0].lower().startswith(_RETURNED):
                # The report has run on into the part behind it.
                return
    if name:
        yield name, " ".join(values)


def _status(group: dict[str, str]) -> Status | None:
    final = group.get("final-recipient", "")
    original = address_of_field(group.get("original-recipient", ""))
    actual = address_of_field(group.get("x-actual-recipient", ""))
    named = address_of_field(final)
    # A source route, or a host without a domain, is how a host speaks to itself.
    is_inner = "@" in final.partition(";")[2][:2] or "." not in named.rpartition("@")[2]
    recipient = (original or actual or named) if is_inner else named
    if not recipient:
        # A name alone is somebody of the host that reports.
        recipient = printable(final.rpartition(";")[2].strip(" <>")[:254])
    if not recipient and "action" not in group:
        return None
    return Status(
        recipient=recipient,
        original_recipient=original,
        action=re.sub(r"[^a-z-].*", "", group.get("action", "").lower()),
        status=group.get("status", ""),
        diagnostic=_TYPE.sub("", group.get("diagnostic-code", ""), count=1),
        remote=group.get("remote-mta", ""),
    )
