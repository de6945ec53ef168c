"""Pause, resume, cancel and release mailings and their shares, in somebody's name.

In: a workspace, who does it, and a mailing's key. Out: the mailing in its new state, staff told, an
entry in the audit log. The command line and the desk both come here, so they do the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from mailer.alerts import mailing_paused, release_asked
from mailer.app.workspace import Workspace
from mailer.model.audit import AuditAction
from mailer.model.mailing import Mailing
from mailer.model.staff import Actor
from mailer.model.states import MailingState
from mailer.model.timing import ShareState
from mailer.store import stopping
from mailer.store.audit import write_audit
from mailer.store.mailings import find_mailing
from mailer.store.shares import (
    expire_skipped,
    find_share,
    held_shares,
    release_shares,
    shares_of,
    skip_share,
)

#: A share of these is held no more, and none of them is given up.
OVER = (MailingState.CANCELLED, MailingState.FINISHED)


class ShareNotHeld(Exception):
    """A share that is not held cannot be let go."""

    def __init__(self, key: str, zone: str, state: ShareState) -> None:
        self.key = key
        self.zone = zone
        self.state = state
        super().__init__(f"The share {zone} of {key} is not held ({state.value}).")


class ShareIsOver(Exception):
    """Nothing of a share is left to be given up: it is given up already, or its mailing ended."""

    def __init__(self, key: str, zone: str, ended: MailingState | None) -> None:
        self.key = key
        self.zone = zone
        #: State of the mailing; None where that goes on and the share was given up before.
        self.ended = ended
        super().__init__(
            f"{key} is {ended.value}: nothing of it is left to be given up."
            if ended
            else f"The share {zone} of {key} is given up already."
        )


class NothingWaits(Exception):
    """Nothing of a mailing waits to be released."""

    def __init__(self, key: str, state: MailingState) -> None:
        self.key = key
        self.state = state
        super().__init__(
            f"{key} is {state.value.replace('_', ' ')}: nothing of it waits to be released."
        )


@dataclass(frozen=True)
class Moved:
    """A mailing in its new state."""

    mailing: Mailing
    #: State that it was in.
    before: MailingState
    #: Why it was held or had paused by itself; "" where a person had stopped it.
    reason: str = ""


def pause(workspace: Workspace, actor: Actor, key: str) -> Mailing:
    """Stop a mailing; what is being sent is finished, the rest waits.

    Raises:
        ForbiddenTransition: when it cannot be paused in its state.
        MailingNotFound: when there is none.
    """
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        before = find_mailing(connection, key).state
        paused = stopping.pause(connection, key)
        mailing_paused(connection, key, now)
        write_audit(
            connection, actor, AuditAction.MAILING_PAUSED, key, now, before=before.value
        )  # fmt: skip
    return paused


def resume(workspace: Workspace, actor: Actor, key: str, *, anyway: bool = False) -> Moved:
    """Let a paused mailing go on where it stood; see `mailer.store.stopping.resume`.

    Raises:
        ForbiddenTransition: when it is not paused.
        MailingNotFound: when there is none.
        PausedByItself: when it did, and not `anyway`; nothing is changed.
    """
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        found = find_mailing(connection, key)
        mailing = stopping.resume(connection, key, anyway=anyway)
        reason = found.pause_reason
        facts: dict[str, str] = {"paused_by_itself": reason} if reason else {}
        write_audit(
            connection, actor, AuditAction.MAILING_RESUMED, key, now,
            state=mailing.state.value, **facts,
        )  # fmt: skip
    return Moved(mailing, found.state, reason)


def cancel(workspace: Workspace, actor: Actor, key: str) -> Moved:
    """End a mailing for good; whoever has not been mailed will not be.

    What it still had to send is cancelled chunk by chunk; should this process end before, the
    scheduler goes on with it.

    Raises:
        ForbiddenTransition: when it has ended.
        MailingNotFound: when there is none.
    """
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        before = find_mailing(connection, key).state
        cancelled = stopping.cancel(connection, key, now)
        action = AuditAction.MAILING_CANCELLED
        if before is MailingState.DRAFT:
            action = AuditAction.MAILING_DISCARDED
        write_audit(connection, actor, action, key, now, before=before.value)
    while before is not MailingState.DRAFT:
        with workspace.store.write(patient=True) as connection:
            if not stopping.cancel_open_deliveries(connection, now):
                break
    return Moved(cancelled, before)


def give_up_share(workspace: Workspace, actor: Actor, key: str, zone: str) -> None:
    """Give one share of a mailing up: whoever is left in it is not mailed.

    Raises:
        MailingNotFound, ShareNotFound: when there is none.
        ShareIsOver: when nothing of it is left; nothing is changed.
    """
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        mailing = find_mailing(connection, key)
        found = find_share(connection, mailing.row_id, key, zone)
        if mailing.state in OVER:
            raise ShareIsOver(key, zone, mailing.state)
        if not skip_share(connection, mailing.row_id, found.zone):
            raise ShareIsOver(key, zone, None)
        write_audit(connection, actor, AuditAction.SHARE_GIVEN_UP, key, now, zone=found.zone)
    # The scheduler goes on with what a sender gives back later.
    while True:
        with workspace.store.write(patient=True) as connection:
            if not expire_skipped(connection, now):
                break


def release(workspace: Workspace, actor: Actor, key: str) -> Moved:
    """Let a held mailing go on, with all its shares: neither lateness nor size holds it any more.

    Raises:
        ForbiddenTransition: when it is not held.
        MailingNotFound: when there is none.
    """
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        found = find_mailing(connection, key)
        mailing = stopping.release(connection, key, now)
        write_audit(
            connection, actor, AuditAction.MAILING_RELEASED, key, now,
            state=mailing.state.value, held=found.held_reason,
        )  # fmt: skip
    return Moved(mailing, found.state, found.held_reason)


@dataclass(frozen=True)
class ReleasedShares:
    """Shares that were let go."""

    mailing: Mailing
    #: Time zones.
    zones: tuple[str, ...]


def release_held_shares(
    workspace: Workspace, actor: Actor, key: str, zone: str | None = None
) -> ReleasedShares | None:
    """Let held shares of a mailing go that is not held itself; None when it has none.

    Args:
        workspace: whose mailing.
        actor: in whose name.
        key: the mailing's.
        zone: of the one share that is meant; None means all that are held.

    Raises:
        MailingNotFound, ShareNotFound: when there is none.
        ShareNotHeld: when the one that is meant is not held.
    """
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        mailing = find_mailing(connection, key)
        held = held_shares(connection, mailing.row_id)
        if zone is not None:
            held = [find_share(connection, mailing.row_id, key, zone)]
            if held[0].state is not ShareState.HELD:
                raise ShareNotHeld(key, zone, held[0].state)
        over = mailing.state in OVER
        if over or not held or (mailing.state is MailingState.HELD and zone is None):
            return None
        release_shares(connection, mailing.row_id, now, zone)
        zones = tuple(one.zone for one in held)
        write_audit(
            connection, actor, AuditAction.MAILING_RELEASED, key, now, zones=list(zones)
        )  # fmt: skip
    return ReleasedShares(mailing, zones)


def ask_for_release(workspace: Workspace, actor: Actor, key: str) -> Mailing:
    """Alert staff that somebody wants what waits of a mailing to go; nothing is released.

    Raises:
        MailingNotFound: when there is none.
        NothingWaits: when nothing of it is held.
    """
    now = workspace.clock.now()
    with workspace.store.write() as connection:
        mailing = find_mailing(connection, key)
        waits = mailing.state is MailingState.HELD or any(
            share.state is ShareState.HELD for share in shares_of(connection, mailing.row_id)
        )
        if not waits:
            raise NothingWaits(key, mailing.state)
        release_asked(connection, key, now)
        write_audit(connection, actor, AuditAction.RELEASE_ASKED, key, now)
    return mailing
