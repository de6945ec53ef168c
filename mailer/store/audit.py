"""The audit log: entries in a chain, written in the transaction that does what they tell of.

In: who did what to what. Out: an entry that holds the digest of the one before; pages of entries;
and, for the whole log, whether anything was changed, taken out, put in, or cut off its end.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    func,
    insert,
    select,
    type_coerce,
    update,
)

from mailer.events import scrub
from mailer.model.audit import (
    AuditAction,
    AuditCheck,
    AuditEntry,
    AuditFilter,
    AuditFlaw,
    AuditHead,
    Fact,
)
from mailer.model.characters import printable
from mailer.model.staff import Actor, ActorKind
from mailer.store.audience import insert_or_ignore
from mailer.store.engine import do_last
from mailer.store.tables_audit import audit_entry, audit_head
from mailer.store.types import instant, microseconds

#: What the first entry follows.
NOTHING_BEFORE = "0" * 64
#: Entries that are read at once where the whole log is.
PAGE = 500
_CHAIN = "audit"
#: Every column as it is stored: an hour that somebody tampered with may be none.
_AS_STORED = [
    type_coerce(column, BigInteger).label("at") if column.name == "at" else column
    for column in audit_entry.c
]
_LONGEST_NAME = 80
_LONGEST_SUBJECT = 200
#: Characters of one fact: a reason that somebody typed.
_LONGEST_FACT = 1000


class EntryUnreadable(Exception):
    """An entry does not say what an entry says: somebody changed it."""

    def __init__(self, entry_id: int) -> None:
        self.entry_id = entry_id
        super().__init__(
            f"Entry {entry_id} of the audit log cannot be read: it was changed. "
            "See: mailer audit verify"
        )


def write_audit(
    connection: Connection,
    actor: Actor,
    action: AuditAction,
    subject: str,
    now: datetime,
    **facts: Fact,
) -> None:
    """Write what is done, at the end of the transaction that does it.

    Whoever writes an entry keeps the others waiting until the commit: hence at the end.

    Args:
        connection: one of `Store.write`.
        actor: in whose name.
        action: what.
        subject: the mailing, statement, list, relay, login, or "supporter 17"; never an address.
        now: when.
        **facts: counts, keys, digests, reasons. What looks like an address is struck out.
    """
    entry = {
        "at": microseconds(now),
        "actor_kind": actor.kind.value,
        "actor_name": printable(actor.name)[:_LONGEST_NAME],
        "action": action.value,
        "subject": scrub(subject)[:_LONGEST_SUBJECT],
        "facts": _text_of({name: _clean(fact) for name, fact in facts.items()}),
    }
    do_last(connection, partial(_append, entry=entry, now=now))


def _append(connection: Connection, entry: dict[str, Any], now: datetime) -> None:
    """Write an entry after the last one."""
    head = _locked_head(connection)
    # Beyond whatever is there: a log that somebody tampered with keeps nobody from working, and
    # stays broken where it was broken.
    highest = connection.execute(select(func.max(audit_entry.c.id))).scalar() or 0
    written = {**entry, "id": max(head.entries, highest) + 1, "previous": head.digest}
    digest = _digest(written)
    connection.execute(insert(audit_entry).values(**{**written, "at": now}, digest=digest))
    connection.execute(
        update(audit_head)
        .where(audit_head.c.chain == _CHAIN)
        .values(entries=written["id"], digest=digest)
    )


def entries_before(
    connection: Connection,
    before_id: int | None,
    limit: int,
    wanted: AuditFilter = AuditFilter(),  # noqa: B008  (Frozen.)
) -> list[AuditEntry]:
    """Return a page of entries, the latest first.

    Args:
        connection: a connection in a transaction.
        before_id: only entries before this one; None begins at the end.
        limit: how many at most.
        wanted: which of them.

    Raises:
        EntryUnreadable: when somebody changed one so that it says nothing.
    """
    conditions = _conditions(wanted)
    if before_id is not None:
        conditions.append(audit_entry.c.id < before_id)
    rows = connection.execute(
        select(*_AS_STORED).where(*conditions).order_by(audit_entry.c.id.desc()).limit(limit)
    )
    return [_entry_of(row) for row in rows]


def entries_in_order(
    connection: Connection,
    wanted: AuditFilter = AuditFilter(),  # noqa: B008  (Frozen.)
) -> Iterator[AuditEntry]:
    """Yield entries from the first to the last, a page at a time; raises as `entries_before`."""
    for page in _pages(connection, _conditions(wanted)):
        for row in page:
            yield _entry_of(row)


def entries_after(
    connection: Connection,
    after_id: int,
    limit: int,
    wanted: AuditFilter = AuditFilter(),  # noqa: B008  (Frozen.)
) -> list[AuditEntry]:
    """Return a page of entries in their order, from the one after `after_id` on.

    Raises:
        EntryUnreadable: when somebody changed one so that it says nothing.
    """
    rows = connection.execute(
        select(*_AS_STORED)
        .where(*_conditions(wanted), audit_entry.c.id > after_id)
        .order_by(audit_entry.c.id)
        .limit(limit)
    )
    return [_entry_of(row) for row in rows]


def last_of(
    connection: Connection, subject: str, actions: frozenset[AuditAction]
) -> AuditEntry | None:
    """Return the last entry of these actions about a subject; None when there is none."""
    wanted = AuditFilter(subject=subject, actions=actions)
    return next(iter(entries_before(connection, None, 1, wanted)), None)


def head_of(connection: Connection) -> AuditHead:
    """Return how many entries there are and the digest of the last."""
    row = connection.execute(select(audit_head).where(audit_head.c.chain == _CHAIN)).one_or_none()
    return AuditHead(0, NOTHING_BEFORE) if row is None else AuditHead(row.entries, row.digest)


def verify(connection: Connection, noted: AuditHead | None = None) -> AuditCheck:
    """Go through the whole log and return the first entry that does not hold.

    Args:
        connection: one that reads one state throughout.
        noted: a head that somebody wrote down earlier: the log must go on from it.
    """
    sound = AuditHead(0, NOTHING_BEFORE)
    if noted is not None and noted.entries == 0 and noted.digest != NOTHING_BEFORE:
        return AuditCheck(sound, 1, AuditFlaw.NOT_AS_NOTED)
    for page in _pages(connection, []):
        for row in page:
            flaw = _flaw(row, sound)
            if flaw is not None:
                return AuditCheck(sound, row.id, flaw)
            sound = AuditHead(row.id, row.digest)
            if noted is not None and noted.entries == row.id and noted.digest != row.digest:
                return AuditCheck(sound, row.id, AuditFlaw.NOT_AS_NOTED)
    if noted is not None and noted.entries > sound.entries:
        return AuditCheck(sound, sound.entries + 1, AuditFlaw.NOT_AS_NOTED)
    head = head_of(connection)
    if head == sound:
        return AuditCheck(sound)
    if head.entries < sound.entries:
        return AuditCheck(sound, head.entries + 1, AuditFlaw.ADDED)
    return AuditCheck(sound, sound.entries + 1, AuditFlaw.CUT_OFF)


def _flaw(row: Row[Any], before: AuditHead) -> AuditFlaw | None:
    """Return what is wrong with an entry, after the ones before it held."""
    if row.id != before.entries + 1:
        return AuditFlaw.MISSING_BEFORE
    try:
        sound = _digest(_values(row)) == row.digest
    except (TypeError, ValueError):
        sound = False
    if not sound:
        return AuditFlaw.CHANGED
    return None if row.previous == before.digest else AuditFlaw.NOT_LINKED


def _locked_head(connection: Connection) -> AuditHead:
    """Return the head, which nobody else reads to write until this transaction ends."""
    query = select(audit_head).where(audit_head.c.chain == _CHAIN).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        connection.execute(
            insert_or_ignore(connection, audit_head).values(
                chain=_CHAIN, entries=0, digest=NOTHING_BEFORE
            )
        )
        row = connection.execute(query).one()
    return AuditHead(row.entries, row.digest)


def _pages(
    connection: Connection, conditions: Sequence[ColumnElement[bool]]
) -> Iterator[Sequence[Row[Any]]]:
    """Yield rows in order of their ids, a page at a time."""
    after: list[ColumnElement[bool]] = []
    while rows := connection.execute(
        select(*_AS_STORED).where(*conditions, *after).order_by(audit_entry.c.id).limit(PAGE)
    ).all():
        yield rows
        after = [audit_entry.c.id > rows[-1].id]


def _conditions(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.actor_kind is not None:
        conditions.append(audit_entry.c.actor_kind == wanted.actor_kind.value)
    if wanted.actor_name is not None:
        conditions.append(audit_entry.c.actor_name == wanted.actor_name)
    if wanted.actions:
        conditions.append(audit_entry.c.action.in_(sorted(one.value for one in wanted.actions)))
    if wanted.subject is not None:
        conditions.append(audit_entry.c.subject == wanted.subject)
    if wanted.since is not None:
        conditions.append(audit_entry.c.at >= wanted.since)
    if wanted.until is not None:
        conditions.append(audit_entry.c.at < wanted.until)
    return conditions


def _digest(entry: dict[str, Any]) -> str:
    """Return the SHA-256, in hex, of an entry and of the digest of the one before it."""
    told = {name: value for name, value in entry.items() if name != "digest"}
    return hashlib.sha256(_text_of(told).encode("utf-8", "surrogatepass")).hexdigest()


def _text_of(document: dict[str, Any]) -> str:
    """Return the one JSON text of a document."""
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _clean(fact: Fact) -> Fact:
    if isinstance(fact, str):
        return scrub(fact)[:_LONGEST_FACT]
    if fact is None or isinstance(fact, int):
        return fact
    return [scrub(one)[:_LONGEST_FACT] for one in fact]


def _values(row: Row[Any]) -> dict[str, Any]:
    return {column.name: getattr(row, column.name) for column in audit_entry.c}


def _entry_of(row: Row[Any]) -> AuditEntry:
    try:
        return AuditEntry(
            entry_id=row.id,
            at=_instant(row.at),
            actor=Actor(ActorKind(row.actor_kind), row.actor_name),
            action=AuditAction(row.action),
            subject=row.subject,
            facts=json.loads(row.facts),
            previous=row.previous,
            digest=row.digest,
        )
    except (TypeError, ValueError, OverflowError) as error:
        raise EntryUnreadable(row.id) from error


def _instant(stored: int) -> datetime:
    at = instant(stored)
    if at is None:
        raise ValueError("an entry without its hour")
    return at
