"""Tables of figures that are kept where the rows they count are written.

In: `metadata`. Out: one `Table` each. Both are written by `mailer.store.tallies` alone. They name
mailings without a foreign key: checking one would lock the mailing's row, last of all locks.
"""

from __future__ import annotations

from sqlalchemy import Column, Integer, String, Table

from mailer.model.states import DeliveryState
from mailer.model.tallies import HourEvent
from mailer.store.tables import metadata
from mailer.store.types import Enum, Id

#: How many deliveries there are or were, by all that a report tells of them; kept as long as the
#: mailing. What is cleared away keeps its count.
delivery_tally = Table(
    "delivery_tally",
    metadata,
    Column("mailing_id", Id, primary_key=True, autoincrement=False),
    Column("list_id", Id, primary_key=True, autoincrement=False),
    #: "" where there was none, as with everything below.
    Column("language", String(40), primary_key=True),
    #: What is sending is counted as due: a claim changes no count.
    Column("state", Enum(DeliveryState), primary_key=True),
    Column("skip_reason", String(40), primary_key=True),
    #: Of refusals only.
    Column("code", Integer, primary_key=True, autoincrement=False),
    Column("enhanced_code", String(12), primary_key=True),
    Column("deliveries", Integer, nullable=False),
    sqlite_with_rowid=False,
)

#: What happened to a mailing in each hour.
hour_tally = Table(
    "hour_tally",
    metadata,
    Column("mailing_id", Id, primary_key=True, autoincrement=False),
    #: Hours since 1970, UTC.
    Column("hour", Integer, primary_key=True, autoincrement=False),
    Column("event", Enum(HourEvent), primary_key=True),
    Column("happened", Integer, nullable=False),
    sqlite_with_rowid=False,
)
