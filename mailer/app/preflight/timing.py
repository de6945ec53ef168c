"""Look at the hour of a mailing: passed, on a quiet day, on the day of another, after a deadline.

In: a subject. Out: findings.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from mailer.app.preflight.findings import Finding, FindingCode, Place, advisory, blocking
from mailer.app.preflight.subject import Subject, When
from mailer.app.workspace import Workspace
from mailer.model.statement import edition_file
from mailer.model.timing import NO_QUIET_DAYS, LatePolicy, QuietDays, parse_quiet_days
from mailer.store.clashes import clashing_mailings


def timing_findings(workspace: Workspace, subject: Subject) -> Iterator[Finding]:
    """Yield what is amiss with the hour, and with the last day of an appeal."""
    when = subject.when
    place = Place(statement=subject.slug, field="--at", mailing=subject.mailing)
    if when is not None:
        yield from _passed(workspace.clock.now(), when, place)
        yield from _quiet(workspace, when, place)
        yield from _clashes(workspace, subject, when)
    yield from _deadline(workspace, subject)


def _local(when: When) -> datetime:
    return when.due_at.astimezone(ZoneInfo(when.time_zone))


def _passed(now: datetime, when: When, place: Place) -> Iterator[Finding]:
    late_s = (now - when.due_at).total_seconds()
    values = {"hour": f"{_local(when):%Y-%m-%d %H:%M}", "zone": when.time_zone}
    # Of shares that are late a person has said what becomes of them.
    decided = when.timing.recipient_time and when.timing.late in (LatePolicy.NOW, LatePolicy.SKIP)
    if late_s > when.grace_s and not decided:
        yield blocking(FindingCode.HOUR_TOO_LATE, place, **values, minutes=when.grace_s // 60)
    elif late_s >= 0:
        yield advisory(FindingCode.HOUR_PASSED, place, **values)


def _quiet(workspace: Workspace, when: When, place: Place) -> Iterator[Finding]:
    """Yield that the day is quiet: by the mailing's own rule, or by that of config.toml."""
    if when.timing.recipient_time:
        # Each share moves to the next day that is not.
        return
    local = when.timing.local_hour or _local(when).replace(tzinfo=None)
    day = f"{local:%Y-%m-%d}"
    if when.timing.quiet_days.holds(local.date()):
        yield blocking(FindingCode.QUIET_DAY, place, day=day)
    elif _configured(workspace).holds(local.date()):
        yield advisory(FindingCode.QUIET_DAY, place, day=day)


def _configured(workspace: Workspace) -> QuietDays:
    words = workspace.config.schedule.quiet_days
    return parse_quiet_days(words) if words else NO_QUIET_DAYS


def _clashes(workspace: Workspace, subject: Subject, when: When) -> Iterator[Finding]:
    zone = ZoneInfo(when.time_zone)
    day = _local(when).date()
    # A day is not always 24 hours long.
    since, until = (datetime.combine(one, time(), zone) for one in (day, day + timedelta(days=1)))
    with workspace.store.read() as connection:
        found = clashing_mailings(
            connection,
            [one.key for one in subject.lists],
            since,
            until,
            rehearsal=not workspace.config.workspace.live,
            but_for=subject.mailing,
        )
    for one in found:
        place = Place(subject.slug, list=one.list_key, mailing=one.mailing)
        at = one.due_at.astimezone(zone)
        yield advisory(
            FindingCode.CLASH, place, mailing=one.mailing, list=one.list_key,
            hour=f"{at:%H:%M}", day=f"{day}",
        )  # fmt: skip


def _deadline(workspace: Workspace, subject: Subject) -> Iterator[Finding]:
    revision = subject.stored.revision if subject.stored else None
    deadline = revision.appeal.deadline if revision and revision.appeal else None
    if revision is None or deadline is None:
        return
    now = workspace.clock.now()
    due = max(now, subject.when.due_at) if subject.when else now
    # The day ends last at UTC-12.
    if deadline + timedelta(days=1) < due.date():
        file = f"{edition_file(revision, '').rsplit('/', 1)[0]}/statement.toml"
        place = Place(statement=revision.slug, file=file, field="deadline")
        yield advisory(FindingCode.DEADLINE_PASSED, place, deadline=f"{deadline}")
