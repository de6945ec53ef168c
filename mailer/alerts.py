"""Raise alerts: rows that say what staff should know of, in the transaction that made it so.

In: what happened, in keys, counts and file names. Out: rows of `alert`. `delivery/` mails them and
the scheduler hands them to a command. Whoever raises needs no key and no network, so an alert is
never lost for want of either.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from mailer.events import scrub, warn
from mailer.model.alerts import Alert, AlertKind
from mailer.model.audit import AuditAction
from mailer.model.breaker import judge
from mailer.model.feedback import FeedbackReason
from mailer.model.mailing import Mailing
from mailer.model.staff import BY_ITSELF
from mailer.model.states import MailingState
from mailer.store.alerts import lasting_alerts, latest_alert, reopen, resolve, write_alert
from mailer.store.audit import write_audit
from mailer.store.breaker import to_be_judged
from mailer.store.engine import Connection
from mailer.store.mailings import load_mailing
from mailer.store.stopping import hold, hold_running, pause_by_itself

#: The same event about the same subject, told once more within this, is told once.
SAME_EVENT = timedelta(minutes=10)
#: A condition that comes back this soon after it was told never ended: a relay that refuses some of
#: our logins, say, must not flood staff.
FLAPPING = timedelta(minutes=5)
#: A condition that lasts is told again after this.
REMINDER = timedelta(hours=24)
#: Characters of a fact.
_LONGEST_FACT = 300
#: Time zones that an alert names.
_SHOWN_ZONES = 5


def raise_alert(
    connection: Connection, kind: AlertKind, subject: str, now: datetime, **facts: str | int
) -> bool:
    """Write an alert; return whether it is new.

    A condition that lasts already, and an event that was told with the same facts a moment ago, are
    not written again.

    Args:
        connection: a connection in a transaction that writes.
        kind: what happened.
        subject: the mailing, list, relay or folder it is about.
        now: this instant.
        facts: what its words name, see `mailer.model.alerts`; never anything of a supporter.
    """
    clean = {name: _fact(value) for name, value in facts.items()}
    last = latest_alert(connection, kind, subject)
    if last is not None and kind.lasts and now - last.raised_at < FLAPPING:
        reopen(connection, last.row_id)
        return False
    if last is not None and _is_told(last, clean, now):
        return False
    if last is not None and kind.lasts:
        resolve(connection, kind, subject, now)
    write_alert(connection, kind, subject, clean, now)
    return True


def _fact(value: str | int) -> str | int:
    # A reason may come from a library or a relay: what looks like an address is struck out.
    return scrub(value)[:_LONGEST_FACT] if isinstance(value, str) else value


def _is_told(last: Alert, facts: dict[str, str | int], now: datetime) -> bool:
    age = now - last.raised_at
    if last.kind is AlertKind.IN_DOUBT:
        # It may never be settled, and nothing gets worse by that.
        return last.resolved_at is None
    if last.kind.lasts:
        return last.resolved_at is None and age < REMINDER
    return dict(last.facts) == facts and age < SAME_EVENT


def resolve_alert(connection: Connection, kind: AlertKind, subject: str, now: datetime) -> bool:
    """Write that a condition is over, so that it is told again when it comes back."""
    return resolve(connection, kind, subject, now)


def hold_and_tell(
    connection: Connection, found: Mailing, back_to: MailingState, reason: str, now: datetime
) -> None:
    """Put a mailing aside until a person releases it, as `hold` does, and tell staff.

    Raises:
        ForbiddenTransition: when another process moved it first; nobody is told then.
    """
    hold(connection, found, back_to, reason)
    _tell_held(connection, found.key, reason, now)


def hold_running_and_tell(connection: Connection, row_id: int, reason: str, now: datetime) -> None:
    """Put a running mailing aside and tell staff; one that does not run stays as it is."""
    found = load_mailing(connection, row_id)
    if found.state is MailingState.RUNNING:
        hold_running(connection, row_id, reason)
        _tell_held(connection, found.key, reason, now)


def shares_held(connection: Connection, key: str, zones: Sequence[str], now: datetime) -> None:
    """Tell that shares of a mailing are later than they may be, and wait for a person."""
    shown = ", ".join(zones[:_SHOWN_ZONES])
    more = f" and {len(zones) - _SHOWN_ZONES} more" if len(zones) > _SHOWN_ZONES else ""
    reason = f"The hour has long passed in {shown}{more}; the other shares go on."
    _tell_held(connection, key, reason, now)


def _tell_held(connection: Connection, key: str, reason: str, now: datetime) -> None:
    raise_alert(connection, AlertKind.MAILING_HELD, key, now, reason=reason)
    write_audit(connection, BY_ITSELF, AuditAction.MAILING_HELD, key, now, reason=reason)


def mailing_paused(connection: Connection, key: str, now: datetime) -> None:
    """Tell that a person paused a mailing."""
    raise_alert(connection, AlertKind.MAILING_PAUSED, key, now)


def judge_and_pause(connection: Connection, mailing_id: int, now: datetime) -> bool:
    """Hold a mailing against its limits; return whether it paused.

    Call it in the transaction that has counted something more: a refusal, a bounce, a complaint.
    """
    judged = to_be_judged(connection, mailing_id)
    if judged is None:
        return False
    tripped = judge(judged.limits, judged.counted, judged.before)
    if tripped is None:
        return False
    pause_by_itself(connection, mailing_id, tripped.reason)
    raise_alert(connection, AlertKind.PAUSED_BY_ITSELF, judged.key, now, reason=tripped.reason)
    write_audit(
        connection, BY_ITSELF, AuditAction.MAILING_PAUSED, judged.key, now, reason=tripped.reason
    )
    warn("mailing paused by itself", mailing=judged.key, reason=tripped.reason)
    return True


def mails_come_back(
    connection: Connection, key: str, now: datetime, reason: FeedbackReason, words: str
) -> None:
    """Tell that mails of a mailing come back for a reason that staff can mend, and no supporter."""
    raise_alert(
        connection, AlertKind.MAILS_COME_BACK, key, now,
        reason=reason.value.replace("_", " "), words=words or "none",
    )  # fmt: skip


def deliveries_in_doubt(connection: Connection, key: str, count: int, now: datetime) -> None:
    """Tell how many deliveries of a mailing are in doubt; again when they have grown more."""
    last = latest_alert(connection, AlertKind.IN_DOUBT, key)
    if last is not None and last.resolved_at is None and _grew(last, count, now):
        resolve(connection, AlertKind.IN_DOUBT, key, now)
    raise_alert(connection, AlertKind.IN_DOUBT, key, now, count=count)


def _grew(last: Alert, count: int, now: datetime) -> bool:
    known = last.facts.get("count", 0)
    return isinstance(known, int) and count > known and now - last.raised_at >= SAME_EVENT


def import_done(
    connection: Connection,
    list_key: str,
    file_name: str,
    now: datetime,
    *,
    rows: int,
    added: int,
    updated: int,
    rejected: int,
) -> None:
    """Tell that people were brought onto a list."""
    raise_alert(
        connection, AlertKind.IMPORT_DONE, list_key, now,
        file=file_name, rows=rows, added=added, updated=updated, rejected=rejected,
    )  # fmt: skip


def release_asked(connection: Connection, key: str, now: datetime) -> None:
    """Tell that somebody asks for a mailing to be released."""
    raise_alert(connection, AlertKind.RELEASE_ASKED, key, now)


def newsletter_draft_made(
    connection: Connection, newsletter: str, mailing_key: str, now: datetime
) -> None:
    """Tell that a recurring newsletter has its next draft."""
    raise_alert(connection, AlertKind.NEWSLETTER_DRAFT, newsletter, now, mailing=mailing_key)


def backup_failed(connection: Connection, target: str, reason: str, now: datetime) -> None:
    """Tell that a backup could not be made; `target` is a file or folder."""
    raise_alert(connection, AlertKind.BACKUP_FAILED, target, now, reason=reason)


def backup_made(connection: Connection, now: datetime) -> None:
    """Take back that backups fail, whichever file they were to be: each may have its date in it."""
    for failing in lasting_alerts(connection, [AlertKind.BACKUP_FAILED]):
        resolve(connection, failing.kind, failing.subject, now)
