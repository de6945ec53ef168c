"""Write a workspace into one encrypted file, and read such a file.

In: a workspace and `backup.pub`. Out: a box with a tar in it: a manifest, one consistent state of
the database, config.toml, templates, lists, suppressions.log and the journals. No key file and no
password is in it: they are kept apart. A half-written backup never has its final name.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import tarfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import IO, cast

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from mailer.app.failures import BackupFailed
from mailer.app.workspace import Workspace
from mailer.box import BoxError, BoxReader, BoxWriter, load_public_key
from mailer.config import CONFIG_FILE
from mailer.delivery.survival import folder_id, journal_files
from mailer.durable import sync_folder
from mailer.model.audit import AuditAction
from mailer.model.staff import Actor
from mailer.store.audit import write_audit
from mailer.store.copying import database_copy
from mailer.store.engine import NEWEST, StoreUnavailable, known_version
from mailer.store.settings import BACKUP_LAST_AT, write_setting
from mailer.store.suppression_log import FILE_NAME

PUBLIC_KEY = "backup.pub"
PRIVATE_KEY = "backup.key"
#: Of the layout of a backup; a newer one is refused.
FORMAT = 1
MANIFEST = "manifest.json"
DATABASE = "database"
JOURNALS = "journal/"
_NAME = re.compile(r"mailer-\d{8}T\d{6}Z\.backup")


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself."""

    format: int
    #: Of the program that wrote it.
    program: str
    #: When its state of the database was the state; nothing later is in it.
    made_at: str
    #: The newest migration of its database.
    tables: str
    #: "sqlite" or "postgresql".
    database: str
    #: Names the folder of journals that goes on from it.
    journal_folder: str
    #: Bytes of suppressions.log that are surely in its database.
    log_bytes: int

    @property
    def at(self) -> datetime:
        """Return the instant of its state."""
        return datetime.fromisoformat(self.made_at)


@dataclass(frozen=True)
class Backup:
    """A backup that was written."""

    path: Path
    size: int
    #: Older ones that were removed.
    pruned: tuple[Path, ...]


def backup_name(now: datetime) -> str:
    """Return what a backup is called unless somebody says otherwise."""
    return f"mailer-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}.backup"


