"""Look at everything a person in charge wants to know of, at once.

In: a workspace. Out: a `Status`: what was seen, and what needs a person. Nothing is changed, no key
is opened, and nothing of a supporter is in it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mailer.app.health import living_senders
from mailer.app.limits import RelayLimits, limits_on_record
from mailer.app.routing import SANDBOX, relay_digest
from mailer.app.sending import answers
from mailer.app.workspace import Workspace
from mailer.feedback.intake.kept import count_unread
from mailer.keys import KeyFileError, load_seal_keys, load_service_keys
from mailer.model.alerts import Alert, AlertKind, alert_text
from mailer.model.mailing import Mailing
from mailer.model.service import ServicePurpose, alert_request
from mailer.model.states import DeliveryState, MailingState
from mailer.schedule.ticker import LEASE
from mailer.store.alerts import last_alerts, lasting_alerts
from mailer.store.engine import Connection
from mailer.store.feedback import CameBack, came_back
from mailer.store.intake import MAILBOX, MAILDIR, intake_contact
from mailer.store.mailings import find_mailing, list_mailings
from mailer.store.relays import RelayContact, is_relay_verified, relay_contacts
from mailer.store.reports import Progress, doubts_by_mailing, progress
from mailer.store.service_mails import requests_not_taken, service_counts
from mailer.store.settings import BACKUP_LAST_AT, LOST_SINCE, read_setting
from mailer.store.workers import database_bytes, lease_holder

_SHOWN_ALERTS = 5
#: How far back service mails that have ended are counted.
_RECENT = timedelta(days=7)
#: What is watched and was read longer ago is watched no more.
_READ_WITHIN = timedelta(hours=1)
#: A live workspace without a backup for so long needs a person.
_BACKUP_WITHIN = timedelta(days=7)
#: A relay that failed longer ago was not tried since.
_LATELY = timedelta(hours=24)
_MB = 1_000_000
_ACTIVE = (
    MailingState.RUNNING,
    MailingState.FREEZING,
    MailingState.HELD,
    MailingState.PAUSED,
    MailingState.SCHEDULED,
)


@dataclass(frozen=True)
class MailingStatus:
    """Where a mailing that has not ended stands."""

    key: str
    state: MailingState
    due_at: datetime
    time_zone: str
    done: int
    to_mail: int
    held_reason: str
    #: Why it paused by itself; "" when it did not.
    pause_reason: str
    #: Of whose mails those of everybody else wait for the end; 0 when nothing waits.
    canary: int
    #: Until when they wait; None while it is not known.
    canary_until: datetime | None


@dataclass(frozen=True)
class RelayStatus:
    """How a relay does."""

    key: str
    verified: bool
    connected_at: datetime | None
    failed_at: datetime | None
    failure: str
    failing: bool
    #: Its limits; None where no mailing may go by it.
    limits: RelayLimits | None = None


@dataclass(frozen=True)
class AlertStatus:
    """An alert, and whether staff were told."""

    kind: AlertKind
    headline: str
    raised_at: datetime
    #: A condition that lasts still.
    lasting: bool
    #: The relay took the mails to everybody; None: nobody is to be mailed.
    mailed: bool | None
    #: The command took it; None: there is no command.
    commanded: bool | None
    command_failure: str


@dataclass(frozen=True)
class IntakeStatus:
    """How messages that came back get in."""

    #: "Maildir", "mailbox", or "pipe", of which nothing is known but what it could not read.
    place: str
    read_at: datetime | None = None
    #: Messages that could not be read and wait for a person.
    unread: int = 0
    #: Letters that wait until they can be passed on.
    waiting: int = 0
    #: Why it cannot be read; "" when it can.
    failure: str = ""


@dataclass(frozen=True)
class Status:
    """Everything at a glance."""

    workspace: str
    live: bool
    #: What a person should see to, in sentences; empty when there is nothing.
    needs: tuple[str, ...]
    scheduler: bool
    #: Sender processes that live.
    senders: int
    #: Which of several these are, from 1 on; empty for the only one.
    sender_numbers: tuple[int, ...]
    web: bool
    mailings: tuple[MailingStatus, ...]
    #: Key of a mailing → deliveries in doubt.
    in_doubt: dict[str, int]
    #: "alert accepted" → service mails of the last days and those that wait.
    service_mails: dict[str, int]
    #: In the last day.
    came_back: CameBack
    alerts: tuple[AlertStatus, ...]
    relays: tuple[RelayStatus, ...]
    intake: tuple[IntakeStatus, ...]
    #: Name of a key file → what is wrong with it, "" for nothing.
    keys: dict[str, str]
    database_mb: float
    free_mb: int | None
    last_backup_at: datetime | None
    #: Since when a restore may have lost unsubscriptions that nobody has accepted.
    lost_since: datetime | None


def look_at(workspace: Workspace) -> Status:
    """Return how a workspace is.

    Raises:
        StoreUnavailable: when the database cannot be read.
    """
    return _Look(workspace).status()


class _Look:
    """One look at one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._config = workspace.config
        self._now = workspace.clock.now()

    def status(self) -> Status:
        config = self._config
        with self._workspace.store.read() as connection:
            found = list_mailings(connection, _ACTIVE)
            mailings = tuple(
                _mailing_status(one, progress(connection, one.row_id)) for one in reversed(found)
            )
            doubts = doubts_by_mailing(connection)
            counts = service_counts(connection, self._now - _RECENT)
            returned = came_back(connection, self._now - _LATELY)
            shown = self._alerts(connection)
            relays = self._relays(connection)
            intake = tuple(self._intake(connection))
            scheduler = lease_holder(connection, LEASE, self._now) is not None
            senders = living_senders(connection, config)
            size_mb = database_bytes(connection) / _MB
            backup_at = _instant(read_setting(connection, BACKUP_LAST_AT) or "")
            lost_since = _instant(read_setting(connection, LOST_SINCE) or "")
            # Only those in doubt are asked about: in the end there are very many mailings.
            asked = (find_mailing(connection, key) for key in doubts)
            recent = {one.key for one in asked if self._is_recent(one)}
        broken = self._broken_keys()
        seen = Status(
            workspace=config.workspace.name,
            live=config.workspace.live,
            needs=(),
            scheduler=scheduler,
            senders=len(senders),
            sender_numbers=tuple(sorted(number for _, number in senders if number)),
            web=answers(config.web.host, config.web.port),
            mailings=mailings,
            in_doubt=doubts,
            service_mails={
                f"{purpose.value} {state.value}": count
                for (purpose, state), count in sorted(counts.items())
            },
            came_back=returned,
            alerts=shown,
            relays=relays,
            intake=intake,
            keys={name: error.problem if error else "" for name, error in broken.items()},
            database_mb=round(size_mb, 1),
            free_mb=self._free_mb(),
            last_backup_at=backup_at,
            lost_since=lost_since,
        )
        refused = counts.get((ServicePurpose.ALERT, DeliveryState.REFUSED), 0)
        lost = (
            f"{name} {error.problem}. {error.remedy}." for name, error in broken.items() if error
        )
        needs = (*lost, *self._needs(seen, recent, refused))
        return Status(**{**vars(seen), "needs": needs})

    def _is_recent(self, one: Mailing) -> bool:
        return one.finished_at is None or self._now - one.finished_at < _RECENT

    def _alerts(self, connection: Connection) -> tuple[AlertStatus, ...]:
        shown = {one.row_id: one for one in last_alerts(connection, _SHOWN_ALERTS)}
        # What is in doubt may stay so for ever, and has a line of its own.
        kinds = [kind for kind in AlertKind if kind.lasts and kind is not AlertKind.IN_DOUBT]
        shown |= {one.row_id: one for one in lasting_alerts(connection, kinds)}
        waiting = requests_not_taken(connection, ServicePurpose.ALERT)
        return tuple(self._alert(shown[row_id], waiting) for row_id in sorted(shown, reverse=True))

    def _alert(self, one: Alert, waiting: set[str]) -> AlertStatus:
        wanted = self._config.alerts
        return AlertStatus(
            kind=one.kind,
            headline=alert_text(one).headline,
            raised_at=one.raised_at,
            lasting=one.kind.lasts and one.resolved_at is None,
            mailed=(
                one.mailed_at is not None and alert_request(one.row_id) not in waiting
                if wanted.addresses
                else None
            ),
            commanded=one.commanded_at is not None if wanted.command else None,
            command_failure=one.command_failure,
        )

    def _relays(self, connection: Connection) -> tuple[RelayStatus, ...]:
        met = {one.relay: one for one in relay_contacts(connection)}
        limits = {one.key: one for one in limits_on_record(self._workspace, connection)}
        found = [
            _relay_status(
                one.key,
                met.get(one.key),
                verified=is_relay_verified(connection, one.key, relay_digest(one)),
            )
            for one in self._config.relays
        ]
        if not self._config.workspace.live:
            found.append(_relay_status(SANDBOX, met.get(SANDBOX), verified=True))
        return tuple(replace(one, limits=limits.get(one.key)) for one in found)

    def _intake(self, connection: Connection) -> Iterator[IntakeStatus]:
        feedback = self._config.feedback
        for name, is_there in ((MAILDIR, feedback.maildir), (MAILBOX, feedback.imap)):
            if is_there:
                one = intake_contact(connection, name)
                yield IntakeStatus(name, one.read_at, one.unread, one.waiting, one.failure)
        kept = count_unread(self._config.unread_dir)
        if kept:
            yield IntakeStatus("pipe", unread=kept)

    def _broken_keys(self) -> dict[str, KeyFileError | None]:
        """Return by the name of each key file what is wrong with it; None for nothing."""
        found: dict[str, KeyFileError | None] = {}
        for path, load in (
            (self._config.seal_key_path, load_seal_keys),
            (self._config.service_key_path, load_service_keys),
        ):
            found[path.name] = None
            try:
                load(path)
            except KeyFileError as error:
                found[path.name] = error
        return found

    def _is_used(self, relay: str) -> bool:
        """Tell whether some sender's mails go by a relay."""
        return any(one.key == relay for one in self._config.relays_in_use)

    def _free_mb(self) -> int | None:
        with suppress(OSError):
            return shutil.disk_usage(self._config.data_dir).free // _MB
        return None

    def _needs(self, seen: Status, recent: set[str], refused: int) -> Iterator[str]:
        """Yield what a person should see to, what is most urgent first."""
        if seen.lost_since:
            yield (
                f"Unsubscriptions since {seen.lost_since:%Y-%m-%d %H:%M} UTC may be lost: nothing "
                "goes out live. See who may have left, then: mailer restore "
                "--accept-lost-unsubscribes"
            )
        yield from self._process_needs(seen)
        for one in seen.mailings:
            if one.state is MailingState.HELD:
                yield f"{one.key} is held. Let it go: mailer release {one.key}"
            if one.pause_reason:
                yield (
                    f"{one.key} paused by itself: {one.pause_reason}. See: mailer report {one.key}"
                )
        for key, count in seen.in_doubt.items():
            if key in recent:
                yield (
                    f"{key} has {count} in doubt. See: mailer report {key}. "
                    f"Settle: mailer resolve {key}"
                )
        for relay in seen.relays:
            if seen.live and not relay.verified and self._is_used(relay.key):
                yield f"The relay {relay.key} is not verified: no mailing goes by it."
            if relay.failing and relay.failed_at and self._now - relay.failed_at < _LATELY:
                yield f"The relay {relay.key} could not be reached: {relay.failure}"
        yield from self._intake_needs(seen)
        limit_mb = self._config.alerts.disk_low_mb
        if seen.free_mb is not None and seen.free_mb < limit_mb:
            yield f"The disk is nearly full: {seen.free_mb} MB are free."
        if any(one.kind is AlertKind.LOG_NOT_WRITTEN and one.lasting for one in seen.alerts):
            yield (
                "suppressions.log cannot be written: who unsubscribes is asked to try again. See "
                "its owner and its disk."
            )
        if any(one.command_failure and not one.commanded for one in seen.alerts):
            yield "The command that tells staff failed; see the alerts."
        if refused:
            word = "mail was" if refused == 1 else "mails were"
            yield f"{refused} alert {word} refused: mend addresses in [alerts]."
        if seen.live and not (self._config.alerts.addresses or self._config.alerts.command):
            yield "Nobody is told of alerts: fill in [alerts] in config.toml."
        yield from self._backup_needs(seen)

    def _intake_needs(self, seen: Status) -> Iterator[str]:
        for one in seen.intake:
            if one.failure:
                yield f"The {one.place} of what comes back cannot be read: {one.failure}"
            elif one.read_at is not None and self._now - one.read_at > _READ_WITHIN:
                yield (
                    f"The {one.place} of what comes back was not read for an hour. See that this "
                    "runs: mailer run"
                )
            if one.waiting:
                yield (
                    f"{one.waiting} letters in the {one.place} wait to be passed on. See that "
                    "seal.key is there and the relay verified: mailer check"
                )

    def _process_needs(self, seen: Status) -> Iterator[str]:
        waits = any(one.state is not MailingState.PAUSED for one in seen.mailings)
        missing = [
            name
            for name, runs in (
                ("the scheduler", seen.scheduler),
                ("the senders", seen.senders > 0),
                ("the pages", seen.web),
            )
            if not runs
        ]
        if missing and (seen.live or waits):
            # Links in mails that were sent lead to the pages, whatever is being sent now.
            yield f"Not running: {', '.join(missing)}. Start: mailer run"

    def _backup_needs(self, seen: Status) -> Iterator[str]:
        if any(one.kind is AlertKind.BACKUP_FAILED and one.lasting for one in seen.alerts):
            yield "The last backup failed; see the alerts."
        elif seen.live and seen.last_backup_at is None:
            yield "No backup was ever made. Make one: mailer backup"
        elif (
            seen.live
            and seen.last_backup_at is not None
            and self._now - seen.last_backup_at > _BACKUP_WITHIN
        ):
            yield "The last backup is older than a week. Make one: mailer backup"


def _mailing_status(one: Mailing, figures: Progress) -> MailingStatus:
    return MailingStatus(
        key=one.key,
        state=one.state,
        due_at=one.due_at,
        time_zone=one.time_zone,
        done=figures.done,
        to_mail=figures.total or one.confirmed_count,
        held_reason=one.held_reason,
        pause_reason=one.pause_reason,
        canary=one.breaker.canary if one.breaker and one.canary_holds else 0,
        canary_until=one.canary_until,
    )


def _relay_status(key: str, met: RelayContact | None, *, verified: bool) -> RelayStatus:
    if met is None:
        return RelayStatus(key, verified, None, None, "", failing=False)
    return RelayStatus(
        key, verified, met.connected_at, met.failed_at, met.failure, failing=met.is_failing
    )


def _instant(text: str) -> datetime | None:
    with suppress(ValueError):
        found = datetime.fromisoformat(text)
        return found if found.tzinfo is not None else None
    return None
