"""Service mails: single messages outside any mailing, to staff or to one person who asked.

In: nothing. Out: frozen dataclasses and enums, standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class ServicePurpose(StrEnum):
    """What a service mail is for; one request of a purpose reaches an address once."""

    #: The mail of a mailing as a supporter would get it, to staff.
    TEST_SEND = "test_send"
    #: Something that staff should know of.
    ALERT = "alert"
    #: Asks a person to confirm that they want to be on a list.
    CONFIRMATION = "confirmation"
    #: A new link for a person whose old one no longer works.
    FRESH_LINK = "fresh_link"
    #: Asks a person to confirm from a new address that it is theirs.
    ADDRESS_CHANGE = "address_change"
    #: Tells the address that a person had before that they have another one.
    ADDRESS_NOTICE = "address_notice"
    #: Asks somebody to review a mailing.
    REVIEW_LINK = "review_link"
    #: A supporter's answer, passed on.
    FORWARDED_REPLY = "forwarded_reply"


#: What goes to supporters, and to who may become one.
TO_SUPPORTERS = frozenset(
    {
        ServicePurpose.CONFIRMATION,
        ServicePurpose.FRESH_LINK,
        ServicePurpose.ADDRESS_CHANGE,
        ServicePurpose.ADDRESS_NOTICE,
    }
)


@dataclass(frozen=True)
class SentFacts:
    """What a test send was when it left, for holding what came back against it."""

    #: The field, with its angle brackets.
    message_id: str
    #: The field, unfolded; "" for none.
    list_unsubscribe: str
    #: Every web address that a reader could follow, each once, sorted.
    links: tuple[str, ...]
    #: Over how its relay was configured then; "" for the sandbox.
    relay_digest: str = ""

    def to_document(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {**vars(self), "links": list(self.links)}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> SentFacts:
        """Return what `to_document` was called on."""
        return cls(**{**document, "links": tuple(document["links"])})


@dataclass(frozen=True, repr=False)
class ServiceMail:
    """A service mail as it goes over the wire, with whom it is for; its `repr` shows neither."""

    service_id: int
    purpose: ServicePurpose
    #: What it is sent for; with purpose and address, it is sent once.
    request: str
    #: To whom, domain in A-labels.
    address: str
    address_digest: bytes
    mail_from: str
    content: bytes
    #: Key of the relay it goes by.
    relay: str
    #: Kept in clear for `mailer relay verify`; never anything of a supporter.
    facts: Mapping[str, Any] = field(default_factory=dict)


def alert_request(row_id: int) -> str:
    """Return what the mails of an alert are sent for."""
    return f"alert-{row_id}"


def alert_of_request(request: str) -> int:
    """Return the row id of the alert that `alert_request` was called on."""
    return int(request.removeprefix("alert-"))
