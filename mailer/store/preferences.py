"""What a supporter chose for themselves: read as it stands, and written in one transaction.

In: a supporter's id. Out: a `Standing`, which names nobody, and the rows changed. Everything is of
one organisation's row of the person. Nothing here opens a sealed value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, or_, select, update

from mailer.model.audience import (
    LanguageProfile,
    ListDefinition,
    MembershipState,
    UnsubscriptionSource,
)
from mailer.store.audience import is_live, list_from_document, profile_from_text, profile_id
from mailer.store.leaving import Leaver, LeftLists, ListScope, leave_some
from mailer.store.ordering import Ids, keep_ids_in_order
from mailer.store.supporters import merged_into
from mailer.store.suppressions import is_barred
from mailer.store.tables import (
    language_profile,
    mailing_list,
    membership,
    membership_topic,
    supporter,
)
from mailer.store.topics import choose_topics


@dataclass(frozen=True)
class ListStanding:
    """A list that a person is on, or left by their own wish and can come back to."""

    list_id: int
    definition: ListDefinition
    is_on: bool
    #: Keys of the topics they chose; none stands for all.
    topics: frozenset[str]


@dataclass(frozen=True)
class Standing:
    """What is on record of a person's choices."""

    supporter_id: int
    address_digest: bytes
    profile: LanguageProfile
    #: IANA name; "" when unknown.
    time_zone: str
    text_only: bool
    only_urgent: bool
    paused_until: datetime | None
    lists: tuple[ListStanding, ...]
    #: A suppression stands: no mail goes out whatever was chosen.
    is_barred: bool

    def scopes(self, list_ids: frozenset[int]) -> tuple[ListScope, ...]:
        """Return lists of this person as `suppressions.log` keeps them."""
        return tuple(
            ListScope(self.address_digest, one.definition.owner, one.definition.key)
            for one in self.lists
            if one.list_id in list_ids
        )


@dataclass(frozen=True)
class Choices:
    """What a person wants to stand on record."""

    profile: LanguageProfile
    time_zone: str
    text_only: bool
    only_urgent: bool
    paused_until: datetime | None
    #: Row ids of lists to leave, and of lists to come back to.
    leaves: frozenset[int] = frozenset()
    returns: frozenset[int] = frozenset()
    #: Row id of a list → the topics chosen there; a list that is not named keeps its own.
    topics: Mapping[int, frozenset[str]] = field(default_factory=dict)


def standing_of(connection: Connection, supporter_id: int) -> Standing | None:
    """Return what is on record of a person's choices; None when the person is not, or no more.

    Of a row that became part of another one of the person, it is what that one says.
    """
    supporter_id = merged_into(connection, [supporter_id]).get(supporter_id, supporter_id)
    row = connection.execute(
        select(supporter, language_profile.c.languages, language_profile.c.never)
        .join(language_profile, language_profile.c.id == supporter.c.profile_id)
        .where(supporter.c.id == supporter_id)
    ).one_or_none()
    if row is None:
        return None
    return Standing(
        supporter_id=row.id,
        address_digest=row.address_digest,
        profile=profile_from_text(row.languages, row.never),
        time_zone=row.time_zone,
        text_only=row.text_only,
        only_urgent=row.only_urgent,
        paused_until=row.paused_until,
        lists=_lists(connection, supporter_id),
        is_barred=is_barred(connection, row.address_digest, row.organisation_id),
    )


def _lists(connection: Connection, supporter_id: int) -> tuple[ListStanding, ...]:
    topics: dict[int, set[str]] = {}
    for row in connection.execute(
        select(membership_topic).where(membership_topic.c.supporter_id == supporter_id)
    ):
        topics.setdefault(row.list_id, set()).add(row.topic)
    rows = connection.execute(
        select(membership.c.list_id, membership.c.state, mailing_list.c.definition)
        .join(mailing_list, mailing_list.c.id == membership.c.list_id)
        .where(membership.c.supporter_id == supporter_id, _is_theirs())
        .order_by(mailing_list.c.key)
    )
    return tuple(
        ListStanding(
            row.list_id,
            list_from_document(row.definition),
            row.state is MembershipState.SUBSCRIBED,
            frozenset(topics.get(row.list_id, ())),
        )
        for row in rows
    )


def _is_theirs() -> ColumnElement[bool]:
    """Return the condition on memberships that a person can decide about.

    Without a consent on record there is no coming back: nobody could say why they are mailed.
    """
    left = membership.c.state == MembershipState.LEFT
    return or_(is_live(membership), left & (membership.c.consent_basis != ""))


def pause(connection: Connection, supporter_id: int, until: datetime | None, now: datetime) -> bool:
    """Let no mailing reach a person until then, or end that; tell if they are on record."""
    return _set(connection, supporter_id, now, paused_until=until)


def want_only_urgent(
    connection: Connection, supporter_id: int, now: datetime, *, wanted: bool
) -> bool:
    """Let only urgent mailings reach a person, or all; tell if they are on record."""
    return _set(connection, supporter_id, now, only_urgent=wanted)


def _set(connection: Connection, supporter_id: int, now: datetime, **values: object) -> bool:
    changed = connection.execute(
        update(supporter).where(supporter.c.id == supporter_id).values(**values, updated_at=now)
    )
    return bool(changed.rowcount)


def write_choices(
    connection: Connection, standing: Standing, delivery_id: int, wanted: Choices, now: datetime
) -> LeftLists | None:
    """Write what a person chose; return what they left, None when no list.

    Args:
        connection: A connection in a transaction that writes.
        standing: What was on record when they chose.
        delivery_id: Of the mail whose link they used, for what they left.
        wanted: What is to stand.
        now: This instant.
    """
    if wanted.leaves:
        keep_ids_in_order(connection, Ids.UNSUBSCRIPTIONS)
    who = supporter.c.id == standing.supporter_id
    # Locked first, so that an erasure that is under way is waited for, and nothing is written then.
    if connection.execute(select(supporter.c.id).where(who).with_for_update()).first() is None:
        return None
    as_before = (wanted.profile, wanted.time_zone) == (standing.profile, standing.time_zone)
    connection.execute(
        update(supporter)
        .where(who)
        .values(
            **({} if as_before else {"chosen_at": now}),
            profile_id=profile_id(connection, wanted.profile),
            time_zone=wanted.time_zone,
            text_only=wanted.text_only,
            only_urgent=wanted.only_urgent,
            paused_until=wanted.paused_until,
            updated_at=now,
        )
    )
    for list_id, topics in wanted.topics.items():
        choose_topics(connection, list_id, {standing.supporter_id: topics})
    connection.execute(
        update(membership)
        .where(
            membership.c.supporter_id == standing.supporter_id,
            membership.c.list_id.in_(wanted.returns),
            membership.c.state == MembershipState.LEFT,
            membership.c.consent_basis != "",
        )
        .values(state=MembershipState.SUBSCRIBED, left_at=None)
    )
    leaver = Leaver(delivery_id, standing.supporter_id, UnsubscriptionSource.PREFERENCES)
    return leave_some(connection, leaver, wanted.leaves, now)
