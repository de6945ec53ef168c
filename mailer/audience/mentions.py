"""See that the statements an expression asks about are known, and what became of them still is.

In: the statements that an expression names, and where. Out: faults that point at them. A statement
nobody knows, or whose deliveries were deleted, would answer "no" for everybody without a word.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from mailer.audience.segments import Mention
from mailer.events import scrub
from mailer.model.faults import Fault
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
            problem = f'no statement "{scrub(mention.slug)}" has been loaded'
            faults.append(mention.fault(problem, _nearest(mention.slug, known)))
        elif mention.slug in gone:
            one = gone[mention.slug]
            faults.append(
                mention.fault(
                    f"the deliveries of {one.key} were deleted on {one.at:%Y-%m-%d}: "
                    f'who received "{one.slug}" is not known any more',
                    "Ask about another statement, or leave this out",
                )
            )
    return faults


def _nearest(slug: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(slug, known, n=1)
    hint = f'Did you mean "{near[0]}"? ' if near else ""
    listed = ", ".join(known[:_LISTED]) + (", …" if len(known) > _LISTED else "")
    return f"{hint}There are: {listed or 'none yet'}"
