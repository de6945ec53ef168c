"""One person's rows: find them by their digest, read all about them, erase them.

In: an address digest. Out: what every organisation has on record. Sealed values go out as they lie
in the database; whoever holds the key opens them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Select, bindparam, delete, exists, select, update

from mailer.model.service import ServicePurpose
from mailer.store.audience import is_live
from mailer.store.forgetting import forget_mails_for, forget_mails_to, forget_notices
from mailer.store.tables import (
    address_change,
    delivery,
    delivery_list,
    feedback_event,
    feedback_finding,
    import_change,
    language_profile,
    mailing,
    mailing_list,
    membership,
    membership_topic,
    merged_supporter,
    organisation,
    signup,
    signup_count,
    supporter,
    supporter_attribute,
    supporter_tag,
)


def has_supporters(connection: Connection) -> bool:
    """Tell whether anybody is on record."""
    return connection.execute(select(supporter.c.id).limit(1)).first() is not None


def organisation_ids(connection: Connection) -> dict[str, int]:
    """Return the row id of every organisation by its key."""
    rows = connection.execute(select(organisation.c.key, organisation.c.id))
    return {row.key: row.id for row in rows}


def rows_of_person(connection: Connection, address_digest: bytes) -> Sequence[Any]:
    """Return a person's rows, one of each organisation, with its key and their languages."""
    of_person = supporter.c.address_digest == address_digest
    return connection.execute(_people().where(of_person).order_by(organisation.c.key)).all()


def row_of(connection: Connection, supporter_id: int, *, lock: bool = False) -> Any:  # noqa: ANN401  (A row.)
    """Return one row of a person, as `rows_of_person` does; None when it is gone."""
    query = _people().where(supporter.c.id == supporter_id)
    query = query.with_for_update(of=supporter) if lock else query
    return connection.execute(query).one_or_none()


def _people() -> Select[Any]:
    return (
        select(
            supporter,
            organisation.c.key.label("organisation"),
            language_profile.c.languages,
            language_profile.c.never,
        )
        .join(organisation, organisation.c.id == supporter.c.organisation_id)
        .join(language_profile, language_profile.c.id == supporter.c.profile_id)
    )


def note_merged(connection: Connection, gone_id: int, supporter_id: int) -> None:
    """Write that one row of a person became part of another, so that its links stay theirs."""
    connection.execute(
        update(merged_supporter)
        .where(merged_supporter.c.supporter_id == gone_id)
        .values(supporter_id=supporter_id)
    )
    connection.execute(merged_supporter.insert().values(gone_id=gone_id, supporter_id=supporter_id))


def parts_of(connection: Connection, supporter_ids: Collection[int]) -> list[int]:
    """Return the ids of the rows that became part of these."""
    query = select(merged_supporter.c.gone_id).where(
        merged_supporter.c.supporter_id.in_(list(supporter_ids))
    )
    return list(connection.execute(query).scalars())


def merged_into(connection: Connection, supporter_ids: Collection[int]) -> dict[int, int]:
    """Return, of rows that became part of another, the id of that one."""
    rows = connection.execute(_MERGED_INTO, {"gone": sorted(supporter_ids)})
    return {row.gone_id: row.supporter_id for row in rows}


#: Made once, as making a statement takes longer than running it.
_MERGED_INTO = select(merged_supporter).where(
    merged_supporter.c.gone_id.in_(bindparam("gone", expanding=True))
)


def memberships_of(connection: Connection, supporter_id: int) -> Sequence[Any]:
    """Return the lists of one row of a person, with their keys and whether they are on them."""
    return connection.execute(
        select(membership, mailing_list.c.key, is_live(membership).label("is_live"))
        .join(mailing_list, mailing_list.c.id == membership.c.list_id)
        .where(membership.c.supporter_id == supporter_id)
        .order_by(mailing_list.c.key)
    ).all()


def tags_of(connection: Connection, supporter_id: int) -> list[str]:
    """Return the tags of one row of a person."""
    query = select(supporter_tag.c.tag).where(supporter_tag.c.supporter_id == supporter_id)
    return list(connection.execute(query.order_by(supporter_tag.c.tag)).scalars())


