"""People on lists and what was sent to them, written straight into the tables."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, select

from mailer.model.audience import LanguageProfile, ListDefinition, MembershipState
from mailer.model.states import DeliveryState, MailingState
from mailer.store.audience import list_to_document, profile_id, sync_lists
from mailer.store.engine import Store, take_ids
from mailer.store.tables import (
    delivery,
    delivery_list,
    design,
    mailing,
    mailing_target,
    membership,
    revision,
    statement,
    supporter,
    unsubscription,
    unsubscription_list,
)
from tests.support.tallies import recount

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)


class SetClock:
    """A clock that stands where it is put; its monotonic seconds are real."""

    def __init__(self, now: datetime = NOON) -> None:
        self._now = now

    def now(self) -> datetime:
        """Return the instant it was put to."""
        return self._now

    def monotonic(self) -> float:
        """Return real seconds."""
        import time

        return time.monotonic()

    def put(self, now: datetime) -> None:
        """Put it to an instant."""
        self._now = now

    def forward(self, **parts: float) -> None:
        """Move it on, by the arguments of `timedelta`."""
        self._now += timedelta(**parts)


def define_list(key: str, owner: str, languages: tuple[str, ...] = ()) -> ListDefinition:
    """Return a list's definition with nothing special about it."""
    return ListDefinition(
        key=key,
        name={"en": key.title()},
        owner=owner,
        sender=owner,
        list_id=f"{key}.{owner}.example.org",
        consent_basis="consent",
        languages=languages,
        time_zone="UTC",
    )


