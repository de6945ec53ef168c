"""Look at who would be reached: nobody, people without an edition, people marked discreet.

In: a subject that was counted. Out: findings.
"""

from __future__ import annotations

from collections.abc import Iterator

from mailer.app.preflight.findings import Finding, FindingCode, Place, advisory, blocking
from mailer.app.preflight.subject import Subject
from mailer.model.states import SkipReason


def people_findings(subject: Subject) -> Iterator[Finding]:
    """Yield what is amiss with the number of people; nothing where they were not counted."""
    covered = subject.coverage
    if covered is None:
        return
    lists = ", ".join(one.key for one in subject.lists)
    place = Place(statement=subject.slug, list=subject.lists[0].key, mailing=subject.mailing)
    if not subject.count:
        yield blocking(FindingCode.NOBODY, place, lists=lists)
    for reason, code in (
        (SkipReason.NO_ACCEPTABLE_EDITION, FindingCode.PEOPLE_WITHOUT_EDITION),
        (SkipReason.DISCREET_NOT_READY, FindingCode.PEOPLE_DISCREET),
    ):
        people = covered.not_mailed.get(reason, 0)
        if people:
            yield advisory(code, place, people=people)
