"""Unsubscribe by a link's token, and take it back for half an hour.

In: the token of an unsubscribe or undo link, exactly as it was sent to us. Out: what was done, for
the log; the page that answers is the same whether the token names somebody or not. Standards:
RFC 8058 for the one-click request that ends here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mailer.alerts import raise_alert
from mailer.events import failed
from mailer.model.alerts import AlertKind
from mailer.model.audience import UnsubscriptionSource
from mailer.store.engine import Store
from mailer.store.missing_lines import are_missing, note_missing, take_missing
from mailer.store.public import (
    ListScope,
    leave_lists,
    lists_to_leave,
    lists_to_take_back,
    may_leave,
    may_take_back,
    take_back,
)
from mailer.store.suppression_log import (
    FILE_NAME,
    LogNotWritten,
    Mark,
    SuppressionLog,
    left_list,
)
from mailer.tokens import BadToken, PersonToken, Purpose, Tokens

#: How long an unsubscription can be taken back.
UNDO_WINDOW = timedelta(minutes=30)
#: Ids of supporters are counted from 1: this one names nobody.
_NOBODY = 0
_ID_BYTES = 6
#: Unsubscriptions whose missing lines are written in one transaction.
_CHUNK = 100


@dataclass(frozen=True)
class Unsubscribed:
    """What came of a request to unsubscribe."""

    #: The delivery it was about; None for a token that is not ours.
    delivery_id: int | None
    #: How many memberships were left now; 0 when there was nothing (more) to leave.
    left: int
    #: Takes it back for half an hour; for a token that is not ours, one that does nothing.
    undo_token: str
    #: Whether `suppressions.log` lacks nobody who left; else nobody is told yet that it is done.
    logged: bool = True


def unsubscribe(
    store: Store,
    tokens: Tokens,
    token: str,
    source: UnsubscriptionSource,
    now: datetime,
    log: SuppressionLog,
) -> Unsubscribed:
    """Leave every list that the token's delivery came through; a second time changes nothing.

    `log` has it on the disk before it is committed, so that a database put back from a copy does
    not bring the person back; a line without a commit only bars somebody who asked for it. Where
    the log cannot be written the person leaves all the same, and staff are alerted; what it lacks
    is written as soon as it can be, and until then `logged` is false for everybody.

    A token that is not ours costs the same reading of the database as one that was used before,
    and gives a result of the same shape.

    Raises:
        StoreUnavailable: when it could not be put on record; nothing is changed then.
    """
    try:
        person = tokens.read_person(Purpose.UNSUBSCRIBE, token)
        known = True
    except BadToken:
        person = _nobody_for(token)
        known = False
    undo_token = tokens.person(Purpose.UNDO, person.delivery_id, person.supporter_id)
    with store.read() as connection:
        why = "lines are missing" if are_missing(connection) else ""
        leaving = (
            lists_to_leave(connection, person.delivery_id, person.supporter_id)
            if may_leave(connection, person.delivery_id, person.supporter_id)
            else ()
        )
    if why:
        why = write_missing(store, log)
    left = None
    if leaving:
        why = why or _log(log, leaving, Mark.BARRED, now)
        with store.write() as connection:
            left = leave_lists(connection, person.delivery_id, person.supporter_id, source, now)
            if left and why:
                note_missing(connection, left.unsubscription_id)
                raise_alert(connection, AlertKind.LOG_NOT_WRITTEN, FILE_NAME, now, reason=why)
    return Unsubscribed(
        delivery_id=person.delivery_id if known else None,
        left=len(left.memberships) if left else 0,
        undo_token=undo_token,
        logged=not why,
    )


def write_missing(store: Store, log: SuppressionLog) -> str:
    """Write the lines that `suppressions.log` lacks; return why it cannot be, "" when it lacks none.

    Raises:
        StoreUnavailable: when the database does not answer; nothing is lost.
    """
    has_more = True
    try:
        # Before the write lock is taken, which others wait for.
        log.check()
        while has_more:
            with store.write() as connection:
                lines, has_more = take_missing(connection, _CHUNK)
                log.append(lines)
    except LogNotWritten as error:
        return error.reason
    return ""


def _log(log: SuppressionLog, scopes: Sequence[ListScope], mark: Mark, now: datetime) -> str:
    """Write what is left or come back to; return why it cannot be written, "" when it was."""
    try:
        log.append(
            [
                left_list(now, one.address_digest, one.organisation, one.list_key, mark)
                for one in scopes
            ]
        )
    except LogNotWritten as error:
        failed("suppressions.log cannot be written: mend it now", reason=error.reason)
        return error.reason
    return ""


def _nobody_for(token: str) -> PersonToken:
    """Return ids that name nobody and differ from token to token, as those of real ones do."""
    drawn = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()[:_ID_BYTES]
    return PersonToken(int.from_bytes(drawn, "big"), _NOBODY)


def undo(store: Store, tokens: Tokens, token: str, now: datetime, log: SuppressionLog) -> int:
    """Put back what the token's delivery was unsubscribed from in the last half hour.

    Exactly the memberships which those unsubscriptions left come back; how many is returned. An
    older unsubscription stays, and a token that is not ours does nothing.

    Raises:
        StoreUnavailable: when it could not be put on record; nothing is changed then.
    """
    try:
        person = tokens.read_person(Purpose.UNDO, token)
    except BadToken:
        person = PersonToken(0, _NOBODY)
    since = now - UNDO_WINDOW
    with store.read() as connection:
        if not may_take_back(connection, person.delivery_id, person.supporter_id, since):
            return 0
        back = lists_to_take_back(connection, person.delivery_id, person.supporter_id, since)
    with store.write() as connection:
        put_back = take_back(connection, person.delivery_id, person.supporter_id, since, now)
    # After the commit: a line that is lost here leaves the person unsubscribed after a restore.
    _log(log, back, Mark.LIFTED, now)
    return put_back
