"""One person's own row: move it to another address, and what waits for that.

In: a supporter's id, digests, sealed values. Out: rows changed, in the caller's transaction. What
is sealed is opened and sealed by who holds the key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, delete, exists, func, select, update

from mailer.model.audience import LanguageProfile
from mailer.model.service import ServicePurpose
from mailer.model.states import MailingState
from mailer.store.audience import discreet_lists, profile_from_text, profile_id
from mailer.store.following import Place, lead_to
from mailer.store.forgetting import forget_mails_for, forget_notices
from mailer.store.supporters import (
    change_request,
    delete_rows,
    note_merged,
    notice_request,
    parts_of,
)
from mailer.store.tables import (
    address_change,
    mailing,
    membership,
    membership_topic,
    signup,
    supporter,
)

#: How long a new address waits until it is confirmed.
CHANGE_WINDOW = timedelta(hours=24)


@dataclass(frozen=True)
class AddressChange:
    """A new address that waits, still sealed."""

    change_id: int
    supporter_id: int
    address_digest: bytes
    address_sealed: bytes
    is_confirmed: bool


def write_change(connection: Connection, change: AddressChange, now: datetime) -> None:
    """Write a new address that waits for its confirmation."""
    connection.execute(
        address_change.insert().values(
            id=change.change_id,
            supporter_id=change.supporter_id,
            address_digest=change.address_digest,
            address_sealed=change.address_sealed,
            asked_at=now,
        )
    )


def changes_since(connection: Connection, supporter_id: int, since: datetime) -> int:
    """Count the new addresses that a person gave since, by rows too that became part of theirs."""
    ids = [supporter_id, *parts_of(connection, [supporter_id])]
    return connection.execute(
        select(func.count())
        .select_from(address_change)
        .where(address_change.c.supporter_id.in_(ids), address_change.c.asked_at > since)
    ).scalar_one()


_LATER = address_change.alias("later")
#: It waits, and another one of the person was confirmed since it was given.
_IS_VOID = and_(
    address_change.c.confirmed_at.is_(None),
    exists().where(
        _LATER.c.supporter_id == address_change.c.supporter_id,
        _LATER.c.confirmed_at > address_change.c.asked_at,
    ),
)


def find_change(
    connection: Connection,
    change_id: int,
    supporter_id: int,
    now: datetime,
    *,
    lock: bool = False,
) -> AddressChange | None:
    """Return a new address that may be confirmed or was; None when it is too old, or void."""
    query = select(address_change).where(
        address_change.c.id == change_id,
        address_change.c.supporter_id == supporter_id,
        address_change.c.asked_at > now - CHANGE_WINDOW,
        ~_IS_VOID,
    )
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        return None
    return AddressChange(
        row.id,
        row.supporter_id,
        row.address_digest,
        row.address_sealed,
        row.confirmed_at is not None,
    )


def close_change(connection: Connection, change: AddressChange, now: datetime) -> None:
    """Write that a new address was confirmed; any other that waits for the person is void by it."""
    # The others stay until they are old: they count towards what may be asked for in a day.
    connection.execute(
        update(address_change)
        .where(address_change.c.id == change.change_id)
        .values(confirmed_at=now)
    )


def forget_changes(connection: Connection, before: datetime, limit: int) -> int:
    """Delete new addresses that were given before, confirmed or not; return how many."""
    old = select(address_change.c.id, address_change.c.address_digest).where(
        address_change.c.asked_at < before
    )
    gone = {row.id: row.address_digest for row in connection.execute(old.limit(limit))}
    connection.execute(delete(address_change).where(address_change.c.id.in_(list(gone))))
    # The mail that asked holds the address as well.
    requests = {change_request(change_id): digest for change_id, digest in gone.items()}
    forget_mails_for(connection, ServicePurpose.ADDRESS_CHANGE, requests)
    forget_notices(connection, [notice_request(change_id) for change_id in gone])
    return len(gone)


def is_freezing(connection: Connection) -> bool:
    """Tell whether an audience is being frozen, range by range of address digests."""
    found = select(mailing.c.id).where(mailing.c.state == MailingState.FREEZING)
    return connection.execute(found.limit(1)).first() is not None


def known_as(connection: Connection, organisation_id: int, address_digest: bytes) -> int | None:
    """Return the id by which an organisation knows an address; None when it does not."""
    found = select(supporter.c.id).where(
        supporter.c.organisation_id == organisation_id,
        supporter.c.address_digest == address_digest,
    )
    return connection.execute(found).scalar_one_or_none()


def move_person(
    connection: Connection,
    person: Any,  # noqa: ANN401  (A row.)
    columns: Mapping[str, Any],
    now: datetime,
) -> None:
    """Give a person's row another address, and take their open deliveries along.

    A delivery is known by its address: one of a mailing that reaches the new address anyway is
    skipped as a duplicate. What has ended stays with the old address, and so does what is being
    sent unless it is tried again. What shields the person at the old address by another
    organisation's word shields them at the new one.

    Args:
        connection: A connection in a transaction that writes.
        person: As `row_of` returns it.
        columns: Of `supporter`, those that depend on the address.
        now: This instant.
    """
    place = Place(person.id, columns["address_digest"], columns["domain_class"])
    is_elsewhere = place.address_digest != person.address_digest
    known = asdict(_shields(connection, [person])) if is_elsewhere else {}
    connection.execute(
        update(supporter)
        .where(supporter.c.id == person.id)
        .values(**columns, **known, updated_at=now)
    )
    if is_elsewhere:
        lead_to(connection, person.id, person.address_digest, place, now)


@dataclass(frozen=True)
class _Shields:
    """What keeps mails from a person, or makes them other mails."""

    discreet: bool
    only_urgent: bool
    paused_until: datetime | None


def _shields(connection: Connection, rows: Sequence[Any]) -> _Shields:
    """Return what shields whoever is at the addresses of these rows, by any organisation's word."""
    digests = [one.address_digest for one in rows]
    known = connection.execute(
        select(supporter).where(supporter.c.address_digest.in_(digests))
    ).all()
    # As at freezing: having left a discreet list does not make a person less at risk. Lists of the
    # rows themselves stay with them.
    others = {one.id for one in known} - {one.id for one in rows}
    on_discreet = exists().where(
        membership.c.supporter_id.in_(others),
        membership.c.list_id.in_(discreet_lists(connection)),
    )
    pauses = [one.paused_until for one in known if one.paused_until is not None]
    return _Shields(
        any(one.discreet for one in known)
        or bool(connection.execute(select(on_discreet)).scalar()),
        any(one.only_urgent for one in known),
        max(pauses, default=None),
    )


