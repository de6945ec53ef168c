"""Small worlds of people, lists and suppressions, and what ought to become of a mailing to them.

`World.write` puts one into a database; `expected` says by plain Python, without SQL, which delivery
each address ought to get. The two are compared in tests of freezing and coverage.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, select

from mailer.model.audience import (
    Attribute,
    AttributeType,
    LanguageProfile,
    ListDefinition,
    MembershipState,
    SuppressionReason,
)
from mailer.model.mailing import NO_CONCERN, Sender
from mailer.model.statement import StatementKind
from mailer.model.states import DeliveryState, MailingState, SkipReason
from mailer.statements.languages import choose_edition
from mailer.store import tables
from mailer.store.audience import profile_id, sync_lists
from mailer.store.mailings import NewMailing, change_state, create_mailing

NOW = datetime(2026, 12, 1, 7, tzinfo=UTC)
EDITIONS = ("en", "ru")
SENDER = Sender(
    "a", "a", {"en": "A"}, "news@a.example.org", "", "https://a.example.org", "b.a.example.org"
)
CITY = Attribute("city", AttributeType.TEXT, clear=True)
HOURS = Attribute("hours", AttributeType.NUMBER, clear=True)
SINCE = Attribute("since", AttributeType.DATE, clear=True)
MEMBER = Attribute("member", AttributeType.BOOLEAN, clear=True)
ATTRIBUTES = {one.name: one for one in (CITY, HOURS, SINCE, MEMBER)}


def a_list(key, owner, *, languages=("en",), discreet=False):
    """A list's definition with nothing special about it."""
    return ListDefinition(
        key, {"en": key}, owner, owner, f"{key}.example.org", "consent", tuple(languages),
        "Europe/Chisinau", discreet=discreet, attributes=ATTRIBUTES,
    )  # fmt: skip


def resolve(profile, definition):
    """Choose as the program does, for a statement in English and Russian."""
    return choose_edition(profile, EDITIONS, "en", definition.languages)


@dataclass(frozen=True)
class OnList:
    """A membership."""

    state: MembershipState = MembershipState.SUBSCRIBED
    basis: str = "consent"
    #: Brought by an import that has not ended.
    staged: bool = False

    @property
    def live(self):
        """Whether the person is on the list."""
        return self.state is MembershipState.SUBSCRIBED and not self.staged


@dataclass(frozen=True)
class Row:
    """A person as one organisation knows them."""

    organisation: str
    memberships: dict[str, OnList]
    languages: tuple[str, ...] = ("en",)
    never: tuple[str, ...] = ()
    country: str = ""
    tags: tuple[str, ...] = ()
    joined: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    paused: bool = False
    discreet: bool = False
    only_urgent: bool = False
    #: Key of a list → topics of it that they chose.
    topics: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class World:
    """Everything a mailing is frozen from."""

    lists: tuple[ListDefinition, ...]
    #: Number of the address → the rows organisations have for it, one each at most.
    people: dict[int, tuple[Row, ...]]
    #: (number of the address, "all" or an organisation's key).
    suppressed: frozenset[tuple[int, str]] = frozenset()

    def write(self, store):
        """Put it into a database; return the ids of lists by key and of rows by (address, owner)."""
        with store.write() as connection:
            list_ids = sync_lists(connection, self.lists, NOW)
            owners = dict(
                connection.execute(
                    select(tables.organisation.c.key, tables.organisation.c.id)
                ).all()
            )
            batch = connection.execute(
                tables.import_batch.insert()
                .values(list_id=list_ids[self.lists[0].key], started_at=NOW)
                .returning(tables.import_batch.c.id)
            ).scalar_one()
            row_ids = {}
            for number, rows in self.people.items():
                for row in rows:
                    row_id = len(row_ids) + 1
                    row_ids[number, row.organisation] = row_id
                    _write_row(connection, row_id, number, row, owners, list_ids, batch)
            for number, scope in self.suppressed:
                connection.execute(
                    tables.suppression.insert().values(
                        address_digest=digest(number),
                        scope=scope if scope == "all" else f"organisation:{owners[scope]}",
                        reason=SuppressionReason.MANUAL,
                        source="test",
                        since=NOW,
                    )
                )
        return list_ids, row_ids


