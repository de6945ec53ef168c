"""A mailing and what it pins: sender, design, targets, and what the relay answered.

In: nothing. Out: frozen dataclasses, standard library only; named tuples where one is made for each
mail, since a frozen dataclass takes five times as long to make.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

from mailer.model.audience import ListDefinition
from mailer.model.breaker import Breaker
from mailer.model.statement import LocalizedText
from mailer.model.states import MailingState, Outcome
from mailer.model.timing import AT_ONCE, Timing


@dataclass(frozen=True)
class DkimKey:
    """One DKIM signature to be made; the private key stays in its file."""

    #: d= of the signature.
    domain: str
    #: s= of the signature.
    selector: str
    #: Path to the PEM private key: RSA-2048 or larger, or Ed25519.
    key_file: str


@dataclass(frozen=True)
class Sender:
    """Who a mailing comes from."""

    key: str
    #: Key of the organisation.
    organisation: str
    name: LocalizedText
    #: The From address.
    address: str
    #: The Reply-To address; "" for none.
    reply_to: str
    #: Where public pages and unsubscribe links live, https and without a final slash.
    base_url: str
    #: Domain of the VERP return path.
    return_path_domain: str
    #: Local part before the plus sign of the VERP return path.
    return_path_local: str = "b"
    #: The one mailbox for bounces where the return path is fixed; "" for the local part's own.
    return_path_address: str = ""
    dkim: tuple[DkimKey, ...] = ()


@dataclass(frozen=True)
class Design:
    """Everything that shapes a mail beside the statement: pinned, so that delivery reads no file."""

    kind: str
    message_html: str
    message_text: str
    style_css: str
    #: language → msgid → forms, as `mailer.statements.catalog` reads them.
    catalogs: Mapping[str, Mapping[str, tuple[str, ...]]]
    #: language → the gettext plural rule.
    plural_rules: Mapping[str, str]
    #: SHA-256 in hex over all of it.
    digest: str = ""
    #: What surrounds the statement in mails of every kind, see `mailer.compose.design`.
    layout_html: str = ""
    layout_text: str = ""


@dataclass(frozen=True)
class Target:
    """One list a mailing goes to, in the order given, as it was at scheduling."""

    position: int
    list_row_id: int
    definition: ListDefinition


@dataclass(frozen=True)
class Corrected:
    """The mailing that another one corrects."""

    row_id: int
    key: str
    #: The day it began on, in the zone its hour was given in.
    day: date


@dataclass(frozen=True)
class Concern:
    """What a mailing is about and how much it presses: by this people choose what they get."""

    #: It reaches those, too, who want urgent appeals only.
    urgent: bool = False
    #: Keys; a mailing without any is for everyone.
    topics: tuple[str, ...] = ()


#: Nothing that anybody could have chosen by, but that it is not urgent.
NO_CONCERN = Concern()


@dataclass(frozen=True)
class Mailing:
    """One send of one revision from one sender to one audience."""

    row_id: int
    #: "<slug>-<n>", what people type.
    key: str
    state: MailingState
    revision_id: int
    design_id: int
    sender: Sender
    targets: tuple[Target, ...]
    #: Segment expression; "" for everyone.
    segment: str
    #: Exclusion expression; "" for nobody.
    exclude: str
    #: When it falls due, UTC.
    due_at: datetime
    #: The zone the hour was given in, for showing.
    time_zone: str
    grace_s: int
    #: How many people the person who scheduled it agreed to.
    confirmed_count: int
    #: Over revision, design and sender: what was approved is what is sent.
    digest: str
    #: Why it is held; "" when it is not.
    held_reason: str = ""
    #: A person let it go although it was late or larger than confirmed.
    released: bool = False
    #: It was scheduled while the workspace was not live, and never leaves the sandbox.
    rehearsal: bool = True
    started_at: datetime | None = None
    finished_at: datetime | None = None
    timing: Timing = AT_ONCE
    #: It goes to those whom that one reached, in the language they got it in; None for most.
    corrects: Corrected | None = None
    #: What goes first, and what it pauses at; None for one that never pauses by itself.
    breaker: Breaker | None = None
    #: Why it paused by itself; "" when it did not.
    pause_reason: str = ""
    #: When the last of the canary had been tried.
    canary_tried_at: datetime | None = None
    #: When the rest was let go.
    canary_passed_at: datetime | None = None
    concern: Concern = NO_CONCERN

    @property
    def canary_holds(self) -> bool:
        """Whether nothing but the canary may go yet."""
        return bool(self.breaker and self.breaker.canary and self.canary_passed_at is None)

    @property
    def canary_until(self) -> datetime | None:
        """Until when the rest waits for what comes back of the canary; None while it is under way."""
        if self.breaker is None or self.canary_tried_at is None:
            return None
        return self.canary_tried_at + timedelta(seconds=self.breaker.canary_wait_s)


class OutgoingDelivery(NamedTuple):
    """One claimed delivery with its person unsealed: what is merged and sent."""

    delivery_id: int
    mailing_id: int
    supporter_id: int
    #: To compare with withdrawals; never logged.
    address_digest: bytes
    #: The address as given, domain in A-labels.
    address: str
    needs_smtputf8: bool
    #: Values for `{{ supporter.X }}`: "name", "country" and every attribute, "" when missing.
    fields: Mapping[str, str]
    #: Key of the list that gives the List-Id.
    list_key: str
    #: Tag of the edition sent.
    language: str
    #: The supporter's first language when the edition is not in it; else None: no notice.
    wanted: str | None
    domain_class: str
    #: Counted from 1.
    attempt_number: int
    first_attempt_at: datetime | None = None
    #: Row id of its share; 0 when its mailing has none.
    share_id: int = 0
    #: When a person had it sent again: how long it is tried counts from then; None for most.
    resent_at: datetime | None = None
    #: The person wants no HTML.
    text_only: bool = False


class ComposedMail(NamedTuple):
    """A message ready for the wire: CRLF, 7-bit unless SMTPUTF8, not dot-stuffed, signed."""

    envelope: Envelope
    #: The message, one piece behind the other: what is the same in all mails is never copied.
    pieces: Sequence[bytes]
    #: In octets.
    size: int
    #: ENVID of RFC 3461 §4.4, opaque; "" where whoever sends it makes one.
    envelope_id: str = ""
    #: No line begins with a period and every line ends with CRLF, as whoever made it has seen to:
    #: it goes over the wire as it is.
    is_plain: bool = False

    @classmethod
    def whole(cls, envelope: Envelope, content: bytes, envelope_id: str = "") -> ComposedMail:
        """Return a message that is in one piece."""
        return cls(envelope, (content,), len(content), envelope_id)

    @property
    def content(self) -> bytes:
        """Return the message in one piece."""
        return b"".join(self.pieces)


class Envelope(NamedTuple):
    """MAIL FROM and RCPT TO of one transaction (RFC 5321 §2.3.1)."""

    mail_from: str
    rcpt_to: str


class Reply(NamedTuple):
    """What a relay answered (RFC 5321 §4.2), and the enhanced code in it (RFC 3463)."""

    #: 250, 451, 550, ...; 0 when the connection died instead.
    code: int
    #: "5.1.1"; "" when there was none.
    enhanced_code: str
    #: As it was said, the enhanced code first; scrubbed before it is stored or logged.
    text: str


class AttemptResult(NamedTuple):
    """One SMTP transaction, over."""

    delivery_id: int
    outcome: Outcome
    reply: Reply
    started_at: datetime
    duration_ms: int
    relay: str
