"""Say states, reasons and roles in the words of the desk's languages.

In: a visit and a member of an enum. Out: a phrase. Every member has one, which a test sees to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mailer.desk.phrases import mark
from mailer.model.domain_classes import OTHER
from mailer.model.staff import StaffRole
from mailer.model.states import DeliveryState, MailingState, SkipReason

if TYPE_CHECKING:
    from mailer.desk.visit import Visit

MAILING_STATES: Mapping[MailingState, str] = {
    MailingState.DRAFT: mark("Draft"),
    MailingState.IN_REVIEW: mark("Waits for approval"),
    MailingState.APPROVED: mark("Approved"),
    MailingState.SCHEDULED: mark("Scheduled"),
    MailingState.FREEZING: mark("Starting"),
    MailingState.RUNNING: mark("Being sent"),
    MailingState.PAUSED: mark("Paused"),
    MailingState.HELD: mark("Held"),
    MailingState.CANCELLED: mark("Cancelled"),
    MailingState.FINISHED: mark("Finished"),
}
#: How much each state asks for a look: the class of its tag.
MAILING_TAGS: Mapping[MailingState, str] = {
    MailingState.IN_REVIEW: "mind-it",
    MailingState.RUNNING: "good",
    MailingState.FREEZING: "good",
    MailingState.PAUSED: "mind-it",
    MailingState.HELD: "bad",
}
DELIVERY_STATES: Mapping[DeliveryState, str] = {
    DeliveryState.DUE: mark("due"),
    DeliveryState.SENDING: mark("being sent"),
    DeliveryState.ACCEPTED: mark("accepted by the relay"),
    DeliveryState.DEFERRED: mark("deferred, to be tried again"),
    DeliveryState.REFUSED: mark("refused"),
    DeliveryState.IN_DOUBT: mark("in doubt: the reply was lost"),
    DeliveryState.SKIPPED: mark("not mailed"),
    DeliveryState.CANCELLED: mark("cancelled"),
}
SKIP_REASONS: Mapping[SkipReason, str] = {
    SkipReason.SUPPRESSED: mark("suppressed: left, dead address or complaint"),
    SkipReason.NO_CONSENT: mark("no consent on record"),
    SkipReason.NO_ACCEPTABLE_EDITION: mark("no edition in a language they accept"),
    SkipReason.EXCLUDED: mark("excluded"),
    SkipReason.DUPLICATE_ADDRESS: mark("the same address, mailed by another list"),
    SkipReason.SUPPORTER_PAUSED: mark("they asked for a pause"),
    SkipReason.ONLY_URGENT: mark("they want urgent appeals only"),
    SkipReason.TOPIC_NOT_CHOSEN: mark("they chose other topics"),
    SkipReason.EAI_UNSUPPORTED: mark("the relay cannot take such an address"),
    SkipReason.DISCREET_NOT_READY: mark("marked discreet, for which there is no mail yet"),
    SkipReason.EXPIRED: mark("their hour had passed"),
}
ROLES: Mapping[StaffRole, str] = {
    StaffRole.AUTHOR: mark("Author"),
    StaffRole.TRANSLATOR: mark("Translator"),
    StaffRole.APPROVER: mark("Approver"),
    StaffRole.SENDER: mark("Sender"),
    StaffRole.ADMINISTRATOR: mark("Administrator"),
}
#: What each role is for, in one line.
ROLE_HINTS: Mapping[StaffRole, str] = {
    StaffRole.AUTHOR: mark("Writes statements, makes mailings and asks for approval."),
    StaffRole.TRANSLATOR: mark("Writes the editions in the languages chosen below."),
    StaffRole.APPROVER: mark("Approves what others wrote, or returns it."),
    StaffRole.SENDER: mark("Schedules and stops mailings, works with lists and supporters."),
    StaffRole.ADMINISTRATOR: mark("Manages staff and reads the audit log."),
}


def mailing_state(visit: Visit, state: MailingState) -> str:
    """Return what a mailing's state is called."""
    return visit.say(MAILING_STATES[state])


def delivery_state(visit: Visit, state: DeliveryState) -> str:
    """Return what a delivery's state is called."""
    return visit.say(DELIVERY_STATES[state])


def skip_reason(visit: Visit, reason: SkipReason) -> str:
    """Return why somebody was not mailed."""
    return visit.say(SKIP_REASONS[reason])


def provider(visit: Visit, domain_class: str) -> str:
    """Return what a class of domains is called: providers have names of their own."""
    return visit.say("other providers") if domain_class == OTHER else domain_class


def role(visit: Visit, one: StaffRole) -> str:
    """Return what a role is called."""
    return visit.say(ROLES[one])


def role_hint(visit: Visit, one: StaffRole) -> str:
    """Return what a role is for."""
    return visit.say(ROLE_HINTS[one])