def topics_of(connection: Connection, supporter_id: int, list_id: int) -> list[str]:
    """Return the topics of a list that one row of a person chose."""
    query = select(membership_topic.c.topic).where(
        membership_topic.c.supporter_id == supporter_id, membership_topic.c.list_id == list_id
    )
    return list(connection.execute(query.order_by(membership_topic.c.topic)).scalars())


def mailings_of(
    connection: Connection, address_digest: bytes, supporter_id: int | None = None
) -> Sequence[Any]:
    """Return key, language, state and reason of every delivery to an address.

    With `supporter_id`, only those that came through a list which this row of the person is on.
    """
    query = (
        select(
            mailing.c.key,
            delivery.c.language,
            delivery.c.state,
            delivery.c.skip_reason,
            delivery.c.finished_at,
        )
        .join(mailing, mailing.c.id == delivery.c.mailing_id)
        .where(delivery.c.address_digest == address_digest)
        .order_by(mailing.c.id)
    )
    if supporter_id is not None:
        query = query.where(
            exists().where(
                delivery_list.c.delivery_id == delivery.c.id,
                delivery_list.c.supporter_id == supporter_id,
            )
        )
    return connection.execute(query).all()


def erase(connection: Connection, address_digest: bytes, organisations: Sequence[int]) -> int:
    """Delete a person's rows in these organisations; return in how many they had one.

    Deliveries stay as counts with a digest; what imports kept for undoing goes too, and so does a
    new address that waits. Mails to them, which hold the sealed address, and what came back of them
    are of no organisation, and stay while another one knows the address.
    """
    ids = list(
        connection.execute(
            select(supporter.c.id)
            .where(
                supporter.c.address_digest == address_digest,
                supporter.c.organisation_id.in_(list(organisations)),
            )
            .order_by(supporter.c.id)
            .with_for_update()
        ).scalars()
    )
    theirs = [*ids, *parts_of(connection, ids)]
    waiting = connection.execute(
        select(address_change.c.id, address_change.c.address_digest).where(
            address_change.c.supporter_id.in_(theirs)
        )
    ).all()
    requests = {change_request(row.id): row.address_digest for row in waiting}
    forget_mails_for(connection, ServicePurpose.ADDRESS_CHANGE, requests)
    forget_notices(connection, [notice_request(row.id) for row in waiting])
    connection.execute(delete(address_change).where(address_change.c.supporter_id.in_(theirs)))
    delete_rows(connection, address_digest, ids)
    return len(ids)


def change_request(change_id: int) -> str:
    """Return what the mail that asks to confirm a new address is sent for."""
    return f"address-change-{change_id}"


def notice_request(change_id: int) -> str:
    """Return what the mail that tells a person's old address is sent for."""
    return f"address-changed-{change_id}"


def delete_rows(connection: Connection, address_digest: bytes, ids: Sequence[int]) -> None:
    """Delete rows of one person by their ids, and what hangs on them or on the address alone."""
    tied = (supporter_tag, supporter_attribute, membership_topic, membership, import_change)
    for table in tied:
        connection.execute(delete(table).where(table.c.supporter_id.in_(ids)))
    connection.execute(delete(merged_supporter).where(merged_supporter.c.supporter_id.in_(ids)))
    connection.execute(delete(supporter).where(supporter.c.id.in_(ids)))
    if not rows_of_person(connection, address_digest):
        forget_mails_to(connection, address_digest)
        _forget_feedback(connection, address_digest)
    # A wish may be for lists of several organisations: it is gone for all, and can be made anew.
    for table in (signup, signup_count):
        connection.execute(delete(table).where(table.c.address_digest == address_digest))


def _forget_feedback(connection: Connection, address_digest: bytes) -> None:
    """Drop what came back of an address."""
    events = list(
        connection.execute(
            select(feedback_finding.c.event_id).where(
                feedback_finding.c.address_digest == address_digest
            )
        ).scalars()
    )
    connection.execute(
        delete(feedback_finding).where(feedback_finding.c.address_digest == address_digest)
    )
    connection.execute(
        update(feedback_event).where(feedback_event.c.id.in_(events)).values(raw_box=None)
    )
