"""The tables, in SQLAlchemy Core, for SQLite and PostgreSQL alike.

In: nothing. Out: `metadata` and one `Table` each. No address and no name stands in a clear column:
`*_sealed` holds them, `address_digest` finds them. Times are microseconds since 1970, UTC.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    true,
)

from mailer.model.alerts import AlertKind
from mailer.model.audience import LanguageStep, MembershipState, SuppressionReason
from mailer.model.breaker import Ending, RefusalReason
from mailer.model.feedback import FeedbackClass, FeedbackEffect, FeedbackReason, MatchedBy
from mailer.model.service import ServicePurpose
from mailer.model.statement import StatementKind, Visibility
from mailer.model.states import DeliveryState, MailingState, Outcome, Settlement, SkipReason
from mailer.model.timing import ShareState
from mailer.store.types import Digest, Document, Enum, Id, Instant, Sealed

#: Alembic needs a name for every constraint; PostgreSQL cuts them at 63 characters.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _counted_id() -> Column[int]:
    """Return an id that the database counts and never gives twice."""
    return Column("id", Id, Identity(), primary_key=True)


#: Facts about the database itself: fingerprints of the key files it belongs to.
setting = Table(
    "setting",
    metadata,
    Column("name", String(60), primary_key=True),
    Column("value", Text, nullable=False),
)

#: Ids that are needed before the row is written, since sealing binds to them; never reused.
id_sequence = Table(
    "id_sequence",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("next_id", Id, nullable=False),
)

organisation = Table(
    "organisation",
    metadata,
    _counted_id(),
    Column("key", String(80), nullable=False, unique=True),
    sqlite_autoincrement=True,
)

mailing_list = Table(
    "mailing_list",
    metadata,
    _counted_id(),
    Column("key", String(80), nullable=False, unique=True),
    Column("organisation_id", Id, ForeignKey("organisation.id"), nullable=False),
    #: The list's file as it was last read, see `mailer.audience.lists`.
    Column("definition", Document, nullable=False),
    Column("updated_at", Instant, nullable=False),
    sqlite_autoincrement=True,
)

language_profile = Table(
    "language_profile",
    metadata,
    _counted_id(),
    #: Tags in order, joined by commas: "uk,en"; "" when none were named.
    Column("languages", String(400), nullable=False),
    #: Tags never to be used, sorted, joined by commas.
    Column("never", String(400), nullable=False),
    UniqueConstraint("languages", "never"),
    sqlite_autoincrement=True,
)

supporter = Table(
    "supporter",
    metadata,
    #: From `id_sequence`, and part of unsubscribe tokens.
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("organisation_id", Id, ForeignKey("organisation.id"), nullable=False),
    Column("address_digest", Digest, nullable=False),
    Column("address_sealed", Sealed, nullable=False),
    #: JSON of the name and every attribute that is not clear.
    Column("fields_sealed", Sealed, nullable=False),
    Column("profile_id", Id, ForeignKey("language_profile.id"), nullable=False),
    #: ISO 3166-1 alpha-2; "" when unknown.
    Column("country", String(2), nullable=False, server_default=""),
    #: IANA name; "" when unknown.
    Column("time_zone", String(60), nullable=False, server_default=""),
    #: When the person joined, by their own account or the export's; None when unknown.
    Column("joined_at", Instant),
    #: Coarse class of the mail domain, for pacing and reports: "gmail", "mailru", "other".
    Column("domain_class", String(20), nullable=False, server_default="other"),
    Column("domain_digest", Digest, nullable=False),
    #: The local part is not ASCII: the relay must offer SMTPUTF8.
    Column("needs_smtputf8", Boolean, nullable=False, server_default=false()),
    Column("discreet", Boolean, nullable=False, server_default=false()),
    Column("only_urgent", Boolean, nullable=False, server_default=false()),
    #: Wants mails without HTML.
    Column("text_only", Boolean, nullable=False, server_default=false()),
    Column("paused_until", Instant),
    #: When they last said themselves in which languages, and by which clock, they are written to: no
    #: file writes over that. None when they never did.
    Column("chosen_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    UniqueConstraint("organisation_id", "address_digest"),
    Index("ix_supporter_address_digest", "address_digest"),
)

supporter_tag = Table(
    "supporter_tag",
    metadata,
    Column("supporter_id", Id, ForeignKey("supporter.id"), primary_key=True),
    Column("tag", String(120), primary_key=True),
    Index("ix_supporter_tag_tag", "tag"),
)

#: Declared attributes with clear = true; one value column is filled, by the attribute's type.
supporter_attribute = Table(
    "supporter_attribute",
    metadata,
    Column("supporter_id", Id, ForeignKey("supporter.id"), primary_key=True),
    Column("name", String(60), primary_key=True),
    Column("text_value", Text),
    Column("number_value", Float),
    #: ISO 8601 day, which sorts as text.
    Column("date_value", String(10)),
    Column("boolean_value", Boolean),
    Index("ix_supporter_attribute_name", "name"),
)

import_batch = Table(
    "import_batch",
    metadata,
    _counted_id(),
    Column("list_id", Id, ForeignKey("mailing_list.id"), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
    #: Counts by what happened to the rows.
    Column("counts", Document),
    #: It kept what it overwrote; false for imports of before that was kept.
    Column("can_be_undone", Boolean, nullable=False, server_default=false()),
    #: When `mailer import --undo` took it back.
    Column("undone_at", Instant),
    sqlite_autoincrement=True,
)

#: What one import found before it wrote: a supporter that it made has nothing before.
import_change = Table(
    "import_change",
    metadata,
    Column("batch_id", Id, ForeignKey("import_batch.id"), primary_key=True),
    #: No foreign key: the row may outlive the supporter for a moment while an import is undone.
    Column("supporter_id", Id, primary_key=True, autoincrement=False),
    #: JSON of what was on record, see `mailer.audience.undoing`; None: nobody was.
    Column(
        "before_sealed",
        Sealed,
        info={"bound_as": "before_sealed.{batch_id}", "bound_to": "supporter_id"},
    ),
    Index("ix_import_change_supporter_id", "supporter_id"),
)

membership = Table(
    "membership",
    metadata,
    Column("list_id", Id, ForeignKey("mailing_list.id"), primary_key=True),
    Column("supporter_id", Id, ForeignKey("supporter.id"), primary_key=True),
    Column("state", Enum(MembershipState), nullable=False),
    #: One word, "consent"; "" when none is on record: then the person is not mailed.
    Column("consent_basis", String(40), nullable=False, server_default=""),
    #: Where the consent came from, a form or an import, see `mailer.audience.consent`; or None.
    Column(
        "consent_source_sealed",
        Sealed,
        info={"bound_as": "consent_source_sealed.{list_id}", "bound_to": "supporter_id"},
    ),
    Column("consented_at", Instant),
    Column("added_at", Instant, nullable=False),
    Column("left_at", Instant),
    Column("batch_id", Id, ForeignKey("import_batch.id")),
    Index("ix_membership_supporter_id", "supporter_id"),
)

#: Topics of a list that a person on it chose; who chose none gets all.
membership_topic = Table(
    "membership_topic",
    metadata,
    Column("list_id", Id, ForeignKey("mailing_list.id"), primary_key=True),
    Column("supporter_id", Id, ForeignKey("supporter.id"), primary_key=True),
    #: Its key in the list's file.
    Column("topic", String(60), primary_key=True),
    Index("ix_membership_topic_supporter_id", "supporter_id"),
)

suppression = Table(
    "suppression",
    metadata,
    _counted_id(),
    Column("address_digest", Digest, nullable=False),
    #: "all", or "organisation:<id>".
    Column("scope", String(40), nullable=False),
    Column("reason", Enum(SuppressionReason), nullable=False),
    #: What it came from: "import", "staff", "bounce", "complaint".
    Column("source", String(60), nullable=False),
    Column("since", Instant, nullable=False),
    Column("delivery_id", Id),
    #: The import that made it; None when it came otherwise, or something newer confirmed it.
    Column("batch_id", Id),
    UniqueConstraint("address_digest", "scope"),
    Index("ix_suppression_batch_id", "batch_id"),
    sqlite_autoincrement=True,
)

statement = Table(
    "statement",
    metadata,
    _counted_id(),
    Column("slug", String(120), nullable=False, unique=True),
    Column("kind", Enum(StatementKind), nullable=False),
    #: The revision that was loaded last, be it anew: going back to an earlier text makes it this.
    Column("latest_revision_id", Id),
    #: The revision that `mailer statements publish` fixed for the public page.
    Column("published_revision_id", Id),
    #: From when that revision is public.
    Column("published_at", Instant),
    #: Whether the public pages list it, or say that it was withdrawn.
    Column("visibility", Enum(Visibility), nullable=False, server_default=Visibility.LISTED.value),
    #: When that was decided; None while nobody has.
    Column("visibility_at", Instant),
    #: The statement that corrects one that was withdrawn; None for none.
    Column("corrected_by_id", Id),
    #: It was listed until it was withdrawn, so feeds tell that it was.
    Column("withdrawal_told", Boolean, nullable=False, server_default=false()),
    Column("created_at", Instant, nullable=False),
    sqlite_autoincrement=True,
)

#: Immutable: no row of it is ever updated.
revision = Table(
    "revision",
    metadata,
    _counted_id(),
    Column("statement_id", Id, ForeignKey("statement.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    #: The statement with all editions, see `mailer.statements.document`.
    Column("document", Document, nullable=False),
    Column("loaded_at", Instant, nullable=False),
    UniqueConstraint("statement_id", "digest"),
    UniqueConstraint("statement_id", "number"),
    sqlite_autoincrement=True,
)

revision_picture = Table(
    "revision_picture",
    metadata,
    Column("revision_id", Id, ForeignKey("revision.id"), primary_key=True),
    Column("name", String(120), primary_key=True),
    Column("media_type", String(40), nullable=False),
    Column("width_px", Integer, nullable=False),
    Column("height_px", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

#: Immutable: mail template, style and catalogs as a mailing pins them.
design = Table(
    "design",
    metadata,
    _counted_id(),
    Column("digest", String(64), nullable=False, unique=True),
    Column("kind", String(20), nullable=False),
    Column("document", Document, nullable=False),
    Column("created_at", Instant, nullable=False),
    sqlite_autoincrement=True,
)

mailing = Table(
    "mailing",
    metadata,
    _counted_id(),
    #: "<slug>-<n>".
    Column("key", String(140), nullable=False, unique=True),
    Column("statement_id", Id, ForeignKey("statement.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("revision_id", Id, ForeignKey("revision.id"), nullable=False),
    Column("design_id", Id, ForeignKey("design.id"), nullable=False),
    #: The sender as it was when scheduled.
    Column("sender", Document, nullable=False),
    #: Its key: which relay takes the mails is looked up by it when they are sent.
    Column("sender_key", String(80), nullable=False, server_default=""),
    #: It reaches those, too, who want urgent appeals only.
    Column("urgent", Boolean, nullable=False, server_default=false()),
    #: Scheduled while the workspace was not live: it never leaves the sandbox.
    Column("rehearsal", Boolean, nullable=False, server_default=true()),
    Column("state", Enum(MailingState), nullable=False),
    #: What it goes back to when resumed or released.
    Column("state_before", Enum(MailingState)),
    Column("segment", Text, nullable=False, server_default=""),
    Column("exclude", Text, nullable=False, server_default=""),
    Column("due_at", Instant, nullable=False),
    Column("time_zone", String(60), nullable=False),
    Column("grace_s", Integer, nullable=False),
    #: Window, quiet days and whose hour it is, see `mailer.store.shares`; None: at once.
    Column("timing", Document),
    #: Its deliveries belong to shares, and go out as those open.
    Column("in_shares", Boolean, nullable=False, server_default=false()),
    Column("confirmed_count", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("held_reason", String(200), nullable=False, server_default=""),
    #: A person released it: its lateness no longer holds it.
    Column("released_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("finished_at", Instant),
    #: Progress of freezing, moved in the same transaction as the range's rows.
    #: The last address digest whose deliveries are written; None before the first range.
    Column("freeze_after", Digest),
    #: People of the next range: fewer where a range held the write lock too long.
    Column("freeze_members", Integer, nullable=False, server_default="5000"),
    Column("frozen_at", Instant),
    #: The lists that its deliveries came through, over all of them; grows with freezing.
    Column("memberships", Integer, nullable=False, server_default="0"),
    #: The mailing it corrects: it goes to those whom that one reached, in the same language.
    Column("corrects_id", Id),
    #: When its deliveries were cleared away, and only counts left; set before the first one is.
    Column("deliveries_gone_at", Instant),
    #: So many deliveries go before the rest; 0: all at once.
    Column("canary", Integer, nullable=False, server_default="0"),
    #: When the last of them had been tried.
    Column("canary_tried_at", Instant),
    #: When the rest was let go.
    Column("canary_passed_at", Instant),
    #: The circuit breaker's limits, see `mailer.store.breaker`; None: it never pauses by itself.
    Column("limits", Document),
    #: What was counted when a person let it go on beyond its limits; None: nobody did.
    Column("judged_from", Document),
    #: Why it paused by itself; "" when it did not.
    Column("pause_reason", String(200), nullable=False, server_default=""),
    #: Login names of the staff who made it, and who asked for its approval last; "" for others.
    Column("made_by", String(80), nullable=False, server_default=""),
    Column("asked_by", String(80), nullable=False, server_default=""),
    Column("asked_at", Instant),
    UniqueConstraint("statement_id", "number"),
    Index("ix_mailing_state", "state"),
    sqlite_autoincrement=True,
)

mailing_target = Table(
    "mailing_target",
    metadata,
    Column("mailing_id", Id, ForeignKey("mailing.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("list_id", Id, ForeignKey("mailing_list.id"), nullable=False),
    #: The list's definition as it was when scheduled.
    Column("definition", Document, nullable=False),
)

#: Topics of a mailing, as its statement had them; one without any is for everyone.
mailing_topic = Table(
    "mailing_topic",
    metadata,
    Column("mailing_id", Id, ForeignKey("mailing.id"), primary_key=True),
    Column("topic", String(60), primary_key=True),
)

#: A part of a mailing that falls due at one time, in one zone.
mailing_share = Table(
    "mailing_share",
    metadata,
    _counted_id(),
    Column("mailing_id", Id, ForeignKey("mailing.id"), nullable=False),
    #: Canonical IANA name, see `mailer.zones`.
    Column("zone", String(60), nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("state", Enum(ShareState), nullable=False),
    #: The end of the opening it is in: no sender goes on after it.
    Column("shuts_at", Instant),
    #: People counted in it at scheduling.
    Column("people", Integer, nullable=False),
    #: A person let it go: its lateness holds it no more.
    Column("released_at", Instant),
    UniqueConstraint("mailing_id", "zone"),
    sqlite_autoincrement=True,
)

#: Which share a zone as it stands on a supporter's record belongs to, on each list.
mailing_zone = Table(
    "mailing_zone",
    metadata,
    Column("mailing_id", Id, ForeignKey("mailing.id"), primary_key=True),
    Column("list_id", Id, primary_key=True),
    #: "" where the person's zone is unknown.
    Column("time_zone", String(60), primary_key=True),
    Column("share_id", Id, ForeignKey("mailing_share.id"), nullable=False),
)

#: Newsletters as they were last loaded; each drafts an issue at the hours of its cron expression.
newsletter = Table(
    "newsletter",
    metadata,
    _counted_id(),
    Column("slug", String(120), nullable=False, unique=True),
    #: What its files say, see `mailer.store.newsletters`.
    Column("document", Document, nullable=False),
    Column("loaded_at", Instant, nullable=False),
    #: Hours before this one are not made up for.
    Column("active_from", Instant, nullable=False),
    Column("stopped_at", Instant),
    #: Moves with whatever changes what the next issue would be, so that two never make the same.
    Column("turn", Integer, nullable=False, server_default="0"),
    sqlite_autoincrement=True,
)

#: One issue of a newsletter, or an hour at which there was nothing new.
newsletter_issue = Table(
    "newsletter_issue",
    metadata,
    _counted_id(),
    Column("newsletter_id", Id, ForeignKey("newsletter.id"), nullable=False),
    #: Counted from 1; 0 where there was nothing new.
    Column("number", Integer, nullable=False),
    #: The hour it was made for; None when a person asked for it.
    Column("occurrence_at", Instant),
    Column("made_at", Instant, nullable=False),
    #: None where there was nothing new.
    Column("mailing_id", Id, ForeignKey("mailing.id")),
    UniqueConstraint("newsletter_id", "occurrence_at"),
    sqlite_autoincrement=True,
)

#: Which revisions an issue tells of; unless its draft is dropped, no other one does.
newsletter_item = Table(
    "newsletter_item",
    metadata,
    Column("issue_id", Id, ForeignKey("newsletter_issue.id"), primary_key=True),
    Column("revision_id", Id, ForeignKey("revision.id"), primary_key=True),
)

#: Each language profile on each list, resolved once at freezing.
mailing_language = Table(
    "mailing_language",
    metadata,
    Column("mailing_id", Id, ForeignKey("mailing.id"), primary_key=True),
    Column("list_id", Id, primary_key=True),
    Column("profile_id", Id, primary_key=True),
    #: Tag of the edition; None when there is none that is acceptable.
    Column("language", String(40)),
    Column("step", Enum(LanguageStep), nullable=False),
    #: The language the notice is in; None where there is none.
    Column("wanted", String(80)),
)

delivery = Table(
    "delivery",
    metadata,
    #: Part of tokens; never reused.
    _counted_id(),
    Column("mailing_id", Id, ForeignKey("mailing.id"), nullable=False),
    Column("address_digest", Digest, nullable=False),
    #: The row that is merged: of the first list, in the order given, that is a route.
    Column("supporter_id", Id, nullable=False),
    #: The list that gives the List-Id.
    Column("list_id", Id, nullable=False),
    Column("language", String(40)),
    Column("step", Enum(LanguageStep)),
    #: The person's first language where the edition is in another; None: no notice.
    Column("wanted", String(80)),
    Column("state", Enum(DeliveryState), nullable=False),
    Column("skip_reason", Enum(SkipReason)),
    #: Row id in mailing_share; 0 for a mailing without shares.
    Column("share_id", Id, nullable=False, server_default="0"),
    #: The supporter's, so that each provider's part of the queue is read by itself.
    Column("domain_class", String(20), nullable=False, server_default="other"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_attempt_at", Instant),
    Column("first_attempt_at", Instant),
    #: When a person had it sent again: how long it is tried counts from then.
    Column("resent_at", Instant),
    #: Name of the worker that holds it while sending.
    Column("claimed_by", String(60)),
    Column("relay", String(60)),
    Column("code", Integer),
    Column("enhanced_code", String(12)),
    Column("finished_at", Instant),
    UniqueConstraint("mailing_id", "address_digest"),
    Index(
        "ix_delivery_queue",
        "state",
        "mailing_id",
        "share_id",
        "domain_class",
        "next_attempt_at",
    ),
    sqlite_autoincrement=True,
)

#: Every list a delivery came through.
delivery_list = Table(
    "delivery_list",
    metadata,
    Column("delivery_id", Id, ForeignKey("delivery.id"), primary_key=True),
    Column("list_id", Id, primary_key=True),
    Column("supporter_id", Id, nullable=False),
)

#: One SMTP transaction of a delivery.
attempt = Table(
    "attempt",
    metadata,
    _counted_id(),
    Column("delivery_id", Id, ForeignKey("delivery.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("relay", String(60), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("duration_ms", Integer, nullable=False),
    Column("outcome", Enum(Outcome), nullable=False),
    Column("code", Integer, nullable=False),
    Column("enhanced_code", String(12), nullable=False),
    #: Scrubbed of addresses.
    Column("reply", Text, nullable=False),
    UniqueConstraint("delivery_id", "number"),
    sqlite_autoincrement=True,
)

#: What a person decided about a delivery in doubt, which may be cleared away since; append-only.
settlement = Table(
    "settlement",
    metadata,
    _counted_id(),
    Column("mailing_id", Id, ForeignKey("mailing.id"), nullable=False),
    Column("delivery_id", Id, nullable=False),
    #: The attempt that ended in doubt.
    Column("attempt", Integer, nullable=False),
    Column("decision", Enum(Settlement), nullable=False),
    Column("decided_at", Instant, nullable=False),
    #: Whoever decided: "terminal:root", "staff:ana"; "report" where a report did.
    Column("decided_by", String(80), nullable=False),
    Index("ix_settlement_mailing_id", "mailing_id", "decision"),
    sqlite_autoincrement=True,
)

#: What came of deliveries, counted in the transactions that record it; kept as long as the mailing.
outcome_count = Table(
    "outcome_count",
    metadata,
    Column("mailing_id", Id, ForeignKey("mailing.id"), primary_key=True),
    Column("relay", String(60), primary_key=True),
    Column("domain_class", String(20), primary_key=True),
    Column("ending", Enum(Ending), primary_key=True),
    #: "" but for refusals and bounces.
    Column("reason", Enum(RefusalReason), primary_key=True),
    Column("deliveries", Integer, nullable=False, server_default="0"),
)

#: Append-only; senders read it to stop before DATA, undo reads it to put things back.
unsubscription = Table(
    "unsubscription",
    metadata,
    _counted_id(),
    Column("at", Instant, nullable=False),
    Column("delivery_id", Id, nullable=False),
    Column("supporter_id", Id, nullable=False),
    Column("address_digest", Digest, nullable=False),
    #: "one_click", "page", "mail" or "preferences".
    Column("source", String(20), nullable=False),
    Column("undone_at", Instant),
    Index("ix_unsubscription_delivery_id", "delivery_id", "supporter_id"),
    sqlite_autoincrement=True,
)

#: What an unsubscription left, so that undo puts back exactly that.
unsubscription_list = Table(
    "unsubscription_list",
    metadata,
    Column("unsubscription_id", Id, ForeignKey("unsubscription.id"), primary_key=True),
    Column("list_id", Id, primary_key=True),
    Column("supporter_id", Id, primary_key=True),
)

#: Processes that claim deliveries; a dead one's journal is read by the next.
worker = Table(
    "worker",
    metadata,
    Column("name", String(60), primary_key=True),
    Column("pid", Integer, nullable=False),
    #: The kernel's boot id: another one means that the power was cut.
    Column("boot_id", String(60), nullable=False),
    #: Key of the relay it hands mail to; "" for what began before this was kept.
    Column("relay", String(80), nullable=False, server_default=""),
    #: It sends mailings, not service mails: it counts where a relay's limits are shared out.
    Column("sends_mailings", Boolean, nullable=False, server_default=true()),
    Column("started_at", Instant, nullable=False),
    #: Set once everything it claimed has its outcome.
    Column("ended_at", Instant),
)

#: Who may do a thing that only one process may do.
lease = Table(
    "lease",
    metadata,
    Column("name", String(60), primary_key=True),
    Column("holder", String(60), nullable=False),
    Column("expires_at", Instant, nullable=False),
)

#: One message outside any mailing; its states are those of a delivery.
service_mail = Table(
    "service_mail",
    metadata,
    #: From `id_sequence`, part of its tokens; an id space of its own, beside that of deliveries.
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("purpose", Enum(ServicePurpose), nullable=False),
    #: What it is sent for: "alert-17"; never anything of a person.
    Column("request", String(80), nullable=False),
    Column("address_digest", Digest, nullable=False),
    Column("address_sealed", Sealed, nullable=False),
    #: JSON of return path and content as they go over the wire; None once that is over.
    Column("mail_sealed", Sealed),
    #: What a test send was, see `mailer.model.service.SentFacts`; else None.
    Column("facts", Document),
    #: Key of the relay it goes by.
    Column("relay", String(60), nullable=False),
    Column("state", Enum(DeliveryState), nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_attempt_at", Instant),
    Column("first_attempt_at", Instant),
    #: Name of the worker that holds it while sending.
    Column("claimed_by", String(60)),
    Column("code", Integer),
    Column("enhanced_code", String(12)),
    #: Scrubbed of addresses.
    Column("reply", Text),
    Column("created_at", Instant, nullable=False),
    Column("finished_at", Instant),
    UniqueConstraint("purpose", "address_digest", "request"),
    Index("ix_service_mail_queue", "state", "relay", "next_attempt_at"),
    Index("ix_service_mail_finished_at", "finished_at"),
)

#: Something that staff should know of; `delivery` mails it, the scheduler hands it to a command.
alert = Table(
    "alert",
    metadata,
    _counted_id(),
    Column("kind", Enum(AlertKind), nullable=False),
    #: The mailing, list, relay or folder it is about.
    Column("subject", String(140), nullable=False),
    #: Counts, reasons and file names; never anything of a supporter.
    Column("facts", Document, nullable=False),
    Column("raised_at", Instant, nullable=False),
    #: When a condition was over; None while it lasts.
    Column("resolved_at", Instant),
    #: When it became service mails.
    Column("mailed_at", Instant),
    #: When the command took it.
    Column("commanded_at", Instant),
    Column("command_tries", Integer, nullable=False, server_default="0"),
    Column("command_next_at", Instant),
    #: Why the command failed the last time; "" when it did not.
    Column("command_failure", String(200), nullable=False, server_default=""),
    Index("ix_alert_subject", "kind", "subject"),
    sqlite_autoincrement=True,
)

#: How the last meeting with each relay went.
relay_contact = Table(
    "relay_contact",
    metadata,
    Column("relay", String(60), primary_key=True),
    #: When it last answered a transaction of ours.
    Column("connected_at", Instant),
    Column("failed_at", Instant),
    #: At which step, and what was said, without secrets.
    Column("failure", String(300), nullable=False, server_default=""),
    #: How often in a row, since it last answered a transaction.
    Column("failures", Integer, nullable=False, server_default="0"),
    #: Until then it is not tried, and its mails go by the next relay; None: it is not aside.
    Column("aside_until", Instant),
)

#: How many deliveries were claimed for a relay on a day, less those given back.
relay_day = Table(
    "relay_day",
    metadata,
    Column("relay", String(60), primary_key=True),
    #: Of the workspace's zone, as "2026-12-01".
    Column("day", String(10), primary_key=True),
    Column("claimed", Integer, nullable=False, server_default="0"),
)

#: What is left to spend of a rate, and what asked to be slowed down.
pace = Table(
    "pace",
    metadata,
    Column("relay", String(60), primary_key=True),
    #: "" for the relay as a whole.
    Column("domain_class", String(20), primary_key=True),
    #: Of one domain; empty for a whole class.
    Column("domain_digest", Digest, primary_key=True),
    #: What may go at once, as it was at `filled_at`; None: nothing was spent yet.
    Column("tokens", Float),
    Column("filled_at", Instant),
    #: See `mailer.model.pacing.Slowed`.
    Column("base_per_s", Float, nullable=False, server_default="0"),
    Column("halvings", Integer, nullable=False, server_default="0"),
    Column("paused_until", Instant),
    Column("reason", String(60), nullable=False, server_default=""),
)

#: What came back, or was told by a webhook: kept as it came, once, before it is acted on.
feedback_event = Table(
    "feedback_event",
    metadata,
    _counted_id(),
    #: "mail", or "hook:KEY".
    Column("source", String(80), nullable=False),
    #: The provider's; of a mail, the SHA-256 in hex of what it says.
    Column("event_id", String(200), nullable=False),
    Column("received_at", Instant, nullable=False),
    #: The octets, in a box that only `seal.key` opens; None once they are old.
    Column("raw_box", LargeBinary),
    #: When it was acted on; None while it was not.
    Column("processed_at", Instant),
    UniqueConstraint("source", "event_id"),
    Index("ix_feedback_event_received_at", "received_at"),
    sqlite_autoincrement=True,
)

#: What an event says of one recipient, and what was done for it: the evidence of each change.
feedback_finding = Table(
    "feedback_finding",
    metadata,
    _counted_id(),
    Column("event_id", Id, ForeignKey("feedback_event.id"), nullable=False),
    #: By the provider's word; never later than it came.
    Column("happened_at", Instant, nullable=False),
    Column("kind", Enum(FeedbackClass), nullable=False),
    Column("reason", Enum(FeedbackReason), nullable=False),
    Column("status", String(12), nullable=False, server_default=""),
    Column("smtp_code", Integer, nullable=False, server_default="0"),
    #: Hostile text, scrubbed of addresses.
    Column("diagnostic", Text, nullable=False, server_default=""),
    Column("matched_by", Enum(MatchedBy), nullable=False),
    #: Of the delivery or the service mail it is about; it may have been cleared away since.
    Column("delivery_id", Id),
    Column("service_id", Id),
    Column("mailing_id", Id),
    #: Of whom the mail was for; where nothing but an address matched, of that address.
    Column("address_digest", Digest),
    Column("effect", Enum(FeedbackEffect), nullable=False),
    Index("ix_feedback_finding_event_id", "event_id"),
    Index("ix_feedback_finding_address_digest", "address_digest", "happened_at"),
    Index("ix_feedback_finding_delivery_id", "delivery_id"),
    Index("ix_feedback_finding_service_id", "service_id"),
    Index("ix_feedback_finding_mailing_id", "mailing_id", "kind"),
    sqlite_autoincrement=True,
)

#: How many deliveries came back in which way, counted once for each; kept as long as the mailing.
feedback_count = Table(
    "feedback_count",
    metadata,
    Column("mailing_id", Id, ForeignKey("mailing.id"), primary_key=True),
    Column("kind", Enum(FeedbackClass), primary_key=True),
    #: "" but for bounces.
    Column("reason", Enum(FeedbackReason), primary_key=True),
    Column("deliveries", Integer, nullable=False, server_default="0"),
)

#: A wish to be on lists that waits for its confirmation; gone three days after it was made.
signup = Table(
    "signup",
    metadata,
    #: From `id_sequence`: its token holds it before the row is written.
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("address_digest", Digest, nullable=False),
    Column("address_sealed", Sealed, nullable=False),
    #: Keys of lists, languages and whatever else the form asked for; nothing that names a person.
    Column("wish", Document, nullable=False),
    #: Which wording of the consent stood beside the button.
    Column("consent_version", String(80), nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("confirmed_at", Instant),
    Index("ix_signup_address_digest", "address_digest"),
    Index("ix_signup_asked_at", "asked_at"),
)

#: How many confirmations were sent to an address, whoever asked: it outlives the wishes.
signup_count = Table(
    "signup_count",
    metadata,
    Column("address_digest", Digest, primary_key=True),
    Column("sent", Integer, nullable=False, server_default="0"),
    Column("last_sent_at", Instant, nullable=False),
    Index("ix_signup_count_sent", "sent", "last_sent_at"),
)

#: Rows of people who became one with another row of theirs: links in mails of before name them.
merged_supporter = Table(
    "merged_supporter",
    metadata,
    Column("gone_id", Id, primary_key=True, autoincrement=False),
    #: The row that stays.
    Column("supporter_id", Id, nullable=False),
    Index("ix_merged_supporter_supporter_id", "supporter_id"),
)

#: A new address of a supporter that waits until it is confirmed from there.
address_change = Table(
    "address_change",
    metadata,
    #: From `id_sequence`: its token holds it before the row is written.
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("supporter_id", Id, nullable=False),
    Column("address_digest", Digest, nullable=False),
    Column("address_sealed", Sealed, nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("confirmed_at", Instant),
    Index("ix_address_change_asked_at", "asked_at"),
    Index("ix_address_change_supporter_id", "supporter_id"),
)

# Tables of other modules belong to the same metadata: whoever imports it has them all.
import mailer.store.tables_api  # noqa: E402
import mailer.store.tables_approval  # noqa: E402
import mailer.store.tables_audit  # noqa: E402
import mailer.store.tables_preflight  # noqa: E402
import mailer.store.tables_staff  # noqa: E402
import mailer.store.tables_tallies  # noqa: E402
import mailer.store.tables_uploads  # noqa: E402
import mailer.store.tables_writing  # noqa: E402, F401
