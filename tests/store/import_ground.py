"""Import files onto lists for tests, and look at all that a database holds afterwards."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from mailer.audience.imports import import_csv
from mailer.audience.merging import opened_fields
from mailer.model.audience import Attribute, AttributeType
from mailer.store import tables
from tests.support.clocks import NOW
from tests.support.factories import make_list

ATTRIBUTES = {
    "city": Attribute("city", AttributeType.TEXT, clear=True),
    "skills": Attribute("skills", AttributeType.TEXT, clear=False),
}
LIST = make_list(attributes=ATTRIBUTES)
#: What an import itself leaves behind, whoever it brought.
DIARY = frozenset({"import_batch"})


class Importer:
    """Writes CSV files and imports them into one database."""

    def __init__(self, store, seal_keys, service_keys, folder):
        self.store, self.seal_keys, self.service_keys = store, seal_keys, service_keys
        self.folder = folder
        self.rejects = folder / "rejects"

    def file(self, *lines, name="people.csv", encoding="utf-8", end="\n"):
        """Write a file of these lines; return its path."""
        path = self.folder / name
        path.write_bytes("".join(line + end for line in lines).encode(encoding))
        return path

    def take(self, *lines, onto=LIST, now=NOW, **options):
        """Import a file of these lines; return the result."""
        path = lines[0] if lines and isinstance(lines[0], Path) else self.file(*lines)
        return import_csv(
            self.store, self.seal_keys, self.service_keys, path, onto,
            rejects_dir=self.rejects, now=now, **options,
        )  # fmt: skip

    def rows(self, table):
        """Return the rows of a table as plain dicts, in the order of their first columns."""
        with self.store.read() as connection:
            found = connection.execute(select(table).order_by(*table.primary_key.columns))
            return [dict(row._mapping) for row in found]

    def everything(self, *, without=DIARY):
        """Return every row of every table."""
        return {
            table.name: self.rows(table)
            for table in tables.metadata.sorted_tables
            if table.name not in without
        }

    def people(self):
        """Return everybody on record by address, with what is sealed about them opened."""
        found = {}
        for row in self.rows(tables.supporter):
            opened = self.seal_keys.unseal(
                row["address_sealed"], "supporter", "address_sealed", row["id"]
            )
            fields = opened_fields(self.seal_keys, row["fields_sealed"], row["id"])
            found[opened] = {**row, "fields": fields}
        return found

    def holds(self, text):
        """Tell whether a text is readable anywhere in the database, its files included."""
        inside = repr(self.everything(without=())) + "".join(
            value.decode("latin-1")
            for rows in self.everything(without=()).values()
            for row in rows
            for value in row.values()
            if isinstance(value, bytes)
        )
        if self.store.is_sqlite:
            database = Path(self.store.engine.url.database)
            for path in database.parent.glob(f"{database.name}*"):
                inside += path.read_bytes().decode("latin-1")
        return text in inside or text.encode().decode("latin-1") in inside