@dataclass
class Subscriptions:
    """Makes rows; ids are what the database gave."""

    store: Store
    #: List key → row id.
    lists: dict[str, int] = field(default_factory=dict)
    #: List key → organisation key.
    owners: dict[str, str] = field(default_factory=dict)

    def add_list(self, key: str, owner: str) -> int:
        """Add a list of an organisation."""
        with self.store.write() as connection:
            self.lists |= sync_lists(connection, [define_list(key, owner)], NOON)
        self.owners[key] = owner
        return self.lists[key]

    def add_supporter(self, person: str, *keys: str) -> int:
        """Add a person to lists of one organisation; return the supporter's id."""
        from mailer.store.audience import owner_of

        digest = hashlib.sha256(person.encode()).digest()[:16]
        with self.store.write() as connection:
            supporter_id = take_ids(connection, "supporter", 1)
            connection.execute(
                supporter.insert().values(
                    id=supporter_id,
                    organisation_id=owner_of(connection, self.lists[keys[0]]),
                    address_digest=digest,
                    address_sealed=b"sealed",
                    fields_sealed=b"sealed",
                    profile_id=profile_id(connection, LanguageProfile(("en",), ())),
                    domain_digest=digest,
                    created_at=NOON,
                    updated_at=NOON,
                )
            )
            for key in keys:
                connection.execute(
                    membership.insert().values(
                        list_id=self.lists[key],
                        supporter_id=supporter_id,
                        state=MembershipState.SUBSCRIBED,
                        consent_basis="consent",
                        added_at=NOON,
                    )
                )
        return supporter_id

    def add_mailing(self, slug: str = "a-statement") -> int:
        """Add a running mailing of a statement with one revision."""
        with self.store.write() as connection:
            known = connection.execute(
                select(statement.c.id).where(statement.c.slug == slug)
            ).scalar_one_or_none()
            statement_id = (
                known
                or connection.execute(
                    statement.insert()
                    .values(slug=slug, kind="statement", created_at=NOON)
                    .returning(statement.c.id)
                ).scalar_one()
            )
            number = 1 + len(
                connection.execute(
                    select(mailing.c.id).where(mailing.c.statement_id == statement_id)
                ).all()
            )
            revision_id = connection.execute(
                revision.insert()
                .values(
                    statement_id=statement_id,
                    number=number,
                    digest=f"{number:064}",
                    document={},
                    loaded_at=NOON,
                )
                .returning(revision.c.id)
            ).scalar_one()
        return self.start_mailing(slug, statement_id, revision_id, number, NOON)

    def start_mailing(
        self,
        slug: str,
        statement_id: int,
        revision_id: int,
        number: int,
        started_at: datetime | None,
        targets: tuple[ListDefinition, ...] = (),
    ) -> int:
        """Add a mailing of a revision; it is still to start when `started_at` is None."""
        with self.store.write() as connection:
            ids = sync_lists(connection, targets, NOON)
            design_digest = f"{slug}-{number}".rjust(64)
            design_id = connection.execute(
                design.insert()
                .values(digest=design_digest, kind="statement", document={}, created_at=NOON)
                .returning(design.c.id)
            ).scalar_one()
            mailing_id = connection.execute(
                mailing.insert()
                .values(
                    key=f"{slug}-{number}",
                    statement_id=statement_id,
                    number=number,
                    revision_id=revision_id,
                    design_id=design_id,
                    sender={},
                    state=MailingState.RUNNING if started_at else MailingState.SCHEDULED,
                    due_at=NOON,
                    time_zone="UTC",
                    grace_s=3600,
                    confirmed_count=1,
                    digest="",
                    created_at=NOON,
                    started_at=started_at,
                )
                .returning(mailing.c.id)
            ).scalar_one()
            for position, definition in enumerate(targets):
                connection.execute(
                    mailing_target.insert().values(
                        mailing_id=mailing_id,
                        position=position,
                        list_id=ids[definition.key],
                        definition=list_to_document(definition),
                    )
                )
        return int(mailing_id)

    def add_delivery(self, mailing_id: int, *routes: tuple[str, int]) -> int:
        """Add a delivery that came through (list's key, supporter's id); the first is merged."""
        with self.store.write() as connection:
            digest = connection.execute(
                select(supporter.c.address_digest).where(supporter.c.id == routes[0][1])
            ).scalar_one()
            delivery_id = connection.execute(
                delivery.insert()
                .values(
                    mailing_id=mailing_id,
                    address_digest=digest,
                    supporter_id=routes[0][1],
                    list_id=self.lists[routes[0][0]],
                    state=DeliveryState.ACCEPTED,
                )
                .returning(delivery.c.id)
            ).scalar_one()
            connection.execute(
                delivery_list.insert(),
                [
                    {
                        "delivery_id": delivery_id,
                        "list_id": self.lists[key],
                        "supporter_id": supporter_id,
                    }
                    for key, supporter_id in routes
                ],
            )
            recount(connection)
        return int(delivery_id)

    def forget_delivery(self, delivery_id: int) -> None:
        """Clear a delivery away, as retention does."""
        with self.store.write() as connection:
            connection.execute(
                delete(delivery_list).where(delivery_list.c.delivery_id == delivery_id)
            )
            connection.execute(delete(delivery).where(delivery.c.id == delivery_id))

    def on(self, supporter_id: int) -> set[str]:
        """Return the keys of the lists a supporter is on."""
        names = {row_id: key for key, row_id in self.lists.items()}
        with self.store.read() as connection:
            rows = connection.execute(
                select(membership.c.list_id).where(
                    membership.c.supporter_id == supporter_id,
                    membership.c.state == MembershipState.SUBSCRIBED,
                )
            ).scalars()
            return {names[row_id] for row_id in rows}

    def unsubscriptions(
        self, delivery_id: int | None = None
    ) -> list[tuple[str, bool, set[tuple[int, int]]]]:
        """Return source, whether undone, and what was left, of each on record, or of a delivery."""
        query = select(unsubscription).order_by(unsubscription.c.id)
        if delivery_id is not None:
            query = query.where(unsubscription.c.delivery_id == delivery_id)
        with self.store.read() as connection:
            rows = connection.execute(query).all()
            return [
                (
                    row.source,
                    row.undone_at is not None,
                    {
                        (left.list_id, left.supporter_id)
                        for left in connection.execute(
                            select(unsubscription_list).where(
                                unsubscription_list.c.unsubscription_id == row.id
                            )
                        )
                    },
                )
                for row in rows
            ]