def digest(number):
    """The digest of the address of that number."""
    return number.to_bytes(16, "big")


def _write_row(connection, row_id, number, row, owners, list_ids, batch):
    profile = LanguageProfile(row.languages, tuple(sorted(row.never)))
    joined = datetime.fromisoformat(row.joined).replace(tzinfo=UTC) if row.joined else None
    connection.execute(
        tables.supporter.insert().values(
            id=row_id,
            organisation_id=owners[row.organisation],
            address_digest=digest(number),
            address_sealed=b"",
            fields_sealed=b"",
            profile_id=profile_id(connection, profile),
            country=row.country,
            joined_at=joined,
            domain_digest=b"",
            discreet=row.discreet,
            only_urgent=row.only_urgent,
            paused_until=NOW + timedelta(days=1) if row.paused else NOW - timedelta(days=1),
            created_at=NOW,
            updated_at=NOW,
        )
    )
    for tag in row.tags:
        connection.execute(tables.supporter_tag.insert().values(supporter_id=row_id, tag=tag))
    for name, text in row.attributes.items():
        connection.execute(
            tables.supporter_attribute.insert().values(
                supporter_id=row_id, name=name, **_columns(ATTRIBUTES[name], text)
            )
        )
    for key, chosen in row.topics.items():
        for topic in chosen:
            connection.execute(
                tables.membership_topic.insert().values(
                    list_id=list_ids[key], supporter_id=row_id, topic=topic
                )
            )
    for key, member in row.memberships.items():
        connection.execute(
            tables.membership.insert().values(
                list_id=list_ids[key],
                supporter_id=row_id,
                state=member.state,
                consent_basis=member.basis,
                added_at=NOW,
                batch_id=batch if member.staged else None,
            )
        )


def _columns(attribute, text):
    kind = attribute.type
    if kind is AttributeType.NUMBER:
        return {"number_value": float(text)}
    if kind is AttributeType.DATE:
        return {"date_value": text}
    if kind is AttributeType.BOOLEAN:
        return {"boolean_value": text == "yes"}
    return {"text_value": text}


def write_mailing(
    store,
    definitions,
    list_ids,
    *,
    segment="",
    exclude="",
    confirmed=10,
    slug="s",
    range_members=5000,
    concern=NO_CONCERN,
):
    """Write a freezing mailing to these lists, in this order; return its row id."""
    with store.write() as connection:
        statement = connection.execute(
            tables.statement.insert()
            .values(slug=slug, kind=StatementKind.STATEMENT, created_at=NOW)
            .returning(tables.statement.c.id)
        ).scalar_one()
        revision = connection.execute(
            tables.revision.insert()
            .values(statement_id=statement, number=1, digest="a" * 64, document={}, loaded_at=NOW)
            .returning(tables.revision.c.id)
        ).scalar_one()
        design = connection.execute(
            tables.design.insert()
            .values(digest=slug.ljust(64, "b"), kind="statement", document={}, created_at=NOW)
            .returning(tables.design.c.id)
        ).scalar_one()
        new = NewMailing(
            statement_id=statement, slug=slug, revision_id=revision, revision_digest="a" * 64,
            design_id=design, design_digest="b" * 64, sender=SENDER,
            lists=[(list_ids[one.key], one) for one in definitions], segment=segment,
            exclude=exclude, due_at=NOW, time_zone="UTC", grace_s=60, confirmed_count=confirmed,
            concern=concern,
        )  # fmt: skip
        made = create_mailing(connection, new, NOW)
        change_state(
            connection, made.row_id, MailingState.SCHEDULED, MailingState.FREEZING,
            freeze_members=range_members,
        )  # fmt: skip
    return made.row_id


