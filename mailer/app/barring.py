"""Suppress, allow again and erase one person, in somebody's name.

In: a workspace, who does it, the digest of an address, and for which organisation. Out: rows, lines in
`suppressions.log`, and an entry in the audit log, which names the person by the ids of their rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mailer.app.workspace import Workspace
from mailer.model.audience import SuppressionReason
from mailer.model.audit import AuditAction
from mailer.model.staff import Actor
from mailer.store import supporters as rows
from mailer.store.audience import SCOPE_ALL, organisation_scope
from mailer.store.audit import write_audit
from mailer.store.engine import Connection
from mailer.store.sign_ups import allow_again
from mailer.store.suppression_log import Mark
from mailer.store.suppressions import Suppressed, log_entries, suppress
from mailer.store.suppressions import lift as lift_suppressions

#: What a suppression came from that staff made.
SOURCE = "staff"
#: What staff may lift unasked: a mistake of theirs, of a relay's, of another system's.
LIFTABLE = frozenset(
    {
        SuppressionReason.MANUAL,
        SuppressionReason.BOUNCED,
        SuppressionReason.SOFT_BOUNCES,
        SuppressionReason.IMPORTED,
    }
)


class NoSuchOrganisation(Exception):
    """No organisation of that key has people."""

    def __init__(self, key: str, known: Sequence[str]) -> None:
        self.key = key
        self.known = tuple(known)
        super().__init__(f'There is no organisation "{key}" with people.')


@dataclass(frozen=True)
class Scope:
    """For whom something holds: one organisation, or all."""

    #: As the table of suppressions has it.
    scope: str
    #: Row ids.
    organisations: tuple[int, ...]
    #: Key of the one; "" for all.
    key: str = ""


def scope_of(workspace: Workspace, organisation: str = "") -> Scope:
    """Return the scope of an organisation's key; "" means all.

    Raises:
        NoSuchOrganisation: when none of that key has people.
    """
    with workspace.store.read() as connection:
        known = rows.organisation_ids(connection)
    if not organisation:
        return Scope(SCOPE_ALL, tuple(known.values()))
    if organisation not in known:
        raise NoSuchOrganisation(organisation, sorted(known))
    row_id = known[organisation]
    return Scope(organisation_scope(row_id), (row_id,), organisation)


def named(connection: Connection, digest: bytes) -> str:
    """Return how the audit log names a person: "supporter 17", of two organisations "supporter 17, 40"."""
    ids = sorted(row.id for row in rows.rows_of_person(connection, digest))
    return f"supporter {', '.join(map(str, ids))}" if ids else "nobody on record"


def suppress_person(
    workspace: Workspace, actor: Actor, digest: bytes, where: Scope, reason: str = ""
) -> bool:
    """Mail one person no more; return whether they were mailed before.

    Raises:
        LogNotWritten: when suppressions.log cannot be written; nothing is changed.
    """
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        entry = Suppressed(digest, where.scope, SuppressionReason.MANUAL, SOURCE, now)
        changed = suppress(connection, [entry])
        write_audit(
            connection, actor, AuditAction.SUPPRESSION_MADE, named(connection, digest), now,
            organisation=where.key, changed=bool(changed), reason=reason,
        )  # fmt: skip
        # On the disk before it is committed: what cannot be written there is not done.
        workspace.suppression_log.append(log_entries(connection, changed, now))
    return bool(changed)


def lift_from_person(
    workspace: Workspace,
    actor: Actor,
    digest: bytes,
    liftable: Sequence[Suppressed],
    reason: str = "",
) -> int:
    """Lift suppressions of one person; return how many. Lists they left stay left.

    Args:
        workspace: where they are on record.
        actor: in whose name.
        digest: of the person's address.
        liftable: those of them that are to be lifted.
        reason: why; "they asked for it".

    Raises:
        LogNotWritten: when suppressions.log cannot be written: after a restore they would be
            suppressed again.
    """
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        lifted = lift_suppressions(connection, liftable)
        entries = log_entries(connection, liftable, now, Mark.LIFTED)
        write_audit(
            connection, actor, AuditAction.SUPPRESSION_LIFTED, named(connection, digest), now,
            lifted=[one.reason.value for one in liftable], reason=reason,
        )  # fmt: skip
    # After the commit: a line that is lost here leaves the person suppressed after a restore.
    workspace.suppression_log.append(entries)
    return lifted


def allow_sign_up(workspace: Workspace, actor: Actor, digest: bytes) -> bool:
    """Let one person be sent a confirmation again; return whether any counted against them."""
    with workspace.store.write() as connection:
        known = allow_again(connection, digest)
        write_audit(
            connection, actor, AuditAction.SIGN_UP_ALLOWED, named(connection, digest),
            workspace.clock.now(), changed=known,
        )  # fmt: skip
    return known


def erase_person(workspace: Workspace, actor: Actor, digest: bytes, where: Scope) -> int:
    """Delete one person; what stays is a digest that is never mailed. Return in how many organisations.

    Raises:
        LogNotWritten: when suppressions.log cannot be written; nothing is changed.
    """
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        # Read before the rows are gone.
        subject = named(connection, digest)
        entry = Suppressed(digest, where.scope, SuppressionReason.ERASED, SOURCE, now)
        suppress(connection, [entry])
        workspace.suppression_log.append(log_entries(connection, [entry], now))
        erased = rows.erase(connection, digest, where.organisations)
        write_audit(
            connection, actor, AuditAction.SUPPORTER_ERASED, subject, now,
            organisation=where.key, organisations=erased,
        )  # fmt: skip
    return erased
