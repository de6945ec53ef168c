"""The CSV exports of other systems: how each is known, what its columns mean, who is not mailed.

In: the header of a file, and the cells of a row by column. Out: the `System` it comes from, the
fields its columns stand for, and the `SuppressionReason` of a row that is no supporter. Where a
list's file names a column under `[columns]`, that goes before what stands here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mailer.model.audience import SuppressionReason

_LEFT = SuppressionReason.IMPORTED
_BOUNCED = SuppressionReason.BOUNCED
_COMPLAINED = SuppressionReason.COMPLAINED
#: Stands for "whatever the cell says, if it says anything but no".
FILLED = "*"


@dataclass(frozen=True)
class System:
    """One system's export; all headers in lower case."""

    name: str
    #: Sets of headers; a file that has all of one of them is from there.
    marks: tuple[frozenset[str], ...]
    #: Header → field.
    columns: Mapping[str, str]
    #: Headers that make up a name where none holds it whole.
    name_parts: tuple[str, ...] = ()
    #: Header → what its cell says in lower case → why such a row is no supporter.
    barred: Mapping[str, Mapping[str, SuppressionReason]] = field(default_factory=dict)
    #: Those of `barred` that say who unsubscribed; a file with none of them says it of nobody.
    leaving: frozenset[str] = frozenset()
    #: Headers that say when somebody agreed, the best evidence first.
    consent_times: tuple[str, ...] = ()

    def reason(self, cells: Mapping[str, str]) -> SuppressionReason | None:
        """Return why a row is no supporter; None when it is one.

        Args:
            cells: by header in lower case.
        """
        found = None
        for header, meanings in self.barred.items():
            said = cells.get(header, "").strip().lower()
            reason = meanings.get(said)
            if reason is None and said not in _NOTHING:
                reason = meanings.get(FILLED)
            # A complaint weighs more than a bounce, and that more than having left.
            if reason is not None and (found is None or _WEIGHT[reason] > _WEIGHT[found]):
                found = reason
        return found


_NOTHING = frozenset({"", "0", "no", "false", "n"})
_WEIGHT = {_LEFT: 0, _BOUNCED: 1, _COMPLAINED: 2}


def _set(*headers: str) -> frozenset[str]:
    return frozenset(headers)


_DNC = _set("dnc", "do_not_contact", "donotcontact", "dnc_reason")

SYSTEMS = (
    System(
        "Mailchimp",
        # What the address is called there is the organisation's choice, and in its language.
        (
            _set("email address", "member_rating"), _set("member_rating", "optin_time"),
            _set("leid", "euid"),
        ),
        {
            "email address": "address", "tags": "tags", "cc": "country",
            "optin_time": "joined",
        },
        ("first name", "last name"),
        {
            "unsub_time": {FILLED: _LEFT},
            "unsub_reason": {"spam": _COMPLAINED, "abuse": _COMPLAINED},
            "clean_time": {FILLED: _BOUNCED},
        },
        _set("unsub_time", "clean_time"),
        ("confirm_time", "optin_time"),
    ),
    System(
        "Action Network",
        (_set("email", "can2_subscription_status"), _set("email", "can2_user_tags")),
        {
            "email": "address", "can2_user_tags": "tags", "language": "languages",
            "created_at": "joined",
        },
        ("first_name", "last_name"),
        {
            "can2_subscription_status": {
                "unsubscribed": _LEFT, "bouncing": _BOUNCED, "previous bounce": _BOUNCED,
                "spam complaint": _COMPLAINED, "previous spam complaint": _COMPLAINED,
            },
        },
        _set("can2_subscription_status"),
    ),
    System(
        "CiviCRM",
        (
            _set("contact id", "contact type"), _set("contact id", "display name"),
            _set("contact id", "no bulk emails (user opt out)"),
        ),
        {
            "email": "address", "display name": "name", "preferred language": "languages",
            "tag(s)": "tags", "tags": "tags",
        },
        ("first name", "last name"),
        {
            "no bulk emails (user opt out)": {FILLED: _LEFT},
            "is opt out": {FILLED: _LEFT},
            "do not email": {FILLED: _LEFT},
            "on hold": {
                "on hold bounce": _BOUNCED, "on hold opt out": _LEFT, "2": _LEFT, FILLED: _BOUNCED,
            },
        },
        _set("no bulk emails (user opt out)", "is opt out"),
    ),
    System(
        "listmonk",
        (_set("uuid", "email", "name", "attributes", "status"),),
        {"email": "address", "name": "name", "created_at": "joined"},
        (),
        {
            "status": {"blocklisted": _LEFT, "disabled": _LEFT},
            "subscription_status": {"unsubscribed": _LEFT},
            "subscription status": {"unsubscribed": _LEFT},
        },
        # "status" is of the whole person; who left one list is "enabled" still.
        _set("subscription_status", "subscription status"),
    ),
    System(
        "Ghost",
        (_set("email", "subscribed_to_emails"),),
        {"email": "address", "name": "name", "labels": "tags", "created_at": "joined"},
        (),
        {
            "subscribed_to_emails": {"false": _LEFT, "0": _LEFT, "no": _LEFT},
            "deleted_at": {FILLED: _LEFT},
        },
        _set("subscribed_to_emails"),
    ),
    System(
        "Mautic",
        (
            _set("firstname", "lastname", "email", "points"),
            _set("firstname", "lastname", "email", "preferred_locale"),
            _set("email", "date_identified"), _set("email", "dnc"),
        ),
        {
            "email": "address", "preferred_locale": "languages", "timezone": "time_zone",
            "tags": "tags", "date_added": "joined", "dateadded": "joined",
        },
        ("firstname", "lastname"),
        {
            reason: {
                "bounced": _BOUNCED, "dnc bounced: email": _BOUNCED, "2": _BOUNCED, FILLED: _LEFT,
            }
            for reason in _DNC
        },
        _DNC,
    ),
)  # fmt: skip

#: Fields of an export that may say what is not known here: kept sealed then, in their words.
LENIENT = ("country", "time_zone", "joined")


#: Columns of exports that say from where somebody signed up. It proves no consent, and in the wrong
#: hands it finds people: it is not stored, unless the list's file declares it.
WHEREABOUTS = _set(
    "optin_ip", "confirm_ip", "ip_address", "ip address", "ip", "latitude", "longitude"
)


def recognized(header: Iterable[str]) -> System | None:
    """Return the system whose export has this header; None when it is no export known here."""
    names = {name.strip().lower() for name in header}
    return next((one for one in SYSTEMS if any(mark <= names for mark in one.marks)), None)
