"""Undo an import: put back what it changed, take away whom it brought.

In: the id of a batch. Out: an `UndoResult` with counts. Who unsubscribed meanwhile stays
unsubscribed, and whom a mailing, another list or an unsubscription refers to keeps their row. It
goes chunk by chunk; killed and run again it goes on, and a second time it changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from mailer.audience.consent import sealed_source
from mailer.audience.imports import ONE_AT_A_TIME
from mailer.audience.merging import sealed_fields
from mailer.audience.preimages import opened_before
from mailer.keys import SealKeys
from mailer.model.faults import Fault, FaultsFound
from mailer.model.worded import worded
from mailer.store import suppressions, undo
from mailer.store.engine import Connection, Store
from mailer.store.imports import write_consent
from mailer.store.suppression_log import Mark, SuppressionLog

#: People of one transaction: under 50 ms of write lock.
CHUNK_PEOPLE = 100


@dataclass(frozen=True)
class UndoResult:
    """What became of those whom the import had brought or changed."""

    #: Made by the import, and gone again.
    removed: int = 0
    #: Made by the import, off the list again; their row stays, since something refers to it.
    kept: int = 0
    #: Changed by the import, and as they were before.
    restored: int = 0
    #: Changed by somebody else since; left as they are.
    changed_since: int = 0
    #: Suppressions that only this import had made, lifted.
    lifted: int = 0

    def __add__(self, other: UndoResult) -> UndoResult:
        """Return both together."""
        return replace(
            self,
            **{
                one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(self)
            },
        )


def undo_import(
    store: Store,
    seal_keys: SealKeys,
    batch_id: int,
    now: datetime,
    progress: Callable[[UndoResult], None] | None = None,
    log: SuppressionLog | None = None,
    also: Callable[[Connection, str, UndoResult], None] | None = None,
) -> UndoResult:
    """Undo an import; `log` is told of the suppressions it lifts.

    `also` is called in the transaction that ends it, with the list's key and what came of it.

    Raises:
        FaultsFound: when there is none of that number, it kept nothing, or a later one must be
            undone first; nothing is changed then.
    """
    with store.alone(ONE_AT_A_TIME):
        with store.read() as connection:
            batch = check_undo(connection, batch_id)
        undoing = _Undoing(seal_keys, batch)
        total = UndoResult()
        while True:
            with store.write(patient=True) as connection:
                changes = undo.changes_of(connection, batch_id, CHUNK_PEOPLE)
                if not changes:
                    break
                total += undoing.take(connection, changes)
            if progress:
                progress(total)
        while True:
            with store.write(patient=True) as connection:
                barred = suppressions.of_batch(connection, batch_id, CHUNK_PEOPLE)
                if not barred:
                    undo.end_undo(connection, batch_id, now)
                    if also is not None:
                        also(connection, batch.key, total)
                    return total
                total += UndoResult(lifted=suppressions.lift(connection, barred))
                lifted = suppressions.log_entries(connection, barred, now, Mark.LIFTED)
            if log is not None:
                log.append(lifted)


def check_undo(connection: Connection, batch_id: int) -> Any:  # noqa: ANN401  (A row.)
    """Return an import that can be undone.

    Raises:
        FaultsFound: when it cannot.
    """
    found = [one for one in undo.batches(connection) if one.id == batch_id]
    if not found:
        raise _refused(
            worded("there is no import %(batch_id)s", batch_id=batch_id),
            "mailer import --list-batches shows them",
        )
    if not found[0].can_be_undone:
        raise _refused("what this import found was not kept, or is kept no more", "")
    later = undo.later_batches(connection, batch_id)
    if later:
        numbers = ", ".join(map(str, later))
        raise _refused(
            worded("later imports changed the same people: %(numbers)s", numbers=numbers),
            "Undo it first, in this order" if len(later) == 1 else "Undo them first, in this order",
        )
    return found[0]


def _refused(problem: str, remedy: str) -> FaultsFound:
    return FaultsFound([Fault("", 0, "import", problem, remedy)])


class _Undoing:
    """Puts back one chunk after the other."""

    def __init__(self, seal_keys: SealKeys, batch: Any) -> None:  # noqa: ANN401  (A row.)
        self._seal = seal_keys
        self._batch = batch

    def take(self, connection: Connection, changes: Sequence[Any]) -> UndoResult:
        """Undo some changes and forget them; return what became of them."""
        ids = [one.supporter_id for one in changes]
        made = [one.supporter_id for one in changes if one.before_sealed is None]
        result = self._remove(connection, made)
        for one in changes:
            if one.before_sealed is not None and one.known is not None:
                result += self._restore(connection, one)
        undo.forget_changes(connection, self._batch.id, ids)
        return result

    def _remove(self, connection: Connection, made: list[int]) -> UndoResult:
        if not made:
            return UndoResult()
        undo.remove_members(connection, self._batch.id, made)
        kept = undo.referred_to(connection, made)
        undo.remove_supporters(connection, [one for one in made if one not in kept])
        return UndoResult(removed=len(made) - len(kept), kept=len(kept))

    def _restore(self, connection: Connection, change: Any) -> UndoResult:  # noqa: ANN401  (A row.)
        who = change.supporter_id
        before = opened_before(self._seal, change.before_sealed, self._batch.id, who)
        if before["membership"] is None:
            undo.remove_members(connection, self._batch.id, [who])
        # What the person or staff said after the import is newer than what the import found.
        if change.updated_at > self._batch.started_at:
            return UndoResult(changed_since=1)
        undo.restore_supporter(
            connection,
            who,
            {
                "fields_sealed": sealed_fields(self._seal, before["fields"], who),
                "profile_id": before["profile_id"],
                "country": before["country"],
                "time_zone": before["time_zone"],
                "joined_at": _instant(before["joined_at"]),
                "discreet": before["discreet"],
                "updated_at": _instant(before["updated_at"]),
            },
            before["tags"],
            before["clear"],
        )
        if before["membership"] is not None:
            list_id, consent = self._batch.list_id, before["membership"]
            write_consent(
                connection,
                [
                    {
                        "on_list": list_id,
                        "who": who,
                        "basis": consent["basis"],
                        "source_sealed": sealed_source(self._seal, consent["source"], list_id, who),
                        "at": _instant(consent["at"]),
                    }
                ],
            )
        return UndoResult(restored=1)


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
