"""Read once a second what is due and move mailings along.

In: the tables, the time, and how to choose an edition. Out: mailings frozen, started, held and
finished, and their shares opened, shut and held. Everything a tick does is written before the next
thing is begun, so a killed tick loses nothing and the next one repeats nothing. One process at a
time holds the lease.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from mailer.alerts import hold_and_tell, shares_held
from mailer.audience.freezing import freeze_step
from mailer.clock import Clock
from mailer.events import emit, warn
from mailer.model.audience import LanguageChoice, LanguageProfile, ListDefinition
from mailer.model.audit import AuditAction
from mailer.model.faults import FaultsFound
from mailer.model.mailing import Mailing
from mailer.model.staff import BY_ITSELF
from mailer.model.states import ForbiddenTransition, MailingState
from mailer.model.timing import PlannedShare, ShareState
from mailer.schedule.lateness import Hold, Start, when_due, when_frozen
from mailer.schedule.openings import NoDayLeft, due_in, next_state, with_policy, zone_of
from mailer.store.audit import write_audit
from mailer.store.breaker import canary_is_tried, let_rest_go, note_canary_tried
from mailer.store.engine import Store
from mailer.store.leases import take_lease
from mailer.store.mailings import (
    change_state,
    due_count,
    due_mailings,
    has_open_deliveries,
    list_mailings,
    load_mailing,
    lock_mailing,
)
from mailer.store.shares import (
    ShareFor,
    change_share,
    expire_skipped,
    has_left_in_skipped,
    shares_of,
)
from mailer.store.stopping import cancel_open_deliveries, has_cancelled_open_deliveries

#: Chooses the edition for a profile on a list, for one revision.
Resolve = Callable[[LanguageProfile, ListDefinition], LanguageChoice]
#: Gives the chooser of a mailing's revision.
ResolverFor = Callable[[Mailing], Resolve]
#: Drafts the issues of newsletters whose hour has come by an instant.
DraftIssues = Callable[[datetime], None]

LEASE = "scheduler"
LEASE_S = 15
#: A tick freezes this long, then lets the next one go on: the lease is renewed in between.
FREEZE_BUDGET_S = 0.8
#: Between two ranges the write lock is free for others, a person who unsubscribes among them.
BREATHER_S = 0.005


class Ticker:
    """Moves every mailing one step along, as often as it is called."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        resolver_for: ResolverFor,
        draft_issues: DraftIssues | None = None,
        *,
        before_freezing: Callable[[], None] = lambda: None,
    ) -> None:
        """Keep what it works with.

        Args:
            store: the database.
            clock: says when.
            resolver_for: gives the chooser of editions of a mailing.
            draft_issues: drafts the issues of newsletters whose hour has come.
            before_freezing: called before each stretch of freezing: heeds discreet marks of lists.
        """
        self._store = store
        self._clock = clock
        self._resolver_for = resolver_for
        self._draft_issues = draft_issues
        self._before_freezing = before_freezing
        self.holder = f"{os.getpid()}-{secrets.token_hex(4)}"
        #: The last tick left something to freeze: the next one need not wait for its second.
        self.is_freezing = False

    def tick(self) -> bool:
        """Do what is due now; return False when another process holds the lease."""
        now = self._clock.now()
        with self._store.write() as connection:
            until = now + timedelta(seconds=LEASE_S)
            if not take_lease(connection, LEASE, self.holder, now, until):
                return False
        self._start_due(now)
        self._freeze(now)
        self._let_rest_go(now)
        self._move_shares(now)
        self._expire(now)
        self._finish(now)
        self._cancel_rest(now)
        if self._draft_issues is not None:
            # The last thing of a tick: no mailing waits for an issue to be put together.
            self._draft_issues(now)
        return True

    def _cancel_rest(self, now: datetime) -> None:
        """Cancel what cancelled mailings still had to send: also what a sender gave back late."""
        with self._store.read() as connection:
            if not has_cancelled_open_deliveries(connection):
                return
        with self._store.write() as connection:
            cancel_open_deliveries(connection, now)

    def _start_due(self, now: datetime) -> None:
        with self._store.read() as connection:
            due = due_mailings(connection, now)
        for mailing in due:
            decision = when_due(mailing, now)
            try:
                with self._store.write() as connection:
                    if isinstance(decision, Hold):
                        hold_and_tell(
                            connection, mailing, MailingState.SCHEDULED, decision.reason, now
                        )
                        warn("mailing held", mailing=mailing.key, reason=decision.reason)
                    elif isinstance(decision, Start):
                        change_state(
                            connection, mailing.row_id, mailing.state, MailingState.FREEZING
                        )
                        emit("mailing freezing", mailing=mailing.key)
            except ForbiddenTransition:
                # A person paused or cancelled it between our look and our step: theirs stands.
                continue

    def _freeze(self, now: datetime) -> None:
        with self._store.read() as connection:
            freezing = list_mailings(connection, [MailingState.FREEZING])
        if freezing:
            self._before_freezing()
        begun = self._clock.monotonic()
        self.is_freezing = False
        for mailing in reversed(freezing):
            try:
                self.is_freezing |= not self._freeze_one(mailing, now, begun)
            except (FaultsFound, NoDayLeft) as error:
                # Its segment, say, cannot be read any more; the other mailings go on.
                self._hold_freezing(mailing, str(error), now)

    def _freeze_one(self, mailing: Mailing, now: datetime, begun: float) -> bool:
        """Freeze a mailing for what is left of the stretch; tell whether it is over with it."""
        resolve, share_for = self._resolver_for(mailing), _share_for(mailing)
        while self._clock.monotonic() - begun < FREEZE_BUDGET_S:
            step = freeze_step(self._store, mailing.row_id, resolve, now, self._clock, share_for)
            if step.done:
                self._start_frozen(mailing, now)
            if step.done or step.stopped:
                return True
            # Longer than anyone who waits for the write lock takes to ask for it again.
            time.sleep(BREATHER_S)
        return False

    def _hold_freezing(self, mailing: Mailing, reason: str, now: datetime) -> None:
        with contextlib.suppress(ForbiddenTransition), self._store.write() as connection:
            hold_and_tell(connection, mailing, MailingState.FREEZING, reason, now)
        warn("mailing held", mailing=mailing.key, reason=reason)

    def _start_frozen(self, mailing: Mailing, now: datetime) -> None:
        with self._store.read() as connection:
            # Nobody claims them yet, and counting a million takes longer than others may wait.
            count = due_count(connection, mailing.row_id)
        with self._store.write() as connection:
            current = load_mailing(connection, mailing.row_id)
            if current.state is not MailingState.FREEZING:
                return
            decision = when_frozen(current, count, now)
            if isinstance(decision, Hold):
                hold_and_tell(connection, current, MailingState.RUNNING, decision.reason, now)
                warn("mailing held", mailing=current.key, reason=decision.reason)
                return
            change_state(
                connection,
                current.row_id,
                MailingState.FREEZING,
                MailingState.RUNNING,
                started_at=current.started_at or now,
            )
        emit("mailing started", mailing=mailing.key, deliveries=count)

    def _let_rest_go(self, now: datetime) -> None:
        """Let the mails behind a canary go that has come out within the limits."""
        with self._store.read() as connection:
            waiting = [
                one
                for one in list_mailings(connection, [MailingState.RUNNING])
                if one.canary_holds
                and (
                    one.canary_until is not None
                    or (one.breaker and canary_is_tried(connection, one.row_id, one.breaker.canary))
                )
            ]
        for mailing in waiting:
            with self._store.write() as connection:
                # Beyond a limit it has paused, in the transaction that recorded what took it there.
                if mailing.canary_until is None:
                    note_canary_tried(connection, mailing.row_id, now)
                elif mailing.canary_until <= now and let_rest_go(connection, mailing.row_id, now):
                    emit("canary passed", mailing=mailing.key)

    def _move_shares(self, now: datetime) -> None:
        """Open, shut and hold the shares of running mailings, each as its own zone's clock says."""
        with self._store.read() as connection:
            running = [
                (one, shares_of(connection, one.row_id))
                for one in list_mailings(connection, [MailingState.RUNNING])
                if one.timing.in_shares
            ]
        for mailing, shares in running:
            changes = [
                (share, change)
                for share in shares
                if (change := next_state(share, mailing.timing, mailing.grace_s, now)) is not None
            ]
            if not changes:
                continue
            with self._store.write() as connection:
                moved = [
                    (share, change.state)
                    for share, change in changes
                    if change_share(connection, share, change.state, change.shuts_at)
                ]
                held = [share.zone for share, state in moved if state is ShareState.HELD]
                if held:
                    shares_held(connection, mailing.key, held, now)
            for share, state in moved:
                tell = warn if state is ShareState.HELD else emit
                tell(f"share {state.value}", mailing=mailing.key, zone=share.zone)

    def _expire(self, now: datetime) -> None:
        """Skip what shares that were given up still had to send, also what came back late."""
        with self._store.read() as connection:
            if not has_left_in_skipped(connection):
                return
        with self._store.write() as connection:
            expire_skipped(connection, now)

    def _finish(self, now: datetime) -> None:
        with self._store.read() as connection:
            running = list_mailings(connection, [MailingState.RUNNING])
            over = [one for one in running if not has_open_deliveries(connection, one.row_id)]
        for mailing in over:
            try:
                with self._store.write() as connection:
                    # A person may have a delivery in doubt sent again at this very moment.
                    lock_mailing(connection, mailing.row_id)
                    if has_open_deliveries(connection, mailing.row_id):
                        continue
                    change_state(
                        connection,
                        mailing.row_id,
                        MailingState.RUNNING,
                        MailingState.FINISHED,
                        finished_at=now,
                    )
                    write_audit(
                        connection, BY_ITSELF, AuditAction.MAILING_FINISHED, mailing.key, now
                    )
            except ForbiddenTransition:
                continue
            emit("mailing finished", mailing=mailing.key)


def _share_for(mailing: Mailing) -> ShareFor:
    """Return what gives the share of a zone that nobody had when the mailing was scheduled."""
    list_zones = {target.list_row_id: target.definition.time_zone for target in mailing.targets}

    def share_for(list_id: int, recorded: str) -> PlannedShare:
        if mailing.timing.recipient_time:
            zone = zone_of(recorded, list_zones[list_id])
        else:
            zone = zone_of(mailing.time_zone, mailing.time_zone)
        due = due_in(mailing.timing, zone)
        # Before the first share: what was said of late ones when it was scheduled holds for it.
        share = PlannedShare(zone, due, late=due < mailing.due_at)
        (share,) = with_policy([share], mailing.timing, mailing.timing.late, mailing.due_at)
        return share

    return share_for
