"""Settle deliveries in doubt as a person decided, chunk by chunk.

In: a workspace, who decides, a mailing, deliveries of it in doubt, and whether they are sent again or
taken as sent. Out: which were settled, the alert taken back once nothing is in doubt, and an entry
in the audit log for each chunk.
"""

from __future__ import annotations

from collections.abc import Sequence

from mailer.alerts import resolve_alert
from mailer.app.workspace import Workspace
from mailer.model.alerts import AlertKind
from mailer.model.audit import AuditAction
from mailer.model.mailing import Mailing
from mailer.model.staff import Actor
from mailer.model.states import Settlement
from mailer.store.audit import write_audit
from mailer.store.doubts import SETTLE_CHUNK, Doubt, has_doubts
from mailer.store.doubts import settle_doubts as write_settlements

#: Deliveries that an entry of the audit log names; the settlements have them all.
_NAMED = 50
#: Characters of whoever decided, in a settlement.
_LONGEST_NAME = 80


def settle_doubts(
    workspace: Workspace,
    actor: Actor,
    found: Mailing,
    chosen: Sequence[Doubt],
    decision: Settlement,
) -> set[int]:
    """Write a person's decision; return the ids of those that were still in doubt.

    Raises:
        CannotResend: when they cannot be sent again; what was settled before stays so.
    """
    now, by = workspace.clock.now(), str(actor)[:_LONGEST_NAME]
    settled: set[int] = set()
    for first in range(0, len(chosen), SETTLE_CHUNK):
        chunk = [one.delivery_id for one in chosen[first : first + SETTLE_CHUNK]]
        with workspace.store.write() as connection:
            done = write_settlements(connection, found, chunk, decision, by, now)
            settled.update(done)
            if not has_doubts(connection, found.row_id):
                resolve_alert(connection, AlertKind.IN_DOUBT, found.key, now)
            if done:
                write_audit(
                    connection, actor, AuditAction.DOUBTS_SETTLED, found.key, now,
                    decision=decision.value, deliveries=len(done),
                    ids=[str(one) for one in sorted(done)[:_NAMED]],
                )  # fmt: skip
    return settled
