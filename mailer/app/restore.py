"""Put a workspace back from a backup, and make it safe to go on with.

In: a backup, its key, a folder, and what survived of the dead workspace. Out: a workspace with
every unfinished mailing held. Everything is made ready in a folder of its own first: until the last
step, which only gives files their names, nothing of what was there is touched; what was there is
moved aside and never deleted. A restore that was killed is undone by the next one.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tomllib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from mailer.alerts import backup_made, raise_alert
from mailer.app.backup import DATABASE, MANIFEST, PUBLIC_KEY, Manifest, read_backup, read_manifest
from mailer.app.failures import RestoreRefused
from mailer.app.replacing import put_in_place, staging_in
from mailer.app.settling import reason_to_hold, settled
from mailer.app.workspace import Workspace
from mailer.box import BoxError
from mailer.clock import Clock
from mailer.config import CONFIG_FILE
from mailer.delivery.journal import KEPT_SUFFIX, SUFFIX
from mailer.delivery.survival import (
    CLEARED_UNTIL,
    FOLDER_ID,
    Survivors,
    journal_files,
    living_senders,
    read_survivors,
)
from mailer.keys import load_seal_keys, load_service_keys
from mailer.model.alerts import AlertKind
from mailer.model.audit import AuditAction
from mailer.model.staff import Actor
from mailer.model.states import OPEN_STATES, DeliveryState
from mailer.store.api_tokens import end_all_tokens
from mailer.store.audit import write_audit
from mailer.store.copying import check_sound, load_dump
from mailer.store.engine import (
    NEWEST,
    Connection,
    Store,
    WrongKeys,
    open_store,
    upgrade,
)
from mailer.store.restoring import (
    Replayed,
    end_processes,
    hold_all,
    open_deliveries,
    replay_log,
    settle,
    settle_service_mails,
    start_new_ids,
)
from mailer.store.settings import (
    BACKUP_LAST_AT,
    LOST_SINCE,
    drop_setting,
    read_setting,
    write_setting,
)
from mailer.store.staff import forget_openings
from mailer.store.suppression_log import FILE_NAME, LogEntry, LogNotRead, SuppressionLog

#: How long before a backup a line of the log may have been written and not committed.
MARGIN = timedelta(hours=1)
_CHUNK = 1_000
#: Room wanted beyond the size of the backup.
_SPARE_BYTES = 20_000_000
_OWN = (CONFIG_FILE, PUBLIC_KEY, "templates", "lists")
#: Where the folder of data is made ready; no file of a backup has this name.
_READY = "data.ready"


@dataclass
class Restored:
    """What a restore came to."""

    made_at: datetime
    held: int = 0
    #: State → deliveries that were open in the backup and are now in it.
    settled: dict[str, int] = field(default_factory=dict)
    journals: int = 0
    silence_proves: bool = False
    #: None where no suppressions.log of the time since survived.
    replayed: Replayed | None = None
    #: From when on unsubscriptions may be lost; None when none are, or it was accepted.
    lost_since: datetime | None = None
    #: Where what was there is now; None when the folder was empty.
    aside: Path | None = None
    #: Key files that are still to be put in.
    missing_keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Survived:
    """Where to look for what a dead workspace has left; the folder itself when None."""

    journals: Path | None = None
    suppressions: Path | None = None


@dataclass(frozen=True)
class _Places:
    """What the config in the backup says of places, read without its key files being there."""

    data: str
    seal: str
    service: str
    url: str
    url_env: str

    def database(self, folder: Path) -> Path | None:
        """Return where the SQLite database belongs; None for PostgreSQL."""
        prefix = "sqlite:///"
        if self.url_env or not self.url.startswith(prefix):
            return None
        return folder / self.url.removeprefix(prefix)


def restore(
    backup: Path,
    key: X25519PrivateKey,
    folder: Path,
    clock: Clock,
    survived: Survived,
    *,
    actor: Actor,
    accept_lost: bool,
) -> Restored:
    """Put the workspace in `backup` into `folder`.

    Raises:
        BoxError: when the backup cannot be opened whole.
        CopyFailed: when a PostgreSQL database does not take it.
        LogNotRead: when a suppressions.log is there and cannot be read.
        RestoreRefused: when the folder, the backup or the disk is not fit.
        WrongKeys: when a key file in the folder is not of this backup.
    """
    folder = folder.resolve()
    _check_survivors(survived)
    _check_room(backup, folder)
    try:
        with staging_in(folder) as staging:
            with backup.open("rb") as file:
                manifest = _unpack(file, key, staging, backup.name)
            places = _places(staging)
            _check_dead(folder / places.data)
            done = _prepare(
                staging,
                folder,
                places,
                manifest,
                clock,
                survived,
                actor=actor,
                accept_lost=accept_lost,
            )
            done.aside = _give_names(staging, folder, places, clock.now())
    except OSError as error:
        raise RestoreRefused(
            f"{Path(error.filename).name if error.filename else backup.name}: "
            f"{error.strerror or error}",
            "Mend that, then try again",
        ) from error
    return done


def accept_lost_unsubscribes(workspace: Workspace, actor: Actor) -> datetime | None:
    """Note that a person accepts that unsubscriptions may be lost; return since when, if any."""
    with workspace.store.write() as connection:
        noted = read_setting(connection, LOST_SINCE)
        since = datetime.fromisoformat(noted) if noted else None
        drop_setting(connection, LOST_SINCE)
        if since is not None:
            _note_accepted(connection, actor, since, workspace.clock.now())
    return since


def _note(connection: Connection, actor: Actor, done: Restored, now: datetime) -> None:
    """Write the entry by which the audit log goes on from the copy: what came after that is gone."""
    write_audit(
        connection, actor, AuditAction.RESTORED, "database", now,
        as_of=done.made_at.isoformat(), held=done.held, journals=done.journals,
        replayed=done.replayed.entries if done.replayed else None,
        unsubscriptions_lost_since=done.lost_since.isoformat() if done.lost_since else None,
    )  # fmt: skip


def _note_accepted(connection: Connection, actor: Actor, since: datetime, now: datetime) -> None:
    write_audit(
        connection, actor, AuditAction.LOSS_ACCEPTED, "restore", now, since=since.isoformat()
    )  # fmt: skip


def _check_survivors(survived: Survived) -> None:
    """Refuse a name that a slip of the pen made: without it everything would be in doubt, or lost."""
    if survived.journals is not None and not survived.journals.is_dir():
        raise RestoreRefused(f"There is no folder {survived.journals}", "Name data/journal")
    if survived.suppressions is not None and not survived.suppressions.is_file():
        raise RestoreRefused(f"There is no file {survived.suppressions}", "Name suppressions.log")


def _check_room(backup: Path, folder: Path) -> None:
    if not backup.is_file():
        raise RestoreRefused(f"There is no file {backup}", "Name the backup")
    there = folder
    while not there.exists():
        there = there.parent
    wanted = backup.stat().st_size + _SPARE_BYTES
    free = shutil.disk_usage(there).free
    if free < wanted:
        raise RestoreRefused(
            f"There is not enough room in {folder}: {wanted // 1_000_000} MB are wanted, "
            f"{free // 1_000_000} MB are free",
            "Make room or choose another folder",
        )


def _unpack(file: IO[bytes], key: X25519PrivateKey, staging: Path, name: str) -> Manifest:
    """Write every file of the backup below `staging`; nothing is believed before its end."""
    manifest: Manifest | None = None
    for entry, content in read_backup(file, key, name):
        if entry == MANIFEST:
            manifest = read_manifest(content.read(), name)
            continue
        path = staging / entry
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as out:
            shutil.copyfileobj(content, out, 1 << 18)
            out.flush()
            os.fsync(out.fileno())
    if manifest is None or not (staging / DATABASE).exists():
        raise BoxError(name, "is not complete", "Take another backup")
    if manifest.tables > NEWEST:
        raise BoxError(name, "was written by a newer program", "Install the newer program")
    return manifest


def _places(staging: Path) -> _Places:
    config: dict[str, Any] = tomllib.loads((staging / CONFIG_FILE).read_text(encoding="utf-8"))

    def value(section: str, name: str, default: str) -> str:
        return str(config.get(section, {}).get(name, default))

    return _Places(
        data=value("workspace", "data", "data"),
        seal=value("keys", "seal", "seal.key"),
        service=value("keys", "service", "service.key"),
        url=value("database", "url", "sqlite:///data/mailer.db"),
        url_env=value("database", "url_env", ""),
    )


def _check_dead(data: Path) -> None:
    if living_senders(data / "journal"):
        raise RestoreRefused(
            "A sender of the workspace in that folder is at work",
            "Stop `mailer run` there first, or choose another folder",
        )


def _prepare(
    staging: Path,
    folder: Path,
    places: _Places,
    manifest: Manifest,
    clock: Clock,
    survived: Survived,
    *,
    actor: Actor,
    accept_lost: bool,
) -> Restored:
    """Make the database in `staging` safe, by what survived in `folder` or elsewhere."""
    now = clock.now()
    data = folder / places.data
    journals = survived.journals or data / "journal"
    survivors = read_survivors(journals, manifest.journal_folder, manifest.at - MARGIN)
    log = SuppressionLog(survived.suppressions or data / FILE_NAME)
    goes_on = _goes_on(log, staging / FILE_NAME, manifest.log_bytes)
    entries = list(_since(log, manifest)) if goes_on else []
    done = Restored(manifest.at, journals=survivors.files, silence_proves=survivors.silence_proves)
    store = _open_copy(staging, places, manifest)
    try:
        done.missing_keys = _check_keys(store, folder, places)
        _make_safe(store, manifest, done, survivors, now)
        with store.write() as connection:
            done.replayed = replay_log(connection, entries) if goes_on else None
            done.lost_since = None if goes_on or accept_lost else manifest.at
            if done.lost_since:
                write_setting(connection, LOST_SINCE, done.lost_since.isoformat())
            # The copy was made before its own backup was done.
            write_setting(connection, BACKUP_LAST_AT, manifest.made_at)
            backup_made(connection, now)
            _note(connection, actor, done, now)
            if accept_lost and not goes_on:
                _note_accepted(connection, actor, manifest.at, now)
    finally:
        store.close()
    _keep_files(staging, journals, log if goes_on else None, survivors)
    return done


def _goes_on(log: SuppressionLog, known: Path, size: int) -> bool:
    """Tell whether a log goes on from the one in the backup: neither older nor begun anew since."""
    if not log.path.is_file():
        return False
    try:
        with log.path.open("rb") as found, known.open("rb") as backup:
            before = backup.read(size)
            return len(before) == size and found.read(size) == before
    except OSError as error:
        raise LogNotRead(log.path, error.strerror or "input or output error") from error


def _since(log: SuppressionLog, manifest: Manifest) -> Iterator[LogEntry]:
    for offset, entry in log.read():
        if offset >= manifest.log_bytes or entry.at >= manifest.at - MARGIN:
            yield entry


def _open_copy(staging: Path, places: _Places, manifest: Manifest) -> Store:
    if manifest.database == "sqlite":
        store = open_store(f"sqlite:///{staging / DATABASE}")
    else:
        if places.url_env and not os.environ.get(places.url_env):
            raise RestoreRefused(
                f"The environment variable {places.url_env} is not set",
                "Put the address of an empty PostgreSQL database into it",
            )
        store = open_store(os.environ[places.url_env] if places.url_env else places.url)
    try:
        check_sound(store)
        if not store.is_sqlite:
            with (staging / DATABASE).open("rb") as file:
                load_dump(store, file)
    except BaseException:
        store.close()
        raise
    return store


def _check_keys(store: Store, folder: Path, places: _Places) -> tuple[str, ...]:
    """Hold the key files that are in the folder against the database; return those missing."""
    missing = []
    with store.read() as connection:
        seal, service = (read_setting(connection, name) for name in ("seal_key", "service_key"))
    if not (folder / places.seal).exists():
        missing.append(places.seal)
    elif seal not in (None, *load_seal_keys(folder / places.seal).fingerprints):
        raise WrongKeys(places.seal)
    if not (folder / places.service).exists():
        missing.append(places.service)
    elif service not in (None, load_service_keys(folder / places.service).fingerprint):
        raise WrongKeys(places.service)
    return tuple(missing)


def _make_safe(
    store: Store, manifest: Manifest, done: Restored, survivors: Survivors, now: datetime
) -> None:
    def stop_all(connection: Connection) -> None:
        held = hold_all(connection, lambda one: reason_to_hold(one, done.made_at, now))
        for key, reason in held:
            raise_alert(connection, AlertKind.MAILING_HELD, key, now, reason=reason)
        done.held = len(held)
        end_processes(connection, now)
        forget_openings(connection)
        end_all_tokens(connection, now)
        settle_service_mails(connection, now)
        start_new_ids(connection, now)

    # No process of ours opens the database before nothing of it can be sent.
    upgrade(store, stamp="" if store.is_sqlite else manifest.tables, then=stop_all)
    # First the doubts of the backup itself: those that come of what was open are not meant.
    for states in ((DeliveryState.IN_DOUBT,), OPEN_STATES):
        _settle_all(store, done, survivors, states, now)


def _settle_all(
    store: Store,
    done: Restored,
    survivors: Survivors,
    states: Collection[DeliveryState],
    now: datetime,
) -> None:
    last = 0
    while True:
        with store.write() as connection:
            found = open_deliveries(connection, last, _CHUNK, states)
            batch = [became for one in found if (became := settled(one, survivors)) is not None]
            settle(connection, batch, now)
        if not found:
            return
        for one in batch:
            done.settled[one.state.value] = done.settled.get(one.state.value, 0) + 1
        last = found[-1].delivery_id


def _keep_files(
    staging: Path, journals: Path, log: SuppressionLog | None, survivors: Survivors
) -> None:
    """Carry on with the log and the journals that survived, where they go on from the backup's."""
    if log is not None:
        shutil.copyfile(log.path, staging / FILE_NAME)
        (staging / FILE_NAME).chmod(0o600)
    kept = staging / "journal"
    kept.mkdir(mode=0o700, exist_ok=True)
    if survivors.silence_proves:
        for path in journal_files(journals):
            shutil.copy2(path, kept / path.name)
        for name in (FOLDER_ID, CLEARED_UNTIL):
            if (journals / name).exists():
                shutil.copyfile(journals / name, kept / name)
    for path in kept.glob(f"*{SUFFIX}"):
        # All that they say is in the database: no sender is to take them for a dead one's.
        path.rename(path.with_name(f"{path.stem}-{secrets.token_hex(4)}{KEPT_SUFFIX}"))


def _give_names(staging: Path, folder: Path, places: _Places, now: datetime) -> Path | None:
    """Move what is there aside and what was made ready into its place."""
    data, database = folder / places.data, places.database(folder)
    ready = staging / _READY
    ready.mkdir(mode=0o700)
    for name in ("journal", FILE_NAME):
        if (staging / name).exists():
            (staging / name).rename(ready / name)
    new = [(ready, data), *((staging / name, folder / name) for name in _OWN)]
    there = [target for _, target in new if target.exists()]
    if database and database.is_relative_to(data):
        inside = ready / database.relative_to(data)
        inside.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        (staging / DATABASE).rename(inside)
    elif database:
        new.append((staging / DATABASE, database))
        there += [path for path in database.parent.glob(f"{database.name}*") if path.is_file()]
    new = [(source, target) for source, target in new if source.exists()]
    aside = folder / f"before-restore-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    put_in_place(folder, staging, new, there, aside)
    return aside if there else None
