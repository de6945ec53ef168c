"""See that the statements an expression asks about are known, and what became of them still is.

In: the statements that an expression names, and where. Out: faults that point at them. A statement
nobody knows, or whose deliveries were deleted, would answer "no" for everybody without a word.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from mailer.audience.expressions import there_are
from mailer.audience.segments import Mention
from mailer.events import scrub
from mailer.model.faults import Fault
from mailer.model.worded import worded
from mailer.store.engine import Connection
from mailer.store.history import gone_deliveries, known_slugs

#: Slugs that a fault lists.
_LISTED = 10


def mention_faults(connection: Connection, mentions: Sequence[Mention]) -> list[Fault]:
    """Return a fault for each statement that is not known, or whose deliveries are gone.

    Args:
        connection: a connection in a transaction.
        mentions: as `read_expression` found them.
    """
    if not mentions:
        return []
    known = known_slugs(connection)
    asked = {one.slug for one in mentions}
    gone = {one.slug: one for one in gone_deliveries(connection, asked)}
    faults = []
    for mention in dict.fromkeys(mentions):
        if mention.slug not in known:
            problem = worded('no statement "%(slug)s" has been loaded', slug=scrub(mention.slug))
            faults.append(mention.fault(problem, _nearest(mention.slug, known)))
        elif mention.slug in gone:
            one = gone[mention.slug]
            faults.append(
                mention.fault(
                    worded(
                        'the deliveries of %(key)s were deleted on %(at)s: who received "%(slug)s" is not known any more',
                        key=one.key,
                        at=f"{one.at:%Y-%m-%d}",
                        slug=one.slug,
                    ),
                    "Ask about another statement, or leave this out",
                )
            )
    return faults


def _nearest(slug: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(slug, known, n=1)
    listed = ", ".join(known[:_LISTED]) + (", …" if len(known) > _LISTED else "")
    return there_are(listed or worded("none yet"), near)