@dataclass(frozen=True)
class Expected:
    """The delivery an address ought to have."""

    supporter_id: int
    list_key: str
    state: DeliveryState
    reason: SkipReason | None
    language: str | None
    step: object
    wanted: str | None
    lists: frozenset[str]


def expected(world, row_ids, targets, *, is_meant=None, is_excluded=None, concern=NO_CONCERN):
    """Return the delivery each address ought to get, by its number; those on no list have none."""
    deliveries = {}
    for number, rows in world.people.items():
        routes = [
            (one, row, row.memberships[one.key])
            for one in targets
            for row in rows
            if row.organisation == one.owner and one.key in row.memberships
        ]
        routes = [route for route in routes if route[2].live]
        if not routes:
            continue
        outcomes = [
            (one, row, *_outcome(world, number, rows, one, row, member, targets,
                                 is_meant, is_excluded, concern))
            for one, row, member in routes
        ]  # fmt: skip
        mailed = [outcome for outcome in outcomes if outcome[2] is None]
        one, row, reason, choice = (mailed or outcomes)[0]
        due = reason is None
        deliveries[number] = Expected(
            supporter_id=row_ids[number, row.organisation],
            list_key=one.key,
            state=DeliveryState.DUE if due else DeliveryState.SKIPPED,
            reason=reason,
            language=choice.language if due else None,
            step=choice.step if due else None,
            wanted=choice.wanted if due and choice.notice else None,
            lists=frozenset(route[0].key for route in routes),
        )
    return deliveries


def _outcome(world, number, rows, one, row, member, targets, is_meant, is_excluded, concern):
    never = tuple(sorted({tag for other in rows for tag in other.never}))
    choice = resolve(LanguageProfile(row.languages, never), one)
    discreet_lists = {definition.key for definition in world.lists if definition.discreet}
    on_targets = [
        other
        for other in rows
        if any(
            target.key in other.memberships and other.memberships[target.key].live
            for target in targets
        )
    ]
    chosen = row.topics.get(one.key, ())
    checks = (
        (SkipReason.SUPPRESSED,
         (number, "all") in world.suppressed or (number, one.owner) in world.suppressed),
        (SkipReason.NO_CONSENT, not member.basis),
        (SkipReason.EXCLUDED,
         (is_meant is not None and not is_meant(row))
         or (is_excluded is not None and any(is_excluded(other) for other in on_targets))),
        (SkipReason.SUPPORTER_PAUSED, any(other.paused for other in rows)),
        (SkipReason.ONLY_URGENT,
         not concern.urgent and any(other.only_urgent for other in rows)),
        (SkipReason.DISCREET_NOT_READY,
         any(other.discreet or discreet_lists & set(other.memberships) for other in rows)),
        (SkipReason.TOPIC_NOT_CHOSEN,
         bool(concern.topics and chosen) and not set(concern.topics) & set(chosen)),
        (SkipReason.NO_ACCEPTABLE_EDITION, choice.language is None),
    )  # fmt: skip
    return next((reason for reason, holds in checks if holds), None), choice


def frozen(store, mailing_id):
    """Return the deliveries a database has for a mailing, by the number of the address."""
    with store.read() as connection:
        keys = dict(
            connection.execute(select(tables.mailing_list.c.id, tables.mailing_list.c.key)).all()
        )
        came = {}
        for row in connection.execute(select(tables.delivery_list)):
            came.setdefault(row.delivery_id, set()).add(keys[row.list_id])
        return {
            int.from_bytes(row.address_digest, "big"): Expected(
                row.supporter_id, keys[row.list_id], row.state, row.skip_reason, row.language,
                row.step, row.wanted, frozenset(came.get(row.id, ())),
            )
            for row in connection.execute(
                select(tables.delivery).where(tables.delivery.c.mailing_id == mailing_id)
            )
        }  # fmt: skip


def wipe(store):
    """Empty every table, so that the next world stands alone."""
    with store.write() as connection:
        for table in reversed(tables.metadata.sorted_tables):
            connection.execute(delete(table))
