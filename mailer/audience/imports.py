"""Bring a CSV of people onto a list, streamed, without ever bringing back who left.

In: a CSV file with a header and a list's definition. Out: an `ImportResult` with counts, and a
reject file with line and reason for every row that could not be taken; the terminal never shows an
address. A file imported twice changes nothing the second time. Standards: RFC 4180.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import TextIO

from mailer.audience.merging import TABLE, Change, Merger, attribute_row, merged_profile
from mailer.audience.rows import BadRow, ImportedRow, RowReader
from mailer.keys import SealKeys, ServiceKeys
from mailer.model.audience import LanguageProfile, ListDefinition, MembershipState
from mailer.model.faults import Fault, FaultsFound
from mailer.store import audience as store_audience
from mailer.store.audience import KnownSupporter
from mailer.store.engine import Connection, Store, take_ids

#: Rows of one transaction: well under 50 ms of write lock.
CHUNK_ROWS = 500


@dataclass(frozen=True)
class ImportResult:
    """What became of the rows."""

    #: New on this list.
    added: int = 0
    #: On the list already, and something about them changed.
    updated: int = 0
    #: On the list already, with nothing new.
    unchanged: int = 0
    #: The address came earlier in the same file; merged into one.
    merged: int = 0
    #: Left this list by their own wish; not brought back.
    left: int = 0
    #: On the suppression list; not taken.
    suppressed: int = 0
    #: Could not be taken; in the reject file.
    rejected: int = 0
    #: Where the rejected rows are; None when there are none or nothing was written.
    reject_file: Path | None = None

    @property
    def rows(self) -> int:
        """Return how many rows the file had."""
        return sum(value for value in asdict(self).values() if isinstance(value, int))

    def summary(self) -> str:
        """Return the counts that are not zero, in words."""
        words = [
            f"{getattr(self, one.name)} {one.name}"
            for one in fields(self)
            if one.name != "reject_file" and getattr(self, one.name)
        ]
        return ", ".join(words) or "no rows"


def import_csv(
    store: Store,
    seal_keys: SealKeys,
    service_keys: ServiceKeys,
    path: Path,
    definition: ListDefinition,
    *,
    rejects_dir: Path,
    now: datetime,
    dry_run: bool = False,
) -> ImportResult:
    """Import a file onto a list, or with `dry_run` count what it would do and change nothing.

    Raises:
        FaultsFound: when the file as a whole cannot be read; nothing is changed then.
    """
    importer = _Importer(store, seal_keys, service_keys, definition, now, dry_run=dry_run)
    rejects = _Rejects(rejects_dir, definition.key, now, dry_run=dry_run)
    with _opened(path) as file, rejects:
        lines = csv.reader(file, strict=True)
        header = _header(lines, path)
        reader = RowReader(header, definition, path.name, f"import of {path.name}")
        rejects.header = header
        importer.begin()
        for chunk in _chunks(lines, reader, rejects, path.name):
            importer.take(chunk)
        importer.end(rejects.count)
    return replace(importer.result(), rejected=rejects.count, reject_file=rejects.written)


def _opened(path: Path) -> TextIO:
    try:
        return path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise FaultsFound(
            [Fault(path.name, 0, "", f"cannot be read: {error.strerror}", "Check its path")]
        ) from error


def _not_utf8(name: str, line: int) -> FaultsFound:
    return FaultsFound([Fault(name, line, "", "is not UTF-8", "Save it as CSV UTF-8")])


def _header(lines: Iterator[list[str]], path: Path) -> list[str]:
    try:
        return next(lines)
    except StopIteration:
        raise FaultsFound([Fault(path.name, 1, "", "is empty", "Export it again")]) from None
    except UnicodeDecodeError as error:
        raise _not_utf8(path.name, 1) from error
    except csv.Error as error:
        raise FaultsFound([Fault(path.name, 1, "", f"is not CSV: {error}")]) from error


def _chunks(
    lines: Iterator[list[str]], reader: RowReader, rejects: _Rejects, name: str
) -> Iterator[list[ImportedRow]]:
    chunk: list[ImportedRow] = []
    line = 1
    while True:
        try:
            cells = next(lines)
        except StopIteration:
            break
        except UnicodeDecodeError as error:
            raise _not_utf8(name, line + 1) from error
        except csv.Error as error:
            line = getattr(lines, "line_num", line + 1)
            rejects.add(line, f"not CSV: {error}", [])
            continue
        line = getattr(lines, "line_num", line + 1)
        if not any(cell.strip() for cell in cells):
            continue
        try:
            chunk.append(reader.read(cells))
        except BadRow as error:
            rejects.add(line, error.reason, cells)
        if len(chunk) >= CHUNK_ROWS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


class _Rejects:
    """Writes what could not be taken to a file only its owner can read, when there is any."""

    def __init__(self, folder: Path, key: str, now: datetime, *, dry_run: bool) -> None:
        self._path = folder / f"{key}-{now:%Y%m%dT%H%M%S}.csv"
        self._dry_run = dry_run
        self._file: TextIO | None = None
        self.header: Sequence[str] = ()
        self.count = 0

    def __enter__(self) -> _Rejects:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._file is not None:
            self._file.close()

    @property
    def written(self) -> Path | None:
        """Return the file, when one was written."""
        return self._path if self._file is not None else None

    def add(self, line: int, reason: str, cells: Sequence[str]) -> None:
        """Note a row with its line and reason."""
        self.count += 1
        if self._dry_run:
            return
        if self._file is None:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            self._file = os.fdopen(descriptor, "w", encoding="utf-8", newline="")
            csv.writer(self._file).writerow(["line", "reason", *self.header])
        csv.writer(self._file).writerow([line, reason, *cells])


class _Importer:
    """Compares rows with who is known, and writes what is new, a chunk a transaction."""

    def __init__(
        self,
        store: Store,
        seal_keys: SealKeys,
        service_keys: ServiceKeys,
        definition: ListDefinition,
        now: datetime,
        *,
        dry_run: bool,
    ) -> None:
        self._store = store
        self._seal = seal_keys
        self._service = service_keys
        self._definition = definition
        self._now = now
        self._dry_run = dry_run
        self._list_id = 0
        self._organisation_id = 0
        self._batch_id = 0
        self._counts = dict.fromkeys(
            ("added", "updated", "unchanged", "merged", "left", "suppressed"), 0
        )
        #: Half a digest per address of this file: enough to tell a second row of one.
        self._seen: set[bytes] = set()
        #: Addresses of this chunk that an earlier chunk had: counted as merged already.
        self._repeated: set[bytes] = set()

    def begin(self) -> None:
        """Note that an import begins; a dry run only looks up the list."""
        if self._dry_run:
            with self._store.read() as connection:
                known = store_audience.find_list(connection, self._definition.key)
            if known is not None:
                self._list_id, self._organisation_id = known
            return
        with self._store.write() as connection:
            ids = store_audience.sync_lists(connection, [self._definition], self._now)
            self._list_id = ids[self._definition.key]
            self._organisation_id = store_audience.owner_of(connection, self._list_id)
            self._batch_id = store_audience.open_batch(connection, self._list_id, self._now)

    def end(self, rejected: int) -> None:
        """Note that it has ended, with its counts."""
        if not self._dry_run:
            with self._store.write() as connection:
                counts = {**self._counts, "rejected": rejected}
                store_audience.close_batch(connection, self._batch_id, self._now, counts)

    def result(self) -> ImportResult:
        """Return the counts so far."""
        return ImportResult(**self._counts, reject_file=None)

    def take(self, rows: Sequence[ImportedRow]) -> None:
        """Compare and write one chunk in one transaction."""
        chunk: dict[bytes, ImportedRow] = {}
        self._repeated = set()
        for row in rows:
            digest = self._service.address_digest(row.address.normal_form)
            earlier = chunk.get(digest)
            if earlier is not None or digest[:8] in self._seen:
                self._counts["merged"] += 1
            if earlier is None and digest[:8] in self._seen:
                self._repeated.add(digest)
            self._seen.add(digest[:8])
            chunk[digest] = row if earlier is None else _merged(earlier, row)
        opened = self._store.read if self._dry_run else self._store.write
        with opened() as connection:
            digests = list(chunk)
            known = store_audience.known_supporters(
                connection, self._organisation_id, self._list_id, digests
            )
            suppressed = store_audience.suppressed_digests(
                connection, self._organisation_id, digests
            )
            wanted = {digest: row for digest, row in chunk.items() if digest not in suppressed}
            self._counts["suppressed"] += len(chunk) - len(wanted)
            repeated = self._repeated & set(wanted)
            changes = self._changes(connection, wanted, known)
            for digest, change in changes.items():
                if digest not in repeated:
                    self._counts[change.verdict.value] += 1
            if not self._dry_run:
                self._write(connection, wanted, changes)

    def _changes(
        self,
        connection: Connection,
        rows: Mapping[bytes, ImportedRow],
        known: Mapping[bytes, KnownSupporter],
    ) -> dict[bytes, Change]:
        unknown = [digest for digest in rows if digest not in known]
        first = 0
        if unknown and not self._dry_run:
            first = take_ids(connection, TABLE, len(unknown))
        new_ids = {digest: first + number for number, digest in enumerate(unknown)}
        profiles = _Profiles(connection, writes=not self._dry_run)
        merger = Merger(
            self._seal, self._service, self._definition, self._organisation_id, self._now,
            profiles.id_of, profiles.of_id,
        )  # fmt: skip
        return {
            digest: merger.change(digest, row, known.get(digest), new_ids.get(digest, 0))
            for digest, row in rows.items()
        }

    def _write(
        self,
        connection: Connection,
        rows: Mapping[bytes, ImportedRow],
        changes: Mapping[bytes, Change],
    ) -> None:
        all_changes = list(changes.values())
        store_audience.insert_supporters(
            connection, [one.new for one in all_changes if one.new is not None]
        )
        store_audience.update_supporters(
            connection, [one.changed for one in all_changes if one.changed is not None]
        )
        store_audience.write_memberships(
            connection,
            [self._membership(rows[digest], one) for digest, one in changes.items() if one.joins],
        )
        store_audience.write_consent(
            connection,
            [self._consent(rows[digest], one) for digest, one in changes.items() if one.consents],
        )
        store_audience.write_tags(
            connection,
            [
                {"supporter_id": one.supporter_id, "tag": tag}
                for one in all_changes
                for tag in sorted(one.tags)
            ],
        )
        store_audience.replace_attributes(
            connection,
            [
                attribute_row(one.supporter_id, self._definition.attributes[name], value)
                for one in all_changes
                for name, value in one.clear.items()
            ],
        )

    def _membership(self, row: ImportedRow, change: Change) -> dict[str, object]:
        return {
            "list_id": self._list_id,
            "supporter_id": change.supporter_id,
            "state": MembershipState.SUBSCRIBED,
            "consent_basis": row.consent_basis,
            "consent_source": row.consent_source if row.consent_basis else "",
            "consented_at": row.consented_at,
            "added_at": self._now,
            "batch_id": self._batch_id,
        }

    def _consent(self, row: ImportedRow, change: Change) -> dict[str, object]:
        return {
            "on_list": self._list_id,
            "who": change.supporter_id,
            "basis": row.consent_basis,
            "source": row.consent_source,
            "at": row.consented_at,
        }


class _Profiles:
    """Language profiles by row id and the other way round, each asked for once a chunk."""

    def __init__(self, connection: Connection, *, writes: bool) -> None:
        self._connection = connection
        self._writes = writes
        self._ids: dict[LanguageProfile, int] = {}
        self._profiles: dict[int, LanguageProfile] = {}

    def id_of(self, profile: LanguageProfile) -> int:
        """Return the row id; 0 in a dry run, which writes none."""
        if profile not in self._ids:
            self._ids[profile] = (
                store_audience.profile_id(self._connection, profile) if self._writes else 0
            )
        return self._ids[profile]

    def of_id(self, row_id: int) -> LanguageProfile:
        """Return the profile of a row id."""
        if row_id not in self._profiles:
            self._profiles[row_id] = store_audience.load_profile(self._connection, row_id)
        return self._profiles[row_id]


def _merged(earlier: ImportedRow, later: ImportedRow) -> ImportedRow:
    """Return one row of two for the same address: the later one's values win where it has any."""
    return replace(
        later,
        address=earlier.address,
        profile=merged_profile(earlier.profile, later.profile),
        country=later.country or earlier.country,
        time_zone=later.time_zone or earlier.time_zone,
        joined_at=later.joined_at or earlier.joined_at,
        tags=earlier.tags | later.tags,
        consent_basis=later.consent_basis or earlier.consent_basis,
        fields={**earlier.fields, **later.fields},
        clear={**earlier.clear, **later.clear},
    )
