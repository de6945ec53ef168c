"""What supporters choose by the links in their mails: pauses, urgent mails only, and all the rest.

In: the token of an unsubscribe or preferences link, exactly as it was sent to us, and a wish. Out:
what stands afterwards. A token that is not ours, and one of somebody who was erased, cost the same
reading of the database and have the same result.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from mailer.feedback.unsubscribe import log_lists, note_not_logged, person_of, write_missing
from mailer.store.engine import Store
from mailer.store.missing_lines import are_missing
from mailer.store.preferences import (
    Choices,
    Standing,
    pause,
    standing_of,
    want_only_urgent,
    write_choices,
)
from mailer.store.suppression_log import Mark, SuppressionLog
from mailer.tokens import Purpose, Tokens

PAUSE_MONTHS = 3
_MONTHS_A_YEAR = 12


class Easing(StrEnum):
    """What a person may want instead of leaving, and how it is taken back."""

    PAUSE = "pause"
    #: Ends the pause.
    RESUME = "resume"
    ONLY_URGENT = "only-urgent"
    #: Ends that.
    ALL_MAILS = "all-mails"


@dataclass(frozen=True)
class Saved:
    """What came of a form with choices."""

    standing: Standing
    #: Whether `suppressions.log` lacks nobody who left; else nobody is told yet that it is done.
    logged: bool = True


def pause_end(now: datetime) -> datetime:
    """Return when a pause that begins now is over: the same day of the month, or its last."""
    month = now.month - 1 + PAUSE_MONTHS
    year, month = now.year + month // _MONTHS_A_YEAR, month % _MONTHS_A_YEAR + 1
    return now.replace(year=year, month=month, day=min(now.day, monthrange(year, month)[1]))


def preferences_token(tokens: Tokens, unsubscribe_token: str) -> str:
    """Return the preferences token of whom an unsubscribe token is of; of one not ours, nobody's."""
    person, _ = person_of(tokens, Purpose.UNSUBSCRIBE, unsubscribe_token)
    return tokens.person(Purpose.PREFERENCES, person.delivery_id, person.supporter_id)


def ease_by_token(store: Store, tokens: Tokens, token: str, wish: Easing, now: datetime) -> bool:
    """Do less than unsubscribing, by the token of an unsubscribe link; tell if anything was written.

    Raises:
        StoreUnavailable: when it could not be put on record; nothing is changed then.
    """
    person, _ = person_of(tokens, Purpose.UNSUBSCRIBE, token)
    with store.read() as connection:
        # A stranger's token takes no lock that senders wait for.
        standing = standing_of(connection, person.supporter_id)
    if standing is None:
        return False
    with store.write() as connection:
        if wish in (Easing.PAUSE, Easing.RESUME):
            until = pause_end(now) if wish is Easing.PAUSE else None
            return pause(connection, standing.supporter_id, until, now)
        wanted = wish is Easing.ONLY_URGENT
        return want_only_urgent(connection, standing.supporter_id, now, wanted=wanted)


def preferences_of(store: Store, tokens: Tokens, token: str) -> Standing | None:
    """Return what stands for the person of a preferences token; None when there is nobody.

    Raises:
        StoreUnavailable: when the database does not answer.
    """
    person, _ = person_of(tokens, Purpose.PREFERENCES, token)
    with store.read() as connection:
        return standing_of(connection, person.supporter_id)


def save_preferences(
    store: Store,
    tokens: Tokens,
    token: str,
    choose: Callable[[Standing], Choices],
    now: datetime,
    log: SuppressionLog,
) -> Saved | None:
    """Put on record what the person of a preferences token chose; None when there is nobody.

    Lists are left as by unsubscribing: senders see it before their next DATA, and `log` has it on
    the disk before it is committed. Where the log cannot be written everything is put on record all
    the same, staff are alerted, and `logged` is false until the lines are written.

    Args:
        store: The database.
        tokens: Read the token.
        token: As it was sent to us.
        choose: Makes choices of what is on record; what it raises changes nothing.
        now: This instant.
        log: Keeps who left beside the database.

    Raises:
        StoreUnavailable: when it could not be put on record; nothing is changed then.
    """
    person, _ = person_of(tokens, Purpose.PREFERENCES, token)
    with store.read() as connection:
        lacking = are_missing(connection)
        standing = standing_of(connection, person.supporter_id)
    if standing is None:
        return None
    wanted = choose(standing)
    why = write_missing(store, log) if lacking else ""
    if wanted.leaves:
        why = why or log_lists(log, standing.scopes(wanted.leaves), Mark.BARRED, now)
    with store.write() as connection:
        left = write_choices(connection, standing, person.delivery_id, wanted, now)
        note_not_logged(connection, [left], why, now)
    # After the commit: a line that is lost here leaves the person off the list after a restore.
    log_lists(log, standing.scopes(wanted.returns), Mark.LIFTED, now)
    with store.read() as connection:
        after = standing_of(connection, person.supporter_id)
    return None if after is None else Saved(after, logged=not why)
