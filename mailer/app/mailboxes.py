"""Watch the places where messages come in: the role `feedback`.

In: a workspace with a Maildir, a mailbox, or both. Out: they are read until told to stop, one process
at a time, and how that goes is on record; staff are told when it fails for long, or does not mend
itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from mailer.alerts import raise_alert, resolve_alert
from mailer.app.intake import Intake
from mailer.app.workspace import Workspace
from mailer.events import emit, failed, warn
from mailer.feedback.intake.handling import Handle, IntakeFailed, IsStopped, Looked
from mailer.feedback.intake.maildir import Maildir
from mailer.model.alerts import AlertKind
from mailer.model.faults import Fault, FaultsFound
from mailer.store.engine import StoreUnavailable
from mailer.store.intake import (
    MAILBOX,
    MAILDIR,
    IntakeContact,
    intake_contact,
    write_intake_contact,
)
from mailer.store.suppression_log import LogNotWritten

#: How often a Maildir is looked at: two of its folders are asked when they last changed.
MAILDIR_POLL_S = 3.0
#: How often it is written down that there was nothing.
_NOTE_EVERY = timedelta(minutes=1)
#: What fails for so long does not mend itself.
_LONG = timedelta(minutes=30)
#: How often what was dealt with long ago is taken away from a Maildir.
_TIDY_EVERY = timedelta(hours=1)
_LOCK_NAME = "feedback.lock"


class Source(Protocol):
    """A place where messages come in."""

    def look(self, handle: Handle, is_stopped: IsStopped) -> Looked:
        """Deal with what has come in.

        Raises:
            IntakeFailed: when it cannot be read.
        """
        ...


@dataclass(frozen=True)
class Place:
    """A place and how it is watched."""

    #: In `mailer status` and alerts.
    name: str
    source: Source
    poll_s: float
    #: Ends a look that waits.
    interrupt: Callable[[], None] = lambda: None
    #: Takes away what is older than an instant.
    tidy: Callable[[datetime], int] | None = None


def build_watch(workspace: Workspace) -> Callable[[asyncio.Event], Awaitable[None]]:
    """Return what watches the places of a workspace until told to stop.

    Raises:
        FaultsFound: when there is none, or the password of the mailbox is missing.
    """
    places = _places(workspace)
    if not places:
        problem = "no Maildir and no mailbox is configured"
        remedy = "Write maildir under [feedback], or [feedback.imap], or leave --only feedback out"
        raise FaultsFound([Fault("config.toml", 0, "feedback", problem, remedy)])
    # Opened before anything is fetched, so that one clear error comes.
    intake = Intake(workspace)

    async def serve(stop: asyncio.Event) -> None:
        with _lock(workspace.config.data_dir) as is_mine:
            while not is_mine() and not stop.is_set():
                # Another process does it, and this one takes over when that ends.
                await _pause(stop, MAILDIR_POLL_S)
            async with asyncio.TaskGroup() as group:
                for place in places:
                    group.create_task(_watch(_Watch(workspace, intake, place), stop))

    return serve


def _places(workspace: Workspace) -> list[Place]:
    config, clock = workspace.config, workspace.clock
    found = []
    if config.maildir is not None:
        maildir = Maildir(config.maildir, clock)
        found.append(Place(MAILDIR, maildir, MAILDIR_POLL_S, tidy=maildir.tidy))
    imap = config.feedback.imap
    if imap is not None:
        from mailer.feedback.intake.mailbox import Account, Mailbox

        mailbox = Mailbox(
            Account(
                imap.host, imap.port, imap.tls, imap.username, config.imap_password(),
                imap.folder, imap.processed, imap.unread,
            ),
            clock,
        )  # fmt: skip
        found.append(Place(MAILBOX, mailbox, imap.poll_s, interrupt=mailbox.interrupt))
    return found


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[Callable[[], bool]]:
    """Give what tells whether this process may watch; the system lets go of it with the process."""
    descriptor = os.open(folder / _LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)

    def is_mine() -> bool:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        return False

    try:
        yield is_mine
    finally:
        os.close(descriptor)


async def _pause(stop: asyncio.Event, pause_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), pause_s)


async def _watch(watch: _Watch, stop: asyncio.Event) -> None:
    place = watch.place
    while not stop.is_set():
        looking = asyncio.create_task(asyncio.to_thread(watch.look, stop.is_set))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({looking, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not looking.done():
            # A message that is under way is dealt with; only the wait for a server is cut short.
            place.interrupt()
        await looking
        await _pause(stop, place.poll_s)


class _Watch:
    """Looks at one place, and writes down how that goes."""

    def __init__(self, workspace: Workspace, intake: Intake, place: Place) -> None:
        self._workspace = workspace
        self._intake = intake
        self.place = place
        self._noted: IntakeContact | None = None
        self._tidied_at: datetime | None = None

    def look(self, is_stopped: IsStopped) -> None:
        """Look once; whatever goes wrong is told, and tried again at the next look."""
        try:
            try:
                looked = self.place.source.look(self._intake.handle, is_stopped)
                self._tidy()
            except IntakeFailed as error:
                if not is_stopped():
                    self._failed(error)
            else:
                self._went_well(looked)
        except LogNotWritten as error:
            warn(
                "messages that came back wait: suppressions.log cannot be written", why=error.reason
            )
        except StoreUnavailable:
            failed("messages that came back wait: the database does not answer")

    def _went_well(self, looked: Looked) -> None:
        if looked.done:
            emit("messages taken in", place=self.place.name, count=looked.done)
        now = self._workspace.clock.now()
        contact = IntakeContact(read_at=now, unread=looked.unread, waiting=looked.waiting)
        noted = self._noted
        if noted is not None and noted.read_at is not None:
            is_same = replace(noted, read_at=now) == contact
            if is_same and now - noted.read_at < _NOTE_EVERY:
                return
        with self._workspace.store.write() as connection:
            write_intake_contact(connection, self.place.name, contact)
            resolve_alert(connection, AlertKind.MAILBOX_NOT_READ, self.place.name, now)
        self._noted = contact

    def _failed(self, error: IntakeFailed) -> None:
        name, now = self.place.name, self._workspace.clock.now()
        warn("messages that came back cannot be fetched", place=name, reason=error.reason)
        with self._workspace.store.write() as connection:
            known = intake_contact(connection, name)
            since = known.failing_since or now
            contact = replace(known, failure=error.reason, failing_since=since)
            write_intake_contact(connection, name, contact)
            if error.lasts or now - since >= _LONG:
                raise_alert(connection, AlertKind.MAILBOX_NOT_READ, name, now, reason=error.reason)
        self._noted = None

    def _tidy(self) -> None:
        now = self._workspace.clock.now()
        if self.place.tidy is None or (
            self._tidied_at is not None and now - self._tidied_at < _TIDY_EVERY
        ):
            return
        self._tidied_at = now
        kept = timedelta(days=self._workspace.config.retention.feedback_days)
        gone = self.place.tidy(now - kept)
        if gone:
            emit("messages taken away", place=self.place.name, count=gone)
