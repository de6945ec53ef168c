"""What a person may see, erase and move of their own, by a fresh link.

In: tokens, exactly as they were sent to us. Out: what was done. A token is good for an hour, or for
a day where it moves an address; one that is too old, not ours, or of somebody who is gone has the
same result: none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from mailer.audience.addresses import NormalAddress, normalize_address
from mailer.audience.consent import opened_source, sealed_source
from mailer.audience.merging import ADDRESS, TABLE, opened_fields
from mailer.keys import SealKeys, ServiceKeys
from mailer.model.audience import SuppressionReason
from mailer.store import own_data as rows
from mailer.store import supporters
from mailer.store.audience import organisation_scope, scopes_for
from mailer.store.engine import Connection, Store, StoreUnavailable, take_ids
from mailer.store.exports import attributes_of_all
from mailer.store.feedback import evidence_of
from mailer.store.imports import attribute_text
from mailer.store.ordering import Ids, keep_ids_in_order
from mailer.store.suppression_log import LogEntry, Mark, SuppressionLog
from mailer.store.suppressions import (
    Suppressed,
    go_along,
    is_barred,
    log_entries,
    standing,
    suppress,
)
from mailer.tokens import BadToken, PersonToken, Purpose, Tokens

#: How long a fresh link works.
LINK_WINDOW = timedelta(hours=1)
#: Links to an address on record, from each organisation that knows it, and mails to a new address.
MAILS_A_DAY = 3
DAY = timedelta(days=1)
#: More than this has hardly come back of anybody; the latest are shown.
_MOST_EVIDENCE = 1_000
#: What suppressions say of who asked for them.
_SOURCE = "supporter"
_CHANGES = "address_change"
_CLOCK_SLACK = timedelta(minutes=1)

#: Given a connection in a transaction that writes, a person's row as it was, and the id of what they
#: confirmed: tells the address that they had.
TellOld = Callable[[Connection, Any, int], None]


def fresh_token(tokens: Tokens, supporter_id: int, now: datetime) -> str:
    """Return the token of a link that works for an hour from now."""
    return tokens.person(Purpose.FRESH_LINK, int(now.timestamp()), supporter_id)


def supporter_of_link(tokens: Tokens, token: str, now: datetime) -> int | None:
    """Return whose fresh link it is; None when it is not one, or too old."""
    try:
        # What stands for a delivery in other tokens is the second in which it was made.
        read = tokens.read_person(Purpose.FRESH_LINK, token)
    except BadToken:
        return None
    age_s = now.timestamp() - read.delivery_id
    is_fresh = -_CLOCK_SLACK.total_seconds() <= age_s <= LINK_WINDOW.total_seconds()
    return read.supporter_id if is_fresh else None


def is_there(store: Store, supporter_id: int) -> bool:
    """Tell whether anything is on record of a person.

    Raises:
        StoreUnavailable: when the database does not answer.
    """
    with store.read() as connection:
        return supporters.row_of(connection, supporter_id) is not None


def held(store: Store, keys: SealKeys, supporter_id: int) -> dict[str, Any] | None:
    """Return all that one organisation has on record of a person, as JSON can hold it; or None.

    Raises:
        WrongSealKey: when it was sealed with another key.
        StoreUnavailable: when the database does not answer.
    """
    with store.read() as connection:
        row = supporters.row_of(connection, supporter_id)
        return None if row is None else _document(connection, keys, row)


def _document(connection: Connection, keys: SealKeys, row: Any) -> dict[str, Any]:  # noqa: ANN401  (A row.)
    fields = opened_fields(keys, row.fields_sealed, row.id)
    clear = {
        one.name: attribute_text(one) for one in attributes_of_all(connection, [row.id])[row.id]
    }
    return {
        "organisation": row.organisation,
        "address": keys.unseal(row.address_sealed, TABLE, ADDRESS, row.id),
        "name": fields.pop("name", ""),
        "attributes": {**fields, **clear},
        "tags": supporters.tags_of(connection, row.id),
        "languages": row.languages.split(",") if row.languages else [],
        "languages never to be used": row.never.split(",") if row.never else [],
        "country": row.country,
        "time zone": row.time_zone,
        "joined": _moment(row.joined_at),
        "on record since": _moment(row.created_at),
        "discreet": row.discreet,
        "only urgent appeals": row.only_urgent,
        "plain text only": row.text_only,
        "paused until": _moment(row.paused_until),
        "chosen by yourself": _moment(row.chosen_at),
        "lists": [
            {
                "list": one.key,
                "state": str(one.state),
                "on record since": _moment(one.added_at),
                "left": _moment(one.left_at),
                "consent": one.consent_basis,
                "consent given": _moment(one.consented_at),
                "consent came from": opened_source(
                    keys, one.consent_source_sealed, one.list_id, row.id
                ),
                "topics": supporters.topics_of(connection, row.id, one.list_id),
            }
            for one in supporters.memberships_of(connection, row.id)
        ],
        "not written to": [
            {"reason": str(one.reason), "source": one.source, "since": _moment(one.since)}
            for one in standing(connection, row.address_digest, scopes_for(row.organisation_id))
        ],
        "mailings": [
            {
                "mailing": one.key,
                "language": one.language or "",
                "outcome": str(one.skip_reason or one.state),
                "at": _moment(one.finished_at),
            }
            for one in supporters.mailings_of(connection, row.address_digest, row.id)
        ],
        "came back": [
            {
                "at": _moment(one.happened_at),
                "what": one.kind.value,
                "reason": one.reason.value,
                "words": one.diagnostic,
                "what followed": one.effect.value,
            }
            for one in evidence_of(connection, row.address_digest, _MOST_EVIDENCE)
        ],
        "waiting to be confirmed": [
            {"what": what, "since": _moment(asked_at)}
            for what, asked_at in rows.waiting_of(connection, row.id, row.address_digest)
        ],
    }


def _moment(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at else None


def erase_own(store: Store, supporter_id: int, now: datetime, log: SuppressionLog) -> bool:
    """Erase a person from one organisation; tell if they were there.

    What stays is their digest among the suppressions, of which `log` has a line on the disk first.

    Raises:
        LogNotWritten: when the log could not be written; nothing is changed then.
        StoreUnavailable: when it could not be put on record; nothing is changed then.
    """
    if not is_there(store, supporter_id):
        return False
    with store.write() as connection:
        keep_ids_in_order(connection, Ids.SUPPRESSIONS)
        person = supporters.row_of(connection, supporter_id, lock=True)
        if person is None:
            return False
        scope = organisation_scope(person.organisation_id)
        erased = Suppressed(person.address_digest, scope, SuppressionReason.ERASED, _SOURCE, now)
        suppress(connection, [erased])
        log.append(log_entries(connection, [erased], now))
        supporters.erase(connection, person.address_digest, [person.organisation_id])
    return True


def note_change(
    connection: Connection, keys: SealKeys, supporter_id: int, address: NormalAddress,
    digest: bytes, now: datetime,
) -> int:  # fmt: skip
    """Write down a new address that waits for its confirmation; return its id, for the token."""
    change_id = take_ids(connection, _CHANGES, 1)
    sealed = keys.seal(address.address, _CHANGES, ADDRESS, change_id)
    change = rows.AddressChange(change_id, supporter_id, digest, sealed, is_confirmed=False)
    rows.write_change(connection, change, now)
    return change_id


def confirm_change(
    store: Store,
    keys: SealKeys,
    service_keys: ServiceKeys,
    tokens: Tokens,
    token: str,
    now: datetime,
    log: SuppressionLog,
    tell_old: TellOld,
) -> bool:
    """Move a person to the address at which they got the token; tell if it was good for that.

    Twice is once. Where the organisation knows the new address already, its row there stays and the
    lists of the other come to it. `log` bars the old address: a database put back from a copy has
    them there, and must not write to where they are no more. The old address is told once, unless it
    is one that the organisation may not write to.

    Raises:
        LogNotWritten: when the log could not be written; nothing is changed then.
        StoreUnavailable: when it could not be put on record, or an audience is being frozen, in
            which nobody may change places; nothing is changed then.
        WrongSealKey: when what waits was sealed with another key.
    """
    try:
        read = tokens.read_person(Purpose.ADDRESS_CHANGE, token)
    except BadToken:
        read = PersonToken(0, 0)
    which = (read.delivery_id, read.supporter_id, now)
    with store.read() as connection:
        # A stranger's token takes no lock that senders wait for.
        change = rows.find_change(connection, *which)
    if change is None or change.is_confirmed:
        return change is not None
    with store.write() as connection:
        keep_ids_in_order(connection, Ids.SUPPRESSIONS)
        change = rows.find_change(connection, *which, lock=True)
        if change is None or change.is_confirmed:
            return change is not None
        if rows.is_freezing(connection):
            raise StoreUnavailable("An audience is being frozen", "Try again in a minute")
        person = supporters.row_of(connection, change.supporter_id, lock=True)
        if person is None:
            return False
        rows.close_change(connection, change, now)
        _move(connection, keys, service_keys, person, change, now)
        lifted = _bar_old(connection, person, change, now, log)
        old = person.address_digest
        is_left = old != change.address_digest
        if is_left and not is_barred(connection, old, person.organisation_id):
            tell_old(connection, person, change.change_id)
    # After the commit: a line that is lost here leaves the person barred after a restore.
    log.append_or_tell(lifted)
    return True


def _bar_old(
    connection: Connection,
    person: Any,  # noqa: ANN401  (A row.)
    change: rows.AddressChange,
    now: datetime,
    log: SuppressionLog,
) -> list[LogEntry]:
    """Take along what was said of a person, have the log bar the old address; return what it lifts."""
    old, new = person.address_digest, change.address_digest
    if old == new:
        return []
    along = go_along(connection, old, new, person.organisation_id)
    scope = organisation_scope(person.organisation_id)
    moved = Suppressed(old, scope, SuppressionReason.UNSUBSCRIBED, _SOURCE, now)
    log.append(log_entries(connection, [*along, moved], now))
    if standing(connection, new, [scope]):
        return []
    # They may come back to an address that they had before.
    return log_entries(connection, [replace(moved, address_digest=new)], now, Mark.LIFTED)


def _move(
    connection: Connection,
    keys: SealKeys,
    service_keys: ServiceKeys,
    person: Any,  # noqa: ANN401  (A row.)
    change: rows.AddressChange,
    now: datetime,
) -> None:
    kept = rows.known_as(connection, person.organisation_id, change.address_digest)
    if kept is not None and kept != person.id:
        sources = {
            one.list_id: sealed_source(
                keys,
                opened_source(keys, one.consent_source_sealed, one.list_id, person.id),
                one.list_id,
                kept,
            )
            for one in rows.memberships_to_move(connection, person.id, kept)
        }
        other = supporters.row_of(connection, kept, lock=True)
        rows.merge_person(connection, person, other, sources, now)
        return
    written = keys.unseal(change.address_sealed, _CHANGES, ADDRESS, change.change_id)
    address = normalize_address(written)
    columns = {
        "address_digest": change.address_digest,
        "address_sealed": keys.seal(address.address, TABLE, ADDRESS, person.id),
        "domain_class": address.domain_class,
        "domain_digest": service_keys.domain_digest(address.domain),
        "needs_smtputf8": address.needs_smtputf8,
    }
    rows.move_person(connection, person, columns, now)
