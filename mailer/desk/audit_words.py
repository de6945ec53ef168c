"""Say in the words of the desk's languages what the audit log holds.

In: members of enums. Out: phrases. Every member has one, which a test sees to.
"""

from __future__ import annotations

from collections.abc import Mapping

from mailer.desk.phrases import mark
from mailer.model.audit import AuditAction as Did
from mailer.model.audit import AuditFlaw
from mailer.model.staff import ActorKind

ACTIONS: Mapping[Did, str] = {
    Did.STATEMENT_REVISED: mark("Statement: new revision"),
    Did.NEWSLETTER_LOADED: mark("Newsletter: loaded"),
    Did.NEWSLETTER_STOPPED: mark("Newsletter: stopped"),
    Did.STATEMENT_PUBLISHED: mark("Statement: made public"),
    Did.STATEMENT_UNLISTED: mark("Statement: taken off the public lists"),
    Did.STATEMENT_RELISTED: mark("Statement: put back on the public lists"),
    Did.STATEMENT_WITHDRAWN: mark("Statement: withdrawn"),
    Did.MAILING_DRAFTED: mark("Mailing: draft made"),
    Did.MAILING_CHANGED: mark("Mailing: draft changed"),
    Did.MAILING_DISCARDED: mark("Mailing: draft thrown away"),
    Did.MAILING_SCHEDULED: mark("Mailing: scheduled"),
    Did.MAILING_PAUSED: mark("Mailing: paused"),
    Did.MAILING_RESUMED: mark("Mailing: resumed"),
    Did.MAILING_CANCELLED: mark("Mailing: cancelled"),
    Did.MAILING_HELD: mark("Mailing: held"),
    Did.MAILING_RELEASED: mark("Mailing: released"),
    Did.RELEASE_ASKED: mark("Mailing: release asked for"),
    Did.SHARE_GIVEN_UP: mark("Mailing: a share given up"),
    Did.MAILING_FINISHED: mark("Mailing: finished"),
    Did.DOUBTS_SETTLED: mark("Mailing: doubts settled"),
    Did.TEST_SENT: mark("Test sent to staff"),
    Did.APPROVAL_ASKED: mark("Approval: asked for"),
    Did.APPROVAL_GIVEN: mark("Approval: given"),
    Did.APPROVAL_RETURNED: mark("Approval: returned with a comment"),
    Did.APPROVAL_WITHDRAWN: mark("Approval: fell or was taken back"),
    Did.APPROVAL_OVERRIDDEN: mark("Approval: done without"),
    Did.REVIEW_LINK_MADE: mark("Link for a reviewer: made"),
    Did.REVIEW_LINK_ENDED: mark("Link for a reviewer: taken back"),
    Did.IMPORT_STARTED: mark("Import: started"),
    Did.IMPORT_DONE: mark("Import: written"),
    Did.IMPORT_UNDONE: mark("Import: taken back"),
    Did.SUPPORTERS_EXPORTED: mark("Supporters: exported"),
    Did.REPORT_EXPORTED: mark("Report: exported"),
    Did.SEGMENT_SAVED: mark("Segment: saved"),
    Did.SEGMENT_REMOVED: mark("Segment: removed"),
    Did.SUPPORTER_SHOWN: mark("Supporter: looked up"),
    Did.SUPPORTER_ADDED: mark("Supporter: added by hand"),
    Did.SUPPORTER_CORRECTED: mark("Supporter: corrected by hand"),
    Did.SUPPORTER_ERASED: mark("Supporter: erased"),
    Did.SUPPRESSION_MADE: mark("Address: suppressed by hand"),
    Did.SIGN_UP_ALLOWED: mark("Address: may sign up again"),
    Did.SUPPRESSION_LIFTED: mark("Address: suppression lifted"),
    Did.RELAY_VERIFIED: mark("Relay: verified"),
    Did.FEEDBACK_REPEATED: mark("Feedback: acted on anew"),
    Did.LOSS_ACCEPTED: mark("Restore: loss of unsubscriptions accepted"),
    Did.WORKSPACE_MADE: mark("Workspace: made"),
    Did.WENT_LIVE: mark("Workspace: went live"),
    Did.LEFT_LIVE: mark("Workspace: live no more"),
    Did.BACKUP_MADE: mark("Backup: written"),
    Did.RESTORED: mark("Backup: restored"),
    Did.UPGRADED: mark("Database: upgraded"),
    Did.KEY_MADE: mark("Key: made"),
    Did.KEY_ROTATED: mark("Key: followed by a new one"),
    Did.RESEALED: mark("Key: everything sealed anew"),
    Did.KEY_RETIRED: mark("Key: old one taken out"),
    Did.USER_ADDED: mark("Account: made"),
    Did.USER_CHANGED: mark("Account: rights changed"),
    Did.USER_DISABLED: mark("Account: shut out"),
    Did.USER_ENABLED: mark("Account: let in again"),
    Did.PASSWORD_CHANGED: mark("Account: password changed or reset"),
    Did.SECOND_FACTOR_CHANGED: mark("Account: authenticator app changed"),
    Did.RECOVERY_CODES_CHANGED: mark("Account: new recovery codes"),
    Did.SIGNED_IN: mark("Signed in"),
    Did.SIGNED_OUT: mark("Signed out"),
    Did.SESSIONS_ENDED: mark("Sessions ended"),
    Did.SIGN_IN_THROTTLED: mark("Signing in refused for a while"),
    Did.AUDIT_EXPORTED: mark("Audit log: exported"),
    Did.TOKEN_MADE: mark("API token: made"),
    Did.TOKEN_ENDED: mark("API token: ended"),
}
#: By what way it was done; at the desk goes without saying.
WAYS: Mapping[ActorKind, str] = {
    ActorKind.STAFF: mark("at the desk"),
    ActorKind.TERMINAL: mark("by command line"),
    ActorKind.API: mark("by another program"),
    ActorKind.REVIEWER: mark("by a link"),
    ActorKind.PROGRAM: mark("by itself"),
}
FLAWS: Mapping[AuditFlaw, str] = {
    AuditFlaw.CHANGED: mark("Entry %(entry)s is not what was written: it was changed, or made up."),
    AuditFlaw.MISSING_BEFORE: mark(
        "Entries are missing before entry %(entry)s, or their order was changed."
    ),
    AuditFlaw.NOT_LINKED: mark("Entry %(entry)s does not follow from the one before it."),
    AuditFlaw.CUT_OFF: mark("Entry %(entry)s and what followed is missing: the end was cut off."),
    AuditFlaw.ADDED: mark(
        "Entry %(entry)s and what follows was added: the count knows nothing of it."
    ),
    AuditFlaw.NOT_AS_NOTED: mark(
        "The log does not go on from what was noted: around entry %(entry)s it is another one."
    ),
}
