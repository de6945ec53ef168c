"""Look every few seconds whether staff should know of something, and hand alerts to their command.

In: the tables, the disk of the data folder, the list files. Out: alerts raised and resolved, and the
command run once for each alert, with it as JSON on standard input: without a shell, in a bounded
time, and with nearly nothing in its environment. One process at a time holds the lease.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from mailer.alerts import deliveries_in_doubt, raise_alert, resolve_alert
from mailer.clock import Clock
from mailer.events import emit, failed, warn
from mailer.feedback.unsubscribe import write_missing
from mailer.model.alerts import Alert, AlertKind, alert_text
from mailer.programs import ProgramFailed, run_program
from mailer.store.alerts import (
    alerts_to_command,
    lasting_alerts,
    mark_command_failed,
    mark_commanded,
)
from mailer.store.engine import Connection, Store, StoreUnavailable
from mailer.store.leases import drop_lease, take_lease
from mailer.store.missing_lines import are_missing
from mailer.store.reports import doubts_by_mailing
from mailer.store.suppression_log import FILE_NAME, LogNotWritten, SuppressionLog

LOOK_S = 5
LEASE = "watchman"
#: Beyond what a command may take.
LEASE_SLACK_S = 15
#: How often the disk and the list files are looked at, in seconds.
SELDOM_S = 60.0
#: An alert older than this is not handed to a command that was configured only now.
TELL_WITHIN = timedelta(hours=24)
MOST_TRIES = 5
FIRST_PAUSE = timedelta(minutes=1)
_AT_ONCE = 5
_MB = 1_000_000
#: A disk that was low has room again when there is this much more than the limit.
_ROOM_AGAIN = 1.1


@dataclass(frozen=True)
class WatchSettings:
    """What a watchman looks after."""

    #: What the workspace is called.
    workspace: str
    #: Its folder, where the command runs.
    root: Path
    data_dir: Path
    #: How staff know that folder.
    data_name: str
    #: 0: the disk is not watched.
    disk_low_mb: int
    #: Empty for none.
    command: tuple[str, ...]
    command_timeout_s: float


class Watchman:
    """Looks after one workspace, as often as it is called."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        settings: WatchSettings,
        *,
        log: SuppressionLog | None = None,
        heed_lists: Callable[[], None] = lambda: None,
    ) -> None:
        """Keep what it works with.

        Args:
            store: the database.
            clock: says when.
            settings: what to look after.
            log: of who left; what it lacks is written as soon as it can be.
            heed_lists: called now and then: heeds what list files say by now.
        """
        self._store = store
        self._clock = clock
        self._settings = settings
        self._log = log
        self._heed_lists = heed_lists
        self._seldom_at = float("-inf")
        self.holder = f"{os.getpid()}-{secrets.token_hex(4)}"

    def look(self) -> None:
        """Look once; what cannot be done now is logged and done at the next look."""
        try:
            if not self._hold_lease():
                return
            if self._clock.monotonic() - self._seldom_at >= SELDOM_S:
                self._heed_lists()
                self._look_at_disk()
                self._seldom_at = self._clock.monotonic()
            self._look_at_log()
            self._look_at_doubts()
            self._command_alerts()
        except StoreUnavailable:
            failed("look put off")

    def let_go(self, connection: Connection) -> None:
        """Give the lease back so that the next holder need not wait."""
        drop_lease(connection, LEASE, self.holder)

    def _hold_lease(self) -> bool:
        now = self._clock.now()
        until = now + timedelta(seconds=self._settings.command_timeout_s + LEASE_SLACK_S)
        with self._store.write() as connection:
            return take_lease(connection, LEASE, self.holder, now, until)

    def _look_at_disk(self) -> None:
        settings = self._settings
        try:
            free_mb = shutil.disk_usage(settings.data_dir).free // _MB
        except OSError:
            failed("the disk cannot be looked at")
            return
        now, subject = self._clock.now(), settings.data_name
        if free_mb < settings.disk_low_mb:
            warn("disk low", free_mb=free_mb)
            with self._store.write() as connection:
                raise_alert(
                    connection, AlertKind.DISK_LOW, subject, now,
                    free_mb=free_mb, limit_mb=settings.disk_low_mb,
                )  # fmt: skip
        elif free_mb >= settings.disk_low_mb * _ROOM_AGAIN and self._lasting(AlertKind.DISK_LOW):
            with self._store.write() as connection:
                resolve_alert(connection, AlertKind.DISK_LOW, subject, now)

    def _look_at_log(self) -> None:
        if self._log is None:
            return
        why = ""
        try:
            self._log.check()
        except LogNotWritten as error:
            why = error.reason
        with self._store.read() as connection:
            missing = are_missing(connection)
        if missing and not why:
            why = write_missing(self._store, self._log)
            if not why:
                emit("what suppressions.log lacked is written")
        kind, now = AlertKind.LOG_NOT_WRITTEN, self._clock.now()
        if why:
            with self._store.write() as connection:
                raise_alert(connection, kind, FILE_NAME, now, reason=why)
        elif self._lasting(kind):
            with self._store.write() as connection:
                resolve_alert(connection, kind, FILE_NAME, now)

    def _lasting(self, kind: AlertKind) -> dict[str, Alert]:
        with self._store.read() as connection:
            return {one.subject: one for one in lasting_alerts(connection, [kind])}

    def _look_at_doubts(self) -> None:
        with self._store.read() as connection:
            doubts = doubts_by_mailing(connection)
        told = self._lasting(AlertKind.IN_DOUBT)
        changed = {
            key: count
            for key, count in doubts.items()
            if key not in told or count > int(told[key].facts.get("count", 0))
        }
        settled = told.keys() - doubts.keys()
        if not changed and not settled:
            return
        now = self._clock.now()
        with self._store.write() as connection:
            for key, count in changed.items():
                deliveries_in_doubt(connection, key, count, now)
            for key in settled:
                resolve_alert(connection, AlertKind.IN_DOUBT, key, now)

    def _command_alerts(self) -> None:
        if not self._settings.command:
            return
        now = self._clock.now()
        with self._store.read() as connection:
            waiting = alerts_to_command(connection, now - TELL_WITHIN, now, MOST_TRIES, _AT_ONCE)
        for alert in waiting:
            # Each may take its time, and the lease must outlast it.
            if not self._hold_lease():
                return
            why = run_command(self._settings, alert)
            at = self._clock.now()
            with self._store.write() as connection:
                if why:
                    mark_command_failed(connection, alert.row_id, why, at, FIRST_PAUSE)
                else:
                    mark_commanded(connection, alert.row_id, at)
            if why:
                warn("the alert command failed", alert=alert.row_id, reason=why)
            else:
                emit("alert handed to the command", alert=alert.row_id, kind=alert.kind)


def alert_document(alert: Alert, workspace: str) -> dict[str, object]:
    """Return an alert as the command reads it."""
    told = alert_text(alert)
    return {
        "workspace": workspace,
        "kind": alert.kind.value,
        "subject": alert.subject,
        "headline": told.headline,
        "text": told.text,
        "facts": dict(alert.facts),
        "raised_at": alert.raised_at.isoformat(),
    }


def run_command(settings: WatchSettings, alert: Alert) -> str:
    """Hand an alert to the command; return why it failed, "" when it did not."""
    document = json.dumps(alert_document(alert, settings.workspace), ensure_ascii=False)
    given = document.encode() + b"\n"
    try:
        run_program(settings.command, settings.root, settings.command_timeout_s, given)
    except ProgramFailed as error:
        return error.reason
    return ""
