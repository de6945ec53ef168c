"""The audit log: who did what, when, and to what.

In: nothing. Out: a frozen dataclass and enums, standard library only. An entry names a supporter by
the id of their row, never by name or address, so it may be kept after the person was erased.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from mailer.model.staff import Actor, ActorKind

#: What an entry may say beside its action and subject: counts, keys, digests, reasons.
Fact: TypeAlias = str | int | bool | Sequence[str] | None


class AuditAction(StrEnum):
    """What was done. What its subject is stands in brackets."""

    #: A revision of a statement was loaded or written (slug).
    STATEMENT_REVISED = "statement_revised"
    #: A newsletter was loaded: its issues are drafted from now on (slug).
    NEWSLETTER_LOADED = "newsletter_loaded"
    #: No more issues of a newsletter are drafted (slug).
    NEWSLETTER_STOPPED = "newsletter_stopped"
    #: A statement was made public, or another revision of it was (slug).
    STATEMENT_PUBLISHED = "statement_published"
    #: It left the public lists; its own address still answers (slug).
    STATEMENT_UNLISTED = "statement_unlisted"
    #: It came back into the public lists (slug).
    STATEMENT_RELISTED = "statement_relisted"
    #: It was withdrawn, with or without one that corrects it (slug).
    STATEMENT_WITHDRAWN = "statement_withdrawn"

    #: A mailing was made, not yet to be sent (mailing).
    MAILING_DRAFTED = "mailing_drafted"
    #: Something of a mailing that is not scheduled was changed (mailing).
    MAILING_CHANGED = "mailing_changed"
    #: A draft was thrown away (mailing).
    MAILING_DISCARDED = "mailing_discarded"
    #: A mailing was scheduled: from now on it goes by itself (mailing).
    MAILING_SCHEDULED = "mailing_scheduled"
    #: It was paused (mailing).
    MAILING_PAUSED = "mailing_paused"
    #: It goes on (mailing).
    MAILING_RESUMED = "mailing_resumed"
    #: It was stopped for good; what had not gone does not go (mailing).
    MAILING_CANCELLED = "mailing_cancelled"
    #: It was put aside until a person lets it go (mailing).
    MAILING_HELD = "mailing_held"
    #: It, or shares of it, were let go after they were held (mailing).
    MAILING_RELEASED = "mailing_released"
    #: Somebody asked staff to let go what waits of it (mailing).
    RELEASE_ASKED = "release_asked"
    #: A share of it was given up: whoever is left in it is not mailed (mailing).
    SHARE_GIVEN_UP = "share_given_up"
    #: Every delivery of it has ended (mailing).
    MAILING_FINISHED = "mailing_finished"
    #: Deliveries in doubt were sent again or taken as sent (mailing).
    DOUBTS_SETTLED = "doubts_settled"
    #: A test of it was sent to staff (mailing or slug).
    TEST_SENT = "test_sent"

    #: Approval was asked for (mailing).
    APPROVAL_ASKED = "approval_asked"
    #: Somebody approved it as its digest says (mailing).
    APPROVAL_GIVEN = "approval_given"
    #: Somebody returned it with a comment (mailing).
    APPROVAL_RETURNED = "approval_returned"
    #: It was taken back by whoever asked, or fell since something changed (mailing).
    APPROVAL_WITHDRAWN = "approval_withdrawn"
    #: What approval is required for was done without, and why (mailing).
    APPROVAL_OVERRIDDEN = "approval_overridden"
    #: A signed link for a reviewer without an account was made (mailing).
    REVIEW_LINK_MADE = "review_link_made"
    #: Such a link was taken back (mailing).
    REVIEW_LINK_ENDED = "review_link_ended"

    #: An import was started (list).
    IMPORT_STARTED = "import_started"
    #: An import was written (list).
    IMPORT_DONE = "import_done"
    #: An import was taken back (list).
    IMPORT_UNDONE = "import_undone"
    #: Supporters left the program as a file (list).
    SUPPORTERS_EXPORTED = "supporters_exported"
    #: A report left the program as a file (mailing).
    REPORT_EXPORTED = "report_exported"
    #: A segment was saved (its name).
    SEGMENT_SAVED = "segment_saved"
    #: A segment was removed (its name).
    SEGMENT_REMOVED = "segment_removed"

    #: A supporter was looked up and shown (supporter and row id, or "nobody").
    SUPPORTER_SHOWN = "supporter_shown"
    #: A supporter was added by hand (supporter and row id).
    SUPPORTER_ADDED = "supporter_added"
    #: What is known of one was changed by hand (supporter and row id).
    SUPPORTER_CORRECTED = "supporter_corrected"
    #: One was erased, and stays barred (supporter and row ids).
    SUPPORTER_ERASED = "supporter_erased"
    #: An address was suppressed by hand (supporter and row ids, or "nobody").
    SUPPRESSION_MADE = "suppression_made"
    #: Somebody may be sent confirmations of a sign-up again (supporter and row ids, or "nobody").
    SIGN_UP_ALLOWED = "sign_up_allowed"
    #: Suppressions of an address were lifted (supporter and row ids, or "nobody").
    SUPPRESSION_LIFTED = "suppression_lifted"

    #: A relay showed that it takes our mail, and how (relay).
    RELAY_VERIFIED = "relay_verified"
    #: What came back and could not be acted on was acted on anew ("feedback").
    FEEDBACK_REPEATED = "feedback_repeated"
    #: The loss of unsubscriptions after a restore was accepted ("restore").
    LOSS_ACCEPTED = "loss_accepted"

    #: The workspace was made ("workspace").
    WORKSPACE_MADE = "workspace_made"
    #: From now on mailings leave the machine ("workspace").
    WENT_LIVE = "went_live"
    #: From now on the sandbox takes every mail again ("workspace").
    LEFT_LIVE = "left_live"
    #: A backup was written (its file's name).
    BACKUP_MADE = "backup_made"
    #: The database was put back from a copy: what was logged after the copy is gone (backup).
    RESTORED = "restored"
    #: Tables were brought up to date ("database").
    UPGRADED = "upgraded"
    #: A key was made that there was not before (key file).
    KEY_MADE = "key_made"
    #: A key was followed by a new one (key file).
    KEY_ROTATED = "key_rotated"
    #: What an older key had sealed was sealed with the current one (key file).
    RESEALED = "resealed"
    #: An old key was taken out (key file).
    KEY_RETIRED = "key_retired"

    #: Somebody was given an account (login).
    USER_ADDED = "user_added"
    #: An account was changed: its roles, languages, name (login).
    USER_CHANGED = "user_changed"
    #: Somebody was shut out (login).
    USER_DISABLED = "user_disabled"
    #: Somebody may sign in again (login).
    USER_ENABLED = "user_enabled"
    #: A password was changed or reset; every session ended (login).
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  (The name of an action.)
    #: The second factor was set up or taken away (login).
    SECOND_FACTOR_CHANGED = "second_factor_changed"
    #: Somebody got new recovery codes; the old ones are good for nothing (login).
    RECOVERY_CODES_CHANGED = "recovery_codes_changed"
    #: Somebody signed in (login).
    SIGNED_IN = "signed_in"
    #: Somebody signed out (login).
    SIGNED_OUT = "signed_out"
    #: Somebody ended sessions, their own or another's (login).
    SESSIONS_ENDED = "sessions_ended"
    #: Signing in was refused for a while, after too many wrong passwords (login).
    SIGN_IN_THROTTLED = "sign_in_throttled"
    #: The audit log left the program as a file ("audit").
    AUDIT_EXPORTED = "audit_exported"
    #: A token of the API was made (its name).
    TOKEN_MADE = "token_made"  # noqa: S105  (The name of an action.)
    #: A token of the API was ended (its name).
    TOKEN_ENDED = "token_ended"  # noqa: S105  (The name of an action.)


@dataclass(frozen=True)
class AuditEntry:
    """One thing that was done."""

    #: Its place in the log: 1, 2, 3, without a gap.
    entry_id: int
    at: datetime
    actor: Actor
    action: AuditAction
    #: The mailing, statement, list, relay, login or supporter's row: "her-rights-1", "supporter 17".
    subject: str
    #: Counts, keys, digests and reasons; never a name or an address of a supporter.
    facts: Mapping[str, Fact]
    #: Digest of the entry before, in hex.
    previous: str
    #: SHA-256 over all of the above, in hex.
    digest: str


@dataclass(frozen=True)
class AuditFilter:
    """Which entries are asked for; what is None does not narrow."""

    actor_kind: ActorKind | None = None
    #: Whole name: "ana".
    actor_name: str | None = None
    actions: frozenset[AuditAction] = frozenset()
    #: Whole subject: "her-rights-1".
    subject: str | None = None
    #: From then on.
    since: datetime | None = None
    #: Before then.
    until: datetime | None = None


class AuditFlaw(StrEnum):
    """What is wrong where the chain breaks."""

    #: Something of the entry is not what it was when it was written.
    CHANGED = "changed"
    #: Entries are missing before this one, or are not in their order.
    MISSING_BEFORE = "missing_before"
    #: The entry does not follow from the one before.
    NOT_LINKED = "not_linked"
    #: Entries are missing at the end, or the count of them was changed.
    CUT_OFF = "cut_off"
    #: Entries stand at the end that the count does not know of.
    ADDED = "added"
    #: The log is whole, but not the one that was noted earlier.
    NOT_AS_NOTED = "not_as_noted"


@dataclass(frozen=True)
class AuditHead:
    """How long the log is and how it ends: noted elsewhere, it shows that nothing was rewritten."""

    entries: int
    digest: str

    def __str__(self) -> str:
        """Return it as it is noted and given back: "17:9f86…"."""
        return f"{self.entries}:{self.digest}"


@dataclass(frozen=True)
class AuditCheck:
    """What going through the whole log showed."""

    #: The log as far as it holds.
    head: AuditHead
    #: The first entry that does not hold; None when all do.
    broken_id: int | None = None
    flaw: AuditFlaw | None = None