def memberships_to_move(connection: Connection, old: int, kept: int) -> list[Any]:
    """Return the memberships of one row of a person that another row of theirs has not."""
    other = membership.alias()
    there = exists().where(other.c.list_id == membership.c.list_id, other.c.supporter_id == kept)
    query = select(membership).where(membership.c.supporter_id == old, ~there)
    return list(connection.execute(query))


def merge_person(
    connection: Connection,
    person: Any,  # noqa: ANN401  (A row.)
    kept: Any,  # noqa: ANN401  (A row.)
    sources: Mapping[int, bytes | None],
    now: datetime,
) -> None:
    """Make one of two rows of a person, whose other address the organisation knows already.

    The row that has the new address stays, with what it says. Lists that it is not on come to it, and
    open deliveries as `move_person` takes them along. Whatever shields the person at either address
    does so from now on.

    Args:
        connection: A connection in a transaction that writes.
        person: The row that goes, as `row_of` returns it.
        kept: The row that stays.
        sources: Row id of each list that comes to it → where the consent came from, sealed for it.
        now: This instant.
    """
    for table in (membership, membership_topic):
        connection.execute(
            update(table)
            .where(table.c.supporter_id == person.id, table.c.list_id.in_(list(sources)))
            .values(supporter_id=kept.id)
        )
    for list_id, source in sources.items():
        connection.execute(
            update(membership)
            .where(membership.c.supporter_id == kept.id, membership.c.list_id == list_id)
            .values(consent_source_sealed=source)
        )
    ours = profile_from_text(kept.languages, kept.never)
    theirs = profile_from_text(person.languages, person.never)
    never = tuple(sorted({*ours.never, *theirs.never}))
    known = asdict(_shields(connection, [person, kept]))
    connection.execute(
        update(supporter)
        .where(supporter.c.id == kept.id)
        .values(
            profile_id=profile_id(connection, LanguageProfile(ours.languages, never)),
            text_only=kept.text_only or person.text_only,
            **known,
            updated_at=now,
        )
    )
    place = Place(kept.id, kept.address_digest, kept.domain_class)
    lead_to(connection, person.id, person.address_digest, place, now)
    note_merged(connection, person.id, kept.id)
    delete_rows(connection, person.address_digest, [person.id])


def waiting_of(
    connection: Connection, supporter_id: int, address_digest: bytes
) -> list[tuple[str, datetime]]:
    """Return what waits until a person confirms it, in words, and since when."""
    changes = select(address_change.c.asked_at).where(
        address_change.c.supporter_id == supporter_id,
        address_change.c.confirmed_at.is_(None),
        ~_IS_VOID,
    )
    wishes = select(signup.c.asked_at).where(
        signup.c.address_digest == address_digest, signup.c.confirmed_at.is_(None)
    )
    return [("a new address", at) for at in connection.execute(changes).scalars()] + [
        ("signing up", at) for at in connection.execute(wishes).scalars()
    ]
