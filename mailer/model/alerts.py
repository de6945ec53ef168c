"""What staff are told of, and in which words.

In: a kind, whom or what it is about, and facts: keys, counts and file names, never anything of a
supporter. Out: frozen dataclasses and enums, standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class AlertKind(StrEnum):
    """What happened."""

    #: A mailing waits for a person to release it.
    MAILING_HELD = "mailing_held"
    #: A mailing was paused.
    MAILING_PAUSED = "mailing_paused"
    #: A mailing went beyond a limit of the circuit breaker.
    PAUSED_BY_ITSELF = "paused_by_itself"
    #: Mails of a mailing come back for what they are or where they come from.
    MAILS_COME_BACK = "mails_come_back"
    #: A relay takes our login no more, or there is no token for it.
    AUTHENTICATION_LOST = "authentication_lost"
    #: Nobody can know whether some deliveries of a mailing were taken.
    IN_DOUBT = "in_doubt"
    #: The disk of the data folder is nearly full.
    DISK_LOW = "disk_low"
    #: People were brought onto a list.
    IMPORT_DONE = "import_done"
    #: Somebody asks that a mailing be released.
    RELEASE_ASKED = "release_asked"
    #: A recurring newsletter has its next draft.
    NEWSLETTER_DRAFT = "newsletter_draft"
    #: A backup could not be made.
    BACKUP_FAILED = "backup_failed"
    #: What comes back cannot be fetched from where it comes in.
    MAILBOX_NOT_READ = "mailbox_not_read"
    #: Who leaves cannot be written into suppressions.log.
    LOG_NOT_WRITTEN = "log_not_written"
    #: More people signed up in an hour than may be sent a confirmation.
    SIGN_UPS_LIMITED = "sign_ups_limited"

    @property
    def lasts(self) -> bool:
        """Whether it is a condition that lasts until it is resolved, not something that happened."""
        return self in _LASTING


_LASTING = frozenset(
    {
        AlertKind.AUTHENTICATION_LOST,
        AlertKind.IN_DOUBT,
        AlertKind.DISK_LOW,
        AlertKind.BACKUP_FAILED,
        AlertKind.MAILBOX_NOT_READ,
        AlertKind.LOG_NOT_WRITTEN,
    }
)


@dataclass(frozen=True)
class Alert:
    """Something that staff should know of."""

    row_id: int
    kind: AlertKind
    #: The mailing, list, relay or folder it is about.
    subject: str
    #: Counts, reasons and file names; never anything of a supporter.
    facts: Mapping[str, str | int]
    raised_at: datetime
    #: When the condition was over; None while it lasts, and for what only happened.
    resolved_at: datetime | None = None
    #: When it was handed to the senders as service mails.
    mailed_at: datetime | None = None
    #: When the command took it.
    commanded_at: datetime | None = None
    #: Why the command did not, the last time; "" for no failure.
    command_failure: str = ""


#: Kind → headline, what it means, what to do. Names in braces are facts or the subject.
_WORDS: Mapping[AlertKind, tuple[str, str, str]] = {
    AlertKind.MAILING_HELD: (
        "{subject} is held",
        "The mailing {subject} waits for a person and sends nothing. Reason: {reason}",
        ("See it: mailer report {subject}\nLet it go: mailer release {subject}\n"
        "End it: mailer cancel {subject}"),
    ),
    AlertKind.MAILING_PAUSED: (
        "{subject} is paused",
        "The mailing {subject} was paused and sends nothing until it is resumed.",
        "Let it go on: mailer resume {subject}",
    ),
    AlertKind.PAUSED_BY_ITSELF: (
        "{subject} paused by itself",
        ("The mailing {subject} paused by itself and sends nothing. Reason: {reason}.\n"
        "Whoever was refused is not mailed again; nobody is suppressed for a refusal as spam."),
        ("See it: mailer report {subject}\nFind out what the provider minds before the rest goes. "
        "Then let it go on: mailer resume {subject} --anyway\nOr end it: mailer cancel {subject}"),
    ),
    AlertKind.MAILS_COME_BACK: (
        "mails of {subject} come back: {reason}",
        ("At least one mail of {subject} came back, and not for whom it went to. Reason: {reason}.\n"
        "What the mail system said: {words}\n"
        "Nobody is suppressed for it. It is told once for each mailing and reason."),
        ("See how many there are: mailer report {subject}\nSee that the domain is set up: "
        "mailer domain check"),
    ),
    AlertKind.AUTHENTICATION_LOST: (
        "the relay {subject} refuses our login",
        ("Logging in to the relay {subject} fails: {reason}\n"
        "Nothing goes out by it. Nothing is lost: everything waits and is tried again."),
        ("Mend the login of the relay in config.toml. See that it works: mailer relay check {subject}\n"
        "Then restart mailer run."),
    ),
    AlertKind.IN_DOUBT: (
        "{subject} has {count} in doubt",
        ("For {count} deliveries of {subject} the reply of the relay was lost. They may have been "
        "taken or not, and are not sent again unasked."),
        ("See which: mailer report {subject}\n"
        "Settle them: mailer resolve {subject} --resend or --take-as-sent"),
    ),
    AlertKind.DISK_LOW: (
        "the disk is nearly full",
        ("The disk of the folder {subject} has {free_mb} MB left; the limit is {limit_mb} MB. "
        "With no room left nothing can be sent, and no unsubscription recorded."),
        "Make room on that disk.",
    ),
    AlertKind.IMPORT_DONE: (
        "import into {subject} is done",
        ("{file} was imported into the list {subject}: {rows} rows, {added} new, {updated} changed, "
        "{rejected} could not be taken."),
        "See the list: mailer lists",
    ),
    AlertKind.RELEASE_ASKED: (
        "please release {subject}",
        "Somebody asks that the mailing {subject} be released.",
        "See it: mailer report {subject}\nLet it go: mailer release {subject}",
    ),
    AlertKind.NEWSLETTER_DRAFT: (
        "a draft of the newsletter {subject} is ready",
        ("The draft {mailing} of the newsletter {subject} was made. Nothing of it goes out before a "
        "person says so."),
        "See it: mailer mailings show {mailing}",
    ),
    AlertKind.BACKUP_FAILED: (
        "the backup failed",
        "The backup to {subject} could not be made. Reason: {reason}",
        "Mend that, then run: mailer backup",
    ),
    AlertKind.MAILBOX_NOT_READ: (
        "what comes back is not fetched from the {subject}",
        ("The {subject} of [feedback] in config.toml cannot be read. Reason: {reason}\n"
        "Bounces and complaints stay there and count for nothing. Nothing is lost: it is tried again "
        "all the time."),
        "Mend that, in config.toml or at the provider. See that it works: mailer status",
    ),
    AlertKind.LOG_NOT_WRITTEN: (
        "{subject} cannot be written",
        ("{subject} cannot be written. Reason: {reason}\n"
        "Who unsubscribes is mailed no more, but is asked to try again: a backup put back now would "
        "bring them back, and addresses that a relay refused."),
        ("See that the file belongs to the user of mailer run and that its disk has room. What it "
        "lacks is written by itself then."),
    ),
    AlertKind.SIGN_UPS_LIMITED: (
        "too many sign-ups at once",
        ("More than {most} confirmations of sign-ups were asked for within an hour. Whoever asks "
        "beyond that is sent none, and is not told so."),
        ("If they are real people, raise most_per_hour under [sign_up] in config.toml and restart "
        "mailer run. If a program fills in the form, leave it: it reaches nobody more than once a day."),
    ),
}  # fmt: skip


class _Known(dict[str, object]):
    """Facts, where one that is missing reads as unknown: an alert is never lost for a word."""

    def __missing__(self, key: str) -> str:
        return "unknown"


@dataclass(frozen=True)
class AlertText:
    """An alert in words."""

    headline: str
    #: What happened, and what to do: several lines.
    text: str


def alert_text(alert: Alert) -> AlertText:
    """Return an alert as staff read it."""
    headline, meaning, remedy = _WORDS[alert.kind]
    known = _Known(alert.facts, subject=alert.subject)
    return AlertText(
        headline.format_map(known), f"{meaning.format_map(known)}\n\n{remedy.format_map(known)}"
    )
