"""What an engine works on: the deliveries of mailings, or service mails.

In: rows of one table. Out: how they are claimed, when they may go, and where their ends are written.
Everything between, from the connection to the journal, is the same for both. A worker claims from
one of the two only, so that the ids in its journal are all of one kind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from mailer.alerts import hold_running_and_tell
from mailer.delivery.breaker import record_and_judge
from mailer.delivery.claims import Claimed
from mailer.events import warn
from mailer.model.states import SkipReason
from mailer.store.deliveries import Recorded, give_back, skip
from mailer.store.engine import Connection, Store
from mailer.store.outcomes import NO_MAILING
from mailer.store.retries import bring_deliveries_forward, bring_service_mails_forward
from mailer.store.service_mails import (
    give_back_service,
    open_service_claims,
    record_service,
    skip_service,
)
from mailer.store.suppression_log import SuppressionLog
from mailer.store.workers import OpenClaim, open_claims


@dataclass(frozen=True)
class Books:
    """Where the ends of one kind of claims are written."""

    #: What they are called in the log.
    kind: str
    #: Returns what was not on record already.
    record: Callable[[Connection, str, Sequence[Recorded], datetime], list[Recorded]]
    give_back: Callable[[Connection, str, Collection[int], datetime], None]
    skip: Callable[[Connection, int, SkipReason, datetime], None]
    #: Puts what a claim belongs to aside, for a person.
    hold: Callable[[Connection, int, str, datetime], None]
    #: What a worker had claimed and not recorded.
    open_claims: Callable[[Connection, str], list[OpenClaim]]
    #: Lets what was deferred wait no longer than its pause, after the clock was set back.
    bring_forward: Callable[[Store, Sequence[timedelta], datetime], int]


def _hold_nothing(_connection: Connection, _mailing_id: int, reason: str, _now: datetime) -> None:
    warn("service mail put off", reason=reason)


def deliveries(log: SuppressionLog) -> Books:
    """Return the books of mailings' deliveries; `log` keeps whom they suppress beside the database."""
    return Books(
        "delivery",
        partial(record_and_judge, log),
        give_back,
        skip,
        hold_running_and_tell,
        open_claims,
        bring_deliveries_forward,
    )


SERVICE_MAILS = Books(
    "service mail",
    record_service,
    give_back_service,
    skip_service,
    _hold_nothing,
    open_service_claims,
    bring_service_mails_forward,
)


class Claims(Protocol):
    """Claims for one worker."""

    def claim(self, limit: int) -> Claimed:
        """Claim up to `limit` and open them.

        Raises:
            StoreUnavailable: when the database did not answer; nothing is claimed then.
        """
        ...

    def forget(self, mailing_id: int) -> None:
        """Load what a mailing is composed with anew when it is claimed next."""
        ...


class Gate(Protocol):
    """Says right before DATA whether a mail may still go."""

    @property
    def running(self) -> frozenset[int]:
        """Return the mailings of which something may go; empty: nothing may."""
        ...

    @property
    def claimable(self) -> bool:
        """Return whether something may be there to be claimed."""
        ...

    @property
    def aside_until(self) -> datetime | None:
        """Return until when the relay is aside; None when it is not."""
        ...

    @property
    def place(self) -> tuple[int, int]:
        """Return the worker's place among those that share the relay's limits, and their number."""
        ...

    def begin(self) -> None:
        """Look for the first time; it blocks."""
        ...

    async def run(self) -> None:
        """Keep looking until cancelled."""
        ...

    async def fresh(self) -> None:
        """Wait until what is known is fresh."""
        ...

    def may_send(
        self, mailing_id: int, share_id: int, address_digest: bytes, claimed_at: float
    ) -> bool:
        """Tell whether DATA may be written now."""
        ...

    def set_aside(self, mailing_id: int) -> None:
        """Send nothing more of a mailing that is about to be held."""
        ...

    def held(self, mailing_id: int) -> None:
        """Note that the hold is committed."""
        ...


class OpenGate:
    """For what no list and no mailing's state can stop: a committed claim is enough."""

    running = frozenset({NO_MAILING})
    claimable = True
    place = (0, 1)

    def __init__(self) -> None:
        #: Written by who claims, which looks often enough.
        self.aside_until: datetime | None = None

    def begin(self) -> None:
        """Do nothing."""

    async def run(self) -> None:
        """Wait until cancelled."""
        await asyncio.Event().wait()

    async def fresh(self) -> None:
        """Return at once: nothing here grows old."""

    def may_send(
        self,
        mailing_id: int,  # noqa: ARG002  (The protocol's, as the others.)
        share_id: int,  # noqa: ARG002
        address_digest: bytes,  # noqa: ARG002
        claimed_at: float,  # noqa: ARG002
    ) -> bool:
        """Return that it may."""
        return True

    def set_aside(self, mailing_id: int) -> None:
        """Do nothing: there is no mailing."""

    def held(self, mailing_id: int) -> None:
        """Do nothing: there is no mailing."""


@dataclass(frozen=True)
class Work:
    """One kind of work, for one engine."""

    books: Books
    #: Makes what claims, for the worker of that name.
    claims_for: Callable[[str], Claims]
    gate: Gate
    #: How long is waited where there is nothing to claim, in seconds.
    idle_s: float