def make_backup(
    workspace: Workspace, actor: Actor, out: Path | None = None, keep: int = 0
) -> Backup:
    """Write a backup of the workspace while it goes on working.

    Args:
        workspace: its database may be of an older version; then no entry says that it was made.
        actor: in whose name.
        out: the file; a new one in data/backups/ when None.
        keep: how many files of our naming to leave in that folder; 0 leaves all.

    Raises:
        BackupFailed: when it cannot be written; no part of it is left.
        CopyFailed: when the database cannot be copied.
        KeyFileError: when there is no `backup.pub`.
    """
    recipient = load_public_key(workspace.config.root / PUBLIC_KEY)
    now = workspace.clock.now()
    path = out or workspace.config.data_dir / "backups" / backup_name(now)
    if path.exists():
        raise BackupFailed(f"{path} is there already", "Name another file; nothing was changed")
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            box = BoxWriter(file, recipient)
            _write_tar(workspace, box, now)
            box.close()
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        _give_name(part, path)
    except OSError as error:
        raise BackupFailed(
            f"{path.name} cannot be written: {error.strerror or error}",
            "Make room or choose another folder with --out; nothing was changed",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    # The backup is whole: a database that is busy just now does not make it less.
    store = workspace.store_of_any_version()
    is_current = known_version(store) == NEWEST
    with contextlib.suppress(StoreUnavailable), store.write() as connection:
        write_setting(connection, BACKUP_LAST_AT, now.isoformat())
        if is_current:
            write_audit(
                connection, actor, AuditAction.BACKUP_MADE, path.name, workspace.clock.now(),
                bytes=size,
            )  # fmt: skip
    store.close()
    return Backup(path, size, tuple(_prune(path.parent, keep)) if keep else ())


def _give_name(part: Path, path: Path) -> None:
    try:
        # Unlike a rename, a link never takes the place of a file that is there.
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:
        # A stick's file system knows no links.
        part.rename(path)
    sync_folder(path.parent)


def _prune(folder: Path, keep: int) -> Iterator[Path]:
    ours = sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
    for path in ours[:-keep]:
        try:
            path.unlink()
        except OSError as error:
            raise BackupFailed(
                f"The backup is written, but {path.name} cannot be removed: {error.strerror}",
                "Remove it yourself",
            ) from error
        yield path


def _write_tar(workspace: Workspace, box: BoxWriter, now: datetime) -> None:
    config = workspace.config
    store = workspace.store_of_any_version()
    # An empty one says that nobody left; none at all would say that it was lost.
    with _reading(FILE_NAME):
        workspace.suppression_log.make()
    # Measured before the database is copied: whatever is not surely in it is replayed.
    manifest = Manifest(
        format=FORMAT,
        program=version("mailer"),
        made_at=now.isoformat(),
        tables=known_version(store) or "",
        database=store.engine.dialect.name,
        journal_folder=folder_id(config.journal_dir),
        log_bytes=workspace.suppression_log.size(),
    )
    with tarfile.open(fileobj=cast("IO[bytes]", box), mode="w|", format=tarfile.PAX_FORMAT) as tar:
        content = json.dumps(asdict(manifest), indent=1).encode()
        _add(tar, MANIFEST, io.BytesIO(content), len(content))
        with database_copy(store, config.data_dir) as file:
            _add(tar, DATABASE, file, os.fstat(file.fileno()).st_size)
        for name, path in _files(workspace):
            try:
                with _reading(name):
                    opened = path.open("rb")
            except FileNotFoundError:
                # A journal that was put aside meanwhile has another name.
                continue
            with opened as one:
                _add(tar, name, one, os.fstat(one.fileno()).st_size)
    store.close()


@contextlib.contextmanager
def _reading(name: str) -> Iterator[None]:
    """Name the file of the workspace that cannot be opened, and not the backup."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise BackupFailed(
            f"{name} cannot be read: {error.strerror or error}",
            "See that it belongs to whoever makes the backup; nothing was changed",
        ) from error


def _files(workspace: Workspace) -> Iterator[tuple[str, Path]]:
    config = workspace.config
    yield CONFIG_FILE, config.root / CONFIG_FILE
    yield PUBLIC_KEY, config.root / PUBLIC_KEY
    yield FILE_NAME, workspace.suppression_log.path
    for path in sorted(config.templates_dir.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            yield f"templates/{path.relative_to(config.templates_dir)}", path
    # Lists of people are imported already; only what says how a list works belongs to the set-up.
    for path in sorted(config.lists_dir.glob("*.toml")):
        yield f"lists/{path.name}", path
    for path in journal_files(config.journal_dir):
        yield f"{JOURNALS}{path.name}", path


def _add(tar: tarfile.TarFile, name: str, file: IO[bytes], size: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = size
    entry.mode = 0o600
    # A file that grows is taken as long as it was when it was opened.
    tar.addfile(entry, file)


def read_backup(
    file: IO[bytes], key: X25519PrivateKey, name: str
) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield each file in a backup, the manifest first; to its end, so that a cut is noticed.

    Raises:
        BoxError: when it is no backup, another key's, damaged or cut off.
    """
    box = BoxReader(file, key, name)
    try:
        with tarfile.open(fileobj=cast("IO[bytes]", box), mode="r|") as tar:
            for entry in tar:
                content = tar.extractfile(entry) if entry.isfile() else None
                if content is None or not _is_ours(entry.name):
                    raise BoxError(name, "holds what no backup of ours holds", "Do not use it")
                yield entry.name, content
    except tarfile.TarError as error:
        raise BoxError(name, "is damaged", "Take another backup; nothing was changed") from error
    while box.read(1 << 16):
        pass


def _is_ours(name: str) -> bool:
    parts = Path(name).parts
    if not parts or ".." in parts or Path(name).is_absolute():
        return False
    return name in (MANIFEST, DATABASE, CONFIG_FILE, PUBLIC_KEY, FILE_NAME) or (
        len(parts) > 1 and parts[0] in ("templates", "lists", "journal")
    )


def read_manifest(content: bytes, name: str) -> Manifest:
    """Return what a backup says of itself.

    Raises:
        BoxError: when it is of a newer program, or says nothing.
    """
    try:
        document = json.loads(content)
        if document["format"] > FORMAT:
            raise BoxError(name, "was written by a newer program", "Install the newer program")
        return Manifest(**document)
    except (ValueError, TypeError, KeyError) as error:
        raise BoxError(name, "is damaged: it says nothing of itself", "Take another") from error


def check_backup(path: Path, key: X25519PrivateKey) -> tuple[Manifest, dict[str, int]]:
    """Read a backup to its end; return what it says of itself and its files with their sizes.

    Raises:
        BackupFailed: when the file cannot be read.
        BoxError: when it cannot be opened whole.
    """
    sizes: dict[str, int] = {}
    manifest: Manifest | None = None
    try:
        with path.open("rb") as file:
            for name, content in read_backup(file, key, path.name):
                if name == MANIFEST:
                    manifest = read_manifest(content.read(), path.name)
                    continue
                sizes[name] = 0
                while part := content.read(1 << 18):
                    sizes[name] += len(part)
    except OSError as error:
        raise BackupFailed(
            f"{path.name} cannot be read: {error.strerror or error}", "Check the file"
        ) from error
    if manifest is None or DATABASE not in sizes:
        raise BoxError(path.name, "is not complete", "Take another backup")
    return manifest, sizes
