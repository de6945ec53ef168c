"""Bring a CSV of people onto a list, streamed, without ever bringing back who left.

In: a CSV file with a header and a list's definition. Out: an `ImportResult` with counts, and a
reject file with line and reason for every row that could not be taken; the terminal never shows an
address. The file is read twice: first for what would make it unusable, then, a chunk a transaction,
for its people, who are all on the list at once when the last chunk is in. A file imported twice
changes nothing the second time. Standards: RFC 4180.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mailer.audience.consent import sealed_source
from mailer.audience.merging import TABLE, Change, ConsentChange, Merger, RowsOfAddress
from mailer.audience.records import Record, open_csv, records, survey
from mailer.audience.rejects import Rejects
from mailer.audience.rows import BadRow, ImportedRow, RowReader
from mailer.keys import SealKeys, ServiceKeys
from mailer.model.audience import LanguageProfile, ListDefinition, MembershipState
from mailer.model.faults import Fault
from mailer.store import imports as rows
from mailer.store.audience import load_profile, profile_id, sync_lists
from mailer.store.engine import Connection, Store, take_ids
from mailer.store.scratch import SeenDigests

#: Rows of one transaction: under 50 ms of write lock.
CHUNK_ROWS = 300
#: Told how many lines are done, and of how many.
ProgressCallback = Callable[[int, int], None]


@dataclass(frozen=True)
class ImportResult:
    """What became of the rows; every row is in exactly one of the counts."""

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
    #: Of those on the list now, how many have no consent on record and so are not mailed.
    without_consent: int = 0
    #: Columns that the list does not declare; they are kept sealed.
    sealed_columns: tuple[str, ...] = ()
    #: The first rejected rows: line and reason, nothing of the row.
    reject_reasons: tuple[Fault, ...] = ()
    #: Where the rejected rows are; None when there are none or nothing was to be written.
    reject_file: Path | None = None

    @property
    def rows(self) -> int:
        """Return how many rows the file had."""
        return sum(self.counts().values())

    def counts(self) -> dict[str, int]:
        """Return the counts that add up to the rows of the file, by name."""
        names = ("added", "updated", "unchanged", "merged", "left", "suppressed", "rejected")
        return {name: getattr(self, name) for name in names}

    def summary(self) -> str:
        """Return the counts that are not zero, in words."""
        words = [f"{count} {name}" for name, count in self.counts().items() if count]
        if self.without_consent:
            words.append(f"{self.without_consent} without consent")
        return ", ".join(words) or "no rows"

    def to_document(self) -> dict[str, object]:
        """Return the result as other programs read it."""
        return {
            "rows": self.rows,
            **self.counts(),
            "without_consent": self.without_consent,
            "sealed_columns": list(self.sealed_columns),
            "reject_file": str(self.reject_file) if self.reject_file else None,
        }


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
    progress: ProgressCallback | None = None,
) -> ImportResult:
    """Import a file onto a list, or with `dry_run` count what it would do and change nothing.

    Raises:
        FaultsFound: when the file as a whole cannot be used; nothing is changed then.
        WrongSealKey: when who is on record was sealed with another key.
    """
    found = survey(path)
    source = f"import of {path.name} on {now:%Y-%m-%d}"
    reader = RowReader(found.header, definition, path.name, source)
    tell = progress or _tell_nobody
    with closing(SeenDigests()) as seen:
        importer = _Importer(store, seal_keys, service_keys, definition, now, seen, dry_run=dry_run)
        batch = importer.begin()
        kept = None if dry_run else rejects_dir / f"{batch}.csv"
        with open_csv(path) as file, Rejects(kept, path.name, found.header) as rejects:
            for line, chunk in _chunks(records(file, found, path.name), reader, rejects):
                importer.take(chunk)
                tell(line, found.lines)
            importer.end(rejects.count)
            return importer.result(reader, rejects)


def _tell_nobody(_done: int, _total: int) -> None:
    """Keep the progress to itself."""


def _chunks(
    found: Iterator[Record], reader: RowReader, rejects: Rejects
) -> Iterator[tuple[int, list[ImportedRow]]]:
    """Yield the rows that can be taken, some at a time, with the line they go up to."""
    chunk: list[ImportedRow] = []
    line = 1
    for record in found:
        line = record.line
        try:
            if record.problem:
                raise BadRow(record.problem)
            chunk.append(reader.read(record.cells))
        except BadRow as error:
            rejects.add(record.line, error.reason, record.cells)
        if len(chunk) >= CHUNK_ROWS:
            yield line, chunk
            chunk = []
    yield line, chunk


class _Importer:
    """Compares rows with who is known, and writes what is new, a chunk a transaction."""

    def __init__(
        self,
        store: Store,
        seal_keys: SealKeys,
        service_keys: ServiceKeys,
        definition: ListDefinition,
        now: datetime,
        seen: SeenDigests,
        *,
        dry_run: bool,
    ) -> None:
        self._store = store
        self._seal = seal_keys
        self._service = service_keys
        self._definition = definition
        self._now = now
        self._seen = seen
        self._dry_run = dry_run
        self._list_id = 0
        self._organisation_id = 0
        self._batch_id = 0
        self._counts = dict.fromkeys(ImportResult().counts(), 0)
        self._without_consent = 0

    def begin(self) -> int:
        """Note that an import begins and return its id; a dry run only looks up the list."""
        definition = self._definition
        if not self._dry_run:
            with self._store.write() as connection:
                ids = sync_lists(connection, [definition], self._now)
                self._batch_id = rows.open_batch(connection, ids[definition.key], self._now)
        with self._store.read() as connection:
            found = rows.find_list(connection, definition.key, definition.owner)
        self._list_id, self._organisation_id = found
        return self._batch_id

    def end(self, rejected: int) -> None:
        """Put everybody it brought on the list, at once, and note the counts."""
        self._counts["rejected"] = rejected
        if not self._dry_run:
            with self._store.write() as connection:
                rows.close_batch(connection, self._batch_id, self._now, self._counts)

    def result(self, reader: RowReader, rejects: Rejects) -> ImportResult:
        """Return what became of the rows."""
        return ImportResult(
            **self._counts,
            without_consent=self._without_consent,
            sealed_columns=reader.sealed_columns,
            reject_reasons=rejects.reasons,
            reject_file=rejects.written,
        )

    def take(self, chunk: Sequence[ImportedRow]) -> None:
        """Compare one chunk with who is known and write what is new."""
        if not chunk:
            return
        people, repeated = self._by_address(chunk)
        opened = self._store.read if self._dry_run else self._store.write
        with opened() as connection:
            wanted = self._without_suppressed(connection, people, repeated)
            changes = self._changes(connection, wanted)
            if not self._dry_run:
                self._write(connection, changes)
        for digest, change in changes.items():
            if digest not in repeated:
                self._counts[change.verdict.value] += 1
                self._without_consent += change.without_consent

    def _by_address(
        self, chunk: Sequence[ImportedRow]
    ) -> tuple[dict[bytes, RowsOfAddress], set[bytes]]:
        """Return the rows by address digest, and which of them an earlier chunk had."""
        digests = [self._service.address_digest(row.address.normal_form) for row in chunk]
        repeated = self._seen.add(set(digests))
        people: dict[bytes, RowsOfAddress] = {}
        for digest, row in zip(digests, chunk, strict=True):
            if digest in people:
                people[digest] = people[digest].with_row(row)
            elif digest in repeated:
                people[digest] = RowsOfAddress(None, row)
            else:
                people[digest] = RowsOfAddress(row, None)
        self._counts["merged"] += len(chunk) - len(people) + len(repeated)
        return people, repeated

    def _without_suppressed(
        self, connection: Connection, people: Mapping[bytes, RowsOfAddress], repeated: set[bytes]
    ) -> dict[bytes, RowsOfAddress]:
        if not self._dry_run:
            rows.lock_organisation(connection, self._organisation_id)
        suppressed = rows.suppressed_digests(connection, self._organisation_id, list(people))
        self._counts["suppressed"] += len(suppressed.keys() - repeated)
        return {digest: one for digest, one in people.items() if digest not in suppressed}

    def _changes(
        self, connection: Connection, people: Mapping[bytes, RowsOfAddress]
    ) -> dict[bytes, Change]:
        known = rows.known_supporters(
            connection, self._organisation_id, self._list_id, self._batch_id, list(people)
        )
        unknown = [digest for digest in people if digest not in known]
        first = take_ids(connection, TABLE, len(unknown)) if unknown and not self._dry_run else 0
        new_ids = {digest: first + number for number, digest in enumerate(unknown)}
        profiles = _Profiles(connection, writes=not self._dry_run)
        merger = Merger(
            self._seal, self._service, self._definition, self._organisation_id, self._now,
            profiles.id_of, profiles.of_id,
        )  # fmt: skip
        return {
            digest: merger.change(digest, one, known.get(digest), new_ids.get(digest, 0))
            for digest, one in people.items()
        }

    def _write(self, connection: Connection, by_digest: Mapping[bytes, Change]) -> None:
        changes = list(by_digest.values())
        rows.insert_supporters(connection, [one.new for one in changes if one.new is not None])
        rows.update_supporters(connection, [one.changed for one in changes if one.changed])
        rows.write_memberships(
            connection,
            [self._membership(one, one.joins) for one in changes if one.joins is not None],
        )
        rows.write_consent(
            connection,
            [self._consent(one, one.consent) for one in changes if one.consent is not None],
        )
        rows.write_tags(
            connection,
            [
                {"supporter_id": one.supporter_id, "tag": tag}
                for one in changes
                for tag in sorted(one.tags)
            ],
        )
        attributes = self._definition.attributes
        rows.write_attributes(
            connection,
            [
                {
                    "supporter_id": one.supporter_id,
                    "name": name,
                    **rows.attribute_columns(attributes[name], value),
                }
                for one in changes
                for name, value in (one.clear or {}).items()
            ],
        )
        rows.remove_attributes(
            connection, [(one.supporter_id, name) for one in changes for name in one.sealed_again]
        )

    def _membership(self, change: Change, consent: ConsentChange) -> dict[str, object]:
        return {
            "list_id": self._list_id,
            "supporter_id": change.supporter_id,
            "state": MembershipState.SUBSCRIBED,
            "consent_basis": consent.basis,
            "consent_source_sealed": self._source(change, consent),
            "consented_at": consent.at,
            "added_at": self._now,
            "batch_id": self._batch_id,
        }

    def _consent(self, change: Change, consent: ConsentChange) -> dict[str, object]:
        return {
            "on_list": self._list_id,
            "who": change.supporter_id,
            "basis": consent.basis,
            "source_sealed": self._source(change, consent),
            "at": consent.at,
        }

    def _source(self, change: Change, consent: ConsentChange) -> bytes | None:
        return sealed_source(self._seal, consent.source, self._list_id, change.supporter_id)


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
            self._ids[profile] = profile_id(self._connection, profile) if self._writes else 0
        return self._ids[profile]

    def of_id(self, row_id: int) -> LanguageProfile:
        """Return the profile of a row id."""
        if row_id not in self._profiles:
            self._profiles[row_id] = load_profile(self._connection, row_id)
        return self._profiles[row_id]
