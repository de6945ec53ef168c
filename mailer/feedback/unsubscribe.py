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
from mailer.model.alerts import AlertKind
from mailer.model.audience import UnsubscriptionSource
from mailer.store.engine import Connection, Store
from mailer.store.leaving import (
    Leaver,
    LeftLists,
    ListScope,
    leave_all,
    lists_to_leave,
    lists_to_take_back,
    may_take_back,
    take_back,
)
from mailer.store.missing_lines import are_missing, note_missing, take_missing
from mailer.store.suppression_log import (
    FILE_NAME,
    LogNotWritten,
    Mark,
    SuppressionLog,
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


@dataclass(frozen=True)
class LeavingWish:
    """A request to unsubscribe."""

    #: Exactly as it was sent to us.
    token: str
    source: UnsubscriptionSource


def unsubscribe(
    store: Store,
    tokens: Tokens,
    token: str,
    source: UnsubscriptionSource,
    now: datetime,
    log: SuppressionLog,
) -> Unsubscribed:
    """Leave every list that the token's delivery came through, as `unsubscribe_all` does.

    Raises:
        StoreUnavailable: when it could not be put on record; nothing is changed then.
    """
    return unsubscribe_all(store, tokens, [LeavingWish(token, source)], now, log)[0]


def unsubscribe_all(
    store: Store,
    tokens: Tokens,
    wishes: Sequence[LeavingWish],
    now: datetime,
    log: SuppressionLog,
) -> list[Unsubscribed]:
    """Leave, for each wish, every list its token's delivery came through; twice is once.

    All of them are written in one transaction: what waits for the disk is the same for one and for
    many. `log` has them on the disk before they are committed, so that a database put back from a
    copy does not bring anybody back; a line without a commit only bars somebody who asked for it.
    Where the log cannot be written they leave all the same, and staff are alerted; what it lacks is
    written as soon as it can be, and until then `logged` is false for everybody.

    A token that is not ours costs the same reading of the database as one that was used before,
    and gives a result of the same shape.

    Raises:
        StoreUnavailable: when it could not be put on record; nothing is changed then.
    """
    read = [person_of(tokens, Purpose.UNSUBSCRIBE, one.token) for one in wishes]
    leavers = [
        Leaver(person.delivery_id, person.supporter_id, one.source)
        for (person, _), one in zip(read, wishes, strict=True)
    ]
    with store.read() as connection:
        lacking = are_missing(connection)
        scopes = lists_to_leave(connection, leavers)
    why = write_missing(store, log) if lacking else ""
    left: list[LeftLists | None] = [None] * len(leavers)
    if any(scopes):
        why = why or log_lists(log, [one for each in scopes for one in each], Mark.BARRED, now)
        with store.write() as connection:
            left = leave_all(connection, leavers, now)
            note_not_logged(connection, left, why, now)
    return [
        Unsubscribed(
            delivery_id=person.delivery_id if known else None,
            left=len(found.memberships) if found else 0,
            undo_token=tokens.person(Purpose.UNDO, person.delivery_id, person.supporter_id),
            logged=not why,
        )
        for (person, known), found in zip(read, left, strict=True)
    ]


def note_not_logged(
    connection: Connection, left: Sequence[LeftLists | None], why: str, now: datetime
) -> None:
    """Put on record that `suppressions.log` lacks what was left, where `why` says it does."""
    for one in left if why else ():
        if one:
            note_missing(connection, one.unsubscription_id)
            raise_alert(connection, AlertKind.LOG_NOT_WRITTEN, FILE_NAME, now, reason=why)


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


def log_lists(log: SuppressionLog, scopes: Sequence[ListScope], mark: Mark, now: datetime) -> str:
    """Write what is left or come back to; return why it cannot be written, "" when it was."""
    return log.append_or_tell([one.line(now, mark) for one in scopes])


def person_of(tokens: Tokens, purpose: Purpose, token: str) -> tuple[PersonToken, bool]:
    """Return the ids in a token, and whether it is ours; of one that is not, ids of nobody.

    Those differ from token to token, as real ones do: what is made of them has the same shape.
    """
    try:
        return tokens.read_person(purpose, token), True
    except BadToken:
        return _nobody_for(token), False


def _nobody_for(token: str) -> PersonToken:
    drawn = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()[:_ID_BYTES]
    return PersonToken(int.from_bytes(drawn, "big"), _NOBODY)


def undo(store: Store, tokens: Tokens, token: str, now: datetime, log: SuppressionLog) -> int:
    """Put back what the token's delivery was unsubscribed from in the last half hour.

    Exactly the memberships which those unsubscriptions left come back; how many is returned. An
    older unsubscription stays, and a token that is not ours does nothing.

    Raises:
        StoreUnavailable: when it could not be put on record; nothing is changed then.
    """
    person, _ = person_of(tokens, Purpose.UNDO, token)
    since = now - UNDO_WINDOW
    with store.read() as connection:
        if not may_take_back(connection, person.delivery_id, person.supporter_id, since):
            return 0
        back = lists_to_take_back(connection, person.delivery_id, person.supporter_id, since)
    with store.write() as connection:
        put_back = take_back(connection, person.delivery_id, person.supporter_id, since, now)
    if put_back:
        # After the commit: a line that is lost here leaves the person unsubscribed after a restore.
        log_lists(log, back, Mark.LIFTED, now)
    return put_back
