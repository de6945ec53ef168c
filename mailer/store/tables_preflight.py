"""Tables of what preflight asked others: the DNS about senders, web servers about links.

In: nothing. Out: tables in the same `metadata` as all others. Only what stands in statements for
everybody is kept, never an address with a person's token.
"""

from __future__ import annotations

from sqlalchemy import Column, Integer, LargeBinary, String, Table, Text

from mailer.model.links import LinkAnswer
from mailer.store.tables import metadata
from mailer.store.types import Document, Enum, Instant

#: The last look at the domains of each sender.
domain_look = Table(
    "domain_look",
    metadata,
    Column("sender", String(80), primary_key=True),
    Column("looked_at", Instant, nullable=False),
    #: Over the domains it is about; one whose domains changed since says nothing.
    Column("about", String(64), nullable=False),
    #: Findings, as `mailer.store.looks` writes them.
    Column("findings", Document, nullable=False),
)

#: The last look at each link.
link_look = Table(
    "link_look",
    metadata,
    #: SHA-256 of the address, which is too long for a key.
    Column("digest", LargeBinary(32), primary_key=True),
    Column("address", Text, nullable=False),
    Column("looked_at", Instant, nullable=False),
    Column("answer", Enum(LinkAnswer), nullable=False),
    Column("status", Integer, nullable=False, server_default="0"),
    Column("leads_to", Text, nullable=False, server_default=""),
)
