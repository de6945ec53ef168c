"""Tell what the rules of a mailing say of one person, as freezing would tell it of everybody.

In: the rules, and the digest of an address. Out: the person's places on the mailing's lists with why
each is no route, and the delivery that was made for them. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, and_, case, false, or_, select, tuple_

from mailer.model.audience import LanguageChoice, LanguageProfile
from mailer.model.states import DeliveryState, SkipReason
from mailer.store.audience import is_live, profile_from_text
from mailer.store.freezing import read_progress
from mailer.store.routes import Rules, reason_not_mailed
from mailer.store.tables import delivery, language_profile, membership, supporter


@dataclass(frozen=True)
class Place:
    """A person on one list of a mailing, by one of their rows."""

    list_id: int
    #: Of the list, in the order given.
    position: int
    supporter_id: int
    profile_id: int
    #: The languages of this row.
    profile: LanguageProfile
    #: Why this is no route; None when it is one.
    reason: SkipReason | None


def places_of(
    connection: Connection,
    rules: Rules,
    address_digest: bytes,
    without_edition: Collection[tuple[int, int]] = (),
) -> list[Place]:
    """Return where a person stands on the lists of a mailing.

    Args:
        connection: one that reads.
        rules: of the mailing.
        address_digest: of the person.
        without_edition: pairs of list and profile for which there is no edition.
    """
    positions = {one.list_id: one.position for one in rules.lists}
    if not positions:
        return []
    pairs = tuple_(membership.c.list_id, supporter.c.profile_id).in_(sorted(without_edition))
    no_edition = or_(false(), pairs) if without_edition else false()
    rows = connection.execute(
        select(
            membership.c.list_id,
            case(positions, value=membership.c.list_id).label("position"),
            supporter.c.id,
            supporter.c.profile_id,
            language_profile.c.languages,
            language_profile.c.never,
            reason_not_mailed(supporter, membership, rules, no_edition).label("reason"),
        )
        .select_from(supporter)
        .join(membership, membership.c.supporter_id == supporter.c.id)
        .join(language_profile, language_profile.c.id == supporter.c.profile_id)
        .where(
            supporter.c.address_digest == address_digest,
            membership.c.list_id.in_(list(positions)),
            is_live(membership),
        )
    )
    return [
        Place(
            row.list_id,
            row.position,
            row.id,
            row.profile_id,
            profile_from_text(row.languages, row.never),
            SkipReason(row.reason) if row.reason else None,
        )
        for row in rows
    ]


@dataclass(frozen=True)
class Made:
    """A delivery that was made for a person."""

    list_id: int
    supporter_id: int
    state: DeliveryState
    skip_reason: SkipReason | None
    #: Of a skipped one nobody knows any more.
    choice: LanguageChoice | None


def delivery_for(connection: Connection, mailing_id: int, address_digest: bytes) -> Made | None:
    """Return the delivery that a mailing has for a person; None where there is none."""
    row = connection.execute(
        select(delivery).where(
            and_(
                delivery.c.mailing_id == mailing_id,
                delivery.c.address_digest == address_digest,
            )
        )
    ).one_or_none()
    if row is None:
        return None
    choice = LanguageChoice(row.language, row.step, row.wanted) if row.language else None
    return Made(row.list_id, row.supporter_id, row.state, row.skip_reason, choice)


def is_fixed(connection: Connection, mailing_id: int) -> bool:
    """Tell whether the audience of a mailing is fixed: whoever has no delivery gets none."""
    return read_progress(connection, mailing_id, lock=False).frozen
