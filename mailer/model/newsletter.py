"""A newsletter: how often an issue of it is drafted, for whom, and the words around its items.

In: nothing. Out: frozen dataclasses, standard library only. An issue itself is a `Revision` of kind
newsletter with items; what an item is stands in `mailer.model.statement`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from mailer.model.statement import Edition, StatementKind

#: What titles, subjects and preheaders of a newsletter may hold, filled in for each issue.
DATE_MARK = "{date}"
NUMBER_MARK = "{number}"


@dataclass(frozen=True)
class Newsletter:
    """What the files of a newsletter say: immutable once loaded."""

    slug: str
    #: Five fields as in a crontab: minute, hour, day of the month, month, day of the week.
    cron: str
    #: IANA name of the zone that `cron` is read in.
    time_zone: str
    source_language: str
    #: Keys of the lists an issue goes to, in order.
    lists: tuple[str, ...]
    #: Key of the sender; "" takes the lists' own.
    sender: str
    #: Segment expression or its key; "" for everyone.
    segment: str
    #: Exclusion expression or its key; "" for nobody.
    exclude: str
    #: Statements of these kinds become items.
    kinds: tuple[StatementKind, ...]
    #: Statements loaded before this day are no items; None for all there are.
    since: date | None
    #: Language → title, subject and preheader with their marks, and the words before the items;
    #: source first, then by tag.
    intros: Mapping[str, Edition]


@dataclass(frozen=True)
class StoredNewsletter:
    """A newsletter as the database has it."""

    row_id: int
    newsletter: Newsletter
    #: Hours of its cron expression that lie before this are not made up for.
    active_from: datetime
    #: Nobody drafts it any more; None while it goes on.
    stopped_at: datetime | None
    #: Moves with every issue made, every hour gone by empty and every loading: who makes an issue
    #: says which turn they saw, and is refused when it has moved on.
    turn: int


@dataclass(frozen=True)
class Issue:
    """One issue that was made, or an hour at which there was nothing to make one of."""

    #: Counted from 1; 0 where there was nothing new.
    number: int
    #: The hour it was made for; None when a person asked for it.
    occurrence_at: datetime | None
    made_at: datetime
    #: Key of its mailing; "" where there was nothing new.
    mailing: str
    #: How many items it has.
    items: int
