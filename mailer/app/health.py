"""Say whether what has to run does: for `/healthz`, and for `mailer status`.

In: a workspace. Out: the sender processes that live, and what is wrong in sentences.
"""

from __future__ import annotations

from mailer.app.workspace import Workspace
from mailer.config import Config
from mailer.delivery.journal import SUFFIX, is_owned
from mailer.schedule.ticker import LEASE
from mailer.store.engine import Connection, StoreUnavailable
from mailer.store.workers import lease_holder, unended_workers, worker_process


def living_senders(connection: Connection, config: Config) -> set[tuple[int, int]]:
    """Return process id and number of the senders that live: those that hold their journals."""
    return {
        worker_process(name)
        for name, _, _ in unended_workers(connection)
        if is_owned(config.journal_dir / f"{name}{SUFFIX}")
    }


def what_is_wrong(workspace: Workspace) -> list[str]:
    """Return what keeps mailings from going out, in sentences; empty when nothing does."""
    try:
        with workspace.store.read() as connection:
            scheduler = lease_holder(connection, LEASE, workspace.clock.now())
            senders = living_senders(connection, workspace.config)
    except StoreUnavailable as error:
        return [f"{error.problem}."]
    wrong = []
    if scheduler is None:
        wrong.append("No scheduler is at work: no mailing begins or ends.")
    if not senders:
        wrong.append("No sender is at work: nothing goes out.")
    return wrong
