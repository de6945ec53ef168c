"""Take over what a dead sender process had claimed, by what its journal says.

In: the workers on record and the journals on the disk. Out: every claim recorded, in doubt, or due
again. A living worker's journal is locked and left alone. After another boot the journal's last
bytes may be missing, so that "never ended" cannot be proved: such claims are in doubt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from mailer.delivery.journal import (
    SUFFIX,
    Fate,
    Header,
    JournalReply,
    Replay,
    boot_id,
    take_dead_journal,
)
from mailer.delivery.outcomes import log_outcomes, recorded
from mailer.delivery.replies import Stage
from mailer.delivery.retry import RetryPolicy
from mailer.delivery.session import Answer
from mailer.delivery.work import SERVICE_MAILS, Books, deliveries
from mailer.events import emit
from mailer.model.mailing import Reply
from mailer.store.deliveries import Recorded
from mailer.store.engine import Connection, Store
from mailer.store.suppression_log import SuppressionLog
from mailer.store.workers import OpenClaim, end_worker, unended_workers


@dataclass(frozen=True)
class Recovery:
    """What was taken over from one dead worker."""

    worker: str
    recorded: int
    in_doubt: int
    due_again: int


def recover(
    store: Store,
    journal_dir: Path,
    log: SuppressionLog,
    *,
    relay: str,
    policy: RetryPolicy,
    now: datetime,
    jitter: Callable[[], float],
) -> list[Recovery]:
    """Take over the claims of every dead worker; return what became of them.

    Raises:
        StoreUnavailable: when the database does not answer; what is left is there for another try.
    """
    with store.read() as connection:
        workers = unended_workers(connection)
    done = []
    for name, registered_boot, its_relay in workers:
        path = journal_dir / f"{name}{SUFFIX}"
        dead = take_dead_journal(path)
        if dead is None and path.exists():
            continue
        replay = dead.replay if dead else Replay(Header(name, 0, ""))
        provable = dead is not None and registered_boot == replay.header.boot_id == boot_id()
        try:
            taken = _take_over(
                store, log, name, replay, its_relay or relay, policy, now, jitter,
                provable=provable,
            )  # fmt: skip
        except BaseException:
            # Its lock would tell everybody, us too, that its owner lives.
            if dead is not None:
                dead.put_back()
            raise
        if dead is not None:
            dead.done(whole=provable)
        done.append(taken)
        if taken.recorded or taken.in_doubt or taken.due_again:
            emit(
                "claims of a dead sender taken over",
                worker=name,
                recorded=taken.recorded,
                in_doubt=taken.in_doubt,
                due_again=taken.due_again,
            )
    return done


def _take_over(
    store: Store,
    log: SuppressionLog,
    name: str,
    replay: Replay,
    relay: str,
    policy: RetryPolicy,
    now: datetime,
    jitter: Callable[[], float],
    *,
    provable: bool,
) -> Recovery:
    def settle(claim: OpenClaim, reply: JournalReply | None) -> Recorded:
        return _recorded(claim, _answer(reply), relay, policy, now, jitter())

    with store.write(patient=True) as connection:
        # A worker's claims, and so the ids in its journal, are all in one of the books.
        ends = [
            (books, _settle(connection, books, name, replay, settle, now, provable=provable))
            for books in (deliveries(log), SERVICE_MAILS)
        ]
        end_worker(connection, name, now)
    for books, end in ends:
        log_outcomes(books.kind, end.ended)
    in_doubt = sum(end.in_doubt for _, end in ends)
    total = sum(len(end.ended) for _, end in ends)
    return Recovery(name, total - in_doubt, in_doubt, sum(end.due_again for _, end in ends))


class _End(NamedTuple):
    """What became of the claims in one of the books."""

    ended: list[Recorded]
    in_doubt: int
    due_again: int


def _settle(
    connection: Connection,
    books: Books,
    name: str,
    replay: Replay,
    settle: Callable[[OpenClaim, JournalReply | None], Recorded],
    now: datetime,
    *,
    provable: bool,
) -> _End:
    """Settle a dead worker's claims in one of the books."""
    batch: list[Recorded] = []
    again: list[int] = []
    doubts = 0
    for claim in books.open_claims(connection, name):
        fate, reply = replay.fate(claim.delivery_id, claim.attempt_number)
        if fate is Fate.NEVER_ENDED and provable:
            again.append(claim.delivery_id)
            continue
        doubts += reply is None
        batch.append(settle(claim, reply))
    ended = books.record(connection, name, batch, now)
    books.give_back(connection, name, again, now)
    return _End(ended, doubts, len(again))


def _answer(reply: JournalReply | None) -> Answer | None:
    if reply is None:
        return None
    return Answer(Stage.CONTENT, Reply(reply.code, reply.enhanced_code, "from the journal"))


def _recorded(
    claim: OpenClaim,
    answer: Answer | None,
    relay: str,
    policy: RetryPolicy,
    now: datetime,
    jitter: float,
) -> Recorded:
    return recorded(
        delivery_id=claim.delivery_id,
        mailing_id=claim.mailing_id,
        domain_class=claim.domain_class,
        attempt_number=claim.attempt_number,
        first_attempt_at=claim.first_attempt_at,
        answer=answer,
        doubt="the sender died before it could read a reply",
        relay=relay,
        started_at=now,
        duration_ms=0,
        policy=policy,
        now=now,
        jitter=jitter,
    )
