"""Bring a CSV of people onto a list, streamed, without ever bringing back who left.

In: a CSV file with a header and a list's definition. Out: an `ImportResult` with counts, and a
reject file with line and reason for every row that could not be taken; the terminal never shows an
address. The file is read twice: first for what would make it unusable, then, a chunk a transaction,
for its people, who are all on the list at once when the last chunk is in. A file imported twice
changes nothing the second time. Standards: RFC 4180.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from mailer.audience.decoding import CsvFile, DiskFile
from mailer.audience.merging import (
    TABLE,
    Change,
    Merger,
    RowsOfAddress,
    Verdict,
)
from mailer.audience.preimages import sealed_before
from mailer.audience.records import Record, open_csv, records, survey
from mailer.audience.rejects import Rejects
from mailer.audience.results import ImportResult, LineTold
from mailer.audience.rows import BadRow, ImportedRow, RowReader
from mailer.audience.writing import ChangeWriter, Profiles
from mailer.keys import SealKeys, ServiceKeys
from mailer.model.audience import ListDefinition, SuppressionReason
from mailer.model.worded import worded
from mailer.store import imports as rows
from mailer.store import undo
from mailer.store.audience import (
    SCOPE_ALL,
    organisation_scope,
    sync_lists,
)
from mailer.store.engine import Connection, Store, take_ids
from mailer.store.scratch import SeenDigests
from mailer.store.suppression_log import SuppressionLog
from mailer.store.suppressions import Suppressed, log_entries, suppress

#: Rows of one transaction: under 50 ms of write lock.
CHUNK_ROWS = 300
#: What imports and undoing take turns for.
ONE_AT_A_TIME = "import"
#: Before the digest of whom a dry run would have suppressed: a digest alone is a line's address.
_BARRED = b"barred:"
#: Told how many lines are done, and of how many.
ProgressCallback = Callable[[int, int], None]
#: Called with the import's number and its counts, in the transaction that ends it.
AlsoWritten = Callable[[Connection, int, Mapping[str, int]], None]


def import_csv(
    store: Store,
    seal_keys: SealKeys,
    service_keys: ServiceKeys,
    path: Path | CsvFile,
    definition: ListDefinition,
    *,
    rejects_dir: Path | None,
    now: datetime,
    dry_run: bool = False,
    progress: ProgressCallback | None = None,
    encoding: str = "",
    separator: str = "",
    told: Callable[[LineTold], None] | None = None,
    log: SuppressionLog | None = None,
    also: AlsoWritten | None = None,
    targets: Sequence[str] | None = None,
) -> ImportResult:
    """Import a file onto a list, or with `dry_run` count what it would do and change nothing.

    Two imports at once take turns. `encoding` and `separator` are found out where they are empty;
    `told` is given every line with what becomes of it, in the order of the file; `log` has the
    suppressions it takes over on the disk before they are committed; `also` writes what is to be
    on record with the import. `targets` says which column is which field, as a person chose; else it
    is found out by the header. Without `rejects_dir` rows that cannot be taken are told of and not
    kept.

    Raises:
        FaultsFound: when the file as a whole cannot be used; nothing is changed then.
        LogNotWritten: when `log` cannot be written; the import is broken off then.
        WrongSealKey: when who is on record was sealed with another key.
    """
    file_of = DiskFile(path) if isinstance(path, Path) else path
    found = survey(file_of, encoding, separator)
    source = f"import of {file_of.name} on {now:%Y-%m-%d}"
    reader = RowReader(found.header, definition, file_of.name, source, targets)
    tell = progress or _tell_nobody
    # Of two imports at once, the second would compare with what the first has not finished.
    alone = nullcontext() if dry_run else store.alone(ONE_AT_A_TIME)
    with alone, closing(SeenDigests()) as seen:
        importer = _Importer(
            store, seal_keys, service_keys, definition, now, seen, log, dry_run=dry_run
        )
        batch = importer.begin()
        kept = None if dry_run or rejects_dir is None else rejects_dir / f"{batch}.csv"
        with (
            open_csv(file_of, found.encoding) as file,
            Rejects(kept, file_of.name, found.header) as rejects,
        ):
            for line, chunk, refused in _chunks(
                records(file, found, file_of.name), reader, rejects
            ):
                lines = [*refused, *importer.take(chunk)]
                if told is not None:
                    for one in sorted(lines, key=lambda each: each.line):
                        told(one)
                tell(line, found.lines)
            rejects.finish()
            importer.end(rejects.count, also)
            result = importer.result(reader, rejects)
        return replace(
            result,
            batch=batch,
            encoding=found.encoding,
            separator=found.separator,
            system=reader.system.name if reader.system else "",
            says_who_left=reader.says_who_left,
        )


def _tell_nobody(_done: int, _total: int) -> None:
    """Keep the progress to itself."""


Numbered = tuple[int, ImportedRow]


def _chunks(
    found: Iterator[Record], reader: RowReader, rejects: Rejects
) -> Iterator[tuple[int, list[Numbered], list[LineTold]]]:
    """Yield rows that can be taken, the line they go up to, and what to tell of the others."""
    chunk: list[Numbered] = []
    refused: list[LineTold] = []
    line = 1
    for record in found:
        line = record.line
        try:
            if record.problem:
                raise BadRow(record.problem)
            chunk.append((record.line, reader.read(record.cells)))
        except BadRow as error:
            rejects.add(record.line, error.reason, record.cells)
            refused.append(LineTold(record.line, "rejected", error.reason))
        if len(chunk) >= CHUNK_ROWS or len(refused) >= CHUNK_ROWS:
            yield line, chunk, refused
            chunk, refused = [], []
    yield line, chunk, refused


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
        log: SuppressionLog | None,
        *,
        dry_run: bool,
    ) -> None:
        self._store = store
        self._seal = seal_keys
        self._service = service_keys
        self._definition = definition
        self._now = now
        self._seen = seen
        self._log = log
        self._dry_run = dry_run
        self._list_id = 0
        self._organisation_id = 0
        self._batch_id = 0
        self._counts = dict.fromkeys(ImportResult().counts(), 0)
        self._without_consent = 0
        self._kept_choices = 0

    def begin(self) -> int:
        """Note that an import begins and return its id; a dry run only looks up the list."""
        definition = self._definition
        if not self._dry_run:
            with self._store.write(patient=True) as connection:
                ids = sync_lists(connection, [definition], self._now)
                self._batch_id = rows.open_batch(connection, ids[definition.key], self._now)
        with self._store.read() as connection:
            found = rows.find_list(connection, definition.key, definition.owner)
        self._list_id, self._organisation_id = found
        return self._batch_id

    def end(self, rejected: int, also: AlsoWritten | None) -> None:
        """Put everybody it brought on the list, at once, and note the counts."""
        self._counts["rejected"] = rejected
        if not self._dry_run:
            with self._store.write(patient=True) as connection:
                rows.close_batch(connection, self._batch_id, self._now, self._counts)
                if also is not None:
                    also(connection, self._batch_id, self._counts)

    def result(self, reader: RowReader, rejects: Rejects) -> ImportResult:
        """Return what became of the rows."""
        return ImportResult(
            **{name: self._counts[name] for name in ImportResult().counts()},  # type: ignore[arg-type]
            without_consent=self._without_consent,
            kept_choices=self._kept_choices,
            sealed_columns=reader.sealed_columns,
            reject_reasons=rejects.reasons,
            reject_file=rejects.written,
        )

    def take(self, numbered: Sequence[Numbered]) -> list[LineTold]:
        """Compare one chunk with who is known and write what is new; tell of every line."""
        if not numbered:
            return []
        barred = [one for one in numbered if one[1].barred]
        chunk = [one for one in numbered if not one[1].barred]
        digests = [self._service.address_digest(row.address.normal_form) for _, row in chunk]
        people, repeated = self._by_address(digests, [row for _, row in chunk])
        opened = self._store.read if self._dry_run else self._store.write
        with opened() as connection:
            if not self._dry_run:
                rows.lock_organisation(connection, self._organisation_id)
            stopped = self._take_over(connection, [row for _, row in barred])
            suppressed = self._suppressed(connection, people) | (stopped & people.keys())
            wanted = {digest: one for digest, one in people.items() if digest not in suppressed}
            changes = self._changes(connection, wanted)
            if not self._dry_run:
                self._write(connection, changes)
        self._counts["suppressed"] += len(suppressed - repeated)
        for digest, change in changes.items():
            if digest not in repeated:
                self._counts[change.verdict.value] += 1
                self._without_consent += change.without_consent
                self._kept_choices += change.keeps_choices
        return [
            *(LineTold(line, "taken_over", str(row.barred)) for line, row in barred),
            *_told(chunk, digests, repeated, suppressed, changes),
        ]

    def _by_address(
        self, digests: Sequence[bytes], chunk: Sequence[ImportedRow]
    ) -> tuple[dict[bytes, RowsOfAddress], set[bytes]]:
        """Return the rows by address digest, and which of them an earlier chunk had."""
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

    def _take_over(self, connection: Connection, barred: Sequence[ImportedRow]) -> set[bytes]:
        """Write suppressions for whom another system mails no more; return their digests."""
        own = organisation_scope(self._organisation_id)
        entries = [
            Suppressed(
                self._service.address_digest(row.address.normal_form),
                # An address that does not exist does so for nobody; a person's word is to one.
                SCOPE_ALL if row.barred is SuppressionReason.BOUNCED else own,
                row.barred,
                "import",
                self._now,
                self._batch_id,
            )
            for row in barred
            if row.barred is not None
        ]
        self._counts["taken_over"] += len(entries)
        digests = {entry.address_digest for entry in entries}
        if self._dry_run:
            self._seen.add({_BARRED + digest for digest in digests})
        else:
            changed = suppress(connection, entries)
            if self._log is not None:
                self._log.append(log_entries(connection, changed, self._now))
        return digests

    def _suppressed(self, connection: Connection, people: Collection[bytes]) -> set[bytes]:
        found = set(rows.suppressed_digests(connection, self._organisation_id, list(people)))
        if self._dry_run:
            # What an earlier line would have suppressed is not in the database.
            barred = self._seen.known([_BARRED + digest for digest in people])
            found |= {one.removeprefix(_BARRED) for one in barred}
        return found

    def _changes(
        self, connection: Connection, people: Mapping[bytes, RowsOfAddress]
    ) -> dict[bytes, Change]:
        known = rows.known_supporters(
            connection, self._organisation_id, self._list_id, self._batch_id, list(people)
        )
        unknown = [digest for digest in people if digest not in known]
        first = take_ids(connection, TABLE, len(unknown)) if unknown and not self._dry_run else 0
        new_ids = {digest: first + number for number, digest in enumerate(unknown)}
        profiles = Profiles(connection, writes=not self._dry_run)
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
        undo.keep_changes(
            connection,
            self._batch_id,
            {
                one.supporter_id: None
                if one.known is None
                else sealed_before(self._seal, one.known, self._list_id, self._batch_id)
                for one in changes
                if one.verdict in (Verdict.ADDED, Verdict.UPDATED)
            },
        )
        writer = ChangeWriter(
            self._seal, self._definition, self._list_id, self._batch_id, self._now
        )
        writer.write(connection, changes)


def _remarks(change: Change) -> str:
    """Return what else is to be said of somebody who is on the list now."""
    unwritten, kept = (
        worded("without consent, so not mailed"),
        worded("keeps the choices on record"),
    )
    if change.without_consent and change.keeps_choices:
        return worded("%(first)s; %(second)s", first=unwritten, second=kept)
    if change.without_consent:
        return unwritten
    return kept if change.keeps_choices else ""


def _told(
    chunk: Sequence[Numbered],
    digests: Sequence[bytes],
    repeated: Collection[bytes],
    suppressed: Collection[bytes],
    changes: Mapping[bytes, Change],
) -> Iterator[LineTold]:
    """Yield what becomes of the lines of a chunk."""
    before = set(repeated)
    for (line, _), digest in zip(chunk, digests, strict=True):
        if digest in before:
            yield LineTold(line, "merged", worded("the address came earlier in this file"))
        elif digest in suppressed:
            yield LineTold(line, "suppressed", worded("the address is on the suppression list"))
        else:
            change = changes[digest]
            yield LineTold(line, change.verdict.value, _remarks(change))
        before.add(digest)
