"""Work out whom a correction goes to: those whom the mailing it corrects reached, and nobody else.

In: the mailing that is corrected, the revision that corrects it, the lists. Out: the rules for
freezing, the figures for the plan, and what stands in the way. The language is the one they got it
in, never chosen anew; who left, paused, or forbids that language by now is not mailed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from mailer.audience.coverage import Coverage
from mailer.cldr import is_never
from mailer.model.audience import LanguageStep, ListDefinition
from mailer.model.faults import Fault
from mailer.model.mailing import NO_CONCERN, Concern, Corrected
from mailer.model.states import MailingState, SkipReason
from mailer.model.tags import MalformedTag
from mailer.model.worded import worded
from mailer.store import coverage as counts
from mailer.store.corrections import (
    corrected_alike,
    deliveries_gone_at,
    editions_of,
    never_lists,
)
from mailer.store.engine import Connection
from mailer.store.mailings import has_open_deliveries, load_mailing
from mailer.store.routes import Correction, make_rules

#: States in which nobody is mailed any more.
_OVER = (MailingState.FINISHED, MailingState.CANCELLED)


def correction_of(
    connection: Connection, corrects: Corrected, revision_id: int, mailing_id: int = 0
) -> Correction:
    """Return the rule that a mailing corrects another.

    Args:
        connection: a connection in a transaction.
        corrects: the mailing that is corrected.
        revision_id: row id of the revision that corrects it; it has every edition that was sent.
        mailing_id: row id of the mailing that sends it; 0 while there is none.
    """
    languages = editions_of(connection, revision_id)
    nevers = never_lists(connection)
    forbidden = {
        language: [profile_id for profile_id, never in nevers if _forbids(never, language)]
        for language in languages
    }
    alike = corrected_alike(connection, corrects.row_id, revision_id)
    return Correction(corrects.row_id, forbidden, [one for one in alike if one != mailing_id])


@lru_cache(maxsize=8192)
def _forbids(never: str, language: str) -> bool:
    try:
        return is_never(language, never.split(","))
    except MalformedTag:
        # It is not for us to guess what a person must not be sent.
        return True


def corrected_faults(connection: Connection, corrects: Corrected, field: str) -> list[Fault]:
    """Return why it cannot be told now whom the mailing that is corrected reached.

    Args:
        connection: a connection in a transaction.
        corrects: the mailing that is corrected.
        field: what the faults name.
    """
    key = corrects.key
    gone = deliveries_gone_at(connection, corrects.row_id)
    if gone is not None:
        problem = worded(
            "the deliveries of %(key)s were deleted on %(gone)s: who received it is not known any more",
            key=key,
            gone=f"{gone:%Y-%m-%d}",
        )
        return [Fault("", 0, field, problem, "Send the statement anew to the lists")]
    state = load_mailing(connection, corrects.row_id).state
    if state not in _OVER:
        problem = worded(
            "%(key)s is %(state)s: whom it reaches is not known yet",
            key=key,
            state=worded(state.value.replace("_", " ")),
        )
        remedy = worded("Wait until it is finished, or end it: mailer cancel %(key)s", key=key)
        return [Fault("", 0, field, problem, remedy)]
    if has_open_deliveries(connection, corrects.row_id):
        problem = worded(
            "the last mails of %(key)s are being sent: whom they reach is not known yet", key=key
        )
        return [Fault("", 0, field, problem, "Try again in a minute, with `mailer run` running")]
    return []


@dataclass(frozen=True)
class _Tally:
    """People of a correction, by how their edition was found, by language and by reason."""

    steps: Counter[LanguageStep]
    languages: Counter[str]
    not_mailed: Counter[SkipReason]
    #: By list and time zone.
    zones: Counter[tuple[int, str]]


def correction_coverage(
    connection: Connection,
    targets: Sequence[tuple[int, ListDefinition]],
    correction: Correction,
    now: datetime,
    concern: Concern = NO_CONCERN,
) -> Coverage:
    """Count who would be mailed if the correction were frozen at `now`.

    Args:
        connection: a connection in a transaction.
        targets: row id and definition of each list, in the order given.
        correction: whom the mailing that is corrected reached.
        now: the instant that pauses are compared with.
        concern: of the mailing that is corrected.
    """
    rules = make_rules(
        connection,
        [list_id for list_id, _ in targets],
        None,
        None,
        [list_id for list_id, definition in targets if definition.discreet],
        now,
        correction,
        concern,
    )
    tally = _Tally(Counter(), Counter(), Counter(), Counter())
    for route in rules.lists:
        mailed = counts.count_corrected(connection, rules, route, correction)
        for (language, step, time_zone), people in mailed.items():
            tally.zones[route.list_id, time_zone] += people
            tally.steps[step] += people
            tally.languages[language] += people
        for (reason, _), people in counts.count_not_mailed(connection, rules, route, {}).items():
            tally.not_mailed[reason] += people
    people = tally.steps.total() + tally.not_mailed.total()
    duplicates = counts.count_memberships(connection, rules) - people
    if duplicates:
        tally.not_mailed[SkipReason.DUPLICATE_ADDRESS] = duplicates
    return Coverage(
        first=tally.steps[LanguageStep.FIRST],
        later=tally.steps[LanguageStep.LATER],
        fallback=tally.steps[LanguageStep.FALLBACK],
        not_mailed={
            reason: tally.not_mailed[reason] for reason in SkipReason if tally.not_mailed[reason]
        },
        by_language=dict(sorted(tally.languages.items())),
        by_zone=dict(tally.zones),
    )
