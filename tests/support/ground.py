"""Rows for tests of sending: people, a running mailing, and deliveries that are due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select

from mailer.model.audience import LanguageStep, MembershipState
from mailer.model.mailing import ComposedMail, Envelope
from mailer.model.statement import StatementKind
from mailer.model.states import DeliveryState, MailingState
from mailer.store import tables
from mailer.store.engine import take_ids
from tests.support.tallies import recount

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class PlainComposer:
    """Composes a mail of a few lines: sending is what is tested, not composing."""

    body: bytes = b"hello\r\n"
    is_slow: bool = False

    def compose(self, outgoing, now):  # noqa: D102  (The protocol says it.)
        head = (
            f"To: {outgoing.address}\r\nMessage-ID: <{outgoing.delivery_id}@x.example.org>\r\n\r\n"
        )
        return ComposedMail.whole(
            Envelope(f"b+{outgoing.delivery_id}@bounces.example.org", outgoing.address),
            head.encode() + self.body,
        )


def lay_ground(store, seal_keys, service_keys, addresses):
    """Write a running mailing with one due delivery per address; return its row id and list id."""
    with store.write() as connection:
        organisation = connection.execute(
            tables.organisation.insert().values(key="harbor").returning(tables.organisation.c.id)
        ).scalar_one()
        list_id = connection.execute(
            tables.mailing_list.insert()
            .values(key="news", organisation_id=organisation, definition={}, updated_at=LONG_AGO)
            .returning(tables.mailing_list.c.id)
        ).scalar_one()
        profile = connection.execute(
            tables.language_profile.insert()
            .values(languages="en", never="")
            .returning(tables.language_profile.c.id)
        ).scalar_one()
        statement = connection.execute(
            tables.statement.insert()
            .values(slug="s", kind=StatementKind.STATEMENT, created_at=LONG_AGO)
            .returning(tables.statement.c.id)
        ).scalar_one()
        revision = connection.execute(
            tables.revision.insert()
            .values(
                statement_id=statement, number=1, digest="a" * 64, document={}, loaded_at=LONG_AGO
            )
            .returning(tables.revision.c.id)
        ).scalar_one()
        design = connection.execute(
            tables.design.insert()
            .values(digest="b" * 64, kind="statement", document={}, created_at=LONG_AGO)
            .returning(tables.design.c.id)
        ).scalar_one()
        mailing = connection.execute(
            tables.mailing.insert()
            .values(
                key="s-1", statement_id=statement, number=1, revision_id=revision, design_id=design,
                sender={}, state=MailingState.RUNNING, due_at=LONG_AGO, time_zone="UTC",
                grace_s=60, confirmed_count=len(addresses), digest="c" * 64, created_at=LONG_AGO,
            )
            .returning(tables.mailing.c.id)
        ).scalar_one()  # fmt: skip
        connection.execute(
            tables.mailing_target.insert().values(
                mailing_id=mailing, position=0, list_id=list_id, definition={}
            )
        )
        first = take_ids(connection, "supporter", len(addresses))
        people = [
            (first + number, address, service_keys.address_digest(address))
            for number, address in enumerate(addresses)
        ]
        _write_people(connection, seal_keys, people, organisation, profile, list_id)
        connection.execute(
            tables.delivery.insert(),
            [
                {
                    "mailing_id": mailing, "address_digest": digest, "supporter_id": supporter_id,
                    "list_id": list_id, "language": "en", "step": LanguageStep.FIRST,
                    "state": DeliveryState.DUE, "next_attempt_at": LONG_AGO,
                }
                for supporter_id, _, digest in people
            ],
        )  # fmt: skip
        columns = (tables.delivery.c.id, tables.delivery.c.list_id, tables.delivery.c.supporter_id)
        connection.execute(
            tables.delivery_list.insert().from_select(
                ["delivery_id", "list_id", "supporter_id"],
                select(*columns).where(tables.delivery.c.mailing_id == mailing),
            )
        )
        recount(connection)
    return mailing, list_id


def _write_people(connection, seal_keys, people, organisation, profile, list_id):
    """Write supporters, all on one list: id, address, digest of each."""
    connection.execute(
        tables.supporter.insert(),
        [
            {
                "id": supporter_id, "organisation_id": organisation, "address_digest": digest,
                "address_sealed": seal_keys.seal(
                    address, "supporter", "address_sealed", supporter_id
                ),
                "fields_sealed": seal_keys.seal("{}", "supporter", "fields_sealed", supporter_id),
                "profile_id": profile, "domain_digest": b"d" * 16,
                "needs_smtputf8": not address.isascii(), "created_at": LONG_AGO,
                "updated_at": LONG_AGO,
            }
            for supporter_id, address, digest in people
        ],
    )  # fmt: skip
    connection.execute(
        tables.membership.insert(),
        [
            {
                "list_id": list_id, "supporter_id": supporter_id,
                "state": MembershipState.SUBSCRIBED, "consent_basis": "consent",
                "added_at": LONG_AGO,
            }
            for supporter_id, _, _ in people
        ],
    )  # fmt: skip
